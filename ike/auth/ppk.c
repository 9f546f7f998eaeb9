#include "ike/auth/ppk.h"

#include <string.h>

#include "base/words.h"
#include "ike/auth/proof.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"

#define SAY_MIXED "the keys of all traffic have a PPK in them (RFC 8784)"
#define SAY_NO_PPK_THERE "the responder has none, or takes it in another exchange (ppk_exchange)"
#define PPK_ID_FIXED 2 // rfc8784 5.1: octets that both were configured with

// ---- names -------------------------------------------------------------------------------------

static span_t name_of(const struct id *id)
{
    return span(id->data, id->len);
}

static bool names_one(const struct conf_conn *conf)
{
    return conf->ppk_id.type != ID_ANY;
}

// Does the connection have to do with PPKs at all?
static bool minds(const struct ike_sa *sa)
{
    return names_one(&sa->conn->conf) || sa->conn->conf.ppk_required;
}

// Peers compare nothing but bytes; a pattern is ours alone, and knows its kind.
static bool is_meant(const struct conf_conn *conf, const struct id *name)
{
    const struct id *only = &conf->ppk_id;
    if (id_is_pattern(name)) return false;
    if (id_is_pattern(only)) return only->type != ID_ANY && id_match(only, name);
    return span_eq(name_of(only), name_of(name));
}

const struct id *ppk_name_for(const struct conf_conn *conf, const struct conf_psk *ppk)
{
    for (unsigned i = 0; i < ppk->owner_n; i++) {
        if (is_meant(conf, &ppk->owner[i])) return &ppk->owner[i];
    }
    return NULL;
}

static const struct id *name_in(const struct conf_psk *ppk, span_t name)
{
    for (unsigned i = 0; i < ppk->owner_n; i++) {
        if (span_eq(name_of(&ppk->owner[i]), name)) return &ppk->owner[i];
    }
    return NULL;
}

const struct conf_psk *ppk_find(const struct ike_sa *sa, span_t name)
{
    const struct config *c = sa->ike->config;
    for (unsigned i = 0; c && i < c->ppk_n; i++) {
        if (name_in(&c->ppk[i], name)) return &c->ppk[i];
    }
    return NULL;
}

bool ppk_may_be(const struct ike_sa *sa, const struct conf_conn *conf, span_t name)
{
    const struct conf_psk *ppk = ppk_find(sa, name);
    return ppk && (!names_one(conf) || is_meant(conf, name_in(ppk, name)));
}

// The first of the connection's.
static const struct conf_psk *its_own(const struct ike_sa *sa, const struct id **name)
{
    const struct config *c = sa->ike->config;
    for (unsigned i = 0; c && i < c->ppk_n; i++) {
        *name = ppk_name_for(&sa->conn->conf, &c->ppk[i]);
        if (*name) return &c->ppk[i];
    }
    return NULL;
}

span_t ppk_id_write(span_t name, uint8_t buf[PPK_ID_LEN_MAX])
{
    wr_t w = wr_into(buf, PPK_ID_LEN_MAX);
    wr_u8(&w, PPK_ID_FIXED);
    wr_bytes(&w, name);
    return wr_span(&w);
}

span_t ppk_id_read(span_t data)
{
    if (data.len < 2 || data.at[0] != PPK_ID_FIXED) return span(NULL, 0);
    return span(data.at + 1, data.len - 1);
}

const char *ppk_name_show(span_t name, char buf[ID_TEXT_MAX])
{
    struct id id = {.type = ID_KEY_ID};
    size_t n = name.len < sizeof id.data ? name.len : sizeof id.data;
    if (n) memcpy(id.data, name.at, n);
    id.len = (uint16_t)n;
    return id_show(&id, buf);
}

void ppk_tell_unknown(const struct ike_sa *sa, span_t name)
{
    char text[ID_TEXT_MAX];
    ppk_name_show(name, text);
    if (sa->conn->conf.ppk_required) {
        tell(sa->ike, sa, LOG_STORY, SAY_PPK_UNKNOWN, text);
    } else {
        tell(sa->ike, sa, LOG_STORY, SAY_PPK_IGNORED, text);
    }
}

