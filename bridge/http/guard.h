/*
 * Whether the head of a request is one that everybody reads in the same way. libmicrohttpd forgives
 * what RFC 9112 forbids; a proxy before us may read such a head differently, and then the two
 * disagree about where the next request begins (request smuggling). So whatever is ambiguous is
 * refused, and its connection closed. Pure; any thread.
 */
#ifndef BRIDGE_HTTP_GUARD_H
#define BRIDGE_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/attributes.h"

/* What the server has seen of a head. Texts are borrowed, and NULL when there was none. */
struct guard_head {
    const char *version; /* "HTTP/1.1" */
    const char *content_length;
    size_t content_lengths;
    const char *transfer_encoding;
    size_t transfer_encodings;
    size_t hosts;
    size_t headers;  /* in all */
    size_t size;     /* bytes of all of it */
    size_t target;   /* bytes of the request target as it came */
    bool strange;    /* a name or value that RFC 9110, section 5, does not allow */
    size_t max_size; /* the limits */
    size_t max_headers;
    size_t max_target;
};

struct guard_verdict {
    int status; /* 0: nothing is wrong */
    const char *code;
    const char *message;
};

struct guard_verdict guard_judge(const struct guard_head *head);

/* True when a header's name and value are made of what RFC 9110, section 5, allows: a token, and no
 * control character but the tab. */
bool guard_header(const char *name, size_t name_length, const char *value,
                  size_t length) MUST_CHECK;

#endif
