#include "bridge/config/properties.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/error.h"
#include "bridge/base/memory.h"
#include "bridge/config/config.h"
#include "bridge/config/form.h"
#include "bridge/config/secrets.h"
#include "bridge/config/text.h"
#include "bridge/config/value.h"

struct property {
    enum source source;
    char *origin;
    char *key; /* as set, with side and `_file` */
    char *name;
    char *value;
    bool is_file;
    int side;
};

#define ASSIGNMENT "one instance must own the same partition numbers of all events topics"
#define OFFSETS    "offsets are committed only together with the snapshots that they stand for"
#define FIRST_EVENT \
    "without a committed offset the first event is the earliest, or events are skipped"
#define DURABLE     "200 means that all in-sync replicas have the event"
#define ONE_CLUSTER "both sides speak to one cluster, which bootstrap.servers names"
#define PARTITION   "a key must go where the Java client puts it, or readers and topics disagree"

static const struct {
    const char *name;
    const char *reason;
} refused[] = {
    {"isolation.level",
     "read_committed is what makes the consumer ask for stable offsets (KIP-447)"},
    {"auto.offset.reset", FIRST_EVENT},
    {"enable.auto.commit", OFFSETS},
    {"auto.commit.enable", OFFSETS},
    {"auto.commit.interval.ms", OFFSETS},
    {"enable.auto.offset.store", OFFSETS},
    {"offset.store.method", OFFSETS},
    {"offset.store.path", OFFSETS},
    {"offset.store.sync.interval.ms", OFFSETS},
    {"partition.assignment.strategy", ASSIGNMENT},
    {"group.protocol", ASSIGNMENT},
    {"group.protocol.type", ASSIGNMENT},
    {"group.remote.assignor", ASSIGNMENT},
    {"enable.idempotence", "without it a retry could store an event twice or out of order"},
    {"acks", DURABLE},
    {"request.required.acks", DURABLE},
    {"delivery.report.only.error", "a webhook is answered by the report of its delivery"},
    {"partitioner", PARTITION},
    {"partitioner_cb", PARTITION},
    {"transactional.id",
     "it follows from bridge.instance, so that a successor fences its forerunner"},
    {"group.id", "enricher.group is the key for it"},
    {"group.instance.id", "bridge.instance is the key for it"},
    {"enable.partition.eof", "the ends of partitions are not events"},
    {"message.max.bytes", "topics.max_message is the key for it, and sets the topics as well"},
    {"allow.auto.create.topics", "topics need the right number of partitions and the right policy"},
    {"metadata.broker.list", ONE_CLUSTER},
    {"test.mock.num.brokers", "bootstrap.servers = embedded starts the broker for trying out"},
    {"enabled_events", "the program sets what it listens to"},
};

static const char *refusal(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        if (strcmp(refused[i].name, name) == 0)
            return refused[i].reason;
    return NULL;
}

bool property_is_secret(const char *name)
{
    static const char *const ends[] = {"password", "passphrase", "secret", "key.pem"};
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++)
        if (text_ends_with(name, ends[i]))
            return true;
    return strcmp(name, "sasl.oauthbearer.config") == 0;
}

char *property_from_environment(const char *rest)
{
    char *name = memory_text(rest);
    for (char *p = name; *p != '\0'; p++)
        *p = *p == '_' ? '.' : (char)tolower((unsigned char)*p);
    if (!text_ends_with(name, ".file"))
        return name;
    char *end = name + strlen(name) - strlen(".file");
    *end = '\0';
    *end = property_is_secret(name) ? '_' : '.';
    return name;
}

/* Takes side and `_file` off the key. */
static void name_parts(struct property *property)
{
    static const char producer[] = "producer.";
    static const char consumer[] = "consumer.";
    const char *name = property->key;
    property->side = PROPERTY_BOTH;
    if (strncmp(name, producer, sizeof producer - 1) == 0)
        property->side = PROPERTY_PRODUCER;
    else if (strncmp(name, consumer, sizeof consumer - 1) == 0)
        property->side = PROPERTY_CONSUMER;
    if (property->side != PROPERTY_BOTH)
        name += sizeof producer - 1;
    property->is_file = text_ends_with(name, "_file");
    property->name =
        memory_text_n(name, strlen(name) - (property->is_file ? sizeof "_file" - 1 : 0));
}

static bool check_name(const struct property *property, struct error *error)
{
    const char *name = property->name;
    const char *reason = refusal(name);
    if (strcmp(name, "bootstrap.servers") == 0)
        reason = ONE_CLUSTER;
    if (reason != NULL)
        return error_set(error, VERDICT_CONFIGURATION, "refused, because %s", reason);
    if (property->is_file && !property_is_secret(name))
        return error_set(error, VERDICT_CONFIGURATION,
                         "unknown key; only a secret can come from a file");
    if (form_key(name) != NULL)
        return error_set(error, VERDICT_CONFIGURATION,
                         "is not the name of a librdkafka property, as linger.ms is one");
    if (strchr(name, '_') != NULL && strcmp(name, "log_level") != 0)
        return error_set(error, VERDICT_CONFIGURATION,
                         "properties have names with dots, such as linger.ms; callbacks and "
                         "objects cannot be set");
    return true;
}

