#include "bridge/base/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "bridge/base/file.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"

#define FILE_NAME    "cache.lmdb"
#define LOCK_NAME    "cache.lock"
#define BOOT_FILE    "/proc/sys/kernel/random/boot_id"
#define IDENTITY_KEY "\001identity"

struct store {
    MDB_env *env; /* NULL once it has failed */
    MDB_dbi database;
    MDB_txn *reading; /* reset while not in use */
    MDB_txn *writing; /* NULL while nothing is gathered */
    size_t first_size;
    int lock; /* a file that is locked while the store is open; -1: none */
};

static void fail(struct store *store, const char *doing, int code)
{
    log_error("cache_failed", LOG_TEXT("doing", doing), LOG_TEXT("reason", mdb_strerror(code)));
    if (store->writing != NULL)
        mdb_txn_abort(store->writing);
    if (store->reading != NULL)
        mdb_txn_abort(store->reading);
    mdb_env_close(store->env);
    store->env = NULL;
    store->reading = store->writing = NULL;
}

/* The write transaction; NULL when the store has failed. */
static MDB_txn *writing(struct store *store)
{
    if (store->env == NULL || store->writing != NULL)
        return store->writing;
    if (store->reading != NULL)
        mdb_txn_reset(store->reading);
    int code = mdb_txn_begin(store->env, NULL, 0, &store->writing);
    if (code != 0)
        fail(store, "beginning to write", code);
    return store->writing;
}

/* A transaction to read with; NULL when the store has failed. */
static MDB_txn *reading(struct store *store)
{
    if (store->env == NULL || store->writing != NULL)
        return store->writing;
    int code = 0;
    if (store->reading == NULL) {
        code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reading);
    } else {
        mdb_txn_reset(store->reading);
        code = mdb_txn_renew(store->reading);
    }
    if (code != 0)
        fail(store, "beginning to read", code);
    return store->reading;
}

static int put(struct store *store, MDB_val *key, const void *value, size_t length)
{
    MDB_txn *txn = writing(store);
    if (txn == NULL)
        return 0;
    if (value == NULL) {
        int code = mdb_del(txn, store->database, key, NULL);
        return code == MDB_NOTFOUND ? 0 : code;
    }
    MDB_val data = {.mv_size = length};
    int code = mdb_put(txn, store->database, key, &data, MDB_RESERVE);
    if (code == 0)
        memcpy(data.mv_data, value, length);
    return code;
}

void store_put(struct store *store, const void *key, size_t key_length, const void *value,
               size_t length)
{
    MDB_val name = {.mv_size = key_length, .mv_data = (void *)(uintptr_t)key};
    int code = put(store, &name, value, length);
    if (code != 0)
        fail(store, "writing", code);
}

bool store_get(struct store *store, const void *key, size_t key_length, const void **value,
               size_t *length)
{
    MDB_val name = {.mv_size = key_length, .mv_data = (void *)(uintptr_t)key};
    MDB_val data;
    MDB_txn *txn = reading(store);
    if (txn == NULL)
        return false;
    int code = mdb_get(txn, store->database, &name, &data);
    if (code == 0) {
        *value = data.mv_data;
        *length = data.mv_size;
    } else if (code != MDB_NOTFOUND) {
        fail(store, "reading", code);
    }
    return code == 0;
}

static int seek(MDB_cursor *cursor, const void *key, size_t key_length, MDB_val *found,
                MDB_val *data)
{
    *found = (MDB_val){.mv_size = key_length, .mv_data = (void *)(uintptr_t)key};
    int code = mdb_cursor_get(cursor, found, data, MDB_SET_RANGE);
    if (code == 0 && found->mv_size == key_length && memcmp(found->mv_data, key, key_length) == 0)
        code = mdb_cursor_get(cursor, found, data, MDB_NEXT);
    return code;
}

bool store_next(struct store *store, const void *key, size_t key_length, size_t prefix_length,
                const void **next, size_t *next_length, const void **value, size_t *length)
{
    MDB_cursor *cursor = NULL;
    MDB_txn *txn = reading(store);
    MDB_val found;
    MDB_val data;
    if (txn == NULL)
        return false;
    int code = mdb_cursor_open(txn, store->database, &cursor);
    if (code == 0)
        code = seek(cursor, key, key_length, &found, &data);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    if (code != 0 && code != MDB_NOTFOUND)
        fail(store, "reading", code);
    if (code != 0 || found.mv_size < prefix_length ||
        memcmp(found.mv_data, key, prefix_length) != 0)
        return false;
    *next = found.mv_data;
    *next_length = found.mv_size;
    *value = data.mv_data;
    *length = data.mv_size;
    return true;
}

