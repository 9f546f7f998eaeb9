// ttls.c - EAP-TTLS version 0 (RFC 5281, RFC 9427): the server proves itself by its certificate in
// TLS, and inside the peer does by another method of EAP, usually with a password.
#include <string.h>

#include "base/order.h"
#include "eap/pieces.h"

#define AVP_EAP_MESSAGE 79 // RFC 5281 11.2.1
#define AVP_VENDOR 0x80    // a vendor's number follows
#define AVP_MUST 0x40
#define AVP_HEAD_LEN 8
#define INSIDE_MAX 4096U // bytes of what comes in one message; methods of passwords take some 200

// Methods inside, where nothing says which.
static const uint8_t passwords[] = {EAP_MSCHAPV2, EAP_MD5, EAP_GTC};

// ---- attributes --------------------------------------------------------------------------------

static err_t avp_write(struct eap *e, span_t packet)
{
    uint8_t buf[AVP_HEAD_LEN + EAP_SEND_MAX + 4];
    wr_t w = wr_into(buf, sizeof buf);
    wr_u32(&w, AVP_EAP_MESSAGE);
    wr_u32(&w, (uint32_t)AVP_MUST << 24 | (uint32_t)(AVP_HEAD_LEN + packet.len));
    wr_bytes(&w, packet);
    wr_zero(&w, (4 - packet.len % 4) % 4);
    TRY(wr_done(&w));
    err_t err = tls_write(pieces_tls(e), wr_span(&w));
    wipe(buf, sizeof buf);
    return err;
}

// rfc5281 11.2.1: one packet of EAP, perhaps in several attributes. Others that must be understood
// are a failure.
static err_t avps_read(span_t in, wr_t *out)
{
    rd_t r = rd_from(in);
    while (rd_left(&r)) {
        uint32_t code = rd_u32(&r), head = rd_u32(&r), len = head & 0xffffff;
        uint8_t flags = (uint8_t)(head >> 24);
        if (r.bad || len < AVP_HEAD_LEN) return ERR_SYNTAX;
        span_t data = rd_bytes(&r, len - AVP_HEAD_LEN);
        if (r.bad) return ERR_SHORT;
        size_t pad = (4 - len % 4) % 4;
        (void)rd_bytes(&r, pad < rd_left(&r) ? pad : rd_left(&r));
        bool ours = code == AVP_EAP_MESSAGE && !(flags & AVP_VENDOR);
        if (!ours && flags & AVP_MUST) return ERR_UNSUPPORTED;
        if (ours) wr_bytes(out, data);
    }
    return wr_done(out);
}

// What has come inside; an empty packet: nothing yet.
static err_t packet_read(struct eap *e, uint8_t buf[INSIDE_MAX], span_t *packet)
{
    uint8_t plain[INSIDE_MAX];
    size_t n = 0, more = sizeof plain;
    err_t err;
    while ((err = tls_read(pieces_tls(e), plain + n, &more)) == ERR_OK) {
        n += more;
        more = sizeof plain - n;
        if (!more) return ERR_LIMIT;
    }
    if (err != ERR_AGAIN) return err;
    wr_t w = wr_into(buf, INSIDE_MAX);
    err = avps_read(span(plain, n), &w);
    wipe(plain, sizeof plain);
    *packet = wr_span(&w);
    return err;
}

// ---- the conversation inside -------------------------------------------------------------------

static err_t inner_new(struct eap *e)
{
    struct eap_terms t = e->terms;
    t.alone = false; // TLS has proved the server
    t.method = t.server ? t.inside : EAP_ANY;
    t.other = e->peer;
    memcpy(t.order, passwords, sizeof passwords);
    t.order_n = sizeof passwords;
    t.tls = (struct tls_terms){0};
    *pieces_inner(e) = eap_new(&t);
    return *pieces_inner(e) ? ERR_OK : ERR_NOMEM;
}

static void inner_tell(struct eap *e)
{
    const struct eap *inner = *pieces_inner(e);
    for (unsigned i = 0; i < inner->said_n; i++) eap_say(e, "%s", inner->said[i]);
}

// What is inside goes on, or it is over.
static err_t inner_went(struct eap *e)
{
    struct eap *inner = *pieces_inner(e);
    inner_tell(e);
    if (inner->state == EAP_FAILED) {
        e->why = inner->why;
        return ERR_AUTH;
    }
    return inner->out_len ? avp_write(e, eap_packet(inner)) : ERR_OK;
}

// rfc5281 11.2.1: the peer begins by saying who it is, as if it had been asked.
static err_t server_first(struct eap *e, span_t packet)
{
    TRY(inner_new(e));
    struct eap *inner = *pieces_inner(e);
    if (packet.len > 1) inner->id = packet.at[1];
    eap_take(inner, packet);
    inner_tell(e);
    // Who may come was decided by the name outside, which is thus the one to be proved.
    if (inner->state == EAP_KNOWS && !id_eq(&inner->peer, &e->peer)) {
        eap_fail(e, "the peer calls itself one thing, and another inside TLS");
        return ERR_AUTH;
    }
    if (inner->state != EAP_KNOWS || eap_begin(inner) != ERR_OK) {
        eap_fail(e, "inside TLS EAP cannot begin: %s", inner->why.text);
        return ERR_AUTH;
    }
    return inner_went(e);
}

static err_t server_up(struct eap *e)
{
    uint8_t buf[INSIDE_MAX];
    char name[EAP_NAME_MAX], who[ID_TEXT_MAX];
    span_t packet = {0};
    TRY(packet_read(e, buf, &packet));
    struct eap *inner = *pieces_inner(e);
    if (!packet.len) return ERR_OK;
    if (!inner) return server_first(e, packet);
    eap_take(inner, packet);
    if (inner->state != EAP_SUCCEEDED) return inner_went(e);
    eap_say(e, "%s phase2 authentication of '%.120s' with %s successful", e->method->name,
            id_show(&e->peer, who), eap_name(eap_method(inner), name));
    e->done = true;
    return pieces_key(e);
}

static err_t peer_up(struct eap *e)
{
    static const uint8_t who[] = {EAP_CODE_REQUEST, 0, 0, 5, EAP_IDENTITY};
    uint8_t buf[INSIDE_MAX];
    span_t packet = {0};
    bool first = !*pieces_inner(e);
    TRY(packet_read(e, buf, &packet));
    if (first) TRY(inner_new(e));
    struct eap *inner = *pieces_inner(e);
    if (first) packet = SPAN(who);
    if (!packet.len) return ERR_OK;
    eap_take(inner, packet);
    TRY(inner_went(e));
    // The server does not repeat its Success inside.
    e->done = inner->done;
    return e->done ? pieces_key(e) : ERR_OK;
}

static const struct eap_tls_use as_server = {
    .one_sided = true, .up = server_up, .label = "ttls keying material"};
static const struct eap_tls_use as_peer = {
    .one_sided = true, .up = peer_up, .label = "ttls keying material"};

static err_t begin(struct eap *e, wr_t *out)
{
    return pieces_begin(e, &as_server, out);
}

static err_t answer(struct eap *e, span_t in, wr_t *out)
{
    return pieces_answer(e, &as_peer, in, out);
}

const struct eap_method eap_ttls = {
    EAP_TTLS,         "ttls",           "EAP_TTLS",     .alone = true,
    .certs = true,    .tunnel = true,   .begin = begin, .serve = pieces_serve,
    .answer = answer, .end = pieces_end};
