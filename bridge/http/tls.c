#include "bridge/http/tls.h"

#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/file.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"

#define PEM_MAXIMUM   ((size_t)256 << 10)
#define LONGEST_CHAIN 16U
#define KEY_ID_SIZE   64

struct identity {
    gnutls_pcert_st chain[LONGEST_CHAIN];
    unsigned length;
    gnutls_privkey_t key;
    gnutls_x509_trust_list_t clients; /* NULL: they are not asked */
    time_t expires;
    unsigned char key_id[KEY_ID_SIZE]; /* of the certificate's public key */
    size_t key_id_size;
    struct identity *before;
};

static struct identity *_Atomic current;

static bool is_told(const char *path)
{
    return path != NULL && *path != '\0';
}

bool tls_is_wanted(const struct tls_files *files)
{
    return is_told(files->certificate);
}

static gnutls_datum_t datum_of(char *text)
{
    return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned)strlen(text)};
}

static void free_certificates(gnutls_x509_crt_t *certificates, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(certificates[i]);
    gnutls_free(certificates);
}

static int take_chain(struct identity *identity, char *text)
{
    gnutls_datum_t data = datum_of(text);
    gnutls_x509_crt_t *certificates = NULL;
    unsigned count = 0;
    int code = gnutls_x509_crt_list_import2(&certificates, &count, &data, GNUTLS_X509_FMT_PEM,
                                            GNUTLS_X509_CRT_LIST_SORT);
    if (code < 0)
        return code;
    if (count == 0 || count > LONGEST_CHAIN) {
        free_certificates(certificates, count);
        return GNUTLS_E_CERTIFICATE_LIST_UNSORTED;
    }
    identity->expires = gnutls_x509_crt_get_expiration_time(certificates[0]);
    identity->key_id_size = sizeof identity->key_id;
    code = gnutls_x509_crt_get_key_id(certificates[0], GNUTLS_KEYID_USE_SHA256, identity->key_id,
                                      &identity->key_id_size);
    identity->length = count;
    if (code >= 0)
        code = gnutls_pcert_import_x509_list(identity->chain, certificates, &identity->length, 0);
    if (code < 0)
        identity->length = 0;
    free_certificates(certificates, count);
    return code;
}

static int take_key(struct identity *identity, char *text)
{
    gnutls_datum_t data = datum_of(text);
    int code = gnutls_privkey_init(&identity->key);
    return code < 0
               ? code
               : gnutls_privkey_import_x509_raw(identity->key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
}

static bool is_pair(const struct identity *identity)
{
    unsigned char id[KEY_ID_SIZE];
    size_t size = sizeof id;
    gnutls_pubkey_t public = NULL;
    bool same = gnutls_pubkey_init(&public) >= 0 &&
                gnutls_pubkey_import_privkey(public, identity->key, 0, 0) >= 0 &&
                gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, id, &size) >= 0 &&
                size == identity->key_id_size && memcmp(id, identity->key_id, size) == 0;
    gnutls_pubkey_deinit(public);
    return same;
}

static int take_clients(struct identity *identity, char *text)
{
    gnutls_datum_t data = datum_of(text);
    int code = gnutls_x509_trust_list_init(&identity->clients, 0);
    if (code < 0)
        return code;
    code = gnutls_x509_trust_list_add_trust_mem(identity->clients, &data, NULL, GNUTLS_X509_FMT_PEM,
                                                0, 0);
    return code == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : code;
}

/* Reads one file and gives it to one of the three above. */
static bool take(struct identity *identity, const char *path,
                 int (*taker)(struct identity *identity, char *text), struct error *error)
{
    char *text = file_read(path, PEM_MAXIMUM, error);
    if (text == NULL)
        return false;
    int code = taker(identity, text);
    explicit_bzero(text, strlen(text));
    free(text);
    return code >= 0 ||
           error_set(error, VERDICT_CONFIGURATION, "%s: %s", path, gnutls_strerror(code));
}

