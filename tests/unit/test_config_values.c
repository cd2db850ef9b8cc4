/* What each key may be, at its bounds; secrets; what concerns several keys. */
#include "tests/unit/config_fixture.h"

#include <sys/stat.h>

#include "bridge/base/memory.h"
#include "bridge/config/keys.h"
#include "bridge/config/text.h"

static void accept_set(struct fixture *f, const char *set)
{
    fixture_accept(f, NULL, NULL, set);
}

static void refuse_set(struct fixture *f, const char *set)
{
    if (fixture_load(f, NULL, NULL, set, 0))
        fail_msg("accepted: %s", set);
    char *name = memory_text_n(set, strcspn(set, "="));
    if (strstr(buffer_text(&f->problems), name) == NULL)
        fail_msg("%s is not named in: %s", name, buffer_text(&f->problems));
    free(name);
}

static void test_values_at_their_bounds(void **state)
{
    static const char *const right[] = {
        "api.timeout_ms=100",
        "api.timeout_ms=600000",
        "api.requests_per_minute=0",
        "api.requests_per_minute=1000000",
        "topics.partitions=1",
        "topics.partitions=10000",
        "topics.replication=-1",
        "topics.replication=3",
        "receiver.max_body=1024",
        "receiver.max_body=1KiB",
        "receiver.max_body=2 MiB",
        "topics.max_message=65536 KiB",
        "receiver.allow_unsigned=true",
        "receiver.allow_unsigned=false",
        "receiver.listen=[::1]:0",
        "receiver.listen=0.0.0.0:65535",
        "receiver.listen=localhost:1",
        "receiver.listen=a-b.c:80",
        "topics.prefix=A.b_c-9",
        "bridge.models=residents-to-leases",
        "bridge.models=a",
        "bridge.models=*",
        "api.base_url=http://127.0.0.1:9/x/",
        "api.base_url=HTTPS://[::1]",
        "registry.url=http://registry:8081/apis/ccompat/v7",
        "log.level=debug",
        "log.format=json",
        "kafka.bootstrap.servers=SASL_SSL://b-1.x:9096, b-2.x:9096",
        "output.format=json",
        "kafka.bootstrap.servers=broker",
        "output.format=",
        "registry.url=",
        "bridge.instance=",
        "enricher.group=any group",
    };
    static const char *const wrong[] = {
        "api.timeout_ms=99",
        "api.timeout_ms=600001",
        "api.timeout_ms=1e3",
        "api.timeout_ms=",
        "api.timeout_ms=0x100",
        "api.timeout_ms=+200",
        "api.timeout_ms=-",
        "api.timeout_ms=200 ms",
        "api.timeout_ms=99999999999999999999",
        "api.requests_per_minute=-1",
        "api.requests_per_minute=1000001",
        "topics.partitions=0",
        "topics.partitions=10001",
        "topics.replication=0",
        "topics.replication=-2",
        "receiver.max_body=1023",
        "receiver.max_body=33 MiB",
        "receiver.max_body=1 MB",
        "receiver.max_body=1.5 MiB",
        "receiver.max_body=MiB",
        "receiver.max_body=9223372036854775807 GiB",
        "receiver.allow_unsigned=yes",
        "receiver.allow_unsigned=TRUE",
        "receiver.listen=8080",
        "kafka.bootstrap.servers=,",
        "receiver.listen=:8080",
        "receiver.listen=1.2.3:80",
        "receiver.listen=256.1.1.1:80",
        "receiver.listen=host:65536",
        "receiver.listen=host:",
        "receiver.listen=::1:80",
        "receiver.listen=[::1]",
        "receiver.listen=[::x]:80",
        "receiver.listen=[::1]80",
        "receiver.listen=ho st:80",
        "receiver.listen=host:8o",
        "topics.prefix=a/b",
        "topics.prefix=",
        "bridge.instance=a b",
        "bridge.models=",
        "bridge.models=,",
        "bridge.models=Units",
        "bridge.models=9x",
        "bridge.models=units leases",
        "bridge.models=*, units",
        "bridge.models=units.x",
        "api.base_url=api.propexo.com",
        "api.base_url=ftp://x",
        "api.base_url=http://",
        "api.base_url=http:///x",
        "api.base_url=http://u:p@host",
        "api.base_url=http://host?x=1",
        "api.base_url=http://h#x",
        "api.base_url=http://h:0",
        "api.base_url=http://h:99999",
        "api.base_url=http://a b",
        "log.level=INFO",
        "log.format=xml",
        "output.format=parquet",
        "kafka.bootstrap.servers=",
        "kafka.bootstrap.servers=embedded,b:1",
        "kafka.bootstrap.servers=b:0",
        "kafka.bootstrap.servers=a b:9092",
        "kafka.bootstrap.servers=:9092",
        "receiver.tls_key=absent.pem",
        "receiver.spool_dir=absent",
        "receiver.spool_dir=bridge.conf",
        "registry.ca=.",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(right); i++)
        accept_set(*state, right[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        refuse_set(*state, wrong[i]);
}

/* Every number of the table: its bounds are in, their neighbours out. */
static void test_every_range(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->type != TYPE_INTEGER && key->type != TYPE_SIZE)
            continue;
        const int64_t values[] = {key->least, key->most, key->least - 1, key->most + 1};
        for (size_t v = 0; v < ARRAY_LENGTH(values); v++) {
            char *set = memory_format("%s.%s=%lld", key->section, key->name, (long long)values[v]);
            bool ok = fixture_load(f, "[receiver]\nmax_body = 1 KiB\n", NULL, set, 0);
            bool body = strcmp(key->name, "max_body") == 0; /* held against max_message as well */
            if (ok != (v < 2) && !(body && v == 1))
                fail_msg("%s: %s", set, buffer_text(&f->problems));
            free(set);
        }
    }
}

