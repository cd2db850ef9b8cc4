/* An answer of the schema registry, read as that to each kind of request. */
#include "tests/fuzz/fuzz.h"

#include "bridge/codec/registry_answer.h"

#define MOST ((size_t)16 << 10)

static const long statuses[] = {200, 404, 409, 422, 401, 403, 500, 429, 204};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct error error = {0};
    struct buffer text = buffer_new(MOST);
    size_t length = 0;
    long status = statuses[take_byte(&input) % ARRAY_LENGTH(statuses)];
    char *rest = take_rest(&input, &length);
    char *body = memory_text_n(rest, length); /* the client ends it with a zero byte */
    free(rest);
    struct http_answer answer = {.status = status, .body = body, .length = length};
    const struct schema *schema = schema_find("units");
    CHECK(!registry_refused(&answer, &error) && error.message[0] != '\0');

    int version = 0;
    uint32_t id = UINT32_MAX;
    bool ok = registry_take_version(&answer, &version, &id, &error);
    CHECK(!ok || (status == 200 && version >= 1 && id <= INT32_MAX));
    CHECK(!ok || registry_take_version(&answer, NULL, &id, &error));

    struct registry_subject found = {0};
    bool equal = false;
    ok = registry_take_latest(&answer, schema, &found, &equal, &text, &error);
    CHECK(!ok || (status == 200) == (found.latest >= 1));
    CHECK(!equal || found.latest >= 1);
    CHECK(ok || error.message[0] != '\0');

    bool compatible = false;
    bool explained = false;
    buffer_clear(&text);
    ok = registry_take_verdict(&answer, &compatible, &explained, &text, &error);
    CHECK(!ok || !compatible || explained);
    CHECK(!ok || compatible || explained == (text.length > 0 || text.overflowed));
    CHECK(text.length <= MOST);

    char *schema_text = NULL;
    ok = registry_take_text(&answer, &schema_text, &error);
    CHECK(!ok || status == 404 || schema_text != NULL);
    CHECK(ok || schema_text == NULL);
    free(schema_text);
    buffer_free(&text);
    free(body);
    return 0;
}
