#include "bridge/receiver/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/table.h"
#include "bridge/config/list.h"
#include "bridge/http/signature.h"

/* The secrets that open one door: the general one, or an integration's. */
struct door {
    struct config_list plain; /* Propexo's, and tokens */
    struct signature_keys plain_keys;
    struct signature_keys keys; /* of Standard Webhooks */
};

struct credentials {
    unsigned senders; /* bits of enum config_sender */
    int64_t tolerance_s;
    bool open; /* anybody may send */
    char *token_header;
    struct door general;
    struct table integrations; /* id -> struct door */
};

static bool is_active(const struct credentials *credentials, enum config_sender sender)
{
    return (credentials->senders & 1U << sender) != 0;
}

static bool add_secret(const struct credentials *credentials, struct door *door, const char *secret,
                       struct error *error)
{
    size_t prefix = strlen(SIGNATURE_KEY_PREFIX);
    if (!is_active(credentials, SENDER_STANDARD_WEBHOOKS) ||
        strncmp(secret, SIGNATURE_KEY_PREFIX, prefix) != 0) {
        list_add(&door->plain, memory_text(secret));
        signature_keys_add(&door->plain_keys, secret, strlen(secret));
        return true;
    }
    return signature_keys_add_standard(&door->keys, secret) ||
           error_set(error, VERDICT_CONFIGURATION,
                     "receiver: a secret that begins with " SIGNATURE_KEY_PREFIX
                     " is not the base64 of 16 bytes or more");
}

static struct door *door_of(struct credentials *credentials, const char *id, size_t length)
{
    struct door *door = table_get(&credentials->integrations, id, length);
    if (door == NULL) {
        door = memory_new(1, sizeof *door);
        (void)table_put(&credentials->integrations, id, length, door);
    }
    return door;
}

/* "ID SECRET", as the configuration has checked. */
static bool add_integration(struct credentials *credentials, const char *line, struct error *error)
{
    size_t length = strcspn(line, " ");
    const char *secret = line + length + strspn(line + length, " ");
    return add_secret(credentials, door_of(credentials, line, length), secret, error);
}

/* Every profile that is in force has a secret at some door, or it is a mistake. */
static bool check_profiles(const struct credentials *credentials, struct error *error)
{
    bool plain = credentials->general.plain.count > 0;
    bool keys = credentials->general.keys.count > 0;
    size_t cursor = 0;
    struct table_slot *slot;
    while ((slot = table_next(&credentials->integrations, &cursor)) != NULL) {
        const struct door *door = slot->value;
        plain = plain || door->plain.count > 0;
        keys = keys || door->keys.count > 0;
    }
    if (credentials->open || (!plain && !keys))
        return true;
    if (is_active(credentials, SENDER_STANDARD_WEBHOOKS) && !keys)
        return error_set(error, VERDICT_CONFIGURATION,
                         "receiver.senders has standard-webhooks, but no secret begins "
                         "with " SIGNATURE_KEY_PREFIX);
    if (!plain && (is_active(credentials, SENDER_PROPEXO) || is_active(credentials, SENDER_TOKEN)))
        return error_set(error, VERDICT_CONFIGURATION,
                         "receiver.senders has propexo or token, but every secret begins "
                         "with " SIGNATURE_KEY_PREFIX);
    return true;
}

struct credentials *credentials_new(const struct config *config,
                                    const struct config_secrets *secrets, struct error *error)
{
    struct credentials *credentials = memory_new(1, sizeof *credentials);
    credentials->senders = config->receiver.senders;
    credentials->tolerance_s = config->receiver.tolerance_s;
    credentials->token_header = memory_text(config->receiver.token_header);
    bool any = secrets->general.count > 0 || secrets->integrations.count > 0;
    credentials->open = config->receiver.allow_unsigned && !any;
    bool ok = true;
    for (size_t i = 0; ok && i < secrets->general.count; i++)
        ok = add_secret(credentials, &credentials->general, secrets->general.items[i], error);
    for (size_t i = 0; ok && i < secrets->integrations.count; i++)
        ok = add_integration(credentials, secrets->integrations.items[i], error);
    if (ok && check_profiles(credentials, error))
        return credentials;
    credentials_free(credentials);
    return NULL;
}

static void door_close(struct door *door)
{
    signature_keys_free(&door->plain_keys);
    signature_keys_free(&door->keys);
    list_free(&door->plain);
}

