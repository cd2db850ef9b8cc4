/* The spool on disk: what was written is there, whole, or the file is refused. */
#include "tests/unit/folder_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/receiver/spool_file.h"
#include "bridge/receiver/spool_record.h"

#define MIB    ((size_t)1 << 20)
#define EVENTS 400

/* An event whose size and content follow from its number. */
static char *record_of(uint64_t sequence, size_t *length)
{
    char value[6000];
    size_t size = (size_t)(sequence * 7919 % sizeof value);
    for (size_t i = 0; i < size; i++)
        value[i] = (char)(sequence + i);
    struct message message = {
        .topic = "t", .partition = -1, .key = "k", .key_length = 1, .value = value};
    message.value_length = size;
    message_header(&message, "model", "units");
    return spool_record_write(sequence, &message, length);
}

static struct spool_file *open_file(size_t max_bytes)
{
    struct error error;
    struct spool_file *file = spool_file_open(folder, "p", max_bytes, &error);
    if (file == NULL)
        fail_msg("%s", error.message);
    return file;
}

static bool add(struct spool_file *file, uint64_t from, size_t count, struct error *error)
{
    struct spool_line lines[64];
    assert_true(count <= ARRAY_LENGTH(lines));
    for (size_t i = 0; i < count; i++) {
        lines[i].sequence = from + i;
        lines[i].bytes = record_of(from + i, &lines[i].length);
    }
    bool ok = spool_file_write(file, lines, count, NULL, 0, error);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)lines[i].bytes);
    return ok;
}

static void add_all(struct spool_file *file, uint64_t from, size_t count)
{
    struct error error;
    for (size_t done = 0; done < count; done += 50) {
        size_t some = count - done < 50 ? count - done : 50;
        if (!add(file, from + done, some, &error))
            fail_msg("%s", error.message);
    }
}

static void delete (struct spool_file *file, uint64_t sequence)
{
    struct error error;
    if (!spool_file_write(file, NULL, 0, &sequence, 1, &error))
        fail_msg("%s", error.message);
}

struct seen {
    uint64_t numbers[2 * EVENTS];
    size_t count;
};

static bool see(void *context, const struct spool_line *line)
{
    struct seen *seen = context;
    size_t length;
    char *wanted = record_of(line->sequence, &length);
    assert_int_equal(line->length, length);
    assert_memory_equal(line->bytes, wanted, length);
    free(wanted);
    assert_true(seen->count < ARRAY_LENGTH(seen->numbers));
    seen->numbers[seen->count++] = line->sequence;
    return true;
}

static struct seen read_from(struct spool_file *file, uint64_t from)
{
    struct seen seen = {.count = 0};
    struct error error;
    assert_true(spool_file_read(file, from, see, &seen, &error));
    return seen;
}

static void test_a_record_is_read_as_it_was(void **state)
{
    struct message message = {.topic = "topic", .partition = 3, .value = "", .value_length = 0};
    struct message read;
    size_t length;
    (void)state;
    for (int i = 0; i < MESSAGE_HEADERS; i++)
        message_header_bytes(&message, "name", "va\0lue", (size_t)(i % 7));
    char *bytes = spool_record_write(7, &message, &length);
    assert_true(spool_record_read(7, bytes, length, &read));
    assert_string_equal(read.topic, "topic");
    assert_int_equal(read.partition, -1);
    assert_null(read.key);
    assert_non_null(read.value);
    assert_int_equal(read.value_length, 0);
    assert_int_equal(read.header_count, MESSAGE_HEADERS);
    for (int i = 0; i < MESSAGE_HEADERS; i++) {
        assert_string_equal(read.headers[i].name, "name");
        assert_int_equal(read.headers[i].length, i % 7);
        assert_memory_equal(read.headers[i].value, "va\0lue", (size_t)(i % 7));
    }
    free(bytes);
}

static void test_a_spoilt_record_is_seen(void **state)
{
    struct message read;
    size_t length;
    (void)state;
    char *bytes = record_of(5, &length);
    assert_true(spool_record_read(5, bytes, length, &read));
    assert_false(spool_record_read(6, bytes, length, &read));
    for (size_t cut = 0; cut < length; cut++)
        assert_false(spool_record_read(5, bytes, cut, &read));
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 4;
        assert_false(spool_record_read(5, bytes, length, &read));
        bytes[i] ^= 4;
    }
    free(bytes);
}

