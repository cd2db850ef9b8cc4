#include "bridge/http/guard.h"

#include <string.h>
#include <strings.h>

/* Digits of a length that fits into 63 bits. */
#define LENGTH_DIGITS 18

static const struct guard_verdict MALFORMED = {400, "malformed", "the request's head is malformed"};

static bool is_length(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= LENGTH_DIGITS && strspn(text, "0123456789") == length;
}

struct guard_verdict guard_judge(const struct guard_head *head)
{
    bool old = strcmp(head->version, "HTTP/1.0") == 0;
    if (!old && strcmp(head->version, "HTTP/1.1") != 0)
        return (struct guard_verdict){505, "version", "HTTP/1.1 and HTTP/1.0 are spoken here"};
    if (head->target > head->max_target)
        return (struct guard_verdict){414, "target-too-long", "the request's target is too long"};
    if (head->headers > head->max_headers || head->size > head->max_size)
        return (struct guard_verdict){431, "head-too-large",
                                      "the request has too many headers, or too long ones"};
    if (head->strange)
        return MALFORMED;
    /* RFC 9112, section 3.2: exactly one. HTTP/1.0 knows none. */
    if (head->hosts > 1 || (head->hosts == 0 && !old))
        return MALFORMED;
    /* RFC 9112, section 6.3: a message has one length. With both, or a coding that is not chunked
     * alone, readers differ; HTTP/1.0 has no codings. */
    if (head->transfer_encodings > 1 || head->content_lengths > 1 ||
        (head->transfer_encodings > 0 && (head->content_lengths > 0 || old)))
        return MALFORMED;
    if (head->transfer_encodings > 0 && strcasecmp(head->transfer_encoding, "chunked") != 0)
        return (struct guard_verdict){501, "transfer-encoding",
                                      "chunked is the only transfer coding known here"};
    if (head->content_lengths > 0 && !is_length(head->content_length))
        return MALFORMED;
    return (struct guard_verdict){0};
}

static bool is_token(const char *text, size_t length)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alphanumeric && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return length > 0;
}

bool guard_header(const char *name, size_t name_length, const char *value, size_t length)
{
    if (!is_token(name, name_length))
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}
