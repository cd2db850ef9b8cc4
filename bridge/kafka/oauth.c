#include "bridge/kafka/oauth.h"

#include <cjson/cJSON.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/http/client.h"

#define TIMEOUT_MS 10000
#define MAX_ANSWER ((size_t)256 << 10)

/* What a provider that does not say how long a token lives is taken to mean (RFC 6749, 5.1). */
#define DEFAULT_LIFE_S 300

#define MOST_EXTENSIONS 16
#define LONGEST_PACKED  ((size_t)64 << 10)

/* What librdkafka hands back to on_refresh: nobody else may set it. */
#define PACKED "sasl.oauthbearer.config"

enum { ENDPOINT, CLIENT_ID, CLIENT_SECRET, SCOPE, EXTENSIONS, AUTHORITIES, METHOD, PARAMETERS };

static const char *const names[PARAMETERS] = {
    [ENDPOINT] = "sasl.oauthbearer.token.endpoint.url",
    [CLIENT_ID] = "sasl.oauthbearer.client.id",
    [CLIENT_SECRET] = "sasl.oauthbearer.client.secret",
    [SCOPE] = "sasl.oauthbearer.scope",
    [EXTENSIONS] = "sasl.oauthbearer.extensions",
    [AUTHORITIES] = "https.ca.location",
    [METHOD] = "sasl.oauthbearer.method",
};

static const char *find(const struct config *config, const char *name)
{
    const char *value = "";
    for (size_t i = 0; i < config->kafka.property_count; i++)
        if (strcmp(config->kafka.properties[i].name, name) == 0)
            value = config->kafka.properties[i].value;
    return value;
}

bool oauth_is_wanted(const struct config *config)
{
    return strcmp(find(config, names[METHOD]), "oidc") == 0;
}

bool oauth_takes(const char *property)
{
    for (int i = 0; i < PARAMETERS; i++)
        if (strcmp(property, names[i]) == 0)
            return true;
    return false;
}

/* The form of RFC 6749, 4.4.2. */
static char *form_of(const char *scope)
{
    char *encoded = http_encode(scope);
    char *form = memory_format("grant_type=client_credentials%s%s",
                               *scope == '\0' ? "" : "&scope=", encoded);
    free(encoded);
    return form;
}

/* Asks the provider; the answer's JSON, or NULL. */
static cJSON *ask(char *const parameters[PARAMETERS], struct error *error)
{
    /* In this form, by RFC 6749, 2.3.1. */
    char *user = http_encode(parameters[CLIENT_ID]);
    char *password = http_encode(parameters[CLIENT_SECRET]);
    char *form = form_of(parameters[SCOPE]);
    struct http_options options = {.max_connections = 1,
                                   .connect_timeout_ms = TIMEOUT_MS,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_body = MAX_ANSWER,
                                   .user = user,
                                   .password = password,
                                   .ca_file = parameters[AUTHORITIES]};
    struct http_answer answer = {0};
    struct http_client *client = http_client_new(&options, error);
    cJSON *found = NULL;
    if (client != NULL &&
        http_client_call(client, parameters[ENDPOINT], "application/x-www-form-urlencoded", form,
                         &answer, error)) {
        if (answer.status == 200)
            found = cJSON_ParseWithLength(answer.body, answer.length);
        if (found == NULL)
            error_set(error, VERDICT_RETRY, "the provider answers with status %ld and no token",
                      answer.status);
    }
    http_answer_free(&answer);
    http_client_free(client);
    free(user);
    free(password);
    free(form);
    return found;
}

/* Cuts "name=value,name=value" into names and values, in place. */
static size_t cut_extensions(char *text, const char *pairs[2 * MOST_EXTENSIONS])
{
    size_t count = 0;
    char *rest = text;
    for (char *one = strsep(&rest, ","); one != NULL && count < 2 * MOST_EXTENSIONS;
         one = strsep(&rest, ",")) {
        char *value = strchr(one, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        pairs[count++] = one;
        pairs[count++] = value;
    }
    return count;
}

/* Gives the token in `found` to librdkafka. */
static bool hand_over(rd_kafka_t *handle, const cJSON *found, char *const parameters[PARAMETERS],
                      struct error *error)
{
    const char *token =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(found, "access_token"));
    const cJSON *life = cJSON_GetObjectItemCaseSensitive(found, "expires_in");
    double life_s =
        cJSON_IsNumber(life) && life->valuedouble >= 1 ? life->valuedouble : DEFAULT_LIFE_S;
    const char *pairs[2 * MOST_EXTENSIONS];
    char reason[256];
    if (token == NULL || *token == '\0')
        return error_set(error, VERDICT_RETRY, "the provider's answer has no access_token");
    if (life_s > 86400)
        life_s = 86400;
    size_t count = cut_extensions(parameters[EXTENSIONS], pairs);
    rd_kafka_resp_err_t code =
        rd_kafka_oauthbearer_set_token(handle, token, clock_wall_ms() + (int64_t)(life_s * 1000),
                                       parameters[CLIENT_ID], pairs, count, reason, sizeof reason);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           error_set(error, VERDICT_CONFIGURATION, "librdkafka refuses the token: %s", reason);
}

