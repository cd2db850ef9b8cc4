/* What becomes of a dead letter: whether it is chosen, and as what it goes back. */
#include "tests/unit/ingest_fixture.h"

#include "bridge/commands/replay_letter.h"
#include "bridge/propexo/models.h"

static int open_bench(void **state)
{
    const char *sets[] = {"topics.prefix=p",
                          "bridge.models=units,residents_to_leases,contracts,service_requests"};
    *state = bench_new(sets, ARRAY_LENGTH(sets));
    return 0;
}

static int close_bench(void **state)
{
    bench_free(*state);
    return 0;
}

#define HEADERS_MOST 24

/* A letter; its headers are "name=value" texts that NULL ends. */
struct made {
    struct message message;
    char names[HEADERS_MOST][32];
};

static void make(struct made *made, const char *key, const char *value, const char *const *headers)
{
    made->message = (struct message){.topic = "p.dead-letters", .partition = 3};
    made->message.key = key;
    made->message.key_length = key == NULL ? 0 : strlen(key);
    made->message.value = value;
    made->message.value_length = value == NULL ? 0 : strlen(value);
    for (size_t i = 0; headers[i] != NULL; i++) {
        const char *equals = strchr(headers[i], '=');
        assert_true(i < HEADERS_MOST);
        (void)snprintf(made->names[i], sizeof made->names[i], "%.*s", (int)(equals - headers[i]),
                       headers[i]);
        message_header(&made->message, made->names[i], equals + 1);
    }
}

/* All headers of a message as "name=value" lines, in order. The caller frees. */
static char *lines(const struct message *message)
{
    struct buffer text = buffer_new(1 << 16);
    for (size_t i = 0; i < message->header_count; i++) {
        const struct message_header *header = &message->headers[i];
        assert_true(buffer_append_format(&text, "%s=%.*s\n", header->name, (int)header->length,
                                         (const char *)header->value));
    }
    return buffer_take(&text);
}

#define TIME "2026-01-31T12:00:00.125Z"
#define ID   "0123456789abcdef0123456789abcdef"
#define UNITS_NEW \
    "{\"event\":\"DATA_NEW\",\"object\":\"units\",\"record_id\":\"r\",\"integration_id\":\"i\"}"
#define OF_ENRICHER                                                                      \
    "error_code=forbidden", "error_message=no", "source=enricher", "source_partition=4", \
        "source_offset=77", "attempts=5", "first_failed_at=" TIME
#define OF_RECEIVER                                                                \
    "error_code=unknown-kind", "error_message=no", "source=webhook", "attempts=1", \
        "first_failed_at=" TIME, "ce_id=" ID, "ce_time=" TIME