void credentials_free(struct credentials *credentials)
{
    size_t cursor = 0;
    struct table_slot *slot;
    if (credentials == NULL)
        return;
    while ((slot = table_next(&credentials->integrations, &cursor)) != NULL) {
        door_close(slot->value);
        free(slot->value);
    }
    table_free(&credentials->integrations);
    door_close(&credentials->general);
    free(credentials->token_header);
    free(credentials);
}

const char *credentials_header(const struct credentials *credentials, enum credential_header header)
{
    static const char *const names[CREDENTIAL_HEADERS] = {
        [CREDENTIAL_PROPEXO] = SIGNATURE_HEADER,
        [CREDENTIAL_ID] = "webhook-id",
        [CREDENTIAL_TIMESTAMP] = "webhook-timestamp",
        [CREDENTIAL_SIGNATURES] = "webhook-signature",
        [CREDENTIAL_SVIX_ID] = "svix-id",
        [CREDENTIAL_SVIX_TIMESTAMP] = "svix-timestamp",
        [CREDENTIAL_SVIX_SIGNATURES] = "svix-signature",
    };
    return header == CREDENTIAL_TOKEN ? credentials->token_header : names[header];
}

/* The value of a header that is there exactly once, else NULL. */
static const char *one(const struct credential_request *request, enum credential_header header)
{
    const struct credential_seen *seen = &request->headers[header];
    return seen->count == 1 ? seen->value : NULL;
}

static bool is_propexo(const struct credential_request *request, const struct door *door)
{
    const char *signature = one(request, CREDENTIAL_PROPEXO);
    return signature != NULL &&
           signature_matches(signature, request->body, request->length, &door->plain_keys);
}

static bool is_token(const struct credential_request *request, const struct door *door)
{
    const char *token = one(request, CREDENTIAL_TOKEN);
    return token != NULL && signature_token_matches(token, door->plain.items, door->plain.count);
}

/* `first` is the place of the three headers' first one. */
static bool is_standard(const struct credentials *credentials,
                        const struct credential_request *request, const struct door *door,
                        enum credential_header first)
{
    struct signature_standard told = {one(request, first), one(request, first + 1),
                                      one(request, first + 2)};
    return told.id != NULL && told.timestamp != NULL && told.signatures != NULL &&
           signature_is_recent(told.timestamp, request->wall_ms / 1000, credentials->tolerance_s) &&
           signature_standard_matches(&told, request->body, request->length, &door->keys);
}

static bool is_vouched_for(const struct credentials *credentials,
                           const struct credential_request *request, const struct door *door)
{
    return (is_active(credentials, SENDER_PROPEXO) && is_propexo(request, door)) ||
           (is_active(credentials, SENDER_STANDARD_WEBHOOKS) &&
            (is_standard(credentials, request, door, CREDENTIAL_ID) ||
             is_standard(credentials, request, door, CREDENTIAL_SVIX_ID))) ||
           (is_active(credentials, SENDER_TOKEN) && is_token(request, door));
}

/* Why nobody vouches for it, as far as the headers show. */
static const char *find_reason(const struct credentials *credentials,
                               const struct credential_request *request)
{
    bool any = false;
    for (int i = 0; i < CREDENTIAL_HEADERS; i++) {
        if (request->headers[i].count > 1)
            return "header_twice";
        any = any || request->headers[i].count > 0;
    }
    if (!any)
        return "no_header";
    for (int i = 0; i < 2; i++) {
        const char *timestamp =
            one(request, i == 0 ? CREDENTIAL_TIMESTAMP : CREDENTIAL_SVIX_TIMESTAMP);
        if (is_active(credentials, SENDER_STANDARD_WEBHOOKS) && timestamp != NULL &&
            !signature_is_recent(timestamp, request->wall_ms / 1000, credentials->tolerance_s))
            return "timestamp";
    }
    return "no_match";
}

enum credential credentials_check(const struct credentials *credentials,
                                  const struct credential_request *request, const char **reason)
{
    const struct door *own = request->integration_id == NULL
                                 ? NULL
                                 : table_get(&credentials->integrations, request->integration_id,
                                             strlen(request->integration_id));
    if (credentials->open)
        return CREDENTIAL_GENERAL;
    if (is_vouched_for(credentials, request, own == NULL ? &credentials->general : own))
        return own == NULL ? CREDENTIAL_GENERAL : CREDENTIAL_INTEGRATION;
    *reason = find_reason(credentials, request);
    return CREDENTIAL_NONE;
}
