#include "bridge/enricher/backfill.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/timestamp.h"
#include "bridge/propexo/api.h"

/* Over the whole list; then what is missing is told. The third one may help when the order by one
 * of the keys left doubt. */
#define PASSES          2
#define PASSES_IN_DOUBT 3
/* Rows of equal stamps keep their order when 2^16 to one speak for it. */
#define PROVEN 16
/* A change can be seen so much later than its stamp says. */
#define LATE_MS 10000

struct backfill *backfill_new(const char *integration_id, int place, int slot, const char *order,
                              int64_t wall_ms)
{
    struct backfill *backfill = memory_new(1, sizeof *backfill);
    *backfill = (struct backfill){.integration_id = memory_text(integration_id),
                                  .place = place,
                                  .slot = slot,
                                  .order = memory_text(order),
                                  .passes = 1,
                                  .total = -1,
                                  .stamp = BACKFILL_NO_STAMP,
                                  .newest = BACKFILL_NO_STAMP,
                                  .until = BACKFILL_NO_STAMP,
                                  .top = BACKFILL_NO_STAMP,
                                  .top_total = -1,
                                  .started_ms = wall_ms};
    return backfill;
}

static void forget_last(struct backfill *backfill)
{
    for (size_t i = 0; i < BACKFILL_OVERLAP; i++) {
        free(backfill->last[i]);
        backfill->last[i] = NULL;
    }
    backfill->stamp = BACKFILL_NO_STAMP;
}

void backfill_free(struct backfill *backfill)
{
    if (backfill == NULL)
        return;
    forget_last(backfill);
    table_free(&backfill->unheard);
    table_free(&backfill->fresh[0]);
    table_free(&backfill->fresh[1]);
    free(backfill->integration_id);
    free(backfill->order);
    free(backfill);
}

/* The numbers that are written down, by name. */
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"offset", offsetof(struct backfill, offset)},
    {"tail", offsetof(struct backfill, tail)},
    {"stamp", offsetof(struct backfill, stamp)},
    {"newest", offsetof(struct backfill, newest)},
    {"until", offsetof(struct backfill, until)},
    {"top", offsetof(struct backfill, top)},
    {"top_total", offsetof(struct backfill, top_total)},
    {"proof", offsetof(struct backfill, proof)},
    {"met", offsetof(struct backfill, met)},
    {"total", offsetof(struct backfill, total)},
    {"pages", offsetof(struct backfill, pages)},
    {"snapshots", offsetof(struct backfill, snapshots)},
    {"missing", offsetof(struct backfill, missing)},
    {"started_ms", offsetof(struct backfill, started_ms)},
    {"ended_ms", offsetof(struct backfill, ended_ms)},
};

static int64_t *number_at(struct backfill *backfill, size_t i)
{
    return (int64_t *)(void *)((char *)backfill + numbers[i].offset);
}

static const char *const phases[] = {
    [BACKFILL_NEWEST] = "newest", [BACKFILL_OLDEST] = "oldest", [BACKFILL_TOP] = "top",
    [BACKFILL_READ] = "read",     [BACKFILL_DONE] = "done",
};

char *backfill_write(const struct backfill *backfill)
{
    struct backfill copy = *backfill;
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(root, "backfill", backfill->order);
    (void)cJSON_AddStringToObject(root, "phase", phases[backfill->phase]);
    (void)cJSON_AddNumberToObject(root, "passes", backfill->passes);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        (void)cJSON_AddNumberToObject(root, numbers[i].name, (double)*number_at(&copy, i));
    (void)cJSON_AddBoolToObject(root, "doubt", backfill->doubt);
    (void)cJSON_AddBoolToObject(root, "back", backfill->back);
    (void)cJSON_AddBoolToObject(root, "last_look", backfill->last_look);
    (void)cJSON_AddBoolToObject(root, "shuffles", backfill->shuffles);
    (void)cJSON_AddBoolToObject(root, "again", backfill->again);
    (void)cJSON_AddBoolToObject(root, "failed", backfill->failed);
    cJSON *last = cJSON_AddArrayToObject(root, "last");
    for (size_t i = 0; i < BACKFILL_OVERLAP && backfill->last[i] != NULL; i++)
        (void)cJSON_AddItemToArray(last, cJSON_CreateString(backfill->last[i]));
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

static bool read_phase(struct backfill *backfill, const char *name)
{
    for (size_t i = 0; name != NULL && i < ARRAY_LENGTH(phases); i++) {
        if (strcmp(phases[i], name) == 0) {
            backfill->phase = (enum backfill_phase)i;
            return true;
        }
    }
    return false;
}

struct backfill *backfill_read(const char *text, size_t length, const char *integration_id,
                               int place, int slot)
{
    cJSON *root = json_parse(text, length);
    const char *order = json_member_text(root, "backfill");
    struct backfill *backfill =
        order == NULL ? NULL : backfill_new(integration_id, place, slot, order, 0);
    if (backfill != NULL && !read_phase(backfill, json_member_text(root, "phase"))) {
        backfill_free(backfill);
        backfill = NULL;
    }
    if (backfill != NULL) {
        for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
            const cJSON *number = json_member(root, numbers[i].name);
            if (cJSON_IsNumber(number))
                *number_at(backfill, i) = (int64_t)number->valuedouble;
        }
        const cJSON *passes = json_member(root, "passes");
        backfill->passes = cJSON_IsNumber(passes) ? passes->valueint : 1;
        backfill->doubt = cJSON_IsTrue(json_member(root, "doubt"));
        backfill->back = cJSON_IsTrue(json_member(root, "back"));
        backfill->last_look = cJSON_IsTrue(json_member(root, "last_look"));
        backfill->shuffles = cJSON_IsTrue(json_member(root, "shuffles"));
        backfill->again = cJSON_IsTrue(json_member(root, "again"));
        backfill->failed = cJSON_IsTrue(json_member(root, "failed"));
        const cJSON *last = json_member(root, "last");
        for (int i = 0; i < BACKFILL_OVERLAP && i < cJSON_GetArraySize(last); i++) {
            const char *id = cJSON_GetStringValue(cJSON_GetArrayItem(last, i));
            backfill->last[i] = id == NULL ? NULL : memory_text(id);
        }
    }
    cJSON_Delete(root);
    return backfill;
}

