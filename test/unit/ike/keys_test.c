// Key derivation against the NIST and OpenSSL chains, and what must hold whatever the numbers.
#include "ike/sa/keys.h"

#include "base/order.h"
#include "crypto/ke.h"
#include "crypto/prf.h"
#include "ike/codec/msg.h"
#include "ike/codec/payloads.h"
#include "test/unit/ike/vec.h"

static struct proposal suite_of(uint8_t protocol, const char *a, const char *b, const char *c)
{
    struct proposal p = {.number = 1, .protocol = protocol};
    const char *words[] = {a, b, c};
    for (unsigned i = 0; i < 3; i++) {
        if (words[i]) CHECK_OK(proposal_add(&p, alg_by_keyword(words[i])));
    }
    return p;
}

static void secret_of(struct secret *s, const struct vec *v, const char *key)
{
    CHECK_OK(secret_set(s, VEC_HEX(v, key)));
}

static uint64_t spi_of(const struct vec *v, const char *key)
{
    return get64(VEC_HEX(v, key).at);
}

// The keys one behind the other must be the stream of the vector.
static void check_stream(const struct secret_key *const *keys, unsigned n, span_t want)
{
    size_t at = 0;
    for (unsigned i = 0; i < n; i++) {
        CHECK(at + keys[i]->len <= want.len);
        assert_memory_equal(keys[i]->at, want.at + at, keys[i]->len);
        at += keys[i]->len;
    }
    CHECK_EQ(at, want.len);
}

static void check_ike_keys(const struct ike_keys *k, span_t want)
{
    const struct secret_key *const keys[] = {&k->d, &k->ai, &k->ar, &k->ei, &k->er, &k->pi, &k->pr};
    check_stream(keys, 7, want);
}

static void check_children(const struct vec *v, const struct ike_keys *ike)
{
    bool sha1 = vec_number(v, "prf") == PRF_HMAC_SHA1;
    struct proposal esp =
        suite_of(PROTO_ESP, sha1 ? "aes128" : "aes256", sha1 ? "sha1" : "sha256", NULL);
    struct secret shared;
    struct child_keys c;
    const struct secret_key *const keys[] = {&c.ei, &c.ai, &c.er, &c.ar};
    size_t len = sha1 ? 72 : 128;
    CHECK_OK(child_keys_make(ike, &esp, VEC_HEX(v, "ni"), VEC_HEX(v, "nr"), ke_single(NULL), &c));
    check_stream(keys, 4, span(VEC_HEX(v, "dkm_child").at, len));
    secret_of(&shared, v, "gir_new");
    CHECK_OK(
        child_keys_make(ike, &esp, VEC_HEX(v, "ni"), VEC_HEX(v, "nr"), ke_single(&shared), &c));
    check_stream(keys, 4, span(VEC_HEX(v, "dkm_child_dh").at, len));
    child_keys_done(&c);
}

static void check_rekey(const struct vec *v, const struct ike_keys *old, const struct proposal *ike)
{
    uint8_t seed[64], want[256];
    wr_t w = wr_into(seed, sizeof seed);
    struct secret shared;
    struct ike_keys k;
    wr_bytes(&w, VEC_HEX(v, "ni"));
    wr_bytes(&w, VEC_HEX(v, "nr"));
    wr_bytes(&w, VEC_HEX(v, "spii"));
    wr_bytes(&w, VEC_HEX(v, "spir"));
    size_t len = VEC_HEX(v, "dkm").len;
    CHECK_OK(prf_plus((uint16_t)vec_number(v, "prf"), VEC_HEX(v, "skeyseed_rekey"), wr_span(&w),
                      want, len));
    secret_of(&shared, v, "gir_new");
    CHECK_OK(ike_keys_rekey(old, ike, VEC_HEX(v, "ni"), VEC_HEX(v, "nr"), ke_single(&shared),
                            spi_of(v, "spii"), spi_of(v, "spir"), &k));
    check_ike_keys(&k, span(want, len));
    ike_keys_done(&k);
}