static void test_texts_of_limited_length(void **state)
{
    char set[400] = "topics.prefix=";
    size_t head = strlen(set);
    memset(set + head, 'p', 100);
    accept_set(*state, set);
    set[head + 100] = 'p';
    refuse_set(*state, set);
    char models[4096] = "bridge.models=";
    for (int i = 0; i < 201; i++)
        (void)snprintf(models + strlen(models), sizeof models - strlen(models), "m%d,", i);
    refuse_set(*state, models);
    *strstr(models, "m200,") = '\0';
    accept_set(*state, models);
    char brokers[4096] = "kafka.bootstrap.servers=";
    for (int i = 0; i < 201; i++)
        (void)snprintf(brokers + strlen(brokers), sizeof brokers - strlen(brokers), "b%d,", i);
    refuse_set(*state, brokers);
    *strstr(brokers, "b200,") = '\0';
    accept_set(*state, brokers);
    char *large = memory_new(70000, 1);
    memset(large, 'x', 69999);
    memcpy(large, "registry.user=", strlen("registry.user="));
    refuse_set(*state, large);
    for (size_t i = 1000; i < 69999; i += 1000)
        large[i] = '\n';
    refuse_set(*state, large);
    free(large);
}

static void test_long_values_are_quoted_in_part(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *quoted;
    } rows[] = {
        {"", "\"\""},
        {"a\tb", "\"a?b\""},
        {"0123456789012345678901234567890123456789012345678901234567890123456789ABCD",
         "\"0123456789012345678901234567890123456789012345678901234567890123456789ABCD\""},
        {"0123456789012345678901234567890123456789012345678901234567890123456789ABCDE",
         "\"0123456789012345678901234567890123456789012345678901234567890123456789ABCD...\""},
        {"0123456789012345678901234567890123456789012345678901234567890123456789ABC\u20ac",
         "\"0123456789012345678901234567890123456789012345678901234567890123456789ABC...\""},
    };
    char quoted[TEXT_QUOTED_SIZE];
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(text_quote(rows[i].text, quoted), rows[i].quoted);
}