/* The parameters come as they were packed by oauth_configure: in order, a line each. */
static void on_refresh(rd_kafka_t *handle, const char *packed, void *context)
{
    char *text = memory_text(packed);
    char *rest = text;
    char *parameters[PARAMETERS];
    struct error error = {0};
    (void)context;
    for (int i = 0; i < PARAMETERS; i++)
        parameters[i] = strsep(&rest, "\n");
    cJSON *found = ask(parameters, &error);
    bool ok = found != NULL && hand_over(handle, found, parameters, &error);
    metrics_add(ok ? METRIC_KAFKA_TOKENS : METRIC_KAFKA_TOKENS_FAILED, 1);
    if (!ok) {
        log_warn("kafka_token_failed", LOG_TEXT("reason", error.message));
        error_prefix(&error, "no token from %s", parameters[ENDPOINT]);
        (void)rd_kafka_oauthbearer_set_token_failure(handle, error.message);
    }
    cJSON_Delete(found);
    free(text);
}

/* One login for all handles. */
static bool check_sides(const struct config *config, struct error *error)
{
    for (size_t i = 0; i < config->kafka.property_count; i++) {
        const struct config_property *property = &config->kafka.properties[i];
        if (property->side != PROPERTY_BOTH && oauth_takes(property->name))
            return error_set(error, VERDICT_CONFIGURATION,
                             "%s: [kafka] %s is for both sides, or for none", property->origin,
                             property->name);
    }
    return *find(config, PACKED) == '\0' ||
           error_set(error, VERDICT_CONFIGURATION,
                     "[kafka] " PACKED " stands beside sasl.oauthbearer.method = oidc; one of the "
                     "two must go");
}

/* Once: who reads the network can read the secret. */
static void warn_of_clear(const char *endpoint)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (strncmp(endpoint, "https:", strlen("https:")) != 0 && !atomic_flag_test_and_set(&told))
        log_warn("kafka_token_in_clear", LOG_TEXT("endpoint", endpoint));
}

bool oauth_configure(rd_kafka_conf_t *settings, const struct config *config, struct error *error)
{
    char reason[256];
    struct buffer packed = buffer_new(LONGEST_PACKED);
    bool ok = check_sides(config, error);
    for (int i = 0; i < PARAMETERS && ok; i++) {
        const char *value = find(config, names[i]);
        if (i <= CLIENT_SECRET && *value == '\0')
            ok = error_set(error, VERDICT_CONFIGURATION,
                           "[kafka] sasl.oauthbearer.method = oidc needs %s as well", names[i]);
        else if (strchr(value, '\n') != NULL)
            ok = error_set(error, VERDICT_CONFIGURATION, "[kafka] %s has several lines", names[i]);
        else
            ok = buffer_append_format(&packed, "%s\n", value) ||
                 error_set(error, VERDICT_CONFIGURATION, "[kafka] %s is too long", names[i]);
    }
    if (ok && rd_kafka_conf_set(settings, PACKED, buffer_text(&packed), reason, sizeof reason) !=
                  RD_KAFKA_CONF_OK)
        ok = error_set(error, VERDICT_CONFIGURATION, "[kafka] sasl.oauthbearer.method: %s", reason);
    if (ok)
        warn_of_clear(find(config, names[ENDPOINT]));
    rd_kafka_conf_set_oauthbearer_token_refresh_cb(settings, on_refresh);
    rd_kafka_conf_enable_sasl_queue(settings, 1);
    buffer_free(&packed);
    return ok;
}

bool oauth_begin(rd_kafka_t *handle, struct error *error)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_sasl(handle);
    if (queue == NULL)
        return true;
    rd_kafka_queue_destroy(queue);
    rd_kafka_error_t *failure = rd_kafka_sasl_background_callbacks_enable(handle);
    if (failure == NULL)
        return true;
    error_set(error, VERDICT_FATAL, "SASL callbacks: %s", rd_kafka_error_string(failure));
    rd_kafka_error_destroy(failure);
    return false;
}
