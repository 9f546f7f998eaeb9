// Traffic selectors: wire, narrowing (RFC 7296 2.9), text. Selectors are written as text here:
// "10.1.0.0/16", "10.0.0.1..10.0.0.9", "10.1.0.1/32 6 80 80" (protocol, first and last port).
#include <netdb.h>
#include <stdio.h>

#include "ike/codec/payloads.h"
#include "test/unit/ike/hex.h"

static struct ts ts_of(const char *s)
{
    char first[64], *dots;
    unsigned proto = 0, lo = 0, hi = 65535;
    assert_true(sscanf(s, "%63s %u %u %u", first, &proto, &lo, &hi) >= 1);
    struct ts t;
    if ((dots = strstr(first, ".."))) {
        *dots = 0;
        CHECK_OK(ip_parse(first, &t.lo));
        CHECK_OK(ip_parse(dots + 2, &t.hi));
    } else {
        prefix_t p;
        CHECK_OK(prefix_parse(first, &p));
        t = ts_from_prefix(&p);
    }
    t.proto = (uint8_t)proto;
    t.port_lo = (uint16_t)lo;
    t.port_hi = (uint16_t)hi;
    return t;
}

// A list of selectors separated by commas.
static struct ts_list list_of(const char *s)
{
    struct ts_list l = {0};
    char buf[1024];
    (void)snprintf(buf, sizeof buf, "%s", s);
    for (char *save, *one = strtok_r(buf, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
        l.ts[l.n++] = ts_of(one);
    }
    return l;
}

// What ours and theirs have in common, as text; "nothing" for TS_UNACCEPTABLE.
static const char *narrowed(const char *ours, const char *theirs)
{
    static char buf[1024];
    struct ts_list a = list_of(ours), b = list_of(theirs), both;
    err_t e = ts_narrow(&a, &b, &both);
    if (e == ERR_NOCHOICE) return "nothing";
    CHECK_OK(e);
    CHECK(ts_subset(&both, &a));
    CHECK(ts_subset(&both, &b));
    return ts_show(&both, buf, sizeof buf);
}

static void both_families_round_trip(void **state)
{
    (void)state;
    span_t wire = HEX("02 000000"
                      "07 06 0010 0050 0051 0a010000 0a01ffff"
                      "08 00 0028 0000 ffff fec00000000000000000000000000000"
                      "fec0000000000000ffffffffffffffff");
    struct ts_list l;
    uint8_t out[256];
    char text[128];
    CHECK_OK(ts_read(wire, &l));
    CHECK_STR(ts_show(&l, text, sizeof text), "10.1.0.0/16[tcp/80-81] fec0::/64");
    wr_t w = wr_into(out, sizeof out);
    ts_write(&w, &l, span(NULL, 0));
    CHECK_SPAN(wr_span(&w), wire);
}

static void unknown_type_is_skipped(void **state)
{
    (void)state;
    struct ts_list l;
    CHECK_OK(ts_read(HEX("02 000000 0a aa 0006 bbbb 07 00 0010 0000 ffff 0a010000 0a01ffff"), &l));
    CHECK_EQ(l.n, 1);
    CHECK_OK(ts_read(HEX("01 000000 ff 00 0004"), &l));
    CHECK_EQ(l.n, 0);
}

// RFC 9478: beside addresses, as text that may end with a NUL.
static void labels(void **state)
{
    (void)state;
    span_t wire = HEX("02 000000 07 00 0010 0000 ffff 0a010000 0a01ffff 0a 00 0007 726500");
    struct ts_list l;
    unsigned i = 0;
    uint8_t out[64];
    span_t label;
    CHECK_OK(ts_read(wire, &l));
    CHECK_EQ(l.n, 1);
    CHECK_OK(ts_next_label(wire, &i, &label));
    CHECK_SPAN(label, span_str("re"));
    CHECK_EQ(ts_next_label(wire, &i, &label), ERR_NOTFOUND);
    wr_t w = wr_into(out, sizeof out);
    ts_write(&w, &l, label);
    CHECK_SPAN(wr_span(&w), wire);
    wire = HEX("03 000000 0a 00 0005 61 0a 00 0004 0a 00 0006 6262");
    i = 0;
    CHECK_OK(ts_next_label(wire, &i, &label));
    CHECK_SPAN(label, span_str("a"));
    CHECK_OK(ts_next_label(wire, &i, &label));
    CHECK_EQ(label.len, 0);
    CHECK_OK(ts_next_label(wire, &i, &label));
    CHECK_SPAN(label, span_str("bb"));
    CHECK_EQ(ts_next_label(wire, &i, &label), ERR_NOTFOUND);
    i = 0;
    CHECK_EQ(ts_next_label(HEX("01 000000 0a 00 0007 61"), &i, &label), ERR_NOTFOUND);
}

static void malformed_payloads(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        err_t want;
    } bad[] = {
        {"", ERR_SHORT},
        {"00 000000", ERR_SYNTAX}, // no selector
        {"01 000000", ERR_SHORT},
        {"01 000000 07 00 0003", ERR_SYNTAX},
        {"01 000000 07 00 0010 0000 ffff 0a010000 0a01ff", ERR_SHORT},
        {"01 000000 07 00 000f 0000 ffff 0a010000 0a01ff", ERR_SHORT},
        {"01 000000 07 00 0011 0000 ffff 0a010000 0a01ffff 00", ERR_TRAILING},
        {"01 000000 07 00 0010 0000 ffff 0a010000 0a01ffff 00", ERR_TRAILING},
        {"02 000000 07 00 0010 0000 ffff 0a010000 0a01ffff", ERR_SHORT},  // one too few
        {"01 000000 07 00 0010 0000 ffff 0a020000 0a01ffff", ERR_SYNTAX}, // addresses backwards
        {"01 000000 07 00 0010 0051 0050 0a010000 0a01ffff", ERR_SYNTAX}, // ports backwards
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ts_list l;
        CHECK_EQ(ts_read(HEX(bad[i].wire), &l), bad[i].want);
    }
}

