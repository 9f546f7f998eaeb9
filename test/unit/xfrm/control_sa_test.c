// Requests about SAs: the kernel's rules and error classes, one after the other.
#include "test/unit/xfrm/rig.h"

#include <string.h>

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"

static struct why why;

static err_t add(struct rig *r, const struct xfrm_sa *x)
{
    return r->api.ops->sa_add(r->api.ctx, x, &why);
}
static err_t update(struct rig *r, const struct xfrm_sa *x)
{
    return r->api.ops->sa_update(r->api.ctx, x, &why);
}
static err_t get(struct rig *r, const struct xfrm_sa *x, struct xfrm_sa *out)
{
    struct xfrm_sa_id id = sad_id(x);
    return r->api.ops->sa_get(r->api.ctx, &id, out);
}
static err_t del(struct rig *r, const struct xfrm_sa *x)
{
    struct xfrm_sa_id id = sad_id(x);
    return r->api.ops->sa_del(r->api.ctx, &id);
}

static void an_sa_comes_and_goes(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100), got;
    CHECK_EQ(get(r, &x, &got), ERR_NOTFOUND);
    CHECK_EQ(del(r, &x), ERR_NOTFOUND);
    CHECK_OK(add(r, &x));
    CHECK_EQ(add(r, &x), ERR_EXISTS);
    CHECK_OK(get(r, &x, &got));
    CHECK_STR(got.aead.name, "rfc4106(gcm(aes))");
    assert_memory_equal(got.aead.key, x.aead.key, 20);
    CHECK_EQ(got.current.add_time, r->wall);
    CHECK(!got.larval);
    CHECK_OK(del(r, &x));
    CHECK_EQ(get(r, &x, &got), ERR_NOTFOUND);
    CHECK_EQ(r->events, 2);
    CHECK_EQ(r->event[0].kind, XFRM_EV_SA_NEW);
    CHECK_EQ(r->event[1].kind, XFRM_EV_SA_DEL);
    CHECK_EQ(r->event[1].spi, 0x100);
    rig_free(r);
}

static void an_sa_starts_with_clean_counters(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100), got;
    x.stats.replay = 9;
    CHECK_OK(add(r, &x));
    CHECK_OK(get(r, &x, &got));
    CHECK(got.current.bytes == 0 && got.current.packets == 0 && got.current.use_time == 0);
    CHECK(got.current.add_time != 0);
    CHECK_EQ(got.stats.replay, 0);
    x.spi++;
    x.current = (struct xfrm_current){5, 6, 7, 8}; // taken over from another executor
    CHECK_OK(add(r, &x));
    CHECK_OK(get(r, &x, &got));
    CHECK(got.current.bytes == 5 && got.current.packets == 6);
    CHECK(got.current.add_time == 7 && got.current.use_time == 8);
    rig_free(r);
}

static void the_selector_gets_the_family_of_the_sa(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100), got;
    x.flags = 0; // no AF_UNSPEC
    CHECK_OK(add(r, &x));
    CHECK_OK(get(r, &x, &got));
    CHECK_EQ(got.sel.family, AF_INET);
    x.spi++;
    x.flags = XFRM_STATE_AF_UNSPEC;
    CHECK_OK(add(r, &x));
    CHECK_OK(get(r, &x, &got));
    CHECK_EQ(got.sel.family, AF_UNSPEC);
    rig_free(r);
}

// ---- what is refused, and with which class ----

static void refused(struct rig *r, const struct xfrm_sa *x, err_t want, const char *part)
{
    why.text[0] = 0;
    CHECK_EQ(add(r, x), want);
    if (!strstr(why.text, part)) fail_msg("\"%s\" does not say \"%s\"", why.text, part);
    CHECK_EQ(sad_count(r->db->sad), 0);
    CHECK_EQ(r->events, 0);
}

