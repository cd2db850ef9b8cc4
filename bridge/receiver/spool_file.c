#include "bridge/receiver/spool_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/receiver/spool_env.h"

#define PAGE      ((size_t)4096)
#define KEPT_FILE ((size_t)16 << 20) /* an empty file of up to that size stays */
#define RESERVE   ((size_t)1 << 20)  /* of the disk, for deletions */
#define STEP      ((size_t)1 << 20)  /* by which the file grows at least */

struct spool_file {
    char *path;
    char *about; /* FORMAT and prefix */
    char *folder;
    size_t max_bytes;
    size_t allocated; /* of the file, so that no write in it finds the disk full */
    MDB_env *env;     /* NULL after it could not be opened again */
    MDB_dbi events;
    int lock;
};

static char *path_in(const char *directory, const char *name)
{
    return memory_format("%s/%s", directory, name);
}

static int put_about(MDB_txn *txn, const char *about)
{
    MDB_dbi database;
    MDB_val key = {sizeof SPOOL_ABOUT - 1, (void *)(uintptr_t)SPOOL_ABOUT};
    MDB_val value = {strlen(about), (void *)(uintptr_t)about};
    int code = mdb_dbi_open(txn, SPOOL_ABOUT, MDB_CREATE, &database);
    if (code == 0)
        code = mdb_put(txn, database, &key, &value, 0);
    return code == 0 ? mdb_dbi_open(txn, SPOOL_EVENTS, MDB_CREATE, &database) : code;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

/* Under another name first: what bears the spool's name is whole. */
static int create(const struct spool_file *file)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    char *path = memory_format("%s.new", file->path);
    (void)unlink(path);
    int code = spool_env_open(&env, path, file->max_bytes, 0);
    if (code == 0)
        code = mdb_txn_begin(env, NULL, 0, &txn);
    if (code == 0)
        code = put_about(txn, file->about);
    if (code == 0)
        code = mdb_txn_commit(txn);
    else if (txn != NULL)
        mdb_txn_abort(txn);
    mdb_env_close(env);
    if (code == 0 && rename(path, file->path) != 0)
        code = errno;
    if (code == 0)
        sync_folder(file->folder);
    else
        (void)unlink(path);
    free(path);
    return code;
}

static void close_env(struct spool_file *file)
{
    if (file->env != NULL)
        mdb_env_close(file->env);
    file->env = NULL;
}

static int open_file(struct spool_file *file)
{
    MDB_txn *txn = NULL;
    int code = access(file->path, F_OK) == 0 ? 0 : create(file);
    if (code == 0)
        code = spool_env_open(&file->env, file->path, file->max_bytes, 0);
    if (code == 0)
        code = mdb_txn_begin(file->env, NULL, MDB_RDONLY, &txn);
    if (code == 0)
        code = spool_env_identify(txn, file->about, &file->events);
    if (code == 0)
        code = mdb_txn_commit(txn); /* keeps the databases open */
    else if (txn != NULL)
        mdb_txn_abort(txn);
    struct stat stat;
    if (code == 0 && lstat(file->path, &stat) != 0)
        code = errno;
    if (code != 0)
        close_env(file);
    else
        file->allocated = (size_t)stat.st_size;
    return code;
}

struct spool_file *spool_file_open(const char *directory, const char *prefix, size_t max_bytes,
                                   struct error *error)
{
    struct spool_file *file = memory_new(1, sizeof *file);
    *file = (struct spool_file){.path = path_in(directory, SPOOL_FILE),
                                .about = memory_format(SPOOL_FORMAT "%s", prefix),
                                .folder = memory_text(directory),
                                .max_bytes = max_bytes / PAGE * PAGE,
                                .lock = spool_env_lock(directory, error)};
    int code = file->lock >= 0 ? open_file(file) : 0;
    if (code == 0 && file->lock >= 0)
        return file;
    if (code != 0)
        error_set(error, VERDICT_CONFIGURATION, "receiver.spool_dir: %s: %s", file->path,
                  spool_env_explain(code));
    spool_file_close(file);
    return NULL;
}

