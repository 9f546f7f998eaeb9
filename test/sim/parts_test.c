// The parts of an IKE SA on their own: Message IDs, tasks, timers, selectors, cookies, pauses.
#include <stdlib.h>
#include <string.h>

#include "ike/exchange/cookie.h"
#include "ike/exchange/step.h"
#include "ike/sa/due.h"
#include "ike/sa/dynamic.h"
#include "ike/sa/later.h"
#include "ike/sa/queue.h"
#include "ike/sa/selector.h"
#include "ike/sa/window.h"
#include "test/sim/sim.h"

// ---- window ----

static void message_ids(void **state)
{
    struct window w = {0};
    (void)state;
    CHECK_EQ(window_request(&w, 0), WINDOW_NEW);
    CHECK_EQ(window_request(&w, 1), WINDOW_OUTSIDE);
    CHECK_OK(window_reply(&w, 0, span_str("first")));
    CHECK_EQ(window_request(&w, 0), WINDOW_AGAIN);
    CHECK(span_eq(window_reply_to(&w, 0), span_str("first")));
    CHECK_OK(window_reply(&w, 1, span_str("second")));
    CHECK_EQ(window_request(&w, 0), WINDOW_OUTSIDE); // nobody repeats it any more
    CHECK_EQ(window_request(&w, 1), WINDOW_AGAIN);
    CHECK_EQ(window_request(&w, 2), WINDOW_NEW);

    CHECK(!window_awaits(&w, 0));
    CHECK_OK(window_sent(&w, span_str("question")));
    CHECK(!window_may_send(&w));
    CHECK(window_awaits(&w, 0) && !window_awaits(&w, 1));
    CHECK(span_eq(window_last_request(&w), span_str("question")));
    window_answered(&w, 0);
    CHECK(window_may_send(&w) && !window_awaits(&w, 0));
    CHECK_EQ(window_last_request(&w).len, 0);
    window_done(&w);
}

static void message_ids_never_wrap(void **state)
{
    struct window w = {.send = UINT32_MAX, .recv = UINT32_MAX};
    (void)state;
    CHECK(!window_may_send(&w));
    CHECK_EQ(window_request(&w, UINT32_MAX), WINDOW_OUTSIDE);
    CHECK_EQ(window_request(&w, 0), WINDOW_OUTSIDE);
}

// ---- queue, nonces ----

static void tasks_in_order(void **state)
{
    struct queue q = {0};
    struct task *a = task_new(TASK_PROBE), *b = task_new(TASK_CHILD), *c = task_new(TASK_PROBE);
    (void)state;
    b->not_before = 100;
    CHECK_OK(queue_push(&q, a));
    CHECK_OK(queue_push(&q, b));
    queue_push_front(&q, c);
    CHECK(queue_take(&q, 50, 1U << TASK_CHILD) == NULL); // not yet
    CHECK_EQ(queue_due(&q, 1U << TASK_CHILD), 100);
    CHECK(queue_take(&q, 50, UINT32_MAX) == c);
    CHECK(queue_take(&q, 100, 1U << TASK_CHILD) == b);
    CHECK(queue_find(&q, TASK_PROBE, 0) == a);
    queue_drop(&q, a);
    CHECK_EQ(q.n, 0);
    while (q.n < QUEUE_MAX) CHECK_OK(queue_push(&q, task_new(TASK_PROBE)));
    CHECK_EQ(queue_push(&q, a), ERR_LIMIT);
    while (q.first) task_free(queue_take(&q, 0, UINT32_MAX));
    task_free(a);
    task_free(b);
    task_free(c);
}

// RFC 7296 2.8.1: octet by octet; one that ends first is the lower one.
static void lower_nonce(void **state)
{
    struct nonce a, b;
    uint8_t bytes[40] = {1, 2, 3};
    (void)state;
    CHECK_OK(nonce_take(&a, span(bytes, 32)));
    CHECK_OK(nonce_take(&b, span(bytes, 40)));
    CHECK(nonce_lower(&a, &b) == &a && nonce_lower(&b, &a) == &a);
    bytes[31] = 1;
    CHECK_OK(nonce_take(&a, span(bytes, 32)));
    CHECK(nonce_lower(&a, &b) == &b);
    CHECK_EQ(nonce_take(&a, span(bytes, 15)), ERR_SYNTAX);
}

