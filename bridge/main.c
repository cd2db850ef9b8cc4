/*
 * The command line: which subcommand, which configuration. Exit codes are those of sysexits.h, and
 * 1 where a check found a difference.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bridge/base/log.h"
#include "bridge/codec/json_memory.h"
#include "bridge/commands/arguments.h"
#include "bridge/commands/catalogue.h"
#include "bridge/commands/manual.h"
#include "bridge/config/config.h"

#define PROBLEMS_MAXIMUM ((size_t)64 << 10)

static int call(const struct command *command, const struct arguments *arguments)
{
    struct config config;
    struct buffer problems = buffer_new(PROBLEMS_MAXIMUM);
    int code = EX_CONFIG;
    if (config_load(&config, arguments->file, environ, arguments->sets, arguments->set_count,
                    command->needs, &problems)) {
        log_set_level((enum log_level)config.log.level);
        log_set_format((enum log_format)config.log.format);
        code = command->call(&config, arguments);
    } else {
        (void)fputs(buffer_text(&problems), stderr);
    }
    config_free(&config);
    buffer_free(&problems);
    return code;
}

/* `help`, or what is no subcommand: then the usage is an error. */
static int answer_other(const char *name, const char *topic)
{
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        (void)puts("propexo-bridge " BRIDGE_VERSION);
        return EX_OK;
    }
    bool help = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0;
    if (help && manual_topic(topic, stdout))
        return EX_OK;
    manual_usage(stderr);
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    const char *name = argc < 2 ? "" : argv[1];
    struct arguments arguments = {0};
    json_memory_install(JSON_MEMORY_STRETCH);
    const struct command *command = command_find(name);
    if (command == NULL)
        return answer_other(name, argc < 3 ? NULL : argv[2]);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            manual_command(command, stdout);
            return EX_OK;
        }
    }
    if (!arguments_parse(&command->syntax, argc, argv, &arguments)) {
        manual_command(command, stderr);
        return EX_USAGE;
    }
    return call(command, &arguments);
}
