/*
 * The admin port: /healthz (the process serves), /readyz (why it is not ready, as JSON) and
 * /metrics (Prometheus text format) for whoever reaches it; /log/level for who shows admin.token,
 * as everything here that changes something. Its own loop thread.
 */
#ifndef BRIDGE_CONSOLE_ADMIN_H
#define BRIDGE_CONSOLE_ADMIN_H

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/config.h"

struct admin;

struct admin *admin_new(const struct config *config, struct error *error) MUST_CHECK;
void admin_free(struct admin *admin); /* NULL is allowed */

/* host:port as bound. */
const char *admin_address(const struct admin *admin);

#endif