void spool_file_close(struct spool_file *file)
{
    if (file == NULL)
        return;
    close_env(file);
    if (file->lock >= 0)
        (void)close(file->lock);
    free(file->path);
    free(file->about);
    free(file->folder);
    free(file);
}

static bool fail(struct spool_file *file, int code, struct error *error)
{
    if (code == MDB_PANIC) /* it does not know what the disk holds; opening reads it again */
        close_env(file);
    return error_set(error, VERDICT_RETRY, "%s: %s", file->path, mdb_strerror(code));
}

/* Numbers are keys in big-endian, which sorts them. Most come in order, and fill their pages when
 * the library is told so. */
static int add(MDB_cursor *cursor, const struct spool_line *line)
{
    uint64_t sequence = htobe64(line->sequence);
    MDB_val key = {sizeof sequence, &sequence};
    MDB_val last = {0, NULL};
    MDB_val value = {line->length, (void *)(uintptr_t)line->bytes};
    int code = mdb_cursor_get(cursor, &last, NULL, MDB_LAST);
    bool appends =
        code == MDB_NOTFOUND || (code == 0 && memcmp(last.mv_data, &sequence, sizeof sequence) < 0);
    return code == 0 || appends ? mdb_cursor_put(cursor, &key, &value, appends ? MDB_APPEND : 0)
                                : code;
}

static int delete (MDB_cursor *cursor, uint64_t sequence)
{
    sequence = htobe64(sequence);
    MDB_val key = {sizeof sequence, &sequence};
    MDB_val value;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET);
    if (code == 0)
        code = mdb_cursor_del(cursor, 0);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int change(MDB_txn *txn, MDB_dbi events, const struct spool_line *lines, size_t line_count,
                  const uint64_t *deleted, size_t deleted_count)
{
    MDB_cursor *cursor = NULL;
    int code = mdb_cursor_open(txn, events, &cursor);
    for (size_t i = 0; i < deleted_count && code == 0; i++)
        code = delete (cursor, deleted[i]);
    for (size_t i = 0; i < line_count && code == 0; i++)
        code = add(cursor, &lines[i]);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    return code;
}

static int write_once(const struct spool_file *file, const struct spool_line *lines,
                      size_t line_count, const uint64_t *deleted, size_t deleted_count)
{
    MDB_txn *txn = NULL;
    int code = mdb_txn_begin(file->env, NULL, 0, &txn);
    if (code == 0)
        code = change(txn, file->events, lines, line_count, deleted, deleted_count);
    if (code == 0)
        return mdb_txn_commit(txn);
    if (txn != NULL)
        mdb_txn_abort(txn);
    return code;
}

/* Bytes of the file's free pages. The library lists them in a database of its own, number 0: each
 * value is a number and so many page numbers. */
