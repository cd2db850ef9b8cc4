#include "bridge/receiver/keeper.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/kafka/producer.h"
#include "bridge/receiver/sender.h"
#include "bridge/receiver/spool.h"
#include "bridge/receiver/spool_record.h"

/* How long nothing is sent to a Kafka that does not acknowledge: then a few try again. */
#define AWAY_MS 10000

/* With fewer events in the spool a message waits for its lane, rather than make it longer: a Kafka
 * that is well takes so many in a fraction of a second. */
#define HOLD_BELOW 4096

struct entry {
    struct spool_event event; /* the first member: the spool gives it back */
    struct keeper *keeper;
    void *opaque;
    unsigned lane;
    bool kept; /* Kafka has it; it goes to the spool for its order alone */
    bool held; /* waits for its lane */
    int64_t since_ms;
    struct entry *next; /* of those that are open, in the order of their numbers */
    struct entry *previous;
};

struct lane {
    uint32_t spooled; /* events in the spool, or on their way to it */
    uint32_t held;
    uint64_t lowest; /* number of these in the spool, or lower */
};

struct keeper {
    const char **topics;
    keeper_done *done;
    struct producer *producer;
    struct spool *spool; /* NULL: none */
    int64_t spool_after_ms;

    pthread_mutex_t lock; /* guards what follows */
    struct entry *first;
    struct entry *last;
    uint64_t next_sequence;
    size_t held;
    int64_t kept_ms;       /* Kafka has acknowledged something then */
    int64_t away_until_ms; /* until then everything goes to the spool */
    struct lane *lanes;    /* SENDER_LANES; all empty without a spool */
};

static void link_open(struct keeper *keeper, struct entry *entry)
{
    entry->previous = keeper->last;
    if (keeper->last != NULL)
        keeper->last->next = entry;
    else
        keeper->first = entry;
    keeper->last = entry;
}

static void unlink_open(struct keeper *keeper, struct entry *entry)
{
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        keeper->first = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    else
        keeper->last = entry->previous;
    if (entry->held) {
        keeper->lanes[entry->lane].held--;
        keeper->held--;
    }
    entry->held = false;
}

/* The entry's end; no lock may be held. */
static void finish(struct entry *entry, enum keeper_outcome outcome, const char *reason)
{
    entry->keeper->done(entry->opaque, outcome, reason);
    free(entry->event.bytes);
    free(entry);
}

static void encode(struct entry *entry, const struct message *message)
{
    if (entry->event.bytes == NULL)
        entry->event.bytes =
            spool_record_write(entry->event.sequence, message, &entry->event.length);
}

/* Under the lock: an open entry goes to the spool. False when that has no room; it is not open any
 * more then, and the caller finishes it. */
static bool give_to_spool(struct keeper *keeper, struct entry *entry, const struct message *message)
{
    struct lane *lane = &keeper->lanes[entry->lane];
    uint64_t sequence = entry->event.sequence;
    encode(entry, message);
    unlink_open(keeper, entry);
    if (!spool_add(keeper->spool, &entry->event))
        return false;
    if (lane->spooled++ == 0 || sequence < lane->lowest)
        lane->lowest = sequence;
    return true;
}

/* Under the lock: chains those that the spool has no room for. */
static void spool_held(struct keeper *keeper, struct entry *entry, struct entry **refused)
{
    if (give_to_spool(keeper, entry, NULL))
        return;
    entry->next = *refused;
    *refused = entry;
}

static void finish_refused(struct entry *refused)
{
    for (struct entry *next = NULL; refused != NULL; refused = next) {
        next = refused->next;
        finish(refused, refused->kept ? KEEPER_KEPT : KEEPER_UNAVAILABLE,
               refused->kept ? NULL : "the spool is full");
    }
}

/* Under the lock: the spool has no event of this lane any more; those that waited for that go, in
 * order, and behind one that cannot go the others go to the spool with it. */
