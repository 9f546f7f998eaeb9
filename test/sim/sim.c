#include "test/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/sa/work.h"

// ---- the world's randomness --------------------------------------------------------------------

uint64_t sim_random(struct sim *s)
{
    s->seed += 0x9e3779b97f4a7c15; // splitmix64
    uint64_t z = s->seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

// ---- struct env --------------------------------------------------------------------------------

static uint64_t env_now(void *ctx)
{
    return ((struct sim_node *)ctx)->s->now;
}

static uint64_t env_wall(void *ctx)
{
    return 1700000000 + ((struct sim_node *)ctx)->s->now / SECOND;
}

static void env_random(void *ctx, void *out, size_t n)
{
    uint8_t *p = out;
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)sim_random(((struct sim_node *)ctx)->s);
}

static ip_t env_source_for(void *ctx, const ip_t *peer)
{
    const struct sim_node *n = ctx;
    if (n->offline) return (ip_t){0};
    if (n->ip.family == peer->family) return n->ip;
    return n->also.family == peer->family ? n->also : (ip_t){0};
}

static unsigned env_addresses(void *ctx, ip_t *out, unsigned max)
{
    const struct sim_node *n = ctx;
    unsigned count = 0;
    if (count < max) out[count++] = n->ip;
    if (count < max && n->also.family != AF_UNSPEC) out[count++] = n->also;
    return count;
}

static err_t env_resolve(void *ctx, const char *name, uint16_t family, ip_t *out)
{
    struct sim *s = ((struct sim_node *)ctx)->s;
    (void)family;
    bool bob = strcmp(name, "bob.example.org") == 0, carol = strcmp(name, "carol.example.org") == 0;
    if (!bob && !carol) return ERR_NOTFOUND;
    *out = s->node[bob ? BOB : CAROL].ip;
    return ERR_OK;
}

static void env_tell(void *ctx, enum log_level level, const struct ike_sa *sa, const char *sentence)
{
    struct sim_node *n = ctx;
    (void)level, (void)sa;
    text_add(&n->story, "%7.3f %s\n", (double)n->s->now / (double)SECOND, sentence);
    if (!getenv("SIM_STORY")) return;
    (void)fprintf(stderr, "# %8.3f %s: %s\n", (double)n->s->now / (double)SECOND,
                  n->index == ALICE ? "alice"
                  : n->index == BOB ? "  bob"
                                    : "other",
                  sentence);
}

static void env_event(void *ctx, enum ike_event_kind kind, const struct ike_sa *sa,
                      const struct child_sa *child)
{
    (void)sa, (void)child;
    ((struct sim_node *)ctx)->events[kind]++;
}

static void env_alert(void *ctx, enum alert kind, const struct ike_sa *sa)
{
    (void)sa;
    ((struct sim_node *)ctx)->alerts[kind]++;
}

// A NAT rewrites the sender's address and port.
static void leave_nat(const struct sim_node *n, endpoint_t *from)
{
    if (n->nat_ip.family != from->ip.family) return;
    from->ip = n->nat_ip;
    from->port = from->port == 500 ? n->nat_port_500 : n->nat_port_4500;
}

// The node that an address belongs to, with the address as the node itself knows it.
static struct sim_node *enter_nat(struct sim *s, endpoint_t *to)
{
    for (unsigned i = 0; i < s->nodes; i++) {
        struct sim_node *n = &s->node[i];
        bool nat = n->nat_ip.family != AF_UNSPEC;
        if (n->offline) continue;
        if (n->also.family != AF_UNSPEC && ip_eq(&n->also, &to->ip)) return n;
        if (!nat && ip_eq(&n->ip, &to->ip)) return n;
        if (!nat || !ip_eq(&n->nat_ip, &to->ip)) continue;
        if (to->port != n->nat_port_500 && to->port != n->nat_port_4500) continue;
        *to = (endpoint_t){n->ip, to->port == n->nat_port_500 ? 500 : 4500};
        return n;
    }
    return NULL;
}

static void launch(struct sim *s, const struct sim_message *m)
{
    if (s->in_flight == SIM_FLIGHT) return; // a network drops what is too much
    struct sim_message *copy = malloc(sizeof *copy);
    *copy = *m;
    copy->d.bytes = span(copy->bytes, m->d.bytes.len);
    s->flight[s->in_flight++] = copy;
}

