#include "tests/simulator/webhook_body.h"

#include <string.h>

#include "tests/simulator/ids.h"

static void write_text(struct text *text, const struct text *other)
{
    text_append(text, other->data, other->length);
}

/* Webhooks of 2024 wrote resident-charges where the API's paths of 2026 say resident_charges. */
static void write_object_name(struct text *text, const char *model, bool hyphens)
{
    size_t start = text->length;
    text_json(text, model, strlen(model));
    for (size_t i = start; hyphens && i < text->length; i++) {
        if (text->data[i] == '_')
            text->data[i] = '-';
    }
}

static void write_meta(struct text *text, const struct webhook_event *event, bool hyphens)
{
    text_add(text, "\"meta\":{\"object\":");
    write_object_name(text, event->model, hyphens);
    text_format(text, ",\"integration_id\":\"%s\"}", event->integration);
}

static void write_content(struct text *text, const struct webhook_event *event)
{
    text_add(text, event->is_new ? "\"payload\":" : "\"diff\":");
    write_text(text, &event->payload);
}

static void write_job(struct text *text, struct webhook_event *event, struct random *random)
{
    ids_fresh(&event->job_id, random);
    text_add(text, ",\"job_id\":\"");
    write_text(text, &event->job_id);
    text_add(text, "\",\"root_job_id\":\"");
    ids_fresh(text, random);
    text_format(text, "\",\"job_type\":\"%s\",\"vendor\":", event->model);
    write_text(text, &event->vendor);
    text_add(text, ",");
}

/* The members that A has in `data` and B at the top. */
static void write_members(struct text *text, struct webhook_event *event, bool hyphens, bool orphan,
                          struct random *random)
{
    text_format(text, "\"event\":\"%s\",", event->is_new ? "DATA_NEW" : "DATA_UPDATE");
    if (!orphan)
        text_format(text, "\"integration_id\":\"%s\",", event->integration);
    text_add(text, "\"object\":");
    write_object_name(text, event->model, hyphens);
    text_add(text, ",\"record_id\":");
    write_text(text, &event->record_id);
    if (!orphan)
        write_job(text, event, random);
    else
        text_add(text, ",");
    write_content(text, event);
    if (!orphan)
        text_add(text, random_below(random, 2) == 0 ? ",\"context\":null" : ",\"context\":{}");
}

void webhook_body_write(struct text *text, enum shape shape, struct webhook_event *event,
                        struct random *random)
{
    bool hyphens = random_below(random, 3) == 0;
    switch (shape) {
    case SHAPE_A:
        text_format(text, "{\"trigger\":\"%s\",\"data\":{",
                    event->is_new ? "DATA_NEW" : "DATA_UPDATE");
        write_members(text, event, hyphens, false, random);
        text_add(text, "},");
        write_meta(text, event, hyphens);
        break;
    case SHAPE_B:
        text_add(text, "{");
        write_members(text, event, hyphens, false, random);
        text_add(text, ",");
        write_meta(text, event, hyphens);
        break;
    case SHAPE_ORPHAN:
        text_add(text, "{\"data\":{");
        write_members(text, event, hyphens, true, random);
        text_add(text, "}");
        break;
    case SHAPE_C:
    case SHAPE_MIXED:
        text_add(text, "{");
        write_meta(text, event, hyphens);
        text_add(text, ",\"record_id\":");
        write_text(text, &event->record_id);
        text_add(text, ",");
        write_content(text, event);
        break;
    }
    text_add(text, "}");
}

void webhook_event_free(struct webhook_event *event)
{
    text_free(&event->record_id);
    text_free(&event->vendor);
    text_free(&event->payload);
    text_free(&event->job_id);
}
