/* The encoder's inside, shared by its two outputs. */
#ifndef BRIDGE_CODEC_ENCODER_STATE_H
#define BRIDGE_CODEC_ENCODER_STATE_H

#include <avro.h>

#include "bridge/base/buffer.h"
#include "bridge/codec/convert.h"
#include "bridge/codec/encoder.h"

struct encoder {
    const struct schema *schema;
    struct plan_node *plan;
    struct conversion conversion;
    avro_schema_t avro; /* made at the first Avro encoding, like the two below */
    avro_value_iface_t *class;
    avro_value_t value;
    avro_writer_t writer;
    unsigned char *out; /* Avro output */
    size_t out_size;
    struct buffer json; /* JSON output */
};

/* Checks what both outputs demand of a record. */
bool encoder_check(const cJSON *record, struct error *error) MUST_CHECK;

#endif
