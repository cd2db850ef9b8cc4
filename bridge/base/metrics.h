/*
 * Counters, gauges and histograms as one list: storage, exposition and documentation follow from
 * it. Updating one is a relaxed atomic addition, allowed from any thread at any time.
 *
 * Names follow the Prometheus conventions (unit last, `_total` on counters); every name starts with
 * `bridge_`, but for those of the process (process.h), which are the same for every program. Lines
 * of one name stand together, as the text format asks. What is called `_seconds` is kept in
 * microseconds.
 */
#ifndef BRIDGE_BASE_METRICS_H
#define BRIDGE_BASE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/buffer.h"
#include "bridge/base/histogram.h"

/* X(id, type, name without prefix, labels, help) */
#define METRICS(X)                                                                                 \
    X(WEBHOOKS_KEPT, counter, "webhooks_total", "outcome=\"kept\"",                                \
      "Webhook requests by outcome.")                                                              \
    X(WEBHOOKS_DEAD_LETTER, counter, "webhooks_total", "outcome=\"dead_letter\"", "")              \
    X(WEBHOOKS_NOT_JSON, counter, "webhooks_total", "outcome=\"not_json\"", "")                    \
    X(WEBHOOKS_UNSIGNED, counter, "webhooks_total", "outcome=\"signature\"", "")                   \
    X(WEBHOOKS_REFUSED, counter, "webhooks_total", "outcome=\"refused\"", "")                      \
    X(WEBHOOKS_UNAVAILABLE, counter, "webhooks_total", "outcome=\"unavailable\"", "")              \
    X(WEBHOOKS_WAITING, gauge, "webhooks_waiting", "",                                             \
      "Webhook requests that wait for Kafka's acknowledgement.")                                   \
    X(RELOADS, counter, "reloads_total", "outcome=\"ok\"",                                         \
      "Times that files were read again, at SIGHUP or because one had changed.")                   \
    X(RELOADS_FAILED, counter, "reloads_total", "outcome=\"failed\"", "")                          \
    X(HTTP_CONNECTIONS, gauge, "http_connections", "", "Open connections of both ports.")          \
    X(HTTP_CONNECTIONS_REFUSED, counter, "http_connections_refused_total", "",                     \
      "Connections closed at once: their address has as many as it may.")                          \
    X(HTTP_CUT, counter, "http_slow_total", "",                                                    \
      "Requests whose head or body took too long; answered 408 and cut.")                          \
    X(HTTP_REFUSED_HEAD, counter, "http_refused_total", "reason=\"head\"",                         \
      "Requests answered before they were looked at, by what is wrong with them.")                 \
    X(HTTP_REFUSED_BODY, counter, "http_refused_total", "reason=\"body\"", "")                     \
    X(HTTP_REFUSED_RATE, counter, "http_refused_total", "reason=\"rate\"", "")                     \
    X(HTTP_REFUSED_ROOM, counter, "http_refused_total", "reason=\"room\"", "")                     \
    X(TLS_EXPIRY, gauge, "tls_certificate_expiry_timestamp_seconds", "",                           \
      "When the receiver's certificate expires; 0: it has none.")                                  \
    X(TLS_CLIENTS_REFUSED, counter, "tls_client_certificates_refused_total", "",                   \
      "Handshakes ended because of the client's certificate.")                                     \
    X(SPOOL_EVENTS, gauge, "spool_events", "", "Events that the spool holds for Kafka.")           \
    X(SPOOL_BYTES, gauge, "spool_bytes", "", "Room that these take in the spool's file.")          \
    X(SPOOL_LIMIT, gauge, "spool_limit_bytes", "",                                                 \
      "Room that the spool may take; 0: there is none.")                                           \
    X(SPOOL_WRITTEN, counter, "spool_written_total", "", "Events that were written to the spool.") \
    X(SPOOL_SENT, counter, "spool_sent_total", "", "Events that Kafka has taken from the spool.")  \
    X(SPOOL_FAILURES, counter, "spool_failures_total", "",                                         \
      "Times that the spool's disk, or Kafka, has refused what the spool asked of it.")            \
    X(KAFKA_TOKENS, counter, "kafka_tokens_total", "outcome=\"ok\"",                               \
      "Requests of a token for Kafka's OAUTHBEARER.")                                              \
    X(KAFKA_TOKENS_FAILED, counter, "kafka_tokens_total", "outcome=\"failed\"", "")                \
    X(PRODUCERS_REBUILT, counter, "producers_rebuilt_total", "",                                   \
      "Producers replaced after a fatal error.")                                                   \
    X(EVENTS_COALESCED, counter, "events_coalesced_total", "",                                     \
      "Events that joined a record which waited already.")                                         \
    X(EVENTS_SKIPPED, counter, "events_skipped_total", "",                                         \
      "Events not worked on again: an earlier commit tells them as done.")                         \
    X(PROGRESS_WRITTEN, counter, "progress_written_total", "",                                     \
      "Texts published that say how far backfills have come.")                                     \
    X(REDACTED, counter, "fields_redacted_total", "",                                              \
      "Values dropped or hashed in records and events (snapshots.redact).")                        \
    X(ERASED, counter, "records_erased_total", "",                                                 \
      "Tombstones published for records that were erased on demand, one a partition number.")      \
    X(ERASED_KEPT_OUT, gauge, "records_kept_out", "",                                              \
      "Erased records, each once for every partition number that this instance owns.")             \
    X(ERASED_COPIES, counter, "erased_copies_total", "",                                           \
      "Events and copies of erased records that were not published.")                              \
    X(EXPIRED, counter, "records_expired_total", "",                                               \
      "Records that got a tombstone because no sync has seen them for long.")                      \
    X(EVENTS_RECOVERED, counter, "events_recovered_total", "",                                     \
      "Events written for webhooks that did not arrive, and barriers behind them.")                \
    X(WEBHOOKS_MISSED, counter, "webhooks_missed_total", "",                                       \
      "Records of which a sync's check found a webhook missing; they were made good.")             \
    X(WEBHOOKS_UNVERIFIED, counter, "webhooks_unverified_total", "",                               \
      "Records made good of which it is not known whether their webhooks came: after a restart.")  \
    X(SYNCS_RECONCILED, counter, "syncs_checked_total", "outcome=\"reconciled\"",                  \
      "Syncs by the outcome of their check.")                                                      \
    X(SYNCS_UNRECONCILED, counter, "syncs_checked_total", "outcome=\"not_reconciled\"", "")        \
    X(MILESTONES, counter, "milestones_total", "", "Milestones told on the activity topic.")       \
    X(WAITING_RECORDS, gauge, "waiting_records", "",                                               \
      "Records with a change that is not yet committed.")                                          \
    X(OLDEST_LIVE, gauge, "oldest_waiting_seconds", "lane=\"live\"",                               \
      "Age of the oldest change that waits to be fetched, by lane.")                               \
    X(OLDEST_LOW, gauge, "oldest_waiting_seconds", "lane=\"low\"", "")                             \
    X(OLDEST_UNCOMMITTED, gauge, "oldest_uncommitted_seconds", "",                                 \
      "Age of the oldest event, by Kafka's clock, whose work is not committed.")                   \
    X(RETENTION, gauge, "events_retention_seconds", "",                                            \
      "For how long Kafka keeps an event, by the shortest of the events topics; 0: not known.")    \
    X(BACKFILLS_RUNNING, gauge, "backfills", "state=\"running\"",                                  \
      "Lists that are being read whole, or wait for their turn; one is a model of an "             \
      "integration.")                                                                              \
    X(BACKFILLS_WAITING, gauge, "backfills", "state=\"waiting\"", "")                              \
    X(BACKFILL_ROWS, counter, "backfill_rows_total", "", "Records read by backfills.")             \
    X(PARTITIONS_OWNED, gauge, "partitions_owned", "", "Event partitions this instance works on.") \
    X(PARTITIONS, gauge, "partitions", "", "Event partitions that all instances own together.")    \
    X(PARTITIONS_PAUSED, gauge, "partitions_paused", "",                                           \
      "Event partitions paused because their share of max_pending is full.")                       \
    X(API_RECORD, counter, "api_requests_total", "outcome=\"ok\"",                                 \
      "API requests by outcome; see When the API fails.")                                          \
    X(API_GONE, counter, "api_requests_total", "outcome=\"gone\"", "")                             \
    X(API_LIMITED, counter, "api_requests_total", "outcome=\"limited\"", "")                       \
    X(API_UNAUTHORIZED, counter, "api_requests_total", "outcome=\"unauthorized\"", "")             \
    X(API_UNPAID, counter, "api_requests_total", "outcome=\"unpaid\"", "")                         \
    X(API_FORBIDDEN, counter, "api_requests_total", "outcome=\"forbidden\"", "")                   \
    X(API_NOT_NOW, counter, "api_requests_total", "outcome=\"not_now\"", "")                       \
    X(API_REFUSED, counter, "api_requests_total", "outcome=\"refused\"", "")                       \
    X(API_PROXY_PAGE, counter, "api_requests_total", "outcome=\"proxy_page\"", "")                 \
    X(API_TOO_LARGE, counter, "api_requests_total", "outcome=\"too_large\"", "")                   \
    X(API_UNREADABLE, counter, "api_requests_total", "outcome=\"unreadable\"", "")                 \
    X(API_NO_RECORD, counter, "api_requests_total", "outcome=\"no_record\"", "")                   \
    X(API_WRONG_ID, counter, "api_requests_total", "outcome=\"wrong_id\"", "")                     \
    X(API_NOT_STARTED, counter, "api_requests_total", "outcome=\"not_started\"", "")               \
    X(API_NO_HOST, counter, "api_requests_total", "outcome=\"no_host\"", "")                       \
    X(API_NO_CONNECTION, counter, "api_requests_total", "outcome=\"no_connection\"", "")           \
    X(API_TLS, counter, "api_requests_total", "outcome=\"tls\"", "")                               \
    X(API_TIMEOUT, counter, "api_requests_total", "outcome=\"timeout\"", "")                       \
    X(API_RESET, counter, "api_requests_total", "outcome=\"reset\"", "")                           \
    X(API_REDIRECT_LOOP, counter, "api_requests_total", "outcome=\"redirect_loop\"", "")           \
    X(API_REDIRECT, counter, "api_requests_total", "outcome=\"redirect\"", "")                     \
    X(API_SERVER_ERROR, counter, "api_requests_total", "outcome=\"server_error\"", "")             \
    X(API_WRONG_CONTENT, counter, "api_requests_total", "outcome=\"wrong_content\"", "")           \
    X(API_CUT, counter, "api_requests_total", "outcome=\"cut\"", "")                               \
    X(API_ODD_STATUS, counter, "api_requests_total", "outcome=\"odd_status\"", "")                 \
    X(KIND_ID, counter, "api_requests_by_kind_total", "kind=\"id\"",                               \
      "API requests by what was asked for.")                                                       \
    X(KIND_PAGE, counter, "api_requests_by_kind_total", "kind=\"page\"", "")                       \
    X(KIND_MODEL_PAGE, counter, "api_requests_by_kind_total", "kind=\"model_page\"", "")           \
    X(KIND_SCAN, counter, "api_requests_by_kind_total", "kind=\"scan\"", "")                       \
    X(KIND_PROBE, counter, "api_requests_by_kind_total", "kind=\"probe\"", "")                     \
    X(KIND_LIST, counter, "api_requests_by_kind_total", "kind=\"list\"", "")                       \
    X(KIND_DIFFS, counter, "api_requests_by_kind_total", "kind=\"diffs\"", "")                     \
    X(KIND_BACKFILL, counter, "api_requests_by_kind_total", "kind=\"backfill\"", "")               \
    X(KIND_EXPIRY, counter, "api_requests_by_kind_total", "kind=\"expiry\"", "")                   \
    X(PAGE_LIVE, counter, "page_rows_total", "use=\"live\"",                                       \
      "Rows of pages by use: a live change, a low one that rode along, read too early, not "       \
      "waited "                                                                                    \
      "for.")                                                                                      \
    X(PAGE_LOW, counter, "page_rows_total", "use=\"low\"", "")                                     \
    X(PAGE_EARLY, counter, "page_rows_total", "use=\"early\"", "")                                 \
    X(PAGE_UNASKED, counter, "page_rows_total", "use=\"unasked\"", "")                             \
    X(BUDGET_LIMIT, gauge, "api_budget_limit", "",                                                 \
      "Requests that the API allows a minute by the best of our knowledge, -1 = no limit known.")  \
    X(BUDGET_LEFT, gauge, "api_budget_left", "",                                                   \
      "Requests left this minute by the best of our knowledge, -1 = no limit known.")              \
    X(API_RECEIVED, counter, "api_received_bytes_total", "", "Bytes of the API's answers.")        \
    X(API_CONNECTIONS, counter, "api_connections_total", "", "Connections made to the API.")       \
    X(API_IN_FLIGHT, gauge, "api_requests_in_flight", "", "API requests under way.")               \
    X(API_BREAKER_OPEN, gauge, "api_breaker_open", "",                                             \
      "1 while requests are held back because the API keeps failing.")                             \
    X(BREAKERS_OPEN_INTEGRATIONS, gauge, "api_breakers_open", "scope=\"integration\"",             \
      "Integrations, and models of one, whose requests are held back because theirs keep "         \
      "failing.")                                                                                  \
    X(BREAKERS_OPEN_MODELS, gauge, "api_breakers_open", "scope=\"model\"", "")                     \
    X(BREAKER_OPENINGS_API, counter, "api_breaker_openings_total", "scope=\"all\"",                \
      "How often requests began to be held back, by whose.")                                       \
    X(BREAKER_OPENINGS_INTEGRATION, counter, "api_breaker_openings_total",                         \
      "scope=\"integration\"", "")                                                                 \
    X(BREAKER_OPENINGS_MODEL, counter, "api_breaker_openings_total", "scope=\"model\"", "")        \
    X(ANSWERS_STALE, counter, "answers_stale_total", "",                                           \
      "Answers dropped because a newer copy of the record was published.")                         \
    X(ANSWERS_REREAD, counter, "answers_reread_total", "",                                         \
      "Records read once more because they still showed the value before the change.")             \
    X(EVENTS_UNPUBLISHED, counter, "events_unpublished_total", "",                                 \
      "Events that changed nothing: older than what is known, or of a child no record shows.")     \
    X(ASSEMBLED_OLD, counter, "assembly_events_old_total", "",                                     \
      "Events of assembled records that told nothing new: late or repeated.")                      \
    X(CONFLICTS_SETTLED, counter, "assembly_conflicts_total", "outcome=\"settled\"",               \
      "Conflicts between events of an assembled record by outcome.")                               \
    X(CONFLICTS_MARKED, counter, "assembly_conflicts_total", "outcome=\"marked\"", "")             \
    X(CHILD_PARENTS, counter, "child_events_total", "outcome=\"parents\"",                         \
      "Events of children by what became of them.")                                                \
    X(CHILD_PARENT_UNKNOWN, counter, "child_events_total", "outcome=\"parent_unknown\"", "")       \
    X(CHILD_NO_PARENT, counter, "child_events_total", "outcome=\"no_parent\"", "")                 \
    X(LIST_ITEMS_WITHOUT_ID, counter, "list_items_without_id_total", "",                           \
      "Items of the API's lists that had no id and were passed over.")                             \
    X(LIST_ITEMS_UNREAD, counter, "list_items_unread_total", "",                                   \
      "Rows of the API's lists that could not be read and were passed over.")                      \
    X(FORWARDED, counter, "events_forwarded_total", "",                                            \
      "Events without an integration that were sent on under the right key.")                      \
    X(SPANS_SENT, counter, "spans_total", "outcome=\"sent\"",                                      \
      "Spans for tracing.endpoint by what became of them.")                                        \
    X(SPANS_DROPPED, counter, "spans_total", "outcome=\"dropped\"", "")                            \
    X(REGISTRY_HOLDS, gauge, "registry_holds", "",                                                 \
      "1 while snapshots wait for a schema registry that is away or refuses a schema.")            \
    X(TRANSACTIONS_COMMITTED, counter, "transactions_total", "outcome=\"committed\"",              \
      "Kafka transactions by outcome.")                                                            \
    X(TRANSACTIONS_ABORTED, counter, "transactions_total", "outcome=\"aborted\"", "")              \
    X(TRANSACTIONS_FENCED, counter, "transactions_total", "outcome=\"fenced\"", "")

