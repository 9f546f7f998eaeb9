#include "ike/auth/proof.h"

#include <string.h>

#include "base/words.h"
#include "crypto/prf.h"
#include "ike/auth/eap_round.h"
#include "ike/auth/null.h"
#include "ike/auth/own.h"
#include "ike/auth/psk.h"
#include "ike/auth/round.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"

#define ID_BODY_MAX (4 + ID_MAX)
#define BY_PSK "pre-shared key"
#define BY_EAP "EAP"
#define BY_NULL "nothing (auth = null)"

// The body of an ID payload as we send it: AUTH covers it.
static span_t id_body(const struct id *id, uint8_t buf[ID_BODY_MAX])
{
    wr_t w = wr_into(buf, ID_BODY_MAX);
    ident_write(&w, id);
    return wr_span(&w);
}

static bool by_null(const struct conf_side *side)
{
    return side->auth == CONF_AUTH_NULL;
}

static bool by_eap(const struct conf_side *side)
{
    return side->auth == CONF_AUTH_EAP;
}

static bool by_key(const struct conf_side *side)
{
    return side->auth == CONF_AUTH_PUBKEY;
}

// ---- ours --------------------------------------------------------------------------------------

err_t proof_make(struct ike_sa *sa, void (*done)(struct ike_sa *sa), struct why *why)
{
    return by_key(round_ours(sa)) ? own_sign(sa, done, why) : ERR_OK;
}

static err_t psk_data(struct ike_sa *sa, const struct id *peer, uint8_t proof[64], struct why *why)
{
    uint8_t body[ID_BODY_MAX];
    char us[ID_TEXT_MAX], them[ID_TEXT_MAX];
    struct psk_claim claim = {.initiators = sa->initiator, .us = &sa->local_id, .peer = peer};
    claim.id_body = id_body(&sa->local_id, body);
    err_t err = psk_prove(sa, &claim, proof);
    if (err == ERR_OK) return ERR_OK;
    return why_not(why, err, "no pre-shared key for %.80s and %.80s (secrets)",
                   id_show(&sa->local_id, us), id_show(peer, them));
}

// Method and data of AUTH; buf: where data may live that is not a signature.
static err_t auth_of(struct ike_sa *sa, const struct id *peer, uint8_t buf[64], struct authp *out,
                     struct why *why)
{
    const struct proof *p = &sa->opening->our_proof;
    const struct conf_side *side = round_ours(sa);
    uint8_t body[ID_BODY_MAX];
    *out = (struct authp){.method = AUTH_PSK, .data = span(buf, prf_len(sa->keys.prf))};
    if (sa->opening->eap.phase != EAP_KEYED && by_key(side)) {
        *out = (struct authp){.method = p->method, .data = blob_span(&p->data)};
        return ERR_OK;
    }
    // A responder's word at the end of a round by EAP, for which its own section may say anything.
    if (sa->opening->eap.phase == EAP_KEYED) {
        return eap_round_prove(sa, sa->initiator, id_body(&sa->local_id, body), buf);
    }
    if (by_eap(side)) return why_not(why, ERR_CLOSED, "EAP has proved nothing yet");
    if (!by_null(side)) return psk_data(sa, peer, buf, why);
    out->method = AUTH_NULL;
    return null_prove(sa, sa->initiator, id_body(&sa->local_id, body), buf);
}

err_t proof_data(struct ike_sa *sa, const struct id *peer, struct blob *out, struct why *why)
{
    struct authp a;
    uint8_t buf[64];
    TRY(auth_of(sa, peer, buf, &a, why));
    return blob_set(out, a.data);
}

err_t proof_put(struct ike_sa *sa, const struct id *peer, struct msgw *m, struct why *why)
{
    struct authp a;
    uint8_t buf[64];
    TRY(auth_of(sa, peer, buf, &a, why));
    put_id(m, sa->initiator ? PAYLOAD_IDi : PAYLOAD_IDr, &sa->local_id);
    if (by_key(round_ours(sa))) own_put_certs(sa, m);
    authp_write(msgw_begin(m, PAYLOAD_AUTH), &a);
    msgw_end(m);
    return ERR_OK;
}

err_t proof_put_auth(struct ike_sa *sa, const struct id *peer, struct msgw *m, struct why *why)
{
    struct authp a;
    uint8_t buf[64];
    TRY(auth_of(sa, peer, buf, &a, why));
    authp_write(msgw_begin(m, PAYLOAD_AUTH), &a);
    msgw_end(m);
    return ERR_OK;
}

