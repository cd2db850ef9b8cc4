#include "bridge/config/list.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/config/text.h"

#define WIDTH  100
#define INDENT "    "

bool list_split(struct config_list *list, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, ",\n");
        char *item = text_trim_n(text, length);
        text += length + (text[length] == '\0' ? 0 : 1);
        if (*item == '\0' || list->count == LIST_MAX_ITEMS) {
            bool empty = *item == '\0';
            free(item);
            if (!empty)
                return false;
            continue;
        }
        list_add(list, item);
    }
    return true;
}

void list_add(struct config_list *list, char *item)
{
    list->items = memory_grow(list->items, list->count + 2, sizeof *list->items);
    list->items[list->count++] = item;
    list->items[list->count] = NULL;
}

bool list_has(const struct config_list *list, const char *item)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], item) == 0)
            return true;
    return false;
}

void list_free(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){0};
}

void list_write(const struct config_list *list, size_t column, struct buffer *out)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t length = strlen(list->items[i]);
        if (i > 0 && column + length + 3 > WIDTH) {
            buffer_append_text(out, ",\n" INDENT);
            column = strlen(INDENT);
        } else if (i > 0) {
            buffer_append_text(out, ", ");
            column += 2;
        }
        buffer_append_text(out, list->items[i]);
        column += length;
    }
}
