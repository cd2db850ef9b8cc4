/*
 * `recover`: after webhooks were lost, reads the changes that the API has recorded since and puts
 * them on the events topics again, as the events that their webhooks would have been. The enrichers
 * then work on them as on any other.
 */
#ifndef BRIDGE_COMMANDS_RECOVER_H
#define BRIDGE_COMMANDS_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/commands/arguments.h"
#include "bridge/config/config.h"

/* What recover_since takes, in words. */
#define SINCE_WORDS \
    "a moment in the past such as 2026-01-31T12:00:00Z, or a span such as 90m, 6h or 2d"

/* The moment that `text` names, in milliseconds of the wall clock: one such as 2026-01-31T12:00:00Z
 * (codec/timestamp.h), or a span back from `now_ms` such as 90m, 6h or 2d. False for anything else,
 * and for what lies in the future. Pure. */
bool recover_since(const char *text, int64_t now_ms, int64_t *since_ms) MUST_CHECK;

/* Exit code 0: Kafka keeps all; 1: the moment is longer ago than the API keeps changes, and nothing
 * was done; 64: it is no moment; 69: Kafka or the API is away; 78: the API refuses. */
int command_recover(const struct config *config, const struct arguments *arguments) MUST_CHECK;

#endif
