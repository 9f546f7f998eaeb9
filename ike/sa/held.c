#include "ike/sa/held.h"

err_t held_put(struct held *k, const struct msg *m, const struct datagram *d)
{
    held_done(k);
    TRY(blob_set(&k->inside, m->inside));
    k->h = m->h;
    k->first = m->sk_first;
    k->from = d->from;
    k->to = d->to;
    k->full = true;
    return ERR_OK;
}

err_t held_get(const struct held *k, struct msg *m, struct datagram *d)
{
    *d = (struct datagram){.from = k->from, .to = k->to};
    *m = (struct msg){.h = k->h};
    return msg_inside(m, k->first, blob_span(&k->inside));
}

void held_done(struct held *k)
{
    blob_done(&k->inside);
    *k = (struct held){0};
}
