#include "bridge/console/desk.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/console/pages.h"

#define TRY_MS  5000
#define REST_MS 300

struct job {
    struct server_request *request;
    desk_work *work;
    void *context;
    cJSON *asked;
    struct buffer answer;
    struct error error;
    bool done;
    struct job *next;
};

struct desk {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct job *first;
    struct job *last;
    int waiting;
    atomic_bool cancel;
};

static struct job *next_job(struct desk *desk)
{
    (void)pthread_mutex_lock(&desk->lock);
    while (desk->first == NULL && !atomic_load(&desk->cancel))
        (void)pthread_cond_wait(&desk->news, &desk->lock);
    struct job *job = desk->first;
    if (job != NULL)
        desk->first = job->next;
    if (desk->first == NULL)
        desk->last = NULL;
    (void)pthread_mutex_unlock(&desk->lock);
    return job;
}

/* What a moment may mend is tried again for a moment. */
static void do_job(struct desk *desk, struct job *job)
{
    int64_t until_ms = clock_ms() + TRY_MS;
    for (;;) {
        if (atomic_load(&desk->cancel)) {
            error_set(&job->error, VERDICT_RETRY, "the process ends");
            return;
        }
        job->done = job->work(job->context, job->asked, &desk->cancel, &job->answer, &job->error);
        if (job->done || job->error.verdict != VERDICT_RETRY || clock_ms() >= until_ms)
            return;
        buffer_clear(&job->answer);
        clock_rest(REST_MS);
    }
}

static void *work(void *context)
{
    struct desk *desk = context;
    struct job *job;
    while ((job = next_job(desk)) != NULL) {
        do_job(desk, job);
        (void)pthread_mutex_lock(&desk->lock);
        desk->waiting--;
        (void)pthread_mutex_unlock(&desk->lock);
        server_finish(job->request); /* the job is the loop's from here on */
    }
    return NULL;
}

struct desk *desk_new(struct error *error)
{
    struct desk *desk = memory_new(1, sizeof *desk);
    (void)pthread_mutex_init(&desk->lock, NULL);
    (void)pthread_cond_init(&desk->news, NULL);
    if (pthread_create(&desk->thread, NULL, work, desk) == 0)
        return desk;
    error_set(error, VERDICT_FATAL, "the console's thread did not start");
    (void)pthread_cond_destroy(&desk->news);
    (void)pthread_mutex_destroy(&desk->lock);
    free(desk);
    return NULL;
}

void desk_cancel(struct desk *desk)
{
    if (desk == NULL)
        return;
    (void)pthread_mutex_lock(&desk->lock);
    atomic_store(&desk->cancel, true);
    (void)pthread_cond_broadcast(&desk->news);
    (void)pthread_mutex_unlock(&desk->lock);
}

void desk_end(struct desk *desk)
{
    desk_cancel(desk);
    if (desk != NULL)
        (void)pthread_join(desk->thread, NULL);
}

void desk_free(struct desk *desk)
{
    if (desk == NULL)
        return;
    (void)pthread_cond_destroy(&desk->news);
    (void)pthread_mutex_destroy(&desk->lock);
    free(desk);
}

/* The body as an object; NULL when it is something else. */
static cJSON *read_body(const struct server_request *request)
{
    size_t length = 0;
    const char *body = server_body(request, &length);
    cJSON *asked = length == 0 ? cJSON_CreateObject() : json_parse(body, length);
    if (cJSON_IsObject(asked))
        return asked;
    cJSON_Delete(asked);
    return NULL;
}

void desk_take(struct desk *desk, struct server_request *request, desk_work *task, void *context)
{
    cJSON *asked = read_body(request);
    if (asked == NULL) {
        server_answer_error(request, 400, "not-json", "the body is a JSON object", NULL);
        return;
    }
    struct job *job = memory_new(1, sizeof *job);
    *job = (struct job){.request = request,
                        .work = task,
                        .context = context,
                        .asked = asked,
                        .answer = buffer_new(DESK_ANSWER)};
    (void)pthread_mutex_lock(&desk->lock);
    bool room = desk->waiting < DESK_MOST && !atomic_load(&desk->cancel);
    if (room) {
        desk->waiting++;
        server_set_state(request, job);
        *(desk->last == NULL ? &desk->first : &desk->last->next) = job;
        desk->last = job;
        (void)pthread_cond_signal(&desk->news);
    }
    (void)pthread_mutex_unlock(&desk->lock);
    if (room)
        return;
    server_answer_error(request, 503, "busy", "others are asking already", "retry-after: 2");
    cJSON_Delete(asked);
    buffer_free(&job->answer);
    free(job);
}

void desk_answer(struct server_request *request)
{
    struct job *job = server_state(request);
    if (job->done && !job->answer.overflowed)
        server_answer(request, 200, "application/json", buffer_text(&job->answer), DATA_HEADERS);
    else if (job->done)
        server_answer_error(request, 500, "too-large", "the answer is too large", NULL);
    else
        server_answer_error(request, job->error.verdict == VERDICT_RETRY ? 503 : 409, "failed",
                            job->error.message, NULL);
    cJSON_Delete(job->asked);
    buffer_free(&job->answer);
    free(job);
}
