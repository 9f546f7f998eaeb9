// mschapv2.c - MS-CHAP-V2 in EAP (draft-kamath-pppext-eap-mschapv2): both sides prove that they
// know the password, and get a key. What phones and Windows do.
#include <stdio.h>
#include <string.h>

#include "base/order.h"
#include "base/text.h"
#include "eap/method.h"

#define OP_CHALLENGE 1
#define OP_RESPONSE 2
#define OP_SUCCESS 3
#define OP_FAILURE 4
#define HEAD_LEN 4 // operation, MS-CHAPv2-ID, MS-Length
#define RESPONSE_VALUE_LEN 49
#define RESERVED_LEN 8
#define PROOF_TEXT_LEN (2 + 2 * MSCHAP_PROOF_LEN) // "S=" and hex digits
#define SERVER_NAME "pavise"

// A message has a length of its own; *r is behind it.
static err_t head_read(span_t in, uint8_t *op, uint8_t *id, rd_t *r)
{
    *r = rd_from(in);
    *op = rd_u8(r);
    *id = rd_u8(r);
    uint16_t len = rd_u16(r);
    return r->bad || len != in.len ? ERR_SYNTAX : ERR_OK;
}

// MS-Length, which counts from the operation on. start: where that was written.
static void head_end(wr_t *out, size_t start)
{
    if (!out->bad) put16(out->start + start + 2, (uint16_t)(wr_len(out) - start));
}

static size_t head_put(wr_t *out, uint8_t op, uint8_t id)
{
    size_t start = wr_len(out);
    wr_u8(out, op);
    wr_u8(out, id);
    wr_u16(out, 0);
    return start;
}

// rfc2759 8.2: "DOMAIN\user" counts as "user".
static span_t user_of(span_t name)
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.at[i - 1] == '\\') return span(name.at + i, name.len - i);
    }
    return name;
}

static struct mschap facts(const struct eap *e, span_t user)
{
    const struct eap_mschapv2 *m = &e->own.mschap;
    return (struct mschap){m->server, m->peer, user, m->hash};
}

// The two keys, and zeros behind them: 64 bytes, as every server makes it.
static err_t keys_make(struct eap *e, span_t user)
{
    const struct mschap f = facts(e, user);
    memset(e->msk, 0, sizeof e->msk);
    TRY(mschap_keys(&f, e->own.mschap.response, e->msk));
    e->msk_len = sizeof e->msk;
    return ERR_OK;
}

static void hex_put(wr_t *out, span_t bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.len; i++) {
        wr_u8(out, (uint8_t)digits[bytes.at[i] >> 4]);
        wr_u8(out, (uint8_t)digits[bytes.at[i] & 15]);
    }
}

// ---- server ------------------------------------------------------------------------------------

static err_t begin(struct eap *e, wr_t *out)
{
    struct eap_mschapv2 *m = &e->own.mschap;
    *m = (struct eap_mschapv2){.at = MSCHAP_ASKED, .id = e->id};
    eap_random(e, m->server, sizeof m->server);
    size_t start = head_put(out, OP_CHALLENGE, m->id);
    wr_u8(out, MSCHAP_CHALLENGE_LEN);
    wr_bytes(out, SPAN(m->server));
    wr_bytes(out, span_str(SERVER_NAME));
    head_end(out, start);
    return ERR_OK;
}

static err_t put_proof(struct eap *e, span_t user, wr_t *out)
{
    const struct mschap f = facts(e, user);
    uint8_t proof[MSCHAP_PROOF_LEN];
    TRY(mschap_proof(&f, e->own.mschap.response, proof));
    size_t start = head_put(out, OP_SUCCESS, e->own.mschap.id);
    wr_bytes(out, span_str("S="));
    hex_put(out, SPAN(proof));
    wr_bytes(out, span_str(" M=Welcome"));
    head_end(out, start);
    return ERR_OK;
}