static size_t count_free(const struct spool_file *file)
{
    const MDB_dbi free_pages = 0;
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    size_t bytes = 0;
    if (mdb_txn_begin(file->env, NULL, MDB_RDONLY, &txn) != 0)
        return 0;
    if (mdb_cursor_open(txn, free_pages, &cursor) == 0) {
        while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
            size_t count = 0;
            memcpy(&count, value.mv_data, sizeof count);
            bytes += count * PAGE;
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return bytes;
}

/* Room on the disk for these lines, before anything is written, and for deletions beyond them: a
 * spool that has filled its disk must be able to become smaller. */
static int allocate(struct spool_file *file, const struct spool_line *lines, size_t line_count)
{
    MDB_envinfo info;
    int fd = -1;
    size_t reserve = file->max_bytes / 16 < RESERVE ? file->max_bytes / 16 : RESERVE;
    int code = mdb_env_info(file->env, &info);
    if (code == 0)
        code = mdb_env_get_fd(file->env, &fd);
    if (code != 0)
        return code;
    size_t wanted = (info.me_last_pgno + 1) * PAGE + reserve;
    for (size_t i = 0; i < line_count; i++)
        wanted += spool_file_cost(lines[i].length);
    if (wanted > info.me_mapsize)
        wanted = info.me_mapsize;
    if (wanted <= file->allocated)
        return 0;
    size_t free_bytes = count_free(file);
    wanted = wanted > free_bytes ? wanted - free_bytes : 0;
    if (wanted <= file->allocated)
        return 0;
    size_t more = wanted - file->allocated;
    size_t step = file->allocated + STEP > info.me_mapsize || more > STEP ? more : STEP;
    code = posix_fallocate(fd, (off_t)file->allocated, (off_t)step);
    if (code != 0 && step != more) {
        step = more;
        code = posix_fallocate(fd, (off_t)file->allocated, (off_t)step);
    }
    if (code == 0)
        file->allocated += step;
    return code;
}

bool spool_file_write(struct spool_file *file, const struct spool_line *lines, size_t line_count,
                      const uint64_t *deleted, size_t deleted_count, struct error *error)
{
    int code = file->env == NULL ? open_file(file) : 0;
    if (code == 0 && line_count > 0)
        code = allocate(file, lines, line_count);
    if (code == 0)
        code = write_once(file, lines, line_count, deleted, deleted_count);
    if (code == MDB_MAP_FULL && line_count == 0) {
        MDB_envinfo info;
        code = mdb_env_info(file->env, &info);
        if (code == 0)
            code = mdb_env_set_mapsize(file->env,
                                       (info.me_mapsize + info.me_mapsize / 4) / PAGE * PAGE);
        if (code == 0)
            code = write_once(file, lines, line_count, deleted, deleted_count);
    }
    return code == 0 || fail(file, code, error);
}

static int read_all(MDB_cursor *cursor, uint64_t from, spool_file_visit *visit, void *context)
{
    uint64_t first = htobe64(from);
    MDB_val key = {sizeof first, &first};
    MDB_val value;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct spool_line line = {.bytes = value.mv_data, .length = value.mv_size};
        memcpy(&line.sequence, key.mv_data, sizeof line.sequence);
        line.sequence = be64toh(line.sequence);
        if (!visit(context, &line))
            return 0;
    }
    return code == MDB_NOTFOUND ? 0 : code;
}

bool spool_file_read(struct spool_file *file, uint64_t from, spool_file_visit *visit, void *context,
                     struct error *error)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    int code = file->env == NULL ? open_file(file) : 0;
    if (code == 0)
        code = mdb_txn_begin(file->env, NULL, MDB_RDONLY, &txn);
    if (code == 0)
        code = mdb_cursor_open(txn, file->events, &cursor);
    if (code == 0)
        code = read_all(cursor, from, visit, context);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    if (txn != NULL)
        mdb_txn_abort(txn);
    return code == 0 || fail(file, code, error);
}

/* In one step for whoever reads the folder: the new file takes the old one's name. */
void spool_file_shrink(struct spool_file *file)
{
    struct stat stat;
    if (lstat(file->path, &stat) != 0 || (size_t)stat.st_size <= KEPT_FILE || create(file) != 0)
        return;
    close_env(file);
    int code = open_file(file);
    if (code != 0)
        log_error("spool_failed", LOG_TEXT("reason", spool_env_explain(code)));
}

/* A leaf page (less its head) holds as many nodes as fit whole; a longer one has pages of its own.
 */
size_t spool_file_cost(size_t length)
{
    const size_t page_head = 16;
    const size_t node_head = 8 + sizeof(uint64_t) + 2; /* with its key and its place in the page */
    const size_t room = PAGE - page_head;
    size_t node = node_head + length + length % 2;
    if (2 * node <= room)
        return PAGE / (room / node) + 1;
    return (page_head + length + PAGE - 1) / PAGE * PAGE + PAGE / (room / (node_head + 8)) + 1;
}

/* What deletions and branch pages need is left free: an eighth, at least 64 pages where the whole
 * is not smaller than four times that. */
size_t spool_file_room(const struct spool_file *file)
{
    size_t least = 64 * PAGE;
    size_t reserve = file->max_bytes / 8;
    return file->max_bytes - (reserve < least ? least : reserve);
}
