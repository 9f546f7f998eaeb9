// Sessions of three clients with the real executor behind the netlink server's dispatch, in a
// grammar of hostile messages (netlink_gram.h): SAs and policies come, change, expire and go, dumps
// are broken off, packets ask for SAs, time passes. After each message must hold:
//
//   one answer      a request that fails gets one error; one that succeeds gets what it asked for,
//                   and an acknowledgement if it wanted one
//   the right words the errno is one that a kernel gives, and a refusal of what is malformed says
//                   why in a sentence
//   all or nothing  what was refused has changed nothing: SAs and policies are, byte for byte,
//                   those of before
//   the same again  whatever is told of an SA or a policy reads back to the same bytes
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/siphash.h"
#include "netlink/dispatch.h"
#include "netlink/wire.h"
#include "test/fuzz/must.h"
#include "test/fuzz/netlink_gram.h"
#include "xfrm/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

#define CLIENTS 3
#define STEPS_MAX 48
#define DUMP_TURNS 256

static struct {
    struct db *db;
    struct control *control;
    struct dispatch dispatch;
    struct dispatch_peer peer[CLIENTS];
    struct gram g;
    uint64_t mono, wall;
    // what the message being served has caused
    uint32_t seq;
    const struct dispatch_peer *asker;
    unsigned errors, data; // answers of each kind
    int error;
    bool said;         // with a sentence
    unsigned patience; // datagrams that a dump's listener still takes
    unsigned ends;     // NLMSG_DONE
} site;

// ---- what comes out ----

// An SA or a policy, read by our own client's codec and written again.
static void reads_back(const struct nlmsghdr *h)
{
    static struct xfrm_sa sa;
    struct xfrm_policy policy;
    alignas(8) uint8_t again[MESSAGE_MAX];
    struct message_id id = {h->nlmsg_seq, h->nlmsg_pid, h->nlmsg_flags};
    struct message m = message_start(again, sizeof again, h->nlmsg_type, id);
    if (h->nlmsg_type == XFRM_MSG_NEWSA) {
        MUST(codec_sa_read(h, &sa, NULL) == ERR_OK);
        codec_sa_write(&m, &sa);
    } else if (h->nlmsg_type == XFRM_MSG_NEWPOLICY) {
        MUST(codec_policy_read(h, &policy, NULL) == ERR_OK);
        codec_policy_write(&m, &policy);
    } else {
        return;
    }
    MUST(message_done(&m) == ERR_OK && m.h->nlmsg_len == h->nlmsg_len);
    MUST(memcmp(again, h, h->nlmsg_len) == 0);
}

static void well_formed(const struct nlmsghdr *h)
{
    static struct codec_event e;
    struct xfrm_counts c;
    MUST(h->nlmsg_len >= NLMSG_HDRLEN && h->nlmsg_len <= MESSAGE_MAX && h->nlmsg_len % 4 == 0);
    switch (h->nlmsg_type) {
    case NLMSG_ERROR:
        MUST(h->nlmsg_len >= NLMSG_HDRLEN + sizeof(struct nlmsgerr));
        return;
    case NLMSG_DONE:
    case XFRM_MSG_GETDEFAULT:
        return;
    case XFRM_MSG_NEWSADINFO:
        MUST(codec_sadinfo_read(h, &c, NULL) == ERR_OK);
        return;
    case XFRM_MSG_NEWSPDINFO:
        MUST(codec_spdinfo_read(h, &c, NULL) == ERR_OK);
        return;
    default:
        MUST(codec_event_read(h, &e, NULL) == ERR_OK);
    }
}

static void on_reply(void *ctx, struct dispatch_peer *to, const struct nlmsghdr *h)
{
    (void)ctx;
    struct nlmsgerr e;
    well_formed(h);
    MUST(to == site.asker && h->nlmsg_seq == site.seq);
    if (h->nlmsg_type != NLMSG_ERROR) {
        if (h->nlmsg_type == XFRM_MSG_NEWSA) reads_back(h);
        site.data++;
        return;
    }
    memcpy(&e, (const uint8_t *)h + NLMSG_HDRLEN, sizeof e);
    site.errors++;
    site.error = -e.error;
    site.said = h->nlmsg_flags & NLM_F_ACK_TLVS;
}

static void on_multicast(void *ctx, unsigned group, const struct nlmsghdr *h)
{
    (void)ctx;
    MUST(group >= 1 && group <= XFRMNLGRP_MAX);
    well_formed(h);
}

static bool on_listened(void *ctx, unsigned group)
{
    (void)ctx, (void)group;
    return true;
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx;
    if (ev->kind == XFRM_EV_SA_NEW) site.g.spi = ev->sa->spi;
    dispatch_event(&site.dispatch, ev);
}

