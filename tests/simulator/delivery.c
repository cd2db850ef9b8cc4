#include "tests/simulator/delivery.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/clock.h"

static void sign(struct delivery *delivery, const char *secret)
{
    unsigned char code[EVP_MAX_MD_SIZE] = {0};
    unsigned length = 0;
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)delivery->body,
         delivery->length, code, &length);
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < DELIVERY_SIGNATURE / 2; i++) {
        delivery->signature[i * 2] = digits[code[i] >> 4];
        delivery->signature[i * 2 + 1] = digits[code[i] & 15];
    }
}

struct delivery *delivery_create(uint64_t number, struct text *body, const char *secret)
{
    struct delivery *delivery = memory_get_zeroed(1, sizeof *delivery);
    delivery->number = number;
    delivery->length = body->length;
    delivery->body = text_take(body);
    delivery->queued_at = clock_wall();
    sign(delivery, secret);
    return delivery;
}

void delivery_destroy(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    free(delivery->body);
    free(delivery);
}

const char *delivery_outcome_name(enum delivery_outcome outcome)
{
    static const char *const names[] = {"waiting", "ok", "lost", "dropped"};
    return names[outcome];
}

void delivery_write(struct text *text, const struct delivery *delivery)
{
    text_format(text, "{\"number\":%" PRIu64 ",\"outcome\":\"%s\",\"attempts\":%u,\"status\":%u",
                delivery->number, delivery_outcome_name(delivery->outcome), delivery->attempts,
                delivery->status);
    text_format(text, ",\"queued_at\":%" PRId64 ",\"ended_at\":%" PRId64 ",\"signature\":\"%s\"",
                delivery->queued_at, delivery->ended_at, delivery->signature);
    text_format(text, ",\"late\":%s,\"replays\":%u", delivery->late ? "true" : "false",
                delivery->replays);
    text_add(text, ",\"body\":");
    text_json(text, delivery->body, delivery->length);
    text_add(text, "}");
}