/* With one label or two whose values are learnt (labelled.h).
 * X(id, type, name without prefix, first label, second label or NULL, most pairs, help) */
#define METRICS_LABELLED(X)                                                                        \
    X(READY, gauge, "ready", "condition", NULL, 20,                                                \
      "1 where a condition of readiness holds, 0 where it does not; /readyz has the reason.")      \
    X(EVENTS_CONSUMED, counter, "events_consumed_total", "model", NULL, 200,                       \
      "Events taken from the events topics.")                                                      \
    X(SNAPSHOTS, counter, "snapshots_total", "kind", "model", 600,                                 \
      "Committed snapshots by kind: of a record as it was read, put together, or a tombstone.")    \
    X(DEAD_LETTERS, counter, "dead_letters_total", "code", NULL, 50,                               \
      "Events that became dead letters, by code.")                                                 \
    X(LAG, gauge, "consumer_lag_events", "model", NULL, 200,                                       \
      "Events in Kafka, of the partitions owned, behind the last one that was taken.")             \
    X(INTEGRATION_EVENTS, counter, "integration_events_total", "integration", NULL, 0,             \
      "Events taken, by integration; as many of these as admin.integrations says.")                \
    X(INTEGRATION_SNAPSHOTS, counter, "integration_snapshots_total", "integration", NULL, 0,       \
      "Committed snapshots, by integration.")                                                      \
    X(INTEGRATION_DEAD_LETTERS, counter, "integration_dead_letters_total", "integration", NULL, 0, \
      "Events that became dead letters, by integration.")                                          \
    X(KAFKA_BROKERS, gauge, "kafka_brokers_up", "client", NULL, 20,                                \
      "Brokers that a client of Kafka is connected to.")                                           \
    X(KAFKA_QUEUED, gauge, "kafka_queued_messages", "client", NULL, 20,                            \
      "Messages of a client that are not yet acknowledged, or not yet taken.")                     \
    X(KAFKA_ROUND_TRIP, gauge, "kafka_round_trip_seconds", "client", NULL, 20,                     \
      "How long the slowest broker takes to answer, 99 of 100 requests of the last seconds.")      \
    X(KAFKA_SENT_BYTES, counter, "kafka_sent_bytes_total", "client", NULL, 20,                     \
      "Bytes sent to Kafka.")                                                                      \
    X(KAFKA_RECEIVED_BYTES, counter, "kafka_received_bytes_total", "client", NULL, 20,             \
      "Bytes received from Kafka.")                                                                \
    X(KAFKA_ERRORS, counter, "kafka_request_errors_total", "client", NULL, 20,                     \
      "Requests of Kafka that failed or timed out, and were tried again.")                         \
    X(UNMAPPED_FIELDS, counter, "unmapped_fields_total", "model", "field", 200,                    \
      "Fields kept in unmapped_fields, by model and field: 200 pairs, the rest as `other`.")

