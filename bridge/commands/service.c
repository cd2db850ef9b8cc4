#include "bridge/commands/service.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/confine.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/base/notify.h"
#include "bridge/commands/offers.h"
#include "bridge/console/admin.h"
#include "bridge/enricher/enricher.h"
#include "bridge/http/spans.h"
#include "bridge/kafka/dead_letter.h"
#include "bridge/kafka/embedded.h"
#include "bridge/receiver/receiver.h"

/* Kubernetes kills after 30 s by default: we leave before that, drained or not. */
#define RECEIVER_DRAIN_MS 10000
#define ENRICHER_DRAIN_MS 10000
#define LEAVE_MS          25000
#define KAFKA_RETRY_MS    1000
#define LOOK_MS           1000 /* from one look at the files of secrets to the next */
#define LOW_PORTS         1024

struct service {
    const struct config *config;
    unsigned parts;
    struct kafka_context kafka;
    struct selection *selection;
    struct topics *topics;
    struct embedded *embedded;
    struct admin *admin;
    struct receiver *receiver;
    struct enricher *enricher;
    struct offers offers;
    int signal_fd;
    int failure_fd;
    int ended_fd;
    bool stopping; /* a signal came */
    bool told;     /* the service manager knows that it is ready */
};

enum woke { WOKE_SIGNAL, WOKE_HANGUP, WOKE_OTHER, WOKE_TIMEOUT };

/* Waits for a signal or the descriptor `other` (-1: none). SIGHUP asks to read files again, any
 * other signal to end. */
static enum woke wait_signal(struct service *service, int other, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = service->signal_fd, .events = POLLIN},
                           {.fd = other, .events = POLLIN}};
    struct signalfd_siginfo info;
    while (poll(fds, ARRAY_LENGTH(fds), timeout_ms) < 0 && errno == EINTR)
        ;
    if ((fds[0].revents & POLLIN) == 0)
        return fds[1].revents != 0 ? WOKE_OTHER : WOKE_TIMEOUT;
    if (read(service->signal_fd, &info, sizeof info) == (ssize_t)sizeof info &&
        info.ssi_signo == SIGHUP)
        return WOKE_HANGUP;
    service->stopping = true;
    return WOKE_SIGNAL;
}

static bool open_descriptors(struct service *service, struct error *error)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread: all inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on files is told like a full disk */
    service->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    service->failure_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    service->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (service->signal_fd >= 0 && service->failure_fd >= 0 && service->ended_fd >= 0)
        return true;
    return error_set(error, VERDICT_FATAL, "no file descriptor left");
}

static bool start_kafka(struct service *service, struct error *error)
{
    const struct config *config = service->config;
    service->kafka = (struct kafka_context){config, config->kafka.bootstrap_servers};
    if (strcmp(config->kafka.bootstrap_servers, EMBEDDED_NAME) != 0)
        return true;
    service->embedded = embedded_start(error);
    if (service->embedded == NULL)
        return false;
    service->kafka.bootstrap = embedded_bootstrap(service->embedded);
    log_warn("embedded_kafka", LOG_TEXT("bootstrap", service->kafka.bootstrap),
             LOG_TEXT("limits",
                      "for trying only: keeps about 5 MiB a partition in memory until this "
                      "process ends, transactions are not isolated"));
    return true;
}

static bool start_topics(struct service *service, struct error *error)
{
    return topics_prepare(&service->kafka, service->embedded, service->topics, error);
}

static bool start_receiver(struct service *service, struct error *error)
{
    if ((service->parts & SERVICE_RECEIVER) != 0)
        service->receiver =
            receiver_new(&service->kafka, service->topics, service->selection, error);
    return (service->parts & SERVICE_RECEIVER) == 0 || service->receiver != NULL;
}

static bool start_enricher(struct service *service, struct error *error)
{
    if ((service->parts & SERVICE_ENRICHER) != 0)
        service->enricher = enricher_new(&service->kafka, service->topics, service->selection,
                                         service->failure_fd, error);
    return (service->parts & SERVICE_ENRICHER) == 0 || service->enricher != NULL;
}

/* Kafka may come up after us: that is waited for. Anything else a person must mend. */
static bool start_part(struct service *service,
                       bool (*start)(struct service *service, struct error *error),
                       struct error *error)
{
    static struct log_gate gate;
    int64_t suppressed = 0;
    while (!start(service, error)) {
        if (error->verdict != VERDICT_RETRY)
            return false;
        if (log_gate_open(&gate, clock_ms(), 5000, &suppressed))
            log_warn("waiting_for_kafka", LOG_TEXT("reason", error->message));
        if (wait_signal(service, -1, KAFKA_RETRY_MS) == WOKE_SIGNAL)
            return false;
    }
    return true;
}

static bool is_low(const char *address)
{
    long port = strtol(strrchr(address, ':') + 1, NULL, 10);
    return port > 0 && port < LOW_PORTS;
}

static bool has_low_port(const struct service *service)
{
    const struct config *config = service->config;
    return is_low(config->admin.listen) ||
           ((service->parts & SERVICE_RECEIVER) != 0 && is_low(config->receiver.listen));
}

/* How the console calls what runs here. */
static const char *parts_of(const struct service *service)
{
    if (service->receiver == NULL)
        return "enricher";
    return service->enricher == NULL ? "receiver" : "receiver enricher";
}