static void what_the_executor_cannot_do(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100);
    x.mode = XFRM_TRANSPORT;
    xfrm_selector_any(&x.sel, AF_INET6);
    refused(r, &x, ERR_UNSUPPORTED, "family");
    xfrm_selector_any(&x.sel, AF_UNSPEC);
    x.mode = XFRM_BEET; // its selector has no addresses
    refused(r, &x, ERR_RANGE, "inner addresses");
    x.mode = 2; // routing optimization
    refused(r, &x, ERR_UNSUPPORTED, "mode 2");
    x.mode = XFRM_TUNNEL;
    x.proto = XFRM_PROTO_AH;
    refused(r, &x, ERR_SYNTAX, "auth only");
    x.aead = (struct xfrm_alg){0};
    refused(r, &x, ERR_SYNTAX, "AH needs auth");
    rig_crypt_auth(&x, "", 0, "hmac(sha256)", 256, 128);
    x.encap.type = 2;
    refused(r, &x, ERR_RANGE, "ESP only");
    x.encap.type = 0;
    x.proto = XFRM_PROTO_COMP;
    refused(r, &x, ERR_SYNTAX, "comp only");
    x.auth = (struct xfrm_alg){0};
    refused(r, &x, ERR_SYNTAX, "needs comp");
    strcpy(x.comp, "lzs");
    refused(r, &x, ERR_ALGORITHM, "lzs: unknown");
    strcpy(x.comp, "deflate");
    x.spi += 0x10000;
    refused(r, &x, ERR_RANGE, "16 bits");
    x.spi &= 0xffff;
    x.mode = XFRM_BEET;
    refused(r, &x, ERR_RANGE, "tunnel and transport");
    x.mode = XFRM_TUNNEL;
    x.encap.type = 2;
    refused(r, &x, ERR_RANGE, "encapsulation");
    x.encap.type = 0;
    x.proto = 17;
    refused(r, &x, ERR_RANGE, "17");
    x.proto = XFRM_PROTO_ESP;
    x.encap.type = 7; // ESP in TCP
    refused(r, &x, ERR_RANGE, "UDP");
    rig_free(r);
}

static void bad_addresses_and_numbers(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100), y = x;
    y.saddr = rig_ip("fd00::1");
    refused(r, &y, ERR_RANGE, "addresses");
    y = x;
    y.family = AF_INET6;
    refused(r, &y, ERR_RANGE, "addresses");
    y = x;
    y.family = 99;
    refused(r, &y, ERR_RANGE, "addresses");
    y = x;
    y.sel.family = AF_INET;
    y.sel.dst.len = 33;
    refused(r, &y, ERR_RANGE, "prefix");
    y.sel.family = 77;
    refused(r, &y, ERR_RANGE, "family");
    y = x;
    y.spi = 0;
    refused(r, &y, ERR_RANGE, "SPI 0");
    rig_free(r);
}

static void replay_windows(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100), got;
    x.replay.window = 4097;
    refused(r, &x, ERR_RANGE, "4097");
    x.replay.window = 0;
    x.flags |= XFRM_STATE_ESN;
    refused(r, &x, ERR_RANGE, "ESN needs");
    x.replay.window = 32;
    x.replay.esn_given = false;
    refused(r, &x, ERR_RANGE, "ESN needs");
    x.flags = 0;
    x.replay.window = 200; // the old attribute holds 32: cut, not refused, as in the kernel
    CHECK_OK(add(r, &x));
    CHECK_OK(get(r, &x, &got));
    CHECK_EQ(got.replay.window, 32);
    x.spi++;
    x.flags = XFRM_STATE_ESN;
    x.replay.esn_given = true;
    x.replay.window = 0;
    x.dir = 2; // outbound: no window needed
    CHECK_OK(add(r, &x));
    x.spi++;
    x.dir = 0;
    x.replay.window = 4096;
    CHECK_OK(add(r, &x));
    rig_free(r);
}

