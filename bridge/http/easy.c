#include "bridge/http/easy.h"

#define MAX_REDIRECTS   3L
#define LOW_SPEED_BYTES 64L /* a second, over three quarters of the time-out */

static CURLcode set_limits(CURL *easy, const struct http_options *options)
{
    CURLcode result = CURLE_OK;
    long slow_s = (long)options->timeout_ms * 3 / 4 / 1000;
    EASY_SET(easy, result, CURLOPT_NOSIGNAL, 1L);
    EASY_SET(easy, result, CURLOPT_PROTOCOLS_STR, "http,https");
    EASY_SET(easy, result, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    EASY_SET(easy, result, CURLOPT_FOLLOWLOCATION, 1L);
    EASY_SET(easy, result, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
    EASY_SET(easy, result, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
    EASY_SET(easy, result, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
    EASY_SET(easy, result, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    EASY_SET(easy, result, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
    EASY_SET(easy, result, CURLOPT_LOW_SPEED_TIME, slow_s < 1 ? 1L : slow_s);
    EASY_SET(easy, result, CURLOPT_TCP_KEEPALIVE, 1L);
    EASY_SET(easy, result, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    EASY_SET(easy, result, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    EASY_SET(easy, result, CURLOPT_ACCEPT_ENCODING, "gzip");
    EASY_SET(easy, result, CURLOPT_USERAGENT, "propexo-bridge/" BRIDGE_VERSION);
    if (options->ca_file != NULL && options->ca_file[0] != '\0')
        EASY_SET(easy, result, CURLOPT_CAINFO, options->ca_file);
    return result;
}

/* libcurl sends neither of these to another host, port or scheme than the first request's. */
static CURLcode set_authorization(CURL *easy, const struct http_options *options)
{
    CURLcode result = CURLE_OK;
    if (options->bearer != NULL && options->bearer[0] != '\0') {
        EASY_SET(easy, result, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        EASY_SET(easy, result, CURLOPT_XOAUTH2_BEARER, options->bearer);
    } else if (options->user != NULL && options->user[0] != '\0') {
        EASY_SET(easy, result, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        EASY_SET(easy, result, CURLOPT_USERNAME, options->user);
        EASY_SET(easy, result, CURLOPT_PASSWORD,
                 options->password == NULL ? "" : options->password);
    }
    return result;
}

CURLcode easy_configure(CURL *easy, const struct http_options *options)
{
    CURLcode result = set_limits(easy, options);
    return result == CURLE_OK ? set_authorization(easy, options) : result;
}
