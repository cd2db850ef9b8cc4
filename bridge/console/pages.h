/*
 * The files of the console's page, held by the program itself: the page needs no other host, and no
 * file beside the program. They lie in bridge/console/web.
 */
#ifndef BRIDGE_CONSOLE_PAGES_H
#define BRIDGE_CONSOLE_PAGES_H

#include <stddef.h>

struct page {
    const char *path; /* /console/index.html */
    const char *type;
    const char *text;
};

extern const struct page console_pages[];
extern const size_t console_page_count;

/* What every answer with a file bears: nothing of another origin, and nothing inline, is run. */
#define PAGE_HEADERS                                                                        \
    "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; "    \
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "              \
    "frame-ancestors 'none'\nx-content-type-options: nosniff\nreferrer-policy: no-referrer" \
    "\ncache-control: no-cache"

/* What every answer with data for these files bears: it is kept nowhere, and never run. */
#define DATA_HEADERS "cache-control: no-store\nx-content-type-options: nosniff"

#endif
