/*
 * The changes that the API recorded of an integration since its last reconciliation, page by page,
 * held against the ledger: which ones did webhooks not tell of? Pure, but for the ledger.
 *
 * A record lacks webhooks when more changes of it were recorded than were heard. Which of its
 * changes these are is told by their contents, where these can be matched; a change whose content
 * is in the ledger needs nothing. Of an event that is heard while pages are read its change may not
 * be on them; then the record is being fetched anyway, later than any change on the pages.
 */
#ifndef BRIDGE_ENRICHER_AUDIT_H
#define BRIDGE_ENRICHER_AUDIT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/enricher/ledger.h"
#include "bridge/propexo/selection.h"

/* Of changes that were not heard so much is kept, by the length of their JSON. */
#define AUDIT_BYTES ((size_t)16 << 20)

struct audit;

/* `newest_ms` is where the window begins: changes up to there that the ledger knows are of earlier
 * windows. Borrows the selection. */
struct audit *audit_new(const struct selection *selection, int64_t newest_ms) MUST_CHECK;
void audit_free(struct audit *audit); /* NULL is allowed */

/* A page, the newest change first. Takes what it keeps out of `items`. */
void audit_page(struct audit *audit, const struct ledger *ledger, cJSON *items);

/* Changes seen so far, of all models; each once. */
int64_t audit_count(const struct audit *audit) MUST_CHECK;

/* Stamp of the newest of them, or where the window begins. */
int64_t audit_newest(const struct audit *audit) MUST_CHECK;

/* More was not heard than is kept: what is missing is not known. */
bool audit_overflowed(const struct audit *audit) MUST_CHECK;

/* A change to be made good. */
struct audit_change {
    int place; /* of the model */
    const char *record_id;
    bool is_new;
    const cJSON *content; /* NULL: only that the record is to be read */
    bool first;           /* of its record */
};

typedef void audit_found(void *context, const struct audit_change *change);

/* Tells each change that is to be made good, those of a record in the order they were recorded; of
 * a record that is fetched only one. Returns how many records these are. `found` may be NULL. */
int64_t audit_missing(struct audit *audit, const struct ledger *ledger, audit_found *found,
                      void *context);

#endif
