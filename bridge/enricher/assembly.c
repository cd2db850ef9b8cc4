#include "bridge/enricher/assembly.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_hash.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/json_text.h"
#include "bridge/codec/timestamp.h"
#include "bridge/enricher/seen.h"

#define VERSION 1

/* `root` is what assembly_text writes; the others are its members. */
struct assembly {
    cJSON *root;
    cJSON *fields; /* name -> value */
    cJSON *times;  /* name -> when it last changed (ms since the epoch), where that was told */
    cJSON *strict; /* name -> true: untimed, and how it came to its value is not wholly known */
    cJSON *marked; /* name -> true */
    cJSON *open;   /* name -> {"value", "previous", "at", "time", "guess"}; not part of `root` */
};

/* What an event says about time. */
struct told {
    bool timed;
    double ms;
    bool repeated; /* the same event may have come before */
};

static cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static void put(cJSON *object, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    (void)cJSON_AddItemToObject(object, name, value);
}

static struct assembly *from_root(cJSON *root)
{
    struct assembly *assembly = memory_new(1, sizeof *assembly);
    *assembly = (struct assembly){.root = root,
                                  .fields = member(root, "fields"),
                                  .times = member(root, "times"),
                                  .strict = member(root, "strict"),
                                  .marked = member(root, "marked"),
                                  .open = cJSON_CreateObject()};
    return assembly;
}

struct assembly *assembly_new(const char *id, const char *integration_id)
{
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddNumberToObject(root, "version", VERSION);
    (void)cJSON_AddStringToObject(root, "id", id);
    (void)cJSON_AddStringToObject(root, "integration_id", integration_id);
    (void)cJSON_AddObjectToObject(root, "fields");
    (void)cJSON_AddObjectToObject(root, "times");
    (void)cJSON_AddObjectToObject(root, "strict");
    (void)cJSON_AddObjectToObject(root, "marked");
    (void)cJSON_AddArrayToObject(root, "seen");
    return from_root(root);
}

struct assembly *assembly_read(const char *text, size_t length)
{
    cJSON *root = json_parse(text, length);
    const cJSON *version = member(root, "version");
    if (cJSON_IsNumber(version) && version->valuedouble == VERSION &&
        cJSON_IsString(member(root, "id")) && cJSON_IsString(member(root, "integration_id")) &&
        cJSON_IsObject(member(root, "fields")) && cJSON_IsObject(member(root, "times")) &&
        cJSON_IsObject(member(root, "strict")) && cJSON_IsObject(member(root, "marked")) &&
        cJSON_IsArray(member(root, "seen")))
        return from_root(root);
    cJSON_Delete(root);
    return NULL;
}

cJSON *assembly_fields(struct assembly *assembly)
{
    return assembly->fields;
}

void assembly_free(struct assembly *assembly)
{
    if (assembly == NULL)
        return;
    cJSON_Delete(assembly->root);
    cJSON_Delete(assembly->open);
    free(assembly);
}

/* By hash: cJSON_Compare takes twice as long with each level of nesting. */
static bool equal(const cJSON *a, const cJSON *b)
{
    return a != NULL && b != NULL && json_hash(a) == json_hash(b);
}

static bool read_time(const cJSON *value, double *ms)
{
    int64_t time = 0;
    if (!cJSON_IsString(value) || !timestamp_parse(value->valuestring, &time))
        return false;
    *ms = (double)time;
    return true;
}

