#include "bridge/kafka/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/kafka/handle.h"

#define STEP_MS  1000 /* how long one waiting call may take before `cancel` is looked at again */
#define ABORT_MS 15000

struct transaction_producer {
    rd_kafka_t *handle;
    int64_t began_ms;
    size_t refused;           /* messages in this transaction */
    size_t tag;               /* of the first of them */
    bool unproven;            /* a message was reported, but not where it is */
    rd_kafka_resp_err_t code; /* why; NO_ERROR when none was */
};

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *context)
{
    struct transaction_producer *producer = context;
    (void)handle;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && !message_is_stored(message))
        producer->unproven = true;
    /* A purged message was not looked at: it follows another's refusal, or a cancel. */
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
        message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return;
    if (producer->refused++ > 0)
        return;
    producer->code = message->err;
    producer->tag = (size_t)(uintptr_t)message->_private;
}

/* The group coordinator tells that another member, or another generation, owns the work. */
static bool is_group_fencing(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        return true;
    default:
        return false;
    }
}

/* The transaction coordinator has ended the transaction: it timed out, or a newer producer of the
 * same transactional.id has begun. INVALID_TXN_STATE is what Kafka 4 answers to a late end. */
static bool is_producer_fencing(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE:
    case RD_KAFKA_RESP_ERR__FENCED:
        return true;
    default:
        return false;
    }
}

/* What a producer that no call can save means for the batch. */
static enum transaction_outcome lost(rd_kafka_resp_err_t code)
{
    if (is_group_fencing(code))
        return TRANSACTION_FENCED;
    return is_producer_fencing(code) ? TRANSACTION_ENDED : TRANSACTION_BROKEN;
}

enum transaction_outcome transaction_abort(struct transaction_producer *producer,
                                           struct error *error)
{
    int64_t deadline = clock_ms() + ABORT_MS;
    for (;;) {
        rd_kafka_error_t *problem = rd_kafka_abort_transaction(producer->handle, STEP_MS);
        if (problem == NULL)
            return TRANSACTION_CANCELLED;
        bool again = rd_kafka_error_is_retriable(problem) && clock_ms() < deadline;
        enum transaction_outcome outcome = lost(rd_kafka_error_code(problem));
        kafka_error(problem, error, "aborting the transaction");
        if (!again)
            return outcome;
    }
}

/* Aborts, because of what `error` tells; `outcome` when that goes well. */
static enum transaction_outcome give_up(struct transaction_producer *producer,
                                        enum transaction_outcome outcome, struct error *error)
{
    struct error while_aborting;
    char text[256];
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(producer->handle, text, sizeof text);
    if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        error_set(error, VERDICT_FATAL, "%s (%s)", text, rd_kafka_err2name(fatal));
        return lost(fatal);
    }
    enum transaction_outcome aborted = transaction_abort(producer, &while_aborting);
    if (aborted == TRANSACTION_CANCELLED || outcome == TRANSACTION_FENCED)
        return outcome;
    *error = while_aborting;
    return aborted;
}

/* The group's coordinator finds the offsets' metadata, one or all of it, too large. */
static bool is_too_much_told(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE;
}

/* Aborts after `problem`, which is consumed. */
static enum transaction_outcome give_up_after(struct transaction_producer *producer,
                                              rd_kafka_error_t *problem, struct error *error,
                                              const char *doing)
{
    bool fatal = rd_kafka_error_is_fatal(problem) != 0;
    rd_kafka_resp_err_t code = rd_kafka_error_code(problem);
    kafka_error(problem, error, doing);
    if (fatal)
        return lost(code);
    return give_up(producer,
                   is_group_fencing(code)   ? TRANSACTION_FENCED
                   : is_too_much_told(code) ? TRANSACTION_UNTOLD
                                            : TRANSACTION_ABORTED,
                   error);
}

