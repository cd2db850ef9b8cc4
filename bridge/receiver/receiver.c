#include "bridge/receiver/receiver.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/http/server.h"
#include "bridge/http/spans.h"
#include "bridge/receiver/credentials.h"
#include "bridge/receiver/ingest.h"
#include "bridge/receiver/keeper.h"
#include "bridge/receiver/spool_file.h"
#include "bridge/receiver/watch.h"

#define RETRY_SECONDS "5"
#define REFUSED_MS    10000
#define REFUSED       "Kafka does not acknowledge events"

struct receiver {
    struct ingest ingest;
    struct credentials *credentials;  /* in force; the loop thread's */
    struct credentials *_Atomic next; /* to be in force from the next request on, or NULL */
    struct keeper *keeper;
    struct server *server;
    struct network *proxies;
    struct watch watch;
    _Atomic int64_t refused_ms; /* when a webhook could not be kept; 0 = all could, for a while */
};

enum {
    STATUS_KEPT = 200,
    STATUS_NOT_JSON = 400,
    STATUS_TOO_LARGE = 413,
    STATUS_UNAVAILABLE = 503,
};

/* A request that sleeps. */
struct sleeper {
    /* The answer it will get; written by whoever tells the outcome before the hand-over, read by
     * the loop after it. */
    _Atomic int status;
    const char *code; /* of the dead letter that it became; NULL = it is an event */
    int64_t began_us;
    const struct model *model; /* or NULL */
    struct trace trace;
};

static void on_kept(void *opaque, enum keeper_outcome outcome, const char *reason)
{
    static struct log_gate gate;
    struct server_request *request = opaque;
    int64_t suppressed = 0;
    if (outcome != KEEPER_KEPT) {
        struct sleeper *sleeper = server_state(request);
        sleeper->status = outcome == KEEPER_REFUSED ? STATUS_TOO_LARGE : STATUS_UNAVAILABLE;
        if (log_gate_open(&gate, clock_ms(), 1000, &suppressed))
            log_warn("webhook_not_kept", LOG_TEXT("reason", reason),
                     LOG_NUMBER("suppressed", suppressed));
    }
    server_finish(request);
}

static void answer_unavailable(struct server_request *request)
{
    metrics_add(METRIC_WEBHOOKS_UNAVAILABLE, 1);
    server_answer_error(request, 503, "unavailable",
                        "Kafka cannot take the event now; send it again",
                        "retry-after: " RETRY_SECONDS);
}

static void note_refused(struct receiver *receiver)
{
    if (atomic_exchange(&receiver->refused_ms, clock_ms()) == 0)
        health_set(HEALTH_RECEIVER, false, REFUSED);
}

static void tell_span(const struct sleeper *sleeper, int status)
{
    if (!spans_record(&sleeper->trace))
        return;
    int64_t end_us = clock_wall_ms() * 1000;
    const struct span_note notes[] = {
        {"http.response.status_code", NULL, status},
        {"propexo.model", sleeper->model == NULL ? "" : sleeper->model->name, 0},
        {"propexo.dead_letter", sleeper->code == NULL ? "" : sleeper->code, 0},
        {NULL, NULL, 0}};
    spans_tell(&(struct span){.trace = &sleeper->trace,
                              .name = "webhook",
                              .kind = SPAN_SERVER,
                              .start_us = end_us - (clock_us() - sleeper->began_us),
                              .end_us = end_us,
                              .failed = status >= 500,
                              .notes = notes});
}