static void too_many_selectors(void **state)
{
    (void)state;
    static const uint8_t one[16] = {7, 0, 0, 16, 0, 0, 255, 255, 10, 0, 0, 0, 10, 0, 0, 0};
    static uint8_t body[4 + 16 * (TS_MAX + 1)];
    struct ts_list l;
    for (unsigned i = 0; i <= TS_MAX; i++) memcpy(body + 4 + 16 * i, one, 16);
    body[0] = TS_MAX;
    CHECK_OK(ts_read(span(body, sizeof body - 16), &l));
    body[0] = TS_MAX + 1;
    CHECK_EQ(ts_read(SPAN(body), &l), ERR_LIMIT);
}

static void narrowing_of_addresses(void **state)
{
    (void)state;
    CHECK_STR(narrowed("10.1.0.0/16", "10.1.0.0/16"), "10.1.0.0/16");
    CHECK_STR(narrowed("10.1.0.0/16", "0.0.0.0/0"), "10.1.0.0/16");
    CHECK_STR(narrowed("0.0.0.0/0", "10.1.2.3/32"), "10.1.2.3/32");
    CHECK_STR(narrowed("10.1.0.0/16", "10.2.0.0/16"), "nothing");
    CHECK_STR(narrowed("10.0.0.5..10.0.0.20", "10.0.0.9..10.0.0.30"), "10.0.0.9..10.0.0.20");
    CHECK_STR(narrowed("10.0.0.5..10.0.0.20", "10.0.0.20..10.0.0.30"), "10.0.0.20/32");
    CHECK_STR(narrowed("0.0.0.0/0", "::/0"), "nothing");
    CHECK_STR(narrowed("0.0.0.0/0,::/0", "fec0::/64,10.0.0.0/8"), "fec0::/64 10.0.0.0/8");
}

static void narrowing_of_protocols_and_ports(void **state)
{
    (void)state;
    CHECK_STR(narrowed("10.0.0.0/8", "10.0.0.1/32 6 80 80"), "10.0.0.1/32[tcp/80]");
    CHECK_STR(narrowed("10.0.0.1/32 6 80 80", "10.0.0.0/8"), "10.0.0.1/32[tcp/80]");
    CHECK_STR(narrowed("10.0.0.0/8 6", "10.0.0.0/8 17"), "nothing");
    CHECK_STR(narrowed("10.0.0.0/8 6", "10.0.0.0/8"), "10.0.0.0/8[tcp]");
    CHECK_STR(narrowed("10.0.0.0/8 6 1 100", "10.0.0.0/8 6 80 200"), "10.0.0.0/8[tcp/80-100]");
    CHECK_STR(narrowed("10.0.0.0/8 6 1 79", "10.0.0.0/8 6 80 200"), "nothing");
    // ICMP echo request (type 8), all codes, within all of ICMP
    CHECK_STR(narrowed("10.0.0.0/8 1 0 65535", "10.0.0.0/8 1 2048 2303"), "10.0.0.0/8[icmp/8]");
    CHECK_STR(narrowed("10.0.0.0/8 1 2048 2048", "10.0.0.0/8 1 2048 2303"), "10.0.0.0/8[icmp/8]");
}

