/*
 * A series of pages of one list: begun, gone on with while it pays, ended; and what its end
 * teaches. Pure; only the planner includes it.
 *
 * The newest: what waits lies together at the top of the list, the oldest deepest. A series begins
 * there and goes up, as far as what waits by then reaches: so what it leaves, should more come than
 * it can take, is one stretch at the top again, without what was read already in between, and the
 * oldest are served first. Rows move down by what changes while a page is under way, and it begins
 * so much deeper. What is not found up to the top is then looked for deeper. A series ends when it
 * has found as many as it looked for, when the list ends, or when it is past the time of the oldest
 * change it looks for and brings nothing more. Records that were looked for and not found are asked
 * for by themselves from then on: no page need ever have them.
 */
#ifndef BRIDGE_ENRICHER_SERIES_H
#define BRIDGE_ENRICHER_SERIES_H

#include "bridge/enricher/planner.h"
#include "bridge/enricher/waiting.h"

/* The next page of the list's series, which counts as under way from now on. */
struct page_ask series_ask(struct group *group, struct list *list, enum pages_kind kind, bool whole,
                           int64_t latency_ms, uint64_t tick, int64_t now_ms) MUST_CHECK;

/* `group` is that of the page, or NULL when it is of all integrations. */
void series_done(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                 const struct page_seen *seen, bool unlimited, int64_t now_ms);
void series_failed(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                   enum page_failure failure, int64_t until_ms);

/* Series of the group's lists that nobody waits for any more are over. */
void series_forget(struct group *group);

/* A record was asked for by itself: pages and scans get another chance in time. */
void series_unlearn(struct group *group);

#endif
