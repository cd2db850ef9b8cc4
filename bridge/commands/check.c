#include "bridge/commands/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bridge/base/memory.h"
#include "bridge/codec/registry.h"
#include "bridge/http/client.h"
#include "bridge/kafka/handle.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

#define PING_MS 10000

static int say(const char *part, bool ok, const char *target, const struct error *error)
{
    (void)printf("%-9s %-6s %s%s%s\n", part, ok ? "ok" : "FAILED", target, ok ? "" : ": ",
                 ok ? "" : error->message);
    return ok ? EX_OK : error_exit_code(error);
}

static bool check_topics(const struct kafka_context *kafka, struct error *error)
{
    struct topics_findings findings;
    struct selection *selection = selection_new(kafka->config, error);
    if (selection == NULL)
        return false;
    struct topics *topics = topics_new(kafka->config, selection->names, selection->has_snapshots,
                                       selection->count, selection->has_assembled);
    bool ok = topics_compare(kafka, NULL, topics, false, &findings, NULL, error);
    if (ok && findings.missing > 0 && !kafka->config->topics.create)
        ok = error_set(error, VERDICT_CONFIGURATION,
                       "%d topics are missing; propexo-bridge topics apply makes them",
                       findings.missing);
    topics_free(topics);
    selection_free(selection);
    return ok;
}

static int check_kafka(const struct config *config)
{
    struct error error;
    struct kafka_context kafka = {config, config->kafka.bootstrap_servers};
    if (strcmp(kafka.bootstrap, EMBEDDED_NAME) == 0)
        return say("kafka", true, "embedded", NULL);
    rd_kafka_conf_t *settings = kafka_settings(&kafka, KAFKA_ADMIN, &error);
    rd_kafka_t *handle = settings == NULL ? NULL : kafka_open(RD_KAFKA_PRODUCER, settings, &error);
    bool ok = handle != NULL && kafka_ping(handle, PING_MS, &error) && check_topics(&kafka, &error);
    (void)kafka_close(handle, 0);
    return say("kafka", ok, kafka.bootstrap, &error);
}

static int check_registry(const struct config *config)
{
    struct error error;
    if (config->output.format != FORMAT_AVRO)
        return say("registry", true, "not used: snapshots are JSON", NULL);
    struct registry *registry = registry_new(config, &error);
    bool ok = registry != NULL && registry_ping(registry, &error);
    registry_free(registry);
    return say("registry", ok, config->registry.url, &error);
}

static bool read_status(const struct http_answer *answer, struct error *error)
{
    if (answer->status == 200)
        return true;
    if (answer->status == 401 || answer->status == 403)
        return error_set(error, VERDICT_CONFIGURATION, "the API refuses api.token (status %ld)",
                         answer->status);
    return error_set(error,
                     answer->status >= 500 || answer->status == 429 ? VERDICT_RETRY
                                                                    : VERDICT_CONFIGURATION,
                     "status %ld", answer->status);
}

static int check_api(const struct config *config)
{
    struct error error;
    struct http_answer answer = {0};
    struct http_options options = {.max_connections = 1,
                                   .connect_timeout_ms = PING_MS,
                                   .timeout_ms = (int)config->api.timeout_ms,
                                   .max_body = (size_t)4 << 20,
                                   .bearer = config->api.token,
                                   .ca_file = config->api.ca};
    char *url = memory_format("%s/v1/properties/?limit=1", config->api.base_url);
    struct http_client *client = http_client_new(&options, &error);
    bool ok = client != NULL && http_client_call(client, url, NULL, NULL, &answer, &error);
    ok = ok && read_status(&answer, &error);
    http_answer_free(&answer);
    http_client_free(client);
    free(url);
    return say("api", ok, config->api.base_url, &error);
}

int command_check(const struct config *config)
{
    const int codes[] = {check_kafka(config), check_registry(config), check_api(config)};
    int worst = EX_OK;
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
        worst = codes[i] > worst ? codes[i] : worst; /* 78 is graver than 69 */
    return worst;
}
