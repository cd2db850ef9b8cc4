#include "bridge/commands/replay_progress.h"

#include <stdlib.h>

#include "bridge/base/memory.h"

const char *replay_progress_begin(struct replay_progress *progress,
                                  const struct committed *committed, int64_t low)
{
    const char *reason = NULL;
    *progress = (struct replay_progress){
        .point = {.position = committed->offset < low ? low : committed->offset,
                  .lowest_left = -1,
                  .highest_left = -1}};
    if (committed->metadata != NULL)
        progress->told = marks_read(committed->metadata, committed->metadata_length,
                                    committed->offset, &progress->told_count, &reason);
    return reason;
}

void replay_progress_free(struct replay_progress *progress)
{
    free(progress->told);
    free(progress->sent);
    *progress = (struct replay_progress){0};
}

bool replay_progress_knows(struct replay_progress *progress, int64_t offset)
{
    struct replay_point *point = &progress->point;
    while (point->told_next < progress->told_count && progress->told[point->told_next].to <= offset)
        point->told_next++;
    return point->told_next < progress->told_count &&
           progress->told[point->told_next].from <= offset;
}

/* Keeps the last run also in the point, so that a way back finds it as it was. */
static void put_last(struct replay_progress *progress, struct marks_run run)
{
    progress->sent[progress->point.sent_count - 1] = run;
    progress->point.last = run;
}

static void add_sent(struct replay_progress *progress, int64_t from, int64_t to)
{
    struct replay_point *point = &progress->point;
    if (point->sent_count > 0 && point->last.to >= from) {
        put_last(progress, (struct marks_run){point->last.from, to});
        return;
    }
    if (point->sent_count == progress->sent_capacity) {
        progress->sent_capacity = progress->sent_capacity == 0 ? 64 : 2 * progress->sent_capacity;
        progress->sent =
            memory_grow(progress->sent, progress->sent_capacity, sizeof *progress->sent);
    }
    point->sent_count++;
    put_last(progress, (struct marks_run){from, to});
}

void replay_progress_settle(struct replay_progress *progress, int64_t offset, bool sent)
{
    struct replay_point *point = &progress->point;
    if (!sent) {
        if (point->lowest_left < 0)
            point->lowest_left = offset;
        point->highest_left = offset;
    } else if (point->lowest_left >= 0) {
        add_sent(progress, point->highest_left + 1, offset + 1);
    }
    point->position = offset + 1;
}

void replay_progress_reach(struct replay_progress *progress, int64_t next)
{
    if (next > progress->point.position)
        progress->point.position = next;
}

void replay_progress_return(struct replay_progress *progress, const struct replay_point *point)
{
    progress->point = *point;
    if (point->sent_count > 0)
        progress->sent[point->sent_count - 1] = point->last;
}

/* The part of a run of an earlier replay that is not settled yet. */
static struct marks_run rest_of(const struct replay_progress *progress, size_t place)
{
    struct marks_run run = progress->told[place];
    if (run.from < progress->point.position)
        run.from = progress->point.position;
    return run;
}

/* Adds a run, or counts it once one has found no room. */
static void tell(struct marks *marks, struct marks_run run, int64_t *forgotten)
{
    if (*forgotten > 0 || !marks_add(marks, run.from, run.to))
        *forgotten += run.to - run.from;
}

char *replay_progress_text(const struct replay_progress *progress, int64_t *watermark,
                           int64_t *forgotten)
{
    const struct replay_point *point = &progress->point;
    struct marks marks;
    size_t next = point->told_next;
    *forgotten = 0;
    *watermark = point->lowest_left >= 0 ? point->lowest_left : point->position;
    for (; next < progress->told_count; next++) {
        struct marks_run run = rest_of(progress, next);
        if (run.from >= run.to)
            continue;
        if (point->lowest_left >= 0 || run.from > *watermark)
            break;
        *watermark = run.to;
    }
    marks_begin(&marks, *watermark, MARKS_TEXT_MAXIMUM);
    for (size_t i = 0; i < point->sent_count; i++)
        tell(&marks, progress->sent[i], forgotten);
    for (; next < progress->told_count; next++) {
        struct marks_run run = rest_of(progress, next);
        if (run.from < run.to)
            tell(&marks, run, forgotten);
    }
    return marks_text(&marks);
}
