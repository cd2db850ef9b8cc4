/*
 * What the unit tests of the pure rooms share: cmocka with the headers it wants, and bytes that end
 * where readable memory ends, so that reading one too many is a crash and not luck.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"

struct guarded {
    char *bytes;
    char *area;
    size_t area_length;
};

/* A copy of `length` bytes right before a page that nobody may read. */
UNUSED static struct guarded guarded_copy(const void *bytes, size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t used = (length / page + 1) * page;
    struct guarded copy = {.area_length = used + page};
    copy.area =
        mmap(NULL, copy.area_length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(copy.area, MAP_FAILED);
    assert_int_equal(mprotect(copy.area + used, page, PROT_NONE), 0);
    copy.bytes = copy.area + used - length;
    if (length > 0)
        memcpy(copy.bytes, bytes, length);
    return copy;
}

UNUSED static void guarded_free(struct guarded *copy)
{
    assert_int_equal(munmap(copy->area, copy->area_length), 0);
}

/* Two texts that may both be NULL. */
UNUSED static void assert_same_text(const char *found, const char *wanted, const char *where)
{
    if (found == NULL || wanted == NULL ? found != wanted : strcmp(found, wanted) != 0)
        fail_msg("%s: found %s, wanted %s", where, found == NULL ? "nothing" : found,
                 wanted == NULL ? "nothing" : wanted);
}

#endif
