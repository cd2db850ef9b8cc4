/* The webhook signature: HMAC-SHA256 in lower-case hex over the raw body. */
#include "tests/unit/unit.h"

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "bridge/http/signature.h"

struct vector {
    const char *secret;
    const char *body;
    const char *signature;
};

#define B4(b)  b b b b
#define B20(b) B4(b) B4(b) B4(b) B4(b) B4(b)
#define B50(b) B20(b) B20(b) B4(b) B4(b) b b

static const struct vector vectors[] = {
    /* RFC 4231, test cases 1 to 4, 6 and 7 */
    {B20("\x0b"), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {B20("\xaa"), B50("\xdd"), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
     "\x18\x19",
     B50("\xcd"), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {B50("\xaa") B50("\xaa") B20("\xaa") B4("\xaa") B4("\xaa") "\xaa\xaa\xaa",
     "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {B50("\xaa") B50("\xaa") B20("\xaa") B4("\xaa") B4("\xaa") "\xaa\xaa\xaa",
     "This is a test using a larger than block-size key and a larger than block-size data. The key "
     "needs to be hashed before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    /* openssl dgst -sha256 -hmac SECRET */
    {"a webhook secret", "", "1bc29671c98eaef0005ddbf2c958f4707e766e8dbe29858401baaf5156ede672"},
    {"a webhook secret", "{\"trigger\":\"DATA_UPDATE\"}",
     "4a721c2c4af3ff2e00ea6cb7330ef8964df8078cadd6a881f1e100cd8a4a0900"},
    {"gr\xc3\xbc\xc3\x9f"
     "e aus k\xc3\xb6ln",
     "{\"name\":\"\xc3\xa9\"}\n",
     "eda3c4d0bc7bb02c5134216bb235a71b06d46e57962ab515127380433eff105d"},
};

static struct signature_keys keys_of(const char *const *secrets, size_t count)
{
    struct signature_keys keys = {0};
    for (size_t i = 0; i < count; i++)
        signature_keys_add(&keys, secrets[i], strlen(secrets[i]));
    return keys;
}

static bool matches_any(const struct vector *vector, const char *const *secrets, size_t count)
{
    struct signature_keys keys = keys_of(secrets, count);
    bool ok = signature_matches(vector->signature, vector->body, strlen(vector->body), &keys);
    signature_keys_free(&keys);
    return ok;
}

static bool matches(const struct vector *vector, const char *signature)
{
    struct signature_keys keys = keys_of(&vector->secret, 1);
    size_t length = strlen(vector->body);
    struct guarded body = guarded_copy(vector->body, length);
    bool ok = signature_matches(signature, body.bytes, length, &keys);
    assert_int_equal(signature_matches(signature, body.bytes, length, &keys), ok); /* again */
    guarded_free(&body);
    signature_keys_free(&keys);
    return ok;
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        if (!matches(&vectors[i], vectors[i].signature))
            fail_msg("vector %zu", i);
        /* Any digit changed to any other is another signature. */
        for (size_t at = 0; at < 64; at++) {
            char *other = memory_text(vectors[i].signature);
            other[at] = other[at] == '0' ? '1' : '0';
            assert_false(matches(&vectors[i], other));
            free(other);
        }
        /* So is that of another vector. */
        for (size_t j = 0; j < ARRAY_LENGTH(vectors); j++)
            assert_int_equal(matches(&vectors[i], vectors[j].signature), i == j);
    }
}

static void test_form(void **state)
{
    static const char *const formats[] = {
        "sha256=%s", " %s", "%s ", "%s\n", "%s0", "%s,%s", "v1,%s", "0x%s",
    };
    static const char *const wrong[] = {
        "",
        "0",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec384",
        "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec384G",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec384\xe3",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec384:",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec384`",
        "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        "0000000000000000000000000000000000000000000000000000000000000000",
    };
    const struct vector *vector = &vectors[1];
    (void)state;
    assert_true(matches(vector, vector->signature));
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        struct buffer text = buffer_new(256);
        for (const char *p = formats[i]; *p != '\0'; p++) {
            if (p[0] == '%' && p[1] == 's') {
                assert_true(buffer_append_text(&text, vector->signature));
                p++;
            } else {
                assert_true(buffer_append(&text, p, 1));
            }
        }
        assert_false(matches(vector, buffer_text(&text)));
        buffer_free(&text);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_false(matches(vector, wrong[i]));
}

static void test_several_secrets(void **state)
{
    const struct vector *vector = &vectors[1];
    const char *secrets[] = {"first", "", "third"};
    (void)state;
    assert_false(matches_any(vector, secrets, ARRAY_LENGTH(secrets)));
    assert_false(matches_any(vector, secrets, 0));
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++) {
        const char *old = secrets[i];
        secrets[i] = vector->secret;
        assert_true(matches_any(vector, secrets, ARRAY_LENGTH(secrets)));
        assert_false(matches_any(vector, secrets, i)); /* only those before it */
        secrets[i] = old;
    }
}

/* The body is bytes: a zero byte is one of them, and its length is what is told. */
static void test_bytes(void **state)
{
    static const char body[] = "{\"a\"\0:1}";
    static const char signature[] =
        "d0cbcf4bd05828de00368c51e4ac0e26de5bb11087446e90220015f3b9fbbc11";
    static const char empty[] = "1bc29671c98eaef0005ddbf2c958f4707e766e8dbe29858401baaf5156ede672";
    const char *secret = "a webhook secret";
    struct signature_keys keys = keys_of(&secret, 1);
    (void)state;
    assert_true(signature_matches(signature, body, sizeof body - 1, &keys));
    assert_false(signature_matches(signature, body, sizeof body - 2, &keys));
    assert_false(signature_matches(signature, body, 4, &keys));
    assert_true(signature_matches(empty, NULL, 0, &keys));
    signature_keys_free(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_several_secrets),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}
