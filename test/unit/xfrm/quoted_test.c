// ICMP errors by the packet that they quote: whose flow they belong to, and that nothing is read
// that is not there.
#include "test/unit/xfrm/rig.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/quoted.h"
#include "xfrm/path/stages.h"

#define ROOM 256
#define UNREACHABLE 3
#define TOO_BIG6 2

// An ICMP message from `router` that quotes the first n bytes of a packet; returns its length.
static uint32_t complaint(uint8_t *buf, const char *router, const char *to, uint8_t type,
                          const uint8_t *quote, uint32_t n)
{
    ip_t src = rig_ip(router), dst = rig_ip(to);
    bool v6 = src.family == AF_INET6;
    uint32_t head = v6 ? 40 : 20;
    memset(buf, 0, head + 8);
    buf[0] = v6 ? 0x60 : 0x45;
    put16(buf + (v6 ? 4 : 2), (uint16_t)((v6 ? 0 : head) + 8 + n));
    buf[v6 ? 6 : 9] = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    buf[v6 ? 7 : 8] = 64;
    memcpy(buf + (v6 ? 8 : 12), src.b, v6 ? 16 : 4);
    memcpy(buf + (v6 ? 24 : 16), dst.b, v6 ? 16 : 4);
    buf[head] = type;
    memcpy(buf + head + 8, quote, n);
    return head + 8 + n;
}

// In memory of exactly this size, so that the sanitizer sees an overrun by one.
static bool reply_to(const uint8_t *at, uint32_t len, struct flow *out)
{
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, at, len);
    struct pkt p = {.at = exact, .len = len};
    bool good = flow_read(&p) && quoted_reply(&p, out);
    free(exact);
    return good;
}

static void expect(const struct flow *f, const char *src, const char *dst, uint16_t sport,
                   uint16_t dport)
{
    ip_t a = rig_ip(src), b = rig_ip(dst);
    CHECK(ip_eq(&f->src, &a) && ip_eq(&f->dst, &b));
    CHECK_EQ(f->sport, sport);
    CHECK_EQ(f->dport, dport);
}

static void the_reply_to_what_is_quoted(void **state)
{
    (void)state;
    uint8_t inner[ROOM], error[ROOM];
    struct flow f;
    rig_udp(inner, "10.1.0.1", "10.2.0.2", 1000, 53, 20);
    uint32_t n = complaint(error, "192.0.2.9", "10.1.0.1", UNREACHABLE, inner, 28);
    CHECK(reply_to(error, n, &f));
    expect(&f, "10.2.0.2", "10.1.0.1", 53, 1000);
    CHECK_EQ(f.proto, IPPROTO_UDP);
    rig_udp(inner, "fd01::1", "fd02::2", 1000, 53, 20);
    n = complaint(error, "2001:db8::9", "fd01::1", TOO_BIG6, inner, 48);
    CHECK(reply_to(error, n, &f));
    expect(&f, "fd02::2", "fd01::1", 53, 1000);
}

// The quote may be cut anywhere; without its ports it says too little.
static void a_quote_may_be_short(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        uint8_t inner[ROOM], error[ROOM];
        struct flow f;
        uint32_t len =
            rig_udp(inner, v6 ? "fd01::1" : "10.1.0.1", v6 ? "fd02::2" : "10.2.0.2", 1000, 53, 20);
        uint32_t enough = (v6 ? 40 : 20) + 4;
        for (uint32_t n = 0; n <= len; n++) {
            uint32_t whole = complaint(error, v6 ? "2001:db8::9" : "192.0.2.9",
                                       v6 ? "fd01::1" : "10.1.0.1", v6 ? 1 : UNREACHABLE, inner, n);
            CHECK_EQ(reply_to(error, whole, &f), n >= enough);
        }
    }
}