bool backfill_overlaps(const struct backfill *backfill, const char *id)
{
    for (size_t i = 0; i < BACKFILL_OVERLAP && backfill->last[i] != NULL; i++) {
        if (strcmp(backfill->last[i], id) == 0)
            return true;
    }
    return false;
}

bool backfill_reads(const struct backfill *backfill)
{
    return backfill->phase < BACKFILL_READ;
}

static int64_t stamp_of(const cJSON *row, const char *key)
{
    int64_t stamp;
    return timestamp_member(row, key, &stamp) ? stamp : BACKFILL_NO_STAMP;
}

static int64_t stamp_here(const struct backfill *backfill, const cJSON *row)
{
    return stamp_of(row, backfill->phase == BACKFILL_OLDEST ? "created_at" : "updated_at");
}

static void begin(struct backfill *backfill, enum backfill_phase phase)
{
    forget_last(backfill);
    backfill->phase = phase;
    backfill->offset = 0;
    backfill->back = false;
}

static void begin_pass(struct backfill *backfill)
{
    backfill->passes++;
    backfill->doubt = false;
    begin(backfill, backfill->passes % 2 == 0 ? BACKFILL_OLDEST : BACKFILL_NEWEST);
}

void backfill_look(struct backfill *backfill)
{
    backfill->last_look = false;
    backfill->until = backfill->newest;
    begin(backfill, BACKFILL_TOP);
}

/* All that was in the list when the look began is met, or has gone to the top since. */
static void end_look(struct backfill *backfill)
{
    bool counted = backfill->top_total >= 0;
    bool is_short =
        !backfill->sweep && (counted ? backfill->met < backfill->top_total : backfill->doubt);
    if (is_short && counted && !backfill->last_look) {
        backfill->last_look = true;
        backfill->until = backfill->top;
        begin(backfill, BACKFILL_TOP);
    } else if (is_short && backfill->passes < (backfill->doubt ? PASSES_IN_DOUBT : PASSES)) {
        begin_pass(backfill);
    } else {
        backfill->missing = is_short && counted ? backfill->top_total - backfill->met : 0;
        begin(backfill, BACKFILL_READ);
    }
}

/* The next page begins with these. */
static void keep_last(struct backfill *backfill, const cJSON *rows, int count)
{
    forget_last(backfill);
    for (int i = 0; i < BACKFILL_OVERLAP && i < count; i++) {
        const char *id = json_member_text(cJSON_GetArrayItem(rows, count - 1 - i), "id");
        backfill->last[i] = memory_text(id == NULL ? "" : id);
    }
    backfill->stamp = stamp_here(backfill, cJSON_GetArrayItem(rows, count - 1));
}

/* What a page shows of the border between it and the one before. */
struct border {
    int overlap;    /* rows that ended the one before */
    bool as_it_was; /* they are there one behind the other, in that order */
    bool tied;      /* the first that is not one of them has their stamp */
};

