#include "bridge/codec/json_hash.h"

#include <stddef.h>
#include <string.h>

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return hash;
}

uint64_t json_hash(const cJSON *value)
{
    if (value == NULL)
        return 1;
    uint64_t hash = 0xcbf29ce484222325u + (uint64_t)(value->type & 0xff);
    if (cJSON_IsString(value))
        hash = mix(hash, value->valuestring, strlen(value->valuestring));
    else if (cJSON_IsNumber(value))
        hash = mix(hash, &value->valuedouble, sizeof value->valuedouble);
    for (const cJSON *item = value->child; item != NULL; item = item->next) {
        uint64_t inner = json_hash(item);
        if (item->string != NULL)
            hash += mix(inner, item->string, strlen(item->string));
        else
            hash = mix(hash, &inner, sizeof inner);
    }
    return hash == 0 ? 1 : hash;
}