err_t ppk_note(struct ike_sa *sa, enum ppk_way way, span_t name)
{
    char text[ID_TEXT_MAX];
    tell(sa->ike, sa, LOG_STORY, SAY_PPK, ppk_name_show(name, text));
    sa->ppk_way = way;
    return blob_set(&sa->ppk_name, name);
}

err_t ppk_do_without(const struct ike_sa *sa, err_t err, const char *reason, struct why *why)
{
    if (sa->conn->conf.ppk_required) {
        return why_not(why, err, "%.60s requires a PPK (ppk_required), but %s", ike_sa_name(sa),
                       reason);
    }
    tell(sa->ike, sa, LOG_STORY, "going on without a PPK: %s", reason);
    return ERR_OK;
}

// ---- IKE_SA_INIT -------------------------------------------------------------------------------

static bool has_any(const struct ike_sa *sa)
{
    const struct config *c = sa->ike->config;
    const struct id *name;
    return sa->initiator ? its_own(sa, &name) != NULL : c && c->ppk_n;
}

// Who opens says it where the exchange takes place anyway, or where only it can tell of several.
static bool wants_early(const struct ike_sa *sa)
{
    const struct conf_conn *conf = &sa->conn->conf;
    if (conf->ppk_exchange != CONF_PPK_AUTO) return conf->ppk_exchange != CONF_PPK_AUTH;
    return !sa->initiator || propose_has_extra(sa->opening->offered) ||
           id_is_pattern(&conf->ppk_id);
}

static bool early(const struct ike_sa *sa) // in IKE_INTERMEDIATE
{
    return wants_early(sa) && has_any(sa);
}

static bool late(const struct ike_sa *sa) // in IKE_AUTH
{
    return sa->conn->conf.ppk_exchange != CONF_PPK_INTERMEDIATE && has_any(sa);
}

bool ppk_needs_intermediate(const struct ike_sa *sa)
{
    return early(sa);
}

void ppk_offer(const struct ike_sa *sa, struct msgw *m)
{
    // rfc8784 3 MUST: whether or not it is required
    if (late(sa)) put_notify(m, N_USE_PPK, span(NULL, 0));
    if (early(sa)) put_notify(m, N_USE_PPK_INT, span(NULL, 0));
}

void ppk_hear(struct ike_sa *sa, const struct msg *in)
{
    struct notify n;
    struct opening *o = sa->opening;
    bool room = notify_find(in, N_INTERMEDIATE_EXCHANGE_SUPPORTED, &n) == ERR_OK;
    o->ppk.between = early(sa) && room && notify_find(in, N_USE_PPK_INT, &n) == ERR_OK;
    o->ppk.heard = late(sa) && !o->ppk.between && notify_find(in, N_USE_PPK, &n) == ERR_OK;
}

void ppk_answer_offer(const struct ike_sa *sa, struct msgw *m)
{
    // rfc9867 3.1 MUST: one of the two, never both
    const struct opening *o = sa->opening;
    if (o->ppk.between) put_notify(m, N_USE_PPK_INT, span(NULL, 0));
    if (o->ppk.heard) put_notify(m, N_USE_PPK, span(NULL, 0));
}

// ---- IKE_AUTH, both ----------------------------------------------------------------------------

static err_t mix(struct ike_sa *sa, const struct conf_psk *ppk)
{
    struct opening *o = sa->opening;
    o->ppk.plain = sa->keys;
    TRY(ike_keys_mix(&sa->keys, ppk->secret));
    o->ppk.mixed = true;
    return ERR_OK;
}

// ---- initiator ---------------------------------------------------------------------------------

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
    const struct id *name;
    if (o->ppk.mixed || o->ppk.between || !minds(sa)) return ERR_OK;
    const struct conf_psk *ppk = its_own(sa, &name);
    if (!ppk) {
        return ppk_do_without(sa, ERR_NOTFOUND, "ppk_id names none that we have (secrets.ppk)",
                              why);
    }
    if (!o->ppk.heard) return ppk_do_without(sa, ERR_CLOSED, SAY_NO_PPK_THERE, why);
    TRY(prove_without(sa, peer, done, why));
    TRY(blob_set(&o->ppk.name, name_of(name)));
    return mix(sa, ppk);
}