// The same whether the name or the password is wrong. 691: ERROR_AUTHENTICATION_FAILURE; R=0: no
// second try in this conversation.
static void put_refusal(struct eap *e, wr_t *out)
{
    uint8_t challenge[MSCHAP_CHALLENGE_LEN];
    eap_random(e, challenge, sizeof challenge);
    size_t start = head_put(out, OP_FAILURE, e->own.mschap.id);
    wr_bytes(out, span_str("E=691 R=0 C="));
    hex_put(out, SPAN(challenge));
    wr_bytes(out, span_str(" V=3 M=Authentication failed"));
    head_end(out, start);
    e->own.mschap.at = MSCHAP_REFUSED;
}

// Whose password it is, is said twice; with a domain or without.
static bool is_same_user(const struct eap *e, span_t name)
{
    char text[ID_TEXT_MAX];
    span_t said = user_of(id_name(&e->peer, text)), now = user_of(name);
    return said.len == now.len && (!now.len || memcmp(said.at, now.at, now.len) == 0);
}

static err_t judge(struct eap *e, span_t user, const uint8_t *response)
{
    const struct mschap f = facts(e, user);
    struct eap_mschapv2 *m = &e->own.mschap;
    char who[ID_TEXT_MAX];
    err_t known = eap_nt_hash(e, &e->peer, m->hash);
    // Somebody who is unknown takes as long.
    if (known != ERR_OK) eap_random(e, m->hash, sizeof m->hash);
    TRY(mschap_response(&f, m->response));
    bool right = equal_ct(m->response, response, MSCHAP_RESPONSE_LEN) && known == ERR_OK;
    if (right) return ERR_OK;
    (void)snprintf(e->why.text, sizeof e->why.text,
                   known == ERR_OK ? "EAP: the password of %.150s is wrong"
                                   : "EAP: there is no secret for %.150s (secrets.eap)",
                   id_show(&e->peer, who));
    return ERR_AUTH;
}

static err_t on_response(struct eap *e, rd_t *r, wr_t *out)
{
    struct eap_mschapv2 *m = &e->own.mschap;
    bool sized = rd_u8(r) == RESPONSE_VALUE_LEN;
    rd_copy(r, m->peer, sizeof m->peer);
    (void)rd_bytes(r, RESERVED_LEN);
    span_t response = rd_bytes(r, MSCHAP_RESPONSE_LEN);
    (void)rd_u8(r); // flags
    span_t name = rd_rest(r);
    if (r->bad || !sized || name.len > EAP_NAME_LEN_MAX) return ERR_SYNTAX;
    if (!is_same_user(e, name)) {
        eap_fail(e, "EAP: the peer calls itself one thing, and another in MSCHAPv2");
        return ERR_AUTH;
    }
    err_t err = judge(e, user_of(name), response.at);
    if (err == ERR_AUTH) {
        put_refusal(e, out);
        return ERR_OK;
    }
    TRY(err);
    TRY(put_proof(e, user_of(name), out));
    m->at = MSCHAP_PROVED;
    return keys_make(e, user_of(name));
}

static err_t serve(struct eap *e, span_t in, wr_t *out)
{
    struct eap_mschapv2 *m = &e->own.mschap;
    uint8_t op = in.len ? in.at[0] : 0, id;
    rd_t r;
    if (m->at == MSCHAP_ASKED) {
        TRY(head_read(in, &op, &id, &r));
        return op == OP_RESPONSE && id == m->id ? on_response(e, &r, out) : ERR_SYNTAX;
    }
    e->done = m->at == MSCHAP_PROVED && op == OP_SUCCESS;
    if (e->done) return ERR_OK;
    eap_fail(e, "EAP: the peer does not believe us: it knows another password");
    return ERR_AUTH;
}

// ---- peer --------------------------------------------------------------------------------------

