// simaka_peer.c - what a peer does in EAP-SIM as in EAP-AKA.
#include <string.h>

#include "eap/simaka.h"

// rfc4186 6.3.1: whatever is wrong with a request, the server hears that, and nothing of what.
err_t simaka_answer(struct eap *e, span_t in, wr_t *out, simaka_step *step)
{
    char who[ID_TEXT_MAX];
    TRY(simaka_ready(e));
    struct simaka *m = e->own.simaka;
    if (m->at == SA_REFUSED) return ERR_STATE;
    err_t err = step(e, in, out);
    if (err == ERR_OK || err == ERR_NOMEM || err == ERR_CRYPTO) return err;
    eap_because(e, "a message of %s to %.120s: %s", e->method->name, simaka_who(e, who),
                err_text(err));
    eap_say(e, "%s: sending client error %u", e->method->name, m->error);
    m->at = SA_REFUSED;
    e->done = false;
    simaka_rewind(out);
    sim_put_subtype(out, SIM_CLIENT_ERROR);
    sim_put_number(out, AT_CLIENT_ERROR_CODE, (uint16_t)m->error);
    return ERR_OK;
}

// ---- names -------------------------------------------------------------------------------------

static enum sim_ask ask_of(const struct sim_attrs *a)
{
    if (sim_has(a, SIM_AT(AT_ANY_ID_REQ))) return SIM_ASK_ANY;
    if (sim_has(a, SIM_AT(AT_FULLAUTH_ID_REQ))) return SIM_ASK_FULL;
    return sim_has(a, SIM_AT(AT_PERMANENT_ID_REQ)) ? SIM_ASK_PERMANENT : SIM_ASK_NOTHING;
}

err_t simaka_choose_name(struct eap *e, const struct sim_attrs *a)
{
    struct simaka *m = e->own.simaka;
    const struct sim_settings *set = &e->terms.sim_set;
    const struct sim_owner us = simaka_owner(e);
    struct sim_memory known = {0};
    enum sim_ask ask = ask_of(a);
    uint32_t asked = a->has & SIM_AT_ID_REQS;
    m->again = false;
    if (!asked) return ERR_OK; // the one in force
    // rfc4186 4.2.5 MUST: one at a time, and none that asks for more than the one before.
    if ((asked & (asked - 1)) || ask <= m->asked) return ERR_SYNTAX;
    m->asked = ask;
    m->name = m->who;
    if (!sim_recall(e->terms.sim, &us, &known)) return ERR_OK;
    if (set->pseudonyms && known.pseudonym.len && ask <= SIM_ASK_FULL) m->name = known.pseudonym;
    if (set->reauth && known.again.len && ask == SIM_ASK_ANY) {
        m->name = known.again;
        m->keys = known.keys;
        m->counter = known.counter;
        m->again = true;
    }
    wipe(&known, sizeof known);
    return ERR_OK;
}

static struct sim_name name_of(const struct sim_attrs *a, enum sim_at at, bool wanted)
{
    struct sim_name n = {0};
    if (!wanted || !sim_has(a, SIM_AT(at)) || sim_name_set(&n, a->value[at]) != ERR_OK) n.len = 0;
    return n;
}

static void names_keep(struct eap *e, const struct sim_attrs *inner)
{
    const struct sim_settings *set = &e->terms.sim_set;
    struct sim_memory *next = &e->own.simaka->next;
    next->pseudonym = name_of(inner, AT_NEXT_PSEUDONYM, set->pseudonyms);
    next->again = name_of(inner, AT_NEXT_REAUTH_ID, set->reauth);
}

err_t simaka_take_names(struct eap *e, const struct sim_attrs *a)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs inner;
    uint8_t room[SIM_ENCR_MAX];
    TRY(sim_attrs_open(a, &m->keys, SIM_AT(AT_NEXT_PSEUDONYM) | SIM_AT(AT_NEXT_REAUTH_ID), room,
                       &inner));
    names_keep(e, &inner);
    wipe(room, sizeof room);
    return ERR_OK;
}

void simaka_peer_proved(struct eap *e)
{
    struct simaka *m = e->own.simaka;
    const struct sim_owner us = simaka_owner(e);
    m->next.keys = m->keys;
    m->next.counter = (uint16_t)(m->again ? m->counter + 1 : 1);
    if (!m->next.counter) m->next.again.len = 0; // there is no number behind the last one
    sim_keep(e->terms.sim, &us, &m->next);
    m->at = SA_PROVED;
    if (!m->result) simaka_succeed(e);
}

// ---- fast reauthentication (RFC 4186 5) --------------------------------------------------------

// Both packets and notifications after them say the counter, which nobody else sees.
static err_t counter_seal(struct eap *e, bool too_small, wr_t *out)
{
    uint8_t text[8];
    wr_t w = wr_into(text, sizeof text);
    sim_put_number(&w, AT_COUNTER, e->own.simaka->counter);
    if (too_small) sim_put_flag(&w, AT_COUNTER_TOO_SMALL);
    return simaka_seal(e, wr_span(&w), out);
}

