/* A webhook put together again is understood like any other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"
#include "bridge/codec/json_parse.h"
#include "bridge/propexo/recreate.h"
#include "bridge/propexo/webhook.h"

static cJSON *tree(const char *text)
{
    cJSON *root = json_parse(text, strlen(text));
    assert_non_null(root);
    return root;
}

static void test_update(void **state)
{
    (void)state;
    cJSON *item = tree("{\"id\":\"d1\",\"model\":\"residents\",\"model_record_id\":\"r\\\"1\","
                       "\"event_type\":\"UPDATE\",\"integration_id\":\"i1\",\"data_diff\":"
                       "{\"new\":{\"n\":12345678901234567890},\"previous\":{\"n\":1}}}");
    struct recreate_change change;
    assert_true(recreate_read(item, &change));
    assert_string_equal(change.id, "d1");
    assert_false(change.is_new);
    char *text =
        recreate_event("i1", change.model, change.record_id, change.is_new, change.content);
    struct webhook webhook = webhook_parse(text, strlen(text));
    assert_int_equal(webhook.class, WEBHOOK_EVENT);
    assert_string_equal(webhook.kind, "DATA_UPDATE");
    assert_string_equal(webhook.integration_id, "i1");
    assert_string_equal(webhook.record_id, "r\"1");
    assert_string_equal(webhook.model->name, "residents");
    assert_non_null(webhook.diff);
    assert_non_null(strstr(text, "{\"new\":{\"n\":12345678901234567890},\"previous\":{\"n\":1}}"));
    webhook_free(&webhook);
    free(text);
    cJSON_Delete(item);
}

static void test_new_and_bare(void **state)
{
    (void)state;
    cJSON *item = tree("{\"model\":\"units\",\"model_record_id\":\"u\",\"event_type\":\"NEW\","
                       "\"data_diff\":{\"name\":\"x\"}}");
    struct recreate_change change;
    assert_true(recreate_read(item, &change));
    assert_null(change.integration_id);
    char *text = recreate_event("i", change.model, change.record_id, change.is_new, change.content);
    struct webhook webhook = webhook_parse(text, strlen(text));
    assert_string_equal(webhook.kind, "DATA_NEW");
    assert_string_equal(json_member_text(webhook.payload, "name"), "x");
    webhook_free(&webhook);
    free(text);
    text = recreate_event("i", "units", "u", false, NULL);
    webhook = webhook_parse(text, strlen(text));
    assert_int_equal(webhook.class, WEBHOOK_EVENT);
    assert_null(webhook.diff);
    assert_false(webhook_is_only_seen(&webhook));
    webhook_free(&webhook);
    free(text);
    cJSON_Delete(item);
}

static void test_not_a_change(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "7",
        "{\"model\":\"units\"}",
        "{\"model\":\"units\",\"model_record_id\":\"\"}",
        "{\"model\":\"units\",\"model_record_id\":7}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct recreate_change change;
        cJSON *item = tree(texts[i]);
        assert_false(recreate_read(item, &change));
        cJSON_Delete(item);
    }
    assert_null(recreate_event("i", "units", "\xff", false, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_new_and_bare),
        cmocka_unit_test(test_not_a_change),
    };
    return cmocka_run_group_tests_name("recreate", tests, NULL, NULL);
}
