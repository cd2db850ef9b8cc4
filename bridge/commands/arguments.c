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

static bool parse_scope(int argc, char **argv, int *i, struct arguments *arguments)
{
    const char *value;
    if ((value = option("--integration", argc, argv, i)) != NULL) {
        bool first = arguments->integration == NULL && *value != '\0';
        arguments->integration = value;
        return first;
    }
    if ((value = option("--model", argc, argv, i)) != NULL) {
        if (arguments->model_count == NAMES_MAXIMUM)
            return false;
        arguments->models[arguments->model_count++] = value;
        return true;
    }
    bool all = strcmp(argv[*i], "--all") == 0;
    bool follow = strcmp(argv[*i], "--follow") == 0;
    arguments->all |= all;
    arguments->follow |= follow;
    return all || follow;
}

static bool parse_one(const struct syntax *syntax, int argc, char **argv, int *i,
                      struct arguments *arguments)
{
    const char *value;
    if ((value = option("--config", argc, argv, i)) != NULL) {
        arguments->file = value;
        return true;
    }
    if ((value = option("--set", argc, argv, i)) != NULL) {
        if (arguments->set_count == SETS_MAXIMUM)
            return false;
        arguments->sets[arguments->set_count++] = value;
        return true;
    }
    if (arguments->word == NULL && is_word(syntax, argv[*i])) {
        arguments->word = argv[*i];
        return true;
    }
    return syntax->scope && parse_scope(argc, argv, i, arguments);
}

bool arguments_parse(const struct syntax *syntax, int argc, char **argv,
                     struct arguments *arguments)
{
    for (int i = 2; i < argc; i++) {
        int at = i;
        if (parse_one(syntax, argc, argv, &i, arguments))
            continue;
        (void)fprintf(stderr, "propexo-bridge %s: %s is not understood\n\n", syntax->name,
                      argv[at]);
        return false;
    }
    if (syntax->words != NULL && arguments->word == NULL) {
        (void)fprintf(stderr, "propexo-bridge %s: one of these must follow: %s\n\n", syntax->name,
                      syntax->words);
        return false;
    }
    if (syntax->scope && (arguments->integration == NULL) != arguments->all) {
        (void)fprintf(stderr, "propexo-bridge %s: either --integration ID or --all\n\n",
                      syntax->name);
        return false;
    }
    return true;
}
