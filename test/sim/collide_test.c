// Every collision of RFC 7296 2.8 and 2.25, generated: what ALICE wants, what BOB wants, how much
// later, and what the network does to the messages that follow. Whatever it is, in the end both
// sides have the same SAs, one pair for each child that is wanted, nothing is left over, and there
// was no moment without a working SA unless somebody wanted it gone.
//
// A row of the matrix (two wishes) plays in one world, so that what a case leaves behind harms the
// next ones. Each cell has one message that meets with a mishap; with PAVISE_FULL=1, two.
// SIM_STORY=1 tells the story of each cell, COLLIDE='new child*' plays only such rows.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"
#include "test/sim/sim.h"

// ---- wishes ------------------------------------------------------------------------------------

enum wish { REKEY_CHILD, REKEY_IKE, CLOSE_CHILD, CLOSE_IKE, NEW_CHILD, WISHES };
static const char *const wish_name[] = {"rekey child", "rekey IKE", "close child", "close IKE",
                                        "new child"};

// Algorithms of a world: as usual, or with more key exchanges after each CREATE_CHILD_SA (RFC
// 9370).
static const char *const suites[][2] = {
    {SIM_SUITE, ""},
    {"proposals = aes128-sha256-x25519-ke1_mlkem512",
     "esp_proposals = aes128gcm16-x25519-ke1_mlkem512"},
};
#define SUITES (sizeof suites / sizeof *suites)

static void configure(struct sim *s, int node, unsigned suite)
{
    char conf[2000];
    bool alice = node == ALICE;
    (void)snprintf(
        conf, sizeof conf,
        "connections {\n net {\n  local_addrs = 192.0.2.%d\n  remote_addrs = 192.0.2.%d\n"
        "  local { auth = psk\n id = h%d.example }\n  remote { auth = psk\n id = "
        "h%d.example }\n  children {\n"
        "   net { local_ts = 10.%d.0.0/16\n remote_ts = 10.%d.0.0/16\n rekey_time = 0s\n %s }\n"
        "   other { local_ts = 10.%d.0.0/16\n remote_ts = 10.%d.0.0/16\n rekey_time = 0s\n %s }\n"
        "  }\n  rekey_time = 0s\n  %s\n }\n}\nsecrets { ike-1 { secret = \"correct horse\" } }\n",
        node + 1, 2 - node, node, 1 - node, alice ? 1 : 2, alice ? 2 : 1, suites[suite][1],
        alice ? 3 : 4, alice ? 4 : 3, suites[suite][1], suites[suite][0]);
    sim_configure(s, node, conf);
}

static void tell_result(void *ctx, err_t err, const char *sentence)
{
    struct sim_result *r = ctx;
    r->told++;
    r->err = err;
    (void)snprintf(r->sentence, sizeof r->sentence, "%s", sentence);
}

static void rekey(struct sim *s, int node, const char *child)
{
    unsigned n;
    struct ike_choice what = {.ike = "net", .child = child};
    IGNORE(ike_rekey(s->node[node].ike, &what, &n)); // there may be none any more
}

static void terminate(struct sim *s, int node, const char *child, struct sim_result *r)
{
    unsigned n;
    struct ike_choice what = {.ike = "net", .child = child};
    ike_terminate(s->node[node].ike, &what, &n, tell_result, r);
}

static void wish(struct sim *s, int node, enum wish w, struct sim_result *r)
{
    *r = (struct sim_result){0};
    switch (w) {
    case REKEY_CHILD:
        return rekey(s, node, "net");
    case REKEY_IKE:
        return rekey(s, node, NULL);
    case CLOSE_CHILD:
        return terminate(s, node, "net", r);
    case CLOSE_IKE:
        return terminate(s, node, NULL, r);
    case NEW_CHILD:
    case WISHES:
        ike_initiate(s->node[node].ike, "net", "other", tell_result, r);
    }
}

static bool is_told(enum wish w)
{
    return w == CLOSE_CHILD || w == CLOSE_IKE || w == NEW_CHILD;
}

// ---- the network -------------------------------------------------------------------------------

// What happens to one message of a case.
enum mishap { FINE, LOST, TWICE, LATE, VERY_LATE, MISHAPS };
static const char *const mishap_name[] = {"fine", "lost", "twice", "late", "very late"};

struct blow {
    unsigned which; // message of the case, from 0
    enum mishap mishap;
};
static struct blow blows[2];
static unsigned case_starts; // number of its first message

