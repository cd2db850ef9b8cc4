/*
 * Pages of the newest of a list: which stretch of it to ask for, and what an answer teaches. Pure;
 * only the planner includes it.
 *
 * Lists show what changed last first. So how deep a waiting record lies is known without asking: as
 * many rows above it as records of the list changed after it, which is what was taken in since (its
 * rank). Rows that changed and whose events are not here yet lie above all, and records that
 * changed twice are counted twice: by how much rows lie deeper, or less deep, than told is measured
 * on every page, and so is how far that scatters. A page is asked for where most wait: the oldest
 * first, so that what is read moves up with the list and no stretch is read twice. Whoever is under
 * a page that is under way is covered, and not looked for by another.
 *
 * Records that a page should have had and did not are looked for once more and then asked for by
 * themselves: some servers do not move a record up for every change. Whether they do for changes of
 * nothing but `last_seen` is learnt for the model.
 */
#ifndef BRIDGE_ENRICHER_NEWEST_H
#define BRIDGE_ENRICHER_NEWEST_H

#include "bridge/enricher/planner.h"
#include "bridge/enricher/waiting.h"

/* A record waits in a queue for pages (again), because of an event that came now: it lies at the
 * top. */
void newest_arrived(struct waiting *waiting, struct group *group, struct record *record,
                    int64_t now_ms);

/* How many of the group's records (`whole`: of its model's, about) the next page would look for.
 * PAGES_LIVE or PAGES_LOW. */
uint32_t newest_wanted(const struct group *group, enum pages_kind kind, bool whole, int64_t now_ms);

/* The next page, which counts as under way from now on. There must be somebody to look for. */
struct page_ask newest_ask(const struct waiting *waiting, struct group *group, enum pages_kind kind,
                           bool whole, int64_t latency_ms, uint64_t tick,
                           int64_t now_ms) MUST_CHECK;

/* A row of the page, by its number, shows a record that waits; call it before it is taken out. */
void newest_found(const struct page_ask *ask, const struct record *record, uint32_t row,
                  struct page_seen *seen);

/* `group` is that of the page, or NULL when it is of all integrations. */
void newest_done(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                 const struct page_seen *seen);
void newest_failed(struct waiting *waiting, struct group *group, const struct page_ask *ask);

#endif
