/* The section [kafka]: what passes through, what is refused, and its secrets. */
#include "tests/unit/config_fixture.h"

#include "bridge/base/memory.h"
#include "bridge/config/properties.h"

static void test_properties_pass_through(void **state)
{
    struct fixture *f = *state;
    const char *ini = "[kafka]\nconsumer.fetch.max.bytes = 1048576\nlinger.ms = 5\n"
                      "debug = broker,\n  topic\nssl.ca.pem = -----BEGIN CERTIFICATE-----\n"
                      "  AA==\n  -----END CERTIFICATE-----\nclient.id = a b\n";
    const struct config *c =
        fixture_accept(f, ini, "BRIDGE_KAFKA_PRODUCER_LINGER_MS=7", "kafka.linger.ms=9");
    static const struct {
        const char *name;
        const char *value;
        const char *origin;
        int side;
    } expected[] = {
        {"linger.ms", "9", "--set kafka.linger.ms", PROPERTY_BOTH},
        {"debug", "broker,topic", "bridge.conf:4", PROPERTY_BOTH},
        {"ssl.ca.pem", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----",
         "bridge.conf:6", PROPERTY_BOTH},
        {"client.id", "a b", "bridge.conf:9", PROPERTY_BOTH},
        {"linger.ms", "7", "environment BRIDGE_KAFKA_PRODUCER_LINGER_MS", PROPERTY_PRODUCER},
        {"fetch.max.bytes", "1048576", "bridge.conf:2", PROPERTY_CONSUMER},
    };
    assert_int_equal(c->kafka.property_count, ARRAY_LENGTH(expected));
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        const struct config_property *property = &c->kafka.properties[i];
        assert_string_equal(property->name, expected[i].name);
        assert_string_equal(property->value, expected[i].value);
        assert_string_equal(property->origin, expected[i].origin);
        assert_int_equal(property->side, expected[i].side);
        assert_null(property->file);
    }
    assert_string_equal(c->kafka.bootstrap_servers, "embedded");
    c = fixture_accept(f, NULL, "BRIDGE_KAFKA_BOOTSTRAP_SERVERS=k:9092", NULL);
    assert_string_equal(c->kafka.bootstrap_servers, "k:9092");
    assert_int_equal(c->kafka.property_count, 0);
}

static void test_refused_properties(void **state)
{
    static const char *const refused[] = {
        "isolation.level",
        "auto.offset.reset",
        "enable.auto.commit",
        "auto.commit.enable",
        "auto.commit.interval.ms",
        "enable.auto.offset.store",
        "offset.store.method",
        "partition.assignment.strategy",
        "group.protocol",
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "delivery.report.only.error",
        "partitioner",
        "partitioner_cb",
        "transactional.id",
        "group.id",
        "group.instance.id",
        "enable.partition.eof",
        "message.max.bytes",
        "allow.auto.create.topics",
        "metadata.broker.list",
        "test.mock.num.brokers",
    };
    static const char *const sides[] = {"", "producer.", "consumer."};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        for (size_t side = 0; side < ARRAY_LENGTH(sides); side++) {
            char *ini = memory_format("[kafka]\n%s%s = 1\n", sides[side], refused[i]);
            char *start = memory_format("bridge.conf:2: [kafka] %s%s: refused, because ",
                                        sides[side], refused[i]);
            assert_false(fixture_load(f, ini, NULL, NULL, 0));
            assert_ptr_equal(strstr(buffer_text(&f->problems), start), buffer_text(&f->problems));
            free(ini);
            free(start);
        }
    }
}

