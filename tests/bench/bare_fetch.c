/*
 * Records that are fetched by a curl-multi loop: bare_fetch TOKEN IN_FLIGHT FILE. FILE has a URL a
 * line; each answer must be 200 and is kept until the next one of its handle. Connections are kept
 * alive. `bytes` of all answers are told on standard error, to be held against others'.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "tests/bench/bare.h"

#define BODY_MAXIMUM ((size_t)4 << 20)
#define WAIT_MS      1000

struct transfer {
    CURL *easy;
    struct buffer body;
};

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    return buffer_append(&transfer->body, bytes, size * count) ? size * count : 0;
}

static struct curl_slist *headers_for(const char *token)
{
    char *authorization = memory_format("authorization: Bearer %s", token);
    struct curl_slist *headers = curl_slist_append(NULL, authorization);
    free(authorization);
    return headers;
}

static void begin(CURLM *multi, struct transfer *transfer, const char *url)
{
    buffer_cut(&transfer->body, 0);
    bare_demand(curl_easy_setopt(transfer->easy, CURLOPT_URL, url) == CURLE_OK &&
                    curl_multi_add_handle(multi, transfer->easy) == CURLM_OK,
                url);
}

static struct transfer *ended(CURLM *multi, const CURLMsg *message)
{
    struct transfer *transfer = NULL;
    long status = 0;
    (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
    (void)curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
    if (message->data.result != CURLE_OK)
        bare_fail("a request", curl_easy_strerror(message->data.result));
    bare_demand(status == 200, "getting an answer of 200");
    (void)curl_multi_remove_handle(multi, transfer->easy);
    return transfer;
}

static int64_t fetch(CURLM *multi, struct transfer *transfers, size_t in_flight, char **urls)
{
    int64_t bytes = 0;
    size_t running = 0;
    for (; running < in_flight && *urls != NULL; running++)
        begin(multi, &transfers[running], *urls++);
    while (running > 0) {
        int left = 0;
        const CURLMsg *message = NULL;
        bare_demand(curl_multi_perform(multi, &left) == CURLM_OK, "curl_multi_perform");
        while ((message = curl_multi_info_read(multi, &left)) != NULL) {
            struct transfer *transfer = ended(multi, message);
            bytes += (int64_t)transfer->body.length;
            if (*urls != NULL)
                begin(multi, transfer, *urls++);
            else
                running--;
        }
        if (running > 0)
            (void)curl_multi_poll(multi, NULL, 0, WAIT_MS, NULL);
    }
    return bytes;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    bare_demand(argc == 4, "bare_fetch TOKEN IN_FLIGHT FILE");
    size_t in_flight = (size_t)bare_number(argv[2]);
    char **urls = bare_lines(argv[3], &count);
    bare_demand(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "libcurl");
    struct curl_slist *headers = headers_for(argv[1]);
    CURLM *multi = curl_multi_init();
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)in_flight);
    struct transfer *transfers = memory_new(in_flight, sizeof *transfers);
    for (size_t i = 0; i < in_flight; i++) {
        transfers[i] = (struct transfer){curl_easy_init(), buffer_new(BODY_MAXIMUM)};
        (void)curl_easy_setopt(transfers[i].easy, CURLOPT_PRIVATE, &transfers[i]);
        (void)curl_easy_setopt(transfers[i].easy, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(transfers[i].easy, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(transfers[i].easy, CURLOPT_WRITEFUNCTION, take);
        (void)curl_easy_setopt(transfers[i].easy, CURLOPT_WRITEDATA, &transfers[i]);
    }
    struct bare_clock began = bare_clock();
    int64_t bytes = fetch(multi, transfers, in_flight, urls);
    bare_report((int64_t)count, began);
    (void)fprintf(stderr, "bytes=%" PRId64 "\n", bytes);
    for (size_t i = 0; i < in_flight; i++) {
        curl_easy_cleanup(transfers[i].easy);
        buffer_free(&transfers[i].body);
    }
    (void)curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    return EXIT_SUCCESS;
}
