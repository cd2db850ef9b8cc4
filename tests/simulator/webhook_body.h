#ifndef SIMULATOR_WEBHOOK_BODY_H
#define SIMULATOR_WEBHOOK_BODY_H

#include <stdbool.h>

#include "tests/simulator/options.h"
#include "tests/simulator/random.h"
#include "tests/simulator/text.h"

/* The body of a DATA_NEW or DATA_UPDATE webhook in each documented shape. */

struct webhook_event {
    bool is_new;
    const char *model;
    const char *integration; /* its id, plain */
    struct text record_id;   /* JSON text, quotes included */
    struct text vendor;      /* JSON text */
    struct text payload;     /* JSON text of the payload or of {"new", "previous"} */
    struct text job_id;      /* plain; empty until a body with one was written */
};

/* `random` decides job ids, and whether a model's name is written with hyphens. `shape` must not be
 * SHAPE_MIXED. */
void webhook_body_write(struct text *text, enum shape shape, struct webhook_event *event,
                        struct random *random);

void webhook_event_free(struct webhook_event *event);

#endif
