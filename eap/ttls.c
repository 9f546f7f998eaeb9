// ttls.c - EAP-TTLS version 0 (RFC 5281, RFC 9427): the server proves itself by its certificate in
// TLS, and inside the peer does by another method of EAP, usually with a password.
#include "eap/inside.h"

#define AVP_EAP_MESSAGE 79 // RFC 5281 11.2.1
#define AVP_VENDOR 0x80    // a vendor's number follows
#define AVP_MUST 0x40
#define AVP_HEAD_LEN 8

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

// The packet that has come; an empty one: none yet.
static err_t packet_read(struct eap *e, uint8_t buf[INSIDE_MAX], span_t *packet)
{
    uint8_t plain[INSIDE_MAX];
    size_t n = sizeof plain;
    err_t err = inside_read(e, plain, &n);
    wr_t w = wr_into(buf, INSIDE_MAX);
    if (err == ERR_OK) err = avps_read(span(plain, n), &w);
    wipe(plain, sizeof plain);
    *packet = wr_span(&w);
    return err;
}

// ---- the conversation inside -------------------------------------------------------------------

static err_t inner_went(struct eap *e)
{
    struct eap *inner = *pieces_inner(e);
    inside_tell(e);
    if (inner->state == EAP_FAILED) return inside_failed(e);
    return inner->out_len ? avp_write(e, eap_packet(inner)) : ERR_OK;
}

// rfc5281 11.2.1: the peer begins by saying who it is, as if it had been asked.
static err_t server_first(struct eap *e, span_t packet)
{
    TRY(inside_new(e));
    struct eap *inner = *pieces_inner(e);
    if (packet.len > 1) inner->id = packet.at[1];
    eap_take(inner, packet);
    inside_tell(e);
    if (inner->state != EAP_KNOWS) return inside_failed(e);
    TRY(inside_begin(e));
    return avp_write(e, eap_packet(inner));
}

static err_t server_up(struct eap *e)
{
    uint8_t buf[INSIDE_MAX];
    span_t packet = {0};
    TRY(packet_read(e, buf, &packet));
    struct eap *inner = *pieces_inner(e);
    if (!packet.len) return ERR_OK;
    if (!inner) return server_first(e, packet);
    eap_take(inner, packet);
    if (inner->state != EAP_SUCCEEDED) return inner_went(e);
    e->done = true;
    return inside_succeeded(e);
}

static err_t peer_up(struct eap *e)
{
    static const uint8_t who[] = {EAP_CODE_REQUEST, 0, 0, 5, EAP_IDENTITY};
    uint8_t buf[INSIDE_MAX];
    span_t packet = {0};
    bool first = !*pieces_inner(e);
    TRY(packet_read(e, buf, &packet));
    if (first) TRY(inside_new(e));
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
