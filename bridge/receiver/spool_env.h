/*
 * What the spool's file is to LMDB, and how it says whose it is. Only the spool's own files include
 * this.
 */
#ifndef BRIDGE_RECEIVER_SPOOL_ENV_H
#define BRIDGE_RECEIVER_SPOOL_ENV_H

#include <lmdb.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

#define SPOOL_FILE   "spool.lmdb"
#define SPOOL_LOCK   "spool.lock"
#define SPOOL_EVENTS "events"
#define SPOOL_ABOUT  "about" /* what the file is: SPOOL_FORMAT, then the prefix of its topics */
#define SPOOL_FORMAT "propexo-bridge spool 1\n"

/* A descriptor that keeps every other process from the folder's spool until it is closed; -1 with
 * VERDICT_CONFIGURATION. Who reads the file without it may see it torn. */
int spool_env_lock(const char *directory, struct error *error) MUST_CHECK;

/* Opens the file with MDB_ flags; `max_bytes` 0: as large as it is. LMDB's code, or 0. In any case
 * `*env` is to be closed. */
int spool_env_open(MDB_env **env, const char *path, size_t max_bytes, unsigned flags) MUST_CHECK;

/* Opens the database of events, where the file says `about`. MDB_INCOMPATIBLE when it is of another
 * program, MDB_VERSION_MISMATCH when of another prefix. */
int spool_env_identify(MDB_txn *txn, const char *about, MDB_dbi *events) MUST_CHECK;

/* LMDB's code as a sentence. */
const char *spool_env_explain(int code);

#endif
