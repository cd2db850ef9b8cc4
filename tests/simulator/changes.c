#include "tests/simulator/changes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/delays.h"
#include "tests/simulator/distinct.h"
#include "tests/simulator/edit.h"
#include "tests/simulator/log.h"
#include "tests/simulator/webhook_body.h"

#define BATCH           100  /* changes between two looks at the network */
#define CATCH_UP_MS     1000 /* a rate that could not be kept is made up for that long */
#define STAMPS_TOLD     30   /* percent of diffs that tell updated_at and last_seen too */
#define STREAM_CHANGES  UINT64_C(0xc4a9e5)
#define STREAM_WEBHOOKS UINT64_C(0x3eb400c5)
#define WITHOUT_END     UINT64_MAX

struct changes {
    struct store *store;
    struct webhooks *webhooks;
    struct diffs *diffs;
    const struct options *options;
    struct distinct *distinct;     /* NULL = a record may change again at any time */
    struct random random;          /* what changes */
    struct random webhooks_random; /* how it is told */
    enum shape shape;
    double rate;
    uint64_t target; /* of `streamed` */
    uint64_t streamed;
    bool running;
    bool announced; /* changes_done was logged, or there is nothing to log */
    double next_at;
    struct change_counts counts;
};

struct changes *changes_create(struct store *store, struct webhooks *webhooks, struct diffs *diffs,
                               const struct options *options)
{
    struct changes *changes = memory_get_zeroed(1, sizeof *changes);
    changes->store = store;
    changes->webhooks = webhooks;
    changes->diffs = diffs;
    changes->options = options;
    changes->random = random_make(options->seed, STREAM_CHANGES);
    changes->webhooks_random = random_make(options->seed, STREAM_WEBHOOKS);
    changes->shape = (enum shape)options->shape;
    changes->rate = options->rate;
    if (options->distinct != 0)
        changes->distinct = distinct_create(store, options->seed);
    changes->announced = true;
    if (options->changes > 0)
        changes_start(changes, options->changes);
    return changes;
}

void changes_destroy(struct changes *changes)
{
    if (changes == NULL)
        return;
    distinct_destroy(changes->distinct);
    free(changes);
}

void changes_start(struct changes *changes, uint64_t count)
{
    if (count > 0)
        changes->target = changes->streamed + count;
    else if (changes->target <= changes->streamed)
        changes->target = WITHOUT_END;
    changes->running = true;
    changes->announced = false;
    changes->next_at = 0;
}

void changes_stop(struct changes *changes)
{
    changes->running = false;
    if (changes->target == WITHOUT_END) {
        changes->target = changes->streamed;
        changes->announced = true;
    }
}

void changes_set_rate(struct changes *changes, double rate)
{
    changes->rate = rate;
}

void changes_set_shape(struct changes *changes, enum shape shape)
{
    changes->shape = shape;
}

static enum shape draw_shape(struct changes *changes)
{
    struct random *random = &changes->webhooks_random;
    bool orphan = random_percent(random, changes->options->mixed_orphans);
    enum shape drawn = (enum shape)(SHAPE_A + random_below(random, 3));
    if (changes->shape != SHAPE_MIXED)
        return changes->shape;
    return orphan ? SHAPE_ORPHAN : drawn;
}

static void copy_slot(struct text *text, const struct record *record, unsigned slot)
{
    size_t length;
    const char *bytes = state_get(record->state, slot, &length);
    text_append(text, bytes, length);
}

/* What every webhook tells of a record. The payload is still to be written. */
static void begin_event(struct webhook_event *event, const struct changes *changes,
                        const struct collection *collection, const struct record *record)
{
    const struct layout *layout = &collection->layout;
    *event = (struct webhook_event){.model = layout->model->name};
    event->integration = changes->store->integrations[record->integration];
    copy_slot(&event->record_id, record, (unsigned)layout->id);
    int vendor = model_field(layout->model, "integration_vendor");
    if (vendor >= 0)
        copy_slot(&event->vendor, record, (unsigned)vendor);
    else
        values_write_vendor(&event->vendor, &changes->store->values, record->integration);
}