static void aeads(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100);
    rig_aead(&x, "rfc4106(gcm(serpent))", 160, 128);
    refused(r, &x, ERR_ALGORITHM, "rfc4106(gcm(serpent))");
    rig_aead(&x, "cbc(aes)", 128, 128);
    refused(r, &x, ERR_ALGORITHM, "AEAD");
    rig_aead(&x, "rfc4106(gcm(aes))", 128, 128); // the salt is missing
    refused(r, &x, ERR_RANGE, "a key of 160, 224 or 288 bits (salt included), not 128");
    rig_aead(&x, "rfc4106(gcm(aes))", 16, 128);
    refused(r, &x, ERR_RANGE, ", not 16");
    rig_aead(&x, "rfc4106(gcm(aes))", 160, 100);
    refused(r, &x, ERR_ALGORITHM, "ICV of 128, 96, 64 bits, not 100");
    rig_aead(&x, "rfc4106(gcm(aes))", 160, 32);
    refused(r, &x, ERR_ALGORITHM, "not 32");
    rig_aead(&x, "rfc4543(gcm(aes))", 160, 96);
    refused(r, &x, ERR_ALGORITHM, "ICV of 128 bits, not 96");
    rig_aead(&x, "rfc4309(ccm(aes))", 160, 96);
    refused(r, &x, ERR_RANGE, "a key of 152, 216 or 280 bits (salt included), not 160");
    rig_aead(&x, "rfc4106(gcm(aes))", 160, 128);
    x.aead.key_bits = 65535;
    refused(r, &x, ERR_RANGE, "whole number");
    rig_free(r);
}

// What `ip xfrm state add` takes on a kernel, beside the lengths of the RFCs.
static void rare_lengths_are_the_kernels(void **state)
{
    (void)state;
    static const struct {
        const char *auth;
        uint16_t key, icv, bytes;
    } fine[] = {
        {"hmac(sha256)", 8, 128, 16},   {"hmac(sha256)", 1024, 256, 32},
        {"hmac(sha256)", 256, 100, 12}, {"hmac(sha1)", 160, 160, 20},
        {"hmac(sha512)", 512, 264, 33}, {"xcbc(aes)", 192, 96, 12},
        {"xcbc(aes)", 256, 128, 16},    {"cmac(aes)", 256, 128, 16},
        {"cmac(aes)", 192, 104, 13},
    };
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100), got;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++, x.spi++) {
        rig_crypt_auth(&x, "cbc(camellia)", 256, fine[i].auth, fine[i].key, fine[i].icv);
        CHECK_OK(add(r, &x));
        struct xfrm_sa_id id = sad_id(&x);
        CHECK_OK(r->api.ops->sa_get(r->api.ctx, &id, &got));
        CHECK_EQ(got.auth.icv_bits, fine[i].icv);
        CHECK_EQ(got.auth.key_bits, fine[i].key);
        CHECK_EQ(sad_get(r->db->sad, &id)->icv_len, fine[i].bytes);
    }
    rig_free(r);
}

static void legacy_must_be_asked_for(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100);
    rig_crypt_auth(&x, "des3_ede", 192, "sha1", 160, 96);
    refused(r, &x, ERR_ALGORITHM, "cbc(des3_ede) is for old peers only");
    refused(r, &x, ERR_ALGORITHM, "--legacy");
    control_allow_legacy(r->control);
    x.crypt.key_bits = 128;
    refused(r, &x, ERR_RANGE, "cbc(des3_ede) takes a key of 192 bits, not 128");
    x.crypt.key_bits = 192;
    CHECK_OK(add(r, &x));
    x.spi++;
    rig_crypt_auth(&x, "cbc(aes)", 128, "md5", 128, 96);
    CHECK_OK(add(r, &x));
    rig_free(r);
}

