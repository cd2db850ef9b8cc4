#include "bridge/kafka/consumer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/table.h"
#include "bridge/kafka/handle.h"
#include "bridge/kafka/stats.h"

#define COMMITTED_MS 10000
#define CLUSTER_MS   10000

struct consumer {
    rd_kafka_t *handle;
    rd_kafka_queue_t *queue;
    const struct topics *topics;
    struct consumer_callbacks callbacks;
    struct table indexes; /* topic name -> index + 1, as a pointer */
    rd_kafka_topic_partition_list_t *subscription;
    int wake[2];
    int incomplete;
    enum {
        ANEW_NOT,    /* no need was seen yet */
        ANEW_WANTED, /* the group is to be made to assign anew: more is subscribed to next */
        ANEW_WIDE,   /* so it is; what comes is not taken */
        ANEW_NARROW, /* it came; our topics alone are subscribed to next */
        ANEW_DONE,
    } anew;
    bool bereft; /* what was assigned was taken away, and nothing was assigned since */
    int64_t session_ms;
    int64_t settled_ms; /* when the first assignment had been taken over; 0: not yet */
    bool failed;
    struct error failure; /* what consumer_next reports */
    struct kafka_stats stats;
};

static int on_stats(rd_kafka_t *handle, char *json, size_t length, void *context)
{
    struct consumer *consumer = context;
    (void)handle;
    kafka_stats_take(&consumer->stats, json, length);
    return 0; /* librdkafka frees the text */
}

static int topic_index(const struct consumer *consumer, const char *topic)
{
    return (int)(intptr_t)table_get(&consumer->indexes, topic, strlen(topic)) - 1;
}

static int slot_of(const struct consumer *consumer, const char *topic, int number)
{
    return topic_index(consumer, topic) * consumer->topics->partitions + number;
}

static void fail(struct consumer *consumer, enum verdict verdict, const char *doing,
                 const char *reason)
{
    if (consumer->failed)
        return;
    consumer->failed = true;
    error_set(&consumer->failure, verdict, "%s: %s", doing, reason);
}

/* Copies into `complete` the partitions whose number is owned in every topic. */
static void keep_complete(struct consumer *consumer, const rd_kafka_topic_partition_list_t *given,
                          rd_kafka_topic_partition_list_t *complete)
{
    int partitions = consumer->topics->partitions;
    int beyond = 0;
    int *owned = memory_new((size_t)partitions, sizeof *owned);
    int strange = 0;
    for (int i = 0; i < given->cnt; i++) {
        if (topic_index(consumer, given->elems[i].topic) < 0)
            strange++;
        else if (given->elems[i].partition < partitions)
            owned[given->elems[i].partition]++;
        else
            beyond++; /* added since the start: not read, so not ready, until a restart */
    }
    for (int i = 0; i < given->cnt; i++) {
        int number = given->elems[i].partition;
        if (topic_index(consumer, given->elems[i].topic) >= 0 && number < partitions &&
            owned[number] == (int)consumer->topics->model_count)
            (void)rd_kafka_topic_partition_list_add(complete, given->elems[i].topic, number);
    }
    consumer->incomplete = beyond;
    for (int number = 0; number < partitions; number++)
        consumer->incomplete +=
            owned[number] != 0 && owned[number] != (int)consumer->topics->model_count;
    free(owned);
    bool former = (consumer->incomplete > beyond || strange > 0) && consumer->anew == ANEW_NOT;
    if (former) {
        consumer->anew = ANEW_WANTED;
        log_info("assignment_anew", LOG_NUMBER("numbers", consumer->incomplete),
                 LOG_NUMBER("other_topics", strange));
    } else if (consumer->incomplete > 0) {
        log_error("assignment_incomplete", LOG_NUMBER("numbers", consumer->incomplete),
                  LOG_TEXT("hint", "all members need the same bridge.models, and a restart after "
                                   "partitions were added"));
    }
}

/* Where each partition was left. Waits out an unstable offset: a transaction of the former owner
 * that is not yet ended (KIP-447). */
