// What is wrong is found, and nothing is invented.
#include "cli/json.h"
#include "cli/wrong.h"
#include "cli/wrong_xfrm.h"
#include "test/check.h"

static json_t *find(const char *sas, const char *stats, const char *executor)
{
    struct wrong_facts f = {
        .sas = json_loads(sas, 0, NULL),
        .stats = json_loads(stats, 0, NULL),
        .executor = executor ? json_loads(executor, 0, NULL) : NULL,
    };
    CHECK(f.sas && f.stats);
    json_t *problems = wrong_find(&f);
    json_decref(f.sas);
    json_decref(f.stats);
    json_decref(f.executor);
    return problems;
}

static void check_one(json_t *problems, const char *what)
{
    if (what) {
        CHECK_EQ(json_array_size(problems), 1);
        CHECK_STR(json_str(json_array_get(problems, 0), "what"), what);
    } else {
        CHECK_EQ(json_array_size(problems), 0);
    }
    json_decref(problems);
}

#define SA(state, children)          \
    "[{\"gw\": {\"state\": \"" state \
    "\", \"remote-host\": \"192.0.2.2\", \"child-sas\": {" children "}}}]"
#define CHILD(in, out, age)                                                              \
    "\"net-1\": {\"name\": \"net\", \"packets-in\": \"" in "\", \"packets-out\": \"" out \
    "\", \"install-time\": \"" age "\"}"
#define KERNEL "{\"plugins\": [\"vici\", \"kernel-netlink\"]}"
#define XFRMD "{\"plugins\": [\"vici\", \"pavise-xfrmd\"]}"

static void all_is_well(void **state)
{
    (void)state;
    check_one(find("[]", KERNEL, NULL), NULL);
    check_one(find(SA("ESTABLISHED", CHILD("5", "5", "60")), KERNEL, NULL), NULL);
    check_one(find(SA("ESTABLISHED", CHILD("0", "0", "60")), XFRMD, "{\"drops\": []}"), NULL);
    check_one(find(SA("ESTABLISHED", CHILD("0", "5", "3")), KERNEL, NULL), NULL); // too young
}

static void one_way_traffic(void **state)
{
    (void)state;
    check_one(find(SA("ESTABLISHED", CHILD("0", "5", "60")), KERNEL, NULL),
              "gw/net: packets go out, but none has come back");
    check_one(find(SA("ESTABLISHED", CHILD("5", "0", "60")), KERNEL, NULL),
              "gw/net: packets come in, but none has gone out");
}

static void half_done(void **state)
{
    (void)state;
    check_one(find(SA("CONNECTING", ""), KERNEL, NULL),
              "gw: the negotiation with 192.0.2.2 is not finished");
    check_one(find(SA("ESTABLISHED", ""), KERNEL, NULL),
              "gw: the peers know each other, but nothing is protected");
}

static void executor_trouble(void **state)
{
    (void)state;
    check_one(find("[]", XFRMD, NULL), "pavise-xfrmd does not run: no packet is protected");
    check_one(find("[]", XFRMD,
                   "{\"drops\": [{\"word\": \"replay\", \"count\": 2, \"text\": \"seen before\"},"
                   " {\"word\": \"auth\", \"count\": 0, \"text\": \"forged\"}]}"),
              "2 packets dropped: seen before (replay)");
    check_one(find("[]", XFRMD, "{\"guard\": {\"clear_in\": 1}}"),
              "1 packet kept out: in clear, where a policy wants protection");
}

static void check_code(json_t *problems, const char *code)
{
    CHECK_EQ(json_array_size(problems), 1);
    const json_t *p = json_array_get(problems, 0);
    CHECK_STR(json_str(p, "code"), code);
    CHECK(*json_str(p, "meaning") && *json_str(p, "hint"));
    json_decref(problems);
}

#define NATTED(more, child)                                                                \
    "[{\"gw\": {\"state\": \"ESTABLISHED\", \"nat-any\": \"yes\"" more ", \"child-sas\": " \
    "{\"net-1\": {\"name\": \"net\", \"install-time\": \"900\", \"packets-in\": \"5\", "   \
    "\"packets-out\": \"9\", \"protocol\": \"ESP\", \"mode\": \"TUNNEL\"" child "}}}}]"

