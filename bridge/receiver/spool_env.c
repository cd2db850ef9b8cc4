#include "bridge/receiver/spool_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "bridge/base/memory.h"

int spool_env_lock(const char *directory, struct error *error)
{
    char *path = memory_format("%s/" SPOOL_LOCK, directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        error_set(error, VERDICT_CONFIGURATION, "receiver.spool_dir: %s: %s", path,
                  errno == EWOULDBLOCK ? "another process uses it" : strerrordesc_np(errno));
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

int spool_env_open(MDB_env **env, const char *path, size_t max_bytes, unsigned flags)
{
    int code = mdb_env_create(env);
    if (code == 0)
        code = mdb_env_set_maxdbs(*env, 2);
    if (code == 0 && max_bytes > 0)
        code = mdb_env_set_mapsize(*env, max_bytes);
    if (code == 0) /* one process, by the lock file, and one thread */
        code = mdb_env_open(*env, path, flags | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NORDAHEAD, 0600);
    return code;
}

int spool_env_identify(MDB_txn *txn, const char *about, MDB_dbi *events)
{
    MDB_dbi database;
    MDB_val key = {sizeof SPOOL_ABOUT - 1, (void *)(uintptr_t)SPOOL_ABOUT};
    MDB_val value;
    int code = mdb_dbi_open(txn, SPOOL_ABOUT, 0, &database);
    if (code == 0)
        code = mdb_get(txn, database, &key, &value);
    if (code == MDB_NOTFOUND ||
        (code == 0 && (value.mv_size < sizeof SPOOL_FORMAT - 1 ||
                       memcmp(value.mv_data, SPOOL_FORMAT, sizeof SPOOL_FORMAT - 1) != 0)))
        return MDB_INCOMPATIBLE;
    if (code == 0 &&
        (value.mv_size != strlen(about) || memcmp(value.mv_data, about, value.mv_size) != 0))
        return MDB_VERSION_MISMATCH;
    return code == 0 ? mdb_dbi_open(txn, SPOOL_EVENTS, 0, events) : code;
}

const char *spool_env_explain(int code)
{
    switch (code) {
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
    case MDB_VERSION_MISMATCH:
        return code == MDB_VERSION_MISMATCH
                   ? "it was written with another topics.prefix, and should be drained with that"
                   : "it is not a spool of this program";
    default:
        return mdb_strerror(code);
    }
}
