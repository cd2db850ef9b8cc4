#include "bridge/enricher/age.h"

#include <string.h>

#define FIRST_STEP_MS 1000

/* Every second one goes; the first, which may be the oldest that is open, stays. */
static void thin_out(struct age *age)
{
    age->step_ms *= 2;
    age->count = (age->count + 1) / 2;
    for (int i = 1; i < age->count; i++)
        age->marks[i] = age->marks[2 * i];
}

void age_take(struct age *age, int64_t offset, int64_t kafka_ms)
{
    if (age->count == 0)
        age->step_ms = FIRST_STEP_MS;
    else if (kafka_ms < age->marks[age->count - 1].kafka_ms + age->step_ms)
        return;
    if (age->count == AGE_MARKS)
        thin_out(age);
    age->marks[age->count++] = (struct age_mark){offset, kafka_ms};
}

int64_t age_oldest(struct age *age, int64_t watermark, int64_t next)
{
    int past = 0;
    if (watermark >= next) {
        age->count = 0;
        return 0;
    }
    while (past + 1 < age->count && age->marks[past + 1].offset <= watermark)
        past++;
    age->count -= past;
    memmove(age->marks, age->marks + past, (size_t)age->count * sizeof *age->marks);
    return age->count == 0 ? 0 : age->marks[0].kafka_ms;
}
