// control_source.c - UDP ports that encapsulated packets come from (RFC 3948). The kernel writes
// any number into the header; we need a socket, and whoever adds an SA hears at once if there is
// none to be had.
#include "xfrm/control_part.h"

void control_on_sources(struct control *c, const struct control_sources *s)
{
    c->sources = *s;
}

err_t control_source_hold(const struct control *c, const struct xfrm_sa *x,
                          const struct xfrm_encap *encap, uint16_t *held, struct why *why)
{
    *held = 0;
    if (!c->sources.hold || x->larval || encap->type == 0 || encap->sport == 0) return ERR_OK;
    err_t e = c->sources.hold(c->sources.ctx, x, encap->sport, why);
    if (e == ERR_NOTFOUND) return ERR_OK;
    if (e == ERR_OK) *held = encap->sport;
    return e;
}

void control_source_release(const struct control *c, uint16_t family, uint16_t held)
{
    if (held) c->sources.release(c->sources.ctx, family, held);
}
