// Keys, MACs and attributes of EAP-SIM by the packets of RFC 4186 appendix A; of EAP-AKA' by RFC
// 5448 appendix C; the functions of USIMs by 3GPP TS 35.208 (MILENAGE) and by a second program
// (S.S0055, which has no public vectors).
#include <string.h>

#include "base/secret.h"
#include "crypto/old.h"
#include "crypto/prf.h"
#include "eap/sim_attr.h"
#include "eap/usim.h"
#include "test/check.h"
#include "test/unit/ike/hex.h"

// ---- RFC 4186 appendix A -----------------------------------------------------------------------

#define WHO "1244070100000001@eapsim.foo"
#define AGAIN "Y24fNSrz8BP274jOJaF17WfxI8YO7QX00pMXk9XMMVOw7broaNhTczuFq53aEpOkk3L0dm@eapsim.foo"
#define NONCE "0123456789abcdeffedcba9876543210"

static const char challenge[] =
    "01020118120b0000010d0000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
    "303132333435363738393a3b3c3d3e3f810500009e18b0c29a652263c06efb54dd00a895822d0000"
    "55f2939bbdb1b19ea1b47fc0b3e0be4cab2cf7372d98e3023c6bb92415723d58"
    "bad66ce084e101b60f5358354bd4218278aea7bf2cbace33106aeddc625b0c1d"
    "5aa67a41739ae5b57950973fc7ff8301073c6f953150fc303ea152d1e10a2d1f"
    "4f5226daa1ee9005472252bdb3b71d6f0c3a3490316c46929871bd45cdfdbca6"
    "112f07f8be717990d25f6dd7f2b7b320bf4d5a992e880331d729945aec75ae5d"
    "43c8eda5fe6233fcac494ee67a0d504d0b050000fef324ac3962b59f3bd78253ae4dcb6a";
static const char answer[] = "0202001c120b00000b050000f56d6433e68ed2976ac11937fc3d1154";
static const char again[] =
    "010100a4120d000081050000d585ac7786b90336657c77b46575b9c4821d0000"
    "686291a9d2abc58caa3294b6e85b44846c44e5dcb2de8b9e80d69d49858a5db8"
    "4cdc1c9bc95c01b96b6eca313474aea6d31416e19daa9df70f05008841ca8014"
    "964d3b30a49bcf43e4d3f18e86295a4a2b38d96c9705c2bbb05c4aace97d5eaf"
    "f564046c8bd30bc39be5e17ace2b10a60b050000483a1799b83d7cd3d0a1e401d9ee4770";
static const char again_answer[] =
    "02010044120d000081050000cdf7ffa65de04c026b56c86b76b102ea82050000b6edd38279e2a1423c1afc5c"
    "455c7d560b050000faf76b71fbe2d255b96a3566c915c617";

#define ALL UINT32_MAX
#define CHALLENGE_HAS (SIM_AT(AT_RAND) | SIM_AT(AT_IV) | SIM_AT(AT_ENCR_DATA) | SIM_AT(AT_MAC))

static void keys_of(struct sim_keys *k, uint8_t msk[SIM_MSK_LEN])
{
    const span_t parts[] = {span_str(WHO),
                            HEX("a0a1a2a3a4a5a6a7"),
                            HEX("b0b1b2b3b4b5b6b7"),
                            HEX("c0c1c2c3c4c5c6c7"),
                            HEX(NONCE),
                            HEX("0001"),
                            HEX("0001")};
    CHECK_OK(sim_keys_make(parts, 7, k, msk));
}

static void full_authentication(void **state)
{
    struct sim_keys k;
    uint8_t msk[SIM_MSK_LEN];
    (void)state;
    keys_of(&k, msk);
    CHECK_SPAN(span(k.root, SIM_MK_LEN), HEX("e576d5ca332e9930018bf1baee2763c795b3c712"));
    CHECK_SPAN(SPAN(k.encr), HEX("536e5ebc4465582aa6a8ec9986ebb620"));
    CHECK_SPAN(span(k.aut, 16), HEX("25af1942efcbf4bc72b3943421f2a974"));
    CHECK_SPAN(SPAN(msk), HEX("39d45aeaf4e30601983e972b6cfd46d1c363773365690d09cd44976b525f47d3"
                              "a60a985e955c53b090b2e4b73719196a402542968fd14a888f46b9a7886e4488"));
}

