/*
 * Scans: the whole of a list, page after page, the oldest first, for records that pages of the
 * newest do not have. What a scan did not find either is asked for by itself. Pure; only the
 * planner includes it.
 */
#ifndef BRIDGE_ENRICHER_SCANS_H
#define BRIDGE_ENRICHER_SCANS_H

#include "bridge/enricher/planner.h"
#include "bridge/enricher/waiting.h"

/* The next page of the list's scan, which counts as under way from now on. */
struct page_ask scan_ask(struct group *group, struct list *list, bool whole,
                         uint64_t tick) MUST_CHECK;

/* `group` is that of the page, or NULL when it is of all integrations. */
void scan_done(struct waiting *waiting, struct group *group, const struct page_ask *ask,
               const struct page_seen *seen);

/* `again`: the page is asked for again later; else the scan is over, and nothing was learnt. */
void scan_failed(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                 bool again);

/* Scans of the group's lists that nobody waits for any more are over. */
void scans_forget(struct group *group);

/* A scan that is under way looks for the record, which waits. */
bool scan_will_have(const struct record *record) MUST_CHECK;

#endif
