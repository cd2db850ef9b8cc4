/*
 * The Confluent wire format: a zero byte, the schema id as four bytes big-endian, the Avro body
 * (Confluent's documentation, "Wire format"). Pure; any thread.
 */
#ifndef BRIDGE_CODEC_WIRE_H
#define BRIDGE_CODEC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

#define WIRE_HEADER_SIZE ((size_t)5)

void wire_put(unsigned char header[WIRE_HEADER_SIZE], uint32_t schema_id);

/* The id of a frame; the body is what follows the header. False when this is no such frame. */
bool wire_get(const void *frame, size_t length, uint32_t *schema_id) MUST_CHECK;

#endif
