// outbox.h - what waits to be sent to one client: datagrams in order, so many bytes and no more.
// Each is wiped when it leaves, since an SA carries keys.
#pragma once

#include "base/cursor.h"

struct outbox_item;

struct outbox { // zero-initialise; outbox_done() frees
    struct outbox_item *first, *last;
    size_t bytes; // waiting
};

// Appends a copy. ERR_NOMEM.
err_t outbox_push(struct outbox *o, span_t datagram);
span_t outbox_first(const struct outbox *o); // empty: nothing waits
void outbox_pop(struct outbox *o);
void outbox_done(struct outbox *o);
