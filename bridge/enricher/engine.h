/*
 * The enricher's state, owned by its loop thread: intake, answers and the loop work on it. Nothing
 * outside this room includes it.
 *
 * Life of an event here: intake takes it (offsets_take) and joins it to a record -> the planner
 * chooses the record -> a request starts -> its answer becomes an item of the open batch, and the
 * item takes the events along (offsets_done) -> the batch goes to the publisher with the watermarks
 * of its partitions and what is done above them. An offset is done in the tracker only when its
 * last item is in a batch, a batch is closed before the next item is settled, and batches are
 * committed in order or not at all: so neither a watermark nor what is told above it ever covers
 * work that is not in its own or an earlier transaction.
 *
 * When partitions are given up, or a transaction was fenced, everything is forgotten (`epoch`
 * counts up, so that answers still under way are ignored) and the events are taken in again from
 * the committed offsets by whoever owns them.
 */
#ifndef BRIDGE_ENRICHER_ENGINE_H
#define BRIDGE_ENRICHER_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/error.h"
#include "bridge/base/random.h"
#include "bridge/config/config.h"
#include "bridge/enricher/age.h"
#include "bridge/enricher/batch.h"
#include "bridge/enricher/breakers.h"
#include "bridge/enricher/cache.h"
#include "bridge/enricher/headers.h"
#include "bridge/enricher/offsets.h"
#include "bridge/enricher/pages.h"
#include "bridge/enricher/pending.h"
#include "bridge/enricher/planner.h"
#include "bridge/enricher/publisher.h"
#include "bridge/enricher/recency.h"
#include "bridge/http/client.h"
#include "bridge/kafka/consumer.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/budget.h"
#include "bridge/propexo/selection.h"
#include "bridge/propexo/webhook.h"

struct backfill;
struct expiry;
struct ledger;
struct ledger_start;
struct fetch;
struct sync;
struct sync_check;
struct walk;

struct engine {
    struct kafka_context kafka;
    const struct config *config;
    const struct topics *topics;
    const struct selection *selection;

    struct consumer *consumer;
    struct publisher *publisher;
    struct http_client *http;

    struct offsets *offsets;
    struct recency *recency;
    struct pending pending;
    struct planner *planner;
    struct budget budget;
    struct page_reader pages;
    struct breakers *breakers;
    struct change_names names;
    struct random random;

    struct membership *membership; /* of the present assignment; NULL while there is none */
    int *owned;                    /* slots of the present assignment */
    size_t owned_count;
    struct age *ages;           /* by slot: how old what is open is */
    _Atomic int64_t **consumed; /* by place: the metric of events taken */
    int64_t measure_ms;         /* when the costly part of engine_measure is due */
    struct behind *behind;      /* by slot: what Kafka holds beyond what was taken in; */
    struct behind *behind_all;  /* and by place, in all the model's partitions of ours */
    int64_t *looked_behind_ms;  /* by slot: when Kafka's client was asked last */
    bool *paused;               /* by slot */
    int paused_count;           /* how many of them */
    bool fenced; /* a transaction was refused: nothing starts until the partitions are given up */

    struct fetch *fetches;    /* requests under way */
    int64_t asked_ms;         /* of the one whose answer is looked at: when it began, wall clock */
    struct trace asked;       /* its span, where it was for one record alone */
    struct walk *walks_first; /* walks over lists that wait for their next page */
    struct walk *walks_last;
    bool walks_turn;
    struct backfill *backfills; /* of the present assignment, ended ones too */
    unsigned backfill_turn;
    uint64_t check_serial;   /* of the sync's check that was begun last */
    struct expiry *expiries; /* of the present assignment */
    struct sync *syncs;      /* whose snapshots are not all told as complete */
    struct table tallies;    /* "place/integration" -> struct tally (syncs.c) */
    struct table standings;  /* "place/integration" -> struct standing (standing.c) */
    int64_t looked_ms;       /* when the syncs were last looked at */
    struct table settling;   /* integration id -> struct settling (walks.c) */

    struct cache *cache;
    int64_t *heard_next;         /* by slot: the first offset that the ledger has not heard */
    int64_t *heard_kept;         /* of that, what is in the cache */
    struct table windows;        /* integration -> where its window begins, while they are read */
    uint64_t closing_by;         /* of the present assignment (ledger_close); never 0 */
    int64_t diffs_refused_until; /* data-diffs are not asked for before: no right to them */
    struct table erased;         /* what no copy is published of (erasing.c) */
    struct table ahead;          /* states of assembled records that are not committed yet */
    const atomic_bool *stopping; /* what waits gives up */

