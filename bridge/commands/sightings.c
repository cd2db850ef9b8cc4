#include "bridge/commands/sightings.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/digest.h"
#include "bridge/base/memory.h"
#include "bridge/base/store.h"

#define IDENTITY   "verify"
#define FLUSH_PUTS 500 /* what is not yet written is in memory: a page of the store each */

#define SIGHTING 's'
#define SUSPECT  'c'

struct sightings {
    struct store *store;
    int puts;
    int64_t suspects;
};

/* As it lies in the store; the two texts follow, each terminated. */
struct stored {
    struct standing standing;
    int64_t offset;
    int32_t partition;
    uint32_t round;
    uint8_t early;
    uint8_t in_scope;
};

struct key {
    char bytes[STORE_KEY_MAXIMUM];
    size_t length;
};

struct sightings *sightings_open(struct error *error)
{
    struct store *store = store_open("", IDENTITY, STORE_FIRST_SIZE, error);
    if (store == NULL)
        return NULL;
    struct sightings *sightings = memory_new(1, sizeof *sightings);
    sightings->store = store;
    return sightings;
}

void sightings_close(struct sightings *sightings)
{
    if (sightings == NULL)
        return;
    store_close(sightings->store);
    free(sightings);
}

bool sightings_work(const struct sightings *sightings, struct error *error)
{
    return store_works(sightings->store) ||
           error_set(error, VERDICT_RETRY, "the temporary folder cannot be written (TMPDIR)");
}

/* The id itself, or its digest where it is too long to be a key. */
static struct key key_of(char kind, const char *id)
{
    char digest[DIGEST_TEXT_SIZE];
    struct key key = {.bytes = {kind}, .length = 1 + strlen(id)};
    if (key.length > STORE_KEY_MAXIMUM) {
        id = digest_sha256(id, strlen(id), digest);
        key.bytes[1] = '\0'; /* no id begins so */
        key.length = 2 + strlen(id);
        memcpy(key.bytes + 2, id, strlen(id));
        return key;
    }
    memcpy(key.bytes + 1, id, strlen(id));
    return key;
}

static void put(struct sightings *sightings, const struct key *key, const void *value,
                size_t length)
{
    store_put(sightings->store, key->bytes, key->length, value, length);
    if (++sightings->puts % FLUSH_PUTS == 0)
        store_flush(sightings->store);
}

void sighting_name(char target[WEBHOOK_ID_MAXIMUM + 1], const char *id)
{
    size_t length = id == NULL ? 0 : strlen(id);
    if (id != NULL && length <= WEBHOOK_ID_MAXIMUM)
        memcpy(target, id, length + 1);
}

static void unpack(const void *value, struct sighting *sighting)
{
    struct stored stored;
    const char *id = (const char *)value + sizeof stored;
    memcpy(&stored, value, sizeof stored);
    *sighting = (struct sighting){
        .standing = stored.standing,
        .offset = stored.offset,
        .partition = stored.partition,
        .round = stored.round,
        .early = stored.early != 0,
        .in_scope = stored.in_scope != 0,
    };
    sighting_name(sighting->id, id);
    sighting_name(sighting->integration_id, id + strlen(id) + 1);
}

bool sightings_get(struct sightings *sightings, const char *id, struct sighting *sighting)
{
    const void *value = NULL;
    size_t length = 0;
    struct key key = key_of(SIGHTING, id);
    if (store_get(sightings->store, key.bytes, key.length, &value, &length)) {
        unpack(value, sighting);
        return true;
    }
    *sighting = (struct sighting){0};
    sighting_name(sighting->id, id);
    return false;
}

void sightings_put(struct sightings *sightings, const struct sighting *sighting)
{
    char value[sizeof(struct stored) + sizeof sighting->id + sizeof sighting->integration_id];
    struct key key = key_of(SIGHTING, sighting->id);
    struct stored stored = {
        .standing = sighting->standing,
        .offset = sighting->offset,
        .partition = sighting->partition,
        .round = sighting->round,
        .early = sighting->early,
        .in_scope = sighting->in_scope,
    };
    char *end = memcpy(value, &stored, sizeof stored);
    end = stpcpy(end + sizeof stored, sighting->id) + 1;
    end = stpcpy(end, sighting->integration_id) + 1;
    put(sightings, &key, value, (size_t)(end - value));
}

/* Moves on to the next key of this kind; the value lives until the next call. */
static const void *next(struct sightings *sightings, char kind, struct sightings_cursor *cursor)
{
    const void *key = NULL;
    const void *value = NULL;
    size_t length = 0;
    size_t key_length = 0;
    if (cursor->length == 0)
        cursor->key[cursor->length++] = kind;
    if (!store_next(sightings->store, cursor->key, cursor->length, 1, &key, &key_length, &value,
                    &length))
        return NULL;
    memcpy(cursor->key, key, key_length);
    cursor->length = key_length;
    return value;
}

bool sightings_next(struct sightings *sightings, struct sightings_cursor *cursor,
                    struct sighting *sighting)
{
    const void *value = next(sightings, SIGHTING, cursor);
    if (value != NULL)
        unpack(value, sighting);
    return value != NULL;
}

bool suspects_get(struct sightings *sightings, const char *id, struct standing *standing)
{
    const void *value = NULL;
    size_t length = 0;
    struct key key = key_of(SUSPECT, id);
    if (!store_get(sightings->store, key.bytes, key.length, &value, &length))
        return false;
    memcpy(standing, value, sizeof *standing);
    return true;
}

void suspects_put(struct sightings *sightings, const char *id, struct standing standing)
{
    struct standing before;
    struct key key = key_of(SUSPECT, id);
    if (!suspects_get(sightings, id, &before))
        sightings->suspects++;
    put(sightings, &key, &standing, sizeof standing);
}

void suspects_remove(struct sightings *sightings, const char *id)
{
    struct standing before;
    struct key key = key_of(SUSPECT, id);
    if (suspects_get(sightings, id, &before))
        sightings->suspects--;
    put(sightings, &key, NULL, 0);
}

int64_t suspects_count(const struct sightings *sightings)
{
    return sightings->suspects;
}

bool suspects_next(struct sightings *sightings, struct sightings_cursor *cursor,
                   struct sighting *sighting)
{
    const void *value = NULL;
    size_t length = 0;
    if (next(sightings, SUSPECT, cursor) == NULL)
        return false;
    char kind = cursor->key[0];
    cursor->key[0] = SIGHTING; /* the same key but for its kind */
    bool found = store_get(sightings->store, cursor->key, cursor->length, &value, &length);
    cursor->key[0] = kind;
    if (found)
        unpack(value, sighting);
    return found;
}
