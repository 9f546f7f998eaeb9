// The client against a server in a process of its own, and against the kernel.
#include "netlink/client.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "netlink/codec.h"
#include "netlink/server.h"
#include "netlink/wire.h"
#include "test/check.h"
#include "test/unit/netlink/fake_xfrm.h"
#include "test/unit/netlink/samples.h"

static struct {
    char name[64];
    pid_t server;
    struct loop *loop;
    struct loop_timer *timer;
    unsigned events, returns;
    struct xfrm_event last;
    uint32_t last_spi;
} t;

// ---- the server process ----

static struct xfrm_server *serving;

static void on_server_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx;
    xfrm_server_event(serving, ev);
}

static void serve(int ready)
{
    struct fake_xfrm fake;
    struct loop *loop = loop_new();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    fake_init(&fake, on_server_event, NULL);
    if (xfrm_server_new(loop, t.name, fake_api(&fake), &serving, NULL) != ERR_OK) _exit(1);
    if (write(ready, "x", 1) != 1) _exit(1);
    loop_run(loop);
    _exit(0);
}

static void server_start(void)
{
    int ready[2];
    char c;
    CHECK_EQ(pipe(ready), 0);
    t.server = fork();
    if (t.server == 0) serve(ready[1]);
    (void)close(ready[1]);
    CHECK_EQ(read(ready[0], &c, 1), 1);
    (void)close(ready[0]);
}

static void server_stop(void)
{
    if (t.server > 0) {
        (void)kill(t.server, SIGKILL);
        (void)waitpid(t.server, NULL, 0);
    }
    t.server = 0;
}

static void on_timer(void *ctx)
{
    (void)ctx;
    loop_stop(t.loop);
}

static void run(unsigned ms)
{
    loop_timer_at(t.timer, clock_mono() + ms * NSEC_PER_MSEC);
    loop_run(t.loop);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    (void)snprintf(t.name, sizeof t.name, "@pavise-client-test-%d", getpid());
    t.loop = loop_new();
    t.timer = loop_timer_new(t.loop, on_timer, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_stop();
    loop_timer_free(t.timer);
    loop_free(t.loop);
    return 0;
}

// ---- the client ----

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx;
    t.events++;
    t.last = *ev;
    t.last_spi = ev->sa ? ev->sa->spi : 0;
}

static void on_return(void *ctx)
{
    (void)ctx;
    t.returns++;
}

static struct xfrm_client *open_client(uint32_t groups)
{
    struct xfrm_client *c = NULL;
    struct xfrm_client_options o = {XFRM_PEER_XFRMD, t.name, groups};
    CHECK_OK(xfrm_client_open_with(&o, t.loop, on_event, NULL, &c, NULL));
    return c;
}

static void requests(void **state)
{
    (void)state;
    server_start();
    struct xfrm_client *c = open_client(0);
    struct xfrm_api api = xfrm_client_api(c);
    struct xfrm_sa sa = sample_sa(), got;
    struct why why = {""};
    CHECK_OK(api.ops->sa_add(api.ctx, &sa, &why));
    CHECK_EQ(api.ops->sa_add(api.ctx, &sa, &why), ERR_EXISTS);
    struct xfrm_sa_id id = {.daddr = sa.daddr, .spi = sa.spi, .proto = 50, .mark = {0x41, 0xff}};
    CHECK_OK(api.ops->sa_get(api.ctx, &id, &got));
    CHECK_EQ(got.reqid, sa.reqid);
    CHECK_EQ(got.auth.icv_bits, 128);
    CHECK(!got.larval);
    sa.limit.hard_bytes = 99;
    CHECK_OK(api.ops->sa_update(api.ctx, &sa, &why));
    CHECK_OK(api.ops->sa_get(api.ctx, &id, &got));
    CHECK_EQ(got.limit.hard_bytes, 99);
    CHECK_OK(api.ops->sa_expire(api.ctx, &id, false));
    CHECK_OK(api.ops->sa_del(api.ctx, &id));
    CHECK_EQ(api.ops->sa_del(api.ctx, &id), ERR_NOTFOUND);
    CHECK_EQ(api.ops->sa_get(api.ctx, &id, &got), ERR_NOTFOUND);
    CHECK_OK(api.ops->sa_alloc_spi(api.ctx, &sa, 0x800, 0x800, &got, &why));
    CHECK_EQ(got.spi, 0x800);
    CHECK(got.larval);
    CHECK_EQ(api.ops->sa_alloc_spi(api.ctx, &sa, 0x800, 0x800, &got, &why), ERR_NOTFOUND);
    CHECK_OK(api.ops->sa_flush(api.ctx, 0));
    xfrm_client_close(c);
}

