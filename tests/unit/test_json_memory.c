/* Blocks for trees that are soon deleted: what lives in them is never used again, and what does not
 * is. */
#include "tests/unit/unit.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_memory.h"
#include "bridge/codec/json_parse.h"

#define STRETCH ((size_t)64 << 20)
#define ROWS    250
/* Sanitizers keep memory. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MEMORY_IS_WATCHED true
#else
#define MEMORY_IS_WATCHED false
#endif
#define HELD 2 /* by a thread: see json_memory.h */

static char *page;
static size_t page_length;

static void write_page(void)
{
    struct buffer text = buffer_new((size_t)1 << 20);
    assert_true(buffer_append_text(&text, "["));
    for (int i = 0; i < ROWS; i++)
        assert_true(
            buffer_append_format(&text,
                                 "%s{\"id\":\"record-%d\",\"name\":\"someone\",\"n\":%d,"
                                 "\"large\":90071992547409931%d,\"list\":[1,2,{\"a\":null}]}",
                                 i == 0 ? "" : ",", i, i, i));
    assert_true(buffer_append_text(&text, "]"));
    page = memory_text(buffer_text(&text));
    page_length = strlen(page);
    buffer_free(&text);
}

static cJSON *parse_page(void)
{
    cJSON *root = json_parse_brief(page, page_length);
    assert_int_equal(cJSON_GetArraySize(root), ROWS);
    return root;
}

static void check_row(const cJSON *row, int number)
{
    char id[32];
    char digits[32];
    (void)snprintf(id, sizeof id, "record-%d", number);
    (void)snprintf(digits, sizeof digits, "90071992547409931%d", number);
    assert_string_equal(json_member_text(row, "id"), id);
    assert_int_equal(json_member_integer(row, "n"), number);
    assert_string_equal(json_member(row, "large")->valuestring, digits);
    assert_int_equal(cJSON_GetArraySize(json_member(row, "list")), 3);
}

/* Resident memory of this process, in bytes (proc(5): statm). */
static size_t resident(void)
{
    unsigned long pages[2] = {0, 0};
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &pages[0], &pages[1]), 2);
    (void)fclose(file);
    return pages[1] * 4096;
}

/* A page takes many blocks; deleted, all but those that the thread holds are free, and the next
 * page takes the same. */
static void test_blocks_come_back(void **state)
{
    (void)state;
    size_t before = json_memory_used();
    for (int i = 0; i < 1000; i++) {
        cJSON *root = parse_page();
        assert_true(json_memory_used() >= before + 3);
        cJSON_Delete(root);
        assert_true(json_memory_used() <= before + HELD);
    }
}

/* Small trees one after the other lie in one block. */
static void test_small_ones_share(void **state)
{
    static const char text[] = "{\"meta\":{\"object\":\"residents\"},\"record_id\":\"r\"}";
    (void)state;
    size_t before = json_memory_used();
    const cJSON *last = NULL;
    for (int i = 0; i < 10000; i++) {
        cJSON *root = json_parse_brief(text, sizeof text - 1);
        assert_true(i < 2 || root == last);
        last = root;
        cJSON_Delete(root);
    }
    assert_true(json_memory_used() <= before + HELD);
}

/* What is detached lives on whatever comes after it; what is copied keeps no block. */
static void test_parts_live_on(void **state)
{
    (void)state;
    size_t before = json_memory_used();
    cJSON *root = parse_page();
    cJSON *kept = cJSON_DetachItemFromArray(root, 100);
    cJSON *copy = cJSON_Duplicate(cJSON_GetArrayItem(root, 200), true);
    cJSON_Delete(root);
    assert_in_range(json_memory_used(), before + 1, before + 1 + HELD);
    for (int i = 0; i < 50; i++)
        cJSON_Delete(parse_page());
    check_row(kept, 100);
    check_row(copy, 201);
    cJSON_Delete(kept);
    assert_true(json_memory_used() <= before + HELD);
    check_row(copy, 201);
    cJSON_Delete(copy);
}

/* A tree is changed as any other: pieces come from malloc then. */
static void test_changed(void **state)
{
    (void)state;
    cJSON *root = parse_page();
    cJSON *row = cJSON_GetArrayItem(root, 7);
    assert_non_null(cJSON_AddStringToObject(row, "more", "text"));
    assert_true(cJSON_ReplaceItemInObjectCaseSensitive(row, "name", cJSON_CreateString("else")));
    assert_string_equal(json_member_text(row, "name"), "else");
    char *text = cJSON_PrintUnformatted(root);
    assert_true(strlen(text) > page_length);
    cJSON_free(text);
    cJSON_Delete(root);
}

/* One thread parses, the others delete. */
#define THREADS 3
#define TREES   3000

static _Atomic(cJSON *) handed[THREADS];
static atomic_int deleted;

static void *delete_all(void *context)
{
    _Atomic(cJSON *) *mine = context;
    int count = 0;
    while (count < TREES / THREADS) {
        cJSON *tree = atomic_exchange(mine, NULL);
        if (tree == NULL)
            continue;
        check_row(cJSON_GetArrayItem(tree, count % ROWS), count % ROWS);
        cJSON_Delete(tree);
        count++;
    }
    atomic_fetch_add(&deleted, count);
    return NULL;
}

static void test_other_threads_delete(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    size_t before = json_memory_used();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, delete_all, &handed[i]), 0);
    for (int i = 0; i < TREES; i++) {
        cJSON *tree = parse_page();
        cJSON *none = NULL;
        while (!atomic_compare_exchange_weak(&handed[i % THREADS], &none, tree))
            none = NULL;
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&deleted), TREES);
    assert_true(json_memory_used() <= before + HELD + THREADS); /* which have ended */
}

/* The stretch is full: malloc serves, and all is as it should be; then its memory is given back,
 * but for some blocks. */
static void test_full(void **state)
{
    enum { MOST = 400 };
    static cJSON *trees[MOST];
    (void)state;
    size_t before = resident();
    for (int i = 0; i < MOST; i++)
        trees[i] = parse_page();
    assert_int_equal(json_memory_used(), STRETCH / JSON_MEMORY_BLOCK);
    for (int i = 0; i < MOST; i++) {
        check_row(cJSON_GetArrayItem(trees[i], i % ROWS), i % ROWS);
        cJSON_Delete(trees[i]);
    }
    assert_true(json_memory_used() <= HELD + THREADS);
    /* 8 MiB of blocks, and malloc's own. */
    assert_true(MEMORY_IS_WATCHED || resident() < before + ((size_t)24 << 20));
    cJSON_Delete(parse_page());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_come_back),     cmocka_unit_test(test_small_ones_share),
        cmocka_unit_test(test_parts_live_on),        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_other_threads_delete), cmocka_unit_test(test_full),
    };
    json_memory_install(STRETCH);
    write_page();
    int failed = cmocka_run_group_tests_name("json memory", tests, NULL, NULL);
    free(page);
    return failed;
}
