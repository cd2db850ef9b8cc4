#include "bridge/codec/wire.h"

#define MAGIC 0

void wire_put(unsigned char header[WIRE_HEADER_SIZE], uint32_t schema_id)
{
    header[0] = MAGIC;
    for (int i = 0; i < 4; i++)
        header[1 + i] = (unsigned char)(schema_id >> (24 - 8 * i));
}

bool wire_get(const void *frame, size_t length, uint32_t *schema_id)
{
    const unsigned char *header = frame;
    if (length < WIRE_HEADER_SIZE || header[0] != MAGIC)
        return false;
    *schema_id = 0;
    for (int i = 1; i <= 4; i++)
        *schema_id = *schema_id << 8 | header[i];
    return true;
}
