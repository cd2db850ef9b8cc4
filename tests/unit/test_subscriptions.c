/* What there should be at Propexo, compared with what there is. */
#include "tests/unit/unit.h"

#include "bridge/codec/json_parse.h"
#include "bridge/propexo/subscriptions.h"

#define URL    "https://bridge.test/webhooks"
#define SECRET "0123456789"

#define DATA "\"triggers\":[\"DATA_UPDATE\",\"DATA_NEW\"]"
#define ACCOUNT                                                                                \
    "\"triggers\":[\"SYNC_COMPLETE\",\"FIRST_SYNC_COMPLETE\",\"JOB_SUCCESS\",\"JOB_FAILURE\"," \
    "\"WRITE_OPERATION_FAILURE\"]"
#define GOOD(id, model) \
    "{\"id\":\"" id "\",\"url\":\"" URL "\",\"active\":true,\"model\":\"" model "\"," DATA "}"
#define GOOD_ACCOUNT(id) \
    "{\"id\":\"" id "\",\"url\":\"" URL "\",\"active\":true,\"model\":null," ACCOUNT "}"

static const char *const MODELS[] = {"units", "resident_charges"};
static const struct subscriptions_wish WISH = {
    .url = URL, .models = MODELS, .model_count = ARRAY_LENGTH(MODELS), .secret = SECRET};

/* "action model id fields/duplicate" of each change, with a semicolon behind it. */
static char *compare(const struct subscriptions_wish *wish, const char *rows)
{
    static char text[4096];
    cJSON *list = json_parse(rows, strlen(rows));
    assert_true(cJSON_IsArray(list));
    struct subscriptions_plan plan = subscriptions_compare(wish, list);
    size_t length = 0;
    for (size_t i = 0; i < plan.count; i++) {
        const struct subscription_change *change = &plan.changes[i];
        length += (size_t)snprintf(
            text + length, sizeof text - length, "%s %s %s %u;",
            subscription_action_name(change->action), change->model == NULL ? "-" : change->model,
            change->row == NULL ? "-" : json_member_text(change->row, "id"),
            change->action == SUBSCRIPTION_REMOVE ? (unsigned)change->duplicate : change->fields);
    }
    (void)snprintf(text + length, sizeof text - length, "%zu%s", plan.foreign,
                   plan.secrets_hidden ? " hidden" : "");
    assert_int_equal(plan.count, plan.counts[0] + plan.counts[1] + plan.counts[2] + plan.counts[3]);
    subscriptions_free(&plan);
    cJSON_Delete(list);
    return text;
}

