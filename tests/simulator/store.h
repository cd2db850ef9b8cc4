#ifndef SIMULATOR_STORE_H
#define SIMULATOR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/simulator/options.h"
#include "tests/simulator/order.h"
#include "tests/simulator/state.h"
#include "tests/simulator/values.h"

/*
 * The truth: all records of all models. One thread owns it; what it hands out lives until that
 * record's next change.
 *
 * The read sequence counts every read and every change. A read takes its number and its state in
 * one step, so of two answers that show the same record, the one with the higher number never shows
 * an older state.
 */

struct record {
    struct state *state;        /* NULL = deleted */
    struct state *previous;     /* kept only for the stale-first fault */
    uint64_t previous_sequence; /* the last number at which `previous` was true */
    int64_t stamps[STAMPS];
    uint32_t index; /* what its id and its style of writing come from */
    uint32_t integration;
    bool changed; /* changed or made since the start */
};

struct collection {
    struct layout layout;
    struct record *records; /* in the order they were made; a deleted one keeps its place */
    uint32_t count;
    uint32_t capacity;
    uint32_t alive;
    uint32_t *table; /* by id: record + 1, 0 = empty */
    uint32_t table_size;
    struct order orders[STAMPS];
    struct order *by_integration;     /* [integration * STAMPS + stamp] */
    bool assembled[MODEL_FIELDS_MAX]; /* lists that family.c makes of other records */
};

struct store {
    struct values values;
    uint64_t created_ties;
    struct collection collections[MODELS_MAX];
    unsigned count;
    char **integrations; /* their ids */
    uint64_t sequence;
    int64_t last_stamp;
    bool keep_previous;
    struct family *family;
};

#define STORE_RECORDS_MAX UINT32_C(16000000) /* of one model, those made later included */
#define STORE_NONE        UINT32_MAX

/* Makes all records that the options ask for. Never NULL. */
struct store *store_create(const struct options *options);
void store_destroy(struct store *store);

/* NULL when that model is not simulated. */
struct collection *store_collection(struct store *store, const char *model);

/* The collection whose list has exactly this path; NULL when none has. */
struct collection *store_by_list_path(struct store *store, const char *path);

/* The collection whose records are read below this path; *id is set to what follows. The longest
 * path wins. */
struct collection *store_by_id_path(struct store *store, const char *path, const char **id);

/* The record's number, or STORE_NONE. */
uint32_t store_find(const struct collection *collection, const char *id, size_t length);

/* The integration's number, or STORE_NONE. */
uint32_t store_integration(const struct store *store, const char *id);

/* A number for a read that happens now. */
uint64_t store_read(struct store *store);

/* Milliseconds since 1970, never lower than before: what a change is stamped with. */
int64_t store_now(struct store *store);

/* Appends the moment as this record writes moments. */
void store_write_stamp(struct text *text, const struct record *record, int64_t moment);

/* Changes a record; its place in the lists follows its stamps. */
void store_replace(struct store *store, struct collection *collection, uint32_t number,
                   const struct replacement *replacements, unsigned count);

/* Makes a record of that integration now. STORE_NONE when there are STORE_RECORDS_MAX. */
uint32_t store_insert(struct store *store, struct collection *collection, uint32_t integration);

/* The record becomes unknown. */
void store_delete(struct store *store, struct collection *collection, uint32_t number);

#endif
