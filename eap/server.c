// server.c - the side that asks (RFC 3748 4).
#include <stdio.h>
#include <string.h>

#include "eap/method.h"
#include "eap/sim_store.h"

static void success(struct eap *e)
{
    char name[EAP_NAME_MAX];
    wr_t w = packet_begin(e, EAP_CODE_SUCCESS, e->id, 0);
    packet_end(e, &w);
    e->state = EAP_SUCCEEDED;
    eap_say(e, "EAP method %s succeeded, %sMSK established", eap_name(e->method->type, name),
            e->msk_len ? "" : "no ");
}

static void failure(struct eap *e)
{
    char name[EAP_NAME_MAX], who[ID_TEXT_MAX];
    wr_t w = packet_begin(e, EAP_CODE_FAILURE, e->id, 0);
    packet_end(e, &w);
    eap_fail(e, "the peer has not proved it by EAP");
    if (!e->method) return;
    eap_say(e, "EAP method %s failed for peer %.160s", eap_name(e->method->type, name),
            id_show(&e->peer, who));
}

err_t eap_ask(struct eap *e)
{
    e->said_n = 0;
    wr_t w = packet_begin(e, EAP_CODE_REQUEST, ++e->id, EAP_IDENTITY);
    packet_end(e, &w);
    eap_say(e, "initiating EAP_IDENTITY method (id 0x%02X)", e->id);
    return ERR_OK;
}

// A method that the peer knows: one that it has named, by whose order the terms say.
static bool is_named(span_t wanted, uint8_t type)
{
    return !wanted.at || memchr(wanted.at, type, wanted.len);
}

static bool is_open(const struct eap *e, const struct eap_method *m)
{
    return m && eap_may(e, m) && !(e->tried & UINT64_C(1) << m->type);
}

// wanted: what the peer has named; at NULL: nothing yet.
static const struct eap_method *next_method(const struct eap *e, span_t wanted)
{
    const struct eap_terms *t = &e->terms;
    for (size_t i = 0; i < wanted.len && t->prefer_peer; i++) {
        const struct eap_method *m = eap_method_of(wanted.at[i]);
        if (is_open(e, m)) return m;
    }
    if (t->method != EAP_ANY) {
        const struct eap_method *m = eap_method_of(t->method);
        return is_open(e, m) && is_named(wanted, t->method) ? m : NULL;
    }
    for (unsigned i = 0; i < t->order_n; i++) {
        const struct eap_method *m = eap_method_of(t->order[i]);
        if (is_open(e, m) && is_named(wanted, m->type)) return m;
    }
    return NULL;
}

static err_t method_start(struct eap *e, const struct eap_method *m)
{
    if (e->method && e->method->end) e->method->end(e);
    wipe(&e->own, sizeof e->own);
    e->method = m;
    e->state = EAP_RUNS;
    e->tried |= UINT64_C(1) << m->type;
    wr_t w = packet_begin(e, EAP_CODE_REQUEST, ++e->id, m->type);
    TRY(m->begin(e, &w));
    packet_end(e, &w);
    eap_say(e, "initiating %s method (id 0x%02X)", m->name, e->id);
    return ERR_OK;
}

err_t eap_begin(struct eap *e)
{
    const struct eap_method *m = next_method(e, span(NULL, 0));
    e->out_len = e->said_n = 0;
    return m ? method_start(e, m) : ERR_NOCHOICE;
}

// rfc3748 5.3.1: the peer would rather have others.
static void on_nak(struct eap *e, span_t wanted)
{
    static const uint8_t none[1];
    const struct eap_method *m = NULL;
    if (!wanted.at) wanted = span(none, 0);
    if (!e->begun) m = next_method(e, wanted);
    eap_say(e, "received EAP_NAK: the peer asks for another method");
    if (m && method_start(e, m) == ERR_OK) return;
    eap_fail(e, "the peer refuses the methods of EAP that are configured (remote.auth)");
    failure(e);
}

// A name that EAP-SIM or EAP-AKA has given: whoever decides about the peer hears the permanent one.
static void name_resolve(struct eap *e, span_t said)
{
    char name[ID_TEXT_MAX];
    struct sim_name who;
    struct id permanent;
    bool given = e->terms.sim && sim_find(e->terms.sim, EAP_ANY, said, &who) == ERR_OK;
    if (!given || eap_identity(sim_name_span(&who), &permanent) != ERR_OK) return;
    e->alias = e->peer;
    e->aliased = true;
    e->peer = permanent;
    eap_say(e, "this stands for '%.180s'", id_show(&e->peer, name));
}

static void on_identity(struct eap *e, span_t body)
{
    char name[ID_TEXT_MAX];
    if (eap_identity(body, &e->peer) != ERR_OK) {
        eap_fail(e, "the peer calls itself something in EAP that is no identity");
        failure(e);
        return;
    }
    e->state = EAP_KNOWS;
    eap_say(e, "received EAP identity '%.180s'", id_show(&e->peer, name));
    name_resolve(e, body);
}

static void on_method(struct eap *e, span_t body)
{
    e->begun = true;
    wr_t w = packet_begin(e, EAP_CODE_REQUEST, (uint8_t)(e->id + 1), e->method->type);
    err_t err = e->method->serve(e, body, &w);
    if (err != ERR_OK) {
        if (err != ERR_AUTH) eap_fail(e, "a message of %s: %s", e->method->name, err_text(err));
        failure(e);
        return;
    }
    if (e->done) {
        success(e);
        return;
    }
    e->id++;
    packet_end(e, &w);
}

void server_take(struct eap *e, uint8_t code, uint8_t id, span_t body)
{
    rd_t r = rd_from(body);
    uint8_t type = rd_u8(&r);
    if (code != EAP_CODE_RESPONSE || id != e->id || r.bad) {
        eap_fail(e, "a packet of EAP is no response to the last request");
        failure(e);
        return;
    }
    if (!e->method && type == EAP_IDENTITY) {
        on_identity(e, rd_rest(&r));
    } else if (e->method && type == EAP_NAK) {
        on_nak(e, rd_rest(&r));
    } else if (e->method && type == e->method->type) {
        on_method(e, rd_rest(&r));
    } else {
        eap_fail(e, "a response of EAP is of type %u, which was not asked for", type);
        failure(e);
    }
}
