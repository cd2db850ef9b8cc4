/* Points in time as the API writes them. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"
#include "bridge/base/clock.h"
#include "bridge/codec/timestamp.h"

static void test_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } ROWS[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00", 0},
        {"2024-05-06T07:08:09.123Z", 1714979289123},
        {"2024-05-06T07:08:09Z", 1714979289000},
        {"2024-05-06T07:08:09.1Z", 1714979289100},
        {"2024-05-06T07:08:09.12", 1714979289120},
        {"2024-05-06T07:08:09,123Z", 1714979289123},
        {"2024-05-06T07:08:09.123999Z", 1714979289123}, /* cut, not rounded */
        {"2024-05-06T07:08:09.999999999Z", 1714979289999},
        {"2024-05-06T07:08:09.00000000000000000000001Z", 1714979289000},
        {"2024-05-06T07:08:09.123+00:00", 1714979289123},
        {"2024-05-06T07:08:09.123-00:00", 1714979289123},
        {"2024-05-06T09:08:09+02:00", 1714979289000},
        {"2024-05-06T02:38:09-0430", 1714979289000},
        {"2024-05-06T12:53:09.5+05:45", 1714979289500},
        {"2024-12-31T23:59:60Z", 1735689600000}, /* a leap second */
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"1900-03-01T00:00:00Z", -2203891200000},
        {"0001-01-01T00:00:00Z", -62135596800000},
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        int64_t ms = 42;
        if (!timestamp_parse(ROWS[i].text, &ms) || ms != ROWS[i].ms)
            fail_msg("%s: %" PRId64, ROWS[i].text, ms);
    }
}

static void test_refused(void **state)
{
    static const char *const ROWS[] = {
        "",
        "now",
        "2024",
        "2024-05-06",
        "2024-05-06T",
        "2024-05-06T07:08",
        "2024-05-06T07:08Z",
        "2024-05-06T07:08:09.Z",
        "2024-05-06T07:08:09.",
        "2024-05-06T07:08:09 Z",
        "2024-05-06T07:08:09ZZ",
        "2024-05-06T07:08:09Z ",
        " 2024-05-06T07:08:09Z",
        "2024-05-06T07:08:09+",
        "2024-05-06T07:08:09+1",
        "2024-05-06T07:08:09+02",
        "2024-05-06T07:08:09+02:",
        "2024-05-06T07:08:09+02:0",
        "2024-05-06T07:08:09+24:00",
        "2024-05-06T07:08:09+00:60",
        "2024-05-06T07:08:09+02:00x",
        "2024-5-06T07:08:09Z",
        "24-05-06T07:08:09Z",
        "2024/05/06T07:08:09Z",
        "05/06/2024",
        "2024-00-06T07:08:09Z",
        "2024-13-06T07:08:09Z",
        "2024-05-00T07:08:09Z",
        "2024-05-32T07:08:09Z",
        "2024-04-31T07:08:09Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-05-06T24:00:00Z",
        "2024-05-06T07:60:09Z",
        "2024-05-06T07:08:61Z",
        "-2024-05-06T07:08:09Z",
        "12024-05-06T07:08:09Z",
        "2024-05-06T-7:08:09Z",
        "1714979289123",
        "2024-05-06X07:08:09Z",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        int64_t ms;
        if (timestamp_parse(ROWS[i], &ms))
            fail_msg("%s is taken for a timestamp", ROWS[i]);
    }
}

/* Every day of the Gregorian calendar's 400-year cycle and some, against the C library. */
static void test_every_day(void **state)
{
    (void)state;
    for (int64_t day = -135140; day < 150000; day++) {
        char text[CLOCK_TEXT_SIZE];
        int64_t ms;
        assert_true(timestamp_parse(clock_format(day * 86400000, text), &ms));
        assert_int_equal(ms, day * 86400000);
    }
}

static void test_member(void **state)
{
    cJSON *object = cJSON_Parse("{\"at\":\"1970-01-01T00:00:01.5Z\",\"number\":7,\"text\":\"x\"}");
    int64_t ms = 0;
    (void)state;
    assert_true(timestamp_member(object, "at", &ms));
    assert_int_equal(ms, 1500);
    assert_false(timestamp_member(object, "number", &ms));
    assert_false(timestamp_member(object, "text", &ms));
    assert_false(timestamp_member(object, "none", &ms));
    assert_false(timestamp_member(NULL, "at", &ms));
    cJSON_Delete(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
