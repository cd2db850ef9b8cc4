#include "tests/simulator/order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/store.h"
#include "tests/simulator/text.h"

struct sorting {
    const struct record *records;
    enum stamp stamp;
};

static int compare(const struct sorting *sorting, uint32_t a, uint32_t b)
{
    int64_t first = sorting->records[a].stamps[sorting->stamp];
    int64_t second = sorting->records[b].stamps[sorting->stamp];
    if (first != second)
        return first < second ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int compare_items(const void *a, const void *b, void *sorting)
{
    return compare(sorting, *(const uint32_t *)a, *(const uint32_t *)b);
}

void order_append(struct order *order, uint32_t item)
{
    if (order->count == order->capacity) {
        order->capacity = order->capacity > 0 ? order->capacity * 2 : 16;
        order->items = memory_resize(order->items, order->capacity, sizeof order->items[0]);
    }
    order->items[order->count++] = item;
}

void order_sort(struct order *order, const struct record *records, enum stamp stamp)
{
    struct sorting sorting = {records, stamp};
    if (order->count > 1)
        qsort_r(order->items, order->count, sizeof order->items[0], compare_items, &sorting);
}

/* The place of the first item that is not less. */
static size_t find(const struct order *order, const struct sorting *sorting, uint32_t item)
{
    size_t low = 0;
    size_t high = order->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(sorting, order->items[middle], item) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void order_insert(struct order *order, const struct record *records, enum stamp stamp,
                  uint32_t item)
{
    struct sorting sorting = {records, stamp};
    size_t place = find(order, &sorting, item);
    order_append(order, item);
    uint32_t *at = order->items + place;
    memmove(at + 1, at, (order->count - 1 - place) * sizeof *at);
    *at = item;
}

void order_remove(struct order *order, const struct record *records, enum stamp stamp,
                  uint32_t item)
{
    struct sorting sorting = {records, stamp};
    size_t place = find(order, &sorting, item);
    if (place == order->count || order->items[place] != item)
        return;
    uint32_t *at = order->items + place;
    order->count--;
    memmove(at, at + 1, (order->count - place) * sizeof *at);
}

void order_free(struct order *order)
{
    free(order->items);
    *order = (struct order){0};
}
