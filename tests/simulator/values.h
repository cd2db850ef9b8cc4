#ifndef SIMULATOR_VALUES_H
#define SIMULATOR_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulator/models.h"
#include "tests/simulator/random.h"
#include "tests/simulator/text.h"

/*
 * Plausible values for a model's fields, made of the field's name and type: money with and without
 * fractions, dates in several formats, names in several scripts, nulls, empty lists, nested custom
 * data.
 */

/* The world a value belongs to. Record i belongs to integration i % integrations, unless it was
 * made later. */
struct values {
    uint64_t seed;
    uint64_t records; /* of each model, at the start */
    uint64_t integrations;
};

/* The record a value belongs to. */
struct subject {
    const struct model *model;
    uint64_t index;
    uint64_t integration;
};

/*
 * Appends the JSON text of a value. Fields that identify a record (id, x_id, property_id,
 * integration_*) depend on the subject alone; created_at, updated_at and last_seen are not made
 * here. custom_data of a record is never null.
 */
void values_write(struct text *text, const struct values *values, const struct subject *subject,
                  const struct field *field, struct random *random);

/* Appends the JSON text of the vendor of an integration. */
void values_write_vendor(struct text *text, const struct values *values, uint64_t integration);

/* True for a field that any change may touch and a webhook may tell. What names a parent is not
 * among them. */
bool values_changeable(const struct field *field);

#endif
