#ifndef SIMULATOR_IDS_H
#define SIMULATOR_IDS_H

#include <stdint.h>

#include "tests/simulator/random.h"
#include "tests/simulator/text.h"

/*
 * Ids in all the forms that were seen: mostly 25 characters (cuid), some UUIDs, some longer hashes,
 * some composites that need percent-encoding in a URL. Each depends on its arguments alone, so a
 * reference can be written before the record it names exists. UTF-8 without any character that JSON
 * escapes: its JSON text is the id in quotes.
 */

/* Appends the id, without quotes, of a model's record. */
void ids_record(struct text *text, uint64_t seed, const char *model, uint64_t index);

/* Appends the id of an integration: a cuid or a UUID. */
void ids_integration(struct text *text, uint64_t seed, uint64_t integration);

/* Appends the id that a record has in the property-management system. */
void ids_outside(struct text *text, uint64_t seed, const char *model, uint64_t index);

/* Appends a cuid that was never used before. */
void ids_fresh(struct text *text, struct random *random);

#endif
