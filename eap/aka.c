#include "eap/aka.h"

#include <string.h>

// ---- the USIM, in software ---------------------------------------------------------------------

static const struct id *subscriber(const struct eap *e)
{
    return e->terms.server ? &e->peer : &e->terms.us;
}

static err_t usim_fill(enum sim_family family, const struct secret *s, struct usim *u)
{
    *u = (struct usim){.milenage = family == SIM_3GPP};
    if (family == SIM_BY_LENGTH) u->milenage = s->len == 2 * USIM_KEY_LEN;
    bool fits = s->len == USIM_KEY_LEN || s->len == 2 * USIM_KEY_LEN;
    if (!s->len || (u->milenage && !fits)) return ERR_RANGE;
    // As strongSwan: S.S0055's K is cut, or filled up with zeros; MILENAGE's OPc may be left out.
    memcpy(u->k, s->at, s->len < USIM_KEY_LEN ? s->len : USIM_KEY_LEN);
    if (u->milenage && s->len > USIM_KEY_LEN) memcpy(u->opc, s->at + USIM_KEY_LEN, USIM_KEY_LEN);
    return ERR_OK;
}

err_t aka_usim(struct eap *e)
{
    struct secret s = {0};
    char who[ID_TEXT_MAX];
    err_t err = eap_secret(e, subscriber(e), &s);
    if (err != ERR_OK) {
        eap_because(e, "EAP: there is no secret for %.150s (secrets.eap)", simaka_who(e, who));
        return ERR_NOTFOUND;
    }
    err = usim_fill(e->terms.sim_set.family, &s, &e->own.simaka->usim);
    if (err != ERR_OK)
        eap_because(e, "EAP: the secret of %.120s is neither K, 16 bytes, nor K and OPc, 32",
                    simaka_who(e, who));
    secret_done(&s);
    return err;
}

bool aka_can(const struct eap *e)
{
    struct secret s = {0};
    bool has = e->terms.sim && eap_secret(e, subscriber(e), &s) == ERR_OK;
    secret_done(&s);
    return has;
}

err_t aka_keys(struct eap *e, const uint8_t autn[USIM_AUTN_LEN], span_t network)
{
    struct simaka *m = e->own.simaka;
    const span_t name = sim_name_span(&m->name);
    const span_t parts[] = {name, SPAN(m->made.ik), SPAN(m->made.ck)};
    uint8_t both[2 * AKA_CK_LEN], bound[2 * AKA_PRIME_LEN];
    if (!aka_is_prime(e)) return sim_keys_make(parts, 3, &m->keys, m->msk);
    memcpy(both, m->made.ck, AKA_CK_LEN);
    memcpy(both + AKA_CK_LEN, m->made.ik, AKA_CK_LEN);
    err_t err = sim_keys_bind(SPAN(both), network, autn, bound);
    if (err == ERR_OK) err = sim_keys_prime(bound, name, &m->keys, m->msk);
    wipe(both, sizeof both);
    wipe(bound, sizeof bound);
    return err;
}

// ---- peer --------------------------------------------------------------------------------------

#define CHALLENGE_MUST (SIM_AT(AT_RAND) | SIM_AT(AT_AUTN) | SIM_AT(AT_MAC))
#define CHALLENGE_MAY                                                                   \
    (CHALLENGE_MUST | SIM_AT_ENCRYPTED | SIM_AT(AT_CHECKCODE) | SIM_AT(AT_RESULT_IND) | \
     SIM_AT(AT_BIDDING))
#define PRIME_MUST (SIM_AT(AT_KDF) | SIM_AT(AT_KDF_INPUT))

static err_t on_identity(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    TRY(sim_attrs_read(in, SIM_AT_ID_REQS, &a));
    if (m->at > SA_ASKED) return ERR_STATE;
    if (!(a.has & SIM_AT_ID_REQS)) return ERR_SYNTAX;
    TRY(simaka_choose_name(e, &a));
    m->at = SA_ASKED;
    sim_put_subtype(out, AKA_IDENTITY);
    sim_put_counted(out, AT_IDENTITY, sim_name_span(&m->name));
    sim_end(out);
    TRY(wr_done(out));
    TRY(simaka_seen(m, e->in));
    return simaka_seen(m, wr_span(out));
}

// rfc4187 6.3.1: AUTN is not the network's.
static err_t reject(struct eap *e, wr_t *out, const char *what)
{
    char who[ID_TEXT_MAX];
    eap_because(e, "EAP: %.150s: %s", simaka_who(e, who), what);
    eap_say(e, "%s: sending authentication reject", e->method->name);
    e->own.simaka->at = SA_REFUSED;
    sim_put_subtype(out, AKA_AUTHENTICATION_REJECT);
    return ERR_OK;
}

static err_t synchronize(struct eap *e, uint64_t at, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    uint8_t auts[USIM_AUTS_LEN];
    eap_say(e, "%s: a sequence number is behind ours, sending synchronization failure",
            e->method->name);
    TRY(usim_resync(&m->usim, m->rand, at, auts));
    sim_put_subtype(out, AKA_SYNCHRONIZATION_FAILURE);
    sim_put_auts(out, SPAN(auts));
    if (aka_is_prime(e)) sim_put_number(out, AT_KDF, AKA_KDF); // rfc9048 3.2
    return ERR_OK;
}

