#include "bridge/commands/arguments.h"

#include <stdio.h>
#include <string.h>

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

static bool parse_scope(const char *text, struct words *words, struct arguments *arguments)
{
    const char *value;
    if ((value = option("--integration", text, words)) != NULL) {
        bool first = arguments->integration == NULL && *value != '\0';
        arguments->integration = value;
        return first;
    }
    if ((value = option("--model", text, words)) != NULL) {
        if (arguments->model_count == NAMES_MAXIMUM)
            return false;
        arguments->models[arguments->model_count++] = value;
        return true;
    }
    bool all = strcmp(text, "--all") == 0;
    bool follow = strcmp(text, "--follow") == 0;
    arguments->all |= all;
    arguments->follow |= follow;
    return all || follow;
}

static bool parse_url(const char *text, struct words *words, struct arguments *arguments)
{
    const char *value;
    if ((value = option("--url", text, words)) != NULL) {
        bool first = arguments->url == NULL && *value != '\0';
        arguments->url = value;
        return first;
    }
    bool json = strcmp(text, "--json") == 0;
    bool rotate = strcmp(text, "--rotate") == 0;
    arguments->json |= json;
    arguments->rotate |= rotate;
    return json || rotate;
}

static bool parse_one(const struct syntax *syntax, const char *text, struct words *words,
                      struct arguments *arguments)
{
    const char *value;
    if ((value = option("--config", text, words)) != NULL) {
        arguments->file = value;
        return true;
    }
    if ((value = option("--set", text, words)) != NULL) {
        if (arguments->set_count == SETS_MAXIMUM)
            return false;
        arguments->sets[arguments->set_count++] = value;
        return true;
    }
    if (arguments->word == NULL && is_word(syntax, text)) {
        arguments->word = text;
        return true;
    }
    if ((syntax->options & SYNTAX_URL) != 0 && parse_url(text, words, arguments))
        return true;
    return (syntax->options & SYNTAX_SCOPE) != 0 && parse_scope(text, words, arguments);
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
    if ((syntax->options & SYNTAX_URL) != 0 && arguments->url == NULL) {
        (void)fprintf(stderr, "propexo-bridge %s: --url URL must be given\n\n", syntax->name);
        return false;
    }
    if ((syntax->options & SYNTAX_SCOPE) != 0 &&
        (arguments->integration == NULL) != arguments->all) {
        (void)fprintf(stderr, "propexo-bridge %s: either --integration ID or --all\n\n",
                      syntax->name);
        return false;
    }
    return true;
}