static void release(struct keeper *keeper, unsigned lane, struct entry **refused)
{
    struct error error;
    struct message message;
    for (struct entry *entry = keeper->first, *next; entry != NULL; entry = next) {
        next = entry->next;
        if (!entry->held || entry->lane != lane)
            continue;
        if (keeper->lanes[lane].spooled > 0 ||
            !spool_record_read(entry->event.sequence, entry->event.bytes, entry->event.length,
                               &message) ||
            !producer_send(keeper->producer, &message, entry, &error)) {
            spool_held(keeper, entry, refused);
            continue;
        }
        entry->held = false;
        keeper->lanes[lane].held--;
        keeper->held--;
    }
}

/* Under the lock: one event less of this lane in the spool. */
static void leave_lane(struct keeper *keeper, unsigned lane, struct entry **refused)
{
    if (--keeper->lanes[lane].spooled == 0 && keeper->lanes[lane].held > 0)
        release(keeper, lane, refused);
}

/* The spool's calls. */

static uint64_t gate(void *context)
{
    struct keeper *keeper = context;
    struct entry *refused = NULL;
    (void)pthread_mutex_lock(&keeper->lock);
    int64_t late = clock_ms() - keeper->spool_after_ms;
    for (struct entry *entry = keeper->first, *next; entry != NULL && keeper->held > 0;
         entry = next) {
        next = entry->next;
        if (entry->held && entry->since_ms <= late)
            spool_held(keeper, entry, &refused);
    }
    uint64_t open = keeper->first == NULL ? keeper->next_sequence : keeper->first->event.sequence;
    (void)pthread_mutex_unlock(&keeper->lock);
    finish_refused(refused);
    return open;
}

static void on_written(void *context, struct spool_event *event, bool ok)
{
    struct keeper *keeper = context;
    struct entry *entry = (struct entry *)event;
    struct entry *refused = NULL;
    if (!ok) {
        (void)pthread_mutex_lock(&keeper->lock);
        keeper->away_until_ms = 0; /* the spool is no way round Kafka now */
        leave_lane(keeper, entry->lane, &refused);
        (void)pthread_mutex_unlock(&keeper->lock);
        finish_refused(refused);
    }
    if (ok || entry->kept)
        finish(entry, KEEPER_KEPT, NULL);
    else
        finish(entry, KEEPER_UNAVAILABLE, "the spool could not be written");
}

static void on_sent(void *context, unsigned lane)
{
    struct keeper *keeper = context;
    struct entry *refused = NULL;
    (void)pthread_mutex_lock(&keeper->lock);
    leave_lane(keeper, lane, &refused);
    (void)pthread_mutex_unlock(&keeper->lock);
    finish_refused(refused);
}

static void note_alive(struct keeper *keeper)
{
    keeper->kept_ms = clock_ms();
    keeper->away_until_ms = 0;
}

static void note_failure(struct keeper *keeper, int64_t now_ms)
{
    if (keeper->spool != NULL && now_ms - keeper->kept_ms >= keeper->spool_after_ms)
        keeper->away_until_ms = now_ms + AWAY_MS;
}

static void on_alive(void *context)
{
    struct keeper *keeper = context;
    (void)pthread_mutex_lock(&keeper->lock);
    note_alive(keeper);
    (void)pthread_mutex_unlock(&keeper->lock);
}

/* The producer's. */

/* Under the lock: what is to be done with an entry that Kafka has, or has not. False when it is not
 * open any more and ends now. */
static bool goes_to_spool(struct keeper *keeper, struct entry *entry,
                          const struct producer_report *report)
{
    const struct lane *lane = &keeper->lanes[entry->lane];
    bool overtook = lane->spooled > 0 && lane->lowest < entry->event.sequence;
    bool goes = entry->kept ? overtook : keeper->spool != NULL;
    if (goes) {
        struct message message;
        message_borrow(&message, report->sent);
        return give_to_spool(keeper, entry, &message);
    }
    unlink_open(keeper, entry);
    return false;
}

