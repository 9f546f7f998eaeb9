// tls.c - EAP-TLS (RFC 5216, and RFC 9190 for TLS 1.3): both sides prove themselves with
// certificates. TLS is a stream that travels in pieces, each of which is acknowledged.
#include <stdlib.h>

#include "eap/method.h"

#define FLAG_LENGTH 0x80 // the length of the whole message follows
#define FLAG_MORE 0x40   // this is not its last piece
#define FLAG_START 0x20
#define PIECE_MAX 1024U
// Of one message of the other side's: a handshake with long chains has some 10 kB.
#define MESSAGE_MAX 65536U
#define SUCCESS_BYTE 0 // rfc9190 2.5: the server's word that it believes us, inside TLS

struct eap_tls {
    struct tls *tls;
    size_t came; // of the message under way
    bool told;   // that TLS is up
    bool failed; // only the alert is left to be sent
    bool proved; // server: nothing is missing but the peer's last word
};

static struct tls *tls_of(const struct eap *e)
{
    return e->own.tls->tls;
}

static err_t make(struct eap *e)
{
    const struct id *who = e->terms.server ? &e->peer : &e->terms.other;
    e->own.tls = calloc(1, sizeof *e->own.tls);
    if (!e->own.tls) return ERR_NOMEM;
    err_t err = tls_new(&e->terms.tls, e->terms.server, who, &e->own.tls->tls, &e->why);
    return err == ERR_OK ? ERR_OK : ERR_AUTH;
}

static void end(struct eap *e)
{
    if (!e->own.tls) return;
    tls_free(e->own.tls->tls);
    free(e->own.tls);
    e->own.tls = NULL;
}

// rfc5216 2.3, rfc9190 2.3
static err_t key_make(struct eap *e)
{
    static const uint8_t type[] = {EAP_TLS};
    const struct tls *t = tls_of(e);
    if (tls_version(t) == TLS_V13) {
        TRY(tls_export(t, "EXPORTER_EAP_TLS_Key_Material", SPAN(type), e->msk, sizeof e->msk));
    } else {
        TRY(tls_export(t, "client EAP encryption", span(NULL, 0), e->msk, sizeof e->msk));
    }
    e->msk_len = sizeof e->msk;
    return ERR_OK;
}

// The next piece of what is to be sent; an empty one acknowledges.
static void put_piece(struct eap *e, wr_t *out, bool first)
{
    span_t all = tls_unsent(tls_of(e));
    size_t n = all.len < PIECE_MAX ? all.len : PIECE_MAX;
    bool more = n < all.len, sized = first && more;
    wr_u8(out, (uint8_t)((sized ? FLAG_LENGTH : 0) | (more ? FLAG_MORE : 0)));
    if (sized) wr_u32(out, (uint32_t)all.len);
    wr_bytes(out, span(all.at, n));
    tls_sent(tls_of(e), n);
}

// Feeds a piece. *more: another one follows it; *empty: it only acknowledges.
static err_t take_piece(struct eap *e, span_t in, bool *more, bool *empty)
{
    struct eap_tls *t = e->own.tls;
    rd_t r = rd_from(in);
    uint8_t flags = rd_u8(&r);
    uint32_t total = flags & FLAG_LENGTH ? rd_u32(&r) : 0;
    if (r.bad || total > MESSAGE_MAX) return r.bad ? ERR_SHORT : ERR_LIMIT;
    span_t data = rd_rest(&r);
    *more = flags & FLAG_MORE;
    *empty = !data.len;
    if (*more && *empty) return ERR_SYNTAX;
    t->came += data.len;
    if (t->came > MESSAGE_MAX) return ERR_LIMIT;
    if (!*more) t->came = 0;
    return tls_feed(t->tls, data);
}

static void tell_up(struct eap *e)
{
    struct eap_tls *t = e->own.tls;
    if (t->told || !tls_is_up(t->tls)) return;
    t->told = true;
    eap_say(e, "negotiated TLS %s using suite %s", tls_version(t->tls) == TLS_V13 ? "1.3" : "1.2",
            tls_suite(t->tls));
}

