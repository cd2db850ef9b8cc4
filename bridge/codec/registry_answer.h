/*
 * What the answers of a schema registry mean. They come from outside: whatever is in them, each of
 * these ends in what it promises or in an error that says what is lacking. Pure; any thread.
 *
 * Where one fails: VERDICT_RETRY: the registry is in trouble or busy. VERDICT_CONFIGURATION: it
 * refuses, or is no registry.
 */
#ifndef BRIDGE_CODEC_REGISTRY_ANSWER_H
#define BRIDGE_CODEC_REGISTRY_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/base/error.h"
#include "bridge/codec/registry.h"
#include "bridge/http/client.h"

/* What a status other than 200 means for us; the registry says more in {"message": "..."}. Returns
 * false. */
bool registry_refused(const struct http_answer *answer, struct error *error);

/* An id, and a version unless `version` is NULL, of an answer that must be 200. */
bool registry_take_version(const struct http_answer *answer, int *version, uint32_t *id,
                           struct error *error) MUST_CHECK;

/* A subject's latest version: leaves `*found` alone when there is none; else `*equal`, or what
 * differs from it in our schema is appended. */
bool registry_take_latest(const struct http_answer *answer, const struct schema *schema,
                          struct registry_subject *found, bool *equal, struct buffer *difference,
                          struct error *error) MUST_CHECK;

/* Whether a schema is compatible, which it is with a subject that is not there. `*explained`: it
 * is, or the registry's words why not were appended. */
bool registry_take_verdict(const struct http_answer *answer, bool *compatible, bool *explained,
                           struct buffer *reason, struct error *error) MUST_CHECK;

/* The text of a schema, which the caller frees; leaves it alone when there is none. */
bool registry_take_text(const struct http_answer *answer, char **text,
                        struct error *error) MUST_CHECK;

#endif
