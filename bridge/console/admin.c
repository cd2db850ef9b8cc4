#include "bridge/console/admin.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bridge/base/board.h"
#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/console/history.h"
#include "bridge/console/pages.h"
#include "bridge/http/server.h"
#include "bridge/http/signature.h"

#define ANSWER_MAXIMUM  ((size_t)64 << 10)
#define METRICS_MAXIMUM ((size_t)8 << 20)

/* Probes, scrapers and people, of whom each may have a page open. */
static const struct server_limits limits = {.max_connections = 128,
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
    const struct config *config;
    struct server *server;
    struct desk *desk;
    int64_t began_ms;
    const char *parts;
    const struct admin_offer *offers;
    void *context;
    _Atomic size_t offer_count; /* 0 until the three before it are there */
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

static void answer_json(struct server_request *request, cJSON *root)
{
    char *text = cJSON_PrintUnformatted(root);
    server_answer(request, 200, "application/json", text, DATA_HEADERS);
    cJSON_free(text);
    cJSON_Delete(root);
}

static void answer_flow(const struct admin *admin, struct server_request *request)
{
    struct buffer report = buffer_new(ANSWER_MAXIMUM);
    cJSON *root = cJSON_CreateObject();
    bool ready = health_report(&report);
    (void)cJSON_AddStringToObject(root, "version", BRIDGE_VERSION);
    (void)cJSON_AddStringToObject(root, "instance", admin->config->bridge.instance);
    (void)cJSON_AddStringToObject(root, "parts",
                                  atomic_load(&admin->offer_count) == 0 ? "" : admin->parts);
    (void)cJSON_AddNumberToObject(root, "uptime_ms", (double)(clock_ms() - admin->began_ms));
    (void)cJSON_AddNumberToObject(root, "wall_ms", (double)clock_wall_ms());
    (void)cJSON_AddBoolToObject(root, "takes_token", *admin->config->admin.token != '\0');
    (void)cJSON_AddBoolToObject(root, "shows_records", admin->config->admin.records);
    (void)cJSON_AddBoolToObject(root, "ready", ready);
    (void)cJSON_AddRawToObject(root, "health", buffer_text(&report));
    (void)cJSON_AddItemToObject(root, "now", history_now());
    buffer_free(&report);
    answer_json(request, root);
}

static void answer_history(const struct admin *admin, struct server_request *request)
{
    (void)admin;
    answer_json(request, history_hour(clock_ms()));
}

/* `board` is null until the enricher has written: it does so a moment after somebody has asked. One
 * that is old is from before, or of a loop that hangs. */
static void answer_board(const struct admin *admin, struct server_request *request)
{
    int64_t age_ms = 0;
    char *text = board_look(clock_ms(), &age_ms);
    cJSON *root = cJSON_CreateObject();
    (void)admin;
    (void)cJSON_AddNumberToObject(root, "age_ms", (double)age_ms);
    (void)cJSON_AddRawToObject(root, "board", text == NULL ? "null" : text);
    free(text);
    answer_json(request, root);
}

static void answer_page(const struct admin *admin, struct server_request *request)
{
    (void)admin;
    server_answer(request, 302, "text/plain", "", "location: /console/index.html");
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
    bool guarded; /* it changes something: it asks for the token */
    void (*answer)(const struct admin *admin, struct server_request *request);
} routes[] = {
    {"/healthz", "GET", false, answer_alive},
    {"/readyz", "GET", false, answer_ready},
    {"/metrics", "GET", false, answer_metrics},
    {"/log/level", "PUT", true, set_level},
    {"/", "GET", false, answer_page},
    {"/console", "GET", false, answer_page},
    {"/console/", "GET", false, answer_page},
    {"/console/flow", "GET", false, answer_flow},
    {"/console/history", "GET", false, answer_history},
    {"/console/board", "GET", false, answer_board},
};

/* The bearer token of RFC 6750. */
static bool shows_token(const struct admin *admin, const struct server_request *request)
{
    static const char scheme[] = "Bearer ";
    struct server_header header = {.name = "authorization"};
    char *const tokens[] = {admin->config->admin.token};
    server_headers(request, &header, 1);
    return header.count == 1 && strncasecmp(header.value, scheme, strlen(scheme)) == 0 &&
           signature_token_matches(header.value + strlen(scheme), tokens, 1);
}

/* Answers who may not; true when nobody has been answered. */
static bool may(const struct admin *admin, struct server_request *request, const char *method,
                bool guarded)
{
    char allow[64];
    (void)snprintf(allow, sizeof allow, "allow: %s", method);
    if (strcmp(server_method(request), method) != 0)
        server_answer_error(request, 405, "method", "this is asked for by another method", allow);
    else if (guarded && *admin->config->admin.token == '\0')
        server_answer_error(request, 403, "no-token",
                            "admin.token is not set: nothing can be changed, and no record shown",
                            NULL);
    else if (guarded && !shows_token(admin, request))
        server_answer_error(request, 401, "token", "this asks for admin.token",
                            "www-authenticate: Bearer");
    else
        return true;
    return false;
}

static bool answer_route(const struct admin *admin, struct server_request *request)
{
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        if (strcmp(server_path(request), routes[i].path) != 0)
            continue;
        if (may(admin, request, routes[i].method, routes[i].guarded))
            routes[i].answer(admin, request);
        return true;
    }
    return false;
}