static void ciphers_and_macs(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100), got;
    rig_crypt_auth(&x, "cbc(blowfish)", 128, "hmac(sha256)", 256, 128);
    refused(r, &x, ERR_ALGORITHM, "cbc(blowfish) is broken");
    rig_crypt_auth(&x, "cbc(twofish)", 128, "hmac(sha256)", 256, 128);
    refused(r, &x, ERR_ALGORITHM, "cbc(twofish) has no number in IKEv2");
    rig_crypt_auth(&x, "cbc(aes)", 128, "hmac(md5)", 128, 96);
    refused(r, &x, ERR_ALGORITHM, "hmac(md5) is broken and must not be used (RFC 8221)");
    rig_crypt_auth(&x, "rfc4106(gcm(aes))", 160, "hmac(sha256)", 256, 128);
    refused(r, &x, ERR_ALGORITHM, "encryption");
    rig_crypt_auth(&x, "cbc(aes)", 136, "hmac(sha256)", 256, 128);
    refused(r, &x, ERR_RANGE, "a key of 128, 192 or 256 bits, not 136");
    rig_crypt_auth(&x, "rfc3686(ctr(aes))", 128, "hmac(sha256)", 256, 128);
    refused(r, &x, ERR_RANGE, "a key of 160, 224 or 288 bits (salt included), not 128");
    rig_crypt_auth(&x, "cbc(camellia)", 64, "hmac(sha256)", 256, 128);
    refused(r, &x, ERR_RANGE, "a key of 128, 192 or 256 bits, not 64");
    rig_crypt_auth(&x, "cbc(aes)", 128, "xcbc(aes)", 120, 96);
    refused(r, &x, ERR_RANGE, "xcbc(aes) takes a key of 128, 192 or 256 bits, not 120");
    rig_crypt_auth(&x, "cbc(aes)", 128, "hmac(sha256)", 0, 128);
    refused(r, &x, ERR_RANGE, "hmac(sha256) takes a key of 8 or more bits, not 0");
    rig_crypt_auth(&x, "cbc(aes)", 128, "cmac(aes)", 128, 136);
    refused(r, &x, ERR_RANGE, "cmac(aes) can be truncated to 96 to 128 bits, not 136");
    rig_crypt_auth(&x, "cbc(aes)", 128, "hmac(md4)", 128, 96);
    refused(r, &x, ERR_ALGORITHM, "hmac(md4)");
    rig_crypt_auth(&x, "cbc(aes)", 128, "hmac(sha256)", 256, 264);
    refused(r, &x, ERR_RANGE, "264");
    rig_crypt_auth(&x, "cbc(aes)", 128, "hmac(sha256)", 256, 88);
    refused(r, &x, ERR_RANGE, "88");
    rig_crypt_auth(&x, "ecb(cipher_null)", 0, "", 0, 0);
    refused(r, &x, ERR_SYNTAX, "neither");
    x.crypt.name[0] = 0;
    refused(r, &x, ERR_SYNTAX, "ESP needs");
    rig_crypt_auth(&x, "cbc(aes)", 128, "hmac(sha256)", 256, 128);
    x.aead = rig_sa(MOON, SUN, 1).aead;
    refused(r, &x, ERR_SYNTAX, "alone");

    // names become canonical, and hmac(sha256) without a truncation means 96 bits, as in the kernel
    rig_crypt_auth(&x, "aes", 128, "sha256", 256, 128);
    x.auth.trunc_given = false;
    CHECK_OK(add(r, &x));
    CHECK_OK(get(r, &x, &got));
    CHECK_STR(got.crypt.name, "cbc(aes)");
    CHECK_STR(got.auth.name, "hmac(sha256)");
    CHECK_EQ(got.auth.icv_bits, 96);
    rig_free(r);
}

// ---- update ----

static void an_update_needs_something_to_update(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100);
    CHECK_EQ(update(r, &x), ERR_NOTFOUND);
    rig_free(r);
}

static void an_update_changes_what_it_may(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100), y, got;
    x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    CHECK_OK(add(r, &x));
    y = x;
    y.encap.dport = 1026;
    y.limit.hard_add_s = 99;
    y.reqid = 55;
    y.output_mark = (struct xfrm_mark){1, 1};
    memset(y.aead.key, 9, 20);
    CHECK_OK(update(r, &y));
    CHECK_OK(get(r, &x, &got));
    CHECK_EQ(got.encap.dport, 1026);
    CHECK_EQ(got.limit.hard_add_s, 99);
    CHECK_EQ(got.output_mark.value, 1);
    CHECK_EQ(got.reqid, 1); // stays, and so do the keys
    assert_memory_equal(got.aead.key, x.aead.key, 20);
    CHECK_EQ(r->event[r->events - 1].kind, XFRM_EV_SA_UPD);
    y.encap.type = 0;
    CHECK_EQ(update(r, &y), ERR_RANGE);
    rig_free(r);
}

// ---- larval SAs ----

