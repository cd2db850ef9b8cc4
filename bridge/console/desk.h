/*
 * Work that the console asks for and that takes a while, such as reading from Kafka: one thread of
 * its own does it, one piece after the other, while the requests sleep in the server's loop. At
 * most DESK_MOST wait; a further one is answered 503. What the work is, the owner of the process
 * says (admin_offer): the console knows neither topics nor registries.
 */
#ifndef BRIDGE_CONSOLE_DESK_H
#define BRIDGE_CONSOLE_DESK_H

#include <cjson/cJSON.h>
#include <stdatomic.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/http/server.h"

#define DESK_MOST   8
#define DESK_ANSWER ((size_t)16 << 20) /* bytes of an answer */

/* Does the work: `asked` is the request's body, an object, empty where there was none. Puts JSON
 * into `answer`, or returns false with `error` when nothing was changed: after VERDICT_RETRY, such
 * as for a partition whose leader is being chosen, it is then tried again for a moment. Its own
 * limits bound it; it gives up when *cancel has become true, as soon as the answer of Kafka that it
 * waits for has come or is overdue. On the desk's thread. */
typedef bool desk_work(void *context, const cJSON *asked, const atomic_bool *cancel,
                       struct buffer *answer, struct error *error);

struct desk;

struct desk *desk_new(struct error *error) MUST_CHECK;

/* Nothing more is begun, and what is under way is told to give up: at the beginning of a drain, so
 * that it has all of it to do so. Does not wait. NULL is allowed. */
void desk_cancel(struct desk *desk);

/* The same, and waits until all requests are handed back to the server, which must still be there.
 * NULL is allowed. */
void desk_end(struct desk *desk);

/* After desk_end, and when the server is gone. NULL is allowed. */
void desk_free(struct desk *desk);

/* On the server's loop: the request sleeps until its work is done, or is answered at once when it
 * cannot be taken. */
void desk_take(struct desk *desk, struct server_request *request, desk_work *work, void *context);

/* On the server's loop: answers a request whose work is done. */
void desk_answer(struct server_request *request);

#endif
