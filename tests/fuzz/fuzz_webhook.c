/* A signed body: whatever is in it, it becomes exactly one message to a topic of ours, untouched.
 */
#include "tests/fuzz/fuzz.h"

#include "bridge/base/buffer.h"
#include "bridge/receiver/ingest.h"

#define PREFIX "p."

static struct config config;
static struct ingest ingest;

static void prepare(void)
{
    static char *const environment[] = {NULL};
    const char *sets[] = {"topics.prefix=p",
                          "bridge.models=units,residents,contracts,residents_to_leases"};
    struct buffer problems = buffer_new(1 << 16);
    struct error error;
    if (ingest.config != NULL)
        return;
    CHECK(config_load(&config, "/dev/null", environment, sets, ARRAY_LENGTH(sets),
                      CONFIG_NEED_NOTHING, &problems));
    struct selection *selection = selection_new(&config, &error);
    CHECK(selection != NULL);
    ingest =
        (struct ingest){.config = &config,
                        .selection = selection,
                        .topics = topics_new(&config, selection->names, selection->has_snapshots,
                                             selection->count, selection->has_assembled),
                        .random = random_from_seed(7)};
    buffer_free(&problems);
}

static void check_message(const struct message *message, const char *body, size_t length)
{
    CHECK(strncmp(message->topic, PREFIX, strlen(PREFIX)) == 0);
    CHECK(message->value == body && message->value_length == length);
    CHECK(message->partition == -1);
    CHECK(message->key == NULL ||
          (message->key_length > 0 && message->key_length <= WEBHOOK_ID_MAXIMUM));
    for (size_t i = 0; i < message->header_count; i++) {
        const struct message_header *header = &message->headers[i];
        CHECK(header->value != NULL);
        CHECK(message_find(message, header->name) == header); /* none stands twice */
    }
    CHECK(message_find(message, "ce_id") != NULL && message_find(message, "ce_type") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct ingest_result result;
    size_t length = 0;
    size_t spread = 0;
    prepare();
    bool at_path = take_byte(&input) % 2 == 1;
    char *body = take_rest(&input, &length);
    struct ingest_body told = {.bytes = body,
                               .length = length,
                               .integration_id = at_path ? "path" : NULL,
                               .time = "2026-01-31T12:00:00.000Z"};
    ingest_route(&ingest, &told, &result);
    CHECK(result.verdict == INGEST_KEEP);
    CHECK(result.status == 200 || (result.status == 400 && result.dead_letter));
    CHECK(result.dead_letter == (result.code != NULL));
    CHECK(!at_path || result.webhook.integration_id != NULL);
    check_message(&result.message, body, length);
    for (size_t i = 0; i < ingest.selection->count; i++) {
        const struct message *one = ingest_spread(&ingest, &result, i);
        if (one == NULL)
            continue;
        spread++;
        check_message(one, body, length);
    }
    CHECK(spread == (size_t)result.synced_count);
    ingest_free(&result);
    free(body);
    return 0;
}
