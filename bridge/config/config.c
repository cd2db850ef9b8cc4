#include "bridge/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/config/check.h"
#include "bridge/config/keys.h"
#include "bridge/config/list.h"
#include "bridge/config/load.h"
#include "bridge/config/properties.h"
#include "bridge/config/secrets.h"
#include "bridge/config/source_file.h"
#include "bridge/config/sources.h"
#include "bridge/config/value.h"

bool config_load(struct config *config, const char *file, char *const *environment,
                 const char *const *sets, size_t set_count, unsigned needs, struct buffer *problems)
{
    struct load load = {.config = config, .problems = problems};
    *config = (struct config){.entries = memory_new(config_key_count, sizeof *config->entries)};
    load_defaults(&load);
    source_file(&load, file == NULL ? CONFIG_DEFAULT_FILE : file, file != NULL);
    source_environment(&load, environment);
    source_sets(&load, sets, set_count);
    secrets_settle(&load);
    properties_settle(&load);
    check_config(&load, needs);
    properties_free(&load);
    return load.problem_count == 0;
}

void config_free(struct config *config)
{
    if (config == NULL || config->entries == NULL)
        return;
    for (size_t i = 0; i < config_key_count; i++) {
        value_free(&config_keys[i], key_field(&config_keys[i], config));
        free(config->entries[i].text);
        free(config->entries[i].origin);
    }
    for (size_t i = 0; i < config->kafka.property_count; i++) {
        struct config_property *property = &config->kafka.properties[i];
        free(property->name);
        free(property->value);
        free(property->origin);
        free(property->file);
    }
    free(config->kafka.properties);
    free(config->entries);
    *config = (struct config){0};
}

int64_t config_expired_before(const struct config *config, int64_t wall_ms)
{
    int64_t days = config->snapshots.expire_unseen_days;
    return days == 0 ? INT64_MIN : wall_ms - days * 24 * 3600 * 1000;
}

bool config_has_model(const struct config *config, const char *model)
{
    return list_has(&config->bridge.models, "*") || list_has(&config->bridge.models, model);
}
