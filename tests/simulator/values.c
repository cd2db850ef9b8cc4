#include "tests/simulator/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/simulator/ids.h"
#include "tests/simulator/words.h"

#define NULL_PERCENT      25
#define LIST_ITEMS_MAX    4 /* items of an embedded list are 0 to 3 */
#define MODEL_NAME_LENGTH 64

struct making {
    const struct values *values;
    const struct subject *subject;
    struct random *random;
};

/* One of the model's records that belong to the subject's integration; false when it has none. */
static bool choose_reference(const struct making *making, uint64_t draw, uint64_t *index)
{
    const struct values *values = making->values;
    uint64_t integration = making->subject->integration;
    if (integration >= values->records)
        return false;
    uint64_t count = (values->records - integration - 1) / values->integrations + 1;
    *index = integration + values->integrations * (draw % count);
    return true;
}

/* The property of a record never changes; a property is its own. */
static bool property_of(const struct making *making, uint64_t *index)
{
    const struct subject *subject = making->subject;
    *index = subject->index;
    if (strcmp(subject->model->name, "properties") == 0)
        return true;
    return choose_reference(making, random_mix(making->values->seed + 1, subject->index), index);
}

static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name);
    size_t tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

/* The length of what stands before `_id`; 0 when the field is none of the forms that name another
 * record. */
static size_t reference_stem(const char *name)
{
    static const char *const ends[] = {"_id", "_id_next", "_id_previous", "_ids", "_id_preferred"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (ends_in(name, ends[i]))
            return strlen(name) - strlen(ends[i]);
    }
    return 0;
}

static const struct model *model_of_reference(const char *stem, size_t length)
{
    static const char *const other_names[][2] = {{"vendor", "service_request_vendors"},
                                                 {"unit_type", "entrata_unit_types"}};
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0]; i++) {
        if (strlen(other_names[i][0]) == length && strncmp(stem, other_names[i][0], length) == 0)
            return models_find(other_names[i][1]);
    }
    char name[MODEL_NAME_LENGTH];
    bool y = length > 0 && stem[length - 1] == 'y';
    snprintf(name, sizeof name, "%.*s%s", (int)(y ? length - 1 : length), stem, y ? "ies" : "s");
    return models_find(name);
}

/* unit_id, x_unit_id, floor_plan_id: a record of that model, or an id of its own when there is no
 * such model. */
static void write_reference(struct text *text, const struct making *making,
                            const struct field *field)
{
    static const char associated[] = "associated_";
    bool outside = strncmp(field->name, "x_", 2) == 0;
    const char *stem = outside ? field->name + 2 : field->name;
    if (strncmp(stem, associated, sizeof associated - 1) == 0)
        stem += sizeof associated - 1;
    size_t length = reference_stem(stem);
    const struct model *model = field->loose ? NULL : model_of_reference(stem, length);
    uint64_t index = 0;
    uint64_t draw = random_next(making->random);
    bool own = field->parent == NULL && field->type == FIELD_STRING;
    if (model != NULL && strcmp(model->name, "properties") == 0 && own)
        model = property_of(making, &index) ? model : NULL;
    else if (model != NULL && !choose_reference(making, draw, &index))
        model = NULL;
    text_add(text, "\"");
    if (outside)
        ids_outside(text, making->values->seed, model != NULL ? model->name : stem,
                    model != NULL ? index : draw % 5000);
    else if (model != NULL)
        ids_record(text, making->values->seed, model->name, index);
    else
        ids_fresh(text, making->random);
    text_add(text, "\"");
}

static void write_choice(struct text *text, const char *const *choices, uint64_t draw)
{
    uint64_t count = 0;
    while (choices[count] != NULL)
        count++;
    const char *choice = choices[draw % count];
    text_json(text, choice, strlen(choice));
}

static void write_fresh(struct text *text, struct random *random)
{
    text_add(text, "\"");
    ids_fresh(text, random);
    text_add(text, "\"");
}

static void write_string(struct text *text, const struct making *making, const struct field *field)
{
    if (field->choices != NULL)
        write_choice(text, field->choices, random_next(making->random));
    else if (strcmp(field->name, "id") == 0 || strcmp(field->name, "x_id") == 0)
        write_fresh(text, making->random);
    else if (reference_stem(field->name) > 0)
        write_reference(text, making, field);
    else
        words_write(text, field->name, making->random);
}

/* Whole cents mostly; fractions in halves, thirds and hundredths; some debts; some zeros. */
static void write_money(struct text *text, struct random *random)
{
    uint64_t cents = random_below(random, 500000);
    uint64_t form = random_below(random, 20);
    if (form == 0)
        text_add(text, "0");
    else if (form == 1)
        text_format(text, "-%" PRIu64, cents + 1);
    else if (form == 2)
        text_format(text, "%" PRIu64 ".5", cents);
    else if (form == 3)
        text_format(text, "%" PRIu64 ".33", cents);
    else if (form == 4)
        text_format(text, "%" PRIu64 ".000001", cents);
    else
        text_format(text, "%" PRIu64, cents);
}

static void write_number(struct text *text, const char *name, struct random *random)
{
    if (ends_in(name, "_in_cents"))
        write_money(text, random);
    else
        text_format(text, random_below(random, 3) == 0 ? "%" PRIu64 ".5" : "%" PRIu64,
                    random_below(random, 60));
}

