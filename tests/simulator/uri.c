#include "tests/simulator/uri.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/text.h"

/* What RFC 3986 allows in a path or query, pct-encoded aside. */
static bool allowed(char c)
{
    return c != '\0' && (isalnum((unsigned char)c) || strchr("-._~!$&'()*+,;=:@/?%", c) != NULL);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *decode(const char *bytes, size_t length, bool plus_is_space, size_t *decoded)
{
    char *out = memory_get(length + 1);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < length ? hex_value(bytes[i + 1]) : -1;
            int low = high >= 0 ? hex_value(bytes[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) {
                free(out);
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[used++] = c;
    }
    out[used] = '\0';
    *decoded = used;
    return out;
}

char *uri_decode_segment(const char *segment, size_t *length)
{
    if (strchr(segment, '/') != NULL)
        return NULL;
    return decode(segment, strlen(segment), false, length);
}

static bool add_parameter(struct uri *uri, const char *pair, size_t length)
{
    if (length == 0)
        return true;
    if (uri->count == URI_PARAMETERS_MAX)
        return false;
    const char *equals = memchr(pair, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - pair) : length;
    const char *value = equals != NULL ? equals + 1 : pair + length;
    struct uri_parameter *parameter = &uri->parameters[uri->count++];
    size_t ignored;
    parameter->name = decode(pair, name_length, true, &ignored);
    parameter->value = decode(value, (size_t)(pair + length - value), true, &ignored);
    return parameter->name != NULL && parameter->value != NULL;
}

bool uri_parse(struct uri *uri, const char *target)
{
    *uri = (struct uri){0};
    size_t path_length = strcspn(target, "?");
    uri->path = memory_copy(target, path_length);
    for (const char *c = target; *c != '\0'; c++) {
        if (!allowed(*c))
            return false;
    }
    if (target[path_length] == '\0')
        return true;
    const char *query = target + path_length + 1;
    uri->query = memory_copy(query, strlen(query));
    while (true) {
        size_t length = strcspn(query, "&");
        if (!add_parameter(uri, query, length))
            return false;
        if (query[length] == '\0')
            return true;
        query += length + 1;
    }
}

void uri_free(struct uri *uri)
{
    free(uri->path);
    free(uri->query);
    for (unsigned i = 0; i < uri->count; i++) {
        free(uri->parameters[i].name);
        free(uri->parameters[i].value);
    }
    *uri = (struct uri){0};
}

const char *uri_value(const struct uri *uri, const char *name)
{
    for (unsigned i = 0; i < uri->count; i++) {
        if (strcmp(uri->parameters[i].name, name) == 0)
            return uri->parameters[i].value;
    }
    return NULL;
}
