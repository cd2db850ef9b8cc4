#include "tests/simulator/truth.h"

#include <stdlib.h>
#include <string.h>

struct truth {
    const struct collection *collection;
    uint32_t integration;
    bool changed_only;
    uint32_t next;
    struct text made;
    size_t sent; /* of `made` */
};

struct truth *truth_open(const struct collection *collection, uint32_t integration,
                         bool changed_only)
{
    struct truth *truth = memory_get_zeroed(1, sizeof *truth);
    truth->collection = collection;
    truth->integration = integration;
    truth->changed_only = changed_only;
    return truth;
}

static bool wanted(const struct truth *truth, const struct record *record)
{
    if (record->state == NULL || (truth->changed_only && !record->changed))
        return false;
    return truth->integration == STORE_NONE || truth->integration == record->integration;
}

ssize_t truth_read(void *context, char *room, size_t size)
{
    struct truth *truth = context;
    const struct collection *collection = truth->collection;
    if (truth->sent == truth->made.length) {
        text_clear(&truth->made);
        truth->sent = 0;
    }
    while (truth->made.length - truth->sent < size && truth->next < collection->count) {
        const struct record *record = &collection->records[truth->next++];
        if (!wanted(truth, record))
            continue;
        state_write(&truth->made, &collection->layout, record->state, 0);
        text_add(&truth->made, "\n");
    }
    size_t length = truth->made.length - truth->sent;
    if (length == 0)
        return -1;
    if (length > size)
        length = size;
    memcpy(room, truth->made.data + truth->sent, length);
    truth->sent += length;
    return (ssize_t)length;
}

void truth_close(void *context)
{
    struct truth *truth = context;
    if (truth == NULL)
        return;
    text_free(&truth->made);
    free(truth);
}