static void moves_and_defaults(void **state)
{
    (void)state;
    server_start();
    struct xfrm_client *c = open_client(XFRM_GROUPS_ALL);
    struct xfrm_api api = xfrm_client_api(c);
    struct xfrm_sa sa = sample_sa(), got;
    struct xfrm_policy p = sample_policy();
    struct why why = {""};
    CHECK_OK(api.ops->sa_add(api.ctx, &sa, &why));
    CHECK_OK(api.ops->policy_add(api.ctx, &p, false, &why));
    struct xfrm_ae ae = {.id = codec_sa_id(&sa), .replay_given = true, .replay.in_seq = 1234};
    CHECK_OK(api.ops->sa_set_ae(api.ctx, &ae, &why));
    CHECK_OK(api.ops->sa_get(api.ctx, &ae.id, &got));
    CHECK_EQ(got.replay.in_seq, 1234);
    ae.id.spi++;
    CHECK_EQ(api.ops->sa_set_ae(api.ctx, &ae, &why), ERR_NOTFOUND);

    struct xfrm_move v = {sa.saddr, sa.daddr, sa.daddr, sa.saddr, 50, XFRM_TUNNEL, 7};
    struct xfrm_migrate m = {.sel = p.sel, .dir = p.dir, .count = 2, .move = {v, v}};
    CHECK_EQ(api.ops->migrate(api.ctx, &m, &why), ERR_SYNTAX); // the same twice
    m.move[1].reqid = 8;
    m.km_given = m.encap_given = true;
    m.km_local = sa.saddr;
    m.km_remote = sa.daddr;
    m.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 77};
    CHECK_OK(api.ops->migrate(api.ctx, &m, &why));
    m.move[0].reqid = 99;
    CHECK_EQ(api.ops->migrate(api.ctx, &m, &why), ERR_NOCHOICE);

    const uint8_t wanted[XFRM_DIRS] = {1, 2, 1};
    uint8_t now[XFRM_DIRS] = {0};
    CHECK_OK(api.ops->defaults_set(api.ctx, wanted));
    CHECK_OK(api.ops->defaults_get(api.ctx, now));
    CHECK(memcmp(now, wanted, sizeof now) == 0);
    xfrm_client_close(c);
}

static void refusals_are_explained(void **state)
{
    (void)state;
    server_start();
    struct xfrm_client *c = open_client(0);
    struct xfrm_api api = xfrm_client_api(c);
    struct xfrm_sa sa = sample_sa();
    struct xfrm_policy p = sample_policy();
    struct why why = {""};
    sa.crypt = sample_alg("cbc(rot13)", 128, 0, 1);
    CHECK_EQ(api.ops->sa_add(api.ctx, &sa, &why), ERR_ALGORITHM);
    CHECK(strstr(why.text, "rot13") != NULL);
    sa = sample_sa();
    sa.mode = 77;
    sa.tfcpad = 0;
    CHECK_EQ(api.ops->sa_add(api.ctx, &sa, &why), ERR_SYNTAX);
    CHECK(strstr(why.text, "77") != NULL);
    p.tmpl[0].optional = 1;
    CHECK_EQ(api.ops->policy_add(api.ctx, &p, false, &why), ERR_SYNTAX);
    CHECK(strstr(why.text, "optional") != NULL);
    CHECK_EQ(api.ops->policy_add(api.ctx, &p, false, NULL), ERR_SYNTAX);
    xfrm_client_close(c);
}

static bool count_sa(void *arg, const struct xfrm_sa *sa)
{
    struct xfrm_api *api = arg;
    struct xfrm_sa_id id = {.daddr = sa->daddr, .spi = sa->spi, .proto = 50, .mark = sa->mark};
    CHECK_OK(api->ops->sa_del(api->ctx, &id)); // requests may be made meanwhile
    t.events++;
    return t.events < 150;
}

static bool count_policy(void *arg, const struct xfrm_policy *p)
{
    (void)arg;
    CHECK_EQ(p->priority, 72);
    t.events++;
    return true;
}

