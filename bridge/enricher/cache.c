#include "bridge/enricher/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/digest.h"
#include "bridge/base/memory.h"
#include "bridge/base/store.h"
#include "bridge/base/text.h"

/* Changes with the form of keys or values: an older cache is then not read. */
#define FORM "2"

struct cache {
    struct store *store;
};

/* Longer ids stand in the middle of a key as their digest. */
#define PART_MAXIMUM 128

/* A key: kind, partition number and names, or their digest where that is too long for the store. */
struct key {
    char bytes[STORE_KEY_MAXIMUM + 1];
    size_t length;
};

struct cache *cache_open(const struct config *config, const char *cluster, struct error *error)
{
    char *identity =
        memory_format(FORM "\n%s\n%s\n%s", cluster, config->topics.prefix, config->enricher.group);
    struct store *store = store_open(config->enricher.cache_dir, identity, STORE_FIRST_SIZE, error);
    free(identity);
    if (store == NULL)
        return NULL;
    struct cache *cache = memory_new(1, sizeof *cache);
    cache->store = store;
    return cache;
}

void cache_close(struct cache *cache)
{
    if (cache == NULL)
        return;
    store_close(cache->store);
    free(cache);
}

static void append(struct key *key, const char *text)
{
    size_t room = sizeof key->bytes - key->length;
    size_t length = text_copy(key->bytes + key->length, room, text);
    key->length += length < room ? length : room - 1;
}

static struct key make_key(char kind, int number, const char *first, const char *second)
{
    struct key key;
    char sha256[DIGEST_TEXT_SIZE];
    key.bytes[0] = kind;
    key.length = 1 + text_number(number, key.bytes + 1);
    append(&key, "/");
    append(&key, first);
    append(&key, "/");
    if (key.length + strlen(second) < sizeof key.bytes) {
        append(&key, second);
        return key;
    }
    append(&key, "#");
    append(&key, digest_sha256(second, strlen(second), sha256));
    return key;
}

bool cache_state(struct cache *cache, int number, const char *model, const char *id,
                 const char **text, size_t *length)
{
    struct key key = make_key('s', number, model, id);
    const void *value = NULL;
    if (!store_get(cache->store, key.bytes, key.length, &value, length))
        return false;
    *text = value;
    return true;
}

void cache_put_state(struct cache *cache, int number, const char *model, const char *id,
                     const char *text, size_t length)
{
    struct key key = make_key('s', number, model, id);
    store_put(cache->store, key.bytes, key.length, text, length);
}

cJSON *cache_parents(struct cache *cache, int number, const char *model, const char *id)
{
    struct key key = make_key('p', number, model, id);
    const void *value = NULL;
    size_t length = 0;
    return store_get(cache->store, key.bytes, key.length, &value, &length)
               ? cJSON_ParseWithLength(value, length)
               : NULL;
}

void cache_put_parents(struct cache *cache, int number, const char *model, const char *id,
                       const cJSON *parents)
{
    struct key key = make_key('p', number, model, id);
    char *text = cJSON_PrintUnformatted(parents);
    store_put(cache->store, key.bytes, key.length, text, text == NULL ? 0 : strlen(text));
    free(text);
}

int64_t cache_offset(struct cache *cache, const char *topic, int number)
{
    struct key key = make_key('o', number, topic, "");
    const void *value = NULL;
    size_t length = 0;
    int64_t offset = 0;
    if (store_get(cache->store, key.bytes, key.length, &value, &length) && length == sizeof offset)
        memcpy(&offset, value, sizeof offset);
    return offset;
}

void cache_put_offset(struct cache *cache, const char *topic, int number, int64_t offset)
{
    struct key key = make_key('o', number, topic, "");
    store_put(cache->store, key.bytes, key.length, &offset, sizeof offset);
}

/* An integration as a part of a key that more follows: short, and none begins like another. The
 * caller frees. */
static char *integration_part(const char *integration_id)
{
    char sha256[DIGEST_TEXT_SIZE];
    char digits[TEXT_NUMBER_SIZE];
    size_t length = strlen(integration_id);
    if (length > PART_MAXIMUM)
        return memory_join("#", ":", digest_sha256(integration_id, length, sha256));
    (void)text_number((int64_t)length, digits);
    return memory_join(digits, ":", integration_id);
}

static void drop_all(struct cache *cache, char kind, int number, const char *first)
{
    char *prefix = memory_format("%c%d/%s/", kind, number, first);
    store_drop(cache->store, prefix, strlen(prefix));
    free(prefix);
}

