// Who is asked, how often, and whom it believes: a client with three servers, a clock that moves on
// command, and a network that is this test.
#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "base/text.h"
#include "crypto/alg.h"
#include "crypto/old.h"
#include "crypto/prf.h"
#include "radius/client.h"
#include "test/check.h"

#define SECRET "gv6URkSs"
#define SENT_MAX 600

static struct world {
    uint64_t now;
    unsigned sent, ended;
    struct {
        unsigned lane;
        size_t len;
        uint8_t bytes[300];
    } last[SENT_MAX];
    struct text told;
} world;

static uint64_t env_now(void *ctx)
{
    (void)ctx;
    return world.now;
}

static void env_random(void *ctx, void *out, size_t n)
{
    static uint8_t next;
    (void)ctx;
    for (size_t i = 0; i < n; i++) ((uint8_t *)out)[i] = next++;
}

static void env_send(void *ctx, unsigned lane, span_t bytes)
{
    (void)ctx;
    CHECK(world.sent < SENT_MAX && bytes.len <= sizeof world.last[0].bytes);
    world.last[world.sent].lane = lane;
    world.last[world.sent].len = bytes.len;
    memcpy(world.last[world.sent++].bytes, bytes.at, bytes.len);
}

static void env_tell(void *ctx, enum log_level level, const char *sentence)
{
    (void)ctx, (void)level;
    text_add(&world.told, "%s\n", sentence);
}

static void done(struct radius_query *q)
{
    (void)q;
    world.ended++;
}

// Servers in the order of the file: low, high, and one like the first.
static struct radius_client *client_of(uint32_t tries, double base)
{
    const struct radius_env env = {
        .now = env_now, .random = env_random, .send = env_send, .tell = env_tell};
    static struct radius_conf conf;
    conf = (struct radius_conf){.server_n = 3};
    for (unsigned i = 0; i < 3; i++) {
        struct radius_server *s = &conf.server[i];
        *s = (struct radius_server){.auth_port = 1812,
                                    .acct_port = 1813,
                                    .nas_identifier = "moon",
                                    .sockets = i == 1 ? 2 : 1,
                                    .preference = i == 1 ? 5 : 0,
                                    .tries = tries,
                                    .timeout_s = 2,
                                    .base = base,
                                    .secret_len = sizeof SECRET - 1};
        s->name[0] = (char)('a' + i);
        s->ip = ip_from(AF_INET, (uint8_t[]){10, 0, 0, (uint8_t)(1 + i)});
        memcpy(s->secret, SECRET, s->secret_len);
    }
    text_done(&world.told);
    world = (struct world){.now = NSEC_PER_SEC};
    struct radius_client *c = radius_client_new(&conf, &env);
    CHECK(c);
    return c;
}

static struct radius_client *client(void)
{
    return client_of(2, 1.5);
}

static void question(struct radius_query *q)
{
    memset(q, 0, sizeof *q);
    wr_t w = wr_into(q->attrs, sizeof q->attrs);
    radius_put(&w, RADIUS_USER_NAME, span_str("carol"));
    q->attrs_len = (uint16_t)wr_len(&w);
    q->server = RADIUS_ANY_SERVER;
    q->done = done;
}

// What a server says to the nth packet; spoilt: one bit of it is another.
static size_t answer_to(unsigned n, uint8_t code, bool spoilt, uint8_t out[100])
{
    uint8_t *req = world.last[n].bytes;
    uint8_t head[] = {code, req[1], 0, 38, 80, 18};
    memset(out, 0, 100);
    memcpy(out, head, 4);
    memcpy(out + 4, req + 4, 16);
    memcpy(out + 20, head + 4, 2);
    const span_t all = span(out, 38);
    CHECK_OK(prf_do(PRF_HMAC_MD5, span_str(SECRET), &all, 1, out + 22));
    const span_t parts[] = {all, span_str(SECRET)};
    uint8_t sum[MD5_LEN];
    CHECK_OK(hash_md5(parts, 2, sum));
    memcpy(out + 4, sum, sizeof sum);
    out[30] ^= spoilt;
    return 38;
}