static void env_send(void *ctx, const struct datagram *d)
{
    struct sim_node *n = ctx;
    struct sim *s = n->s;
    struct sim_message m = {.at = s->now + LATENCY, .from = n->index, .d = *d};
    if (d->bytes.len == 0) {
        n->keepalives++;
        return;
    }
    CHECK(d->bytes.len <= SIM_BYTES);
    if (n->offline) return;
    memcpy(m.bytes, d->bytes.at, d->bytes.len);
    m.d.bytes = span(m.bytes, d->bytes.len);
    leave_nat(n, &m.d.from);
    unsigned number = s->sent++;
    unsigned copies = s->fate ? s->fate(s, &m, number) : 1;
    for (unsigned i = 0; i < copies; i++) {
        launch(s, &m);
        m.at += LATENCY / 2;
    }
}

// ---- works --------------------------------------------------------------------------------------

static err_t env_work(void *ctx, struct ike_work *w)
{
    struct sim_node *n = ctx;
    struct sim *s = n->s;
    if (s->works >= s->works_max) return ERR_LIMIT;
    s->work[s->works++] = (struct sim_work){s->now + s->work_takes, n->index, w};
    return ERR_OK;
}

static void works_end(struct sim *s)
{
    for (unsigned i = 0; i < s->works;) {
        struct sim_work done = s->work[i];
        if (done.at > s->now) {
            i++;
            continue;
        }
        s->work[i] = s->work[--s->works];
        s->works_run++;
        done.w->run(done.w);
        ike_work_done(s->node[done.node].ike, done.w);
        sim_check(s);
        i = 0;
    }
}

static void works_forget(struct sim *s, int node)
{
    for (unsigned i = 0; i < s->works;) {
        struct ike_work *w = s->work[i].w;
        if (s->work[i].node == node) {
            s->work[i] = s->work[--s->works];
            w->free(w);
        } else {
            i++;
        }
    }
}

// ---- hosts -------------------------------------------------------------------------------------

struct sim *sim_new(uint64_t seed)
{
    return sim_new_crowd(seed, SIM_NODES);
}

static void node_init(struct sim *s, unsigned i)
{
    struct sim_node *n = &s->node[i];
    char address[IP_TEXT_MAX];
    n->s = s;
    n->index = (int)i;
    (void)snprintf(address, sizeof address, "192.0.2.%u", i + 1);
    CHECK_OK(ip_parse(address, &n->ip));
    n->opt = ike_options_default();
    sim_xfrm_init(&n->xfrm, &s->now, 1000 * i);
    n->env = (struct env){.ctx = n,
                          .now = env_now,
                          .wall = env_wall,
                          .random = env_random,
                          .send = env_send,
                          .source_for = env_source_for,
                          .addresses = env_addresses,
                          .resolve = env_resolve,
                          .work = env_work,
                          .xfrm = sim_xfrm_api(&n->xfrm),
                          .tell = env_tell,
                          .event = env_event,
                          .alert = env_alert};
}

struct sim *sim_new_crowd(uint64_t seed, unsigned nodes)
{
    struct sim *s = calloc(1, sizeof *s);
    if (getenv("SIM_STORY")) (void)fprintf(stderr, "# ==== seed %lu\n", (unsigned long)seed);
    *s = (struct sim){.now = SECOND, .seed = seed, .nodes = nodes};
    s->works_max = SIM_WORKS;
    s->work_takes = NSEC_PER_MSEC;
    s->node = calloc(nodes, sizeof *s->node);
    for (unsigned i = 0; i < nodes; i++) node_init(s, i);
    return s;
}

void sim_switch_off(struct sim *s, int node)
{
    struct sim_node *n = &s->node[node];
    works_forget(s, node);
    ike_free(n->ike);
    config_free(n->config);
    n->ike = NULL;
    n->config = NULL;
}

void sim_free(struct sim *s)
{
    for (unsigned i = 0; i < s->in_flight; i++) free(s->flight[i]);
    for (unsigned i = 0; i < s->nodes; i++) {
        sim_switch_off(s, (int)i);
        text_done(&s->node[i].story);
    }
    free(s->node);
    free(s);
}

