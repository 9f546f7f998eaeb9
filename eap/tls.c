// tls.c - EAP-TLS (RFC 5216, and RFC 9190 for TLS 1.3): both sides prove themselves with
// certificates.
#include "eap/pieces.h"

#define SUCCESS_BYTE 0 // rfc9190 2.5: the server's word that it believes us, inside TLS

// rfc9190 2.5 MUST: with TLS 1.3 the server says so, and the peer waits for it.
static err_t server_up(struct eap *e)
{
    static const uint8_t word[] = {SUCCESS_BYTE};
    TRY(pieces_key(e));
    e->done = true;
    if (tls_version(pieces_tls(e)) != TLS_V13) return ERR_OK;
    return tls_write(pieces_tls(e), SPAN(word));
}

static err_t peer_up(struct eap *e)
{
    struct tls *t = pieces_tls(e);
    uint8_t word[2];
    size_t n = sizeof word;
    if (e->done) return ERR_OK;
    if (tls_version(t) == TLS_V13) {
        err_t err = tls_read(t, word, &n);
        if (err == ERR_AGAIN) return ERR_OK;
        if (err != ERR_OK || n != 1 || word[0] != SUCCESS_BYTE) {
            pieces_refuse(e, "TLS: the server does not believe our certificate");
            return ERR_OK;
        }
    }
    TRY(pieces_key(e));
    e->done = true;
    return ERR_OK;
}

static const struct eap_tls_use as_server = {
    .acknowledged = true, .up = server_up, .label = "client EAP encryption"};
static const struct eap_tls_use as_peer = {.up = peer_up, .label = "client EAP encryption"};

static err_t begin(struct eap *e, wr_t *out)
{
    return pieces_begin(e, &as_server, out);
}

static err_t answer(struct eap *e, span_t in, wr_t *out)
{
    return pieces_answer(e, &as_peer, in, out);
}

const struct eap_method eap_tls = {EAP_TLS,
                                   "tls",
                                   "EAP_TLS",
                                   .alone = true,
                                   .certs = true,
                                   .begin = begin,
                                   .serve = pieces_serve,
                                   .answer = answer,
                                   .end = pieces_end};