static void check_chain(const struct vec *v)
{
    if (!*vec_text(v, "dkm")) return;
    bool sha1 = vec_number(v, "prf") == PRF_HMAC_SHA1;
    struct proposal ike = suite_of(PROTO_IKE, sha1 ? "aes128" : "aes256", sha1 ? "sha1" : "sha256",
                                   sha1 ? "prfsha1" : "prfsha256");
    struct secret shared;
    struct ike_keys k;
    secret_of(&shared, v, "gir");
    CHECK_OK(ike_keys_initial(&ike, VEC_HEX(v, "ni"), VEC_HEX(v, "nr"), &shared, spi_of(v, "spii"),
                              spi_of(v, "spir"), &k));
    check_ike_keys(&k, VEC_HEX(v, "dkm"));
    check_children(v, &k);
    check_rekey(v, &k, &ike);
    ike_keys_done(&k);
}

static void whole_chains(void **state)
{
    (void)state;
    CHECK_EQ(vec_each("ike/kdf.txt", check_chain), 15);
}

static void check_prf(const struct vec *v)
{
    if (!*vec_text(v, "kdf")) return;
    uint8_t out[512];
    uint16_t prf = (uint16_t)vec_number(v, "prf");
    span_t want = VEC_HEX(v, "out"), key = VEC_HEX(v, "key"), salt = VEC_HEX(v, "salt");
    if (!strcmp(vec_text(v, "kdf"), "KDF_PRF")) { // SKEYSEED: the nonces are the key
        CHECK_EQ(prf_len(prf), want.len);
        CHECK_OK(prf_do(prf, salt, &key, 1, out));
    } else {
        CHECK_OK(prf_plus(prf, key, salt, out, want.len));
    }
    assert_memory_equal(out, want.at, want.len);
}

static void single_steps(void **state)
{
    (void)state;
    CHECK_EQ(vec_each("ike/kdf.txt", check_prf), 15);
}

static void check_ke_payload(const struct vec *v)
{
    uint8_t out[300];
    struct kex k;
    span_t whole = VEC_HEX(v, "payload");
    CHECK_EQ(get16(whole.at + 2), whole.len);
    CHECK_OK(kex_read(span(whole.at + 4, whole.len - 4), &k));
    CHECK_EQ(k.method, vec_number(v, "method"));
    CHECK_SPAN(k.data, VEC_HEX(v, "public"));
    wr_t w = wr_into(out, sizeof out);
    kex_write(&w, &k);
    CHECK_SPAN(wr_span(&w), span(whole.at + 4, whole.len - 4));
    // a value of the same form is what our own key exchange sends, and it takes this one
    uint8_t answer[KE_PUBLIC_MAX];
    size_t len;
    struct secret shared;
    CHECK_OK(ke_answer(k.method, k.data, answer, &len, &shared));
    CHECK_EQ(len, k.data.len);
    secret_done(&shared);
}

static void ke_payloads_of_rfc5903(void **state)
{
    (void)state;
    CHECK_EQ(vec_each("ike/ke_payloads.txt", check_ke_payload), 6);
}

// ---- properties ----

static const uint8_t ni[32] = {1}, nr[32] = {2};

static void keys_for(const struct proposal *p, struct ike_keys *k)
{
    struct secret shared = {.len = 32, .at = {9}};
    CHECK_OK(ike_keys_initial(p, SPAN(ni), SPAN(nr), &shared, 1, 2, k));
}

