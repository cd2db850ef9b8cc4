#include "bridge/config/load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/error.h"
#include "bridge/base/memory.h"
#include "bridge/base/utf8.h"
#include "bridge/config/properties.h"
#include "bridge/config/text.h"
#include "bridge/config/value.h"

void load_problem(struct load *load, const struct setting *where, const char *format, ...)
{
    char message[1024];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(message, sizeof message, format, values);
    va_end(values);
    load->problem_count++;
    if (where->source != SOURCE_DEFAULT)
        buffer_append_format(load->problems, "%s: ", where->origin);
    if (where->source <= SOURCE_FILE && where->key != NULL)
        buffer_append_format(load->problems, "[%s] %s: ", where->section, where->key);
    buffer_append_format(load->problems, "%s\n", message);
}

struct config_entry *load_entry(const struct load *load, const struct config_key *key)
{
    return &load->config->entries[key - config_keys];
}

struct setting load_where(const struct load *load, const struct config_key *key)
{
    const struct config_entry *entry = load_entry(load, key);
    return (struct setting){entry->source, entry->origin, key->section, key->name, entry->text};
}

static void entry_put(struct config_entry *entry, enum source source, const char *text,
                      const char *origin)
{
    free(entry->text);
    free(entry->origin);
    entry->source = source;
    entry->text = memory_text(text);
    entry->origin = memory_text(origin);
}

void load_defaults(struct load *load)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        struct setting setting = {SOURCE_DEFAULT, "default", key->section, key->name, key->initial};
        if (key->type == TYPE_SECRET && !key->many)
            *(char **)key_field(key, load->config) = memory_text("");
        load_set(load, &setting);
    }
}

static void report_unknown(struct load *load, const struct setting *setting)
{
    if (!key_section_exists(setting->section)) {
        const char *section = key_nearest_section(setting->section);
        load_problem(load, setting, "unknown section%s%s%s",
                     section == NULL ? "" : "; did you mean ", section == NULL ? "" : section,
                     section == NULL ? "" : "?");
        return;
    }
    const struct config_key *near = key_nearest(setting->section, setting->key);
    if (near == NULL)
        load_problem(load, setting, "unknown key");
    else if (strcmp(near->section, setting->section) == 0)
        load_problem(load, setting, "unknown key; did you mean %s?", near->name);
    else
        load_problem(load, setting, "unknown key; did you mean %s in [%s]?", near->name,
                     near->section);
}

static void set_key(struct load *load, const struct setting *setting, const struct config_key *key)
{
    struct config_entry *entry = load_entry(load, key);
    struct error error;
    if (setting->source == SOURCE_FILE && entry->source == SOURCE_FILE) {
        load_problem(load, setting, "is set twice; first at %s", entry->origin);
        return;
    }
    if (!value_parse(key, setting->value, key_field(key, load->config), &error)) {
        entry->refused = true;
        load_problem(load, setting, "%s", error.message);
        return;
    }
    entry_put(entry, setting->source, setting->value, setting->origin);
}

static const char *value_problem(const char *value)
{
    if (!utf8_valid(value, strlen(value)))
        return "is not UTF-8";
    if (strlen(value) > LOAD_MAX_VALUE)
        return "is longer than 64 KiB";
    if (text_longest_line(value) > LOAD_MAX_LINE)
        return "has a line of more than 8000 bytes";
    return NULL;
}

void load_set(struct load *load, const struct setting *setting)
{
    const struct config_key *key = key_find(setting->section, setting->key);
    const char *problem = value_problem(setting->value);
    if (problem != NULL) {
        load_problem(load, setting, "%s", problem);
        return;
    }
    char *value = text_trim(setting->value);
    struct setting trimmed = *setting;
    trimmed.value = value;
    if (key != NULL)
        set_key(load, &trimmed, key);
    else if (strcmp(setting->section, PROPERTIES_SECTION) == 0)
        properties_set(load, &trimmed);
    else
        report_unknown(load, &trimmed);
    free(value);
}
