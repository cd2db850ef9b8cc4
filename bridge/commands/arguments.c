#include "bridge/commands/arguments.h"

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

/* Options that stand alone. */
static const struct {
    const char *name;
    enum option bit;
} switches[] = {
    {"--all", OPTION_ALL},   {"--follow", OPTION_FOLLOW},   {"--repair", OPTION_REPAIR},
    {"--json", OPTION_JSON}, {"--dry-run", OPTION_DRY_RUN}, {"--rotate", OPTION_ROTATE},
    {"--lift", OPTION_LIFT},
};

static bool parse_switch(const struct syntax *syntax, const char *text, struct arguments *arguments)
{
    for (size_t i = 0; i < ARRAY_LENGTH(switches); i++) {
        if ((syntax->options & switches[i].bit) != 0 && strcmp(switches[i].name, text) == 0) {
            arguments->given |= switches[i].bit;
            return true;
        }
    }
    return false;
}

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
    const char *value;
    unsigned options = syntax->options;
    if ((options & OPTION_INTEGRATION) != 0 && (value = option("--integration", text, words)))
        return put(value, &arguments->integration);
    if ((options & OPTION_MODEL) != 0 && (value = option("--model", text, words)))
        return add(value, arguments->models, &arguments->model_count, NAMES_MAXIMUM);
    if ((options & OPTION_IGNORE) != 0 && (value = option("--ignore", text, words)))
        return add(value, arguments->ignored, &arguments->ignored_count, NAMES_MAXIMUM);
    if ((options & OPTION_LIMIT) != 0 && (value = option("--limit", text, words)))
        return put(value, &arguments->limit);
    if ((options & OPTION_SINCE) != 0 && (value = option("--since", text, words)))
        return put(value, &arguments->since);
    if ((options & OPTION_URL) != 0 && (value = option("--url", text, words)))
        return put(value, &arguments->url);
    if ((options & OPTION_CODE) != 0 && (value = option("--code", text, words)))
        return put(value, &arguments->code);
    if ((options & OPTION_RECORD) != 0 && (value = option("--record", text, words)))
        return put(value, &arguments->record);
    return parse_switch(syntax, text, arguments);
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
