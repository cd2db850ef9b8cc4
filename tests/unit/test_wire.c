/* The Confluent wire format's header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"
#include "bridge/codec/wire.h"

static void test_put_and_get(void **state)
{
    static const struct {
        uint32_t id;
        unsigned char header[WIRE_HEADER_SIZE];
    } ROWS[] = {
        {0, {0, 0, 0, 0, 0}},
        {1, {0, 0, 0, 0, 1}},
        {0x01020304, {0, 1, 2, 3, 4}},
        {INT32_MAX, {0, 0x7f, 0xff, 0xff, 0xff}},
        {UINT32_MAX, {0, 0xff, 0xff, 0xff, 0xff}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        unsigned char header[WIRE_HEADER_SIZE];
        uint32_t id = ~ROWS[i].id;
        wire_put(header, ROWS[i].id);
        assert_memory_equal(header, ROWS[i].header, sizeof header);
        assert_true(wire_get(header, sizeof header, &id));
        assert_int_equal(id, ROWS[i].id);
    }
}

static void test_get_refuses(void **state)
{
    static const struct {
        const char *frame;
        size_t length;
    } ROWS[] = {{"", 0}, {"\0\0\0\0", 4}, {"\1\0\0\0\1", 5}, {"{\"a\":1}", 7}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        uint32_t id;
        assert_false(wire_get(ROWS[i].frame, ROWS[i].length, &id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_get),
        cmocka_unit_test(test_get_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
