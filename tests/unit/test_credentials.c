/* Which requests a profile vouches for, and which secrets a configuration must have. */
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "bridge/base/memory.h"
#include "bridge/config/list.h"
#include "bridge/receiver/credentials.h"

/* The vector that Standard Webhooks' own libraries are tested with. */
#define KEY       "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIME      "1614265330"
#define WALL_MS   INT64_C(1614265330000)
#define BODY      "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define OTHER     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF="

#define TOKEN "a token of some length"

static struct config config_with(const char *const *sets, size_t count)
{
    static char *const environment[] = {NULL};
    struct config config;
    struct buffer problems = buffer_new(1 << 16);
    const char *all[8] = {NULL};
    memcpy(all, sets, count * sizeof *sets);
    if (!config_load(&config, "/dev/null", environment, all, count, CONFIG_NEED_NOTHING, &problems))
        fail_msg("%s", buffer_text(&problems));
    buffer_free(&problems);
    return config;
}

#define CONFIG(...)                                 \
    config_with((const char *const[]){__VA_ARGS__}, \
                ARRAY_LENGTH(((const char *const[]){__VA_ARGS__})))

/* One more, as a line of secret_file would add it. */
static void list_add_key(struct config *config, const char *secret)
{
    list_add(&config->receiver.secrets.general, memory_text(secret));
}

static struct credentials *credentials_of(struct config *config)
{
    struct error error;
    struct credentials *made = credentials_new(config, &config->receiver.secrets, &error);
    if (made == NULL)
        fail_msg("%s", error.message);
    return made;
}

static struct credential_request request_of(const char *body, int64_t wall_ms)
{
    return (struct credential_request){.body = body, .length = strlen(body), .wall_ms = wall_ms};
}

static void set(struct credential_request *request, enum credential_header header,
                const char *value)
{
    request->headers[header] = (struct credential_seen){value, value == NULL ? 0 : 1};
}

struct standard {
    const char *id;
    const char *timestamp;
    const char *signatures;
    int64_t wall_ms;
    bool vouched;
    const char *reason;
};

