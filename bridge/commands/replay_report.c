#include "bridge/commands/replay_report.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"

#define SHOWN_LENGTH 100     /* of a code or a model, in bytes */
#define OTHER        "other" /* the code of rows for which there is no room */

struct replay_row {
    char *code;
    char *model;
    char *outcome;
    int64_t count;
};

/* A header's text as it may be shown: what could steer a terminal is not. The caller frees. */
static char *shown(const struct message *seen, const char *name)
{
    char *text = message_text(seen, name);
    if (text == NULL || *text == '\0') {
        free(text);
        return memory_text("-");
    }
    if (strlen(text) > SHOWN_LENGTH)
        text[SHOWN_LENGTH] = '\0';
    for (char *c = text; *c != '\0'; c++)
        *c = (char)(isprint((unsigned char)*c) ? *c : '?');
    return text;
}

static const char *fate_name(enum replay_fate fate)
{
    switch (fate) {
    case REPLAY_SENT:
        return "sent";
    case REPLAY_ORDERED:
        return "ordered again";
    case REPLAY_STILL:
        return "still ";
    case REPLAY_CUT:
        return "cut";
    case REPLAY_GONE:
        return "gone";
    case REPLAY_FOREIGN:
        return "of no topic of ours";
    case REPLAY_REFUSED:
        return "too large";
    }
    return "";
}

static void free_row(struct replay_row *row)
{
    free(row->code);
    free(row->model);
    free(row->outcome);
    free(row);
}

static void count(struct replay_report *report, const char *code, const char *model,
                  const char *outcome, int64_t number)
{
    char *key = memory_format("%s\n%s\n%s", code, model, outcome);
    struct replay_row *row = table_get(&report->rows, key, strlen(key));
    if (row == NULL && report->rows.count >= REPLAY_ROWS_MOST && strcmp(code, OTHER) != 0) {
        free(key);
        count(report, OTHER, "-", outcome, number);
        return;
    }
    if (row == NULL) {
        row = memory_new(1, sizeof *row);
        *row = (struct replay_row){memory_text(code), memory_text(model), memory_text(outcome), 0};
        (void)table_put(&report->rows, key, strlen(key), row);
    }
    row->count += number;
    free(key);
}

/* Where a letter lies that cannot be sent back, and where its event lay. */
static void place(struct replay_report *report, const struct message *seen, int64_t offset,
                  const char *outcome)
{
    char *topic = shown(seen, "source_topic");
    char *partition = shown(seen, "source_partition");
    char *source = shown(seen, "source_offset");
    if (report->places == NULL)
        report->places = cJSON_CreateArray();
    cJSON *item = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(item, "outcome", outcome);
    (void)cJSON_AddStringToObject(item, "topic", seen->topic);
    (void)cJSON_AddNumberToObject(item, "partition", seen->partition);
    (void)cJSON_AddNumberToObject(item, "offset", (double)offset);
    (void)cJSON_AddStringToObject(item, "source_topic", topic);
    (void)cJSON_AddStringToObject(item, "source_partition", partition);
    (void)cJSON_AddStringToObject(item, "source_offset", source);
    (void)cJSON_AddItemToArray(report->places, item);
    free(topic);
    free(partition);
    free(source);
}

void replay_report_add(struct replay_report *report, const struct message *seen, int64_t offset,
                       const struct replay_letter *letter)
{
    bool goes = replay_letter_goes(letter);
    char *code = shown(seen, "error_code");
    char *model = shown(seen, "model");
    char *outcome = memory_format("%s%s", fate_name(letter->fate),
                                  letter->fate == REPLAY_STILL ? letter->still : "");
    report->sent += goes;
    report->left += !goes;
    count(report, code, model, outcome, 1);
    free(code);
    free(model);
    free(outcome);
    if (goes || letter->fate == REPLAY_STILL)
        return;
    if (cJSON_GetArraySize(report->places) < REPLAY_SHOWN_MOST)
        place(report, seen, offset, fate_name(letter->fate));
    else
        report->unplaced++;
}

static void join_places(struct replay_report *into, struct replay_report *from)
{
    if (into->places == NULL) {
        into->places = from->places;
        from->places = NULL;
    }
    while (cJSON_GetArraySize(from->places) > 0) {
        cJSON *item = cJSON_DetachItemFromArray(from->places, 0);
        if (cJSON_GetArraySize(into->places) < REPLAY_SHOWN_MOST) {
            (void)cJSON_AddItemToArray(into->places, item);
        } else {
            into->unplaced++;
            cJSON_Delete(item);
        }
    }
}

