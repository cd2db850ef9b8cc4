#include "bridge/receiver/sender.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/base/table.h"
#include "bridge/kafka/producer.h"
#include "bridge/receiver/refusal.h"
#include "bridge/receiver/spool_record.h"

#define RETRY_MS 500 /* after the disk or Kafka has refused something */
#define DELETIONS                                                                   \
    1024 /* in one transaction: what one needs of the file's last pages has a bound \
          */

/* An event of the file that is on its way to Kafka, or back. */
struct sending {
    uint64_t sequence;
    unsigned lane;
    size_t length;
    bool alone; /* no other one was under way with it */
    enum producer_outcome outcome;
    char *reason; /* of a refusal; a letter goes in its place then */
    struct sending *next;
};

struct sender {
    struct kafka_context kafka;
    const char *dead_letters;
    struct spool_file *file;
    struct sender_calls calls;
    struct producer *producer; /* opened when there is something to send */

    pthread_mutex_t lock;
    struct sending *back; /* reported, not yet looked at, the first one first; under `lock` */
    struct sending **back_end;

    struct sending *kept; /* Kafka has them; to be deleted */
    size_t under_way;     /* given to the producer, or `kept` */
    size_t under_way_bytes;
    size_t unsent; /* events of the file that are neither */
    uint64_t next; /* those before this number were given to the producer */
    bool failed;   /* one of them came back */
    uint64_t failed_from;
    uint64_t doubted_to;        /* those before this number go one by one */
    int64_t rest_until_ms;      /* nothing is sent before */
    int64_t disk_rest_until_ms; /* nothing is deleted before */
};

unsigned sender_lane(const struct message *message)
{
    uint32_t key = table_hash(message->key, message->key_length);
    return (table_hash(message->topic, strlen(message->topic)) * 31 + key) % SENDER_LANES;
}

struct sender *sender_new(const struct kafka_context *kafka, const char *dead_letters,
                          struct spool_file *file, const struct sender_calls *calls)
{
    struct sender *sender = memory_new(1, sizeof *sender);
    sender->kafka = *kafka;
    sender->dead_letters = dead_letters;
    sender->file = file;
    sender->calls = *calls;
    sender->back_end = &sender->back;
    (void)pthread_mutex_init(&sender->lock, NULL);
    return sender;
}

void sender_found(struct sender *sender, size_t count)
{
    sender->unsent += count;
}

static void put_back(struct sender *sender, struct sending *sending)
{
    (void)pthread_mutex_lock(&sender->lock);
    sending->next = NULL;
    *sender->back_end = sending;
    sender->back_end = &sending->next;
    (void)pthread_mutex_unlock(&sender->lock);
}

/* On the producer's thread. */
static void on_report(void *context, const struct producer_report *report)
{
    struct sender *sender = context;
    struct sending *sending = report->opaque;
    sending->outcome = report->outcome;
    if (report->outcome == PRODUCER_REFUSED && sending->reason == NULL)
        sending->reason = memory_text(report->reason);
    else if (report->outcome == PRODUCER_REFUSED)
        sending->outcome = PRODUCER_NOT_KEPT; /* not even its letter is taken */
    if (report->outcome == PRODUCER_NOT_KEPT) {
        struct error error;
        error_set(&error, VERDICT_RETRY, "Kafka does not take an event of %s: %s",
                  rd_kafka_topic_name(report->sent->rkt), report->reason);
        sender->calls.troubled(sender->calls.context, &error);
    }
    put_back(sender, sending);
    sender->calls.reported(sender->calls.context, report->outcome == PRODUCER_KEPT);
}

static void free_sending(struct sending *sending)
{
    free(sending->reason);
    free(sending);
}

static void come_back(struct sender *sender, struct sending *sending)
{
    sender->under_way--;
    sender->under_way_bytes -= sending->length;
    free_sending(sending);
}

static void failed(struct sender *sender, struct sending *sending)
{
    if (!sender->failed || sending->sequence < sender->failed_from)
        sender->failed_from = sending->sequence;
    sender->failed = true;
    sender->unsent++;
    come_back(sender, sending);
}

