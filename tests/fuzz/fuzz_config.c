/* A configuration file: refused with sentences, or taken, and then what is printed of it is taken
 * and printed as the same. */
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "bridge/base/buffer.h"
#include "bridge/config/config.h"

#define MASK "********"

static bool load(struct config *config, const void *bytes, size_t length, struct buffer *problems)
{
    static char *const environment[] = {NULL};
    int fd = memfd_create("config", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
    char *path = memory_format("/proc/self/fd/%d", fd);
    bool ok = config_load(config, path, environment, NULL, 0, CONFIG_NEED_NOTHING, problems);
    (void)close(fd);
    free(path);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct buffer problems = buffer_new(1 << 20);
    bool ok = load(&config, data, size, &problems);
    CHECK(ok == (problems.length == 0));
    CHECK(ok || problems.data[problems.length - 1] == '\n');
    struct buffer first = buffer_new(1 << 22);
    struct buffer second = buffer_new(1 << 22);
    if (ok)
        config_print(&config, &first);
    config_free(&config);
    if (ok && strstr(buffer_text(&first), MASK) == NULL) {
        /* Comments tell where a value comes from, so the third print is the first that may equal
         * the one before. */
        CHECK(load(&config, buffer_text(&first), first.length, &problems));
        config_print(&config, &second);
        config_free(&config);
        CHECK(load(&config, buffer_text(&second), second.length, &problems));
        buffer_clear(&first);
        config_print(&config, &first);
        config_free(&config);
        CHECK(strcmp(buffer_text(&first), buffer_text(&second)) == 0);
    }
    buffer_free(&first);
    buffer_free(&second);
    buffer_free(&problems);
    return 0;
}