static bool start(struct service *service, struct error *error)
{
    const struct config *config = service->config;
    service->selection = selection_new(config, error);
    if (service->selection == NULL)
        return false;
    service->topics =
        topics_new(config, service->selection->names, service->selection->has_snapshots,
                   service->selection->count, service->selection->has_assembled);
    if (!confine_privileges(has_low_port(service), error) || !open_descriptors(service, error))
        return false;
    if ((service->parts & SERVICE_RECEIVER) != 0 && !receiver_check(config, error))
        return false;
    dead_letter_show_codes();
    service->admin = admin_new(config, error);
    if (service->admin == NULL || !spans_start(config, error) || !start_kafka(service, error))
        return false;
    if ((service->parts & SERVICE_RECEIVER) != 0)
        health_set(HEALTH_RECEIVER, false, "Kafka has not answered yet");
    if (!start_part(service, start_topics, error) || !start_part(service, start_receiver, error) ||
        !start_part(service, start_enricher, error) ||
        (config->process.seccomp && !confine_calls(error)))
        return false;
    service->offers = (struct offers){config, &service->kafka, service->topics, service->selection};
    offers_open(&service->offers, service->admin, parts_of(service));
    log_info("ready",
             LOG_TEXT("receiver",
                      service->receiver == NULL ? "none" : receiver_address(service->receiver)),
             LOG_TEXT("admin", admin_address(service->admin)),
             LOG_TEXT("kafka", service->kafka.bootstrap));
    service->told = notify("READY=1");
    return true;
}

/* In reverse order of the start; what the admin port tells stays to the last. */
static void end_parts(struct service *service)
{
    if (service->admin != NULL)
        admin_withdraw(service->admin);
    if (service->receiver != NULL)
        receiver_drain(service->receiver, RECEIVER_DRAIN_MS);
    if (service->enricher != NULL)
        enricher_drain(service->enricher, ENRICHER_DRAIN_MS);
    enricher_free(service->enricher);
    receiver_free(service->receiver);
    spans_stop();
    admin_free(service->admin);
    embedded_stop(service->embedded);
}

static void *end(void *context)
{
    struct service *service = context;
    uint64_t one = 1;
    end_parts(service);
    ssize_t written = write(service->ended_fd, &one, sizeof one);
    (void)written;
    return NULL;
}

/* Drains and ends on a thread of its own, so that a second signal is still heard, and a library
 * that does not return holds nothing up. What was not committed is taken in again after a start. */
static void end_or_leave(struct service *service)
{
    pthread_t thread;
    if (service->ended_fd < 0 || pthread_create(&thread, NULL, end, service) != 0) {
        end_parts(service);
        return;
    }
    enum woke woke = WOKE_HANGUP;
    while (woke == WOKE_HANGUP)
        woke = wait_signal(service, service->ended_fd, LEAVE_MS);
    switch (woke) {
    case WOKE_OTHER:
        (void)pthread_join(thread, NULL);
        return;
    case WOKE_HANGUP:
    case WOKE_SIGNAL:
        log_warn("left_at_once");
        break;
    case WOKE_TIMEOUT:
        log_warn("left_undrained", LOG_NUMBER("after_ms", LEAVE_MS));
        break;
    }
    _exit(EX_TEMPFAIL);
}

static void free_rest(struct service *service)
{
    topics_free(service->topics);
    selection_free(service->selection);
    const int fds[] = {service->signal_fd, service->failure_fd, service->ended_fd};
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
}

/* What is refused stays as it was: a receiver does not end for a mistake in a file. */
static void reload(struct service *service)
{
    struct error error = {0};
    if (service->receiver == NULL || receiver_reload(service->receiver, &error)) {
        metrics_add(METRIC_RELOADS, 1);
        log_info("reloaded");
        return;
    }
    metrics_add(METRIC_RELOADS_FAILED, 1);
    log_error("reload_failed", LOG_TEXT("reason", error.message));
}

/* Until it is to end: by a signal, or because a part has failed. */
static void serve(struct service *service)
{
    for (;;) {
        enum woke woke = wait_signal(service, service->failure_fd, LOOK_MS);
        if (woke == WOKE_SIGNAL || woke == WOKE_OTHER)
            return;
        if (health_hangs(clock_ms()) == NULL &&
            notify(service->told ? "WATCHDOG=1" : "READY=1\nWATCHDOG=1"))
            service->told = true;
        admin_tend(service->admin, clock_ms());
        if (service->receiver != NULL)
            receiver_tend(service->receiver);
        if (woke == WOKE_HANGUP ||
            (service->receiver != NULL && receiver_has_news(service->receiver)))
            reload(service);
    }
}

int command_service(const struct config *config, unsigned parts)
{
    struct service service = {
        .config = config, .parts = parts, .signal_fd = -1, .failure_fd = -1, .ended_fd = -1};
    struct error error = {0};
    int code = EX_OK;
    if (start(&service, &error)) {
        serve(&service);
        if (service.enricher != NULL && enricher_failed(service.enricher, &error))
            code = error_exit_code(&error);
        health_drain();
        (void)notify("STOPPING=1");
        log_info("draining");
    } else if (!service.stopping) {
        log_error("start_failed", LOG_TEXT("reason", error.message));
        code = error_exit_code(&error);
    }
    end_or_leave(&service);
    free_rest(&service);
    log_info("stopped", LOG_NUMBER("code", code));
    return code;
}
