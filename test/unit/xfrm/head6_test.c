// IPv6 heads put together from control messages, as a raw socket gives them.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "test/unit/xfrm/rig.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/port/head6.h"

struct message {
    struct msghdr h;
    _Alignas(struct cmsghdr) uint8_t control[4096];
};

static void add(struct message *m, int type, const uint8_t *at, size_t n)
{
    struct cmsghdr c = {.cmsg_len = CMSG_LEN(n), .cmsg_level = IPPROTO_IPV6, .cmsg_type = type};
    uint8_t *to = m->control + m->h.msg_controllen;
    assert_true(m->h.msg_controllen + CMSG_SPACE(n) <= sizeof m->control);
    memcpy(to, &c, sizeof c);
    memcpy(to + CMSG_LEN(0), at, n);
    m->h.msg_control = m->control;
    m->h.msg_controllen += CMSG_SPACE(n);
}

static struct pkt *received(struct pool *pool)
{
    struct pkt *p = pool_take(pool);
    assert_non_null(p);
    p->at += IP_HEAD_MAX;
    memset(p->at, 0xaa, 100);
    p->len = 100;
    p->from.ip = rig_ip("2001:db8::1");
    p->to.ip = rig_ip("2001:db8::2");
    p->outer_tos = 0x2e;
    return p;
}

static const uint8_t hop[8] = {60, 0, 0x1e, 4, 1, 2, 3, 4};
static const uint8_t first[16] = {43, 1, 0x1e, 12};
static const uint8_t route[24] = {60, 2, 0, 0};
static const uint8_t last[8] = {51, 0, 1, 4};

static void all_headers_in_their_order(void **state)
{
    (void)state;
    struct pool *pool = pool_new(1);
    struct pkt *p = received(pool);
    struct message m = {0};
    const int class = 7;
    add(&m, IPV6_TCLASS, (const uint8_t *)&class, sizeof class); // others may stand between them
    add(&m, IPV6_HOPOPTS, hop, sizeof hop);
    add(&m, IPV6_DSTOPTS, first, sizeof first);
    add(&m, IPV6_RTHDR, route, sizeof route);
    add(&m, IPV6_DSTOPTS, last, sizeof last);
    head6_restore(&m.h, p, IPPROTO_AH);
    CHECK_EQ(p->len, 100);
    CHECK_EQ(p->head_len, 40 + 56);
    CHECK(p->head + p->head_len == p->at);
    CHECK_EQ(p->head[6], 0);
    CHECK_EQ(get16(p->head + 4), 56 + 100);
    CHECK_EQ(ip_head_tos(p->head), 0x2e);
    ip_t src = ip_head_src(p->head), dst = ip_head_dst(p->head);
    CHECK(ip_eq(&src, &p->from.ip));
    CHECK(ip_eq(&dst, &p->to.ip));
    assert_memory_equal(p->head + 40, hop, 8);
    assert_memory_equal(p->head + 48, first, 16);
    assert_memory_equal(p->head + 64, route, 24);
    assert_memory_equal(p->head + 88, last, 8);
    pool_give(pool, p);
    pool_free(pool);
}

static void none_is_left_where_there_was_none(void **state)
{
    (void)state;
    struct pool *pool = pool_new(1);
    struct pkt *p = received(pool);
    struct message m = {0};
    head6_restore(&m.h, p, IPPROTO_AH);
    CHECK(p->head == NULL);
    CHECK_EQ(p->len, 100);
    pool_give(pool, p);
    pool_free(pool);
}

static void malformed(struct message *m, uint8_t protocol)
{
    struct pool *pool = pool_new(1);
    struct pkt *p = received(pool);
    head6_restore(&m->h, p, protocol);
    CHECK_EQ(p->len, 0);
    pool_give(pool, p);
    pool_free(pool);
}

static void heads_that_do_not_hold_together(void **state)
{
    (void)state;
    struct message m = {0};
    add(&m, IPV6_DSTOPTS, last, sizeof last);
    malformed(&m, IPPROTO_ESP); // ends with AH
    struct message order = {0};
    add(&order, IPV6_DSTOPTS, last, sizeof last);
    add(&order, IPV6_HOPOPTS, hop, sizeof hop);
    malformed(&order, IPPROTO_AH);
    struct message missing = {0};
    add(&missing, IPV6_HOPOPTS, hop, sizeof hop);
    malformed(&missing, IPPROTO_AH);
    uint8_t lying[8] = {51, 9, 1, 4}; // longer than it is
    struct message longer = {0};
    add(&longer, IPV6_DSTOPTS, lying, sizeof lying);
    malformed(&longer, IPPROTO_AH);
    struct message cut = {.h.msg_flags = MSG_CTRUNC};
    add(&cut, IPV6_DSTOPTS, last, sizeof last);
    malformed(&cut, IPPROTO_AH);
    uint8_t large[IP_HEAD_MAX - IP6_HEADER + 8] = {51, (sizeof large / 8) - 1, 1, sizeof large - 4};
    struct message too_long = {0};
    add(&too_long, IPV6_DSTOPTS, large, sizeof large);
    malformed(&too_long, IPPROTO_AH);
    struct message many = {0};
    for (unsigned i = 0; i < IP6_EXTENSIONS_MAX + 1; i++) {
        const uint8_t more[8] = {i == IP6_EXTENSIONS_MAX ? 51 : 60, 0, 1, 4};
        add(&many, IPV6_DSTOPTS, more, sizeof more);
    }
    malformed(&many, IPPROTO_AH);
}

static void the_longest_that_is_taken(void **state)
{
    (void)state;
    struct pool *pool = pool_new(1);
    struct pkt *p = received(pool);
    uint8_t large[IP_HEAD_MAX - IP6_HEADER] = {51, (sizeof large / 8) - 1, 1, sizeof large - 4};
    struct message m = {0};
    add(&m, IPV6_DSTOPTS, large, sizeof large);
    head6_restore(&m.h, p, IPPROTO_AH);
    CHECK_EQ(p->head_len, IP_HEAD_MAX);
    CHECK_EQ(p->len, 100);
    pool_give(pool, p);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_headers_in_their_order),
        cmocka_unit_test(none_is_left_where_there_was_none),
        cmocka_unit_test(heads_that_do_not_hold_together),
        cmocka_unit_test(the_longest_that_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
