/* The name of an erasure on the state topic, whose key is <model>/<record id>/<this>; also for
 * whoever follows an order. */
#ifndef BRIDGE_ENRICHER_ERASING_H
#define BRIDGE_ENRICHER_ERASING_H

#define ERASED_NAME "erased:"

/* Headers of an order, and what they say. */
#define ERASE_HEADER "erase"
#define ERASE_SET    "set"
#define ERASE_LIFT   "lift"

#endif
