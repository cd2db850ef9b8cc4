/*
 * `webhooks`: the webhooks that Propexo holds for us, brought to what `bridge.models` and the
 * secret of the configuration ask for.
 */
#ifndef BRIDGE_COMMANDS_WEBHOOKS_H
#define BRIDGE_COMMANDS_WEBHOOKS_H

#include "bridge/base/attributes.h"
#include "bridge/commands/arguments.h"
#include "bridge/config/config.h"

/* `plan` shows what would change, `apply` changes it, `list` shows all webhooks that there are.
 * Never prints a secret or a header. Exit code 0: done, or nothing differs; 1: `plan` found a
 * difference; 64: usage; 69: the API is away; 75: the API does not show the changes yet; 78: a URL,
 * a secret or a token that will not do. What is done when it fails is told, and stays done. */
int command_webhooks(const struct config *config, const struct arguments *arguments) MUST_CHECK;

#endif
