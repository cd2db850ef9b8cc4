#include "bridge/config/form.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define UPPER   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"
#define LETTERS LOWER UPPER

#define LONGEST_KEY   100
#define LONGEST_MODEL 64
#define LONGEST_HOST  253 /* RFC 1035: 255 octets with the length bytes */

static bool consists_of(const char *text, const char *allowed)
{
    return *text != '\0' && text[strspn(text, allowed)] == '\0';
}

const char *form_name(const char *text)
{
    return consists_of(text, LETTERS DIGITS "._-") ? NULL
                                                   : "has characters other than A-Z a-z 0-9 . _ -";
}

const char *form_key(const char *text)
{
    return consists_of(text, LOWER DIGITS "._-") && strlen(text) <= LONGEST_KEY
               ? NULL
               : "is no key: keys have lower-case letters, digits, dots and underscores alone";
}

const char *form_model(const char *text)
{
    bool right = strchr(LOWER, text[0]) != NULL && consists_of(text, LOWER DIGITS "_") &&
                 strlen(text) <= LONGEST_MODEL;
    return right ? NULL : "is not a model's name";
}

const char *form_redaction(const char *text)
{
    static const char wrong[] = "is not model.field, model.field:drop or model.field:hash";
    char model[LONGEST_MODEL + 1];
    size_t length = strcspn(text, ".");
    if (text[length] == '\0' || length > LONGEST_MODEL)
        return wrong;
    memcpy(model, text, length);
    model[length] = '\0';
    if (form_model(model) != NULL)
        return wrong;
    const char *name = text + length;
    while (*name == '.') {
        size_t size = strspn(++name, LETTERS DIGITS "_-");
        if (size == 0)
            return wrong;
        name += size;
    }
    return *name == '\0' || strcmp(name, ":drop") == 0 || strcmp(name, ":hash") == 0 ? NULL : wrong;
}

/* `text` is a decimal number from `least` to 65535 of at most five digits. */
static bool is_port(const char *text, int least)
{
    size_t length = strlen(text);
    if (length == 0 || length > 5 || !consists_of(text, DIGITS))
        return false;
    int port = 0;
    for (const char *p = text; *p != '\0'; p++)
        port = port * 10 + (*p - '0');
    return port >= least && port <= 65535;
}

static bool is_host(const char *text, size_t length)
{
    char host[LONGEST_HOST + 1];
    if (length == 0 || length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    struct in_addr ipv4;
    if (consists_of(host, DIGITS "."))
        return inet_pton(AF_INET, host, &ipv4) == 1;
    return consists_of(host, LETTERS DIGITS ".-_");
}

static bool is_ipv6(const char *text, size_t length)
{
    char host[INET6_ADDRSTRLEN];
    struct in6_addr ipv6;
    if (length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    return inet_pton(AF_INET6, host, &ipv6) == 1;
}

/* host, host:port, [IPv6] or [IPv6]:port; *port = what follows the host's colon, NULL without. */
static bool split_host(const char *text, const char **port)
{
    const char *end;
    if (text[0] == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL || !is_ipv6(text + 1, (size_t)(bracket - text - 1)))
            return false;
        end = bracket + 1;
    } else {
        end = text + strcspn(text, ":");
        if (!is_host(text, (size_t)(end - text)))
            return false;
    }
    *port = *end == ':' ? end + 1 : NULL;
    return *end == ':' || *end == '\0';
}

const char *form_address(const char *text)
{
    const char *port;
    if (!split_host(text, &port) || port == NULL || !is_port(port, 0))
        return "is not an address";
    return NULL;
}

const char *form_broker(const char *text)
{
    const char *protocol = strstr(text, "://");
    const char *host = protocol == NULL ? text : protocol + 3;
    const char *port;
    if (!split_host(host, &port) || (port != NULL && !is_port(port, 1)))
        return "is not a broker";
    return NULL;
}

const char *form_url(const char *text)
{
    static const char schemes[][9] = {"http://", "https://"};
    const char *host = NULL;
    for (size_t i = 0; i < 2; i++)
        if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0)
            host = text + strlen(schemes[i]);
    if (host == NULL)
        return "is not a URL that begins with http:// or https://";
    size_t length = strcspn(host, "/?#");
    if (memchr(host, '@', length) != NULL)
        return "must not have a user or a password in it";
    if (strpbrk(host, "?# \t\"<>\\") != NULL)
        return "has a query, a fragment, a space or another character that cannot stand here";
    char authority[LONGEST_HOST + sizeof ":65535"];
    const char *port;
    if (length >= sizeof authority)
        return "has no host that could be looked up";
    memcpy(authority, host, length);
    authority[length] = '\0';
    if (!split_host(authority, &port) || (port != NULL && !is_port(port, 1)))
        return "has no host and port that could be looked up";
    return NULL;
}
