#include "bridge/codec/wire.h"

void wire_put(unsigned char header[WIRE_HEADER_SIZE], uint32_t schema_id)
{
    header[0] = 0;
    header[1] = (unsigned char)(schema_id >> 24);
    header[2] = (unsigned char)(schema_id >> 16);
    header[3] = (unsigned char)(schema_id >> 8);
    header[4] = (unsigned char)schema_id;
}

bool wire_get(const void *bytes, size_t length, uint32_t *schema_id)
{
    const unsigned char *b = bytes;
    if (length < WIRE_HEADER_SIZE || b[0] != 0)
        return false;
    *schema_id = (uint32_t)b[1] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 8 | b[4];
    return true;
}