static void finish(void *context, struct server_request *request)
{
    struct sleeper *sleeper = server_state(request);
    int status = sleeper->status;
    metrics_add(METRIC_WEBHOOKS_WAITING, -1);
    if (sleeper->code != NULL && (status == STATUS_KEPT || status == STATUS_NOT_JSON))
        (void)metrics_add_labelled(METRIC_DEAD_LETTERS, sleeper->code, NULL, 1);
    switch (status) {
    case STATUS_KEPT:
        metrics_add(sleeper->code == NULL ? METRIC_WEBHOOKS_KEPT : METRIC_WEBHOOKS_DEAD_LETTER, 1);
        metrics_observe(METRIC_ACKNOWLEDGEMENT_TIME, clock_us() - sleeper->began_us,
                        sleeper->trace.id);
        server_answer(request, 200, "text/plain", "", NULL);
        break;
    case STATUS_TOO_LARGE:
        metrics_add(METRIC_WEBHOOKS_REFUSED, 1);
        server_answer_error(request, 413, "too-large", "Kafka takes no message that large", NULL);
        break;
    case STATUS_NOT_JSON:
        metrics_add(METRIC_WEBHOOKS_NOT_JSON, 1);
        server_answer_error(request, 400, "not-json", "the body is not JSON in UTF-8", NULL);
        break;
    default:
        note_refused(context);
        answer_unavailable(request);
        break;
    }
    tell_span(sleeper, status);
    free(sleeper);
}

/* Why, to us; the sender is not told. */
static void note_unsigned(const char *reason)
{
    static struct log_gate gate;
    int64_t suppressed = 0;
    metrics_add(METRIC_WEBHOOKS_UNSIGNED, 1);
    if (log_gate_open(&gate, clock_ms(), 1000, &suppressed))
        log_warn("webhook_unsigned", LOG_TEXT("reason", reason),
                 LOG_NUMBER("suppressed", suppressed));
}

static void refuse(struct server_request *request, const struct ingest_result *result)
{
    if (result->verdict == INGEST_BAD_SIGNATURE)
        note_unsigned(result->code);
    else
        metrics_add(METRIC_WEBHOOKS_REFUSED, 1);
    switch (result->verdict) {
    case INGEST_NOT_FOUND:
        server_answer_error(request, 404, "not-found", "webhooks go to /webhooks", NULL);
        break;
    case INGEST_METHOD:
        server_answer_error(request, 405, "method", "webhooks are sent with POST", "allow: POST");
        break;
    case INGEST_ENCODING:
        server_answer_error(request, 415, "encoding", "the body must not be compressed",
                            "accept-encoding: identity");
        break;
    case INGEST_BAD_SIGNATURE:
    case INGEST_KEEP:
        server_answer_error(request, 401, "signature",
                            "the request shows no secret that is valid for what it brings", NULL);
        break;
    }
}

/* Before the first call that may tell an outcome. */
static void put_to_sleep(struct server_request *request, const struct ingest_result *result,
                         int64_t began_us)
{
    struct sleeper *sleeper = memory_new(1, sizeof *sleeper);
    sleeper->status = result->status;
    sleeper->code = result->dead_letter ? result->code : NULL;
    sleeper->began_us = began_us;
    sleeper->model = result->webhook.model;
    sleeper->trace = result->trace;
    metrics_add(METRIC_WEBHOOKS_WAITING, 1);
    server_set_state(request, sleeper);
}

static void keep(struct receiver *receiver, struct server_request *request,
                 const struct ingest_result *result)
{
    if (result->dead_letter)
        log_warn("webhook_dead_letter", LOG_TEXT("code", result->code), LOG_TEXT("id", result->id));
    keeper_keep(receiver->keeper, &result->message, request);
}

/* To `activity` and to each model's events; answered when all of them are kept or one is not. What
 * was kept is then repeated with the rest, which is harmless. */
static void keep_sync(struct receiver *receiver, struct server_request *request,
                      struct ingest_result *result)
{
    const struct ingest *ingest = &receiver->ingest;
    log_info("sync", LOG_TEXT("kind", result->webhook.kind), LOG_TEXT("sync_id", result->id),
             LOG_TEXT("integration_id", result->webhook.integration_id),
             LOG_NUMBER("models", result->synced_count));
    server_await(request, result->synced_count + 1);
    /* `activity` is the last: what it tells is true of the events by then, mostly. */
    for (size_t i = 0; i < ingest->selection->count; i++) {
        const struct message *spread = ingest_spread(ingest, result, i);
        if (spread != NULL)
            keeper_keep(receiver->keeper, spread, request);
    }
    keeper_keep(receiver->keeper, &result->message, request);
}

