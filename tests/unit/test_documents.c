/* The README's tables are those of the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/buffer.h"
#include "bridge/base/file.h"
#include "bridge/base/metrics.h"
#include "bridge/config/config.h"
#include "bridge/propexo/policy.h"

#define MAXIMUM ((size_t)1 << 20)

static void assert_in_readme(const char *text)
{
    struct error error = {0};
    char *readme = file_read("README.md", MAXIMUM, &error);
    assert_non_null(readme);
    if (strstr(readme, text) == NULL)
        fail_msg("the README should contain:\n%s", text);
    free(readme);
}

static void test_configuration(void **state)
{
    struct buffer text = buffer_new(MAXIMUM);
    (void)state;
    config_document(&text);
    assert_true(text.length > 1000);
    assert_in_readme(buffer_text(&text));
    buffer_free(&text);
}

static void test_metrics(void **state)
{
    struct buffer text = buffer_new(MAXIMUM);
    (void)state;
    metrics_document(&text);
    assert_true(text.length > 1000);
    assert_in_readme(buffer_text(&text));
    buffer_free(&text);
}

static void test_policy(void **state)
{
    struct buffer text = buffer_new(MAXIMUM);
    (void)state;
    policy_document(&text);
    assert_true(text.length > 1000);
    assert_in_readme(buffer_text(&text));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
