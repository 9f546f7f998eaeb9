// sim.c - EAP-SIM (RFC 4186): both sides prove that they know what a SIM answers to three
// challenges. Triplets of such come from a file.
#include <string.h>

#include "eap/simaka.h"

#define VERSION 1
static const uint8_t version[2] = {0, VERSION};
#define RANDS_MIN 2U // rfc4186 10.9 MUST

static err_t keys_make(struct simaka *m, const struct sim_triplet *t, unsigned n)
{
    span_t parts[SIM_CHALLENGES + 4];
    unsigned parts_n = 0;
    parts[parts_n++] = sim_name_span(&m->name);
    for (unsigned i = 0; i < n; i++) parts[parts_n++] = SPAN(t[i].kc);
    parts[parts_n++] = SPAN(m->nonce);
    parts[parts_n++] = span(m->versions, m->versions_len);
    parts[parts_n++] = SPAN(version);
    for (unsigned i = 0; i < n; i++) {
        memcpy(m->sres + (size_t)i * SIM_SRES_LEN, t[i].sres, SIM_SRES_LEN);
    }
    return sim_keys_make(parts, parts_n, &m->keys, m->msk);
}

// ---- peer --------------------------------------------------------------------------------------

// rfc4186 4.1 MUST: an error of its own if there is none of ours.
static err_t versions_take(struct simaka *m, span_t list)
{
    rd_t r = rd_from(list);
    bool ours = false;
    if (!list.len || list.len % 2 || list.len > sizeof m->versions) return ERR_SYNTAX;
    while (rd_left(&r)) ours |= rd_u16(&r) == VERSION;
    memcpy(m->versions, list.at, list.len);
    m->versions_len = (uint8_t)list.len;
    if (!ours) m->error = SIM_NO_VERSION;
    return ours ? ERR_OK : ERR_UNSUPPORTED;
}

static err_t on_start(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    TRY(sim_attrs_read(in, SIM_AT(AT_VERSION_LIST) | SIM_AT_ID_REQS, &a));
    if (m->at > SA_ASKED) return ERR_STATE;
    TRY(versions_take(m, a.value[AT_VERSION_LIST]));
    TRY(simaka_choose_name(e, &a));
    if (!m->nonce_made) eap_random(e, m->nonce, sizeof m->nonce);
    m->at = SA_ASKED;
    sim_put_subtype(out, SIM_START);
    // rfc4186 9.2 MUST: nothing for full authentication by a name for a fast one.
    m->nonce_made = !m->again;
    if (!m->again) {
        sim_put_data(out, AT_NONCE_MT, SPAN(m->nonce));
        sim_put_number(out, AT_SELECTED_VERSION, VERSION);
    }
    if (a.has & SIM_AT_ID_REQS) sim_put_counted(out, AT_IDENTITY, sim_name_span(&m->name));
    return ERR_OK;
}

// rfc4186 10.9 MUST: each challenge but once.
static err_t rands_answer(struct eap *e, span_t rands, struct sim_triplet *out, unsigned *n)
{
    struct simaka *m = e->own.simaka;
    char who[ID_TEXT_MAX];
    *n = (unsigned)(rands.len / SIM_RAND_LEN);
    if (rands.len % SIM_RAND_LEN || *n > SIM_CHALLENGES) return ERR_SYNTAX;
    if (*n < RANDS_MIN) m->error = SIM_FEW_CHALLENGES;
    if (*n < RANDS_MIN) return ERR_RANGE;
    for (unsigned i = 0; i < *n; i++) {
        const uint8_t *rand = rands.at + (size_t)i * SIM_RAND_LEN;
        for (unsigned j = 0; j < i; j++) {
            if (memcmp(out[j].rand, rand, SIM_RAND_LEN) == 0) return ERR_REPLAY;
        }
        if (sim_triplet_of(e->terms.sim, sim_name_span(&m->who), rand, &out[i]) == ERR_OK) continue;
        eap_because(e, "EAP: the triplets of %.120s have no answer to a challenge (%s)",
                    simaka_who(e, who), SIM_TRIPLETS_FILE);
        return ERR_NOTFOUND;
    }
    return ERR_OK;
}

static err_t challenge_judge(struct eap *e, const struct sim_attrs *a, unsigned *n)
{
    struct simaka *m = e->own.simaka;
    struct sim_triplet t[SIM_CHALLENGES];
    err_t err = rands_answer(e, a->value[AT_RAND], t, n);
    if (err == ERR_OK) err = keys_make(m, t, *n);
    wipe(t, sizeof t);
    TRY(err);
    err = simaka_verify(e, a, SPAN(m->nonce));
    if (err == ERR_AUTH) eap_because(e, "EAP: the server does not know our SIM (AT_MAC is wrong)");
    return err;
}

static err_t on_challenge(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    unsigned n;
    TRY(sim_attrs_read(
        in, SIM_AT(AT_RAND) | SIM_AT(AT_MAC) | SIM_AT_ENCRYPTED | SIM_AT(AT_RESULT_IND), &a));
    if (m->at != SA_ASKED || !m->nonce_made) return ERR_STATE;
    TRY(challenge_judge(e, &a, &n));
    TRY(simaka_take_names(e, &a));
    m->result = sim_has(&a, SIM_AT(AT_RESULT_IND));
    sim_put_subtype(out, SIM_CHALLENGE);
    if (m->result) sim_put_flag(out, AT_RESULT_IND);
    TRY(simaka_mac(e, out, span(m->sres, (size_t)n * SIM_SRES_LEN)));
    simaka_peer_proved(e);
    return ERR_OK;
}

