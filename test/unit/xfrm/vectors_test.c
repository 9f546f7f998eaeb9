// Whole ESP packets made by others, walked through the path: in, until the inner packet or the
// opened text is there; out, with their IV, until every byte is the same.
#include "test/unit/xfrm/rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "base/text.h"
#include "test/unit/crypto/vectors.h"
#include "xfrm/path/stages.h"

struct sample {
    struct xfrm_sa sa;
    span_t esp; // from the ESP header on
    span_t inner;
};

// ---- from JSON to an SA ----

static void set_key(struct xfrm_alg *a, const char *name, span_t key, span_t salt, uint16_t icv)
{
    *a = (struct xfrm_alg){.icv_bits = icv, .trunc_given = true};
    CHECK(key.len + salt.len <= sizeof a->key);
    a->key_bits = (uint16_t)((key.len + salt.len) * 8);
    strcpy(a->name, name);
    if (key.len) memcpy(a->key, key.at, key.len);
    if (salt.len) memcpy(a->key + key.len, salt.at, salt.len);
}

static struct xfrm_sa plain_sa(const uint8_t *esp)
{
    struct xfrm_sa x = rig_sa("192.0.2.1", "192.0.2.2", get32(esp));
    x.aead = (struct xfrm_alg){0};
    x.replay.out_seq = get32(esp + 4) - 1;
    return x;
}

// Outer addresses as in the packet's own IP header.
static span_t outer(span_t packet, struct xfrm_sa *x)
{
    bool v6 = packet.at[0] >> 4 == 6;
    x->family = v6 ? AF_INET6 : AF_INET;
    x->saddr = ip_from(x->family, packet.at + (v6 ? 8 : 12));
    x->daddr = ip_from(x->family, packet.at + (v6 ? 24 : 16));
    return span(packet.at + (v6 ? 40 : 20), packet.len - (v6 ? 40 : 20));
}

// ---- the walk ----

static struct rig *rig_for(const struct sample *s)
{
    struct rig *r = rig_new();
    control_allow_legacy(r->control);
    for (unsigned v6 = 0; v6 < 2; v6++) {
        const char *any = v6 ? "::/0" : "0.0.0.0/0";
        struct xfrm_policy p = rig_policy(XFRM_OUT, any, any, NULL, NULL);
        p.tmpl_count = 1;
        p.tmpl[0] = (struct xfrm_tmpl){.aalgos = UINT32_MAX,
                                       .ealgos = UINT32_MAX,
                                       .calgos = UINT32_MAX,
                                       .saddr = s->sa.saddr,
                                       .daddr = s->sa.daddr,
                                       .family = s->sa.family,
                                       .proto = XFRM_PROTO_ESP,
                                       .mode = XFRM_TUNNEL,
                                       .reqid = 1};
        rig_add_policy(r, &p);
        p.dir = XFRM_IN;
        rig_add_policy(r, &p);
    }
    rig_add_sa(r, &s->sa);
    return r;
}

static void walk_in(const struct sample *s)
{
    struct rig *r = rig_for(s);
    uint8_t exact[512];
    CHECK(s->esp.len <= sizeof exact);
    memcpy(exact, s->esp.at, s->esp.len);
    struct frame f = {.at = exact, .len = (uint32_t)s->esp.len, .to = {s->sa.daddr, 0}};
    rig_in(r, &f);
    CHECK_EQ(rig_all_drops(r), 0);
    CHECK_EQ(r->delivered.n, 1);
    CHECK_EQ(r->delivered.f[0].len, s->inner.len);
    assert_memory_equal(r->delivered.f[0].at, s->inner.at, s->inner.len);
    rig_free(r);
}

static struct pkt *pkt_of(struct rig *r, span_t bytes)
{
    struct pkt *p = pool_take(r->w.pool);
    assert_non_null(p);
    memcpy(p->at, bytes.at, bytes.len);
    p->len = (uint32_t)bytes.len;
    return p;
}

static void walk_out(const struct sample *s)
{
    struct rig *r = rig_for(s);
    struct burst b = {.n = 1, .p = {pkt_of(r, s->inner)}};
    struct pkt *p = b.p[0];
    out_classify(&r->w, &b);
    out_resolve(&r->w, &b);
    assert_non_null(p->sa);
    out_number(&r->w, &b);
    out_wrap(&r->w, &b);
    memcpy(p->at + ESP_HEADER, s->esp.at + ESP_HEADER, p->sa->iv_len);
    out_seal(&r->w, &b);
    CHECK_EQ(p->drop, DROP_NONE);
    CHECK_EQ(p->len, s->esp.len);
    assert_memory_equal(p->at, s->esp.at, s->esp.len);
    pool_give(r->w.pool, p);
    rig_free(r);
}

