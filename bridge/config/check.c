#include "bridge/config/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/memory.h"
#include "bridge/config/form.h"
#include "bridge/config/text.h"

/* Bytes that a message may have beyond the webhook's body: headers, key, framing. */
#define MESSAGE_OVERHEAD (16 * 1024)

#define HOST_NAME_SIZE 256

static bool is_set(const char *text)
{
    return text[0] != '\0';
}

static struct setting where(const struct load *load, const char *section, const char *name)
{
    return load_where(load, key_find(section, name));
}

static void check_path(struct load *load, const struct config_key *key, const char *path)
{
    struct setting place = load_where(load, key);
    struct stat status;
    char quoted[TEXT_QUOTED_SIZE];
    bool directory = key->type == TYPE_DIRECTORY;
    int mode = directory ? R_OK | W_OK | X_OK : R_OK;
    if (stat(path, &status) != 0 || access(path, mode) != 0)
        load_problem(load, &place, "%s cannot be used: %s", text_quote(path, quoted),
                     strerror(errno));
    else if (directory != S_ISDIR(status.st_mode))
        load_problem(load, &place, "%s is %s; %s expected", text_quote(path, quoted),
                     directory ? "no directory" : "a directory",
                     directory ? "path of a directory" : "path of a file");
}

static void check_paths(struct load *load)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->type != TYPE_FILE && key->type != TYPE_DIRECTORY)
            continue;
        const char *path = *(char **)key_field(key, load->config);
        if (is_set(path))
            check_path(load, key, path);
    }
}

static void check_receiver(struct load *load)
{
    const struct config *config = load->config;
    struct setting place = where(load, "receiver", "tls_certificate");
    if (is_set(config->receiver.tls_certificate) && !is_set(config->receiver.tls_key))
        load_problem(load, &place, "needs receiver.tls_key as well");
    place = where(load, "receiver", "tls_key");
    if (is_set(config->receiver.tls_key) && !is_set(config->receiver.tls_certificate))
        load_problem(load, &place, "needs receiver.tls_certificate as well");
    place = where(load, "receiver", "tls_client_ca");
    if (is_set(config->receiver.tls_client_ca) && !is_set(config->receiver.tls_certificate))
        load_problem(load, &place, "needs receiver.tls_certificate as well");
    place = where(load, "receiver", "max_body");
    if (place.source == SOURCE_DEFAULT)
        place = where(load, "topics", "max_message");
    if (config->receiver.max_body > config->topics.max_message - MESSAGE_OVERHEAD)
        load_problem(load, &place,
                     "receiver.max_body must be 16 KiB less than topics.max_message, or more, "
                     "because a body becomes a message");
}

static void check_registry(struct load *load)
{
    const struct config *config = load->config;
    struct setting place = where(load, "registry", "user");
    bool password = is_set(config->registry.password);
    if (is_set(config->registry.user) && is_set(config->registry.token))
        load_problem(load, &place, "stands beside registry.token; one of the two must go");
    else if (is_set(config->registry.user) && !password)
        load_problem(load, &place, "needs registry.password or registry.password_file as well");
    place = where(load, "registry", "password");
    if (place.source == SOURCE_DEFAULT)
        place = where(load, "registry", "password_file");
    if (password && !is_set(config->registry.user))
        load_problem(load, &place, "needs registry.user as well");
}

static void check_redaction(struct load *load)
{
    const struct config *config = load->config;
    struct setting place = where(load, "snapshots", "redact");
    const struct config_list *fields = &config->snapshots.redact;
    for (size_t i = 0; i < fields->count && !is_set(config->snapshots.redact_key); i++) {
        if (!text_ends_with(fields->items[i], ":hash"))
            continue;
        load_problem(load, &place,
                     "has :hash, which needs snapshots.redact_key or redact_key_file");
        return;
    }
}

static void settle_format(struct load *load)
{
    struct config *config = load->config;
    struct setting place = where(load, "output", "format");
    if (!is_set(place.value))
        config->output.format = is_set(config->registry.url) ? FORMAT_AVRO : FORMAT_JSON;
    else if (config->output.format == FORMAT_AVRO && !is_set(config->registry.url))
        load_problem(load, &place, "avro needs registry.url as well; json does not");
}

static void settle_instance(struct load *load)
{
    const struct config_key *key = key_find("bridge", "instance");
    struct config_entry *entry = load_entry(load, key);
    struct setting place = load_where(load, key);
    char name[HOST_NAME_SIZE] = "";
    if (is_set(load->config->bridge.instance) || entry->refused)
        return;
    if (gethostname(name, sizeof name - 1) != 0 || form_name(name) != NULL) {
        load_problem(load, &place, "the host's name cannot serve, so a name is needed here");
        return;
    }
    free(load->config->bridge.instance);
    load->config->bridge.instance = memory_text(name);
    free(entry->origin);
    entry->origin = memory_text("the host name");
}

static bool refused(const struct load *load, const char *section, const char *name)
{
    return load_entry(load, key_find(section, name))->refused;
}

static void check_needs(struct load *load, unsigned needs)
{
    const struct config *config = load->config;
    struct setting place = where(load, "receiver", "secret");
    const struct config_secrets *secrets = &config->receiver.secrets;
    bool any = secrets->general.count > 0 || secrets->integrations.count > 0;
    bool any_refused = false;
    static const char *const names[] = {"secret", "secret_file", "integration_secret",
                                        "integration_secret_file"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        any_refused = any_refused || refused(load, "receiver", names[i]);
    if ((needs & CONFIG_NEED_RECEIVER) != 0 && !any && !any_refused &&
        !config->receiver.allow_unsigned)
        load_problem(load, &place,
                     "is missing: set it, or BRIDGE_RECEIVER_SECRET, or secret_file, or "
                     "allow_unsigned = true to take webhooks from anybody");
    place = where(load, "api", "token");
    if ((needs & CONFIG_NEED_API) != 0 && !is_set(config->api.token) &&
        !refused(load, "api", "token") && !refused(load, "api", "token_file"))
        load_problem(load, &place, "is missing: set it, or BRIDGE_API_TOKEN, or token_file");
    place = where(load, "admin", "listen");
    unsigned both = CONFIG_NEED_RECEIVER | CONFIG_NEED_ADMIN;
    if ((needs & both) == both && strcmp(config->admin.listen, config->receiver.listen) == 0 &&
        !text_ends_with(config->admin.listen, ":0"))
        load_problem(load, &place, "is the address of receiver.listen; two are needed");
}

void check_config(struct load *load, unsigned needs)
{
    struct setting replication = where(load, "topics", "replication");
    if (load->config->topics.replication == 0)
        load_problem(load, &replication,
                     "0 copies keep nothing; -1 (the broker's default) or 1 to 100 expected");
    settle_instance(load);
    settle_format(load);
    check_paths(load);
    check_receiver(load);
    check_registry(load);
    check_redaction(load);
    check_needs(load, needs);
}