static void key_lengths_follow_the_suite(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *c;
        uint32_t prf, integ, encr;
    } cases[] = {
        {"aes256gcm16", "prfsha384", NULL, 48, 0, 36},
        {"chacha20poly1305", "prfsha256", NULL, 32, 0, 36},
        {"aes128", "sha512", "prfsha512", 64, 64, 16},
        {"aes128ccm12", "prfaescmac", NULL, 16, 0, 19},
        {"aes256ctr", "aesxcbc", "prfaesxcbc", 16, 16, 36},
        {"camellia192", "aescmac", "prfsha1", 20, 16, 24},
        {"3des", "sha256", "prfsha256", 32, 32, 24},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proposal p = suite_of(PROTO_IKE, cases[i].a, cases[i].b, cases[i].c);
        struct ike_keys k;
        keys_for(&p, &k);
        CHECK_EQ(k.d.len, cases[i].prf);
        CHECK_EQ(k.pr.len, cases[i].prf);
        CHECK_EQ(k.ai.len, cases[i].integ);
        CHECK_EQ(k.er.len, cases[i].encr);
        ike_keys_done(&k);
        CHECK_EQ(k.d.len, 0);
    }
}

static void what_the_initiator_seals_the_responder_opens(void **state)
{
    (void)state;
    struct proposal suites[] = {suite_of(PROTO_IKE, "aes256gcm16", "prfsha384", NULL),
                                suite_of(PROTO_IKE, "aes128", "sha256", "prfsha256"),
                                suite_of(PROTO_IKE, "chacha20poly1305", "prfsha512", NULL),
                                suite_of(PROTO_IKE, "aes192ccm8", "prfaescmac", NULL),
                                suite_of(PROTO_IKE, "aes256ctr", "aesxcbc", "prfaesxcbc"),
                                suite_of(PROTO_IKE, "camellia256", "aescmac", "prfsha256"),
                                suite_of(PROTO_IKE, "3des", "sha1", "prfsha1")};
    for (unsigned i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct ike_keys k;
        struct sealer *iseal, *iopen, *rseal, *ropen;
        const struct ike_header h = {.spi_i = 1, .spi_r = 2, .version = 0x20, .exchange = X_AUTH};
        struct msgw w;
        struct msg m;
        span_t wire;
        uint8_t buf[256], copy[256];
        keys_for(&suites[i], &k);
        CHECK_OK(ike_keys_sealer(&k, &suites[i], true, &iseal));
        CHECK_OK(ike_keys_sealer(&k, &suites[i], false, &iopen));
        CHECK_OK(ike_keys_sealer(&k, &suites[i], false, &rseal));
        CHECK_OK(ike_keys_sealer(&k, &suites[i], true, &ropen));
        msgw_start(&w, buf, sizeof buf, &h);
        msgw_begin_sk(&w, iseal, 1);
        msgw_payload(&w, PAYLOAD_V, SPAN(ni));
        CHECK_OK(msgw_finish(&w, &wire));
        memcpy(copy, buf, sizeof buf);
        CHECK_OK(msg_read(wire, &m));
        CHECK_OK(msg_open(&m, buf, ropen));
        CHECK_OK(msg_read(span(copy, wire.len), &m));
        CHECK_EQ(msg_open(&m, copy, iopen), ERR_AUTH); // a reflected message is not the peer's
        sealer_free(iseal);
        sealer_free(iopen);
        sealer_free(rseal);
        sealer_free(ropen);
        ike_keys_done(&k);
    }
}

