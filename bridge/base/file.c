#include "bridge/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bridge/base/digest.h"
#include "bridge/base/memory.h"

char *file_read(const char *path, size_t maximum, struct error *error)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        error_set(error, VERDICT_CONFIGURATION, "cannot read %s: %s", path, strerrordesc_np(errno));
        return NULL;
    }
    char *text = memory_new(maximum + 2, 1);
    size_t length = fread(text, 1, maximum + 1, file);
    int failed = ferror(file);
    (void)fclose(file);
    if (failed)
        error_set(error, VERDICT_CONFIGURATION, "cannot read %s", path);
    else if (length > maximum)
        error_set(error, VERDICT_CONFIGURATION, "%s is longer than %zu bytes", path, maximum);
    else if (memchr(text, '\0', length) != NULL)
        error_set(error, VERDICT_CONFIGURATION, "%s is not a text file", path);
    else
        return text;
    free(text);
    return NULL;
}

uint64_t file_stamp(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return 0;
    uint64_t parts[] = {status.st_dev, status.st_ino, (uint64_t)status.st_size,
                        (uint64_t)status.st_mtim.tv_sec, (uint64_t)status.st_mtim.tv_nsec};
    return digest_short(parts, sizeof parts) | 1;
}
