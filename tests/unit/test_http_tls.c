/* The HTTP client verifies whom it talks to: against a TLS server with a certificate of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <microhttpd.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "bridge/base/memory.h"
#include "bridge/http/client.h"

struct server {
    struct MHD_Daemon *daemon;
    int port;
    char *key;
    char *certificate;
    char file[32]; /* holds the certificate */
};

static char *text_of(BIO *bio)
{
    char *data;
    long length = BIO_get_mem_data(bio, &data);
    char *text = memory_text_n(data, (size_t)length); /* no zero byte ends it */
    BIO_free(bio);
    return text;
}

/* A key, and a certificate signed by it, for one subject alternative name. */
static void make_certificate(struct server *server, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1,
                               0);
    X509_set_issuer_name(certificate, subject);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    server->key = text_of(out);
    out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    server->certificate = text_of(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *body,
                              size_t *body_length, void **request)
{
    static char hello[] = "hello";
    (void)context;
    (void)url;
    (void)method;
    (void)version;
    (void)body;
    (void)body_length;
    (void)request;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(5, hello, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static struct server start(const char *name)
{
    struct server server = {.file = "/tmp/test_http_tls.XXXXXX"};
    make_certificate(&server, name);
    server.daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL,
                                     answer, NULL, MHD_OPTION_HTTPS_MEM_KEY, server.key,
                                     MHD_OPTION_HTTPS_MEM_CERT, server.certificate, MHD_OPTION_END);
    assert_non_null(server.daemon);
    server.port = MHD_get_daemon_info(server.daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    int fd = mkstemp(server.file);
    ssize_t length = (ssize_t)strlen(server.certificate);
    assert_int_equal(write(fd, server.certificate, (size_t)length), length);
    close(fd);
    return server;
}

static void stop(struct server *server)
{
    MHD_stop_daemon(server->daemon);
    unlink(server->file);
    free(server->key);
    free(server->certificate);
}

static void keep_outcome(void *context, const struct http_answer *got)
{
    enum http_outcome *outcome = context;
    *outcome = got->outcome;
    if (got->outcome == HTTP_ANSWERED)
        assert_string_equal(got->body, "hello");
}

static enum http_outcome get(const struct server *server, const char *ca_file)
{
    struct http_options options = {.max_connections = 1,
                                   .connect_timeout_ms = 10000,
                                   .timeout_ms = 20000,
                                   .max_body = 1000,
                                   .ca_file = ca_file};
    struct error error;
    struct http_client *client = http_client_new(&options, &error);
    enum http_outcome outcome = HTTP_TIMEOUT;
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", server->port);
    assert_true(http_client_get(client, url, keep_outcome, &outcome, &error));
    while (http_client_in_flight(client) > 0)
        http_client_poll(client, NULL, 0, 1000);
    http_client_free(client);
    return outcome;
}

static void test_a_known_certificate_is_accepted(void **state)
{
    (void)state;
    struct server server = start("IP:127.0.0.1");
    assert_int_equal(get(&server, server.file), HTTP_ANSWERED);
    stop(&server);
}

static void test_an_unknown_certificate_is_refused(void **state)
{
    (void)state;
    struct server server = start("IP:127.0.0.1");
    struct server other = start("IP:127.0.0.1");
    assert_int_equal(get(&server, NULL), HTTP_TLS);
    assert_int_equal(get(&server, ""), HTTP_TLS);
    assert_int_equal(get(&server, other.file), HTTP_TLS);
    assert_int_equal(get(&server, "/no/such/file"), HTTP_TLS);
    stop(&other);
    stop(&server);
}

static void test_a_certificate_of_another_name_is_refused(void **state)
{
    (void)state;
    struct server server = start("DNS:api.example");
    assert_int_equal(get(&server, server.file), HTTP_TLS);
    stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_known_certificate_is_accepted),
        cmocka_unit_test(test_an_unknown_certificate_is_refused),
        cmocka_unit_test(test_a_certificate_of_another_name_is_refused),
    };
    unsetenv("https_proxy");
    unsetenv("all_proxy");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