struct transaction_producer *transaction_producer_new(const struct kafka_context *kafka,
                                                      enum kafka_role role, int64_t wait_ms,
                                                      const atomic_bool *cancel,
                                                      struct error *error)
{
    int64_t began_ms = clock_ms();
    rd_kafka_conf_t *settings = kafka_settings(kafka, role, error);
    if (settings == NULL)
        return NULL;
    struct transaction_producer *producer = memory_new(1, sizeof *producer);
    rd_kafka_conf_set_dr_msg_cb(settings, on_delivery);
    rd_kafka_conf_set_opaque(settings, producer);
    producer->handle = kafka_open(RD_KAFKA_PRODUCER, settings, error);
    bool ready = false;
    bool again = producer->handle != NULL;
    while (again && !ready && !atomic_load(cancel) && clock_ms() - began_ms < wait_ms) {
        rd_kafka_error_t *problem = rd_kafka_init_transactions(producer->handle, STEP_MS);
        ready = problem == NULL;
        again = !ready && rd_kafka_error_is_retriable(problem);
        if (!ready)
            kafka_error(problem, error, "starting the transactional producer");
    }
    if (ready)
        return producer;
    if (again && atomic_load(cancel))
        error_set(error, VERDICT_RETRY, "stopped before Kafka answered");
    transaction_producer_free(producer);
    return NULL;
}

