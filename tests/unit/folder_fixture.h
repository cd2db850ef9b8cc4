/*
 * A folder of its own for each test, with a path for the files in it; what is left there at the end
 * is removed.
 */
#ifndef TESTS_UNIT_FOLDER_FIXTURE_H
#define TESTS_UNIT_FOLDER_FIXTURE_H

#include <dirent.h>

#include "bridge/base/memory.h"
#include "tests/unit/unit.h"

static char folder[64];

/* The caller frees it. */
UNUSED static char *path_of(const char *name)
{
    return memory_format("%s/%s", folder, name);
}

UNUSED static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/test-bridge-XXXXXX", P_tmpdir);
    return mkdtemp(folder) == NULL;
}

UNUSED static int remove_folder(void **state)
{
    (void)state;
    DIR *files = opendir(folder);
    assert_non_null(files);
    for (struct dirent *file = readdir(files); file != NULL; file = readdir(files)) {
        char *path = path_of(file->d_name);
        if (file->d_type != DT_DIR)
            assert_int_equal(unlink(path), 0);
        free(path);
    }
    (void)closedir(files);
    return rmdir(folder);
}

#endif
