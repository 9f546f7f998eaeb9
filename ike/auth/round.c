#include "ike/auth/round.h"

#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"

static const struct conf_side *nth(const struct conf_side *s, unsigned n)
{
    while (s && n--) s = s->next;
    return s;
}

const struct conf_side *round_ours(const struct ike_sa *sa)
{
    return nth(&sa->conn->conf.local, sa->opening->ours_n);
}

const struct conf_side *round_theirs(const struct ike_sa *sa)
{
    return nth(&sa->conn->conf.remote, sa->opening->theirs_n);
}

const struct conf_side *round_last(const struct conf_side *first)
{
    while (first->next) first = first->next;
    return first;
}

bool round_any_by_key(const struct conf_side *s)
{
    while (s && s->auth != CONF_AUTH_PUBKEY) s = s->next;
    return s;
}

bool round_is_first(const struct ike_sa *sa)
{
    return !sa->opening->ours_n && !sa->opening->theirs_n;
}

bool round_is_last(const struct ike_sa *sa)
{
    const struct conf_side *ours = round_ours(sa), *theirs = round_theirs(sa);
    return !(ours && ours->next) && !(theirs && theirs->next);
}

void round_offer(const struct ike_sa *sa, struct msgw *m)
{
    if (!sa->ike->opt.one_round) put_notify(m, N_MULTIPLE_AUTH_SUPPORTED, span(NULL, 0));
}

void round_hear(struct ike_sa *sa, const struct msg *in)
{
    struct notify n;
    sa->opening->peer_rounds = notify_find(in, N_MULTIPLE_AUTH_SUPPORTED, &n) == ERR_OK;
}

err_t round_check(const struct ike_sa *sa, struct why *why)
{
    const struct conf_conn *c = &sa->conn->conf;
    bool several = c->local.next || c->remote.next;
    if (several && sa->ike->opt.one_round) {
        return why_not(why, ERR_CLOSED,
                       "%.60s has several rounds of authentication, and strongswan.conf forbids "
                       "them (charon.multiple_authentication)",
                       c->name);
    }
    if (sa->opening->peer_rounds || !several) return ERR_OK;
    return why_not(why, ERR_CLOSED,
                   "the peer knows one round of authentication only (it has not said "
                   "MULTIPLE_AUTH_SUPPORTED), but %.60s has several",
                   c->name);
}

void round_put(const struct ike_sa *sa, struct msgw *m)
{
    const struct conf_side *ours = round_ours(sa);
    if (ours && ours->next) put_notify(m, N_ANOTHER_AUTH_FOLLOWS, span(NULL, 0));
}

static err_t says_more(const struct ike_sa *sa, bool more, struct why *why)
{
    const struct conf_side *side = round_theirs(sa);
    const char *name = ike_sa_name(sa);
    if (!side || (more && !side->next)) {
        return why_not(why, ERR_AUTH,
                       "the peer wants to prove more than %.60s has remote sections for", name);
    }
    if (more == (side->next != NULL)) return ERR_OK;
    return why_not(why, ERR_AUTH,
                   "the peer ends after round %u, but %.60s has more remote sections",
                   sa->opening->theirs_n + 1, name);
}

err_t round_expects(const struct ike_sa *sa, const struct msg *in, struct why *why)
{
    const struct conf_side *side = round_theirs(sa);
    struct notify n;
    bool more = notify_find(in, N_ANOTHER_AUTH_FOLLOWS, &n) == ERR_OK;
    uint64_t need = P(AUTH) | (sa->initiator ? P(IDr) : P(IDi));
    const char *name = ike_sa_name(sa);
    if (!side && !(in->have & need)) return ERR_OK;
    if (side && !msg_has(in, need)) {
        return why_not(why, ERR_AUTH, "the peer has not proved all that %.60s asks for", name);
    }
    return says_more(sa, more, why);
}

err_t round_expects_more(const struct ike_sa *sa, const struct msg *in, struct why *why)
{
    struct notify n;
    return says_more(sa, notify_find(in, N_ANOTHER_AUTH_FOLLOWS, &n) == ERR_OK, why);
}

static void forget(struct proof *p)
{
    blob_done(&p->data);
    *p = (struct proof){0};
}

bool round_over(struct ike_sa *sa)
{
    struct opening *o = sa->opening;
    if (round_ours(sa)) o->ours_n++;
    if (round_theirs(sa)) o->theirs_n++;
    forget(&o->our_proof);
    forget(&o->their_proof);
    return !round_ours(sa) && !round_theirs(sa);
}
