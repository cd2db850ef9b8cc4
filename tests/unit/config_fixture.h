/*
 * What the tests of the configuration share: a directory of its own as the working directory, so
 * that messages have short and known paths, and one call that loads from all sources.
 */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/config/config.h"

struct fixture {
    char directory[64];
    struct config config;
    struct buffer problems;
};

UNUSED static int fixture_new(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)snprintf(fixture->directory, sizeof fixture->directory, "%s/test-config-XXXXXX",
                   P_tmpdir);
    assert_non_null(mkdtemp(fixture->directory));
    assert_int_equal(chdir(fixture->directory), 0);
    fixture->problems = buffer_new(1024 * 1024);
    *state = fixture;
    return 0;
}

UNUSED static int fixture_free(void **state)
{
    struct fixture *fixture = *state;
    config_free(&fixture->config);
    buffer_free(&fixture->problems);
    DIR *directory = opendir(".");
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        if (entry->d_name[0] != '.')
            assert_int_equal(remove(entry->d_name), 0);
    (void)closedir(directory);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture);
    return 0;
}

UNUSED static void fixture_write(const char *name, const char *bytes, size_t length)
{
    FILE *file = fopen(name, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* Loads `ini` (as the file bridge.conf), one variable and one --set; each may be NULL. */
UNUSED static bool fixture_load(struct fixture *fixture, const char *ini, const char *variable,
                                const char *set, unsigned needs)
{
    char *copy = variable == NULL ? NULL : strdup(variable);
    char *environment[] = {copy, NULL};
    fixture_write("bridge.conf", ini == NULL ? "" : ini, ini == NULL ? 0 : strlen(ini));
    config_free(&fixture->config);
    buffer_clear(&fixture->problems);
    bool ok = config_load(&fixture->config, "bridge.conf", environment, &set, set == NULL ? 0 : 1,
                          needs, &fixture->problems);
    assert_int_equal(ok, fixture->problems.length == 0);
    free(copy);
    return ok;
}

/* Loads what must be right. */
UNUSED static struct config *fixture_accept(struct fixture *fixture, const char *ini,
                                            const char *variable, const char *set)
{
    if (!fixture_load(fixture, ini, variable, set, CONFIG_NEED_NOTHING))
        fail_msg("refused: %s", buffer_text(&fixture->problems));
    return &fixture->config;
}

/* A row of a table of mistakes: what is loaded, and all that must be said of it. */
struct mistake {
    const char *ini;
    const char *variable;
    const char *set;
    const char *problems;
};

UNUSED static void fixture_refuse(struct fixture *fixture, const struct mistake *mistake)
{
    assert_false(
        fixture_load(fixture, mistake->ini, mistake->variable, mistake->set, CONFIG_NEED_NOTHING));
    assert_string_equal(buffer_text(&fixture->problems), mistake->problems);
}

#define FIXTURE_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_new, fixture_free)

#endif