static bool answer_file(const struct admin *admin, struct server_request *request)
{
    for (size_t i = 0; i < console_page_count; i++) {
        const struct page *page = &console_pages[i];
        if (strcmp(server_path(request), page->path) != 0)
            continue;
        if (may(admin, request, "GET", false))
            server_answer(request, 200, page->type, page->text, PAGE_HEADERS);
        return true;
    }
    return false;
}

static bool answer_offer(const struct admin *admin, struct server_request *request)
{
    size_t count = atomic_load(&admin->offer_count);
    for (size_t i = 0; i < count; i++) {
        const struct admin_offer *offer = &admin->offers[i];
        if (strcmp(server_path(request), offer->path) != 0)
            continue;
        if (may(admin, request, offer->method, offer->guarded))
            desk_take(admin->desk, request, offer->work, admin->context);
        return true;
    }
    return false;
}

static void handle(void *context, struct server_request *request)
{
    const struct admin *admin = context;
    if (answer_route(admin, request) || answer_file(admin, request) || answer_offer(admin, request))
        return;
    if (strncmp(server_path(request), "/console/", 9) == 0 && atomic_load(&admin->offer_count) == 0)
        server_answer_error(request, 503, "starting", "the bridge starts", "retry-after: 2");
    else
        server_answer_error(request, 404, "not-found",
                            "there are /healthz, /readyz, /metrics and /console", NULL);
}

static void finish(void *context, struct server_request *request)
{
    (void)context;
    desk_answer(request);
}

struct admin *admin_new(const struct config *config, struct error *error)
{
    struct admin *admin = memory_new(1, sizeof *admin);
    struct server_options options = {.name = "admin",
                                     .listen = config->admin.listen,
                                     .limits = limits,
                                     .handle = handle,
                                     .finish = finish,
                                     .context = admin};
    admin->config = config;
    admin->began_ms = clock_ms();
    metrics_limit_integrations((size_t)config->admin.integrations);
    admin->desk = desk_new(error);
    if (admin->desk != NULL)
        admin->server = server_new(&options, error);
    if (admin->server != NULL)
        return admin;
    admin_free(admin);
    return NULL;
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    desk_end(admin->desk);
    server_free(admin->server);
    desk_free(admin->desk);
    free(admin);
}

void admin_offer(struct admin *admin, const char *parts, const struct admin_offer *offers,
                 size_t count, void *context)
{
    admin->parts = parts;
    admin->offers = offers;
    admin->context = context;
    atomic_store(&admin->offer_count, count);
}

void admin_withdraw(struct admin *admin)
{
    desk_cancel(admin->desk);
}

void admin_tend(struct admin *admin, int64_t now_ms)
{
    (void)admin;
    history_tend(now_ms);
}

const char *admin_address(const struct admin *admin)
{
    return server_address(admin->server);
}
