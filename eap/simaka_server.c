// simaka_server.c - what a server does in EAP-SIM as in EAP-AKA.
#include <stdio.h>
#include <string.h>

#include "eap/simaka.h"

#define NAME_BYTES 16 // of randomness in a name that we give

static err_t put_failure(struct eap *e, wr_t *out)
{
    e->own.simaka->at = SA_REFUSED;
    simaka_rewind(out);
    sim_put_subtype(out, SIM_NOTIFICATION);
    sim_put_number(out, AT_NOTIFICATION, SIM_GENERAL_FAILURE);
    return ERR_OK;
}

static err_t on_client_error(struct eap *e, span_t in)
{
    struct sim_attrs a;
    char who[ID_TEXT_MAX];
    TRY(sim_attrs_read(in, SIM_AT(AT_CLIENT_ERROR_CODE), &a));
    eap_because(e, "EAP: %.150s cannot answer: client error %u", simaka_who(e, who),
                sim_number(&a, AT_CLIENT_ERROR_CODE));
    return ERR_AUTH;
}

// rfc4186 6.3.2 MUST: whatever is wrong with a response, the peer hears that before it is over.
err_t simaka_serve(struct eap *e, span_t in, wr_t *out, simaka_step *step)
{
    struct simaka *m = e->own.simaka;
    char who[ID_TEXT_MAX];
    if (m->at == SA_REFUSED) return ERR_AUTH;
    if (m->at == SA_TELLS) { // rfc4186 6.2 MUST: whatever it says to that
        simaka_succeed(e);
        return ERR_OK;
    }
    if (in.len && in.at[0] == SIM_CLIENT_ERROR) return on_client_error(e, in);
    err_t err = step(e, in, out);
    if (err == ERR_OK || err == ERR_NOMEM || err == ERR_CRYPTO) return err;
    eap_because(e, "a message of %s from %.120s: %s", e->method->name, simaka_who(e, who),
                err_text(err));
    return m->at == SA_REFUSED ? ERR_AUTH : put_failure(e, out);
}

// ---- names -------------------------------------------------------------------------------------

void simaka_put_request(struct eap *e, wr_t *out)
{
    static const enum sim_at ask[] = {[SIM_ASK_ANY] = AT_ANY_ID_REQ,
                                      [SIM_ASK_FULL] = AT_FULLAUTH_ID_REQ,
                                      [SIM_ASK_PERMANENT] = AT_PERMANENT_ID_REQ};
    enum sim_ask asked = e->own.simaka->asked;
    if (asked != SIM_ASK_NOTHING) sim_put_flag(out, ask[asked]);
}

// The peer wants to be quick. Only once by a name, and only if nobody has to be asked again.
static bool is_again(struct eap *e, span_t name)
{
    struct simaka *m = e->own.simaka;
    const struct sim_owner peer = simaka_owner(e);
    struct sim_memory known = {0};
    bool same = sim_recall(e->terms.sim, &peer, &known) && known.again.len &&
                span_eq(sim_name_span(&known.again), name);
    if (same) sim_spend(e->terms.sim, &peer);
    bool may = same && e->terms.sim_set.reauth && known.counter <= SIM_COUNTER_MAX;
    if (may) {
        m->keys = known.keys;
        m->counter = known.counter;
    }
    wipe(&known, sizeof known);
    return may;
}

err_t simaka_judge_name(struct eap *e, const struct sim_attrs *a, enum sim_known *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_name owner;
    char who[ID_TEXT_MAX];
    bool given = sim_has(a, SIM_AT(AT_IDENTITY));
    if (!given && m->asked != SIM_ASK_NOTHING) return ERR_SYNTAX;
    if (given) TRY(sim_name_set(&m->name, a->value[AT_IDENTITY]));
    span_t name = sim_name_span(&m->name), permanent = sim_name_span(&m->who);
    *out = SIM_IS_KNOWN;
    if (span_eq(name, permanent)) return ERR_OK;
    bool known = sim_find(e->terms.sim, e->method->type, name, &owner) == ERR_OK;
    // Who may come was decided by another name, which is thus the one to be proved.
    bool another = known && !span_eq(sim_name_span(&owner), permanent);
    if (another || m->asked == SIM_ASK_PERMANENT) {
        eap_because(e, "the peer calls itself %.100s, and something else in %s", simaka_who(e, who),
                    e->method->name);
        return ERR_AUTH;
    }
    struct sim_memory memory = {0};
    const struct sim_owner peer = simaka_owner(e);
    bool pseudonym = known && sim_recall(e->terms.sim, &peer, &memory) &&
                     span_eq(sim_name_span(&memory.pseudonym), name);
    wipe(&memory, sizeof memory);
    if (pseudonym) return ERR_OK;
    *out = known && is_again(e, name) ? SIM_IS_AGAIN : SIM_IS_UNKNOWN;
    return ERR_OK;
}

