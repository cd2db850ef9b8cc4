/*
 * The command line: which subcommand, which configuration. Exit codes are those of sysexits.h, and
 * 1 where a check found a difference.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/commands/arguments.h"
#include "bridge/commands/backfill.h"
#include "bridge/commands/check.h"
#include "bridge/commands/config.h"
#include "bridge/commands/erase.h"
#include "bridge/commands/recover.h"
#include "bridge/commands/replay.h"
#include "bridge/commands/schemas.h"
#include "bridge/commands/service.h"
#include "bridge/commands/topics.h"
#include "bridge/commands/verify.h"
#include "bridge/commands/webhooks.h"
#include "bridge/config/config.h"

#define PROBLEMS_MAXIMUM ((size_t)64 << 10)
#define COMMAND_WIDTH    32 /* columns of the usage before what a command does */

static int run(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_service(config, SERVICE_RECEIVER | SERVICE_ENRICHER);
}

static int receive(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_service(config, SERVICE_RECEIVER);
}

static int enrich(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_service(config, SERVICE_ENRICHER);
}

static int topics(const struct config *config, const struct arguments *arguments)
{
    return command_topics(config, strcmp(arguments->word, "apply") == 0);
}

static int schemas(const struct config *config, const struct arguments *arguments)
{
    enum schemas_action action = SCHEMAS_REGISTER;
    if (strcmp(arguments->word, "list") == 0)
        action = SCHEMAS_LIST;
    else if (strcmp(arguments->word, "check") == 0)
        action = SCHEMAS_CHECK;
    return command_schemas(config, action);
}

static int print_config(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_config(config);
}

static int check(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_check(config);
}

static const struct command {
    struct syntax syntax;
    const char *help;
    unsigned needs;
    int (*call)(const struct config *config, const struct arguments *arguments);
} commands[] = {
    {{"run", NULL, 0},
     "receive webhooks and enrich them, in one process",
     CONFIG_NEED_RECEIVER | CONFIG_NEED_API | CONFIG_NEED_ADMIN,
     run},
    {{"receive", NULL, 0},
     "take webhooks into Kafka",
     CONFIG_NEED_RECEIVER | CONFIG_NEED_ADMIN,
     receive},
    {{"enrich", NULL, 0},
     "turn events into snapshots",
     CONFIG_NEED_API | CONFIG_NEED_ADMIN,
     enrich},
    {{"topics", "plan apply", 0},
     "show (plan) or make (apply) the topics",
     CONFIG_NEED_NOTHING,
     topics},
    {{"schemas", "list check register", 0},
     "show, check or register the schemas at the registry",
     CONFIG_NEED_NOTHING,
     schemas},
    {{"webhooks", "plan apply list", OPTION_URL | OPTION_JSON | OPTION_ROTATE},
     "show (plan) or make (apply) the webhooks at Propexo; list all",
     CONFIG_NEED_API,
     command_webhooks},
    {{"backfill", NULL, OPTION_INTEGRATION | OPTION_ALL | OPTION_MODEL | OPTION_FOLLOW},
     "read all records of an integration and publish them",
     CONFIG_NEED_API,
     command_backfill},
    {{"verify", NULL,
      OPTION_INTEGRATION | OPTION_MODEL | OPTION_IGNORE | OPTION_LIMIT | OPTION_REPAIR |
          OPTION_JSON},
     "compare the snapshots with the API, and order what differs again",
     CONFIG_NEED_API,
     command_verify},
    {{"recover", NULL, OPTION_INTEGRATION | OPTION_SINCE | OPTION_DRY_RUN},
     "produce the changes again whose webhooks were lost",
     CONFIG_NEED_API,
     command_recover},
    {{"replay", NULL,
      OPTION_CODE | OPTION_MODEL | OPTION_SINCE | OPTION_LIMIT | OPTION_DRY_RUN | OPTION_JSON},
     "send dead letters back to where they came from",
     CONFIG_NEED_NOTHING,
     command_replay},
    {{"erase", NULL, OPTION_MODEL | OPTION_RECORD | OPTION_LIFT},
     "delete a record from the topics, and keep it out",
     CONFIG_NEED_NOTHING,
     command_erase},
    {{"config", NULL, 0},
     "print the effective configuration, secrets masked",
     CONFIG_NEED_NOTHING,
     print_config},
    {{"check", NULL, 0},
     "connect to Kafka, the registry and the API and say what is wrong",
     CONFIG_NEED_API,
     check},
};

/* The command's name and, after it, the words of which one must follow. */
static void print_command(FILE *out, const struct command *command)
{
    const char *words = command->syntax.words == NULL ? "" : command->syntax.words;
    int width = COMMAND_WIDTH - fprintf(out, "  %s ", command->syntax.name);
    for (; *words != '\0'; words++, width--)
        (void)putc(*words == ' ' ? '|' : *words, out);
    (void)fprintf(out, "%*s %s\n", width, "", command->help);
}

static void print_usage(FILE *out)
{
    (void)fputs("usage: propexo-bridge COMMAND [--config FILE] [--set section.key=value]...\n\n",
                out);
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        print_command(out, &commands[i]);
    (void)fprintf(out, "  %-*s print the version\n", COMMAND_WIDTH - 2, "version");
    (void)fputs(
        "\nbackfill takes --integration ID or --all, --model M (several), --follow.\n"
        "webhooks takes --url URL (the receiver's, as Propexo sees it), --json, --rotate.\n"
        "verify takes --integration ID, --model M (several), --ignore FIELD or MODEL.FIELD\n"
        "  (several), --limit N, --repair, --json.\n"
        "recover takes --since T (such as 90m, 6h, 2d or 2026-01-31T12:00:00Z),\n"
        "  --integration ID, --dry-run.\n"
        "replay takes --code C, --model M (several), --since T, --limit N, --dry-run, --json.\n"
        "erase takes --model M and --record ID; --lift lets the record in again.\n",
        out);
    (void)fputs("\nWithout --config, " CONFIG_DEFAULT_FILE " is read where it exists.\n"
                "Each key can also be set as BRIDGE_<SECTION>_<KEY> in the environment.\n",
                out);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (strcmp(commands[i].syntax.name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

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

int main(int argc, char **argv)
{
    const char *name = argc < 2 ? "" : argv[1];
    struct arguments arguments = {0};
    cJSON_Hooks hooks = {.malloc_fn = memory_bytes, .free_fn = free};
    cJSON_InitHooks(&hooks);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        (void)puts("propexo-bridge " BRIDGE_VERSION);
        return EX_OK;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0) {
        print_usage(stdout);
        return EX_OK;
    }
    const struct command *command = find_command(name);
    if (command == NULL) {
        print_usage(stderr);
        return EX_USAGE;
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_usage(stdout);
            return EX_OK;
        }
    }
    if (!arguments_parse(&command->syntax, argc, argv, &arguments)) {
        print_usage(stderr);
        return EX_USAGE;
    }
    return call(command, &arguments);
}
