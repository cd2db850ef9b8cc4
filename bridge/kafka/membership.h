/*
 * The group metadata of one assignment, shared by the batches made under it. Reference counted; any
 * thread. What it holds never changes.
 */
#ifndef BRIDGE_KAFKA_MEMBERSHIP_H
#define BRIDGE_KAFKA_MEMBERSHIP_H

#include <librdkafka/rdkafka.h>

#include "bridge/base/attributes.h"

struct membership;

/* Takes `metadata` over; one reference for the caller. */
struct membership *membership_new(rd_kafka_consumer_group_metadata_t *metadata) MUST_CHECK;

/* For committing offsets of a group of which nobody is a member: the coordinator then checks
 * nothing but that. */
struct membership *membership_outside(const char *group) MUST_CHECK;
struct membership *membership_share(struct membership *membership) MUST_CHECK;
void membership_release(struct membership *membership); /* NULL is allowed */

const rd_kafka_consumer_group_metadata_t *membership_metadata(const struct membership *membership);

#endif
