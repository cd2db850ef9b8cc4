/* A body, and a record, of which fields are to be kept out. */
#include "tests/fuzz/fuzz.h"

#include "bridge/base/buffer.h"
#include "bridge/codec/json_parse.h"
#include "bridge/propexo/redaction.h"

static struct config config;
static struct redaction *redaction;

static void prepare(void)
{
    static char *const environment[] = {NULL};
    const char *sets[] = {"snapshots.redact=residents.a,residents.b:hash,residents.c.d,units.e",
                          "snapshots.redact_key=0123456789abcdef", "events.redact=true"};
    struct buffer problems = buffer_new(1 << 16);
    struct error error;
    if (redaction != NULL)
        return;
    CHECK(config_load(&config, "/dev/null", environment, sets, ARRAY_LENGTH(sets),
                      CONFIG_NEED_NOTHING, &problems));
    redaction = redaction_new(&config, &error);
    CHECK(redaction != NULL);
    buffer_free(&problems);
}

/* Below a hashed field stand hashes and nulls alone. */
static void check_hashed(const cJSON *value)
{
    if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
        for (const cJSON *child = value->child; child != NULL; child = child->next)
            check_hashed(child);
    } else {
        CHECK(cJSON_IsNull(value) ||
              (cJSON_IsString(value) && strncmp(value->valuestring, "hmac-sha256:", 12) == 0));
    }
}

static void check_event(const cJSON *value)
{
    for (const cJSON *child = value->child; child != NULL; child = child->next) {
        const char *name = child->string == NULL ? "" : child->string;
        CHECK(strcmp(name, "a") != 0 || cJSON_IsNull(child));
        if (strcmp(name, "b") == 0) {
            check_hashed(child); /* whatever its names are */
            continue;
        }
        const cJSON *below = strcmp(name, "c") == 0 ? json_member(child, "d") : NULL;
        CHECK(below == NULL || cJSON_IsNull(below));
        check_event(child);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    size_t length = 0;
    prepare();
    const struct model *model = model_find("residents", strlen("residents"));
    bool known = take_byte(&input) % 2 == 0;
    char *body = take_rest(&input, &length);
    cJSON *root = json_parse(body, length);
    cJSON *record = json_parse(body, length);
    free(body);
    if (root == NULL)
        return 0;
    char *text = redaction_body(redaction, known ? model : NULL, root);
    if (text != NULL && *text != '\0') {
        cJSON *kept = json_parse(text, strlen(text));
        CHECK(kept != NULL);
        check_event(kept);
        CHECK(redaction_body(redaction, known ? model : NULL, kept) == NULL);
        cJSON_Delete(kept);
    } else if (text == NULL) {
        check_event(root);
    }
    free(text);
    redaction_record(redaction, model, record);
    CHECK(json_member(record, "a") == NULL);
    CHECK(json_member(json_member(record, "c"), "d") == NULL);
    if (json_member(record, "b") != NULL)
        check_hashed(json_member(record, "b"));
    redaction_told(redaction, model, root, !known);
    cJSON_Delete(record);
    cJSON_Delete(root);
    return 0;
}
