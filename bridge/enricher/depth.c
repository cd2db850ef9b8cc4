#include "bridge/enricher/depth.h"

#include <math.h>
#include <stddef.h>

/* An event is here so long after its change, mostly. */
#define EVENT_DELAY_MS   200
#define COUNTED_EVERY_MS 200
/* Rows asked for below the deepest that is looked for. */
#define MARGIN_LEAST 3
/* What a new measurement weighs when it is a little less deep than expected: to ask too deep costs
 * rows, not deep enough a request for each record missed. */
#define LESS_DEEP 0.2F
#define SCATTERED 0.5F
/* A delay is measured when so many rows move a millisecond. */
#define RATE_LEAST    0.01F
#define DELAY_MOST_MS 2000
#define RATIO_LEAST   0.05F
#define RATIO_MOST    4.0F
#define MISPLACED     4
/* What a gap weighs is never less: a list's share may change. */
#define GAPS_MOST 4096

static uint32_t unseen_of(const struct depth *depth)
{
    return depth->behind == NULL ? 0 : depth->behind->unseen;
}

/* Rows of the list among events that were not taken in. */
static float rows_of(const struct depth *depth, uint32_t events)
{
    return depth->gap == 0 ? 0 : (float)events / depth->gap;
}

static float within(float value, float least, float most)
{
    return value < least ? least : value > most ? most : value;
}

static uint32_t end_of(const struct depth *depth)
{
    return depth->behind->taken + depth->behind->unseen;
}

/* Rows of what was not taken in, `taken` events ago. */
static float above_before(const struct depth *depth, uint32_t taken)
{
    uint32_t unseen = unseen_of(depth);
    if (unseen == 0 || !depth->measured)
        return rows_of(depth, unseen);
    float above = depth->above + rows_of(depth, end_of(depth) - depth->end);
    return within(above, 0, (float)(unseen + taken));
}

static float above_of(const struct depth *depth)
{
    return above_before(depth, 0);
}

static void keep_above(struct depth *depth, float above)
{
    depth->above = within(above, 0, (float)unseen_of(depth));
    depth->end = end_of(depth);
}

void depth_follow(struct depth *depth, const struct behind *behind)
{
    if (depth->behind == behind)
        return;
    depth->behind = behind;
    depth->taken = behind->taken;
    depth->counted_above = 0;
    depth->gaps = 0;
    depth->gap = 0;
    keep_above(depth, 0);
}

/* An event was taken in: before that its row was one of those above. */
static void note_taken(struct depth *depth)
{
    uint32_t events = depth->behind->taken - depth->taken;
    depth->taken = depth->behind->taken;
    depth->gaps += depth->gaps < GAPS_MOST;
    depth->gap += ((float)events - depth->gap) / (float)depth->gaps;
    keep_above(depth, above_before(depth, 1) - (depth->measured ? 1 : 0));
}

/* Taking a backlog in moves nothing: what comes is what lay in Kafka before. */
static void count(struct depth *depth, int64_t passed)
{
    float above = above_of(depth);
    float moved = (float)(depth->came - depth->counted) + (above - depth->counted_above);
    depth->rate = moved > 0 && passed > 0 ? moved / (float)passed : 0;
    depth->counted = depth->came;
    depth->counted_above = above;
}

void depth_moved(struct depth *depth, int64_t now_ms)
{
    int64_t passed = now_ms - depth->counted_ms;
    bool first = depth->came_ms == 0;
    depth->came++;
    depth->came_ms = now_ms;
    if (depth->behind != NULL)
        note_taken(depth);
    first |= depth->gaps == 1; /* only now it is known what lies above */
    if (!first && passed < COUNTED_EVERY_MS)
        return;
    count(depth, passed);
    depth->rate = first ? 0 : depth->rate;
    depth->counted_ms = now_ms;
}

uint32_t depth_top(const struct depth *depth)
{
    return depth->came + (uint32_t)lrintf(above_of(depth));
}

uint32_t depth_told(const struct depth *depth, uint32_t rank)
{
    return depth_top(depth) - rank;
}

float depth_rate(const struct depth *depth, int limit, int64_t now_ms)
{
    float most = (float)limit / 2 / EVENT_DELAY_MS;
    if (now_ms >= depth->came_ms + 2 * COUNTED_EVERY_MS)
        return 0;
    return !depth->measured && depth->rate > most ? most : depth->rate;
}

