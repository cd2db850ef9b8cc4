#include "bridge/codec/schema.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *name, const void *entry)
{
    return strcmp(name, ((const struct schema_text *)entry)->model);
}

const struct schema_text *schema_find(const char *model)
{
    return bsearch(model, schema_texts, schema_text_count, sizeof schema_texts[0], compare);
}
