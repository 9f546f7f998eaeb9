// What strongswan.conf changes in the diplomat's ways: limits on strangers, pauses, what goes with
// what.
#include <string.h>

#include "test/sim/sim.h"

static struct sim *world(uint64_t seed, int node, void (*change)(struct ike_options *))
{
    struct sim *s = sim_new(seed);
    change(&s->node[node].opt);
    return s;
}

static struct sim_result up(struct sim *s)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 20 * SECOND);
    return r;
}

static void few_sas(struct ike_options *o)
{
    o->sas_max = 1;
}

static void so_many_and_no_more(void **state)
{
    struct sim *s = world(1, BOB, few_sas);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    CHECK_EQ(up(s).err, ERR_OK);
    sim_switch_off(s, ALICE);
    sim_net_net_side(s, ALICE, "", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK(sim_told(s, BOB, "192.0.2.1 is not answered: there are 1 IKE SAs (charon.ikesa_limit)"));
    CHECK_EQ(sim_ikes(s, ALICE), 0);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    sim_free(s);
}

static void one_each(struct ike_options *o)
{
    o->half_open_max_ip = 1;
    o->retransmit_tries = 1;
}

static unsigned no_auth(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s, (void)n;
    return m->d.bytes.at[18] == 35 ? 0 : 1; // IKE_AUTH is lost
}

static void half_open_from_one_address(void **state)
{
    struct sim *s = world(2, BOB, one_each);
    struct sim_result r;
    (void)state;
    s->node[ALICE].opt.retransmit_tries = 1;
    sim_net_net(s, "keyingtries = 2", "");
    s->fate = no_auth;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(
        sim_told(s, BOB, "it has begun 1 IKE SAs that are not finished (charon.block_threshold)"));
    sim_free(s);
}

static void patient(struct ike_options *o)
{
    o->retransmit_limit_ns = 5 * SECOND;
    o->retransmit_jitter = 0;
}

static unsigned all_lost(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s, (void)m, (void)n;
    return 0;
}

// 4 s and five times 5 s, where it would be 4, 7.2, 13, 23, 42 and 76 s.
static void no_pause_is_longer(void **state)
{
    struct sim *s = world(3, ALICE, patient);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    s->fate = all_lost;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 28 * SECOND);
    CHECK_EQ(r.told, 0);
    sim_run(s, 2 * SECOND);
    CHECK_EQ(r.err, ERR_TIMEOUT);
    CHECK_EQ(s->sent, 6);
    sim_free(s);
}

static void close_all(struct ike_options *o)
{
    o->idle_closes_ike = o->failed_child_closes_ike = true;
}

static void the_last_child_takes_the_ike_sa_along(void **state)
{
    (void)state;
    for (int both = 0; both <= 1; both++) {
        struct sim *s = world(4, ALICE, close_all);
        struct sim_result r;
        const char *more = "children { more { local_ts = 10.3.0.0/16\n remote_ts = 10.4.0.0/16 } }";
        sim_net_net_side(s, BOB, "", "local_ts = 0.0.0.0/0\n remote_ts = 0.0.0.0/0");
        sim_net_net_side(s, ALICE, both ? more : "", "inactivity = 60s");
        CHECK_EQ(up(s).err, ERR_OK);
        if (both) sim_initiate(s, ALICE, "more", &r);
        sim_run(s, 100 * SECOND);
        CHECK_EQ(sim_ikes(s, ALICE), both);
        CHECK_EQ(sim_children(s, ALICE), both);
        sim_free(s);
    }
}

static void without_its_child_there_is_no_ike_sa(void **state)
{
    struct sim *s = world(5, ALICE, close_all);
    (void)state;
    sim_net_net_side(s, BOB, "", "local_ts = 10.9.0.0/16");
    sim_net_net_side(s, ALICE, "", "");
    CHECK(up(s).err != ERR_OK);
    CHECK_EQ(sim_ikes(s, ALICE), 0);
    CHECK_EQ(sim_ikes(s, BOB), 0);
    sim_free(s);
}

