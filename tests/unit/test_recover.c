/* From when on changes are recovered. */
#include "tests/unit/unit.h"

#include "bridge/commands/recover.h"

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define NOW    INT64_C(1769860800000) /* 2026-01-31T12:00:00Z */

static void test_since(void **state)
{
    static const struct {
        const char *text;
        int64_t since_ms;
    } rows[] = {
        {"0m", NOW},
        {"90m", NOW - 90 * MINUTE},
        {"6h", NOW - 6 * HOUR},
        {"2d", NOW - 2 * DAY},
        {"400d", NOW - 400 * DAY},
        {"2026-01-31T12:00:00Z", NOW},
        {"2026-01-31T11:59:59.999Z", NOW - 1},
        {"2026-01-31T10:30:00", NOW - 90 * MINUTE},
        {"2026-01-31T12:30:00+01:00", NOW - 30 * MINUTE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t since_ms = -1;
        if (!recover_since(rows[i].text, NOW, &since_ms) || since_ms != rows[i].since_ms)
            fail_msg("%s", rows[i].text);
    }
}

static void test_no_moment(void **state)
{
    static const char *const texts[] = {
        "",
        "m",
        "5",
        "5 m",
        "5s",
        " 5m",
        "-5m",
        "+5m",
        "5mm",
        "1.5h",
        "now",
        "2026-01-31",
        "99999999999d",
        "99999999999999999999m",
        "2026-01-31T12:00:00.001Z",
        "2026-02-30T12:00:00Z",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        int64_t since_ms = 0;
        if (recover_since(texts[i], NOW, &since_ms))
            fail_msg("%s", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_since),
        cmocka_unit_test(test_no_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