static void test_letters(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *letter[HEADERS_MOST];
        enum replay_fate fate;
        const char *topic;   /* of the only message; NULL = nothing goes */
        const char *key;     /* the same */
        const char *headers; /* the same */
        const char *still;
    } rows[] = {
        {"as it was",
         "bytes",
         {"ce_id=" ID, "model=units", "own=1", OF_ENRICHER, "source_topic=p.events.units",
          "failed_record=leases/x", "answer_head=x"},
         REPLAY_SENT,
         "p.events.units",
         "k",
         "ce_id=" ID "\nmodel=units\nown=1\nattempts=5\nfirst_failed_at=" TIME "\nreplayed=1\n",
         NULL},
        {"for the third time",
         "bytes",
         {"own=1", OF_ENRICHER, "source_topic=p.events.contracts", "replayed=2"},
         REPLAY_SENT,
         "p.events.contracts",
         "k",
         "own=1\nattempts=5\nfirst_failed_at=" TIME "\nreplayed=3\n",
         NULL},
        {"a story that cannot be read",
         NULL,
         {"source=enricher", "source_topic=p.events.units", "replayed=9999999999999999",
          "attempts=-4"},
         REPLAY_SENT,
         "p.events.units",
         "k",
         "replayed=1\n",
         NULL},
        {"a model that is not configured any more",
         "bytes",
         {OF_ENRICHER, "source_topic=p.events.leases"},
         REPLAY_FOREIGN,
         NULL,
         NULL,
         NULL,
         NULL},
        {"the name of a topic goes on",
         "b",
         {"source_topic=p.events.units2"},
         REPLAY_FOREIGN,
         NULL,
         NULL,
         NULL,
         NULL},
        {"no letter", "b", {NULL}, REPLAY_FOREIGN, NULL, NULL, NULL, NULL},
        {"routed anew",
         UNITS_NEW,
         {OF_RECEIVER, "integration_id=path",
          "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
         REPLAY_SENT,
         "p.events.units",
         "i",
         "content-type=application/json\nce_specversion=1.0\nce_id=" ID
         "\nce_source=/integrations/i\nce_type=com.propexo.DATA_NEW\nce_time=" TIME
         "\nce_subject=units/r\nmodel=units\nrecord_id=r\nintegration_id=i\ntrigger=DATA_NEW\n"
         "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nattempts=1\nfirst_"
         "failed_at=" TIME "\nreplayed=1\n",
         NULL},
        {"the path's integration",
         "{\"event\":\"JOB_FAILURE\"}",
         {OF_RECEIVER, "integration_id=path"},
         REPLAY_SENT,
         "p.activity",
         "path",
         "content-type=application/json\nce_specversion=1.0\nce_id=" ID
         "\nce_source=/integrations/path\nce_type=com.propexo.JOB_FAILURE\nce_time=" TIME
         "\nintegration_id=path\ntrigger=JOB_FAILURE\n"
         "traceparent=00-63cbe1e459320dd7044c3cd7f43c661c-e6984080bab12a02-00\nattempts=1\nfirst_"
         "failed_at=" TIME "\nreplayed=1\n",
         NULL},
        {"still unknown",
         "{\"event\":\"X\"}",
         {OF_RECEIVER},
         REPLAY_STILL,
         NULL,
         NULL,
         NULL,
         "unknown-kind"},
        {"another reason",
         "{\"event\":\"DATA_NEW\",\"object\":\"leases\",\"record_id\":\"r\"}",
         {OF_RECEIVER},
         REPLAY_STILL,
         NULL,
         NULL,
         NULL,
         "model-not-configured"},
        {"no bytes", NULL, {OF_RECEIVER}, REPLAY_STILL, NULL, NULL, NULL, "not-json"},
        {"cut",
         "{\"eve",
         {OF_ENRICHER, "source_topic=p.events.units", "original=cut", "model=units", "record_id=r",
          "integration_id=i"},
         REPLAY_ORDERED,
         "p.events.units",
         "i",
         "record_id=r\nrecovered=replay\nattempts=5\nfirst_failed_at=" TIME
         "\nreplayed=1\ncontent-type=application/json\nintegration_id=i\nmodel=units\n"
         "trigger=DATA_UPDATE\n",
         NULL},
        {"cut, of no integration",
         "{",
         {"original=cut", "model=units", "record_id=r"},
         REPLAY_CUT,
         NULL,
         NULL,
         NULL,
         NULL},
        {"cut, a child",
         "{",
         {"original=cut", "model=residents_to_leases", "record_id=r", "integration_id=i"},
         REPLAY_CUT,
         NULL,
         NULL,
         NULL,
         NULL},
        {"gone, assembled",
         NULL,
         {"original=gone", "model=contracts", "record_id=r", "integration_id=i"},
         REPLAY_GONE,
         NULL,
         NULL,
         NULL,
         NULL},
        {"gone, not configured",
         NULL,
         {"original=gone", "model=leases", "record_id=r", "integration_id=i"},
         REPLAY_GONE,
         NULL,
         NULL,
         NULL,
         NULL},
        {"gone, an id that is no text",
         NULL,
         {"original=gone", "model=units", "record_id=\xff", "integration_id=i"},
         REPLAY_GONE,
         NULL,
         NULL,
         NULL,
         NULL},
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct made made;
        struct replay_letter letter;
        size_t cursor = 0;
        make(&made, "k", rows[i].value, rows[i].letter);
        replay_letter_read(&bench->ingest, &made.message, 0, &letter);
        if (letter.fate != rows[i].fate)
            fail_msg("%s: %d", rows[i].name, (int)letter.fate);
        assert_same_text(letter.still, rows[i].still, rows[i].name);
        const struct message *message = replay_letter_next(&bench->ingest, &letter, &cursor);
        assert_int_equal(message != NULL, replay_letter_goes(&letter));
        if (message != NULL) {
            char *headers = lines(message);
            char *key = memory_text_n(message->key, message->key_length);
            assert_same_text(message->topic, rows[i].topic, rows[i].name);
            assert_same_text(key, rows[i].key, rows[i].name);
            assert_same_text(headers, rows[i].headers, rows[i].name);
            assert_int_equal(message->partition, -1);
            if (letter.fate == REPLAY_SENT)
                assert_ptr_equal(message->value, rows[i].value);
            assert_null(replay_letter_next(&bench->ingest, &letter, &cursor));
            free(headers);
            free(key);
        } else {
            assert_null(rows[i].topic);
        }
        replay_letter_free(&letter);
    }
}