    struct batch *open;        /* being filled; never NULL */
    struct batch *ready_first; /* full ones that the publisher has no hand free for */
    struct batch *ready_last;
    size_t uncommitted;       /* items in `open`, ready and at the publisher */
    size_t uncommitted_bytes; /* about what these items take in memory */
    uint32_t *touched;        /* by slot: the serial of the last batch that has its work */
    uint32_t batch_serial;
    uint32_t committed_serial; /* of the last batch that was committed */
};

/* measure.c */

/* An event was taken in, which came at `kafka_ms` by Kafka's clock; 0 = that is not known.
 * `integration_id` may be NULL. */
void engine_count_taken(struct engine *engine, const struct consumer_event *event,
                        const char *integration_id, int64_t kafka_ms);

/* Sets the gauges that tell of the loop's state; about once a second those that cost work. */
void engine_measure(struct engine *engine, int64_t now_ms);

/* standing.c */

/* So much of a model of an integration was committed. */
void engine_stand_committed(struct engine *engine, int place, const char *integration_id,
                            int64_t snapshots, int64_t dead_letters);

/* A model's part of a sync is told as complete. */
void engine_stand_synced(struct engine *engine, const struct sync *sync, int place);
void engine_forget_standings(struct engine *engine);

/* Writes on the board how all stands, when somebody looks: to be called each turn. */
void engine_write_board(struct engine *engine, int64_t now_ms);

/* intake.c */

/* Tells a claim what the event adds to its offset: its kind, what it announces, when it came, its
 * traceparent. */
void engine_tell(struct engine *engine, struct claim *claim, const struct webhook *webhook,
                 const struct event_headers *headers);

/* The partitions were given up: what Kafka holds of them is nobody's here. */
void engine_forget_behind(struct engine *engine);

/* Takes one event in. Always ends in a waiting record or a dead letter. */
void engine_take(struct engine *engine, const struct consumer_event *event, int64_t now_ms);

/* Pauses partitions that hold more than their share of max_pending and resumes others; pauses all
 * while the publisher is far behind. Half of max_pending is anybody's; above it a partition may
 * hold the rest divided by the partitions owned. So one partition's flood stops only itself, and
 * the sum stays under max_pending. */
void engine_balance(struct engine *engine);

/* Pauses all partitions for good: what comes now is for the next owner. */
void engine_pause(struct engine *engine);

/* Where a commit cannot tell all that is done above the watermark, what holds the watermark is
 * fetched first: looks for it. To be called about once a second. */
void engine_urge(struct engine *engine, int64_t now_ms);

/* True when the publisher is so far behind that nothing more may be taken in. */
bool engine_is_full(const struct engine *engine);

/* skipping.c */

/* Notes what the partition's committed offset tells as done above it; metadata that cannot be used
 * is logged (offset_metadata_ignored) and all events are worked on. */
void engine_load_told(struct engine *engine, const struct consumer_slot *slot);

/* An event that an earlier commit tells as done (offsets_told) is not worked on; `webhook` is NULL
 * when it is none of its topic's model. */
void engine_skip(struct engine *engine, const struct consumer_event *event,
                 const struct webhook *webhook, const char *integration_id, int64_t now_ms);

/* hearing.c */

/* A stamp of the API further in the future than this (wall clock) is not believed. */
int64_t engine_latest_stamp_ms(void);

/* The ledger's page of an integration, in partition `number`; borrows the id. */
struct ledger engine_ledger(const struct engine *engine, int number, const char *integration_id);

/* The event is counted in the ledger, unless it was before. */
void engine_hear(struct engine *engine, int slot, const rd_kafka_message_t *message,
                 const struct webhook *webhook, const struct event_headers *headers);

/* Puts how far the partitions were heard into the cache: before each flush. */
void engine_keep_heard(struct engine *engine);
void engine_keep_slot(struct engine *engine, int slot);

/* The partition was assigned: how far the cache has heard it, 0 = not at all. What lies behind that
 * is to be heard next (engine_hear), or was not (engine_not_heard, up to `offset`). */
int64_t engine_heard(struct engine *engine, int slot) MUST_CHECK;
void engine_not_heard(struct engine *engine, int slot, int64_t offset);

/* Where the integration's window begins, for the state topic; back from there (false when `name` is
 * that of something else), of which the last text counts when all of the partition's were read. */
void engine_write_window(struct engine *engine, int slot, const char *integration_id,
                         const struct ledger_start *start);
bool engine_restore_window(struct engine *engine, const char *integration_id, const char *name,
                           const char *text, size_t length);
void engine_restore_windows(struct engine *engine, int number);

