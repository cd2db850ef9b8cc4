#include "bridge/codec/registry_answer.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/difference.h"

#define INT_LARGEST     2147483647.0 /* Java's */
#define MESSAGE_LONGEST 500          /* of one message of several */

/* Error codes in answers of status 404. */
#define NO_SUBJECT 40401
#define NO_VERSION 40402
#define NO_SCHEMA  40403

static const char *meaning(long status)
{
    switch (status) {
    case 401:
        return "it does not know us (registry.user and password, or token)";
    case 403:
        return "we have no right to do this";
    case 404:
    case 405:
        return "is registry.url that of a schema registry?";
    case 409:
        return "the schema is not compatible with the one registered";
    case 422:
        return "it cannot use the schema";
    default:
        return status >= 500 ? "it is in trouble" : "it refuses";
    }
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

bool registry_refused(const struct http_answer *answer, struct error *error)
{
    cJSON *root = cJSON_ParseWithLength(answer->body, answer->length);
    const char *message = cJSON_GetStringValue(member(root, "message"));
    bool later = answer->status >= 500 || answer->status == 429 || answer->status == 408;
    error_set(error, later ? VERDICT_RETRY : VERDICT_CONFIGURATION,
              "the schema registry answers %ld: %s%s%.200s", answer->status,
              meaning(answer->status), message == NULL ? "" : ": ", message == NULL ? "" : message);
    cJSON_Delete(root);
    return false;
}

static bool no_registry(const char *lacks, struct error *error)
{
    return error_set(error, VERDICT_CONFIGURATION,
                     "the answer %s: is registry.url that of a schema registry?", lacks);
}

/* A whole number in JSON that is a Java int and not below 0; -1 for anything else. */
static int64_t number_of(const cJSON *object, const char *name)
{
    const cJSON *number = member(object, name);
    bool ok = cJSON_IsNumber(number) && number->valuedouble >= 0 &&
              number->valuedouble <= INT_LARGEST && number->valuedouble == number->valueint;
    return ok ? number->valueint : -1;
}

/* True when it answers that there is no such subject or version, or no such schema in it. */
static bool is_absent(const struct http_answer *answer)
{
    cJSON *root =
        answer->status == 404 ? cJSON_ParseWithLength(answer->body, answer->length) : NULL;
    int64_t code = number_of(root, "error_code");
    cJSON_Delete(root);
    return code == NO_SUBJECT || code == NO_VERSION || code == NO_SCHEMA;
}

/* `*version` may be NULL where the answer has none. */
static bool read_version(const cJSON *root, int *version, uint32_t *id, struct error *error)
{
    int64_t found_id = number_of(root, "id");
    int64_t found_version = version == NULL ? 1 : number_of(root, "version");
    if (found_id < 0)
        return no_registry("holds no id", error);
    if (found_version < 1)
        return no_registry("holds no version", error);
    *id = (uint32_t)found_id;
    if (version != NULL)
        *version = (int)found_version;
    return true;
}

bool registry_take_version(const struct http_answer *answer, int *version, uint32_t *id,
                           struct error *error)
{
    if (answer->status != 200)
        return registry_refused(answer, error);
    cJSON *root = cJSON_ParseWithLength(answer->body, answer->length);
    bool ok = read_version(root, version, id, error);
    cJSON_Delete(root);
    return ok;
}

bool registry_take_latest(const struct http_answer *answer, const struct schema *schema,
                          struct registry_subject *found, bool *equal, struct buffer *difference,
                          struct error *error)
{
    if (is_absent(answer))
        return true;
    if (answer->status != 200)
        return registry_refused(answer, error);
    cJSON *root = cJSON_ParseWithLength(answer->body, answer->length);
    const char *text = cJSON_GetStringValue(member(root, "schema"));
    bool ok = read_version(root, &found->latest, &found->latest_id, error);
    if (ok && text == NULL)
        ok = no_registry("holds no schema", error);
    if (ok)
        *equal = schema_difference(text, schema->text, difference);
    cJSON_Delete(root);
    return ok;
}

/* The registry's own words (Confluent's since 6.1); the schema that it may repeat is left out. */
static bool add_messages(const cJSON *messages, struct buffer *reason)
{
    const cJSON *message = NULL;
    const char *separator = "";
    cJSON_ArrayForEach(message, messages)
    {
        const char *text = cJSON_GetStringValue(message);
        if (text == NULL || *text == '\0' || strncmp(text, "{oldSchema:", 11) == 0)
            continue;
        (void)buffer_append_format(reason, "%s%.*s", separator, MESSAGE_LONGEST, text);
        separator = "; ";
    }
    return *separator != '\0';
}

bool registry_take_verdict(const struct http_answer *answer, bool *compatible, bool *explained,
                           struct buffer *reason, struct error *error)
{
    *compatible = *explained = is_absent(answer);
    if (*compatible)
        return true;
    if (answer->status != 200)
        return registry_refused(answer, error);
    cJSON *root = cJSON_ParseWithLength(answer->body, answer->length);
    const cJSON *verdict = member(root, "is_compatible");
    bool ok = cJSON_IsBool(verdict);
    *compatible = cJSON_IsTrue(verdict);
    *explained = *compatible || !ok || add_messages(member(root, "messages"), reason);
    cJSON_Delete(root);
    return ok || no_registry("does not say whether the schema is compatible", error);
}

bool registry_take_text(const struct http_answer *answer, char **text, struct error *error)
{
    if (answer->status == 404)
        return true;
    if (answer->status != 200)
        return registry_refused(answer, error);
    cJSON *root = cJSON_ParseWithLength(answer->body, answer->length);
    *text = memory_text(cJSON_GetStringValue(member(root, "schema")));
    cJSON_Delete(root);
    return *text != NULL || no_registry("holds no schema", error);
}