static const struct standard standards[] = {
    {ID, TIME, SIGNATURE, WALL_MS, true, NULL},
    {ID, TIME, SIGNATURE, WALL_MS + 300000, true, NULL},
    {ID, TIME, SIGNATURE, WALL_MS - 300000, true, NULL},
    {ID, TIME, SIGNATURE, WALL_MS + 301000, false, "timestamp"},
    {ID, TIME, SIGNATURE, WALL_MS - 301000, false, "timestamp"},
    {ID, TIME, OTHER " " SIGNATURE, WALL_MS, true, NULL},
    {ID, TIME, SIGNATURE " " OTHER, WALL_MS, true, NULL},
    {ID, TIME, "v1a,abc v2,def " SIGNATURE, WALL_MS, true, NULL},
    {ID, TIME, "", WALL_MS, false, "no_match"},
    {ID, TIME, " ", WALL_MS, false, "no_match"},
    {ID, TIME, "v1,", WALL_MS, false, "no_match"},
    {ID, TIME, "v1", WALL_MS, false, "no_match"},
    {ID, TIME, "V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", WALL_MS, false, "no_match"},
    {ID, TIME, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", WALL_MS, false, "no_match"},
    {ID, TIME, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", WALL_MS, false, "no_match"},
    {ID, TIME, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", WALL_MS, false, "no_match"},
    {ID, TIME, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE==", WALL_MS, false, "no_match"},
    {ID, TIME, "v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=", WALL_MS, false, "no_match"},
    {ID, TIME, SIGNATURE "," OTHER, WALL_MS, false, "no_match"},
    {ID, TIME, SIGNATURE "\t", WALL_MS, false, "no_match"},
    {"msg_other", TIME, SIGNATURE, WALL_MS, false, "no_match"},
    {"", TIME, SIGNATURE, WALL_MS, false, "no_match"},
    {NULL, TIME, SIGNATURE, WALL_MS, false, "no_match"},
    {ID, NULL, SIGNATURE, WALL_MS, false, "no_match"},
    {ID, TIME, NULL, WALL_MS, false, "no_match"},
    {ID, "1614265331", SIGNATURE, WALL_MS, false, "no_match"},
    {ID, "01614265330", SIGNATURE, WALL_MS, false, "no_match"},
    {ID, "001614265330", SIGNATURE, WALL_MS, false, "timestamp"},
    {ID, "+1614265330", SIGNATURE, WALL_MS, false, "timestamp"},
    {ID, " 1614265330", SIGNATURE, WALL_MS, false, "timestamp"},
    {ID, "1614265330.0", SIGNATURE, WALL_MS, false, "timestamp"},
    {ID, "-1", SIGNATURE, WALL_MS, false, "timestamp"},
    {ID, "", SIGNATURE, WALL_MS, false, "timestamp"},
    {ID, "99999999999999999999", SIGNATURE, WALL_MS, false, "timestamp"},
    {ID, "\xd9\xa1\xd9\xa6", SIGNATURE, WALL_MS, false, "timestamp"}, /* digits, but not ASCII's */
};

static void test_standard_webhooks(void **state)
{
    (void)state;
    struct config config = CONFIG("receiver.senders=standard-webhooks", "receiver.secret=" KEY);
    struct credentials *credentials = credentials_of(&config);
    for (size_t i = 0; i < 2 * ARRAY_LENGTH(standards); i++) {
        const struct standard *row = &standards[i / 2];
        enum credential_header first = i % 2 == 0 ? CREDENTIAL_ID : CREDENTIAL_SVIX_ID;
        struct credential_request request = request_of(BODY, row->wall_ms);
        const char *reason = NULL;
        set(&request, first, row->id);
        set(&request, first + 1, row->timestamp);
        set(&request, first + 2, row->signatures);
        enum credential found = credentials_check(credentials, &request, &reason);
        if (found != (row->vouched ? CREDENTIAL_GENERAL : CREDENTIAL_NONE))
            fail_msg("row %zu", i / 2);
        assert_same_text(reason, row->reason, row->timestamp == NULL ? "" : row->timestamp);
        for (int h = 0; h < CREDENTIAL_HEADERS && row->vouched; h++) {
            struct credential_request twice = request;
            twice.headers[h].count *= 2;
            assert_int_equal(credentials_check(credentials, &twice, &reason),
                             request.headers[h].count == 0 ? CREDENTIAL_GENERAL : CREDENTIAL_NONE);
        }
    }
    struct credential_request mixed = request_of(BODY, WALL_MS);
    const char *reason = NULL;
    set(&mixed, CREDENTIAL_ID, ID);
    set(&mixed, CREDENTIAL_SVIX_TIMESTAMP, TIME);
    set(&mixed, CREDENTIAL_SIGNATURES, SIGNATURE);
    assert_int_equal(credentials_check(credentials, &mixed, &reason), CREDENTIAL_NONE);
    credentials_free(credentials);
    config_free(&config);
}

static void hex_of(const char *secret, const char *body, char hex[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    assert_non_null(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)body,
                         strlen(body), digest, &length));
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* Each profile alone, and all of them: what each of three requests gets. */
static void test_profiles(void **state)
{
    static const struct {
        const char *senders;
        bool propexo;
        bool standard;
        bool token;
    } rows[] = {
        {"receiver.senders=propexo, standard-webhooks, token", true, true, true},
        {"receiver.senders=propexo, standard-webhooks", true, true, false},
        {"receiver.senders=standard-webhooks, token", false, true, true},
        {"receiver.senders=propexo, token", true, false, true},
        {"receiver.senders=propexo", true, false, false},
        {"receiver.senders=token", false, false, true},
    };
    char hex[65];
    (void)state;
    hex_of(TOKEN, BODY, hex);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct config config = CONFIG(rows[i].senders, "receiver.secret=" TOKEN,
                                      "receiver.integration_secret=other " KEY);
        list_add_key(&config, KEY);
        struct credentials *credentials = credentials_of(&config);
        struct credential_request requests[3];
        const bool wanted[] = {rows[i].propexo, rows[i].standard, rows[i].token};
        for (size_t r = 0; r < ARRAY_LENGTH(requests); r++)
            requests[r] = request_of(BODY, WALL_MS);
        set(&requests[0], CREDENTIAL_PROPEXO, hex);
        set(&requests[1], CREDENTIAL_SVIX_ID, ID);
        set(&requests[1], CREDENTIAL_SVIX_TIMESTAMP, TIME);
        set(&requests[1], CREDENTIAL_SVIX_SIGNATURES, SIGNATURE);
        set(&requests[2], CREDENTIAL_TOKEN, TOKEN);
        for (size_t r = 0; r < ARRAY_LENGTH(requests); r++) {
            const char *reason = NULL;
            if (credentials_check(credentials, &requests[r], &reason) !=
                (wanted[r] ? CREDENTIAL_GENERAL : CREDENTIAL_NONE))
                fail_msg("row %zu, request %zu", i, r);
        }
        credentials_free(credentials);
        config_free(&config);
    }
}

static void test_tokens(void **state)
{
    static const char *const wrong[] = {
        "", " " TOKEN, TOKEN " ", TOKEN "x", "a token of", "A token of some length", "*"};
    (void)state;
    struct config config = CONFIG("receiver.senders=token", "receiver.secret=" TOKEN,
                                  "receiver.token_header=X-Gitlab-Token");
    struct credentials *credentials = credentials_of(&config);
    assert_string_equal(credentials_header(credentials, CREDENTIAL_TOKEN), "X-Gitlab-Token");
    const char *reason = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct credential_request request = request_of(BODY, 0);
        set(&request, CREDENTIAL_TOKEN, wrong[i]);
        assert_int_equal(credentials_check(credentials, &request, &reason), CREDENTIAL_NONE);
    }
    struct credential_request nothing = request_of(BODY, 0);
    assert_int_equal(credentials_check(credentials, &nothing, &reason), CREDENTIAL_NONE);
    assert_string_equal(reason, "no_header");
    credentials_free(credentials);
    config_free(&config);
}

/* All secrets of a list are tried, and those of others are not. */
static void test_rotation(void **state)
{
    char hex[65];
    (void)state;
    struct config config =
        CONFIG("receiver.secret=the first secret", "receiver.integration_secret=i the secret of i");
    list_add_key(&config, "the second secret");
    struct credentials *credentials = credentials_of(&config);
    static const struct {
        const char *secret;
        const char *integration_id;
        enum credential wanted;
    } rows[] = {
        {"the first secret", NULL, CREDENTIAL_GENERAL},
        {"the second secret", NULL, CREDENTIAL_GENERAL},
        {"the second secret", "j", CREDENTIAL_GENERAL},
        {"the second secret", "i", CREDENTIAL_NONE},
        {"the secret of i", "i", CREDENTIAL_INTEGRATION},
        {"the secret of i", "j", CREDENTIAL_NONE},
        {"the secret of i", NULL, CREDENTIAL_NONE},
        {"i the secret of i", "i", CREDENTIAL_NONE},
        {"the third secret", NULL, CREDENTIAL_NONE},
        {"", NULL, CREDENTIAL_NONE},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const char *reason = NULL;
        struct credential_request request = request_of(BODY, 0);
        hex_of(rows[i].secret, BODY, hex);
        set(&request, CREDENTIAL_PROPEXO, hex);
        request.integration_id = rows[i].integration_id;
        if (credentials_check(credentials, &request, &reason) != rows[i].wanted)
            fail_msg("row %zu", i);
    }
    credentials_free(credentials);
    config_free(&config);
}

static void test_what_a_profile_needs(void **state)
{
    static const struct {
        const char *senders;
        const char *secret;
        const char *problem; /* NULL: none */
    } rows[] = {
        {"receiver.senders=propexo", "receiver.secret=" KEY, NULL}, /* a text like any other */
        {"receiver.senders=standard-webhooks", "receiver.secret=" KEY, NULL},
        {"receiver.senders=standard-webhooks", "receiver.integration_secret=i " KEY, NULL},
        {"receiver.senders=standard-webhooks", "receiver.secret=not of that form",
         "no secret begins with whsec_"},
        {"receiver.senders=propexo, standard-webhooks", "receiver.secret=not of that form",
         "no secret begins with whsec_"},
        {"receiver.senders=propexo, standard-webhooks", "receiver.secret=" KEY,
         "every secret begins with whsec_"},
        {"receiver.senders=token, standard-webhooks", "receiver.secret=" KEY,
         "every secret begins with whsec_"},
        {"receiver.senders=standard-webhooks", "receiver.secret=whsec_????????????????????????",
         "is not the base64 of 16 bytes or more"},
        {"receiver.senders=standard-webhooks",
         "receiver.secret=whsec_c2hvcnQ=", "is not the base64 of 16 bytes or more"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error error = {0};
        struct config config = CONFIG(rows[i].senders, rows[i].secret);
        struct credentials *made = credentials_new(&config, &config.receiver.secrets, &error);
        if ((made != NULL) != (rows[i].problem == NULL))
            fail_msg("row %zu: %s", i, error.message);
        if (made == NULL) {
            assert_non_null(strstr(error.message, rows[i].problem));
            assert_null(strstr(error.message, "c2hvcnQ"));
            assert_int_equal(error.verdict, VERDICT_CONFIGURATION);
        }
        credentials_free(made);
        config_free(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard_webhooks),
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_what_a_profile_needs),
    };
    return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}