static span_t body_of(span_t packet)
{
    return span(packet.at + 5, packet.len - 5);
}

static void packets_of_it(void **state)
{
    struct sim_keys k;
    struct sim_attrs a, inner;
    uint8_t msk[SIM_MSK_LEN], room[SIM_ENCR_MAX];
    span_t packet = HEX(challenge), nonce = HEX(NONCE), sres = HEX("d1d2d3d4e1e2e3e4f1f2f3f4");
    (void)state;
    keys_of(&k, msk);
    CHECK_OK(sim_attrs_read(body_of(packet), ALL, &a));
    CHECK_EQ(a.subtype, SIM_CHALLENGE);
    CHECK_EQ(a.has, CHALLENGE_HAS);
    CHECK_OK(sim_attrs_verify(&a, &k, packet, nonce));
    CHECK_EQ(sim_attrs_verify(&a, &k, packet, sres), ERR_AUTH);
    CHECK_OK(sim_attrs_open(&a, &k, SIM_AT(AT_NEXT_PSEUDONYM) | SIM_AT(AT_NEXT_REAUTH_ID), room,
                            &inner));
    CHECK_SPAN(inner.value[AT_NEXT_REAUTH_ID], span_str(AGAIN));
    CHECK_EQ(inner.value[AT_NEXT_PSEUDONYM].len, 70);
    packet = HEX(answer);
    CHECK_OK(sim_attrs_read(body_of(packet), ALL, &a));
    CHECK_OK(sim_attrs_verify(&a, &k, packet, sres));
}

static void fast_reauthentication(void **state)
{
    struct sim_keys k;
    struct sim_attrs a, inner;
    uint8_t msk[SIM_MSK_LEN], room[SIM_ENCR_MAX];
    span_t packet = HEX(again), nonce = HEX(NONCE);
    const uint32_t names = SIM_AT(AT_COUNTER) | SIM_AT(AT_NONCE_S) | SIM_AT(AT_NEXT_REAUTH_ID);
    (void)state;
    keys_of(&k, msk);
    CHECK_OK(sim_attrs_read(body_of(packet), ALL, &a));
    CHECK_OK(sim_attrs_verify(&a, &k, packet, span(NULL, 0)));
    CHECK_OK(sim_attrs_open(&a, &k, names, room, &inner));
    CHECK_EQ(sim_number(&inner, AT_COUNTER), 1);
    CHECK_SPAN(inner.value[AT_NONCE_S], nonce);
    CHECK_OK(sim_keys_again(&k, span_str(AGAIN), 1, nonce.at, msk));
    CHECK_SPAN(SPAN(msk), HEX("6263f614973895e1335f7e30cff028ee2176f519002c9abe732fe0ef00cf167c"
                              "756d9e4ced6d5ed640eb3fe38565ca076e7fb8a817cfe8d9adbce441d47c4f5e"));
    packet = HEX(again_answer);
    CHECK_OK(sim_attrs_read(body_of(packet), ALL, &a));
    CHECK_OK(sim_attrs_verify(&a, &k, packet, nonce));
    CHECK_OK(sim_attrs_open(&a, &k, names, room, &inner));
    CHECK_EQ(inner.has, SIM_AT(AT_COUNTER) | SIM_AT(AT_PADDING));
}

// What we write is what the RFC has written.
static void packets_are_written(void **state)
{
    struct sim_keys k;
    uint8_t msk[SIM_MSK_LEN], text[100], packet[200] = {2, 1, 0, 0, 18};
    wr_t t = wr_into(text, sizeof text), w = wr_into(packet, sizeof packet);
    (void)state;
    keys_of(&k, msk);
    sim_put_number(&t, AT_COUNTER, 1);
    w.at += 5;
    sim_put_subtype(&w, SIM_REAUTHENTICATION);
    CHECK_OK(sim_put_encrypted(&w, &k, HEX("cdf7ffa65de04c026b56c86b76b102ea").at, wr_span(&t)));
    CHECK_OK(sim_put_mac(&w, &k, HEX(NONCE)));
    CHECK_SPAN(wr_span(&w), HEX(again_answer));
}