static void test_normal_forms(void **state)
{
    const struct config *c =
        fixture_accept(*state, "[api]\nbase_url = http://h:1/x//\n[receiver]\nmax_body = 3 KiB\n",
                       "BRIDGE_BRIDGE_MODELS=units, floor-plans\nunits", "bridge.instance= a.b ");
    assert_string_equal(c->api.base_url, "http://h:1/x");
    assert_int_equal(c->receiver.max_body, 3072);
    assert_int_equal(c->bridge.models.count, 2);
    assert_string_equal(c->bridge.models.items[1], "floor_plans");
    assert_string_equal(c->bridge.instance, "a.b");
    c = fixture_accept(*state, "[receiver]\nsenders = token,\n  propexo, token\n", NULL, NULL);
    assert_int_equal(c->receiver.senders, 1U << SENDER_PROPEXO | 1U << SENDER_TOKEN);
}

static void test_secrets_from_files(void **state)
{
    struct fixture *f = *state;
    fixture_write("one", "tok en\r\n", 8);
    fixture_write("lines", "first-secret\r\n\nsecond-secret\nfirst-secret\nin-the-file\n", 54);
    const struct config *c =
        fixture_accept(f, "[receiver]\nsecret = in-the-file\n", "BRIDGE_RECEIVER_SECRET_FILE=lines",
                       "api.token_file=one");
    assert_string_equal(c->api.token, "tok en");
    assert_int_equal(c->receiver.secrets.general.count, 3);
    assert_string_equal(c->receiver.secrets.general.items[0], "in-the-file");
    assert_string_equal(c->receiver.secrets.general.items[1], "first-secret");
    assert_string_equal(c->receiver.secrets.general.items[2], "second-secret");
    fixture_write("owned", "i first-secret\n\nj  second secret\ni third-secret\n", 47);
    c = fixture_accept(f, "[receiver]\nintegration_secret_file = owned\n", NULL,
                       "receiver.integration_secret=i in-the-file");
    assert_int_equal(c->receiver.secrets.integrations.count, 4);
    assert_string_equal(c->receiver.secrets.integrations.items[0], "i in-the-file");
    assert_string_equal(c->receiver.secrets.integrations.items[2], "j  second secret");
    /* As the files are later. */
    fixture_write("owned", "k another-secret\n", 17);
    struct config_secrets again = {0};
    struct error error = {0};
    assert_true(config_secrets_read(c, &again, &error));
    assert_int_equal(again.integrations.count, 2);
    assert_string_equal(again.integrations.items[1], "k another-secret");
    config_secrets_free(&again);
    fixture_write("owned", "nonsense\n", 9);
    assert_false(config_secrets_read(c, &again, &error));
    assert_null(strstr(error.message, "nonsense"));
    config_secrets_free(&again);
    fixture_write("spaces", " a \n", 4);
    c = fixture_accept(f, NULL, "BRIDGE_ADMIN_TOKEN_FILE=spaces", NULL);
    assert_string_equal(c->admin.token, " a ");
    c = fixture_accept(f, "[api]\ntoken = old\n", "BRIDGE_API_TOKEN=", "api.token_file=one");
    assert_string_equal(c->api.token, "tok en");
}