static void alloc_spi_makes_a_larval_sa_that_an_update_completes(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0), larval, got;
    x.seq = 77;
    CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &x, 0x200, 0x200, &larval, &why));
    CHECK_EQ(larval.spi, 0x200);
    CHECK(larval.larval);
    CHECK_EQ(larval.seq, 0); // a number belongs to an ACQUIRE
    CHECK(larval.sel.src.len == 32 && ip_eq(&larval.sel.src.ip, &x.saddr));
    CHECK_EQ(r->events, 0); // the kernel does not announce it
    struct xfrm_sa_id id = sad_id(&larval);
    CHECK_EQ(r->api.ops->sa_expire(r->api.ctx, &id, true), ERR_RANGE);
    x.spi = 0x200;
    CHECK_EQ(add(r, &x), ERR_EXISTS); // as in the kernel: UPDSA it must be
    CHECK_OK(update(r, &x));
    CHECK_EQ(sad_count(r->db->sad), 1);
    CHECK_OK(get(r, &x, &got));
    CHECK(!got.larval);
    CHECK_EQ(r->event[0].kind, XFRM_EV_SA_UPD);
    rig_free(r);
}

static void spis_come_from_the_range_until_it_is_full(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0), got;
    uint32_t seen = 0;
    for (unsigned i = 0; i < 20; i++) {
        CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &x, 1000, 1019, &got, &why));
        CHECK(got.spi >= 1000 && got.spi <= 1019);
        CHECK(!(seen >> (got.spi - 1000) & 1));
        seen |= 1U << (got.spi - 1000);
    }
    CHECK_EQ(r->api.ops->sa_alloc_spi(r->api.ctx, &x, 1000, 1019, &got, &why), ERR_NOTFOUND);
    CHECK_EQ(r->api.ops->sa_alloc_spi(r->api.ctx, &x, 5, 4, &got, &why), ERR_RANGE);
    CHECK_EQ(r->api.ops->sa_alloc_spi(r->api.ctx, &x, 0, 0, &got, &why), ERR_NOTFOUND);
    CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &x, 0xc0000000, 0xcfffffff, &got, &why));
    CHECK_EQ(got.spi >> 28, 0xc);
    x.mode = XFRM_TRANSPORT;
    CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &x, 1, 99, &got, &why));
    x.mode = 9;
    CHECK_EQ(r->api.ops->sa_alloc_spi(r->api.ctx, &x, 1, 99, &got, &why), ERR_UNSUPPORTED);
    rig_free(r);
}

// An SPI says to which worker packets come: that of the SA before, where there is one.
static void the_next_spi_leads_to_the_same_worker(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x7005), like = rig_sa(MOON, SUN, 0), got;
    unsigned other = 0;
    x.reqid = like.reqid = 5;
    x.mode = XFRM_TRANSPORT; // told with the keys only
    control_set_workers(r->control, 7);
    CHECK_OK(add(r, &x));
    for (unsigned i = 0; i < 50; i++) {
        CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &like, 0x100, UINT32_MAX, &got, &why));
        CHECK_EQ(got.spi % 7, x.spi % 7);
        struct xfrm_sa stranger = like;
        if (i % 2) stranger.reqid = 6;
        if (i % 2 == 0) stranger.saddr.b[3]++;
        CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &stranger, 0x100, UINT32_MAX, &got, &why));
        other += got.spi % 7 != x.spi % 7;
    }
    CHECK(other > 25);
    // where the range does not have one, any other will do
    CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &like, 0x7006, 0x7006, &got, &why));
    CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &like, 0x7006, 0x700b, &got, &why));
    for (unsigned i = 0; i < 10; i++)
        CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &like, 0x8000, 0x8009, &got, &why));
    rig_free(r);
}

static void an_acquire_leaves_a_larval_sa_that_the_answer_replaces(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    uint8_t buf[100];
    rig_add_policy(r, &p);
    rig_out(r, buf, rig_udp(buf, "10.1.0.1", "10.2.0.1", 1, 2, 3));
    CHECK_EQ(sad_count(r->db->sad), 1);
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x500), y = x;
    y.spi++;
    y.reqid = 2; // for someone else
    CHECK_OK(add(r, &y));
    CHECK_EQ(sad_count(r->db->sad), 2);
    CHECK_OK(add(r, &x));
    CHECK_EQ(sad_count(r->db->sad), 2);
    rig_free(r);
}

