// peap.c - PEAP version 0, as Windows speaks it ([MS-PEAP]; RFC 9427 for TLS 1.3): as TTLS, but
// inside TLS packets of EAP go without their heads (their identifiers are those outside), and both
// sides say at the end how it went.
#include <string.h>

#include "base/order.h"
#include "eap/inside.h"

#define TYPE_RESULT 33 // EAP-TLV extensions: whole packets, with their heads
#define RESULT_LEN 11

// Result TLV, mandatory, of two bytes: success, failure.
static const uint8_t success[] = {0x80, 3, 0, 2, 0, 1}, failure[] = {0x80, 3, 0, 2, 0, 2};

static err_t bare_write(struct eap *e, span_t packet)
{
    return tls_write(pieces_tls(e), span(packet.at + EAP_HEAD_LEN, packet.len - EAP_HEAD_LEN));
}

static err_t result_write(struct eap *e, uint8_t code, uint8_t id, const uint8_t what[6])
{
    uint8_t buf[RESULT_LEN] = {code, id, 0, RESULT_LEN, TYPE_RESULT};
    memcpy(buf + EAP_HEAD_LEN + 1, what, sizeof success);
    return tls_write(pieces_tls(e), SPAN(buf));
}

static bool is_result(span_t in, uint8_t code)
{
    return in.len > EAP_HEAD_LEN && in.at[0] == code && get16(in.at + 2) == in.len &&
           in.at[EAP_HEAD_LEN] == TYPE_RESULT;
}

static bool says(span_t in, const uint8_t what[6])
{
    return in.len == RESULT_LEN && memcmp(in.at + EAP_HEAD_LEN + 1, what, sizeof success) == 0;
}

// The packet with its head again, for the conversation inside.
static void take_bare(struct eap *inner, uint8_t code, uint8_t id, uint8_t *buf, size_t n)
{
    buf[0] = code;
    buf[1] = id;
    put16(buf + 2, (uint16_t)(EAP_HEAD_LEN + n));
    eap_take(inner, span(buf, EAP_HEAD_LEN + n));
}

// ---- server ------------------------------------------------------------------------------------

// With TLS 1.2 our Finished goes first, and the peer acknowledges it.
static err_t server_first(struct eap *e)
{
    struct eap *inner = *pieces_inner(e);
    if (!inner) TRY(inside_new(e));
    (*pieces_inner(e))->id = e->id;
    if (!inner && tls_version(pieces_tls(e)) != TLS_V13) return ERR_OK;
    inner = *pieces_inner(e);
    TRY(eap_ask(inner));
    return bare_write(e, eap_packet(inner));
}

static err_t server_went(struct eap *e)
{
    struct eap *inner = *pieces_inner(e);
    inside_tell(e);
    if (inner->state == EAP_FAILED) return inside_failed(e);
    if (inner->state == EAP_KNOWS) TRY(inside_begin(e));
    if (inner->state != EAP_SUCCEEDED) return bare_write(e, eap_packet(inner));
    return result_write(e, EAP_CODE_REQUEST, (uint8_t)(inner->id + 1), success);
}

static err_t server_up(struct eap *e)
{
    uint8_t buf[EAP_HEAD_LEN + INSIDE_MAX], *bare = buf + EAP_HEAD_LEN;
    struct eap *inner = *pieces_inner(e);
    size_t n = INSIDE_MAX;
    TRY(inside_read(e, bare, &n));
    if (inner) inner->id = e->id;
    if (!inner || !inner->out_len) return n ? ERR_SYNTAX : server_first(e);
    if (!n) return ERR_OK;
    if (inner->state != EAP_SUCCEEDED) {
        take_bare(inner, EAP_CODE_RESPONSE, inner->id, buf, n);
        return server_went(e);
    }
    e->done = is_result(span(bare, n), EAP_CODE_RESPONSE) && says(span(bare, n), success);
    if (e->done) return inside_succeeded(e);
    eap_fail(e, "PEAP: the peer says that it has failed");
    return ERR_AUTH;
}

// ---- peer --------------------------------------------------------------------------------------

static err_t peer_result(struct eap *e, span_t in)
{
    // The end of it is EAP Failure, which the server says when it knows that we know.
    if (says(in, failure)) return result_write(e, EAP_CODE_RESPONSE, in.at[1], failure);
    e->done = says(in, success) && (*pieces_inner(e))->done;
    if (!e->done) {
        eap_fail(e, "PEAP: the server ends it too early");
        return ERR_AUTH;
    }
    TRY(result_write(e, EAP_CODE_RESPONSE, in.at[1], success));
    return pieces_key(e);
}

static err_t peer_up(struct eap *e)
{
    uint8_t buf[EAP_HEAD_LEN + INSIDE_MAX], *bare = buf + EAP_HEAD_LEN;
    size_t n = INSIDE_MAX;
    TRY(inside_read(e, bare, &n));
    if (!*pieces_inner(e)) TRY(inside_new(e));
    struct eap *inner = *pieces_inner(e);
    if (!n) return ERR_OK;
    if (is_result(span(bare, n), EAP_CODE_REQUEST)) return peer_result(e, span(bare, n));
    take_bare(inner, EAP_CODE_REQUEST, e->id, buf, n);
    inside_tell(e);
    if (inner->state == EAP_FAILED) return inside_failed(e);
    return inner->out_len ? bare_write(e, eap_packet(inner)) : ERR_OK;
}

static const struct eap_tls_use as_server = {
    .one_sided = true, .up = server_up, .label = "client EAP encryption"};
static const struct eap_tls_use as_peer = {
    .one_sided = true, .up = peer_up, .label = "client EAP encryption"};

static err_t begin(struct eap *e, wr_t *out)
{
    return pieces_begin(e, &as_server, out);
}

static err_t answer(struct eap *e, span_t in, wr_t *out)
{
    return pieces_answer(e, &as_peer, in, out);
}

const struct eap_method eap_peap = {
    EAP_PEAP,         "peap",           "EAP_PEAP",     .alone = true,
    .certs = true,    .tunnel = true,   .begin = begin, .serve = pieces_serve,
    .answer = answer, .end = pieces_end};
