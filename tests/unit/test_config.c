/* Where settings come from: file, environment, --set, secrets' files; what wins; what is said. */
#include "tests/unit/config_fixture.h"

#include "bridge/base/memory.h"
#include "bridge/config/load.h"
#include "bridge/config/source_file.h"
#include "bridge/config/suggest.h"

static void test_later_sources_win(void **state)
{
    struct fixture *f = *state;
    const char *ini = "[api]\ntimeout_ms = 200\n";
    assert_int_equal(fixture_accept(f, NULL, NULL, NULL)->api.timeout_ms, 30000);
    assert_int_equal(fixture_accept(f, ini, NULL, NULL)->api.timeout_ms, 200);
    assert_int_equal(fixture_accept(f, ini, "BRIDGE_API_TIMEOUT_MS=300", NULL)->api.timeout_ms,
                     300);
    assert_int_equal(
        fixture_accept(f, ini, "BRIDGE_API_TIMEOUT_MS=300", "api.timeout_ms=400")->api.timeout_ms,
        400);
    assert_int_equal(fixture_accept(f, NULL, NULL, " api . timeout_ms = 400 ")->api.timeout_ms,
                     400);
    const char *sets[] = {"log.level=warn", "log.level=error"};
    config_free(&f->config);
    assert_true(config_load(&f->config, "/dev/null", NULL, sets, 2, 0, &f->problems));
    assert_int_equal(f->config.log.level, 3);
}

static void test_defaults_are_those_of_the_design(void **state)
{
    const struct config *c = fixture_accept(*state, NULL, NULL, NULL);
    assert_int_equal(c->bridge.models.count, 14);
    assert_string_equal(c->bridge.models.items[0], "properties");
    assert_string_equal(c->bridge.models.items[13], "resident_payments");
    assert_null(c->bridge.models.items[14]);
    char host[256] = "";
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    assert_string_equal(c->bridge.instance, host);
    assert_string_equal(c->receiver.listen, "127.0.0.1:8080");
    assert_int_equal(c->receiver.secrets.general.count, 0);
    assert_int_equal(c->receiver.max_body, 1024 * 1024);
    assert_int_equal(c->receiver.spool_max_mb, 1024);
    assert_string_equal(c->kafka.bootstrap_servers, "embedded");
    assert_int_equal(c->kafka.property_count, 0);
    assert_string_equal(c->topics.prefix, "propexo");
    assert_int_equal(c->topics.replication, -1);
    assert_true(c->topics.create);
    assert_string_equal(c->registry.url, "");
    assert_string_equal(c->registry.token, "");
    assert_int_equal(c->output.format, FORMAT_JSON);
    assert_string_equal(c->api.base_url, "https://api.propexo.com");
    assert_int_equal(c->enricher.max_pending, 200000);
    assert_string_equal(c->admin.listen, "127.0.0.1:9090");
    assert_int_equal(c->log.level, 1);
    assert_int_equal(c->log.format, 0);
}

static void test_file_syntax_accepted(void **state)
{
    static const char *const files[] = {
        "\xef\xbb\xbf[topics]\nprefix = a;b\n",
        "[topics]\r\nprefix = a;b\r\n",
        "[topics] # the topics\nprefix=a;b",
        "; a comment\n# another\n\n[topics]\n\n  # indented\n  prefix : a;b\n\n",
        "[log]\nlevel=info\n[topics]\nprefix = a;b\n[log]\nformat=json\n",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        char *ini = strdup(files[i]);
        *strchr(strstr(ini, "a;b"), ';') = '-'; /* a name; the text form is tested below */
        assert_string_equal(fixture_accept(*state, ini, NULL, NULL)->topics.prefix, "a-b");
        free(ini);
    }
    const char *literal = "[registry]\nuser = a ;b #c \"d\" = e\npassword = x\n";
    assert_string_equal(fixture_accept(*state, literal, NULL, NULL)->registry.user,
                        "a ;b #c \"d\" = e");
}