// ---- DPDK ----

static const char *kernel_auth(const json_t *algos)
{
    const char *name = json_string_value(json_array_get(algos, 1));
    if (!name) return NULL;
    if (strcmp(name, "SHA256_HMAC") == 0) return "hmac(sha256)";
    if (strcmp(name, "SHA384_HMAC") == 0) return "hmac(sha384)";
    if (strcmp(name, "AES_XCBC_MAC") == 0) return "xcbc(aes)";
    return strcmp(name, "SHA512_HMAC") == 0 ? "hmac(sha512)" : NULL;
}

static const char *kernel_encr(const char *name)
{
    static const char *const names[][2] = {
        {"AES_GCM", "rfc4106(gcm(aes))"}, {"AES_CCM", "rfc4309(ccm(aes))"},
        {"AES_CTR", "rfc3686(ctr(aes))"}, {"3DES_CBC", "cbc(des3_ede)"},
        {"NULL", "ecb(cipher_null)"},     {"AES_CBC", "cbc(aes)"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i][0], name) == 0) return names[i][1];
    }
    return NULL;
}

static bool algorithms(const json_t *c, struct xfrm_sa *x)
{
    const json_t *algos = json_object_get(c, "algos");
    const char *crypt = json_string_value(json_array_get(algos, 0));
    json_int_t icv = json_integer_value(json_array_get(json_object_get(c, "digest_length"), 0));
    bool salted = json_is_string(json_object_get(c, "salt"));
    span_t salt = salted ? vectors_hex(c, "salt") : (span_t){0};
    if (!kernel_encr(crypt)) return false;
    if (strcmp(crypt, "AES_GCM") == 0 || strcmp(crypt, "AES_CCM") == 0) {
        set_key(&x->aead, kernel_encr(crypt), vectors_hex(c, "cipher_key"), salt,
                (uint16_t)(icv * 8));
        return true;
    }
    if (!kernel_auth(algos)) return false;
    bool null = strcmp(crypt, "NULL") == 0;
    set_key(&x->crypt, kernel_encr(crypt), null ? (span_t){0} : vectors_hex(c, "cipher_key"), salt,
            0);
    set_key(&x->auth, kernel_auth(algos), vectors_hex(c, "auth_key"), (span_t){0},
            (uint16_t)(icv * 8));
    return true;
}

static bool dpdk(const json_t *c)
{
    if (!vectors_is(c, "proto", "ESP") || !vectors_is(c, "mode", "TUNNEL")) return false;
    span_t packet = vectors_hex(c, "encrypted_packet");
    unsigned head = packet.at[0] >> 4 == 6 ? 40 : 20;
    struct sample s = {.sa = plain_sa(packet.at + head), .inner = vectors_hex(c, "plain_packet")};
    s.esp = outer(packet, &s.sa);
    if (!algorithms(c, &s.sa)) return false;
    walk_in(&s);
    walk_out(&s);
    return true;
}

static void tunnels_of_dpdk(void **state)
{
    (void)state;
    const json_t *cases = json_object_get(vectors_json("esp/esp_packets_dpdk.json"), "cases");
    unsigned ran = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) ran += dpdk(json_array_get(cases, i));
    // 5 AES-GCM, an AES-CCM, 4 AES-CBC, 3 AES-CTR and 4 3DES with HMAC-SHA2, NULL with AES-XCBC
    CHECK_EQ(ran, 18);
    vectors_done();
}

// AH covers the IP header, so the packet comes in as it is.
static bool dpdk_ah(const json_t *c)
{
    const char *mac = json_string_value(json_array_get(json_object_get(c, "algos"), 0));
    if (!vectors_is(c, "proto", "AH") || strcmp(mac, "SHA256_HMAC") != 0) return false;
    bool tunnel = vectors_is(c, "mode", "TUNNEL");
    span_t packet = vectors_hex(c, "encrypted_packet"), plain = vectors_hex(c, "plain_packet");
    struct xfrm_sa x = rig_sa("192.0.2.1", "192.0.2.2", get32(packet.at + 24));
    x.proto = XFRM_PROTO_AH;
    x.mode = tunnel ? XFRM_TUNNEL : XFRM_TRANSPORT;
    x.flags = tunnel ? XFRM_STATE_AF_UNSPEC : 0;
    x.aead = (struct xfrm_alg){0};
    (void)outer(packet, &x);
    set_key(&x.auth, "hmac(sha256)", vectors_hex(c, "auth_key"), (span_t){0}, 128);
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_IN, "0.0.0.0/0", "0.0.0.0/0", NULL, NULL);
    p.tmpl_count = 1;
    p.tmpl[0] = (struct xfrm_tmpl){.aalgos = UINT32_MAX,
                                   .ealgos = UINT32_MAX,
                                   .calgos = UINT32_MAX,
                                   .family = AF_INET,
                                   .proto = x.proto,
                                   .mode = x.mode};
    rig_add_policy(r, &p);
    rig_add_sa(r, &x);
    uint8_t exact[512];
    CHECK(packet.len <= sizeof exact);
    memcpy(exact, packet.at, packet.len);
    struct frame f = {.at = exact, .len = (uint32_t)packet.len, .whole = true};
    for (uint32_t at = 100; at < 104; at++) {
        exact[at] ^= 1;
        rig_in(r, &f);
        exact[at] ^= 1;
    }
    CHECK_EQ(rig_drops(r, DROP_AUTH), 4);
    rig_in(r, &f);
    CHECK_EQ(rig_all_drops(r), 4);
    CHECK_EQ(r->delivered.n, 1);
    CHECK_EQ(r->delivered.f[0].len, plain.len);
    assert_memory_equal(r->delivered.f[0].at, plain.at, plain.len);
    rig_free(r);
    return true;
}

