/*
 * When, by Kafka's clock, the oldest event of a partition came that is not done yet, from a few
 * marks: the time of every event is not kept. Times may go back a little from one event to the
 * next; they only inform. Pure; one thread.
 */
#ifndef BRIDGE_ENRICHER_AGE_H
#define BRIDGE_ENRICHER_AGE_H

#include <stdint.h>

#define AGE_MARKS 32

struct age {
    struct age_mark {
        int64_t offset;
        int64_t kafka_ms;
    } marks[AGE_MARKS]; /* rising in both */
    int count;
    int64_t step_ms; /* no nearer to each other than that */
};

/* `struct age age = {0};` knows of nothing. */

/* An event was taken in; its offset is above all before. */
void age_take(struct age *age, int64_t offset, int64_t kafka_ms);

/* The time of the first event from `watermark` on, or of one not long before it; 0 when nothing is
 * open: `next`, the first offset not taken, is not above the watermark. Forgets what lies before.
 */
int64_t age_oldest(struct age *age, int64_t watermark, int64_t next);

#endif
