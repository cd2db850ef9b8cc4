/*
 * The state of one record that no endpoint reads, put together from what webhooks tell of it.
 *
 * Why an old value never comes back, though webhooks may come late, twice, or not at all, and carry
 * neither an id nor (always) a time:
 *  - A field whose last change told its time (`updated_at` among the changed fields) takes a timed
 *    change only when that is later.
 *  - A field that began with the record's DATA_NEW takes a change when what the change calls
 * `previous` is what the field holds, and when this event was not seen before. If each event comes
 * once and each one matches, every order of arrival ends in the same value: the changes are the
 * steps of a walk through the field's values, and where a walk from a known start ends that takes
 * each step once does not depend on their order. A step that came before may be a replay, so it
 * does not count as a match. Events seen are remembered as digests, and beyond ASSEMBLY_DIGESTS in
 * a filter that may take a new event for an old one, never the other way.
 *  - Everything else is open: it is settled by the API's own record of changes (data-diffs), where
 * the newest change of the field wins. It is asked after the event was taken in, so it knows of it.
 * From then on events may be still to come that the settled value contains already, so every later
 *    untimed change of the field is settled there too (`strict`), as is every one of a field whose
 *    beginning no DATA_NEW told. What data-diffs does not know takes the change that follows on the
 *    known value, or keeps what it has, and is marked.
 *  - updated_at and last_seen only ever rise.
 *
 * A DATA_NEW comes first by its nature: it fills in what is missing and replaces nothing. Pure; one
 * thread.
 */
#ifndef BRIDGE_ENRICHER_ASSEMBLY_H
#define BRIDGE_ENRICHER_ASSEMBLY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

#define ASSEMBLY_DIGESTS 32

struct assembly;

/* A record of which nothing is known but its ids. */
struct assembly *assembly_new(const char *id, const char *integration_id) MUST_CHECK;

/* What assembly_text wrote; NULL when it is something else. */
struct assembly *assembly_read(const char *text, size_t length) MUST_CHECK;
void assembly_free(struct assembly *assembly); /* NULL is allowed */

enum assembly_verdict {
    ASSEMBLY_CHANGED,  /* there is news to publish */
    ASSEMBLY_OLD,      /* all of it was known, or is older than what is known */
    ASSEMBLY_CONFLICT, /* at least one field is open until assembly_close */
};

/* Takes an event: `diff` of a DATA_UPDATE or `payload` of a DATA_NEW; either may be NULL. A field
 * that is open stays open, whatever the event says. */
enum assembly_verdict assembly_take(struct assembly *assembly, const cJSON *diff,
                                    const cJSON *payload) MUST_CHECK;

bool assembly_is_open(const struct assembly *assembly);

/* Hears one item of data-diffs about this record, the newest first. */
void assembly_hear(struct assembly *assembly, const cJSON *item);

/* True when no older item can matter: every open field was heard of at a time after `oldest_ms`
 * (milliseconds since the epoch; the oldest item read so far). */
bool assembly_is_settled(const struct assembly *assembly, int64_t oldest_ms);

/* Ends the conflict: what was heard is taken, the rest is marked. Returns how many fields were
 * marked. */
size_t assembly_close(struct assembly *assembly);

/* Fields that are marked: nothing could tell which of two values is the newer. */
size_t assembly_marked(const struct assembly *assembly);

/* The values that are known, for whoever must redact them. */
cJSON *assembly_fields(struct assembly *assembly);

/* The record as a snapshot shows it, members flat; the caller deletes it. */
cJSON *assembly_record(const struct assembly *assembly) MUST_CHECK;

/* The state as JSON text, without what is open. The caller frees. NULL when it is larger than
 * `maximum` bytes or not UTF-8. */
char *assembly_text(const struct assembly *assembly, size_t maximum) MUST_CHECK;

#endif