static void send_event(struct changes *changes, struct webhook_event *event,
                       const struct told_change *change)
{
    struct text body = {0};
    enum shape shape = draw_shape(changes);
    webhook_body_write(&body, shape, event, &changes->webhooks_random);
    bool dropped = random_percent(&changes->webhooks_random, changes->options->drop_webhooks);
    if (!webhooks_send(changes->webhooks, &body, change, dropped))
        log_line("error", "webhook_not_queued", "waiting=%d", WEBHOOKS_WAITING_MAX);
    text_free(&body);
}

/* Which record a webhook is about, and when in the order of reads. Behind the change itself. */
static struct told_change note_change(const struct changes *changes,
                                      const struct collection *collection, uint32_t number,
                                      bool seen_only)
{
    const struct store *store = changes->store;
    return (struct told_change){.collection = (uint32_t)(collection - store->collections),
                                .number = number,
                                .sequence = store->sequence,
                                .seen_only = seen_only};
}

/* Tells a change by a webhook, or not (NULL), and keeps it. */
static void end_event(struct changes *changes, struct webhook_event *event, uint32_t integration,
                      const struct told_change *told)
{
    if (told != NULL)
        send_event(changes, event, told);
    diffs_add(changes->diffs, event, integration, store_now(changes->store));
    webhook_event_free(event);
}

/* Applies the edit and tells it. */
static void finish_edit(struct changes *changes, struct edit *edit, bool seen_only, bool webhook)
{
    struct webhook_event event;
    const struct record *record = &edit->collection->records[edit->number];
    begin_event(&event, changes, edit->collection, record);
    edit_write_diff(&event.payload, edit);
    edit_apply(edit);
    changes->counts.made++;
    struct told_change told = note_change(changes, edit->collection, edit->number, seen_only);
    end_event(changes, &event, record->integration, webhook ? &told : NULL);
}

/* Some of the fields; often with the id, sometimes without, and with the parents' ids. Only of what
 * can be read are there payloads with all. */
static void write_payload(struct text *text, struct changes *changes,
                          const struct collection *collection, const struct record *record)
{
    const struct layout *layout = &collection->layout;
    struct random *random = &changes->random;
    uint64_t form = random_below(random, 10);
    uint64_t first = random_below(random, layout->fields);
    bool any = false;
    text_add(text, "{");
    for (unsigned i = 0; i < layout->fields; i++) {
        const struct field *field = &layout->model->fields[i];
        bool is_id = (int)i == layout->id;
        bool small = is_id ? form < 7 : i == first || i == (first + 1) % layout->fields;
        bool large = layout->model->list_path != NULL || i != first;
        bool wanted = field->parent != NULL || (form == 9 ? large : small);
        if (field->embeds != NULL || !wanted)
            continue;
        text_format(text, "%s\"%s\":", any ? "," : "", field->name);
        copy_slot(text, record, i);
        any = true;
    }
    text_add(text, "}");
}

static void make_new(struct changes *changes, struct collection *collection)
{
    struct store *store = changes->store;
    uint64_t integration = random_below(&changes->random, store->values.integrations);
    uint32_t number = store_insert(store, collection, (uint32_t)integration);
    if (number == STORE_NONE)
        return;
    const struct record *record = &collection->records[number];
    struct webhook_event event;
    begin_event(&event, changes, collection, record);
    event.is_new = true;
    write_payload(&event.payload, changes, collection, record);
    changes->counts.made++;
    changes->counts.made_new++;
    struct told_change told = note_change(changes, collection, number, false);
    end_event(changes, &event, record->integration, &told);
}

/* A record that is not deleted; STORE_NONE when the draw and its successors find none. */
static uint32_t draw_record(struct changes *changes, const struct collection *collection)
{
    uint64_t drawn = random_next(&changes->random);
    if (collection->alive == 0)
        return STORE_NONE;
    uint32_t number = (uint32_t)(drawn % collection->count);
    while (collection->records[number].state == NULL)
        number = (number + 1) % collection->count;
    return number;
}

static struct edit_stamps stamps_of(const struct changes *changes, bool fields, bool told)
{
    int mover = changes->options->updated_at;
    int teller = changes->options->diff_updated_at;
    return (struct edit_stamps){.updated_at = mover == UPDATED_AT_ALL ||
                                              (mover == UPDATED_AT_CHANGES && fields),
                                .tell_updated_at = teller == DIFF_UPDATED_AT_ALL ||
                                                   (teller == DIFF_UPDATED_AT_MIXED && told),
                                .tell_last_seen = told};
}

