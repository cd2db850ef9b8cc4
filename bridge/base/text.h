/*
 * Short texts put together without a format: what is done for every event. Pure; any thread.
 */
#ifndef BRIDGE_BASE_TEXT_H
#define BRIDGE_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_NUMBER_SIZE 21
#define TEXT_HEX_LENGTH  16

/* The number in decimal digits, with a zero byte behind it; returns its length. */
size_t text_number(int64_t number, char text[TEXT_NUMBER_SIZE]);

/* 16 small hex digits, without a zero byte. */
void text_hex(uint64_t number, char text[TEXT_HEX_LENGTH]);

/* Two small hex digits for each byte, without a zero byte. */
void text_hex_bytes(const unsigned char *bytes, size_t length, char *text);

/* These two return the length of the whole text, and write as much of it as `size` bytes have room
 * for with the zero byte behind it; `size` > 0. */
size_t text_copy(char *out, size_t size, const char *text);

/* The number, one byte, and the text. */
size_t text_numbered(char *out, size_t size, int64_t number, char between, const char *text);

#endif
