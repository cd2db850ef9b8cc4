#include "bridge/commands/here.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/commands/arguments.h"
#include "bridge/http/client.h"

#define DEFAULT_WAIT_S 60
#define MOST_WAIT_S    86400
#define STEP_MS        500
#define NOT_WELL       1
#define TIMEOUT_MS     5000
#define MAX_ANSWER     ((size_t)8 << 20)
#define METRIC         "\nbridge_spool_events "

/* Where the port is reached from here: one that listens on all addresses does so on this one. The
 * caller frees. */
static char *url_of(const char *listen, const char *path)
{
    const char *port = strrchr(listen, ':');
    bool all = strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0;
    return all ? memory_format("http://127.0.0.1%s%s", port, path)
               : memory_format("http://%s%s", listen, path);
}

/* NULL after it has said why. */
static struct http_client *open_client(void)
{
    struct http_options options = {.max_connections = 1,
                                   .connect_timeout_ms = TIMEOUT_MS,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_body = MAX_ANSWER};
    struct error error;
    struct http_client *client = http_client_new(&options, &error);
    if (client == NULL)
        (void)fprintf(stderr, "%s\n", error.message);
    return client;
}

/* How many events the spool holds; negative with `error` when that is not told. */
static int64_t ask(struct http_client *client, const char *url, struct error *error)
{
    struct http_answer answer;
    int64_t events = -1;
    if (!http_client_call(client, url, NULL, NULL, &answer, error))
        return -1;
    const char *line = strstr(answer.body, METRIC);
    if (line != NULL)
        events = strtoll(line + strlen(METRIC), NULL, 10);
    else
        error_set(error, VERDICT_RETRY, "%s does not tell bridge_spool_events", url);
    http_answer_free(&answer);
    return events;
}

static int wait_empty(struct http_client *client, const char *url, int64_t until_ms)
{
    for (;;) {
        struct error error;
        int64_t events = ask(client, url, &error);
        if (events < 0) {
            (void)fprintf(stderr, "%s\n", error.message);
            return EX_UNAVAILABLE;
        }
        if (events == 0)
            return EX_OK;
        if (clock_ms() >= until_ms) {
            (void)fprintf(stderr, "the spool still holds %lld events\n", (long long)events);
            return EX_TEMPFAIL;
        }
        clock_rest(STEP_MS);
    }
}

int command_drain(const struct config *config, const char *wait)
{
    int64_t seconds = DEFAULT_WAIT_S;
    if (wait != NULL && !argument_number(wait, MOST_WAIT_S, &seconds)) {
        (void)fprintf(stderr, "--wait takes a number of seconds, at most %d\n", MOST_WAIT_S);
        return EX_USAGE;
    }
    struct http_client *client = open_client();
    if (client == NULL)
        return EX_SOFTWARE;
    char *url = url_of(config->admin.listen, "/metrics");
    int code = wait_empty(client, url, clock_ms() + seconds * 1000);
    free(url);
    http_client_free(client);
    return code;
}

int command_health(const struct config *config, bool ready)
{
    struct http_client *client = open_client();
    if (client == NULL)
        return EX_SOFTWARE;
    char *url = url_of(config->admin.listen, ready ? "/readyz" : "/healthz");
    struct http_answer answer;
    struct error error;
    int code = EX_UNAVAILABLE;
    if (http_client_call(client, url, NULL, NULL, &answer, &error)) {
        (void)printf("%s%s", answer.body, strchr(answer.body, '\n') == NULL ? "\n" : "");
        code = answer.status == 200 ? EX_OK : NOT_WELL;
        http_answer_free(&answer);
    } else {
        (void)fprintf(stderr, "%s\n", error.message);
    }
    free(url);
    http_client_free(client);
    return code;
}
