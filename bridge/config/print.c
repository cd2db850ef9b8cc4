#include <stdint.h>
#include <string.h>

#include "bridge/config/config.h"
#include "bridge/config/keys.h"
#include "bridge/config/load.h"
#include "bridge/config/properties.h"
#include "bridge/config/value.h"

static void print_key(const struct config *config, const struct config_key *key, struct buffer *out)
{
    const struct config_entry *entry = &config->entries[key - config_keys];
    const void *field = (const char *)config + key->offset;
    struct buffer value = buffer_new(SIZE_MAX);
    size_t column = strlen(key->name) + strlen(" = ");
    buffer_append_format(out, "# %s\n%s =", entry->origin, key->name);
    if (key->type == TYPE_SECRET)
        buffer_append_text(&value, entry->text[0] == '\0' ? "" : VALUE_MASK);
    else if (key->type == TYPE_SECRET_FILE)
        buffer_append_text(&value, entry->text);
    else
        value_write(key, field, column, &value);
    buffer_append_format(out, "%s%s\n", value.length == 0 ? "" : " ", buffer_text(&value));
    buffer_free(&value);
}

static void print_property(const struct config_property *property, struct buffer *out)
{
    static const char *const sides[] = {
        [PROPERTY_BOTH] = "", [PROPERTY_PRODUCER] = "producer.", [PROPERTY_CONSUMER] = "consumer."};
    buffer_append_format(out, "# %s\n%s%s%s = ", property->origin, sides[property->side],
                         property->name, property->file == NULL ? "" : "_file");
    const char *value = property->value;
    if (property->file != NULL)
        value = property->file;
    else if (value[0] != '\0' && property_is_secret(property->name))
        value = VALUE_MASK;
    for (; *value != '\0'; value++)
        if (*value == '\n')
            buffer_append_text(out, "\n    ");
        else
            buffer_append(out, value, 1);
    buffer_append_text(out, "\n");
}

void config_print(const struct config *config, struct buffer *out)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        bool last = i + 1 == config_key_count || strcmp(key[1].section, key->section) != 0;
        if (i == 0 || strcmp(key[-1].section, key->section) != 0)
            buffer_append_format(out, "%s[%s]\n", i == 0 ? "" : "\n", key->section);
        print_key(config, key, out);
        if (last && strcmp(key->section, PROPERTIES_SECTION) == 0)
            for (size_t p = 0; p < config->kafka.property_count; p++)
                print_property(&config->kafka.properties[p], out);
    }
}

void config_document(struct buffer *out)
{
    buffer_append_text(out, "| section | key | default | unit | range | what it is |\n"
                            "| --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const char *quote = key->initial[0] == '\0' ? "" : "`";
        buffer_append_format(out, "| `[%s]` | `%s` | %s%s%s | %s | ", key->section, key->name,
                             quote, key->default_note != NULL ? key->default_note : key->initial,
                             quote, key->unit == NULL ? "" : key->unit);
        value_write_range(key, out);
        buffer_append_format(out, " | %s |\n", key->help);
    }
    buffer_append_text(out, "\n");
    properties_document(out);
}
