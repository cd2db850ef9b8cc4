#include "bridge/config/sources.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/config/form.h"
#include "bridge/config/properties.h"
#include "bridge/config/text.h"

static const struct config_key *environment_key(const char *name)
{
    char candidate[KEY_ENVIRONMENT_SIZE];
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(key_environment(&config_keys[i], candidate), name) == 0)
            return &config_keys[i];
    return NULL;
}

static bool is_network(const char *text)
{
    return strncmp(text, "tcp://", 6) == 0 || strncmp(text, "udp://", 6) == 0 ||
           strncmp(text, "sctp://", 7) == 0;
}

/* What follows "_PORT_" in BRIDGE_X_PORT_8080_TCP and its like. */
static bool is_port_variable(const char *rest)
{
    static const char *const ends[] = {"", "_PROTO", "_PORT", "_ADDR"};
    static const char *const protocols[] = {"_TCP", "_UDP", "_SCTP"};
    size_t digits = strspn(rest, "0123456789");
    if (digits == 0)
        return false;
    rest += digits;
    for (size_t p = 0; p < ARRAY_LENGTH(protocols); p++) {
        size_t length = strlen(protocols[p]);
        if (strncmp(rest, protocols[p], length) != 0)
            continue;
        for (size_t e = 0; e < ARRAY_LENGTH(ends); e++)
            if (strcmp(rest + length, ends[e]) == 0)
                return true;
    }
    return false;
}

/*
 * Kubernetes describes every Service of the namespace to a container in variables, so a Service
 * called `bridge-receiver` makes some that begin like ours
 * (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
 */
static bool is_service_variable(const char *name, const char *value)
{
    if (text_ends_with(name, "_SERVICE_HOST") || strstr(name, "_SERVICE_PORT_") != NULL ||
        text_ends_with(name, "_SERVICE_PORT"))
        return true;
    if (text_ends_with(name, "_PORT") && is_network(value))
        return true;
    for (const char *at = strstr(name, "_PORT_"); at != NULL; at = strstr(at + 1, "_PORT_"))
        if (is_port_variable(at + strlen("_PORT_")))
            return true;
    return false;
}

static void take_variable(struct load *load, const char *name, const char *value)
{
    static const char kafka[] = KEY_ENVIRONMENT_PREFIX "KAFKA_";
    const struct config_key *key = environment_key(name);
    if (key == NULL && is_service_variable(name, value))
        return;
    char *origin = memory_format("environment %s", name);
    struct setting setting = {.source = SOURCE_ENVIRONMENT, .origin = origin, .value = value};
    if (key != NULL) {
        setting.section = key->section;
        setting.key = key->name;
        load_set(load, &setting);
    } else if (strncmp(name, kafka, sizeof kafka - 1) == 0 && name[sizeof kafka - 1] != '\0') {
        char *property = property_from_environment(name + sizeof kafka - 1);
        setting.section = PROPERTIES_SECTION;
        setting.key = property;
        load_set(load, &setting);
        free(property);
    } else {
        char near[KEY_ENVIRONMENT_SIZE];
        const struct config_key *nearest = key_nearest_environment(name);
        if (nearest == NULL)
            load_problem(load, &setting, "unknown variable");
        else
            load_problem(load, &setting, "unknown variable; did you mean %s?",
                         key_environment(nearest, near));
    }
    free(origin);
}

void source_environment(struct load *load, char *const *environment)
{
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        const char *variable = environment[i];
        const char *equals = strchr(variable, '=');
        if (equals == NULL ||
            strncmp(variable, KEY_ENVIRONMENT_PREFIX, sizeof KEY_ENVIRONMENT_PREFIX - 1) != 0)
            continue;
        char *name = memory_text_n(variable, (size_t)(equals - variable));
        take_variable(load, name, equals + 1);
        free(name);
    }
}

/* The name is quoted nowhere unless it has a name's form: it may be a piece of a secret. */
static void take_set(struct load *load, const char *text, size_t number)
{
    const char *dot = strchr(text, '.');
    const char *equals = strchr(text, '=');
    bool right = dot != NULL && equals != NULL && dot < equals;
    char *section = text_trim_n(text, right ? (size_t)(dot - text) : 0);
    char *key = text_trim_n(right ? dot + 1 : "", right ? (size_t)(equals - dot - 1) : 0);
    if (form_key(section) == NULL && form_key(key) == NULL) {
        char *origin = memory_format("--set %s.%s", section, key);
        struct setting setting = {SOURCE_SET, origin, section, key, equals + 1};
        load_set(load, &setting);
        free(origin);
    } else {
        char *origin = memory_format("--set number %zu", number);
        struct setting where = {.source = SOURCE_SET, .origin = origin};
        load_problem(load, &where, "is not of the form section.key=value");
        free(origin);
    }
    free(section);
    free(key);
}

void source_sets(struct load *load, const char *const *sets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        take_set(load, sets[i], i + 1);
}
