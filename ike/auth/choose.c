#include "ike/auth/choose.h"

#include <string.h>

#include "ike/auth/eap_round.h"
#include "ike/auth/own.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"

struct id choose_local_id(const struct conf_side *local, const ip_t *ip)
{
    return own_id(local, own_first(local), ip);
}

bool choose_is_exact(const struct id *id)
{
    if (id->type == ID_ANY || id->len == 0) return false;
    bool text = id->type == ID_FQDN || id->type == ID_RFC822_ADDR;
    return !(text && memchr(id->data, '*', id->len));
}

static bool algorithms_fit(const struct conn *c, const struct proposal *chosen)
{
    struct proposals ours, agreed;
    struct proposal p;
    agreed.n = 1;
    proposal_copy(&agreed.p[0], chosen);
    propose_ike(&c->conf.ike, 0, &ours);
    return proposal_choose(&ours, &agreed, false, &p) == ERR_OK;
}

// Do both prove us in the same way? What was said by one is good for the other then.
static bool same_proof(const struct conn *c, const struct ike_sa *sa, const struct conn *like)
{
    const struct conf_side *a = &c->conf.local, *b = &like->conf.local;
    const struct cred_own *one = own_first(a), *other = own_first(b);
    bool same = a->auth == b->auth && !a->next && !b->next && !one == !other;
    if (same && one) same = one->key == other->key && one->cert && other->cert;
    if (same && one) same = cert_eq(one->cert, other->cert);
    struct id us = choose_local_id(a, &sa->local.ip);
    return same && id_eq(&us, &sa->local_id);
}

static bool eap_fits(const struct conn *c, const struct ike_sa *sa, const struct choice *want)
{
    if (c->conf.local.auth == CONF_AUTH_EAP && !want->alone) return false;
    if (want->relayed && !c->conf.remote.radius) return false;
    if (want->eap_id && !eap_round_fits(&c->conf.remote, want->eap_id)) return false;
    return !want->like || same_proof(c, sa, want->like);
}

// 0: not meant. How often the peer proves itself says more than identities, these more than
// addresses.
static unsigned ids_fit(const struct conn *c, const struct ike_sa *sa, const struct choice *want)
{
    const struct id *idi = want->idi, *idr = want->idr;
    struct id local = choose_local_id(&c->conf.local, &sa->local.ip);
    unsigned remote = id_match(&c->conf.remote.id, idi);
    unsigned ours = idr ? id_match(&local, idr) : 1;
    if (!ours && own_may_be(&c->conf.local, idr)) ours = 1;
    if (!remote || !ours) return 0;
    // rfc7619 2.4 MUST: only where the user has said so explicitly.
    if (want->by != c->conf.remote.auth) return 0;
    if (want->by == CONF_AUTH_EAP && !eap_fits(c, sa, want)) return 0;
    // We are EAP's client in it, and it is us who calls.
    if (want->by != CONF_AUTH_EAP && c->conf.local.auth == CONF_AUTH_EAP) return 0;
    unsigned rounds = want->more == (c->conf.remote.next != NULL) ? 100000 : 0;
    return rounds + 1000 * remote + 100 * ours + conn_fit(c, &sa->local.ip, &sa->remote.ip);
}

enum conf_auth choose_kind(uint8_t method)
{
    if (method == AUTH_PSK) return CONF_AUTH_PSK;
    return method == AUTH_NULL ? CONF_AUTH_NULL : CONF_AUTH_PUBKEY;
}

static bool was_tried(const struct ike_sa *sa, const struct conn *c)
{
    for (unsigned i = 0; i < sa->opening->tried_n; i++) {
        if (sa->opening->tried[i] == c) return true;
    }
    return false;
}

// Connections that allow these addresses.
static unsigned fitting(const struct ike_sa *sa)
{
    unsigned n = 0;
    struct conns_walk w;
    struct conn *c = conns_for_peer(&sa->ike->conns, &sa->remote.ip, &w);
    for (; c; c = conns_next(&w)) {
        if (conn_fit(c, &sa->local.ip, &sa->remote.ip)) n += 1 + c->alike;
    }
    return n;
}

struct conn *choose_conn(const struct ike_sa *sa, const struct choice *want, struct why *why)
{
    static const char *const names[] = {[CONF_AUTH_PSK] = "pre-shared key",
                                        [CONF_AUTH_PUBKEY] = "public key",
                                        [CONF_AUTH_EAP] = "EAP",
                                        [CONF_AUTH_NULL] = "nothing at all (null)"};
    struct conn *best = NULL;
    const struct conns *all = &sa->ike->conns;
    struct conns_walk w;
    unsigned best_fit = 0;
    char a[ID_TEXT_MAX];
    for (struct conn *c = conns_for_id(all, want->idi, &sa->remote.ip, &w); c; c = conns_next(&w)) {
        if (!conn_fit(c, &sa->local.ip, &sa->remote.ip)) continue;
        unsigned fit = ids_fit(c, sa, want);
        if (fit <= best_fit || was_tried(sa, c) || !algorithms_fit(c, sa->chosen)) continue;
        best = c;
        best_fit = fit;
    }
    if (best) return best;
    err_t none =
        why_not(why, ERR_NOTFOUND,
                "of %u connections for this address none expects by %s (remote.auth) the identity "
                "%.100s (remote.id) and is what the peer asked for (local.id)",
                fitting(sa), names[want->by], id_show(want->idi, a));
    (void)none;
    return NULL;
}
