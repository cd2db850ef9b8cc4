/* The frame before an Avro body. */
#include "tests/fuzz/fuzz.h"

#include "bridge/codec/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned char header[WIRE_HEADER_SIZE];
    uint32_t id = 0;
    size_t length = 0;
    char *frame = take_rest(&input, &length);
    bool is_frame = wire_get(frame, length, &id);
    CHECK(is_frame == (length >= WIRE_HEADER_SIZE && frame[0] == '\0'));
    if (is_frame) {
        wire_put(header, id);
        CHECK(memcmp(header, frame, sizeof header) == 0);
    }
    free(frame);
    return 0;
}
