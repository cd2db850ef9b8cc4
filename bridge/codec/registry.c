#include "bridge/codec/registry.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/table.h"
#include "bridge/http/client.h"

#define TIMEOUT_MS   10000
#define BODY_MAXIMUM ((size_t)4 << 20)
#define MEDIA_TYPE   "application/vnd.schemaregistry.v1+json"
#define ID_MAXIMUM   2147483647.0

struct registry {
    const struct config *config;
    struct http_client *client;
    struct table ids; /* subject -> id + 1, as a pointer */
};

static const char *or_null(const char *text)
{
    return text == NULL || *text == '\0' ? NULL : text;
}

struct registry *registry_new(const struct config *config, struct error *error)
{
    struct http_options options = {.max_connections = 1,
                                   .connect_timeout_ms = TIMEOUT_MS,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_body = BODY_MAXIMUM,
                                   .bearer = or_null(config->registry.token),
                                   .user = or_null(config->registry.user),
                                   .password = or_null(config->registry.password),
                                   .ca_file = or_null(config->registry.ca)};
    struct http_client *client = http_client_new(&options, error);
    if (client == NULL)
        return NULL;
    struct registry *registry = memory_new(1, sizeof *registry);
    registry->config = config;
    registry->client = client;
    return registry;
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    http_client_free(registry->client);
    table_free(&registry->ids);
    free(registry);
}

/* What a refusal means for us: {"error_code": 409, "message": "..."}. */
static bool refused(const struct http_answer *answer, const char *doing, struct error *error)
{
    cJSON *root = cJSON_ParseWithLength(answer->body, answer->length);
    const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "message"));
    bool later = answer->status >= 500 || answer->status == 429 || answer->status == 408;
    error_set(error, later ? VERDICT_RETRY : VERDICT_CONFIGURATION,
              "%s: the registry answers %ld%s%.300s", doing, answer->status,
              message == NULL ? "" : ": ", message == NULL ? "" : message);
    cJSON_Delete(root);
    return false;
}

static char *body_of(const struct schema *schema)
{
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(root, "schema", schema->text);
    char *body = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return body;
}

static bool read_id(const struct http_answer *answer, const char *subject, uint32_t *id,
                    struct error *error)
{
    if (answer->status != 200)
        return refused(answer, subject, error);
    cJSON *root = cJSON_ParseWithLength(answer->body, answer->length);
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(root, "id");
    bool ok =
        cJSON_IsNumber(number) && number->valuedouble >= 0 && number->valuedouble <= ID_MAXIMUM;
    *id = ok ? (uint32_t)number->valuedouble : 0;
    cJSON_Delete(root);
    return ok || error_set(error, VERDICT_RETRY, "%s: the registry's answer holds no id", subject);
}

bool registry_schema_id(struct registry *registry, const char *subject,
                        const struct schema *schema, uint32_t *id, struct error *error)
{
    struct http_answer answer = {0};
    size_t length = strlen(subject);
    uintptr_t known = (uintptr_t)table_get(&registry->ids, subject, length);
    if (known != 0) {
        *id = (uint32_t)(known - 1);
        return true;
    }
    char *encoded = http_encode(subject);
    char *url = memory_format("%s/subjects/%s/versions", registry->config->registry.url, encoded);
    char *body = body_of(schema);
    bool ok = http_client_call(registry->client, url, MEDIA_TYPE, body, &answer, error) &&
              read_id(&answer, subject, id, error);
    if (ok)
        (void)table_put(&registry->ids, subject, length, (void *)((uintptr_t)*id + 1));
    http_answer_free(&answer);
    cJSON_free(body);
    free(url);
    free(encoded);
    return ok;
}

bool registry_ping(struct registry *registry, struct error *error)
{
    struct http_answer answer = {0};
    char *url = memory_format("%s/subjects", registry->config->registry.url);
    bool ok = http_client_call(registry->client, url, NULL, NULL, &answer, error);
    if (ok && answer.status != 200)
        ok = refused(&answer, "listing subjects", error);
    http_answer_free(&answer);
    free(url);
    return ok;
}
