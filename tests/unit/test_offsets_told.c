/* What a commit tells of the offsets above its watermark: all that is done and nothing that is not,
 * across restarts that take the events in again. */
#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/enricher/marks.h"
#include "bridge/enricher/offsets.h"

static void load(struct offsets *offsets, int64_t watermark, const char *text)
{
    const char *reason = NULL;
    if (!offsets_load(offsets, 0, watermark, text, strlen(text), &reason))
        fail_msg("%s: %s", text, reason);
}

/* The runs of a description as "watermark: from-last from-last", which the caller frees. */
static char *describe(struct offsets *offsets, size_t maximum)
{
    char *text = offsets_describe(offsets, 0, maximum);
    int64_t watermark = offsets_watermark(offsets, 0);
    char *shown = memory_format("%lld:", (long long)watermark);
    const char *reason = NULL;
    size_t count = 0;
    if (text == NULL)
        return shown;
    struct marks_run *runs = marks_read(text, strlen(text), watermark, &count, &reason);
    assert_non_null(runs);
    for (size_t i = 0; i < count; i++) {
        char *longer = memory_format("%s %lld-%lld", shown, (long long)runs[i].from,
                                     (long long)runs[i].to - 1);
        free(shown);
        shown = longer;
    }
    free(runs);
    free(text);
    return shown;
}

/* Each word takes an event in: "5" stays open, "5!" is done, "5!7" makes 7 done, "5?" was told and
 * is skipped. */
static void follow(struct offsets *offsets, const char *words)
{
    char *end = NULL;
    for (const char *word = words; *word != '\0'; word = end + strspn(end, " ")) {
        int64_t offset = strtoll(word, &end, 10);
        assert_int_equal(offsets_told(offsets, 0, offset), *end == '?');
        if (*end == '?')
            offsets_skip(offsets, 0, offset);
        else
            offsets_take(offsets, 0, offset, 1);
        if (*end == '!' && end[1] >= '0' && end[1] <= '9')
            offsets_done(offsets, 0, strtoll(end + 1, &end, 10));
        else if (*end == '!')
            offsets_done(offsets, 0, offset);
        end += *end == '!' || *end == '?';
    }
}

