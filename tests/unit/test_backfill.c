/* A backfill of a list that changes while it is read, and how it is written down. */
#include <time.h>

#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/codec/timestamp.h"
#include "bridge/enricher/backfill.h"
#include "bridge/propexo/api.h"

#define FIRST_MS INT64_C(1700000000000)

struct row {
    int id;
    int64_t created_ms;
    int64_t updated_ms;
    uint64_t dice; /* where it lies among rows of its stamp, this time */
    bool met;
    bool live;            /* changed since the beginning: its event tells of it */
    int64_t published_ms; /* stamp of what was published */
};

struct list {
    struct row *rows;
    size_t count;
    int next_id;
    bool shuffles;
    struct random random;
};

static bool oldest_first; /* for qsort */

static int compare(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    int64_t by = oldest_first ? x->created_ms - y->created_ms : y->updated_ms - x->updated_ms;
    if (by == 0)
        return x->dice < y->dice ? -1 : x->dice > y->dice;
    return by < 0 ? -1 : 1;
}

static struct list new_list(size_t count, int ties, bool shuffles, uint64_t seed)
{
    struct list list = {.rows = memory_new(count * 2, sizeof *list.rows),
                        .count = count,
                        .next_id = (int)count,
                        .shuffles = shuffles,
                        .random = random_from_seed(seed)};
    for (size_t i = 0; i < count; i++) {
        int64_t stamp = FIRST_MS + (int64_t)(i / (size_t)ties) * 1000;
        list.rows[i] = (struct row){.id = (int)i,
                                    .created_ms = stamp,
                                    .updated_ms = stamp,
                                    .dice = random_next(&list.random)};
    }
    return list;
}

static void add_text(cJSON *object, const char *name, int64_t ms, bool fraction)
{
    char text[40];
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + length, sizeof text - length, fraction ? ".000Z" : "Z");
    (void)cJSON_AddStringToObject(object, name, text);
}

/* The page that the backfill asks for; equal moments are written in two ways. */
static cJSON *page_of(struct list *list, const struct backfill *backfill, bool *more)
{
    cJSON *page = cJSON_CreateArray();
    size_t at = (size_t)backfill->offset;
    for (size_t i = 0; list->shuffles && i < list->count; i++)
        list->rows[i].dice = random_next(&list->random);
    oldest_first = backfill->phase == BACKFILL_OLDEST;
    qsort(list->rows, list->count, sizeof *list->rows, compare);
    for (size_t i = at; i < list->count && i < at + API_PAGE_SIZE; i++) {
        cJSON *row = cJSON_CreateObject();
        char id[16];
        (void)snprintf(id, sizeof id, "r%d", list->rows[i].id);
        (void)cJSON_AddStringToObject(row, "id", id);
        add_text(row, "created_at", list->rows[i].created_ms, i % 2 == 0);
        add_text(row, "updated_at", list->rows[i].updated_ms, i % 2 == 0);
        (void)cJSON_AddItemToArray(page, row);
    }
    *more = at + API_PAGE_SIZE < list->count;
    return page;
}

static int64_t meet(struct list *list, size_t from, int rows)
{
    int64_t met = 0;
    for (size_t i = from; i < from + (size_t)rows; i++) {
        met += !list->rows[i].met;
        list->rows[i].met = true;
    }
    return met;
}

static void read_page(struct list *list, struct backfill *backfill)
{
    bool more = false;
    cJSON *page = page_of(list, backfill, &more);
    int64_t met = meet(list, (size_t)backfill->offset, cJSON_GetArraySize(page));
    backfill_page(backfill, page, more, (int64_t)list->count, met);
    cJSON_Delete(page);
}

struct change {
    int updates; /* after each page */
    int creates;
    int deletes;
};

