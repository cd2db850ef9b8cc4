/*
 * Pages of the newest of a list: which stretch of it to ask for, and what an answer teaches. Pure;
 * only the planner includes it.
 *
 * It is known about how deep each waiting record lies (depth.h), so a page is asked for where most
 * of them wait: the oldest first, so that what is read moves up with the list and no stretch is
 * read twice. Whoever is looked for by a page under way is covered, and not looked for by another.
 *
 * Records that pages should have had and did not, three times, are asked for by themselves: some
 * servers do not move a record up for every change. Whether they do for changes of nothing but
 * `last_seen` is learnt for all lists together.
 */
#ifndef BRIDGE_ENRICHER_NEWEST_H
#define BRIDGE_ENRICHER_NEWEST_H

#include "bridge/enricher/planner.h"
#include "bridge/enricher/waiting.h"

/* A record waits in a queue for pages (again), because of an event that came now: it lies at the
 * top. */
void newest_arrived(struct waiting *waiting, struct group *group, struct record *record,
                    int64_t now_ms);

/* A record of the group's list changed: it lies at the top. `low`: nothing but `last_seen` did. */
void newest_moved(struct waiting *waiting, struct group *group, bool low, int64_t now_ms);

/* How many of the group's records (`whole`: of its model's, about) the next page would look for.
 * PAGES_LIVE or PAGES_LOW. */
uint32_t newest_wanted(const struct group *group, enum pages_kind kind, bool whole, int64_t now_ms);

/* How many rows it would have, were it no longer than it must be. Of the model: as many as ever. */
uint32_t newest_rows(const struct group *group, enum pages_kind kind, bool whole);

/* The next page, which counts as under way from now on. There must be somebody to look for.
 * `short_one`: of newest_rows only, where requests cost nothing and rows do. */
struct page_ask newest_ask(const struct waiting *waiting, struct group *group, enum pages_kind kind,
                           bool whole, bool short_one, int64_t latency_ms, uint64_t tick,
                           int64_t now_ms) MUST_CHECK;

/* A row of the page, by its number, shows a record that waits; call it before it is taken out. */
void newest_found(const struct page_ask *ask, const struct record *record, uint32_t row,
                  struct page_seen *seen);

/* `group` is that of the page, or NULL when it is of all integrations. */
void newest_done(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                 const struct page_seen *seen);
void newest_failed(struct waiting *waiting, struct group *group, const struct page_ask *ask);

#endif
