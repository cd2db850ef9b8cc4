#include "bridge/commands/arguments.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool has_option(const struct arguments *arguments, enum option option)
{
    return (arguments->given & option) != 0;
}

bool argument_number(const char *text, int64_t most, int64_t *number)
{
    char *end = NULL;
    *number = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *number <= most;
}

static bool is_word(const struct syntax *syntax, const char *text)
{
    const char *found = syntax->words == NULL ? NULL : strstr(syntax->words, text);
    size_t length = strlen(text);
    return found != NULL && length > 0 && (found == syntax->words || found[-1] == ' ') &&
           (found[length] == ' ' || found[length] == '\0');
}

/* The words not yet read. */
struct words {
    char **next;
    char **end;
};

/* The value of `--name VALUE` or `--name=VALUE` at `text`, or NULL. */
static const char *option(const char *name, const char *text, struct words *words)
{
    size_t length = strlen(name);
    if (strncmp(text, name, length) != 0)
        return NULL;
    if (text[length] == '=')
        return text + length + 1;
    if (text[length] != '\0' || words->next == words->end)
        return NULL;
    return *words->next++;
}

#define ALONE(option, text, words)                       \
    {                                                    \
        .bit = (option), .name = (text), .help = (words) \
    }
#define TEXT(option, text, placeholder, field, words)                             \
    {                                                                             \
        .bit = (option), .name = (text), .value = (placeholder), .help = (words), \
        .offset = offsetof(struct arguments, field)                               \
    }
#define LIST(option, text, placeholder, field, length, words)                                    \
    {                                                                                            \
        .bit = (option), .name = (text), .value = (placeholder), .many = true, .help = (words),  \
        .offset = offsetof(struct arguments, field), .count = offsetof(struct arguments, length) \
    }

const struct option_row option_rows[] = {
    TEXT(OPTION_INTEGRATION, "--integration", "ID", integration, "of this integration alone"),
    ALONE(OPTION_ALL, "--all", "of all integrations"),
    LIST(OPTION_MODEL, "--model", "MODEL", models, model_count,
         "of this model; several may be given"),
    TEXT(OPTION_RECORD, "--record", "ID", record, "the record"),
    TEXT(OPTION_SINCE, "--since", "TIME", since,
         "from then on: 90m, 6h or 2d ago, or 2026-01-31T12:00:00Z"),
    TEXT(OPTION_CODE, "--code", "CODE", code, "those with this error code"),
    TEXT(OPTION_URL, "--url", "URL", url, "the receivers' address as Propexo reaches it"),
    LIST(OPTION_IGNORE, "--ignore", "FIELD", ignored, ignored_count,
         "does not look at this field, or at MODEL.FIELD; several may be given"),
    TEXT(OPTION_LIMIT, "--limit", "N", limit, "so many at most"),
    TEXT(OPTION_WAIT, "--wait", "SECONDS", wait, "so long at most"),
    ALONE(OPTION_FOLLOW, "--follow", "shows how far it has come, until it is done"),
    ALONE(OPTION_REPAIR, "--repair", "orders what differs again"),
    ALONE(OPTION_DRY_RUN, "--dry-run", "only shows what it would do"),
    ALONE(OPTION_ROTATE, "--rotate", "gives the webhooks new secrets"),
    ALONE(OPTION_LIFT, "--lift", "lets the record in again"),
    ALONE(OPTION_JSON, "--json", "prints JSON"),
};
const size_t option_count = ARRAY_LENGTH(option_rows);

/* One of several of the same name. */
static bool add(const char *value, const char **list, size_t *count, size_t maximum)
{
    if (*count == maximum)
        return false;
    list[(*count)++] = value;
    return true;
}

/* One that may be given once. */
static bool put(const char *value, const char **place)
{
    bool first = *place == NULL && *value != '\0';
    *place = value;
    return first;
}

static bool parse_option(const struct syntax *syntax, const char *text, struct words *words,
                         struct arguments *arguments)
{
    for (const struct option_row *row = option_rows; row < option_rows + option_count; row++) {
        char *base = (char *)arguments;
        const char *value = NULL;
        if ((syntax->options & row->bit) == 0)
            continue;
        if (row->value == NULL && strcmp(row->name, text) == 0) {
            arguments->given |= row->bit;
            return true;
        }
        if (row->value == NULL || (value = option(row->name, text, words)) == NULL)
            continue;
        const char **place = (const char **)(void *)(base + row->offset);
        return row->many ? add(value, place, (size_t *)(void *)(base + row->count), NAMES_MAXIMUM)
                         : put(value, place);
    }
    return false;
}

static bool parse_one(const struct syntax *syntax, const char *text, struct words *words,
                      struct arguments *arguments)
{
    const char *value;
    if ((value = option("--config", text, words)) != NULL) {
        arguments->file = value;
        return true;
    }
    if ((value = option("--set", text, words)) != NULL)
        return add(value, arguments->sets, &arguments->set_count, SETS_MAXIMUM);
    if (arguments->word == NULL && is_word(syntax, text)) {
        arguments->word = text;
        return true;
    }
    return parse_option(syntax, text, words, arguments);
}

bool arguments_parse(const struct syntax *syntax, int argc, char **argv,
                     struct arguments *arguments)
{
    struct words words = {argv + 2, argv + argc};
    while (words.next < words.end) {
        const char *text = *words.next++;
        if (text != NULL && parse_one(syntax, text, &words, arguments))
            continue;
        (void)fprintf(stderr, "propexo-bridge %s: %s is not understood\n\n", syntax->name,
                      text == NULL ? "" : text);
        return false;
    }
    if (syntax->words != NULL && arguments->word == NULL) {
        (void)fprintf(stderr, "propexo-bridge %s: one of these must follow: %s\n\n", syntax->name,
                      syntax->words);
        return false;
    }
    if ((syntax->options & OPTION_URL) != 0 && arguments->url == NULL) {
        (void)fprintf(stderr, "propexo-bridge %s: --url URL must be given\n\n", syntax->name);
        return false;
    }
    if ((syntax->options & OPTION_RECORD) != 0 &&
        (arguments->record == NULL || arguments->model_count != 1)) {
        (void)fprintf(stderr, "propexo-bridge %s: --model MODEL and --record ID must be given\n\n",
                      syntax->name);
        return false;
    }
    bool all = has_option(arguments, OPTION_ALL);
    if ((syntax->options & OPTION_ALL) != 0 && (arguments->integration == NULL) != all) {
        (void)fprintf(stderr, "propexo-bridge %s: either --integration ID or --all\n\n",
                      syntax->name);
        return false;
    }
    return true;
}