// ---- server ------------------------------------------------------------------------------------

static err_t begin(struct eap *e, wr_t *out)
{
    TRY(make(e));
    wr_u8(out, FLAG_START);
    return ERR_OK;
}

// The handshake is over on our side: what is left to say? ERR_OK: it is written, or e->done.
static err_t server_up(struct eap *e, wr_t *out)
{
    static const uint8_t word[] = {SUCCESS_BYTE};
    struct eap_tls *t = e->own.tls;
    tell_up(e);
    TRY(key_make(e));
    t->proved = true;
    if (tls_version(t->tls) == TLS_V13) TRY(tls_write(t->tls, SPAN(word)));
    put_piece(e, out, true);
    return ERR_OK;
}

static err_t server_step(struct eap *e, wr_t *out)
{
    struct eap_tls *t = e->own.tls;
    err_t err = tls_step(t->tls, &e->why);
    if (err == ERR_OK && tls_is_up(t->tls)) return server_up(e, out);
    t->failed = err != ERR_OK;
    // rfc5216 2.1.3: the peer may see the alert.
    if (t->failed && !tls_unsent(t->tls).len) return ERR_AUTH;
    put_piece(e, out, true);
    return ERR_OK;
}

static err_t serve(struct eap *e, span_t in, wr_t *out)
{
    struct eap_tls *t = e->own.tls;
    bool more, empty;
    TRY(take_piece(e, in, &more, &empty));
    bool unsent = tls_unsent(t->tls).len;
    if (unsent && !empty) return ERR_SYNTAX; // it has not heard all that we say
    if (more || unsent) {
        put_piece(e, out, false);
        return ERR_OK;
    }
    if (t->failed) return ERR_AUTH;
    if (!t->proved) return server_step(e, out);
    // Our last word was heard, and nothing came but the acknowledgement: no alert.
    e->done = empty;
    return empty ? ERR_OK : ERR_AUTH;
}

// ---- peer --------------------------------------------------------------------------------------

// rfc9190 2.5 MUST: with TLS 1.3 the peer waits for the server's word.
static err_t peer_up(struct eap *e)
{
    struct tls *t = tls_of(e);
    uint8_t word[2];
    size_t n = sizeof word;
    tell_up(e);
    if (e->done) return ERR_OK;
    if (tls_version(t) == TLS_V13) {
        err_t err = tls_read(t, word, &n);
        if (err == ERR_AGAIN) return ERR_OK;
        e->own.tls->failed = err != ERR_OK || n != 1 || word[0] != SUCCESS_BYTE;
        if (e->own.tls->failed) {
            // It is acknowledged, and EAP's Failure follows.
            return why_not(&e->why, ERR_OK, "TLS: the server does not believe our certificate");
        }
    }
    TRY(key_make(e));
    e->done = true;
    return ERR_OK;
}

static err_t peer_step(struct eap *e, wr_t *out)
{
    struct eap_tls *t = e->own.tls;
    err_t err = tls_step(t->tls, &e->why);
    t->failed = err != ERR_OK;
    // An alert of the server's is acknowledged, too: EAP's Failure follows.
    if (!t->failed && tls_is_up(t->tls)) TRY(peer_up(e));
    put_piece(e, out, true);
    return ERR_OK;
}

static err_t answer(struct eap *e, span_t in, wr_t *out)
{
    bool more, empty, start = in.len && in.at[0] & FLAG_START;
    if (start != !e->own.tls) return ERR_SYNTAX; // once, and first
    if (start) TRY(make(e));
    struct eap_tls *t = e->own.tls;
    if (start) return peer_step(e, out);
    TRY(take_piece(e, in, &more, &empty));
    bool unsent = tls_unsent(t->tls).len;
    if (t->failed || (empty != unsent)) return ERR_SYNTAX;
    if (!more && !unsent) return peer_step(e, out);
    put_piece(e, out, false);
    return ERR_OK;
}

const struct eap_method eap_tls = {EAP_TLS,       "tls",          "EAP_TLS",      .mutual = true,
                                   .certs = true, .begin = begin, .serve = serve, .answer = answer,
                                   .end = end};
