#include "bridge/enricher/batch.h"

#include <stdlib.h>

#include "bridge/base/memory.h"

struct batch *batch_new(void)
{
    return memory_new(1, sizeof(struct batch));
}

static void free_item(struct item *item)
{
    free(item->record_id);
    free(item->integration_id);
    cJSON_Delete(item->record);
    free(item->state);
    free(item->text);
    free(item->sync_id);
    free(item->hashes);
    free(item->sync_checked);
    for (size_t i = 0; item->originals != NULL && i < item->claim.count; i++) {
        if (item->originals[i] != NULL)
            rd_kafka_message_destroy(item->originals[i]);
    }
    free(item->originals);
    claim_free(&item->claim);
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->count; i++)
        free_item(&batch->items[i]);
    free(batch->items);
    for (size_t i = 0; i < batch->offset_count; i++)
        free(batch->offsets[i].metadata);
    free(batch->offsets);
    membership_release(batch->membership);
    free(batch);
}

bool item_is_by_event(const struct item *item)
{
    return item->kind == ITEM_FORWARD || item->kind == ITEM_DEAD_LETTER;
}

struct item *batch_add(struct batch *batch)
{
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity == 0 ? 32 : batch->capacity * 2;
        batch->items = memory_grow(batch->items, batch->capacity, sizeof *batch->items);
    }
    struct item *item = &batch->items[batch->count++];
    *item = (struct item){0};
    return item;
}