static void an_answer_is_known_by_its_sequence_number_too(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    uint8_t buf[100];
    rig_add_policy(r, &p);
    rig_out(r, buf, rig_udp(buf, "10.1.0.1", "10.2.0.1", 1, 2, 3));
    struct xfrm_sa x = rig_sa("203.0.113.50", SUN, 0x500);
    x.seq = r->event[1].seq;
    CHECK_OK(add(r, &x));
    CHECK_EQ(sad_count(r->db->sad), 1);
    rig_free(r);
}

// ---- flush, expire, each, counts ----

static bool note_spi(void *arg, const struct xfrm_sa *sa)
{
    uint32_t **at = arg;
    *(*at)++ = sa->spi;
    return sa->spi != 2;
}

static void the_rest_of_the_conversation(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 1);
    struct xfrm_counts n;
    uint32_t spis[8] = {0}, *at = spis;
    CHECK_EQ(r->api.ops->sa_flush(r->api.ctx, 0), ERR_NOTFOUND);
    for (x.spi = 1; x.spi <= 3; x.spi++) CHECK_OK(add(r, &x));
    CHECK_OK(r->api.ops->sa_each(r->api.ctx, note_spi, &at));
    CHECK(spis[0] == 3 && spis[1] == 2 && at == spis + 2); // the newest first, until told to stop
    CHECK_OK(r->api.ops->counts(r->api.ctx, &n));
    CHECK_EQ(n.sa_count, 3);

    x.spi = 2;
    struct xfrm_sa_id id = sad_id(&x);
    CHECK_OK(r->api.ops->sa_expire(r->api.ctx, &id, false));
    CHECK_EQ(sad_count(r->db->sad), 3);
    CHECK_OK(r->api.ops->sa_expire(r->api.ctx, &id, true));
    CHECK_EQ(sad_count(r->db->sad), 2);
    CHECK_EQ(r->api.ops->sa_expire(r->api.ctx, &id, true), ERR_NOTFOUND);
    CHECK_EQ(r->api.ops->sa_flush(r->api.ctx, XFRM_PROTO_AH), ERR_NOTFOUND);
    CHECK_OK(r->api.ops->sa_flush(r->api.ctx, XFRM_PROTO_ANY));
    CHECK_EQ(r->event[r->events - 1].kind, XFRM_EV_SA_FLUSH);
    CHECK_EQ(r->event[r->events - 1].proto, XFRM_PROTO_ANY);
    CHECK_EQ(sad_count(r->db->sad), 0);
    rig_free(r);
}

// ---- UDP ports to send from ----

struct held {
    unsigned count[2]; // of ports 5000 and 5001
    bool taken;
};

static err_t on_hold(void *ctx, const struct xfrm_sa *x, uint16_t number, struct why *oops)
{
    struct held *h = ctx;
    if (ip_eq(&x->saddr, &(ip_t){.family = AF_INET, .b = {203, 0, 113, 2}})) return ERR_NOTFOUND;
    if (h->taken) return why_not(oops, ERR_SYSTEM, "UDP port %u: taken", number);
    h->count[number - 5000]++;
    return ERR_OK;
}

static void on_release(void *ctx, uint16_t family, uint16_t number)
{
    struct held *h = ctx;
    CHECK_EQ(family, AF_INET);
    CHECK(h->count[number - 5000]-- > 0);
}

static struct xfrm_sa in_udp(const char *src, const char *dst, uint32_t spi, uint16_t sport)
{
    struct xfrm_sa x = rig_sa(src, dst, spi);
    x.encap = (struct xfrm_encap){.type = 2, .sport = sport, .dport = 4500};
    return x;
}

static struct rig *rig_holding(struct held *h)
{
    struct rig *r = rig_new();
    *h = (struct held){0};
    control_on_sources(r->control, &(struct control_sources){on_hold, on_release, h});
    return r;
}