static bool on_dump(void *ctx, span_t d)
{
    (void)ctx;
    MUST(d.len <= DUMP_DATAGRAM_MAX);
    if (site.patience == 0) return false;
    site.patience--;
    for (size_t at = 0; at < d.len;) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)(d.at + at);
        MUST(d.len - at >= NLMSG_HDRLEN && h->nlmsg_len <= d.len - at);
        well_formed(h);
        reads_back(h);
        if (h->nlmsg_type == NLMSG_DONE) site.ends++;
        at += h->nlmsg_len;
    }
    return true;
}

// ---- the state of the executor in one number ----

struct digest {
    uint64_t sum;
};

static void digest_add(struct digest *d, const struct message *m)
{
    static const uint8_t key[16];
    MUST(message_done(m) == ERR_OK);
    d->sum = d->sum * 31 + siphash(key, m->h, m->h->nlmsg_len);
}

static bool digest_sa(void *arg, const struct xfrm_sa *sa)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    struct message m = message_start(buf, sizeof buf, XFRM_MSG_NEWSA, (struct message_id){0});
    codec_sa_write(&m, sa);
    digest_add(arg, &m);
    return true;
}

static bool digest_policy(void *arg, const struct xfrm_policy *p)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    struct message m = message_start(buf, sizeof buf, XFRM_MSG_NEWPOLICY, (struct message_id){0});
    codec_policy_write(&m, p);
    digest_add(arg, &m);
    return true;
}

static uint64_t state_now(void)
{
    struct digest d = {0};
    struct xfrm_api api = site.dispatch.api;
    MUST(api.ops->sa_each(api.ctx, digest_sa, &d) == ERR_OK);
    d.sum *= 31;
    MUST(api.ops->policy_each(api.ctx, digest_policy, &d) == ERR_OK);
    return d.sum;
}

// ---- what must hold ----

static bool errno_known(int error)
{
    static const int known[] = {EINVAL,      ERANGE, ENOSYS, EPROTONOSUPPORT, EOPNOTSUPP, EBUSY,
                                ENOPROTOOPT, ESRCH,  ENOENT, EEXIST,          ENOBUFS,    ENODATA};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i] == error) return true;
    }
    return false;
}

// Where nothing is wrong with the message itself the kernel is silent, too.
static bool needs_no_words(int error)
{
    return error == ESRCH || error == ENOENT || error == EEXIST || error == EBUSY;
}

// How many messages besides an acknowledgement a request brings when it succeeds.
static unsigned data_due(const struct nlmsghdr *h)
{
    switch (h->nlmsg_type) {
    case XFRM_MSG_GETSA:
    case XFRM_MSG_GETPOLICY:
    case XFRM_MSG_ALLOCSPI:
    case XFRM_MSG_GETAE:
    case XFRM_MSG_GETSADINFO:
    case XFRM_MSG_GETSPDINFO:
    case XFRM_MSG_GETDEFAULT:
        return 1;
    default:
        return 0;
    }
}

static bool is_dump(const struct nlmsghdr *h)
{
    bool get = h->nlmsg_type == XFRM_MSG_GETSA || h->nlmsg_type == XFRM_MSG_GETPOLICY;
    return get && h->nlmsg_flags & NLM_F_DUMP;
}

static void check_answer(const struct nlmsghdr *h, const struct dispatch_peer *from,
                         uint64_t before)
{
    bool request = h->nlmsg_flags & NLM_F_REQUEST, dump = request && is_dump(h);
    bool ack = h->nlmsg_flags & NLM_F_ACK && !dump;
    if (site.error == 0) {
        MUST(site.errors == (ack ? 1 : 0));
        MUST(site.data == (request && !dump ? data_due(h) : 0));
        if (dump) MUST(from->dump.active);
        if (request && !data_due(h)) return;
        if (h->nlmsg_type == XFRM_MSG_ALLOCSPI) return;
        MUST(state_now() == before); // to read changes nothing
        return;
    }
    MUST(request && site.errors == 1 && site.data == 0);
    MUST(errno_known(site.error));
    MUST(needs_no_words(site.error) || site.said || !(from->options & WIRE_EXT_ACK));
    MUST(state_now() == before);
}

// ---- steps of a session ----

static void dump_go_on(struct dispatch_peer *p, unsigned patience)
{
    if (!p->dump.active) return;
    site.patience = patience;
    site.ends = 0;
    dump_run(&p->dump, site.dispatch.api, on_dump, NULL);
    MUST(site.ends == (p->dump.active ? 0 : 1));
}

