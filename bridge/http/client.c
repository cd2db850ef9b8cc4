#include "bridge/http/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/digest.h"
#include "bridge/base/memory.h"
#include "bridge/http/answer.h"
#include "bridge/http/easy.h"
#include "bridge/http/outcome.h"

#define KEEP_BODY_CAPACITY ((size_t)256 << 10)
#define UNRESERVED         "-._~"

struct transfer {
    struct http_client *client;
    CURL *easy;
    struct buffer body;
    struct digest *digest; /* of a body that is too large; NULL otherwise */
    size_t taken;          /* bytes of it so far */
    char sha256[DIGEST_TEXT_SIZE];
    struct http_answer answer;
    struct curl_slist *headers; /* of a request that has others than the client's; NULL otherwise */
    char *sent;                 /* that body, owned */
    http_done *done;
    void *context;
    bool busy;
    bool head_ended; /* libcurl takes a connection that ends inside the head for a whole answer */
    char problem[CURL_ERROR_SIZE];
    struct transfer *next_idle;
};

struct waiting {
    struct waiting *next;
    enum http_method method;
    char *url;
    char *content_type;
    char *body;
    char *traceparent;
    http_done *done;
    void *context;
};

struct http_client {
    CURLM *multi;
    struct transfer *transfers;
    int transfer_count;
    struct transfer *idle;
    struct waiting *first;
    struct waiting **last;
    int waiting_count;
    int active;
    struct curl_slist *headers;
    struct curl_waitfd *extra;
    size_t extra_capacity;
};

static CURLcode global_result;
static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void start_libcurl(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* What is larger than allowed is not kept, but told of: its head, its length and its digest. */
static bool pass_over(struct transfer *transfer, const char *bytes, size_t length)
{
    if (transfer->digest == NULL) {
        transfer->digest = digest_new();
        transfer->taken = transfer->body.length;
        digest_add(transfer->digest, buffer_text(&transfer->body), transfer->body.length);
        buffer_cut(&transfer->body, HTTP_HEAD_SIZE);
    }
    transfer->taken += length;
    digest_add(transfer->digest, bytes, length);
    return transfer->taken <= HTTP_PASSED_OVER * transfer->body.maximum;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t length = size * count;
    if (transfer->digest == NULL && buffer_append(&transfer->body, bytes, length))
        return length;
    return pass_over(transfer, bytes, length) ? length : 0;
}

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    if (size * count >= 5 && memcmp(line, "HTTP/", 5) == 0)
        transfer->head_ended = false;
    else if (line[0] == '\r' || line[0] == '\n')
        transfer->head_ended = true;
    answer_header(&transfer->answer, line, size * count, clock_wall_ms());
    return size * count;
}

static CURLcode set_callbacks(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    CURLcode result = CURLE_OK;
    EASY_SET(easy, result, CURLOPT_PRIVATE, transfer);
    EASY_SET(easy, result, CURLOPT_ERRORBUFFER, transfer->problem);
    EASY_SET(easy, result, CURLOPT_WRITEFUNCTION, take_body);
    EASY_SET(easy, result, CURLOPT_WRITEDATA, transfer);
    EASY_SET(easy, result, CURLOPT_HEADERFUNCTION, take_header);
    EASY_SET(easy, result, CURLOPT_HEADERDATA, transfer);
    return result;
}

static bool transfer_init(struct transfer *transfer, struct http_client *client,
                          const struct http_options *options, struct error *error)
{
    transfer->client = client;
    transfer->body = buffer_new(options->max_body);
    transfer->easy = curl_easy_init();
    CURLcode result = transfer->easy == NULL ? CURLE_OUT_OF_MEMORY : set_callbacks(transfer);
    if (result == CURLE_OK)
        result = easy_configure(transfer->easy, options);
    if (result != CURLE_OK)
        return error_set(error, VERDICT_FATAL, "libcurl: %s", curl_easy_strerror(result));
    transfer->next_idle = client->idle;
    client->idle = transfer;
    return true;
}

struct http_client *http_client_new(const struct http_options *options, struct error *error)
{
    (void)pthread_once(&global_once, start_libcurl);
    if (global_result != CURLE_OK) {
        error_set(error, VERDICT_FATAL, "libcurl: %s", curl_easy_strerror(global_result));
        return NULL;
    }
    struct http_client *client = memory_new(1, sizeof *client);
    client->last = &client->first;
    client->transfer_count = options->max_connections < 1 ? 1 : options->max_connections;
    client->transfers = memory_new((size_t)client->transfer_count, sizeof *client->transfers);
    client->headers = curl_slist_append(NULL, "accept: application/json");
    client->multi = curl_multi_init();
    bool ok = client->multi != NULL && client->headers != NULL;
    if (!ok) {
        error_set(error, VERDICT_FATAL, "libcurl cannot start");
        goto out;
    }
    long most = client->transfer_count;
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, most);
    for (int i = client->transfer_count - 1; ok && i >= 0; i--)
        ok = transfer_init(&client->transfers[i], client, options, error);
