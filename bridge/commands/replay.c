#include "bridge/commands/replay.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/commands/orders.h"
#include "bridge/commands/recover.h"
#include "bridge/commands/replay_run.h"
#include "bridge/kafka/committed.h"

#define CONNECT_MS 30000

/* The first signal ends the replay after the batch, the second aborts the batch. */
static atomic_bool stop;
static atomic_bool leave;

/* What the run borrows. */
struct command {
    const struct arguments *arguments;
    struct orders orders;
    bool *models;
    char *group;
    struct replay replay;
};

static void on_signal(int number)
{
    (void)number;
    if (atomic_exchange(&stop, true))
        atomic_store(&leave, true);
}

static void listen_to_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static bool open_partition(struct replay *replay, int number, const struct committed *committed,
                           struct error *error)
{
    struct replay_partition *partition = &replay->partitions[number];
    const char *topic = replay->ingest.topics->dead_letters;
    struct committed known = *committed;
    int64_t low = 0;
    if (!range_bounds(replay->range, topic, number, &low, &partition->end, error))
        return false;
    if (known.offset > partition->end) {
        if (!replay->quiet)
            (void)fprintf(stderr,
                          "propexo-bridge: %s [%d] ends before what was sent already: it was made "
                          "anew, and is read from its beginning\n",
                          topic, number);
        known = (struct committed){.offset = -1};
    }
    const char *reason = replay_progress_begin(&partition->progress, &known, low);
    if (reason != NULL && !replay->quiet)
        (void)fprintf(stderr,
                      "propexo-bridge: what group %s tells of %s [%d] above offset %" PRId64
                      " is ignored: %s\n",
                      replay->group, topic, number, known.offset, reason);
    partition->number = number;
    partition->begin = partition->progress.point.position;
    partition->refused = partition->careful_to = -1;
    return true;
}

/* The committed offsets are read after the producer is there: then no other replay commits any. */
static bool open_partitions(struct replay *replay, const struct kafka_context *kafka,
                            struct error *error)
{
    const char *topic = replay->ingest.topics->dead_letters;
    if (!range_partitions(replay->range, topic, &replay->count, error))
        return false;
    struct committed *committed = memory_new((size_t)replay->count, sizeof *committed);
    replay->partitions = memory_new((size_t)replay->count, sizeof *replay->partitions);
    bool ok = committed_read(kafka, replay->group, topic, replay->count, committed, error);
    for (int i = 0; i < replay->count; i++) {
        ok = ok && open_partition(replay, i, &committed[i], error);
        free(committed[i].metadata);
    }
    free(committed);
    return ok;
}

static bool open_all(struct command *command, struct error *error)
{
    struct orders *orders = &command->orders;
    struct replay *replay = &command->replay;
    if (!orders_prepare(orders, false, error))
        return false;
    replay->ingest = (struct ingest){.config = orders->config,
                                     .topics = orders->topics,
                                     .selection = orders->selection,
                                     .random = random_from_system()};
    replay->range = range_open(&orders->kafka, error);
    if (replay->range == NULL)
        return false;
    if (!replay->dry_run) {
        replay->membership = membership_outside(replay->group);
        replay->producer = transaction_producer_new(&orders->kafka, KAFKA_REPLAYER, CONNECT_MS,
                                                    replay->stop, error);
        if (replay->producer == NULL)
            return false;
    }
    return open_partitions(replay, &orders->kafka, error);
}

static void close_all(struct command *command)
{
    struct replay *replay = &command->replay;
    transaction_producer_free(replay->producer);
    membership_release(replay->membership);
    range_close(replay->range);
    for (int i = 0; replay->partitions != NULL && i < replay->count; i++)
        replay_progress_free(&replay->partitions[i].progress);
    free(replay->partitions);
    replay_report_free(&replay->report);
    orders_free(&command->orders);
    free(command->group);
    free(command->models);
}

static int64_t forgotten(const struct replay *replay)
{
    int64_t sum = 0;
    for (int i = 0; i < replay->count; i++)
        sum += replay->partitions[i].forgotten;
    return sum;
}

static void warn_forgotten(const struct replay *replay)
{
    int64_t count = forgotten(replay);
    if (count > 0)
        (void)fprintf(stderr,
                      "propexo-bridge: up to %" PRId64
                      " letters that were sent could not be remembered, since too many before them "
                      "were not; a later replay may send them once more\n",
                      count);
}

static int fail(const struct error *error)
{
    (void)fprintf(stderr, "propexo-bridge: %s\n", error->message);
    return error_exit_code(error);
}