/* The item was committed: what it means for the ledger. */
void engine_ledger_committed(struct engine *engine, const struct item *item);

/* children.c */

/* The event is one of a child that shows up in its parents: they are to be fetched, and the child
 * itself when an endpoint reads it. */
void engine_take_child(struct engine *engine, const struct consumer_event *event,
                       const struct webhook *webhook, const char *integration_id, bool forwarded,
                       int64_t now_ms);

/* Adds what an event of a child tells of its parents to what the cache knows of them. Returns all
 * that is known now, which the caller deletes; NULL when nothing is. */
cJSON *engine_learn_parents(struct engine *engine, int number,
                            const struct webhook *webhook) MUST_CHECK;

/* The same for an event that was consumed: the cache then stands behind it. */
cJSON *engine_learn_consumed(struct engine *engine, const struct consumer_event *event,
                             const struct webhook *webhook) MUST_CHECK;

/* Joins the event to a record's entry, which is made when there is none, and gives the claim, which
 * is to be told what the event adds. Then the record is to be given to engine_joined. */
struct record *engine_join(struct engine *engine, const struct consumer_event *event, int place,
                           const char *record_id, const char *integration_id, struct claim **claim,
                           int64_t now_ms) MUST_CHECK;

/* The claim is told: the record waits in the planner, if no request for it is under way. */
void engine_joined(struct engine *engine, struct record *record, int64_t now_ms);

/* assembling.c */

/* The event is one of a model that only webhooks tell of. */
void engine_take_assembled(struct engine *engine, const struct consumer_event *event,
                           const struct webhook *webhook, const char *integration_id,
                           const struct event_headers *headers, int64_t now_ms);

/* The record is erased: what is committed of its state is deleted with the tombstone, which the
 * caller settles next. */
void engine_erase_state(struct engine *engine, int place, const char *id);

/* A batch with this item was committed: one that has a state, or the tombstone of a record that was
 * erased. */
void engine_assembled_committed(struct engine *engine, const struct item *item);

/* Forgets all states that are not committed. */
void engine_forget_ahead(struct engine *engine);

/* walks.c */

/* Drops the walks that wait for their next page. */
void engine_forget_walks(struct engine *engine);

/* backfills.c */

/* An event orders a backfill of its topic's model for the integration. `forced`: also when there
 * was one not long ago. */
void engine_order_backfill(struct engine *engine, const struct consumer_event *event,
                           const char *integration_id, const char *order, bool forced);

/* A text of the state topic, in partition `number`, about a model of an integration; NULL is a
 * tombstone. Later ones replace earlier ones. */
void engine_restore_backfill(struct engine *engine, const char *integration_id, const char *model,
                             int number, const char *text, size_t length);

/* Tells of backfills whose last snapshots are committed. */
void engine_complete_backfills(struct engine *engine);
void engine_forget_backfills(struct engine *engine);

/* Reads the list of the partition's model for the integration, newest change first, down to
 * `since_ms` less `overlap_ms`, and publishes what is there. Its phase is BACKFILL_DONE when all of
 * that is committed; `unheard` counts the records changed since of which the ledger heard nothing.
 */
struct backfill *engine_begin_sweep(struct engine *engine, int slot, const char *integration_id,
                                    int64_t since_ms, int64_t overlap_ms) MUST_CHECK;

/* Frees it, whether it is done or not. */
void engine_end_sweep(struct engine *engine, struct backfill *sweep);

/* syncs.c */

/* The event was taken: whose it is. */
void engine_tag(struct engine *engine, const struct consumer_event *event,
                const char *integration_id);

/* The event is a barrier: a sync of the integration is complete, and covers these models. */
void engine_take_barrier(struct engine *engine, const struct consumer_event *event,
                         const char *integration_id, const struct event_headers *headers,
                         bool is_backsync);

/* The same of a sync; false when `name` is not that of one. */
bool engine_restore_sync(struct engine *engine, const char *integration_id, const char *name,
                         int number, const char *text, size_t length);

/* An item was committed: it counts for the next milestone. */
void engine_count_committed(struct engine *engine, const struct item *item);

/* Tells of what is complete. Cheap when called often. Returns the milliseconds until it wants to be
 * called again, INT64_MAX when no sync waits. */
int64_t engine_look_at_syncs(struct engine *engine, int64_t now_ms);

/* Before engine_forget_backfills: their checks may have sweeps. */
void engine_forget_syncs(struct engine *engine);

/* The partition of one of the sync's models, by its place. */
int sync_slot(const struct engine *engine, const struct sync *sync, size_t place);

/* For reconcile.c: the sync's state goes to the state topic; `place` is that of one of its models.
 */
