#include "bridge/commands/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/propexo/recreate.h"

#define KEPT_MS 30000 /* what was sent must be kept within this time */
#define REST_MS 10

bool orders_choose(struct orders *orders, const struct config *config,
                   const struct arguments *arguments, int *code)
{
    struct error error = {0};
    *orders = (struct orders){.config = config,
                              .kafka = {config, config->kafka.bootstrap_servers},
                              .lock = PTHREAD_MUTEX_INITIALIZER};
    orders->selection = selection_new(config, &error);
    if (orders->selection == NULL) {
        (void)fprintf(stderr, "propexo-bridge: %s\n", error.message);
        *code = error_exit_code(&error);
        return false;
    }
    orders->chosen = memory_new(orders->selection->count, sizeof *orders->chosen);
    for (size_t i = 0; i < orders->selection->count; i++)
        orders->chosen[i] = arguments->model_count == 0;
    for (size_t m = 0; m < arguments->model_count; m++) {
        const char *name = arguments->models[m];
        int place = selection_find(orders->selection, name, strlen(name));
        if (place < 0) {
            (void)fprintf(stderr, "propexo-bridge: %s is not in bridge.models\n", name);
            *code = EX_USAGE;
            return false;
        }
        orders->chosen[place] = true;
    }
    return true;
}

void orders_free(struct orders *orders)
{
    producer_close(orders->producer);
    producer_free(orders->producer);
    (void)pthread_mutex_destroy(&orders->lock);
    topics_free(orders->topics);
    selection_free(orders->selection);
    free(orders->chosen);
}

static bool demand_topics(struct orders *orders, struct error *error)
{
    struct topics_findings findings = {0};
    if (!topics_compare(&orders->kafka, NULL, orders->topics, false, &findings, NULL, error))
        return false;
    return findings.missing == 0 ||
           error_set(error, VERDICT_CONFIGURATION,
                     "%d topics are missing; propexo-bridge topics plan names them",
                     findings.missing);
}

bool orders_prepare(struct orders *orders, bool create, struct error *error)
{
    const struct selection *selection = orders->selection;
    if (strcmp(orders->kafka.bootstrap, EMBEDDED_NAME) == 0)
        return error_set(error, VERDICT_CONFIGURATION,
                         "kafka.bootstrap.servers is embedded: that broker lives in a running "
                         "bridge only");
    orders->topics = topics_new(orders->config, selection->names, selection->has_snapshots,
                                selection->count, selection->has_assembled);
    return create ? topics_prepare(&orders->kafka, NULL, orders->topics, error)
                  : demand_topics(orders, error);
}

/* On the producer's thread. */
static void on_done(void *context, const struct producer_report *report)
{
    struct orders *orders = context;
    (void)pthread_mutex_lock(&orders->lock);
    orders->open--;
    if (report->outcome != PRODUCER_KEPT)
        (void)snprintf(orders->problem, sizeof orders->problem, "%s", report->reason);
    (void)pthread_mutex_unlock(&orders->lock);
}

bool orders_connect(struct orders *orders, struct error *error)
{
    struct producer_options options = {.topics = (const char *const *)orders->topics->events,
                                       .topic_count = orders->selection->count,
                                       .timeout_ms = PRODUCER_TIMEOUT_CONFIGURED,
                                       .done = on_done,
                                       .context = orders};
    if (orders->producer == NULL)
        orders->producer = producer_new(&orders->kafka, &options, error);
    return orders->producer != NULL;
}

/* What is under way; false with `error` when something was not kept. */
static bool look(struct orders *orders, int64_t *open, struct error *error)
{
    (void)pthread_mutex_lock(&orders->lock);
    bool ok = orders->problem[0] == '\0' || error_set(error, VERDICT_RETRY, "%s", orders->problem);
    *open = orders->open;
    (void)pthread_mutex_unlock(&orders->lock);
    return ok;
}

static void count_open(struct orders *orders, int64_t by)
{
    (void)pthread_mutex_lock(&orders->lock);
    orders->open += by;
    (void)pthread_mutex_unlock(&orders->lock);
}

void orders_address(const struct topics *topics, const struct selection *selection, int place,
                    const char *integration_id, const char *trigger, const char *text,
                    struct message *message)
{
    message->topic = topics->events[place];
    message->partition = -1;
    message->key = integration_id;
    message->key_length = strlen(integration_id);
    message->value = text;
    message->value_length = strlen(text);
    message_header(message, "content-type", "application/json");
    message_header(message, "integration_id", integration_id);
    message_header(message, "model", selection->names[place]);
    message_header(message, "trigger", trigger);
}

bool orders_put(struct orders *orders, const struct message *message, struct error *error)
{
    int64_t deadline = clock_ms() + KEPT_MS;
    int64_t open = 0;
    for (;;) {
        if (!look(orders, &open, error))
            return false;
        count_open(orders, 1);
        if (producer_send(orders->producer, message, orders, error))
            break;
        count_open(orders, -1);
        if (error->verdict != VERDICT_RETRY || clock_ms() >= deadline)
            return false;
        clock_rest(REST_MS);
    }
    orders->sent++;
    return true;
}

bool orders_send(struct orders *orders, int place, const char *integration_id, const char *trigger,
                 const char *text, struct message *message, struct error *error)
{
    orders_address(orders->topics, orders->selection, place, integration_id, trigger, text,
                   message);
    return orders_put(orders, message, error);
}

bool orders_send_event(struct orders *orders, int place, const char *integration_id,
                       const char *record_id, bool is_new, const char *text, const char *made_by,
                       struct error *error)
{
    struct message message = {0};
    message_header(&message, "record_id", record_id);
    message_header(&message, RECREATE_HEADER, made_by);
    return orders_send(orders, place, integration_id, is_new ? "DATA_NEW" : "DATA_UPDATE", text,
                       &message, error);
}

bool orders_await(struct orders *orders, struct error *error)
{
    int64_t deadline = clock_ms() + KEPT_MS;
    int64_t open = 0;
    for (;;) {
        if (!look(orders, &open, error))
            return false;
        if (open == 0)
            return true;
        if (clock_ms() >= deadline)
            return error_set(error, VERDICT_RETRY, "Kafka did not keep in time what was sent");
        clock_rest(REST_MS);
    }
}