/* New secrets, when there are some. */
static void take_next(struct receiver *receiver)
{
    struct credentials *next = atomic_load(&receiver->next);
    if (next == NULL)
        return;
    next = atomic_exchange(&receiver->next, NULL);
    credentials_free(receiver->credentials);
    receiver->credentials = next;
    receiver->ingest.credentials = next;
}

enum { SEEN_ENCODING = CREDENTIAL_HEADERS, SEEN_TRACE, SEEN_COUNT };

static void read_headers(const struct receiver *receiver, const struct server_request *request,
                         struct ingest_request *seen)
{
    struct server_header headers[SEEN_COUNT] = {
        [SEEN_ENCODING] = {.name = "content-encoding"}, [SEEN_TRACE] = {.name = "traceparent"}};
    for (int i = 0; i < CREDENTIAL_HEADERS; i++)
        headers[i].name = credentials_header(receiver->credentials, i);
    server_headers(request, headers, SEEN_COUNT);
    for (int i = 0; i < CREDENTIAL_HEADERS; i++)
        seen->credentials[i] = (struct credential_seen){headers[i].value, headers[i].count};
    seen->content_encoding =
        headers[SEEN_ENCODING].count > 1 ? "several" : headers[SEEN_ENCODING].value;
    seen->traceparent = headers[SEEN_TRACE].value;
}

static void handle(void *context, struct server_request *request)
{
    struct receiver *receiver = context;
    struct ingest_result result;
    int64_t began_us = clock_us();
    take_next(receiver);
    struct ingest_request seen = {.method = server_method(request), .path = server_path(request)};
    read_headers(receiver, request, &seen);
    seen.body = server_body(request, &seen.length);
    ingest_decide(&receiver->ingest, &seen, clock_wall_ms(), &result);
    if (result.verdict == INGEST_KEEP)
        put_to_sleep(request, &result, began_us);
    if (result.verdict == INGEST_KEEP && result.synced != NULL)
        keep_sync(receiver, request, &result);
    else if (result.verdict == INGEST_KEEP)
        keep(receiver, request, &result);
    else
        refuse(request, &result);
    ingest_free(&result);
}

static void serve(void *context)
{
    const struct receiver *receiver = context;
    keeper_serve(receiver->keeper);
}

static struct credentials *read_credentials(const struct config *config, struct error *error)
{
    struct config_secrets secrets = {0};
    struct credentials *credentials = NULL;
    if (config_secrets_read(config, &secrets, error))
        credentials = credentials_new(config, &secrets, error);
    config_secrets_free(&secrets);
    return credentials;
}

bool receiver_check(const struct config *config, struct error *error)
{
    const char *folder = config->receiver.spool_dir;
    return *folder == '\0' || spool_file_check(folder, config->topics.prefix, error);
}

static struct server_limits limits_of(struct receiver *receiver, const struct config *config)
{
    const struct config_list *proxies = &config->receiver.trusted_proxies;
    receiver->proxies = memory_new(proxies->count + 1, sizeof *receiver->proxies);
    for (size_t i = 0; i < proxies->count; i++)
        if (!network_read(proxies->items[i], &receiver->proxies[i]))
            abort(); /* the configuration has checked it */
    return (struct server_limits){
        .max_connections = (size_t)config->receiver.max_connections,
        .max_body = (size_t)config->receiver.max_body,
        .max_buffered = (size_t)config->receiver.max_buffered,
        .max_head = (size_t)config->receiver.max_head,
        .max_headers = (size_t)config->receiver.max_headers,
        .max_target = (size_t)config->receiver.max_target,
        .max_per_address = (size_t)config->receiver.max_connections_per_address,
        .rate = (double)config->receiver.requests_per_second,
        .head_ms = config->receiver.head_timeout_ms,
        .body_ms = config->receiver.body_timeout_ms,
        .idle_ms = config->receiver.idle_timeout_ms,
        .trusted = receiver->proxies,
        .trusted_count = proxies->count,
    };
}

