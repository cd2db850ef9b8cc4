/*
 * The written forms of what values may be. Each answers NULL when `text` has the form, else what is
 * wrong with it: the end of a sentence that begins with the value, quoting nothing of it. Pure; any
 * thread.
 */
#ifndef BRIDGE_CONFIG_FORM_H
#define BRIDGE_CONFIG_FORM_H

/* Kafka's topic names and group.instance.id: A-Z a-z 0-9 . _ - */
const char *form_name(const char *text);

/* The name of a key or section: a-z 0-9 . _ - and at most 100 bytes. */
const char *form_key(const char *text);

/* A model's name: a lower-case letter, then lower-case letters, digits and underscores, at most 64.
 */
const char *form_model(const char *text);

/* What is to be redacted: model.field, more names with dots between them for what is below it, and
 * perhaps :drop or :hash. */
const char *form_redaction(const char *text);

/* Where to listen: host:port or [IPv6]:port, port 0 to 65535. */
const char *form_address(const char *text);

/* A broker: [protocol://]host[:port], as librdkafka's bootstrap.servers takes it. */
const char *form_broker(const char *text);

/* http:// or https://, a host, and perhaps a port and a path; no user, query or fragment. */
const char *form_url(const char *text);

#endif
