#include "base/addr.h"

#include <netinet/in.h>
#include <string.h>

#include "test/check.h"

static ip_t ip(const char *s)
{
    ip_t a;
    CHECK_OK(ip_parse(s, &a));
    return a;
}

static void text_and_back(void **state)
{
    (void)state;
    static const char *const good[] = {"0.0.0.0", "192.0.2.255", "::", "2001:db8::1", "fe80::1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char buf[IP_TEXT_MAX];
        ip_t a = ip(good[i]);
        CHECK_STR(ip_show(&a, buf), good[i]);
    }
    static const char *const bad[] = {"",    "1.2.3", "1.2.3.4.5", "256.0.0.1",
                                      ":::", "moon",  "1.2.3.4/8"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ip_t a;
        CHECK_EQ(ip_parse(bad[i], &a), ERR_SYNTAX);
    }
}

static void prefixes(void **state)
{
    (void)state;
    prefix_t p;
    char buf[PREFIX_TEXT_MAX];
    CHECK_OK(prefix_parse("10.1.0.0/16", &p));
    CHECK_STR(prefix_show(&p, buf), "10.1.0.0/16");
    ip_t in = ip("10.1.255.255"), out = ip("10.2.0.0"), v6 = ip("a01::");
    CHECK(prefix_has(&p, &in));
    CHECK(!prefix_has(&p, &out));
    CHECK(!prefix_has(&p, &v6));
    CHECK_OK(prefix_parse("2001:db8::/33", &p));
    in = ip("2001:db8:7fff::");
    out = ip("2001:db8:8000::");
    CHECK(prefix_has(&p, &in));
    CHECK(!prefix_has(&p, &out));
    CHECK_EQ(prefix_parse("10.0.0.0/33", &p), ERR_RANGE);
    CHECK_EQ(prefix_parse("10.0.0.0/", &p), ERR_SYNTAX);
    CHECK_EQ(prefix_parse("10.0.0.0/-1", &p), ERR_SYNTAX);
    CHECK_EQ(prefix_parse("10.0.0.0/8x", &p), ERR_SYNTAX);
}

static void ranges(void **state)
{
    (void)state;
    prefix_t p;
    ip_t lo = ip("10.1.0.0"), hi = ip("10.1.255.255"), odd = ip("10.1.255.254");
    CHECK(prefix_from_range(&lo, &hi, &p));
    CHECK_EQ(p.len, 16);
    CHECK(!prefix_from_range(&lo, &odd, &p));
    ip_t first, last;
    prefix_range(&(prefix_t){ip("10.1.2.3"), 16}, &first, &last);
    CHECK(ip_eq(&first, &lo));
    CHECK(ip_eq(&last, &hi));
    lo = hi = ip("::1");
    CHECK(prefix_from_range(&lo, &hi, &p));
    CHECK_EQ(p.len, 128);
    lo = ip("0.0.0.0");
    hi = ip("255.255.255.255");
    CHECK(prefix_from_range(&lo, &hi, &p));
    CHECK_EQ(p.len, 0);
}

static void sockaddr_and_back(void **state)
{
    (void)state;
    static const char *const both[] = {"192.0.2.1", "2001:db8::7"};
    for (int i = 0; i < 2; i++) {
        endpoint_t e = {ip(both[i]), 4500}, back;
        struct sockaddr_storage ss;
        CHECK_OK(endpoint_from_sockaddr(&ss, endpoint_to_sockaddr(&e, &ss), &back));
        CHECK(endpoint_eq(&e, &back));
        CHECK_EQ(endpoint_from_sockaddr(&ss, 4, &back), ERR_SYNTAX);
    }
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(500)};
    static const uint8_t bytes[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
    memcpy(&mapped.sin6_addr, bytes, 16);
    endpoint_t e;
    char buf[ENDPOINT_TEXT_MAX];
    CHECK_OK(endpoint_from_sockaddr(&mapped, sizeof mapped, &e));
    CHECK_STR(endpoint_show(&e, buf), "192.0.2.1:500");
    e.ip = ip("::1");
    CHECK_STR(endpoint_show(&e, buf), "[::1]:500");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_back),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(ranges),
        cmocka_unit_test(sockaddr_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
