/*
 * The changes that the API recorded of an integration since its last reconciliation, page by page,
 * the newest first, held against the ledger: which ones did webhooks not tell of? Pure, but for the
 * ledger.
 *
 * A record lacks a webhook when a change of it was recorded whose content was not heard. Contents
 * tell that only where the API records them as its webhooks say them; it shows from how many match.
 * Where they do not, a record lacks webhooks when more changes of it were recorded than were heard.
 *
 * Of an event that is heard while pages are read its change may not be on them, and it may hide by
 * its number one that is missing: the record is being fetched anyway then, later than any change on
 * the pages.
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

/* Changes become visible a little out of order: those recorded so long before the window may be of
 * it, when nothing is known of them. */
#define AUDIT_OVERLAP_MS 5000

/* `newest_ms` is where the window begins. `latest_ms`: stamps that lie further in the future are
 * not believed. Borrows the selection. */
struct audit *audit_new(const struct selection *selection, int64_t newest_ms,
                        int64_t latest_ms) MUST_CHECK;
void audit_free(struct audit *audit); /* NULL is allowed */

/* A page, the newest change first. Copies what it keeps of it. */
void audit_page(struct audit *audit, const struct ledger *ledger, const cJSON *items);

/* Changes of the window seen so far, of all models; each once. */
int64_t audit_count(const struct audit *audit) MUST_CHECK;

/* A page showed changes from before the window: further pages have no others. */
bool audit_is_through(const struct audit *audit) MUST_CHECK;

/* Pages showed fewer than `fresh` changes of the window, also counting those at its border that may
 * be of it: rows moved between pages, or the API does not give what it counts. */
bool audit_is_short(const struct audit *audit, int64_t fresh) MUST_CHECK;

/* Its pages are read once more. */
void audit_again(struct audit *audit);

/* More was not heard than is kept: what is missing is not known. */
bool audit_overflowed(const struct audit *audit) MUST_CHECK;

/* A change to be made good. */
struct audit_change {
    int place; /* of the model */
    const char *record_id;
    bool is_new;
    const cJSON *content;   /* NULL: only that the record is to be read */
    bool first;             /* of its record */
    const uint64_t *hashes; /* of all contents of its record that were not heard; with the first */
    size_t hash_count;      /* change of a record that is told; 0 with others */
};

typedef void audit_found(void *context, const struct audit_change *change);

/* Tells each change that is to be made good, those of a record one behind the other, in the order
 * they were recorded; of a record that is fetched only one. `verified`: all webhooks that came were
 * heard. False when contents could not tell which ones are missing. */
bool audit_missing(struct audit *audit, const struct ledger *ledger, bool verified,
                   audit_found *found, void *context);

#endif