static unsigned strike(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s;
    for (unsigned i = 0; i < 2; i++) {
        if (n - case_starts != blows[i].which) continue;
        if (blows[i].mishap == LOST) return 0;
        if (blows[i].mishap == TWICE) return 2;
        // Behind what is said a little later; and behind its own repetition.
        if (blows[i].mishap == LATE) m->at += 33 * NSEC_PER_MSEC;
        if (blows[i].mishap == VERY_LATE) m->at += 4200 * NSEC_PER_MSEC;
    }
    return 1;
}

// ---- one cell ----------------------------------------------------------------------------------

struct cell {
    enum wish alice, bob;
    int later_ms; // BOB's wish after ALICE's; negative: before
};

static unsigned in_use(struct sim *s, int node, const char *name)
{
    unsigned n = 0;
    for (struct ike_sa *sa = s->node[node].ike->all; sa; sa = sa->next) {
        for (struct child_sa *c = sa->children; c; c = c->next) {
            n += strcmp(c->conf->name, name) == 0;
        }
    }
    return n;
}

static unsigned ike_sas(struct sim *s, int node)
{
    unsigned n = 0;
    for (struct ike_sa *sa = s->node[node].ike->all; sa; sa = sa->next) n++;
    return n;
}

static void expect_same(struct sim *s)
{
    for (int i = ALICE; i <= BOB; i++) {
        unsigned children = in_use(s, i, "net") + in_use(s, i, "other");
        CHECK_EQ(sim_ikes(s, i), ike_sas(s, i));
        CHECK_EQ(sim_children(s, i), children);
        CHECK_EQ(sim_xfrm_sas(&s->node[i].xfrm), 2 * children);
        CHECK_EQ(sim_xfrm_larval(&s->node[i].xfrm), 0);
        CHECK_EQ(s->node[i].xfrm.policies, 3 * children);
    }
    CHECK_EQ(ike_sas(s, ALICE), ike_sas(s, BOB));
    CHECK_EQ(in_use(s, ALICE, "net"), in_use(s, BOB, "net"));
    CHECK_EQ(in_use(s, ALICE, "other"), in_use(s, BOB, "other"));
}

static bool wants(const struct cell *c, enum wish w)
{
    return c->alice == w || c->bob == w;
}

static void expect_wanted(struct sim *s, const struct cell *c)
{
    bool ends = wants(c, CLOSE_IKE);
    CHECK(ike_sas(s, ALICE) <= 1);
    CHECK(in_use(s, ALICE, "other") <= (wants(c, NEW_CHILD) ? 1 : 0));
    CHECK_EQ(in_use(s, ALICE, "net"), ends || wants(c, CLOSE_CHILD) ? 0 : 1);
    if (ends) return; // a new child may have come first, or begun anew
    CHECK_EQ(ike_sas(s, ALICE), 1);
    CHECK_EQ(in_use(s, ALICE, "other"), wants(c, NEW_CHILD) ? 1 : 0);
}

// Back to one IKE SA and the child "net".
static void restore(struct sim *s)
{
    struct sim_result r = {0};
    if (in_use(s, ALICE, "other")) terminate(s, ALICE, "other", &r);
    sim_run(s, 6 * SECOND);
    if (!in_use(s, ALICE, "net")) {
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, SECOND);
        CHECK_EQ(r.err, ERR_OK);
    }
    sim_expect_clean(s);
}

static void run_cell(struct sim *s, const struct cell *c)
{
    struct sim_result a = {0}, b = {0};
    bool alice_first = c->later_ms >= 0;
    unsigned wait = (unsigned)abs(c->later_ms);
    bool closes = wants(c, CLOSE_CHILD) || wants(c, CLOSE_IKE);
    bool twins = c->alice == NEW_CHILD && c->bob == NEW_CHILD; // one may come and go
    unsigned down = s->node[ALICE].events[CHILD_EV_DOWN] + s->node[BOB].events[CHILD_EV_DOWN];
    case_starts = s->sent;
    s->fate = strike;
    sim_watch(s, !closes);
    if (alice_first) wish(s, ALICE, c->alice, &a);
    if (!alice_first) wish(s, BOB, c->bob, &b);
    sim_run(s, wait * NSEC_PER_MSEC);
    if (!alice_first) wish(s, ALICE, c->alice, &a);
    if (alice_first) wish(s, BOB, c->bob, &b);
    // A new IKE SA that lost, and whose maker does not know of it, stays for three minutes.
    sim_run(s, wants(c, REKEY_IKE) ? 250 * SECOND : 60 * SECOND);
    sim_watch(s, false);
    CHECK_EQ(a.told, is_told(c->alice) ? 1 : 0);
    CHECK_EQ(b.told, is_told(c->bob) ? 1 : 0);
    expect_same(s);
    expect_wanted(s, c);
    unsigned gone = s->node[ALICE].events[CHILD_EV_DOWN] + s->node[BOB].events[CHILD_EV_DOWN];
    if (!closes && !twins) CHECK_EQ(gone, down);
    unsigned sent = s->sent;
    sim_run(s, 30 * SECOND);
    CHECK_EQ(s->sent, sent); // and silence
    s->fate = NULL;
    restore(s);
}