static bool fill(struct identity *identity, const struct tls_files *files, struct error *error)
{
    if (!take(identity, files->certificate, take_chain, error) ||
        !take(identity, files->key, take_key, error))
        return false;
    if (!is_pair(identity))
        return error_set(error, VERDICT_CONFIGURATION, "%s is not the key of the certificate in %s",
                         files->key, files->certificate);
    return !is_told(files->client_ca) || take(identity, files->client_ca, take_clients, error);
}

static void free_identity(struct identity *identity)
{
    for (unsigned i = 0; i < identity->length; i++)
        gnutls_pcert_deinit(&identity->chain[i]);
    gnutls_privkey_deinit(identity->key);
    if (identity->clients != NULL)
        gnutls_x509_trust_list_deinit(identity->clients, 1);
    free(identity);
}

static void tell(const struct identity *identity)
{
    char until[CLOCK_TEXT_SIZE];
    int64_t expires_ms = (int64_t)identity->expires * 1000;
    (void)clock_format(expires_ms, until);
    metrics_set(METRIC_TLS_EXPIRY, expires_ms * 1000);
    if (expires_ms <= clock_wall_ms())
        log_warn("certificate_expired", LOG_TEXT("not_after", until));
    else
        log_info("certificate", LOG_TEXT("not_after", until),
                 LOG_TEXT("client_certificates", identity->clients != NULL ? "required" : "no"));
}

bool tls_load(const struct tls_files *files, struct error *error)
{
    struct identity *identity = memory_new(1, sizeof *identity);
    if (!fill(identity, files, error)) {
        free_identity(identity);
        return false;
    }
    tell(identity);
    identity->before = atomic_load(&current);
    atomic_store(&current, identity);
    return true;
}

void tls_unload(void)
{
    struct identity *before = NULL;
    for (struct identity *one = atomic_exchange(&current, NULL); one != NULL; one = before) {
        before = one->before;
        free_identity(one);
    }
}

static const char *reason_of(unsigned status)
{
    if (status & GNUTLS_CERT_EXPIRED)
        return "expired";
    if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
        return "signed by nobody known";
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        return "not for clients";
    return "not valid";
}

/* GNUTLS_CERT_... bits of what is wrong with a client's chain; 0: nothing. */
static unsigned judge(const struct identity *identity, const gnutls_datum_t *shown, unsigned count)
{
    gnutls_x509_crt_t chain[LONGEST_CHAIN];
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char[]){GNUTLS_KP_TLS_WWW_CLIENT}};
    unsigned status = GNUTLS_CERT_INVALID;
    unsigned read = 0;
    bool whole = count > 0 && count <= LONGEST_CHAIN;
    while (whole && read < count && gnutls_x509_crt_init(&chain[read]) >= 0) {
        whole = gnutls_x509_crt_import(chain[read], &shown[read], GNUTLS_X509_FMT_DER) >= 0;
        read++;
    }
    if (whole && read == count &&
        gnutls_x509_trust_list_verify_crt2(identity->clients, chain, read, &purpose, 1, 0, &status,
                                           NULL) < 0)
        status = GNUTLS_CERT_INVALID;
    for (unsigned i = 0; i < read; i++)
        gnutls_x509_crt_deinit(chain[i]);
    return status;
}

/* Whether the client's certificate is of those that are taken; what is not 0 ends the handshake. */
static int admit(gnutls_session_t session)
{
    static struct log_gate gate;
    int64_t suppressed = 0;
    unsigned count = 0;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(session, &count);
    unsigned status =
        shown == NULL ? GNUTLS_CERT_INVALID : judge(atomic_load(&current), shown, count);
    if (status == 0)
        return 0;
    metrics_add(METRIC_TLS_CLIENTS_REFUSED, 1);
    if (log_gate_open(&gate, clock_ms(), 1000, &suppressed))
        log_warn("client_certificate_refused", LOG_TEXT("reason", reason_of(status)),
                 LOG_NUMBER("suppressed", suppressed));
    return GNUTLS_E_CERTIFICATE_ERROR;
}

int tls_identify(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                 gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key)
{
    struct identity *identity = atomic_load(&current);
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    if (identity == NULL)
        return GNUTLS_E_NO_CERTIFICATE_FOUND;
    if (identity->clients != NULL) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_function(session, admit);
    }
    *chain = identity->chain;
    *length = identity->length;
    *key = identity->key;
    return 0;
}