// rfc4186 5.5: the server has an older counter than we; it goes on with full authentication.
static err_t counter_refuse(struct eap *e, uint16_t said, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    const struct sim_owner us = simaka_owner(e);
    eap_say(e, "%s: the server's counter %u is behind ours, %u", e->method->name, said, m->counter);
    sim_spend(e->terms.sim, &us);
    m->counter = said;
    m->again = false;
    sim_put_subtype(out, SIM_REAUTHENTICATION);
    TRY(counter_seal(e, true, out));
    return simaka_mac(e, out, SPAN(m->nonce));
}

static err_t again_read(struct eap *e, const struct sim_attrs *a, uint16_t *counter)
{
    const uint32_t must = SIM_AT(AT_COUNTER) | SIM_AT(AT_NONCE_S);
    struct simaka *m = e->own.simaka;
    struct sim_attrs inner;
    uint8_t room[SIM_ENCR_MAX];
    TRY(sim_attrs_open(a, &m->keys, must | SIM_AT(AT_NEXT_REAUTH_ID), room, &inner));
    if (!sim_has(&inner, must)) return ERR_SYNTAX;
    *counter = sim_number(&inner, AT_COUNTER);
    memcpy(m->nonce, inner.value[AT_NONCE_S].at, sizeof m->nonce);
    names_keep(e, &inner);
    wipe(room, sizeof room);
    return ERR_OK;
}

err_t simaka_asked_again(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    uint16_t counter;
    TRY(sim_attrs_read(
        in, SIM_AT_ENCRYPTED | SIM_AT(AT_MAC) | SIM_AT(AT_RESULT_IND) | SIM_AT(AT_CHECKCODE), &a));
    if (m->at != SA_ASKED || !m->again) return ERR_STATE;
    TRY(simaka_verify(e, &a, span(NULL, 0)));
    TRY(simaka_check_checkcode(e, &a));
    TRY(again_read(e, &a, &counter));
    if (counter < m->counter) return counter_refuse(e, counter, out);
    m->counter = counter;
    m->result = sim_has(&a, SIM_AT(AT_RESULT_IND));
    TRY(sim_keys_again(&m->keys, sim_name_span(&m->name), counter, m->nonce, m->msk));
    sim_put_subtype(out, SIM_REAUTHENTICATION);
    TRY(counter_seal(e, false, out));
    if (m->result) sim_put_flag(out, AT_RESULT_IND);
    if (sim_has(&a, SIM_AT(AT_CHECKCODE))) TRY(simaka_put_checkcode(e, out));
    TRY(simaka_mac(e, out, SPAN(m->nonce)));
    eap_say(e, "%s: fast reauthentication, counter %u", e->method->name, counter);
    simaka_peer_proved(e);
    return ERR_OK;
}

// ---- notifications (RFC 4186 6.1) --------------------------------------------------------------

static const char *meaning_of(uint16_t code)
{
    if (code == 1026) return "access is temporarily denied";
    if (code == 1031) return "there is no subscription to this service";
    return code & SIM_BEFORE ? "general failure" : "failure after authentication";
}

// One that comes after the proofs is proved, too, and so is its answer.
static err_t notified_after(struct eap *e, const struct sim_attrs *a, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs inner;
    uint8_t room[SIM_ENCR_MAX];
    if (m->at != SA_PROVED) return ERR_STATE;
    TRY(simaka_verify(e, a, span(NULL, 0)));
    TRY(sim_attrs_open(a, &m->keys, SIM_AT(AT_COUNTER), room, &inner));
    bool counted = sim_has(&inner, SIM_AT(AT_COUNTER));
    if (m->again && (!counted || sim_number(&inner, AT_COUNTER) != m->counter)) return ERR_REPLAY;
    if (m->again) TRY(counter_seal(e, false, out));
    return simaka_mac(e, out, span(NULL, 0));
}

err_t simaka_notified(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    TRY(sim_attrs_read(in, SIM_AT(AT_NOTIFICATION) | SIM_AT(AT_MAC) | SIM_AT_ENCRYPTED, &a));
    uint16_t code = sim_number(&a, AT_NOTIFICATION);
    bool good = code & SIM_SUCCESS, before = code & SIM_BEFORE;
    if (!sim_has(&a, SIM_AT(AT_NOTIFICATION)) || (good && before)) return ERR_SYNTAX;
    // rfc4186 6.1: a failure that is not proved may come at any time, if our answer was wrong.
    if (good && !m->result) return ERR_STATE;
    sim_put_subtype(out, SIM_NOTIFICATION);
    if (!before) TRY(notified_after(e, &a, out));
    if (good) {
        simaka_succeed(e);
        return ERR_OK;
    }
    eap_because(e, "EAP: the server says: %s (%u)", meaning_of(code), code);
    eap_say(e, "%s: the server says: %s (%u)", e->method->name, meaning_of(code), code);
    m->at = SA_REFUSED;
    e->done = false;
    return ERR_OK;
}
