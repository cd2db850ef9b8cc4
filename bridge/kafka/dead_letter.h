/*
 * The headers of a dead letter: what they say beside those that the event came with, and what of
 * them an event keeps that is sent back (`propexo-bridge replay`), so that a letter that comes of
 * it again tells the whole story. README.md lists them for users. Pure; any thread.
 */
#ifndef BRIDGE_KAFKA_DEAD_LETTER_H
#define BRIDGE_KAFKA_DEAD_LETTER_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/digest.h"
#include "bridge/kafka/message.h"

/* Counts 0 of each code that a dead letter may have, so that the first one of a code is an increase
 * for whoever watches the metric. To be called at the start. */
void dead_letter_show_codes(void);

/* How many headers of its own a dead letter may have: the event's get what is left. */
#define DEAD_LETTER_HEADERS 20

/* True for the headers that tell of the failure, or of earlier ones; all others are the event's. */
bool dead_letter_tells(const char *name) MUST_CHECK;

/* Adds the headers of `from` that are the event's, as long as there is room for a dead letter's.
 * They are borrowed. */
void dead_letter_keep(struct message *message, const struct message *from);

/* This much is kept of an event that is too large to be kept whole. */
#define DEAD_LETTER_HEAD ((size_t)1024)

/* Texts of headers that tell of what was cut off. */
struct dead_letter_cut {
    char length[24];
    char sha256[DIGEST_TEXT_SIZE];
};

/* Leaves of the message's value, an event's bytes, the head; headers say so, and what the length
 * and the digest of the whole are. `texts` is borrowed by the message. */
void dead_letter_cut(struct message *message, struct dead_letter_cut *texts);

/* The same without any of its bytes: they are not to be kept. */
void dead_letter_withhold(struct message *message, struct dead_letter_cut *texts);

/* What is known of earlier failures of an event. */
struct dead_letter_past {
    int64_t replayed;         /* how many times it was sent back; 0 = never */
    int64_t attempts;         /* before it was sent back the last time */
    char first_failed_at[40]; /* "" = not told */
};

/* Of an event: what it keeps of its dead letter when it was sent back, else nothing. */
struct dead_letter_past dead_letter_past(const struct message *event);

/* Of a dead letter: what the event keeps that is sent back now. */
struct dead_letter_past dead_letter_returns(const struct message *letter);

/* Texts of a past's numbers, while it is a message's header. */
struct dead_letter_texts {
    char replayed[24];
    char attempts[24];
};

/* Adds the headers of a past: to an event that is sent back, and to a dead letter with what came
 * since added up. A number or text that is not there adds nothing. `past` and `texts` are borrowed
 * by the message. */
void dead_letter_add_past(struct message *message, const struct dead_letter_past *past,
                          struct dead_letter_texts *texts);

#endif