static void silence(void **state)
{
    (void)state;
    check_code(find(NATTED("", ", \"use-in\": \"90\", \"use-out\": \"2\", \"encap\": \"yes\""),
                    KERNEL, NULL),
               "no-inbound");
    check_code(find(NATTED(", \"nat-remote\": \"yes\"",
                           ", \"use-in\": \"90\", \"use-out\": \"2\", \"encap\": \"yes\""),
                    KERNEL, NULL),
               "nat-lost");
    check_one(find(NATTED("", ", \"use-in\": \"90\", \"use-out\": \"30\", \"encap\": \"yes\""),
                   KERNEL, NULL),
              NULL); // nobody speaks
    check_code(find(NATTED("", ", \"use-in\": \"1\", \"use-out\": \"1\""), KERNEL, NULL),
               "nat-no-encap");
}

static void weak_and_blocked(void **state)
{
    (void)state;
    check_code(
        find(NATTED("", ", \"encap\": \"yes\", \"integ-alg\": \"HMAC_SHA1_96\""), KERNEL, NULL),
        "weak-algorithm");
    check_code(
        find(NATTED("", ", \"encap\": \"yes\", \"encr-alg\": \"NULL_AES_GMAC\""), KERNEL, NULL),
        "not-encrypted");
    check_code(find("[{\"gw\": {\"state\": \"CONNECTING\", \"remote-port\": \"4500\", "
                    "\"initiator\": \"yes\"}}]",
                    KERNEL, NULL),
               "natt-blocked");
    check_code(find("[{\"gw\": {\"state\": \"CONNECTING\", \"remote-port\": \"500\", "
                    "\"initiator\": \"yes\"}}]",
                    KERNEL, NULL),
               "negotiating");
}

// The databases of an executor: two policies and an SA.
static void shadows(void **state)
{
    (void)state;
    struct xfrm_policy p[2] = {{.priority = 5, .tmpl_count = 1}, {.priority = 7, .tmpl_count = 1}};
    struct wrong_dump_sa sa = {.spi = 9, .reqid = 3, .proto = XFRM_PROTO_ESP, .mode = XFRM_TUNNEL};
    struct wrong_dump d = {.policies = 2, .sas = 1, .policy = p, .sa = &sa};
    for (unsigned i = 0; i < 2; i++) {
        p[i].sel.family = AF_INET;
        p[i].tmpl[0] = (struct xfrm_tmpl){.proto = XFRM_PROTO_ESP, .mode = XFRM_TUNNEL, .reqid = 3};
        CHECK_OK(prefix_parse(i ? "10.2.7.0/24" : "10.2.0.0/16", &p[i].sel.dst));
        CHECK_OK(prefix_parse("10.1.0.0/16", &p[i].sel.src));
    }
    json_t *list = json_array();
    wrong_xfrm(list, &d);
    check_code(list, "policy-shadowed");
    list = json_array();
    p[0].sel.proto = 17; // others are left to it
    wrong_xfrm(list, &d);
    check_one(list, NULL);
    list = json_array();
    sa.reqid = 4;
    wrong_xfrm(list, &d);
    check_code(list, "sa-without-policy");
}

static void black_holes(void **state)
{
    (void)state;
#define HOLE(again, missing)                                                                     \
    "{\"holes\": [{\"src\": \"192.0.2.1\", \"dst\": \"192.0.2.2\", \"spi\": 7, "                 \
    "\"again\": " again ", \"wire\": 1438, \"missing\": " missing ", \"got\": 20, \"longest\": " \
    "132}]}"
    check_code(find("[]", XFRMD, HOLE("4", "0")), "mtu-suspected");
    check_one(
        find("[]", XFRMD, HOLE("4", "0")),
        "to 192.0.2.2: the same TCP segment has gone out 5 times, 1438 bytes long on the wire, "
        "and was never acknowledged");
    check_code(find("[]", XFRMD, HOLE("0", "9")), "mtu-suspected");
    check_one(find("[]", XFRMD, HOLE("0", "9")),
              "from 192.0.2.1: 20 packets have come and 9 have not, and none that came is longer "
              "than 132 bytes");
    check_one(find("[]", XFRMD, "{\"holes\": []}"), NULL);
}

static void no_nat_traversal(void **state)
{
    (void)state;
#define BARE(peer, in)                                                                           \
    "[{\"gw\": {\"state\": \"ESTABLISHED\", \"remote-host\": \"192.0.2.2\"" peer                 \
    ", \"child-sas\": {\"n-1\": {\"name\": \"n\", \"install-time\": \"60\", \"packets-in\": " in \
    ", \"packets-out\": \"9\", \"protocol\": \"ESP\", \"mode\": \"TUNNEL\"}}}}]"
    check_code(find(BARE(", \"natt-missing\": \"yes\"", "\"0\""), KERNEL, NULL), "natt-missing");
    check_code(find(BARE("", "\"0\""), KERNEL, NULL), "nothing-back");
    check_one(find(BARE(", \"natt-missing\": \"yes\"", "\"3\""), KERNEL, NULL), NULL);
}