// ---- due ----

static void timers_come_in_order(void **state)
{
    enum { N = 300 };
    struct due_heap h = {0};
    struct due d[N];
    (void)state;
    srandom(7);
    for (unsigned i = 0; i < N; i++) {
        d[i].at = (uint64_t)random() % 1000;
        CHECK_OK(due_add(&h, &d[i]));
    }
    for (unsigned i = 0; i < 1000; i++) {
        due_change(&h, &d[random() % N], (uint64_t)random() % 1000);
    }
    for (unsigned i = 0; i < N; i += 3) due_remove(&h, &d[i]);
    uint64_t last = 0;
    while (due_first(&h)) {
        CHECK(due_first(&h)->at >= last);
        last = due_first(&h)->at;
        due_remove(&h, due_first(&h));
    }
    due_done(&h);
}

// ---- selectors ----

static struct ts range(const char *lo, const char *hi)
{
    struct ts t = {.port_hi = 65535};
    CHECK_OK(ip_parse(lo, &t.lo));
    CHECK_OK(ip_parse(hi, &t.hi));
    return t;
}

static bool covered(const struct selectors *s, const ip_t *src, uint16_t port)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n; i++) {
        const struct xfrm_selector *x = &s->at[i];
        n += prefix_has(&x->src, src) && (port & x->sport_mask) == x->sport;
    }
    CHECK(n <= 1); // no piece twice
    return n;
}

// Ranges of addresses and ports become pieces that are exactly the range.
static void pieces_are_the_range(void **state)
{
    (void)state;
    srandom(11);
    for (unsigned round = 0; round < 300; round++) {
        struct ts_list src = {1, {range("10.0.0.0", "10.0.0.0")}}, dst = src;
        uint16_t a = (uint16_t)random(), b = (uint16_t)random();
        uint8_t lo = (uint8_t)random(), hi = (uint8_t)random();
        src.ts[0].proto = 6;
        src.ts[0].lo.b[3] = lo < hi ? lo : hi;
        src.ts[0].hi.b[3] = lo < hi ? hi : lo;
        src.ts[0].port_lo = a < b ? a : b;
        src.ts[0].port_hi = a < b ? b : a;
        struct selectors s;
        if (selectors_make(&src, &dst, &s) != ERR_OK) continue; // more pieces than allowed
        for (unsigned i = 0; i < 256; i++) {
            ip_t ip = src.ts[0].lo;
            uint16_t port = (uint16_t)random();
            ip.b[3] = (uint8_t)i;
            bool want = i >= src.ts[0].lo.b[3] && i <= src.ts[0].hi.b[3] &&
                        port >= src.ts[0].port_lo && port <= src.ts[0].port_hi;
            CHECK_EQ(covered(&s, &ip, port), want);
        }
    }
}

static void selectors_of_all_kinds(void **state)
{
    struct selectors s;
    struct ts_list any = {1, {range("0.0.0.0", "255.255.255.255")}};
    struct ts_list any6 = {1, {range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}};
    struct ts_list odd = {1, {range("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")}};
    (void)state;
    CHECK_OK(selectors_make(&any, &any, &s));
    CHECK_EQ(s.n, 1);
    CHECK_EQ(s.at[0].src.len, 0);
    CHECK_EQ(selectors_make(&any, &any6, &s), ERR_NOCHOICE); // no family in common
    CHECK_OK(selectors_make(&any6, &any6, &s));
    CHECK_EQ(selectors_make(&odd, &odd, &s), ERR_LIMIT);
    any.ts[0].proto = 1; // ICMP: echo request only
    any.ts[0].port_lo = 0x0800;
    any.ts[0].port_hi = 0x08ff;
    CHECK_OK(selectors_make(&any, &any, &s));
    CHECK_EQ(s.n, 1);
    CHECK_EQ(s.at[0].sport, 8);
    CHECK_EQ(s.at[0].sport_mask, 0xffff);
    CHECK_EQ(s.at[0].dport_mask, 0);
    any.ts[0].port_lo = 65535; // OPAQUE is nothing that a selector can say
    any.ts[0].port_hi = 0;
    CHECK_EQ(selectors_make(&any, &any, &s), ERR_NOCHOICE);
}

