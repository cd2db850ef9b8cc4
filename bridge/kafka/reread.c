#include "bridge/kafka/reread.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/kafka/handle.h"

#define ANSWER_MS 10000
#define SKIP      1000 /* read on rather than fetch anew when the wanted offset is this near */

struct reread {
    struct kafka_context kafka;
    rd_kafka_t *handle;      /* made at the first use */
    rd_kafka_topic_t *topic; /* being read, with `partition`; or NULL */
    int partition;
    int64_t next; /* offset of the next message of it */
    bool exact;   /* reading began at the offset that is wanted now */
};

struct reread *reread_new(const struct kafka_context *kafka)
{
    struct reread *reread = memory_new(1, sizeof *reread);
    reread->kafka = *kafka;
    return reread;
}

static void stop(struct reread *reread)
{
    if (reread->topic == NULL)
        return;
    (void)rd_kafka_consume_stop(reread->topic, reread->partition);
    rd_kafka_topic_destroy(reread->topic);
    reread->topic = NULL;
}

void reread_free(struct reread *reread)
{
    if (reread == NULL)
        return;
    stop(reread);
    (void)kafka_close(reread->handle, 0);
    free(reread);
}

static bool open_handle(struct reread *reread, struct error *error)
{
    char none[128];
    if (reread->handle != NULL)
        return true;
    rd_kafka_conf_t *settings = kafka_settings(&reread->kafka, KAFKA_READER, error);
    if (settings == NULL)
        return false;
    (void)rd_kafka_conf_set(settings, "fetch.message.max.bytes", "65536", none, sizeof none);
    reread->handle = kafka_open(RD_KAFKA_CONSUMER, settings, error);
    return reread->handle != NULL;
}

static bool start(struct reread *reread, const char *topic, int partition, int64_t offset,
                  struct error *error)
{
    bool same = reread->topic != NULL && reread->partition == partition &&
                strcmp(rd_kafka_topic_name(reread->topic), topic) == 0;
    reread->exact = false;
    if (same && offset >= reread->next && offset - reread->next < SKIP)
        return true;
    stop(reread);
    reread->topic = rd_kafka_topic_new(reread->handle, topic, NULL);
    reread->partition = partition;
    reread->next = offset;
    reread->exact = true;
    if (reread->topic != NULL && rd_kafka_consume_start(reread->topic, partition, offset) == 0)
        return true;
    error_set(error, VERDICT_RETRY, "reading %s again: %s", topic,
              rd_kafka_err2str(rd_kafka_last_error()));
    if (reread->topic != NULL)
        rd_kafka_topic_destroy(reread->topic);
    reread->topic = NULL;
    return false;
}

bool reread_get(struct reread *reread, const char *topic, int partition, int64_t offset,
                const atomic_bool *cancel, rd_kafka_message_t **message, struct error *error)
{
    int64_t deadline = clock_ms() + ANSWER_MS;
    *message = NULL;
    if (!open_handle(reread, error) || !start(reread, topic, partition, offset, error))
        return false;
    while (!atomic_load(cancel) && clock_ms() < deadline) {
        (void)rd_kafka_poll(reread->handle, 0);
        rd_kafka_message_t *found = rd_kafka_consume(reread->topic, partition, 100);
        if (found == NULL)
            continue;
        if (found->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            reread->next = found->offset + 1;
            if (found->offset == offset) {
                *message = found;
                return true;
            }
        }
        bool gone = found->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
                    found->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                    (found->err == RD_KAFKA_RESP_ERR_NO_ERROR && found->offset > offset);
        rd_kafka_message_destroy(found);
        if (gone) {
            bool certain = reread->exact;
            stop(reread);
            /* What is no longer there may have been a message before the wanted one. */
            if (certain)
                return true;
            if (!start(reread, topic, partition, offset, error))
                return false;
        }
    }
    stop(reread);
    return error_set(error, VERDICT_RETRY, "reading %s again: Kafka does not answer", topic);
}
