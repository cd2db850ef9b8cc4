#include "bridge/receiver/secret_files.h"

#include <string.h>

#include "bridge/base/file.h"

static void look(const struct secret_files *files, uint64_t stamps[SECRET_FILES])
{
    for (int i = 0; i < SECRET_FILES; i++)
        stamps[i] = *files->paths[i] == '\0' ? 0 : file_stamp(files->paths[i]);
}

void secret_files_start(struct secret_files *files, const struct config *config)
{
    files->paths[0] = config_secret_file(config, "secret_file");
    files->paths[1] = config_secret_file(config, "integration_secret_file");
    look(files, files->taken);
    memcpy(files->seen, files->taken, sizeof files->seen);
}

bool secret_files_changed(struct secret_files *files)
{
    uint64_t now[SECRET_FILES];
    look(files, now);
    bool rests = memcmp(now, files->seen, sizeof now) == 0;
    memcpy(files->seen, now, sizeof now);
    if (!rests || memcmp(now, files->taken, sizeof now) == 0)
        return false;
    memcpy(files->taken, now, sizeof now);
    return true;
}