static void step_message(struct dispatch_peer *p)
{
    alignas(8) static uint8_t buf[GRAM_MESSAGE_MAX];
    size_t n = gram_message(&site.g, buf, ++site.seq);
    struct nlmsghdr h;
    uint8_t *exact = malloc(n); // so that a sanitizer sees an overrun by one byte
    MUST(exact != NULL);
    memcpy(exact, buf, n);
    memcpy(&h, buf, sizeof h);
    uint64_t before = state_now();
    site.asker = p;
    site.errors = site.data = 0;
    site.error = 0;
    dispatch_datagram(&site.dispatch, p, span(exact, n));
    free(exact);
    if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > n) {
        MUST(site.errors == 0 && site.data == 0 && state_now() == before);
        return;
    }
    check_answer(&h, p, before);
}

static void step_hello(struct dispatch_peer *p)
{
    struct wire_hello hello = wire_hello(p->portid, UINT32_MAX, gram_u8(&site.g) % 4);
    hello.h.nlmsg_seq = ++site.seq;
    site.asker = p;
    site.errors = 0;
    dispatch_datagram(&site.dispatch, p, span(&hello, sizeof hello));
    MUST(site.errors == 1 && site.error == 0);
}

// A packet for which a policy finds no SA.
static bool acquire_for(void *arg, const struct xfrm_policy *p)
{
    struct xfrm_policy *found = arg;
    *found = *p;
    return p->tmpl_count == 0;
}

static void step_acquire(void)
{
    struct xfrm_policy p = {0};
    struct xfrm_api api = site.dispatch.api;
    MUST(api.ops->policy_each(api.ctx, acquire_for, &p) == ERR_OK);
    if (p.tmpl_count == 0) return;
    struct xfrm_event ev = {
        .kind = XFRM_EV_ACQUIRE, .policy = &p, .tmpl = &p.tmpl[0], .trigger = p.sel};
    control_worker_event(site.control, &ev);
}

static void step(void)
{
    uint8_t d = gram_u8(&site.g);
    struct dispatch_peer *p = &site.peer[d % CLIENTS];
    if (d < 200) {
        step_message(p);
    } else if (d < 220) {
        dump_go_on(p, gram_u8(&site.g) % 4);
    } else if (d < 230) {
        step_hello(p);
    } else if (d < 240) {
        step_acquire();
    } else {
        uint64_t seconds = gram_u8(&site.g);
        site.mono += seconds * NSEC_PER_SEC;
        site.wall += seconds;
        (void)control_tick(site.control);
    }
}

// ---- a session ----

static uint64_t mono(void *ctx)
{
    (void)ctx;
    return site.mono;
}

static uint64_t wall(void *ctx)
{
    (void)ctx;
    return site.wall;
}

static void session_begin(const uint8_t *in, size_t n)
{
    if (!site.db) {
        rcu_register_thread();
        site.db = db_new();
    }
    site.control = control_new(site.db, on_event, NULL);
    MUST(site.db && site.control);
    site.g = (struct gram){.at = in, .left = n};
    site.mono = NSEC_PER_SEC;
    site.wall = 1700000000;
    site.seq = 0;
    control_set_clock(site.control, (struct control_clock){mono, wall, NULL});
    site.dispatch = dispatch_of(control_api(site.control),
                                (struct dispatch_out){on_reply, on_multicast, on_listened, NULL});
    memset(site.peer, 0, sizeof site.peer);
    for (unsigned i = 0; i < CLIENTS; i++) {
        site.peer[i].portid = 1000 + i;
        site.peer[i].options = i == 0 ? 0 : WIRE_EXT_ACK | (i == 2 ? WIRE_CAP_ACK : 0);
    }
}

static void session_end(void)
{
    struct xfrm_api api = site.dispatch.api;
    struct xfrm_counts c;
    for (unsigned i = 0; i < CLIENTS; i++) {
        dump_go_on(&site.peer[i], DUMP_TURNS);
        MUST(!site.peer[i].dump.active);
    }
    IGNORE(api.ops->sa_flush(api.ctx, 0)); // there may be none
    IGNORE(api.ops->policy_flush(api.ctx, XFRM_POLICY_TYPE_MAIN));
    IGNORE(api.ops->policy_flush(api.ctx, XFRM_POLICY_TYPE_SUB));
    MUST(api.ops->counts(api.ctx, &c) == ERR_OK && c.sa_count == 0);
    MUST(c.policies[XFRM_IN] + c.policies[XFRM_OUT] + c.policies[XFRM_FWD] == 0);
    control_free(site.control);
    rcu_quiescent_state();
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    session_begin(in, n);
    for (unsigned i = 0; i < STEPS_MAX && site.g.left > 0; i++) step();
    session_end();
    return 0;
}
