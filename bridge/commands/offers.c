#include "bridge/commands/offers.h"

#include "bridge/codec/json_parse.h"
#include "bridge/commands/replay.h"

static bool offer_replay(void *context, const cJSON *asked, const atomic_bool *cancel,
                         struct buffer *answer, struct error *error)
{
    const struct offers *offers = context;
    struct replay_wish wish = {
        .code = json_member_text(asked, "code"),
        .model = json_member_text(asked, "model"),
        .dry_run = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(asked, "dry_run"))};
    return replay_wished(offers->config, &wish, cancel, answer, error);
}

void offers_open(struct offers *offers, struct admin *admin, const char *parts)
{
    static const struct admin_offer all[] = {
        {"/console/letters", "GET", false, offer_letters},
        {"/console/replay", "POST", true, offer_replay},
        {"/console/record", "POST", true, offer_record}, /* the last: admin.records */
    };
    size_t count = ARRAY_LENGTH(all) - !offers->config->admin.records;
    admin_offer(admin, parts, all, count, offers);
}
