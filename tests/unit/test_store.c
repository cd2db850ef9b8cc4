/* The local cache: what is put is there, also after a crash, and not under another name. */
#include "tests/unit/folder_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bridge/base/memory.h"
#include "bridge/base/store.h"

static struct store *open_store(const char *directory, const char *identity)
{
    struct error error;
    struct store *store = store_open(directory, identity, STORE_FIRST_SIZE, &error);
    if (store == NULL)
        fail_msg("%s", error.message);
    return store;
}

static void put(struct store *store, const char *key, const char *value)
{
    store_put(store, key, strlen(key), value, value == NULL ? 0 : strlen(value));
}

static void assert_value(struct store *store, const char *key, const char *wanted)
{
    const void *value = NULL;
    size_t length = 0;
    bool found = store_get(store, key, strlen(key), &value, &length);
    assert_int_equal(found, wanted != NULL);
    if (found) {
        assert_int_equal(length, strlen(wanted));
        assert_memory_equal(value, wanted, length);
    }
}

static void test_put_get_delete(void **state)
{
    struct store *store = open_store("", "a");
    (void)state;
    assert_value(store, "k", NULL);
    put(store, "k", "v");
    assert_value(store, "k", "v"); /* before the flush */
    store_flush(store);
    store_flush(store);
    assert_value(store, "k", "v");
    put(store, "k", "");
    assert_value(store, "k", "");
    put(store, "k", NULL);
    put(store, "k", NULL);
    assert_value(store, "k", NULL);
    store_close(store);
    store_close(NULL);
}

static void test_drop_takes_the_prefix_only(void **state)
{
    struct store *store = open_store("", "a");
    (void)state;
    put(store, "a", "1");
    put(store, "b", "1");
    put(store, "b1", "1");
    put(store, "b2", "1");
    put(store, "c", "1");
    store_drop(store, "b", 1);
    assert_value(store, "a", "1");
    assert_value(store, "b", NULL);
    assert_value(store, "b1", NULL);
    assert_value(store, "b2", NULL);
    assert_value(store, "c", "1");
    store_drop(store, "x", 1);
    store_drop(store, "c", 1);
    assert_value(store, "c", NULL);
    store_close(store);
}

static void test_it_outlives_the_process_under_its_name(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct store *store = open_store(folder, "a");
        put(store, "k", "flushed");
        store_flush(store);
        put(store, "k", "not flushed");
        _exit(0); /* as if it were killed */
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct store *store = open_store(folder, "a");
    assert_value(store, "k", "flushed");
    store_close(store);
    store = open_store(folder, "b");
    assert_value(store, "k", NULL);
    store_close(store);
    store = open_store(folder, "a");
    assert_value(store, "k", NULL);
    store_close(store);
}

static void test_one_process_at_a_time(void **state)
{
    struct store *store = open_store(folder, "a");
    struct error error;
    (void)state;
    assert_null(store_open(folder, "a", STORE_FIRST_SIZE, &error));
    assert_int_equal(error.verdict, VERDICT_CONFIGURATION);
    assert_non_null(strstr(error.message, "another process uses it"));
    store_close(store);
    assert_null(store_open("/nowhere/at/all", "a", STORE_FIRST_SIZE, &error));
    assert_int_equal(error.verdict, VERDICT_CONFIGURATION);
}

static void test_a_file_that_is_no_store_gives_way(void **state)
{
    char *path = path_of("cache.lmdb");
    (void)state;
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(write(file, "no store", 8), 8);
    close(file);
    free(path);
    struct store *store = open_store(folder, "a");
    put(store, "k", "v");
    assert_value(store, "k", "v");
    store_close(store);
}

static void test_the_map_grows(void **state)
{
    static char value[64 << 10];
    struct error error;
    struct store *store = store_open("", "a", (size_t)1 << 20, &error);
    (void)state;
    assert_non_null(store);
    for (int i = 0; i < 300; i++) { /* 19 MiB */
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        store_put(store, key, strlen(key), value, sizeof value);
        assert_value(store, "none", NULL);
        store_flush(store);
        assert_true(store_works(store));
    }
    put(store, "last", "v");
    assert_value(store, "last", "v");
    store_close(store);
}

/* As on a full disk: no file may grow beyond a limit. */
static void test_a_full_disk_is_told(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        char value[4096] = {0};
        struct rlimit limit = {1 << 20, 1 << 20};
        struct store *store = open_store(folder, "a");
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        for (int i = 0; i < 1000; i++) {
            char key[16];
            snprintf(key, sizeof key, "%d", i);
            store_put(store, key, strlen(key), value, sizeof value);
        }
        store_flush(store);
        const void *found;
        size_t length;
        bool told = !store_works(store) && !store_get(store, "1", 1, &found, &length);
        store_put(store, "k", 1, "v", 1); /* goes nowhere */
        store_flush(store);
        store_close(store);
        _exit(told ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Over what was flushed and what was not, also while the value at hand is deleted or put anew. */
static void test_next_walks_the_prefix_only(void **state)
{
    static const char *const keys[] = {"a", "b", "b1", "b12", "b2", "bz", "c"};
    struct store *store = open_store("", "a");
    char key[8] = "b";
    char met[64] = "";
    const void *next = NULL;
    const void *value = NULL;
    size_t length = 0;
    size_t key_length = 1;
    (void)state;
    assert_false(store_next(store, "b", 1, 1, &next, &key_length, &value, &length));
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        put(store, keys[i], keys[i]);
        if (i == 3)
            store_flush(store);
    }
    while (store_next(store, key, key_length, 1, &next, &key_length, &value, &length)) {
        assert_int_equal(length, key_length);
        assert_memory_equal(value, next, length);
        memcpy(key, next, key_length);
        key[key_length] = '\0';
        (void)strcat(strcat(met, key), " ");
        put(store, key, strcmp(key, "b1") == 0 ? NULL : "new");
    }
    assert_string_equal(met, "b1 b12 b2 bz ");
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_get_delete),
        cmocka_unit_test(test_drop_takes_the_prefix_only),
        cmocka_unit_test(test_next_walks_the_prefix_only),
        cmocka_unit_test(test_the_map_grows),
        cmocka_unit_test_setup_teardown(test_it_outlives_the_process_under_its_name, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_one_process_at_a_time, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_no_store_gives_way, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_full_disk_is_told, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