static void test_runs(void **state)
{
    static const struct {
        int64_t watermark; /* of the metadata loaded */
        const char *metadata;
        const char *words;
        const char *told;
    } rows[] = {
        {0, NULL, "", "-1:"},
        {0, NULL, "7", "7:"},
        {0, NULL, "7!", "8:"},
        {0, NULL, "7 8 9", "7:"},
        {0, NULL, "7 8! 9!", "7: 8-9"},
        {0, NULL, "7 8! 9", "7: 8-8"},
        {0, NULL, "7 8! 9 10!", "7: 8-8 10-10"},
        {0, NULL, "7 8! 9!7", "9:"},
        {0, NULL, "7 8! 9 10!7", "9:"},
        {0, NULL, "7 8! 9 10! 11!7", "9: 10-10"},
        /* gaps: part of the run of done ones beside them, never a run of their own */
        {0, NULL, "7 9", "7:"},
        {0, NULL, "7 9!", "7: 8-9"},
        {0, NULL, "7 8! 10! 12", "7: 8-11"},
        {0, NULL, "7 9 11 13!", "7: 12-13"},
        {0, NULL, "7 9! 11 13", "7: 8-10"},
        /* what an earlier commit told: 1:BQIDAQI = 5, then 2 open, 3 done, 1 open, 2 done */
        {5, "1:BQIDAQI", "5", "5: 7-9 11-12"},
        {5, "1:BQIDAQI", "5!", "6: 7-9 11-12"},
        {5, "1:BQIDAQI", "5! 6!", "10: 11-12"}, /* passes what is not taken in yet */
        {5, "1:BQIDAQI", "5! 6", "6: 7-9 11-12"},
        {5, "1:BQIDAQI", "5! 6 7?", "6: 7-9 11-12"},
        {5, "1:BQIDAQI", "5 6! 7?", "5: 6-9 11-12"},
        {5, "1:BQIDAQI", "5 6! 7? 8? 9? 10", "5: 6-9 11-12"},
        {5, "1:BQIDAQI", "5 6 7? 8? 9? 10!", "5: 7-12"},
        {5, "1:BQIDAQI", "5 6! 7? 8? 9? 10! 11? 12? 13!", "5: 6-13"},
        {5, "1:BQIDAQI", "5 6! 7? 8? 9? 10 11? 12? 13", "5: 6-9 11-12"},
        {5, "1:BQIDAQI", "5 6! 7? 8? 9? 10!5", "10: 11-12"},
        {5, "1:BQIDAQI", "5! 6! 7? 8? 9? 10!", "13:"},
        {5, "1:BQIDAQI", "5! 6! 7? 8? 9? 10! 11? 12?", "13:"},
        {5, "1:BQIDAQI", "5! 6! 7? 8? 9? 10! 11? 12? 13", "13:"},
        /* the log's beginning was deleted */
        {5, "1:BQIDAQI", "8?", "10: 11-12"},
        {5, "1:BQIDAQI", "10", "10: 11-12"},
        {5, "1:BQIDAQI", "12?", "13:"},
        {5, "1:BQIDAQI", "20", "20:"},
        /* the log was cut or made anew: nothing is told any more */
        {5, "1:BQIDAQI", "4 7 8 11!", "4: 9-11"},
        {5, "1:BQIDAQI", "0! 5! 7!", "8:"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct offsets *offsets = offsets_new(1);
        if (rows[i].metadata != NULL)
            load(offsets, rows[i].watermark, rows[i].metadata);
        follow(offsets, rows[i].words);
        char *told = describe(offsets, MARKS_TEXT_MAXIMUM);
        assert_same_text(told, rows[i].told, rows[i].words);
        assert_false(offsets_crowded(offsets, 0));
        free(told);
        offsets_free(offsets);
    }
}

/* An event with several parts is told with the last of them. */
static void test_parts(void **state)
{
    struct offsets *offsets = offsets_new(1);
    (void)state;
    offsets_take(offsets, 0, 1, 1);
    offsets_take(offsets, 0, 2, 2);
    for (int part = 0; part < 2; part++) {
        assert_null(offsets_describe(offsets, 0, MARKS_TEXT_MAXIMUM));
        offsets_done(offsets, 0, 2);
    }
    char *told = describe(offsets, MARKS_TEXT_MAXIMUM);
    assert_same_text(told, "1: 2-2", "both parts");
    free(told);
    offsets_free(offsets);
}

static void test_refused(void **state)
{
    static const char *const texts[] = {"", "1:", "1:BgIDAQI", "hello", "1:BQIDAQ", "2:BQIDAQI"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct offsets *offsets = offsets_new(1);
        const char *reason = NULL;
        assert_false(offsets_load(offsets, 0, 5, texts[i], strlen(texts[i]), &reason));
        assert_non_null(reason);
        follow(offsets, "5 6! 7 8! 9");
        char *told = describe(offsets, MARKS_TEXT_MAXIMUM);
        assert_same_text(told, "5: 6-6 8-8", texts[i]);
        free(told);
        offsets_free(offsets);
    }
}

/* Clearing, as a rebalance does, forgets what was told. */
static void test_clear(void **state)
{
    struct offsets *offsets = offsets_new(1);
    (void)state;
    load(offsets, 5, "1:BQIDAQI");
    follow(offsets, "5 6 7?");
    offsets_clear(offsets);
    follow(offsets, "5 6! 7 8");
    char *told = describe(offsets, MARKS_TEXT_MAXIMUM);
    assert_same_text(told, "5: 6-6", "after clearing");
    free(told);
    offsets_free(offsets);
}

static void test_crowded(void **state)
{
    enum { MANY = 10000 };
    struct offsets *offsets = offsets_new(2);
    (void)state;
    for (int64_t offset = 0; offset < MANY; offset++) {
        offsets_take(offsets, 0, offset, 1);
        if (offset % 2 == 1)
            offsets_done(offsets, 0, offset);
    }
    char *text = offsets_describe(offsets, 0, MARKS_TEXT_MAXIMUM);
    assert_in_range(strlen(text), MARKS_TEXT_MAXIMUM - 2, MARKS_TEXT_MAXIMUM);
    assert_true(offsets_crowded(offsets, 0));
    assert_false(offsets_crowded(offsets, 1));
    free(text);
    char *told = describe(offsets, 12); /* room for seven bytes: the watermark and three runs */
    assert_same_text(told, "0: 1-1 3-3 5-5", "the beginning is told");
    assert_true(offsets_crowded(offsets, 0));
    free(told);
    assert_null(offsets_describe(offsets, 0, 0));
    for (int64_t offset = 0; offset < MANY - 100; offset += 2)
        offsets_done(offsets, 0, offset);
    free(offsets_describe(offsets, 0, MARKS_TEXT_MAXIMUM));
    assert_false(offsets_crowded(offsets, 0));
    offsets_free(offsets);
}

#define LENGTH 3000 /* of the log */

enum place { GAP, UNDONE, DONE };

/* A log, what was worked on of it, and what is committed. */
struct world {
    struct offsets *offsets;
    struct random random;
    enum place places[LENGTH];
    bool open[LENGTH];
    int64_t next;    /* to be consumed */
    int64_t low;     /* may still be open */
    int64_t wasted;  /* events worked on again though they were done */
    int64_t crowded; /* commits that could not tell all */
    int64_t restarts;
    int64_t skipped;
    int64_t watermark; /* committed */
    char *metadata;
};

static void consume(struct world *world)
{
    while (world->next < LENGTH && world->places[world->next] == GAP)
        world->next++;
    if (world->next == LENGTH)
        return;
    int64_t offset = world->next++;
    if (offsets_told(world->offsets, 0, offset)) {
        assert_int_equal(world->places[offset], DONE);
        offsets_skip(world->offsets, 0, offset);
        world->skipped++;
        return;
    }
    world->wasted += world->places[offset] == DONE;
    world->places[offset] = UNDONE;
    world->open[offset] = true;
    offsets_take(world->offsets, 0, offset, 1);
}

static void finish(struct world *world)
{
    while (world->low < world->next && !world->open[world->low])
        world->low++;
    if (world->low == world->next)
        return;
    int64_t offset = random_between(&world->random, world->low, world->next - 1);
    while (!world->open[offset])
        offset = offset == world->low ? world->next - 1 : offset - 1;
    if (offset == world->low && random_between(&world->random, 0, 9) > 0)
        return; /* what holds the watermark is slow */
    world->open[offset] = false;
    world->places[offset] = DONE;
    offsets_done(world->offsets, 0, offset);
}

/* What is told is done, and what is done is told unless there was no room. */
static void commit(struct world *world, size_t maximum)
{
    int64_t watermark = offsets_watermark(world->offsets, 0);
    const char *reason = NULL;
    size_t count = 0;
    size_t run = 0;
    if (watermark < 0)
        return;
    free(world->metadata);
    world->watermark = watermark;
    world->metadata = offsets_describe(world->offsets, 0, maximum);
    bool crowded = offsets_crowded(world->offsets, 0);
    struct marks_run *runs = NULL;
    if (world->metadata != NULL) {
        assert_true(strlen(world->metadata) <= maximum);
        runs = marks_read(world->metadata, strlen(world->metadata), watermark, &count, &reason);
        assert_non_null(runs);
    }
    for (int64_t offset = 0; offset < LENGTH; offset++) {
        while (run < count && runs[run].to <= offset)
            run++;
        bool told = offset < watermark || (run < count && runs[run].from <= offset);
        assert_true(!told || world->places[offset] != UNDONE);
        assert_true(told || crowded || world->places[offset] != DONE);
    }
    assert_true(count == 0 || runs[count - 1].to <= LENGTH);
    world->crowded += crowded;
    free(runs);
}

/* What was done and not committed is to be done again. */
static void restart(struct world *world)
{
    const char *reason = NULL;
    size_t count = 0;
    size_t run = 0;
    struct marks_run *runs = NULL;
    offsets_clear(world->offsets);
    if (world->metadata != NULL) {
        load(world->offsets, world->watermark, world->metadata);
        runs =
            marks_read(world->metadata, strlen(world->metadata), world->watermark, &count, &reason);
    }
    for (int64_t offset = world->watermark; offset < LENGTH; offset++) {
        while (run < count && runs[run].to <= offset)
            run++;
        if (world->places[offset] == DONE && (run == count || runs[run].from > offset))
            world->places[offset] = UNDONE;
    }
    free(runs);
    memset(world->open, 0, sizeof world->open);
    world->next = world->low = world->watermark;
    world->restarts++;
}

static void live(struct world *world, int seed, size_t maximum)
{
    *world = (struct world){.offsets = offsets_new(1), .random = random_from_seed((uint64_t)seed)};
    for (int64_t offset = 0; offset < LENGTH; offset++)
        world->places[offset] = random_between(&world->random, 0, 9) == 0 ? GAP : UNDONE;
    int64_t ahead = random_between(&world->random, 10, 1500);
    for (int step = 0; world->watermark < LENGTH && step < 200000; step++) {
        int64_t choice = random_between(&world->random, 0, 999);
        if (choice == 0)
            restart(world);
        else if (choice < 20)
            commit(world, maximum);
        else if (choice < 500 && world->next - world->low < ahead)
            consume(world);
        else
            finish(world);
        if (world->next == LENGTH && offsets_open(world->offsets, 0) == 0)
            commit(world, maximum);
        while (world->watermark < LENGTH && world->places[world->watermark] == GAP)
            world->watermark++; /* there is nothing behind it but markers */
    }
}

/* Random logs, worked on in random order with restarts, against a plain list of what is done. */
static void test_against_model(void **state)
{
    struct world *world = memory_new(1, sizeof *world);
    int64_t crowded = 0;
    int64_t restarts = 0;
    int64_t skipped = 0;
    (void)state;
    for (int seed = 0; seed < 60; seed++) {
        bool tight = seed % 3 == 0;
        live(world, seed, tight ? (size_t)20 + (size_t)seed : MARKS_TEXT_MAXIMUM);
        for (int64_t offset = 0; offset < LENGTH; offset++)
            assert_int_not_equal(world->places[offset], UNDONE);
        assert_true(tight || world->crowded == 0);
        assert_int_equal(world->wasted, 0);
        crowded += world->crowded;
        restarts += world->restarts;
        skipped += world->skipped;
        free(world->metadata);
        offsets_free(world->offsets);
    }
    assert_true(crowded > 100 && restarts > 100 && skipped > 1000);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),    cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_clear),
        cmocka_unit_test(test_crowded), cmocka_unit_test(test_against_model),
    };
    return cmocka_run_group_tests_name("offsets told", tests, NULL, NULL);
}