static void give(struct radius_client *c, unsigned n, uint8_t code, bool spoilt)
{
    uint8_t buf[100];
    size_t len = answer_to(n, code, spoilt, buf);
    radius_input(c, world.last[n].lane, span(buf, len));
}

static unsigned server_of(struct radius_client *c, unsigned n)
{
    endpoint_t e = radius_lane_to(c, world.last[n].lane);
    return e.ip.b[3];
}

static void the_preferred_one_is_asked(void **state)
{
    static struct radius_query q;
    struct radius_client *c = client();
    (void)state;
    question(&q);
    CHECK_OK(radius_ask(c, &q, NULL));
    CHECK_EQ(world.sent, 1);
    CHECK_EQ(server_of(c, 0), 2);
    CHECK(memmem(world.last[0].bytes, world.last[0].len, "\x20\x06moon", 6));
    CHECK_EQ(world.ended, 0);
    give(c, 0, RADIUS_ACCESS_CHALLENGE, false);
    CHECK_EQ(world.ended, 1);
    CHECK_EQ(q.err, ERR_OK);
    CHECK_EQ(q.server, 1);
    CHECK_EQ(q.reply.code, RADIUS_ACCESS_CHALLENGE);
    CHECK_EQ(radius_due(c), UINT64_MAX);
    radius_client_free(c);
}

// The same packet each time, later and later; then the next server, whose packet is its own.
static void silence_leads_to_the_next(void **state)
{
    static const unsigned servers[] = {2, 2, 1, 1, 3, 3, 3};
    static const double pauses[] = {2, 3, 2, 3, 2, 3, 4.5}; // others can be asked: half as often
    static struct radius_query q, again;
    struct radius_client *c = client();
    (void)state;
    question(&q);
    CHECK_OK(radius_ask(c, &q, NULL));
    for (unsigned i = 0; i < 7; i++) {
        CHECK_EQ(world.sent, i + 1);
        CHECK_EQ(server_of(c, i), servers[i]);
        if (i && servers[i] == servers[i - 1])
            assert_memory_equal(world.last[i].bytes, world.last[i - 1].bytes, 60);
        CHECK_EQ(radius_due(c), world.now + (uint64_t)(pauses[i] * (double)NSEC_PER_SEC));
        CHECK_EQ(world.ended, 0);
        world.now = radius_due(c);
        radius_tick(c);
    }
    CHECK_EQ(world.ended, 1);
    CHECK_EQ(q.err, ERR_TIMEOUT);
    CHECK(strstr(text_str(&world.told), "RADIUS server 'b' is not responding"));
    // Who was silent a moment ago is not the first any more; but all were, so preference counts.
    question(&again);
    CHECK_OK(radius_ask(c, &again, NULL));
    CHECK_EQ(server_of(c, 7), 2);
    give(c, 7, RADIUS_ACCESS_REJECT, false);
    CHECK_EQ(again.reply.code, RADIUS_ACCESS_REJECT);
    radius_client_free(c);
}

// With strongSwan's times two silent servers do not outlast the life of a half-open IKE SA, 30 s.
static void two_silent_ones_leave_time_for_a_third(void **state)
{
    static struct radius_query q;
    struct radius_client *c = client_of(4, 1.4);
    uint64_t begin = world.now;
    (void)state;
    question(&q);
    CHECK_OK(radius_ask(c, &q, NULL));
    while (server_of(c, world.sent - 1) != 3) {
        CHECK_EQ(world.ended, 0);
        world.now = radius_due(c);
        radius_tick(c);
    }
    CHECK(world.now - begin < 20 * NSEC_PER_SEC);
    give(c, world.sent - 1, RADIUS_ACCESS_ACCEPT, false);
    CHECK_EQ(q.err, ERR_OK);
    radius_client_free(c);
}

