#include "bridge/config/source_file.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/base/file.h"
#include "bridge/base/memory.h"
#include "bridge/base/utf8.h"
#include "bridge/config/form.h"
#include "bridge/config/text.h"

/* libinih's lines: the longest line of a value, its key, and the line's end. */
#define LINE_SIZE 8192

/*
 * libinih calls `next_line` for each line and `take_value` for each value; it says nothing of lines
 * that it passes over, nor in which line a value stands, nor whether a line did not fit. So the
 * reader looks at each line as well, and a setting is handed on when the next one begins, since
 * indented lines may still continue it.
 */
struct reader {
    struct load *load;
    const char *path;
    const char *next; /* the rest of the file ... */
    const char *end;  /* ... up to its zero byte */
    unsigned line;    /* number of the line that libinih has */
    bool indented;    /* ... it begins with white space */
    bool settled;     /* ... it needs no value: empty, comment, section, or refused already */
    bool known;       /* the section is known; if not, that was reported once for all its keys */
    char *section;    /* owned; NULL before the first */
    char *key;        /* owned; the setting that is not yet handed on, or NULL */
    unsigned key_line;
    struct buffer value;
};

static void report(struct reader *reader, const char *section, const char *problem)
{
    char *origin = memory_format("%s:%u", reader->path, reader->line);
    struct setting where = {.source = SOURCE_FILE, .origin = origin};
    const char *near = section == NULL ? NULL : key_nearest_section(section);
    if (section == NULL)
        load_problem(reader->load, &where, "%s", problem);
    else if (near == NULL)
        load_problem(reader->load, &where, "[%s]: %s", section, problem);
    else
        load_problem(reader->load, &where, "[%s]: %s; did you mean [%s]?", section, problem, near);
    reader->settled = true;
    free(origin);
}

static void hand_on(struct reader *reader)
{
    if (reader->key == NULL)
        return;
    char *origin = memory_format("%s:%u", reader->path, reader->key_line);
    struct setting setting = {SOURCE_FILE, origin, reader->section, reader->key,
                              buffer_text(&reader->value)};
    if (reader->known && reader->value.overflowed)
        load_problem(reader->load, &setting, "is longer than 64 KiB");
    else if (reader->known)
        load_set(reader->load, &setting);
    free(origin);
    free(reader->key);
    reader->key = NULL;
    buffer_clear(&reader->value);
}

/* "[name]", perhaps followed by a comment. */
static void begin_section(struct reader *reader, const char *text)
{
    hand_on(reader);
    const char *end = strchr(text, ']');
    const char *rest = end == NULL ? "" : end + 1 + strspn(end + 1, " \t");
    free(reader->section);
    reader->section = NULL;
    reader->known = false;
    reader->settled = true;
    if (end == NULL) {
        report(reader, NULL, "a section's name ends with ]");
        reader->section = memory_text("");
        return;
    }
    reader->section = text_trim_n(text + 1, (size_t)(end - text - 1));
    if (*rest != '\0' && strchr("#;\r\n", *rest) == NULL)
        report(reader, NULL, "only a comment may follow a section's name in its line");
    if (!key_section_exists(reader->section))
        report(reader, reader->section, "unknown section");
    else
        reader->known = true;
}

/* Bytes of the line at `text`, without its end. */
static size_t line_length(const struct reader *reader, const char *text)
{
    const char *end = memchr(text, '\n', (size_t)(reader->end - text));
    return (size_t)((end == NULL ? reader->end : end) - text);
}

/* Looks at the line that libinih is about to get. */
static void look_at(struct reader *reader, const char *line)
{
    const char *text = line + strspn(line, " \t\v\f\r\n");
    reader->indented = text != line;
    reader->settled = *text == '\0' || *text == '#' || *text == ';';
    bool continues = reader->indented && reader->key != NULL;
    if (*text == '[' && !continues)
        begin_section(reader, text);
}

static char *next_line(char *line, int size, void *stream)
{
    struct reader *reader = stream;
    if (reader->line > 0 && !reader->settled)
        report(reader, NULL, "is neither [section] nor key = value");
    if (*reader->next == '\0')
        return NULL;
    size_t length = line_length(reader, reader->next);
    const char *start = reader->next;
    reader->next += length + (start[length] == '\0' ? 0 : 1);
    reader->line++;
    reader->settled = true;
    if (length + sizeof "\n" > (size_t)size) {
        report(reader, NULL, "is longer than 8190 bytes; a list may go on in an indented line");
        length = 0;
    }
    memcpy(line, start, length);
    memcpy(line + length, "\n", sizeof "\n");
    if (length > 0)
        look_at(reader, line);
    return line;
}

static int take_value(void *user, const char *section, const char *name, const char *value)
{
    struct reader *reader = user;
    (void)section; /* cut at 49 bytes, like the name in a continuation */
    reader->settled = true;
    if (reader->indented && reader->key != NULL) {
        buffer_append_text(&reader->value, "\n");
        buffer_append_text(&reader->value, value);
        return 1;
    }
    hand_on(reader);
    if (*name == '\0') {
        report(reader, NULL, "has no key before the =");
    } else if (form_key(name) != NULL) {
        report(reader, NULL, form_key(name)); /* unquoted: it may be a piece of a secret */
    } else if (reader->section == NULL) {
        report(reader, NULL, "stands before the first [section]");
    } else {
        reader->key = memory_text(name);
        reader->key_line = reader->line;
        buffer_append_text(&reader->value, value);
    }
    return 1;
}

static void parse(struct reader *reader)
{
    /* Debian's libinih takes its options at run time; its defaults cut lines at 200 bytes, and
     * values at " ;", which would spoil a password. */
    ini_use_stack = false;
    ini_allow_realloc = false;
    ini_initial_alloc = LINE_SIZE;
    ini_max_line = LINE_SIZE;
    ini_allow_inline_comments = false;
    ini_allow_multiline = true;
    if (ini_parse_stream(next_line, reader, take_value, reader) < 0)
        report(reader, NULL, "cannot be parsed: out of memory");
    hand_on(reader);
}

/* The whole file is UTF-8; else the first line that is not is reported. */
static bool check_encoding(struct reader *reader, const char *text)
{
    reader->line = 1;
    for (bool last = false; !last; reader->line++) {
        size_t length = line_length(reader, text);
        if (!utf8_valid(text, length)) {
            report(reader, NULL, "is not UTF-8 text");
            return false;
        }
        last = text[length] == '\0';
        text += length + 1;
    }
    reader->line = 0;
    return true;
}

void source_text(struct load *load, const char *path, const char *content)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    struct reader reader = {.load = load,
                            .path = path,
                            .end = content + strlen(content),
                            .value = buffer_new(LOAD_MAX_VALUE)};
    if (check_encoding(&reader, content)) {
        reader.next = content;
        if (strncmp(reader.next, byte_order_mark, sizeof byte_order_mark - 1) == 0)
            reader.next += sizeof byte_order_mark - 1;
        parse(&reader);
    }
    buffer_free(&reader.value);
    free(reader.section);
    free(reader.key);
}

void source_file(struct load *load, const char *path, bool required)
{
    struct setting nowhere = {.source = SOURCE_DEFAULT};
    struct error error;
    if (!required && access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return;
    char *content = file_read(path, SOURCE_FILE_MAX, &error);
    if (content == NULL)
        load_problem(load, &nowhere, "%s", error.message);
    else
        source_text(load, path, content);
    free(content);
}
