/*
 * The answer headers that the bridge heeds: x-ratelimit-limit and x-ratelimit-remaining (Propexo's
 * API page), Retry-After and Content-Type (RFC 9110, sections 10.2.3 and 8.3). No I/O; any thread.
 */
#ifndef BRIDGE_HTTP_ANSWER_H
#define BRIDGE_HTTP_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "bridge/http/client.h"

/* Forgets what earlier headers said. */
void answer_clear(struct http_answer *answer);

/*
 * Takes in one header line, with or without its line end. A status line clears what an earlier
 * answer of the same request said (a redirect's headers count for nothing). A value that is no
 * number, or a date that cannot be read, counts as absent. `wall_ms` is the time now, which a
 * Retry-After date is held against; a date in the past means 0.
 */
void answer_header(struct http_answer *answer, const char *line, size_t length, int64_t wall_ms);

#endif