static void unprotected_suites_get_no_keys(void **state)
{
    (void)state;
    struct secret shared = {.len = 32};
    struct ike_keys k;
    struct proposal p = suite_of(PROTO_IKE, "aes128", "prfsha256", NULL);
    CHECK_EQ(ike_keys_initial(&p, SPAN(ni), SPAN(nr), &shared, 1, 2, &k), ERR_ALGORITHM);
    p = suite_of(PROTO_IKE, "aes128gcm16", NULL, NULL); // no PRF
    CHECK_EQ(ike_keys_initial(&p, SPAN(ni), SPAN(nr), &shared, 1, 2, &k), ERR_ALGORITHM);
    p = suite_of(PROTO_IKE, "prfsha256", NULL, NULL); // no cipher
    CHECK_EQ(ike_keys_initial(&p, SPAN(ni), SPAN(nr), &shared, 1, 2, &k), ERR_ALGORITHM);
    p = suite_of(PROTO_IKE, "aes128gcm16", "prfsha256", NULL);
    uint8_t huge[NONCE_MAX * 2 + 1] = {0};
    CHECK_EQ(ike_keys_initial(&p, SPAN(huge), SPAN(nr), &shared, 1, 2, &k), ERR_SPACE);
    keys_for(&p, &k);
    struct child_keys c;
    struct proposal esp = suite_of(PROTO_ESP, "aes128", NULL, NULL);
    CHECK_EQ(child_keys_make(&k, &esp, SPAN(ni), SPAN(nr), ke_single(NULL), &c), ERR_ALGORITHM);
    esp.t[0].key_len = 0; // no such cipher without KEY_LENGTH
    CHECK_EQ(child_keys_make(&k, &esp, SPAN(ni), SPAN(nr), ke_single(NULL), &c), ERR_ALGORITHM);
    ike_keys_done(&k);
}

static void child_suites(void **state)
{
    (void)state;
    struct proposal ike = suite_of(PROTO_IKE, "aes128gcm16", "prfsha256", NULL);
    struct proposal gcm = suite_of(PROTO_ESP, "aes256gcm16", NULL, NULL);
    struct proposal ah = suite_of(PROTO_AH, "sha256", NULL, NULL);
    struct proposal null = suite_of(PROTO_ESP, "null", "sha512", NULL);
    struct ike_keys k;
    struct child_keys c;
    keys_for(&ike, &k);
    CHECK_OK(child_keys_make(&k, &gcm, SPAN(ni), SPAN(nr), ke_single(NULL), &c));
    CHECK(c.ei.len == 36 && c.ai.len == 0 && memcmp(c.ei.at, c.er.at, 36) != 0);
    CHECK_OK(child_keys_make(&k, &ah, SPAN(ni), SPAN(nr), ke_single(NULL), &c));
    CHECK(c.ei.len == 0 && c.ai.len == 32 && c.ar.len == 32);
    CHECK_OK(child_keys_make(&k, &null, SPAN(ni), SPAN(nr), ke_single(NULL), &c));
    CHECK(c.ei.len == 0 && c.ai.len == 64);
    child_keys_done(&c);
    ike_keys_done(&k);
}

// rfc7296 2.14: SKEYSEED has the first 64 bits of each nonce with these PRFs; all else has all.
static void prfs_on_aes_take_half_of_the_nonces(void **state)
{
    (void)state;
    static const char *const prfs[] = {"prfaesxcbc", "prfaescmac"};
    uint8_t long_i[32] = "the nonce of the initiator, long", long_r[32] = "the responder's";
    uint8_t seed[16], all[80], skeyseed[16], want[16 + 2 * 16 + 2 * 36 + 2 * 16];
    const struct secret shared = {.len = 32, .at = {9}};
    memcpy(seed, long_i, 8);
    memcpy(seed + 8, long_r, 8);
    wr_t w = wr_into(all, sizeof all);
    wr_bytes(&w, SPAN(long_i));
    wr_bytes(&w, SPAN(long_r));
    wr_u64(&w, 1);
    wr_u64(&w, 2);
    for (size_t i = 0; i < 2; i++) {
        struct proposal p = suite_of(PROTO_IKE, "aes256ctr", "aesxcbc", prfs[i]);
        const span_t gir = secret_span(&shared);
        uint16_t prf = alg_by_keyword(prfs[i])->id;
        struct ike_keys k, rekeyed;
        CHECK_OK(prf_do(prf, SPAN(seed), &gir, 1, skeyseed));
        CHECK_OK(prf_plus(prf, SPAN(skeyseed), wr_span(&w), want, sizeof want));
        CHECK_OK(ike_keys_initial(&p, SPAN(long_i), SPAN(long_r), &shared, 1, 2, &k));
        check_ike_keys(&k, SPAN(want));
        const span_t parts[] = {gir, SPAN(long_i), SPAN(long_r)};
        CHECK_OK(prf_do(prf, secret_key_span(&k.d), parts, 3, skeyseed));
        CHECK_OK(prf_plus(prf, SPAN(skeyseed), wr_span(&w), want, sizeof want));
        CHECK_OK(
            ike_keys_rekey(&k, &p, SPAN(long_i), SPAN(long_r), ke_single(&shared), 1, 2, &rekeyed));
        check_ike_keys(&rekeyed, SPAN(want));
        CHECK_EQ(ike_keys_initial(&p, span(long_i, 7), SPAN(long_r), &shared, 1, 2, &k),
                 ERR_CRYPTO);
    }
}