static err_t put_response(struct eap *e, wr_t *out)
{
    struct eap_mschapv2 *m = &e->own.mschap;
    char text[ID_TEXT_MAX];
    span_t name = id_name(&e->terms.us, text);
    const struct mschap f = facts(e, user_of(name));
    if (name.len > EAP_NAME_LEN_MAX) return ERR_RANGE;
    TRY(mschap_response(&f, m->response));
    size_t start = head_put(out, OP_RESPONSE, m->id);
    wr_u8(out, RESPONSE_VALUE_LEN);
    wr_bytes(out, SPAN(m->peer));
    wr_zero(out, RESERVED_LEN);
    wr_bytes(out, SPAN(m->response));
    wr_u8(out, 0);
    wr_bytes(out, name);
    head_end(out, start);
    return ERR_OK;
}

static err_t on_challenge(struct eap *e, uint8_t id, rd_t *r, wr_t *out)
{
    struct eap_mschapv2 *m = &e->own.mschap;
    char who[ID_TEXT_MAX];
    bool sized = rd_u8(r) == MSCHAP_CHALLENGE_LEN;
    *m = (struct eap_mschapv2){.at = MSCHAP_ASKED, .id = id};
    rd_copy(r, m->server, sizeof m->server);
    if (r->bad || !sized || rd_left(r) > EAP_NAME_LEN_MAX) return ERR_SYNTAX;
    if (eap_nt_hash(e, &e->terms.us, m->hash) != ERR_OK) {
        eap_fail(e, "EAP: there is no secret for %.150s (secrets.eap), or it is no UTF-8",
                 id_show(&e->terms.us, who));
        return ERR_NOTFOUND;
    }
    eap_random(e, m->peer, sizeof m->peer);
    return put_response(e, out);
}

static err_t on_proof(struct eap *e, rd_t *r, wr_t *out)
{
    char text[ID_TEXT_MAX];
    span_t name = user_of(id_name(&e->terms.us, text));
    const struct mschap f = facts(e, name);
    uint8_t want[MSCHAP_PROOF_LEN], got[MSCHAP_PROOF_LEN];
    size_t len = sizeof got;
    span_t said = rd_bytes(r, PROOF_TEXT_LEN);
    if (r->bad || memcmp(said.at, "S=", 2) != 0) return ERR_SYNTAX;
    TRY(hex_read((const char *)said.at + 2, said.len - 2, got, &len));
    TRY(mschap_proof(&f, e->own.mschap.response, want));
    if (!equal_ct(want, got, sizeof want)) {
        eap_fail(e, "EAP: the server does not know our password");
        return ERR_AUTH;
    }
    wr_u8(out, OP_SUCCESS);
    e->own.mschap.at = MSCHAP_PROVED;
    TRY(keys_make(e, name));
    e->done = true;
    return ERR_OK;
}

// Nothing of what it says goes into the log: the server has not proved anything.
static err_t on_refusal(struct eap *e, wr_t *out)
{
    wr_u8(out, OP_FAILURE);
    e->own.mschap.at = MSCHAP_REFUSED;
    eap_say(e, "EAP-MS-CHAPv2 failed: the server does not take the name or the password");
    return ERR_OK;
}

static err_t answer(struct eap *e, span_t in, wr_t *out)
{
    uint8_t op, id;
    rd_t r;
    TRY(head_read(in, &op, &id, &r));
    // rfc2759 5: each once, and in this order: a proof without a challenge proves nothing.
    bool fresh = e->own.mschap.at == MSCHAP_NEW;
    if (fresh) return op == OP_CHALLENGE ? on_challenge(e, id, &r, out) : ERR_SYNTAX;
    if (e->own.mschap.at != MSCHAP_ASKED) return ERR_SYNTAX;
    if (op == OP_SUCCESS) return on_proof(e, &r, out);
    return op == OP_FAILURE ? on_refusal(e, out) : ERR_SYNTAX;
}

static void end(struct eap *e)
{
    wipe(&e->own.mschap, sizeof e->own.mschap);
}

const struct eap_method eap_mschapv2 = {EAP_MSCHAPV2,   "mschapv2",     "EAP_MSCHAPV2",
                                        .begin = begin, .serve = serve, .answer = answer,
                                        .end = end};
