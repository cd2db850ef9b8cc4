/*
 * The configuration: one table (config/keys.c) says for every key its section, name, type, unit,
 * default, range and help; parsing, validation, `config` output and the README follow from it.
 *
 * Sources, later wins: default, file, environment BRIDGE_<SECTION>_<KEY>, --set section.key=value.
 * A secret may come from a file: `<key>_file`. The struct is filled once and then only read: any
 * thread may read it.
 *
 * The file is INI in UTF-8, at most 1 MiB, with lines of at most 8 KiB. `#` and `;` begin a comment
 * at the start of a line only, so a value may hold them. An indented line continues the value
 * before it: a list after a comma or at a line's end, a PEM text line by line. White space around a
 * value is removed, in every source. An empty value unsets a key whose default is empty and is a
 * mistake elsewhere.
 *
 * In [kafka], every property of librdkafka passes through, except those that the bridge's promises
 * rest on (config/properties.c lists them with the reason). Its secrets, too, have a `<key>_file`.
 */
#ifndef BRIDGE_CONFIG_CONFIG_H
#define BRIDGE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"

#define CONFIG_DEFAULT_FILE "/etc/propexo-bridge/bridge.conf"

/* A librdkafka property as configured; values are owned by the struct config. */
struct config_property {
    char *name; /* without `producer.` or `consumer.` */
    char *value;
    char *origin; /* where it was set, for messages: "bridge.conf:12" or an environment variable */
    char *file;   /* the file that `value`, a secret, was read from, or NULL */
    enum { PROPERTY_BOTH, PROPERTY_PRODUCER, PROPERTY_CONSUMER } side;
};

struct config_list { /* NULL-terminated for convenience */
    char **items;
    size_t count;
};

/* How a sender vouches for what it sends (http/signature.h). */
enum config_sender { SENDER_PROPEXO, SENDER_STANDARD_WEBHOOKS, SENDER_TOKEN };

/* Where Standard Webhooks are taken, secrets that begin so are theirs, and no others are. */
#define CONFIG_STANDARD_PREFIX "whsec_"

/* Webhook secrets, from keys and files. */
struct config_secrets {
    struct config_list general;
    struct config_list integrations; /* "ID SECRET" each */
};

struct config {
    struct {
        struct config_list models; /* normalised to underscores; never empty; {"*"} = all */
        char *instance;            /* never empty: the host name unless set */
    } bridge;
    struct {
        char *listen;
        unsigned senders; /* bits of enum config_sender */
        struct config_secrets secrets;
        int64_t tolerance_s;
        char *token_header;
        bool allow_unsigned;
        int64_t max_body; /* bytes */
        int64_t max_buffered;
        int64_t max_head;
        int64_t max_headers;
        int64_t max_target;
        int64_t max_connections;
        int64_t max_connections_per_address;
        int64_t requests_per_second;
        struct config_list trusted_proxies; /* each can be read by network_read */
        int64_t head_timeout_ms;
        int64_t body_timeout_ms;
        int64_t idle_timeout_ms;
        char *tls_certificate;
        char *tls_key;
        char *tls_client_ca;
        char *spool_dir;
        int64_t spool_max_mb;
        int64_t spool_after_ms;
    } receiver;
    struct {
        char *bootstrap_servers;            /* "embedded" = the broker inside this process */
        struct config_property *properties; /* those for both sides first; no name twice a side */
        size_t property_count;
    } kafka;
    struct {
        char *prefix;
        int64_t partitions;
        int64_t replication; /* -1 = the broker's default */
        bool create;
        int64_t max_message; /* bytes */
    } topics;
    struct {
        char *url; /* "" = no registry */
        char *user;
        char *password;
        char *token;
        char *ca;
    } registry;
    struct {
        enum config_format { FORMAT_JSON, FORMAT_AVRO } format; /* resolved: never "unset" */
    } output;
    struct {
        char *base_url; /* without a slash at the end */
        char *token;
        int64_t requests_per_minute; /* 0 = no limit of our own */
        int64_t max_concurrency;
        int64_t timeout_ms;
        char *ca;
    } api;
    struct {
        char *group;
        int64_t max_pending;
        int64_t commit_interval_ms;
        int64_t max_delay_ms;
        int64_t last_seen_max_delay_ms;
        int64_t breaker_failures;
        char *cache_dir; /* "" = a folder of its own, gone with the process */
    } enricher;
    struct {
        int64_t max_running;
        int64_t min_interval_ms;
    } backfill;
    struct {
        int64_t expire_unseen_days;
        struct config_list redact; /* "model.field[.field...][:drop|:hash]" each */
        char *redact_key;
    } snapshots;
    struct {
        bool redact;
    } events;
    struct {
        bool reconcile;
        int64_t grace_ms;
        int64_t late_ms;
        int64_t deadline_ms;
    } sync;
    struct {
        char *listen;
        char *token;
        int64_t integrations;
        bool records;
    } admin;
    struct {
        char *endpoint;
        int64_t sample_per_million;
        char *token;
        char *ca;
    } tracing;
    struct {
        bool seccomp;
    } process;
    struct {
        int level;  /* enum log_level */
        int format; /* enum log_format */
    } log;
    struct config_entry *entries; /* where each key was set; for config_print and messages */
};

