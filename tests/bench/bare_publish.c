/*
 * Pages of the API that are parsed, encoded and produced in transactions by cJSON, avro-c and
 * librdkafka alone: bare_publish BOOTSTRAP LINGER_MS MODEL SCHEMA_ID MESSAGE FILE COUNT. FILE has
 * pages, one a line, as the API sends them; they are repeated until COUNT records were written.
 * MESSAGE has one message (see bare.h): topic and headers are its own, key and value the records'.
 * What the records' values are is learned beforehand; a first transaction is not measured.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/encoder.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/wire.h"
#include "tests/bench/bare.h"
#include "tests/bench/bare_record.h"

#define TRANSACTION 1000 /* records, as the bridge's */
#define WAIT_MS     30000
#define FRAME       ((size_t)1 << 20)

struct page {
    const char *text;
    size_t length;
    size_t count;
    struct bare_record *records;
    char **keys;
};

struct work {
    rd_kafka_t *handle;
    struct bare_message message;
    struct bare_class class;
    avro_writer_t writer;
    char *bytes; /* a frame, its header filled */
    size_t open; /* records in the transaction */
};

static void learn(struct page *page, const struct bare_class *class, struct encoder *encoder)
{
    cJSON *root = json_parse(page->text, page->length);
    const cJSON *rows = json_member(root, "results");
    const cJSON *row = NULL;
    page->count = (size_t)cJSON_GetArraySize(rows);
    page->records = memory_new(page->count + 1, sizeof *page->records);
    page->keys = memory_new(page->count + 1, sizeof *page->keys);
    size_t place = 0;
    cJSON_ArrayForEach(row, rows)
    {
        const void *frame = NULL;
        size_t length = 0;
        struct encoding info;
        struct error error;
        if (!encoder_avro(encoder, row, 1, FRAME, &frame, &length, &info, &error))
            bare_fail("a record", error.message);
        page->records[place] = bare_record(class, frame, length);
        page->keys[place++] = memory_text(json_member_text(row, "id"));
    }
    cJSON_Delete(root);
}

static struct page *learn_all(char **lines, size_t known, const struct schema *schema,
                              const struct bare_class *class)
{
    struct error error;
    struct page *pages = memory_new(known, sizeof *pages);
    struct encoder *encoder = encoder_new(schema, &error);
    bare_demand(encoder != NULL, "making an encoder");
    for (size_t i = 0; i < known; i++) {
        pages[i] = (struct page){.text = lines[i], .length = strlen(lines[i])};
        learn(&pages[i], class, encoder);
        bare_demand(pages[i].count > 0, "reading a page with records");
    }
    encoder_free(encoder);
    return pages;
}

static void demand_done(rd_kafka_error_t *problem, const char *what)
{
    if (problem != NULL)
        bare_fail(what, rd_kafka_error_string(problem));
}

static void commit(struct work *work)
{
    if (work->open > 0)
        demand_done(rd_kafka_commit_transaction(work->handle, WAIT_MS), "commit");
    work->open = 0;
}

static void publish(struct work *work, const struct page *page, int64_t most)
{
    cJSON *root = cJSON_ParseWithLength(page->text, page->length);
    bare_demand(root != NULL, "parsing a page");
    for (size_t i = 0; i < page->count && (int64_t)i < most; i++) {
        if (work->open == 0)
            demand_done(rd_kafka_begin_transaction(work->handle), "begin");
        avro_writer_memory_set_dest(work->writer, work->bytes + WIRE_HEADER_SIZE,
                                    (int64_t)(FRAME - WIRE_HEADER_SIZE));
        bare_record_write(&work->class, &page->records[i], work->writer);
        bare_produce(work->handle, &work->message, page->keys[i], work->bytes,
                     WIRE_HEADER_SIZE + (size_t)avro_writer_tell(work->writer));
        if (++work->open == TRANSACTION)
            commit(work);
    }
    cJSON_Delete(root);
}

static void publish_many(struct work *work, const struct page *pages, size_t known, int64_t count)
{
    size_t place = 0;
    int64_t before = bare_delivered();
    for (int64_t left = count; left > 0; place++) {
        const struct page *page = &pages[place % known];
        publish(work, page, left);
        left -= (int64_t)page->count;
    }
    commit(work);
    bare_demand(bare_delivered() - before == count, "counting as many reports as records");
}

int main(int argc, char **argv)
{
    size_t known = 0;
    bare_demand(argc == 8, "bare_publish BOOTSTRAP LINGER_MS MODEL SCHEMA_ID MESSAGE FILE COUNT");
    const struct schema *schema = schema_find(argv[3]);
    bare_demand(schema != NULL, argv[3]);
    struct work work = {.message = bare_message(*bare_lines(argv[5], &known)),
                        .class = bare_class(schema),
                        .bytes = memory_new(1, FRAME)};
    char **lines = bare_lines(argv[6], &known);
    struct page *pages = learn_all(lines, known, schema, &work.class);
    wire_put((unsigned char *)work.bytes, (uint32_t)bare_number(argv[4]));
    work.writer = avro_writer_memory(work.bytes, (int64_t)FRAME);
    work.handle = bare_producer(argv[1], argv[2], "bare-publish", 0);
    demand_done(rd_kafka_init_transactions(work.handle, WAIT_MS), "init");
    publish_many(&work, pages, known, TRANSACTION);
    struct bare_clock began = bare_clock();
    int64_t count = bare_number(argv[7]);
    publish_many(&work, pages, known, count);
    bare_report(count, began);
    rd_kafka_destroy(work.handle);
    avro_writer_free(work.writer);
    bare_class_free(&work.class);
    return EXIT_SUCCESS;
}
