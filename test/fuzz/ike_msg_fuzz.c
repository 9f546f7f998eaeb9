// ike_msg_fuzz.c - whatever parses must print back to the same bytes (RESERVED aside), and what the
// arithmetic on it says must hold. Each input is looked at in three ways:
//
//     the input is a datagram                                      msg_read()
//     the first byte is a payload type, the rest that payload's body
//     the first byte is a payload type, the rest what is inside an Encrypted payload, padding
//     included: it is sealed with known keys and opened again       msg_open()
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "crypto/alg.h"
#include "ike/codec/msg.h"
#include "ike/codec/payloads.h"
#include "ike/codec/proposal.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static void must(bool holds)
{
    if (!holds) abort();
}

static uint8_t out[IKE_MSG_MAX + 1];

// Do the n bytes written to `out` equal the body, but for `reserved` bytes from `at` on?
static void same_but(span_t body, const wr_t *w, size_t at, size_t reserved)
{
    must(wr_done(w) == ERR_OK && wr_len(w) == body.len);
    for (size_t i = 0; i < body.len; i++) {
        must(out[i] == body.at[i] || (i >= at && i < at + reserved));
    }
}

// Copies the RESERVED bytes of the body into `out`, whose structure is right because we wrote it.
static void reserved_of_proposals(span_t body)
{
    for (size_t p = 0; p + 8 <= body.len; p += get16(out + p + 2)) {
        size_t end = p + get16(out + p + 2);
        out[p + 1] = body.at[p + 1];
        for (size_t t = p + 8 + out[p + 6]; t < end; t += get16(out + t + 2)) {
            out[t + 1] = body.at[t + 1];
            out[t + 5] = body.at[t + 5];
        }
    }
}

static void check_choice(const struct proposals *ps)
{
    struct proposal chosen, again;
    struct proposals answer = {.n = 1};
    for (unsigned ignore_ke = 0; ignore_ke < 2; ignore_ke++) {
        if (proposal_choose(ps, ps, ignore_ke, &chosen) != ERR_OK) continue;
        must(chosen.n > 0 && chosen.n <= ALG_ADDKE7); // one of each type
        if (ignore_ke) continue;
        // a responder's choice is always an answer that the initiator takes
        answer.p[0] = chosen;
        must(proposal_check_answer(ps, &answer, &again) == ERR_OK);
        must(again.n == chosen.n && again.spi == chosen.spi);
    }
}

static void check_sa(span_t body)
{
    static struct proposals ps;
    char text[256];
    bool whole = true;
    if (proposals_read(body, &ps) != ERR_OK) return;
    check_choice(&ps);
    for (unsigned i = 0; i < ps.n; i++) {
        must(strlen(proposal_show(&ps.p[i], text)) < sizeof text);
        for (unsigned j = 0; j < ps.p[i].n; j++) whole = whole && !ps.p[i].t[j].unusable;
    }
    if (!whole) return; // attributes that we do not know are not kept
    wr_t w = wr_into(out, sizeof out);
    proposals_write(&w, &ps);
    must(wr_done(&w) == ERR_OK && wr_len(&w) == body.len);
    reserved_of_proposals(body);
    must(memcmp(out, body.at, body.len) == 0);
}

static void check_ts(span_t body)
{
    static struct ts_list l, both;
    char text[200];
    if (ts_read(body, &l) != ERR_OK) return;
    must(strlen(ts_show(&l, text, sizeof text)) < sizeof text);
    must(ts_subset(&l, &l));
    if (l.n > 0) {
        must(ts_narrow(&l, &l, &both) == ERR_OK);
        must(ts_subset(&both, &l));
    }
    if (l.n != body.at[0]) return; // selectors of unknown type are not kept
    wr_t w = wr_into(out, sizeof out);
    ts_write(&w, &l, span(NULL, 0));
    same_but(body, &w, 1, 3);
}

static void check_id(span_t body)
{
    struct id id;
    char text[ID_TEXT_MAX];
    if (ident_read(body, &id) != ERR_OK) return;
    must(strlen(id_show(&id, text)) < sizeof text);
    must(id_eq(&id, &id));
    wr_t w = wr_into(out, sizeof out);
    ident_write(&w, &id);
    same_but(body, &w, 1, 3);
}

