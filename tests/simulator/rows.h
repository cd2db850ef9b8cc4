#ifndef SIMULATOR_ROWS_H
#define SIMULATOR_ROWS_H

#include <stddef.h>

#include "tests/simulator/models.h"

/* Rows for the tables of models: TEXT("status", MAYBE, OF(statuses)). */

#define TEXT(field_name, ...)                                 \
    {                                                         \
        .name = field_name, .type = FIELD_STRING, __VA_ARGS__ \
    }
#define NUMBER(field_name, ...)                               \
    {                                                         \
        .name = field_name, .type = FIELD_NUMBER, __VA_ARGS__ \
    }
#define INTEGER(field_name, ...)                               \
    {                                                          \
        .name = field_name, .type = FIELD_INTEGER, __VA_ARGS__ \
    }
#define BOOLEAN(field_name, ...)                               \
    {                                                          \
        .name = field_name, .type = FIELD_BOOLEAN, __VA_ARGS__ \
    }
#define OBJECT(field_name, ...)                               \
    {                                                         \
        .name = field_name, .type = FIELD_OBJECT, __VA_ARGS__ \
    }
#define STRINGS(field_name, ...)                               \
    {                                                          \
        .name = field_name, .type = FIELD_STRINGS, __VA_ARGS__ \
    }
#define LIST(field_name, ...)                               \
    {                                                       \
        .name = field_name, .type = FIELD_LIST, __VA_ARGS__ \
    }
#define END          \
    {                \
        .name = NULL \
    }

#define MAYBE      .nullable = true
#define OF(values) .choices = values

/* A table of fields; the members of a list's objects; a list's query keys beside those that all
 * lists have. */
#define FIELDS(...)        \
    (const struct field[]) \
    {                      \
        __VA_ARGS__, END   \
    }
#define ITEMS(name, ...) static const struct field name[] = {__VA_ARGS__, END}
#define QUERIES(...)                                     \
    (const char *const[])                                \
    {                                                    \
        "order-by", "offset", "limit", __VA_ARGS__, NULL \
    }

#endif
