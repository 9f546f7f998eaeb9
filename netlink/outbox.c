#include "netlink/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

struct outbox_item {
    struct outbox_item *next;
    size_t len;
    uint8_t at[];
};

err_t outbox_push(struct outbox *o, span_t datagram)
{
    struct outbox_item *item = malloc(sizeof *item + datagram.len);
    if (!item) return ERR_NOMEM;
    item->next = NULL;
    item->len = datagram.len;
    memcpy(item->at, datagram.at, datagram.len);
    if (o->last) {
        o->last->next = item;
    } else {
        o->first = item;
    }
    o->last = item;
    o->bytes += item->len;
    return ERR_OK;
}

span_t outbox_first(const struct outbox *o)
{
    return o->first ? span(o->first->at, o->first->len) : span(NULL, 0);
}

void outbox_pop(struct outbox *o)
{
    struct outbox_item *item = o->first;
    if (!item) return;
    o->first = item->next;
    if (!o->first) o->last = NULL;
    o->bytes -= item->len;
    wipe(item->at, item->len);
    free(item);
}

void outbox_done(struct outbox *o)
{
    while (o->first) outbox_pop(o);
}
