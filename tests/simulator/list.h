#ifndef SIMULATOR_LIST_H
#define SIMULATOR_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/random.h"
#include "tests/simulator/store.h"
#include "tests/simulator/text.h"
#include "tests/simulator/uri.h"

/* A page of a model's list: paging, ordering and filters as the API documents them. */

#define LIST_LIMIT_STANDARD 100
#define LIST_LIMIT_MAX      250

struct list_filter {
    unsigned slot;
    const char *value; /* of the uri, decoded */
};

struct list_query {
    uint64_t offset;
    uint64_t limit;
    enum stamp stamp;
    bool descending;
    bool by_integration;
    uint32_t integration; /* STORE_NONE = one that does not exist */
    struct list_filter filters[URI_PARAMETERS_MAX];
    unsigned filter_count;
    bool ranged[STAMPS];
    int64_t least[STAMPS];
    int64_t most[STAMPS];
};

/* What a page says of itself. */
struct list_meta {
    uint64_t offset;
    uint64_t limit;
    const char *key; /* of the order */
    bool descending;
    bool more;
    uint64_t total;
    uint64_t sequence;
};

/* Reads `offset` or `limit`; false when the parameter is neither. *problem is set when its value
 * cannot be. */
bool list_read_paging(const struct uri_parameter *parameter, uint64_t *offset, uint64_t *limit,
                      const char **problem);

/* Appends {"meta": {...}, "results": [ */
void list_write_meta(struct text *text, const struct list_meta *meta);

/* Reads the query string. On false *problem says what the API would refuse; the text is constant.
 */
bool list_parse(struct list_query *query, const struct store *store,
                const struct collection *collection, const struct uri *uri, bool extended,
                const char **problem);

/*
 * Appends {"meta", "results"} with every record stamped with `sequence`. Records that the key
 * leaves equal are in another order each time when `shuffle` is given, else in the order they were
 * made.
 */
void list_write(struct text *text, const struct collection *collection,
                const struct list_query *query, uint64_t sequence, struct random *shuffle);

#endif
