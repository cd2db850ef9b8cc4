#include "bridge/config/value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/address.h"
#include "bridge/base/memory.h"
#include "bridge/config/form.h"
#include "bridge/config/list.h"
#include "bridge/config/text.h"

static const struct {
    const char *name;
    int64_t bytes;
} sizes[] = {{"GiB", INT64_C(1) << 30}, {"MiB", INT64_C(1) << 20}, {"KiB", INT64_C(1) << 10}};

/* "VALUE problem; RANGE UNIT expected". */
static bool refuse(const struct config_key *key, const char *value, const char *problem,
                   struct error *error)
{
    char quoted[TEXT_QUOTED_SIZE];
    struct buffer range = buffer_new(ERROR_MESSAGE_SIZE);
    value_write_range(key, &range);
    if (key->type == TYPE_INTEGER)
        buffer_append_format(&range, " %s", key->unit);
    error_set(error, VERDICT_CONFIGURATION, "%s%s%s; %s expected",
              value == NULL ? "" : text_quote(value, quoted), value == NULL ? "" : " ", problem,
              buffer_text(&range));
    buffer_free(&range);
    return false;
}

static void put_text(void *field, char *text)
{
    char **place = field;
    free(*place);
    *place = text;
}

/* The number at the start of `text`; *end = what follows it. */
static bool read_number(const char *text, int64_t *number, char **end)
{
    if (!isdigit((unsigned char)text[text[0] == '-' ? 1 : 0]))
        return false;
    errno = 0;
    long long parsed = strtoll(text, end, 10);
    *number = parsed;
    return errno == 0;
}

static bool put_number(const struct config_key *key, const char *text, int64_t number, void *field,
                       struct error *error)
{
    if (number < key->least || number > key->most)
        return refuse(key, text, "is out of range", error);
    int64_t *place = field;
    *place = number;
    return true;
}

static bool parse_integer(const struct config_key *key, const char *text, void *field,
                          struct error *error)
{
    int64_t number;
    char *end;
    if (!read_number(text, &number, &end) || *end != '\0')
        return refuse(key, text, "is not a number", error);
    return put_number(key, text, number, field, error);
}

static bool parse_size(const struct config_key *key, const char *text, void *field,
                       struct error *error)
{
    int64_t number;
    char *end;
    if (!read_number(text, &number, &end))
        return refuse(key, text, "is not a size", error);
    end += strspn(end, " ");
    int64_t unit = *end == '\0' ? 1 : 0;
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
        if (strcmp(end, sizes[i].name) == 0)
            unit = sizes[i].bytes;
    if (unit == 0)
        return refuse(key, text, "is not a size in bytes, KiB, MiB or GiB", error);
    if (__builtin_mul_overflow(number, unit, &number))
        return refuse(key, text, "is out of range", error);
    return put_number(key, text, number, field, error);
}

static bool parse_bool(const struct config_key *key, const char *text, void *field,
                       struct error *error)
{
    bool *place = field;
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return refuse(key, text, "is neither", error);
    *place = yes;
    return true;
}

/* The place of a name among the choices, or -1. */
static int find_choice(const struct config_key *key, const char *name)
{
    for (int i = 0; key->choices[i] != NULL; i++)
        if (strcmp(name, key->choices[i]) == 0)
            return i;
    return -1;
}

static bool parse_choice(const struct config_key *key, const char *text, void *field,
                         struct error *error)
{
    int place = find_choice(key, text);
    if (place < 0)
        return refuse(key, text, "is none of them", error);
    *(int *)field = place;
    return true;
}

static bool parse_choices(const struct config_key *key, const char *text, void *field,
                          struct error *error)
{
    struct config_list given = {0};
    unsigned bits = 0;
    bool ok = list_split(&given, text);
    if (!ok)
        refuse(key, NULL, "has too many items", error);
    for (size_t i = 0; ok && i < given.count; i++) {
        int place = find_choice(key, given.items[i]);
        if (place < 0)
            ok = refuse(key, given.items[i], "is none of them", error);
        else
            bits |= 1U << place;
    }
    if (ok && bits == 0)
        ok = refuse(key, NULL, "has no item", error);
    list_free(&given);
    if (ok)
        *(unsigned *)field = bits;
    return ok;
}

