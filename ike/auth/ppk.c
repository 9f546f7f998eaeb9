#include "ike/auth/ppk.h"

#include <string.h>

#include "ike/auth/proof.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"

#define SAY_MIXED "the keys of all traffic have a PPK in them (RFC 8784)"
#define PPK_ID_FIXED 2 // rfc8784 5.1: octets that both were configured with

// The key of this name; NULL: we have none.
static const struct conf_psk *find(const struct ike_sa *sa, span_t name)
{
    const struct config *c = sa->ike->config;
    for (unsigned i = 0; c && i < c->ppk_n; i++) {
        for (unsigned k = 0; k < c->ppk[i].owner_n; k++) {
            const struct id *id = &c->ppk[i].owner[k];
            if (span_eq(span(id->data, id->len), name)) return &c->ppk[i];
        }
    }
    return NULL;
}

static span_t name_of(const struct id *id)
{
    return span(id->data, id->len);
}

static bool names_one(const struct ike_sa *sa)
{
    return sa->conn->conf.ppk_id.type != ID_ANY;
}

// That of the connection.
static const struct conf_psk *its_own(const struct ike_sa *sa)
{
    return names_one(sa) ? find(sa, name_of(&sa->conn->conf.ppk_id)) : NULL;
}

// ---- IKE_SA_INIT -------------------------------------------------------------------------------

void ppk_offer(const struct ike_sa *sa, struct msgw *m)
{
    // rfc8784 3 MUST: whether or not it is required
    if (its_own(sa)) put_notify(m, N_USE_PPK, span(NULL, 0));
}

void ppk_hear(struct ike_sa *sa, const struct msg *in)
{
    struct notify n;
    const struct config *c = sa->ike->config;
    bool ours = sa->initiator ? its_own(sa) != NULL : c && c->ppk_n;
    sa->opening->ppk.heard = ours && notify_find(in, N_USE_PPK, &n) == ERR_OK;
}

void ppk_answer_offer(const struct ike_sa *sa, struct msgw *m)
{
    if (sa->opening->ppk.heard) put_notify(m, N_USE_PPK, span(NULL, 0));
}

// ---- both --------------------------------------------------------------------------------------

static err_t mix(struct ike_sa *sa, const struct conf_psk *ppk)
{
    struct opening *o = sa->opening;
    o->ppk.plain = sa->keys;
    TRY(ike_keys_mix(&sa->keys, ppk->secret));
    o->ppk.mixed = true;
    return ERR_OK;
}

// ---- initiator ---------------------------------------------------------------------------------

static err_t without(const struct ike_sa *sa, err_t err, const char *reason, struct why *why)
{
    if (sa->conn->conf.ppk_required) {
        return why_not(why, err, "%.60s requires a PPK (ppk_required), but %s", ike_sa_name(sa),
                       reason);
    }
    tell(sa->ike, sa, LOG_STORY, "going on without a PPK: %s", reason);
    return ERR_OK;
}

// rfc8784 3 MUST: where we could do without, the responder may, too.
static err_t prove_without(struct ike_sa *sa, const struct id *peer,
                           void (*done)(struct ike_sa *sa), struct why *why)
{
    struct opening *o = sa->opening;
    if (sa->conn->conf.ppk_required) return ERR_OK;
    TRY(proof_make(sa, done, why));
    TRY(proof_data(sa, peer, &o->ppk.proof, why));
    blob_done(&o->our_proof.data); // the one that counts is still to be made
    o->our_proof = (struct proof){0};
    return ERR_OK;
}

err_t ppk_begin(struct ike_sa *sa, const struct id *peer, void (*done)(struct ike_sa *sa),
                struct why *why)
{
    struct opening *o = sa->opening;
    if (o->ppk.mixed || (!names_one(sa) && !sa->conn->conf.ppk_required)) return ERR_OK;
    const struct conf_psk *ppk = its_own(sa);
    if (!ppk) return without(sa, ERR_NOTFOUND, "ppk_id names none that we have (secrets.ppk)", why);
    if (!o->ppk.heard) return without(sa, ERR_CLOSED, "the responder has none", why);
    TRY(prove_without(sa, peer, done, why));
    return mix(sa, ppk);
}

void ppk_put(const struct ike_sa *sa, struct msgw *m)
{
    const struct opening *o = sa->opening;
    uint8_t id[1 + ID_MAX] = {PPK_ID_FIXED};
    if (!o->ppk.mixed) return;
    const struct id *name = &sa->conn->conf.ppk_id;
    memcpy(id + 1, name->data, name->len);
    put_notify(m, N_PPK_IDENTITY, span(id, 1U + name->len));
    if (o->ppk.proof.len) put_notify(m, N_NO_PPK_AUTH, blob_span(&o->ppk.proof));
}

err_t ppk_answered(struct ike_sa *sa, const struct msg *in, struct why *why)
{
    struct opening *o = sa->opening;
    struct notify n;
    if (!o->ppk.mixed) return ERR_OK;
    if (notify_find(in, N_PPK_IDENTITY, &n) == ERR_OK) {
        sa->ppk = true;
        if (!o->ppk.told) tell(sa->ike, sa, LOG_STORY, SAY_MIXED);
        o->ppk.told = true;
        return ERR_OK;
    }
    TRY(without(sa, ERR_AUTH, "the responder has not used it", why));
    sa->keys = o->ppk.plain;
    o->ppk.mixed = false;
    return ERR_OK;
}

// ---- responder ---------------------------------------------------------------------------------

static const struct conf_psk *named(const struct ike_sa *sa, span_t data)
{
    const struct id *only = &sa->conn->conf.ppk_id;
    if (data.len < 2 || data.at[0] != PPK_ID_FIXED) return NULL;
    span_t name = span(data.at + 1, data.len - 1);
    if (only->type != ID_ANY && !span_eq(name_of(only), name)) return NULL;
    return find(sa, name);
}

err_t ppk_take(struct ike_sa *sa, const struct msg *in, span_t *proof, struct why *why)
{
    struct opening *o = sa->opening;
    struct notify n;
    if (o->ppk.mixed) return ERR_OK;
    if (!o->ppk.heard) {
        bool ours = names_one(sa) || sa->conn->conf.ppk_required;
        return ours ? without(sa, ERR_AUTH, "the initiator has none", why) : ERR_OK;
    }
    // rfc8784 3 MUST: who has said USE_PPK names one
    if (notify_find(in, N_PPK_IDENTITY, &n) != ERR_OK) {
        return why_not(why, ERR_AUTH, "the peer said USE_PPK, but names no PPK");
    }
    const struct conf_psk *ppk = named(sa, n.data);
    if (ppk) return mix(sa, ppk);
    if (notify_find(in, N_NO_PPK_AUTH, &n) != ERR_OK) {
        return why_not(
            why, ERR_AUTH,
            "the peer requires a PPK of a name that we do not have (secrets.ppk, ppk_id)");
    }
    TRY(without(sa, ERR_AUTH, "the initiator's has a name that we do not know", why));
    *proof = n.data;
    return ERR_OK;
}

void ppk_forget(struct ike_sa *sa)
{
    struct opening *o = sa->opening;
    if (o->ppk.mixed) sa->keys = o->ppk.plain;
    o->ppk.mixed = false;
}

void ppk_confirm(struct ike_sa *sa, struct msgw *m)
{
    if (!sa->opening->ppk.mixed) return;
    sa->ppk = true;
    tell(sa->ike, sa, LOG_STORY, SAY_MIXED);
    put_notify(m, N_PPK_IDENTITY, span(NULL, 0));
}
