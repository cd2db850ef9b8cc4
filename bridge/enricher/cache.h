/*
 * What the enricher keeps on disk to not read it from Kafka again: the committed states of
 * assembled records, and which parents each child was told to have. Both are kept by partition
 * number, with the offset up to which they stand for their topic, so that what was missed while
 * another instance owned the partition is read behind it.
 *
 * Only what is committed goes in, so what is here is never ahead of Kafka; but for the ledger,
 * which counts events when they are taken in (hearing.c). One thread.
 */
#ifndef BRIDGE_ENRICHER_CACHE_H
#define BRIDGE_ENRICHER_CACHE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"

struct cache;

/* The cache of this group and these topics, in `enricher.cache_dir`; `cluster` is Kafka's cluster
 * id. */
struct cache *cache_open(const struct config *config, const char *cluster,
                         struct error *error) MUST_CHECK;
void cache_close(struct cache *cache); /* NULL is allowed */

/* The state of an assembled record, alive until the next call; false when there is none. */
bool cache_state(struct cache *cache, int number, const char *model, const char *id,
                 const char **text, size_t *length) MUST_CHECK;

/* NULL deletes. */
void cache_put_state(struct cache *cache, int number, const char *model, const char *id,
                     const char *text, size_t length);

/* {"resident_id": "...", ...}: the parents that the events of a child named last. The caller
 * deletes it; NULL when none did. */
cJSON *cache_parents(struct cache *cache, int number, const char *model, const char *id) MUST_CHECK;
void cache_put_parents(struct cache *cache, int number, const char *model, const char *id,
                       const cJSON *parents);

/* Up to where the cache stands for a partition; 0 = from the beginning. */
int64_t cache_offset(struct cache *cache, const char *topic, int number) MUST_CHECK;
void cache_put_offset(struct cache *cache, const char *topic, int number, int64_t offset);

/* The records that the backfill of this order has met, as far as that was committed. Lost with the
 * cache. All orders of the list are forgotten together. */
bool cache_has_met(struct cache *cache, int number, const char *model, const char *integration_id,
                   const char *order, const char *id) MUST_CHECK;
void cache_put_met(struct cache *cache, int number, const char *model, const char *integration_id,
                   const char *order, const char *id);
void cache_forget_met(struct cache *cache, int number, const char *model,
                      const char *integration_id);

/* Ledger (ledger.h): what was heard of a record, in one of two generations; of an integration; how
 * often a partition number was blind. Values live until the next call. */
bool cache_heard(struct cache *cache, int number, int generation, const char *integration_id,
                 const char *model, const char *id, const void **value, size_t *length) MUST_CHECK;
void cache_put_heard(struct cache *cache, int number, int generation, const char *integration_id,
                     const char *model, const char *id, const void *value, size_t length);
void cache_drop_heard(struct cache *cache, int number, int generation, const char *integration_id);
bool cache_window(struct cache *cache, int number, const char *integration_id, const void **value,
                  size_t *length) MUST_CHECK;
void cache_put_window(struct cache *cache, int number, const char *integration_id,
                      const void *value, size_t length);
uint32_t cache_epoch(struct cache *cache, int number) MUST_CHECK;
void cache_put_epoch(struct cache *cache, int number, uint32_t epoch);

/* The record has a tombstone because no sync sees it any more (expiry.c). */
bool cache_is_expired(struct cache *cache, int number, const char *model,
                      const char *id) MUST_CHECK;
void cache_put_expired(struct cache *cache, int number, const char *model, const char *id,
                       bool expired);

/* Forgets all states of a partition number, or all parents of a model there. */
void cache_drop_states(struct cache *cache, int number);
void cache_drop_parents(struct cache *cache, int number, const char *model);

/* Makes it last. False when the disk failed: what is in here can no longer be told from what is
 * not. */
bool cache_flush(struct cache *cache) MUST_CHECK;

#endif