static void opaque_ports(void **state)
{
    (void)state;
    CHECK_STR(narrowed("10.0.0.0/8 6 65535 0", "10.0.0.0/8 6"), "10.0.0.0/8[tcp/OPAQUE]");
    CHECK_STR(narrowed("10.0.0.0/8 6 65535 0", "10.0.0.0/8 6 65535 0"), "10.0.0.0/8[tcp/OPAQUE]");
    CHECK_STR(narrowed("10.0.0.0/8 6 65535 0", "10.0.0.0/8 6 0 65534"), "nothing");
    CHECK_STR(narrowed("10.0.0.0/8 6 80 80", "10.0.0.0/8 6 65535 0"), "nothing");
}

static void initiators_first_choice_comes_first(void **state)
{
    (void)state;
    // the packet that triggered the SA, then the networks (RFC 7296 2.9)
    CHECK_STR(narrowed("10.1.0.43..10.1.0.50,10.9.0.0/16", "10.9.1.1/32 6 80 80,10.1.0.0/16"),
              "10.9.1.1/32[tcp/80] 10.1.0.43..10.1.0.50");
}

static void what_others_contain_is_left_out(void **state)
{
    (void)state;
    CHECK_STR(narrowed("10.0.0.0/8", "10.1.1.1/32 6 80 80,10.1.0.0/16"), "10.1.0.0/16");
    CHECK_STR(narrowed("10.0.0.0/8", "10.1.0.0/16,10.1.1.1/32"), "10.1.0.0/16");
    CHECK_STR(narrowed("10.0.0.0/8,10.0.0.0/8", "10.1.0.0/16,10.1.0.0/16"), "10.1.0.0/16");
    CHECK_STR(narrowed("10.0.0.0/8", "10.1.1.1/32 6,10.1.1.1/32 17"),
              "10.1.1.1/32[tcp] 10.1.1.1/32[udp]");
}

static void lists_have_strongswans_order(void **state)
{
    (void)state;
    char text[512];
    struct ts_list l =
        list_of("fd00::/16,224.0.0.0/4,10.1.255.255/32,10.1.0.0/16 17 0 65535,10.1.0.129/32,"
                "10.1.0.0/24,10.1.0.0/16 6 443 443,10.1.0.0/16 6 80 80,10.1.0.0/16 6 80 99");
    ts_sort(&l);
    CHECK_STR(ts_show(&l, text, sizeof text),
              "10.1.0.0/16[tcp/80-99] 10.1.0.0/16[tcp/80] 10.1.0.0/16[tcp/443] 10.1.0.0/16[udp] "
              "10.1.0.0/24 10.1.0.129/32 10.1.255.255/32 224.0.0.0/4 fd00::/16");
}

static void many_by_many_stays_within_the_limit(void **state)
{
    (void)state;
    struct ts_list ours = {.n = TS_MAX}, theirs = {.n = TS_MAX}, both;
    for (unsigned i = 0; i < TS_MAX; i++) {
        ours.ts[i] = ts_of("10.0.0.0/8 6");
        theirs.ts[i] = ts_of("10.0.0.0/8 6");
        ours.ts[i].port_lo = (uint16_t)(i * 1000); // overlapping windows of ports: 64 x 64 pieces
        ours.ts[i].port_hi = (uint16_t)(i * 1000 + 900);
        theirs.ts[i].lo.b[3] = (uint8_t)i;
        theirs.ts[i].hi.b[1] = (uint8_t)i;
    }
    CHECK_OK(ts_narrow(&ours, &theirs, &both));
    CHECK_EQ(both.n, TS_MAX);
    CHECK(ts_subset(&both, &theirs));
}

static bool within(const char *inner, const char *outer)
{
    struct ts_list a = list_of(inner), b = list_of(outer);
    return ts_subset(&a, &b);
}

