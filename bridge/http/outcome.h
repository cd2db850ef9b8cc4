/*
 * What libcurl says of how a request ended, in the client's words. For client.c only.
 */
#ifndef BRIDGE_HTTP_OUTCOME_H
#define BRIDGE_HTTP_OUTCOME_H

#include <curl/curl.h>

#include "bridge/base/attributes.h"
#include "bridge/http/client.h"

/* Of a request that has ended on this handle with `result`; HTTP_ANSWERED for CURLE_OK. */
enum http_outcome outcome_of(CURL *easy, CURLcode result) MUST_CHECK;

#endif
