#include "tests/simulator/webhooks.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/simulator/clock.h"
#include "tests/simulator/delays.h"
#include "tests/simulator/delivery.h"
#include "tests/simulator/log.h"
#include "tests/simulator/random.h"

#define ANSWER_TIMEOUT_MS 30000
#define POLL_MAX_MS       1000
#define STREAM_LATE       UINT64_C(0x1a7e)
#define STREAM_REPLAY     UINT64_C(0x4e91a4)

struct webhooks {
    const char *secret;
    int64_t retry_ms;
    struct chance late;
    struct chance replay;
    unsigned concurrency;
    int ended_fd;
    pthread_t thread;
    CURLM *multi;

    pthread_mutex_t lock; /* guards all down to the next mark */
    bool stopping;
    char *url;
    struct delivery *first; /* not yet tried */
    struct delivery *last;
    struct delivery **history; /* a ring */
    struct told_log told;
    uint64_t made;
    uint64_t asleep; /* of those that wait */
    struct random late_random;
    struct random replay_random;
    struct webhook_counts counts;

    struct delays retries; /* from here on: the thread's own */
    struct flight *flights;
};

/* One attempt under way. */
struct flight {
    struct delivery *delivery; /* NULL = free */
    CURL *easy;
    struct curl_slist *headers;
};

static size_t ignore_body(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

static void signal_end(const struct webhooks *webhooks)
{
    eventfd_write(webhooks->ended_fd, 1);
}

/* With the lock held. */
static void set_outcome(struct webhooks *webhooks, struct delivery *delivery,
                        enum delivery_outcome outcome)
{
    delivery->outcome = outcome;
    delivery->ended_at = clock_wall();
    if (outcome == DELIVERY_OK)
        webhooks->counts.ok++;
    else if (outcome == DELIVERY_LOST)
        webhooks->counts.lost++;
    else
        webhooks->counts.dropped++;
    told_end(&webhooks->told, delivery);
}

/* It waits no longer. With the lock held. */
static void retire(struct webhooks *webhooks, struct delivery *delivery)
{
    webhooks->counts.waiting--;
    delivery->busy = false;
    if (!delivery->kept)
        delivery_destroy(delivery);
}

/* With the lock held. */
static void sleep_for(struct webhooks *webhooks, struct delivery *delivery, uint64_t ms)
{
    delivery->asleep = true;
    webhooks->asleep++;
    delays_add(&webhooks->retries, clock_monotonic() + (int64_t)ms, delivery);
}

static void start_flight(struct webhooks *webhooks, struct flight *flight,
                         struct delivery *delivery, const char *url)
{
    char signature[DELIVERY_SIGNATURE + 32];
    snprintf(signature, sizeof signature, "propexo-signature: %s", delivery->signature);
    flight->delivery = delivery;
    flight->headers = curl_slist_append(NULL, "Content-Type: application/json");
    flight->headers = curl_slist_append(flight->headers, signature);
    flight->headers = curl_slist_append(flight->headers, "Expect:");
    curl_easy_setopt(flight->easy, CURLOPT_URL, url);
    curl_easy_setopt(flight->easy, CURLOPT_HTTPHEADER, flight->headers);
    curl_easy_setopt(flight->easy, CURLOPT_POSTFIELDS, delivery->body);
    curl_easy_setopt(flight->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)delivery->length);
    curl_easy_setopt(flight->easy, CURLOPT_PRIVATE, flight);
    curl_multi_add_handle(webhooks->multi, flight->easy);
}

static CURL *make_easy(void)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)ANSWER_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "propexo-simulator");
    return easy;
}