static void test_mistakes(void **state)
{
    static const struct mistake mistakes[] = {
        {.set = "kafka.acks=1",
         .problems =
             "--set kafka.acks: refused, because 200 means that all in-sync replicas have the "
             "event\n"},
        {.variable = "BRIDGE_KAFKA_CONSUMER_GROUP_ID=x",
         .problems = "environment BRIDGE_KAFKA_CONSUMER_GROUP_ID: refused, because enricher.group "
                     "is the key for it\n"},
        {.set = "kafka.producer.bootstrap.servers=x:1",
         .problems = "--set kafka.producer.bootstrap.servers: refused, because both sides speak to "
                     "one cluster, which bootstrap.servers names\n"},
        {.set = "kafka.log_cb=x",
         .problems = "--set kafka.log_cb: properties have names with dots, such as linger.ms; "
                     "callbacks and objects cannot be set\n"},
        {.set = "kafka.producer.=x",
         .problems = "--set kafka.producer.: is not the name of a librdkafka property, as "
                     "linger.ms is one\n"},
        {.set = "kafka.linger.ms_file=x",
         .problems = "--set kafka.linger.ms_file: unknown key; only a secret can come from a "
                     "file\n"},
        {.ini = "[kafka]\nlinger.ms = 1\nlinger.ms = 2\n",
         .problems = "bridge.conf:3: [kafka] linger.ms: is set twice; first at bridge.conf:2\n"},
        {.ini = "[kafka]\nlinger.ms = 1\n  client.id = x\n",
         .problems =
             "bridge.conf:2: [kafka] linger.ms: goes on in the next line, which is indented; "
             "only a PEM text or a list after a comma may, and a key of its own begins at "
             "the line's start\n"},
        {.set = "kafka.client.id=a\x01",
         .problems = "--set kafka.client.id: has a control character\n"},
        {.set = "kafka.sasl.password=********",
         .problems = "--set kafka.sasl.password: is the mask that `config` shows, not the "
                     "secret\n"},
        {.ini = "[kafka]\nsasl.password = planted\n",
         .variable = "BRIDGE_KAFKA_SASL_PASSWORD_FILE=good",
         .problems = "environment BRIDGE_KAFKA_SASL_PASSWORD_FILE: sasl.password is set as well, "
                     "at bridge.conf:2; one of the two must go\n"},
        {.set = "kafka.ssl.key.pem_file=absent",
         .problems = "--set kafka.ssl.key.pem_file: cannot read absent: No such file or "
                     "directory\n"},
    };
    fixture_write("good", "planted", 7);
    for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++)
        fixture_refuse(*state, &mistakes[i]);
}

static void test_secrets_from_files(void **state)
{
    struct fixture *f = *state;
    fixture_write("password", " p w \n", 6);
    fixture_write("pem", "-----BEGIN X-----\nAA\n-----END X-----\n", 37);
    const struct config *c =
        fixture_accept(f, "[kafka]\nssl.key.pem_file = pem\nconsumer.sasl.password = other\n",
                       "BRIDGE_KAFKA_SASL_PASSWORD_FILE=password", NULL);
    assert_int_equal(c->kafka.property_count, 3);
    assert_string_equal(c->kafka.properties[0].name, "ssl.key.pem");
    assert_string_equal(c->kafka.properties[0].value, "-----BEGIN X-----\nAA\n-----END X-----");
    assert_string_equal(c->kafka.properties[0].file, "pem");
    assert_string_equal(c->kafka.properties[1].name, "sasl.password");
    assert_string_equal(c->kafka.properties[1].value, " p w ");
    assert_string_equal(c->kafka.properties[2].value, "other");
    /* An empty path, or an empty password, unsets. */
    c = fixture_accept(f, "[kafka]\nsasl.password_file = password\n",
                       "BRIDGE_KAFKA_SASL_PASSWORD_FILE=", "kafka.sasl.password=x");
    assert_string_equal(c->kafka.properties[0].value, "x");
}

static void test_secret_names(void **state)
{
    (void)state;
    static const char *const secrets[] = {
        "sasl.password",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
    };
    static const char *const others[] = {"sasl.username", "ssl.ca.pem", "ssl.certificate.pem",
                                         "ssl.key.location", "linger.ms"};
    static const char *const variables[][2] = {
        {"SASL_PASSWORD_FILE", "sasl.password_file"},
        {"PRODUCER_SSL_KEY_PEM_FILE", "producer.ssl.key.pem_file"},
        {"SASL_OAUTHBEARER_ASSERTION_FILE", "sasl.oauthbearer.assertion.file"},
        {"LINGER_MS", "linger.ms"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++)
        assert_true(property_is_secret(secrets[i]));
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        assert_false(property_is_secret(others[i]));
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++) {
        char *name = property_from_environment(variables[i][0]);
        assert_string_equal(name, variables[i][1]);
        free(name);
    }
}

static void test_number_of_properties(void **state)
{
    struct fixture *f = *state;
    struct buffer ini = buffer_new(64 * 1024);
    buffer_append_text(&ini, "[kafka]\n");
    for (int i = 0; i < PROPERTIES_MAX; i++)
        buffer_append_format(&ini, "some.property.%d = %d\n", i, i);
    fixture_accept(f, buffer_text(&ini), NULL, "kafka.some.property.7=x");
    assert_int_equal(f->config.kafka.property_count, PROPERTIES_MAX);
    assert_string_equal(f->config.kafka.properties[7].value, "x");
    struct mistake one_more = {.ini = buffer_text(&ini),
                               .set = "kafka.one.more=x",
                               .problems = "--set kafka.one.more: is one property too many; at "
                                           "most 200 expected\n"};
    fixture_refuse(f, &one_more);
    buffer_free(&ini);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_properties_pass_through),
        FIXTURE_TEST(test_refused_properties),
        FIXTURE_TEST(test_mistakes),
        FIXTURE_TEST(test_secrets_from_files),
        cmocka_unit_test(test_secret_names),
        FIXTURE_TEST(test_number_of_properties),
    };
    return cmocka_run_group_tests_name("config kafka", tests, NULL, NULL);
}
