#include "bridge/commands/replay_letter.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/commands/orders.h"
#include "bridge/propexo/recreate.h"

#define ID_LENGTH   32 /* of a ce_id of ours */
#define TIME_LENGTH 31

static bool says(const struct message *letter, const char *name, const char *text)
{
    const struct message_header *header = message_find(letter, name);
    return header != NULL && header->length == strlen(text) &&
           memcmp(header->value, text, header->length) == 0;
}

static const struct model *model_of(const struct message *letter)
{
    const struct message_header *header = message_find(letter, "model");
    return header == NULL || header->value == NULL ? NULL
                                                   : model_find(header->value, header->length);
}

bool replay_chooses(const struct replay_choice *choice, const struct message *letter,
                    int64_t timestamp_ms)
{
    const struct model *model = choice->models == NULL ? NULL : model_of(letter);
    if (choice->code != NULL && !says(letter, "error_code", choice->code))
        return false;
    if (choice->models != NULL && (model == NULL || !choice->models[model_index(model)]))
        return false;
    return timestamp_ms >= choice->since_ms;
}

/* The letter keeps what it takes to know the event again: its id and when it came. */
static void route_anew(struct ingest *ingest, const struct message *seen, int64_t timestamp_ms,
                       struct replay_letter *letter)
{
    char *id = letter->fields[0] = message_text(seen, "ce_id");
    char *time = letter->fields[1] = message_text(seen, "ce_time");
    letter->fields[2] = message_text(seen, "integration_id");
    letter->fields[3] = message_text(seen, "traceparent");
    bool has_id = id != NULL && strlen(id) == ID_LENGTH;
    bool has_time = time != NULL && *time != '\0' && strlen(time) <= TIME_LENGTH;
    struct ingest_body body = {
        .bytes = seen->value == NULL ? "" : seen->value,
        .length = seen->value_length,
        .integration_id = letter->fields[2],
        .traceparent = letter->fields[3],
        .id = has_id ? id : NULL,
        .time = has_time ? time : clock_format(timestamp_ms, letter->time),
    };
    letter->routed_anew = true;
    ingest_route(ingest, &body, &letter->routed);
    letter->fate = letter->routed.dead_letter ? REPLAY_STILL : REPLAY_SENT;
    letter->still = letter->routed.code;
    if (letter->fate == REPLAY_SENT)
        dead_letter_add_past(&letter->routed.message, &letter->past, &letter->texts);
}

/* The events topic that the letter tells as its source; NULL when that is none of ours. */
static const char *source_of(const struct ingest *ingest, const struct message *seen)
{
    for (size_t i = 0; i < ingest->topics->model_count; i++) {
        if (says(seen, "source_topic", ingest->topics->events[i]))
            return ingest->topics->events[i];
    }
    return NULL;
}

static void send_back(const struct ingest *ingest, const struct message *seen,
                      struct replay_letter *letter)
{
    const char *topic = source_of(ingest, seen);
    if (topic == NULL) {
        letter->fate = REPLAY_FOREIGN;
        return;
    }
    letter->fate = REPLAY_SENT;
    letter->event = (struct message){.topic = topic,
                                     .partition = -1,
                                     .key = seen->key,
                                     .key_length = seen->key_length,
                                     .value = seen->value,
                                     .value_length = seen->value_length};
    if (!redaction_event(ingest->selection->redaction, &letter->event, &letter->text)) {
        letter->fate = REPLAY_CUT;
        return;
    }
    dead_letter_keep(&letter->event, seen);
    dead_letter_add_past(&letter->event, &letter->past, &letter->texts);
}

/* False when the letter does not name a record of which one reading shows everything. */
static bool order_again(const struct ingest *ingest, const struct message *seen,
                        struct replay_letter *letter)
{
    const struct model *model = model_of(seen);
    int place = model == NULL ? -1 : selection_place(ingest->selection, model);
    char *integration_id = letter->fields[0] = message_text(seen, "integration_id");
    char *record_id = letter->fields[1] = message_text(seen, "record_id");
    if (place < 0 || !model_is_fetched(model) || integration_id == NULL || record_id == NULL)
        return false;
    letter->text = recreate_event(integration_id, model->name, record_id, false, NULL);
    if (letter->text == NULL)
        return false;
    letter->event = (struct message){0};
    message_header(&letter->event, "record_id", record_id);
    message_header(&letter->event, RECREATE_HEADER, REPLAY_MADE_BY);
    dead_letter_add_past(&letter->event, &letter->past, &letter->texts);
    orders_address(ingest->topics, ingest->selection, place, integration_id, "DATA_UPDATE",
                   letter->text, &letter->event);
    return true;
}

void replay_letter_read(struct ingest *ingest, const struct message *seen, int64_t timestamp_ms,
                        struct replay_letter *letter)
{
    *letter = (struct replay_letter){.past = dead_letter_returns(seen)};
    bool cut = says(seen, "original", "cut") || says(seen, "original", "withheld");
    if (cut || says(seen, "original", "gone"))
        letter->fate = order_again(ingest, seen, letter) ? REPLAY_ORDERED
                       : cut                             ? REPLAY_CUT
                                                         : REPLAY_GONE;
    else if (says(seen, "source", "webhook"))
        route_anew(ingest, seen, timestamp_ms, letter);
    else
        send_back(ingest, seen, letter);
}

void replay_letter_free(struct replay_letter *letter)
{
    if (letter->routed_anew)
        ingest_free(&letter->routed);
    for (size_t i = 0; i < ARRAY_LENGTH(letter->fields); i++)
        free(letter->fields[i]);
    free(letter->text);
}

bool replay_letter_goes(const struct replay_letter *letter)
{
    return letter->fate == REPLAY_SENT || letter->fate == REPLAY_ORDERED;
}

const struct message *replay_letter_next(const struct ingest *ingest, struct replay_letter *letter,
                                         size_t *cursor)
{
    size_t spread =
        letter->routed_anew && letter->routed.synced != NULL ? ingest->selection->count : 0;
    while (*cursor < spread) {
        const struct message *message = ingest_spread(ingest, &letter->routed, (*cursor)++);
        if (message != NULL)
            return message;
    }
    if (*cursor > spread || !replay_letter_goes(letter))
        return NULL;
    (*cursor)++;
    return letter->routed_anew ? &letter->routed.message : &letter->event;
}
