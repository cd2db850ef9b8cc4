#include "bridge/console/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/http/server.h"
#include "bridge/http/signature.h"

#define ANSWER_MAXIMUM  ((size_t)64 << 10)
#define METRICS_MAXIMUM ((size_t)8 << 20)

/* Probes, scrapers and people. */
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
    char *token; /* the configuration's */
};

static void answer_alive(const struct admin *admin, struct server_request *request)
{
    const char *hangs = health_hangs(clock_ms());
    char text[64] = "ok\n";
    (void)admin;
    if (hangs != NULL)
        (void)snprintf(text, sizeof text, "the %s loop hangs\n", hangs);
    server_answer(request, hangs == NULL ? 200 : 503, "text/plain", text, NULL);
}

static void answer_ready(const struct admin *admin, struct server_request *request)
{
    struct buffer report = buffer_new(ANSWER_MAXIMUM);
    bool ready = health_report(&report);
    (void)admin;
    server_answer(request, ready ? 200 : 503, "application/json", buffer_text(&report), NULL);
    buffer_free(&report);
}

static void answer_metrics(const struct admin *admin, struct server_request *request)
{
    struct buffer text = buffer_new(METRICS_MAXIMUM);
    struct server_header accept = {.name = "accept"};
    (void)admin;
    server_headers(request, &accept, 1);
    bool open = accept.value != NULL && strstr(accept.value, "application/openmetrics-text");
    metrics_expose(open ? METRICS_OPEN : METRICS_TEXT, &text);
    server_answer(request, 200,
                  open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                       : "text/plain; version=0.0.4; charset=utf-8",
                  buffer_text(&text), NULL);
    buffer_free(&text);
}

static void set_level(const struct admin *admin, struct server_request *request)
{
    size_t length = 0;
    const char *body = server_body(request, &length);
    char name[16] = "";
    enum log_level level = LOG_INFO;
    (void)admin;
    if (length < sizeof name)
        memcpy(name, body, length);
    name[strcspn(name, "\r\n")] = '\0';
    if (!log_level_parse(name, &level)) {
        server_answer_error(request, 400, "level", "the body is debug, info, warn or error", NULL);
        return;
    }
    log_set_level(level);
    log_event(level, "log_level", LOG_TEXT("level", name)); /* at a level that is shown */
    server_answer(request, 200, "text/plain", "", NULL);
}

static const struct route {
    const char *path;
    const char *method;
    bool changes; /* something: it asks for the token */
    void (*answer)(const struct admin *admin, struct server_request *request);
} routes[] = {
    {"/healthz", "GET", false, answer_alive},
    {"/readyz", "GET", false, answer_ready},
    {"/metrics", "GET", false, answer_metrics},
    {"/log/level", "PUT", true, set_level},
};

/* The bearer token of RFC 6750. */
static bool shows_token(const struct admin *admin, const struct server_request *request)
{
    static const char scheme[] = "Bearer ";
    struct server_header header = {.name = "authorization"};
    char *const tokens[] = {admin->token};
    server_headers(request, &header, 1);
    return header.count == 1 && strncasecmp(header.value, scheme, strlen(scheme)) == 0 &&
           signature_token_matches(header.value + strlen(scheme), tokens, 1);
}

static void answer_route(const struct admin *admin, const struct route *route,
                         struct server_request *request)
{
    char allow[64];
    (void)snprintf(allow, sizeof allow, "allow: %s", route->method);
    if (strcmp(server_method(request), route->method) != 0)
        server_answer_error(request, 405, "method", "this is asked for by another method", allow);
    else if (route->changes && *admin->token == '\0')
        server_answer_error(request, 403, "no-token",
                            "admin.token is not set: nothing can be changed", NULL);
    else if (route->changes && !shows_token(admin, request))
        server_answer_error(request, 401, "token", "this asks for admin.token",
                            "www-authenticate: Bearer");
    else
        route->answer(admin, request);
}

static void handle(void *context, struct server_request *request)
{
    const struct admin *admin = context;
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        if (strcmp(server_path(request), routes[i].path) == 0) {
            answer_route(admin, &routes[i], request);
            return;
        }
    }
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
    admin->token = config->admin.token;
    metrics_limit_integrations((size_t)config->admin.integrations);
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
