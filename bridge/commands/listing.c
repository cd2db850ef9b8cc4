#include "bridge/commands/listing.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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
    enum api_outcome outcome; /* of the last request */
};

struct listing *listing_open(const struct config *config, struct error *error)
{
    struct http_options options = {.max_connections = 1,
                                   .connect_timeout_ms = CONNECT_MS,
                                   .timeout_ms = (int)config->api.timeout_ms,
                                   .max_body = MAX_BODY,
                                   .bearer = config->api.token,
                                   .ca_file = config->api.ca};
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

static void await_budget(struct listing *listing)
{
    int64_t wait;
    while ((wait = budget_wait(&listing->budget, BUDGET_THRIFTY, 0, clock_ms())) > 0)
        clock_rest(wait);
    budget_spend(&listing->budget, clock_ms());
}

/* Reads an answer into `target`; `*detail` is static or the answer's. */
typedef enum api_outcome read_answer(void *target, const struct http_answer *answer,
                                     const char **detail);

static enum api_outcome read_page(void *target, const struct http_answer *answer,
                                  const char **detail)
{
    struct api_page *page = target;
    *page = api_read_page(answer);
    *detail = page->detail;
    page->detail = ""; /* it ends with the answer */
    return page->outcome;
}

struct wanted {
    const char *id;
    cJSON *record;
};

static enum api_outcome read_record(void *target, const struct http_answer *answer,
                                    const char **detail)
{
    struct wanted *wanted = target;
    struct api_answer found = api_read_record(answer, wanted->id);
    wanted->record = found.record;
    *detail = found.detail;
    return found.outcome;
}

static enum api_outcome read_change(void *target, const struct http_answer *answer,
                                    const char **detail)
{
    (void)target;
    return api_read_change(answer, detail);
}

/* What is asked, and how its answer is read. */
struct question {
    struct http_request request;
    const char *what;   /* in an error */
    const char *secret; /* never in an error; or NULL */
    read_answer *read;
    void *target;
    bool may_be_gone; /* API_GONE is an answer */
};

/* What a page or an outcome says of itself is static or the answer's, which ends with the request:
 * it is copied. The API's own sentence, if there is one, says more. */
static void keep_cause(const struct question *question, const struct http_answer *answer,
                       const char *detail, struct error *cause)
{
    char *said = answer->status == 200 ? NULL : api_read_refusal(answer);
    bool tells =
        said != NULL && (question->secret == NULL || strstr(said, question->secret) == NULL);
    (void)error_set(cause, VERDICT_RETRY, "%.200s", tells ? said : detail);
    for (char *c = cause->message; *c != '\0'; c++)
        *c = iscntrl((unsigned char)*c) ? ' ' : *c;
    free(said);
}

/* One request. `*status` is 0 when no answer came. */
static enum api_outcome ask(struct listing *listing, const struct question *question, long *status,
                            struct error *cause)
{
    struct http_answer answer = {0};
    enum api_outcome outcome = API_NOT_STARTED; /* or nothing came; the cause says it */
    const char *detail = "";
    int64_t began_ms = clock_ms();
    *status = 0;
    if (http_client_send(listing->client, &question->request, &answer, cause)) {
        budget_learn(&listing->budget, answer.limit, answer.remaining, 0, clock_ms() - began_ms,
                     clock_ms());
        outcome = question->read(question->target, &answer, &detail);
        *status = answer.status;
        if (outcome == API_LIMITED)
            budget_limited(&listing->budget, answer.retry_after_s, clock_ms());
        if (outcome != API_RECORD)
            keep_cause(question, &answer, detail, cause);
    }
    http_answer_free(&answer);
    return outcome;
}

/* Asks, within the budget, until an answer comes that is no passing failure. */
static bool insist(struct listing *listing, const struct question *question, struct error *error)
{
    int64_t pause_ms = FIRST_MS;
    int limited = 0;
    for (int tries = 1;; tries++) {
        struct error cause = {0};
        long status = 0;
        await_budget(listing);
        listing->outcome = ask(listing, question, &status, &cause);
        if (listing->outcome == API_RECORD ||
            (question->may_be_gone && listing->outcome == API_GONE))
            return true;
        if (listing->outcome == API_LIMITED && ++limited <= LIMITED_MOST) {
            tries--;
            continue;
        }
        bool passes = policy_passes(listing->outcome);
        if (!passes || tries == TRIES)
            return error_set(error, passes ? VERDICT_RETRY : VERDICT_CONFIGURATION,
                             "%s: status %ld, %s", question->what, status, cause.message);
        clock_rest(pause_ms);
        pause_ms *= 2;
    }
}

bool listing_page(struct listing *listing, const char *url, const char *what, struct api_page *page,
                  struct error *error)
{
    *page = (struct api_page){.total = -1, .detail = ""};
    return insist(
        listing,
        &(struct question){.request.url = url, .what = what, .read = read_page, .target = page},
        error);
}

bool listing_record(struct listing *listing, const char *url, const char *id, const char *what,
                    cJSON **record, struct error *error)
{
    struct wanted wanted = {.id = id};
    bool ok = insist(listing,
                     &(struct question){.request.url = url,
                                        .what = what,
                                        .read = read_record,
                                        .target = &wanted,
                                        .may_be_gone = true},
                     error);
    *record = wanted.record;
    return ok;
}

bool listing_change(struct listing *listing, const struct http_request *request, const char *what,
                    const char *secret, struct error *error)
{
    return insist(listing,
                  &(struct question){.request = *request,
                                     .what = what,
                                     .secret = secret,
                                     .read = read_change,
                                     .may_be_gone = request->method != HTTP_POST},
                  error);
}

enum api_outcome listing_outcome(const struct listing *listing)
{
    return listing->outcome;
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
