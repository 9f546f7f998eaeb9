#include "eap/eap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "crypto/rng.h"
#include "eap/method.h"

static const struct eap_method *const methods[] = {&eap_md5, &eap_gtc,  &eap_mschapv2,
                                                   &eap_tls, &eap_ttls, &eap_peap,
                                                   &eap_sim, &eap_aka,  &eap_aka_prime};
#define METHODS (sizeof methods / sizeof *methods)

const struct eap_method *eap_method_of(uint8_t type)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (methods[i]->type == type) return methods[i];
    }
    return NULL;
}

uint8_t eap_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < METHODS; i++) {
        const char *word = methods[i]->keyword;
        if (strlen(word) == len && strncmp(word, name, len) == 0) return methods[i]->type;
    }
    return EAP_ANY;
}

const char *eap_keyword(uint8_t type)
{
    const struct eap_method *m = eap_method_of(type);
    return m ? m->keyword : NULL;
}

const char *eap_name(uint8_t type, char buf[EAP_NAME_MAX])
{
    const struct eap_method *m = eap_method_of(type);
    (void)snprintf(buf, EAP_NAME_MAX, "EAP_%u", type);
    if (m) (void)snprintf(buf, EAP_NAME_MAX, "%s", m->name);
    return buf;
}

bool eap_may_be_alone(uint8_t type)
{
    const struct eap_method *m = eap_method_of(type);
    return m && m->alone;
}

bool eap_takes_cert(uint8_t type)
{
    const struct eap_method *m = eap_method_of(type);
    return m && m->certs;
}

bool eap_needs_cert(uint8_t type)
{
    const struct eap_method *m = eap_method_of(type);
    return m && m->certs && !m->tunnel;
}

// ---- a conversation ----------------------------------------------------------------------------

static void terms_hold(const struct eap_terms *t)
{
    psk_store_ref(t->secrets);
    psk_store_ref(t->hashes);
    (void)simcards_ref(t->sim);
    tls_terms_hold(&t->tls);
}

static void terms_release(const struct eap_terms *t)
{
    psk_store_free(t->secrets);
    psk_store_free(t->hashes);
    simcards_free(t->sim);
    tls_terms_release(&t->tls);
}

struct eap *eap_new(const struct eap_terms *terms)
{
    struct eap *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    terms_hold(terms);
    e->terms = *terms;
    e->peer = terms->server ? terms->other : terms->us;
    eap_random(e, &e->id, sizeof e->id);
    return e;
}

static void method_end(struct eap *e)
{
    if (e->method && e->method->end) e->method->end(e);
    e->method = NULL;
}

struct eap *eap_ref(struct eap *e)
{
    atomic_fetch_add(&e->refs, 1);
    return e;
}

void eap_free(struct eap *e)
{
    if (!e || atomic_fetch_sub(&e->refs, 1) > 0) return;
    method_end(e);
    terms_release(&e->terms);
    free(e->long_out);
    wipe(e, sizeof *e);
    free(e);
}

void eap_set_terms(struct eap *e, const struct eap_terms *terms)
{
    terms_hold(terms);
    terms_release(&e->terms);
    e->terms = *terms;
}

enum eap_state eap_state(const struct eap *e)
{
    return e->state;
}

span_t eap_packet(const struct eap *e)
{
    return span(e->long_out ? e->long_out : e->out, e->out_len);
}

const struct why *eap_why(const struct eap *e)
{
    return &e->why;
}

span_t eap_msk(const struct eap *e)
{
    return span(e->msk, e->state == EAP_SUCCEEDED ? e->msk_len : 0);
}

uint8_t eap_method(const struct eap *e)
{
    return e->method ? e->method->type : EAP_ANY;
}

const struct id *eap_peer(const struct eap *e)
{
    return &e->peer;
}

unsigned eap_said_n(const struct eap *e)
{
    return e->said_n;
}

const char *eap_said(const struct eap *e, unsigned i)
{
    return e->said[i];
}

// ---- packets -----------------------------------------------------------------------------------

wr_t packet_begin(struct eap *e, uint8_t code, uint8_t id, uint8_t type)
{
    wr_t w = wr_into(e->out, sizeof e->out);
    wr_u8(&w, code);
    wr_u8(&w, id);
    wr_u16(&w, 0);
    if (type) wr_u8(&w, type);
    return w;
}

void packet_end(struct eap *e, const wr_t *w)
{
    if (wr_done(w) != ERR_OK) {
        eap_fail(e, "a packet of EAP would be too long");
        return;
    }
    e->out_len = wr_len(w);
    put16(e->out + 2, (uint16_t)e->out_len);
}

