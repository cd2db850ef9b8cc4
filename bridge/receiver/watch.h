/*
 * Whether the files of webhook secrets and of TLS are others than before. They are looked at, not
 * read: a secret that is rotated in its file is in force a moment later, and one that is mounted
 * from elsewhere appears as another file. One thread.
 */
#ifndef BRIDGE_RECEIVER_WATCH_H
#define BRIDGE_RECEIVER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/config/config.h"

#define WATCH_FILES 5

struct watch {
    const char *paths[WATCH_FILES]; /* the configuration's */
    uint64_t taken[WATCH_FILES];    /* stamps of those that are in force, or were refused */
    uint64_t seen[WATCH_FILES];     /* when last looked at */
};

void watch_start(struct watch *watch, const struct config *config);

/* True when they differ from those of the last such answer and have not changed since the last
 * look: who writes one slowly is not read halfway. To be called about once a second. */
bool watch_changed(struct watch *watch) MUST_CHECK;

#endif
