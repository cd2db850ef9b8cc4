/* What `config` shows: everything, with its origin, no secret, and loadable again. */
#include "tests/unit/config_fixture.h"

#include <fcntl.h>

#include "bridge/base/memory.h"
#include "bridge/commands/config.h"
#include "bridge/config/keys.h"
#include "bridge/config/load.h"
#include "bridge/config/value.h"

static const char full[] =
    "[bridge]\nmodels = *\ninstance = one\n"
    "[receiver]\nlisten = [::]:80\nsecret_file = secret\nmax_body = 100000\nspool_dir = .\n"
    "tls_certificate = pem\ntls_key = pem\nallow_unsigned = true\n"
    "[kafka]\nbootstrap.servers = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.com:9092,\n"
    " bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.example.com:9092,c:9092\nproducer.linger.ms = 3\n"
    "ssl.ca.pem = -----BEGIN X-----\n AA\n -----END X-----\nsasl.password_file = secret\n"
    "client.id = a ;b #c\n"
    "[topics]\nprefix = p\npartitions = 12\nreplication = 3\ncreate = false\n"
    "max_message = 16 MiB\n"
    "[registry]\nurl = https://r:8081/x\nuser = u ; v\npassword_file = secret\nca = pem\n"
    "[output]\nformat = avro\n[api]\ntoken_file = secret\nrequests_per_minute = 0\n"
    "[enricher]\ngroup = g h\nmax_delay_ms = 0\n[admin]\ntoken_file = secret\n"
    "[log]\nlevel = debug\nformat = json\n";

static void write_files(void)
{
    fixture_write("secret", "planted-secret\n", 15);
    fixture_write("pem", "x", 1);
}

static char *print(const struct config *config)
{
    struct buffer out = buffer_new(1024 * 1024);
    config_print(config, &out);
    return buffer_take(&out);
}

/* The printed text without its comments, which say other origins after a reload. */
static char *without_comments(const char *text)
{
    struct buffer out = buffer_new(1024 * 1024);
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (*text != '#')
            buffer_append(&out, text, length + 1);
        text += length + 1;
    }
    return buffer_take(&out);
}

static void assert_loads_again(struct fixture *f, const char *ini)
{
    char *first = print(fixture_accept(f, ini, NULL, NULL));
    char *second = print(fixture_accept(f, first, NULL, NULL));
    char *first_values = without_comments(first);
    char *second_values = without_comments(second);
    assert_string_equal(first_values, second_values);
    assert_null(strstr(first, "planted"));
    free(first);
    free(second);
    free(first_values);
    free(second_values);
}