static bool read_committed(struct consumer *consumer, rd_kafka_topic_partition_list_t *partitions)
{
    rd_kafka_resp_err_t code = partitions->cnt == 0
                                   ? RD_KAFKA_RESP_ERR_NO_ERROR
                                   : rd_kafka_committed(consumer->handle, partitions, COMMITTED_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_warn("committed_offsets_unread", LOG_TEXT("reason", rd_kafka_err2str(code)));
        return false;
    }
    for (int i = 0; i < partitions->cnt; i++) {
        if (partitions->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            log_warn("committed_offsets_unread",
                     LOG_TEXT("reason", rd_kafka_err2str(partitions->elems[i].err)));
            return false;
        }
        if (partitions->elems[i].offset < 0)
            partitions->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    return true;
}

static bool tell_assigned(struct consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    struct error error;
    struct consumer_slot *slots = memory_new((size_t)list->cnt, sizeof *slots);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        slots[i] = (struct consumer_slot){slot_of(consumer, element->topic, element->partition),
                                          element->offset < 0 ? -1 : element->offset,
                                          element->metadata, element->metadata_size};
    }
    struct membership *membership =
        membership_new(rd_kafka_consumer_group_metadata(consumer->handle));
    bool ok = consumer->callbacks.assigned(consumer->callbacks.context, slots, (size_t)list->cnt,
                                           membership, &error);
    free(slots);
    if (!ok)
        fail(consumer, error.verdict, "taking the partitions over", error.message);
    return ok;
}

static void assign(struct consumer *consumer, const rd_kafka_topic_partition_list_t *given)
{
    rd_kafka_topic_partition_list_t *complete = rd_kafka_topic_partition_list_new(given->cnt);
    keep_complete(consumer, given, complete);
    int tries = 0;
    while (!read_committed(consumer, complete) && ++tries < 6)
        ;
    if (tries == 6) {
        fail(consumer, VERDICT_RETRY, "reading committed offsets", "Kafka does not answer");
        (void)rd_kafka_assign(consumer->handle, NULL);
    } else {
        /* The state is made before the first message can come. */
        bool ok = tell_assigned(consumer, complete);
        rd_kafka_resp_err_t code = rd_kafka_assign(consumer->handle, ok ? complete : NULL);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            fail(consumer, VERDICT_RETRY, "assigning partitions", rd_kafka_err2str(code));
    }
    rd_kafka_topic_partition_list_destroy(complete);
}

static void on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *partitions, void *context)
{
    struct consumer *consumer = context;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && consumer->anew == ANEW_WIDE) {
        rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
        (void)rd_kafka_assign(handle, none);
        rd_kafka_topic_partition_list_destroy(none);
        consumer->anew = ANEW_NARROW;
        return;
    }
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        consumer->bereft = false;
        assign(consumer, partitions);
        if (consumer->settled_ms == 0)
            consumer->settled_ms = clock_ms();
        return;
    }
    consumer->bereft = true;
    if (rd_kafka_assignment_lost(handle) != 0)
        log_warn("assignment_lost");
    consumer->callbacks.revoked(consumer->callbacks.context);
    consumer->incomplete = 0;
    (void)rd_kafka_assign(handle, NULL);
}

static void subscribe_to(struct consumer *consumer, const rd_kafka_topic_partition_list_t *topics)
{
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->handle, topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail(consumer, VERDICT_CONFIGURATION, "subscribing", rd_kafka_err2str(code));
}

static void subscribe(struct consumer *consumer)
{
    subscribe_to(consumer, consumer->subscription);
}

/* A static member that comes back within its session gets what the process before it had, whatever
 * it subscribes to (KIP-345): after a change of bridge.models these are not its topics. Only a
 * member that changes its subscription makes the group assign anew. The topic that is added for a
 * moment is one that we may read and that is there. */
static void assign_anew(struct consumer *consumer)
{
    if (consumer->anew == ANEW_WANTED) {
        rd_kafka_topic_partition_list_t *wide =
            rd_kafka_topic_partition_list_copy(consumer->subscription);
        (void)rd_kafka_topic_partition_list_add(wide, consumer->topics->state,
                                                RD_KAFKA_PARTITION_UA);
        consumer->anew = ANEW_WIDE;
        subscribe_to(consumer, wide);
        rd_kafka_topic_partition_list_destroy(wide);
    } else if (consumer->anew == ANEW_NARROW) {
        consumer->anew = ANEW_DONE;
        subscribe(consumer);
    }
}

static int64_t read_session(const rd_kafka_conf_t *settings)
{
    char text[32] = "0";
    size_t size = sizeof text;
    (void)rd_kafka_conf_get(settings, "session.timeout.ms", text, &size);
    return strtoll(text, NULL, 10);
}

