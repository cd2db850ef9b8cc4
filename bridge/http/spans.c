#include "bridge/http/spans.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/condition.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/http/client.h"

#define BATCH      512
#define LINGER_MS  1000
#define TIMEOUT_MS 3000
#define STOP_MS    2000
#define TRIES      4
#define SPAN_SIZE  ((size_t)4 << 10)
#define BATCH_SIZE (BATCH * SPAN_SIZE)
#define MAX_ANSWER ((size_t)64 << 10)

static struct {
    atomic_bool running;
    int64_t per_million;
    char *url;
    char *head; /* of each batch: whose spans these are */
    struct http_client *client;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows; never held while sending */
    pthread_cond_t changed;
    char *waiting[SPANS_MAXIMUM]; /* as JSON */
    size_t count;
    int64_t stop_by_ms; /* 0 = it goes on */
} spans = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void append_note(struct buffer *out, const char *key, const char *text, int64_t number)
{
    (void)buffer_append_text(out, "{\"key\":");
    (void)buffer_append_quoted(out, key);
    if (text == NULL) {
        (void)buffer_append_format(out, ",\"value\":{\"intValue\":\"%" PRId64 "\"}}", number);
        return;
    }
    (void)buffer_append_text(out, ",\"value\":{\"stringValue\":");
    (void)buffer_append_quoted(out, text);
    (void)buffer_append_text(out, "}}");
}

/* NULL when it is larger than a span may be. The caller frees. */
static char *to_json(const struct span *span)
{
    struct buffer out = buffer_new(SPAN_SIZE);
    (void)buffer_append_format(&out, "{\"traceId\":\"%s\",\"spanId\":\"%s\"", span->trace->id,
                               span->trace->span);
    if (span->trace->parent[0] != '\0')
        (void)buffer_append_format(&out, ",\"parentSpanId\":\"%s\"", span->trace->parent);
    (void)buffer_append_text(&out, ",\"name\":");
    (void)buffer_append_quoted(&out, span->name);
    (void)buffer_append_format(&out,
                               ",\"kind\":%d,\"startTimeUnixNano\":\"%" PRId64
                               "000\",\"endTimeUnixNano\":\"%" PRId64 "000\",\"attributes\":[",
                               (int)span->kind, span->start_us, span->end_us);
    const char *comma = "";
    for (const struct span_note *note = span->notes; note != NULL && note->key != NULL; note++) {
        (void)buffer_append_text(&out, comma);
        append_note(&out, note->key, note->text, note->number);
        comma = ",";
    }
    (void)buffer_append_format(&out, "],\"status\":{\"code\":%d}}", span->failed ? 2 : 0);
    if (!out.overflowed)
        return buffer_take(&out);
    buffer_free(&out);
    return NULL;
}

bool spans_choose(const struct trace *trace)
{
    return atomic_load_explicit(&spans.running, memory_order_relaxed) &&
           trace_is_chosen(trace, spans.per_million);
}

bool spans_record(const struct trace *trace)
{
    return trace->sampled && atomic_load_explicit(&spans.running, memory_order_relaxed);
}

struct trace spans_below(const struct trace *outer, struct random *random)
{
    return spans_record(outer) ? trace_child(outer, random) : *outer;
}

void spans_tell(const struct span *span)
{
    if (!spans_record(span->trace))
        return;
    char *json = to_json(span);
    (void)pthread_mutex_lock(&spans.lock);
    if (json != NULL && spans.count < SPANS_MAXIMUM) {
        spans.waiting[spans.count++] = json;
        json = NULL;
        if (spans.count % BATCH == 1)
            (void)pthread_cond_signal(&spans.changed);
    } else {
        metrics_add(METRIC_SPANS_DROPPED, 1);
    }
    (void)pthread_mutex_unlock(&spans.lock);
    free(json);
}

/* Waits until there is something to send, and then a moment for more. Takes the oldest out of what
 * waits; 0 when it is to end. */
static size_t take(char *batch[BATCH])
{
    (void)pthread_mutex_lock(&spans.lock);
    while (spans.count == 0 && spans.stop_by_ms == 0)
        (void)pthread_cond_wait(&spans.changed, &spans.lock);
    struct timespec until = condition_until(LINGER_MS);
    while (spans.count < BATCH && spans.stop_by_ms == 0 &&
           pthread_cond_timedwait(&spans.changed, &spans.lock, &until) == 0)
        ;
    bool late = spans.stop_by_ms != 0 && clock_ms() >= spans.stop_by_ms;
    size_t count = late ? 0 : spans.count < BATCH ? spans.count : BATCH;
    memcpy(batch, spans.waiting, count * sizeof *batch);
    spans.count -= count;
    memmove(spans.waiting, spans.waiting + count, spans.count * sizeof *spans.waiting);
    (void)pthread_mutex_unlock(&spans.lock);
    return count;
}

