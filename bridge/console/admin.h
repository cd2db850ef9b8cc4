/*
 * The admin port: /healthz (the process serves), /readyz (why it is not ready, as JSON) and
 * /metrics (Prometheus text format) for whoever reaches it; the console's page, and what it asks
 * for: /console/flow, /console/history and /console/board tell numbers and ids, and what the owner
 * of the process offers besides (dead letters, replay, a record). What changes something, and what
 * shows a record's fields, asks for admin.token. Its own loop thread, and one for the offers.
 */
#ifndef BRIDGE_CONSOLE_ADMIN_H
#define BRIDGE_CONSOLE_ADMIN_H

#include <stddef.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"
#include "bridge/console/desk.h"

struct admin;

struct admin *admin_new(const struct config *config, struct error *error) MUST_CHECK;
void admin_free(struct admin *admin); /* NULL is allowed */

/* host:port as bound. */
const char *admin_address(const struct admin *admin);

/* What is done on the desk's thread for who asks. */
struct admin_offer {
    const char *path; /* /console/letters */
    const char *method;
    bool guarded; /* it changes something or shows fields: it asks for the token */
    desk_work *work;
};

/* From now on these are there; before, their paths are answered 503. `parts` is how the process
 * calls what runs in it, "receiver enricher". All is borrowed for the admin's life. */
void admin_offer(struct admin *admin, const char *parts, const struct admin_offer *offers,
                 size_t count, void *context);

/* The offers are over, those under way are to give up: at the beginning of a drain. */
void admin_withdraw(struct admin *admin);

/* To be called about once a second. */
void admin_tend(struct admin *admin, int64_t now_ms);

#endif
