#include "bridge/kafka/dead_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/metrics.h"

#define REPLAYED        "replayed"
#define ORIGINAL        "original"
#define ORIGINAL_LENGTH "original_length"
#define ORIGINAL_SHA256 "original_sha256"
#define ATTEMPTS        "attempts"
#define FIRST_FAILED_AT "first_failed_at"
#define NUMBER_LENGTH   15 /* digits of a number that is believed: sums do not overflow */

void dead_letter_show_codes(void)
{
    static const char *const codes[] = {
        "not-json",           "too-deep",        "too-many-values",
        "not-an-object",      "duplicate-key",   "no-kind",
        "unknown-kind",       "no-object",       "no-record-id",
        "bad-integration-id", "unknown-model",   "model-not-configured",
        "parent-unknown",     "too-many-fields", "no-integration",
        "wrong-integration",  "wrong-topic",     "not-an-event",
        "forbidden",          "refused",         "wrong-record",
        "cannot-encode",      "too-large",       "original-gone",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
        (void)metrics_slot(METRIC_DEAD_LETTERS, codes[i], NULL);
}

bool dead_letter_tells(const char *name)
{
    static const char *const names[] = {
        "error_code",       "error_message", "source",        "source_topic",
        "source_partition", "source_offset", "failed_record", ORIGINAL,
        ORIGINAL_LENGTH,    ORIGINAL_SHA256, "answer_head",   "answer_length",
        "answer_sha256",    ATTEMPTS,        FIRST_FAILED_AT, REPLAYED,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

void dead_letter_keep(struct message *message, const struct message *from)
{
    for (size_t i = 0; i < from->header_count; i++) {
        const struct message_header *header = &from->headers[i];
        if (message->header_count < MESSAGE_HEADERS - DEAD_LETTER_HEADERS &&
            !dead_letter_tells(header->name))
            message_header_bytes(message, header->name, header->value, header->length);
    }
}

static void add_original(struct message *message, struct dead_letter_cut *texts, const char *what)
{
    (void)snprintf(texts->length, sizeof texts->length, "%zu", message->value_length);
    message_header(message, ORIGINAL, what);
    message_header(message, ORIGINAL_LENGTH, texts->length);
    message_header(message, ORIGINAL_SHA256,
                   digest_sha256(message->value, message->value_length, texts->sha256));
}

void dead_letter_withhold(struct message *message, struct dead_letter_cut *texts)
{
    add_original(message, texts, "withheld");
    message->value_length = 0;
}

void dead_letter_cut(struct message *message, struct dead_letter_cut *texts)
{
    add_original(message, texts, "cut");
    if (message->value_length > DEAD_LETTER_HEAD)
        message->value_length = DEAD_LETTER_HEAD;
}

/* 0 when it is no number of our own making. */
static int64_t number_of(const struct message *message, const char *name)
{
    char text[NUMBER_LENGTH + 1] = {0};
    char *end = NULL;
    const struct message_header *header = message_find(message, name);
    if (header == NULL || header->value == NULL || header->length > NUMBER_LENGTH)
        return 0;
    memcpy(text, header->value, header->length);
    int64_t number = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' ? number : 0;
}

static struct dead_letter_past read_past(const struct message *message)
{
    struct dead_letter_past past = {.replayed = number_of(message, REPLAYED),
                                    .attempts = number_of(message, ATTEMPTS)};
    const struct message_header *first = message_find(message, FIRST_FAILED_AT);
    if (first != NULL && first->value != NULL && first->length < sizeof past.first_failed_at)
        memcpy(past.first_failed_at, first->value, first->length);
    return past;
}

struct dead_letter_past dead_letter_past(const struct message *event)
{
    struct dead_letter_past past = read_past(event);
    return past.replayed > 0 ? past : (struct dead_letter_past){0};
}

struct dead_letter_past dead_letter_returns(const struct message *letter)
{
    struct dead_letter_past past = read_past(letter);
    past.replayed++;
    return past;
}

static const char *text_of(int64_t number, char text[24])
{
    (void)snprintf(text, 24, "%" PRId64, number);
    return number > 0 ? text : NULL;
}

void dead_letter_add_past(struct message *message, const struct dead_letter_past *past,
                          struct dead_letter_texts *texts)
{
    message_header(message, ATTEMPTS, text_of(past->attempts, texts->attempts));
    message_header(message, FIRST_FAILED_AT,
                   past->first_failed_at[0] == '\0' ? NULL : past->first_failed_at);
    message_header(message, REPLAYED, text_of(past->replayed, texts->replayed));
}
