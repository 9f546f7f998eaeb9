#include "ike/sa/idle.h"

#include "ike/sa/diplomat.h"
#include "ike/sa/granted.h"
#include "ike/sa/install.h"

#define LOOKS 4 // in the time allowed: the silence is noticed a quarter of it late at most

uint64_t idle_limit_s(const struct child_sa *c)
{
    uint64_t ours = c->conf->inactivity_s, granted = granted_idle_s(c->sa);
    return granted && (!ours || granted < ours) ? granted : ours;
}

static uint64_t limit_ns(const struct child_sa *c)
{
    return idle_limit_s(c) * NSEC_PER_SEC;
}

void idle_start(struct child_sa *c)
{
    uint64_t now = ike_now(c->sa->ike);
    const struct child_sa *old = c->replaces ? child_sa_by_id(c->sa, c->replaces) : NULL;
    if (!idle_limit_s(c)) return;
    c->idle_since = old && old->idle_since ? old->idle_since : now;
    c->idle_look = now + limit_ns(c) / LOOKS;
}

bool idle_is_over(struct child_sa *c)
{
    uint64_t now = ike_now(c->sa->ike);
    uint64_t packets = install_packets(c);
    if (packets != c->idle_packets) c->idle_since = now;
    c->idle_packets = packets;
    bool over = now - c->idle_since >= limit_ns(c);
    c->idle_look = over ? DUE_NEVER : now + limit_ns(c) / LOOKS;
    return over;
}