static void test_events_come_by_number(void **state)
{
    struct spool_file *file = open_file(16 * MIB);
    (void)state;
    add_all(file, 100, 50);
    add_all(file, 10, 50); /* late ones */
    delete (file, 120);
    delete (file, 120);
    struct seen seen = read_from(file, 0);
    assert_int_equal(seen.count, 99);
    for (size_t i = 1; i < seen.count; i++)
        assert_true(seen.numbers[i - 1] < seen.numbers[i]);
    assert_int_equal(read_from(file, 100).count, 49);
    assert_int_equal(read_from(file, 150).count, 0);
    spool_file_close(file);
    file = open_file(16 * MIB);
    assert_int_equal(read_from(file, 0).count, 99);
    spool_file_close(file);
}

/* It is filled as far as its bound lets it, over and over: it never has no room to become empty,
 * and the file does not pass the bound. */
static void test_the_bound_holds(void **state)
{
    char *path = path_of("spool.lmdb");
    struct random random = random_from_seed(1);
    struct stat stat_of;
    (void)state;
    for (size_t max = MIB; max <= 4 * MIB; max *= 2) {
        struct spool_file *file = open_file(max);
        uint64_t first = 1;
        uint64_t next = 1;
        size_t cost = 0;
        for (int round = 0; round < 10; round++) {
            size_t length;
            struct error error;
            char *bytes = record_of(next, &length);
            free(bytes);
            while (cost + spool_file_cost(length) <= spool_file_room(file)) {
                if (!add(file, next, 1, &error)) {
                    /* No pages in a row for a long one: full before its time, but not by much. */
                    assert_non_null(strstr(error.message, "MDB_MAP_FULL"));
                    assert_true(cost > spool_file_room(file) / 2);
                    break;
                }
                next++;
                cost += spool_file_cost(length);
                free(record_of(next, &length));
            }
            int64_t left = random_between(&random, 0, (int64_t)(next - first));
            while ((int64_t)(next - first) > left) {
                free(record_of(first, &length));
                cost -= spool_file_cost(length);
                delete (file, first++);
            }
            assert_int_equal(lstat(path, &stat_of), 0);
            assert_true((size_t)stat_of.st_size <= max);
        }
        assert_int_equal(read_from(file, 0).count, next - first);
        spool_file_close(file);
        assert_int_equal(unlink(path), 0);
    }
    free(path);
}

static void test_an_empty_spool_gives_its_room_back(void **state)
{
    char *path = path_of("spool.lmdb");
    struct spool_file *file = open_file(64 * MIB);
    struct stat stat_of;
    (void)state;
    for (uint64_t number = 1; number <= 6000; number += 50)
        add_all(file, number, 50);
    assert_int_equal(lstat(path, &stat_of), 0);
    assert_true((size_t)stat_of.st_size > 16 * MIB);
    for (uint64_t number = 1; number <= 6000; number++)
        delete (file, number);
    spool_file_shrink(file);
    assert_int_equal(lstat(path, &stat_of), 0);
    assert_true((size_t)stat_of.st_size < MIB);
    add_all(file, 7000, 50);
    assert_int_equal(read_from(file, 0).count, 50);
    spool_file_close(file);
    free(path);
}

/* Every write that was told done is there after the end of the process, and no other one. */
static void test_a_full_disk_leaves_it_whole(void **state)
{
    (void)state;
    for (rlim_t limit = 64 << 10; limit < 4 * MIB; limit += 333 << 10) {
        pid_t child = fork();
        if (child == 0) {
            struct rlimit old = {0, 0};
            struct error error;
            signal(SIGXFSZ, SIG_IGN);
            getrlimit(RLIMIT_FSIZE, &old);
            struct rlimit small = {limit, old.rlim_max};
            struct spool_file *file = open_file(16 * MIB);
            uint64_t next = 1;
            setrlimit(RLIMIT_FSIZE, &small);
            while (add(file, next, 1, &error))
                next++;
            bool ok = error.verdict == VERDICT_RETRY && read_from(file, 0).count == next - 1;
            for (uint64_t number = 1; number < next; number += 2) /* a full one can be emptied */
                delete (file, number);
            ok = ok && (next < 3 || add(file, next, 1, &error));
            setrlimit(RLIMIT_FSIZE, &old);
            for (int i = 1; i <= 20; i++)
                ok = ok && add(file, next + (uint64_t)i, 1, &error);
            ok = ok && read_from(file, next + 1).count == 20;
            _exit(ok ? 0 : 1);
        }
        int status = 1;
        struct error error;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_true(spool_file_check(folder, "p", &error));
        char *path = path_of("spool.lmdb");
        assert_int_equal(unlink(path), 0);
        free(path);
    }
}

