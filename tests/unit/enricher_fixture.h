/* What tests of the enricher share: a selection of models, and a cache that ends with the process.
 */
#ifndef TESTS_UNIT_ENRICHER_FIXTURE_H
#define TESTS_UNIT_ENRICHER_FIXTURE_H

#include "tests/unit/unit.h"

#include "bridge/base/buffer.h"
#include "bridge/config/config.h"
#include "bridge/enricher/cache.h"
#include "bridge/propexo/selection.h"

/* `models` as "bridge.models=units,leases". The caller frees the selection and the configuration.
 */
UNUSED static struct selection *open_selection(struct config *config, const char *models)
{
    static char *const environment[] = {NULL};
    const char *const sets[] = {models};
    struct buffer problems = buffer_new(1 << 16);
    struct error error;
    if (!config_load(config, "/dev/null", environment, sets, 1, CONFIG_NEED_NOTHING, &problems))
        fail_msg("%s", buffer_text(&problems));
    buffer_free(&problems);
    struct selection *selection = selection_new(config, &error);
    assert_non_null(selection);
    return selection;
}

UNUSED static struct cache *open_cache(void)
{
    struct config config = {0};
    struct error error;
    config.topics.prefix = (char[]){"p"};
    config.enricher.group = (char[]){"g"};
    config.enricher.cache_dir = (char[]){""};
    struct cache *cache = cache_open(&config, "cluster", &error);
    assert_non_null(cache);
    return cache;
}

#endif
