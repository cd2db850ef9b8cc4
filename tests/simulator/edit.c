#include "tests/simulator/edit.h"

#include <stdlib.h>
#include <string.h>

#include "tests/simulator/clock.h"

#define DRAWN_MAX      3
#define TRIES          8  /* at a value that differs from the present one */
#define SILENT_PERCENT 20 /* of changes also change what is embedded */
#define FLIP_PERCENT   40 /* of changes of a model that has such a field change it alone */
#define MOVE_PERCENT   15 /* of changes of what others show give it another parent */

void edit_begin(struct edit *edit, struct store *store, struct collection *collection,
                uint32_t number)
{
    edit->store = store;
    edit->collection = collection;
    edit->number = number;
    edit->count = 0;
}

void edit_end(struct edit *edit)
{
    for (unsigned i = 0; i < edit->count; i++)
        text_free(&edit->values[i].text);
    edit->count = 0;
}

static struct record *record_of(const struct edit *edit)
{
    return &edit->collection->records[edit->number];
}

static bool has_slot(const struct edit *edit, unsigned slot)
{
    for (unsigned i = 0; i < edit->count; i++) {
        if (edit->values[i].slot == slot)
            return true;
    }
    return false;
}

/* Takes the text. */
static void add_value(struct edit *edit, unsigned slot, struct text text, bool told)
{
    edit->values[edit->count++] = (struct edit_value){slot, text, told};
}

static bool same(const struct edit *edit, unsigned slot, const struct text *text)
{
    size_t length;
    const char *present = state_get(record_of(edit)->state, slot, &length);
    return length == text->length && memcmp(present, text->data, length) == 0;
}

static void draw_value(struct edit *edit, unsigned slot, bool told, struct random *random)
{
    const struct record *record = record_of(edit);
    const struct field *field = &edit->collection->layout.model->fields[slot];
    struct subject subject = {edit->collection->layout.model, record->index, record->integration};
    struct text text = {0};
    for (int i = 0; i < TRIES; i++) {
        text_clear(&text);
        values_write(&text, &edit->store->values, &subject, field, random);
        if (!same(edit, slot, &text)) {
            add_value(edit, slot, text, told);
            return;
        }
    }
    text_free(&text);
}

static unsigned find_slots(const struct layout *layout, bool (*wanted)(const struct field *),
                           unsigned *slots)
{
    unsigned count = 0;
    for (unsigned slot = 0; slot < layout->fields; slot++) {
        if (wanted(&layout->model->fields[slot]))
            slots[count++] = slot;
    }
    return count;
}

static bool names_parent(const struct field *field)
{
    return field->parent != NULL;
}

/* Sometimes another parent; always when a record is nothing but its parents. */
static bool draw_parent(struct edit *edit, struct random *random)
{
    const struct layout *layout = &edit->collection->layout;
    unsigned slots[MODEL_FIELDS_MAX];
    unsigned count = find_slots(layout, names_parent, slots);
    if (count == 0)
        return false;
    bool moves = random_percent(random, MOVE_PERCENT);
    unsigned slot = slots[random_below(random, count)];
    if (moves || find_slots(layout, values_changeable, slots) == 0)
        draw_value(edit, slot, true, random);
    return moves;
}

void edit_draw(struct edit *edit, struct random *random)
{
    const struct layout *layout = &edit->collection->layout;
    if (layout->flip >= 0 && random_percent(random, FLIP_PERCENT)) {
        draw_value(edit, (unsigned)layout->flip, true, random);
        return;
    }
    bool moves = draw_parent(edit, random);
    unsigned changeable[MODEL_FIELDS_MAX];
    unsigned count = find_slots(layout, values_changeable, changeable);
    uint64_t wanted = (moves ? 0 : 1) + random_below(random, DRAWN_MAX);
    for (uint64_t i = 0; i < wanted && count > 0; i++) {
        unsigned slot = changeable[random_below(random, count)];
        if (!has_slot(edit, slot))
            draw_value(edit, slot, true, random);
    }
    bool silent = random_percent(random, SILENT_PERCENT);
    for (unsigned slot = 0; slot < layout->fields && silent; slot++) {
        if (layout->model->fields[slot].embeds != NULL && !edit->collection->assembled[slot])
            draw_value(edit, slot, false, random);
    }
}

/* Members of the extra slot as an object, to be changed. */
static cJSON *parse_extra(const struct edit *edit)
{
    size_t length;
    const char *extra = state_get(record_of(edit)->state, edit->collection->layout.fields, &length);
    struct text object = {0};
    text_add(&object, "{");
    if (length > 1)
        text_append(&object, extra + 1, length - 1);
    text_add(&object, "}");
    cJSON *parsed = cJSON_ParseWithLength(object.data, object.length);
    text_free(&object);
    return parsed;
}