static void test_comparisons(void **state)
{
    static const struct {
        const char *rows;
        const char *changes;
    } CASES[] = {
        {"[]", "create units - 0;create resident_charges - 0;create - - 0;0"},
        {"[" GOOD("b", "resident_charges") "," GOOD("a", "units") "," GOOD_ACCOUNT("c") "]",
         "keep units a 0;keep resident_charges b 0;keep - c 0;0 hidden"},
        /* a model's name as it was once written */
        {"[" GOOD("b", "resident-charges") "," GOOD("a", "units") "," GOOD_ACCOUNT("c") "]",
         "keep units a 0;keep resident_charges b 0;keep - c 0;0 hidden"},
        /* another URL is another's, also one below ours */
        {"[{\"id\":\"x\",\"url\":\"" URL "/i1\",\"model\":\"units\"},"
         "{\"id\":\"y\",\"url\":\"https://bridge.test/webhook\"},"
         "{\"id\":\"z\",\"url\":\"" URL "?x\"},{\"id\":\"w\"}]",
         "create units - 0;create resident_charges - 0;create - - 0;4"},
        /* a model that is not wanted, one that nobody knows, and one without a model */
        {"[" GOOD("a", "units") "," GOOD("b", "leases") "," GOOD("c", "dragons") "]",
         "keep units a 0;create resident_charges - 0;create - - 0;"
         "remove leases b 0;remove dragons c 0;0 hidden"},
        /* the lowest id of equal ones stays, wherever it stands */
        {"[" GOOD("c", "units") "," GOOD("a", "units") "," GOOD("b", "units") "]",
         "keep units a 0;create resident_charges - 0;create - - 0;"
         "remove units c 1;remove units b 1;0 hidden"},
        /* but one that is as it should be stays before one that is not */
        {"[{\"id\":\"a\",\"url\":\"" URL "\",\"model\":\"units\"," DATA "}," GOOD("b", "units") "]",
         "keep units b 0;create resident_charges - 0;create - - 0;remove units a 1;0 hidden"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++)
        assert_string_equal(compare(&WISH, CASES[i].rows), CASES[i].changes);
}

static void test_fields(void **state)
{
    static const struct {
        const char *members; /* of a webhook for units */
        unsigned fields;
    } CASES[] = {
        {"\"url\":\"" URL "/\",\"active\":true," DATA, SUBSCRIPTION_URL},
        {"\"url\":\"" URL "\",\"active\":false," DATA, SUBSCRIPTION_ACTIVE},
        {"\"url\":\"" URL "\"," DATA, SUBSCRIPTION_ACTIVE},
        {"\"url\":\"" URL "\",\"active\":true,\"triggers\":[\"DATA_NEW\"]", SUBSCRIPTION_TRIGGERS},
        {"\"url\":\"" URL "\",\"active\":true,\"triggers\":[\"DATA_NEW\",\"DATA_NEW\"]",
         SUBSCRIPTION_TRIGGERS},
        {"\"url\":\"" URL "\",\"active\":true,\"triggers\":null", SUBSCRIPTION_TRIGGERS},
        {"\"url\":\"" URL "\",\"active\":true,\"triggers\":[\"DATA_NEW\",\"DATA_UPDATE\",\"X\"]",
         SUBSCRIPTION_TRIGGERS},
        {"\"url\":\"" URL "\",\"active\":true,\"secret\":\"" SECRET "\"," DATA, 0},
        {"\"url\":\"" URL "\",\"active\":true,\"secret\":\"another-one\"," DATA,
         SUBSCRIPTION_SECRET},
        /* shown as nothing, or made unreadable: it cannot be compared */
        {"\"url\":\"" URL "\",\"active\":true,\"secret\":null," DATA, 0},
        {"\"url\":\"" URL "\",\"active\":true,\"secret\":\"\"," DATA, 0},
        {"\"url\":\"" URL "\",\"active\":true,\"secret\":\"****6789\"," DATA, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
        char rows[512];
        char wanted[64];
        (void)snprintf(rows, sizeof rows, "[{\"id\":\"a\",\"model\":\"units\",%s}]",
                       CASES[i].members);
        (void)snprintf(wanted, sizeof wanted, "%s units a %u;",
                       CASES[i].fields == 0 ? "keep" : "update", CASES[i].fields);
        assert_memory_equal(compare(&WISH, rows), wanted, strlen(wanted));
    }
}

static void test_secrets(void **state)
{
    static const char ROWS[] = "[" GOOD("a", "units") "," GOOD("b", "resident_charges") "," //
        GOOD_ACCOUNT("c") "]";
    struct subscriptions_wish wish = WISH;
    (void)state;
    wish.rotate = true;
    assert_string_equal(compare(&wish, ROWS),
                        "update units a 8;update resident_charges b 8;update - c 8;0 hidden");
    wish.secret = NULL; /* unsigned webhooks are taken: there is nothing to compare */
    assert_string_equal(compare(&wish, ROWS),
                        "keep units a 0;keep resident_charges b 0;keep - c 0;0");
}

static void test_bodies(void **state)
{
    static const char ROW[] =
        "{\"id\":\"a\",\"url\":\"" URL
        "/\",\"headers\":[{\"header\":\"x-t\",\"value\":\"v\"}],\"model\":\"units\"}";
    cJSON *row = json_parse(ROW, strlen(ROW));
    struct subscriptions_wish wish = WISH;
    struct subscription_change change = {.model = "units", .row = row};
    (void)state;
    char *body = subscriptions_body(&wish, &change);
    assert_string_equal(body, "{\"triggers\":[\"DATA_NEW\",\"DATA_UPDATE\"],\"url\":\"" URL
                              "\",\"model\":\"units\",\"headers\":[{\"header\":\"x-t\","
                              "\"value\":\"v\"}],\"secret\":\"" SECRET "\",\"active\":true}");
    free(body);
    change = (struct subscription_change){.model = NULL};
    wish.secret = NULL;
    body = subscriptions_body(&wish, &change);
    assert_string_equal(body, "{" ACCOUNT ",\"url\":\"" URL "\",\"active\":true}");
    free(body);
    cJSON_Delete(row);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(subscription_action_name(SUBSCRIPTION_REMOVE), "remove");
    for (unsigned place = 0; place < SUBSCRIPTION_FIELDS; place++)
        assert_non_null(subscription_field_name(place));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparisons), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_secrets),     cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("subscriptions", tests, NULL, NULL);
}
