#include "bridge/enricher/ledger.h"

#include <string.h>

/* Contents kept of one record; of more the oldest are forgotten. */
#define MOST 32
/* An integration whose syncs are not told is not heard of for ever. */
#define WINDOW_MOST_MS (INT64_C(8) * 24 * 3600 * 1000)
/* Of two generations the older one is dropped as a whole. */
#define GENERATIONS 2

/* Events of one content, of one record. */
struct heard {
    uint64_t hash;
    uint32_t window;   /* heard in, last */
    uint32_t count;    /* in that window */
    uint32_t owed;     /* was made good; its webhook has not come */
    uint64_t sequence; /* of the last of them */
};

struct record_page {
    struct heard items[MOST + 1];
    size_t count;
};

bool ledger_window(const struct ledger *ledger, struct ledger_window *window)
{
    const void *value = NULL;
    size_t length = 0;
    *window = (struct ledger_window){0};
    if (!cache_window(ledger->cache, ledger->number, ledger->integration_id, &value, &length) ||
        length != sizeof *window)
        return false;
    memcpy(window, value, sizeof *window);
    window->verified = window->epoch == cache_epoch(ledger->cache, ledger->number);
    return true;
}

static void put_window(const struct ledger *ledger, const struct ledger_window *window)
{
    cache_put_window(ledger->cache, ledger->number, ledger->integration_id, window, sizeof *window);
}

/* Of a number that was never blind all is known from its first event on; what it does not remember
 * are changes from before that whose webhooks come late. */
void ledger_open(const struct ledger *ledger, int64_t anchor_ms, int64_t wall_ms)
{
    struct ledger_window window;
    if (ledger_window(ledger, &window))
        return;
    window = (struct ledger_window){.start = {0, anchor_ms, 0, anchor_ms},
                                    .generation_ms = wall_ms,
                                    .proves_ms = wall_ms + ledger->late_ms};
    put_window(ledger, &window);
}

static bool read_page(const struct ledger *ledger, uint32_t generation, const char *model,
                      const char *record_id, struct record_page *page)
{
    const void *value = NULL;
    size_t length = 0;
    page->count = 0;
    if (!cache_heard(ledger->cache, ledger->number, (int)(generation % GENERATIONS),
                     ledger->integration_id, model, record_id, &value, &length) ||
        length > sizeof page->items)
        return false;
    page->count = length / sizeof page->items[0];
    memcpy(page->items, value, page->count * sizeof page->items[0]);
    return true;
}

/* What is known of the record, also by the generation before. */
static void read_both(const struct ledger *ledger, uint32_t generation, const char *model,
                      const char *record_id, struct record_page *page)
{
    if (!read_page(ledger, generation, model, record_id, page))
        (void)read_page(ledger, generation + 1, model, record_id, page);
}

static void put_page(const struct ledger *ledger, uint32_t generation, const char *model,
                     const char *record_id, const struct record_page *page)
{
    size_t skipped = page->count > MOST ? page->count - MOST : 0;
    cache_put_heard(ledger->cache, ledger->number, (int)(generation % GENERATIONS),
                    ledger->integration_id, model, record_id, page->items + skipped,
                    (page->count - skipped) * sizeof page->items[0]);
}

static struct heard *find(struct record_page *page, uint64_t hash)
{
    for (size_t i = 0; i < page->count; i++) {
        if (page->items[i].hash == hash)
            return &page->items[i];
    }
    return NULL;
}

static int64_t count_of(const struct heard *item, const struct ledger_window *window)
{
    if (item->window == window->start.number)
        return item->count;
    return item->count > 0 && item->sequence > window->carried;
}

static int64_t count_in(const struct record_page *page, const struct ledger_window *window)
{
    int64_t count = 0;
    for (size_t i = 0; i < page->count; i++)
        count += count_of(&page->items[i], window);
    return count;
}

/* The item of this content, made when there is none. */
static struct heard *item_of(struct record_page *page, uint64_t hash, uint32_t window)
{
    struct heard *item = find(page, hash);
    if (item == NULL) {
        item = &page->items[page->count++];
        *item = (struct heard){.hash = hash, .window = window};
    }
    return item;
}

/* What is heard from now on goes into the next generation; what the one before it held is
 * forgotten.
 */
static void turn_generation(const struct ledger *ledger, struct ledger_window *window,
                            int64_t wall_ms)
{
    window->generation++;
    window->generation_ms = wall_ms;
    cache_drop_heard(ledger->cache, ledger->number, (int)(window->generation % GENERATIONS),
                     ledger->integration_id);
}

static bool is_older(const struct ledger_window *window, int64_t most_ms, int64_t wall_ms)
{
    return wall_ms < window->generation_ms || wall_ms - window->generation_ms >= most_ms;
}

