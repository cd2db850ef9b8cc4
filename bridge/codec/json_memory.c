#include "bridge/codec/json_memory.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bridge/base/memory.h"

/* Empty blocks that keep their memory: what a busy enricher goes through between two batches. */
#define KEPT_MOST 512
/* A piece of more than this goes to malloc. */
#define PIECE_MOST (JSON_MEMORY_BLOCK / 4)
/* What a thread's own block counts beside its pieces, of which there are fewer. */
#define OWN  ((uint32_t)1 << 30)
#define NONE UINT32_MAX

struct list { /* of empty blocks */
    uint32_t first;
    size_t count;
};

static struct {
    char *base;
    size_t size;             /* 0 = there is no stretch */
    _Atomic uint32_t *lives; /* by block: its pieces that are not freed */
    uint32_t *next;          /* by block: in a list of empty ones */
    pthread_mutex_t lock;    /* guards what follows, and `next` */
    struct list warm;        /* that have memory */
    struct list cold;
    uint32_t fresh; /* the first that never was in use */
} stretch = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The block that the thread is filling. */
static _Thread_local struct {
    bool open;
    bool has_block;
    uint32_t block;
    uint32_t given; /* pieces */
    char *at;
    char *end;
    uint32_t freed_of; /* pieces of this block were freed here, one after the other, */
    uint32_t freed;    /* so many, which it does not know of yet */
} own;

static uint32_t take_first(struct list *list)
{
    uint32_t block = list->first;
    if (block != NONE) {
        list->first = stretch.next[block];
        list->count--;
    }
    return block;
}

static void put_first(struct list *list, uint32_t block)
{
    stretch.next[block] = list->first;
    list->first = block;
    list->count++;
}

/* NONE when all are in use. */
static uint32_t take_block(void)
{
    (void)pthread_mutex_lock(&stretch.lock);
    uint32_t block = take_first(&stretch.warm);
    if (block == NONE)
        block = take_first(&stretch.cold);
    if (block == NONE && stretch.fresh < stretch.size / JSON_MEMORY_BLOCK)
        block = stretch.fresh++;
    (void)pthread_mutex_unlock(&stretch.lock);
    return block;
}

static char *start_of(uint32_t block)
{
    return stretch.base + (size_t)block * JSON_MEMORY_BLOCK;
}

static void give_back(uint32_t block)
{
    (void)pthread_mutex_lock(&stretch.lock);
    bool keeps = stretch.warm.count < KEPT_MOST;
    if (keeps)
        put_first(&stretch.warm, block);
    (void)pthread_mutex_unlock(&stretch.lock);
    if (keeps)
        return;
    (void)madvise(start_of(block), JSON_MEMORY_BLOCK, MADV_DONTNEED);
    (void)pthread_mutex_lock(&stretch.lock);
    put_first(&stretch.cold, block);
    (void)pthread_mutex_unlock(&stretch.lock);
}

static void drop(uint32_t block, uint32_t pieces)
{
    if (pieces == 0)
        return;
    if (atomic_fetch_sub_explicit(&stretch.lives[block], pieces, memory_order_acq_rel) == pieces)
        give_back(block);
}

static void fill_from_start(uint32_t block)
{
    atomic_store_explicit(&stretch.lives[block], OWN, memory_order_relaxed);
    own.has_block = true;
    own.block = block;
    own.given = 0;
    own.at = start_of(block);
    own.end = own.at + JSON_MEMORY_BLOCK;
}

static bool change_block(void)
{
    if (own.has_block)
        drop(own.block, OWN - own.given);
    own.has_block = false;
    own.at = own.end = NULL;
    uint32_t block = take_block();
    if (block == NONE)
        return false;
    fill_from_start(block);
    return true;
}

static void *allocate(size_t size)
{
    if (!own.open || size > PIECE_MOST)
        return memory_bytes(size);
    size = (size + 7) & ~(size_t)7;
    if ((size_t)(own.end - own.at) < size && !change_block())
        return memory_bytes(size);
    void *piece = own.at;
    own.at += size;
    own.given++;
    return piece;
}

/* A tree's pieces lie and are freed one behind the other: a block is told of many at once. */
static void note_freed(uint32_t block)
{
    if (block != own.freed_of) {
        drop(own.freed_of, own.freed);
        own.freed_of = block;
        own.freed = 0;
    }
    own.freed++;
}

static void release(void *piece)
{
    size_t offset = (size_t)((uintptr_t)piece - (uintptr_t)stretch.base);
    if (offset >= stretch.size)
        free(piece);
    else
        note_freed((uint32_t)(offset / JSON_MEMORY_BLOCK));
}

static void reserve(size_t size)
{
    size_t blocks = size / JSON_MEMORY_BLOCK;
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return;
    stretch.base = base;
    stretch.size = blocks * JSON_MEMORY_BLOCK;
    stretch.lives = memory_new(blocks, sizeof *stretch.lives);
    stretch.next = memory_new(blocks, sizeof *stretch.next);
    stretch.warm.first = stretch.cold.first = NONE;
}

void json_memory_install(size_t size)
{
    cJSON_Hooks hooks = {.malloc_fn = allocate, .free_fn = release};
    cJSON_InitHooks(&hooks);
    if (size > 0)
        reserve(size);
}

/* Where all of the thread's last trees are deleted their block is filled anew: it is in the
 * processor's caches. */
void json_memory_begin(void)
{
    own.open = stretch.size > 0;
    drop(own.freed_of, own.freed);
    own.freed = 0;
    if (own.has_block && own.given > 0 &&
        atomic_load_explicit(&stretch.lives[own.block], memory_order_acquire) == OWN - own.given)
        fill_from_start(own.block);
}

void json_memory_end(void)
{
    own.open = false;
}

size_t json_memory_used(void)
{
    (void)pthread_mutex_lock(&stretch.lock);
    size_t used = stretch.fresh - stretch.warm.count - stretch.cold.count;
    (void)pthread_mutex_unlock(&stretch.lock);
    return used;
}
