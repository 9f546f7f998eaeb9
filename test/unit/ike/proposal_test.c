// SA payloads: wire form, and the choice of a suite. Proposals are written as swanctl.conf
// keywords: "aes128gcm16-prfsha256-x25519"; "esn" and "noesn", "none:3" for a NONE of type 3, and
// "t:6/7" for a transform of type 6 with id 7.
#include "ike/codec/proposal.h"

#include <stdio.h>

#include "test/unit/ike/hex.h"

static void word_add(struct proposal *p, const char *word)
{
    unsigned type, id;
    if (!strcmp(word, "esn")) {
        p->t[p->n++] = (struct transform){.type = ALG_ESN, .id = ESN_YES};
    } else if (!strcmp(word, "noesn")) {
        p->t[p->n++] = (struct transform){.type = ALG_ESN, .id = ESN_NO};
    } else if (sscanf(word, "none:%u", &type) == 1) {
        p->t[p->n++] = (struct transform){.type = (uint8_t)type};
    } else if (sscanf(word, "t:%u/%u", &type, &id) == 2) {
        p->t[p->n++] = (struct transform){.type = (uint8_t)type, .id = (uint16_t)id};
    } else {
        const struct alg *a = alg_by_keyword(word);
        assert_non_null(a);
        CHECK_OK(proposal_add(p, a));
    }
}

// Proposals separated by commas. SPIs: 0x11111111 * number.
static struct proposals offer(uint8_t protocol, const char *s)
{
    struct proposals ps = {0};
    char buf[512];
    (void)snprintf(buf, sizeof buf, "%s", s);
    for (char *s1, *one = strtok_r(buf, ",", &s1); one; one = strtok_r(NULL, ",", &s1)) {
        struct proposal *p = &ps.p[ps.n++];
        *p = (struct proposal){.number = (uint8_t)ps.n, .protocol = protocol};
        if (protocol != PROTO_IKE) p->spi_len = 4;
        if (protocol != PROTO_IKE) p->spi = 0x11111111 * ps.n;
        for (char *s2, *w = strtok_r(one, "-", &s2); w; w = strtok_r(NULL, "-", &s2)) {
            word_add(p, w);
        }
    }
    return ps;
}

static struct proposal chosen;
static const char *show(err_t e)
{
    static char buf[256];
    if (e == ERR_NOCHOICE) return "nothing";
    CHECK_OK(e);
    return proposal_show(&chosen, buf);
}

static const char *choice(uint8_t protocol, const char *ours, const char *theirs)
{
    struct proposals a = offer(protocol, ours), b = offer(protocol, theirs);
    return show(proposal_choose(&a, &b, false, &chosen));
}
#define IKE(ours, theirs) choice(PROTO_IKE, ours, theirs)
#define ESP(ours, theirs) choice(PROTO_ESP, ours, theirs)

static const char *answered(uint8_t protocol, const char *ours, const char *theirs, uint8_t number)
{
    struct proposals a = offer(protocol, ours), b = offer(protocol, theirs);
    b.p[0].number = number;
    return show(proposal_check_answer(&a, &b, &chosen));
}

// ---- wire ----

static const char two_proposals[] =
    "02 00 0028 01 03 04 03 052357bb 03 00 000c 01 00 000c 800e 0080"
    "03 00 0008 03 00 000c 00 00 0008 05 00 0000"
    "00 00 0020 02 03 04 02 35a1d6f2 03 00 000c 01 00 0014 800e 0100 00 00 0008 05 00 0001";

static void wire_round_trip(void **state)
{
    (void)state;
    struct proposals ps;
    span_t wire = HEX(two_proposals);
    CHECK_OK(proposals_read(wire, &ps));
    CHECK_EQ(ps.n, 2);
    CHECK_EQ(ps.p[0].spi, 0x052357bb);
    CHECK_EQ(ps.p[0].t[0].key_len, 16);
    CHECK_EQ(ps.p[1].number, 2);
    CHECK_EQ(ps.p[1].t[0].id, ENCR_AES_GCM_16);
    CHECK_EQ(ps.p[1].t[0].key_len, 32);
    uint8_t out[256];
    wr_t w = wr_into(out, sizeof out);
    proposals_write(&w, &ps);
    CHECK_OK(wr_done(&w));
    CHECK_SPAN(wr_span(&w), wire);
}