static void on_report(void *context, const struct producer_report *report)
{
    struct keeper *keeper = context;
    struct entry *entry = report->opaque;
    int64_t now_ms = clock_ms();
    (void)pthread_mutex_lock(&keeper->lock);
    entry->kept = report->outcome == PRODUCER_KEPT;
    if (entry->kept)
        note_alive(keeper);
    else if (report->outcome == PRODUCER_NOT_KEPT)
        note_failure(keeper, now_ms);
    bool spooled = goes_to_spool(keeper, entry, report);
    (void)pthread_mutex_unlock(&keeper->lock);
    if (spooled)
        return;
    /* Kafka refuses whole batches, in which others may be at fault: never KEEPER_REFUSED here. */
    finish(entry, entry->kept ? KEEPER_KEPT : KEEPER_UNAVAILABLE, report->reason);
}

/* Every topic an event can go to, so that none of them is slow the first time. */
static size_t list_topics(struct keeper *keeper, const struct topics *topics)
{
    size_t count = 0;
    keeper->topics = memory_new(topics->model_count + 2, sizeof(const char *));
    for (size_t i = 0; i < topics->model_count; i++)
        keeper->topics[count++] = topics->events[i];
    keeper->topics[count++] = topics->activity;
    keeper->topics[count++] = topics->dead_letters;
    return count;
}

static void on_left(void *context, unsigned lane)
{
    struct keeper *keeper = context;
    keeper->lanes[lane].spooled++; /* their numbers are lower than all new ones: `lowest` is 0 */
}

static bool open_spool(struct keeper *keeper, const struct kafka_context *kafka,
                       const struct topics *topics, struct error *error)
{
    struct spool_calls calls = {keeper, gate, on_written, on_sent, on_alive};
    uint64_t last = 0;
    keeper->spool = spool_open(kafka, topics->dead_letters, &calls, error);
    if (keeper->spool == NULL || !spool_visit_all(keeper->spool, on_left, keeper, &last, error))
        return false;
    keeper->next_sequence = last + 1;
    return true;
}

struct keeper *keeper_new(const struct kafka_context *kafka, const struct topics *topics,
                          keeper_done *done, struct error *error)
{
    struct keeper *keeper = memory_new(1, sizeof *keeper);
    bool spools = *kafka->config->receiver.spool_dir != '\0';
    keeper->done = done;
    keeper->spool_after_ms = kafka->config->receiver.spool_after_ms;
    keeper->kept_ms = clock_ms();
    keeper->next_sequence = 1;
    keeper->lanes = memory_new(SENDER_LANES, sizeof *keeper->lanes);
    (void)pthread_mutex_init(&keeper->lock, NULL);
    size_t count = list_topics(keeper, topics);
    struct producer_options options = {.name = "receiver",
                                       .loop = HEALTH_LOOP_PRODUCER,
                                       .topics = keeper->topics,
                                       .topic_count = count,
                                       .timeout_ms = spools ? keeper->spool_after_ms
                                                            : PRODUCER_TIMEOUT_CONFIGURED,
                                       .owner_serves = true,
                                       .done = on_report,
                                       .context = keeper};
    bool ok = !spools || open_spool(keeper, kafka, topics, error);
    if (ok)
        keeper->producer = producer_new(kafka, &options, error);
    ok = ok && keeper->producer != NULL && (!spools || spool_start(keeper->spool, error));
    if (ok)
        return keeper;
    keeper_free(keeper);
    return NULL;
}

enum way { WAY_KAFKA, WAY_HOLD, WAY_SPOOL };

/* Under the lock. */
static enum way choose(const struct keeper *keeper, const struct entry *entry)
{
    if (keeper->spool == NULL)
        return WAY_KAFKA;
    const struct lane *lane = &keeper->lanes[entry->lane];
    if (entry->since_ms < keeper->away_until_ms)
        return WAY_SPOOL;
    if (lane->spooled == 0 && lane->held == 0)
        return WAY_KAFKA;
    return spool_count(keeper->spool) < HOLD_BELOW ? WAY_HOLD : WAY_SPOOL;
}

/* Under the lock: those of the lane that wait go to the spool before one that goes there now: that
 * would hold them up, and they hold it up. */