static void subsets(void **state)
{
    (void)state;
    CHECK(within("10.1.0.0/16", "10.0.0.0/8"));
    CHECK(!within("10.0.0.0/8", "10.1.0.0/16"));
    CHECK(within("10.1.0.0/16 6 80 80", "10.1.0.0/16"));
    CHECK(!within("10.1.0.0/16", "10.1.0.0/16 6"));
    CHECK(within("10.1.0.0/16 6 65535 0", "10.1.0.0/16 6"));
    CHECK(!within("10.1.0.0/16 6", "10.1.0.0/16 6 65535 0"));
    CHECK(!within("10.1.0.0/16,fec0::/64", "10.0.0.0/8"));
    // several selectors side by side cover one
    CHECK(within("10.0.0.0/23", "10.0.1.0/24,10.0.0.0/24"));
    CHECK(within("10.0.0.0/23", "10.0.1.0..10.0.1.255,10.0.0.0..10.0.1.7"));
    CHECK(!within("10.0.0.0/23", "10.0.1.1..10.0.1.255,10.0.0.0/24"));
    CHECK(!within("10.0.0.0/22", "10.0.1.0/24,10.0.0.0/24"));
    CHECK(within("255.255.255.0/24", "255.255.255.0/25,255.255.255.128/25"));
    CHECK(within("0.0.0.0/0", "0.0.0.0/1,128.0.0.0/1"));
}

static void text_is_cut_not_overrun(void **state)
{
    (void)state;
    struct ts_list l = list_of("10.1.0.0/16,10.2.0.0/16 6 80 80");
    char buf[64];
    CHECK_STR(ts_show(&l, buf, sizeof buf), "10.1.0.0/16 10.2.0.0/16[tcp/80]");
    for (size_t cap = 1; cap < 32; cap++) {
        char *exact = malloc(cap);
        assert_non_null(exact);
        CHECK_EQ(strlen(ts_show(&l, exact, cap)), cap - 1);
        free(exact);
    }
}

static void text_of_protocols(void **state)
{
    (void)state;
    static const struct {
        const char *ts, *want;
    } cases[] = {
        {"10.0.0.1/32 0 0 65535", "10.0.0.1/32"},
        {"10.0.0.1/32 17", "10.0.0.1/32[udp]"},
        {"10.0.0.1/32 47", "10.0.0.1/32[47]"},
        {"10.0.0.1/32 132 9 9", "10.0.0.1/32[sctp/9]"},
        {"fec0::1/128 58 34560 34815", "fec0::1/128[ipv6-icmp/135]"},
        {"10.0.0.1/32 1 2048 3583", "10.0.0.1/32[icmp/8-13]"},
        {"10.0.0.1/32 1 769 772", "10.0.0.1/32[icmp/3(1)-3(4)]"},
        {"10.0.0.1..10.0.0.9", "10.0.0.1..10.0.0.9"},
        {"10.0.0.1/32 0 80 80", "10.0.0.1/32[0/80]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ts_list l = list_of(cases[i].ts);
        char buf[64];
        CHECK_STR(ts_show(&l, buf, sizeof buf), cases[i].want);
    }
}

static void ports_have_names_where_swanctl_shows_them(void **state)
{
    (void)state;
    if (!getservbyname("ssh", "tcp")) skip(); // no /etc/services
    struct ts_list l = list_of("10.0.0.1/32 6 22 22,10.0.0.1/32 6 22 23,10.0.0.1/32 132 22 22");
    char buf[128];
    CHECK_STR(ts_show_services(&l, buf, sizeof buf),
              "10.0.0.1/32[tcp/ssh] 10.0.0.1/32[tcp/22-23] 10.0.0.1/32[sctp/22]");
    l = list_of("10.0.0.1/32 17 59999 59999,10.0.0.1/32 1 2048 2048");
    CHECK_STR(ts_show_services(&l, buf, sizeof buf), "10.0.0.1/32[udp/59999] 10.0.0.1/32[icmp/8]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_families_round_trip),
        cmocka_unit_test(unknown_type_is_skipped),
        cmocka_unit_test(labels),
        cmocka_unit_test(malformed_payloads),
        cmocka_unit_test(too_many_selectors),
        cmocka_unit_test(narrowing_of_addresses),
        cmocka_unit_test(narrowing_of_protocols_and_ports),
        cmocka_unit_test(opaque_ports),
        cmocka_unit_test(initiators_first_choice_comes_first),
        cmocka_unit_test(what_others_contain_is_left_out),
        cmocka_unit_test(lists_have_strongswans_order),
        cmocka_unit_test(many_by_many_stays_within_the_limit),
        cmocka_unit_test(subsets),
        cmocka_unit_test(text_is_cut_not_overrun),
        cmocka_unit_test(text_of_protocols),
        cmocka_unit_test(ports_have_names_where_swanctl_shows_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
