/*
 * The table of configuration keys. Everything that must know a key (parsing, validation, printing,
 * documentation, the names of environment variables) walks it; a new key is a new row and a new
 * field of struct config. Constant; any thread.
 */
#ifndef BRIDGE_CONFIG_KEYS_H
#define BRIDGE_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"

/* What a value is, and the type of its field in struct config. */
enum config_type {
    TYPE_TEXT,        /* char *: `least` to `most` bytes of one line */
    TYPE_NAME,        /* char *: as TYPE_TEXT, but A-Z a-z 0-9 . _ - alone (Kafka's topic names) */
    TYPE_SECRET,      /* char *, at least `least` bytes; the next row is its TYPE_SECRET_FILE */
    TYPE_SECRET_FILE, /* no field of its own: a path, whose content becomes the secret */
    TYPE_BOOL,        /* bool */
    TYPE_INTEGER,     /* int64_t: `least` to `most` */
    TYPE_SIZE,        /* int64_t bytes: `least` to `most`; may be written with KiB, MiB or GiB */
    TYPE_CHOICE,      /* int: the place among `choices` */
    TYPE_CHOICES,     /* unsigned: a bit for each of `choices` that is in the list */
    TYPE_NETWORKS,    /* struct config_list: IP addresses and networks, 10.0.0.0/8 */
    TYPE_MODELS,      /* struct config_list: model names, or one `*` */
    TYPE_FIELDS,      /* struct config_list: model.field[:drop|hash] */
    TYPE_BROKERS,     /* char *: `embedded`, or host:port,... without spaces */
    TYPE_ADDRESS,     /* char *: host:port or [IPv6]:port */
    TYPE_URL,         /* char *: http or https, without a slash at the end */
    TYPE_FILE,        /* char *: path of a readable file */
    TYPE_DIRECTORY,   /* char *: path of a directory */
};

struct config_key {
    const char *section;
    const char *name;
    enum config_type type;
    const char *initial;      /* the default, as a person would write it; "" = unset */
    const char *default_note; /* NULL, or what stands in the documentation instead of `initial` */
    int64_t least;
    int64_t most;
    const char *unit;           /* NULL where there is none */
    const char *const *choices; /* of TYPE_CHOICE and TYPE_CHOICES; ends with NULL */
    bool many;                  /* TYPE_SECRET: the field is a struct config_list */
    bool owned;       /* TYPE_SECRET: before the secret stands the integration that has it */
    const char *help; /* one sentence */
    size_t offset;    /* of the field in struct config */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* The row, or NULL. */
const struct config_key *key_find(const char *section, const char *name);

bool key_section_exists(const char *section);

/* A secret must not be shown. */
bool key_is_secret(const struct config_key *key);

#define KEY_ENVIRONMENT_PREFIX "BRIDGE_"
#define KEY_ENVIRONMENT_SIZE   64

/* The environment variable that sets the key: BRIDGE_RECEIVER_MAX_BODY. Returns `name`. */
const char *key_environment(const struct config_key *key, char name[KEY_ENVIRONMENT_SIZE]);

/* The key's field in `config`. */
void *key_field(const struct config_key *key, void *config);

/* For "did you mean": the nearest key of the section (or the same name in another one),
 * the nearest section, the nearest variable (`name` begins with KEY_ENVIRONMENT_PREFIX). NULL when
 * nothing is near. */
const struct config_key *key_nearest(const char *section, const char *name);
const char *key_nearest_section(const char *section);
const struct config_key *key_nearest_environment(const char *name);

#endif