void ppk_put(const struct ike_sa *sa, struct msgw *m)
{
    const struct opening *o = sa->opening;
    uint8_t id[PPK_ID_LEN_MAX];
    if (!o->ppk.mixed) return;
    put_notify(m, N_PPK_IDENTITY, ppk_id_write(blob_span(&o->ppk.name), id));
    if (o->ppk.proof.len) put_notify(m, N_NO_PPK_AUTH, blob_span(&o->ppk.proof));
}

err_t ppk_answered(struct ike_sa *sa, const struct msg *in, struct why *why)
{
    struct opening *o = sa->opening;
    struct notify n;
    if (!o->ppk.mixed) return ERR_OK;
    if (notify_find(in, N_PPK_IDENTITY, &n) == ERR_OK) {
        if (!o->ppk.told) tell(sa->ike, sa, LOG_STORY, SAY_MIXED);
        o->ppk.told = true;
        return ppk_note(sa, PPK_IN_AUTH, blob_span(&o->ppk.name));
    }
    char name[ID_TEXT_MAX];
    tell(sa->ike, sa, LOG_STORY, SAY_PPK_UNUSED, ppk_name_show(blob_span(&o->ppk.name), name));
    TRY(ppk_do_without(sa, ERR_AUTH, "the responder has not used it", why));
    sa->keys = o->ppk.plain;
    o->ppk.mixed = false;
    return ERR_OK;
}

// ---- responder ---------------------------------------------------------------------------------

// What IKE_INTERMEDIATE has settled was for a connection that might have been another one.
static err_t take_settled(const struct ike_sa *sa, struct why *why)
{
    const struct conf_conn *conf = &sa->conn->conf;
    if (!sa->ppk_way && !minds(sa)) return ERR_OK;
    if (!sa->ppk_way)
        return ppk_do_without(sa, ERR_AUTH, "the initiator has offered none that we know", why);
    if (!conf->ppk_required || ppk_may_be(sa, conf, blob_span(&sa->ppk_name))) return ERR_OK;
    return why_not(why, ERR_AUTH,
                   "%.60s requires the PPK that its ppk_id names, and another one was used",
                   ike_sa_name(sa));
}

err_t ppk_take(struct ike_sa *sa, const struct msg *in, span_t *proof, struct why *why)
{
    struct opening *o = sa->opening;
    struct notify n;
    const struct conf_conn *conf = &sa->conn->conf;
    if (o->ppk.mixed) return ERR_OK;
    if (o->ppk.between) return take_settled(sa, why);
    if (!o->ppk.heard) {
        return minds(sa) ? ppk_do_without(sa, ERR_AUTH, "the initiator has none", why) : ERR_OK;
    }
    if (conf->ppk_required && conf->ppk_exchange == CONF_PPK_INTERMEDIATE) {
        return why_not(why, ERR_AUTH, "%.60s requires a PPK before IKE_AUTH (ppk_exchange)",
                       ike_sa_name(sa));
    }
    // rfc8784 3 MUST: who has said USE_PPK names one
    if (notify_find(in, N_PPK_IDENTITY, &n) != ERR_OK) {
        return why_not(why, ERR_AUTH, "the peer said USE_PPK, but names no PPK");
    }
    span_t name = ppk_id_read(n.data);
    if (name.len && ppk_may_be(sa, conf, name)) {
        TRY(blob_set(&o->ppk.name, name));
        return mix(sa, ppk_find(sa, name));
    }
    ppk_tell_unknown(sa, name);
    if (notify_find(in, N_NO_PPK_AUTH, &n) != ERR_OK) {
        return why_not(
            why, ERR_AUTH,
            "the peer requires a PPK of a name that we do not have (secrets.ppk, ppk_id)");
    }
    TRY(ppk_do_without(sa, ERR_AUTH, "the initiator's has a name that we do not know", why));
    tell(sa->ike, sa, LOG_STORY, SAY_PPK_PLAIN);
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
    const struct opening *o = sa->opening;
    if (!o->ppk.mixed) return;
    tell(sa->ike, sa, LOG_STORY, SAY_MIXED);
    // Without memory for the name it is used all the same.
    IGNORE(ppk_note(sa, PPK_IN_AUTH, blob_span(&o->ppk.name)));
    put_notify(m, N_PPK_IDENTITY, span(NULL, 0));
}