static void only_errors_and_only_to_its_sender(void **state)
{
    (void)state;
    uint8_t inner[ROOM], error[ROOM];
    struct flow f;
    rig_udp(inner, "10.1.0.1", "10.2.0.2", 1000, 53, 20);
    for (unsigned type = 0; type < 256; type++) {
        uint32_t n = complaint(error, "192.0.2.9", "10.1.0.1", (uint8_t)type, inner, 28);
        CHECK_EQ(reply_to(error, n, &f), type == 3 || type == 11 || type == 12);
    }
    // Somebody else's, told to us: not ours.
    uint32_t n = complaint(error, "192.0.2.9", "10.1.0.7", UNREACHABLE, inner, 28);
    CHECK(!reply_to(error, n, &f));
    // One piece of many may quote what it likes.
    n = complaint(error, "192.0.2.9", "10.1.0.1", UNREACHABLE, inner, 28);
    put16(error + 6, 5);
    CHECK(!reply_to(error, n, &f));
    rig_udp(inner, "fd01::1", "fd02::2", 1000, 53, 20);
    for (unsigned type = 0; type < 256; type++) {
        n = complaint(error, "2001:db8::9", "fd01::1", (uint8_t)type, inner, 48);
        CHECK_EQ(reply_to(error, n, &f), type < 128);
    }
}

static void other_kinds_of_quotes(void **state)
{
    (void)state;
    uint8_t inner[ROOM], error[ROOM];
    struct flow f;
    // ESP has no ports that could be missing.
    rig_udp(inner, "10.1.0.1", "10.2.0.2", 1000, 53, 20);
    inner[9] = IPPROTO_ESP;
    uint32_t n = complaint(error, "192.0.2.9", "10.1.0.1", UNREACHABLE, inner, 20);
    CHECK(reply_to(error, n, &f));
    CHECK_EQ(f.proto, IPPROTO_ESP);
    // An echo keeps its type and code: they are not turned round.
    inner[9] = IPPROTO_ICMP;
    inner[20] = 8;
    inner[21] = 1;
    n = complaint(error, "192.0.2.9", "10.1.0.1", UNREACHABLE, inner, 22);
    CHECK(reply_to(error, n, &f));
    expect(&f, "10.2.0.2", "10.1.0.1", 8, 1);
    // A later piece has no ports, and none are made up.
    inner[9] = IPPROTO_UDP;
    put16(inner + 6, 100);
    n = complaint(error, "192.0.2.9", "10.1.0.1", UNREACHABLE, inner, 20);
    CHECK(reply_to(error, n, &f));
    CHECK(f.fragment);
    // A header longer than what is quoted; another family than the message's.
    put16(inner + 6, 0);
    inner[0] = 0x4f;
    n = complaint(error, "192.0.2.9", "10.1.0.1", UNREACHABLE, inner, 40);
    CHECK(!reply_to(error, n, &f));
    rig_udp(inner, "fd01::1", "fd02::2", 1000, 53, 20);
    n = complaint(error, "192.0.2.9", "10.1.0.1", UNREACHABLE, inner, 60);
    CHECK(!reply_to(error, n, &f));
}

// The policy of the flow takes it, if its user has said so.
static void a_policy_that_says_so_takes_it(void **state)
{
    (void)state;
    uint8_t inner[ROOM], error[ROOM];
    for (unsigned says = 0; says < 2; says++) {
        struct rig *r = rig_new();
        struct xfrm_policy policy =
            rig_policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16", "192.0.2.2", "192.0.2.1");
        if (says) policy.flags |= XFRM_POLICY_ICMP;
        rig_add_policy(r, &policy);
        rig_udp(inner, "10.1.0.1", "10.2.0.2", 1000, 53, 20);
        uint32_t n = complaint(error, "192.0.2.9", "10.1.0.1", UNREACHABLE, inner, 28);
        struct pkt p = {.at = error, .len = n};
        CHECK(flow_read(&p));
        CHECK_EQ(quoted_policy(&r->w, XFRM_IN, &p, p.mark) != NULL, says == 1);
        CHECK(quoted_policy(&r->w, XFRM_OUT, &p, p.mark) == NULL);
        // About a flow that it does not take.
        rig_udp(inner, "10.1.0.1", "10.3.0.2", 1000, 53, 20);
        n = complaint(error, "192.0.2.9", "10.1.0.1", UNREACHABLE, inner, 28);
        p = (struct pkt){.at = error, .len = n};
        CHECK(flow_read(&p));
        CHECK(quoted_policy(&r->w, XFRM_IN, &p, p.mark) == NULL);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reply_to_what_is_quoted),
        cmocka_unit_test(a_quote_may_be_short),
        cmocka_unit_test(only_errors_and_only_to_its_sender),
        cmocka_unit_test(other_kinds_of_quotes),
        cmocka_unit_test(a_policy_that_says_so_takes_it),
    };
    return cmocka_run_group_tests_name("xfrm/quoted", tests, NULL, NULL);
}