/* Which parts a subcommand needs: what it needs and is missing is an error. */
enum config_need {
    CONFIG_NEED_NOTHING = 0,
    CONFIG_NEED_RECEIVER = 1, /* a secret, or allow_unsigned */
    CONFIG_NEED_API = 2,      /* a token */
    CONFIG_NEED_ADMIN = 4,    /* with CONFIG_NEED_RECEIVER: two different addresses to listen on */
};

/*
 * Loads from `file` (NULL = the default file where it exists), `environment` (as environ) and
 * `sets` (texts "section.key=value"). Every mistake found is reported, one a line, in `problems`:
 * file, line, key and what would be right; the value of a secret never. False when there was any.
 * No text of `config` is ever NULL. config_free frees in both cases. One thread at a time, since
 * libinih keeps its options in globals.
 *
 * A BRIDGE_* variable that is not a key is a mistake, except those that Kubernetes sets for each
 * Service (BRIDGE_..._SERVICE_HOST, ..._PORT and their like).
 */
bool config_load(struct config *config, const char *file, char *const *environment,
                 const char *const *sets, size_t set_count, unsigned needs,
                 struct buffer *problems) MUST_CHECK;
void config_free(struct config *config);

/* Appends the effective configuration as an INI file that config_load accepts, secrets masked as
 * `********`, each key with its origin as a comment. */
void config_print(const struct config *config, struct buffer *out);

/* Appends the table and the refused properties as Markdown, as they stand in the README. */
void config_document(struct buffer *out);

/* The webhook secrets as their files are now, into an empty `secrets`, which
 * config_secrets_free frees in both cases. False with VERDICT_CONFIGURATION, as at the start; no
 * message quotes a secret. Any thread. */
bool config_secrets_read(const struct config *config, struct config_secrets *secrets,
                         struct error *error) MUST_CHECK;
void config_secrets_free(struct config_secrets *secrets);

/* The path that a key of the receiver's with a secret file names; "" when it names none. */
const char *config_secret_file(const struct config *config, const char *name) MUST_CHECK;

/* The first general secret that Propexo's own signature is made with, or NULL. */
const char *config_propexo_secret(const struct config *config) MUST_CHECK;

/* A record that was last seen before this moment has expired (snapshots.expire_unseen_days); both
 * in milliseconds of the wall clock. INT64_MIN when none does. */
int64_t config_expired_before(const struct config *config, int64_t wall_ms);

/* True when `model` (normalised) is among bridge.models. */
bool config_has_model(const struct config *config, const char *model);

#endif
