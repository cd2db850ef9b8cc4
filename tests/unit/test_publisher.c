/* The publisher's thread on librdkafka's mock cluster: a revocation does not wait for a broker that
 * is silent, whatever it was asked, and what is given afterwards is published all the same. */
#include "tests/unit/enricher_fixture.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/enricher/publisher.h"

#define WAIT_MS    30000
#define SILENCE_MS 2000

/* Requests of the protocol, in the order of a transaction. */
enum { ADD_PARTITIONS = 24, PRODUCE = 0, ADD_OFFSETS = 25, COMMIT_OFFSETS = 28, END = 26 };

struct bench {
    struct config config;
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct selection *selection;
    struct topics *topics;
    struct membership *membership;
    struct publisher *publisher;
};

static int setup(void **state)
{
    static struct bench bench;
    struct error error;
    char reason[256];
    *state = &bench;
    log_set_level(LOG_ERROR);
    bench.selection = open_selection(&bench.config, "bridge.models=residents");
    bench.topics = topics_new(&bench.config, bench.selection->names, bench.selection->has_snapshots,
                              bench.selection->count, bench.selection->has_assembled);
    bench.topics->partitions = 1;
    bench.handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    bench.cluster = rd_kafka_mock_cluster_new(bench.handle, 1);
    const char *const names[] = {bench.topics->events[0], bench.topics->snapshots[0]};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (rd_kafka_mock_topic_create(bench.cluster, names[i], 1, 1) != RD_KAFKA_RESP_ERR_NO_ERROR)
            return 1;
    }
    struct kafka_context kafka = {&bench.config, rd_kafka_mock_cluster_bootstraps(bench.cluster)};
    bench.membership = membership_new(rd_kafka_consumer_group_metadata_new("group"));
    bench.publisher = publisher_new(&kafka, bench.topics, bench.selection, &error);
    return bench.publisher == NULL;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    publisher_free(bench->publisher);
    membership_release(bench->membership);
    topics_free(bench->topics);
    selection_free(bench->selection);
    rd_kafka_mock_cluster_destroy(bench->cluster);
    rd_kafka_destroy(bench->handle);
    config_free(&bench->config);
    return 0;
}

static void give(struct bench *bench, uint32_t serial)
{
    struct batch *batch = batch_new();
    struct item *item = batch_add(batch);
    item->kind = ITEM_TOMBSTONE;
    item->slot = -1;
    item->record_id = memory_text("r-1");
    item->integration_id = memory_text("intg-1");
    batch->serial = serial;
    batch->offsets = memory_new(1, sizeof *batch->offsets);
    batch->offsets[0] = (struct batch_offset){.watermark = serial};
    batch->offset_count = 1;
    batch->membership = membership_share(bench->membership);
    publisher_give(bench->publisher, batch);
}

static void await_committed(struct bench *bench, uint32_t serial)
{
    struct batch *batch = NULL;
    enum publisher_outcome outcome;
    struct error error;
    int64_t until_ms = clock_ms() + WAIT_MS;
    while (batch == NULL && clock_ms() < until_ms) {
        struct pollfd readable = {.fd = publisher_fd(bench->publisher), .events = POLLIN};
        (void)poll(&readable, 1, 100);
        batch = publisher_take(bench->publisher, &outcome, &error);
    }
    assert_non_null(batch);
    assert_int_equal(batch->serial, serial);
    assert_int_equal(outcome, PUBLISHER_COMMITTED);
    batch_free(batch);
}

static void test_revocation_while_kafka_is_silent(void **state)
{
    static const int16_t REQUESTS[] = {ADD_PARTITIONS, PRODUCE, ADD_OFFSETS, COMMIT_OFFSETS, END};
    struct bench *bench = *state;
    for (uint32_t i = 0; i < ARRAY_LENGTH(REQUESTS); i++) {
        uint32_t serial = 3 * i;
        give(bench, serial);
        await_committed(bench, serial);
        assert_int_equal(
            rd_kafka_mock_broker_push_request_error_rtts(bench->cluster, 1, REQUESTS[i], 1,
                                                         RD_KAFKA_RESP_ERR_NO_ERROR, SILENCE_MS),
            RD_KAFKA_RESP_ERR_NO_ERROR);
        give(bench, serial + 1);
        clock_rest(300); /* it is under way by now */
        int64_t began_ms = clock_ms();
        publisher_revoke(bench->publisher);
        int64_t took_ms = clock_ms() - began_ms;
        if (took_ms >= 1000)
            fail_msg("request %d: %d ms", REQUESTS[i], (int)took_ms);
        give(bench, serial + 2);
        await_committed(bench, serial + 2); /* and not the one before */
        assert_int_equal(publisher_busy(bench->publisher), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_revocation_while_kafka_is_silent)};
    return cmocka_run_group_tests_name("publisher", tests, setup, teardown);
}
