#include "ike/exchange/move.h"

#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"

void move_to(struct ike_sa *sa, const endpoint_t *local, const endpoint_t *remote)
{
    char text[ENDPOINT_TEXT_MAX];
    tell(sa->ike, sa, LOG_STORY, "the peer is at %s now", endpoint_show(remote, text));
    sa->local = *local;
    sa->remote = *remote;
    for (struct child_sa *c = sa->children; c; c = c->next) install_move(c, local, remote);
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
    // rfc7296 2.23 MUST NOT: who is behind a NAT itself, or sees none at the peer, does not follow.
    if (sa->state != IKE_UP || !sa->nat_remote || sa->nat_local) return;
    if (endpoint_eq(&sa->remote, &d->from)) return;
    move_to(sa, &d->to, &d->from);
}
