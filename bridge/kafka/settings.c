#include "bridge/kafka/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/kafka/oauth.h"

struct setting {
    const char *name;
    const char *value;
};

static const struct setting for_all[] = {
    {"client.id", "propexo-bridge"},
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.max.ms", "2000"},
    {"log.connection.close", "false"},
};

/* The receiver's answers wait for the delivery report: a few milliseconds of linger make batches
 * (0 is the slowest setting under load), and delivery.timeout.ms is the longest an answer takes. */
static const struct setting for_producer[] = {
    {"enable.idempotence", "true"},
    {"partitioner", "murmur2_random"},
    {"linger.ms", "3"},
    {"delivery.timeout.ms", "15000"},
    {"queue.buffering.max.messages", "100000"},
    {"queue.buffering.max.kbytes", "65536"},
};

static const struct setting for_transactional[] = {
    {"enable.idempotence", "true"},
    {"partitioner", "murmur2_random"},
    {"linger.ms", "5"},
    {"queue.buffering.max.kbytes", "65536"},
};

/* read_committed is also what makes the consumer ask for stable offsets (KIP-447). */
static const struct setting for_consumer[] = {
    {"isolation.level", "read_committed"},
    {"auto.offset.reset", "earliest"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"partition.assignment.strategy", "range"},
    {"session.timeout.ms", "30000"},
    {"queued.max.messages.kbytes", "8192"},
    {"fetch.message.max.bytes", "524288"},
};

/* Beside those of a consumer, and above what is configured: an offset that is not there must be
 * told, and small answers must come at once. */
static const struct setting for_reader[] = {
    {"auto.offset.reset", "error"},
    {"fetch.wait.max.ms", "10"},
};

static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    enum { WARNING = 4, NOTICE = 5 }; /* syslog's levels (RFC 5424), which librdkafka uses */
    enum log_level ours = level <= WARNING ? LOG_WARN : level <= NOTICE ? LOG_INFO : LOG_DEBUG;
    (void)handle;
    log_event(ours, "kafka_log", LOG_TEXT("facility", facility), LOG_TEXT("text", text));
}

void kafka_note_error(rd_kafka_resp_err_t code, const char *reason)
{
    static struct log_gate gate;
    int64_t suppressed = 0;
    if (log_gate_open(&gate, clock_ms(), 1000, &suppressed))
        log_warn("kafka_error", LOG_TEXT("code", rd_kafka_err2name(code)),
                 LOG_TEXT("reason", reason), LOG_NUMBER("suppressed", suppressed));
}

static void on_error(rd_kafka_t *handle, int code, const char *reason, void *context)
{
    (void)handle;
    (void)context;
    kafka_note_error((rd_kafka_resp_err_t)code, reason);
}

