#include "tests/simulator/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What no page shows changes there and back often, so that equal diffs happen. */
static int find_flip(const struct model *model)
{
    for (int i = 0; model->list_path == NULL && model->fields[i].name != NULL; i++) {
        const char *const *choices = model->fields[i].choices;
        if (choices != NULL && choices[0] != NULL && choices[1] != NULL && choices[2] == NULL)
            return i;
    }
    return -1;
}

void layout_make(struct layout *layout, const struct model *model)
{
    *layout = (struct layout){.model = model, .fields = model_field_count(model)};
    layout->id = model_field(model, "id");
    layout->created_at = model_field(model, "created_at");
    layout->updated_at = model_field(model, "updated_at");
    layout->last_seen = model_field(model, "last_seen");
    layout->integration_id = model_field(model, "integration_id");
    layout->custom_data = model_field(model, "custom_data");
    layout->flip = find_flip(model);
    for (unsigned i = 0; i < layout->fields; i++) {
        struct text prefix = {0};
        text_format(&prefix, "%s\"%s\":", i > 0 ? "," : "", model->fields[i].name);
        layout->prefix_lengths[i] = (uint32_t)prefix.length;
        layout->prefixes[i] = text_take(&prefix);
    }
}

void layout_free(struct layout *layout)
{
    for (unsigned i = 0; i < layout->fields; i++)
        free(layout->prefixes[i]);
}

static struct state *state_new(unsigned slots, size_t text_length)
{
    struct state *state = memory_get(sizeof *state + slots * sizeof state->ends[0] + text_length);
    state->slots = slots;
    return state;
}

static char *state_text(struct state *state)
{
    return (char *)&state->ends[state->slots];
}

struct state *state_make(const struct text *values, const uint32_t *ends, unsigned slots)
{
    struct state *state = state_new(slots, values->length);
    memcpy(state->ends, ends, slots * sizeof ends[0]);
    memcpy(state_text(state), values->data, values->length);
    return state;
}

const char *state_get(const struct state *state, unsigned slot, size_t *length)
{
    uint32_t start = slot > 0 ? state->ends[slot - 1] : 0;
    *length = state->ends[slot] - start;
    return (const char *)&state->ends[state->slots] + start;
}

static const struct replacement *find_replacement(const struct replacement *replacements,
                                                  unsigned count, unsigned slot)
{
    for (unsigned i = 0; i < count; i++) {
        if (replacements[i].slot == slot)
            return &replacements[i];
    }
    return NULL;
}

struct state *state_with(const struct state *state, const struct replacement *replacements,
                         unsigned count)
{
    size_t length = state->ends[state->slots - 1];
    for (unsigned i = 0; i < count; i++)
        length += replacements[i].length;
    struct state *made = state_new(state->slots, length);
    uint32_t end = 0;
    for (unsigned slot = 0; slot < state->slots; slot++) {
        const struct replacement *new = find_replacement(replacements, count, slot);
        size_t size = 0;
        const char *text = new != NULL ? new->text : state_get(state, slot, &size);
        if (new != NULL)
            size = new->length;
        if (size > 0)
            memcpy(state_text(made) + end, text, size);
        end += (uint32_t)size;
        made->ends[slot] = end;
    }
    return made;
}

static void write_stamped(struct text *text, const char *object, size_t length, uint64_t sequence)
{
    text_format(text, "{\"read_sequence\":%" PRIu64, sequence);
    if (length > 2)
        text_append(text, ",", 1);
    text_append(text, object + 1, length - 1);
}

void state_write(struct text *text, const struct layout *layout, const struct state *state,
                 uint64_t sequence)
{
    text_append(text, "{", 1);
    for (unsigned i = 0; i < layout->fields; i++) {
        size_t length;
        const char *value = state_get(state, i, &length);
        text_append(text, layout->prefixes[i], layout->prefix_lengths[i]);
        if (sequence != 0 && (int)i == layout->custom_data && value[0] == '{')
            write_stamped(text, value, length, sequence);
        else
            text_append(text, value, length);
    }
    size_t length;
    const char *extra = state_get(state, layout->fields, &length);
    text_append(text, extra, length);
    text_append(text, "}", 1);
}