static void check_notify(span_t body)
{
    struct notify n;
    char text[40];
    if (notify_read(body, &n) != ERR_OK) return;
    must(strlen(notify_name(n.type, text)) < sizeof text);
    wr_t w = wr_into(out, sizeof out);
    notify_write(&w, &n);
    same_but(body, &w, 0, 0);
}

static void check_cp(span_t body)
{
    static struct cp c;
    char text[40], domain[CP_DOMAIN_MAX];
    ip_t ip;
    prefix_t net;
    if (cp_read(body, &c) != ERR_OK) return;
    must(c.n <= CP_ATTRS_MAX);
    for (unsigned i = 0; i < c.n; i++) {
        must(strlen(cp_attr_name(c.attr[i].type, text)) < sizeof text);
        if (cp_addr(&c.attr[i], &ip) == ERR_OK) must(ip_len(ip.family) <= c.attr[i].value.len);
        if (cp_net(&c.attr[i], &net) == ERR_OK) must(net.len <= ip_bits(net.ip.family));
        if (cp_domain(&c.attr[i], domain) == ERR_OK) {
            must(strlen(domain) <= c.attr[i].value.len && domain[0] != '.');
            must(!strpbrk(domain, " \n\r\t#;") && !strstr(domain, ".."));
        }
    }
    wr_t w = wr_into(out, sizeof out);
    cp_write(&w, &c);
    must(wr_done(&w) == ERR_OK && wr_len(&w) == body.len);
    for (size_t at = 4; at < body.len; at += 4 + get16(body.at + at + 2)) {
        out[at] |= body.at[at] & 0x80; // reserved, and never written by us
    }
    same_but(body, &w, 1, 3);
}

// AUTH with what a digital signature holds, CERT and CERTREQ.
static void check_auth(uint8_t type, span_t body)
{
    struct authp_signature s;
    struct certp c;
    struct certp_url u;
    struct certreq q;
    wr_t w = wr_into(out, sizeof out);
    if (type == PAYLOAD_AUTH && authp_signature_read(body, &s) == ERR_OK) {
        authp_signature_write(&w, &s);
        same_but(body, &w, 0, 0);
    }
    if (type == PAYLOAD_CERT && certp_read(body, &c) == ERR_OK) {
        certp_write(&w, &c);
        same_but(body, &w, 0, 0);
        if (certp_url_read(c.data, &u) == ERR_OK) must(u.hash.len + u.url.len == c.data.len);
    }
    if (type == PAYLOAD_CERTREQ && certreq_read(body, &q) == ERR_OK) {
        certreq_write(&w, &q);
        same_but(body, &w, 0, 0);
        if (q.keys.len >= KEY_HASH_LEN) must(certreq_has(&q, q.keys.at));
    }
}

static void check_rest(uint8_t type, span_t body)
{
    struct kex k;
    struct authp a;
    struct delete_payload d;
    span_t nonce;
    wr_t w = wr_into(out, sizeof out);
    if (type == PAYLOAD_KE && kex_read(body, &k) == ERR_OK) {
        kex_write(&w, &k);
        same_but(body, &w, 2, 2);
    }
    if (type == PAYLOAD_AUTH && authp_read(body, &a) == ERR_OK) {
        authp_write(&w, &a);
        same_but(body, &w, 1, 3);
    }
    if (type == PAYLOAD_D && delete_read(body, &d) == ERR_OK) {
        delete_write(&w, &d);
        same_but(body, &w, 0, 0);
    }
    if (type == PAYLOAD_Nonce && nonce_read(body, &nonce) == ERR_OK) must(span_eq(nonce, body));
}

static void check_payload(uint8_t type, span_t body)
{
    switch (type) {
    case PAYLOAD_SA:
        check_sa(body);
        break;
    case PAYLOAD_IDi:
    case PAYLOAD_IDr:
        check_id(body);
        break;
    case PAYLOAD_TSi:
    case PAYLOAD_TSr:
        check_ts(body);
        break;
    case PAYLOAD_N:
        check_notify(body);
        break;
    case PAYLOAD_CP:
        check_cp(body);
        break;
    default:
        check_rest(type, body);
    }
    check_auth(type, body);
}