bool ledger_hear(const struct ledger *ledger, const char *model, const char *record_id,
                 uint64_t hash, bool only_seen, int64_t wall_ms)
{
    struct ledger_window window;
    struct record_page page;
    if (!ledger_window(ledger, &window))
        return false;
    if (is_older(&window, WINDOW_MOST_MS, wall_ms)) {
        turn_generation(ledger, &window, wall_ms);
        window.epoch = cache_epoch(ledger->cache, ledger->number) - 1;
        put_window(ledger, &window);
    }
    read_both(ledger, window.generation, model, record_id, &page);
    bool first = count_in(&page, &window) == 0;
    bool known = find(&page, hash) != NULL;
    struct heard *item = item_of(&page, hash, window.start.number);
    if (item->owed > 0) {
        item->owed--;
    } else {
        item->count = (uint32_t)count_of(item, &window) + 1;
        item->window = window.start.number;
        item->sequence = ++window.sequence;
        window.heard++;
        window.records += first;
        window.doubts += known;
        window.seen += only_seen;
        put_window(ledger, &window);
    }
    put_page(ledger, window.generation, model, record_id, &page);
    return true;
}

int64_t ledger_count(const struct ledger *ledger, const char *model, const char *record_id)
{
    struct ledger_window window;
    struct record_page page;
    if (!ledger_window(ledger, &window))
        return 0;
    read_both(ledger, window.generation, model, record_id, &page);
    return count_in(&page, &window);
}

enum ledger_status ledger_status(const struct ledger *ledger, const char *model,
                                 const char *record_id, uint64_t hash)
{
    struct ledger_window window;
    struct record_page page;
    if (!ledger_window(ledger, &window))
        return LEDGER_UNKNOWN;
    read_both(ledger, window.generation, model, record_id, &page);
    const struct heard *item = find(&page, hash);
    if (item == NULL)
        return LEDGER_UNKNOWN;
    if (count_of(item, &window) > 0)
        return LEDGER_HEARD;
    return item->owed > 0 || item->count == 0 ? LEDGER_GOOD : LEDGER_BEFORE;
}

void ledger_owe(const struct ledger *ledger, const char *model, const char *record_id,
                uint64_t hash)
{
    struct ledger_window window;
    struct record_page page;
    if (!ledger_window(ledger, &window))
        return;
    read_both(ledger, window.generation, model, record_id, &page);
    struct heard *item = item_of(&page, hash, window.start.number);
    if (count_of(item, &window) > 0) {
        window.doubts++; /* it came just before this */
        put_window(ledger, &window);
    } else {
        item->owed = 1;
    }
    put_page(ledger, window.generation, model, record_id, &page);
}

static bool is_same(const struct ledger_start *a, const struct ledger_start *b)
{
    return a->number == b->number && a->anchor_ms == b->anchor_ms && a->counted == b->counted &&
           a->newest_ms == b->newest_ms;
}

void ledger_anchor(const struct ledger *ledger, const struct ledger_start *start)
{
    struct ledger_window window;
    if (!ledger_window(ledger, &window))
        return;
    window.start = *start;
    put_window(ledger, &window);
}

void ledger_close(const struct ledger *ledger, const struct ledger_start *start, uint64_t sequence,
                  uint64_t by, bool unsure, int64_t wall_ms)
{
    struct ledger_window window;
    if (!ledger_window(ledger, &window))
        return;
    if (window.closing == 0)
        window.before = window.start;
    window.closing = by;
    window.start = *start;
    window.epoch = cache_epoch(ledger->cache, ledger->number);
    window.carried = sequence;
    window.heard = (int64_t)(window.sequence - sequence);
    window.records = window.doubts = window.heard; /* their changes may be of the window before */
    window.seen = 0;
    if (unsure)
        window.proves_ms = wall_ms + ledger->late_ms;
    if (is_older(&window, ledger->late_ms, wall_ms))
        turn_generation(ledger, &window, wall_ms);
    put_window(ledger, &window);
}

void ledger_closed(const struct ledger *ledger, const struct ledger_start *start)
{
    struct ledger_window window;
    if (!ledger_window(ledger, &window) || window.closing == 0)
        return;
    if (is_same(&window.start, start))
        window.closing = 0;
    else
        window.before = *start;
    put_window(ledger, &window);
}

/* It begins somewhere else than was thought: what was heard in it is not all. */
static void move(const struct ledger *ledger, struct ledger_window *window,
                 const struct ledger_start *start)
{
    window->start = *start;
    window->closing = 0;
    window->epoch = cache_epoch(ledger->cache, ledger->number) - 1;
    window->carried = window->sequence;
    window->heard = window->records = window->doubts = window->seen = 0;
    put_window(ledger, window);
}

void ledger_restore(const struct ledger *ledger, const struct ledger_start *start, int64_t wall_ms)
{
    struct ledger_window window;
    if (!ledger_window(ledger, &window))
        window = (struct ledger_window){.generation_ms = wall_ms};
    else if (is_same(&window.start, start)) {
        ledger_closed(ledger, start);
        return;
    }
    move(ledger, &window, start);
}

void ledger_settle(const struct ledger *ledger, uint64_t by)
{
    struct ledger_window window;
    if (ledger_window(ledger, &window) && window.closing != 0 && window.closing != by)
        move(ledger, &window, &window.before);
}

void ledger_blind(struct cache *cache, int number)
{
    cache_put_epoch(cache, number, cache_epoch(cache, number) + 1);
}
