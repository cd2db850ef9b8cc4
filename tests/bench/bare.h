/*
 * What the bare programs share. Each does one thing that the bridge does, by the library that the
 * bridge stands on and nothing else: the ceilings that the bridge is held against. They print one
 * line of JSON; whatever goes wrong ends them with exit code 70, since half a measurement is none.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

/* Wall time and this process's CPU time (all threads, user and system), in microseconds. */
struct bare_clock {
    int64_t wall_us;
    int64_t cpu_us;
};

noreturn void bare_fail(const char *what, const char *why);

/* Ends the process unless it holds. */
void bare_demand(bool holds, const char *what);

struct bare_clock bare_clock(void);

/* Prints what was done since `began`. */
void bare_report(int64_t done, struct bare_clock began);

/* The lines of a file; the array ends with NULL, and lives until the process ends. */
char **bare_lines(const char *path, size_t *count);
int64_t bare_number(const char *text);

/* A message that somebody wrote, as it stands in a line of JSON: {"topic", "key", "value",
 * "headers": [[name, value], ...]}, all of them texts. Lives until the process ends. */
struct bare_message {
    const char *topic;
    const char *key;
    const char *value;
    const char *headers[64][2];
    size_t header_count;
};

struct bare_message bare_message(const char *line);

/* A producer as the bridge's, idempotent and with the same linger; `id` is its transactional id, or
 * NULL. With RD_KAFKA_EVENT_DR in `events` its delivery reports come as events, and are not
 * counted.
 */
rd_kafka_t *bare_producer(const char *bootstrap, const char *linger_ms, const char *id, int events);

/* Produces it with another value, and waits for room where there is none. Its delivery is counted
 * by bare_delivered. */
void bare_produce(rd_kafka_t *handle, const struct bare_message *message, const char *key,
                  const void *value, size_t length);

/* Messages whose delivery was reported. */
int64_t bare_delivered(void);

#endif