out:
    if (!ok) {
        http_client_free(client);
        return NULL;
    }
    return client;
}

static void waiting_free(struct waiting *waiting)
{
    free(waiting->url);
    free(waiting->content_type);
    free(waiting->body);
    free(waiting->traceparent);
    free(waiting);
}

static void transfer_free(struct transfer *transfer)
{
    if (transfer->busy)
        (void)curl_multi_remove_handle(transfer->client->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    free(transfer->sent);
    digest_free(transfer->digest);
    buffer_free(&transfer->body);
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    while (client->first != NULL) {
        struct waiting *waiting = client->first;
        client->first = waiting->next;
        waiting_free(waiting);
    }
    for (int i = 0; i < client->transfer_count; i++)
        transfer_free(&client->transfers[i]);
    (void)curl_multi_cleanup(client->multi);
    curl_slist_free_all(client->headers);
    free(client->transfers);
    free(client->extra);
    free(client);
}

bool http_client_start(struct http_client *client, const struct http_request *request,
                       http_done *done, void *context, struct error *error)
{
    const char *url = request->url;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return error_set(error, VERDICT_CONFIGURATION,
                         "the URL does not begin with http:// or https://");
    if (client->waiting_count >= HTTP_MAX_WAITING)
        return error_set(error, VERDICT_RETRY, "%d requests wait already", HTTP_MAX_WAITING);
    struct waiting *waiting = memory_new(1, sizeof *waiting);
    waiting->method = request->method;
    waiting->url = memory_text(url);
    waiting->content_type = memory_text(request->content_type);
    waiting->body = memory_text(request->body);
    waiting->traceparent = memory_text(request->traceparent);
    waiting->done = done;
    waiting->context = context;
    *client->last = waiting;
    client->last = &waiting->next;
    client->waiting_count++;
    return true;
}

bool http_client_get(struct http_client *client, const char *url, http_done *done, void *context,
                     struct error *error)
{
    struct http_request request = {.url = url};
    return http_client_start(client, &request, done, context, error);
}

int http_client_in_flight(const struct http_client *client)
{
    return client->active + client->waiting_count;
}

static void release(struct transfer *transfer)
{
    struct http_client *client = transfer->client;
    if (transfer->sent != NULL) {
        (void)curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, NULL);
        free(transfer->sent);
        transfer->sent = NULL;
    }
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    digest_free(transfer->digest);
    transfer->digest = NULL;
    if (transfer->body.capacity > KEEP_BODY_CAPACITY)
        buffer_free(&transfer->body);
    transfer->next_idle = client->idle;
    client->idle = transfer;
    client->active--;
}

void http_client_cancel(struct http_client *client, const void *context)
{
    for (int i = 0; i < client->transfer_count; i++) {
        struct transfer *transfer = &client->transfers[i];
        if (!transfer->busy || transfer->context != context)
            continue;
        (void)curl_multi_remove_handle(client->multi, transfer->easy);
        transfer->busy = false;
        release(transfer);
        return;
    }
    for (struct waiting **link = &client->first; *link != NULL; link = &(*link)->next) {
        struct waiting *waiting = *link;
        if (waiting->context != context)
            continue;
        *link = waiting->next;
        if (waiting->next == NULL)
            client->last = link;
        client->waiting_count--;
        waiting_free(waiting);
        return;
    }
}

static void finish(struct transfer *transfer, CURLcode result)
{
    struct http_answer *answer = &transfer->answer;
    answer->outcome = transfer->body.overflowed ? HTTP_TOO_LARGE
                      : result == CURLE_OK && !transfer->head_ended
                          ? HTTP_BROKEN
                          : outcome_of(transfer->easy, result);
    answer->status = 0;
    answer->sha256 = NULL;
    answer->whole_length = 0;
    if (answer->outcome == HTTP_ANSWERED)
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    if (answer->outcome == HTTP_TOO_LARGE && result == CURLE_OK) {
        answer->sha256 = digest_end(transfer->digest, transfer->sha256);
        answer->whole_length = transfer->taken;
    }
    curl_off_t took_us = 0;
    curl_off_t received = 0;
    long connections = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &took_us);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connections);
    answer->took_us = took_us;
    answer->received = received;
    answer->connections = connections;
    answer->body = buffer_text(&transfer->body);
    answer->length = transfer->body.length;
    answer->problem = "";
    if (answer->outcome == HTTP_TOO_LARGE)
        answer->problem = "the body is larger than allowed";
    else if (result == CURLE_OK && answer->outcome == HTTP_BROKEN)
        answer->problem = "the connection ended inside the headers";
    else if (result != CURLE_OK)
        answer->problem =
            transfer->problem[0] != '\0' ? transfer->problem : curl_easy_strerror(result);
    transfer->done(transfer->context, answer);
    release(transfer);
}