static void test_what_is_printed_loads_again(void **state)
{
    struct fixture *f = *state;
    write_files();
    assert_loads_again(f, "");
    assert_loads_again(f, full);
    char *text = print(fixture_accept(f, full, NULL, NULL));
    const struct config *c = fixture_accept(f, text, NULL, NULL);
    assert_string_equal(c->kafka.bootstrap_servers,
                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.com:9092,"
                        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.example.com:9092,c:9092");
    assert_string_equal(c->registry.user, "u ; v");
    assert_int_equal(c->receiver.max_body, 100000);
    assert_int_equal(c->kafka.property_count, 4);
    assert_string_equal(c->kafka.properties[0].value, "-----BEGIN X-----\nAA\n-----END X-----");
    assert_string_equal(c->kafka.properties[2].value, "a ;b #c");
    assert_string_equal(c->api.token, "planted-secret");
    free(text);
}

static void test_origins_are_told(void **state)
{
    static const char *const lines[] = {
        "# default\nmodels = properties, ",
        "# the host name\ninstance = ",
        "# bridge.conf:2\nlisten = h:1\n",
        "# environment BRIDGE_TOPICS_PREFIX\nprefix = x\n",
        "# --set kafka.linger.ms\nlinger.ms = 5\n",
        "# default\nurl =\n",
    };
    char *text = print(fixture_accept(*state, "[receiver]\nlisten = h:1\n",
                                      "BRIDGE_TOPICS_PREFIX=x", "kafka.linger.ms=5"));
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("\"%s\" is not in:\n%s", lines[i], text);
    free(text);
}

static void test_secrets_are_masked(void **state)
{
    struct fixture *f = *state;
    struct buffer ini = buffer_new(4096);
    buffer_append_text(&ini, "[kafka]\nsasl.password = planted-secret\nssl.key.pem = "
                             "-----BEGIN X-----\n planted\n");
    for (size_t i = 0; i < config_key_count; i++)
        if (key_is_secret(&config_keys[i]) && strcmp(config_keys[i].section, "registry") != 0)
            buffer_append_format(&ini, "[%s]\n%s = %splanted-secret-of-enough-bytes\n",
                                 config_keys[i].section, config_keys[i].name,
                                 config_keys[i].owned ? "planted-id " : "");
    buffer_append_text(&ini, "[registry]\nuser = u\npassword = planted-secret\n");
    char *text = print(fixture_accept(f, buffer_text(&ini), NULL, NULL));
    assert_null(strstr(text, "planted"));
    assert_non_null(strstr(text, "\nsecret = " VALUE_MASK "\n"));
    assert_non_null(strstr(text, "\nsasl.password = " VALUE_MASK "\n"));
    assert_non_null(strstr(text, "\nssl.key.pem = " VALUE_MASK "\n"));
    assert_string_equal(f->config.receiver.secrets.general.items[0],
                        "planted-secret-of-enough-bytes");
    free(text);
    buffer_free(&ini);
}

static void test_every_key_is_printed_and_documented(void **state)
{
    struct buffer table = buffer_new(1024 * 1024);
    char *text = print(fixture_accept(*state, NULL, NULL, NULL));
    config_document(&table);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        char *line = memory_format("\n%s =", key->name);
        char *row = memory_format("\n| `[%s]` | `%s` | ", key->section, key->name);
        assert_non_null(strstr(text, line));
        assert_non_null(strstr(buffer_text(&table), row));
        assert_true(key->help[strlen(key->help) - 1] == '.');
        assert_null(strchr(key->help, '|'));
        free(line);
        free(row);
    }
    assert_non_null(strstr(buffer_text(&table),
                           "| `[api]` | `timeout_ms` | `30000` | milliseconds | 100 to 600000 | "));
    assert_non_null(strstr(buffer_text(&table), "\n| `acks` | "));
    free(text);
    buffer_free(&table);
}

/* What the code takes for granted of the table. */
static void test_the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        char name[KEY_ENVIRONMENT_SIZE];
        assert_true(strlen(key_environment(key, name)) + 1 < KEY_ENVIRONMENT_SIZE);
        assert_ptr_equal(key_find(key->section, key->name), key);
        if (key->type == TYPE_SECRET) {
            assert_int_equal(key[1].type, TYPE_SECRET_FILE);
            assert_int_equal(key[1].offset, key->offset);
            assert_int_equal(key[1].many, key->many);
        }
        for (size_t other = 0; other < i; other++) {
            char second[KEY_ENVIRONMENT_SIZE];
            assert_string_not_equal(name, key_environment(&config_keys[other], second));
            if (key->type != TYPE_SECRET_FILE)
                assert_true(config_keys[other].offset != key->offset);
        }
    }
}

/* Runs the subcommand with standard output at `file`. */
static int run_command(const struct config *config, int file)
{
    (void)fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(dup2(file, STDOUT_FILENO) >= 0);
    int code = command_config(config);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    return code;
}

static void test_command_prints_to_standard_output(void **state)
{
    const struct config *config = fixture_accept(*state, NULL, NULL, NULL);
    char *expected = print(config);
    int file = open("output", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    int code = run_command(config, file);
    char *printed = memory_new(strlen(expected) + 2, 1);
    assert_int_equal(pread(file, printed, strlen(expected) + 1, 0), strlen(expected));
    assert_int_equal(code, 0);
    assert_string_equal(printed, expected);
    int full_device = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(run_command(config, full_device), 70);
    (void)close(full_device);
    (void)close(file);
    free(printed);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_what_is_printed_loads_again),
        FIXTURE_TEST(test_origins_are_told),
        FIXTURE_TEST(test_secrets_are_masked),
        FIXTURE_TEST(test_every_key_is_printed_and_documented),
        cmocka_unit_test(test_the_table_is_sound),
        FIXTURE_TEST(test_command_prints_to_standard_output),
    };
    return cmocka_run_group_tests_name("config print", tests, NULL, NULL);
}
