#include "bridge/codec/difference.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/attributes.h"

#define LONGEST_TYPE 60 /* a longer one is not spelled out */

struct sides {
    struct buffer *out;
    bool equal;
};

static void begin(struct sides *sides)
{
    (void)buffer_append_text(sides->out, sides->equal ? "" : "; ");
    sides->equal = false;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(member(object, name));
    return text == NULL ? "" : text;
}

static const cJSON *find_field(const cJSON *record, const char *name)
{
    const cJSON *field = NULL;
    cJSON_ArrayForEach(field, member(record, "fields"))
    {
        if (strcmp(text_of(field, "name"), name) == 0)
            return field;
    }
    return NULL;
}

static bool same(const cJSON *a, const cJSON *b)
{
    return a == b || cJSON_Compare(a, b, true);
}

static void add_types(struct sides *sides, const char *name, const cJSON *there, const cJSON *here)
{
    char *types[] = {cJSON_PrintUnformatted(member(there, "type")),
                     cJSON_PrintUnformatted(member(here, "type"))};
    bool spelled = types[0] != NULL && types[1] != NULL && strlen(types[0]) <= LONGEST_TYPE &&
                   strlen(types[1]) <= LONGEST_TYPE;
    begin(sides);
    if (spelled)
        (void)buffer_append_format(sides->out, "%s: %s there, %s here", name, types[0], types[1]);
    else
        (void)buffer_append_format(sides->out, "%s: another type", name);
    free(types[0]);
    free(types[1]);
}

/* What can make schemas incompatible at most levels. */
static bool is_grave(const cJSON *there, const cJSON *here)
{
    return there == NULL ? member(here, "default") == NULL
                         : !same(member(there, "type"), member(here, "type"));
}

static void compare_field(struct sides *sides, const cJSON *there, const cJSON *here)
{
    const char *name = text_of(here, "name");
    bool grave = is_grave(there, here);
    if (there != NULL && grave) {
        add_types(sides, name, there, here);
    } else if (there == NULL) {
        begin(sides);
        (void)buffer_append_format(sides->out, "%s: only here%s", name,
                                   grave ? ", without a default" : "");
    } else if (!same(member(there, "default"), member(here, "default"))) {
        begin(sides);
        (void)buffer_append_format(sides->out, "%s: another default", name);
    }
}

static void compare_fields(struct sides *sides, const cJSON *record, const cJSON *here, bool grave)
{
    const cJSON *field = NULL;
    cJSON_ArrayForEach(field, member(here, "fields"))
    {
        const cJSON *there = find_field(record, text_of(field, "name"));
        if (is_grave(there, field) == grave)
            compare_field(sides, there, field);
    }
}

static void compare_names(struct sides *sides, const cJSON *there, const cJSON *here)
{
    static const char *const NAMES[] = {"namespace", "name"};
    for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++) {
        if (strcmp(text_of(there, NAMES[i]), text_of(here, NAMES[i])) == 0)
            continue;
        begin(sides);
        (void)buffer_append_format(sides->out, "the record's %s: %s there, %s here", NAMES[i],
                                   text_of(there, NAMES[i]), text_of(here, NAMES[i]));
    }
}

static void compare(struct sides *sides, const cJSON *there, const cJSON *here)
{
    const cJSON *field = NULL;
    if (!cJSON_IsArray(member(there, "fields"))) {
        begin(sides);
        (void)buffer_append_text(sides->out, "what is registered is no Avro record");
        return;
    }
    compare_names(sides, there, here);
    compare_fields(sides, there, here, true);
    compare_fields(sides, there, here, false);
    cJSON_ArrayForEach(field, member(there, "fields"))
    {
        const char *name = text_of(field, "name");
        if (find_field(here, name) != NULL)
            continue;
        begin(sides);
        (void)buffer_append_format(sides->out, "%s: only there", name);
    }
}

bool schema_difference(const char *registered, const char *ours, struct buffer *out)
{
    struct sides sides = {out, true};
    cJSON *there = cJSON_Parse(registered);
    cJSON *here = cJSON_Parse(ours);
    compare(&sides, there, here);
    cJSON_Delete(there);
    cJSON_Delete(here);
    return sides.equal;
}