void transaction_producer_free(struct transaction_producer *producer)
{
    if (producer == NULL)
        return;
    if (producer->handle != NULL)
        (void)rd_kafka_purge(producer->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (kafka_close(producer->handle, 0))
        free(producer);
}

enum transaction_outcome transaction_begin(struct transaction_producer *producer,
                                           struct error *error)
{
    producer->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    producer->refused = 0;
    producer->unproven = false;
    producer->began_ms = clock_ms();
    rd_kafka_error_t *problem = rd_kafka_begin_transaction(producer->handle);
    if (problem == NULL)
        return TRANSACTION_DONE;
    enum transaction_outcome outcome = lost(rd_kafka_error_code(problem));
    kafka_error(problem, error, "beginning a transaction");
    return outcome;
}

static enum transaction_outcome refuse(struct transaction_producer *producer, struct error *error)
{
    error_set(error, VERDICT_ABORT, "Kafka refuses a message: %s",
              rd_kafka_err2str(producer->code));
    return give_up(producer, TRANSACTION_REFUSED, error);
}

bool transaction_is_certain(const struct transaction_producer *producer)
{
    return producer->refused == 1;
}

bool transaction_culprit(const struct transaction_producer *producer, size_t *tag)
{
    *tag = producer->tag;
    return producer->code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           producer->code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           producer->code == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

/* Nothing more can be added: the transaction has failed, by a message that was sent meanwhile. Its
 * report, which is here or on its way, may say that Kafka will never take it. */
static enum transaction_outcome give_up_failed(struct transaction_producer *producer,
                                               struct error *error)
{
    (void)rd_kafka_flush(producer->handle, STEP_MS / 4);
    if (producer->code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return refuse(producer, error);
    return give_up(producer, TRANSACTION_ABORTED, error);
}

enum transaction_outcome transaction_add(struct transaction_producer *producer,
                                         const struct message *message, size_t tag,
                                         const atomic_bool *cancel, struct error *error)
{
    for (;;) {
        rd_kafka_resp_err_t code =
            message_produce(producer->handle, message, (void *)(uintptr_t)tag);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return TRANSACTION_DONE;
        if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
            producer->code = code;
            producer->tag = tag;
            producer->refused = 1;
            return refuse(producer, error);
        }
        error_set(error, VERDICT_ABORT, "producing: %s", rd_kafka_err2str(code));
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return give_up_failed(producer, error);
        if (atomic_load(cancel))
            return give_up(producer, TRANSACTION_CANCELLED, error);
        (void)rd_kafka_poll(producer->handle, 20);
    }
}

/* What is not sent yet when a transaction fails stays unsent, and unreported, until it is aborted.
 * No call but one that would be refused anyway tells whether it has. */
static bool has_failed(struct transaction_producer *producer, struct error *error)
{
    rd_kafka_error_t *problem = rd_kafka_begin_transaction(producer->handle);
    bool failed = rd_kafka_error_txn_requires_abort(problem) || rd_kafka_error_is_fatal(problem);
    if (failed)
        kafka_error(problem, error, "awaiting the snapshots' acknowledgement");
    else
        rd_kafka_error_destroy(problem);
    return failed;
}

enum transaction_outcome transaction_flush(struct transaction_producer *producer,
                                           const atomic_bool *cancel, struct error *error)
{
    bool failed = false;
    while (rd_kafka_outq_len(producer->handle) > 0) {
        (void)rd_kafka_flush(producer->handle, STEP_MS / 4);
        if (atomic_load(cancel)) {
            error_set(error, VERDICT_ABORT, "cancelled");
            return give_up(producer, TRANSACTION_CANCELLED, error);
        }
        if (failed) /* the reports of what made it fail are here by now */
            break;
        if (clock_ms() - producer->began_ms > KAFKA_TRANSACTION_TIMEOUT_MS) {
            error_set(error, VERDICT_ABORT, "Kafka did not acknowledge the snapshots in time");
            return give_up(producer, TRANSACTION_ABORTED, error);
        }
        failed = rd_kafka_outq_len(producer->handle) > 0 && has_failed(producer, error);
    }
    if (producer->code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return refuse(producer, error);
    if (producer->unproven && !failed)
        failed = !error_set(error, VERDICT_ABORT, "Kafka does not say where a message is");
    return failed ? give_up(producer, TRANSACTION_ABORTED, error) : TRANSACTION_DONE;
}

static enum transaction_outcome send_offsets(struct transaction_producer *producer,
                                             const rd_kafka_topic_partition_list_t *offsets,
                                             const struct membership *membership,
                                             const atomic_bool *cancel, struct error *error)
{
    for (;;) {
        rd_kafka_error_t *problem = rd_kafka_send_offsets_to_transaction(
            producer->handle, offsets, membership_metadata(membership), 5 * STEP_MS);
        if (problem == NULL)
            return TRANSACTION_DONE;
        bool in_time = clock_ms() - producer->began_ms < KAFKA_TRANSACTION_TIMEOUT_MS;
        if (!rd_kafka_error_is_retriable(problem) || atomic_load(cancel) || !in_time)
            return give_up_after(producer, problem, error, "sending offsets");
        rd_kafka_error_destroy(problem);
    }
}

/* From here on a cancel waits: the coordinator decides, and what it decided must be known. */
static enum transaction_outcome commit(struct transaction_producer *producer, struct error *error)
{
    for (;;) {
        rd_kafka_error_t *problem = rd_kafka_commit_transaction(producer->handle, 5 * STEP_MS);
        if (problem == NULL)
            return TRANSACTION_DONE;
        if (!rd_kafka_error_is_retriable(problem))
            return give_up_after(producer, problem, error, "committing");
        if (clock_ms() - producer->began_ms > 2 * KAFKA_TRANSACTION_TIMEOUT_MS) {
            kafka_error(problem, error, "committing");
            return TRANSACTION_BROKEN;
        }
        rd_kafka_error_destroy(problem);
    }
}

enum transaction_outcome transaction_commit(struct transaction_producer *producer,
                                            const struct transaction_offset *offsets, size_t count,
                                            const struct membership *membership,
                                            const atomic_bool *cancel, struct error *error)
{
    if (count == 0) {
        log_error("transaction_without_offsets");
        abort();
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *element =
            rd_kafka_topic_partition_list_add(list, offsets[i].topic, offsets[i].partition);
        element->offset = offsets[i].offset;
        if (offsets[i].metadata != NULL) { /* the list frees it */
            element->metadata = memory_text(offsets[i].metadata);
            /* With its zero: Confluent's Python client, which others watch the group with, reads
             * metadata up to a zero that nothing else puts there, and fails on what follows. */
            element->metadata_size = strlen(offsets[i].metadata) + 1;
        }
    }
    enum transaction_outcome outcome = transaction_flush(producer, cancel, error);
    if (outcome == TRANSACTION_DONE)
        outcome = send_offsets(producer, list, membership, cancel, error);
    if (outcome == TRANSACTION_DONE && atomic_load(cancel)) {
        error_set(error, VERDICT_ABORT, "cancelled");
        outcome = give_up(producer, TRANSACTION_CANCELLED, error);
    }
    if (outcome == TRANSACTION_DONE)
        outcome = commit(producer, error);
    rd_kafka_topic_partition_list_destroy(list);
    return outcome;
}
