#include "bridge/kafka/topics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/kafka/topic_admin.h"

#define DAY_MS            INT64_C(86400000)
#define VISIBLE_WITHIN_MS 15000

static char *name_of(const struct config *config, const char *kind, const char *model)
{
    return memory_format("%s.%s%s%s", config->topics.prefix, kind, model == NULL ? "" : ".",
                         model == NULL ? "" : model);
}

struct topics *topics_new(const struct config *config, const char *const *models,
                          const bool *has_snapshots, size_t count, bool assembled)
{
    struct topics *topics = memory_new(1, sizeof *topics);
    topics->model_count = count;
    topics->events = memory_new(count, sizeof *topics->events);
    topics->snapshots = memory_new(count, sizeof *topics->snapshots);
    for (size_t i = 0; i < count; i++) {
        topics->events[i] = name_of(config, "events", models[i]);
        if (has_snapshots[i])
            topics->snapshots[i] = name_of(config, "snapshots", models[i]);
    }
    topics->activity = name_of(config, "activity", NULL);
    topics->state = name_of(config, "state", NULL);
    if (assembled)
        topics->assembly = name_of(config, "assembly", NULL);
    topics->dead_letters = name_of(config, "dead-letters", NULL);
    return topics;
}

void topics_free(struct topics *topics)
{
    if (topics == NULL)
        return;
    for (size_t i = 0; i < topics->model_count; i++) {
        free(topics->events[i]);
        free(topics->snapshots[i]);
    }
    free(topics->events);
    free(topics->snapshots);
    free(topics->activity);
    free(topics->state);
    free(topics->assembly);
    free(topics->dead_letters);
    free(topics);
}

static void add_policy(struct topic_plan *plan, const char *name, int64_t value)
{
    struct topic_policy *policy = &plan->policies[plan->policy_count++];
    policy->name = name;
    (void)snprintf(policy->value, sizeof policy->value, "%" PRId64, value);
}

static void add_cleanup(struct topic_plan *plan, const char *value)
{
    struct topic_policy *policy = &plan->policies[plan->policy_count++];
    policy->name = "cleanup.policy";
    (void)snprintf(policy->value, sizeof policy->value, "%s", value);
}

static struct topic_plan plan_of(const struct config *config, const char *name)
{
    struct topic_plan plan = {.name = name,
                              .partitions = (int)config->topics.partitions,
                              .replication = (int)config->topics.replication};
    add_policy(&plan, "max.message.bytes", config->topics.max_message + KAFKA_MESSAGE_OVERHEAD);
    return plan;
}

static struct topic_plan plan_kept(const struct config *config, const char *name, int days)
{
    struct topic_plan plan = plan_of(config, name);
    add_cleanup(&plan, "delete");
    add_policy(&plan, "retention.ms", days * DAY_MS);
    return plan;
}

static struct topic_plan plan_compacted(const struct config *config, const char *name)
{
    struct topic_plan plan = plan_of(config, name);
    add_cleanup(&plan, "compact");
    add_policy(&plan, "delete.retention.ms", 7 * DAY_MS);
    add_policy(&plan, "max.compaction.lag.ms", DAY_MS);
    return plan;
}

/* Those that need one partition count come first: events, state, assembly. Caller frees. */
static struct topic_plan *plan_all(const struct config *config, const struct topics *topics,
                                   size_t *count)
{
    struct topic_plan *plans = memory_new(2 * topics->model_count + 4, sizeof *plans);
    size_t n = 0;
    for (size_t i = 0; i < topics->model_count; i++)
        plans[n++] = plan_kept(config, topics->events[i], 7);
    plans[n++] = plan_compacted(config, topics->state);
    if (topics->assembly != NULL)
        plans[n++] = plan_compacted(config, topics->assembly);
    for (size_t i = 0; i < topics->model_count; i++) {
        if (topics->snapshots[i] != NULL)
            plans[n++] = plan_compacted(config, topics->snapshots[i]);
    }
    plans[n++] = plan_kept(config, topics->activity, 30);
    plans[n++] = plan_kept(config, topics->dead_letters, 30);
    *count = n;
    return plans;
}

static void report_line(struct buffer *report, const char *what, const struct topic_plan *plan)
{
    if (report == NULL)
        return;
    (void)buffer_append_format(report, "%-7s %s", what, plan->name);
    if (plan->found_partitions == 0)
        (void)buffer_append_format(report, " partitions=%d", plan->partitions);
    else if (plan->found_partitions != plan->partitions)
        (void)buffer_append_format(report, " partitions=%d (planned %d)", plan->found_partitions,
                                   plan->partitions);
    for (size_t i = 0; i < plan->policy_count; i++) {
        const struct topic_policy *policy = &plan->policies[i];
        if (plan->found_partitions == 0)
            (void)buffer_append_format(report, " %s=%s", policy->name, policy->value);
        else if (policy->differs)
            (void)buffer_append_format(report, " %s=%s (planned %s)", policy->name, policy->found,
                                       policy->value);
    }
    (void)buffer_append_text(report, "\n");
}

static void report_unread(struct buffer *report, const struct topic_plan *plan)
{
    if (report != NULL)
        (void)buffer_append_format(report, "unread  %s: %s\n", plan->name, plan->unread);
}

static bool has_drifted(const struct topic_plan *plan)
{
    if (plan->found_partitions != plan->partitions)
        return true;
    for (size_t i = 0; i < plan->policy_count; i++) {
        if (plan->policies[i].differs)
            return true;
    }
    return false;
}

