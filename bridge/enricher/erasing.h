/* What erasing.c and those who give its orders agree upon. */
#ifndef BRIDGE_ENRICHER_ERASING_H
#define BRIDGE_ENRICHER_ERASING_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"

/* The name of an erasure on the state topic, whose key is <model>/<record id>/<this>. */
#define ERASED_NAME "erased:"

/* Headers of an order, and what they say. */
#define ERASE_HEADER "erase"
#define ERASED       "ERASED" /* the trigger of a tombstone that comes of it */
#define ERASE_SET    "set"
#define ERASE_LIFT   "lift"
#define ERASE_ASK    "ask" /* changes nothing: the answer shows that all earlier orders are done */

#define ERASE_ORDER_SIZE 33

/* What the state topic says of a record in a partition number: whether it is kept out, and which
 * order was the last. False when it is not that. */
bool erasure_read(const char *text, size_t length, bool *kept_out,
                  char order[ERASE_ORDER_SIZE]) MUST_CHECK;

#endif