static struct border look_at_border(const struct backfill *backfill, const cJSON *rows)
{
    struct border border = {0};
    const cJSON *first = NULL;
    int known = 0;
    int in_order = 0;
    while (known < BACKFILL_OVERLAP && backfill->last[known] != NULL)
        known++;
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        const char *id = json_member_text(row, "id");
        bool overlaps = id != NULL && backfill_overlaps(backfill, id);
        border.overlap += overlaps;
        if (!overlaps && first == NULL)
            first = row;
        if (overlaps && in_order < known && strcmp(backfill->last[known - 1 - in_order], id) == 0)
            in_order++;
        else if (in_order < known)
            in_order = 0;
    }
    border.as_it_was = in_order == known;
    border.tied = first != NULL && backfill->stamp != BACKFILL_NO_STAMP &&
                  stamp_here(backfill, first) == backfill->stamp;
    return border;
}

/* The page reaches down to where the look ends. Rows without a stamp may stand before
 * all others. */
static bool reaches(const struct backfill *backfill, const cJSON *rows)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        int64_t stamp = stamp_of(row, "updated_at");
        if (stamp <= backfill->until && (stamp != BACKFILL_NO_STAMP || stamp == backfill->until))
            return true;
    }
    return false;
}

bool backfill_is_news(const struct backfill *backfill, const cJSON *row)
{
    int64_t stamp = stamp_of(row, "updated_at");
    return stamp == BACKFILL_NO_STAMP || stamp >= backfill->until - LATE_MS;
}

static void step_back(struct backfill *backfill, int64_t rows)
{
    backfill->back = true;
    backfill->offset = backfill->offset > rows ? backfill->offset - rows : 0;
}

/* Rows at the end of the page that share its last stamp. */
static int64_t count_tail(const struct backfill *backfill, const cJSON *rows)
{
    int64_t tail = 0;
    int64_t stamp = BACKFILL_NO_STAMP;
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        int64_t here = stamp_here(backfill, row);
        tail = here == stamp ? tail + 1 : 1;
        stamp = here;
    }
    return tail;
}

static void go_on(struct backfill *backfill, const cJSON *rows, int count, bool more)
{
    backfill->back = false;
    keep_last(backfill, rows, count);
    backfill->tail = count_tail(backfill, rows);
    bool whole = backfill->shuffles || backfill->proof < PROVEN;
    int64_t again = whole && backfill->tail > BACKFILL_OVERLAP ? backfill->tail : BACKFILL_OVERLAP;
    if (more && again >= count) {
        backfill->doubt |= backfill->shuffles;
        again = BACKFILL_OVERLAP;
    }
    backfill->offset += count > again ? count - again : count;
    if (backfill->phase == BACKFILL_TOP) {
        backfill->unsure |= backfill->doubt;
        if (!more || reaches(backfill, rows))
            end_look(backfill);
    } else if (!more) {
        backfill_look(backfill);
    }
}

/* The last rows of the page before came in their order, of `tail` rows at least of one stamp: by
 * chance once in so many times. */
static int64_t odds(int64_t tail)
{
    int64_t bits = 0;
    for (; tail > 1; tail /= 2)
        bits++;
    return bits;
}

/* The list as it is when the pass, or the look at the top, begins. */
static void note_beginning(struct backfill *backfill, const cJSON *rows, int64_t total)
{
    int64_t stamp = rows->child == NULL ? BACKFILL_NO_STAMP : stamp_of(rows->child, "updated_at");
    if (backfill->offset > 0 || backfill->sweep || backfill->last_look)
        return;
    if (backfill->phase == BACKFILL_NEWEST && backfill->newest == BACKFILL_NO_STAMP)
        backfill->newest = stamp;
    if (backfill->phase == BACKFILL_TOP) {
        backfill->top = stamp;
        backfill->top_total = total;
    }
}

void backfill_page(struct backfill *backfill, const cJSON *rows, bool more, int64_t total,
                   int64_t met)
{
    int count = cJSON_GetArraySize(rows);
    struct border border = look_at_border(backfill, rows);
    note_beginning(backfill, rows, total);
    backfill->met += met;
    backfill->total = total >= 0 ? total : backfill->total;
    bool checks = backfill->offset > 0 && !backfill->back;
    if (checks && border.tied && border.as_it_was)
        backfill->proof += odds(backfill->tail);
    if (checks && !backfill->shuffles && border.tied && !border.as_it_was) {
        backfill->shuffles = true;
        backfill->doubt |= backfill->tail >= API_PAGE_SIZE;
        step_back(backfill, backfill->tail - BACKFILL_OVERLAP);
    } else if (checks && border.overlap == 0 && !(backfill->shuffles && border.tied)) {
        /* Rows moved up, or those that were the last went to the top. */
        step_back(backfill, API_PAGE_SIZE);
    } else {
        backfill->doubt |= backfill->back && border.overlap == 0;
        go_on(backfill, rows, count, more && count > 0);
    }
}
