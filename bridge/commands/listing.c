#include "bridge/commands/listing.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/propexo/budget.h"

#define CONNECT_MS   10000
#define MAX_BODY     ((size_t)64 << 20)
#define TRIES        5
#define FIRST_MS     500 /* before another try; doubles */
#define LIMITED_MOST 10  /* 429s in a row: ten minutes */

struct listing {
    const struct config *config;
    struct http_client *client;
    struct budget budget;
};

struct listing *listing_open(const struct config *config, struct error *error)
{
    struct http_options options = {.max_connections = 1,
                                   .connect_timeout_ms = CONNECT_MS,
                                   .timeout_ms = (int)config->api.timeout_ms,
                                   .max_body = MAX_BODY,
                                   .bearer = config->api.token};
    struct http_client *client = http_client_new(&options, error);
    if (client == NULL)
        return NULL;
    struct listing *listing = memory_new(1, sizeof *listing);
    *listing = (struct listing){
        .config = config,
        .client = client,
        .budget = budget_new(config->api.requests_per_minute, clock_ms()),
    };
    return listing;
}

void listing_close(struct listing *listing)
{
    if (listing == NULL)
        return;
    http_client_free(listing->client);
    free(listing);
}

static void rest(int64_t ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void await_budget(struct listing *listing)
{
    int64_t wait;
    while ((wait = budget_wait(&listing->budget, BUDGET_THRIFTY, 0, clock_ms())) > 0)
        rest(wait);
    budget_spend(&listing->budget, clock_ms());
}

/* What came of one request. */
struct result {
    enum api_outcome outcome;
    long status;          /* 0 when no answer came */
    struct api_page page; /* of a GET */
    struct error cause;   /* unless API_RECORD */
};

/* What a page or an outcome says of itself is static or the answer's, which ends with the request:
 * it is copied. The API's own sentence, if there is one, says more. */
static void keep_cause(struct result *result, const struct http_answer *answer, const char *detail,
                       const char *secret)
{
    char *said = answer->status == 200 ? NULL : api_read_refusal(answer);
    bool tells = said != NULL && (secret == NULL || strstr(said, secret) == NULL);
    (void)error_set(&result->cause, VERDICT_RETRY, "%.200s", tells ? said : detail);
    for (char *c = result->cause.message; *c != '\0'; c++)
        *c = iscntrl((unsigned char)*c) ? ' ' : *c;
    free(said);
}

static void ask(struct listing *listing, const struct http_request *request, const char *secret,
                struct result *result)
{
    struct http_answer answer = {0};
    int64_t began_ms = clock_ms();
    const char *detail = "";
    *result = (struct result){.outcome = API_OUTAGE, .page = {.total = -1, .detail = ""}};
    if (http_client_send(listing->client, request, &answer, &result->cause)) {
        budget_learn(&listing->budget, answer.limit, answer.remaining, 0, clock_ms() - began_ms,
                     clock_ms());
        result->status = answer.status;
        if (request->method == HTTP_GET) {
            result->page = api_read_page(&answer);
            result->outcome = result->page.outcome;
            detail = result->page.detail;
        } else {
            result->outcome = api_read_change(&answer, &detail);
        }
        if (result->outcome == API_LIMITED)
            budget_limited(&listing->budget, answer.retry_after_s, clock_ms());
        if (result->outcome != API_RECORD)
            keep_cause(result, &answer, detail, secret);
    }
    http_answer_free(&answer);
    result->page.detail = "";
}

/* Within the budget, and again while that may help. False with `error` unless API_RECORD. */
static bool insist(struct listing *listing, const struct http_request *request, const char *what,
                   const char *secret, struct result *result, struct error *error)
{
    int64_t pause_ms = FIRST_MS;
    int limited = 0;
    for (int tries = 1;; tries++) {
        await_budget(listing);
        ask(listing, request, secret, result);
        if (result->outcome == API_RECORD)
            return true;
        if (result->outcome == API_LIMITED && ++limited <= LIMITED_MOST) {
            tries--;
            continue;
        }
        bool passes = result->outcome == API_OUTAGE || result->outcome == API_LIMITED;
        if (!passes || tries == TRIES)
            return error_set(error, passes ? VERDICT_RETRY : VERDICT_CONFIGURATION,
                             "%s: status %ld, %s", what, result->status, result->cause.message);
        rest(pause_ms);
        pause_ms *= 2;
    }
}

bool listing_page(struct listing *listing, const char *url, const char *what, struct api_page *page,
                  struct error *error)
{
    struct http_request request = {.url = url};
    struct result result;
    bool ok = insist(listing, &request, what, NULL, &result, error);
    *page = result.page;
    return ok;
}

bool listing_change(struct listing *listing, const struct http_request *request, const char *what,
                    const char *secret, struct error *error)
{
    struct result result;
    struct error failure;
    if (insist(listing, request, what, secret, &result, &failure) ||
        (result.outcome == API_GONE && request->method != HTTP_POST))
        return true;
    *error = failure;
    return false;
}

bool listing_integrations(struct listing *listing, listing_integration *each, void *context,
                          struct error *error)
{
    bool ok = true;
    bool more = true;
    for (int64_t offset = 0; ok && more; offset += API_PAGE_SIZE) {
        struct api_page page = {0};
        char *url = api_integrations_url(listing->config->api.base_url, offset);
        ok = listing_page(listing, url, "the list of integrations", &page, error);
        free(url);
        const cJSON *row;
        cJSON_ArrayForEach(row, page.items)
        {
            const char *id = json_member_text(row, "id");
            if (ok && id != NULL)
                ok = each(context, id, row, error);
        }
        more = page.has_more;
        cJSON_Delete(page.items);
    }
    return ok;
}
