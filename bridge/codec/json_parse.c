#include "bridge/codec/json_parse.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/utf8.h"
#include "bridge/codec/json_memory.h"

#define LARGEST_EXACT 9007199254740992.0 /* 2^53: integers below it are exact in a double */

/* Four hexadecimal digits; -1 when there are not as many. */
static int hex4(const char *text, const char *end)
{
    int code = 0;
    if (end - text < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            code = code << 4 | (c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            code = code << 4 | ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return code;
}

/* An escape: its length, and the bytes that stand for it where cJSON cannot take it (none: it can).
 */
struct escape {
    size_t length;
    size_t count;
    char bytes[3];
};

static int code_at(const char *text, const char *end)
{
    return end - text >= 2 && text[0] == '\\' && text[1] == 'u' ? hex4(text + 2, end) : -1;
}

static struct escape escape_at(const char *text, const char *end)
{
    int code = code_at(text, end);
    if (code < 0)
        return (struct escape){.length = end - text < 2 ? 1 : 2};
    if (code == 0)
        return (struct escape){.length = 6, .count = 2, .bytes = "\xc0\x80"};
    if (code < 0xd800 || code > 0xdfff)
        return (struct escape){.length = 6};
    int low = code_at(text + 6, end);
    if (code <= 0xdbff && low >= 0xdc00 && low <= 0xdfff)
        return (struct escape){.length = 12};
    return (struct escape){
        .length = 6,
        .count = 3,
        .bytes = {(char)0xed, (char)(0x80 | (code >> 6 & 0x3f)), (char)(0x80 | (code & 0x3f))}};
}

static bool has_special_escape(const char *text, size_t length)
{
    const char *end = text + length;
    while ((text = memchr(text, '\\', (size_t)(end - text))) != NULL) {
        struct escape escape = escape_at(text, end);
        if (escape.count > 0)
            return true;
        text += escape.length;
    }
    return false;
}

/* Only RFC 8259's white space may follow the value. */
static bool only_space(const char *text, const char *end)
{
    while (text < end && strchr(" \t\r\n", *text) != NULL)
        text++;
    return text == end;
}

static cJSON *parse(const char *text, size_t length)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, length, &end, false);
    if (root == NULL || only_space(end, text + length))
        return root;
    cJSON_Delete(root);
    return NULL;
}

/* Copies what is no escape. What is not UTF-8 must not look like the bytes of our own. */
static char *copy_plain(char *out, const char *text, const char *end)
{
    for (; text < end; text++) {
        unsigned char byte = (unsigned char)*text;
        bool ours =
            byte == 0xc0 || (byte == 0xed && end - text > 1 && (unsigned char)text[1] > 0x9f);
        *out++ = ours ? (char)0xff : *text;
    }
    return out;
}

/* Parses a copy in which bytes of our own stand for the escapes that cJSON cannot take. */
static cJSON *parse_special(const char *text, size_t length)
{
    const char *end = text + length;
    char *copy = memory_bytes(length);
    char *out = copy;
    while (text < end) {
        const char *next = memchr(text, '\\', (size_t)(end - text));
        out = copy_plain(out, text, next == NULL ? end : next);
        if (next == NULL)
            break;
        text = next;
        struct escape escape = escape_at(text, end);
        size_t count = escape.count > 0 ? escape.count : escape.length;
        memcpy(out, escape.count > 0 ? escape.bytes : text, count);
        out += count;
        text += escape.length;
    }
    cJSON *root = parse(copy, (size_t)(out - copy));
    free(copy);
    return root;
}

static bool is_rounded(const cJSON *value)
{
    return cJSON_IsNumber(value) && !(fabs(value->valuedouble) < LARGEST_EXACT);
}

static bool has_rounded(const cJSON *value)
{
    if (is_rounded(value))
        return true;
    for (const cJSON *item = value->child; item != NULL; item = item->next) {
        if (has_rounded(item))
            return true;
    }
    return false;
}

/* Moves `*text` to the next number outside of strings, which is there. Returns its length. */
static size_t find_number(const char **text)
{
    const char *at = *text;
    bool in_string = false;
    for (; in_string || (*at != '-' && (*at < '0' || *at > '9')); at++) {
        if (*at == '"')
            in_string = !in_string;
        else if (*at == '\\')
            at++;
    }
    *text = at;
    return strspn(at, "0123456789+-.eE");
}

/* Numbers stand in the tree in the order of the text. */
static void keep_digits(cJSON *value, const char **text)
{
    if (cJSON_IsNumber(value)) {
        size_t length = find_number(text);
        if (is_rounded(value))
            value->valuestring = memory_text_n(*text, length);
        *text += length;
    }
    for (cJSON *item = value->child; item != NULL; item = item->next)
        keep_digits(item, text);
}

cJSON *json_parse(const char *text, size_t length)
{
    if (length == 0 || memchr(text, '\0', length) != NULL)
        return NULL;
    bool special = has_special_escape(text, length) || !utf8_valid(text, length);
    cJSON *root = special ? parse_special(text, length) : parse(text, length);
    if (root != NULL && has_rounded(root)) {
        char *whole = memory_text_n(text, length);
        const char *at = whole;
        keep_digits(root, &at);
        free(whole);
    }
    return root;
}

cJSON *json_parse_brief(const char *text, size_t length)
{
    json_memory_begin();
    cJSON *root = json_parse(text, length);
    json_memory_end();
    return root;
}

cJSON *json_member(const cJSON *object, const char *name)
{
    cJSON *found = NULL;
    if (!cJSON_IsObject(object))
        return NULL;
    for (cJSON *item = object->child; item != NULL; item = item->next) {
        if (*item->string == *name && strcmp(item->string, name) == 0)
            found = item;
    }
    return found;
}

const char *json_member_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(json_member(object, name));
}

int64_t json_member_integer(const cJSON *object, const char *name)
{
    const cJSON *number = json_member(object, name);
    return cJSON_IsNumber(number) && fabs(number->valuedouble) < LARGEST_EXACT
               ? (int64_t)number->valuedouble
               : 0;
}
