/*
 * Messages that are produced as fast as librdkafka takes them: bare_producer BOOTSTRAP LINGER_MS
 * FILE COUNT. FILE has messages, one a line (see bare.h); they are repeated until COUNT were
 * written. A first round of them is not measured.
 */
#include "tests/bench/bare.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"

#define FLUSH_MS 60000

static void produce(rd_kafka_t *handle, const struct bare_message *messages, size_t known,
                    int64_t count)
{
    int64_t before = bare_delivered();
    for (int64_t i = 0; i < count; i++) {
        const struct bare_message *message = &messages[(size_t)i % known];
        bare_produce(handle, message, message->key, message->value, strlen(message->value));
    }
    bare_demand(rd_kafka_flush(handle, FLUSH_MS) == RD_KAFKA_RESP_ERR_NO_ERROR, "flush");
    bare_demand(bare_delivered() - before == count, "counting as many reports as messages");
}

int main(int argc, char **argv)
{
    size_t known = 0;
    bare_demand(argc == 5, "bare_producer BOOTSTRAP LINGER_MS FILE COUNT");
    char **lines = bare_lines(argv[3], &known);
    struct bare_message *messages = memory_new(known, sizeof *messages);
    for (size_t i = 0; i < known; i++)
        messages[i] = bare_message(lines[i]);
    rd_kafka_t *handle = bare_producer(argv[1], argv[2], NULL, 0);
    produce(handle, messages, known, (int64_t)known);
    struct bare_clock began = bare_clock();
    int64_t count = bare_number(argv[4]);
    produce(handle, messages, known, count);
    bare_report(count, began);
    rd_kafka_destroy(handle);
    return EXIT_SUCCESS;
}