struct consumer *consumer_new(const struct kafka_context *kafka, const struct topics *topics,
                              const struct consumer_callbacks *callbacks, struct error *error)
{
    struct consumer *consumer = memory_new(1, sizeof *consumer);
    consumer->topics = topics;
    consumer->callbacks = *callbacks;
    consumer->wake[0] = consumer->wake[1] = -1;
    consumer->subscription = rd_kafka_topic_partition_list_new((int)topics->model_count);
    for (size_t i = 0; i < topics->model_count; i++) {
        (void)table_put(&consumer->indexes, topics->events[i], strlen(topics->events[i]),
                        (void *)(intptr_t)(i + 1));
        (void)rd_kafka_topic_partition_list_add(consumer->subscription, topics->events[i],
                                                RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_conf_t *settings = kafka_settings(kafka, KAFKA_CONSUMER, error);
    if (settings == NULL)
        goto failed;
    consumer->session_ms = read_session(settings);
    rd_kafka_conf_set_opaque(settings, consumer);
    rd_kafka_conf_set_rebalance_cb(settings, on_rebalance);
    rd_kafka_conf_set_stats_cb(settings, on_stats);
    consumer->stats.client = "enricher";
    if (!kafka_stats_ask(settings, error)) {
        rd_kafka_conf_destroy(settings);
        goto failed;
    }
    consumer->handle = kafka_open(RD_KAFKA_CONSUMER, settings, error);
    if (consumer->handle == NULL || !kafka_ping(consumer->handle, 10000, error))
        goto failed;
    (void)rd_kafka_poll_set_consumer(consumer->handle);
    if (pipe2(consumer->wake, O_NONBLOCK | O_CLOEXEC) != 0) {
        error_set(error, VERDICT_FATAL, "no file descriptor left");
        goto failed;
    }
    consumer->queue = rd_kafka_queue_get_consumer(consumer->handle);
    rd_kafka_queue_io_event_enable(consumer->queue, consumer->wake[1], "k", 1);
    subscribe(consumer);
    return consumer;

failed:
    consumer_free(consumer, 0);
    return NULL;
}

int consumer_fd(const struct consumer *consumer)
{
    return consumer->wake[0];
}

void consumer_clear_fd(struct consumer *consumer)
{
    char bytes[256];
    while (read(consumer->wake[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
}

/* True while the group may not yet know for good that this process has the name: a coordinator that
 * was elected meanwhile may have missed our joining, and take us for the stranger beside the
 * process before us. */
static bool is_new_here(const struct consumer *consumer)
{
    return consumer->settled_ms == 0 || clock_ms() - consumer->settled_ms < consumer->session_ms;
}

/* Ends the message. False when the group will not have us any more. */
static bool survive(const struct consumer *consumer, rd_kafka_message_t *message,
                    struct error *error)
{
    static struct log_gate gate;
    char reason[512];
    int64_t suppressed = 0;
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(consumer->handle, reason, sizeof reason);
    if (fatal == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (log_gate_open(&gate, clock_ms(), 1000, &suppressed))
            log_warn("consumer_error", LOG_TEXT("code", rd_kafka_err2name(message->err)),
                     LOG_TEXT("reason", rd_kafka_message_errstr(message)),
                     LOG_NUMBER("suppressed", suppressed));
        rd_kafka_message_destroy(message);
        return true;
    }
    rd_kafka_message_destroy(message);
    /* On the way back into the group it can be this process itself that is in its own way. After a
     * session that timed out here, but not yet there, librdkafka (2.0.2) sends a heartbeat without
     * a member id; and it can ask to join twice within milliseconds, of which the group, to which
     * each is a stranger of the same name, keeps the later one and refuses the other. */
    if (fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID && consumer->bereft)
        return error_set(error, VERDICT_RETRY,
                         "the partitions were taken away, and the consumer group cannot be joined "
                         "again without a new start");
    bool is_fenced = fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
    bool is_certain = !is_fenced || !is_new_here(consumer);
    return error_set(error, is_certain ? VERDICT_CONFIGURATION : VERDICT_RETRY,
                     "the consumer group refuses this instance: %s%s%s", reason,
                     is_fenced ? "; another process runs with the same bridge.instance" : "",
                     is_certain ? "" : ", or the group has lost sight of this one");
}

enum consumer_result consumer_next(struct consumer *consumer, struct consumer_event *event,
                                   struct error *error)
{
    assign_anew(consumer);
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->handle, 0);
    while (!consumer->failed && message != NULL && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (!survive(consumer, message, error))
            return CONSUMER_FATAL;
        message = rd_kafka_consumer_poll(consumer->handle, 0);
    }
    if (consumer->failed) {
        if (message != NULL)
            rd_kafka_message_destroy(message);
        *error = consumer->failure;
        return CONSUMER_FATAL;
    }
    if (message == NULL)
        return CONSUMER_NOTHING;
    event->message = message;
    event->slot = slot_of(consumer, rd_kafka_topic_name(message->rkt), message->partition);
    return CONSUMER_EVENT;
}

void consumer_release(struct consumer_event *event)
{
    rd_kafka_message_destroy(event->message);
    event->message = NULL;
}

static rd_kafka_topic_partition_list_t *list_of(const struct consumer *consumer, int slot)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, consumer_topic(consumer, slot),
                                            consumer_number(consumer, slot));
    return list;
}

void consumer_pause(struct consumer *consumer, int slot)
{
    rd_kafka_topic_partition_list_t *list = list_of(consumer, slot);
    (void)rd_kafka_pause_partitions(consumer->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void consumer_resume(struct consumer *consumer, int slot)
{
    rd_kafka_topic_partition_list_t *list = list_of(consumer, slot);
    (void)rd_kafka_resume_partitions(consumer->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void consumer_rejoin(struct consumer *consumer)
{
    (void)rd_kafka_unsubscribe(consumer->handle);
    /* The revocation is served by consumer_next; subscribing at once is allowed and follows it. */
    subscribe(consumer);
}

int64_t consumer_end(const struct consumer *consumer, int slot)
{
    int64_t low = 0;
    int64_t high = RD_KAFKA_OFFSET_INVALID;
    (void)rd_kafka_get_watermark_offsets(consumer->handle, consumer_topic(consumer, slot),
                                         consumer_number(consumer, slot), &low, &high);
    return high;
}

char *consumer_cluster(const struct consumer *consumer)
{
    char *known = rd_kafka_clusterid(consumer->handle, CLUSTER_MS);
    char *copy = memory_text(known);
    if (known != NULL)
        rd_kafka_mem_free(consumer->handle, known);
    return copy;
}

int consumer_incomplete(const struct consumer *consumer)
{
    return consumer->incomplete;
}

const char *consumer_topic(const struct consumer *consumer, int slot)
{
    return consumer->topics->events[slot / consumer->topics->partitions];
}

int consumer_number(const struct consumer *consumer, int slot)
{
    return slot % consumer->topics->partitions;
}

/* rd_kafka_consumer_close can hang after lost partitions (librdkafka 2.0.2), so the close is asked
 * for on a queue and waited for with a deadline. */
static bool close_within(struct consumer *consumer, int timeout_ms)
{
    int64_t deadline = clock_ms() + timeout_ms;
    rd_kafka_error_t *refused = rd_kafka_consumer_close_queue(consumer->handle, consumer->queue);
    if (refused != NULL) {
        rd_kafka_error_destroy(refused);
        return false;
    }
    while (!rd_kafka_consumer_closed(consumer->handle) && clock_ms() < deadline) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(consumer->queue, 50);
        if (event == NULL)
            continue;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            on_rebalance(consumer->handle, rd_kafka_event_error(event),
                         rd_kafka_event_topic_partition_list(event), consumer);
        rd_kafka_event_destroy(event);
    }
    return rd_kafka_consumer_closed(consumer->handle) != 0;
}

void consumer_free(struct consumer *consumer, int timeout_ms)
{
    if (consumer == NULL)
        return;
    bool closed = consumer->queue == NULL || close_within(consumer, timeout_ms);
    if (consumer->queue != NULL) {
        rd_kafka_queue_io_event_enable(consumer->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(consumer->queue);
    }
    if (!closed)
        log_warn("consumer_close_timeout"); /* its threads end with the process */
    closed = closed && kafka_close(consumer->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    for (int i = 0; i < 2; i++) {
        if (consumer->wake[i] >= 0 && closed)
            (void)close(consumer->wake[i]);
    }
    rd_kafka_topic_partition_list_destroy(consumer->subscription);
    table_free(&consumer->indexes);
    if (closed)
        free(consumer);
}