/* What the records of one list have in common. The caller frees. */
static char *met_by(const char *model, const char *integration_id)
{
    char *name = integration_part(integration_id);
    char *by = memory_join(model, "/", name);
    free(name);
    return by;
}

static struct key met_key(int number, const char *model, const char *integration_id,
                          const char *order, const char *id)
{
    char *list = met_by(model, integration_id);
    char *by = memory_format("%s/%.40s", list, order);
    struct key key = make_key('m', number, by, id);
    free(by);
    free(list);
    return key;
}

bool cache_has_met(struct cache *cache, int number, const char *model, const char *integration_id,
                   const char *order, const char *id)
{
    struct key key = met_key(number, model, integration_id, order, id);
    const void *value = NULL;
    size_t length = 0;
    return store_get(cache->store, key.bytes, key.length, &value, &length);
}

void cache_put_met(struct cache *cache, int number, const char *model, const char *integration_id,
                   const char *order, const char *id)
{
    struct key key = met_key(number, model, integration_id, order, id);
    store_put(cache->store, key.bytes, key.length, "", 0);
}

void cache_forget_met(struct cache *cache, int number, const char *model,
                      const char *integration_id)
{
    char *by = met_by(model, integration_id);
    drop_all(cache, 'm', number, by);
    free(by);
}

static struct key heard_key(int number, int generation, const char *integration_id,
                            const char *model, const char *id)
{
    char *by = integration_part(integration_id);
    char *record = memory_join(model, "/", id);
    struct key key = make_key(generation == 0 ? 'h' : 'i', number, by, record);
    free(record);
    free(by);
    return key;
}

bool cache_heard(struct cache *cache, int number, int generation, const char *integration_id,
                 const char *model, const char *id, const void **value, size_t *length)
{
    struct key key = heard_key(number, generation, integration_id, model, id);
    return store_get(cache->store, key.bytes, key.length, value, length);
}

void cache_put_heard(struct cache *cache, int number, int generation, const char *integration_id,
                     const char *model, const char *id, const void *value, size_t length)
{
    struct key key = heard_key(number, generation, integration_id, model, id);
    store_put(cache->store, key.bytes, key.length, value, length);
}

void cache_drop_heard(struct cache *cache, int number, int generation, const char *integration_id)
{
    char *by = integration_part(integration_id);
    drop_all(cache, generation == 0 ? 'h' : 'i', number, by);
    free(by);
}

bool cache_window(struct cache *cache, int number, const char *integration_id, const void **value,
                  size_t *length)
{
    struct key key = make_key('w', number, "", integration_id);
    return store_get(cache->store, key.bytes, key.length, value, length);
}

void cache_put_window(struct cache *cache, int number, const char *integration_id,
                      const void *value, size_t length)
{
    struct key key = make_key('w', number, "", integration_id);
    store_put(cache->store, key.bytes, key.length, value, length);
}

bool cache_is_expired(struct cache *cache, int number, const char *model, const char *id)
{
    struct key key = make_key('x', number, model, id);
    const void *value = NULL;
    size_t length = 0;
    return store_get(cache->store, key.bytes, key.length, &value, &length);
}

void cache_put_expired(struct cache *cache, int number, const char *model, const char *id,
                       bool expired)
{
    struct key key = make_key('x', number, model, id);
    store_put(cache->store, key.bytes, key.length, expired ? "" : NULL, 0);
}

uint32_t cache_epoch(struct cache *cache, int number)
{
    struct key key = make_key('e', number, "", "");
    const void *value = NULL;
    size_t length = 0;
    uint32_t epoch = 0;
    if (store_get(cache->store, key.bytes, key.length, &value, &length) && length == sizeof epoch)
        memcpy(&epoch, value, sizeof epoch);
    return epoch;
}

void cache_put_epoch(struct cache *cache, int number, uint32_t epoch)
{
    struct key key = make_key('e', number, "", "");
    store_put(cache->store, key.bytes, key.length, &epoch, sizeof epoch);
}

void cache_drop_states(struct cache *cache, int number)
{
    char prefix[32];
    int length = snprintf(prefix, sizeof prefix, "s%d/", number);
    store_drop(cache->store, prefix, (size_t)length);
}

void cache_drop_parents(struct cache *cache, int number, const char *model)
{
    char prefix[128];
    int length = snprintf(prefix, sizeof prefix, "p%d/%s/", number, model);
    store_drop(cache->store, prefix, (size_t)length);
}

bool cache_flush(struct cache *cache)
{
    store_flush(cache->store);
    return store_works(cache->store);
}
