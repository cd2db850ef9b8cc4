#ifndef SIMULATOR_WORDS_H
#define SIMULATOR_WORDS_H

#include <stdbool.h>

#include "tests/simulator/random.h"
#include "tests/simulator/text.h"

/*
 * Appends the JSON text of a string that suits a field of that name: a rule table of names, from
 * first_name to *_date. Never null. Two drawings may give the same.
 */
void words_write(struct text *text, const char *field, struct random *random);

#endif
