#include "bridge/commands/topics.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

#define REPORT_MAXIMUM ((size_t)1 << 20)

int command_topics(const struct config *config, bool apply)
{
    struct error error;
    struct topics *topics = NULL;
    struct topics_findings findings;
    struct buffer report = buffer_new(REPORT_MAXIMUM);
    struct kafka_context kafka = {config, config->kafka.bootstrap_servers};
    int code = EX_OK;
    if (strcmp(kafka.bootstrap, EMBEDDED_NAME) == 0) {
        (void)fputs("kafka.bootstrap.servers is embedded: that broker lives in a running bridge "
                    "only; name a Kafka with --set kafka.bootstrap.servers=HOST:PORT\n",
                    stderr);
        return EX_CONFIG;
    }
    struct selection *selection = selection_new(config, &error);
    if (selection == NULL) {
        code = error_exit_code(&error);
        goto failed;
    }
    topics = topics_new(config, selection->names, selection->has_snapshots, selection->count,
                        selection->has_assembled);
    if (!topics_compare(&kafka, NULL, topics, apply, &findings, &report, &error)) {
        code = error_exit_code(&error);
        goto failed;
    }
    (void)fputs(buffer_text(&report), stdout);
    (void)printf("%d created, %d missing, %d differ", findings.created, findings.missing,
                 findings.drifted);
    (void)printf(findings.unread > 0 ? ", %d cannot be read\n" : "\n", findings.unread);
    code = findings.missing + findings.drifted + findings.unread > 0 ? 1 : EX_OK;

failed:
    if (code != EX_OK && code != 1)
        (void)fprintf(stderr, "propexo-bridge: %s\n", error.message);
    topics_free(topics);
    selection_free(selection);
    buffer_free(&report);
    return code;
}