static void test_secret_mistakes(void **state)
{
    static const struct mistake mistakes[] = {
        {.set = "receiver.secret=planted",
         .problems = "--set receiver.secret: is too short; at least 10 bytes expected\n"},
        {.set = "receiver.secret=********",
         .problems = "--set receiver.secret: is the mask that `config` shows, not the secret\n"},
        {.variable = "BRIDGE_API_TOKEN=plan\nted",
         .problems = "environment BRIDGE_API_TOKEN: has a control character or a line's end in "
                     "it\n"},
        {.ini = "[api]\ntoken = planted\ntoken_file = good\n",
         .problems = "bridge.conf:3: [api] token_file: token is set as well, at bridge.conf:2; one "
                     "of the two must go\n"},
        {.ini = "[api]\ntoken = planted\n",
         .variable = "BRIDGE_API_TOKEN_FILE=good",
         .problems = "environment BRIDGE_API_TOKEN_FILE: token is set as well, at bridge.conf:2; "
                     "one of the two must go\n"},
        {.ini = "[admin]\ntoken_file = absent\n",
         .problems = "bridge.conf:2: [admin] token_file: cannot read absent: No such file or "
                     "directory\n"},
        {.set = "api.token_file=empty", .problems = "--set api.token_file: empty is empty\n"},
        {.set = "api.token_file=newline", .problems = "--set api.token_file: newline is empty\n"},
        {.set = "api.token_file=two",
         .problems = "--set api.token_file: two: has a control character or a line's end in it\n"},
        {.set = "api.token_file=zero",
         .problems = "--set api.token_file: zero is not a text file\n"},
        {.set = "api.token_file=large",
         .problems = "--set api.token_file: large is longer than 65536 bytes\n"},
        {.set = "receiver.secret_file=two",
         .problems = "--set receiver.secret_file: two, line 2: is too short; at least 10 bytes "
                     "expected\n"},
        {.set = "receiver.secret_file=blank",
         .problems = "--set receiver.secret_file: blank has empty lines alone\n"},
        {.set = "receiver.integration_secret=planted-id",
         .problems = "--set receiver.integration_secret: is not an integration's id, a space and "
                     "its secret\n"},
        {.set = "receiver.integration_secret=planted-id  planted",
         .problems = "--set receiver.integration_secret: is too short; at least 10 bytes "
                     "expected\n"},
        {.set = "receiver.integration_secret_file=owned",
         .problems = "--set receiver.integration_secret_file: owned, line 2: is not an "
                     "integration's id, a space and its secret\n"},
        {.set = "receiver.secret_file=many",
         .problems = "--set receiver.secret_file: many, line 101: more than 100 secrets\n"},
    };
    char large[64 * 1024 + 1];
    char many[101 * 20 + 1] = "";
    memset(large, 'x', sizeof large);
    for (int i = 0; i < 101; i++)
        (void)snprintf(many + i * 15, sizeof many - (size_t)i * 15, "planted-%06d\n", i);
    fixture_write("good", "planted", 7);
    fixture_write("empty", "", 0);
    fixture_write("newline", "\r\n", 2);
    fixture_write("blank", "\n\n\n", 3);
    fixture_write("two", "planted-one\nplanted\n", 20);
    fixture_write("zero", "plan\0ted-secret", 15);
    fixture_write("large", large, sizeof large);
    fixture_write("many", many, strlen(many));
    fixture_write("owned", "i planted-secret\nplanted-secret\n", 32);
    for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++) {
        fixture_refuse(*state, &mistakes[i]);
        assert_null(strstr(mistakes[i].problems, "planted"));
    }
}

/* A secret is never in what is said, whatever is wrong around it. */
static void test_no_secret_is_said(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (!key_is_secret(key))
            continue;
        char *ini = memory_format("[%s]\n%s = planted\x7f\n", key->section, key->name);
        char name[KEY_ENVIRONMENT_SIZE];
        char *variable = memory_format("%s=planted\n2", key_environment(key, name));
        assert_false(fixture_load(f, ini, variable, NULL, 7));
        assert_null(strstr(buffer_text(&f->problems), "planted"));
        assert_non_null(strstr(buffer_text(&f->problems), "bridge.conf:2: "));
        free(variable);
        free(ini);
    }
}