// ---- attributes that are wrong -----------------------------------------------------------------

static void malformed_attributes(void **state)
{
    static const struct {
        const char *bytes;
        err_t err;
    } bad[] = {
        {"", ERR_SYNTAX},
        {"0b00", ERR_SYNTAX},                                 // no room for what is reserved
        {"0b00000b00", ERR_SYNTAX},                           // a length of nothing
        {"0b00000b0500000000", ERR_SYNTAX},                   // longer than there is
        {"0b00000b0400000000000000000000000000", ERR_SYNTAX}, // a short AT_MAC
        {"0b000013010001130100 01", ERR_SYNTAX},              // twice
        {"0b00007f010000", ERR_UNSUPPORTED},                  // unknown, and may not be skipped
        {"0b00000e02000541424344", ERR_SYNTAX},         // AT_IDENTITY longer than its attribute
        {"0b00000e0300024142000000000000", ERR_SYNTAX}, // ... and with too much behind it
        {"0b000006010001", ERR_SYNTAX},                 // padding that says something
        {"0b00000604 0000000000000000000000000000", ERR_SYNTAX}, // ... and that is too long
        {"0b000004030000000000000000", ERR_SYNTAX},              // a short AT_AUTS
        {"0b00000302000900000000", ERR_OK},                      // AT_RES of nine bits
        {"0b00000302004100000000", ERR_SYNTAX},                  // ... of more than there are
        {"0b0000c8010000", ERR_OK},                              // unknown, and may be skipped
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t n;
        struct sim_attrs a;
        uint8_t *p = hex_new(bad[i].bytes, &n);
        CHECK_EQ(sim_attrs_read(span(p, n), ALL, &a), bad[i].err);
        free(p);
    }
}

static void only_what_is_allowed(void **state)
{
    struct sim_attrs a;
    (void)state;
    CHECK_EQ(sim_attrs_read(HEX("0a0000130100 01"), SIM_AT(AT_MAC), &a), ERR_UNSUPPORTED);
    CHECK_OK(sim_attrs_read(HEX("0a000087010000"), SIM_AT(AT_MAC), &a));
    CHECK_EQ(a.has, 0);
}

// Encrypted attributes: both halves or none, whole blocks, not without bounds.
static void malformed_secrets(void **state)
{
    struct sim_keys k = {0};
    struct sim_attrs a = {0}, inner;
    uint8_t room[SIM_ENCR_MAX], sealed[SIM_ENCR_MAX + AES_LEN] = {0};
    (void)state;
    CHECK_OK(sim_attrs_open(&a, &k, ALL, room, &inner));
    a.has = SIM_AT(AT_ENCR_DATA);
    a.value[AT_ENCR_DATA] = span(sealed, AES_LEN);
    CHECK_EQ(sim_attrs_open(&a, &k, ALL, room, &inner), ERR_SYNTAX);
    a.has |= SIM_AT(AT_IV);
    a.value[AT_IV] = span(sealed, AES_LEN);
    a.value[AT_ENCR_DATA].len = AES_LEN - 4;
    CHECK_EQ(sim_attrs_open(&a, &k, ALL, room, &inner), ERR_SYNTAX);
    a.value[AT_ENCR_DATA].len = 0;
    CHECK_EQ(sim_attrs_open(&a, &k, ALL, room, &inner), ERR_SYNTAX);
    a.value[AT_ENCR_DATA].len = sizeof sealed;
    CHECK_EQ(sim_attrs_open(&a, &k, ALL, room, &inner), ERR_LIMIT);
}

// ---- AKA' --------------------------------------------------------------------------------------

