#include "bridge/codec/schema.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/codec/embedded.h"

size_t schema_count(void)
{
    return embedded_schema_count;
}

const struct schema *schema_at(size_t index)
{
    return &embedded_schemas[index];
}

static int compare_model(const void *model, const void *schema)
{
    return strcmp(model, ((const struct schema *)schema)->model);
}

const struct schema *schema_find(const char *model)
{
    return bsearch(model, embedded_schemas, embedded_schema_count, sizeof embedded_schemas[0],
                   compare_model);
}