static void change(struct list *list, const struct change *change, int64_t now_ms)
{
    for (int i = 0; i < change->updates; i++) {
        struct row *row = &list->rows[random_next(&list->random) % list->count];
        row->updated_ms = now_ms;
        row->live = true;
    }
    for (int i = 0; i < change->creates; i++)
        list->rows[list->count++] = (struct row){
            .id = list->next_id++, .created_ms = now_ms, .updated_ms = now_ms, .live = true};
    for (int i = 0; i < change->deletes; i++)
        list->rows[random_next(&list->random) % list->count] = list->rows[list->count - 1],
                                                list->count--;
}

static void assert_same(const struct backfill *one, const struct backfill *two)
{
    char *first = backfill_write(one);
    char *second = backfill_write(two);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

/* As after a crash: what is known is what was written down. */
static struct backfill *resume(struct backfill *backfill)
{
    char *text = backfill_write(backfill);
    struct backfill *read = backfill_read(text, strlen(text), "i", 3, 9);
    assert_non_null(read);
    assert_same(backfill, read);
    backfill_free(backfill);
    free(text);
    return read;
}

static void test_lists_that_change(void **state)
{
    static const struct {
        size_t count;
        int ties;
        bool shuffles;
        struct change change;
        double pages_most; /* times the least number of pages */
    } rows[] = {
        {0, 1, false, {0, 0, 0}, 3},
        {1, 1, false, {0, 0, 0}, 3},
        {250, 1, false, {0, 0, 0}, 3},
        {251, 1, false, {0, 0, 0}, 2},
        {20000, 1, false, {0, 0, 0}, 1.04},
        {20000, 5000, false, {0, 0, 0}, 1.04}, /* ties that stay as they are cost nothing */
        {20000, 1, false, {20, 5, 0}, 1.2},
        {20000, 7, true, {0, 0, 0}, 1.05},
        {20000, 100, true, {0, 0, 0}, 1.3},
        {20000, 100, true, {20, 5, 0}, 1.5},
        {20000, 1, false, {5, 5, 2}, 1.3},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct list list = new_list(rows[i].count, rows[i].ties, rows[i].shuffles, 11);
        struct backfill *backfill = backfill_new("i", 3, 9, "o", 5);
        int pages = 0;
        while (backfill_reads(backfill)) {
            read_page(&list, backfill);
            change(&list, &rows[i].change, FIRST_MS + INT64_C(1000000000) + pages * 1000);
            assert_true(++pages < 2000);
            backfill = resume(backfill);
        }
        for (size_t r = 0; r < list.count; r++)
            assert_true(list.rows[r].met || list.rows[r].live);
        double least = (double)(rows[i].count + API_PAGE_SIZE - 1) / API_PAGE_SIZE;
        assert_true(pages <= rows[i].pages_most * (least < 1 ? 1 : least) + 1);
        assert_int_equal(backfill->missing, 0);
        backfill_free(backfill);
        free(list.rows);
    }
}

/* Rows may keep their order at one border by chance: whatever the dice say, none is missing. */
static void test_order_by_chance(void **state)
{
    static const struct change none = {0, 0, 0};
    static const struct change some = {3, 1, 0};
    static const int ties[] = {2, 3, 4, 5, 6, 8, 12, 30, 100, 240};
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct list list = new_list(1500, ties[seed % ARRAY_LENGTH(ties)], true, seed);
        struct backfill *backfill = backfill_new("i", 3, 9, "o", 5);
        int pages = 0;
        while (backfill_reads(backfill)) {
            read_page(&list, backfill);
            change(&list, seed % 3 == 0 ? &some : &none, FIRST_MS + INT64_C(1000000000) + pages);
            assert_true(++pages < 60);
        }
        for (size_t r = 0; r < list.count; r++)
            assert_true(list.rows[r].met || list.rows[r].live);
        assert_int_equal(backfill->missing, 0);
        backfill_free(backfill);
        free(list.rows);
    }
}

