/*
 * The HTTP client: many requests at once over kept-alive connections, driven by the caller's loop.
 * Only client.c, easy.c, answer.c and outcome.c know libcurl.
 *
 * Rules it keeps for every request: http and https only, no redirect to another host with the
 * authorization header, TLS verified, connect and total time-outs, a low-speed limit, a maximum
 * body, gzip and HTTP/2 where offered, no signals. One client belongs to one thread.
 */
#ifndef BRIDGE_HTTP_CLIENT_H
#define BRIDGE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

struct http_client;

/* An empty text counts as NULL. */
struct http_options {
    int max_connections;    /* at once, to all hosts; further requests wait inside the client */
    int connect_timeout_ms; /* name look-up, TCP and TLS */
    int timeout_ms;         /* the whole request */
    size_t max_body;        /* bytes of a body after decompression; more is HTTP_TOO_LARGE */
    const char *bearer;     /* NULL or a token: sent as `authorization: Bearer ...` */
    const char *user;       /* NULL, or basic authentication with `password` */
    const char *password;
    const char *ca_file; /* NULL = the system's certificates */
};

#define HTTP_MEDIA_TYPE  64
#define HTTP_HEAD_SIZE   ((size_t)1024)
#define HTTP_PASSED_OVER 4

enum http_outcome {
    HTTP_ANSWERED,      /* a whole answer came, of whatever status */
    HTTP_NO_HOST,       /* the name could not be resolved, or not in time */
    HTTP_NO_CONNECTION, /* it was refused, or not ready for a request in time */
    HTTP_TLS,           /* handshake or certificate */
    HTTP_TIMEOUT,       /* the request was sent, the answer did not come in time */
    HTTP_BROKEN,        /* the connection ended or the answer was cut or malformed */
    HTTP_TOO_LARGE,     /* the body passed max_body */
    HTTP_REDIRECTS,     /* too many, or to somewhere not allowed */
};

struct http_answer {
    enum http_outcome outcome;
    long status;      /* 0 unless HTTP_ANSWERED */
    const char *body; /* terminated; lives until the callback returns; never NULL */
    size_t length;
    /* HTTP_TOO_LARGE: `body` is its first HTTP_HEAD_SIZE bytes, and this is what all of it is; when
     * it could not be read to its end (it went on for HTTP_PASSED_OVER times max_body, or broke), 0
     * and NULL.
     */
    size_t whole_length;
    const char *sha256;
    const char *problem;   /* what went wrong in words, "" when answered; no secret in it */
    int64_t limit;         /* x-ratelimit-limit, or -1 */
    int64_t remaining;     /* x-ratelimit-remaining, or -1 */
    int64_t retry_after_s; /* Retry-After in seconds (RFC 9110, delta or date), or -1 */
    int64_t took_us;       /* from the request's leaving the queue to the answer's end */
    int64_t received;      /* bytes of the body as they came, before decompression */
    int64_t connections;   /* that had to be made for it */
    /* Content-Type without its parameters, in small letters, cut when longer; "" = not told. */
    char media_type[HTTP_MEDIA_TYPE];
};

/* Called on the client's thread from http_client_poll (or http_client_send). It may start further
 * requests, but not poll, call or free the client. */
typedef void http_done(void *context, const struct http_answer *answer);

/* NULL and `error` when libcurl cannot start. The texts in `options` are copied. */
struct http_client *http_client_new(const struct http_options *options,
                                    struct error *error) MUST_CHECK;

/* Ends the requests under way without calling back. NULL is allowed. */
void http_client_free(struct http_client *client);

/* Requests that may wait for a connection at once. */
#define HTTP_MAX_WAITING 100000

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE };

/* What is asked. The texts are copied. */
struct http_request {
    enum http_method method;
    const char *url;
    const char *content_type; /* of `body` */
    const char *body;         /* of a POST or a PUT; NULL of the others */
    const char *traceparent;  /* or NULL */
};

/*
 * Starts a request. `done` is called exactly once, unless the client is freed before. False when
 * the URL is not http or https (VERDICT_CONFIGURATION) or HTTP_MAX_WAITING wait already
 * (VERDICT_RETRY). The time-outs run from the moment the request leaves the queue.
 */
bool http_client_start(struct http_client *client, const struct http_request *request,
                       http_done *done, void *context, struct error *error) MUST_CHECK;

/* The same for a GET. */
bool http_client_get(struct http_client *client, const char *url, http_done *done, void *context,
                     struct error *error) MUST_CHECK;

/* Ends the request that was started with this `context` without calling back; nothing happens when
 * there is none. Not from within a callback. */
void http_client_cancel(struct http_client *client, const void *context);

/* Requests started and not yet called back. */
int http_client_in_flight(const struct http_client *client);

/*
 * Waits until a request moves on, one of the extra descriptors is readable or `timeout_ms` is over;
 * moves the requests on and calls back those that ended.
 */
void http_client_poll(struct http_client *client, const int *extra, size_t extra_count,
                      int timeout_ms);

/*
 * One request, waited for: answer into `*answer`, whose body the caller frees with
 * http_answer_free. True when an answer of any status came; else `error` says why (VERDICT_RETRY
 * for what a later try may mend). Uses the client's own connections; other requests under way move
 * on and may be called back meanwhile.
 */
bool http_client_send(struct http_client *client, const struct http_request *request,
                      struct http_answer *answer, struct error *error) MUST_CHECK;

/* The same for a GET (`body` NULL) or a POST. */
bool http_client_call(struct http_client *client, const char *url, const char *content_type,
                      const char *body, struct http_answer *answer, struct error *error) MUST_CHECK;
void http_answer_free(struct http_answer *answer);

/* Percent-encodes all but RFC 3986's unreserved characters. The caller frees the result. */
char *http_encode(const char *text) MUST_CHECK;

/* The word for an outcome, for logs and dead letters: "timeout", "broken", ... */
const char *http_outcome_name(enum http_outcome outcome);

#endif
