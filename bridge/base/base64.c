#include "bridge/base/base64.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"

char *base64_text(const void *bytes, size_t length)
{
    char *text = memory_new(length / 3 * 4 + 5, 1);
    (void)EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    text[BASE64_LENGTH(length)] = '\0';
    return text;
}

static bool is_base64(const char *text, size_t length)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL)
            return false;
    }
    return length % 4 != 1;
}

/* The library wants padding, and takes white space and more padding than there can be. */
void *base64_bytes(const char *text, size_t length, size_t *decoded)
{
    if (!is_base64(text, length))
        return NULL;
    size_t padded = (length + 3) / 4 * 4;
    char *copy = memory_new(padded + 1, 1);
    memcpy(copy, text, length);
    memset(copy + length, '=', padded - length);
    unsigned char *bytes = memory_new(padded / 4 * 3 + 1, 1);
    (void)EVP_DecodeBlock(bytes, (const unsigned char *)copy, (int)padded);
    free(copy);
    *decoded = length * 3 / 4;
    return bytes;
}