/* False when it is to end before. */
static bool rest(int64_t ms)
{
    struct timespec until = condition_until(ms);
    (void)pthread_mutex_lock(&spans.lock);
    while (spans.stop_by_ms == 0 &&
           pthread_cond_timedwait(&spans.changed, &spans.lock, &until) == 0)
        ;
    bool goes_on = spans.stop_by_ms == 0;
    (void)pthread_mutex_unlock(&spans.lock);
    return goes_on;
}

static bool send_once(const char *body, bool *again, struct error *error)
{
    struct http_answer answer;
    *again = true;
    if (!http_client_call(spans.client, spans.url, "application/json", body, &answer, error))
        return false;
    bool ok = answer.status >= 200 && answer.status < 300;
    /* OTLP has these tried again, and no others. */
    *again = answer.status == 429 || (answer.status >= 502 && answer.status <= 504);
    if (!ok)
        error_set(error, VERDICT_RETRY, "the collector answers %ld", answer.status);
    http_answer_free(&answer);
    return ok;
}

static bool send_all(const char *body)
{
    static struct log_gate gate;
    struct error error = {0};
    bool again = true;
    int64_t suppressed = 0;
    for (int i = 0; i < TRIES && again; i++) {
        if (send_once(body, &again, &error))
            return true;
        if (!again || !rest(LINGER_MS << i))
            break;
    }
    if (log_gate_open(&gate, clock_ms(), 60000, &suppressed))
        log_warn("spans_dropped", LOG_TEXT("reason", error.message),
                 LOG_NUMBER("suppressed", suppressed));
    return false;
}

static void *loop(void *context)
{
    char *batch[BATCH];
    size_t count = 0;
    (void)context;
    while ((count = take(batch)) > 0) {
        struct buffer body = buffer_new(BATCH_SIZE);
        (void)buffer_append_text(&body, spans.head);
        for (size_t i = 0; i < count; i++) {
            (void)buffer_append_text(&body, i == 0 ? "" : ",");
            (void)buffer_append_text(&body, batch[i]);
            free(batch[i]);
        }
        (void)buffer_append_text(&body, "]}]}]}");
        metrics_add(send_all(buffer_text(&body)) ? METRIC_SPANS_SENT : METRIC_SPANS_DROPPED,
                    (int64_t)count);
        buffer_free(&body);
    }
    return NULL;
}

static char *head_of(const struct config *config)
{
    struct buffer out = buffer_new(SPAN_SIZE);
    (void)buffer_append_text(&out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    append_note(&out, "service.name", "propexo-bridge", 0);
    (void)buffer_append_text(&out, ",");
    append_note(&out, "service.version", BRIDGE_VERSION, 0);
    (void)buffer_append_text(&out, ",");
    append_note(&out, "service.instance.id", config->bridge.instance, 0);
    (void)buffer_append_text(&out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"propexo-bridge\"},"
                                   "\"spans\":[");
    return buffer_take(&out);
}

bool spans_start(const struct config *config, struct error *error)
{
    struct http_options options = {.max_connections = 1,
                                   .connect_timeout_ms = TIMEOUT_MS,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_body = MAX_ANSWER,
                                   .bearer = config->tracing.token,
                                   .ca_file = config->tracing.ca};
    if (*config->tracing.endpoint == '\0')
        return true;
    spans.client = http_client_new(&options, error);
    if (spans.client == NULL)
        return false;
    spans.per_million = config->tracing.sample_per_million;
    spans.url = memory_format("%s/v1/traces", config->tracing.endpoint);
    spans.head = head_of(config);
    spans.stop_by_ms = 0;
    condition_init(&spans.changed);
    if (pthread_create(&spans.thread, NULL, loop, NULL) != 0) {
        http_client_free(spans.client);
        return error_set(error, VERDICT_FATAL, "the thread for spans did not start");
    }
    atomic_store(&spans.running, true);
    return true;
}

void spans_stop(void)
{
    if (!atomic_exchange(&spans.running, false))
        return;
    (void)pthread_mutex_lock(&spans.lock);
    spans.stop_by_ms = clock_ms() + STOP_MS;
    (void)pthread_cond_signal(&spans.changed);
    (void)pthread_mutex_unlock(&spans.lock);
    (void)pthread_join(spans.thread, NULL);
    metrics_add(METRIC_SPANS_DROPPED, (int64_t)spans.count);
    while (spans.count > 0)
        free(spans.waiting[--spans.count]);
    http_client_free(spans.client);
    free(spans.url);
    free(spans.head);
}
