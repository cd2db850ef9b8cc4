/* The retry policy: what leads to each row of the table, what follows from it, and what cannot. */
#include "tests/unit/unit.h"

#include "bridge/base/buffer.h"
#include "bridge/base/random.h"
#include "bridge/propexo/api.h"
#include "bridge/propexo/policy.h"

#define LONGEST 1000

/* Every row is there, with a name and a counter of its own, and says what it must. */
static void test_rows(void **state)
{
    (void)state;
    for (int i = 0; i < API_OUTCOMES; i++) {
        const struct policy *policy = policy_for((enum api_outcome)i);
        assert_non_null(policy->name);
        assert_true(policy->name[0] != '\0' && policy->when[0] != '\0');
        assert_int_equal(policy->event == NULL, policy->verdict == POLICY_PUBLISH);
        assert_int_equal(policy->code[0] != '\0', policy->verdict == POLICY_DEAD_LETTER);
        assert_true(policy->first_delay_ms <= policy->last_delay_ms);
        /* Nothing is asked again at once, unless the budget does the waiting. */
        bool at_once = policy->verdict == POLICY_PUBLISH || policy->verdict == POLICY_BUDGET;
        assert_int_equal(policy->first_delay_ms == 0, at_once);
        for (int other = 0; other < i; other++) {
            const struct policy *before = policy_for((enum api_outcome)other);
            assert_string_not_equal(policy->name, before->name);
            assert_int_not_equal(policy->metric, before->metric);
        }
    }
}

/* What says something of the API, an integration or the way never gives up; what does give up says
 * it of the record, or of its model. */
static void test_who_gives_up(void **state)
{
    (void)state;
    for (int i = 0; i < API_OUTCOMES; i++) {
        const struct policy *policy = policy_for((enum api_outcome)i);
        bool gives_up =
            policy->verdict == POLICY_DEAD_LETTER || policy->verdict == POLICY_TOMBSTONE;
        bool narrow = policy->scope == SCOPE_RECORD || policy->scope == SCOPE_MODEL;
        assert_int_equal(policy->attempts > 0, gives_up);
        assert_int_equal(gives_up || policy->verdict == POLICY_PUBLISH, narrow);
        assert_int_equal(policy_passes((enum api_outcome)i),
                         policy->verdict == POLICY_RETRY || policy->verdict == POLICY_BUDGET);
        /* No connection, no answer: nobody's fault but that of what lies between. */
        if (policy->http != HTTP_ANSWERED && policy->http != HTTP_TOO_LARGE)
            assert_int_equal(policy->verdict, POLICY_RETRY);
    }
}

/* The metric's label is the row's name. */
static void test_labels(void **state)
{
    (void)state;
    for (int i = 0; i < API_OUTCOMES; i++) {
        const struct policy *policy = policy_for((enum api_outcome)i);
        struct buffer text = buffer_new(1 << 20);
        char line[128];
        metrics_add(policy->metric, 1000 + i);
        metrics_expose(METRICS_TEXT, &text);
        (void)snprintf(line, sizeof line, "\nbridge_api_requests_total{outcome=\"%s\"} %d\n",
                       policy->name, 1000 + i);
        if (strstr(buffer_text(&text), line) == NULL)
            fail_msg("no metric for %s", policy->name);
        buffer_free(&text);
    }
}

#define GOOD  "{\"results\":{\"id\":\"r\"}}"
#define ERROR "{\"error\":{\"code\":\"x\"}}"
#define HTML  "<html>no</html>"
#define JSON  "application/json"