static bool set(rd_kafka_conf_t *settings, const char *name, const char *value, const char *origin,
                struct error *error)
{
    char reason[256];
    if (rd_kafka_conf_set(settings, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return true;
    return error_set(error, VERDICT_CONFIGURATION, "%s: [kafka] %s: %s", origin, name, reason);
}

static bool set_all(rd_kafka_conf_t *settings, const struct setting *list, size_t count,
                    struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (!set(settings, list[i].name, list[i].value, "default", error))
            return false;
    }
    return true;
}

static bool set_defaults(rd_kafka_conf_t *settings, enum kafka_role role, struct error *error)
{
    if (!set_all(settings, for_all, ARRAY_LENGTH(for_all), error))
        return false;
    switch (role) {
    case KAFKA_PRODUCER:
        return set_all(settings, for_producer, ARRAY_LENGTH(for_producer), error);
    case KAFKA_TRANSACTIONAL:
    case KAFKA_REPLAYER:
        return set_all(settings, for_transactional, ARRAY_LENGTH(for_transactional), error);
    case KAFKA_CONSUMER:
    case KAFKA_READER:
        return set_all(settings, for_consumer, ARRAY_LENGTH(for_consumer), error);
    case KAFKA_ADMIN:
        break;
    }
    return true;
}

static bool consumes(enum kafka_role role)
{
    return role == KAFKA_CONSUMER || role == KAFKA_READER;
}

static bool is_transactional(enum kafka_role role)
{
    return role == KAFKA_TRANSACTIONAL || role == KAFKA_REPLAYER;
}

/* Sizes follow topics.max_message, so that what one side may write the other may read. */
static bool set_sizes(rd_kafka_conf_t *settings, const struct config *config, enum kafka_role role,
                      struct error *error)
{
    char value[32];
    int64_t message = config->topics.max_message + KAFKA_MESSAGE_OVERHEAD;
    (void)snprintf(value, sizeof value, "%" PRId64, message);
    if (!set(settings, "message.max.bytes", value, "topics.max_message", error))
        return false;
    if (!consumes(role))
        return true;
    if (!set(settings, "fetch.max.bytes", value, "topics.max_message", error))
        return false;
    /* A broker fills an answer up to fetch.max.bytes and adds its own words about each partition.
     */
    (void)snprintf(value, sizeof value, "%" PRId64, 2 * message);
    return set(settings, "receive.message.max.bytes", value, "topics.max_message", error);
}

static bool set_configured(rd_kafka_conf_t *settings, const struct config *config,
                           enum kafka_role role, struct error *error)
{
    bool produces = role == KAFKA_PRODUCER || is_transactional(role);
    bool oauth = oauth_is_wanted(config);
    if (oauth && !oauth_configure(settings, config, error))
        return false;
    for (size_t i = 0; i < config->kafka.property_count; i++) {
        const struct config_property *property = &config->kafka.properties[i];
        if (property->side == PROPERTY_PRODUCER && !produces)
            continue;
        if (property->side == PROPERTY_CONSUMER && !consumes(role))
            continue;
        if (oauth && oauth_takes(property->name))
            continue;
        if (!set(settings, property->name, property->value, property->origin, error))
            return false;
    }
    return true;
}

static bool set_identity(rd_kafka_conf_t *settings, const struct config *config,
                         enum kafka_role role, struct error *error)
{
    char value[512];
    if (consumes(role) &&
        !set(settings, "group.id", config->enricher.group, "enricher.group", error))
        return false;
    if (role == KAFKA_CONSUMER)
        return set(settings, "group.instance.id", config->bridge.instance, "bridge.instance",
                   error);
    if (role == KAFKA_READER)
        return set_all(settings, for_reader, ARRAY_LENGTH(for_reader), error);
    if (!is_transactional(role))
        return true;
    if (role == KAFKA_REPLAYER) /* no instance has a slash in its name */
        (void)snprintf(value, sizeof value, "%s/replay", config->enricher.group);
    else
        (void)snprintf(value, sizeof value, "%s-%s", config->enricher.group,
                       config->bridge.instance);
    if (!set(settings, "transactional.id", value, "bridge.instance", error))
        return false;
    (void)snprintf(value, sizeof value, "%d", KAFKA_TRANSACTION_TIMEOUT_MS);
    return set(settings, "transaction.timeout.ms", value, "default", error);
}

rd_kafka_conf_t *kafka_settings(const struct kafka_context *kafka, enum kafka_role role,
                                struct error *error)
{
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(settings, on_log);
    rd_kafka_conf_set_error_cb(settings, on_error);
    if (set_defaults(settings, role, error) && set_sizes(settings, kafka->config, role, error) &&
        set_configured(settings, kafka->config, role, error) &&
        set(settings, "bootstrap.servers", kafka->bootstrap, "kafka.bootstrap.servers", error) &&
        set_identity(settings, kafka->config, role, error))
        return settings;
    rd_kafka_conf_destroy(settings);
    return NULL;
}

bool kafka_settings_timeout(rd_kafka_conf_t *settings, int64_t timeout_ms, struct error *error)
{
    char value[32];
    char now[32] = "";
    size_t size = sizeof now;
    if (timeout_ms > 0 &&
        rd_kafka_conf_get(settings, "message.timeout.ms", now, &size) == RD_KAFKA_CONF_OK &&
        strtoll(now, NULL, 10) > 0 && strtoll(now, NULL, 10) < timeout_ms)
        return true;
    (void)snprintf(value, sizeof value, "%" PRId64, timeout_ms);
    return set(settings, "message.timeout.ms", value, "receiver.spool_after_ms", error);
}