static void dynamic_means_our_address(void **state)
{
    struct conf_ts conf[] = {{.dynamic = true, .port_hi = 65535, .proto = 17}};
    struct ts_list l;
    ip_t ip;
    (void)state;
    CHECK_OK(ip_parse("192.0.2.7", &ip));
    dynamic_ts(conf, 1, &ip, &l);
    CHECK_EQ(l.n, 1);
    CHECK(ip_eq(&l.ts[0].lo, &ip) && ip_eq(&l.ts[0].hi, &ip));
    CHECK_EQ(l.ts[0].proto, 17);
    dynamic_ts(conf, 1, &(ip_t){0}, &l); // a shunt: everybody
    CHECK_EQ(l.n, 2);
}

// ---- cookies ----

static void cookies_age(void **state)
{
    struct sim *s = sim_new(1);
    const struct env *env = &s->node[BOB].env;
    struct cookies c = {0};
    uint8_t cookie[COOKIE_LEN], nonce[32] = {1};
    struct cookie_claim claim = {SPAN(nonce), s->node[ALICE].ip, 7};
    (void)state;
    CHECK_OK(cookie_make(&c, env, &claim, cookie));
    CHECK_OK(cookie_check(&c, env, &claim, SPAN(cookie)));
    struct cookie_claim other = claim;
    other.spi_i = 8;
    CHECK_EQ(cookie_check(&c, env, &other, SPAN(cookie)), ERR_AUTH);
    other = claim;
    other.ip = s->node[CAROL].ip;
    CHECK_EQ(cookie_check(&c, env, &other, SPAN(cookie)), ERR_AUTH);
    nonce[0] = 2;
    CHECK_EQ(cookie_check(&c, env, &claim, SPAN(cookie)), ERR_AUTH);
    nonce[0] = 1;
    CHECK_EQ(cookie_check(&c, env, &claim, span(cookie, 32)), ERR_AUTH);
    s->now += 70 * SECOND; // the secret before is still good
    CHECK_OK(cookie_check(&c, env, &claim, SPAN(cookie)));
    s->now += 70 * SECOND;
    CHECK_EQ(cookie_check(&c, env, &claim, SPAN(cookie)), ERR_AUTH);
    sim_free(s);
}

// ---- later ----

static void pauses_grow(void **state)
{
    struct later l = {0};
    const char *conn, *child;
    uint64_t now = 1000 * SECOND, waited[12];
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        later_plan(&l, "net", "a", now, 0);
        later_plan(&l, "net", "a", now, 0); // is planned
        uint64_t due = later_due(&l);
        waited[i] = due - now;
        CHECK_EQ(due > now ? later_take(&l, due - 1, &conn, &child) : ERR_AGAIN, ERR_AGAIN);
        now = due;
        CHECK_OK(later_take(&l, now, &conn, &child));
        CHECK_STR(child, "a");
        CHECK_EQ(later_take(&l, now, &conn, &child), ERR_AGAIN);
    }
    CHECK_EQ(waited[0], 0);
    CHECK_EQ(waited[1], SECOND);
    CHECK_EQ(waited[4], 8 * SECOND);
    CHECK_EQ(waited[11], 300 * SECOND);
    later_plan(&l, "net", "a", now + 2000 * SECOND, 0); // after a quiet while as at first
    CHECK_EQ(later_due(&l), now + 2000 * SECOND);
    later_cancel(&l, "net", NULL);
    CHECK_EQ(later_due(&l), UINT64_MAX);
    later_done(&l);
}

// ---- the table of steps ----

static void every_question_has_its_story(void **state)
{
    (void)state;
    for (unsigned k = TASK_NONE + 1; k < TASK_KINDS; k++) {
        const struct question *q = step_question((enum task_kind)k);
        CHECK(q->says && q->build && q->in && q->exchange);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_ids),
        cmocka_unit_test(message_ids_never_wrap),
        cmocka_unit_test(tasks_in_order),
        cmocka_unit_test(lower_nonce),
        cmocka_unit_test(timers_come_in_order),
        cmocka_unit_test(pieces_are_the_range),
        cmocka_unit_test(selectors_of_all_kinds),
        cmocka_unit_test(dynamic_means_our_address),
        cmocka_unit_test(cookies_age),
        cmocka_unit_test(pauses_grow),
        cmocka_unit_test(every_question_has_its_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