static void prime_keys(void **state)
{
    struct sim_keys k;
    uint8_t msk[SIM_MSK_LEN], bound[2 * AKA_PRIME_LEN];
    (void)state;
    CHECK_OK(sim_keys_bind(HEX("5349fbe098649f948f5d2e973a81c00f9744871ad32bf9bbd1dd5ce54e3e2e5a"),
                           span_str("WLAN"), HEX("bb52e91c747a").at, bound));
    CHECK_SPAN(SPAN(bound),
               HEX("0093962d0dd84aa5684b045c9edffa04ccfc230ca74fcc96c0a5d61164f5a76c"));
    CHECK_OK(sim_keys_prime(bound, span_str("0555444333222111"), &k, msk));
    CHECK(k.prime);
    CHECK_SPAN(SPAN(k.encr), HEX("766fa0a6c317174b812d52fbcd11a179"));
    CHECK_SPAN(SPAN(k.aut),
               HEX("0842ea722ff6835bfa2032499fc3ec23c2f0e388b4f07543ffc677f1696d71ea"));
    CHECK_SPAN(SPAN(k.root),
               HEX("cf83aa8bc7e0aced892acc98e76a9b2095b558c7795c7094715cb3393aa7d17a"));
    CHECK_SPAN(SPAN(msk), HEX("67c42d9aa56c1b79e295e3459fc3d187d42be0bf818d3070e362c5e967a4d544"
                              "e8ecfe19358ab3039aff03b7c930588c055babee58a02650b067ec4e9347c75a"));
}

// ---- USIMs -------------------------------------------------------------------------------------

struct set {
    bool milenage;
    const char *k, *opc, *rand, *sqn, *amf, *f1, *f1_star, *f2, *f3, *f4, *f5, *f5_star;
};

static void set_holds(const struct set *s)
{
    struct usim u = {.milenage = s->milenage};
    struct usim_made m;
    uint8_t mac[USIM_MAC_LEN], ak[USIM_AK_LEN];
    const uint8_t none[2] = {0};
    span_t rand = HEX(s->rand), sqn = HEX(s->sqn), amf = HEX(s->amf);
    memcpy(u.k, HEX(s->k).at, sizeof u.k);
    memcpy(u.opc, HEX(s->opc).at, sizeof u.opc);
    CHECK_OK(usim_f1(&u, false, rand.at, sqn.at, amf.at, mac));
    CHECK_SPAN(SPAN(mac), HEX(s->f1));
    CHECK_OK(usim_f1(&u, true, rand.at, sqn.at, s->milenage ? amf.at : none, mac));
    CHECK_SPAN(SPAN(mac), HEX(s->f1_star));
    CHECK_OK(usim_f2345(&u, rand.at, &m));
    CHECK_SPAN(span(m.res, m.res_len), HEX(s->f2));
    CHECK_SPAN(SPAN(m.ck), HEX(s->f3));
    CHECK_SPAN(SPAN(m.ik), HEX(s->f4));
    CHECK_SPAN(SPAN(m.ak), HEX(s->f5));
    CHECK_OK(usim_f5star(&u, rand.at, ak));
    CHECK_SPAN(SPAN(ak), HEX(s->f5_star));
}

// TS 35.208 4.3, test set 1.
static void milenage(void **state)
{
    const struct set one = {.milenage = true,
                            .k = "465b5ce8b199b49faa5f0a2ee238a6bc",
                            .opc = "cd63cb71954a9f4e48a5994e37a02baf",
                            .rand = "23553cbe9637a89d218ae64dae47bf35",
                            .sqn = "ff9bb4d0b607",
                            .amf = "b9b9",
                            .f1 = "4a9ffac354dfafb3",
                            .f1_star = "01cfaf9ec4e871e9",
                            .f2 = "a54211d5e3ba50bf",
                            .f3 = "b40ba9a3c58b2a05bbf0d987b21bf8cb",
                            .f4 = "f769bcd751044604127672711c6d3441",
                            .f5 = "aa689c648370",
                            .f5_star = "451e8beca43b"};
    (void)state;
    set_holds(&one);
}

