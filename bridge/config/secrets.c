#include "bridge/config/secrets.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/file.h"
#include "bridge/base/memory.h"
#include "bridge/config/list.h"
#include "bridge/config/value.h"

char *secret_read(const char *path, struct error *error)
{
    char *content = file_read(path, SECRETS_MAX_FILE, error);
    if (content == NULL)
        return NULL;
    size_t length = strlen(content);
    if (length > 0 && content[length - 1] == '\n') {
        content[--length] = '\0';
        if (length > 0 && content[length - 1] == '\r')
            content[--length] = '\0';
    }
    if (length > 0)
        return content;
    error_set(error, VERDICT_CONFIGURATION, "%s is empty", path);
    free(content);
    return NULL;
}

static bool add_secret(struct config_list *list, const char *secret, struct error *error)
{
    if (list->count == SECRETS_MAX)
        return error_set(error, VERDICT_CONFIGURATION, "more than %d secrets", SECRETS_MAX);
    if (!list_has(list, secret))
        list_add(list, memory_text(secret));
    return true;
}

/* One secret a line; empty lines are passed over. */
static bool add_lines(const struct config_key *key, const char *path, char *content,
                      struct config_list *list, struct error *error)
{
    bool any = false;
    unsigned number = 0;
    for (char *next = content; next != NULL;) {
        char *line = next;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        size_t length = strlen(line);
        if (length > 0 && line[length - 1] == '\r')
            line[length - 1] = '\0';
        number++;
        if (line[0] == '\0')
            continue;
        if (!value_check_secret(line, key->least, error) || !add_secret(list, line, error))
            return error_prefix(error, "%s, line %u", path, number);
        any = true;
    }
    return any || error_set(error, VERDICT_CONFIGURATION, "%s has empty lines alone", path);
}

static bool take_file(const struct config_key *key, const char *path, void *field,
                      struct error *error)
{
    char **place = field;
    char *content = secret_read(path, error);
    bool ok = content != NULL;
    if (ok && key->many) {
        ok = add_lines(key, path, content, field, error);
    } else if (ok && !value_check_secret(content, key->least, error)) {
        ok = error_prefix(error, "%s", path);
    } else if (ok) {
        free(*place);
        *place = content;
        return true;
    }
    free(content);
    return ok;
}

static void settle_one(struct load *load, const struct config_key *key)
{
    const struct config_key *file_key = key + 1;
    const struct config_entry *entry = load_entry(load, key);
    struct config_entry *file = load_entry(load, file_key);
    void *field = key_field(key, load->config);
    struct setting where = load_where(load, file_key);
    struct error error;
    if (entry->text[0] != '\0' && key->many) {
        list_add(field, memory_text(entry->text));
    } else if (entry->text[0] != '\0') {
        char **place = field;
        free(*place);
        *place = memory_text(entry->text);
    }
    if (file->text[0] == '\0')
        return;
    if (entry->text[0] != '\0' && !key->many) {
        load_problem(load, &where, "%s is set as well, at %s; one of the two must go", key->name,
                     entry->origin);
        return;
    }
    if (!take_file(key, file->text, field, &error)) {
        file->refused = true;
        load_problem(load, &where, "%s", error.message);
    }
}

void secrets_settle(struct load *load)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].type == TYPE_SECRET)
            settle_one(load, &config_keys[i]);
}
