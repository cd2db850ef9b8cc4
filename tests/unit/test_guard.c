/* Which heads are refused, and with what. */
#include "tests/unit/unit.h"

#include "bridge/http/guard.h"

#define HEAD(...)                                                                                  \
    {                                                                                              \
        .version = "HTTP/1.1", .hosts = 1, .max_size = 1000, .max_headers = 10, .max_target = 100, \
        __VA_ARGS__                                                                                \
    }

static void test_heads(void **state)
{
    static const struct {
        struct guard_head head;
        int status;
    } rows[] = {
        {HEAD(.headers = 3), 0},
        {HEAD(.content_length = "0", .content_lengths = 1), 0},
        {HEAD(.content_length = "999999999999999999", .content_lengths = 1), 0},
        {HEAD(.transfer_encoding = "Chunked", .transfer_encodings = 1), 0},
        {HEAD(.headers = 10, .size = 1000, .target = 100), 0},
        {{.version = "HTTP/1.0", .max_size = 1, .max_headers = 1, .max_target = 1}, 0},
        {HEAD(.target = 101), 414},
        {HEAD(.headers = 11), 431},
        {HEAD(.size = 1001), 431},
        {HEAD(.strange = true), 400},
        {HEAD(.content_length = "", .content_lengths = 1), 400},
        {HEAD(.content_length = "+1", .content_lengths = 1), 400},
        {HEAD(.content_length = "1 ", .content_lengths = 1), 400},
        {HEAD(.content_length = "9999999999999999999", .content_lengths = 1), 400},
        {HEAD(.content_length = "1", .content_lengths = 2), 400},
        {HEAD(.transfer_encoding = "chunked", .transfer_encodings = 2), 400},
        {HEAD(.transfer_encoding = "chunked", .transfer_encodings = 1, .content_length = "1",
              .content_lengths = 1),
         400},
        {HEAD(.transfer_encoding = "identity", .transfer_encodings = 1), 501},
        {HEAD(.transfer_encoding = "gzip, chunked", .transfer_encodings = 1), 501},
        {HEAD(.transfer_encoding = "", .transfer_encodings = 1), 501},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct guard_verdict verdict = guard_judge(&rows[i].head);
        if (verdict.status != rows[i].status)
            fail_msg("row %zu: %d", i, verdict.status);
        assert_int_equal(verdict.code != NULL && verdict.message != NULL, verdict.status != 0);
    }
}

static void test_versions_and_hosts(void **state)
{
    static const struct {
        const char *version;
        size_t hosts;
        int status;
    } rows[] = {
        {"HTTP/1.1", 1, 0},    {"HTTP/1.1", 0, 400}, {"HTTP/1.1", 2, 400}, {"HTTP/1.0", 0, 0},
        {"HTTP/1.0", 1, 0},    {"HTTP/1.0", 2, 400}, {"HTTP/1.2", 1, 505}, {"HTTP/2.0", 1, 505},
        {"HTTP/1.10", 1, 505}, {"http/1.1", 1, 505}, {"", 1, 505},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct guard_head head = HEAD(.headers = 3);
        head.version = rows[i].version;
        head.hosts = rows[i].hosts;
        assert_int_equal(guard_judge(&head).status, rows[i].status);
    }
    struct guard_head old = HEAD(.transfer_encoding = "chunked", .transfer_encodings = 1);
    old.version = "HTTP/1.0";
    assert_int_equal(guard_judge(&old).status, 400);
}

static void test_headers(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        bool right;
    } rows[] = {
        {"a", "", true},
        {"X-a_b.c!#$%&'*+^`|~9", "x", true},
        {"a", "b\tc \xc3\xa9", true},
        {"", "b", false},
        {"a b", "c", false},
        {"a:", "c", false},
        {"a\x7f", "c", false},
        {"\xc3\xa9", "c", false},
        {"a", "b\rc", false},
        {"a", "b\nc", false},
        {"a", "\x0b", false},
        {"a", "\x7f", false},
        {"a(b)", "c", false},
        {"a,b", "c", false},
        {"a/b", "c", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (guard_header(rows[i].name, strlen(rows[i].name), rows[i].value,
                         strlen(rows[i].value)) != rows[i].right)
            fail_msg("row %zu", i);
    assert_false(guard_header("a\0", 2, "b", 1));
    assert_false(guard_header("a", 1, "b\0c", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_versions_and_hosts),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