/* More rows of one stamp than a page has, in another order each time: what is missing is told. */
static void test_ties_longer_than_a_page(void **state)
{
    struct list list = new_list(4000, 2000, true, 11);
    struct backfill *backfill = backfill_new("i", 3, 9, "o", 5);
    int64_t missing = 0;
    (void)state;
    while (backfill_reads(backfill))
        read_page(&list, backfill);
    for (size_t r = 0; r < list.count; r++)
        missing += !list.rows[r].met;
    assert_int_equal(backfill->passes, 3);
    assert_true(missing > 0 && missing < 400);
    assert_true(backfill->missing >= missing); /* none is told as met that was not */
    backfill_free(backfill);
    free(list.rows);
}

/* Publishes what the page shows as the engine does. Returns how many rows. */
static int publish_page(struct list *list, struct backfill *backfill)
{
    bool more = false;
    cJSON *page = page_of(list, backfill, &more);
    bool top = backfill->phase == BACKFILL_TOP;
    size_t from = (size_t)backfill->offset;
    int published = 0;
    int number = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, page)
    {
        struct row *shown = &list->rows[from + (size_t)number++];
        if (shown->met && !(top && backfill_is_news(backfill, row)))
            continue;
        shown->published_ms = shown->updated_ms;
        published++;
    }
    int64_t met = meet(list, from, number);
    backfill_page(backfill, page, more, (int64_t)list->count, met);
    cJSON_Delete(page);
    return published;
}

/* Of what changes while the list is read, and no event tells of, the look at its top misses
 * nothing; and what has not changed is published once. */
static void test_what_is_published_again(void **state)
{
    static const struct {
        size_t count;
        struct change change;
        int again_most;
    } rows[] = {
        {200, {0, 0, 0}, 11}, /* those of the last ten seconds may be late */
        {5000, {0, 0, 0}, 11},
        {5000, {20, 5, 0}, 411},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct list list = new_list(rows[i].count, 1, false, 11);
        struct backfill *backfill = backfill_new("i", 3, 9, "o", 5);
        int published = 0;
        for (int pages = 0; backfill_reads(backfill); pages++) {
            bool reads = backfill->phase != BACKFILL_TOP;
            published += publish_page(&list, backfill);
            if (reads && backfill->phase != BACKFILL_TOP)
                change(&list, &rows[i].change, FIRST_MS + INT64_C(1000000000) + pages * 1000);
        }
        for (size_t r = 0; r < list.count; r++)
            assert_true(list.rows[r].published_ms == list.rows[r].updated_ms);
        assert_in_range(published, list.count, list.count + (size_t)rows[i].again_most);
        backfill_free(backfill);
        free(list.rows);
    }
}

/* A row without a stamp may have changed. */
static void test_news(void **state)
{
    struct backfill *backfill = backfill_new("i", 3, 9, "o", 5);
    static const struct {
        int64_t ms;
        bool news;
    } rows[] = {{0, true},
                {FIRST_MS + 1000, true},
                {FIRST_MS, true},
                {FIRST_MS - 9000, true},
                {FIRST_MS - 11000, false}};
    (void)state;
    backfill->until = FIRST_MS;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        cJSON *row = cJSON_CreateObject();
        if (rows[i].ms != 0)
            add_text(row, "updated_at", rows[i].ms, false);
        assert_int_equal(backfill_is_news(backfill, row), rows[i].news);
        cJSON_Delete(row);
    }
    backfill->until = BACKFILL_NO_STAMP; /* the list had none when it began */
    cJSON *row = cJSON_CreateObject();
    add_text(row, "updated_at", FIRST_MS, false);
    assert_true(backfill_is_news(backfill, row));
    cJSON_Delete(row);
    backfill_free(backfill);
}

static void test_texts_that_are_none(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{}",
                                        "{\"backfill\":7}",
                                        "{\"backfill\":\"o\"}",
                                        "{\"backfill\":\"o\",\"phase\":\"other\"}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_null(backfill_read(texts[i], strlen(texts[i]), "i", 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_that_change),
        cmocka_unit_test(test_order_by_chance),
        cmocka_unit_test(test_ties_longer_than_a_page),
        cmocka_unit_test(test_what_is_published_again),
        cmocka_unit_test(test_news),
        cmocka_unit_test(test_texts_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
