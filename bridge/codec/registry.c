#include "bridge/codec/registry.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "bridge/base/table.h"
#include "bridge/codec/json_text.h"
#include "bridge/http/client.h"

#define CONNECT_TIMEOUT_MS 5000
#define TIMEOUT_MS         10000
#define BODY_MAXIMUM       ((size_t)8 << 20)
#define MEDIA_TYPE         "application/vnd.schemaregistry.v1+json"
#define ID_MAXIMUM         2147483647.0 /* a Java int */

struct registry {
    char *url; /* without a slash at the end */
    struct http_client *client;
    struct table ids; /* subject to id + 1, as a pointer */
};

struct registry *registry_new(const struct config *config, struct error *error)
{
    struct http_options options = {.max_connections = 1,
                                   .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_body = BODY_MAXIMUM,
                                   .bearer = config->registry.token,
                                   .user = config->registry.user,
                                   .password = config->registry.password,
                                   .ca_file = config->registry.ca};
    struct http_client *client = http_client_new(&options, error);
    if (client == NULL)
        return NULL;
    struct registry *registry = memory_new(1, sizeof *registry);
    registry->client = client;
    registry->url = memory_text(config->registry.url);
    for (size_t end = strlen(registry->url); end > 0 && registry->url[end - 1] == '/'; end--)
        registry->url[end - 1] = '\0';
    return registry;
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    http_client_free(registry->client);
    table_free(&registry->ids);
    free(registry->url);
    free(registry);
}

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

/* What a status other than 200 means for us; the registry says more in {"message": "..."}. */
static bool refused(const struct http_answer *answer, struct error *error)
{
    cJSON *root = cJSON_ParseWithLength(answer->body, answer->length);
    const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "message"));
    bool later = answer->status >= 500 || answer->status == 429 || answer->status == 408;
    error_set(error, later ? VERDICT_RETRY : VERDICT_CONFIGURATION,
              "the schema registry answers %ld: %s%s%.200s", answer->status,
              meaning(answer->status), message == NULL ? "" : ": ", message == NULL ? "" : message);
    cJSON_Delete(root);
    return false;
}

/* One call of the registry; true only with status 200. The caller frees the answer either way. */
static bool ask(struct registry *registry, const char *path, const char *body,
                struct http_answer *answer, struct error *error)
{
    char *url = memory_format("%s%s", registry->url, path);
    bool ok = http_client_call(registry->client, url, MEDIA_TYPE, body, answer, error);
    free(url);
    if (!ok)
        return error_prefix(error, "the schema registry");
    return answer->status == 200 || refused(answer, error);
}

static bool read_id(const struct http_answer *answer, uint32_t *id, struct error *error)
{
    cJSON *root = cJSON_ParseWithLength(answer->body, answer->length);
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(root, "id");
    bool ok = cJSON_IsNumber(number) && number->valuedouble >= 0 &&
              number->valuedouble <= ID_MAXIMUM && number->valuedouble == number->valueint;
    if (ok)
        *id = (uint32_t)number->valueint;
    cJSON_Delete(root);
    return ok || error_set(error, VERDICT_CONFIGURATION,
                           "the answer holds no id: is registry.url that of a schema registry?");
}

static bool register_schema(struct registry *registry, const char *subject,
                            const struct schema *schema, uint32_t *id, struct error *error)
{
    struct http_answer answer = {0};
    struct buffer body = buffer_new(BODY_MAXIMUM);
    char *encoded = http_encode(subject);
    char *path = memory_format("/subjects/%s/versions", encoded);
    buffer_append_text(&body, "{\"schema\":");
    json_text_string(&body, schema->text, schema->length);
    buffer_append_text(&body, "}");
    bool ok =
        ask(registry, path, buffer_text(&body), &answer, error) && read_id(&answer, id, error);
    http_answer_free(&answer);
    buffer_free(&body);
    free(path);
    free(encoded);
    return ok || error_prefix(error, "subject %s", subject);
}

bool registry_schema_id(struct registry *registry, const char *subject, const struct schema *schema,
                        uint32_t *id, struct error *error)
{
    size_t length = strlen(subject);
    uintptr_t known = (uintptr_t)table_get(&registry->ids, subject, length);
    if (known != 0) {
        *id = (uint32_t)(known - 1);
        return true;
    }
    if (!register_schema(registry, subject, schema, id, error))
        return false;
    (void)table_put(&registry->ids, subject, length, (void *)((uintptr_t)*id + 1));
    return true;
}

bool registry_ping(struct registry *registry, struct error *error)
{
    struct http_answer answer = {0};
    bool ok = ask(registry, "/subjects", NULL, &answer, error);
    http_answer_free(&answer);
    return ok;
}
