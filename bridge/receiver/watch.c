#include "bridge/receiver/watch.h"

#include <string.h>

#include "bridge/base/file.h"

static void look(const struct watch *watch, uint64_t stamps[WATCH_FILES])
{
    for (int i = 0; i < WATCH_FILES; i++)
        stamps[i] = *watch->paths[i] == '\0' ? 0 : file_stamp(watch->paths[i]);
}

void watch_start(struct watch *watch, const struct config *config)
{
    watch->paths[0] = config_secret_file(config, "secret_file");
    watch->paths[1] = config_secret_file(config, "integration_secret_file");
    watch->paths[2] = config->receiver.tls_certificate;
    watch->paths[3] = config->receiver.tls_key;
    watch->paths[4] = config->receiver.tls_client_ca;
    look(watch, watch->taken);
    memcpy(watch->seen, watch->taken, sizeof watch->seen);
}

bool watch_changed(struct watch *watch)
{
    uint64_t now[WATCH_FILES];
    look(watch, now);
    bool rests = memcmp(now, watch->seen, sizeof now) == 0;
    memcpy(watch->seen, now, sizeof now);
    if (!rests || memcmp(now, watch->taken, sizeof now) == 0)
        return false;
    memcpy(watch->taken, now, sizeof now);
    return true;
}