static err_t peer_step(struct eap *e, span_t in, wr_t *out)
{
    uint8_t subtype = in.len ? in.at[0] : 0;
    if (subtype == SIM_START) return on_start(e, in, out);
    if (subtype == SIM_CHALLENGE) return on_challenge(e, in, out);
    if (subtype == SIM_REAUTHENTICATION) return simaka_asked_again(e, in, out);
    return subtype == SIM_NOTIFICATION ? simaka_notified(e, in, out) : ERR_UNSUPPORTED;
}

static err_t answer(struct eap *e, span_t in, wr_t *out)
{
    return simaka_answer(e, in, out, peer_step);
}

// ---- server ------------------------------------------------------------------------------------

static err_t put_start(struct eap *e, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    m->at = SA_ASKED;
    m->versions_len = sizeof version;
    memcpy(m->versions, version, sizeof version);
    sim_put_subtype(out, SIM_START);
    sim_put_counted(out, AT_VERSION_LIST, SPAN(version));
    simaka_put_request(e, out);
    return ERR_OK;
}

static err_t begin(struct eap *e, wr_t *out)
{
    TRY(simaka_ready(e));
    e->own.simaka->asked = e->terms.sim_set.sim_asks ? SIM_ASK_ANY : SIM_ASK_NOTHING;
    return put_start(e, out);
}

// Somebody who is unknown is challenged, too.
static err_t triplets_get(struct eap *e, struct sim_triplet t[SIM_CHALLENGES])
{
    char who[ID_TEXT_MAX];
    span_t name = sim_name_span(&e->own.simaka->who);
    if (sim_triplets_pick(e->terms.sim, name, SIM_CHALLENGES, t) == ERR_OK) return ERR_OK;
    eap_random(e, t, SIM_CHALLENGES * sizeof *t);
    eap_because(e, "EAP: there are no %u triplets for %.120s (%s)", SIM_CHALLENGES,
                simaka_who(e, who), SIM_TRIPLETS_FILE);
    return ERR_OK;
}

static err_t put_challenge(struct eap *e, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_triplet t[SIM_CHALLENGES];
    uint8_t rands[SIM_CHALLENGES * SIM_RAND_LEN];
    TRY(triplets_get(e, t));
    for (unsigned i = 0; i < SIM_CHALLENGES; i++) {
        memcpy(rands + (size_t)i * SIM_RAND_LEN, t[i].rand, SIM_RAND_LEN);
    }
    err_t err = keys_make(m, t, SIM_CHALLENGES);
    wipe(t, sizeof t);
    TRY(err);
    m->at = SA_CHALLENGED;
    sim_put_subtype(out, SIM_CHALLENGE);
    sim_put_data(out, AT_RAND, SPAN(rands));
    TRY(simaka_put_names(e, out));
    sim_put_flag(out, AT_RESULT_IND);
    return simaka_mac(e, out, SPAN(m->nonce));
}

static err_t on_started(struct eap *e, span_t in, wr_t *out)
{
    const uint32_t full = SIM_AT(AT_NONCE_MT) | SIM_AT(AT_SELECTED_VERSION);
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    enum sim_known known;
    TRY(sim_attrs_read(in, full | SIM_AT(AT_IDENTITY), &a));
    if (a.subtype != SIM_START) return ERR_SYNTAX;
    TRY(simaka_judge_name(e, &a, &known));
    if (known == SIM_IS_AGAIN) return simaka_ask_again(e, out);
    if (known == SIM_IS_UNKNOWN) {
        m->asked++;
        return put_start(e, out);
    }
    if (!sim_has(&a, full) || sim_number(&a, AT_SELECTED_VERSION) != VERSION) return ERR_SYNTAX;
    memcpy(m->nonce, a.value[AT_NONCE_MT].at, sizeof m->nonce);
    return put_challenge(e, out);
}

static err_t on_challenged(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    struct sim_attrs a;
    char who[ID_TEXT_MAX];
    TRY(sim_attrs_read(in, SIM_AT(AT_MAC) | SIM_AT(AT_RESULT_IND) | SIM_AT_ENCRYPTED, &a));
    if (a.subtype != SIM_CHALLENGE) return ERR_SYNTAX;
    err_t err = simaka_verify(e, &a, SPAN(m->sres));
    if (err == ERR_AUTH)
        eap_because(e, "EAP: the answer of %.150s's SIM is wrong", simaka_who(e, who));
    TRY(err);
    return simaka_server_proved(e, &a, out);
}

static err_t server_step(struct eap *e, span_t in, wr_t *out)
{
    struct simaka *m = e->own.simaka;
    bool full = false;
    if (m->at == SA_CHALLENGED) return on_challenged(e, in, out);
    if (m->at != SA_AGAIN) return on_started(e, in, out);
    TRY(simaka_answered_again(e, in, out, &full));
    if (!full) return ERR_OK;
    m->asked = SIM_ASK_FULL;
    return put_start(e, out);
}

static err_t serve(struct eap *e, span_t in, wr_t *out)
{
    return simaka_serve(e, in, out, server_step);
}

static bool can(const struct eap *e)
{
    char text[ID_TEXT_MAX];
    const struct id *who = e->terms.server ? &e->peer : &e->terms.us;
    return e->terms.sim && sim_has_triplets(e->terms.sim, id_name(who, text));
}

const struct eap_method eap_sim = {
    EAP_SIM,        "sim",          "EAP_SIM",        .alone = true,    .can = can,
    .begin = begin, .serve = serve, .answer = answer, .end = simaka_end};