// rfc8784 3: SK_x = prf(PPK, SK_x' | 0x01) for three of the keys, and for no other.
static void ppk_is_mixed_in(void **state)
{
    (void)state;
    struct ike_keys k = {.prf = PRF_HMAC_SHA2_256};
    struct secret_key *const all[] = {&k.d, &k.pi, &k.pr, &k.ai, &k.ar, &k.ei, &k.er};
    const span_t ppk = span_str("a key of more bytes than one block of the hash has, for once"),
                 one = HEX("01");
    uint8_t want[3][32];
    for (unsigned i = 0; i < 7; i++) {
        all[i]->len = 32;
        memset(all[i]->at, (int)i + 1, 32);
    }
    for (unsigned i = 0; i < 3; i++) {
        const span_t parts[] = {secret_key_span(all[i]), one};
        CHECK_OK(prf_do(k.prf, ppk, parts, 2, want[i]));
    }
    CHECK_OK(ike_keys_mix(&k, ppk));
    for (unsigned i = 0; i < 7; i++) {
        CHECK_EQ(all[i]->len, 32);
        if (i < 3) assert_memory_equal(all[i]->at, want[i], 32);
        if (i >= 3) CHECK_EQ(all[i]->at[0], i + 1);
    }
}

// rfc9867 3.1.1: SKEYSEED' = prf+(PPK, SK_d), all keys = prf+(SKEYSEED', Ni | Nr | SPIi | SPIr).
static void ppk_refreshes_all_keys(void **state)
{
    (void)state;
    static const char *const prfs[] = {"prfsha256", "prfsha512", "prfaesxcbc"};
    const span_t ppk = span_str("a key of more bytes than one block of the hash has, for once"),
                 one = HEX("01"), one_i = HEX("00112233445566778899aabbccddeeff"),
                 one_r = HEX("ffeeddccbbaa99887766554433221100"),
                 seed = HEX("00112233445566778899aabbccddeeffffeeddccbbaa99887766554433221100"
                            "00000000000000010000000000000002");
    for (unsigned i = 0; i < sizeof prfs / sizeof *prfs; i++) {
        struct proposal p = suite_of(PROTO_IKE, "aes256", "sha256", prfs[i]);
        uint16_t prf = alg_by_keyword(prfs[i])->id;
        size_t len = prf_len(prf), all = 3 * len + 4 * 32;
        struct ike_keys k = {.prf = prf, .d = {.len = (uint8_t)len}}, out;
        uint8_t skeyseed[PRF_MAX], want[3 * PRF_MAX + 4 * 32];
        memset(k.d.at, 0x5a, len);
        // One block of prf+ is as long as SKEYSEED.
        const span_t parts[] = {secret_key_span(&k.d), one};
        CHECK_OK(prf_do(prf, ppk, parts, 2, skeyseed));
        CHECK_OK(prf_plus(prf, span(skeyseed, len), seed, want, all));
        CHECK_OK(ike_keys_refresh(&k, &p, one_i, one_r, ppk, 1, 2, &out));
        check_ike_keys(&out, span(want, all));
        // In place.
        CHECK_OK(ike_keys_refresh(&k, &p, one_i, one_r, ppk, 1, 2, &k));
        check_ike_keys(&k, span(want, all));
    }
}

