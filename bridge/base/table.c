#include "bridge/base/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bridge/base/memory.h"

#define FIRST_CAPACITY 16

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)(uintptr_t)&seed;
}

/* FNV-1a over the seed and the key, then a finaliser so that the low bits depend on all. */
uint32_t table_hash(const void *key, size_t length)
{
    (void)pthread_once(&seed_once, make_seed);
    uint64_t hash = 0xcbf29ce484222325u ^ seed;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const unsigned char *)key)[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    return (uint32_t)(hash ^ (hash >> 32));
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->capacity && !table->borrows; i++)
        free(table->slots[i].key);
    free(table->slots);
    *table = (struct table){.borrows = table->borrows};
}

static size_t find(const struct table *table, const void *key, size_t length, uint32_t hash)
{
    size_t mask = table->capacity - 1;
    size_t i = hash & mask;
    for (;; i = (i + 1) & mask) {
        const struct table_slot *slot = &table->slots[i];
        if (slot->key == NULL)
            return i;
        if (slot->hash == hash && slot->length == length && memcmp(slot->key, key, length) == 0)
            return i;
    }
}

void *table_get(const struct table *table, const void *key, size_t length)
{
    if (table->count == 0)
        return NULL;
    return table->slots[find(table, key, length, table_hash(key, length))].value;
}

static void grow(struct table *table)
{
    struct table old = *table;
    table->capacity = old.capacity == 0 ? FIRST_CAPACITY : old.capacity * 2;
    table->slots = memory_new(table->capacity, sizeof *table->slots);
    for (size_t i = 0; i < old.capacity; i++) {
        const struct table_slot *slot = &old.slots[i];
        if (slot->key != NULL)
            table->slots[find(table, slot->key, slot->length, slot->hash)] = *slot;
    }
    free(old.slots);
}

void *table_put(struct table *table, const void *key, size_t length, void *value)
{
    if ((table->count + 1) * 5 > table->capacity * 4)
        grow(table);
    uint32_t hash = table_hash(key, length);
    struct table_slot *slot = &table->slots[find(table, key, length, hash)];
    void *old = slot->value;
    if (slot->key == NULL) {
        char *kept = table->borrows ? (char *)(uintptr_t)key : memory_text_n(key, length);
        *slot = (struct table_slot){kept, (uint32_t)length, hash, NULL};
        table->count++;
    }
    slot->value = value;
    return old;
}

/* Closes the gap at `hole`: a follower moves back unless its home lies behind the gap. */
static void shift_back(struct table *table, size_t hole)
{
    size_t mask = table->capacity - 1;
    for (size_t i = (hole + 1) & mask; table->slots[i].key != NULL; i = (i + 1) & mask) {
        size_t home = table->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }
    table->slots[hole] = (struct table_slot){0};
}

void *table_remove(struct table *table, const void *key, size_t length)
{
    if (table->count == 0)
        return NULL;
    size_t i = find(table, key, length, table_hash(key, length));
    if (table->slots[i].key == NULL)
        return NULL;
    void *old = table->slots[i].value;
    if (!table->borrows)
        free(table->slots[i].key);
    shift_back(table, i);
    table->count--;
    return old;
}

struct table_slot *table_next(const struct table *table, size_t *cursor)
{
    while (*cursor < table->capacity) {
        struct table_slot *slot = &table->slots[(*cursor)++];
        if (slot->key != NULL)
            return slot;
    }
    return NULL;
}