/* Each row's way in: over the status, the connection, or the content. */
static const struct {
    enum api_outcome outcome;
    enum http_outcome http;
    long from; /* statuses */
    long to;
    const char *type;
    const char *body;
} ways[] = {
    {API_RECORD, HTTP_ANSWERED, 200, 200, JSON, GOOD},
    {API_RECORD, HTTP_ANSWERED, 200, 200, "", GOOD},
    {API_RECORD, HTTP_ANSWERED, 200, 200, "text/html", GOOD}, /* the record's id says more */
    {API_GONE, HTTP_ANSWERED, 404, 404, JSON, ERROR},
    {API_GONE, HTTP_ANSWERED, 410, 410, "application/problem+json", ERROR},
    {API_GONE, HTTP_ANSWERED, 200, 200, JSON, "{\"results\":null}"},
    {API_LIMITED, HTTP_ANSWERED, 429, 429, JSON, ERROR},
    {API_LIMITED, HTTP_ANSWERED, 429, 429, "text/html", HTML},
    {API_UNAUTHORIZED, HTTP_ANSWERED, 401, 401, JSON, ERROR},
    {API_UNAUTHORIZED, HTTP_ANSWERED, 401, 401, "text/html", HTML},
    {API_UNPAID, HTTP_ANSWERED, 402, 402, JSON, ERROR},
    {API_FORBIDDEN, HTTP_ANSWERED, 403, 403, JSON, ERROR},
    {API_FORBIDDEN, HTTP_ANSWERED, 403, 403, "", ""},
    {API_FORBIDDEN, HTTP_ANSWERED, 403, 403, "text/plain", ""},
    {API_NOT_NOW, HTTP_ANSWERED, 407, 408, JSON, ERROR},
    {API_NOT_NOW, HTTP_ANSWERED, 421, 421, JSON, ERROR},
    {API_NOT_NOW, HTTP_ANSWERED, 425, 425, JSON, ERROR},
    {API_REFUSED, HTTP_ANSWERED, 400, 400, JSON, ERROR},
    {API_REFUSED, HTTP_ANSWERED, 400, 400, "", ""},
    {API_REFUSED, HTTP_ANSWERED, 405, 406, JSON, ERROR},
    {API_REFUSED, HTTP_ANSWERED, 409, 409, JSON, ERROR},
    {API_REFUSED, HTTP_ANSWERED, 411, 420, JSON, ERROR},
    {API_REFUSED, HTTP_ANSWERED, 422, 424, JSON, ERROR},
    {API_REFUSED, HTTP_ANSWERED, 426, 428, JSON, ERROR},
    {API_REFUSED, HTTP_ANSWERED, 430, 499, JSON, ERROR},
    {API_PROXY_PAGE, HTTP_ANSWERED, 400, 400, "text/html", HTML},
    {API_PROXY_PAGE, HTTP_ANSWERED, 403, 406, "text/html", HTML},
    {API_PROXY_PAGE, HTTP_ANSWERED, 409, 420, "text/html", HTML},
    {API_PROXY_PAGE, HTTP_ANSWERED, 404, 404, "", ""}, /* a tombstone needs the API's own word */
    {API_PROXY_PAGE, HTTP_ANSWERED, 404, 404, JSON, "{\"error\":"},
    {API_TOO_LARGE, HTTP_TOO_LARGE, 0, 0, JSON, "{"},
    {API_UNREADABLE, HTTP_ANSWERED, 200, 200, JSON, "{\"results\":{\"id\":\"r\",\"n\":01.e}}"},
    {API_NO_RECORD, HTTP_ANSWERED, 200, 200, JSON, "{\"results\":[]}"},
    {API_NO_RECORD, HTTP_ANSWERED, 200, 200, JSON, "{}"},
    {API_WRONG_ID, HTTP_ANSWERED, 200, 200, JSON, "{\"results\":{\"id\":\"s\"}}"},
    {API_NO_HOST, HTTP_NO_HOST, 0, 0, "", ""},
    {API_NO_CONNECTION, HTTP_NO_CONNECTION, 0, 0, "", ""},
    {API_TLS, HTTP_TLS, 0, 0, "", ""},
    {API_TIMEOUT, HTTP_TIMEOUT, 0, 0, "", ""},
    {API_RESET, HTTP_BROKEN, 0, 0, JSON, "{"},
    {API_REDIRECT_LOOP, HTTP_REDIRECTS, 0, 0, "", ""},
    {API_REDIRECT, HTTP_ANSWERED, 300, 399, JSON, GOOD},
    {API_SERVER_ERROR, HTTP_ANSWERED, 500, 599, JSON, ERROR},
    {API_SERVER_ERROR, HTTP_ANSWERED, 500, 599, "text/html", HTML},
    {API_WRONG_CONTENT, HTTP_ANSWERED, 200, 200, "text/html", HTML},
    {API_WRONG_CONTENT, HTTP_ANSWERED, 200, 200, "text/html", ""},
    {API_CUT, HTTP_ANSWERED, 200, 200, JSON, "{\"results\":{\"id\":\"r\""},
    {API_CUT, HTTP_ANSWERED, 200, 200, JSON, ""},
    {API_CUT, HTTP_ANSWERED, 200, 200, "", HTML},
    {API_ODD_STATUS, HTTP_ANSWERED, 0, 199, JSON, GOOD},
    {API_ODD_STATUS, HTTP_ANSWERED, 201, 299, JSON, GOOD},
    {API_ODD_STATUS, HTTP_ANSWERED, 204, 204, "", ""},
    {API_ODD_STATUS, HTTP_ANSWERED, 600, 1200, JSON, GOOD},
};

