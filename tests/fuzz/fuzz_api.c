/* An answer of the API, read as that to each kind of request. */
#include "tests/fuzz/fuzz.h"

#include "bridge/propexo/api.h"

static const struct {
    long status;
    const char *type;
} kinds[] = {
    {200, "application/json"},
    {200, "application/json"},
    {200, "text/html"},
    {404, "application/json"},
    {404, "text/html"},
    {403, "application/json"},
    {429, ""},
    {500, "application/json"},
    {204, ""},
    {302, "text/html"},
    {401, ""},
    {400, "application/json"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    size_t length = 0;
    uint8_t kind = take_byte(&input) % ARRAY_LENGTH(kinds);
    char *rest = take_rest(&input, &length);
    char *body = memory_bytes(length + 1); /* the client ends it with a zero byte */
    memcpy(body, rest, length);
    body[length] = '\0';
    free(rest);
    struct http_answer answer = {.outcome = HTTP_ANSWERED,
                                 .status = kinds[kind].status,
                                 .body = body,
                                 .length = length,
                                 .problem = "",
                                 .limit = -1,
                                 .remaining = -1,
                                 .retry_after_s = -1};
    (void)snprintf(answer.media_type, sizeof answer.media_type, "%s", kinds[kind].type);
    struct api_answer one = api_read_record(&answer, "r-1");
    CHECK((one.outcome == API_RECORD) == (one.record != NULL));
    if (one.record != NULL) {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(one.record, "id");
        CHECK(cJSON_IsObject(one.record) && cJSON_IsString(id));
        CHECK(strcmp(id->valuestring, "r-1") == 0);
    } else {
        CHECK(one.detail != NULL && api_detail(&answer, one.outcome) != NULL);
    }
    cJSON_Delete(one.record);
    struct api_page page = api_read_page(&answer);
    CHECK((page.outcome == API_RECORD) == (page.items != NULL));
    CHECK(page.items == NULL || cJSON_IsArray(page.items));
    CHECK(page.outcome != API_NO_RECORD && page.outcome != API_WRONG_ID && page.total >= -1);
    cJSON_Delete(page.items);
    const char *detail = NULL;
    enum api_outcome changed = api_read_change(&answer, &detail);
    CHECK((changed == API_RECORD) == (answer.status >= 200 && answer.status < 300));
    free(api_read_refusal(&answer));
    free(body);
    return 0;
}
