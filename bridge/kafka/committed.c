#include "bridge/kafka/committed.h"

#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/kafka/handle.h"

#define ANSWER_MS 10000

static rd_kafka_t *open_handle(const struct kafka_context *kafka, const char *group,
                               struct error *error)
{
    char reason[256];
    rd_kafka_conf_t *settings = kafka_settings(kafka, KAFKA_READER, error);
    if (settings == NULL)
        return NULL;
    if (rd_kafka_conf_set(settings, "group.id", group, reason, sizeof reason) != RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(settings);
        (void)error_set(error, VERDICT_CONFIGURATION, "group %s: %s", group, reason);
        return NULL;
    }
    return kafka_open(RD_KAFKA_CONSUMER, settings, error);
}

static struct committed copy(const rd_kafka_topic_partition_t *element)
{
    struct committed committed = {.offset = element->offset < 0 ? -1 : element->offset};
    size_t length = element->metadata == NULL ? 0 : element->metadata_size;
    if (length > 0 && ((const char *)element->metadata)[length - 1] == '\0')
        length--;
    if (committed.offset < 0 || length == 0)
        return committed;
    committed.metadata = memory_text_n(element->metadata, length);
    committed.metadata_length = length;
    return committed;
}

static rd_kafka_resp_err_t read_list(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t code = rd_kafka_committed(handle, list, ANSWER_MS);
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        code = list->elems[i].err;
    return code;
}

bool committed_read(const struct kafka_context *kafka, const char *group, const char *topic,
                    int count, struct committed *list, struct error *error)
{
    rd_kafka_t *handle = open_handle(kafka, group, error);
    if (handle == NULL)
        return false;
    rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++)
        (void)rd_kafka_topic_partition_list_add(partitions, topic, i);
    rd_kafka_resp_err_t code = read_list(handle, partitions);
    for (int i = 0; i < count && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        list[i] = copy(&partitions->elems[i]);
    rd_kafka_topic_partition_list_destroy(partitions);
    (void)kafka_close(handle, 0);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           error_set(error, VERDICT_RETRY, "reading what group %s has committed: %s", group,
                     rd_kafka_err2str(code));
}
