/*
 * `replay`: sends dead letters back to where they came from, and remembers which.
 *
 * Why none is lost, and none sent twice: the events of a batch and the offset that tells them as
 * sent are one transaction, committed for the group `<enricher.group>-replay`, of which nobody is a
 * member. All replays of a group have one transactional.id. So whichever begins ends the one before
 * it: Kafka aborts what that one has open and refuses all that it tries afterwards, and only then
 * are the committed offsets read. A process that is killed leaves nothing half done, and what a
 * batch has not committed is sent by the next replay.
 *
 * Letters up to the topic's end at the beginning are looked at, so one that fails again and comes
 * back is not sent in a circle.
 *
 * Limits: a letter is sent once more when the group's offsets have expired, or when the marks of
 * what was sent find no room in a commit (replay_progress.h). One thread.
 */
#ifndef BRIDGE_COMMANDS_REPLAY_H
#define BRIDGE_COMMANDS_REPLAY_H

#include <stdatomic.h>
#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/commands/arguments.h"
#include "bridge/config/config.h"

/* Exit code 0: all chosen letters that can be sent are; 64: usage; 69: Kafka is away; 75:
 * interrupted, or another replay has begun; 78: Kafka refuses. */
int command_replay(const struct config *config, const struct arguments *arguments) MUST_CHECK;

/* Which letters somebody wants to be sent back; NULL = all. */
struct replay_wish {
    const char *code;
    const char *model;
    bool dry_run; /* only tells what would be sent */
};

/* At most so many go back for one wish: a further one goes on there. */
#define REPLAY_WISHED_MOST 10000

/* The same within a running process: says nothing on standard error, logs it, and appends what it
 * did, as with --json; "problem" says why it could not go on after some were sent, "forgotten" how
 * many may be sent once more. False with `error` when none was sent and it could not. Aborts the
 * batch when *cancel becomes true. */
bool replay_wished(const struct config *config, const struct replay_wish *wish,
                   const atomic_bool *cancel, struct buffer *answer,
                   struct error *error) MUST_CHECK;

#endif