static void test_file_mistakes(void **state)
{
    static const struct mistake mistakes[] = {
        {.ini = "[receiver]\nmax_bdoy = 1\n",
         .problems = "bridge.conf:2: [receiver] max_bdoy: unknown key; did you mean max_body?\n"},
        {.ini = "[api]\ngroup = 1\n",
         .problems =
             "bridge.conf:2: [api] group: unknown key; did you mean group in [enricher]?\n"},
        {.ini = "[api]\nsomething = 1\n",
         .problems = "bridge.conf:2: [api] something: unknown key\n"},
        {.ini = "\n[recevier]\nsecret = planted-secret\nlisten = x\n",
         .problems = "bridge.conf:2: [recevier]: unknown section; did you mean [receiver]?\n"},
        {.ini = "[nothing.like.it]\n",
         .problems = "bridge.conf:1: [nothing.like.it]: unknown "
                     "section\n"},
        {.ini = "[log]\nlevel = info\nlevel = warn\n",
         .problems = "bridge.conf:3: [log] level: is set twice; first at bridge.conf:2\n"},
        {.ini = "[log]\nlevel = info\n[api]\n[log]\nlevel = info\n",
         .problems = "bridge.conf:5: [log] level: is set twice; first at bridge.conf:2\n"},
        {.ini = "level = info\n", .problems = "bridge.conf:1: stands before the first [section]\n"},
        {.ini = "[log\n", .problems = "bridge.conf:1: a section's name ends with ]\n"},
        {.ini = "[log] level = info\n",
         .problems = "bridge.conf:1: only a comment may follow a section's name in its line\n"},
        {.ini = "[log]\nplanted secret\n",
         .problems = "bridge.conf:2: is neither [section] nor key = value\n"},
        {.ini = "[log]\nplanted",
         .problems = "bridge.conf:2: is neither [section] nor key = "
                     "value\n"},
        {.ini = "[log]\n= info\n", .problems = "bridge.conf:2: has no key before the =\n"},
        {.ini = "[api]\ntoken PlantedSecret==\n",
         .problems = "bridge.conf:2: is no key: keys have lower-case letters, digits, dots and "
                     "underscores alone\n"},
        {.ini = "[log]\nformat = json\n level = warn\n",
         .problems = "bridge.conf:2: [log] format: goes on in the next line, which is indented; "
                     "only lists may, and a key of its own begins at the line's start\n"},
        {.ini = "[log]\nlevel = info\n# caf\xe9\n",
         .problems = "bridge.conf:3: is not UTF-8 text\n"},
        {.ini = "[log]\nlevel =\n",
         .problems = "bridge.conf:2: [log] level: is empty; debug, info, warn, error expected\n"},
        {.ini = "[log]\nlevel = loud\n[api]\ntimeout_ms = 1\n[log]\nformat = xml\n",
         .problems = "bridge.conf:2: [log] level: \"loud\" is none of them; debug, info, warn, "
                     "error expected\n"
                     "bridge.conf:4: [api] timeout_ms: \"1\" is out of range; 100 to 600000 "
                     "milliseconds expected\n"
                     "bridge.conf:6: [log] format: \"xml\" is none of them; logfmt, json "
                     "expected\n"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++)
        fixture_refuse(*state, &mistakes[i]);
}

static void test_environment_and_set_mistakes(void **state)
{
    static const struct mistake mistakes[] = {
        {.variable = "BRIDGE_API_TIMEOUT_MS=abc",
         .problems = "environment BRIDGE_API_TIMEOUT_MS: \"abc\" is not a number; 100 to 600000 "
                     "milliseconds expected\n"},
        {.variable = "BRIDGE_API_TOKN=planted",
         .problems = "environment BRIDGE_API_TOKN: unknown variable; did you mean "
                     "BRIDGE_API_TOKEN?\n"},
        {.variable = "BRIDGE_QQQQQQQQQQQQQQQQ=planted",
         .problems = "environment BRIDGE_QQQQQQQQQQQQQQQQ: unknown variable\n"},
        {.variable = "BRIDGE_ADMIN_PORT=9090",
         .problems = "environment BRIDGE_ADMIN_PORT: unknown variable\n"},
        {.variable = "BRIDGE_KAFKA_=1",
         .problems = "environment BRIDGE_KAFKA_: unknown variable\n"},
        {.variable = "BRIDGE_LOG_LEVEL=caf\xe9",
         .problems = "environment BRIDGE_LOG_LEVEL: is not UTF-8\n"},
        {.variable = "BRIDGE_ENRICHER_GROUP=a\x01z",
         .problems = "environment BRIDGE_ENRICHER_GROUP: \"a?z\" has a control character; text, at "
                     "most 255 bytes expected\n"},
        {.set = "api.tokn=planted",
         .problems = "--set api.tokn: unknown key; did you mean token?\n"},
        {.set = "apy.token=planted",
         .problems = "--set apy.token: unknown section; did you mean api?\n"},
        {.set = "planted", .problems = "--set number 1: is not of the form section.key=value\n"},
        {.set = "api=planted.x",
         .problems = "--set number 1: is not of the form section.key=value\n"},
        {.set = ".token=planted",
         .problems = "--set number 1: is not of the form section.key=value\n"},
        {.set = "api.=planted",
         .problems = "--set number 1: is not of the form section.key=value\n"},
        {.set = "api.token Planted=x",
         .problems = "--set number 1: is not of the form section.key=value\n"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++)
        fixture_refuse(*state, &mistakes[i]);
}

static void test_other_variables_are_ignored(void **state)
{
    static const char *const variables[] = {
        "PATH=/bin",
        "BRIDGE=x",
        "BRIDGES_X=1",
        "BRIDGE_SERVICE_HOST=10.0.0.1",
        "BRIDGE_RECEIVER_SERVICE_HOST=10.0.0.1",
        "BRIDGE_RECEIVER_SERVICE_PORT=80",
        "BRIDGE_RECEIVER_SERVICE_PORT_HTTP=80",
        "BRIDGE_RECEIVER_PORT=tcp://10.0.0.1:80",
        "BRIDGE_RECEIVER_PORT_80_TCP=tcp://10.0.0.1:80",
        "BRIDGE_RECEIVER_PORT_80_TCP_PROTO=tcp",
        "BRIDGE_KAFKA_PORT_9092_TCP_PORT=9092",
        "BRIDGE_KAFKA_PORT_9092_TCP_ADDR=10.0.0.1",
        "BRIDGE_KAFKA_SERVICE_HOST=10.0.0.1",
        "BRIDGE_DNS_PORT_53_UDP=udp://10.0.0.1:53",
        "BRIDGE_X_PORT=sctp://10.0.0.1:53",
        "no equals sign",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++)
        assert_int_equal(fixture_accept(*state, NULL, variables[i], NULL)->kafka.property_count, 0);
}

static void test_missing_file(void **state)
{
    struct fixture *f = *state;
    assert_false(config_load(&f->config, "absent.conf", NULL, NULL, 0, 0, &f->problems));
    assert_non_null(strstr(buffer_text(&f->problems), "absent.conf: No such file"));
    buffer_clear(&f->problems);
    struct load load = {.config = &f->config, .problems = &f->problems};
    source_file(&load, "absent.conf", false);
    source_file(&load, "absent/bridge.conf", false);
    assert_int_equal(load.problem_count, 0);
    source_file(&load, ".", false);
    assert_int_equal(load.problem_count, 1);
}

/* "[registry]\nuser = xxx...\n" whose second line has `length` bytes. */
static char *file_with_line(size_t length)
{
    static const char start[] = "[kafka]\nssl.ca.location = ";
    size_t head = strlen("[kafka]\n");
    char *ini = memory_new(head + length + 2, 1);
    memset(ini, 'x', head + length);
    memcpy(ini, start, sizeof start - 1);
    ini[head + length] = '\n';
    return ini;
}

static void test_long_lines(void **state)
{
    static const struct {
        size_t length;
        const char *problems;
    } rows[] = {
        {199, ""},
        {201, ""},
        {8018, ""},
        {8019, "bridge.conf:2: [kafka] ssl.ca.location: has a line of more than 8000 bytes\n"},
        {8190, "bridge.conf:2: [kafka] ssl.ca.location: has a line of more than 8000 bytes\n"},
        {8191, "bridge.conf:2: is longer than 8190 bytes; a list may go on in an indented line\n"},
        {20000, "bridge.conf:2: is longer than 8190 bytes; a list may go on in an indented line\n"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char *ini = file_with_line(rows[i].length);
        fixture_load(f, ini, NULL, NULL, 0);
        assert_string_equal(buffer_text(&f->problems), rows[i].problems);
        if (rows[i].problems[0] == '\0')
            assert_int_equal(strlen(f->config.kafka.properties[0].value), rows[i].length - 18);
        free(ini);
    }
}

static void test_large_file_and_zero_byte(void **state)
{
    struct fixture *f = *state;
    char *text = memory_new(SOURCE_FILE_MAX + 1, 1);
    memset(text, '\n', SOURCE_FILE_MAX + 1);
    fixture_write("large", text, SOURCE_FILE_MAX);
    assert_true(config_load(&f->config, "large", NULL, NULL, 0, 0, &f->problems));
    config_free(&f->config);
    fixture_write("large", text, SOURCE_FILE_MAX + 1);
    assert_false(config_load(&f->config, "large", NULL, NULL, 0, 0, &f->problems));
    config_free(&f->config);
    fixture_write("zero", "[log]\nlevel = in\0fo\n", 20);
    assert_false(config_load(&f->config, "zero", NULL, NULL, 0, 0, &f->problems));
    free(text);
}

static void test_continued_lists(void **state)
{
    struct fixture *f = *state;
    const char *ini =
        "[bridge]\nmodels = units,\n    leases\n\tresidents,,\n\n  # why not\n"
        " floor-plans, units\n[kafka]\nbootstrap.servers = a:1,\n  b:2 ,\n  [::1]:3\n";
    const struct config *c = fixture_accept(f, ini, NULL, NULL);
    assert_int_equal(c->bridge.models.count, 4);
    assert_string_equal(c->bridge.models.items[2], "residents");
    assert_string_equal(c->bridge.models.items[3], "floor_plans");
    assert_string_equal(c->kafka.bootstrap_servers, "a:1,b:2,[::1]:3");
    assert_true(config_has_model(c, "floor_plans"));
    assert_false(config_has_model(c, "properties"));
    assert_true(config_has_model(fixture_accept(f, NULL, NULL, "bridge.models=*"), "anything"));
}

static void test_suggestions(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("", ""), 0);
    assert_int_equal(suggest_distance("abc", ""), 3);
    assert_int_equal(suggest_distance("bdoy", "body"), 1);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
    char word[66];
    memset(word, 'x', 65);
    word[65] = '\0';
    assert_true(suggest_distance(word, "x") == SIZE_MAX);
    assert_int_equal(suggest_distance(word + 1, "x"), 63);
    size_t best = SIZE_MAX;
    assert_false(suggest_better("xyz", "url", &best));
    assert_true(suggest_better("levle", "level", &best));
    assert_false(suggest_better("levle", "lever", &best));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_later_sources_win),
        FIXTURE_TEST(test_defaults_are_those_of_the_design),
        FIXTURE_TEST(test_file_syntax_accepted),
        FIXTURE_TEST(test_file_mistakes),
        FIXTURE_TEST(test_environment_and_set_mistakes),
        FIXTURE_TEST(test_other_variables_are_ignored),
        FIXTURE_TEST(test_missing_file),
        FIXTURE_TEST(test_long_lines),
        FIXTURE_TEST(test_large_file_and_zero_byte),
        FIXTURE_TEST(test_continued_lists),
        cmocka_unit_test(test_suggestions),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
