#include "bridge/commands/config.h"

#include <stdint.h>
#include <stdio.h>
#include <sysexits.h>

#include "bridge/base/buffer.h"

int command_config(const struct config *config)
{
    struct buffer out = buffer_new(SIZE_MAX);
    config_print(config, &out);
    bool ok = fwrite(out.data, 1, out.length, stdout) == out.length && fflush(stdout) == 0;
    buffer_free(&out);
    if (!ok)
        perror("standard output");
    return ok ? EX_OK : EX_SOFTWARE;
}