static struct sim_name name_new(struct eap *e)
{
    static const char digits[] = "0123456789abcdef";
    struct sim_name n = {.len = 2 * NAME_BYTES};
    uint8_t raw[NAME_BYTES];
    eap_random(e, raw, sizeof raw);
    for (unsigned i = 0; i < NAME_BYTES; i++) {
        n.at[2 * i] = (uint8_t)digits[raw[i] >> 4];
        n.at[2 * i + 1] = (uint8_t)digits[raw[i] & 15];
    }
    return n;
}

static void next_names(struct eap *e, bool pseudonym, wr_t *text)
{
    struct simaka *m = e->own.simaka;
    const struct sim_settings *set = &e->terms.sim_set;
    m->next = (struct sim_memory){0};
    if (pseudonym && set->pseudonyms) {
        m->next.pseudonym = name_new(e);
        sim_put_counted(text, AT_NEXT_PSEUDONYM, sim_name_span(&m->next.pseudonym));
    }
    if (!set->reauth) return;
    m->next.again = name_new(e);
    sim_put_counted(text, AT_NEXT_REAUTH_ID, sim_name_span(&m->next.again));
}

err_t simaka_put_names(struct eap *e, wr_t *out)
{
    uint8_t text[SIM_ENCR_MAX];
    wr_t w = wr_into(text, sizeof text);
    next_names(e, true, &w);
    err_t err = wr_len(&w) ? simaka_seal(e, wr_span(&w), out) : ERR_OK;
    wipe(text, sizeof text);
    return err;
}

// ---- fast reauthentication (RFC 4186 5) --------------------------------------------------------

err_t simaka_ask_again(struct eap *e, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    uint8_t text[SIM_ENCR_MAX];
    wr_t w = wr_into(text, sizeof text);
    m->at = SA_AGAIN;
    eap_random(e, m->nonce, sizeof m->nonce);
    TRY(sim_keys_again(&m->keys, sim_name_span(&m->name), m->counter, m->nonce, m->msk));
    sim_put_number(&w, AT_COUNTER, m->counter);
    sim_put_data(&w, AT_NONCE_S, SPAN(m->nonce));
    next_names(e, false, &w);
    sim_put_subtype(out, SIM_REAUTHENTICATION);
    err_t err = simaka_seal(e, wr_span(&w), out);
    wipe(text, sizeof text);
    TRY(err);
    sim_put_flag(out, AT_RESULT_IND);
    if (e->method->type != EAP_SIM) TRY(simaka_put_checkcode(e, out));
    eap_say(e, "%s: fast reauthentication, counter %u", e->method->name, m->counter);
    return simaka_mac(e, out, span(NULL, 0));
}

err_t simaka_answered_again(struct eap *e, span_t in, wr_t *out, bool *full)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a, inner;
    uint8_t room[SIM_ENCR_MAX];
    TRY(sim_attrs_read(
        in, SIM_AT_ENCRYPTED | SIM_AT(AT_MAC) | SIM_AT(AT_RESULT_IND) | SIM_AT(AT_CHECKCODE), &a));
    if (a.subtype != SIM_REAUTHENTICATION) return ERR_SYNTAX;
    TRY(simaka_verify(e, &a, SPAN(m->nonce)));
    TRY(simaka_check_checkcode(e, &a));
    TRY(sim_attrs_open(&a, &m->keys, SIM_AT(AT_COUNTER) | SIM_AT(AT_COUNTER_TOO_SMALL), room,
                       &inner));
    bool same = sim_has(&inner, SIM_AT(AT_COUNTER)) && sim_number(&inner, AT_COUNTER) == m->counter;
    *full = sim_has(&inner, SIM_AT(AT_COUNTER_TOO_SMALL));
    if (!same) return ERR_REPLAY;
    m->again = !*full;
    if (*full) eap_say(e, "%s: the peer's counter is ahead of %u", e->method->name, m->counter);
    return *full ? ERR_OK : simaka_server_proved(e, &a, out);
}

// ---- the end -----------------------------------------------------------------------------------

// rfc4186 6.2, 9.8: proved as the rest was; after a fast reauthentication with its counter.
static err_t tell_success(struct eap *e, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    uint8_t text[8];
    wr_t w = wr_into(text, sizeof text);
    m->at = SA_TELLS;
    sim_put_subtype(out, SIM_NOTIFICATION);
    sim_put_number(out, AT_NOTIFICATION, SIM_SUCCESS);
    sim_put_number(&w, AT_COUNTER, m->counter);
    if (m->again) TRY(simaka_seal(e, wr_span(&w), out));
    return simaka_mac(e, out, span(NULL, 0));
}

err_t simaka_server_proved(struct eap *e, const struct sim_attrs *a, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    const struct sim_owner peer = simaka_owner(e);
    m->next.keys = m->keys;
    m->next.counter = (uint16_t)(m->again ? m->counter + 1 : 1);
    if (e->terms.sim_set.pseudonyms || e->terms.sim_set.reauth)
        sim_keep(e->terms.sim, &peer, &m->next);
    m->at = SA_PROVED;
    if (sim_has(a, SIM_AT(AT_RESULT_IND))) return tell_success(e, out);
    simaka_succeed(e);
    return ERR_OK;
}
