#include "tests/bench/bare.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bridge/base/memory.h"

static int64_t delivered;

noreturn void bare_fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(70);
}

void bare_demand(bool holds, const char *what)
{
    if (!holds)
        bare_fail(what, "failed");
}

static int64_t microseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

struct bare_clock bare_clock(void)
{
    struct rusage usage;
    struct timespec now;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct bare_clock){(int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000,
                               microseconds(usage.ru_utime) + microseconds(usage.ru_stime)};
}

void bare_report(int64_t done, struct bare_clock began)
{
    struct bare_clock ended = bare_clock();
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddNumberToObject(root, "done", (double)done);
    (void)cJSON_AddNumberToObject(root, "wall_us", (double)(ended.wall_us - began.wall_us));
    (void)cJSON_AddNumberToObject(root, "cpu_us", (double)(ended.cpu_us - began.cpu_us));
    char *text = cJSON_PrintUnformatted(root);
    (void)puts(text);
    cJSON_free(text);
    cJSON_Delete(root);
}

char **bare_lines(const char *path, size_t *count)
{
    FILE *file = fopen(path, "r");
    bare_demand(file != NULL, path);
    char **lines = NULL;
    char *line = NULL;
    size_t capacity = 0;
    *count = 0;
    while (getline(&line, &capacity, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        lines = memory_grow(lines, *count + 2, sizeof *lines);
        lines[(*count)++] = memory_text(line);
        lines[*count] = NULL;
    }
    free(line);
    (void)fclose(file);
    bare_demand(*count > 0, path);
    return lines;
}

int64_t bare_number(const char *text)
{
    char *end = NULL;
    long long number = strtoll(text, &end, 10);
    bare_demand(end != text && *end == '\0' && number >= 0, text);
    return number;
}

static const char *text_of(const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);
    bare_demand(text != NULL, "reading a message's text");
    return text;
}

struct bare_message bare_message(const char *line)
{
    cJSON *root = cJSON_Parse(line);
    struct bare_message message = {
        .topic = text_of(cJSON_GetObjectItemCaseSensitive(root, "topic")),
        .key = text_of(cJSON_GetObjectItemCaseSensitive(root, "key")),
        .value = text_of(cJSON_GetObjectItemCaseSensitive(root, "value")),
    };
    const cJSON *header = NULL;
    cJSON_ArrayForEach(header, cJSON_GetObjectItemCaseSensitive(root, "headers"))
    {
        bare_demand(message.header_count < ARRAY_LENGTH(message.headers),
                    "taking a message's headers");
        const char **pair = message.headers[message.header_count++];
        pair[0] = text_of(cJSON_GetArrayItem(header, 0));
        pair[1] = text_of(cJSON_GetArrayItem(header, 1));
    }
    return message;
}

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *context)
{
    (void)handle;
    (void)context;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        bare_fail("delivery", rd_kafka_err2str(message->err));
    delivered++;
}

int64_t bare_delivered(void)
{
    return delivered;
}

rd_kafka_t *bare_producer(const char *bootstrap, const char *linger_ms, const char *id, int events)
{
    char reason[256];
    const char *settings[][2] = {{"bootstrap.servers", bootstrap},
                                 {"enable.idempotence", "true"},
                                 {"partitioner", "murmur2_random"},
                                 {"linger.ms", linger_ms},
                                 {"transactional.id", id}};
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(configuration, on_delivery);
    rd_kafka_conf_set_events(configuration, events);
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
        if (settings[i][1] != NULL &&
            rd_kafka_conf_set(configuration, settings[i][0], settings[i][1], reason,
                              sizeof reason) != RD_KAFKA_CONF_OK)
            bare_fail(settings[i][0], reason);
    }
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, reason, sizeof reason);
    if (handle == NULL)
        bare_fail("producer", reason);
    return handle;
}

void bare_produce(rd_kafka_t *handle, const struct bare_message *message, const char *key,
                  const void *value, size_t length)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    for (size_t i = 0; i < message->header_count; i++)
        (void)rd_kafka_header_add(headers, message->headers[i][0], -1, message->headers[i][1], -1);
    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            handle, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_KEY(key, strlen(key)),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)value, length), RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            bare_fail(message->topic, rd_kafka_err2str(code));
        (void)rd_kafka_poll(handle, 10);
    }
    (void)rd_kafka_poll(handle, 0);
}