static err_t config_of(const struct sim_node *n, const char *conf, struct config **out,
                       struct conf_issues *issues)
{
    char path[256];
    if (!n->folder) return config_load_text("sim", span_str(conf), out, issues);
    (void)snprintf(path, sizeof path, "%s/swanctl.conf", n->folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(conf, f);
    (void)fclose(f);
    return config_load(path, out, issues);
}

void sim_configure(struct sim *s, int node, const char *conf)
{
    struct sim_node *n = &s->node[node];
    struct config *config = NULL;
    struct conf_issues issues = {0};
    if (config_of(n, conf, &config, &issues) != ERR_OK) {
        for (unsigned i = 0; i < issues.n; i++) {
            (void)fprintf(stderr, "# line %u: %s %s\n%s\n", issues.issue[i].line,
                          issues.issue[i].token, issues.issue[i].what, conf);
        }
        fail_msg("the test's configuration is wrong");
    }
    conf_issues_done(&issues);
    if (!n->ike) n->ike = ike_new(&n->env, &n->opt);
    assert_non_null(n->ike);
    struct config *old = n->config;
    n->config = config;
    for (unsigned i = 0; i < config->conn_n; i++) config->conn[i].since = n->since;
    ike_configure(n->ike, config);
    config_free(old);
}

void sim_roam(struct sim *s, int node, const char *ip)
{
    CHECK_OK(ip_parse(ip, &s->node[node].ip));
    ike_network_changed(s->node[node].ike);
}

static void net_net_side(struct sim *s, int node, const char *conn, const char *child,
                         const char *secret)
{
    char conf[4096], a[IP_TEXT_MAX], b[IP_TEXT_MAX];
    const struct sim_node *us = &s->node[node], *peer = &s->node[node == ALICE ? BOB : ALICE];
    bool v6 = us->ip.family == AF_INET6;
    s->inner_v6 = v6;
    const char *alice = v6 ? "2001:db8:1::/48" : "10.1.0.0/16";
    const char *bob = v6 ? "2001:db8:2::/48" : "10.2.0.0/16";
    // Short exchanges, unless the test asks for others: it may count messages.
    const char *suite = strstr(conn, "proposals") ? "" : SIM_SUITE;
    (void)snprintf(conf, sizeof conf,
                   "connections {\n net {\n  %s\n  local_addrs = %s\n  remote_addrs = %s\n"
                   "  local { auth = psk\n id = %s }\n  remote { auth = psk\n id = %s }\n"
                   "  children {\n   net {\n    local_ts = %s\n    remote_ts = %s\n    %s\n   }\n"
                   "  }\n  %s\n }\n}\n"
                   "secrets { ike-1 { secret = \"%s\" } }\n",
                   suite, ip_show(&us->ip, a),
                   peer->nat_ip.family ? "%any"
                                       : ip_show(&peer->ip, b), // behind a NAT: from anywhere
                   node == ALICE ? "alice.example.org" : "bob.example.org",
                   node == ALICE ? "bob.example.org" : "alice.example.org",
                   node == ALICE ? alice : bob, node == ALICE ? bob : alice, child, conn, secret);
    sim_configure(s, node, conf);
}

void sim_net_net_side(struct sim *s, int node, const char *conn, const char *child)
{
    net_net_side(s, node, conn, child, "correct horse");
}

void sim_wrong_secret(struct sim *s, int node, const char *conn)
{
    net_net_side(s, node, conn, "", "wrong horse");
}

void sim_net_net(struct sim *s, const char *conn, const char *child)
{
    sim_net_net_side(s, BOB, conn, child);
    sim_net_net_side(s, ALICE, conn, child);
}

// ---- commands ----------------------------------------------------------------------------------

static void tell_result(void *ctx, err_t err, const char *sentence)
{
    struct sim_result *r = ctx;
    r->told++;
    r->err = err;
    (void)snprintf(r->sentence, sizeof r->sentence, "%s", sentence);
}

void sim_initiate(struct sim *s, int node, const char *child, struct sim_result *r)
{
    *r = (struct sim_result){0};
    ike_initiate(s->node[node].ike, "net", child, tell_result, r);
}

void sim_establish(struct sim *s)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    sim_expect_clean(s);
}

struct sim *sim_established(uint64_t seed, const char *conn, const char *child)
{
    struct sim *s = sim_new(seed);
    sim_net_net(s, conn, child);
    sim_establish(s);
    sim_watch(s, true);
    return s;
}

void sim_establish_despite(struct sim *s, sim_fate_fn *fate, unsigned nth)
{
    struct sim_result r;
    s->fate = fate;
    s->fate_arg = nth;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 10 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    sim_run(s, 60 * SECOND); // what a doubled message left half-open is forgotten
    sim_expect_clean(s);
}