static int drop(struct store *store, const void *prefix, size_t prefix_length)
{
    MDB_cursor *cursor = NULL;
    MDB_txn *txn = writing(store);
    MDB_val key = {.mv_size = prefix_length, .mv_data = (void *)(uintptr_t)prefix};
    MDB_val data;
    if (txn == NULL)
        return 0;
    int code = mdb_cursor_open(txn, store->database, &cursor);
    if (code == 0)
        code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (code == 0 && key.mv_size >= prefix_length &&
           memcmp(key.mv_data, prefix, prefix_length) == 0) {
        code = mdb_cursor_del(cursor, 0);
        if (code == 0)
            code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

void store_drop(struct store *store, const void *prefix, size_t prefix_length)
{
    int code = drop(store, prefix, prefix_length);
    if (code != 0)
        fail(store, "deleting", code);
}

/* A transaction that meets the end of the map is lost, so the map grows before: whenever half of it
 * is used. No transaction may be open. */
static int grow(struct store *store)
{
    MDB_envinfo info;
    MDB_stat stat;
    int code = mdb_env_info(store->env, &info);
    if (code == 0)
        code = mdb_env_stat(store->env, &stat);
    if (code != 0 || (info.me_last_pgno + 1) * stat.ms_psize < info.me_mapsize / 2)
        return code;
    if (store->reading != NULL)
        mdb_txn_abort(store->reading);
    store->reading = NULL;
    return mdb_env_set_mapsize(store->env, 2 * info.me_mapsize);
}

void store_flush(struct store *store)
{
    if (store->writing == NULL)
        return;
    int code = mdb_txn_commit(store->writing);
    store->writing = NULL;
    if (code == 0)
        code = grow(store);
    if (code != 0)
        fail(store, "writing", code);
}

bool store_works(const struct store *store)
{
    return store->env != NULL;
}

static int open_env(struct store *store, const char *path)
{
    int code = mdb_env_create(&store->env);
    if (code == 0)
        code = mdb_env_set_mapsize(store->env, store->first_size);
    if (code == 0)
        code = mdb_env_open(store->env, path,
                            MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK | MDB_NORDAHEAD, 0600);
    MDB_txn *txn = NULL;
    if (code == 0)
        code = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (code == 0)
        code = mdb_dbi_open(txn, NULL, 0, &store->database);
    if (code == 0)
        code = mdb_txn_commit(txn);
    else if (txn != NULL)
        mdb_txn_abort(txn);
    return code == 0 ? grow(store) : code;
}

static void close_env(struct store *store)
{
    if (store->reading != NULL)
        mdb_txn_abort(store->reading);
    if (store->env != NULL)
        mdb_env_close(store->env);
    *store = (struct store){.first_size = store->first_size, .lock = store->lock};
}

static bool take_lock(struct store *store, const char *directory, struct error *error)
{
    char *path = memory_format("%s/" LOCK_NAME, directory);
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool ok = store->lock >= 0 && flock(store->lock, LOCK_EX | LOCK_NB) == 0;
    if (!ok)
        error_set(error, VERDICT_CONFIGURATION, "enricher.cache_dir: %s: %s", path,
                  errno == EWOULDBLOCK ? "another process uses it" : strerrordesc_np(errno));
    free(path);
    return ok;
}

static bool is_of(struct store *store, const char *identity)
{
    const void *value = NULL;
    size_t length = 0;
    return store_get(store, IDENTITY_KEY, sizeof IDENTITY_KEY - 1, &value, &length) &&
           length == strlen(identity) && memcmp(value, identity, length) == 0;
}

/* A file that is no store, or another's, gives way to an empty one. */
static bool open_file(struct store *store, const char *path, const char *identity,
                      struct error *error)
{
    int code = open_env(store, path);
    if (code == 0 && is_of(store, identity))
        return true;
    close_env(store);
    (void)unlink(path);
    code = open_env(store, path);
    if (code != 0) {
        close_env(store);
        return error_set(error, VERDICT_CONFIGURATION, "enricher.cache_dir: %s: %s", path,
                         mdb_strerror(code));
    }
    if (store->lock >= 0) /* a folder of its own is always empty */
        log_info("cache_empty", LOG_TEXT("path", path));
    store_put(store, IDENTITY_KEY, sizeof IDENTITY_KEY - 1, identity, strlen(identity));
    store_flush(store);
    return true;
}

static bool open_private(struct store *store, const char *identity, struct error *error)
{
    const char *parent = getenv("TMPDIR");
    char *folder = memory_format("%s/propexo-bridge.XXXXXX", parent == NULL ? "/tmp" : parent);
    char *path = NULL;
    bool ok = mkdtemp(folder) != NULL;
    if (ok) {
        path = memory_format("%s/" FILE_NAME, folder);
        ok = open_file(store, path, identity, error);
        (void)unlink(path);
        (void)rmdir(folder);
    } else {
        error_set(error, VERDICT_CONFIGURATION, "%s: %s; set enricher.cache_dir or TMPDIR", folder,
                  strerrordesc_np(errno));
    }
    free(path);
    free(folder);
    return ok;
}

struct store *store_open(const char *directory, const char *identity, size_t first_size,
                         struct error *error)
{
    struct store *store = memory_new(1, sizeof *store);
    store->first_size = first_size;
    char *boot = file_read(BOOT_FILE, 256, NULL);
    char *full = memory_format("%s\n%s", boot == NULL ? "" : boot, identity);
    char *path = memory_format("%s/" FILE_NAME, directory);
    store->lock = -1;
    bool ok = *directory == '\0'
                  ? open_private(store, full, error)
                  : take_lock(store, directory, error) && open_file(store, path, full, error);
    free(boot);
    free(full);
    free(path);
    if (ok)
        return store;
    store_close(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    store_flush(store);
    close_env(store);
    if (store->lock >= 0)
        (void)close(store->lock);
    free(store);
}