static bool read_one(void *context, const struct spool_line *line)
{
    struct spool_line *found = context;
    if (line->sequence != found->sequence)
        return false;
    found->bytes = memory_bytes(line->length);
    memcpy((void *)(uintptr_t)found->bytes, line->bytes, line->length);
    found->length = line->length;
    return false;
}

/* In the place of the event: its deletion waits for the letter's acknowledgement. */
static void send_letter(struct sender *sender, struct sending *sending)
{
    struct spool_line line = {.sequence = sending->sequence};
    struct message message;
    struct refusal refusal;
    struct error error = {0};
    bool sent = spool_file_read(sender->file, sending->sequence, read_one, &line, &error) &&
                line.bytes != NULL &&
                spool_record_read(line.sequence, line.bytes, line.length, &message);
    if (sent) {
        log_warn("spool_event_refused", LOG_TEXT("topic", message.topic),
                 LOG_TEXT("reason", sending->reason));
        refusal_write(&refusal, &message, sender->dead_letters, sending->reason, clock_wall_ms());
        sent = producer_send(sender->producer, &message, sending, &error);
    }
    free((void *)(uintptr_t)line.bytes);
    if (!sent)
        failed(sender, sending);
}

/* What Kafka took after one of them has failed may have taken that one's turn, so it goes again. */
static void look_at(struct sender *sender, struct sending *sending)
{
    switch (sending->outcome) {
    case PRODUCER_KEPT:
        if (sender->failed && sending->sequence > sender->failed_from) {
            failed(sender, sending);
            return;
        }
        sending->next = sender->kept;
        sender->kept = sending;
        return;
    case PRODUCER_NOT_KEPT:
        failed(sender, sending);
        return;
    case PRODUCER_REFUSED: /* with the whole of its batch: each may be the one at fault */
        if (sending->alone) {
            send_letter(sender, sending);
            return;
        }
        if (sending->sequence >= sender->doubted_to)
            sender->doubted_to = sending->sequence + 1;
        failed(sender, sending);
        return;
    }
}

static void look_at_reports(struct sender *sender)
{
    (void)pthread_mutex_lock(&sender->lock);
    struct sending *back = sender->back;
    sender->back = NULL;
    sender->back_end = &sender->back;
    (void)pthread_mutex_unlock(&sender->lock);
    for (struct sending *next = NULL; back != NULL; back = next) {
        next = back->next;
        look_at(sender, back);
    }
}