/* X(id, name without prefix, bounds, help) */
#define METRICS_HISTOGRAMS(X)                                                                \
    X(ACKNOWLEDGEMENT_TIME, "acknowledgement_seconds", histogram_short,                      \
      "From a webhook's last byte to its answer 200, by which it is durable.")               \
    X(API_TIME, "api_request_seconds", histogram_short, "How long the API takes to answer.") \
    X(TRANSACTION_TIME, "transaction_seconds", histogram_short,                              \
      "From the first message of a transaction to its commit.")                              \
    X(SNAPSHOT_TIME, "snapshot_seconds", histogram_long,                                     \
      "From an event's arrival in Kafka, by its clock, to the commit of its record's snapshot.")

enum metric {
#define METRIC_ID(id, type, name, labels, help) METRIC_##id,
    METRICS(METRIC_ID)
#undef METRIC_ID
        METRIC_COUNT
};

enum labelled_metric {
#define METRIC_ID(id, type, name, first, second, limit, help) METRIC_##id,
    METRICS_LABELLED(METRIC_ID)
#undef METRIC_ID
        LABELLED_METRIC_COUNT
};

enum histogram_metric {
#define METRIC_ID(id, name, bounds, help) METRIC_##id,
    METRICS_HISTOGRAMS(METRIC_ID)
#undef METRIC_ID
        HISTOGRAM_METRIC_COUNT
};