static void walks(void **state)
{
    (void)state;
    server_start();
    struct xfrm_client *c = open_client(0);
    struct xfrm_api api = xfrm_client_api(c);
    struct xfrm_sa sa = sample_sa();
    struct xfrm_policy p = sample_policy();
    struct xfrm_counts counts;
    for (sa.spi = 1; sa.spi <= 200; sa.spi++) CHECK_OK(api.ops->sa_add(api.ctx, &sa, NULL));
    CHECK_OK(api.ops->policy_add(api.ctx, &p, false, NULL));
    CHECK_OK(api.ops->policy_each(api.ctx, count_policy, NULL));
    CHECK_EQ(t.events, 1);
    t.events = 0;
    CHECK_OK(api.ops->sa_each(api.ctx, count_sa, &api));
    CHECK_EQ(t.events, 150);
    CHECK_OK(api.ops->counts(api.ctx, &counts));
    CHECK_EQ(counts.sa_count, 50);
    CHECK_EQ(counts.policies[XFRM_OUT], 1);
    struct xfrm_policy_id id = {
        .dir = p.dir, .type = p.type, .sel = p.sel, .mark = p.mark, .if_id = p.if_id};
    struct xfrm_policy got;
    CHECK_OK(api.ops->policy_get(api.ctx, &id, &got));
    CHECK_EQ(got.tmpl_count, 2);
    CHECK_OK(api.ops->policy_del(api.ctx, &id));
    CHECK_EQ(api.ops->policy_get(api.ctx, &id, &got), ERR_NOTFOUND);
    CHECK_OK(api.ops->policy_flush(api.ctx, 0));
    xfrm_client_close(c);
}

static void events(void **state)
{
    (void)state;
    server_start();
    struct xfrm_client *c = open_client(XFRM_GROUPS_DIPLOMAT);
    struct xfrm_api api = xfrm_client_api(c);
    struct xfrm_sa sa = sample_sa();
    struct xfrm_sa_id id = {.daddr = sa.daddr, .spi = sa.spi, .proto = 50, .mark = {0x41, 0xff}};
    CHECK_OK(api.ops->sa_add(api.ctx, &sa, NULL));
    CHECK_OK(api.ops->sa_expire(api.ctx, &id, true));
    run(50);
    CHECK_EQ(t.events, 1); // changes of SAs were not asked for
    CHECK_EQ(t.last.kind, XFRM_EV_EXPIRE);
    CHECK(t.last.hard);
    CHECK_EQ(t.last_spi, sa.spi);
    xfrm_client_close(c);
    c = open_client(XFRM_GROUPS_ALL);
    api = xfrm_client_api(c);
    CHECK_OK(api.ops->sa_add(api.ctx, &sa, NULL));
    run(50);
    CHECK_EQ(t.events, 2);
    CHECK_EQ(t.last.kind, XFRM_EV_SA_NEW);
    xfrm_client_close(c);
}

static void a_restart_is_survived(void **state)
{
    (void)state;
    server_start();
    struct xfrm_client *c = open_client(XFRM_GROUPS_ALL);
    struct xfrm_api api = xfrm_client_api(c);
    struct xfrm_sa sa = sample_sa();
    xfrm_client_on_return(c, on_return, NULL);
    CHECK_OK(api.ops->sa_add(api.ctx, &sa, NULL));
    server_stop();
    CHECK_EQ(api.ops->sa_add(api.ctx, &sa, NULL), ERR_CLOSED);
    run(50);
    server_start();
    CHECK_OK(api.ops->sa_add(api.ctx, &sa, NULL)); // at once, over a new connection
    for (unsigned i = 0; i < 40 && !t.returns; i++) run(50);
    CHECK_EQ(t.returns, 1);
    t.events = 0;
    CHECK_OK(api.ops->sa_flush(api.ctx, 0));
    run(50);
    CHECK_EQ(t.events, 1);
    xfrm_client_close(c);
}

// A server of a few lines: greets, then answers each request twice, first as if it were late with
// the one before.
static void serve_late(int listening)
{
    alignas(8) uint8_t in[4096];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = accept(listening, NULL, NULL);
    for (bool greeted = false; recv(fd, in, sizeof in, 0) > 0; greeted = true) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)in;
        struct {
            struct nlmsghdr h;
            struct nlmsgerr e;
        } a = {.h = {sizeof a, NLMSG_ERROR, NLM_F_CAPPED, h->nlmsg_seq - 1, 0}, .e = {-EEXIST, *h}};
        if (greeted && send(fd, &a, sizeof a, 0) < 0) break;
        a.h.nlmsg_seq = h->nlmsg_seq;
        a.e.error = 0;
        if (send(fd, &a, sizeof a, 0) < 0) break;
    }
    _exit(0);
}