/* With the lock held. */
static void end_attempt(struct webhooks *webhooks, struct delivery *delivery, unsigned status)
{
    delivery->attempts++;
    delivery->status = status;
    if (status >= 200 && status < 300) {
        set_outcome(webhooks, delivery, DELIVERY_OK);
        if (delivery->replay)
            sleep_for(webhooks, delivery, webhooks->replay.ms);
        else
            retire(webhooks, delivery);
    } else if (delivery->attempts > WEBHOOKS_RETRIES) {
        set_outcome(webhooks, delivery, DELIVERY_LOST);
        retire(webhooks, delivery);
    } else {
        webhooks->counts.retried++;
        delays_add(&webhooks->retries, clock_monotonic() + webhooks->retry_ms, delivery);
    }
}

/* Counts the attempt, and decides what becomes of the delivery. */
static void end_flight(struct webhooks *webhooks, struct flight *flight, unsigned status)
{
    struct delivery *delivery = flight->delivery;
    pthread_mutex_lock(&webhooks->lock);
    webhooks->counts.sent++;
    webhooks->counts.statuses[status < WEBHOOKS_STATUSES ? status : 0]++;
    if (delivery->outcome == DELIVERY_WAITING) {
        end_attempt(webhooks, delivery, status);
    } else {
        delivery->replays++;
        webhooks->counts.replayed++;
        retire(webhooks, delivery);
    }
    pthread_mutex_unlock(&webhooks->lock);
    curl_multi_remove_handle(webhooks->multi, flight->easy);
    curl_slist_free_all(flight->headers);
    flight->headers = NULL;
    flight->delivery = NULL;
}

static bool end_flights(struct webhooks *webhooks)
{
    bool any = false;
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(webhooks->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct flight *flight = NULL;
        long status = 0;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&flight);
        if (message->data.result == CURLE_OK)
            curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        end_flight(webhooks, flight, (unsigned)status);
        any = true;
    }
    return any;
}

/* The next of those not yet tried; the late ones go to sleep. With the lock held. */
static struct delivery *next_untried(struct webhooks *webhooks)
{
    struct delivery *delivery;
    while ((delivery = webhooks->first) != NULL) {
        webhooks->first = delivery->next;
        delivery->next = NULL;
        if (!delivery->late)
            return delivery;
        delivery->attempts++;
        webhooks->counts.late++;
        sleep_for(webhooks, delivery, webhooks->late.ms);
        signal_end(webhooks);
    }
    return NULL;
}

/* The next to be tried: what was tried and is due goes first. With the lock held. */
static struct delivery *next_delivery(struct webhooks *webhooks, int64_t now)
{
    struct delivery *delivery = delays_take(&webhooks->retries, now);
    if (delivery == NULL)
        return next_untried(webhooks);
    webhooks->asleep -= delivery->asleep;
    delivery->asleep = false;
    return delivery;
}

/* False when the thread shall end. */
static bool start_flights(struct webhooks *webhooks)
{
    int64_t now = clock_monotonic();
    pthread_mutex_lock(&webhooks->lock);
    bool stopping = webhooks->stopping;
    for (unsigned i = 0; i < webhooks->concurrency && !stopping && webhooks->url[0] != '\0'; i++) {
        struct flight *flight = &webhooks->flights[i];
        if (flight->delivery != NULL)
            continue;
        struct delivery *delivery = next_delivery(webhooks, now);
        if (delivery == NULL)
            break;
        start_flight(webhooks, flight, delivery, webhooks->url);
    }
    pthread_mutex_unlock(&webhooks->lock);
    return !stopping;
}

/* A retry that is due does not wake us while every flight is taken. */
static int wait_ms(const struct webhooks *webhooks, int running)
{
    int64_t next = delays_next(&webhooks->retries);
    if (running >= (int)webhooks->concurrency)
        next = DELAYS_NEVER;
    int64_t wait = next == DELAYS_NEVER ? POLL_MAX_MS : next - clock_monotonic();
    if (wait < 0)
        return 0;
    return (int)(wait < POLL_MAX_MS ? wait : POLL_MAX_MS);
}