static void because(struct eap *e, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void because(struct eap *e, const char *fmt, va_list ap)
{
    if (!e->why.text[0]) (void)vsnprintf(e->why.text, sizeof e->why.text, fmt, ap);
}

void eap_because(struct eap *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    because(e, fmt, ap);
    va_end(ap);
}

void eap_fail(struct eap *e, const char *fmt, ...)
{
    va_list ap;
    e->state = EAP_FAILED;
    e->msk_len = 0;
    va_start(ap, fmt);
    because(e, fmt, ap);
    va_end(ap);
}

void eap_take(struct eap *e, span_t packet)
{
    rd_t r = rd_from(packet);
    uint8_t code = rd_u8(&r), id = rd_u8(&r);
    uint16_t len = rd_u16(&r);
    e->out_len = e->said_n = 0;
    e->in = packet;
    if (e->state != EAP_RUNS) {
        eap_fail(e, "the conversation by EAP is over, and the other side goes on with it");
        return;
    }
    // rfc3748 4.1: longer than it says is padding of a lower layer, which IKE has not got.
    if (r.bad || len != packet.len || len > EAP_TAKE_MAX || ++e->rounds > EAP_ROUNDS_MAX) {
        eap_fail(e,
                 e->rounds > EAP_ROUNDS_MAX ? "EAP has taken %u rounds and finds no end"
                                            : "a packet of EAP is malformed, in round %u",
                 e->rounds);
        return;
    }
    if (e->terms.server) server_take(e, code, id, rd_rest(&r));
    if (!e->terms.server) peer_take(e, code, id, rd_rest(&r));
}

// ---- what methods need -------------------------------------------------------------------------

bool eap_may(const struct eap *e, const struct eap_method *m)
{
    const struct eap_terms *t = &e->terms;
    bool named = t->method == m->type;
    for (unsigned i = 0; i < t->order_n && t->method == EAP_ANY; i++)
        named |= t->order[i] == m->type;
    if (t->alone && !m->alone) return false;
    if (m->certs && !t->tls.key && (t->server || !m->tunnel)) return false;
    return named && (t->method != EAP_ANY || !m->can || m->can(e));
}

void eap_say(struct eap *e, const char *fmt, ...)
{
    va_list ap;
    if (e->said_n == EAP_SAID_MAX) return;
    va_start(ap, fmt);
    (void)vsnprintf(e->said[e->said_n++], sizeof *e->said, fmt, ap);
    va_end(ap);
}

void eap_random(struct eap *e, void *out, size_t n)
{
    void (*fill)(void *out, size_t n) = e->terms.random ? e->terms.random : rng_fill;
    fill(out, n);
}

err_t eap_secret(const struct eap *e, const struct id *who, struct secret *out)
{
    // Whoever is the server: a secret that names only it would be everybody's.
    const struct id nobody = {.type = ID_ANY};
    return e->terms.secrets ? psk_find(e->terms.secrets, &nobody, who, out) : ERR_NOTFOUND;
}

err_t eap_nt_hash(const struct eap *e, const struct id *who, uint8_t out[MSCHAP_HASH_LEN])
{
    const struct id nobody = {.type = ID_ANY};
    struct secret s = {0};
    err_t err = ERR_NOTFOUND;
    if (e->terms.hashes) err = psk_find(e->terms.hashes, &nobody, who, &s);
    if (err == ERR_OK && s.len == MSCHAP_HASH_LEN) {
        memcpy(out, s.at, MSCHAP_HASH_LEN);
    } else {
        err = eap_secret(e, who, &s);
        if (err == ERR_OK) err = mschap_hash(secret_span(&s), out);
    }
    secret_done(&s);
    return err;
}

// An identity is looked up and compared, so it must not be a word that means several.
err_t eap_identity(span_t text, struct id *out)
{
    char copy[ID_MAX + 1];
    struct why why;
    if (!text.len || text.len > ID_MAX || memchr(text.at, 0, text.len)) return ERR_SYNTAX;
    memcpy(copy, text.at, text.len);
    copy[text.len] = 0;
    if (id_parse(copy, out, &why) != ERR_OK) {
        *out = (struct id){.type = ID_KEY_ID, .len = (uint16_t)text.len};
        memcpy(out->data, text.at, text.len);
    }
    return out->type == ID_ANY || out->type == ID_NULL || id_is_pattern(out) ? ERR_SYNTAX : ERR_OK;
}
