#include "bridge/http/drain.h"

void drain_begin(struct drain *drain, int64_t now_ms)
{
    if (drain->phase == DRAIN_SERVING)
        *drain = (struct drain){DRAIN_LEAVING, now_ms};
}

static bool is_over(const struct drain *drain, const struct drain_view *view)
{
    int64_t lasts_ms = view->now_ms - drain->since_ms;
    switch (drain->phase) {
    case DRAIN_LEAVING:
        return view->hurry || lasts_ms >= DRAIN_GRACE_MS ||
               view->now_ms - view->came_ms >= DRAIN_QUIET_MS;
    case DRAIN_REFUSING:
        return lasts_ms >= DRAIN_HANDSHAKE_MS && view->queue_empty;
    case DRAIN_CLOSED:
        return view->unanswered == 0 && (view->connections == 0 || lasts_ms >= DRAIN_LINGER_MS);
    case DRAIN_SERVING:
    case DRAIN_OVER:
        break;
    }
    return false;
}

bool drain_advance(struct drain *drain, const struct drain_view *view)
{
    if (!is_over(drain, view))
        return false;
    *drain = (struct drain){drain->phase + 1, view->now_ms};
    return true;
}