static void *deliver(void *context)
{
    struct webhooks *webhooks = context;
    while (start_flights(webhooks)) {
        int running;
        curl_multi_perform(webhooks->multi, &running);
        if (end_flights(webhooks))
            signal_end(webhooks);
        else
            curl_multi_poll(webhooks->multi, NULL, 0, wait_ms(webhooks, running), NULL);
    }
    return NULL;
}

static bool make_handles(struct webhooks *webhooks)
{
    webhooks->multi = curl_multi_init();
    if (webhooks->multi == NULL)
        return false;
    curl_multi_setopt(webhooks->multi, CURLMOPT_MAXCONNECTS, (long)webhooks->concurrency);
    webhooks->flights = memory_get_zeroed(webhooks->concurrency, sizeof webhooks->flights[0]);
    for (unsigned i = 0; i < webhooks->concurrency; i++) {
        webhooks->flights[i].easy = make_easy();
        if (webhooks->flights[i].easy == NULL)
            return false;
    }
    return true;
}

static void free_webhooks(struct webhooks *webhooks)
{
    for (unsigned i = 0; webhooks->flights != NULL && i < webhooks->concurrency; i++) {
        struct flight *flight = &webhooks->flights[i];
        if (flight->delivery != NULL) {
            curl_multi_remove_handle(webhooks->multi, flight->easy);
            curl_slist_free_all(flight->headers);
            if (!flight->delivery->kept)
                delivery_destroy(flight->delivery);
        }
        curl_easy_cleanup(flight->easy);
    }
    free(webhooks->flights);
    curl_multi_cleanup(webhooks->multi);
    for (struct delivery *next, *at = webhooks->first; at != NULL; at = next) {
        next = at->next;
        if (!at->kept)
            delivery_destroy(at);
    }
    struct delivery *waiting;
    while ((waiting = delays_take(&webhooks->retries, DELAYS_NEVER)) != NULL) {
        if (!waiting->kept)
            delivery_destroy(waiting);
    }
    delays_free(&webhooks->retries);
    for (uint64_t i = 0; i < WEBHOOKS_KEPT_MAX; i++)
        delivery_destroy(webhooks->history[i]);
    free(webhooks->history);
    told_free(&webhooks->told);
    free(webhooks->url);
    pthread_mutex_destroy(&webhooks->lock);
    if (webhooks->ended_fd >= 0)
        close(webhooks->ended_fd);
    free(webhooks);
}

struct webhooks *webhooks_create(const struct options *options)
{
    struct webhooks *webhooks = memory_get_zeroed(1, sizeof *webhooks);
    webhooks->secret = options->webhook_secret;
    webhooks->retry_ms = (int64_t)options->retry_ms;
    webhooks->late = options->late;
    webhooks->replay = options->replay;
    webhooks->late_random = random_make(options->seed, STREAM_LATE);
    webhooks->replay_random = random_make(options->seed, STREAM_REPLAY);
    webhooks->concurrency = (unsigned)options->webhook_concurrency;
    webhooks->url = memory_copy(options->webhook_url, strlen(options->webhook_url));
    webhooks->history = memory_get_zeroed(WEBHOOKS_KEPT_MAX, sizeof webhooks->history[0]);
    pthread_mutex_init(&webhooks->lock, NULL);
    webhooks->ended_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (webhooks->ended_fd < 0 || !make_handles(webhooks) ||
        pthread_create(&webhooks->thread, NULL, deliver, webhooks) != 0) {
        log_line("error", "webhooks_cannot_start", "message=\"no resources\"");
        free_webhooks(webhooks);
        return NULL;
    }
    return webhooks;
}

void webhooks_destroy(struct webhooks *webhooks)
{
    if (webhooks == NULL)
        return;
    pthread_mutex_lock(&webhooks->lock);
    webhooks->stopping = true;
    pthread_mutex_unlock(&webhooks->lock);
    curl_multi_wakeup(webhooks->multi);
    pthread_join(webhooks->thread, NULL);
    free_webhooks(webhooks);
}