static void write_integer(struct text *text, const char *name, struct random *random)
{
    if (strncmp(name, "year", 4) == 0)
        text_format(text, "%" PRIu64, 1900 + random_below(random, 126));
    else if (ends_in(name, "_day"))
        text_format(text, "%" PRIu64, 1 + random_below(random, 28));
    else
        text_format(text, "%" PRIu64, random_below(random, 5000));
}

static void write_object(struct text *text, struct random *random)
{
    uint64_t draw = random_below(random, 1000000);
    switch (draw % 5) {
    case 0:
        text_add(text, "{}");
        break;
    case 1:
        text_format(text, "{\"source\":\"sync\",\"run\":%" PRIu64 "}", draw);
        break;
    case 2:
        text_format(text,
                    "{\"flags\":[true,false,null],\"nested\":{\"deep\":{\"er\":[{\"n\":%" PRIu64
                    "}]}},\"empty\":{},\"none\":[]}",
                    draw);
        break;
    case 3:
        text_format(text,
                    "{\"straße\":\"Ä\\u00f6 %" PRIu64
                    "\",\"ratio\":0.125,\"big\":9007199254740991,\"\":null}",
                    draw);
        break;
    default:
        text_format(text, "{\"tags\":[\"a\",\"b %" PRIu64 "\"],\"e\":1.5e3,\"minus\":-7}", draw);
        break;
    }
}

static void write_strings(struct text *text, const struct making *making, const struct field *field)
{
    uint64_t count = random_below(making->random, LIST_ITEMS_MAX);
    text_add(text, "[");
    for (uint64_t i = 0; i < count; i++) {
        text_add(text, i > 0 ? "," : "");
        if (reference_stem(field->name) == 0)
            words_write(text, field->name, making->random);
        else if (field->loose)
            write_fresh(text, making->random);
        else
            write_reference(text, making, field);
    }
    text_add(text, "]");
}

/* Where a record belongs to one parent or another, the other's id is null. */
static bool draw_null(const struct making *making, const struct field *field)
{
    if (field->half != 0)
        return making->subject->index % 2 + 1 != field->half;
    return field->nullable && random_percent(making->random, NULL_PERCENT);
}

static void write_scalar(struct text *text, const struct making *making, const struct field *field)
{
    if (draw_null(making, field)) {
        text_add(text, "null");
        return;
    }
    switch (field->type) {
    case FIELD_STRING:
        write_string(text, making, field);
        break;
    case FIELD_NUMBER:
        write_number(text, field->name, making->random);
        break;
    case FIELD_INTEGER:
        write_integer(text, field->name, making->random);
        break;
    case FIELD_BOOLEAN:
        text_add(text, random_below(making->random, 2) == 0 ? "false" : "true");
        break;
    case FIELD_OBJECT:
        write_object(text, making->random);
        break;
    case FIELD_STRINGS:
    case FIELD_LIST:
        write_strings(text, making, field);
        break;
    }
}

static void write_list(struct text *text, const struct making *making, const struct field *items)
{
    uint64_t count = random_below(making->random, LIST_ITEMS_MAX);
    text_add(text, "[");
    for (uint64_t i = 0; i < count; i++) {
        text_add(text, i > 0 ? ",{" : "{");
        for (const struct field *member = items; member->name != NULL; member++) {
            text_format(text, "%s\"%s\":", member > items ? "," : "", member->name);
            write_scalar(text, making, member);
        }
        text_add(text, "}");
    }
    text_add(text, "]");
}

void values_write_vendor(struct text *text, const struct values *values, uint64_t integration)
{
    write_choice(text, models_vendors, random_mix(values->seed, integration));
}

/* True when the field identifies the record and was written. */
static bool write_identity(struct text *text, const struct making *making,
                           const struct field *field)
{
    const struct subject *subject = making->subject;
    uint64_t seed = making->values->seed;
    size_t start = text->length;
    text_add(text, "\"");
    if (strcmp(field->name, "id") == 0)
        ids_record(text, seed, subject->model->name, subject->index);
    else if (strcmp(field->name, "x_id") == 0)
        ids_outside(text, seed, subject->model->name, subject->index);
    else if (strcmp(field->name, "integration_id") == 0)
        ids_integration(text, seed, subject->integration);
    else
        text->length = start;
    if (text->length > start)
        text_add(text, "\"");
    if (strcmp(field->name, "integration_vendor") == 0)
        values_write_vendor(text, making->values, subject->integration);
    return text->length > start;
}

void values_write(struct text *text, const struct values *values, const struct subject *subject,
                  const struct field *field, struct random *random)
{
    struct making making = {values, subject, random};
    if (write_identity(text, &making, field))
        return;
    if (field->type == FIELD_LIST && field->items != NULL)
        write_list(text, &making, field->items);
    else if (strcmp(field->name, "custom_data") == 0)
        write_object(text, random);
    else
        write_scalar(text, &making, field);
}

bool values_changeable(const struct field *field)
{
    static const char *const fixed[] = {
        "id",          "created_at",    "updated_at",     "last_seen",         "x_id",
        "property_id", "x_property_id", "integration_id", "integration_vendor"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strcmp(field->name, fixed[i]) == 0)
            return false;
    }
    return field->embeds == NULL && field->parent == NULL;
}