void sim_rekey_child(struct sim *s, int node)
{
    unsigned n;
    struct ike_choice what = {.ike = "net", .child = "net"};
    CHECK_OK(ike_rekey(s->node[node].ike, &what, &n));
}

void sim_rekey_ike(struct sim *s, int node)
{
    unsigned n;
    struct ike_choice what = {.ike = "net"};
    CHECK_OK(ike_rekey(s->node[node].ike, &what, &n));
}

void sim_terminate_child(struct sim *s, int node, struct sim_result *r)
{
    unsigned n;
    struct ike_choice what = {.ike = "net", .child = "net"};
    *r = (struct sim_result){0};
    ike_terminate(s->node[node].ike, &what, &n, tell_result, r);
}

void sim_terminate_ike(struct sim *s, int node, struct sim_result *r)
{
    unsigned n;
    struct ike_choice what = {.ike = "net"};
    *r = (struct sim_result){0};
    ike_terminate(s->node[node].ike, &what, &n, tell_result, r);
}

void sim_shutdown(struct sim *s, int node, struct sim_result *r)
{
    *r = (struct sim_result){0};
    ike_shutdown(s->node[node].ike, 5 * SECOND, tell_result, r);
}

// ---- time --------------------------------------------------------------------------------------

static void arrive(struct sim *s, unsigned i)
{
    struct sim_message *m = s->flight[i];
    // Order is kept: the network only reorders what the test tells it to.
    memmove(&s->flight[i], &s->flight[i + 1], (--s->in_flight - i) * sizeof(struct sim_message *));
    struct sim_node *n = enter_nat(s, &m->d.to);
    if (n && n->ike) ike_input(n->ike, &m->d);
    free(m);
    sim_check(s);
}

bool sim_deliver(struct sim *s, int from)
{
    for (unsigned i = 0; i < s->in_flight; i++) {
        if (s->flight[i]->from != from) continue;
        arrive(s, i);
        return true;
    }
    return false;
}

void sim_drop(struct sim *s, int from)
{
    for (unsigned i = 0; i < s->in_flight; i++) {
        if (s->flight[i]->from != from) continue;
        free(s->flight[i]);
        memmove(&s->flight[i], &s->flight[i + 1],
                (--s->in_flight - i) * sizeof(struct sim_message *));
        return;
    }
    fail_msg("nothing to drop");
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_event(const struct sim *s)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = 0; i < s->in_flight && !s->by_hand; i++) at = earlier(at, s->flight[i]->at);
    for (unsigned i = 0; i < s->probes; i++) at = earlier(at, s->probe[i].at);
    for (unsigned i = 0; i < s->works; i++) at = earlier(at, s->work[i].at);
    for (unsigned i = 0; i < s->nodes; i++) {
        const struct sim_node *n = &s->node[i];
        if (!n->ike) continue;
        at = earlier(at, earlier(ike_next(n->ike), sim_xfrm_due(&n->xfrm)));
    }
    return at;
}

static void tick_node(struct sim_node *n)
{
    struct xfrm_event ev;
    struct xfrm_sa sa;
    if (!n->ike) return;
    while (sim_xfrm_expire(&n->xfrm, &ev, &sa)) ike_xfrm_event(n->ike, &ev);
    if (ike_next(n->ike) > n->s->now) return;
    ike_tick(n->ike);
    CHECK(ike_next(n->ike) > n->s->now); // or the daemon would spin
    sim_check(n->s);
}

static void probes_land(struct sim *s);

static void happen(struct sim *s)
{
    for (unsigned i = 0; i < s->in_flight && !s->by_hand;) {
        if (s->flight[i]->at <= s->now) {
            arrive(s, i);
            i = 0;
        } else {
            i++;
        }
    }
    works_end(s);
    for (unsigned i = 0; i < s->nodes; i++) tick_node(&s->node[i]);
    probes_land(s);
}

#define EVENTS_MAX 200000 // of one sim_run(): more is a storm

void sim_run(struct sim *s, uint64_t ns)
{
    uint64_t end = s->now + ns;
    for (unsigned i = 0; next_event(s) <= end; i++) {
        CHECK(i < EVENTS_MAX);
        uint64_t at = next_event(s);
        if (at > s->now) s->now = at;
        happen(s);
    }
    s->now = end;
}