static void make_update(struct changes *changes, struct collection *collection, bool seen_only)
{
    uint32_t number = changes->distinct != NULL ? distinct_next(changes->distinct, &collection)
                                                : draw_record(changes, collection);
    if (number == STORE_NONE) {
        make_new(changes, collection);
        return;
    }
    struct edit edit;
    edit_begin(&edit, changes->store, collection, number);
    if (!seen_only)
        edit_draw(&edit, &changes->random);
    bool told = random_percent(&changes->random, STAMPS_TOLD);
    bool fields = edit.count > 0;
    edit_touch(&edit, stamps_of(changes, fields, told || !fields));
    changes->counts.made_last_seen += !fields;
    finish_edit(changes, &edit, !fields, true);
    edit_end(&edit);
}

static void make_one(struct changes *changes)
{
    struct store *store = changes->store;
    double drawn = (double)random_below(&changes->random, 1000000) / 10000.0;
    uint64_t chosen = random_below(&changes->random, store->count);
    struct collection *collection = &store->collections[chosen];
    double new_percent = changes->options->new_percent;
    if (drawn < new_percent)
        make_new(changes, collection);
    else
        make_update(changes, collection, drawn < new_percent + changes->options->last_seen_percent);
    changes->streamed++;
}

static bool may_make(const struct changes *changes, struct webhook_load load)
{
    if (!changes->running || changes->streamed >= changes->target)
        return false;
    bool paced =
        changes->rate > 0 || load.waiting - load.asleep < changes->options->webhook_concurrency * 2;
    return paced && load.waiting < WEBHOOKS_WAITING_MAX;
}

static void announce(struct changes *changes)
{
    if (changes->announced || changes->streamed < changes->target)
        return;
    struct webhook_counts counts;
    webhooks_counts(changes->webhooks, &counts);
    if (counts.waiting > 0)
        return;
    changes->announced = true;
    changes->running = false;
    log_line("info", "changes_done",
             "changes=%" PRIu64 " webhooks_ok=%" PRIu64 " webhooks_lost=%" PRIu64,
             changes->counts.made, counts.ok, counts.lost);
}

int64_t changes_run(struct changes *changes, int64_t now)
{
    announce(changes);
    if (changes->next_at < (double)(now - CATCH_UP_MS))
        changes->next_at = (double)now;
    struct webhook_load load = webhooks_load(changes->webhooks);
    for (int i = 0; i < BATCH; i++, load.waiting++) {
        if (!may_make(changes, load)) {
            announce(changes);
            return DELAYS_NEVER;
        }
        if (changes->rate > 0 && changes->next_at > (double)now)
            return (int64_t)changes->next_at + 1;
        make_one(changes);
        if (changes->rate > 0)
            changes->next_at += 1000.0 / changes->rate;
    }
    return now;
}

bool changes_make(struct changes *changes, struct collection *collection, uint32_t number,
                  const cJSON *fields, bool webhook, const char **problem)
{
    struct edit edit;
    edit_begin(&edit, changes->store, collection, number);
    bool good = edit_take(&edit, fields, problem);
    if (good) {
        bool any = edit.count > 0;
        edit_touch(&edit, stamps_of(changes, any, !any));
        finish_edit(changes, &edit, !any, webhook);
    }
    edit_end(&edit);
    return good;
}

void changes_delete(struct changes *changes, struct collection *collection, uint32_t number)
{
    struct edit edit;
    struct webhook_event event;
    edit_begin(&edit, changes->store, collection, number);
    edit_touch(&edit, (struct edit_stamps){.tell_last_seen = true});
    const struct record *record = &collection->records[number];
    begin_event(&event, changes, collection, record);
    edit_write_diff(&event.payload, &edit);
    edit_end(&edit);
    store_delete(changes->store, collection, number);
    changes->counts.deleted++;
    struct told_change told = note_change(changes, collection, number, false);
    end_event(changes, &event, record->integration, &told);
}

void changes_counts(const struct changes *changes, struct change_counts *counts)
{
    *counts = changes->counts;
    counts->running = changes->running && changes->streamed < changes->target;
}