static void check_payloads(const struct msg *m)
{
    struct notify n;
    must(m->n <= MSG_PAYLOADS_MAX);
    for (unsigned i = 0; i < m->n; i++) {
        const struct payload *p = &m->payload[i];
        must(p->body.at >= m->wire.at && p->body.at + p->body.len <= m->wire.at + m->wire.len);
        check_payload(p->type, p->body);
    }
    IGNORE(notify_find(m, N_COOKIE, &n)); // only that it survives
    if (notify_find_error(m, &n) == ERR_OK) must(n.type < NOTIFY_STATUS_FIRST);
}

// Writes the message anew. The bits beside C are RESERVED, and our writer never sets C.
static void check_message(span_t wire)
{
    struct msg m;
    struct msgw w;
    span_t again;
    if (msg_read(wire, &m) != ERR_OK) return;
    check_payloads(&m);
    size_t len = IKE_HEADER_LEN;
    for (unsigned i = 0; i < m.n; i++) len += 4 + m.payload[i].body.len;
    if (len != wire.len || (m.have & (P(SK) | P(SKF)))) return; // some were skipped, or encrypted
    msgw_start(&w, out, sizeof out, &m.h);
    for (unsigned i = 0; i < m.n; i++) {
        msgw_payload(&w, (enum payload_type)m.payload[i].type, m.payload[i].body);
    }
    must(msgw_finish(&w, &again) == ERR_OK && again.len == wire.len);
    for (unsigned i = 0; i < m.n; i++) {
        size_t flags = (size_t)(m.payload[i].body.at - wire.at) - 3;
        out[flags] = wire.at[flags];
    }
    must(span_eq(again, wire));
}

static struct sealer *fuzz_sealer(bool cbc)
{
    static struct sealer *sealers[2];
    static const uint8_t key[64] =
        "a key that everybody may know, since it protects nothing at all";
    struct sealer_spec aead = {.encr = ENCR_AES_GCM_16, .encr_key = span(key, 20)};
    struct sealer_spec mac = {.encr = ENCR_AES_CBC,
                              .integ = INTEG_HMAC_SHA2_256_128,
                              .encr_key = span(key, 16),
                              .integ_key = span(key, 32)};
    if (!sealers[cbc]) must(sealer_new(cbc ? &mac : &aead, &sealers[cbc], NULL) == ERR_OK);
    return sealers[cbc];
}

// `inside` is all that an Encrypted payload holds between IV and ICV.
static void check_sealed(uint8_t first, span_t inside, struct sealer *s)
{
    size_t iv = sealer_iv_len(s), sk = 4 + iv + inside.len + sealer_icv_len(s);
    size_t n = IKE_HEADER_LEN + sk;
    struct msg m;
    if (inside.len % sealer_block(s) != 0 || sk > UINT16_MAX) return;
    uint8_t *wire = calloc(1, n); // exactly: a sanitizer sees an overrun by one byte
    must(wire != NULL);
    wire[16] = PAYLOAD_SK;
    put32(wire + 24, (uint32_t)n);
    wire[IKE_HEADER_LEN] = first;
    put16(wire + IKE_HEADER_LEN + 2, (uint16_t)sk);
    if (inside.len) memcpy(wire + IKE_HEADER_LEN + 4 + iv, inside.at, inside.len);
    struct seal_job job = {
        .head = wire, .head_len = IKE_HEADER_LEN + 4, .text_len = (uint32_t)inside.len};
    sealer_seal(s, &job, 1);
    must(!job.bad && msg_read(span(wire, n), &m) == ERR_OK && m.n == 1);
    err_t e = msg_open(&m, wire, s);
    must(inside.len ? e == ERR_OK || e == ERR_SYNTAX || e == ERR_LIMIT : e == ERR_AUTH);
    if (e == ERR_OK) check_payloads(&m);
    if (e != ERR_OK) must(m.n == 1);
    free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    if (n == 0 || n > IKE_MSG_MAX) return 0;
    span_t rest = span(in + 1, n - 1);
    check_message(span(in, n));
    check_payload(in[0], rest);
    check_sealed(in[0], rest, fuzz_sealer(false));
    check_sealed(in[0], rest, fuzz_sealer(true));
    return 0;
}