// TS 35.208 4.3, test set 19, as RFC 5448 appendix C goes on with it.
static void milenage_in_rfc5448(void **state)
{
    struct usim u = {.milenage = true};
    struct usim_made m;
    uint64_t sqn;
    uint8_t op[16], autn[USIM_AUTN_LEN];
    span_t rand = HEX("81e92b6c0ee0e12ebceba8d92a99dfa5");
    (void)state;
    memcpy(u.k, HEX("5122250214c33e723a5dd523fc145fc0").at, sizeof u.k);
    memcpy(op, HEX("c9e8763286b5b9ffbdf56e1297d0887b").at, sizeof op);
    CHECK_OK(aes_block(u.k, op, u.opc)); // TS 35.206 4.1: OPc = E(OP) xor OP
    for (unsigned i = 0; i < sizeof op; i++) u.opc[i] ^= op[i];
    memcpy(autn, HEX("bb52e91c747ac3ab2a5c23d15ee351d5").at, sizeof autn);
    CHECK_OK(usim_answer(&u, rand.at, autn, &sqn, &m));
    CHECK_EQ(sqn, 0x16f3b3f70fc2);
    CHECK_SPAN(span(m.res, m.res_len), HEX("28d7b0f2a2ec3de5"));
    CHECK_SPAN(SPAN(m.ck), HEX("5349fbe098649f948f5d2e973a81c00f"));
    CHECK_SPAN(SPAN(m.ik), HEX("9744871ad32bf9bbd1dd5ce54e3e2e5a"));
    autn[USIM_AUTN_LEN - 1] ^= 1;
    CHECK_EQ(usim_answer(&u, rand.at, autn, &sqn, &m), ERR_AUTH);
}

static void s0055(void **state)
{
    const struct set one = {.k = "41723365 74546e70 3031716c 704f6762",
                            .opc = "00000000000000000000000000000000",
                            .rand = "000102030405060708090a0b0c0d0e0f",
                            .sqn = "112233445566",
                            .amf = "0001",
                            .f1 = "8506c9b6f849b2b0",
                            .f1_star = "b040da013d89256f",
                            .f2 = "63af1503473d79ac54e95fceca010d28",
                            .f3 = "cab82d2a0e93aecc75862cdf8c1de517",
                            .f4 = "d2358bc4729dda79f1ae8f1037000d48",
                            .f5 = "dbd928616c91",
                            .f5_star = "b315423b193a"};
    (void)state;
    set_holds(&one);
}

// What one side says, the other understands; what is changed on the way, it does not.
static void numbers_travel(void **state)
{
    (void)state;
    for (unsigned family = 0; family < 2; family++) {
        struct usim u = {.milenage = family, .k = "a secret of 16 b", .opc = "another of 16 by"};
        const uint8_t rand[USIM_RAND_LEN] = "some challenge..";
        uint8_t autn[USIM_AUTN_LEN], auts[USIM_AUTS_LEN];
        struct usim_made network, card;
        uint64_t sqn = 0;
        CHECK_OK(usim_challenge(&u, rand, 0x123456789abc, 0x80, autn, &network));
        CHECK_OK(usim_answer(&u, rand, autn, &sqn, &card));
        CHECK_EQ(sqn, 0x123456789abc);
        CHECK_EQ(autn[USIM_SQN_LEN], 0x80);
        CHECK_SPAN(SPAN(network.res), SPAN(card.res));
        CHECK_OK(usim_resync(&u, rand, 0xffeeddccbbaa, auts));
        CHECK_OK(usim_resynced(&u, rand, auts, &sqn));
        CHECK_EQ(sqn, 0xffeeddccbbaa);
        auts[0] ^= 1;
        CHECK_EQ(usim_resynced(&u, rand, auts, &sqn), ERR_AUTH);
    }
}

// FIPS 180-4's "abc", padded by hand: the compression function is the library's.
static void sha1_inside(void **state)
{
    uint8_t block[SHA1_BLOCK_LEN] = {'a', 'b', 'c', 0x80, [63] = 24}, want[SHA1_LEN];
    const span_t abc[] = {span_str("abc")};
    uint32_t v[SHA1_WORDS];
    (void)state;
    memcpy(v, sha1_start, sizeof v);
    sha1_block(v, block);
    CHECK_OK(hash_sha1(abc, 1, want));
    for (unsigned i = 0; i < SHA1_LEN; i++)
        CHECK_EQ((uint8_t)(v[i / 4] >> 8 * (3 - i % 4)), want[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha1_inside),          cmocka_unit_test(full_authentication),
        cmocka_unit_test(packets_of_it),        cmocka_unit_test(fast_reauthentication),
        cmocka_unit_test(packets_are_written),  cmocka_unit_test(malformed_attributes),
        cmocka_unit_test(only_what_is_allowed), cmocka_unit_test(malformed_secrets),
        cmocka_unit_test(prime_keys),           cmocka_unit_test(milenage),
        cmocka_unit_test(milenage_in_rfc5448),  cmocka_unit_test(s0055),
        cmocka_unit_test(numbers_travel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