static void test_ways_in(void **state)
{
    bool met[API_OUTCOMES] = {[API_NOT_STARTED] = true}; /* no answer leads there */
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        for (long status = ways[i].from; status <= ways[i].to; status++) {
            struct http_answer http = {.outcome = ways[i].http,
                                       .status = status,
                                       .body = ways[i].body,
                                       .length = strlen(ways[i].body),
                                       .problem = ""};
            (void)snprintf(http.media_type, sizeof http.media_type, "%s", ways[i].type);
            struct api_answer answer = api_read_record(&http, "r");
            if (answer.outcome != ways[i].outcome)
                fail_msg("row %zu, status %ld: %s", i, status, policy_for(answer.outcome)->name);
            assert_int_equal(answer.record != NULL, answer.outcome == API_RECORD);
            assert_string_equal(answer.detail, policy_for(answer.outcome)->when);
            cJSON_Delete(answer.record);
        }
        met[ways[i].outcome] = true;
    }
    for (int i = 0; i < API_OUTCOMES; i++) {
        if (!met[i])
            fail_msg("nothing here leads to %s", policy_for((enum api_outcome)i)->name);
    }
}

/* No status and no end of a connection is without a row. */
static void test_everything_has_a_row(void **state)
{
    (void)state;
    for (int http = HTTP_ANSWERED; http <= HTTP_REDIRECTS; http++) {
        for (long status = -1; status <= LONGEST; status++) {
            struct http_answer answer = {.outcome = (enum http_outcome)http, .status = status};
            enum api_outcome outcome = policy_outcome(&answer);
            assert_in_range(outcome, 0, API_OUTCOMES - 1);
            assert_int_equal(outcome == API_RECORD, http == HTTP_ANSWERED && status == 200);
            assert_int_equal(policy_for(outcome)->http, http);
        }
    }
}

static void test_same_end(void **state)
{
    static const struct {
        enum api_outcome a;
        enum api_outcome b;
        bool same;
    } rows[] = {
        {API_TIMEOUT, API_NO_HOST, true},       {API_WRONG_ID, API_NO_RECORD, true},
        {API_WRONG_ID, API_REFUSED, false},     {API_GONE, API_GONE, true},
        {API_GONE, API_WRONG_ID, false},        {API_FORBIDDEN, API_REFUSED, false},
        {API_LIMITED, API_SERVER_ERROR, false}, {API_RECORD, API_TIMEOUT, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(policy_same_end(rows[i].a, rows[i].b), rows[i].same);
        assert_int_equal(policy_same_end(rows[i].b, rows[i].a), rows[i].same);
    }
}

static void test_delays(void **state)
{
    static const struct {
        int64_t first;
        int64_t last;
        int attempts;
        int64_t delay;
    } rows[] = {
        {500, 60000, 1, 500},     {500, 60000, 2, 1000},  {500, 60000, 7, 32000},
        {500, 60000, 8, 60000},   {500, 60000, 9, 60000}, {500, 60000, INT32_MAX, 60000},
        {2000, 2000, 1, 2000},    {2000, 2000, 5, 2000},  {1, 1000, 3, 4},
        {1, INT64_MAX / 4, 4, 8}, {5000, 60000, 0, 5000},
    };
    struct random random = random_from_seed(9);
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct policy policy = {.first_delay_ms = rows[i].first, .last_delay_ms = rows[i].last};
        int64_t least = INT64_MAX;
        int64_t most = 0;
        for (int k = 0; k < 2000; k++) {
            int64_t delay = policy_delay(&policy, rows[i].attempts, &random);
            least = delay < least ? delay : least;
            most = delay > most ? delay : most;
        }
        /* Jitter over the upper half, and all of it. */
        assert_in_range(least, rows[i].delay / 2, rows[i].delay * 55 / 100);
        assert_in_range(most, rows[i].delay * 95 / 100, rows[i].delay);
    }
    struct policy none = {.first_delay_ms = 0, .last_delay_ms = 0};
    assert_int_equal(policy_delay(&none, 1, &random), 0);
    assert_int_equal(policy_delay(&none, 50, &random), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_who_gives_up),
        cmocka_unit_test(test_ways_in),
        cmocka_unit_test(test_everything_has_a_row),
        cmocka_unit_test(test_same_end),
        cmocka_unit_test(test_delays),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