/* What was done, and the exit code. */
static int conclude(const struct command *command, bool ok, const struct error *error)
{
    const struct replay *replay = &command->replay;
    bool interrupted = atomic_load(&stop) && !(ok && replay_is_finished(replay));
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r\033[K");
    warn_forgotten(replay);
    if (has_option(command->arguments, OPTION_JSON)) {
        cJSON *root = replay_report_json(&replay->report, replay->dry_run, interrupted);
        char *text = cJSON_Print(root);
        (void)puts(text);
        cJSON_free(text);
        cJSON_Delete(root);
    } else {
        replay_report_print(&replay->report, replay->dry_run, interrupted);
    }
    if (interrupted)
        return EX_TEMPFAIL;
    return ok ? EX_OK : fail(error);
}

static bool usage(const char *sentence, const char *what)
{
    (void)fprintf(stderr, "propexo-bridge replay: %s%s\n", sentence, what);
    return false;
}

/* Letters of this model too. False when Propexo has none of that name. */
static bool choose_model(struct command *command, const char *name)
{
    const struct model *model = model_find(name, strlen(name));
    if (model == NULL)
        return false;
    if (command->models == NULL)
        command->replay.choice.models = command->models =
            memory_new(model_count(), sizeof *command->models);
    command->models[model_index(model)] = true;
    return true;
}

static bool read_models(struct command *command)
{
    const struct arguments *arguments = command->arguments;
    for (size_t i = 0; i < arguments->model_count; i++) {
        if (!choose_model(command, arguments->models[i]))
            return usage("Propexo has no model ", arguments->models[i]);
    }
    return true;
}

/* What the command line chooses. */
static bool read_choice(struct command *command)
{
    const struct arguments *arguments = command->arguments;
    struct replay *replay = &command->replay;
    replay->dry_run = has_option(arguments, OPTION_DRY_RUN);
    replay->choice.code = arguments->code;
    if (arguments->since != NULL &&
        !recover_since(arguments->since, clock_wall_ms(), &replay->choice.since_ms))
        return usage("--since takes ", SINCE_WORDS);
    if (arguments->limit != NULL &&
        (!argument_number(arguments->limit, INT64_MAX - 1, &replay->limit) || replay->limit == 0))
        return usage("--limit takes a number from 1 on", "");
    return read_models(command);
}

static int replay_all(struct command *command)
{
    struct error error = {0};
    if (!open_all(command, &error))
        return atomic_load(&stop) ? EX_TEMPFAIL : fail(&error);
    bool ok = replay_run(&command->replay, &error);
    return conclude(command, ok, &error);
}

/* What both the command line and a wish begin with. */
static struct command new_command(const struct config *config, const struct arguments *arguments,
                                  const atomic_bool *stops, const atomic_bool *leaves)
{
    return (struct command){.arguments = arguments,
                            .group = memory_format("%s-replay", config->enricher.group),
                            .replay = {.stop = stops,
                                       .leave = leaves,
                                       .choice = {.since_ms = INT64_MIN},
                                       .limit = INT64_MAX,
                                       .began_ms = clock_ms(),
                                       .told_ms = clock_ms()}};
}

int command_replay(const struct config *config, const struct arguments *arguments)
{
    static const struct arguments all = {0}; /* --model chooses letters, not topics */
    struct command command = new_command(config, arguments, &stop, &leave);
    int code = EX_USAGE;
    command.replay.group = command.group;
    listen_to_signals();
    if (!read_choice(&command)) {
        free(command.group);
        free(command.models);
        return code;
    }
    if (orders_choose(&command.orders, config, &all, &code))
        code = replay_all(&command);
    close_all(&command);
    return code;
}

/* What a wish brought: the report, with what standard error would have had. */
static void append_report(const struct replay *replay, const char *problem, struct buffer *answer)
{
    cJSON *root = replay_report_json(&replay->report, replay->dry_run, !replay_is_finished(replay));
    (void)cJSON_AddNumberToObject(root, "forgotten", (double)forgotten(replay));
    if (problem != NULL)
        (void)cJSON_AddStringToObject(root, "problem", problem);
    char *text = cJSON_PrintUnformatted(root);
    (void)buffer_append_text(answer, text);
    cJSON_free(text);
    cJSON_Delete(root);
}

static bool grant(struct command *command, const struct replay_wish *wish, struct buffer *answer,
                  struct error *error)
{
    const struct replay *replay = &command->replay;
    if (!open_all(command, error))
        return false;
    bool ok = replay_run(&command->replay, error);
    if (!ok && replay->report.sent == 0)
        return false;
    append_report(replay, ok ? NULL : error->message, answer);
    if (!replay->dry_run)
        log_info("replayed", LOG_TEXT("code", wish->code == NULL ? "all" : wish->code),
                 LOG_TEXT("model", wish->model == NULL ? "all" : wish->model),
                 LOG_NUMBER("sent", replay->report.sent), LOG_NUMBER("left", replay->report.left),
                 LOG_NUMBER("forgotten", forgotten(replay)),
                 LOG_TEXT("problem", ok ? "" : error->message));
    return true;
}

bool replay_wished(const struct config *config, const struct replay_wish *wish,
                   const atomic_bool *cancel, struct buffer *answer, struct error *error)
{
    static const struct arguments all = {0};
    struct command command = new_command(config, &all, cancel, cancel);
    struct replay *replay = &command.replay;
    int code = EX_OK;
    bool ok = false;
    replay->group = command.group;
    replay->dry_run = wish->dry_run;
    replay->limit = wish->dry_run ? INT64_MAX : REPLAY_WISHED_MOST;
    replay->quiet = true;
    replay->choice.code = wish->code;
    if (strcmp(config->kafka.bootstrap_servers, EMBEDDED_NAME) == 0)
        error_set(error, VERDICT_CONFIGURATION,
                  "the embedded Kafka is for trying only: nothing is sent back there");
    else if (wish->model != NULL && !choose_model(&command, wish->model))
        error_set(error, VERDICT_CONFIGURATION, "Propexo has no model of this name");
    else if (!orders_choose(&command.orders, config, &all, &code))
        error_set(error, VERDICT_CONFIGURATION, "bridge.models cannot be read any more");
    else
        ok = grant(&command, wish, answer, error);
    close_all(&command);
    return ok;
}