// Every length byte set wrong, every cut: never accepted, never an overrun (under ASan).
static void every_truncation_is_refused(void **state)
{
    (void)state;
    size_t len;
    uint8_t *wire = hex_new(two_proposals, &len);
    struct proposals ps;
    for (size_t n = 0; n < len; n++) {
        uint8_t *cut = malloc(n ? n : 1);
        assert_non_null(cut);
        memcpy(cut, wire, n);
        CHECK(proposals_read(span(cut, n), &ps) != ERR_OK);
        free(cut);
    }
    free(wire);
}

static err_t read_hex(const char *hex, struct proposals *ps)
{
    size_t len;
    uint8_t *wire = hex_new(hex, &len);
    err_t e = proposals_read(span(wire, len), ps);
    free(wire);
    return e;
}

static void inconsistent_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *what, *wire;
        err_t want;
    } bad[] = {
        {"proposal shorter than its head", "00 00 0007 01 03 04 00", ERR_SYNTAX},
        {"'last' but more follow",
         "00 00 000c 01 03 04 00 052357bb 00 00 000c 02 03 04 00 052357bb", ERR_SYNTAX},
        {"'more' but none follow", "02 00 000c 01 03 04 00 052357bb", ERR_SYNTAX},
        {"more transforms announced", "00 00 000c 01 03 04 01 052357bb", ERR_SHORT},
        {"fewer transforms announced", "00 00 0014 01 03 04 00 052357bb 00 00 0008 05 00 0000",
         ERR_TRAILING},
        {"transform longer than proposal", "00 00 0014 01 03 04 01 052357bb 00 00 0009 05 00 0000",
         ERR_SHORT},
        {"transform shorter than its head", "00 00 0014 01 03 04 01 052357bb 00 00 0007 05 00 0000",
         ERR_SYNTAX},
        {"'more' transforms, none follow", "00 00 0014 01 03 04 01 052357bb 03 00 0008 05 00 0000",
         ERR_SYNTAX},
        {"half an attribute", "00 00 0016 01 03 04 01 052357bb 00 00 000a 01 00 000c 800e",
         ERR_SHORT},
        {"long attribute beyond the end",
         "00 00 0018 01 03 04 01 052357bb 00 00 000c 01 00 000c 000f 0001", ERR_SHORT},
        {"SPI of three bytes", "00 00 000b 01 03 03 00 052357", ERR_SYNTAX},
        {"ESP without SPI", "00 00 0008 01 03 00 00", ERR_SYNTAX},
        {"numbers with a gap", "02 00 0008 01 01 00 00 00 00 0008 03 01 00 00", ERR_SYNTAX},
        {"nothing", "", ERR_SHORT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct proposals ps;
        err_t got = read_hex(bad[i].wire, &ps);
        if (got != bad[i].want) print_message("# %s: %s\n", bad[i].what, err_text(got));
        CHECK_EQ(got, bad[i].want);
    }
}

static void limits(void **state)
{
    (void)state;
    static uint8_t many[8 * (PROPOSALS_MAX + 1)];
    struct proposals ps;
    for (unsigned i = 0; i <= PROPOSALS_MAX; i++) {
        memcpy(many + 8 * i, "\x02\0\0\x08\0\x01\0\0", 8);
        many[8 * i + 4] = (uint8_t)(i + 1);
    }
    many[8 * (PROPOSALS_MAX - 1)] = 0;
    CHECK_OK(proposals_read(span(many, sizeof many - 8), &ps));
    CHECK_EQ(ps.n, PROPOSALS_MAX);
    many[8 * (PROPOSALS_MAX - 1)] = 2;
    many[8 * PROPOSALS_MAX] = 0;
    CHECK_EQ(proposals_read(SPAN(many), &ps), ERR_LIMIT);

    static uint8_t wide[8 + 8 * (PROPOSAL_TRANSFORMS_MAX + 1)];
    memcpy(wide, "\0\0\0\0\x01\x01\0", 7);
    wide[2] = (uint8_t)(sizeof wide >> 8);
    wide[3] = (uint8_t)sizeof wide;
    wide[7] = PROPOSAL_TRANSFORMS_MAX + 1;
    for (unsigned i = 1; i <= PROPOSAL_TRANSFORMS_MAX + 1; i++) {
        memcpy(wide + 8 * i, "\x03\0\0\x08\x02\0\0\x05", 8);
    }
    wide[8 * (PROPOSAL_TRANSFORMS_MAX + 1)] = 0;
    CHECK_EQ(proposals_read(SPAN(wide), &ps), ERR_LIMIT);
}

