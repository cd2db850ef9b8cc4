#include "bridge/config/keys.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bridge/config/config.h"
#include "bridge/config/suggest.h"

#define AT(field) offsetof(struct config, field)
#define KIB       INT64_C(1024)
#define MIB       (1024 * KIB)

/* The places of these names are the values of enum config_sender, config_format, log_level and
 * log_format. */
static const char *const senders[] = {"propexo", "standard-webhooks", "token", NULL};
static const char *const formats[] = {"json", "avro", NULL};
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"logfmt", "json", NULL};

const struct config_key config_keys[] = {
    {"bridge", "models", TYPE_MODELS,
     .initial = "properties, units, floor_plans, listings, residents, leases, residents_to_leases, "
                "applicants, applications, leads, events, service_requests, resident_charges, "
                "resident_payments",
     .offset = AT(bridge.models),
     .help = "Models whose changes become snapshots; the same list for receiver and enricher."},
    {"bridge", "instance", TYPE_NAME, .initial = "", .default_note = "the host name", .least = 0,
     .most = 200, .offset = AT(bridge.instance),
     .help = "Stable name of this instance in its group and transactions; no two may share one."},

    {"receiver", "listen", TYPE_ADDRESS, .initial = "127.0.0.1:8080", .offset = AT(receiver.listen),
     .help = "Address that webhooks come to; port 0 chooses a free one."},
    {"receiver", "senders", TYPE_CHOICES, .initial = "propexo", .choices = senders,
     .offset = AT(receiver.senders),
     .help = "How webhooks may be vouched for: Propexo's signature, that of Standard Webhooks "
             "(also Svix), a secret in a header."},
    {"receiver", "secret", TYPE_SECRET, .initial = "", .least = 10, .many = true,
     .offset = AT(receiver.secrets.general), .help = "Secret that webhooks are signed with."},
    {"receiver", "secret_file", TYPE_SECRET_FILE, .initial = "", .least = 10, .many = true,
     .offset = AT(receiver.secrets.general),
     .help = "File with one webhook secret a line, valid beside `secret`: for rotation."},
    {"receiver", "integration_secret", TYPE_SECRET, .initial = "", .least = 10, .many = true,
     .owned = true, .offset = AT(receiver.secrets.integrations),
     .help = "An integration's id and its own secret: at /webhooks/ID only that one counts, and "
             "for that integration alone."},
    {"receiver", "integration_secret_file", TYPE_SECRET_FILE, .initial = "", .least = 10,
     .many = true, .owned = true, .offset = AT(receiver.secrets.integrations),
     .help = "File with an id and a secret a line, valid beside `integration_secret`; an id may "
             "stand there several times."},
    {"receiver", "tolerance_s", TYPE_INTEGER, .initial = "300", .least = 1, .most = 86400,
     .unit = "seconds", .offset = AT(receiver.tolerance_s),
     .help = "How far the time of a Standard Webhooks signature may be from now."},
    {"receiver", "token_header", TYPE_NAME, .initial = "x-webhook-token", .least = 1, .most = 64,
     .offset = AT(receiver.token_header), .help = "Header that a `token` sender's secret is in."},
    {"receiver", "allow_unsigned", TYPE_BOOL, .initial = "false",
     .offset = AT(receiver.allow_unsigned),
     .help = "Start without any secret, and take webhooks from anybody."},
    {"receiver", "max_body", TYPE_SIZE, .initial = "1 MiB", .least = KIB, .most = 32 * MIB,
     .unit = "bytes", .offset = AT(receiver.max_body),
     .help = "Longest webhook body; a longer one is answered 413."},
    {"receiver", "max_buffered", TYPE_SIZE, .initial = "64 MiB", .least = MIB, .most = 4096 * MIB,
     .unit = "bytes", .offset = AT(receiver.max_buffered),
     .help = "Most that the bodies of all requests may take at once; beyond it 503."},
    {"receiver", "max_head", TYPE_SIZE, .initial = "14 KiB", .least = 2 * KIB, .most = MIB,
     .unit = "bytes", .offset = AT(receiver.max_head),
     .help = "Longest head of a request; a longer one is answered 431."},
    {"receiver", "max_headers", TYPE_INTEGER, .initial = "64", .least = 8, .most = 1000,
     .unit = "headers", .offset = AT(receiver.max_headers),
     .help = "Most headers of a request; more are answered 431."},
    {"receiver", "max_target", TYPE_SIZE, .initial = "2 KiB", .least = 600, .most = 64 * KIB,
     .unit = "bytes", .offset = AT(receiver.max_target),
     .help = "Longest path and query of a request; a longer one is answered 414."},
    {"receiver", "max_connections", TYPE_INTEGER, .initial = "8192", .least = 1, .most = 1000000,
     .unit = "connections", .offset = AT(receiver.max_connections),
     .help = "Most connections at once; the fuller, the sooner idle ones are closed."},
    {"receiver", "max_connections_per_address", TYPE_INTEGER, .initial = "4096", .least = 0,
     .most = 1000000, .unit = "connections", .offset = AT(receiver.max_connections_per_address),
     .help = "Most connections of one address that is no trusted proxy; 0: no such limit."},
    {"receiver", "requests_per_second", TYPE_INTEGER, .initial = "0", .least = 0, .most = 1000000,
     .unit = "requests a second", .offset = AT(receiver.requests_per_second),
     .help = "Most requests of one address; beyond it 429. 0: no such limit."},
    {"receiver", "trusted_proxies", TYPE_NETWORKS, .initial = "",
     .offset = AT(receiver.trusted_proxies),
     .help = "Addresses and networks whose X-Forwarded-For says which address a request is of."},
    {"receiver", "head_timeout_ms", TYPE_INTEGER, .initial = "10000", .least = 100, .most = 600000,
     .unit = "milliseconds", .offset = AT(receiver.head_timeout_ms),
     .help = "Longest that a request's head may take from its first byte on."},
    {"receiver", "body_timeout_ms", TYPE_INTEGER, .initial = "30000", .least = 100, .most = 600000,
     .unit = "milliseconds", .offset = AT(receiver.body_timeout_ms),
     .help = "Longest that its body may take from the head on."},
    {"receiver", "idle_timeout_ms", TYPE_INTEGER, .initial = "75000", .least = 100, .most = 3600000,
     .unit = "milliseconds", .offset = AT(receiver.idle_timeout_ms),
     .help = "Longest that a connection may be idle; longer than load balancers keep theirs."},
    {"receiver", "tls_certificate", TYPE_FILE, .initial = "",
     .offset = AT(receiver.tls_certificate),
     .help = "Certificate chain (PEM) with which the receiver speaks HTTPS."},
    {"receiver", "tls_key", TYPE_FILE, .initial = "", .offset = AT(receiver.tls_key),
     .help = "Private key (PEM) of `tls_certificate`, without a password."},
    {"receiver", "tls_client_ca", TYPE_FILE, .initial = "", .offset = AT(receiver.tls_client_ca),
     .help = "Certificates (PEM); who connects must show one that they have signed."},
    {"receiver", "spool_dir", TYPE_DIRECTORY, .initial = "", .offset = AT(receiver.spool_dir),
     .help = "Directory that keeps webhooks while Kafka is away; empty: they are answered 503."},
    {"receiver", "spool_max_mb", TYPE_INTEGER, .initial = "1024", .least = 1, .most = 1048576,
     .unit = "MiB", .offset = AT(receiver.spool_max_mb),
     .help = "Most that the spool may hold; beyond it webhooks are answered 503."},
    {"receiver", "spool_after_ms", TYPE_INTEGER, .initial = "2000", .least = 10, .most = 600000,
     .unit = "milliseconds", .offset = AT(receiver.spool_after_ms),
     .help = "How long Kafka may take to acknowledge before a webhook goes to the spool."},

    {"kafka", "bootstrap.servers", TYPE_BROKERS, .initial = "embedded",
     .offset = AT(kafka.bootstrap_servers),
     .help = "Brokers to start from; `embedded` is a small one in this process, for trying out."},

    {"topics", "prefix", TYPE_NAME, .initial = "propexo", .least = 1, .most = 100,
     .offset = AT(topics.prefix), .help = "First part of every topic's name."},
    {"topics", "partitions", TYPE_INTEGER, .initial = "6", .least = 1, .most = 10000,
     .unit = "partitions", .offset = AT(topics.partitions),
     .help = "Partitions of a topic; the same for all events topics."},
    {"topics", "replication", TYPE_INTEGER, .initial = "-1", .least = -1, .most = 100,
     .unit = "copies", .offset = AT(topics.replication),
     .help = "Replication factor of new topics; -1 is the broker's default."},
    {"topics", "create", TYPE_BOOL, .initial = "true", .offset = AT(topics.create),
     .help = "Create missing topics at the start."},
    {"topics", "max_message", TYPE_SIZE, .initial = "8 MiB", .least = 64 * KIB, .most = 64 * MIB,
     .unit = "bytes", .offset = AT(topics.max_message),
     .help = "Largest message that is produced or read."},

    {"registry", "url", TYPE_URL, .initial = "", .offset = AT(registry.url),
     .help = "Schema registry with Confluent's API; empty: none."},
    {"registry", "user", TYPE_TEXT, .initial = "", .most = 1000, .offset = AT(registry.user),
     .help = "User for the registry's basic authentication."},
    {"registry", "password", TYPE_SECRET, .initial = "", .least = 1,
     .offset = AT(registry.password), .help = "Password of `user`."},
    {"registry", "password_file", TYPE_SECRET_FILE, .initial = "", .least = 1,
     .offset = AT(registry.password), .help = "File that holds `password`."},
    {"registry", "token", TYPE_SECRET, .initial = "", .least = 1, .offset = AT(registry.token),
     .help = "Bearer token for the registry, instead of `user`."},
    {"registry", "token_file", TYPE_SECRET_FILE, .initial = "", .least = 1,
     .offset = AT(registry.token), .help = "File that holds `token`."},
    {"registry", "ca", TYPE_FILE, .initial = "", .offset = AT(registry.ca),
     .help = "Certificates (PEM) to trust for the registry; empty: the system's."},

    {"output", "format", TYPE_CHOICE, .initial = "",
     .default_note = "avro with a registry, else json", .choices = formats,
     .offset = AT(output.format), .help = "Form of the snapshots; avro needs a registry."},

    {"api", "base_url", TYPE_URL, .initial = "https://api.propexo.com", .offset = AT(api.base_url),
     .help = "Propexo's API, without the version."},
    {"api", "token", TYPE_SECRET, .initial = "", .least = 1, .offset = AT(api.token),
     .help = "Bearer token for the API."},
    {"api", "token_file", TYPE_SECRET_FILE, .initial = "", .least = 1, .offset = AT(api.token),
     .help = "File that holds `token`."},
    {"api", "requests_per_minute", TYPE_INTEGER, .initial = "150", .least = 0, .most = 1000000,
     .unit = "requests a minute", .offset = AT(api.requests_per_minute),
     .help = "What the contract allows; 0 keeps to the server's headers alone."},
    {"api", "max_concurrency", TYPE_INTEGER, .initial = "16", .least = 1, .most = 256,
     .unit = "requests", .offset = AT(api.max_concurrency),
     .help = "Most requests in flight at once."},
    {"api", "timeout_ms", TYPE_INTEGER, .initial = "30000", .least = 100, .most = 600000,
     .unit = "milliseconds", .offset = AT(api.timeout_ms),
     .help = "Longest that one request may take, answer included."},
    {"api", "ca", TYPE_FILE, .initial = "", .offset = AT(api.ca),
     .help = "Certificates (PEM) to trust for the API; empty: the system's."},

    {"enricher", "group", TYPE_TEXT, .initial = "propexo-bridge", .least = 1, .most = 255,
     .offset = AT(enricher.group), .help = "Kafka consumer group of the enrichers."},
    {"enricher", "max_pending", TYPE_INTEGER, .initial = "200000", .least = 10, .most = 10000000,
     .unit = "records", .offset = AT(enricher.max_pending),
     .help = "Most records that wait in memory; beyond its share a partition is paused."},
    {"enricher", "commit_interval_ms", TYPE_INTEGER, .initial = "100", .least = 10, .most = 5000,
     .unit = "milliseconds", .offset = AT(enricher.commit_interval_ms),
     .help = "Longest that finished snapshots wait for their transaction."},
    {"enricher", "max_delay_ms", TYPE_INTEGER, .initial = "2000", .least = 0, .most = 600000,
     .unit = "milliseconds", .offset = AT(enricher.max_delay_ms),
     .help = "Longest that a change waits for others to share its request."},
    {"enricher", "last_seen_max_delay_ms", TYPE_INTEGER, .initial = "900000", .least = 0,
     .most = 86400000, .unit = "milliseconds", .offset = AT(enricher.last_seen_max_delay_ms),
     .help = "The same for a change of `last_seen` alone."},
    {"enricher", "breaker_failures", TYPE_INTEGER, .initial = "20", .least = 1, .most = 10000,
     .unit = "failures", .offset = AT(enricher.breaker_failures),
     .help = "Failures in a row after which requests pause, of one integration or all."},
    {"enricher", "cache_dir", TYPE_DIRECTORY, .initial = "",
     .default_note = "a temporary one, made anew at each start", .offset = AT(enricher.cache_dir),
     .help = "Folder for a cache of what Kafka keeps (assembled records, children's parents); "
             "may be deleted."},

    {"backfill", "max_running", TYPE_INTEGER, .initial = "4", .least = 1, .most = 1000,
     .unit = "backfills", .offset = AT(backfill.max_running),
     .help = "Most that ask for pages at once, each of one model of one integration."},
    {"backfill", "min_interval_ms", TYPE_INTEGER, .initial = "3600000", .least = 0,
     .most = 2592000000, .unit = "milliseconds", .offset = AT(backfill.min_interval_ms),
     .help = "A first sync does not order another one within this time."},

    {"snapshots", "expire_unseen_days", TYPE_INTEGER, .initial = "0", .least = 0, .most = 3650,
     .unit = "days", .offset = AT(snapshots.expire_unseen_days),
     .help = "A record that syncs have not seen for so long gets a tombstone; 0: none does."},

    {"snapshots", "redact", TYPE_FIELDS, .initial = "", .offset = AT(snapshots.redact),
     .help = "Fields that snapshots do not have (`drop`, also without a word), or have as a keyed "
             "hash (`hash`); more names after dots for what is below one."},
    {"snapshots", "redact_key", TYPE_SECRET, .initial = "", .least = 16,
     .offset = AT(snapshots.redact_key), .help = "Key of these hashes (HMAC-SHA256)."},
    {"snapshots", "redact_key_file", TYPE_SECRET_FILE, .initial = "", .least = 16,
     .offset = AT(snapshots.redact_key), .help = "File that holds `redact_key`."},

    {"events", "redact", TYPE_BOOL, .initial = "false", .offset = AT(events.redact),
     .help = "Redact the same fields in events, activity and dead letters; before they reach Kafka "
             "or the spool."},

    {"sync", "reconcile", TYPE_BOOL, .initial = "true", .offset = AT(sync.reconcile),
     .help = "After each sync, look for webhooks that did not arrive."},
    {"sync", "grace_ms", TYPE_INTEGER, .initial = "3000", .least = 0, .most = 3600000,
     .unit = "milliseconds", .offset = AT(sync.grace_ms),
     .help = "Webhooks that are missing at the end of a sync are waited for so long."},
    {"sync", "late_ms", TYPE_INTEGER, .initial = "9000000", .least = 0, .most = 864000000,
     .unit = "milliseconds", .offset = AT(sync.late_ms),
     .help = "How late a webhook may come: Propexo repeats one for 2.5 hours."},
    {"sync", "deadline_ms", TYPE_INTEGER, .initial = "600000", .least = 100, .most = 86400000,
     .unit = "milliseconds", .offset = AT(sync.deadline_ms),
     .help = "A sync whose check takes longer is told as not reconciled."},

    {"admin", "listen", TYPE_ADDRESS, .initial = "127.0.0.1:9090", .offset = AT(admin.listen),
     .help = "Address of health, metrics and console; port 0 chooses a free one."},
    {"admin", "integrations", TYPE_INTEGER, .initial = "0", .least = 0, .most = 10000,
     .unit = "integrations", .offset = AT(admin.integrations),
     .help = "So many have metrics of their own, the first that are seen; all others share one."},
    {"admin", "records", TYPE_BOOL, .initial = "false", .offset = AT(admin.records),
     .help = "The console shows who has `token` the fields of a record: personal data."},
    {"admin", "token", TYPE_SECRET, .initial = "", .least = 1, .offset = AT(admin.token),
     .help = "Token for whatever changes something there, or shows the fields of a record."},
    {"admin", "token_file", TYPE_SECRET_FILE, .initial = "", .least = 1, .offset = AT(admin.token),
     .help = "File that holds `token`."},

    {"tracing", "endpoint", TYPE_URL, .initial = "", .offset = AT(tracing.endpoint),
     .help = "OpenTelemetry collector that spans go to (OTLP over HTTP); empty: none are made."},
    {"tracing", "sample_per_million", TYPE_INTEGER, .initial = "10000", .least = 0, .most = 1000000,
     .unit = "traces", .offset = AT(tracing.sample_per_million),
     .help = "Of traces that begin here so many in a million; the sender decides for its own."},
    {"tracing", "token", TYPE_SECRET, .initial = "", .least = 1, .offset = AT(tracing.token),
     .help = "Bearer token for the collector."},
    {"tracing", "token_file", TYPE_SECRET_FILE, .initial = "", .least = 1,
     .offset = AT(tracing.token), .help = "File that holds `token`."},
    {"tracing", "ca", TYPE_FILE, .initial = "", .offset = AT(tracing.ca),
     .help = "Certificates (PEM) to trust for the collector; empty: the system's."},

    {"process", "seccomp", TYPE_BOOL, .initial = "false", .offset = AT(process.seccomp),
     .help = "Once started, refuse system calls that the bridge has no use for."},

    {"log", "level", TYPE_CHOICE, .initial = "info", .choices = log_levels, .offset = AT(log.level),
     .help = "Least level that is logged."},
    {"log", "format", TYPE_CHOICE, .initial = "logfmt", .choices = log_formats,
     .offset = AT(log.format), .help = "Form of the log's lines."},
};

