#include "bridge/console/admin.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/health.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/http/server.h"

#define ANSWER_MAXIMUM ((size_t)1 << 20)

/* Probes, scrapers and people. No request here has a body that is read. */
static const struct server_limits limits = {.max_connections = 64,
                                            .max_body = 4096,
                                            .max_buffered = (size_t)256 << 10,
                                            .max_head = (size_t)14 << 10,
                                            .max_headers = 64,
                                            .max_target = 2048,
                                            .max_per_address = 0,
                                            .head_ms = 10000,
                                            .body_ms = 10000,
                                            .idle_ms = 75000};

struct admin {
    struct server *server;
};

static void answer_ready(struct server_request *request)
{
    struct buffer report = buffer_new(ANSWER_MAXIMUM);
    bool ready = health_report(&report);
    server_answer(request, ready ? 200 : 503, "application/json", buffer_text(&report), NULL);
    buffer_free(&report);
}

static void answer_metrics(struct server_request *request)
{
    struct buffer text = buffer_new(ANSWER_MAXIMUM);
    metrics_expose(&text);
    server_answer(request, 200, "text/plain; version=0.0.4", buffer_text(&text), NULL);
    buffer_free(&text);
}

static void handle(void *context, struct server_request *request)
{
    const char *path = server_path(request);
    (void)context;
    if (strcmp(server_method(request), "GET") != 0)
        server_answer_error(request, 405, "method", "only GET is known here", "allow: GET");
    else if (strcmp(path, "/healthz") == 0)
        server_answer(request, 200, "text/plain", "ok\n", NULL);
    else if (strcmp(path, "/readyz") == 0)
        answer_ready(request);
    else if (strcmp(path, "/metrics") == 0)
        answer_metrics(request);
    else
        server_answer_error(request, 404, "not-found", "there are /healthz, /readyz and /metrics",
                            NULL);
}

struct admin *admin_new(const struct config *config, struct error *error)
{
    struct admin *admin = memory_new(1, sizeof *admin);
    struct server_options options = {.name = "admin",
                                     .listen = config->admin.listen,
                                     .limits = limits,
                                     .handle = handle,
                                     .context = admin};
    admin->server = server_new(&options, error);
    if (admin->server != NULL)
        return admin;
    free(admin);
    return NULL;
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    server_free(admin->server);
    free(admin);
}

const char *admin_address(const struct admin *admin)
{
    return server_address(admin->server);
}