/* Of a model's name, which ends with the text or before `end`. */
static void use_underscores(char *name, char end)
{
    for (; *name != '\0' && *name != end; name++)
        *name = *name == '-' ? '_' : *name;
}

static bool parse_models(const struct config_key *key, const char *text, void *field,
                         struct error *error)
{
    struct config_list given = {0};
    struct config_list models = {0};
    bool ok = list_split(&given, text);
    if (!ok)
        refuse(key, NULL, "has too many items", error);
    for (size_t i = 0; ok && i < given.count; i++) {
        char *name = given.items[i];
        use_underscores(name, '\0');
        bool all = strcmp(name, "*") == 0;
        if (all ? given.count > 1 : form_model(name) != NULL)
            ok = refuse(key, name, all ? "stands beside others" : form_model(name), error);
        else if (!list_has(&models, name))
            list_add(&models, memory_text(name));
    }
    if (ok && models.count == 0)
        ok = refuse(key, NULL, "has no item", error);
    if (ok) {
        struct config_list *place = field;
        list_free(place);
        *place = models;
    } else {
        list_free(&models);
    }
    list_free(&given);
    return ok;
}

/* A list of which each item is checked by itself: `check` says what is wrong with one, or NULL, and
 * may bring it into form. */
static bool parse_list(const struct config_key *key, const char *text, void *field,
                       const char *(*check)(char *item), struct error *error)
{
    struct config_list given = {0};
    bool ok = list_split(&given, text);
    if (!ok)
        refuse(key, NULL, "has too many items", error);
    for (size_t i = 0; ok && i < given.count; i++) {
        const char *problem = check(given.items[i]);
        ok = problem == NULL || refuse(key, given.items[i], problem, error);
    }
    if (!ok) {
        list_free(&given);
        return false;
    }
    list_free(field);
    *(struct config_list *)field = given;
    return true;
}

static const char *check_redaction(char *item)
{
    use_underscores(item, '.');
    return form_redaction(item);
}

static const char *check_network(char *item)
{
    struct network network;
    return network_read(item, &network) ? NULL : "is none, or has bits behind the network's";
}

static bool parse_brokers(const struct config_key *key, const char *text, void *field,
                          struct error *error)
{
    struct config_list brokers = {0};
    struct buffer joined = buffer_new(SIZE_MAX);
    bool ok = list_split(&brokers, text);
    if (!ok)
        refuse(key, NULL, "has too many brokers", error);
    else if (brokers.count == 0)
        ok = refuse(key, NULL, "has no broker", error);
    for (size_t i = 0; ok && i < brokers.count; i++) {
        const char *broker = brokers.items[i];
        const char *problem = form_broker(broker);
        if (brokers.count > 1 && strcmp(broker, "embedded") == 0)
            problem = "stands beside others";
        if (problem != NULL)
            ok = refuse(key, broker, problem, error);
        buffer_append_text(&joined, i == 0 ? "" : ",");
        buffer_append_text(&joined, broker);
    }
    if (ok)
        put_text(field, buffer_take(&joined));
    buffer_free(&joined);
    list_free(&brokers);
    return ok;
}

static bool parse_url(const struct config_key *key, const char *text, void *field,
                      struct error *error)
{
    const char *problem = form_url(text);
    if (problem != NULL)
        return refuse(key, strchr(text, '@') == NULL ? text : NULL, problem, error);
    size_t length = strlen(text);
    while (text[length - 1] == '/')
        length--;
    put_text(field, memory_text_n(text, length));
    return true;
}

static bool parse_text(const struct config_key *key, const char *text, void *field,
                       struct error *error)
{
    const char *problem = NULL;
    size_t length = strlen(text);
    if (key->type == TYPE_NAME)
        problem = form_name(text);
    else if (key->type == TYPE_ADDRESS)
        problem = form_address(text);
    if (problem == NULL && key->most > 0 &&
        (length < (size_t)key->least || length > (size_t)key->most))
        problem = "is too long or too short";
    if (problem != NULL)
        return refuse(key, text, problem, error);
    put_text(field, memory_text(text));
    return true;
}

