/*
 * The planner with many waiting records: memory a record (with its event and what it announces) and
 * the time of one plan, for few large groups and for many small ones. Targets: 200,000 records in
 * under 64 MiB, a plan in under 50 us. One line of JSON a case; exit 1 when a target is missed.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/enricher/breakers.h"
#include "bridge/enricher/pending.h"
#include "bridge/enricher/planner.h"

#define RECORDS     200000
#define MODELS      20
#define MEMORY_MOST ((size_t)64 << 20)
#define PLAN_US     50.0
#define IN_FLIGHT   16

static int64_t now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* Every third one came by itself: those that are left do not lie side by side. */
static void make_holes(struct planner *planner, const struct pending *pending)
{
    const struct table_slot *slot;
    size_t cursor = 0;
    int count = 0;
    while ((slot = table_next(&pending->records, &cursor)) != NULL) {
        if (count++ % 3 == 0)
            planner_remove(planner, slot->value);
    }
}

static void fill(struct planner *planner, struct pending *pending, int integrations, bool low)
{
    for (int i = 0; i < RECORDS; i++) {
        char id[32];
        char integration[32];
        bool created = false;
        (void)snprintf(id, sizeof id, "clv%022d", i);
        (void)snprintf(integration, sizeof integration, "cli%022d", i % integrations);
        struct record *record =
            pending_record(pending, i / integrations % MODELS, false, id, &created);
        record->integration_id = pending_integration(pending, integration);
        claim_add(&record->now, (struct event_ref){i % 600, i}, 1000);
        changes_put(&record->now.changes, (struct change){"last_seen", 1});
        record->now.tells_more = !low;
        planner_add(planner, record, 1000);
    }
}

/* Plans, each page bringing nobody: the longest way through. Returns microseconds a plan. */
static double plan_all(struct planner *planner, int *plans)
{
    const struct planner_budget budget = {.idle = true, .latency_ms = 2000};
    struct page_seen seen = {.rows = 250, .total = 1000000, .more = true, .past = true};
    int64_t began = now_ns();
    for (*plans = 0; *plans < 2000; (*plans)++) {
        struct plan plan = planner_next(planner, &budget, 10, 5000 + *plans);
        if (plan.kind == PLAN_PAGE)
            planner_page_done(planner, &plan.page, &seen, 5000 + *plans);
    }
    return (double)(now_ns() - began) / 1000.0 / *plans;
}

static bool may(void *breakers, const char *integration_id, int place, int64_t now_ms)
{
    return place >= 0 || breakers_may(breakers, integration_id, now_ms);
}

/* As many requests of other integrations under way as there usually are. */
static struct breakers *fill_breakers(struct random *random)
{
    const struct breakers_rules rules = {
        .threshold = 20, .max_concurrency = IN_FLIGHT, .timeout_ms = 30000};
    struct breakers *breakers = breakers_new(&rules, random);
    for (int i = 0; i < IN_FLIGHT; i++) {
        char integration[32];
        (void)snprintf(integration, sizeof integration, "clj%022d", i);
        struct circuit *circuit = breakers_started(breakers, integration, NULL, 1000);
        (void)circuit; /* they are not answered */
    }
    return breakers;
}

static bool measure(int integrations, bool low)
{
    struct random random = random_from_seed(1);
    struct breakers *breakers = fill_breakers(&random);
    const struct planner_rules rules = {
        .max_delay_ms = 2000, .low_max_delay_ms = 900000, .may = may, .context = breakers};
    struct pending pending = PENDING_EMPTY;
    int plans = 0;
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct planner *planner = planner_new(MODELS, &rules);
    for (int place = 0; place < MODELS; place++)
        planner_allow_pages(planner, place, true);
    fill(planner, &pending, integrations, low);
    size_t bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    make_holes(planner, &pending);
    double us = plan_all(planner, &plans);
    bool good = bytes < MEMORY_MOST && us < PLAN_US;
    printf("{\"bench\": \"planner\", \"records\": %d, \"integrations\": %d, \"lane\": \"%s\", "
           "\"mib\": %.1f, \"bytes_a_record\": %zu, \"us_a_plan\": %.2f, \"ok\": %s}\n",
           RECORDS, integrations, low ? "low" : "live", (double)bytes / 1048576, bytes / RECORDS,
           us, good ? "true" : "false");
    planner_free(planner);
    breakers_free(breakers);
    pending_clear(&pending);
    return good;
}

int main(void)
{
    bool good = true;
    static const int integrations[] = {1, 100, 2000};
    for (size_t i = 0; i < sizeof integrations / sizeof *integrations; i++) {
        good &= measure(integrations[i], false);
        good &= measure(integrations[i], true);
    }
    return good ? 0 : 1;
}