void replay_report_join(struct replay_report *into, struct replay_report *from)
{
    size_t cursor = 0;
    const struct table_slot *slot;
    while ((slot = table_next(&from->rows, &cursor)) != NULL) {
        const struct replay_row *row = slot->value;
        count(into, row->code, row->model, row->outcome, row->count);
    }
    join_places(into, from);
    into->read += from->read;
    into->sent += from->sent;
    into->before += from->before;
    into->passed += from->passed;
    into->left += from->left;
    into->unplaced += from->unplaced;
    replay_report_free(from);
}

void replay_report_free(struct replay_report *report)
{
    size_t cursor = 0;
    struct table_slot *slot;
    while ((slot = table_next(&report->rows, &cursor)) != NULL)
        free_row(slot->value);
    table_free(&report->rows);
    cJSON_Delete(report->places);
    *report = (struct replay_report){0};
}

static int compare_rows(const void *a, const void *b)
{
    const struct replay_row *x = *(const struct replay_row *const *)a;
    const struct replay_row *y = *(const struct replay_row *const *)b;
    int code = strcmp(x->code, y->code);
    int model = strcmp(x->model, y->model);
    return code != 0 ? code : model != 0 ? model : strcmp(x->outcome, y->outcome);
}

/* In order of code, model and outcome; the caller frees. */
static const struct replay_row **sorted(const struct replay_report *report)
{
    size_t cursor = 0;
    size_t n = 0;
    const struct table_slot *slot;
    const struct replay_row **rows =
        memory_new(report->rows.count + 1, sizeof(struct replay_row *));
    while ((slot = table_next(&report->rows, &cursor)) != NULL)
        rows[n++] = slot->value;
    qsort(rows, n, sizeof(struct replay_row *), compare_rows);
    return rows;
}

static void print_places(const struct replay_report *report)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, report->places)
    {
        (void)printf("%s: %s [%" PRId64 "] %" PRId64, json_member_text(item, "outcome"),
                     json_member_text(item, "topic"), json_member_integer(item, "partition"),
                     json_member_integer(item, "offset"));
        if (strcmp(json_member_text(item, "source_topic"), "-") != 0)
            (void)printf(", of %s [%s] %s", json_member_text(item, "source_topic"),
                         json_member_text(item, "source_partition"),
                         json_member_text(item, "source_offset"));
        (void)putchar('\n');
    }
    if (report->unplaced > 0)
        (void)printf("and %" PRId64 " more that cannot be sent back\n", report->unplaced);
}

void replay_report_print(const struct replay_report *report, bool dry_run, bool interrupted)
{
    const struct replay_row **rows = sorted(report);
    print_places(report);
    if (report->rows.count > 0)
        (void)printf("%-24s %-32s %10s  %s\n", "code", "model", "letters", "outcome");
    for (size_t i = 0; i < report->rows.count; i++)
        (void)printf("%-24s %-32s %10" PRId64 "  %s\n", rows[i]->code, rows[i]->model,
                     rows[i]->count, rows[i]->outcome);
    free(rows);
    (void)printf("%" PRId64 " dead letters read: %" PRId64 " %s, %" PRId64
                 " cannot be sent, %" PRId64 " not chosen, %" PRId64 " sent before%s\n",
                 report->read, report->sent, dry_run ? "would be sent" : "sent", report->left,
                 report->passed, report->before,
                 interrupted ? "; interrupted, run it again to go on" : "");
}

static void add_number(cJSON *object, const char *name, int64_t number)
{
    (void)cJSON_AddNumberToObject(object, name, (double)number);
}

cJSON *replay_report_json(const struct replay_report *report, bool dry_run, bool interrupted)
{
    const struct replay_row **rows = sorted(report);
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddBoolToObject(root, "dry_run", dry_run);
    (void)cJSON_AddBoolToObject(root, "interrupted", interrupted);
    add_number(root, "read", report->read);
    add_number(root, "sent", report->sent);
    add_number(root, "left", report->left);
    add_number(root, "not_chosen", report->passed);
    add_number(root, "sent_before", report->before);
    cJSON *letters = cJSON_AddArrayToObject(root, "letters");
    for (size_t i = 0; i < report->rows.count; i++) {
        cJSON *row = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(row, "code", rows[i]->code);
        (void)cJSON_AddStringToObject(row, "model", rows[i]->model);
        (void)cJSON_AddStringToObject(row, "outcome", rows[i]->outcome);
        add_number(row, "count", rows[i]->count);
        (void)cJSON_AddItemToArray(letters, row);
    }
    free(rows);
    (void)cJSON_AddItemToObject(root, "cannot_be_sent",
                                report->places == NULL ? cJSON_CreateArray()
                                                       : cJSON_Duplicate(report->places, true));
    add_number(root, "cannot_be_sent_more", report->unplaced);
    return root;
}
