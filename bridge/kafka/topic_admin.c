#include "bridge/kafka/topic_admin.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/kafka/handle.h"

#define REQUEST_MS 10000

struct topic_admin {
    rd_kafka_t *handle;
    rd_kafka_queue_t *queue;
};

struct topic_admin *topic_admin_open(const struct kafka_context *kafka, struct error *error)
{
    rd_kafka_conf_t *settings = kafka_settings(kafka, KAFKA_ADMIN, error);
    if (settings == NULL)
        return NULL;
    rd_kafka_t *handle = kafka_open(RD_KAFKA_PRODUCER, settings, error);
    if (handle == NULL)
        return NULL;
    struct topic_admin *admin = memory_new(1, sizeof *admin);
    admin->handle = handle;
    admin->queue = rd_kafka_queue_new(handle);
    return admin;
}

void topic_admin_close(struct topic_admin *admin)
{
    if (admin == NULL)
        return;
    rd_kafka_queue_destroy(admin->queue);
    (void)kafka_close(admin->handle, 0);
    free(admin);
}

void topic_admin_pause(struct topic_admin *admin, int ms)
{
    (void)rd_kafka_poll(admin->handle, ms);
}

static struct topic_plan *find_plan(struct topic_plan *plans, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(plans[i].name, name) == 0)
            return &plans[i];
    }
    return NULL;
}

bool topic_admin_look(struct topic_admin *admin, struct topic_plan *plans, size_t count,
                      struct error *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(admin->handle, 1, NULL, &metadata, REQUEST_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(error, VERDICT_RETRY, "Kafka does not answer: %s", rd_kafka_err2str(code));
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *topic = &metadata->topics[i];
        struct topic_plan *plan = find_plan(plans, count, topic->topic);
        if (plan != NULL && topic->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            plan->found_partitions = topic->partition_cnt;
    }
    rd_kafka_metadata_destroy(metadata);
    return true;
}

/* Waits for the answer of one admin request; NULL with `error` when it failed as a whole. */
static rd_kafka_event_t *await(struct topic_admin *admin, const char *doing, struct error *error)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(admin->queue, REQUEST_MS + 5000);
    if (event == NULL) {
        error_set(error, VERDICT_RETRY, "%s: Kafka does not answer", doing);
        return NULL;
    }
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return event;
    error_set(error, VERDICT_RETRY, "%s: %s", doing, rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    return NULL;
}

static rd_kafka_AdminOptions_t *options_for(struct topic_admin *admin, rd_kafka_admin_op_t op)
{
    char reason[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin->handle, op);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, REQUEST_MS, reason, sizeof reason);
    return options;
}

static rd_kafka_NewTopic_t *new_topic(const struct topic_plan *plan, struct error *error)
{
    char reason[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(plan->name, plan->partitions,
                                                       plan->replication, reason, sizeof reason);
    if (topic == NULL) {
        error_set(error, VERDICT_CONFIGURATION, "%s: %s", plan->name, reason);
        return NULL;
    }
    for (size_t i = 0; i < plan->policy_count; i++)
        (void)rd_kafka_NewTopic_set_config(topic, plan->policies[i].name, plan->policies[i].value);
    return topic;
}

static bool check_created(const rd_kafka_CreateTopics_result_t *result, struct error *error)
{
    size_t count = 0;
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[i]);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            continue;
        const char *text = rd_kafka_topic_result_error_string(topics[i]);
        bool later = code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
                     code == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT ||
                     code == RD_KAFKA_RESP_ERR_NOT_CONTROLLER;
        return error_set(error, later ? VERDICT_RETRY : VERDICT_CONFIGURATION,
                         "Kafka did not make %s: %s", rd_kafka_topic_result_name(topics[i]),
                         text == NULL ? rd_kafka_err2str(code) : text);
    }
    return true;
}

bool topic_admin_create(struct topic_admin *admin, const struct topic_plan *plans, size_t count,
                        struct error *error)
{
    rd_kafka_NewTopic_t **topics = memory_new(count, sizeof(rd_kafka_NewTopic_t *));
    size_t n = 0;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        if (plans[i].found_partitions != 0)
            continue;
        topics[n] = new_topic(&plans[i], error);
        ok = topics[n] != NULL;
        n += ok;
    }
    if (ok && n > 0) {
        rd_kafka_AdminOptions_t *options = options_for(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS);
        rd_kafka_CreateTopics(admin->handle, topics, n, options, admin->queue);
        rd_kafka_event_t *event = await(admin, "making topics", error);
        ok = event != NULL && check_created(rd_kafka_event_CreateTopics_result(event), error);
        if (event != NULL)
            rd_kafka_event_destroy(event);
        rd_kafka_AdminOptions_destroy(options);
    }
    rd_kafka_NewTopic_destroy_array(topics, n);
    free(topics);
    return ok;
}

static void compare_one(struct topic_plan *plan, const rd_kafka_ConfigResource_t *resource)
{
    size_t count = 0;
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resource);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        (void)snprintf(plan->unread, sizeof plan->unread, "%s", rd_kafka_err2str(code));
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < plan->policy_count; i++) {
        struct topic_policy *policy = &plan->policies[i];
        for (size_t e = 0; e < count; e++) {
            const char *value = rd_kafka_ConfigEntry_value(entries[e]);
            if (strcmp(rd_kafka_ConfigEntry_name(entries[e]), policy->name) != 0 || value == NULL)
                continue;
            policy->differs = strcmp(value, policy->value) != 0;
            (void)snprintf(policy->found, sizeof policy->found, "%s", value);
        }
    }
}

bool topic_admin_compare(struct topic_admin *admin, struct topic_plan *plans, size_t count,
                         struct error *error)
{
    rd_kafka_ConfigResource_t **asked = memory_new(count, sizeof(rd_kafka_ConfigResource_t *));
    size_t n = 0;
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        if (plans[i].found_partitions != 0)
            asked[n++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, plans[i].name);
    }
    if (n > 0) {
        rd_kafka_AdminOptions_t *options = options_for(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
        rd_kafka_DescribeConfigs(admin->handle, asked, n, options, admin->queue);
        rd_kafka_event_t *event = await(admin, "reading topic policies", error);
        ok = event != NULL;
        if (ok) {
            size_t found = 0;
            const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
                rd_kafka_event_DescribeConfigs_result(event), &found);
            for (size_t i = 0; i < found; i++) {
                struct topic_plan *plan =
                    find_plan(plans, count, rd_kafka_ConfigResource_name(resources[i]));
                if (plan != NULL)
                    compare_one(plan, resources[i]);
            }
            rd_kafka_event_destroy(event);
        }
        rd_kafka_AdminOptions_destroy(options);
    }
    rd_kafka_ConfigResource_destroy_array(asked, n);
    free(asked);
    return ok;
}
