#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/base/memory.h"
#include "bridge/receiver/spool_env.h"
#include "bridge/receiver/spool_file.h"
#include "bridge/receiver/spool_record.h"

static bool refuse(struct error *error, const char *path, const char *why)
{
    return error_set(error, VERDICT_CONFIGURATION,
                     "receiver.spool_dir: %s: %s; nothing of it was read: move it away, or bring "
                     "back a whole copy",
                     path, why);
}

/* The checking process ends with these; a crash ends with something else. */
enum { CHECK_WHOLE = 40, CHECK_FOREIGN, CHECK_PREFIX, CHECK_TORN, CHECK_UNREADABLE };

static bool is_whole(MDB_env *env, MDB_txn *txn, MDB_dbi events, const char *path)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    size_t count = 0;
    if (mdb_env_info(env, &info) != 0 || mdb_stat(txn, events, &stat) != 0 ||
        lstat(path, &file) != 0 || (size_t)file.st_size < (info.me_last_pgno + 1) * stat.ms_psize ||
        mdb_cursor_open(txn, events, &cursor) != 0)
        return false;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct message message;
        uint64_t sequence = 0;
        if (key.mv_size != sizeof sequence)
            return false;
        memcpy(&sequence, key.mv_data, sizeof sequence);
        if (!spool_record_read(be64toh(sequence), value.mv_data, value.mv_size, &message))
            return false;
        count++;
    }
    return code == MDB_NOTFOUND && count == stat.ms_entries;
}

/* In a process that ends without cleaning up, and says nothing of how. */
static int check(const char *path, const char *about)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi events;
    const struct rlimit none = {0, 0};
    const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < ARRAY_LENGTH(crashes); i++)
        (void)signal(crashes[i], SIG_DFL);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)close(STDERR_FILENO);
    int code = spool_env_open(&env, path, 0, MDB_RDONLY);
    if (code == 0)
        code = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (code == 0)
        code = spool_env_identify(txn, about, &events);
    switch (code) {
    case 0:
        return is_whole(env, txn, events, path) ? CHECK_WHOLE : CHECK_TORN;
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
        return CHECK_FOREIGN;
    case MDB_VERSION_MISMATCH:
        return CHECK_PREFIX;
    case MDB_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        return CHECK_TORN;
    default:
        return CHECK_UNREADABLE;
    }
}

static bool check_apart(const char *path, const char *about, struct error *error)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(check(path, about));
    if (child < 0)
        return error_set(error, VERDICT_FATAL, "no process to check the spool with: %s",
                         strerrordesc_np(errno));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    switch (WIFEXITED(status) ? WEXITSTATUS(status) : CHECK_TORN) {
    case CHECK_WHOLE:
        return true;
    case CHECK_FOREIGN:
        return refuse(error, path, spool_env_explain(MDB_INCOMPATIBLE));
    case CHECK_PREFIX:
        return refuse(error, path, spool_env_explain(MDB_VERSION_MISMATCH));
    case CHECK_UNREADABLE:
        return refuse(error, path, "it cannot be read");
    default:
        return refuse(error, path, "it is torn");
    }
}

bool spool_file_check(const char *directory, const char *prefix, struct error *error)
{
    char *path = memory_format("%s/" SPOOL_FILE, directory);
    char *about = memory_format(SPOOL_FORMAT "%s", prefix);
    int lock = spool_env_lock(directory, error);
    bool ok = lock >= 0 && (access(path, F_OK) != 0 || check_apart(path, about, error));
    if (lock >= 0)
        (void)close(lock);
    free(path);
    free(about);
    return ok;
}
