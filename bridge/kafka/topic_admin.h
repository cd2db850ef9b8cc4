/*
 * Kafka's admin requests about topics: which exist, with which policy, and making new ones. Used by
 * topics.c only, at start and by the topics subcommand. One thread; calls wait for the broker.
 */
#ifndef BRIDGE_KAFKA_TOPIC_ADMIN_H
#define BRIDGE_KAFKA_TOPIC_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/kafka/settings.h"

#define TOPIC_POLICIES 6

struct topic_policy {
    const char *name; /* a topic configuration such as retention.ms */
    char value[32];   /* as planned */
    char found[64];   /* as the broker has it, when it differs */
    bool differs;
};

struct topic_plan {
    const char *name; /* borrowed */
    int partitions;
    int replication;      /* -1 = the broker's default */
    int found_partitions; /* 0 = the topic is not there */
    struct topic_policy policies[TOPIC_POLICIES];
    size_t policy_count;
    char unread[128]; /* why its policies could not be read; "" when they were */
};

struct topic_admin;

struct topic_admin *topic_admin_open(const struct kafka_context *kafka,
                                     struct error *error) MUST_CHECK;
void topic_admin_close(struct topic_admin *admin); /* NULL is allowed */

/* Fills found_partitions of all from the cluster's metadata. */
bool topic_admin_look(struct topic_admin *admin, struct topic_plan *plans, size_t count,
                      struct error *error) MUST_CHECK;

/* Fills `found` and `differs` of the policies of topics that exist, or `unread`. */
bool topic_admin_compare(struct topic_admin *admin, struct topic_plan *plans, size_t count,
                         struct error *error) MUST_CHECK;

/* Makes those with found_partitions 0. One that someone else has just made counts as made. */
bool topic_admin_create(struct topic_admin *admin, const struct topic_plan *plans, size_t count,
                        struct error *error) MUST_CHECK;

/* Waits, serving librdkafka meanwhile. */
void topic_admin_pause(struct topic_admin *admin, int ms);

#endif