bool sim_run_until_quiet(struct sim *s, uint64_t ns)
{
    uint64_t end = s->now + ns;
    while (s->in_flight && s->now < end) sim_run(s, LATENCY);
    return s->in_flight == 0;
}

// ---- fates -------------------------------------------------------------------------------------

unsigned sim_fate_random(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)n;
    double a = (double)(sim_random(s) >> 11) / 9007199254740992.0;
    double b = (double)(sim_random(s) >> 11) / 9007199254740992.0;
    double c = (double)(sim_random(s) >> 11) / 9007199254740992.0;
    if (a < s->loss) return 0;
    m->at += (uint64_t)(c * s->jitter * (double)SECOND);
    return b < s->twice ? 2 : 1;
}

unsigned sim_fate_nth_lost(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)m;
    return n == s->fate_arg ? 0 : 1;
}

unsigned sim_fate_nth_twice(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)m;
    return n == s->fate_arg ? 2 : 1;
}

unsigned sim_fate_cut(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s, (void)m, (void)n;
    return 0;
}

// ---- looking -----------------------------------------------------------------------------------

static bool count_up(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    (void)sa;
    *(unsigned *)ctx += v->state != IKE_VIEW_CONNECTING && v->state != IKE_VIEW_DELETING;
    return true;
}

unsigned sim_ikes(struct sim *s, int node)
{
    unsigned n = 0;
    if (s->node[node].ike) ike_each(s->node[node].ike, count_up, &n);
    return n;
}

unsigned sim_children(struct sim *s, int node)
{
    return (unsigned)sim_stats(s, node).children;
}

struct ike_stats sim_stats(struct sim *s, int node)
{
    struct ike_stats st = {0};
    if (s->node[node].ike) ike_stats(s->node[node].ike, &st);
    return st;
}

bool sim_told(struct sim *s, int node, const char *words)
{
    return strstr(text_str(&s->node[node].story), words);
}

void sim_expect_clean(struct sim *s)
{
    for (int i = ALICE; i <= BOB; i++) {
        CHECK_EQ(sim_ikes(s, i), 1);
        CHECK_EQ(sim_children(s, i), 1);
        unsigned comps = sim_xfrm_comps(&s->node[i].xfrm); // beside ESP or AH
        CHECK(comps == 0 || comps == 2);
        CHECK_EQ(sim_xfrm_sas(&s->node[i].xfrm), 2 + comps);
        CHECK_EQ(sim_xfrm_larval(&s->node[i].xfrm), 0);
        CHECK_EQ(s->node[i].xfrm.policies, 3);
    }
    CHECK(sim_packet(s, ALICE));
    CHECK(sim_packet(s, BOB));
}

void sim_expect_nothing(struct sim *s)
{
    for (unsigned i = 0; i < s->nodes; i++) {
        CHECK_EQ(sim_ikes(s, (int)i), 0);
        CHECK_EQ(sim_xfrm_sas(&s->node[i].xfrm), 0);
        CHECK_EQ(sim_xfrm_larval(&s->node[i].xfrm), 0);
        CHECK_EQ(s->node[i].xfrm.policies, 0);
    }
}

// ---- what must always hold ---------------------------------------------------------------------

static bool same_keys(const struct xfrm_sa *x, const struct xfrm_alg *aead,
                      const struct xfrm_alg *crypt, const struct xfrm_alg *auth)
{
    return memcmp(&x->aead, aead, sizeof *aead) == 0 &&
           memcmp(&x->crypt, crypt, sizeof *crypt) == 0 &&
           memcmp(&x->auth, auth, sizeof *auth) == 0;
}

// The policy for a packet to the network behind the other one.
static const struct xfrm_policy *policy_for(struct sim *s, int from, ip_t *dst)
{
    struct sim_node *n = &s->node[from];
    ip_t src;
    bool v6 = s->inner_v6;
    const char *a = v6 ? "2001:db8:1::1" : "10.1.0.1", *b = v6 ? "2001:db8:2::1" : "10.2.0.1";
    CHECK_OK(ip_parse(from == ALICE ? a : b, &src));
    CHECK_OK(ip_parse(from == ALICE ? b : a, dst));
    return sim_xfrm_policy(&n->xfrm, XFRM_OUT, &src, dst);
}

