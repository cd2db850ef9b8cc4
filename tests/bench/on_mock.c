/*
 * The bridge for librdkafka's mock cluster in another process, which answers no question about
 * topics' policies: at the start that one check is passed over, by the linker's --wrap. Everything
 * else is the bridge's own objects.
 */
#include "bridge/kafka/topic_admin.h"

bool __wrap_topic_admin_compare(struct topic_admin *admin, struct topic_plan *plans, size_t count,
                                struct error *error);

bool __wrap_topic_admin_compare(struct topic_admin *admin, struct topic_plan *plans, size_t count,
                                struct error *error)
{
    (void)admin;
    (void)plans;
    (void)count;
    (void)error;
    return true;
}