// ---- the matrix --------------------------------------------------------------------------------

// A step is half of a message's way, so that everything comes before and after everything else.
static const int delays[] = {0, 10, -10, 30, -30, 50, -50, 70, -70, 90, -90};
#define DELAYS (sizeof delays / sizeof *delays)
#define MESSAGES 8 // of both exchanges of both sides

static bool is_full(void)
{
    const char *full = getenv("PAVISE_FULL");
    return full && *full == '1';
}

static struct sim *world(uint64_t seed, unsigned suite)
{
    struct sim *s = sim_new(seed);
    for (int i = 0; i < SIM_NODES; i++) s->node[i].opt.fragment_size = 4000;
    configure(s, BOB, suite);
    configure(s, ALICE, suite);
    sim_establish(s);
    return s;
}

struct row {
    enum wish alice, bob;
    unsigned suite;
};

static char playing[200]; // the cell under way; empty between rows
static struct sim *row_world;

static void announce(const struct cell *c)
{
    (void)snprintf(playing, sizeof playing,
                   "# ALICE: %s, BOB: %s %d ms later; message %u %s, message %u %s\n",
                   wish_name[c->alice], wish_name[c->bob], c->later_ms, blows[0].which,
                   mishap_name[blows[0].mishap], blows[1].which, mishap_name[blows[1].mishap]);
    if (getenv("SIM_STORY")) (void)fputs(playing, stderr);
}

// One row: all delays, all single mishaps, and (in full) all pairs of them.
static void run_row(void **state)
{
    const struct row *row = *state;
    unsigned seconds = is_full() ? MESSAGES * MISHAPS : 1;
    struct sim *s = row_world = world(5000 + row->alice * WISHES + row->bob, row->suite);
    for (unsigned d = 0; d < DELAYS; d++) {
        for (unsigned i = 0; i < MESSAGES * (MISHAPS - 1) * seconds; i++) {
            unsigned one = i / seconds, two = i % seconds;
            blows[0] = (struct blow){one / (MISHAPS - 1), (enum mishap)(1 + one % (MISHAPS - 1))};
            blows[1] = (struct blow){two / MISHAPS, (enum mishap)(two % MISHAPS)};
            // Of the longer exchanges a part of the cells is played.
            if (row->suite && (d + i) % (is_full() ? 11 : 3)) continue;
            struct cell c = {row->alice, row->bob, delays[d]};
            announce(&c);
            run_cell(s, &c);
        }
    }
    playing[0] = 0;
}

static int end_row(void **state)
{
    (void)state;
    if (playing[0]) (void)fputs(playing, stderr); // it failed there
    playing[0] = 0;
    sim_free(row_world);
    row_world = NULL;
    return 0;
}

#define ROWS (WISHES * WISHES * SUITES)

int main(void)
{
    static struct row row[ROWS];
    static char name[ROWS][60];
    struct CMUnitTest rows[ROWS];
    for (unsigned i = 0; i < ROWS; i++) {
        row[i] = (struct row){i / WISHES % WISHES, i % WISHES, i / (WISHES * WISHES)};
        (void)snprintf(name[i], sizeof name[i], "%s meets %s%s", wish_name[row[i].alice],
                       wish_name[row[i].bob], row[i].suite ? ", with more key exchanges" : "");
        rows[i] = (struct CMUnitTest){name[i], run_row, NULL, end_row, &row[i]};
    }
    if (getenv("COLLIDE")) cmocka_set_test_filter(getenv("COLLIDE"));
    return cmocka_run_group_tests(rows, NULL, NULL);
}
