/*
 * An event as the spool keeps it: the message for Kafka in one run of bytes, with a digest over all
 * of them, so that what a disk or a copy has spoilt is seen and not sent. Pure; any thread.
 *
 *     digest (first 8 bytes of SHA-256 over all that follows) | sequence number (8)
 *     | topic | key | number of headers (4) | (name | value)... | value
 *
 * A text or value has its length in front of it (4); 0xffffffff stands for none at all. Topic and
 * names have a zero byte at their end. Numbers are big-endian.
 */
#ifndef BRIDGE_RECEIVER_SPOOL_RECORD_H
#define BRIDGE_RECEIVER_SPOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/kafka/message.h"

/* The bytes, which the caller frees. The partition is left to the key. */
char *spool_record_write(uint64_t sequence, const struct message *message,
                         size_t *length) MUST_CHECK;

/* A message that borrows from the bytes. False when these are not what was written under this
 * sequence number. */
bool spool_record_read(uint64_t sequence, const void *bytes, size_t length,
                       struct message *message) MUST_CHECK;

#endif