struct sim_sa *sim_outbound(struct sim *s, int from)
{
    ip_t dst;
    const struct xfrm_policy *p = policy_for(s, from, &dst);
    return p ? sim_xfrm_outbound(&s->node[from].xfrm, p, &dst) : NULL;
}

void sim_acquire(struct sim *s, int from, uint32_t seq)
{
    ip_t dst;
    const struct xfrm_policy *p = policy_for(s, from, &dst);
    assert_non_null(p);
    struct xfrm_event ev = {.kind = XFRM_EV_ACQUIRE, .policy = p, .tmpl = &p->tmpl[0], .seq = seq};
    ike_xfrm_event(s->node[from].ike, &ev);
}

static struct sim_sa *partner(struct sim *s, int to, const struct xfrm_sa *out)
{
    endpoint_t e = {out->daddr, out->encap.type ? out->encap.dport : 500};
    struct sim_node *n = enter_nat(s, &e);
    if (!n || n->index != to) return NULL;
    return sim_xfrm_find(&n->xfrm, &e.ip, out->spi);
}

bool sim_packet(struct sim *s, int from)
{
    struct sim_sa *out = sim_outbound(s, from);
    if (!out) return false;
    struct sim_sa *in = partner(s, from == ALICE ? BOB : ALICE, &out->x);
    if (!in || in->x.larval || !same_keys(&in->x, &out->x.aead, &out->x.crypt, &out->x.auth)) {
        return false;
    }
    in->x.current.packets++;
    out->x.current.packets++;
    return true;
}

static void probe_launch(struct sim *s, int from)
{
    struct sim_sa *out = sim_outbound(s, from);
    if (!out) {
        (void)fprintf(stderr, "# no outbound SA at node %d\n", from);
        fail_msg("a moment without an outbound SA");
        return;
    }
    if (s->probes == SIM_PROBES) return;
    struct sim_probe *p = &s->probe[s->probes++];
    endpoint_t e = {out->x.daddr, out->x.encap.type ? out->x.encap.dport : 500};
    const struct sim_node *to = enter_nat(s, &e);
    *p = (struct sim_probe){.at = s->now + LATENCY,
                            .to = to ? to->index : -1,
                            .daddr = e.ip,
                            .spi = out->x.spi,
                            .aead = out->x.aead,
                            .crypt = out->x.crypt,
                            .auth = out->x.auth};
}

static void probes_land(struct sim *s)
{
    for (unsigned i = 0; i < s->probes;) {
        struct sim_probe p = s->probe[i];
        if (p.at > s->now) {
            i++;
            continue;
        }
        s->probe[i] = s->probe[--s->probes];
        if (!s->watching || p.to < 0) continue;
        struct sim_sa *in = sim_xfrm_find(&s->node[p.to].xfrm, &p.daddr, p.spi);
        if (!in || in->x.larval || !same_keys(&in->x, &p.aead, &p.crypt, &p.auth)) {
            (void)fprintf(stderr, "# at %.3f s node %d cannot read SPI %08x\n",
                          (double)s->now / (double)SECOND, p.to, p.spi);
            fail_msg("a packet was lost");
        }
    }
}

// Where both halves of an SA are there, they must fit.
static void check_pairs(struct sim *s, int from)
{
    struct sim_xfrm *x = &s->node[from].xfrm;
    for (unsigned i = 0; i < x->top; i++) {
        const struct sim_sa *out = &x->sa[i];
        bool outbound = out->used && !out->x.larval && ip_eq(&out->x.saddr, &s->node[from].ip);
        if (!outbound) continue;
        struct sim_sa *in = partner(s, from == ALICE ? BOB : ALICE, &out->x);
        if (!in || in->x.larval) continue;
        CHECK(same_keys(&in->x, &out->x.aead, &out->x.crypt, &out->x.auth));
        CHECK_EQ(in->x.mode, out->x.mode);
        CHECK_EQ(in->x.flags & XFRM_STATE_ESN, out->x.flags & XFRM_STATE_ESN);
        if (!s->encap_may_differ) CHECK_EQ(in->x.encap.type, out->x.encap.type);
    }
}

void sim_check(struct sim *s)
{
    check_pairs(s, ALICE);
    check_pairs(s, BOB);
    if (!s->watching) return;
    probe_launch(s, ALICE);
    probe_launch(s, BOB);
}

void sim_watch(struct sim *s, bool on)
{
    s->watching = on;
    if (!on) s->probes = 0;
}
