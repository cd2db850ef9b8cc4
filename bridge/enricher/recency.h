/*
 * The stale rule, for every kind of request alike: a copy of a record whose request started before
 * the request of the last published copy of that record ENDED may be older than it, and is dropped.
 *
 * Time is counted in ticks that only this module hands out, one for each start and each end of a
 * request, so no clock can jump. The end of a published copy is kept only while a request that
 * started before it is still under way: no other can break the rule. Pure; one thread.
 */
#ifndef BRIDGE_ENRICHER_RECENCY_H
#define BRIDGE_ENRICHER_RECENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

struct recency;

struct recency *recency_new(void) MUST_CHECK;
void recency_free(struct recency *recency); /* NULL is allowed */

/* The present tick: a request that starts later has a higher one. */
uint64_t recency_now(const struct recency *recency);

/* A request starts: returns its start tick, which recency_end takes back. */
uint64_t recency_start(struct recency *recency) MUST_CHECK;

/* A request's answer is here: returns its end tick. To be called before its copies are looked at;
 * the request counts as under way until recency_close. */
uint64_t recency_end(struct recency *recency) MUST_CHECK;

/* All copies of the request were looked at, or it failed. */
void recency_close(struct recency *recency, uint64_t start);

/* May this copy of the record be published? If so it counts as published from now on. */
bool recency_publish(struct recency *recency, const char *key, size_t key_length, uint64_t start,
                     uint64_t end) MUST_CHECK;

/* Forgets everything; requests under way must not be asked about again. */
void recency_clear(struct recency *recency);

/* Ends kept at present, for tests and metrics. */
size_t recency_kept(const struct recency *recency);

#endif
