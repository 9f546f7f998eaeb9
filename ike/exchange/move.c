#include "ike/exchange/move.h"

#include "base/words.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"

// The SPI that we have offered and wait for an answer to was reserved for the address of then.
static void move_offer(struct ike_sa *sa, const ip_t *from)
{
    const struct task *t = sa->active;
    bool child = t && t->offer && t->kind != TASK_REKEY_IKE;
    if (!child || ip_eq(from, &sa->local.ip)) return;
    install_spi_move(sa, from, t->offer->proto, (uint32_t)t->offer->spi);
    install_spi_move(sa, from, XFRM_PROTO_COMP, t->offer->cpi);
}

static void tell_moved(const struct ike_sa *sa, const endpoint_t *local, const endpoint_t *remote)
{
    char from[IP_TEXT_MAX], to[IP_TEXT_MAX];
    if (!endpoint_eq(&sa->local, local)) {
        tell(sa->ike, sa, LOG_STORY, SAY_LOCAL_MOVED, ip_show(&sa->local.ip, from), sa->local.port,
             ip_show(&local->ip, to), local->port);
    }
    if (!endpoint_eq(&sa->remote, remote)) {
        tell(sa->ike, sa, LOG_STORY, SAY_REMOTE_MOVED, ip_show(&sa->remote.ip, from),
             sa->remote.port, ip_show(&remote->ip, to), remote->port);
    }
}

void move_ends(struct ike_sa *sa, const endpoint_t *local, const endpoint_t *remote)
{
    ip_t from = sa->local.ip;
    tell_moved(sa, local, remote);
    sa->was_local = sa->local;
    sa->was_remote = sa->remote;
    sa->local = *local;
    sa->remote = *remote;
    ike_sa_placed(sa);
    move_offer(sa, &from);
    if (sa->state == IKE_UP) tell_event(IKE_EV_MOVED, sa, NULL);
}

void move_to(struct ike_sa *sa, const endpoint_t *local, const endpoint_t *remote)
{
    char text[ENDPOINT_TEXT_MAX];
    tell(sa->ike, sa, LOG_STORY, "the peer is at %s now", endpoint_show(remote, text));
    move_ends(sa, local, remote);
    move_children(sa, INSTALL_IN | INSTALL_OUT);
}

void move_children(struct ike_sa *sa, unsigned which)
{
    for (struct child_sa *c = sa->children; c; c = c->next) install_move(c, which);
}

void move_follow(struct ike_sa *sa, const struct datagram *d)
{
    if (endpoint_eq(&sa->remote, &d->from) && endpoint_eq(&sa->local, &d->to)) return;
    if (sa->state == IKE_INIT_DONE) {
        // The initiator has seen a NAT in our answer and goes on from port 4500.
        sa->remote = d->from;
        sa->local = d->to;
        return;
    }
    // rfc4555 3.8 MUST NOT: where both speak MOBIKE, only its own words change addresses.
    if (sa->roam.on) return;
    // rfc7296 2.23 MUST NOT: who is behind a NAT itself, or sees none at the peer, does not follow.
    if (sa->state != IKE_UP || !sa->nat_remote || sa->nat_local) return;
    if (endpoint_eq(&sa->remote, &d->from)) return;
    move_to(sa, &d->to, &d->from);
}