static void set(struct assembly *assembly, const char *name, const cJSON *value,
                const struct told *told)
{
    put(assembly->fields, name, cJSON_Duplicate(value, true));
    if (told->timed) {
        put(assembly->times, name, cJSON_CreateNumber(told->ms));
        cJSON_DeleteItemFromObjectCaseSensitive(assembly->strict, name);
    } else {
        cJSON_DeleteItemFromObjectCaseSensitive(assembly->times, name);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(assembly->marked, name);
}

/* Times of the record itself, which never fall. */
static bool is_clock(const char *name)
{
    return strcmp(name, "updated_at") == 0 || strcmp(name, "last_seen") == 0;
}

static bool raise_clock(struct assembly *assembly, const char *name, const cJSON *value,
                        const struct told *told)
{
    const cJSON *known = member(assembly->fields, name);
    double before = 0;
    double after = 0;
    bool later = !read_time(known, &before) || (read_time(value, &after) && after > before);
    if (!later || equal(known, value))
        return false;
    set(assembly, name, value, told);
    return true;
}

/* Only data-diffs can tell what this event does to the field. Without it the best guess is a change
 * that follows on what is known. */
static void open_field(struct assembly *assembly, const char *name, const cJSON *previous,
                       const cJSON *value, const struct told *told)
{
    cJSON *heard = member(assembly->open, name);
    if (heard == NULL)
        heard = cJSON_AddObjectToObject(assembly->open, name);
    const cJSON *guess = member(heard, "guess");
    const cJSON *known = guess != NULL ? guess : member(assembly->fields, name);
    if (!told->repeated && equal(known, previous))
        put(heard, "guess", cJSON_Duplicate(value, true));
}

/* Returns true when the field changed. */
static bool change_field(struct assembly *assembly, const char *name, const cJSON *previous,
                         const cJSON *value, const struct told *told)
{
    const cJSON *known = member(assembly->fields, name);
    const cJSON *time = member(assembly->times, name);
    bool both_timed = told->timed && time != NULL;
    bool follows = time == NULL && member(assembly->strict, name) == NULL && !told->repeated &&
                   equal(known, previous);
    if (is_clock(name))
        return raise_clock(assembly, name, value, told);
    if (member(assembly->open, name) != NULL) {
        open_field(assembly, name, previous, value, told);
        return false;
    }
    if (both_timed &&
        (told->ms < time->valuedouble || (told->ms == time->valuedouble && equal(known, value))))
        return false;
    if (known == NULL || follows || (both_timed && told->ms > time->valuedouble)) {
        set(assembly, name, value, told);
        if (known == NULL && !told->timed)
            put(assembly->strict, name, cJSON_CreateTrue());
        return true;
    }
    open_field(assembly, name, previous, value, told);
    return false;
}

static bool take_diff(struct assembly *assembly, const cJSON *diff)
{
    const cJSON *after = member(diff, "new");
    const cJSON *before = member(diff, "previous");
    uint64_t digest = json_hash(diff);
    struct told told = {.repeated = seen_has(assembly->root, digest)};
    bool changed = false;
    told.timed = read_time(member(after, "updated_at"), &told.ms);
    seen_add(assembly->root, digest, ASSEMBLY_DIGESTS);
    if (!cJSON_IsObject(after))
        return false;
    for (const cJSON *item = after->child; item != NULL; item = item->next)
        changed |= change_field(assembly, item->string, member(before, item->string), item, &told);
    return changed;
}

static bool take_payload(struct assembly *assembly, const cJSON *payload)
{
    struct told told = {0};
    bool changed = false;
    told.timed = read_time(member(payload, "updated_at"), &told.ms);
    for (const cJSON *item = payload->child; item != NULL; item = item->next) {
        if (is_clock(item->string)) {
            changed |= raise_clock(assembly, item->string, item, &told);
        } else if (member(assembly->fields, item->string) == NULL) {
            set(assembly, item->string, item, &told);
            changed = true;
        }
    }
    return changed;
}

enum assembly_verdict assembly_take(struct assembly *assembly, const cJSON *diff,
                                    const cJSON *payload)
{
    bool is_new = assembly->fields->child == NULL;
    bool changed = is_new;
    if (payload != NULL)
        changed |= take_payload(assembly, payload);
    if (diff != NULL)
        changed |= take_diff(assembly, diff);
    if (assembly_is_open(assembly))
        return ASSEMBLY_CONFLICT;
    return changed ? ASSEMBLY_CHANGED : ASSEMBLY_OLD;
}

bool assembly_is_open(const struct assembly *assembly)
{
    return assembly->open->child != NULL;
}

/* Of two changes of the same moment, the one that follows on the other is the newer; where each
 * could follow on the other, or neither does, the order of the list counts. */
static bool follows_on(const cJSON *heard, const cJSON *previous, const cJSON *value)
{
    return equal(member(heard, "value"), previous) && !equal(value, member(heard, "previous"));
}

/* One open field hears of a change at `at`. */
static void hear_field(cJSON *heard, const cJSON *previous, const cJSON *value, double at,
                       const struct told *told)
{
    const cJSON *time = member(heard, "at");
    if (time != NULL && (time->valuedouble > at ||
                         (time->valuedouble == at && !follows_on(heard, previous, value))))
        return;
    put(heard, "value", cJSON_Duplicate(value, true));
    put(heard, "previous", previous == NULL ? cJSON_CreateNull() : cJSON_Duplicate(previous, true));
    put(heard, "at", cJSON_CreateNumber(at));
    put(heard, "time", told->timed ? cJSON_CreateNumber(told->ms) : cJSON_CreateNull());
}

void assembly_hear(struct assembly *assembly, const cJSON *item)
{
    const cJSON *diff = member(item, "data_diff");
    const cJSON *after = member(diff, "new");
    const cJSON *before = member(diff, "previous");
    struct told told = {0};
    double at = 0;
    if (!read_time(member(item, "created_at"), &at))
        return;
    if (!cJSON_IsObject(after))
        after = cJSON_IsObject(member(item, "payload")) ? member(item, "payload") : diff;
    told.timed = read_time(member(after, "updated_at"), &told.ms);
    cJSON *heard;
    cJSON_ArrayForEach(heard, assembly->open)
    {
        const cJSON *value = member(after, heard->string);
        if (value != NULL)
            hear_field(heard, member(before, heard->string), value, at, &told);
    }
}

bool assembly_is_settled(const struct assembly *assembly, int64_t oldest_ms)
{
    const cJSON *heard;
    cJSON_ArrayForEach(heard, assembly->open)
    {
        const cJSON *time = member(heard, "at");
        if (time == NULL || time->valuedouble <= (double)oldest_ms)
            return false;
    }
    return true;
}

/* Ends the conflict about one field. Returns false when nothing could tell. */
static bool close_field(struct assembly *assembly, const cJSON *heard)
{
    const cJSON *value = member(heard, "value");
    const cJSON *guess = member(heard, "guess");
    const cJSON *time = member(heard, "time");
    struct told told = {.timed = cJSON_IsNumber(time)};
    if (told.timed)
        told.ms = time->valuedouble;
    if (value != NULL || guess != NULL)
        set(assembly, heard->string, value != NULL ? value : guess, &told);
    if (!told.timed)
        put(assembly->strict, heard->string, cJSON_CreateTrue());
    if (value == NULL)
        put(assembly->marked, heard->string, cJSON_CreateTrue());
    return value != NULL;
}

size_t assembly_close(struct assembly *assembly)
{
    size_t marked = 0;
    while (assembly->open->child != NULL) {
        cJSON *heard = cJSON_DetachItemViaPointer(assembly->open, assembly->open->child);
        marked += !close_field(assembly, heard);
        cJSON_Delete(heard);
    }
    return marked;
}

size_t assembly_marked(const struct assembly *assembly)
{
    return (size_t)cJSON_GetArraySize(assembly->marked);
}

/* Members of the snapshot that are ours; a field of such a name stands under another. */
static bool is_reserved(const char *name)
{
    return strcmp(name, "completeness") == 0 || strcmp(name, "fields_seen") == 0;
}

cJSON *assembly_record(const struct assembly *assembly)
{
    cJSON *record = cJSON_CreateObject();
    cJSON *names = cJSON_CreateArray();
    const cJSON *item;
    (void)cJSON_AddStringToObject(record, "id", cJSON_GetStringValue(member(assembly->root, "id")));
    (void)cJSON_AddStringToObject(record, "integration_id",
                                  cJSON_GetStringValue(member(assembly->root, "integration_id")));
    (void)cJSON_AddStringToObject(record, "completeness", "assembled");
    (void)cJSON_AddItemToObject(record, "fields_seen", names);
    cJSON_ArrayForEach(item, assembly->fields)
    {
        (void)cJSON_AddItemToArray(names, cJSON_CreateString(item->string));
        if (is_reserved(item->string)) {
            char *name = memory_format("record.%s", item->string);
            (void)cJSON_AddItemToObject(record, name, cJSON_Duplicate(item, true));
            free(name);
        } else if (member(record, item->string) == NULL) {
            (void)cJSON_AddItemToObject(record, item->string, cJSON_Duplicate(item, true));
        }
    }
    return record;
}

char *assembly_text(const struct assembly *assembly, size_t maximum)
{
    struct buffer out = buffer_new(maximum);
    struct error error;
    if (json_text_value(&out, assembly->root, &error) && !out.overflowed)
        return buffer_take(&out);
    buffer_free(&out);
    return NULL;
}