static void assert_refused(const char *prefix, const char *why)
{
    struct error error;
    assert_false(spool_file_check(folder, prefix, &error));
    assert_int_equal(error.verdict, VERDICT_CONFIGURATION);
    assert_non_null(strstr(error.message, why));
    assert_non_null(strstr(error.message, "receiver.spool_dir"));
}

static void write_at(const char *path, off_t offset, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(pwrite(fd, bytes, length, offset), length);
    close(fd);
}

static void test_others_are_refused(void **state)
{
    char *path = path_of("spool.lmdb");
    char zeros[8192] = {0};
    struct error error;
    (void)state;
    assert_true(spool_file_check(folder, "p", &error)); /* none is there */
    struct spool_file *used = open_file(MIB);
    assert_refused("p", "another process uses it");
    spool_file_close(used);
    assert_true(spool_file_check(folder, "p", &error));
    assert_refused("q", "topics.prefix");
    assert_null(spool_file_open(folder, "q", MIB, &error));
    assert_int_equal(truncate(path, 0), 0);
    assert_refused("p", "cannot be read");
    write_at(path, 0, zeros, sizeof zeros);
    assert_refused("p", "not a spool");
    write_at(path, 0, "no spool", 8);
    assert_refused("p", "not a spool");
    assert_int_equal(unlink(path), 0);
    struct spool_file *file = open_file(MIB);
    assert_null(spool_file_open(folder, "p", MIB, &error));
    assert_non_null(strstr(error.message, "another process uses it"));
    spool_file_close(file);
    assert_null(spool_file_open("/nowhere/at/all", "p", MIB, &error));
    free(path);
}

/* Whatever is spoilt, the file is refused, or all of its events are as they were. */
static void test_noise_is_never_read(void **state)
{
    char *path = path_of("spool.lmdb");
    struct random random = random_from_seed(7);
    struct error error;
    int refused = 0;
    (void)state;
    struct spool_file *file = open_file(16 * MIB);
    add_all(file, 1, EVENTS);
    for (uint64_t number = 1; number < EVENTS; number += 3)
        delete (file, number);
    size_t count = read_from(file, 0).count;
    spool_file_close(file);
    struct stat stat_of;
    assert_int_equal(lstat(path, &stat_of), 0);
    size_t size = (size_t)stat_of.st_size;
    char *whole = memory_bytes(size);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, whole, size), size);
    close(fd);
    size_t used = size; /* the rest is room that nothing has been written to */
    while (whole[used - 1] == 0)
        used--;
    for (int round = 0; round < 300; round++) {
        char noise[4096];
        size_t length = (size_t)1 << random_between(&random, 0, 12);
        for (size_t i = 0; i < length; i++)
            noise[i] = round % 3 == 0 ? 0 : (char)random_next(&random);
        off_t place = (off_t)random_between(&random, 0, (int64_t)(used - length));
        if (round % 7 == 0)
            assert_int_equal(truncate(path, place), 0);
        else
            write_at(path, place, noise, length);
        if (spool_file_check(folder, "p", &error)) {
            file = open_file(16 * MIB);
            assert_int_equal(read_from(file, 0).count, count);
            spool_file_close(file);
        } else {
            refused++;
        }
        write_at(path, 0, whole, size);
    }
    assert_true(refused > 100);
    assert_true(spool_file_check(folder, "p", &error));
    free(whole);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_is_read_as_it_was),
        cmocka_unit_test(test_a_spoilt_record_is_seen),
        cmocka_unit_test_setup_teardown(test_events_come_by_number, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_the_bound_holds, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_an_empty_spool_gives_its_room_back, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_full_disk_leaves_it_whole, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_others_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_noise_is_never_read, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
