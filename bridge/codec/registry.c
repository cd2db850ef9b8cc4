#include "bridge/codec/registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "bridge/base/table.h"
#include "bridge/codec/json_text.h"
#include "bridge/codec/registry_answer.h"
#include "bridge/http/client.h"

#define CONNECT_TIMEOUT_MS 5000
#define TIMEOUT_MS         10000
#define BODY_MAXIMUM       ((size_t)8 << 20)
#define MEDIA_TYPE         "application/vnd.schemaregistry.v1+json"
#define REASON_MAXIMUM     ((size_t)16 << 10)

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

char *registry_subject(const char *topic)
{
    return memory_format("%s-value", topic);
}

/* One call of the registry, about `subject` unless that is NULL; with a schema it is a POST. True
 * when an answer of any status came, which the caller frees. */
static bool ask(struct registry *registry, const char *before, const char *subject,
                const char *after, const struct schema *schema, struct http_answer *answer,
                struct error *error)
{
    struct buffer body = buffer_new(BODY_MAXIMUM);
    char *encoded = http_encode(subject == NULL ? "" : subject);
    char *url = memory_format("%s%s%s%s", registry->url, before, encoded, after);
    if (schema != NULL) {
        (void)buffer_append_text(&body, "{\"schema\":");
        json_text_string(&body, schema->text, schema->length);
        (void)buffer_append_text(&body, "}");
    }
    bool ok = http_client_call(registry->client, url, MEDIA_TYPE,
                               schema == NULL ? NULL : buffer_text(&body), answer, error);
    free(url);
    free(encoded);
    buffer_free(&body);
    return ok || error_prefix(error, "the schema registry");
}

/* The version that is this schema, or 0. A registry that cannot look schemas up finds none. */
static bool look_up(struct registry *registry, const char *subject, const struct schema *schema,
                    int *version, uint32_t *id, struct error *error)
{
    struct http_answer answer = {0};
    bool ok = ask(registry, "/subjects/", subject, "", schema, &answer, error);
    *version = 0;
    if (ok && answer.status != 404 && answer.status != 405)
        ok = registry_take_version(&answer, version, id, error);
    http_answer_free(&answer);
    return ok;
}

/* The latest version and how it differs; `found->latest` is 0 when there is none. */
static bool get_latest(struct registry *registry, const char *subject, const struct schema *schema,
                       struct registry_subject *found, bool *equal, struct buffer *difference,
                       struct error *error)
{
    struct http_answer answer = {0};
    *found = (struct registry_subject){0};
    *equal = false;
    bool ok = ask(registry, "/subjects/", subject, "/versions/latest", NULL, &answer, error) &&
              registry_take_latest(&answer, schema, found, equal, difference, error);
    http_answer_free(&answer);
    return ok;
}

bool registry_look(struct registry *registry, const char *subject, const struct schema *schema,
                   struct registry_subject *found, struct buffer *difference, struct error *error)
{
    uint32_t id = 0;
    bool equal = false;
    struct buffer text = buffer_new(REASON_MAXIMUM);
    bool ok = get_latest(registry, subject, schema, found, &equal, &text, error);
    if (ok && found->latest > 0)
        ok = look_up(registry, subject, schema, &found->ours, &id, error);
    if (ok && found->latest > 0 && found->ours != found->latest)
        (void)buffer_append_text(difference,
                                 equal ? "documentation or order only" : buffer_text(&text));
    buffer_free(&text);
    return ok || error_prefix(error, "subject %s", subject);
}

/* A reason of ours where the registry gives none; without one too, when the registry goes away. */
static void explain(struct registry *registry, const char *subject, const struct schema *schema,
                    struct buffer *reason)
{
    struct registry_subject found;
    struct buffer difference = buffer_new(REASON_MAXIMUM);
    bool equal = false;
    (void)buffer_append_text(reason, "the registry does not say why");
    if (get_latest(registry, subject, schema, &found, &equal, &difference, NULL) &&
        found.latest > 0)
        (void)buffer_append_format(reason, "; what differs from version %d: %s", found.latest,
                                   equal ? "nothing" : buffer_text(&difference));
    buffer_free(&difference);
}

bool registry_check(struct registry *registry, const char *subject, const struct schema *schema,
                    bool *compatible, struct buffer *reason, struct error *error)
{
    struct http_answer answer = {0};
    bool explained = false;
    bool ok = ask(registry, "/compatibility/subjects/", subject, "/versions/latest?verbose=true",
                  schema, &answer, error) &&
              registry_take_verdict(&answer, compatible, &explained, reason, error);
    http_answer_free(&answer);
    if (!ok)
        return error_prefix(error, "subject %s", subject);
    if (!explained)
        explain(registry, subject, schema, reason);
    return true;
}

static bool remember(struct registry *registry, const char *subject, uint32_t id)
{
    (void)table_put(&registry->ids, subject, strlen(subject), (void *)((uintptr_t)id + 1));
    return true;
}

bool registry_register(struct registry *registry, const char *subject, const struct schema *schema,
                       uint32_t *id, struct error *error)
{
    struct http_answer answer = {0};
    bool ok = ask(registry, "/subjects/", subject, "/versions", schema, &answer, error) &&
              registry_take_version(&answer, NULL, id, error);
    http_answer_free(&answer);
    return ok || error_prefix(error, "subject %s", subject);
}

static bool demand_compatible(struct registry *registry, const char *subject,
                              const struct schema *schema, struct error *error)
{
    bool compatible = false;
    struct buffer reason = buffer_new(REASON_MAXIMUM);
    bool ok = registry_check(registry, subject, schema, &compatible, &reason, error);
    if (ok && !compatible)
        ok = error_set(error, VERDICT_CONFIGURATION,
                       "subject %s: our schema is not compatible with what is registered: %s",
                       subject, buffer_text(&reason));
    buffer_free(&reason);
    return ok;
}

bool registry_schema_id(struct registry *registry, const char *subject, const struct schema *schema,
                        uint32_t *id, struct error *error)
{
    int version = 0;
    uintptr_t known = (uintptr_t)table_get(&registry->ids, subject, strlen(subject));
    if (known != 0) {
        *id = (uint32_t)(known - 1);
        return true;
    }
    if (!look_up(registry, subject, schema, &version, id, error))
        return error_prefix(error, "subject %s", subject);
    if (version > 0)
        return remember(registry, subject, *id);
    return demand_compatible(registry, subject, schema, error) &&
           registry_register(registry, subject, schema, id, error) &&
           remember(registry, subject, *id);
}

bool registry_schema_text(struct registry *registry, uint32_t id, char **text, struct error *error)
{
    struct http_answer answer = {0};
    char number[16];
    (void)snprintf(number, sizeof number, "%" PRIu32, id);
    *text = NULL;
    bool ok = ask(registry, "/schemas/ids/", number, "", NULL, &answer, error) &&
              registry_take_text(&answer, text, error);
    http_answer_free(&answer);
    return ok || error_prefix(error, "schema %s", number);
}

bool registry_ping(struct registry *registry, struct error *error)
{
    struct http_answer answer = {0};
    bool ok = ask(registry, "/subjects", NULL, "", NULL, &answer, error) &&
              (answer.status == 200 || registry_refused(&answer, error));
    http_answer_free(&answer);
    return ok;
}
