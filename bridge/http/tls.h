/*
 * What a server shows and asks for in a TLS handshake: its certificate chain and key, and whose
 * certificates it takes from clients. Only tls.c knows GnuTLS, which libmicrohttpd speaks TLS with.
 *
 * They can be exchanged while the server runs. A handshake shows what is in force when it begins,
 * and what was in force before is kept until tls_unload (some kilobytes for each exchange), since
 * handshakes may be in the midst of it; a client's certificate is judged by what is in force when
 * it comes. Connections that stand are left alone. libmicrohttpd's callback has no context, so one
 * server of a process can speak TLS.
 */
#ifndef BRIDGE_HTTP_TLS_H
#define BRIDGE_HTTP_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"

/* TLS 1.3 and 1.2 (RFC 8996 has ended those before), and the server's order of ciphers. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

/* Paths of PEM files; an empty text or NULL is none. */
struct tls_files {
    const char *certificate; /* the chain; none: the server speaks plain HTTP */
    const char *key;         /* without a password */
    const char *client_ca;   /* none: clients are not asked for a certificate */
};

bool tls_is_wanted(const struct tls_files *files);

/* Reads them; handshakes that begin from then on use them. False with VERDICT_CONFIGURATION when
 * they cannot be used (no PEM, another certificate's key, a key with a password): what was in force
 * stays so. An expired certificate is taken, and logged: clients that look refuse it. One thread at
 * a time, any. */
bool tls_load(const struct tls_files *files, struct error *error) MUST_CHECK;

/* Forgets all; when the server has ended. */
void tls_unload(void);

/* gnutls_certificate_retrieve_function2, for libmicrohttpd: the identity in force; asks for the
 * client's certificate when that is wanted. */
int tls_identify(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                 gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key);

#endif