static void a_conversation_stays_where_it_is(void **state)
{
    static struct radius_query q, next;
    struct radius_client *c = client();
    (void)state;
    question(&q);
    q.server = 0;
    CHECK_OK(radius_ask(c, &q, NULL));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(server_of(c, i), 1);
        world.now = radius_due(c);
        radius_tick(c);
    }
    CHECK_EQ(world.sent, 3);
    CHECK_EQ(q.err, ERR_TIMEOUT);
    // Of those of equal preference, one that answers.
    question(&next);
    CHECK_OK(radius_ask(c, &next, NULL));
    CHECK_EQ(server_of(c, 3), 2);
    radius_client_free(c);
    CHECK_EQ(next.err, ERR_CLOSED);
    CHECK_EQ(world.ended, 2);
}

static void strangers_are_not_heard(void **state)
{
    static struct radius_query q;
    struct radius_client *c = client();
    uint8_t buf[100];
    (void)state;
    question(&q);
    CHECK_OK(radius_ask(c, &q, NULL));
    give(c, 0, RADIUS_ACCESS_ACCEPT, true);
    give(c, 0, RADIUS_ACCESS_ACCEPT, true);
    give(c, 0, RADIUS_ACCOUNTING_RESPONSE, false); // right, but no answer to this
    give(c, 0, RADIUS_ACCESS_REQUEST, false);
    size_t len = answer_to(0, RADIUS_ACCESS_ACCEPT, false, buf);
    radius_input(c, 4, span(buf, len)); // from another server
    buf[1]++;
    radius_input(c, world.last[0].lane, span(buf, len));
    radius_input(c, world.last[0].lane, span(buf, 3));
    CHECK_EQ(world.ended, 0);
    const char *said = strstr(text_str(&world.told), "not authentic");
    CHECK(said && !strstr(said + 1, "not authentic")); // once
    give(c, 0, RADIUS_ACCESS_ACCEPT, false);
    give(c, 0, RADIUS_ACCESS_ACCEPT, false); // twice
    CHECK_EQ(world.ended, 1);
    CHECK_EQ(q.err, ERR_OK);
    radius_client_free(c);
}

static void no_more_than_there_are_numbers(void **state)
{
    static struct radius_query q[513];
    struct radius_client *c = client();
    struct why why = {0};
    bool seen[8][256] = {0};
    (void)state;
    for (unsigned i = 0; i < 512; i++) { // two sockets
        question(&q[i]);
        CHECK_OK(radius_ask(c, &q[i], &why));
        CHECK(!seen[world.last[i].lane][world.last[i].bytes[1]]);
        seen[world.last[i].lane][world.last[i].bytes[1]] = true;
    }
    question(&q[512]);
    CHECK_EQ(radius_ask(c, &q[512], &why), ERR_LIMIT);
    CHECK(strstr(why.text, "asked too much"));
    give(c, 0, RADIUS_ACCESS_REJECT, false);
    CHECK_OK(radius_ask(c, &q[512], &why));
    radius_client_free(c);
    CHECK_EQ(world.ended, 513);
}

static void accounting_has_a_port_of_its_own(void **state)
{
    static struct radius_query q;
    struct radius_client *c = client();
    (void)state;
    question(&q);
    q.accounting = true;
    CHECK_OK(radius_ask(c, &q, NULL));
    endpoint_t e = radius_lane_to(c, world.last[0].lane);
    CHECK_EQ(e.port, 1813);
    CHECK_EQ(world.last[0].bytes[0], RADIUS_ACCOUNTING_REQUEST);
    radius_client_free(c);
}

static int teardown(void **state)
{
    (void)state;
    text_done(&world.told);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_preferred_one_is_asked),
        cmocka_unit_test(silence_leads_to_the_next),
        cmocka_unit_test(two_silent_ones_leave_time_for_a_third),
        cmocka_unit_test(a_conversation_stays_where_it_is),
        cmocka_unit_test(strangers_are_not_heard),
        cmocka_unit_test(no_more_than_there_are_numbers),
        cmocka_unit_test(accounting_has_a_port_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