static bool number_is_fresh(struct eap *e, uint64_t number, uint64_t *at)
{
    const struct simaka *m = e->own.simaka;
    const struct sim_settings *set = &e->terms.sim_set;
    bool checks = m->usim.milenage ? set->check_3gpp : set->check_3gpp2;
    return sim_number_take(e->terms.sim, sim_name_span(&m->who), number, at) || !checks;
}

// rfc9048 3.2: one function to derive keys with, for one network.
static err_t judge_kdf(struct eap *e, const struct sim_attrs *a, wr_t *out, bool *over)
{
    bool known = false;
    *over = false;
    if (!sim_has(a, PRIME_MUST) || !a->value[AT_KDF_INPUT].len) return ERR_SYNTAX;
    if (a->value[AT_KDF_INPUT].len > SIM_NETWORK_MAX) return ERR_LIMIT;
    for (unsigned i = 0; i < a->kdf_n; i++) known |= a->kdf[i] == AKA_KDF;
    *over = a->kdf[0] != AKA_KDF;
    if (!*over) return ERR_OK;
    if (!known) return reject(e, out, "the server derives keys in ways that are not known here");
    sim_put_subtype(out, AKA_CHALLENGE);
    sim_put_number(out, AT_KDF, AKA_KDF);
    return ERR_OK;
}

// rfc9048 4 MUST: who could do better is not to be talked into this.
static bool is_bid_down(const struct eap *e, const struct sim_attrs *a)
{
    return !aka_is_prime(e) && sim_number(a, AT_BIDDING) & BIDDING_PRIME &&
           eap_may(e, &eap_aka_prime);
}

static err_t put_answer(struct eap *e, const struct sim_attrs *a, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    TRY(aka_keys(e, a->value[AT_AUTN].at, a->value[AT_KDF_INPUT]));
    err_t err = simaka_verify(e, a, span(NULL, 0));
    if (err == ERR_AUTH) eap_because(e, "EAP: somebody has changed a challenge (AT_MAC is wrong)");
    TRY(err);
    TRY(simaka_check_checkcode(e, a));
    TRY(simaka_take_names(e, a));
    m->result = sim_has(a, SIM_AT(AT_RESULT_IND));
    sim_put_subtype(out, AKA_CHALLENGE);
    sim_put_res(out, span(m->made.res, m->made.res_len));
    if (sim_has(a, SIM_AT(AT_CHECKCODE))) TRY(simaka_put_checkcode(e, out));
    if (m->result) sim_put_flag(out, AT_RESULT_IND);
    TRY(simaka_mac(e, out, span(NULL, 0)));
    simaka_peer_proved(e);
    return ERR_OK;
}

static err_t usim_judge(struct eap *e, const struct sim_attrs *a, wr_t *out, bool *over)
{
    struct simaka *m = e->own.simaka;
    const uint8_t *autn = a->value[AT_AUTN].at;
    uint64_t number, at;
    *over = true;
    TRY(aka_usim(e));
    memcpy(m->rand, a->value[AT_RAND].at, sizeof m->rand);
    err_t err = usim_answer(&m->usim, m->rand, autn, &number, &m->made);
    if (err == ERR_AUTH) return reject(e, out, "the server does not know our secret");
    TRY(err);
    if (aka_is_prime(e) && !(autn[USIM_SQN_LEN] & AMF_SEPARATED)) // rfc9048 3.1, TS 33.402 6.2
        return reject(e, out, "a challenge of AKA is passed off as one of AKA'");
    if (is_bid_down(e, a)) return reject(e, out, "the server can do AKA', and asks for AKA");
    if (!number_is_fresh(e, number, &at)) return synchronize(e, at, out);
    *over = false;
    return ERR_OK;
}

static err_t on_challenge(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    bool over = false;
    TRY(sim_attrs_read(in, CHALLENGE_MAY | (aka_is_prime(e) ? PRIME_MUST : 0), &a));
    if (m->at > SA_ASKED) return ERR_STATE;
    if (!sim_has(&a, CHALLENGE_MUST) || a.value[AT_RAND].len != USIM_RAND_LEN) return ERR_SYNTAX;
    if (aka_is_prime(e)) TRY(judge_kdf(e, &a, out, &over));
    if (over) return ERR_OK;
    m->again = false;
    TRY(usim_judge(e, &a, out, &over));
    return over ? ERR_OK : put_answer(e, &a, out);
}

static err_t peer_step(struct eap *e, span_t in, wr_t *out)
{
    uint8_t subtype = in.len ? in.at[0] : 0;
    if (subtype == AKA_IDENTITY) return on_identity(e, in, out);
    if (subtype == AKA_CHALLENGE) return on_challenge(e, in, out);
    if (subtype == SIM_REAUTHENTICATION) return simaka_asked_again(e, in, out);
    return subtype == SIM_NOTIFICATION ? simaka_notified(e, in, out) : ERR_UNSUPPORTED;
}

err_t aka_answer(struct eap *e, span_t in, wr_t *out)
{
    return simaka_answer(e, in, out, peer_step);
}
