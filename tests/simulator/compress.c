#include "tests/simulator/compress.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW 31 /* the largest window, with gzip's header */

struct compressor {
    z_stream stream;
};

struct compressor *compressor_create(void)
{
    struct compressor *compressor = memory_get_zeroed(1, sizeof *compressor);
    if (deflateInit2(&compressor->stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(compressor);
        return NULL;
    }
    return compressor;
}

void compressor_destroy(struct compressor *compressor)
{
    if (compressor == NULL)
        return;
    deflateEnd(&compressor->stream);
    free(compressor);
}

bool compressor_run(struct compressor *compressor, struct text *text)
{
    z_stream *stream = &compressor->stream;
    struct text packed = {0};
    size_t bound = deflateBound(stream, text->length);
    deflateReset(stream);
    stream->next_in = (Bytef *)text->data;
    stream->avail_in = (uInt)text->length;
    stream->next_out = (Bytef *)text_reserve(&packed, bound);
    stream->avail_out = (uInt)bound;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END) {
        text_free(&packed);
        return false;
    }
    packed.length = bound - stream->avail_out;
    text_free(text);
    *text = packed;
    return true;
}

bool compress_offered(const char *accept_encoding)
{
    if (accept_encoding == NULL)
        return false;
    const char *found = strstr(accept_encoding, "gzip");
    return found != NULL && strncmp(found, "gzip;q=0,", 9) != 0 && strcmp(found, "gzip;q=0") != 0;
}