const size_t config_key_count = ARRAY_LENGTH(config_keys);

const struct config_key *key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].section, section) == 0 && strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}

bool key_section_exists(const char *section)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].section, section) == 0)
            return true;
    return false;
}

bool key_is_secret(const struct config_key *key)
{
    return key->type == TYPE_SECRET;
}

const char *key_environment(const struct config_key *key, char name[KEY_ENVIRONMENT_SIZE])
{
    (void)snprintf(name, KEY_ENVIRONMENT_SIZE, KEY_ENVIRONMENT_PREFIX "%s_%s", key->section,
                   key->name);
    for (char *p = name; *p != '\0'; p++)
        *p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
    return name;
}

void *key_field(const struct config_key *key, void *config)
{
    return (char *)config + key->offset;
}

const struct config_key *key_nearest(const char *section, const char *name)
{
    const struct config_key *nearest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].section, section) == 0 &&
            suggest_better(name, config_keys[i].name, &best))
            nearest = &config_keys[i];
    for (size_t i = 0; i < config_key_count && nearest == NULL; i++)
        if (strcmp(config_keys[i].name, name) == 0)
            nearest = &config_keys[i];
    return nearest;
}

const char *key_nearest_section(const char *section)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < config_key_count; i++)
        if (suggest_better(section, config_keys[i].section, &best))
            nearest = config_keys[i].section;
    return nearest;
}

const struct config_key *key_nearest_environment(const char *name)
{
    const struct config_key *nearest = NULL;
    size_t best = SIZE_MAX;
    size_t prefix = strlen(KEY_ENVIRONMENT_PREFIX);
    char candidate[KEY_ENVIRONMENT_SIZE];
    for (size_t i = 0; i < config_key_count; i++)
        if (suggest_better(name + prefix, key_environment(&config_keys[i], candidate) + prefix,
                           &best))
            nearest = &config_keys[i];
    return nearest;
}