static void test_keys_together(void **state)
{
    static const struct mistake mistakes[] = {
        {.set = "receiver.tls_key=pem",
         .problems = "--set receiver.tls_key: needs receiver.tls_certificate as well\n"},
        {.set = "receiver.tls_client_ca=pem",
         .problems = "--set receiver.tls_client_ca: needs receiver.tls_certificate as well\n"},
        {.ini = "[receiver]\ntls_certificate = pem\n",
         .problems = "bridge.conf:2: [receiver] tls_certificate: needs receiver.tls_key as well\n"},
        {.ini = "[registry]\nuser = u\npassword = p\ntoken = t\n",
         .problems = "bridge.conf:2: [registry] user: stands beside registry.token; one of the two "
                     "must go\n"},
        {.set = "registry.user=u",
         .problems = "--set registry.user: needs registry.password or registry.password_file as "
                     "well\n"},
        {.set = "registry.password=p",
         .problems = "--set registry.password: needs registry.user as well\n"},
        {.set = "registry.password_file=pem",
         .problems = "--set registry.password_file: needs registry.user as well\n"},
        {.set = "output.format=avro",
         .problems = "--set output.format: avro needs registry.url as well; json does not\n"},
        {.set = "receiver.max_body=8 MiB",
         .problems = "--set receiver.max_body: receiver.max_body must be 16 KiB less than "
                     "topics.max_message, or more, because a body becomes a message\n"},
        {.set = "topics.max_message=1 MiB",
         .problems = "--set topics.max_message: receiver.max_body must be 16 KiB less than "
                     "topics.max_message, or more, because a body becomes a message\n"},
    };
    struct fixture *f = *state;
    fixture_write("pem", "x", 1);
    for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++)
        fixture_refuse(f, &mistakes[i]);
    fixture_accept(f, "[receiver]\ntls_certificate = pem\ntls_key = pem\nspool_dir = .\n", NULL,
                   "registry.ca=pem");
    fixture_accept(f, "[registry]\nuser = u\npassword = p\n", NULL, "registry.url=http://r");
    assert_int_equal(f->config.output.format, FORMAT_AVRO);
    fixture_accept(f, "[registry]\nurl = http://r\n", NULL, "output.format=json");
    assert_int_equal(f->config.output.format, FORMAT_JSON);
}

static void test_needs(void **state)
{
    static const struct {
        unsigned needs;
        const char *set;
        const char *said; /* "" = right */
    } rows[] = {
        {CONFIG_NEED_NOTHING, NULL, ""},
        {CONFIG_NEED_RECEIVER, NULL, "[receiver] secret: is missing"},
        {CONFIG_NEED_RECEIVER, "receiver.allow_unsigned=true", ""},
        {CONFIG_NEED_RECEIVER, "receiver.secret=0123456789", ""},
        {CONFIG_NEED_RECEIVER, "receiver.secret_file=lines", ""},
        {CONFIG_NEED_RECEIVER, "receiver.secret=", "is missing"},
        {CONFIG_NEED_API, NULL, "[api] token: is missing"},
        {CONFIG_NEED_API, "api.token=x", ""},
        {CONFIG_NEED_API, "api.token_file=lines", ""},
        {CONFIG_NEED_ADMIN, "admin.listen=127.0.0.1:8080", ""},
        {CONFIG_NEED_ADMIN | CONFIG_NEED_RECEIVER, "admin.listen=127.0.0.1:8080", "two are needed"},
    };
    struct fixture *f = *state;
    fixture_write("lines", "0123456789", 10);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bool ok = fixture_load(f, NULL, NULL, rows[i].set, rows[i].needs);
        assert_int_equal(ok, rows[i].said[0] == '\0');
        assert_non_null(strstr(buffer_text(&f->problems), rows[i].said));
    }
    unsigned both = CONFIG_NEED_ADMIN | CONFIG_NEED_RECEIVER;
    const char *free_ports = "[admin]\nlisten = 127.0.0.1:0\n[receiver]\nlisten = 127.0.0.1:0\n";
    assert_true(fixture_load(f, free_ports, NULL, "receiver.allow_unsigned=true", both));
    /* What is wrong is not called missing as well. */
    assert_false(fixture_load(f, NULL, NULL, "receiver.secret_file=absent", CONFIG_NEED_RECEIVER));
    assert_null(strstr(buffer_text(&f->problems), "is missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_values_at_their_bounds),
        FIXTURE_TEST(test_every_range),
        FIXTURE_TEST(test_texts_of_limited_length),
        FIXTURE_TEST(test_normal_forms),
        cmocka_unit_test(test_long_values_are_quoted_in_part),
        FIXTURE_TEST(test_secrets_from_files),
        FIXTURE_TEST(test_secret_mistakes),
        FIXTURE_TEST(test_no_secret_is_said),
        FIXTURE_TEST(test_keys_together),
        FIXTURE_TEST(test_needs),
    };
    return cmocka_run_group_tests_name("config values", tests, NULL, NULL);
}
