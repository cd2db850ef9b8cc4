#include "bridge/commands/manual.h"

#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/config/config.h"
#include "bridge/config/keys.h"
#include "bridge/config/value.h"

#define NAME_WIDTH   32 /* columns before what something does */
#define LINE_WIDTH   80
#define RANGE_LENGTH 512

static const char exit_codes[] =
    "0 done, 1 a check found a difference, 64 usage, 69 a service is away, 70 internal, 75 try "
    "again, 78 configuration";

/* Words into lines that begin with `indent` spaces. */
static void print_wrapped(FILE *out, int indent, const char *text)
{
    int column = 0; /* 0 = at the beginning of a line */
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (column + 1 + length > LINE_WIDTH) {
            (void)putc('\n', out);
            column = 0;
        }
        column += fprintf(out, "%*s%.*s", column == 0 ? indent : 1, "", length, text);
        text += length + (text[length] == ' ' ? 1 : 0);
    }
    (void)putc('\n', out);
}

/* The command's name and, after it, the words of which one must follow. Returns the columns. */
static int print_name(FILE *out, const struct command *command)
{
    const char *words = command->syntax.words == NULL ? "" : command->syntax.words;
    int width = fprintf(out, "%s%s", command->syntax.name, *words == '\0' ? "" : " ");
    for (; *words != '\0'; words++, width++)
        (void)putc(*words == ' ' ? '|' : *words, out);
    return width;
}

void manual_usage(FILE *out)
{
    (void)fputs("usage: propexo-bridge COMMAND [--config FILE] [--set section.key=value]...\n\n",
                out);
    for (size_t i = 0; i < command_count; i++) {
        (void)fputs("  ", out);
        int width = print_name(out, &commands[i]);
        (void)fprintf(out, "%*s %s\n", NAME_WIDTH - width, "", commands[i].help);
    }
    (void)fprintf(out, "  %-*s %s\n  %-*s %s\n", NAME_WIDTH, "help [COMMAND]",
                  "show this, or what a command understands", NAME_WIDTH, "version",
                  "print the version");
    (void)fputs("\nWithout --config, " CONFIG_DEFAULT_FILE " is read where it exists.\n"
                "Each key can also be set as BRIDGE_<SECTION>_<KEY> in the environment.\n",
                out);
}

static bool understands(const struct command *command, const struct option_row *row)
{
    return (command->syntax.options & row->bit) != 0;
}

void manual_command(const struct command *command, FILE *out)
{
    (void)fputs("usage: propexo-bridge ", out);
    (void)print_name(out, command);
    (void)fprintf(out, "%s\n\n", command->syntax.options == 0 ? "" : " [OPTION]...");
    print_wrapped(out, 0, command->about);
    (void)putc('\n', out);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_rows[i];
        const char *value = row->value == NULL ? "" : row->value;
        int width = (int)(strlen(row->name) + (*value == '\0' ? 0 : 1) + strlen(value));
        if (understands(command, row))
            (void)fprintf(out, "  %s%s%s%*s %s\n", row->name, *value == '\0' ? "" : " ", value,
                          NAME_WIDTH - width, "", row->help);
    }
    (void)fprintf(out, "  %-*s %s\n  %-*s %s\n\nFor example: propexo-bridge %s\n", NAME_WIDTH,
                  "--config FILE", "reads this file, not " CONFIG_DEFAULT_FILE, NAME_WIDTH,
                  "--set section.key=value", "sets one key; several may be given",
                  command->example);
}

/* For roff: a backslash, and a dot or quote at a line's beginning, mean something; a hyphen is one
 * that can be copied. */
static void print_roff(FILE *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\')
            (void)fputs("\\e", out);
        else if (*at == '-')
            (void)fputs("\\-", out);
        else if (at == text && (*at == '.' || *at == '\''))
            (void)fprintf(out, "\\&%c", *at);
        else
            (void)putc(*at, out);
    }
}

static void print_line(FILE *out, const char *text)
{
    print_roff(out, text);
    (void)putc('\n', out);
}

static void print_page_commands(FILE *out)
{
    (void)fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        (void)fputs(".TP\n.B ", out);
        (void)print_name(out, command);
        (void)putc('\n', out);
        print_line(out, command->about);
        for (size_t j = 0; j < option_count; j++) {
            const struct option_row *row = &option_rows[j];
            if (!understands(command, row))
                continue;
            (void)fputs(".RS\n.TP\n.B ", out);
            print_roff(out, row->name);
            (void)fprintf(out, "%s%s\n", row->value == NULL ? "" : " ",
                          row->value == NULL ? "" : row->value);
            print_line(out, row->help);
            (void)fputs(".RE\n", out);
        }
    }
}

static void print_page_keys(FILE *out)
{
    const char *section = "";
    (void)fputs(".SH CONFIGURATION\n", out);
    print_line(out, "An INI file, then the environment (BRIDGE_<SECTION>_<KEY>), then --set: the "
                    "later wins. Any librdkafka property can stand in [kafka], as producer.* and "
                    "consumer.* for one side alone.");
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        struct buffer range = buffer_new(RANGE_LENGTH);
        if (strcmp(section, key->section) != 0)
            (void)fprintf(out, ".SS [%s]\n", key->section);
        section = key->section;
        value_write_range(key, &range);
        (void)fprintf(out, ".TP\n.B %s\n", key->name);
        print_line(out, key->help);
        if (key->default_note != NULL || *key->initial != '\0') {
            (void)fputs("Default: ", out);
            print_roff(out, key->default_note != NULL ? key->default_note : key->initial);
            (void)fputs(".\n", out);
        }
        (void)fputs("Takes: ", out);
        print_roff(out, buffer_text(&range));
        (void)fputs(".\n", out);
        buffer_free(&range);
    }
}

