/*
 * Whether two snapshots of a record say the same, whichever version of the schema each was written
 * with. Pure; any thread.
 *
 * Both are brought into one form first: the record as the API would tell it. What stands in
 * unmapped_fields goes back to where it came from, so a field that one version of the schema knows
 * and another does not is compared by its value; free-form objects are compared as values, not as
 * texts; null, absent and an unmapped null are the same, since a newer schema shows older records
 * so. Times are milliseconds, whole numbers of any length are compared by their digits.
 */
#ifndef BRIDGE_CODEC_COMPARISON_H
#define BRIDGE_CODEC_COMPARISON_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/codec/schema.h"

struct comparison;

/* For snapshots of this schema, or of earlier and later versions of it. NULL with VERDICT_FATAL
 * when it is not of the kind that schemas/generate.py writes. */
struct comparison *comparison_new(const struct schema *schema, struct error *error) MUST_CHECK;
void comparison_free(struct comparison *comparison); /* NULL is allowed */

/* Leaves a field out of what is compared from now on: a name, or names with dots between them for a
 * part of a free-form object or of a list's items. Borrows `path`. */
void comparison_ignore(struct comparison *comparison, const char *path);

/* Brings a snapshot as JSON text (encoder_json's or avro_input_json's) into that form. NULL when it
 * is not a JSON object; the caller deletes the tree. */
cJSON *comparison_read(const struct comparison *comparison, const char *text,
                       size_t length) MUST_CHECK;

/* Equal for equal records. Above COMPARISON_HASHES, so that smaller numbers may mean other things.
 */
#define COMPARISON_HASHES 16
uint64_t comparison_hash(const cJSON *read);

/* Called with the name of a field. */
typedef void comparison_field(void *context, const char *name);

/* Names each of the record's own fields that differs, once; of a list or an object the field that
 * holds it. */
void comparison_differ(const cJSON *one, const cJSON *other, comparison_field *each, void *context);

#endif