static void attributes_that_make_a_transform_unusable(void **state)
{
    (void)state;
    static const struct {
        const char *what, *attributes;
        unsigned len;
        bool unusable;
    } cases[] = {
        {"key length", "800e 0080", 4, false},
        {"none", "", 0, false},
        {"unknown, fixed", "800f 0080", 4, true},
        {"unknown, long", "0010 0003 aabbcc", 7, true},
        {"key length and unknown", "800e 0080 800f 0001", 8, true},
        {"key length twice", "800e 0080 800e 0080", 8, true},
        {"key length not in bytes", "800e 0081", 4, true},
        {"key length zero", "800e 0000", 4, true},
        {"key length in the long form", "000e 0002 0080", 6, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char hex[128];
        unsigned len = 8 + cases[i].len;
        (void)snprintf(hex, sizeof hex, "00 00 %04x 01 03 04 01 052357bb 00 00 %04x 01 00 000c %s",
                       12 + len, len, cases[i].attributes);
        struct proposals ps;
        CHECK_OK(read_hex(hex, &ps));
        if (ps.p[0].t[0].unusable != cases[i].unusable) print_message("# %s\n", cases[i].what);
        CHECK_EQ(ps.p[0].t[0].unusable, cases[i].unusable);
    }
}

// ---- the choice ----

static void same_suite(void **state)
{
    (void)state;
    CHECK_STR(IKE("aes256-sha256-prfsha256-x25519", "aes256-sha256-prfsha256-x25519"),
              "AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519");
    CHECK_STR(ESP("aes128gcm16-esn", "aes128gcm16-noesn-esn"), "AES_GCM_16_128/EXT_SEQ");
}

static void our_order_decides(void **state)
{
    (void)state;
    CHECK_STR(IKE("aes256gcm16-aes128gcm16-prfsha384-prfsha256-x25519-ecp256",
                  "aes128gcm16-aes256gcm16-prfsha256-prfsha384-ecp256-x25519"),
              "AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519");
    CHECK_STR(ESP("aes256gcm16-noesn,aes128-sha256-noesn", "aes128-sha256-noesn,aes256gcm16-noesn"),
              "AES_GCM_16_256/NO_EXT_SEQ");
    CHECK_EQ(chosen.number, 2); // theirs
    CHECK_EQ(chosen.spi, 0x22222222);
}

static void nothing_in_common(void **state)
{
    (void)state;
    CHECK_STR(IKE("aes256-sha256-prfsha256-x25519", "aes128-sha256-prfsha256-x25519"), "nothing");
    CHECK_STR(IKE("aes256-sha256-prfsha256-x25519", "aes256-sha256-prfsha256-ecp256"), "nothing");
    CHECK_STR(IKE("aes256-sha256-prfsha256-x25519", "aes256-sha256-prfsha256"), "nothing");
    CHECK_STR(IKE("aes256-sha256-prfsha256-x25519", "aes256-sha256-x25519"), "nothing");
    CHECK_STR(IKE("aes256-sha256-prfsha256-x25519", "aes256-prfsha256-x25519"), "nothing");
    struct proposals esp = offer(PROTO_ESP, "aes128gcm16-noesn");
    struct proposals ah = offer(PROTO_AH, "sha256-noesn"), none = {0};
    CHECK_EQ(proposal_choose(&esp, &ah, false, &chosen), ERR_NOCHOICE);
    CHECK_EQ(proposal_choose(&esp, &none, false, &chosen), ERR_NOCHOICE);
    CHECK_EQ(proposal_choose(&none, &esp, false, &chosen), ERR_NOCHOICE);
    CHECK_OK(proposal_choose(&ah, &ah, false, &chosen));
}

static void combined_mode_has_no_integrity_algorithm(void **state)
{
    (void)state;
    // NONE, if offered, is part of the answer
    CHECK_STR(IKE("aes256gcm16-prfsha256-x25519", "aes256gcm16-none:3-prfsha256-x25519"),
              "AES_GCM_16_256/NONE/PRF_HMAC_SHA2_256/CURVE_25519");
    CHECK_STR(IKE("aes256gcm16-prfsha256-x25519", "aes256gcm16-sha256-prfsha256-x25519"),
              "nothing");
    // mixed proposals: only the pairs that are allowed
    CHECK_STR(IKE("aes256gcm16-aes128-sha256-prfsha256-x25519",
                  "aes256gcm16-aes128-sha256-prfsha256-x25519"),
              "AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519");
    CHECK_STR(ESP("aes256gcm16-aes128-sha256-none:3-noesn", "aes256gcm16-none:3-sha256-noesn"),
              "AES_GCM_16_256/NONE/NO_EXT_SEQ");
}

static void no_cipher_goes_without_integrity(void **state)
{
    (void)state;
    CHECK_STR(ESP("aes128-noesn", "aes128-noesn"), "nothing");
    CHECK_STR(ESP("aes128-none:3-noesn", "aes128-none:3-noesn"), "nothing");
    CHECK_STR(ESP("aes128-none:3-sha256-noesn", "aes128-none:3-sha256-noesn"),
              "AES_CBC_128/HMAC_SHA2_256_128/NO_EXT_SEQ");
    CHECK_STR(ESP("null-sha256-noesn", "null-sha256-noesn"), "NULL/HMAC_SHA2_256_128/NO_EXT_SEQ");
    CHECK_STR(ESP("null-noesn", "null-noesn"), "nothing");
    CHECK_STR(IKE("null-sha256-prfsha256-x25519", "null-sha256-prfsha256-x25519"), "nothing");
    CHECK_STR(IKE("aes128gmac-prfsha256-x25519", "aes128gmac-prfsha256-x25519"), "nothing");
    CHECK_STR(ESP("aes128gmac-noesn", "aes128gmac-noesn"), "NULL_AES_GMAC_128/NO_EXT_SEQ");
    CHECK_STR(ESP("aes128gmac-sha256-noesn", "aes128gmac-sha256-noesn"), "nothing");
    CHECK_STR(ESP("aes256ctr-noesn", "aes256ctr-noesn"), "nothing");
    CHECK_STR(ESP("aes256ctr-aesxcbc-noesn", "aes256ctr-aesxcbc-noesn"),
              "AES_CTR_256/AES_XCBC_96/NO_EXT_SEQ");
    CHECK_STR(IKE("3des-sha1-prfaescmac-x25519", "3des-sha1-prfaescmac-x25519"),
              "3DES_CBC/HMAC_SHA1_96/PRF_AES128_CMAC/CURVE_25519");
}

static void absent_esn_means_no_esn(void **state)
{
    (void)state;
    CHECK_STR(ESP("aes128gcm16-noesn", "aes128gcm16"), "AES_GCM_16_128");
    CHECK_STR(ESP("aes128gcm16", "aes128gcm16-noesn"), "AES_GCM_16_128/NO_EXT_SEQ");
    CHECK_STR(ESP("aes128gcm16", "aes128gcm16-noesn-esn"), "AES_GCM_16_128/NO_EXT_SEQ");
    CHECK_STR(ESP("aes128gcm16-esn", "aes128gcm16"), "nothing");
    CHECK_STR(ESP("aes128gcm16", "aes128gcm16-esn"), "nothing");
    CHECK_STR(ESP("aes128gcm16-esn-noesn", "aes128gcm16-noesn"), "AES_GCM_16_128/NO_EXT_SEQ");
}

static void perfect_forward_secrecy(void **state)
{
    (void)state;
    CHECK_STR(ESP("aes128gcm16-x25519-noesn", "aes128gcm16-noesn-x25519"),
              "AES_GCM_16_128/CURVE_25519/NO_EXT_SEQ");
    CHECK_STR(ESP("aes128gcm16-x25519-noesn", "aes128gcm16-noesn"), "nothing");
    CHECK_STR(ESP("aes128gcm16-noesn", "aes128gcm16-x25519-noesn"), "nothing");
    CHECK_STR(ESP("aes128gcm16-noesn", "aes128gcm16-x25519-none:4-noesn"),
              "AES_GCM_16_128/NONE/NO_EXT_SEQ");
    // in IKE_AUTH the method does not count
    struct proposals ours = offer(PROTO_ESP, "aes128gcm16-x25519-noesn");
    struct proposals theirs = offer(PROTO_ESP, "aes128gcm16-noesn");
    CHECK_STR(show(proposal_choose(&ours, &theirs, true, &chosen)), "AES_GCM_16_128/NO_EXT_SEQ");
    CHECK_STR(show(proposal_choose(&theirs, &ours, true, &chosen)), "AES_GCM_16_128/NO_EXT_SEQ");
    theirs = offer(PROTO_ESP, "aes128gcm16-none:4-noesn");
    CHECK_STR(show(proposal_choose(&ours, &theirs, true, &chosen)),
              "AES_GCM_16_128/NONE/NO_EXT_SEQ");
}

static void ike_needs_a_key_exchange(void **state)
{
    (void)state;
    CHECK_STR(IKE("aes256gcm16-prfsha256-none:4", "aes256gcm16-prfsha256-none:4"), "nothing");
}

static void unknown_transform_type_spoils_its_proposal_only(void **state)
{
    (void)state;
    CHECK_STR(IKE("aes256gcm16-prfsha256-x25519", "aes256gcm16-prfsha256-x25519-t:6/7"), "nothing");
    CHECK_STR(IKE("aes256gcm16-prfsha256-x25519",
                  "aes256gcm16-prfsha256-x25519-t:6/7,aes256gcm16-prfsha256-x25519"),
              "AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE_25519");
    CHECK_EQ(chosen.number, 2);
    CHECK_STR(IKE("aes256gcm16-prfsha256-x25519", "aes256gcm16-prfsha256-x25519-noesn"),
              "nothing"); // ESN is not for IKE
}

static void unknown_transforms_and_unusable_ones_are_passed_over(void **state)
{
    (void)state;
    CHECK_STR(IKE("aes256gcm16-prfsha256-x25519",
                  "t:1/9999-aes256gcm16-t:2/9999-prfsha256-t:4/9999-x25519"),
              "AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE_25519");
    struct proposals ours = offer(PROTO_ESP, "aes128gcm16-aes256gcm16-noesn"), theirs = ours;
    theirs.p[0].t[0].unusable = true;
    CHECK_STR(show(proposal_choose(&ours, &theirs, false, &chosen)), "AES_GCM_16_256/NO_EXT_SEQ");
}

static void key_length_only_where_it_belongs(void **state)
{
    (void)state;
    struct proposals ours = offer(PROTO_ESP, "chacha20poly1305-noesn"), theirs = ours;
    CHECK_EQ(ours.p[0].t[0].key_len, 0);
    CHECK_OK(proposal_choose(&ours, &theirs, false, &chosen));
    CHECK_EQ(proposal_alg(&chosen, ALG_ENCR)->key_len, 32);
    theirs.p[0].t[0].key_len = 32; // MUST NOT be there
    CHECK_EQ(proposal_choose(&ours, &theirs, false, &chosen), ERR_NOCHOICE);
    assert_null(proposal_alg(&theirs.p[0], ALG_ENCR));
    ours = theirs = offer(PROTO_ESP, "aes128gcm16-noesn");
    theirs.p[0].t[0].key_len = 0; // MUST be there
    CHECK_EQ(proposal_choose(&ours, &theirs, false, &chosen), ERR_NOCHOICE);
    assert_null(proposal_alg(&theirs.p[0], ALG_ENCR));
}

static void spi_zero_is_no_spi(void **state)
{
    (void)state;
    struct proposals ours = offer(PROTO_ESP, "aes128gcm16-noesn"), theirs = ours;
    theirs.p[0].spi = 0;
    CHECK_EQ(proposal_choose(&ours, &theirs, false, &chosen), ERR_NOCHOICE);
}

// ---- the answer ----

static void answer_within_the_offer(void **state)
{
    (void)state;
    const char *ours = "aes256gcm16-aes128gcm16-prfsha256-x25519-ecp256,"
                       "aes256-sha256-prfsha256-ecp256";
    CHECK_STR(answered(PROTO_IKE, ours, "aes128gcm16-prfsha256-ecp256", 1),
              "AES_GCM_16_128/PRF_HMAC_SHA2_256/ECP_256");
    CHECK_STR(answered(PROTO_IKE, ours, "aes256-sha256-prfsha256-ecp256", 2),
              "AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256");
    CHECK_STR(answered(PROTO_ESP, "aes128gcm16-noesn", "aes128gcm16", 1), "AES_GCM_16_128");
    CHECK_STR(answered(PROTO_ESP, "aes128gcm16-noesn", "aes128gcm16-none:3-noesn", 1),
              "AES_GCM_16_128/NONE/NO_EXT_SEQ");
}

static void answer_that_is_none_of_ours(void **state)
{
    (void)state;
    const char *ours = "aes256gcm16-aes128gcm16-prfsha256-x25519-ecp256,"
                       "aes256-sha256-prfsha256-ecp256";
    CHECK_STR(answered(PROTO_IKE, ours, "aes256-sha256-prfsha256-ecp256", 1), "nothing");
    CHECK_STR(answered(PROTO_IKE, ours, "aes256-sha256-prfsha256-ecp256", 3), "nothing");
    CHECK_STR(answered(PROTO_IKE, ours, "aes256gcm16-prfsha256-ecp384", 1), "nothing");
    CHECK_STR(answered(PROTO_IKE, ours, "aes256gcm16-prfsha256", 1), "nothing");
    CHECK_STR(answered(PROTO_IKE, ours, "aes256gcm16-prfsha256-x25519-ecp256", 1), "nothing");
    CHECK_STR(answered(PROTO_IKE, ours, "aes256gcm16-sha256-prfsha256-x25519", 1), "nothing");
    CHECK_STR(answered(PROTO_IKE, ours, "aes256gcm16-prfsha256-x25519-t:13/0", 1), "nothing");
    CHECK_STR(answered(PROTO_ESP, "aes128gcm16-esn", "aes128gcm16", 1), "nothing");
    CHECK_STR(answered(PROTO_ESP, "aes128gcm16-noesn", "aes128gcm16-noesn-noesn", 1), "nothing");
    struct proposals a = offer(PROTO_IKE, ours);
    CHECK_EQ(proposal_check_answer(&a, &a, &chosen), ERR_NOCHOICE); // two proposals
}

static void answer_carries_the_responders_spi(void **state)
{
    (void)state;
    struct proposals a = offer(PROTO_ESP, "aes128gcm16-noesn"), b = a;
    b.p[0].spi = 0xc0ffee01;
    CHECK_OK(proposal_check_answer(&a, &b, &chosen));
    CHECK_EQ(chosen.spi, 0xc0ffee01);
    a.p[0].spi_len = 0;
    CHECK_EQ(proposal_check_answer(&a, &b, &chosen), ERR_NOCHOICE);
}

static void long_proposals_are_cut_in_text(void **state)
{
    (void)state;
    struct proposal p = {.protocol = PROTO_IKE};
    for (unsigned i = 0; i < PROPOSAL_TRANSFORMS_MAX; i++) word_add(&p, "aes256gcm16");
    CHECK_EQ(proposal_add(&p, alg_by_keyword("x25519")), ERR_LIMIT);
    char buf[256];
    CHECK_EQ(strlen(proposal_show(&p, buf)), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire_round_trip),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(inconsistent_lengths),
        cmocka_unit_test(limits),
        cmocka_unit_test(attributes_that_make_a_transform_unusable),
        cmocka_unit_test(same_suite),
        cmocka_unit_test(our_order_decides),
        cmocka_unit_test(nothing_in_common),
        cmocka_unit_test(combined_mode_has_no_integrity_algorithm),
        cmocka_unit_test(no_cipher_goes_without_integrity),
        cmocka_unit_test(absent_esn_means_no_esn),
        cmocka_unit_test(perfect_forward_secrecy),
        cmocka_unit_test(ike_needs_a_key_exchange),
        cmocka_unit_test(unknown_transform_type_spoils_its_proposal_only),
        cmocka_unit_test(unknown_transforms_and_unusable_ones_are_passed_over),
        cmocka_unit_test(key_length_only_where_it_belongs),
        cmocka_unit_test(spi_zero_is_no_spi),
        cmocka_unit_test(answer_within_the_offer),
        cmocka_unit_test(answer_that_is_none_of_ours),
        cmocka_unit_test(answer_carries_the_responders_spi),
        cmocka_unit_test(long_proposals_are_cut_in_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
