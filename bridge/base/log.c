#include "bridge/base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"

#define LINE_MAXIMUM 8192

static _Atomic int current_level = LOG_INFO;
static _Atomic int current_format = LOG_LOGFMT;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level level)
{
    current_level = (int)level;
}

void log_set_format(enum log_format format)
{
    current_format = (int)format;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= current_level;
}

bool log_level_parse(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static bool needs_quotes(const char *text)
{
    if (*text == '\0')
        return true;
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char byte = (unsigned char)*p;
        if (byte <= ' ' || byte == '"' || byte == '=' || byte == '\\' || byte == 0x7f)
            return true;
    }
    return false;
}

static void append_field(struct buffer *line, bool json, const struct log_field *field)
{
    const char *text = field->text == NULL ? "" : field->text;
    size_t before = line->length;
    if (json)
        (void)buffer_append_format(line, ",\"%s\":", field->key);
    else
        (void)buffer_append_format(line, " %s=", field->key);
    if (field->is_number)
        (void)buffer_append_format(line, "%lld", (long long)field->number);
    else if (json || needs_quotes(text))
        (void)buffer_append_quoted(line, text); /* logfmt readers understand it too */
    else
        (void)buffer_append_text(line, text);
    if (line->overflowed) {
        line->overflowed = false;
        line->length = before;
        line->data[before] = '\0';
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    if (!log_enabled(level))
        return;
    bool json = current_format == LOG_JSON;
    char time_text[CLOCK_TEXT_SIZE];
    struct buffer line = buffer_new(LINE_MAXIMUM);
    clock_format(clock_wall_ms(), time_text);
    (void)buffer_append_format(&line,
                               json ? "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%s\""
                                    : "ts=%s level=%s event=%s",
                               time_text, level_names[level], event);
    for (const struct log_field *field = fields; field->key != NULL; field++)
        append_field(&line, json, field);
    line.maximum += 2;
    (void)buffer_append_text(&line, json ? "}\n" : "\n");
    ssize_t written = write(STDERR_FILENO, line.data, line.length);
    (void)written; /* a log that cannot be written must not stop the bridge */
    buffer_free(&line);
}

bool log_gate_open(struct log_gate *gate, int64_t now_ms, int64_t every_ms, int64_t *suppressed)
{
    int64_t next = atomic_load(&gate->next_ms);
    if (now_ms < next ||
        !atomic_compare_exchange_strong(&gate->next_ms, &next, now_ms + every_ms)) {
        atomic_fetch_add(&gate->suppressed, 1);
        return false;
    }
    *suppressed = atomic_exchange(&gate->suppressed, 0);
    return true;
}