// The formula of RFC 7296 2.15 written out a second time, from one buffer.
static void psk_proof(void **state)
{
    (void)state;
    const struct secret_key sk_p = {.len = 32, .at = {5, 6}};
    const span_t message = span_str("the whole first message"), nonce = SPAN(nr);
    const span_t id = HEX("02000000 6d6f6f6e"), psk = span_str("secret");
    uint8_t maced[32], key[32], all[256], want[32], got[64];
    CHECK_OK(prf_do(PRF_HMAC_SHA2_256, secret_key_span(&sk_p), &id, 1, maced));
    wr_t w = wr_into(all, sizeof all);
    wr_bytes(&w, message);
    wr_bytes(&w, nonce);
    wr_bytes(&w, SPAN(maced));
    const span_t one = wr_span(&w), pad = HEX("4b65792050616420666f7220494b457632");
    CHECK_OK(prf_do(PRF_HMAC_SHA2_256, psk, &pad, 1, key));
    CHECK_OK(prf_do(PRF_HMAC_SHA2_256, SPAN(key), &one, 1, want));
    struct octets octets;
    CHECK_OK(octets_make(PRF_HMAC_SHA2_256, message, nonce, &sk_p, id, span(NULL, 0), &octets));
    CHECK_OK(auth_psk(PRF_HMAC_SHA2_256, psk, &octets, got));
    assert_memory_equal(got, want, 32);
    CHECK_EQ(auth_psk(999, psk, &octets, got), ERR_ALGORITHM);
    CHECK_EQ(octets_make(999, message, nonce, &sk_p, id, span(NULL, 0), &octets), ERR_ALGORITHM);
}

// As two charons computed it (the capture of ike/sk_messages.txt, its IKE_SA_INIT messages).
static void nat_detection_hash(void **state)
{
    (void)state;
    endpoint_t a = {.port = 500}, b = {.port = 500}, c = {.port = 4500};
    uint8_t got[20];
    CHECK_OK(ip_parse("192.168.1.2", &a.ip));
    CHECK_OK(ip_parse("192.168.1.14", &b.ip));
    CHECK_OK(nat_hash(0x0158b8fb90b7623d, 0, &a, got));
    CHECK_SPAN(SPAN(got), HEX("66bad0f6278cc3104d0daac697000d49964bd180"));
    CHECK_OK(nat_hash(0x0158b8fb90b7623d, 0x13514610cea16160, &b, got));
    CHECK_SPAN(SPAN(got), HEX("dc558243837555d5f49fb9e075c18469cb9c0fd8"));
    // IPv6, written out by hand
    CHECK_OK(ip_parse("2001:db8::1", &c.ip));
    CHECK_OK(nat_hash(0x0102030405060708, 0x1112131415161718, &c, got));
    uint8_t want[20];
    span_t in = HEX("0102030405060708 1112131415161718 20010db8000000000000000000000001 1194");
    CHECK_OK(hash_sha1(&in, 1, want));
    CHECK_SPAN(SPAN(got), SPAN(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_chains),
        cmocka_unit_test(single_steps),
        cmocka_unit_test(ke_payloads_of_rfc5903),
        cmocka_unit_test(key_lengths_follow_the_suite),
        cmocka_unit_test(what_the_initiator_seals_the_responder_opens),
        cmocka_unit_test(unprotected_suites_get_no_keys),
        cmocka_unit_test(child_suites),
        cmocka_unit_test(prfs_on_aes_take_half_of_the_nonces),
        cmocka_unit_test(psk_proof),
        cmocka_unit_test(ppk_is_mixed_in),
        cmocka_unit_test(ppk_refreshes_all_keys),
        cmocka_unit_test(nat_detection_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