void sync_write_down(struct engine *engine, const struct sync *sync, size_t place);

/* expiry.c */

/* The sync is reconciled and told: looks for records that it did not see. */
void engine_begin_expiry(struct engine *engine, const struct sync *sync);
void engine_forget_expiries(struct engine *engine);

/* The item was committed: a record that expired is remembered until it is published again. */
void engine_expiry_committed(struct engine *engine, const struct item *item);

/* reconcile.c */

/* The barriers of the sync have come, and its check has not ended: goes on with it. It ends with
 * each model's check `done`, or another barrier under way. */
void engine_check_sync(struct engine *engine, struct sync *sync, int64_t now_ms);

/* Ends the check without a result; NULL is allowed. */
void check_free(struct engine *engine, struct sync *sync);

/* What stands in a barrier's header: the result, and which check wrote it; false when it is not
 * that.
 */
bool check_read(const char *text, struct sync_check *check, uint64_t *token) MUST_CHECK;

/* erasing.c */

/* An order to keep a record out, to do so no longer, or to tell. False when it does not say of
 * which record. */
bool engine_take_erasure(struct engine *engine, const struct consumer_event *event,
                         const struct webhook *webhook, enum erasure_kind kind,
                         int64_t now_ms) MUST_CHECK;

/* Nothing may be published of the record; `slot` is that of its model and integration. */
bool engine_is_erased(const struct engine *engine, int slot, const char *record_id) MUST_CHECK;

/* A text of the state topic, `record` being <model>/<record id>; false when `name` is that of
 * something else. */
bool engine_restore_erased(struct engine *engine, const char *record, const char *name, int number,
                           const char *text, size_t length) MUST_CHECK;
void engine_forget_erased(struct engine *engine);

/* restore.c */

/* Brings the cache up to the committed offsets of the partitions just assigned. False when Kafka
 * did not answer. */
bool engine_restore(struct engine *engine, const struct consumer_slot *slots, size_t count,
                    struct error *error) MUST_CHECK;

/* requests.c */

/* Starts as many requests as planner, budget, breakers and room allow. Returns the milliseconds
 * until more may start. */
int64_t engine_request(struct engine *engine, int64_t now_ms);

/* The planner's and the breakers' callbacks. */
bool engine_may_ask(void *engine, const char *integration_id, int place, int64_t now_ms);
void engine_release(void *engine, const char *integration_id, const char *model, int64_t now_ms);

/* Ends the requests under way; nobody is told of an answer. Returns how many there were. */
size_t engine_cancel_fetches(struct engine *engine);

/* batches.c */

/* No more requests are started, and no more events taken in, while this much waits for the
 * publisher. */
#define ENGINE_ITEMS_AHEAD 2000
#define ENGINE_BYTES_AHEAD ((size_t)32 << 20)

/* A new item of the open batch. The caller fills it and settles it before it asks for another. */
struct item *engine_item(struct engine *engine, enum item_kind kind, int place,
                         const char *record_id, const char *integration_id) MUST_CHECK;

/* Events that change nothing are done: an item that publishes nothing carries their offsets. */
void engine_nothing(struct engine *engine, int place, const char *record_id, struct claim *claim);

/* The item is filled: it takes the claim's events along, and their offsets are done. */
void engine_settle(struct engine *engine, struct item *item, struct claim *claim);

/* A text about one partition's work, by itself or with the events of `claim` (NULL: none): for the
 * state topic, under integration_id/`name`, or for activity, where `trigger` says what it is. Takes
 * `text` over. */
void engine_text(struct engine *engine, enum item_kind kind, int slot, const char *name,
                 const char *integration_id, char *text, const char *trigger, struct claim *claim);

/* Sends a claim's events on under `integration_id`. */
void engine_forward(struct engine *engine, int place, const char *record_id,
                    const char *integration_id, struct claim *claim);

/* A dead letter for a claim, in the open batch. */
void engine_dead_letter(struct engine *engine, int place, const char *record_id,
                        const char *integration_id, struct claim *claim, int attempts,
                        const char *code, const char *detail);

/* The same for all that waits for the record and was there at its last attempt. */
void engine_give_up(struct engine *engine, struct record *record, const char *code,
                    const char *detail);

/* Gives the publisher what it has a hand free for; the open batch when it is old enough, or
 * `at_once`. Returns the milliseconds until the open batch will be, INT64_MAX when there is nothing
 * to wait for. */
int64_t engine_hand_over(struct engine *engine, bool at_once, int64_t now_ms);

/* Drops the open batch and the ready ones. */
void engine_drop_batches(struct engine *engine);

#endif