static void report_all(const struct topic_plan *plans, size_t count, bool create,
                       struct topics_findings *findings, struct buffer *report)
{
    for (size_t i = 0; i < count; i++) {
        if (plans[i].found_partitions == 0) {
            report_line(report, create ? "created" : "create", &plans[i]);
            findings->missing += !create;
            findings->created += create;
        } else if (plans[i].unread[0] != '\0' && !has_drifted(&plans[i])) {
            report_unread(report, &plans[i]);
            findings->unread++;
        } else if (has_drifted(&plans[i])) { /* at least its partitions, which are always told */
            report_line(report, "drift", &plans[i]);
            findings->drifted++;
        } else {
            report_line(report, "ok", &plans[i]);
        }
    }
}

static bool make_missing(struct topic_admin *admin, struct embedded *embedded,
                         struct topic_plan *plans, size_t count, struct error *error)
{
    if (embedded == NULL)
        return topic_admin_create(admin, plans, count, error);
    for (size_t i = 0; i < count; i++) {
        if (plans[i].found_partitions == 0 &&
            !embedded_create_topic(embedded, plans[i].name, plans[i].partitions, error))
            return false;
    }
    return true;
}

static int64_t retention_of(const struct topic_plan *plan)
{
    for (size_t i = 0; i < plan->policy_count && plan->unread[0] == '\0'; i++) {
        const struct topic_policy *policy = &plan->policies[i];
        if (strcmp(policy->name, "retention.ms") == 0)
            return strtoll(policy->differs ? policy->found : policy->value, NULL, 10);
    }
    return 0;
}

/* The first `count` plans are those of events topics. */
static int64_t shortest_retention(const struct topic_plan *plans, size_t count)
{
    int64_t shortest_ms = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t ms = retention_of(&plans[i]);
        if (ms > 0 && (shortest_ms == 0 || ms < shortest_ms))
            shortest_ms = ms;
    }
    return shortest_ms;
}

bool topics_compare(const struct kafka_context *kafka, struct embedded *embedded,
                    const struct topics *topics, bool create, struct topics_findings *findings,
                    struct buffer *report, struct error *error)
{
    size_t count = 0;
    struct topic_plan *plans = plan_all(kafka->config, topics, &count);
    struct topic_admin *admin = topic_admin_open(kafka, error);
    *findings = (struct topics_findings){0};
    bool ok = admin != NULL && topic_admin_look(admin, plans, count, error) &&
              (embedded != NULL || topic_admin_compare(admin, plans, count, error)) &&
              (!create || make_missing(admin, embedded, plans, count, error));
    if (ok)
        report_all(plans, count, create, findings, report);
    findings->retention_ms = shortest_retention(plans, topics->model_count);
    topic_admin_close(admin);
    free(plans);
    return ok;
}

/* One partition count for all events topics and what belongs to them, or an error that names two
 * that differ. */
static bool check_counts(const struct topic_plan *plans, struct topics *topics, struct error *error)
{
    size_t count = topics->model_count + (topics->assembly != NULL ? 2 : 1);
    for (size_t i = 1; i < count; i++) {
        if (plans[i].found_partitions != plans[0].found_partitions)
            return error_set(error, VERDICT_CONFIGURATION,
                             "%s has %d partitions but %s has %d: all events topics, and state and "
                             "assembly, need the same number, so that one instance owns every "
                             "model of an integration",
                             plans[0].name, plans[0].found_partitions, plans[i].name,
                             plans[i].found_partitions);
    }
    topics->partitions = plans[0].found_partitions;
    return true;
}

/* New topics take a moment to be known everywhere. */
static bool wait_visible(struct topic_admin *admin, struct topic_plan *plans, size_t count,
                         bool patient, struct error *error)
{
    int64_t deadline = clock_ms() + (patient ? VISIBLE_WITHIN_MS : 0);
    for (;;) {
        const char *missing = NULL;
        if (!topic_admin_look(admin, plans, count, error))
            return false;
        for (size_t i = 0; i < count && missing == NULL; i++)
            missing = plans[i].found_partitions == 0 ? plans[i].name : NULL;
        if (missing == NULL)
            return true;
        if (clock_ms() >= deadline)
            return error_set(error, patient ? VERDICT_RETRY : VERDICT_CONFIGURATION,
                             "the topic %s is not there, or not shown to this user; make the "
                             "topics with `propexo-bridge topics apply` or set topics.create = "
                             "true, or see to the user's rights",
                             missing);
        topic_admin_pause(admin, 50);
    }
}

bool topics_prepare(const struct kafka_context *kafka, struct embedded *embedded,
                    struct topics *topics, struct error *error)
{
    size_t count = 0;
    struct topics_findings findings = {0};
    bool create = kafka->config->topics.create;
    struct topic_plan *plans = plan_all(kafka->config, topics, &count);
    struct topic_admin *admin = NULL;
    struct buffer report = buffer_new(1 << 20);
    bool ok = topics_compare(kafka, embedded, topics, create, &findings, &report, error);
    topics->retention_ms = findings.retention_ms;
    if (ok && findings.created > 0)
        log_info("topics_created", LOG_NUMBER("count", findings.created));
    if (ok && findings.drifted > 0)
        log_warn("topics_drift", LOG_NUMBER("count", findings.drifted),
                 LOG_TEXT("hint", "propexo-bridge topics plan shows what differs"));
    if (ok && findings.unread > 0)
        log_info(
            "topics_unread", LOG_NUMBER("count", findings.unread),
            LOG_TEXT("hint", "whether they have drifted is not known without DescribeConfigs"));
    if (ok) {
        admin = topic_admin_open(kafka, error);
        ok = admin != NULL && wait_visible(admin, plans, count, create, error) &&
             check_counts(plans, topics, error);
    }
    topic_admin_close(admin);
    buffer_free(&report);
    free(plans);
    return ok;
}