enum metrics_format {
    METRICS_TEXT, /* the Prometheus text format, version 0.0.4 */
    METRICS_OPEN, /* OpenMetrics 1.0.0, which has exemplars */
};

void metrics_add(enum metric metric, int64_t amount);
void metrics_set(enum metric metric, int64_t value); /* gauges */
int64_t metrics_get(enum metric metric);

/* For metrics with labels, as labelled_slot says: where to count, and counting. A second label that
 * the metric does not have is NULL. */
_Atomic int64_t *metrics_slot(enum labelled_metric metric, const char *first, const char *second);
bool metrics_add_labelled(enum labelled_metric metric, const char *first, const char *second,
                          int64_t amount); /* true when the pair is new */
void metrics_set_labelled(enum labelled_metric metric, const char *first, const char *second,
                          int64_t value);
int64_t metrics_get_labelled(enum labelled_metric metric, const char *first, const char *second);

/* The sum over all labels. */
int64_t metrics_sum_labelled(enum labelled_metric metric);

/* How many integrations have metrics of their own; before any of them is counted. */
void metrics_limit_integrations(size_t most);

/* `trace_id` may be NULL. */
void metrics_observe(enum histogram_metric metric, int64_t us, const char *trace_id);

/* Appends all. */
void metrics_expose(enum metrics_format format, struct buffer *out);

/* Appends the rows of a Markdown table: name, type, meaning; as they stand in the README. */
void metrics_document(struct buffer *out);

#endif
