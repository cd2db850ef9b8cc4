/*
 * The section [kafka]: any property of librdkafka, for both sides or with `producer.` or
 * `consumer.` before its name. Whether a property exists and takes its value is for librdkafka to
 * say; here those are refused that the bridge's promises rest on. Called by config_load on its
 * thread; the others from any.
 */
#ifndef BRIDGE_CONFIG_PROPERTIES_H
#define BRIDGE_CONFIG_PROPERTIES_H

#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/buffer.h"
#include "bridge/config/load.h"

#define PROPERTIES_SECTION "kafka"
#define PROPERTIES_MAX     200 /* settings of [kafka], beyond the table's keys */

/* Takes the property, replacing one from an earlier source, or reports what is wrong. Its value may
 * go on over indented lines after a comma, or be a PEM text. */
void properties_set(struct load *load, const struct setting *setting);

/* Reads the secrets that come from files and moves all into config->kafka. */
void properties_settle(struct load *load);

/* Frees what was set and not moved. */
void properties_free(struct load *load);

/* True when the property (without side) holds something that must not be shown. */
bool property_is_secret(const char *name);

/* The property that the rest of an environment variable's name after BRIDGE_KAFKA_ stands for:
 * PRODUCER_LINGER_MS is producer.linger.ms, SASL_PASSWORD_FILE is sasl.password_file. The caller
 * frees. */
char *property_from_environment(const char *rest) MUST_CHECK;

/* Appends the refused properties with the reasons as a Markdown table. */
void properties_document(struct buffer *out);

#endif