static void a_source_port_is_held_as_long_as_an_sa_needs_it(void **state)
{
    (void)state;
    struct held h;
    struct rig *r = rig_holding(&h);
    struct xfrm_sa a = in_udp(MOON, SUN, 0x100, 5000), b = in_udp(MOON, SUN, 0x101, 5000),
                   in = in_udp(SUN, MOON, 0x102, 5000), none = in_udp(MOON, SUN, 0x103, 0);
    CHECK_OK(add(r, &a));
    CHECK_OK(add(r, &b));
    CHECK_OK(add(r, &in));
    CHECK_OK(add(r, &none));
    CHECK_EQ(h.count[0], 2);
    CHECK_EQ(add(r, &a), ERR_EXISTS);
    CHECK_EQ(h.count[0], 2);
    CHECK_OK(del(r, &a));
    CHECK_EQ(h.count[0], 1);
    const struct xfrm_ae state_of_b = {.id = sad_id(&b), .current_given = true}; // a successor
    CHECK_OK(r->api.ops->sa_set_ae(r->api.ctx, &state_of_b, &why));
    CHECK_EQ(h.count[0], 1);
    CHECK_OK(r->api.ops->sa_flush(r->api.ctx, 0));
    CHECK_EQ(h.count[0], 0);
    rig_free(r);
}

static void an_update_moves_an_sa_to_another_port(void **state)
{
    (void)state;
    struct held h;
    struct rig *r = rig_holding(&h);
    struct xfrm_sa x = in_udp(MOON, SUN, 0x100, 5000), got;
    CHECK_OK(add(r, &x));
    x.encap.sport = 5001;
    h.taken = true;
    CHECK_EQ(update(r, &x), ERR_SYSTEM);
    CHECK(h.count[0] == 1 && h.count[1] == 0);
    CHECK_OK(get(r, &x, &got));
    CHECK_EQ(got.encap.sport, 5000);
    h.taken = false;
    CHECK_OK(update(r, &x));
    CHECK(h.count[0] == 0 && h.count[1] == 1);
    CHECK_OK(del(r, &x));
    CHECK_EQ(h.count[1], 0);
    rig_free(r);
}

static void without_its_port_an_sa_is_not_entered(void **state)
{
    (void)state;
    struct held h;
    struct rig *r = rig_holding(&h);
    struct xfrm_sa x = in_udp(MOON, SUN, 0x100, 5000), got;
    h.taken = true;
    CHECK_EQ(add(r, &x), ERR_SYSTEM);
    CHECK_STR(why.text, "UDP port 5000: taken");
    CHECK_EQ(get(r, &x, &got), ERR_NOTFOUND);
    CHECK_EQ(sad_count(r->db->sad), 0);
    rig_free(r);
}

static void calls_work_offline_and_leave_it_so(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 1);
    rcu_thread_offline();
    CHECK_OK(add(r, &x));
    CHECK(!rcu_read_ongoing());
    (void)control_tick(r->control);
    CHECK_OK(del(r, &x));
    CHECK(!rcu_read_ongoing());
    rcu_thread_online();
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_sa_comes_and_goes),
        cmocka_unit_test(an_sa_starts_with_clean_counters),
        cmocka_unit_test(the_selector_gets_the_family_of_the_sa),
        cmocka_unit_test(what_the_executor_cannot_do),
        cmocka_unit_test(bad_addresses_and_numbers),
        cmocka_unit_test(replay_windows),
        cmocka_unit_test(aeads),
        cmocka_unit_test(ciphers_and_macs),
        cmocka_unit_test(rare_lengths_are_the_kernels),
        cmocka_unit_test(legacy_must_be_asked_for),
        cmocka_unit_test(an_update_needs_something_to_update),
        cmocka_unit_test(an_update_changes_what_it_may),
        cmocka_unit_test(alloc_spi_makes_a_larval_sa_that_an_update_completes),
        cmocka_unit_test(spis_come_from_the_range_until_it_is_full),
        cmocka_unit_test(the_next_spi_leads_to_the_same_worker),
        cmocka_unit_test(an_acquire_leaves_a_larval_sa_that_the_answer_replaces),
        cmocka_unit_test(an_answer_is_known_by_its_sequence_number_too),
        cmocka_unit_test(the_rest_of_the_conversation),
        cmocka_unit_test(a_source_port_is_held_as_long_as_an_sa_needs_it),
        cmocka_unit_test(an_update_moves_an_sa_to_another_port),
        cmocka_unit_test(without_its_port_an_sa_is_not_entered),
        cmocka_unit_test(calls_work_offline_and_leave_it_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
