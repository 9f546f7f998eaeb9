#include "ike/auth/eap_round.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/prf.h"
#include "eap/relay.h"
#include "ike/auth/eap_judge.h"
#include "ike/auth/eap_relay.h"
#include "ike/auth/octets.h"
#include "ike/auth/own.h"
#include "ike/auth/round.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/work.h"

// The section of the side that EAP's peer is, and of its server. NULL: that side is through.
static const struct conf_side *peers(const struct ike_sa *sa)
{
    return sa->initiator ? round_ours(sa) : round_theirs(sa);
}

static const struct conf_side *servers(const struct ike_sa *sa)
{
    return sa->initiator ? round_theirs(sa) : round_ours(sa);
}

bool eap_round_is_on(const struct ike_sa *sa)
{
    const struct conf_side *side = peers(sa);
    return side && side->auth == CONF_AUTH_EAP;
}

bool eap_round_is_alone(const struct ike_sa *sa)
{
    const struct conf_side *side = servers(sa);
    return side && side->auth == CONF_AUTH_EAP;
}

// ---- the terms ---------------------------------------------------------------------------------

// As we like them where nothing is configured: those that prove both sides first, but for those of
// SIMs, which hardly anybody has who can do others.
static const uint8_t best_first[] = {EAP_TLS, EAP_TTLS,      EAP_PEAP, EAP_MSCHAPV2, EAP_MD5,
                                     EAP_GTC, EAP_AKA_PRIME, EAP_AKA,  EAP_SIM};
_Static_assert(sizeof best_first <= EAP_KINDS_MAX, "all of them are offered");

static void order_fill(const struct ike_sa *sa, struct eap_terms *t)
{
    const struct ike_options *opt = &sa->ike->opt;
    bool given = t->server && opt->eap_order_n;
    t->order_n = given ? opt->eap_order_n : (unsigned)sizeof best_first;
    memcpy(t->order, given ? opt->eap_order : best_first, t->order_n);
    t->prefer_peer = opt->eap_prefer_peer;
}

// Whom the other side must be: who has a server of EAP's own says so.
static struct id other_id(const struct ike_sa *sa)
{
    const struct conf_side *side = sa->initiator ? round_ours(sa) : NULL;
    return side && side->aaa_id_given ? side->aaa_id : sa->remote_id;
}

static struct id our_id(const struct ike_sa *sa)
{
    const struct conf_side *side = sa->initiator ? round_ours(sa) : NULL;
    bool given = side && side->eap_id_given && !id_is_pattern(&side->eap_id);
    return given ? side->eap_id : sa->local_id;
}

// The responder's; in a later round it may be through, and what it had to be still holds.
static const struct conf_side *its_section(const struct ike_sa *sa)
{
    const struct conf_side *side = servers(sa);
    return side ? side : round_last(&sa->conn->conf.remote);
}

static err_t terms_fill(struct ike_sa *sa, struct eap_terms *t)
{
    struct opening *o = sa->opening;
    const struct conf_side *side = peers(sa);
    *t = (struct eap_terms){.server = !sa->initiator,
                            .alone = eap_round_is_alone(sa),
                            .method = side->eap,
                            .in_ttls = sa->ike->opt.eap_in_ttls,
                            .in_peap = sa->ike->opt.eap_in_peap,
                            .us = our_id(sa),
                            .other = other_id(sa),
                            .secrets = sa->ike->eap_secrets,
                            .hashes = sa->ike->nt_hashes,
                            .sim = sa->ike->sim,
                            .sim_set = sa->ike->opt.sim,
                            .now_s = sa->ike->env.wall(sa->ike->env.ctx)};
    order_fill(sa, t);
    eap_judge_free(o->eap.judge);
    o->eap.judge = eap_judge_new(sa, sa->initiator ? its_section(sa) : side);
    if (!o->eap.judge) return ERR_NOMEM;
    eap_judge_terms(o->eap.judge, sa, &t->tls);
    return ERR_OK;
}

// ---- a responder's beginning -------------------------------------------------------------------

// Who says in IKE who must come is proved by that name, and need not be asked for another.
static bool asks(const struct conf_side *side)
{
    if (side->eap_id_given) return id_is_pattern(&side->eap_id);
    if (side->radius) return false; // as strongSwan: the server hears the name that IKE has
    return !side->id_given || side->id.type == ID_ANY;
}

static err_t none_left(const struct ike_sa *sa, struct why *why)
{
    return why_not(why, ERR_NOCHOICE,
                   "%.60s: the method of EAP cannot be used: it needs a certificate of ours with "
                   "its key (local.certs), or does not prove us (local.auth)",
                   ike_sa_name(sa));
}

static err_t server_begin(struct ike_sa *sa, struct eap_terms *t, void (*done)(struct ike_sa *sa),
                          struct why *why)
{
    struct opening *o = sa->opening;
    const struct conf_side *side = peers(sa);
    if (side->eap_id_given && !asks(side)) t->other = side->eap_id;
    o->eap.talk = eap_new(t);
    if (!o->eap.talk) return ERR_NOMEM;
    sa->ike->eap_talks++;
    o->eap.counted = true;
    if (asks(side)) return eap_ask(o->eap.talk);
    if (side->radius) return eap_relay_start(sa, done);
    return eap_begin(o->eap.talk) == ERR_OK ? ERR_OK : none_left(sa, why);
}

