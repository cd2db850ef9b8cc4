/*
 * An event that was accepted and that Kafka will never take as it is (too large for its topic, not
 * valid) becomes a dead letter with the head of its bytes. Pure; any thread.
 */
#ifndef BRIDGE_RECEIVER_REFUSAL_H
#define BRIDGE_RECEIVER_REFUSAL_H

#include "bridge/base/clock.h"
#include "bridge/kafka/dead_letter.h"

/* The texts that the dead letter borrows. */
struct refusal {
    char time[CLOCK_TEXT_SIZE];
    struct dead_letter_cut cut;
};

/* Makes `message` the dead letter of what it was, in this topic. `reason` is Kafka's. */
void refusal_write(struct refusal *refusal, struct message *message, const char *dead_letters,
                   const char *reason, int64_t wall_ms);

#endif
