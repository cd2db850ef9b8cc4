/*
 * Where short-lived JSON trees lie. A page of the API becomes a tree of some ten thousand pieces;
 * to ask malloc for each, and to give each back on another thread, was a third of the enricher's
 * work. Such a tree is laid out piece behind piece in blocks of 16 KiB instead; a block whose last
 * piece was freed is used again as a whole.
 *
 * cJSON's hooks are set to the two functions of this file, so a tree is changed, taken apart and
 * deleted as ever, on any thread: whether a piece lies in a block shows by its address, since all
 * blocks are of one stretch of addresses, which is reserved at the start and takes no memory before
 * it is used. Pieces come from blocks only between json_memory_begin and json_memory_end; where
 * there is no stretch (it could not be had), when it is full, and for large pieces, malloc serves.
 *
 * Why no piece is used again while it is needed. A block counts what lives in it, the block that a
 * thread is filling counts as one more than any number of pieces, and only a block that counts
 * nothing is given out again. So the smallest part of a tree that is kept keeps a block: whoever
 * keeps a few rows of a page for long takes copies (cJSON_Duplicate), which come from malloc.
 *
 * Empty blocks beyond the first KEPT_MOST give their memory back to the system. A thread holds up
 * to two blocks, the one that it fills and the one of which it freed something last, and takes them
 * along when it ends: this is for threads that last. Any thread.
 */
#ifndef BRIDGE_CODEC_JSON_MEMORY_H
#define BRIDGE_CODEC_JSON_MEMORY_H

#include <stddef.h>

#define JSON_MEMORY_BLOCK ((size_t)16 << 10)

/* The service's. A sanitizer that watches malloc would see nothing of what lies in blocks. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define JSON_MEMORY_STRETCH ((size_t)0)
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define JSON_MEMORY_STRETCH ((size_t)0)
#endif
#ifndef JSON_MEMORY_STRETCH
#define JSON_MEMORY_STRETCH ((size_t)1 << 30)
#endif

/* Sets cJSON's hooks, and reserves so many bytes of addresses; 0: malloc serves always. Once,
 * before there are other threads. */
void json_memory_install(size_t stretch);

/* The calling thread's pieces come from blocks, until the end. Not nested. */
void json_memory_begin(void);
void json_memory_end(void);

/* Blocks that hold something, or are being filled; for tests. */
size_t json_memory_used(void);

#endif