err_t eap_round_begin(struct ike_sa *sa, void (*done)(struct ike_sa *sa), struct why *why)
{
    struct opening *o = sa->opening;
    struct eap_terms t;
    if (o->eap.taken) { // what a RADIUS server has said
        o->eap.taken = false;
        return o->eap.err;
    }
    if (!sa->initiator && sa->ike->eap_talks >= EAP_TALKS_MAX) return ERR_LIMIT;
    TRY(terms_fill(sa, &t));
    o->eap.phase = EAP_TALKS;
    if (!sa->initiator) {
        err_t err = server_begin(sa, &t, done, why);
        if (err == ERR_LIMIT || err == ERR_NOMEM) eap_round_done(sa); // it may come again
        return err;
    }
    o->eap.talk = eap_new(&t);
    return o->eap.talk ? ERR_OK : ERR_NOMEM;
}

err_t eap_round_go_on(struct ike_sa *sa, void (*done)(struct ike_sa *sa), struct why *why)
{
    struct eap *talk = sa->opening->eap.talk;
    struct eap_terms t;
    TRY(terms_fill(sa, &t));
    t.other = *eap_peer(talk);
    eap_set_terms(talk, &t);
    if (eap_relay_is_on(sa)) return eap_relay_start(sa, done);
    return eap_begin(talk) == ERR_OK ? ERR_OK : none_left(sa, why);
}

unsigned eap_round_fits(const struct conf_side *side, const struct id *who)
{
    return side->eap_id_given ? id_match(&side->eap_id, who) : 1;
}

// ---- a packet, in another thread ---------------------------------------------------------------

struct eap_work {
    struct ike_work w; // first: a pointer to it is one to the whole
    void (*then)(struct ike_sa *sa);
    struct eap *talk; // nobody else touches it meanwhile
    struct blob packet;
};

static void work_run(struct ike_work *w)
{
    struct eap_work *p = (struct eap_work *)w;
    eap_take(p->talk, blob_span(&p->packet));
}

static void work_done(struct ike_work *w, struct ike_sa *sa)
{
    struct eap_work *p = (struct eap_work *)w;
    struct opening *o = sa->opening;
    if (!o) return;
    o->eap.taken = true;
    o->eap.err = eap_judge_tell(o->eap.judge, sa);
    p->then(sa);
}

static void work_free(struct ike_work *w)
{
    struct eap_work *p = (struct eap_work *)w;
    eap_free(p->talk);
    blob_done(&p->packet);
    free(p);
}

err_t eap_round_take(struct ike_sa *sa, span_t packet, void (*done)(struct ike_sa *sa))
{
    struct opening *o = sa->opening;
    if (o->eap.taken) {
        o->eap.taken = false;
        return o->eap.err;
    }
    if (sa->work_id) return ERR_AGAIN;
    if (eap_is_relayed(o->eap.talk)) return eap_relay_go_on(sa, packet, done);
    struct eap_work *p = calloc(1, sizeof *p);
    if (!p) return ERR_NOMEM;
    p->w = (struct ike_work){.run = work_run, .done = work_done, .free = work_free};
    p->then = done;
    err_t err = blob_set(&p->packet, packet);
    if (err != ERR_OK) {
        work_free(&p->w);
        return err;
    }
    p->talk = eap_ref(o->eap.talk);
    TRY(work_start(sa, &p->w));
    return ERR_AGAIN;
}

void eap_round_tell(struct ike_sa *sa)
{
    const struct eap *talk = sa->opening->eap.talk;
    for (unsigned i = 0; i < eap_said_n(talk); i++) {
        tell(sa->ike, sa, LOG_STORY, "%s", eap_said(talk, i));
    }
}

err_t eap_round_known(struct ike_sa *sa)
{
    const struct id *who = eap_peer(sa->opening->eap.talk);
    free(sa->eap_id);
    sa->eap_id = malloc(sizeof *sa->eap_id);
    if (!sa->eap_id) return ERR_NOMEM;
    *sa->eap_id = *who;
    eap_relay_known(sa);
    return ERR_OK;
}

void eap_round_done(struct ike_sa *sa)
{
    struct opening *o = sa->opening;
    sa->ike->eap_talks -= o->eap.counted;
    eap_free(o->eap.talk);
    eap_judge_free(o->eap.judge);
    eap_relay_done(&o->eap);
    o->eap = (struct eap_part){0};
}

// ---- AUTH --------------------------------------------------------------------------------------

// rfc7296 2.16 MUST: the key that the method has established; SK_pi and SK_pr where there is none.
err_t eap_round_prove(const struct ike_sa *sa, bool initiators, span_t id_body, uint8_t out[64])
{
    const struct secret_key *own = initiators ? &sa->keys.pi : &sa->keys.pr;
    span_t msk = eap_msk(sa->opening->eap.talk);
    uint8_t between[INTAUTH_MAX];
    struct octets octets;
    TRY(octets_of(sa, initiators, id_body, between, &octets));
    return auth_psk(sa->keys.prf, msk.len ? msk : secret_key_span(own), &octets, out);
}

err_t eap_round_check(const struct ike_sa *sa, bool initiators, span_t id_body, span_t proof)
{
    uint8_t want[64];
    TRY(eap_round_prove(sa, initiators, id_body, want));
    size_t len = prf_len(sa->keys.prf);
    bool right = proof.len == len && equal_ct(want, proof.at, len);
    wipe(want, sizeof want);
    return right ? ERR_OK : ERR_AUTH;
}
