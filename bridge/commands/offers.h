/*
 * What the console can ask of a running process beside its numbers: the last dead letters, sending
 * them back, and where `admin.records` allows it what the topics hold of one record. All of it
 * reads Kafka outside any group and changes nothing, but for the replay, which is the subcommand's
 * own (replay.h says why none is lost or sent twice). On the console's thread.
 */
#ifndef BRIDGE_COMMANDS_OFFERS_H
#define BRIDGE_COMMANDS_OFFERS_H

#include "bridge/config/config.h"
#include "bridge/console/admin.h"
#include "bridge/kafka/settings.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

/* What the offers work with; borrowed. */
struct offers {
    const struct config *config;
    const struct kafka_context *kafka;
    const struct topics *topics;
    const struct selection *selection;
};

/* Hands them to the admin port. `offers` lives as long as that. */
void offers_open(struct offers *offers, struct admin *admin, const char *parts);

/* letters.c: {"letters": [...], "more": true}: of the newest LETTERS_MOST, what their headers say;
 * never a value. */
bool offer_letters(void *context, const cJSON *asked, const atomic_bool *cancel,
                   struct buffer *answer, struct error *error) MUST_CHECK;

/* lookup.c: asked {"model", "record_id"}, answers {"snapshots": [...], "events": [...], "erased"}:
 * the newest of both that name the record, as far back as LOOKUP_MESSAGES reach. What is redacted
 * is not shown, whenever it was written, and of an erased record nothing from before. */
bool offer_record(void *context, const cJSON *asked, const atomic_bool *cancel,
                  struct buffer *answer, struct error *error) MUST_CHECK;

#endif
