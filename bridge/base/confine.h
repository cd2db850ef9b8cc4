/*
 * What the process gives up, so that whoever takes it over gains little: capabilities, the way to
 * new ones, other users' eyes on its files, and system calls that it has no use for.
 */
#ifndef BRIDGE_BASE_CONFINE_H
#define BRIDGE_BASE_CONFINE_H

#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

/* Before the process has a second thread, since capabilities are a thread's. Drops all of them, but
 * that of ports below 1024 when `low_port`; no program that is run gains any (PR_SET_NO_NEW_PRIVS);
 * files that are made are ours alone. False with VERDICT_CONFIGURATION when the process was started
 * setuid or setgid: its configuration could be a stranger's. */
bool confine_privileges(bool low_port, struct error *error) MUST_CHECK;

/* From now on, in all threads, system calls that are not on the list in confine.c fail with EPERM:
 * running programs, mounting, tracing and the like. After everything has started. False when the
 * kernel has no such filter. */
bool confine_calls(struct error *error) MUST_CHECK;

#endif
