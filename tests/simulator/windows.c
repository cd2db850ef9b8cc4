#include "tests/simulator/windows.h"

#include <inttypes.h>

void windows_count(struct windows *windows, uint64_t number, enum request_kind kind, bool limited)
{
    struct window *last =
        &windows->items[(windows->made + WINDOWS_KEPT_MAX - 1) % WINDOWS_KEPT_MAX];
    if (windows->made == 0 || last->number != number) {
        last = &windows->items[windows->made++ % WINDOWS_KEPT_MAX];
        *last = (struct window){.number = number};
    }
    if (limited)
        last->limited++;
    else
        last->answered[kind]++;
}

void windows_write(struct text *text, const struct windows *windows, int64_t started_at,
                   uint64_t length_ms)
{
    uint64_t count = windows->made < WINDOWS_KEPT_MAX ? windows->made : WINDOWS_KEPT_MAX;
    text_add(text, "[");
    for (uint64_t i = windows->made - count; i < windows->made; i++) {
        const struct window *window = &windows->items[i % WINDOWS_KEPT_MAX];
        text_format(text, "%s{\"number\":%" PRIu64 ",\"began_at\":%" PRId64,
                    i > windows->made - count ? "," : "", window->number,
                    started_at + (int64_t)(window->number * length_ms));
        text_format(text, ",\"id\":%" PRIu64 ",\"list\":%" PRIu64 ",\"diffs\":%" PRIu64,
                    window->answered[REQUEST_ID], window->answered[REQUEST_LIST],
                    window->answered[REQUEST_DIFFS]);
        text_format(
            text, ",\"webhooks\":%" PRIu64 ",\"other\":%" PRIu64 ",\"limited\":%" PRIu64 "}",
            window->answered[REQUEST_WEBHOOKS], window->answered[REQUEST_OTHER], window->limited);
    }
    text_add(text, "]");
}
