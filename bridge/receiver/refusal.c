#include "bridge/receiver/refusal.h"

void refusal_write(struct refusal *refusal, struct message *message, const char *dead_letters,
                   const char *reason, int64_t wall_ms)
{
    message_header(message, "error_code", "too-large");
    message_header(message, "error_message", reason);
    message_header(message, "source", "webhook");
    message_header(message, "source_topic", message->topic);
    message_header(message, "attempts", "1");
    message_header(message, "first_failed_at", clock_format(wall_ms, refusal->time));
    dead_letter_cut(message, &refusal->cut);
    message->topic = dead_letters;
}
