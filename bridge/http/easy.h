/*
 * The settings of libcurl's easy handles that are the same for every request of a client: what
 * client.h promises of time-outs, protocols, redirects and authorization. For client.c only.
 */
#ifndef BRIDGE_HTTP_EASY_H
#define BRIDGE_HTTP_EASY_H

#include <curl/curl.h>

#include "bridge/base/attributes.h"
#include "bridge/http/client.h"

/* Remembers the first failure in a row of curl_easy_setopt calls. */
#define EASY_SET(easy, result, option, value)                       \
    do {                                                            \
        if ((result) == CURLE_OK)                                   \
            (result) = curl_easy_setopt((easy), (option), (value)); \
    } while (0)

/* Settings stay with the handle from request to request; libcurl copies the texts. */
CURLcode easy_configure(CURL *easy, const struct http_options *options) MUST_CHECK;

#endif
