#include "bridge/http/outcome.h"

#include <strings.h>

static enum http_outcome outcome_of_redirect(CURL *easy)
{
    char *url = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
    return url != NULL && strncasecmp(url, "http", 4) == 0 ? HTTP_BROKEN : HTTP_REDIRECTS;
}

/* A request that was never sent tells nothing of who would have answered it. */
static enum http_outcome outcome_of_timeout(CURL *easy)
{
    curl_off_t found = 0;
    curl_off_t sent = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &found);
    (void)curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    return sent > 0 ? HTTP_TIMEOUT : found > 0 ? HTTP_NO_CONNECTION : HTTP_NO_HOST;
}

enum http_outcome outcome_of(CURL *easy, CURLcode result)
{
    switch (result) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_URL_MALFORMAT:
        return HTTP_NO_HOST;
    case CURLE_COULDNT_CONNECT:
        return HTTP_NO_CONNECTION;
    case CURLE_OPERATION_TIMEDOUT:
        return outcome_of_timeout(easy);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_PEER_FAILED_VERIFICATION:
        return HTTP_TLS;
    case CURLE_TOO_MANY_REDIRECTS:
        return HTTP_REDIRECTS;
    case CURLE_UNSUPPORTED_PROTOCOL: /* a redirect elsewhere, or an answer that is not HTTP/1 */
        return outcome_of_redirect(easy);
    default:
        return HTTP_BROKEN;
    }
}

const char *http_outcome_name(enum http_outcome outcome)
{
    switch (outcome) {
    case HTTP_ANSWERED:
        return "answered";
    case HTTP_NO_HOST:
        return "no_host";
    case HTTP_NO_CONNECTION:
        return "no_connection";
    case HTTP_TLS:
        return "tls";
    case HTTP_TIMEOUT:
        return "timeout";
    case HTTP_BROKEN:
        return "broken";
    case HTTP_TOO_LARGE:
        return "too_large";
    case HTTP_REDIRECTS:
        return "redirects";
    }
    return "unknown";
}
