/*
 * What a receiver does at the least: bare_receiver BOOTSTRAP LINGER_MS SECRET FILE. A webhook is
 * read, its signature checked, its JSON parsed, and a message produced that is as the first of FILE
 * (see bare.h) but for key and value; when Kafka has acknowledged it the answer is 200. No limits,
 * no metrics, no second secret, no dead letters, no way round a Kafka that is away. Prints where it
 * listens and ends at SIGTERM.
 */
#include <cjson/cJSON.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/base/memory.h"
#include "tests/bench/bare.h"
#include "tests/bench/bare_server.h"

#define DIGEST 32

struct receiver {
    rd_kafka_t *handle;
    rd_kafka_queue_t *queue;
    int fd;
    size_t open; /* requests that wait for Kafka */
    struct bare_message message;
    EVP_MAC_CTX *key;
    struct MHD_Response *answer;
};

struct webhook {
    struct MHD_Connection *connection;
    char *body;
    size_t length;
    bool kept;
};

static EVP_MAC_CTX *open_key(const char *secret)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
    EVP_MAC_CTX *key = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL));
    bare_demand(EVP_MAC_init(key, (const unsigned char *)secret, strlen(secret), parameters) == 1,
                "a key");
    return key;
}

static void check(const struct receiver *receiver, const struct webhook *webhook)
{
    unsigned char digest[DIGEST];
    char hex[2 * DIGEST + 1] = "";
    size_t made = 0;
    const char *told =
        MHD_lookup_connection_value(webhook->connection, MHD_HEADER_KIND, "propexo-signature");
    bare_demand(EVP_MAC_init(receiver->key, NULL, 0, NULL) == 1 &&
                    EVP_MAC_update(receiver->key, (const unsigned char *)webhook->body,
                                   webhook->length) == 1 &&
                    EVP_MAC_final(receiver->key, digest, &made, DIGEST) == 1,
                "a digest");
    for (size_t i = 0; i < DIGEST; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    bare_demand(told != NULL && CRYPTO_memcmp(told, hex, sizeof hex) == 0, "a signature");
}

static void produce(const struct receiver *receiver, struct webhook *webhook)
{
    const struct bare_message *message = &receiver->message;
    cJSON *root = cJSON_ParseWithLength(webhook->body, webhook->length);
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(root, "meta");
    const char *key =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(meta, "integration_id"));
    bare_demand(key != NULL && cJSON_GetObjectItemCaseSensitive(meta, "object") != NULL,
                "a webhook");
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    for (size_t i = 0; i < message->header_count; i++)
        (void)rd_kafka_header_add(headers, message->headers[i][0], -1, message->headers[i][1], -1);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        receiver->handle, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_KEY(key, strlen(key)),
        RD_KAFKA_V_VALUE(webhook->body, webhook->length), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(webhook), RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        bare_fail("produce", rd_kafka_err2str(code));
    cJSON_Delete(root);
}

static enum MHD_Result on_data(void *context, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *size, void **seen)
{
    struct receiver *receiver = context;
    struct webhook *webhook = *seen;
    (void)url;
    (void)method;
    (void)version;
    if (webhook == NULL) {
        webhook = *seen = memory_new(1, sizeof *webhook);
        webhook->connection = connection;
        return MHD_YES;
    }
    if (*size != 0) {
        webhook->body = memory_grow(webhook->body, webhook->length + *size, 1);
        memcpy(webhook->body + webhook->length, data, *size);
        webhook->length += *size;
        *size = 0;
        return MHD_YES;
    }
    if (webhook->kept)
        return MHD_queue_response(connection, MHD_HTTP_OK, receiver->answer);
    check(receiver, webhook);
    produce(receiver, webhook);
    receiver->open++;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **seen,
                         enum MHD_RequestTerminationCode code)
{
    struct webhook *webhook = *seen;
    (void)context;
    (void)connection;
    (void)code;
    if (webhook != NULL)
        free(webhook->body);
    free(webhook);
    *seen = NULL;
}

static void on_delivered(struct receiver *receiver, const rd_kafka_message_t *message)
{
    struct webhook *webhook = message->_private;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        bare_fail("delivery", rd_kafka_err2str(message->err));
    webhook->kept = true;
    receiver->open--;
    MHD_resume_connection(webhook->connection);
}

static void serve(void *context)
{
    struct receiver *receiver = context;
    const rd_kafka_message_t *message = NULL;
    rd_kafka_event_t *event = NULL;
    uint64_t count;
    ssize_t got = read(receiver->fd, &count, sizeof count);
    (void)got;
    while ((event = rd_kafka_queue_poll(receiver->queue, 0)) != NULL) {
        while (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR &&
               (message = rd_kafka_event_message_next(event)) != NULL)
            on_delivered(receiver, message);
        rd_kafka_event_destroy(event);
    }
}

int main(int argc, char **argv)
{
    static const uint64_t one = 1;
    struct receiver receiver = {0};
    size_t count = 0;
    bare_demand(argc == 5, "bare_receiver BOOTSTRAP LINGER_MS SECRET FILE");
    receiver.message = bare_message(bare_lines(argv[4], &count)[0]);
    receiver.key = open_key(argv[3]);
    receiver.handle = bare_producer(argv[1], argv[2], NULL, RD_KAFKA_EVENT_DR);
    receiver.queue = rd_kafka_queue_get_main(receiver.handle);
    receiver.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rd_kafka_queue_io_event_enable(receiver.queue, receiver.fd, &one, sizeof one);
    receiver.answer = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    /* Without libmicrohttpd's pipe: requests are resumed in its own loop. */
    bare_serve(MHD_ALLOW_SUSPEND_RESUME & ~(unsigned)MHD_USE_ITC, on_data, on_completed, &receiver,
               &(struct bare_also){receiver.fd, serve, &receiver.open});
    return EXIT_SUCCESS;
}