/* `{"a":1}` becomes `,"a":1`. */
static void add_extra(struct edit *edit, const cJSON *extra)
{
    char *printed = cJSON_PrintUnformatted(extra);
    struct text text = {0};
    size_t length = printed != NULL ? strlen(printed) : 0;
    if (length > 2) {
        text_add(&text, ",");
        text_append(&text, printed + 1, length - 2);
    }
    cJSON_free(printed);
    add_value(edit, edit->collection->layout.fields, text, false);
}

static bool stamp_fits(const struct layout *layout, unsigned slot, const cJSON *value)
{
    int at = (int)slot;
    if (at != layout->created_at && at != layout->updated_at && at != layout->last_seen)
        return true;
    int64_t moment;
    if (at == layout->last_seen && cJSON_IsNull(value))
        return true;
    return cJSON_IsString(value) &&
           clock_read(value->valuestring, strlen(value->valuestring), &moment);
}

static bool take_known(struct edit *edit, unsigned slot, const cJSON *value, const char **problem)
{
    const struct layout *layout = &edit->collection->layout;
    *problem = "id and integration_id cannot change";
    if ((int)slot == layout->id || (int)slot == layout->integration_id)
        return false;
    *problem = "this list is made of the records of another model: change those";
    if (edit->collection->assembled[slot])
        return false;
    *problem = "created_at, updated_at and last_seen must be ISO 8601 moments";
    if (!stamp_fits(layout, slot, value))
        return false;
    *problem = "a field is given twice";
    if (has_slot(edit, slot))
        return false;
    cJSON *copy = cJSON_Duplicate(value, true);
    if ((int)slot == layout->custom_data)
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "read_sequence");
    char *printed = cJSON_PrintUnformatted(copy);
    struct text text = {0};
    text_add(&text, printed != NULL ? printed : "null");
    cJSON_free(printed);
    cJSON_Delete(copy);
    add_value(edit, slot, text, true);
    return true;
}

bool edit_take(struct edit *edit, const cJSON *fields, const char **problem)
{
    const struct layout *layout = &edit->collection->layout;
    cJSON *extra = NULL;
    bool good = true;
    const cJSON *value;
    cJSON_ArrayForEach(value, fields)
    {
        int slot = model_field(layout->model, value->string);
        if (slot >= 0) {
            good = take_known(edit, (unsigned)slot, value, problem);
        } else {
            extra = extra != NULL ? extra : parse_extra(edit);
            cJSON_DeleteItemFromObjectCaseSensitive(extra, value->string);
            cJSON_AddItemToObject(extra, value->string, cJSON_Duplicate(value, true));
        }
        if (!good)
            break;
    }
    if (extra != NULL && good)
        add_extra(edit, extra);
    cJSON_Delete(extra);
    return good;
}

static void touch(struct edit *edit, int slot, int64_t moment, bool told)
{
    if (slot < 0 || has_slot(edit, (unsigned)slot))
        return;
    struct text text = {0};
    store_write_stamp(&text, record_of(edit), moment);
    add_value(edit, (unsigned)slot, text, told);
}

void edit_touch(struct edit *edit, struct edit_stamps stamps)
{
    const struct record *record = record_of(edit);
    int64_t moment = store_now(edit->store);
    for (enum stamp stamp = STAMP_UPDATED_AT; stamp < STAMPS; stamp++) {
        if (record->stamps[stamp] >= moment)
            moment = record->stamps[stamp] + 1;
    }
    if (stamps.updated_at)
        touch(edit, edit->collection->layout.updated_at, moment, stamps.tell_updated_at);
    touch(edit, edit->collection->layout.last_seen, moment, stamps.tell_last_seen);
}

static void write_side(struct text *text, const struct edit *edit, bool previous)
{
    const struct model *model = edit->collection->layout.model;
    bool any = false;
    for (unsigned i = 0; i < edit->count; i++) {
        const struct edit_value *value = &edit->values[i];
        if (!value->told)
            continue;
        text_format(text, "%s\"%s\":", any ? "," : "", model->fields[value->slot].name);
        any = true;
        size_t length = value->text.length;
        const char *bytes = value->text.data;
        if (previous)
            bytes = state_get(record_of(edit)->state, value->slot, &length);
        text_append(text, bytes, length);
    }
}

void edit_write_diff(struct text *text, const struct edit *edit)
{
    text_add(text, "{\"new\":{");
    write_side(text, edit, false);
    text_add(text, "},\"previous\":{");
    write_side(text, edit, true);
    text_add(text, "}}");
}

void edit_apply(struct edit *edit)
{
    struct replacement replacements[STATE_SLOTS_MAX];
    for (unsigned i = 0; i < edit->count; i++) {
        const struct edit_value *value = &edit->values[i];
        replacements[i] = (struct replacement){value->slot, value->text.data, value->text.length};
    }
    store_replace(edit->store, edit->collection, edit->number, replacements, edit->count);
}
