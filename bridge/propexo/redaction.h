/*
 * What `snapshots.redact` keeps out of Kafka: fields of records that are dropped, or replaced by a
 * keyed hash ("hmac-sha256:" and 64 hex digits), equal for equal values, whatever field they are
 * of.
 *
 * Two forms. A record's: a dropped field is not there. An event's (with `events.redact`): a dropped
 * field is null before and after, so that its name tells still that it changed. Whatever was
 * redacted once stays as it is when it is redacted again, in either form, so that whoever holds a
 * copy from an earlier configuration may do so without asking.
 *
 * A record is redacted when it is whole and judged; an event before it leaves the receiver's
 * memory; what the API records of changes in the same way as events, before the two are compared.
 * In an event the fields are found at any depth, whatever the shape of its body; where the model is
 * not known, all models' fields count. What cannot be read (not JSON) cannot be redacted: whoever
 * would keep it keeps only how long it was.
 *
 * Made once, then only read; any thread.
 */
#ifndef BRIDGE_PROPEXO_REDACTION_H
#define BRIDGE_PROPEXO_REDACTION_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"
#include "bridge/kafka/message.h"
#include "bridge/propexo/models.h"

struct redaction;

/* NULL with VERDICT_CONFIGURATION: a model that Propexo does not have; a field that the bridge or
 * every snapshot needs; a hash for what is no text. */
struct redaction *redaction_new(const struct config *config, struct error *error) MUST_CHECK;
void redaction_free(struct redaction *redaction); /* NULL is allowed */

/* Something of this model's records is redacted. */
bool redaction_has(const struct redaction *redaction, const struct model *model) MUST_CHECK;

/* Events are redacted too. */
bool redaction_has_events(const struct redaction *redaction) MUST_CHECK;

/* A record, or the fields that are known of one: in a record's form, in place. */
void redaction_record(const struct redaction *redaction, const struct model *model, cJSON *record);

/* What an event, or a recorded change, tells of a record that is put together from these: in a
 * record's form, at any depth. `is_body`: it is a webhook's whole body; NULL is allowed. */
void redaction_told(const struct redaction *redaction, const struct model *model, cJSON *told,
                    bool is_body);

/* A recorded change's content, which is held against events or becomes one: in their form, with
 * `events.redact`; else nothing happens. */
void redaction_change(const struct redaction *redaction, const struct model *model, cJSON *content);

/* A webhook's body, parsed; `model` may be NULL. The text to keep instead of the body, which the
 * caller frees; NULL when it has nothing to redact, or events are not redacted. */
char *redaction_body(const struct redaction *redaction, const struct model *model,
                     cJSON *body) MUST_CHECK;

/* An event that was kept, as a message: what may be kept of its bytes takes their place, and is
 * owned by `*text` then, which is NULL else. False when nobody knows what is in them. */
bool redaction_event(const struct redaction *redaction, struct message *event,
                     char **text) MUST_CHECK;

#endif