#define NOON 1767268800 // 2026-01-01T12:00:00Z

static json_t *find_at(int64_t now, const char *certs, const char *sas, const char *stats)
{
    struct wrong_facts f = {.sas = json_loads(sas, 0, NULL),
                            .stats = json_loads(stats, 0, NULL),
                            .certs = json_loads(certs, 0, NULL),
                            .now = now};
    CHECK(f.sas && f.stats && f.certs);
    json_t *problems = wrong_find(&f);
    json_decref(f.sas);
    json_decref(f.stats);
    json_decref(f.certs);
    return problems;
}

#define CERT(more)                                                     \
    "[{\"type\": \"X509\", \"subject\": \"CN=moon\", \"not-before\": " \
    "\"2025-01-01T12:00:00Z\", \"not-after\": \"2026-01-01T12:00:00Z\", " more "}]"
#define OURS "\"flag\": \"NONE\", \"has_privkey\": \"yes\""
#define HOUR 3600
#define DAY (24 * HOUR)

static void dates(void **state)
{
    (void)state;
    check_one(find_at(NOON - 20 * DAY, CERT(OURS), "[]", KERNEL), NULL);
    check_code(find_at(NOON - 13 * DAY, CERT(OURS), "[]", KERNEL), "certificate-expires");
    check_code(find_at(NOON + HOUR, CERT(OURS), "[]", KERNEL), "certificate-expired");
    check_code(find_at(NOON - 366 * DAY, CERT(OURS), "[]", KERNEL), "clock-suspected");
    check_code(find_at(NOON - DAY, CERT("\"flag\": \"CA\""), "[]", KERNEL), "certificate-expires");
    check_one(find_at(NOON + DAY, CERT("\"flag\": \"NONE\""), "[]", KERNEL), NULL); // a peer's
}

static void peers_dates(void **state)
{
    (void)state;
#define SHOWN                                                                                     \
    "[{\"gw\": {\"state\": \"ESTABLISHED\", \"remote-id\": \"sun\", \"remote-cert-not-before\": " \
    "\"2026-01-01T11:00:00Z\", \"remote-cert-not-after\": \"2026-01-01T12:00:00Z\", "             \
    "\"child-sas\": {\"n-1\": {\"name\": \"n\"}}}}]"
    check_one(find_at(NOON - HOUR / 2, "[]", SHOWN, KERNEL), NULL); // it lives for an hour only
    check_one(find_at(NOON - 300, "[]", SHOWN, KERNEL),
              "the certificate of sun, the peer of gw expires in 5m 0s");
    check_code(find_at(NOON + 300, "[]", SHOWN, KERNEL), "certificate-expired");
    check_code(find_at(NOON, "[]", "[]",
                       "{\"plugins\": [\"kernel-netlink\"], \"clock\": {\"peer\": \"sun\", "
                       "\"behind\": \"3600\", \"ago\": \"9\"}}"),
               "clock-suspected");
}

static void lost_pieces(void **state)
{
    (void)state;
    struct wrong_facts f = {.lost_datagrams = 3, .sas = json_array()};
    check_one(wrong_find(&f), NULL); // whose they were nobody knows
    (void)json_array_append_new(f.sas, json_object());
    check_code(wrong_find(&f), "fragments-lost");
    json_decref(f.sas);
}

static void forwarding(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++) {
        struct wrong_facts f = {
            .sas = json_loads("[{\"gw\": {\"state\": \"ESTABLISHED\", \"child-sas\": {\"n-1\": "
                              "{\"name\": \"n\", \"local-ts\": [\"10.1.0.0/16[tcp]\"]}}}}]",
                              0, NULL),
            .host_known = true,
            .forwards4 = on};
        json_t *list = wrong_find(&f);
        if (on) check_one(list, NULL);
        if (!on) check_code(list, "forwarding-off");
        json_decref(f.sas);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_well), cmocka_unit_test(one_way_traffic),
        cmocka_unit_test(half_done),   cmocka_unit_test(executor_trouble),
        cmocka_unit_test(silence),     cmocka_unit_test(weak_and_blocked),
        cmocka_unit_test(shadows),     cmocka_unit_test(forwarding),
        cmocka_unit_test(black_holes), cmocka_unit_test(no_nat_traversal),
        cmocka_unit_test(dates),       cmocka_unit_test(peers_dates),
        cmocka_unit_test(lost_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