uint32_t depth_margin(const struct depth *depth, int limit)
{
    float rows = depth->measured ? 2 * depth->spread : (float)limit / 10;
    uint32_t most = (uint32_t)limit / 5;
    return rows >= (float)most ? most : rows < (float)MARGIN_LEAST ? MARGIN_LEAST : (uint32_t)rows;
}

static float rows_above(const struct depth *depth, float told, float rate)
{
    float rows = told * depth->ratio + rate * depth->delay_ms;
    return rows < 0 ? 0 : rows;
}

int64_t depth_expected(struct depth *depth, uint32_t rank, float rate, int64_t latency_ms)
{
    if (!depth->measured)
        depth->delay_ms = (float)(latency_ms + EVENT_DELAY_MS);
    return lrintf(rows_above(depth, (float)depth_told(depth, rank), rate));
}

void depth_found(struct depth_seen *seen, uint32_t top, uint32_t rank, int64_t row)
{
    float told = (float)(int32_t)(top - rank);
    float deeper = (float)row - told;
    seen->count++;
    seen->told += told;
    seen->deeper += deeper;
    seen->deeper_squared += deeper * deeper;
}

float depth_mean(const struct depth_seen *seen)
{
    return seen->count == 0 ? 0 : seen->deeper / (float)seen->count;
}

float depth_scatter(const struct depth_seen *seen)
{
    float mean = depth_mean(seen);
    float variance = seen->count == 0 ? 0 : seen->deeper_squared / (float)seen->count - mean * mean;
    return variance > 0 ? sqrtf(variance) : 0;
}

/* `off` rows are made up for: as far as that can be by the delay, while many rows move; else, and
 * for what is left, by the ratio. */
static void make_up(struct depth *depth, float off, float told, float rate, bool deep)
{
    if (off > 0 && deep && depth->ratio < 1) {
        float ratio = within(depth->ratio + off / told, RATIO_LEAST, 1);
        off -= (ratio - depth->ratio) * told;
        depth->ratio = ratio;
    }
    if (rate >= RATE_LEAST) {
        float delay_ms = within(depth->delay_ms + off / rate, 0, DELAY_MOST_MS);
        off -= (delay_ms - depth->delay_ms) * rate;
        depth->delay_ms = delay_ms;
    }
    if (deep)
        depth->ratio = within(depth->ratio + off / told, RATIO_LEAST, RATIO_MOST);
}

/* Most of what lies above is in Kafka: `off` more rows of it. False when it is not. */
static bool put_right(struct depth *depth, float off, float told)
{
    float above = above_of(depth);
    if (above <= told / 2)
        return false;
    keep_above(depth, above + off);
    depth->counted_above += depth->above - above; /* no row has moved */
    return true;
}

void depth_learn(struct depth *depth, const struct depth_seen *seen, uint32_t top, float rate,
                 int limit)
{
    float told = seen->told / (float)seen->count;
    float off = told + depth_mean(seen) - rows_above(depth, told, rate);
    bool little = off < 0 && off > -(float)limit / 4;
    off *= depth->measured && little ? LESS_DEEP : 1;
    /* Pages that were asked for together show the same: it is put right once. */
    float known = (float)(int32_t)(depth_top(depth) - top) * depth->ratio;
    if (!put_right(depth, off - known, told))
        make_up(depth, off, told, rate, told > 2 * (float)limit);
    depth->spread += (depth_scatter(seen) - depth->spread) * (depth->measured ? SCATTERED : 1);
    depth->measured = true;
    depth->misplaced = 0;
}

void depth_misplaced(struct depth *depth, bool below)
{
    if (!depth->measured)
        depth->ratio = within(depth->ratio * (below ? 0.5F : 1.5F), RATIO_LEAST, RATIO_MOST);
    depth->measured = false; /* so the delay is what it is thought to be at first */
    depth->misplaced += depth->misplaced < MISPLACED;
}

bool depth_lies(struct depth *depth, uint32_t rank, int64_t row, int limit)
{
    float told = (float)depth_told(depth, rank);
    if (!put_right(depth, (float)row - told * depth->ratio, told))
        return false;
    depth->spread = (float)limit / 10;
    depth->measured = true;
    depth->misplaced += depth->misplaced < MISPLACED;
    return true;
}

bool depth_is_lost(const struct depth *depth)
{
    return depth->misplaced >= MISPLACED;
}
