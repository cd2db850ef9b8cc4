/* Secrets that come from files, so that they need not stand in the configuration. Any thread. */
#ifndef BRIDGE_CONFIG_SECRETS_H
#define BRIDGE_CONFIG_SECRETS_H

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/config/load.h"

#define SECRETS_MAX_FILE   (64 * 1024)   /* bytes */
#define SECRETS_MAX        100           /* general webhook secrets: each costs every webhook */
#define SECRETS_MAX_OWNED  10000         /* those of integrations */
#define SECRETS_OWNED_FILE (1024 * 1024) /* bytes of their file */

/* The file's content without one line's end at its end; the caller frees. NULL when the file cannot
 * be read, is empty, has a zero byte or is too large; no message quotes the content. */
char *secret_read(const char *path, size_t maximum, struct error *error) MUST_CHECK;

/* Fills the fields of all secrets of the table from their keys and files. Both at once is a
 * mistake, but for a secret of which there may be many: then they add up. */
void secrets_settle(struct load *load);

#endif