/* An empty text where the default is empty: unset. */
static void unset(const struct config_key *key, void *field)
{
    if (key->type == TYPE_CHOICE)
        *(int *)field = 0;
    else if (key->type == TYPE_NETWORKS || key->type == TYPE_FIELDS)
        list_free(field);
    else if (key->type != TYPE_SECRET && key->type != TYPE_SECRET_FILE)
        put_text(field, memory_text(""));
}

static bool parse_typed(const struct config_key *key, const char *text, void *field,
                        struct error *error)
{
    switch (key->type) {
    case TYPE_BOOL:
        return parse_bool(key, text, field, error);
    case TYPE_INTEGER:
        return parse_integer(key, text, field, error);
    case TYPE_SIZE:
        return parse_size(key, text, field, error);
    case TYPE_CHOICE:
        return parse_choice(key, text, field, error);
    case TYPE_CHOICES:
        return parse_choices(key, text, field, error);
    case TYPE_NETWORKS:
        return parse_list(key, text, field, check_network, error);
    case TYPE_FIELDS:
        return parse_list(key, text, field, check_redaction, error);
    case TYPE_MODELS:
        return parse_models(key, text, field, error);
    case TYPE_BROKERS:
        return parse_brokers(key, text, field, error);
    case TYPE_URL:
        return parse_url(key, text, field, error);
    case TYPE_SECRET:
    case TYPE_SECRET_FILE:
        return true;
    case TYPE_TEXT:
    case TYPE_NAME:
    case TYPE_ADDRESS:
    case TYPE_FILE:
    case TYPE_DIRECTORY:
        break;
    }
    return parse_text(key, text, field, error);
}

bool value_parse(const struct config_key *key, const char *text, void *field, struct error *error)
{
    bool list = key->type == TYPE_MODELS || key->type == TYPE_FIELDS || key->type == TYPE_BROKERS ||
                key->type == TYPE_CHOICES;
    if (text[0] == '\0' && key->initial[0] == '\0') {
        unset(key, field);
        return true;
    }
    if (text[0] == '\0')
        return refuse(key, NULL, "is empty", error);
    if (key->type == TYPE_SECRET)
        return value_check_secret(key, text, error);
    if (!list && strchr(text, '\n') != NULL)
        return error_set(error, VERDICT_CONFIGURATION,
                         "goes on in the next line, which is indented; only lists may, and a key "
                         "of its own begins at the line's start");
    if (!list && text_has_control(text))
        return refuse(key, text, "has a control character", error);
    return parse_typed(key, text, field, error);
}

void value_free(const struct config_key *key, void *field)
{
    switch (key->type) {
    case TYPE_BOOL:
    case TYPE_INTEGER:
    case TYPE_SIZE:
    case TYPE_CHOICE:
    case TYPE_CHOICES:
    case TYPE_SECRET_FILE:
        return;
    case TYPE_NETWORKS:
    case TYPE_FIELDS:
    case TYPE_MODELS:
        list_free(field);
        return;
    case TYPE_SECRET:
        if (key->many) {
            list_free(field);
            return;
        }
        break;
    case TYPE_BROKERS:
    case TYPE_URL:
    case TYPE_TEXT:
    case TYPE_NAME:
    case TYPE_ADDRESS:
    case TYPE_FILE:
    case TYPE_DIRECTORY:
        break;
    }
    put_text(field, NULL);
}

static void write_size(int64_t bytes, struct buffer *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        if (bytes > 0 && bytes % sizes[i].bytes == 0) {
            buffer_append_format(out, "%" PRId64 " %s", bytes / sizes[i].bytes, sizes[i].name);
            return;
        }
    }
    buffer_append_format(out, "%" PRId64, bytes);
}

static void write_brokers(const char *brokers, size_t column, struct buffer *out)
{
    struct config_list list = {0};
    if (list_split(&list, brokers)) /* it was at most LIST_MAX_ITEMS when it was parsed */
        list_write(&list, column, out);
    list_free(&list);
}

static void write_chosen(const struct config_key *key, unsigned bits, struct buffer *out)
{
    const char *between = "";
    for (unsigned i = 0; key->choices[i] != NULL; i++) {
        if ((bits & 1U << i) == 0)
            continue;
        buffer_append_format(out, "%s%s", between, key->choices[i]);
        between = ", ";
    }
}

