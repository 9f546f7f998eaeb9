#include "ike/exchange/lease.h"

#include <stdlib.h>

#include "ike/auth/null.h"
#include "ike/exchange/receive.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/vip.h"

static void answered(struct ike_work *w, struct ike_sa *sa)
{
    struct dhcp_ask *a = (struct dhcp_ask *)w;
    struct opening *o = sa->opening;
    if (!o) return;
    o->lease.why = a->why;
    struct vips *v = a->err == ERR_OK ? calloc(1, sizeof *v) : NULL;
    struct dhcp_lease *l = v ? calloc(1, sizeof *l) : NULL;
    if (l) {
        *l = a->lease;
        a->lease.id = 0; // it is the IKE SA's
        v->lent = l;
        vips_drop(sa);
        sa->vips = v;
    } else {
        free(v);
        if (a->err == ERR_OK) IGNORE(why_not(&o->lease.why, ERR_NOMEM, "out of memory"));
    }
    receive_resume(sa);
}

// Nobody has waited for it: it goes back.
static void ask_free(struct ike_work *w)
{
    struct dhcp_ask *a = (struct dhcp_ask *)w;
    if (a->lease.id) a->ike->env.dhcp_release(a->ike->env.ctx, a->lease.id);
    free(a);
}

// The first IPv4 address that is asked for: one IKE SA gets one of the server's.
static bool wishes(const struct msg *m, ip_t *wish)
{
    struct cp cp;
    if (!msg_has(m, P(CP)) || cp_read(msg_body(m, PAYLOAD_CP), &cp) != ERR_OK) return false;
    for (unsigned i = 0; i < cp.n && cp.type == CFG_REQUEST; i++) {
        if (cp.attr[i].type != CP_IP4_ADDRESS) continue;
        if (cp_addr(&cp.attr[i], wish) != ERR_OK) *wish = (ip_t){.family = AF_INET};
        return true;
    }
    return false;
}

static void cannot_ask(struct ike_sa *sa, err_t err)
{
    struct why *why = &sa->opening->lease.why;
    if (err == ERR_UNSUPPORTED) {
        (void)why_not(why, err,
                      "DHCP servers are asked only if that was prepared at the start: write "
                      "charon.plugins.dhcp.load = yes into strongswan.conf and start again");
        return;
    }
    (void)why_not(why, err, "a DHCP server cannot be asked now: %s", err_text(err));
}

static err_t ask(struct ike_sa *sa, const ip_t *wish)
{
    struct dhcp_ask *a = calloc(1, sizeof *a);
    if (!a) return ERR_NOMEM;
    a->w = (struct ike_work){.done = answered, .free = ask_free};
    a->ike = sa->ike;
    a->who = *ike_sa_whose(sa);
    a->wish = *wish;
    a->shares = vips_replaces(sa);
    return work_lease(sa, &a->w);
}

bool lease_waited(const struct ike_sa *sa)
{
    return sa->opening->lease.asked;
}

err_t lease_wait(struct turn *t, const struct msg *asks)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    ip_t wish;
    if (o->lease.asked) return sa->work_id ? ERR_AGAIN : ERR_OK;
    if (!conf_conn_asks_dhcp(&sa->conn->conf, NULL) || !wishes(asks, &wish)) return ERR_OK;
    o->lease.asked = true;
    if (null_is_peer(sa)) {
        (void)why_not(&o->lease.why, ERR_AUTH, "who proves nothing gets no address by DHCP");
        return ERR_OK;
    }
    err_t err = ask(sa, &wish);
    if (err == ERR_OK) return ERR_AGAIN;
    cannot_ask(sa, err);
    return ERR_OK;
}
