/*
 * What is to become of one dead letter: whether it is chosen, and which messages it goes back as.
 *
 * A letter of the enricher is an event that was kept and could not be worked on: it goes back to
 * its topic as it was, by its key. A letter of the receiver is a webhook that could not be routed:
 * it is routed anew, by the receiver's own rules and today's configuration. Of a letter without
 * all its bytes the record is ordered again, where reading it shows all that the event told. Pure;
 * one thread.
 */
#ifndef BRIDGE_COMMANDS_REPLAY_LETTER_H
#define BRIDGE_COMMANDS_REPLAY_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/kafka/dead_letter.h"
#include "bridge/kafka/message.h"
#include "bridge/receiver/ingest.h"

/* The values of RECREATE_HEADER for records that are ordered again. */
#define REPLAY_MADE_BY "replay"

enum replay_fate {
    REPLAY_SENT,    /* goes back, or is routed anew */
    REPLAY_ORDERED, /* its bytes are not whole: the record is to be read again */
    REPLAY_STILL,   /* the receiver would keep it as a dead letter again: replay_letter.still */
    REPLAY_CUT,     /* only the beginning of its bytes was kept */
    REPLAY_GONE,    /* none of its bytes was */
    REPLAY_FOREIGN, /* it came from no events topic that is configured */
    REPLAY_REFUSED, /* Kafka refuses the event for its size; never of replay_letter_read */
};

/* Which letters are chosen. */
struct replay_choice {
    const char *code;   /* NULL = all */
    const bool *models; /* by the model's index in the catalogue; NULL = all */
    int64_t since_ms;   /* of the letter's Kafka timestamp; INT64_MIN = all */
};

/* True when the letter, written at `timestamp_ms`, is chosen. */
bool replay_chooses(const struct replay_choice *choice, const struct message *letter,
                    int64_t timestamp_ms) MUST_CHECK;

/* A letter, read. Owns what its messages borrow, beside the letter itself. */
struct replay_letter {
    enum replay_fate fate;
    const char *still;    /* REPLAY_STILL: the code; static */
    struct message event; /* REPLAY_SENT, of the enricher, and REPLAY_ORDERED */
    bool routed_anew;     /* else REPLAY_SENT is of the receiver: */
    struct ingest_result routed;
    struct dead_letter_past past;
    struct dead_letter_texts texts;
    char *fields[4];
    char time[32];
    char *text;
};

/* Decides; `ingest` has today's configuration. Fills in place (its messages point into it);
 * replay_letter_free frees. `seen` must live as long. */
void replay_letter_read(struct ingest *ingest, const struct message *seen, int64_t timestamp_ms,
                        struct replay_letter *letter);
void replay_letter_free(struct replay_letter *letter);

/* The fate is that something is sent. */
bool replay_letter_goes(const struct replay_letter *letter) MUST_CHECK;

/* Its messages, one after another, `*cursor` being 0 at first; NULL after the last. Each holds
 * until the next call. A sync has several, the one for `activity` last. */
const struct message *replay_letter_next(const struct ingest *ingest, struct replay_letter *letter,
                                         size_t *cursor) MUST_CHECK;

#endif