static void add_header(struct transfer *transfer, const char *name, const char *value)
{
    char *header = memory_format("%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(transfer->headers, header);
    if (longer != NULL)
        transfer->headers = longer;
    free(header);
}

/* Of a request that has others than most. */
static void add_headers(struct transfer *transfer, const struct waiting *waiting)
{
    add_header(transfer, "accept", "application/json");
    if (waiting->body != NULL)
        add_header(transfer, "content-type", waiting->content_type);
    if (waiting->body != NULL)
        add_header(transfer, "expect", "");
    if (waiting->traceparent != NULL)
        add_header(transfer, "traceparent", waiting->traceparent);
}

static CURLcode set_body(struct transfer *transfer, struct waiting *waiting)
{
    CURL *easy = transfer->easy;
    CURLcode result = CURLE_OK;
    transfer->sent = waiting->body;
    waiting->body = NULL;
    EASY_SET(easy, result, CURLOPT_POST, 1L);
    EASY_SET(easy, result, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(transfer->sent));
    EASY_SET(easy, result, CURLOPT_POSTFIELDS, transfer->sent);
    return result;
}

static CURLcode set_request(struct transfer *transfer, struct waiting *waiting)
{
    /* A name given here is kept over every redirect; libcurl knows GET and POST without. */
    static const char *const names[] = {[HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE"};
    CURL *easy = transfer->easy;
    CURLcode result = CURLE_OK;
    EASY_SET(easy, result, CURLOPT_URL, waiting->url);
    EASY_SET(easy, result, CURLOPT_CUSTOMREQUEST, names[waiting->method]);
    /* Waits for a connection to say whether it multiplexes. Without TLS only its first answer
     * would, and a slow one would hold up all others. */
    EASY_SET(easy, result, CURLOPT_PIPEWAIT, strncasecmp(waiting->url, "https:", 6) == 0 ? 1L : 0L);
    if (waiting->body != NULL || waiting->traceparent != NULL)
        add_headers(transfer, waiting);
    EASY_SET(easy, result, CURLOPT_HTTPHEADER,
             transfer->headers != NULL ? transfer->headers : transfer->client->headers);
    if (waiting->body != NULL)
        return result == CURLE_OK ? set_body(transfer, waiting) : result;
    EASY_SET(easy, result, CURLOPT_HTTPGET, 1L);
    return result;
}

/* Puts the longest waiting request on an idle transfer. */
static void start_next(struct http_client *client)
{
    struct waiting *waiting = client->first;
    struct transfer *transfer = client->idle;
    client->first = waiting->next;
    if (client->first == NULL)
        client->last = &client->first;
    client->waiting_count--;
    client->idle = transfer->next_idle;
    client->active++;
    transfer->done = waiting->done;
    transfer->context = waiting->context;
    transfer->problem[0] = '\0';
    transfer->head_ended = false;
    buffer_clear(&transfer->body);
    answer_clear(&transfer->answer);
    CURLcode result = set_request(transfer, waiting);
    waiting_free(waiting);
    if (result == CURLE_OK && curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK)
        result = CURLE_OUT_OF_MEMORY;
    transfer->busy = result == CURLE_OK;
    if (!transfer->busy)
        finish(transfer, result);
}

/* Starts what may start; true when it started any. */
static bool start_waiting(struct http_client *client)
{
    bool any = client->first != NULL && client->idle != NULL;
    while (client->first != NULL && client->idle != NULL)
        start_next(client);
    return any;
}

static bool finish_ended(struct http_client *client)
{
    bool any = false;
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct transfer *transfer = NULL;
        CURLcode result = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        (void)curl_multi_remove_handle(client->multi, transfer->easy);
        transfer->busy = false;
        finish(transfer, result);
        any = true;
    }
    return any;
}

/* Moves on what can move without waiting; true when requests ended. */
static bool move_on(struct http_client *client)
{
    int running;
    (void)start_waiting(client);
    (void)curl_multi_perform(client->multi, &running);
    bool any = finish_ended(client);
    if (start_waiting(client)) /* so that freed connections work while the caller does */
        (void)curl_multi_perform(client->multi, &running);
    return any;
}

void http_client_poll(struct http_client *client, const int *extra, size_t extra_count,
                      int timeout_ms)
{
    if (extra_count > client->extra_capacity) {
        client->extra = memory_grow(client->extra, extra_count, sizeof *client->extra);
        client->extra_capacity = extra_count;
    }
    for (size_t i = 0; i < extra_count; i++)
        client->extra[i] = (struct curl_waitfd){.fd = extra[i], .events = CURL_WAIT_POLLIN};
    if (move_on(client))
        return;
    (void)curl_multi_poll(client->multi, client->extra, (unsigned)extra_count, timeout_ms, NULL);
    (void)move_on(client);
}

char *http_encode(const char *text)
{
    static const char HEX[] = "0123456789ABCDEF";
    char *out = memory_new(strlen(text) + 1, 3);
    char *end = out;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= 'a' && *p <= 'z') || strchr(UNRESERVED, *p) != NULL;
        if (plain) {
            *end++ = (char)*p;
        } else {
            *end++ = '%';
            *end++ = HEX[*p >> 4];
            *end++ = HEX[*p & 15];
        }
    }
    return out;
}