static bool start_server(struct receiver *receiver, const struct config *config,
                         struct error *error)
{
    struct server_options options = {.name = "receiver",
                                     .listen = config->receiver.listen,
                                     .loop = HEALTH_LOOP_RECEIVER,
                                     .limits = limits_of(receiver, config),
                                     .tls = {.certificate = config->receiver.tls_certificate,
                                             .key = config->receiver.tls_key,
                                             .client_ca = config->receiver.tls_client_ca},
                                     .handle = handle,
                                     .finish = finish,
                                     .serve = serve,
                                     .serve_fd = keeper_fd(receiver->keeper),
                                     .context = receiver};
    receiver->server = server_new(&options, error);
    return receiver->server != NULL;
}

struct receiver *receiver_new(const struct kafka_context *kafka, const struct topics *topics,
                              const struct selection *selection, struct error *error)
{
    struct receiver *receiver = memory_new(1, sizeof *receiver);
    watch_start(&receiver->watch, kafka->config);
    receiver->credentials = read_credentials(kafka->config, error);
    if (receiver->credentials == NULL) {
        free(receiver);
        return NULL;
    }
    receiver->ingest = (struct ingest){.config = kafka->config,
                                       .topics = topics,
                                       .selection = selection,
                                       .credentials = receiver->credentials,
                                       .random = random_from_system()};
    receiver->keeper = keeper_new(kafka, topics, on_kept, error);
    if (receiver->keeper == NULL || !start_server(receiver, kafka->config, error)) {
        receiver_free(receiver);
        return NULL;
    }
    health_set(HEALTH_RECEIVER, true, "");
    return receiver;
}

const char *receiver_address(const struct receiver *receiver)
{
    return server_address(receiver->server);
}

void receiver_tend(struct receiver *receiver)
{
    int64_t refused_ms = atomic_load(&receiver->refused_ms);
    if (refused_ms == 0 || clock_ms() < refused_ms + REFUSED_MS)
        return;
    health_set(HEALTH_RECEIVER, true, "");
    if (!atomic_compare_exchange_strong(&receiver->refused_ms, &refused_ms, 0))
        health_set(HEALTH_RECEIVER, false, REFUSED); /* one came at this moment */
}

bool receiver_has_news(struct receiver *receiver)
{
    return watch_changed(&receiver->watch);
}

/* Neither waits for the other: a certificate with a mistake does not keep old secrets valid. */
bool receiver_reload(struct receiver *receiver, struct error *error)
{
    struct error no_tls = {.message = ""};
    struct error no_secrets = {.message = ""};
    bool encrypted = server_reload(receiver->server, &no_tls);
    struct credentials *next = read_credentials(receiver->ingest.config, &no_secrets);
    if (next != NULL)
        credentials_free(atomic_exchange(&receiver->next, next));
    return (encrypted && next != NULL) ||
           error_set(error, VERDICT_CONFIGURATION, "%s%s%s", no_tls.message,
                     encrypted || next != NULL ? "" : "; ", no_secrets.message);
}

void receiver_drain(struct receiver *receiver, int timeout_ms)
{
    int64_t began_ms = clock_ms();
    server_drain(receiver->server);
    while ((!server_is_drained(receiver->server) || keeper_is_sending(receiver->keeper)) &&
           clock_ms() < began_ms + timeout_ms)
        clock_rest(5);
    log_info("receiver_drained", LOG_NUMBER("after_ms", clock_ms() - began_ms),
             LOG_TEXT("all_answered", server_is_drained(receiver->server) ? "true" : "false"));
}

void receiver_free(struct receiver *receiver)
{
    if (receiver == NULL)
        return;
    /* The closing keeper hands every sleeping request back; what comes in later gets 503 at once,
     * until the server has ended. */
    keeper_close(receiver->keeper);
    server_free(receiver->server);
    keeper_free(receiver->keeper);
    credentials_free(receiver->credentials);
    credentials_free(receiver->next);
    free(receiver->proxies);
    free(receiver);
}
