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
#include "bridge/commands/check.h"
#include "bridge/commands/config.h"
#include "bridge/commands/schemas.h"
#include "bridge/commands/service.h"
#include "bridge/commands/topics.h"
#include "bridge/config/config.h"

#define PROBLEMS_MAXIMUM ((size_t)64 << 10)
#define SETS_MAXIMUM     256
#define COMMAND_WIDTH    32 /* columns of the usage before what a command does */

struct arguments {
    const char *file;
    const char *sets[SETS_MAXIMUM];
    size_t set_count;
    const char *word; /* a subcommand's own word: plan, apply, ... */
};

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
    const char *name;
    const char *words; /* what may follow, NULL: nothing */
    const char *help;
    unsigned needs;
    int (*call)(const struct config *config, const struct arguments *arguments);
} commands[] = {
    {"run", NULL, "receive webhooks and enrich them, in one process",
     CONFIG_NEED_RECEIVER | CONFIG_NEED_API | CONFIG_NEED_ADMIN, run},
    {"receive", NULL, "take webhooks into Kafka", CONFIG_NEED_RECEIVER | CONFIG_NEED_ADMIN,
     receive},
    {"enrich", NULL, "turn events into snapshots", CONFIG_NEED_API | CONFIG_NEED_ADMIN, enrich},
    {"topics", "plan apply", "show (plan) or make (apply) the topics", CONFIG_NEED_NOTHING, topics},
    {"schemas", "list check register", "show, check or register the schemas at the registry",
     CONFIG_NEED_NOTHING, schemas},
    {"config", NULL, "print the effective configuration, secrets masked", CONFIG_NEED_NOTHING,
     print_config},
    {"check", NULL, "connect to Kafka, the registry and the API and say what is wrong",
     CONFIG_NEED_API, check},
};

/* The command's name and, after it, the words of which one must follow. */
static void print_command(FILE *out, const struct command *command)
{
    const char *words = command->words == NULL ? "" : command->words;
    int width = COMMAND_WIDTH - fprintf(out, "  %s ", command->name);
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
    (void)fputs("\nWithout --config, " CONFIG_DEFAULT_FILE " is read where it exists.\n"
                "Each key can also be set as BRIDGE_<SECTION>_<KEY> in the environment.\n",
                out);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static bool is_word(const struct command *command, const char *text)
{
    const char *found = command->words == NULL ? NULL : strstr(command->words, text);
    size_t length = strlen(text);
    return found != NULL && length > 0 && (found == command->words || found[-1] == ' ') &&
           (found[length] == ' ' || found[length] == '\0');
}

/* The value of `--name VALUE` or `--name=VALUE` at argv[*i], or NULL. */
static const char *option(const char *name, int argc, char **argv, int *i)
{
    size_t length = strlen(name);
    if (strncmp(argv[*i], name, length) != 0)
        return NULL;
    if (argv[*i][length] == '=')
        return argv[*i] + length + 1;
    if (argv[*i][length] != '\0' || *i + 1 >= argc)
        return NULL;
    return argv[++*i];
}

static bool parse(const struct command *command, int argc, char **argv, struct arguments *arguments)
{
    for (int i = 2; i < argc; i++) {
        const char *value;
        if ((value = option("--config", argc, argv, &i)) != NULL) {
            arguments->file = value;
        } else if ((value = option("--set", argc, argv, &i)) != NULL &&
                   arguments->set_count < SETS_MAXIMUM) {
            arguments->sets[arguments->set_count++] = value;
        } else if (value == NULL && arguments->word == NULL && is_word(command, argv[i])) {
            arguments->word = argv[i];
        } else {
            (void)fprintf(stderr, "propexo-bridge %s: %s is not understood\n\n", command->name,
                          argv[i]);
            return false;
        }
    }
    if (command->words == NULL || arguments->word != NULL)
        return true;
    (void)fprintf(stderr, "propexo-bridge %s: one of these must follow: %s\n\n", command->name,
                  command->words);
    return false;
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
    if (!parse(command, argc, argv, &arguments)) {
        print_usage(stderr);
        return EX_USAGE;
    }
    return call(command, &arguments);
}
