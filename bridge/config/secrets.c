#include "bridge/config/secrets.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/file.h"
#include "bridge/base/memory.h"
#include "bridge/config/list.h"
#include "bridge/config/value.h"

char *secret_read(const char *path, size_t maximum, struct error *error)
{
    char *content = file_read(path, maximum, error);
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

static bool add_secret(const struct config_key *key, struct config_list *list, const char *secret,
                       struct error *error)
{
    size_t most = key->owned ? SECRETS_MAX_OWNED : SECRETS_MAX;
    if (list->count == most)
        return error_set(error, VERDICT_CONFIGURATION, "more than %zu secrets", most);
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
        if (!value_check_secret(key, line, error) || !add_secret(key, list, line, error))
            return error_prefix(error, "%s, line %u", path, number);
        any = true;
    }
    return any || error_set(error, VERDICT_CONFIGURATION, "%s has empty lines alone", path);
}

static bool take_file(const struct config_key *key, const char *path, void *field,
                      struct error *error)
{
    char **place = field;
    char *content = secret_read(path, key->owned ? SECRETS_OWNED_FILE : SECRETS_MAX_FILE, error);
    bool ok = content != NULL;
    if (ok && key->many) {
        ok = add_lines(key, path, content, field, error);
    } else if (ok && !value_check_secret(key, content, error)) {
        ok = error_prefix(error, "%s", path);
    } else if (ok) {
        free(*place);
        *place = content;
        return true;
    }
    free(content);
    return ok;
}

/* From the key's text and its file, either of which may be empty. */
static bool take(const struct config_key *key, const char *text, const char *path, void *field,
                 struct error *error)
{
    if (text[0] != '\0' && key->many) {
        list_add(field, memory_text(text));
    } else if (text[0] != '\0') {
        char **place = field;
        free(*place);
        *place = memory_text(text);
    }
    return path[0] == '\0' || take_file(key, path, field, error);
}

static void settle_one(struct load *load, const struct config_key *key)
{
    const struct config_key *file_key = key + 1;
    const struct config_entry *entry = load_entry(load, key);
    struct config_entry *file = load_entry(load, file_key);
    struct setting where = load_where(load, file_key);
    struct error error;
    if (entry->text[0] != '\0' && file->text[0] != '\0' && !key->many) {
        load_problem(load, &where, "%s is set as well, at %s; one of the two must go", key->name,
                     entry->origin);
    } else if (!take(key, entry->text, file->text, key_field(key, load->config), &error)) {
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

const char *config_secret_file(const struct config *config, const char *name)
{
    return config->entries[key_find("receiver", name) - config_keys].text;
}

static bool read_again(const struct config *config, const char *name, struct config_list *list,
                       struct error *error)
{
    const struct config_key *key = key_find("receiver", name);
    const struct config_entry *entry = &config->entries[key - config_keys];
    return take(key, entry->text, entry[1].text, list, error);
}

bool config_secrets_read(const struct config *config, struct config_secrets *secrets,
                         struct error *error)
{
    return read_again(config, "secret", &secrets->general, error) &&
           read_again(config, "integration_secret", &secrets->integrations, error);
}

void config_secrets_free(struct config_secrets *secrets)
{
    list_free(&secrets->general);
    list_free(&secrets->integrations);
}

const char *config_propexo_secret(const struct config *config)
{
    const struct config_list *general = &config->receiver.secrets.general;
    bool standard = (config->receiver.senders & 1U << SENDER_STANDARD_WEBHOOKS) != 0;
    for (size_t i = 0; i < general->count; i++)
        if (!standard ||
            strncmp(general->items[i], CONFIG_STANDARD_PREFIX, strlen(CONFIG_STANDARD_PREFIX)) != 0)
            return general->items[i];
    return NULL;
}
