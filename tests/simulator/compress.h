#ifndef SIMULATOR_COMPRESS_H
#define SIMULATOR_COMPRESS_H

#include <stdbool.h>

#include "tests/simulator/text.h"

/* gzip of answers. Made once and used for all: the state of zlib is large. One thread. */
struct compressor;

#define COMPRESS_LEAST 1024 /* shorter bodies are not worth it */

struct compressor *compressor_create(void);
void compressor_destroy(struct compressor *compressor);

/* Replaces the text by its gzip form. False leaves it as it was. */
bool compressor_run(struct compressor *compressor, struct text *text);

/* True when an Accept-Encoding header offers gzip. NULL = no header. */
bool compress_offered(const char *accept_encoding);

#endif
