// aka_server.c - EAP-AKA and EAP-AKA', the server: a home network that has the USIM's secret.
#include <string.h>

#include "base/order.h"
#include "eap/aka.h"

static err_t put_ask(struct eap *e, wr_t *out)
{
    e->own.simaka->at = SA_ASKED;
    sim_put_subtype(out, AKA_IDENTITY);
    simaka_put_request(e, out);
    sim_end(out);
    TRY(wr_done(out));
    // rfc4187 10.13: as it goes out; the response follows, or it is over.
    return simaka_seen(e->own.simaka, wr_span(out));
}

// Somebody who is unknown is challenged, too, with a secret that nobody has.
static err_t usim_get(struct eap *e)
{
    struct simaka *m = e->own.simaka;
    err_t err = aka_usim(e);
    if (err == ERR_OK || err != ERR_NOTFOUND) return err;
    m->usim = (struct usim){.milenage = e->terms.sim_set.family == SIM_3GPP};
    eap_random(e, m->usim.k, sizeof m->usim.k);
    return ERR_OK;
}

static err_t put_challenge(struct eap *e, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    uint8_t autn[USIM_AUTN_LEN];
    bool prime = aka_is_prime(e);
    TRY(usim_get(e));
    eap_random(e, m->rand, sizeof m->rand);
    uint64_t number = sim_number_next(e->terms.sim, sim_name_span(&m->who), e->terms.now_s);
    TRY(usim_challenge(&m->usim, m->rand, number, prime ? AMF_SEPARATED : 0, autn, &m->made));
    TRY(aka_keys(e, autn, span_str(AKA_NETWORK)));
    m->at = SA_CHALLENGED;
    sim_put_subtype(out, AKA_CHALLENGE);
    sim_put_data(out, AT_RAND, SPAN(m->rand));
    sim_put_data(out, AT_AUTN, SPAN(autn));
    if (prime) {
        sim_put_number(out, AT_KDF, AKA_KDF);
        sim_put_counted(out, AT_KDF_INPUT, span_str(AKA_NETWORK));
    }
    TRY(simaka_put_names(e, out));
    TRY(simaka_put_checkcode(e, out));
    sim_put_flag(out, AT_RESULT_IND);
    // rfc9048 4: if we could do better.
    if (!prime && eap_may(e, &eap_aka_prime)) sim_put_number(out, AT_BIDDING, BIDDING_PRIME);
    return simaka_mac(e, out, span(NULL, 0));
}

static err_t begin(struct eap *e, wr_t *out)
{
    TRY(simaka_ready(e));
    e->own.simaka->asked = e->terms.sim_set.aka_asks ? SIM_ASK_ANY : SIM_ASK_NOTHING;
    return e->terms.sim_set.aka_asks ? put_ask(e, out) : put_challenge(e, out);
}

static err_t on_identity(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    enum sim_known known;
    TRY(sim_attrs_read(in, SIM_AT(AT_IDENTITY), &a));
    if (a.subtype != AKA_IDENTITY) return ERR_SYNTAX;
    TRY(simaka_seen(m, e->in));
    TRY(simaka_judge_name(e, &a, &known));
    if (known == SIM_IS_AGAIN) return simaka_ask_again(e, out);
    if (known == SIM_IS_KNOWN) return put_challenge(e, out);
    m->asked++;
    return put_ask(e, out);
}

// rfc4187 6.3.1: the USIM is at another number; told so by who knows its secret.
static err_t on_synchronization(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    uint64_t number;
    char who[ID_TEXT_MAX];
    uint32_t kdf = aka_is_prime(e) ? SIM_AT(AT_KDF) : 0;
    TRY(sim_attrs_read(in, SIM_AT(AT_AUTS) | kdf, &a));
    if (!sim_has(&a, SIM_AT(AT_AUTS)) || m->resynced) return ERR_SYNTAX;
    err_t err = usim_resynced(&m->usim, m->rand, a.value[AT_AUTS].at, &number);
    if (err == ERR_AUTH)
        eap_because(e, "EAP: the secret of %.150s is wrong (AT_AUTS)", simaka_who(e, who));
    TRY(err);
    m->resynced = true;
    sim_number_said(e->terms.sim, sim_name_span(&m->who), number);
    eap_say(e, "%s: the peer is at another sequence number; synchronized", e->method->name);
    return put_challenge(e, out);
}

static err_t on_reject(struct eap *e)
{
    char who[ID_TEXT_MAX];
    e->own.simaka->at = SA_REFUSED; // rfc4187 6.3.3: Failure at once
    eap_because(e, "EAP: %.120s does not believe us: it has another secret", simaka_who(e, who));
    return ERR_AUTH;
}

static err_t on_answer(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    char who[ID_TEXT_MAX];
    uint32_t kdf = aka_is_prime(e) ? SIM_AT(AT_KDF) : 0;
    TRY(sim_attrs_read(in,
                       SIM_AT(AT_RES) | SIM_AT(AT_MAC) | SIM_AT(AT_CHECKCODE) | SIM_AT_ENCRYPTED |
                           SIM_AT(AT_RESULT_IND) | kdf,
                       &a));
    TRY(simaka_verify(e, &a, span(NULL, 0)));
    TRY(simaka_check_checkcode(e, &a));
    span_t res = a.value[AT_RES];
    bool sized = sim_has(&a, SIM_AT(AT_RES)) && a.res_bits == 8U * m->made.res_len;
    if (!sized || !equal_ct(res.at, m->made.res, m->made.res_len)) {
        eap_because(e, "EAP: the answer of %.150s's USIM is wrong", simaka_who(e, who));
        return ERR_AUTH;
    }
    return simaka_server_proved(e, &a, out);
}

static err_t on_challenged(struct eap *e, span_t in, wr_t *out)
{
    uint8_t subtype = in.len ? in.at[0] : 0;
    if (subtype == AKA_CHALLENGE) return on_answer(e, in, out);
    if (subtype == AKA_SYNCHRONIZATION_FAILURE) return on_synchronization(e, in, out);
    return subtype == AKA_AUTHENTICATION_REJECT ? on_reject(e) : ERR_UNSUPPORTED;
}

static err_t server_step(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    bool full = false;
    if (m->at == SA_CHALLENGED) return on_challenged(e, in, out);
    if (m->at != SA_AGAIN) return on_identity(e, in, out);
    TRY(simaka_answered_again(e, in, out, &full));
    return full ? put_challenge(e, out) : ERR_OK;
}

static err_t serve(struct eap *e, span_t in, wr_t *out)
{
    return simaka_serve(e, in, out, server_step);
}

#define AKA(number, word, text)                                                            \
    {                                                                                      \
        number, word, text, .alone = true, .can = aka_can, .begin = begin, .serve = serve, \
                            .answer = aka_answer, .end = simaka_end                        \
    }
const struct eap_method eap_aka = AKA(EAP_AKA, "aka", "EAP_AKA");
const struct eap_method eap_aka_prime = AKA(EAP_AKA_PRIME, "aka-prime", "EAP_AKA_PRIME");
