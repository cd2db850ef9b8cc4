/*
 * The Confluent wire format: byte 0 is 0, bytes 1 to 4 are the schema id, big-endian, then the Avro
 * body. Pure; any thread.
 */
#ifndef BRIDGE_CODEC_WIRE_H
#define BRIDGE_CODEC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_HEADER_SIZE 5

void wire_put(unsigned char header[WIRE_HEADER_SIZE], uint32_t schema_id);

/* False when `bytes` is not in this format. */
bool wire_get(const void *bytes, size_t length, uint32_t *schema_id);

#endif
