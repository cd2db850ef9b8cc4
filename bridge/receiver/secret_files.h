/*
 * Whether the files of webhook secrets are others than before. They are looked at, not read: a
 * secret that is rotated in its file is in force a moment later, and one that is mounted from
 * elsewhere appears as another file. One thread.
 */
#ifndef BRIDGE_RECEIVER_SECRET_FILES_H
#define BRIDGE_RECEIVER_SECRET_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/config/config.h"

#define SECRET_FILES 2

struct secret_files {
    const char *paths[SECRET_FILES]; /* the configuration's */
    uint64_t taken[SECRET_FILES];    /* stamps of those that are in force, or were refused */
    uint64_t seen[SECRET_FILES];     /* when last looked at */
};

void secret_files_start(struct secret_files *files, const struct config *config);

/* True when they differ from those of the last such answer and have not changed since the last
 * look: who writes one slowly is not read halfway. To be called about once a second. */
bool secret_files_changed(struct secret_files *files) MUST_CHECK;

#endif
