#include "bridge/receiver/refusal.h"

#include <stdio.h>

void refusal_write(struct refusal *refusal, struct message *message, const char *dead_letters,
                   const char *reason, int64_t wall_ms)
{
    (void)snprintf(refusal->length, sizeof refusal->length, "%zu", message->value_length);
    message_header(message, "error_code", "too-large");
    message_header(message, "error_message", reason);
    message_header(message, "source", "webhook");
    message_header(message, "source_topic", message->topic);
    message_header(message, "attempts", "1");
    message_header(message, "first_failed_at", clock_format(wall_ms, refusal->time));
    message_header(message, "original", "cut");
    message_header(message, "original_length", refusal->length);
    message_header(message, "original_sha256",
                   digest_sha256(message->value, message->value_length, refusal->sha256));
    message->topic = dead_letters;
    if (message->value_length > REFUSAL_HEAD_SIZE)
        message->value_length = REFUSAL_HEAD_SIZE;
}
