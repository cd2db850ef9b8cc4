#ifndef SIMULATOR_DELIVERY_H
#define SIMULATOR_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/simulator/text.h"

/* One webhook on its way. The lock of its owner (webhooks.c) guards what changes after it was made.
 */

enum delivery_outcome { DELIVERY_WAITING, DELIVERY_OK, DELIVERY_LOST, DELIVERY_DROPPED };

#define DELIVERY_SIGNATURE 64 /* hexadecimal digits */

struct delivery {
    uint64_t number;
    char *body; /* constant once made */
    size_t length;
    char signature[DELIVERY_SIGNATURE + 1];
    int64_t queued_at; /* milliseconds since 1970 */
    int64_t ended_at;
    unsigned attempts;
    unsigned status; /* of the last answer; 0 = none came */
    enum delivery_outcome outcome;
    bool late;        /* its first attempt is to fail without being sent */
    bool replay;      /* it is to be sent once more when it was delivered */
    unsigned replays; /* that came to an end */
    bool asleep;      /* late, or delivered and not yet sent once more */
    bool busy;        /* it waits or is under way */
    bool kept;        /* the history holds it: not to be freed when it ends */
    struct delivery *next;
};

/* Takes the body and signs it: lower-case hex HMAC-SHA256 with the secret as plain bytes. */
struct delivery *delivery_create(uint64_t number, struct text *body, const char *secret);
void delivery_destroy(struct delivery *delivery);

/* A constant word. */
const char *delivery_outcome_name(enum delivery_outcome outcome);

/* Appends it as a JSON object. */
void delivery_write(struct text *text, const struct delivery *delivery);

#endif