void webhooks_set_url(struct webhooks *webhooks, const char *url)
{
    pthread_mutex_lock(&webhooks->lock);
    free(webhooks->url);
    webhooks->url = memory_copy(url, strlen(url));
    pthread_mutex_unlock(&webhooks->lock);
    curl_multi_wakeup(webhooks->multi);
}

/* With the lock held. The oldest leaves the history; when it still waits, its end frees it. */
static void keep(struct webhooks *webhooks, struct delivery *delivery)
{
    struct delivery **place = &webhooks->history[delivery->number % WEBHOOKS_KEPT_MAX];
    if (*place != NULL && (*place)->busy)
        (*place)->kept = false;
    else
        delivery_destroy(*place);
    *place = delivery;
    delivery->kept = true;
}

static void enqueue(struct webhooks *webhooks, struct delivery *delivery)
{
    if (webhooks->first == NULL)
        webhooks->first = delivery;
    else
        webhooks->last->next = delivery;
    webhooks->last = delivery;
    delivery->busy = true;
    webhooks->counts.waiting++;
}

bool webhooks_send(struct webhooks *webhooks, struct text *body, const struct told_change *change,
                   bool dropped)
{
    struct delivery *delivery = NULL;
    pthread_mutex_lock(&webhooks->lock);
    bool room = webhooks->counts.waiting < WEBHOOKS_WAITING_MAX;
    bool send = !dropped && webhooks->url[0] != '\0';
    if (room) {
        delivery = delivery_create(webhooks->made++, body, webhooks->secret);
        delivery->late = random_percent(&webhooks->late_random, webhooks->late.percent);
        delivery->replay = random_percent(&webhooks->replay_random, webhooks->replay.percent);
        keep(webhooks, delivery);
        told_add(&webhooks->told, change, delivery->queued_at);
        if (send)
            enqueue(webhooks, delivery);
        else
            set_outcome(webhooks, delivery, DELIVERY_DROPPED);
    }
    pthread_mutex_unlock(&webhooks->lock);
    if (room && send)
        curl_multi_wakeup(webhooks->multi);
    return room;
}

struct webhook_load webhooks_load(struct webhooks *webhooks)
{
    pthread_mutex_lock(&webhooks->lock);
    struct webhook_load load = {webhooks->counts.waiting, webhooks->asleep};
    pthread_mutex_unlock(&webhooks->lock);
    return load;
}

void webhooks_counts(struct webhooks *webhooks, struct webhook_counts *counts)
{
    pthread_mutex_lock(&webhooks->lock);
    *counts = webhooks->counts;
    pthread_mutex_unlock(&webhooks->lock);
}

int webhooks_fd(const struct webhooks *webhooks)
{
    return webhooks->ended_fd;
}

void webhooks_write_sent(struct webhooks *webhooks, struct text *text, uint64_t limit)
{
    pthread_mutex_lock(&webhooks->lock);
    uint64_t count = webhooks->made < WEBHOOKS_KEPT_MAX ? webhooks->made : WEBHOOKS_KEPT_MAX;
    if (limit < count)
        count = limit;
    text_add(text, "[");
    for (uint64_t i = webhooks->made - count; i < webhooks->made; i++) {
        text_add(text, i > webhooks->made - count ? ",\n" : "");
        delivery_write(text, webhooks->history[i % WEBHOOKS_KEPT_MAX]);
    }
    text_add(text, "]\n");
    pthread_mutex_unlock(&webhooks->lock);
}

struct told *webhooks_told(struct webhooks *webhooks, size_t *count)
{
    pthread_mutex_lock(&webhooks->lock);
    size_t bytes = webhooks->told.count * sizeof webhooks->told.items[0];
    struct told *copy = memory_get(bytes + 1);
    if (bytes > 0)
        memcpy(copy, webhooks->told.items, bytes);
    *count = webhooks->told.count;
    pthread_mutex_unlock(&webhooks->lock);
    return copy;
}