static void apart(struct ike_options *o)
{
    o->each_child_apart = true;
}

static void an_ike_sa_for_each_child(void **state)
{
    struct sim *s = world(6, ALICE, apart);
    struct sim_result a, b;
    (void)state;
    const char *more = "children { more { local_ts = 10.3.0.0/16\n remote_ts = 10.4.0.0/16 } }";
    sim_net_net_side(s, BOB, "", "local_ts = 0.0.0.0/0\n remote_ts = 0.0.0.0/0");
    sim_net_net_side(s, ALICE, more, "");
    sim_initiate(s, ALICE, "net", &a);
    sim_initiate(s, ALICE, "net", &b); // joins the one that is on its way
    sim_run(s, SECOND);
    CHECK_EQ(a.err | b.err, ERR_OK);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    sim_initiate(s, ALICE, "more", &b);
    sim_run(s, SECOND);
    CHECK_EQ(b.err, ERR_OK);
    CHECK_EQ(sim_ikes(s, ALICE), 2);
    CHECK_EQ(sim_children(s, ALICE), 2);
    sim_free(s);
}

static void plain(struct ike_options *o)
{
    o->one_round = o->classic_signatures = true;
}

static void loud(struct ike_options *o)
{
    o->vendor_id = true;
}

static void what_is_said_in_ike_sa_init(void **state)
{
    (void)state;
    struct sim *s = world(7, ALICE, plain);
    plain(&s->node[BOB].opt);
    sim_net_net(s, "", "");
    CHECK_EQ(up(s).err, ERR_OK);
    CHECK(!sim_told(s, ALICE, "HASH_ALG") && !sim_told(s, ALICE, "MULT_AUTH"));
    CHECK(!sim_told(s, ALICE, " V "));
    sim_free(s);
    s = world(8, ALICE, loud);
    loud(&s->node[BOB].opt);
    sim_net_net(s, "", "");
    CHECK_EQ(up(s).err, ERR_OK);
    CHECK(sim_told(s, ALICE, "HASH_ALG") && sim_told(s, ALICE, "MULT_AUTH"));
    CHECK(sim_told(s, ALICE, "request 0 [") && sim_told(s, ALICE, " V "));
    CHECK(sim_told(s, BOB, " V "));
    sim_free(s);
}

static void several_rounds_are_forbidden(void **state)
{
    struct sim *s = world(9, ALICE, plain);
    (void)state;
    sim_net_net_side(s, BOB, "", "");
    sim_net_net_side(s, ALICE, "local-2 { auth = psk\n id = more.example.org }", "");
    struct sim_result r = up(s);
    CHECK(r.err != ERR_OK);
    CHECK(strstr(r.sentence, "charon.multiple_authentication") ||
          sim_told(s, ALICE, "charon.multiple_authentication"));
    sim_free(s);
}

static void polite(struct ike_options *o)
{
    o->theirs_first = true;
}

// Both know both; the responder usually decides by its own order.
static void whose_order_counts(void **state)
{
    (void)state;
    for (int theirs = 0; theirs <= 1; theirs++) {
        struct sim *s = theirs ? world(10, BOB, polite) : sim_new(10);
        sim_net_net_side(s, BOB, "proposals = aes256-aes128-sha384-sha256-x25519",
                         "esp_proposals = aes256gcm16, aes128gcm16");
        sim_net_net_side(s, ALICE, "proposals = aes128-aes256-sha256-sha384-x25519",
                         "esp_proposals = aes128gcm16, aes256gcm16");
        CHECK_EQ(up(s).err, ERR_OK);
        const char *ike =
            theirs ? "IKE:AES_CBC_128/HMAC_SHA2_256_128/" : "IKE:AES_CBC_256/HMAC_SHA2_384_192/";
        CHECK(sim_told(s, ALICE, ike));
        CHECK(sim_told(s, ALICE, theirs ? "ESP:AES_GCM_16_128" : "ESP:AES_GCM_16_256"));
        sim_free(s);
    }
}