static int compare_sendings(const void *a, const void *b)
{
    const struct sending *x = *(struct sending *const *)a;
    const struct sending *y = *(struct sending *const *)b;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* Deletes some of what Kafka has, the first of them first: neighbours share pages. */
static bool delete_some(struct sender *sender, struct sending **list, size_t count)
{
    uint64_t *numbers = memory_new(count, sizeof *numbers);
    struct error error = {0};
    for (size_t i = 0; i < count; i++)
        numbers[i] = list[i]->sequence;
    bool ok = spool_file_write(sender->file, NULL, 0, numbers, count, &error);
    free(numbers);
    if (!ok)
        sender->calls.troubled(sender->calls.context, &error);
    for (size_t i = 0; i < count && ok; i++) {
        sender->calls.deleted(sender->calls.context, list[i]->lane, list[i]->length);
        come_back(sender, list[i]);
    }
    return ok;
}

size_t sender_settle(struct sender *sender)
{
    size_t count = 0;
    size_t done = 0;
    bool ok = true;
    look_at_reports(sender);
    for (const struct sending *kept = sender->kept; kept != NULL; kept = kept->next)
        count++;
    if (count == 0 || clock_ms() < sender->disk_rest_until_ms)
        return 0;
    struct sending **list = memory_new(count, sizeof(struct sending *));
    for (struct sending *kept = sender->kept; kept != NULL; kept = kept->next)
        list[done++] = kept;
    qsort(list, count, sizeof(struct sending *), compare_sendings);
    for (done = 0; done < count && ok;) {
        size_t some = count - done < DELETIONS ? count - done : DELETIONS;
        ok = delete_some(sender, list + done, some);
        done += ok ? some : 0;
    }
    sender->kept = NULL;
    for (size_t i = done; i < count; i++) {
        list[i]->next = sender->kept;
        sender->kept = list[i];
    }
    free(list);
    if (!ok)
        sender->disk_rest_until_ms = clock_ms() + RETRY_MS;
    return done;
}

struct feeding {
    struct sender *sender;
    uint64_t gate;
    bool stopped; /* by the gate, or for lack of room */
};

/* It was whole when it was written or checked: this disk gives back something else. It stays in the
 * file, which the next start will refuse. */
static void pass_over(struct sender *sender, uint64_t sequence)
{
    struct error error;
    error_set(&error, VERDICT_FATAL, "event %" PRIu64 " of the spool is spoilt, and stays there",
              sequence);
    sender->calls.troubled(sender->calls.context, &error);
}

/* False when there is no room for it. */
static bool send_line(struct sender *sender, const struct spool_line *line,
                      const struct message *message)
{
    struct error error = {0};
    struct sending *sending = memory_new(1, sizeof *sending);
    *sending = (struct sending){.sequence = line->sequence,
                                .lane = sender_lane(message),
                                .length = line->length,
                                .alone = line->sequence < sender->doubted_to};
    sender->under_way++;
    sender->under_way_bytes += line->length;
    if (producer_send(sender->producer, message, sending, &error))
        return true;
    if (error.verdict != VERDICT_FATAL) {
        come_back(sender, sending);
        return false;
    }
    sending->alone = true; /* the library has looked at it alone */
    sending->outcome = PRODUCER_REFUSED;
    sending->reason = memory_text(error.message);
    put_back(sender, sending);
    return true;
}

static bool feed_line(void *context, const struct spool_line *line)
{
    struct feeding *feeding = context;
    struct sender *sender = feeding->sender;
    struct message message;
    feeding->stopped = line->sequence >= feeding->gate || sender->under_way >= SENDER_EVENTS ||
                       sender->under_way_bytes >= SENDER_BYTES ||
                       (sender->under_way > 0 && sender->next < sender->doubted_to);
    if (feeding->stopped)
        return false;
    if (!spool_record_read(line->sequence, line->bytes, line->length, &message))
        pass_over(sender, line->sequence);
    else if (!send_line(sender, line, &message))
        feeding->stopped = true;
    if (feeding->stopped)
        return false;
    sender->unsent--;
    sender->next = line->sequence + 1;
    return true;
}

static bool open_producer(struct sender *sender, struct error *error)
{
    struct producer_options options = {.name = "spool",
                                       .timeout_ms = PRODUCER_TIMEOUT_NEVER,
                                       .starts_cold = true,
                                       .done = on_report,
                                       .context = sender};
    if (sender->producer == NULL)
        sender->producer = producer_new(&sender->kafka, &options, error);
    return sender->producer != NULL;
}

/* After a failure: not before all is back. */
static bool may_feed(struct sender *sender)
{
    if (sender->failed && sender->under_way == 0) {
        sender->failed = false;
        sender->next = sender->failed_from;
        sender->rest_until_ms = clock_ms() + RETRY_MS;
    }
    return !sender->failed && sender->unsent > 0 && clock_ms() >= sender->rest_until_ms;
}

bool sender_feed(struct sender *sender, uint64_t gate)
{
    struct feeding feeding = {.sender = sender, .gate = gate};
    struct error error = {0};
    if (!may_feed(sender))
        return false;
    if (!open_producer(sender, &error) ||
        !spool_file_read(sender->file, sender->next, feed_line, &feeding, &error)) {
        sender->calls.troubled(sender->calls.context, &error);
        sender->rest_until_ms = clock_ms() + RETRY_MS;
    }
    return feeding.stopped;
}

static void free_all(struct sending *list)
{
    for (struct sending *next = NULL; list != NULL; list = next) {
        next = list->next;
        free_sending(list);
    }
}

void sender_free(struct sender *sender)
{
    if (sender == NULL)
        return;
    producer_free(sender->producer);
    free_all(sender->back);
    free_all(sender->kept);
    (void)pthread_mutex_destroy(&sender->lock);
    free(sender);
}
