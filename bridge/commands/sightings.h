/*
 * What was seen of the records of one model, on its snapshots topic and in the API: a digest of
 * each side, not the record itself. On disk, in a folder of its own that is deleted at once, so
 * memory does not grow with the records. One thread.
 */
#ifndef BRIDGE_COMMANDS_SIGHTINGS_H
#define BRIDGE_COMMANDS_SIGHTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/propexo/webhook.h"

struct sightings;

/* Digests are those of codec/comparison.h, or one of these. */
#define SIGHTING_NOTHING    0 /* no record there */
#define SIGHTING_UNREADABLE 1 /* something that is no snapshot of this model */

/* What both sides show. */
struct standing {
    uint64_t topic;
    uint64_t api;
};

struct sighting {
    struct standing standing;
    int64_t offset; /* of the snapshot, in `partition` */
    int32_t partition;
    uint32_t round; /* the last reading of the list that met it; 0 = none */
    bool early;     /* on the topic before the list was read */
    bool in_scope;  /* its snapshot is of the integration asked for */
    char id[WEBHOOK_ID_MAXIMUM + 1];
    char integration_id[WEBHOOK_ID_MAXIMUM + 1]; /* "" = not known */
};

/* Copies an id into a sighting; one that is NULL or too long leaves it as it is. */
void sighting_name(char target[WEBHOOK_ID_MAXIMUM + 1], const char *id);

/* VERDICT_CONFIGURATION when the temporary folder cannot be written. */
struct sightings *sightings_open(struct error *error) MUST_CHECK;
void sightings_close(struct sightings *sightings); /* NULL is allowed */

/* False when the disk has failed: nothing that was read counts. */
bool sightings_work(const struct sightings *sightings, struct error *error) MUST_CHECK;

/* Fills `sighting`, with a new one when there is none of this id; then false. The id must not be
 * longer than WEBHOOK_ID_MAXIMUM. */
bool sightings_get(struct sightings *sightings, const char *id, struct sighting *sighting);
void sightings_put(struct sightings *sightings, const struct sighting *sighting);

/* Where a walk over them stands; `{0}` to begin with. What is put meanwhile may be met or not. */
struct sightings_cursor {
    char key[WEBHOOK_ID_MAXIMUM];
    size_t length;
};

bool sightings_next(struct sightings *sightings, struct sightings_cursor *cursor,
                    struct sighting *sighting) MUST_CHECK;

/* Records whose sides differ, with what they showed when that was seen last. */
bool suspects_get(struct sightings *sightings, const char *id,
                  struct standing *standing) MUST_CHECK;
void suspects_put(struct sightings *sightings, const char *id, struct standing standing);
void suspects_remove(struct sightings *sightings, const char *id);
int64_t suspects_count(const struct sightings *sightings);

/* Fills in the suspect's sighting. The one at hand may be removed. */
bool suspects_next(struct sightings *sightings, struct sightings_cursor *cursor,
                   struct sighting *sighting) MUST_CHECK;

#endif