/* A letter of somebody else may lack what routing keeps, or have it in another form. */
static void test_an_id_of_others(void **state)
{
    static const char *const headers[] = {"source=webhook", "ce_id=short", "ce_time=", NULL};
    struct bench *bench = *state;
    struct made made;
    struct replay_letter letter;
    size_t cursor = 0;
    make(&made, NULL, UNITS_NEW, headers);
    replay_letter_read(&bench->ingest, &made.message, INT64_C(1769860800125), &letter);
    const struct message *message = replay_letter_next(&bench->ingest, &letter, &cursor);
    char *id = message_text(message, "ce_id");
    char *time = message_text(message, "ce_time");
    assert_int_equal(strlen(id), 32);
    assert_string_equal(time, TIME);
    free(id);
    free(time);
    replay_letter_free(&letter);
}

static void test_a_sync_is_spread(void **state)
{
    static const char *const headers[] = {OF_RECEIVER, NULL};
    static const char *const topics[] = {"p.events.units", "p.events.contracts", "p.activity"};
    struct bench *bench = *state;
    struct made made;
    struct replay_letter letter;
    const struct message *message;
    size_t cursor = 0;
    size_t count = 0;
    make(&made, NULL,
         "{\"event\":\"SYNC_COMPLETE\",\"integration_id\":\"i\",\"models_synced\":[\"units\","
         "\"leases\",\"contracts\"]}",
         headers);
    replay_letter_read(&bench->ingest, &made.message, 0, &letter);
    assert_int_equal(letter.fate, REPLAY_SENT);
    while ((message = replay_letter_next(&bench->ingest, &letter, &cursor)) != NULL) {
        char *id = message_text(message, "sync_id");
        char *replayed = message_text(message, "replayed");
        assert_string_equal(message->topic, topics[count++]);
        assert_string_equal(id, ID);
        assert_string_equal(replayed, "1");
        free(id);
        free(replayed);
    }
    assert_int_equal(count, ARRAY_LENGTH(topics));
    replay_letter_free(&letter);
}

static void test_choices(void **state)
{
    static const char *const headers[] = {"error_code=refused", "model=resident-charges", NULL};
    static const char *const bare[] = {"own=1", NULL};
    bool *models = memory_new(model_count(), sizeof *models);
    struct made made;
    struct made other;
    struct replay_choice all = {.since_ms = INT64_MIN};
    struct replay_choice choice = all;
    (void)state;
    make(&made, NULL, "", headers);
    make(&other, NULL, "", bare);
    assert_true(replay_chooses(&all, &made.message, 100));
    assert_true(replay_chooses(&all, &other.message, -1));
    choice.code = "refused";
    assert_true(replay_chooses(&choice, &made.message, 100));
    assert_false(replay_chooses(&choice, &other.message, 100));
    choice.code = "refuse";
    assert_false(replay_chooses(&choice, &made.message, 100));
    choice = all;
    choice.models = models;
    assert_false(replay_chooses(&choice, &made.message, 100));
    models[model_index(model_find("resident_charges", 16))] = true;
    assert_true(replay_chooses(&choice, &made.message, 100));
    assert_false(replay_chooses(&choice, &other.message, 100));
    choice = all;
    choice.since_ms = 100;
    assert_true(replay_chooses(&choice, &made.message, 100));
    assert_false(replay_chooses(&choice, &made.message, 99));
    free(models);
}

/* An event that somebody else wrote may name its headers as a letter's: they are not believed. */
static void test_the_past_of_an_event(void **state)
{
    static const char *const foreign[] = {"attempts=7", "first_failed_at=" TIME, NULL};
    static const char *const sent_back[] = {"attempts=7", "first_failed_at=" TIME, "replayed=2",
                                            NULL};
    struct made made;
    (void)state;
    make(&made, NULL, "", foreign);
    struct dead_letter_past past = dead_letter_past(&made.message);
    assert_int_equal(past.attempts, 0);
    assert_string_equal(past.first_failed_at, "");
    make(&made, NULL, "", sent_back);
    past = dead_letter_past(&made.message);
    assert_int_equal(past.attempts, 7);
    assert_int_equal(past.replayed, 2);
    assert_string_equal(past.first_failed_at, TIME);
}

/* A foreign event may have as many headers as can be read: a letter's own have room. */
static void test_many_headers(void **state)
{
    struct message event = {0};
    struct message letter = {0};
    (void)state;
    while (event.header_count < MESSAGE_HEADERS)
        message_header(&event, "name", "value");
    dead_letter_keep(&letter, &event);
    assert_int_equal(letter.header_count, MESSAGE_HEADERS - DEAD_LETTER_HEADERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_an_id_of_others),
        cmocka_unit_test(test_a_sync_is_spread),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_the_past_of_an_event),
        cmocka_unit_test(test_many_headers),
    };
    return cmocka_run_group_tests_name("replay_letter", tests, open_bench, close_bench);
}
