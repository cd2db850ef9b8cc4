/*
 * A record written by avro-c with nothing looked up, checked or converted: its values are known
 * beforehand, from a frame of the encoder's, so that both write the same bytes.
 */
#ifndef BENCH_BARE_RECORD_H
#define BENCH_BARE_RECORD_H

#include <avro.h>
#include <stddef.h>

#include "bridge/codec/schema.h"

/* What all records of a schema share. */
struct bare_class {
    avro_schema_t schema;
    avro_value_iface_t *class;
    avro_value_t record; /* filled again and again */
};

/* The values of one record in the order of filling. */
struct bare_record {
    avro_value_t model; /* owns the texts of the steps */
    struct bare_step *steps;
    size_t count;
    size_t capacity;
};

struct bare_class bare_class(const struct schema *schema);
void bare_class_free(struct bare_class *class);

/* Learns the values from a frame of the Confluent wire format. */
struct bare_record bare_record(const struct bare_class *class, const void *frame, size_t length);
void bare_record_free(struct bare_record *record);

/* Fills and writes it; ends the process when avro-c does not want to. */
void bare_record_write(struct bare_class *class, const struct bare_record *record,
                       avro_writer_t writer);

#endif
