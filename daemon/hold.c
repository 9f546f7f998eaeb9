#include "daemon/hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/commands.h"
#include "daemon/scripts.h"
#include "ike/net/net.h"

#define IKE_HEADER_LEN 28
#define IKE_FLAGS_AT 19
#define IKE_FLAG_RESPONSE 0x20

struct message {
    struct message *next;
    uint64_t mark, until;
    struct datagram datagram;
    uint8_t bytes[];
};

struct hold {
    bool asked;                    // in this turn
    struct message *first, **last; // the first has the lowest mark and goes first
    unsigned n;
    struct loop_timer *timer;
};

uint64_t hold_mark(const struct iked *d)
{
    if (!d->hold) return 0;
    uint64_t asked = scripts_asked(d->scripts);
    return asked > scripts_ran(d->scripts) ? asked : 0;
}

bool hold_is_over(const struct iked *d, uint64_t mark)
{
    return !d->hold || scripts_ran(d->scripts) >= mark;
}

static void send_first(struct iked *d)
{
    struct hold *h = d->hold;
    struct message *m = h->first;
    h->first = m->next;
    if (!h->first) h->last = &h->first;
    h->n--;
    net_send(d->net, &m->datagram);
    free(m);
}

static void send_due(struct iked *d)
{
    struct hold *h = d->hold;
    uint64_t now = clock_mono();
    while (h->first && (hold_is_over(d, h->first->mark) || now >= h->first->until)) send_first(d);
    if (h->first) {
        loop_timer_at(h->timer, h->first->until);
    } else {
        loop_timer_stop(h->timer);
    }
}

static void on_late(void *ctx)
{
    send_due(ctx);
}

static void on_ran(void *ctx)
{
    struct iked *d = ctx;
    send_due(d);
    commands_held(d);
}

err_t hold_start(struct iked *d)
{
    struct hold *h = calloc(1, sizeof *h);
    if (!h) return ERR_NOMEM;
    h->last = &h->first;
    h->timer = loop_timer_new(d->loop, on_late, d);
    if (!h->timer) {
        free(h);
        return ERR_NOMEM;
    }
    d->hold = h;
    scripts_on_ran(d->scripts, on_ran, d);
    return ERR_OK;
}

void hold_end(struct iked *d)
{
    struct hold *h = d->hold;
    if (!h) return;
    scripts_on_ran(d->scripts, NULL, NULL);
    while (h->first) send_first(d);
    loop_timer_free(h->timer);
    d->hold = NULL;
    free(h);
}

void hold_asked(struct iked *d)
{
    if (d->hold) d->hold->asked = true;
}

void hold_turn_over(struct iked *d)
{
    if (d->hold) d->hold->asked = false;
}

static bool is_answer(span_t bytes)
{
    return bytes.len >= IKE_HEADER_LEN && (bytes.at[IKE_FLAGS_AT] & IKE_FLAG_RESPONSE) != 0;
}

bool hold_message(struct iked *d, const struct datagram *datagram)
{
    struct hold *h = d->hold;
    if (!h || !h->asked || h->n == HOLD_MAX || !is_answer(datagram->bytes)) return false;
    struct message *m = malloc(sizeof *m + datagram->bytes.len);
    if (!m) return false;
    *m = (struct message){
        .mark = scripts_asked(d->scripts), .until = clock_mono() + HOLD_NS, .datagram = *datagram};
    memcpy(m->bytes, datagram->bytes.at, datagram->bytes.len);
    m->datagram.bytes = span(m->bytes, datagram->bytes.len);
    *h->last = m;
    h->last = &m->next;
    h->n++;
    send_due(d);
    return true;
}
