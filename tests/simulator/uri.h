#ifndef SIMULATOR_URI_H
#define SIMULATOR_URI_H

#include <stdbool.h>
#include <stddef.h>

/* A request's target, taken apart. An all-zero struct is empty. */

#define URI_PARAMETERS_MAX 32

struct uri_parameter {
    char *name; /* decoded */
    char *value;
};

struct uri {
    char *path;  /* as it came, without the query */
    char *query; /* as it came; NULL = none */
    struct uri_parameter parameters[URI_PARAMETERS_MAX];
    unsigned count;
};

/*
 * False when the target has a character that RFC 3986 allows in none (a client must encode it), a
 * broken %, or too many parameters. uri_free() either way.
 */
bool uri_parse(struct uri *uri, const char *target);
void uri_free(struct uri *uri);

/* NULL when there is no parameter of that name. */
const char *uri_value(const struct uri *uri, const char *name);

/* One segment of a path, decoded; the caller frees it. NULL when it holds a raw slash, a broken %
 * or an encoded zero. */
char *uri_decode_segment(const char *segment, size_t *length);

#endif