static const char *way_of(const struct conf_side *side)
{
    if (by_null(side)) return BY_NULL;
    return by_eap(side) ? BY_EAP : BY_PSK;
}

void proof_tell_ours(const struct ike_sa *sa)
{
    char us[ID_TEXT_MAX];
    id_show(&sa->local_id, us);
    if (by_key(round_ours(sa))) {
        tell(sa->ike, sa, LOG_STORY, SAY_OUR_SIGNATURE, us, sa->opening->our_proof.how.text);
    } else {
        tell(sa->ike, sa, LOG_STORY, SAY_OUR_AUTH, us, way_of(round_ours(sa)));
    }
}

// ---- the peer's --------------------------------------------------------------------------------

static void tell_psk_wrong(const struct ike_sa *sa, const struct id *peer, err_t err)
{
    char us[ID_TEXT_MAX], them[ID_TEXT_MAX];
    id_show(&sa->local_id, us);
    id_show(peer, them);
    if (err == ERR_NOTFOUND) {
        tell(sa->ike, sa, LOG_STORY, SAY_NO_SECRET, us, them);
    } else {
        tell(sa->ike, sa, LOG_STORY, SAY_BAD_SECRET, 1U, "", us, them);
    }
}

static err_t check_psk(struct ike_sa *sa, const struct peer_claim *c, struct why *why)
{
    char name[ID_TEXT_MAX];
    struct psk_claim claim = {
        .initiators = !sa->initiator, .us = &sa->local_id, .peer = c->id, .id_body = c->id_body};
    if (c->auth.method != AUTH_PSK) {
        return why_not(why, ERR_AUTH,
                       "%.90s proves itself with method %u, not with a pre-shared key",
                       id_show(c->id, name), c->auth.method);
    }
    err_t err = psk_check(sa, &claim, c->auth.data);
    if (err == ERR_OK) return ERR_OK;
    tell_psk_wrong(sa, c->id, err);
    return why_not(why, err, "%.90s %s", id_show(c->id, name),
                   err == ERR_NOTFOUND ? "has no pre-shared key with us (secrets)"
                                       : "has not proved it: is the pre-shared key the same?");
}

static err_t check_null(struct ike_sa *sa, const struct peer_claim *c, struct why *why)
{
    char name[ID_TEXT_MAX];
    if (c->auth.method != AUTH_NULL) {
        return why_not(why, ERR_AUTH, "%.90s proves itself with method %u, not with NULL",
                       id_show(c->id, name), c->auth.method);
    }
    TRY(null_may_come(sa, why));
    if (null_check(sa, !sa->initiator, c->id_body, c->auth.data) == ERR_OK) return ERR_OK;
    return why_not(why, ERR_AUTH, "the AUTH of %.90s is not about these messages",
                   id_show(c->id, name));
}

err_t proof_check(struct ike_sa *sa, const struct peer_claim *c, void (*done)(struct ike_sa *sa),
                  struct why *why)
{
    struct why reason = {0};
    char name[ID_TEXT_MAX];
    if (by_null(round_theirs(sa))) return check_null(sa, c, why);
    if (c->id->type == ID_NULL) {
        return why_not(why, ERR_AUTH,
                       "the peer does not say who it is (ID_NULL), which only a "
                       "remote section with auth = null allows");
    }
    if (by_eap(round_theirs(sa))) {
        return why_not(why, ERR_AUTH, "%.90s has to prove itself by EAP (remote.auth)",
                       id_show(c->id, name));
    }
    if (!by_key(round_theirs(sa))) return check_psk(sa, c, why);
    err_t err = peer_check(sa, c, done, &reason);
    if (err == ERR_OK || err == ERR_AGAIN) return err;
    const char *text = reason.text[0] ? reason.text : err_text(err);
    // The reason names the certificate; the identity comes before it where there is room.
    bool fits = strlen(id_show(c->id, name)) + strlen(text) + 2 < sizeof why->text;
    return fits ? why_not(why, err, "%s: %s", name, text) : why_not(why, err, "%s", text);
}

void proof_tell_theirs(const struct ike_sa *sa)
{
    char peer[ID_TEXT_MAX];
    tell(sa->ike, sa, LOG_STORY, SAY_THEIR_AUTH, id_show(&sa->remote_id, peer),
         by_key(round_theirs(sa)) ? peer_how(sa) : BY_PSK);
}