/* Joins the lines of `text`, trimmed, with `between`; an owned text. */
static char *join_lines(const char *text, const char *between)
{
    struct buffer joined = buffer_new(LOAD_MAX_VALUE);
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        char *line = text_trim_n(text, length);
        if (*line != '\0' && joined.length > 0)
            buffer_append_text(&joined, between);
        buffer_append_text(&joined, line);
        free(line);
        text += length + (text[length] == '\0' ? 0 : 1);
    }
    return buffer_take(&joined);
}

/* Lines may follow one another after a comma. */
static bool is_list(const char *text)
{
    for (const char *end = strchr(text, '\n'); end != NULL; end = strchr(end + 1, '\n')) {
        const char *last = end;
        while (last > text && isspace((unsigned char)last[-1]))
            last--;
        if (last == text || last[-1] != ',')
            return false;
    }
    return true;
}

static bool take_value(struct property *property, const char *text, struct error *error)
{
    bool pem = strncmp(text, "-----BEGIN ", strlen("-----BEGIN ")) == 0;
    if (!pem && !is_list(text))
        return error_set(error, VERDICT_CONFIGURATION,
                         "goes on in the next line, which is indented; only a PEM text or a list "
                         "after a comma may, and a key of its own begins at the line's start");
    if (property_is_secret(property->name) && strcmp(text, VALUE_MASK) == 0)
        return error_set(error, VERDICT_CONFIGURATION,
                         "is the mask that `config` shows, not the secret");
    property->value = join_lines(text, pem ? "\n" : "");
    for (const char *p = property->value; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t')
            return error_set(error, VERDICT_CONFIGURATION, "has a control character");
    if (text_longest_line(property->value) > LOAD_MAX_LINE)
        return error_set(error, VERDICT_CONFIGURATION, "is longer than 8000 bytes");
    return true;
}

static void property_free(struct property *property)
{
    free(property->origin);
    free(property->key);
    free(property->name);
    free(property->value);
    *property = (struct property){0};
}

static struct property *find(struct load *load, const char *key)
{
    for (size_t i = 0; i < load->property_count; i++)
        if (strcmp(load->properties[i].key, key) == 0)
            return &load->properties[i];
    return NULL;
}

void properties_set(struct load *load, const struct setting *setting)
{
    struct error error;
    struct property *old = find(load, setting->key);
    struct property property = {.source = setting->source, .key = memory_text(setting->key)};
    property.origin = memory_text(setting->origin);
    name_parts(&property);
    bool ok = false;
    if (!check_name(&property, &error) || !take_value(&property, setting->value, &error))
        load_problem(load, setting, "%s", error.message);
    else if (old != NULL && old->source == SOURCE_FILE && setting->source == SOURCE_FILE)
        load_problem(load, setting, "is set twice; first at %s", old->origin);
    else if (old == NULL && load->property_count == PROPERTIES_MAX)
        load_problem(load, setting, "is one property too many; at most %d expected",
                     PROPERTIES_MAX);
    else
        ok = true;
    if (!ok) {
        property_free(&property);
    } else if (old != NULL) {
        property_free(old);
        *old = property;
    } else {
        load->properties = memory_grow(load->properties, load->property_count + 1, sizeof property);
        load->properties[load->property_count++] = property;
    }
}

/* The same secret, given the other way. */
static struct property *twin(struct load *load, const struct property *property)
{
    for (size_t i = 0; i < load->property_count; i++) {
        struct property *other = &load->properties[i];
        if (other->side == property->side && other->is_file != property->is_file &&
            strcmp(other->name, property->name) == 0 && other->value[0] != '\0')
            return other;
    }
    return NULL;
}

static void settle_one(struct load *load, const struct property *property)
{
    struct config *config = load->config;
    struct setting where = {property->source, property->origin, PROPERTIES_SECTION, property->key,
                            ""};
    const struct property *other = twin(load, property);
    struct error error;
    if (property->is_file && property->value[0] == '\0')
        return;
    if (property->is_file && other != NULL) {
        load_problem(load, &where, "%s is set as well, at %s; one of the two must go", other->key,
                     other->origin);
        return;
    }
    if (!property->is_file && other != NULL)
        return;
    char *content =
        property->is_file ? secret_read(property->value, SECRETS_MAX_FILE, &error) : NULL;
    if (property->is_file && content == NULL) {
        load_problem(load, &where, "%s", error.message);
        return;
    }
    config->kafka.properties[config->kafka.property_count++] = (struct config_property){
        .name = memory_text(property->name),
        .value = property->is_file ? content : memory_text(property->value),
        .origin = memory_text(property->origin),
        .file = property->is_file ? memory_text(property->value) : NULL,
        .side = property->side,
    };
}

void properties_settle(struct load *load)
{
    load->config->kafka.properties =
        memory_new(load->property_count, sizeof *load->config->kafka.properties);
    for (int side = PROPERTY_BOTH; side <= PROPERTY_CONSUMER; side++)
        for (size_t i = 0; i < load->property_count; i++)
            if (load->properties[i].side == side)
                settle_one(load, &load->properties[i]);
}

void properties_free(struct load *load)
{
    for (size_t i = 0; i < load->property_count; i++)
        property_free(&load->properties[i]);
    free(load->properties);
    load->properties = NULL;
    load->property_count = 0;
}

void properties_document(struct buffer *out)
{
    buffer_append_text(out, "| refused in `[kafka]` | because |\n| --- | --- |\n");
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        buffer_append_format(out, "| `%s` | %s |\n", refused[i].name, refused[i].reason);
}