static void ah_of_dpdk(void **state)
{
    (void)state;
    const json_t *cases = json_object_get(vectors_json("esp/esp_packets_dpdk.json"), "cases");
    unsigned ran = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) ran += dpdk_ah(json_array_get(cases, i));
    CHECK_EQ(ran, 2); // transport and tunnel
    vectors_done();
}

// ---- RFC 7634 appendix A ----

static void the_tunnel_packet_of_rfc_7634(void **state)
{
    (void)state;
    const json_t *c =
        json_object_get(vectors_json("rfc/chacha20poly1305_esp_ike_rfc7634.json"), "esp_tunnel");
    span_t packet = vectors_hex(c, "esp_packet");
    struct sample s = {.sa = plain_sa(packet.at + 20), .inner = vectors_hex(c, "source_packet")};
    s.esp = outer(packet, &s.sa);
    set_key(&s.sa.aead, "rfc7539esp(chacha20,poly1305)", vectors_hex(c, "key"),
            vectors_hex(c, "salt"), 128);
    walk_in(&s);
    walk_out(&s);
    vectors_done();
}

// ---- draft-mcgrew-gcm-test: transport mode, so the walk ends where the inner packet should be
// ----

static uint64_t seq_of(const json_t *c)
{
    uint64_t low = strtoull(vectors_str(c, "seq_lo"), NULL, 16);
    const json_t *high = json_object_get(c, "seq_hi");
    return json_is_string(high) ? strtoull(json_string_value(high), NULL, 16) << 32 | low : low;
}

static bool mcgrew(const json_t *c)
{
    span_t esp = vectors_hex(c, "esp_packet"), text = vectors_hex(c, "plaintext_padded");
    if (get32(esp.at) == 0) return false; // SPI 0 is reserved: there is no such SA
    struct sample s = {.sa = plain_sa(esp.at), .esp = esp};
    set_key(&s.sa.aead, "rfc4106(gcm(aes))", vectors_hex(c, "key"), vectors_hex(c, "salt"), 128);
    if (json_is_true(json_object_get(c, "esn"))) rig_esn(&s.sa, 64);
    s.sa.replay.in_seq = seq_of(c) - 1;

    struct rig *r = rig_for(&s);
    struct burst b = {.n = 1, .p = {pkt_of(r, esp)}};
    struct pkt *p = b.p[0];
    p->to.ip = s.sa.daddr;
    in_find_sa(&r->w, &b);
    in_replay(&r->w, &b);
    CHECK_EQ(p->seq, seq_of(c));
    in_open(&r->w, &b);
    CHECK_EQ(p->drop, DROP_NONE);
    CHECK_EQ(p->len, ESP_HEADER + 8 + text.len);
    assert_memory_equal(p->at + ESP_HEADER + 8, text.at, text.len);
    in_commit(&r->w, &b);
    in_unwrap(&r->w, &b);
    CHECK_EQ(p->drop, DROP_MODE); // next header 1, ICMP: right trailer, wrong mode
    pool_give(r->w.pool, p);
    rig_free(r);
    return true;
}

static void gcm_packets_of_draft_mcgrew(void **state)
{
    (void)state;
    const json_t *cases =
        json_object_get(vectors_json("rfc/esp_aes_gcm_draft_mcgrew.json"), "cases");
    unsigned ran = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) ran += mcgrew(json_array_get(cases, i));
    CHECK_EQ(ran, 13); // of 14: one has SPI 0
    vectors_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tunnels_of_dpdk),
        cmocka_unit_test(ah_of_dpdk),
        cmocka_unit_test(the_tunnel_packet_of_rfc_7634),
        cmocka_unit_test(gcm_packets_of_draft_mcgrew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