static void spool_lane(struct keeper *keeper, unsigned lane, struct entry **refused)
{
    for (struct entry *entry = keeper->first, *next; entry != NULL && keeper->lanes[lane].held > 0;
         entry = next) {
        next = entry->next;
        if (entry->held && entry->lane == lane)
            spool_held(keeper, entry, refused);
    }
}

static void hold(struct keeper *keeper, struct entry *entry, const struct message *message)
{
    encode(entry, message);
    entry->held = true;
    keeper->lanes[entry->lane].held++;
    keeper->held++;
}

/* Kafka's client has no room for it, or is being replaced. */
static void take_back(struct keeper *keeper, struct entry *entry, const struct message *message,
                      const struct error *error)
{
    (void)pthread_mutex_lock(&keeper->lock);
    bool refused = error->verdict == VERDICT_FATAL;
    bool spools = keeper->spool != NULL && !refused;
    bool spooled = spools && give_to_spool(keeper, entry, message);
    if (!spools)
        unlink_open(keeper, entry);
    (void)pthread_mutex_unlock(&keeper->lock);
    if (!spooled)
        finish(entry, refused ? KEEPER_REFUSED : KEEPER_UNAVAILABLE, error->message);
}

void keeper_keep(struct keeper *keeper, const struct message *message, void *opaque)
{
    struct error error;
    struct entry *refused = NULL;
    struct entry *entry = memory_new(1, sizeof *entry);
    entry->keeper = keeper;
    entry->opaque = opaque;
    entry->lane = keeper->spool == NULL ? 0 : sender_lane(message);
    entry->since_ms = clock_ms();
    (void)pthread_mutex_lock(&keeper->lock);
    entry->event.sequence = keeper->next_sequence++;
    enum way way = choose(keeper, entry);
    bool full = false;
    if (way == WAY_SPOOL)
        spool_lane(keeper, entry->lane, &refused);
    link_open(keeper, entry);
    if (way == WAY_SPOOL)
        full = !give_to_spool(keeper, entry, message);
    else if (way == WAY_HOLD)
        hold(keeper, entry, message);
    (void)pthread_mutex_unlock(&keeper->lock);
    finish_refused(refused);
    if (full)
        finish(entry, KEEPER_UNAVAILABLE, "the spool is full");
    if (way == WAY_KAFKA && !producer_send(keeper->producer, message, entry, &error))
        take_back(keeper, entry, message, &error);
}

int keeper_fd(const struct keeper *keeper)
{
    return producer_fd(keeper->producer);
}

void keeper_serve(struct keeper *keeper)
{
    producer_serve(keeper->producer);
}

bool keeper_is_sending(struct keeper *keeper)
{
    (void)pthread_mutex_lock(&keeper->lock);
    bool alive = clock_ms() - keeper->kept_ms < keeper->spool_after_ms;
    (void)pthread_mutex_unlock(&keeper->lock);
    return alive && keeper->spool != NULL && spool_count(keeper->spool) > 0;
}

static void end_held(struct keeper *keeper)
{
    struct entry *refused = NULL;
    (void)pthread_mutex_lock(&keeper->lock);
    for (struct entry *entry = keeper->first, *next; entry != NULL; entry = next) {
        next = entry->next;
        if (entry->held)
            spool_held(keeper, entry, &refused);
    }
    (void)pthread_mutex_unlock(&keeper->lock);
    finish_refused(refused);
}

void keeper_close(struct keeper *keeper)
{
    if (keeper == NULL)
        return;
    producer_close(keeper->producer); /* reports all that is under way: to the spool */
    end_held(keeper);
    spool_close(keeper->spool);
}

void keeper_free(struct keeper *keeper)
{
    if (keeper == NULL)
        return;
    keeper_close(keeper);
    spool_free(keeper->spool);
    producer_free(keeper->producer);
    (void)pthread_mutex_destroy(&keeper->lock);
    free(keeper->lanes);
    free(keeper->topics);
    free(keeper);
}