static void whole(struct ike_options *o)
{
    o->whole_selectors = true;
    o->spi_min = 0x1000;
    o->spi_max = 0x10ff;
}

static void a_packet_says_nothing_of_itself(void **state)
{
    struct sim *s = world(11, ALICE, whole);
    (void)state;
    sim_net_net_side(s, BOB, "", "");
    sim_net_net_side(s, ALICE, "", "start_action = trap");
    sim_acquire(s, ALICE, 5);
    sim_run(s, SECOND);
    CHECK_EQ(sim_children(s, ALICE), 1);
    CHECK(!sim_told(s, BOB, "10.1.0.0/32"));
    for (unsigned i = 0; i < s->node[ALICE].xfrm.top; i++) {
        const struct xfrm_sa *x = &s->node[ALICE].xfrm.sa[i].x;
        if (!ip_eq(&x->daddr, &s->node[ALICE].ip)) continue;
        CHECK(x->spi >= 0x1000 && x->spi <= 0x10ff);
    }
    sim_free(s);
}

static void stubborn(struct ike_options *o)
{
    o->retry_ns = 30 * SECOND;
}

static void a_name_without_an_address_is_asked_again(void **state)
{
    struct sim *s = world(12, ALICE, stubborn);
    (void)state;
    sim_net_net_side(s, BOB, "", "");
    sim_net_net_side(s, ALICE, "remote_addrs = nobody.example.org", "");
    CHECK(up(s).err != ERR_OK);
    sim_run(s, 100 * SECOND);
    const char *story = text_str(&s->node[ALICE].story);
    unsigned n = 0;
    for (; (story = strstr(story, "no address found")); story++) n++;
    CHECK_EQ(n, 5); // at 0, 30, 60, 90 and 120 s
    sim_free(s);
}

static void as_libipsec(struct ike_options *o)
{
    o->libipsec_words = true;
}

// Who looks for what strongSwan says of a packet that springs a trap finds it, and what its
// user-space ESP says where that is what was configured.
static void a_packet_that_asks_is_told(void **state)
{
    (void)state;
    for (int libipsec = 0; libipsec <= 1; libipsec++) {
        struct sim *s = libipsec ? world(20, ALICE, as_libipsec) : sim_new(20);
        sim_net_net(s, "", "");
        sim_net_net_side(s, ALICE, "", "start_action = trap\n reqid = 7");
        sim_acquire(s, ALICE, 77);
        sim_run(s, SECOND);
        CHECK(sim_told(s, ALICE, "creating acquire job for policy "));
        CHECK(sim_told(s, ALICE, " with reqid {7}"));
        CHECK_EQ(sim_told(s, ALICE, "could not find an outbound IPsec SA for reqid {7}, dropping "),
                 libipsec);
        CHECK_EQ(sim_told(s, ALICE, "creating acquire job for policy with reqid {7}"), libipsec);
        sim_expect_clean(s);
        sim_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_that_asks_is_told),
        cmocka_unit_test(so_many_and_no_more),
        cmocka_unit_test(half_open_from_one_address),
        cmocka_unit_test(no_pause_is_longer),
        cmocka_unit_test(the_last_child_takes_the_ike_sa_along),
        cmocka_unit_test(without_its_child_there_is_no_ike_sa),
        cmocka_unit_test(an_ike_sa_for_each_child),
        cmocka_unit_test(what_is_said_in_ike_sa_init),
        cmocka_unit_test(several_rounds_are_forbidden),
        cmocka_unit_test(whose_order_counts),
        cmocka_unit_test(a_packet_says_nothing_of_itself),
        cmocka_unit_test(a_name_without_an_address_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
