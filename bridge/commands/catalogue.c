#include "bridge/commands/catalogue.h"

#include <string.h>

#include "bridge/commands/backfill.h"
#include "bridge/commands/check.h"
#include "bridge/commands/config.h"
#include "bridge/commands/erase.h"
#include "bridge/commands/here.h"
#include "bridge/commands/recover.h"
#include "bridge/commands/replay.h"
#include "bridge/commands/schemas.h"
#include "bridge/commands/service.h"
#include "bridge/commands/topics.h"
#include "bridge/commands/verify.h"
#include "bridge/commands/webhooks.h"

static int run(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_service(config, SERVICE_RECEIVER | SERVICE_ENRICHER);
}

static int receive(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_service(config, SERVICE_RECEIVER);
}

static int enrich(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_service(config, SERVICE_ENRICHER);
}

static int topics(const struct config *config, const struct arguments *arguments)
{
    return command_topics(config, strcmp(arguments->word, "apply") == 0);
}

static int schemas(const struct config *config, const struct arguments *arguments)
{
    enum schemas_action action = SCHEMAS_REGISTER;
    if (strcmp(arguments->word, "list") == 0)
        action = SCHEMAS_LIST;
    else if (strcmp(arguments->word, "check") == 0)
        action = SCHEMAS_CHECK;
    return command_schemas(config, action);
}

static int print_config(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_config(config);
}

static int check(const struct config *config, const struct arguments *arguments)
{
    (void)arguments;
    return command_check(config);
}

static int drain(const struct config *config, const struct arguments *arguments)
{
    return command_drain(config, arguments->wait);
}

static int health(const struct config *config, const struct arguments *arguments)
{
    return command_health(config, strcmp(arguments->word, "ready") == 0);
}

const struct command commands[] = {
    {{"run", NULL, 0},
     "receive webhooks and enrich them, in one process",
     "The first SIGTERM or SIGINT drains: answers what waits, commits what is under way, gives the "
     "partitions up. A second one, or 25 seconds, leaves at once. SIGHUP reads the files of "
     "secrets and certificates again.",
     "run --config bridge.conf",
     CONFIG_NEED_RECEIVER | CONFIG_NEED_API | CONFIG_NEED_ADMIN,
     run},
    {{"receive", NULL, 0},
     "take webhooks into Kafka",
     "Needs Kafka alone. Any number of receivers may stand behind a load balancer.",
     "receive --set receiver.listen=0.0.0.0:8080",
     CONFIG_NEED_RECEIVER | CONFIG_NEED_ADMIN,
     receive},
    {{"enrich", NULL, 0},
     "turn events into snapshots",
     "Needs Kafka, the API and, for Avro, the schema registry. As many as there are partitions "
     "share the work; each needs a bridge.instance of its own that stays the same.",
     "enrich --set bridge.instance=enricher-0",
     CONFIG_NEED_API | CONFIG_NEED_ADMIN,
     enrich},
    {{"topics", "plan apply", 0},
     "show (plan) or make (apply) the topics",
     "What exists is never changed: a policy that differs is shown, for a person to decide.",
     "topics plan",
     CONFIG_NEED_NOTHING,
     topics},
    {{"schemas", "list check register", 0},
     "show, check or register the schemas at the registry",
     "check says whether this version's schemas may follow on those that are registered; register "
     "registers all of them or none.",
     "schemas check",
     CONFIG_NEED_NOTHING,
     schemas},
    {{"webhooks", "plan apply list", OPTION_URL | OPTION_JSON | OPTION_ROTATE},
     "show (plan) or make (apply) the webhooks at Propexo; list all",
     "They follow bridge.models and the configured secret. Webhooks of others are left alone.",
     "webhooks apply --url https://hooks.example.com/webhooks",
     CONFIG_NEED_API,
     command_webhooks},
    {{"backfill", NULL, OPTION_INTEGRATION | OPTION_ALL | OPTION_MODEL | OPTION_FOLLOW},
     "read all records of an integration and publish them",
     "The enrichers do it, beside the live changes; a first sync orders it by itself.",
     "backfill --integration clx1 --model leases --follow",
     CONFIG_NEED_API,
     command_backfill},
    {{"verify", NULL,
      OPTION_INTEGRATION | OPTION_MODEL | OPTION_IGNORE | OPTION_LIMIT | OPTION_REPAIR |
          OPTION_JSON},
     "compare the snapshots with the API, and order what differs again",
     "Reads whole lists of the API, so it costs a request for each 250 records. Exit code 1 when "
     "something differs.",
     "verify --model residents --ignore last_seen --repair",
     CONFIG_NEED_API,
     command_verify},
    {{"recover", NULL, OPTION_INTEGRATION | OPTION_SINCE | OPTION_DRY_RUN},
     "produce the changes again whose webhooks were lost",
     "Reads the API's own record of changes since then, and writes them as events.",
     "recover --since 6h --dry-run",
     CONFIG_NEED_API,
     command_recover},
    {{"replay", NULL,
      OPTION_CODE | OPTION_MODEL | OPTION_SINCE | OPTION_LIMIT | OPTION_DRY_RUN | OPTION_JSON},
     "send dead letters back to where they came from",
     "Each goes back once, also when this is interrupted and begun again.",
     "replay --code forbidden --since 2d",
     CONFIG_NEED_NOTHING,
     command_replay},
    {{"erase", NULL, OPTION_MODEL | OPTION_RECORD | OPTION_LIFT},
     "delete a record from the topics, and keep it out",
     "Answers a request for erasure: a tombstone, state and caches deleted, and no copy of it from "
     "then on. What stays where, and for how long, is in the README.",
     "erase --model residents --record clx2",
     CONFIG_NEED_NOTHING,
     command_erase},
    {{"config", NULL, 0},
     "print the effective configuration, secrets masked",
     "With the origin of each value: the file and line, the environment, --set, or the default.",
     "config --config bridge.conf",
     CONFIG_NEED_NOTHING,
     print_config},
    {{"check", NULL, 0},
     "connect to Kafka, the registry and the API and say what is wrong",
     "Changes nothing.",
     "check --config bridge.conf",
     CONFIG_NEED_API,
     check},
    {{"drain", NULL, OPTION_WAIT},
     "wait until the receiver here has sent its spool to Kafka",
     "Asks at admin.listen, and changes nothing: for what runs before a receiver is ended. Exit "
     "code 75 when the spool is not empty within --wait (60) seconds.",
     "drain --wait 30",
     CONFIG_NEED_NOTHING,
     drain},
    {{"health", "live ready", 0},
     "ask whether the service here lives, or is ready",
     "Prints what /healthz or /readyz says at admin.listen. Exit code 1 when it is not well, 69 "
     "when nobody answers: for the health check of a container.",
     "health live",
     CONFIG_NEED_NOTHING,
     health},
};
const size_t command_count = ARRAY_LENGTH(commands);

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].syntax.name, name) == 0)
            return &commands[i];
    return NULL;
}