static int listen_as(unsigned uid)
{
    struct sockaddr_un at;
    socklen_t n = wire_address(t.name, &at);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, (const struct sockaddr *)&at, n), 0);
    CHECK_EQ(seteuid(uid), 0);
    CHECK_EQ(listen(fd, 1), 0); // whose credentials a client sees
    CHECK_EQ(seteuid(0), 0);
    return fd;
}

static void a_late_answer_is_not_ours(void **state)
{
    (void)state;
    int fd = listen_as(0);
    t.server = fork();
    if (t.server == 0) serve_late(fd);
    (void)close(fd);
    struct xfrm_client *c = NULL;
    struct xfrm_client_options o = {XFRM_PEER_XFRMD, t.name, 0};
    CHECK_OK(xfrm_client_open_with(&o, NULL, NULL, NULL, &c, NULL));
    struct xfrm_api api = xfrm_client_api(c);
    for (unsigned i = 0; i < 3; i++) CHECK_OK(api.ops->sa_flush(api.ctx, 0));
    xfrm_client_close(c);
}

static void an_impostor_gets_nothing(void **state)
{
    (void)state;
    struct xfrm_client *c = NULL;
    struct why why = {""};
    struct xfrm_client_options o = {XFRM_PEER_XFRMD, t.name, 0};
    if (getuid() != 0) skip();
    int fd = listen_as(65534);
    CHECK_EQ(xfrm_client_open_with(&o, NULL, NULL, NULL, &c, &why), ERR_PERMISSION);
    CHECK(strstr(why.text, "impostor") != NULL);
    (void)close(fd);
}

static void nobody_there(void **state)
{
    (void)state;
    struct xfrm_client *c = NULL;
    struct why why = {""};
    struct xfrm_client_options o = {XFRM_PEER_XFRMD, t.name, 0};
    CHECK_EQ(xfrm_client_open_with(&o, NULL, NULL, NULL, &c, &why), ERR_CLOSED);
    CHECK(strstr(why.text, "not running") != NULL);
    int fd = listen_as(0); // someone who never answers
    CHECK_EQ(xfrm_client_open_with(&o, NULL, NULL, NULL, &c, &why), ERR_TIMEOUT);
    CHECK(c == NULL);
    (void)close(fd);
}

static void the_kernel(void **state)
{
    (void)state;
    struct xfrm_client *c = NULL;
    struct why why = {""};
    if (unshare(CLONE_NEWNET) != 0) skip(); // never in a namespace that is in use
    if (xfrm_client_open(XFRM_PEER_KERNEL, t.loop, on_event, NULL, &c, &why) != ERR_OK) {
        print_message("no XFRM in this kernel: %s\n", why.text);
        skip();
    }
    struct xfrm_api api = xfrm_client_api(c);
    struct xfrm_policy p = sample_policy(), got;
    struct xfrm_sa sa = sample_sa();
    struct xfrm_counts counts;
    p.type = 0;
    p.sel.ifindex = 0;
    CHECK_OK(api.ops->policy_add(api.ctx, &p, false, &why));
    CHECK_EQ(api.ops->policy_add(api.ctx, &p, false, &why), ERR_EXISTS);
    struct xfrm_policy_id id = {.dir = p.dir, .sel = p.sel, .mark = p.mark, .if_id = p.if_id};
    CHECK_OK(api.ops->policy_get(api.ctx, &id, &got));
    CHECK_EQ(got.index, p.index);
    CHECK_EQ(got.tmpl[1].reqid, 92);
    CHECK_OK(api.ops->policy_each(api.ctx, count_policy, NULL));
    CHECK_EQ(t.events, 1);
    CHECK_OK(api.ops->counts(api.ctx, &counts));
    CHECK_EQ(counts.policies[XFRM_OUT], 1);
    CHECK_OK(api.ops->policy_del(api.ctx, &id));
    CHECK_EQ(api.ops->policy_del(api.ctx, &id), ERR_NOTFOUND);
    sa.mode = 77;
    sa.tfcpad = sa.nat_keepalive_s = 0;
    CHECK_EQ(api.ops->sa_add(api.ctx, &sa, &why), ERR_SYNTAX);
    CHECK(strlen(why.text) > 0);
    xfrm_client_close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(requests),
        T(moves_and_defaults),
        T(refusals_are_explained),
        T(walks),
        T(events),
        T(a_restart_is_survived),
        T(a_late_answer_is_not_ours),
        T(an_impostor_gets_nothing),
        T(nobody_there),
        T(the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