static void print_page(FILE *out)
{
    (void)fputs(".TH PROPEXO\\-BRIDGE 1 \"\" \"propexo\\-bridge " BRIDGE_VERSION "\"\n"
                ".SH NAME\npropexo\\-bridge \\- Propexo's webhooks become complete snapshots on "
                "Kafka\n.SH SYNOPSIS\n.B propexo\\-bridge\n.I COMMAND\n[\\fB\\-\\-config\\fR "
                "\\fIFILE\\fR] [\\fB\\-\\-set\\fR \\fIsection.key=value\\fR]...\n.SH DESCRIPTION\n",
                out);
    print_line(out, "Takes in webhooks that carry only the fields that changed, reads the whole "
                    "records from Propexo's API, and publishes them on compacted topics of Kafka. "
                    "No reader ever sees a part of a record.");
    print_page_commands(out);
    print_page_keys(out);
    (void)fputs(".SH EXIT STATUS\n", out);
    print_line(out, exit_codes);
    (void)fputs(".SH FILES\n.I " CONFIG_DEFAULT_FILE "\n.SH EXAMPLES\n", out);
    for (size_t i = 0; i < command_count; i++) {
        (void)fputs(".PP\n.nf\npropexo\\-bridge ", out);
        print_line(out, commands[i].example);
        (void)fputs(".fi\n", out);
    }
}

static void print_options(FILE *out, const struct command *command, const char *between)
{
    for (size_t i = 0; i < option_count; i++)
        if (understands(command, &option_rows[i]))
            (void)fprintf(out, "%s%s", between, option_rows[i].name);
}

static void print_names(FILE *out)
{
    for (size_t i = 0; i < command_count; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : " ", commands[i].syntax.name);
    (void)fputs(" help version", out);
}

static void print_bash(FILE *out)
{
    (void)fputs("_propexo_bridge()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} "
                "before=${COMP_WORDS[COMP_CWORD-1]}\n    COMPREPLY=()\n"
                "    if [ \"$before\" = --config ]; then\n"
                "        COMPREPLY=($(compgen -f -- \"$word\"))\n        return\n    fi\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"",
                out);
    print_names(out);
    (void)fputs("\" -- \"$word\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n", out);
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        const char *words = command->syntax.words == NULL ? "" : command->syntax.words;
        (void)fprintf(out, "    %s) COMPREPLY=($(compgen -W \"%s%s--config --set",
                      command->syntax.name, words, *words == '\0' ? "" : " ");
        print_options(out, command, " ");
        (void)fputs("\" -- \"$word\")) ;;\n", out);
    }
    (void)fputs("    esac\n}\ncomplete -F _propexo_bridge propexo-bridge\n", out);
}

static void print_fish(FILE *out)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        const char *name = command->syntax.name;
        (void)fprintf(out, "complete -c propexo-bridge -n __fish_use_subcommand -f -a %s -d '%s'\n",
                      name, command->help);
        if (command->syntax.words != NULL)
            (void)fprintf(out,
                          "complete -c propexo-bridge -n '__fish_seen_subcommand_from %s' -f -a "
                          "'%s'\n",
                          name, command->syntax.words);
        for (size_t j = 0; j < option_count; j++)
            if (understands(command, &option_rows[j]))
                (void)fprintf(out,
                              "complete -c propexo-bridge -n '__fish_seen_subcommand_from %s' -l "
                              "%s%s -d '%s'\n",
                              name, option_rows[j].name + 2,
                              option_rows[j].value == NULL ? "" : " -r", option_rows[j].help);
    }
    (void)fputs("complete -c propexo-bridge -l config -r -F -d 'configuration file'\n"
                "complete -c propexo-bridge -l set -x -d 'section.key=value'\n",
                out);
}

static void print_zsh(FILE *out)
{
    (void)fputs("#compdef propexo-bridge\nlocal -a names words\n"
                "if (( CURRENT == 2 )); then\n    names=(",
                out);
    for (size_t i = 0; i < command_count; i++)
        (void)fprintf(out, "'%s:%s' ", commands[i].syntax.name, commands[i].help);
    (void)fputs("'help:show what a command understands' 'version:print the version')\n"
                "    _describe command names\n    return\nfi\ncase $words[2] in\n",
                out);
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        (void)fprintf(out, "%s) compadd -- %s --config --set", command->syntax.name,
                      command->syntax.words == NULL ? "" : command->syntax.words);
        print_options(out, command, " ");
        (void)fputs(" ;;\n", out);
    }
    (void)fputs("esac\n[[ $words[CURRENT-1] == --config ]] && _files\n", out);
}

bool manual_topic(const char *topic, FILE *out)
{
    static const struct {
        const char *name;
        void (*print)(FILE *out);
    } others[] = {
        {"man", print_page}, {"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    const struct command *command = topic == NULL ? NULL : command_find(topic);
    if (topic == NULL)
        manual_usage(out);
    else if (command != NULL)
        manual_command(command, out);
    for (size_t i = 0; topic != NULL && i < ARRAY_LENGTH(others); i++) {
        if (strcmp(topic, others[i].name) == 0) {
            others[i].print(out);
            return true;
        }
    }
    return topic == NULL || command != NULL;
}
