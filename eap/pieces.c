// pieces.c - see pieces.h.
#include "eap/pieces.h"

#include <stdlib.h>

#define FLAG_LENGTH 0x80 // the length of the whole message follows
#define FLAG_MORE 0x40   // this is not its last piece
#define FLAG_START 0x20
#define PIECE_MAX 1024U
// Of one message of the other side's: a handshake with long chains has some 10 kB.
#define MESSAGE_MAX 65536U

struct eap_tls {
    const struct eap_tls_use *use;
    struct tls *tls;
    struct eap *inner;
    size_t came; // of the message under way
    bool told;   // that TLS is up
    bool failed; // only the alert, or nothing, is left to be sent
    bool proved; // server: nothing is missing but the peer's last word
};

struct tls *pieces_tls(const struct eap *e)
{
    return e->own.tls->tls;
}

struct eap **pieces_inner(struct eap *e)
{
    return &e->own.tls->inner;
}

void pieces_refuse(struct eap *e, const char *sentence)
{
    e->own.tls->failed = true;
    if (!e->why.text[0]) IGNORE(why_not(&e->why, ERR_OK, "%s", sentence)); // only the sentence
}

static err_t make(struct eap *e, const struct eap_tls_use *use)
{
    const struct id *who = e->terms.server ? &e->peer : &e->terms.other;
    e->own.tls = calloc(1, sizeof *e->own.tls);
    if (!e->own.tls) return ERR_NOMEM;
    e->own.tls->use = use;
    e->terms.tls.one_sided = use->one_sided;
    err_t err = tls_new(&e->terms.tls, e->terms.server, who, &e->own.tls->tls, &e->why);
    return err == ERR_OK ? ERR_OK : ERR_AUTH;
}

void pieces_end(struct eap *e)
{
    if (!e->own.tls) return;
    tls_free(e->own.tls->tls);
    eap_free(e->own.tls->inner);
    free(e->own.tls);
    e->own.tls = NULL;
}

// rfc5216 2.3, rfc9190 2.3, rfc9427 2.1
err_t pieces_key(struct eap *e)
{
    const uint8_t type[] = {e->method->type};
    const struct tls *t = pieces_tls(e);
    if (tls_version(t) == TLS_V13) {
        TRY(tls_export(t, "EXPORTER_EAP_TLS_Key_Material", SPAN(type), e->msk, sizeof e->msk));
    } else {
        TRY(tls_export(t, e->own.tls->use->label, span(NULL, 0), e->msk, sizeof e->msk));
    }
    e->msk_len = sizeof e->msk;
    return ERR_OK;
}

// The next piece of what is to be sent; an empty one acknowledges.
static void put_piece(struct eap *e, wr_t *out, bool first)
{
    span_t all = tls_unsent(pieces_tls(e));
    size_t n = all.len < PIECE_MAX ? all.len : PIECE_MAX;
    bool more = n < all.len, sized = first && more;
    uint8_t flags = (uint8_t)((sized ? FLAG_LENGTH : 0) | (more ? FLAG_MORE : 0));
    wr_u8(out, flags | e->own.tls->use->version);
    if (sized) wr_u32(out, (uint32_t)all.len);
    wr_bytes(out, span(all.at, n));
    tls_sent(pieces_tls(e), n);
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

err_t pieces_begin(struct eap *e, const struct eap_tls_use *use, wr_t *out)
{
    TRY(make(e, use));
    wr_u8(out, FLAG_START | use->version);
    return ERR_OK;
}

static err_t up(struct eap *e)
{
    struct eap_tls *t = e->own.tls;
    if (!tls_is_up(t->tls)) return ERR_OK;
    tell_up(e);
    return t->use->up(e);
}

static err_t server_step(struct eap *e, wr_t *out)
{
    struct eap_tls *t = e->own.tls;
    err_t err = tls_step(t->tls, &e->why);
    t->failed = err != ERR_OK;
    if (!t->failed) TRY(up(e));
    // rfc5216 2.1.3: the peer may see the alert.
    if (t->failed && !tls_unsent(t->tls).len) return ERR_AUTH;
    t->proved = e->done;
    e->done = e->done && !t->use->acknowledged;
    if (!e->done) put_piece(e, out, true);
    return ERR_OK;
}

err_t pieces_serve(struct eap *e, span_t in, wr_t *out)
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

// An alert of the server's is acknowledged, too: EAP's Failure follows.
static err_t peer_step(struct eap *e, wr_t *out)
{
    struct eap_tls *t = e->own.tls;
    t->failed = tls_step(t->tls, &e->why) != ERR_OK;
    if (!t->failed) TRY(up(e));
    put_piece(e, out, true);
    return ERR_OK;
}

err_t pieces_answer(struct eap *e, const struct eap_tls_use *use, span_t in, wr_t *out)
{
    bool more, empty, start = in.len && in.at[0] & FLAG_START;
    if (start != !e->own.tls) return ERR_SYNTAX; // once, and first
    if (start) TRY(make(e, use));
    if (start) return peer_step(e, out);
    struct eap_tls *t = e->own.tls;
    TRY(take_piece(e, in, &more, &empty));
    bool unsent = tls_unsent(t->tls).len;
    if (t->failed || (empty && !unsent && !use->one_sided) || (!empty && unsent)) return ERR_SYNTAX;
    if (!more && !unsent) return peer_step(e, out);
    put_piece(e, out, false);
    return ERR_OK;
}