void value_write(const struct config_key *key, const void *field, size_t column, struct buffer *out)
{
    switch (key->type) {
    case TYPE_BOOL:
        buffer_append_text(out, *(const bool *)field ? "true" : "false");
        return;
    case TYPE_INTEGER:
        buffer_append_format(out, "%" PRId64, *(const int64_t *)field);
        return;
    case TYPE_SIZE:
        write_size(*(const int64_t *)field, out);
        return;
    case TYPE_CHOICE:
        buffer_append_text(out, key->choices[*(const int *)field]);
        return;
    case TYPE_CHOICES:
        write_chosen(key, *(const unsigned *)field, out);
        return;
    case TYPE_NETWORKS:
    case TYPE_FIELDS:
    case TYPE_MODELS:
        list_write(field, column, out);
        return;
    case TYPE_BROKERS:
        write_brokers(*(char *const *)field, column, out);
        return;
    case TYPE_SECRET:
    case TYPE_SECRET_FILE:
        return;
    case TYPE_URL:
    case TYPE_TEXT:
    case TYPE_NAME:
    case TYPE_ADDRESS:
    case TYPE_FILE:
    case TYPE_DIRECTORY:
        break;
    }
    buffer_append_text(out, *(char *const *)field);
}

static void write_choices(const char *const *choices, struct buffer *out)
{
    for (size_t i = 0; choices[i] != NULL; i++)
        buffer_append_format(out, "%s%s", i == 0 ? "" : ", ", choices[i]);
}

void value_write_range(const struct config_key *key, struct buffer *out)
{
    static const char *const forms[] = {
        [TYPE_TEXT] = "text",
        [TYPE_NAME] = "letters, digits, `.`, `_`, `-`",
        [TYPE_SECRET] = "text",
        [TYPE_SECRET_FILE] = "path of a file",
        [TYPE_BOOL] = "true, false",
        [TYPE_NETWORKS] = "IP addresses and networks",
        [TYPE_FIELDS] = "model.field, with :drop or :hash",
        [TYPE_MODELS] = "model names, or `*` for all",
        [TYPE_BROKERS] = "host:port, ..., or embedded",
        [TYPE_ADDRESS] = "host:port",
        [TYPE_URL] = "http or https URL",
        [TYPE_FILE] = "path of a file",
        [TYPE_DIRECTORY] = "path of a directory",
    };
    if (key->type == TYPE_INTEGER) {
        buffer_append_format(out, "%" PRId64 " to %" PRId64, key->least, key->most);
    } else if (key->type == TYPE_SIZE) {
        write_size(key->least, out);
        buffer_append_text(out, " to ");
        write_size(key->most, out);
    } else if (key->type == TYPE_CHOICE || key->type == TYPE_CHOICES) {
        write_choices(key->choices, out);
    } else {
        buffer_append_text(out, key->owned && key->type == TYPE_SECRET ? "id and text"
                                                                       : forms[key->type]);
    }
    if ((key->type == TYPE_TEXT || key->type == TYPE_NAME) && key->most > 0)
        buffer_append_format(out, ", at most %" PRId64 " bytes", key->most);
    if (key->type == TYPE_SECRET && key->least > 1)
        buffer_append_format(out, ", at least %" PRId64 " bytes", key->least);
}

bool value_check_secret(const struct config_key *key, const char *text, struct error *error)
{
    const char *secret = text;
    if (strcmp(text, VALUE_MASK) == 0)
        return error_set(error, VERDICT_CONFIGURATION,
                         "is the mask that `config` shows, not the secret");
    if (key->owned) {
        size_t length = strcspn(text, " ");
        secret = text + length + strspn(text + length, " ");
        if (length == 0 || *secret == '\0')
            return error_set(error, VERDICT_CONFIGURATION,
                             "is not an integration's id, a space and its secret");
    }
    if (strlen(secret) < (size_t)key->least)
        return error_set(error, VERDICT_CONFIGURATION,
                         "is too short; at least %" PRId64 " bytes expected", key->least);
    if (text_has_control(text))
        return error_set(error, VERDICT_CONFIGURATION,
                         "has a control character or a line's end in it");
    return true;
}
