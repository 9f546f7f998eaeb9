// A client's datagrams in, answers and events out: over fake_xfrm, without sockets.
#include "netlink/dispatch.h"

#include <errno.h>

#include "netlink/wire.h"
#include "test/check.h"
#include "test/unit/netlink/fake_xfrm.h"
#include "test/unit/netlink/samples.h"

#define HEARD_MAX 64

// Everything that came out, in order.
struct heard {
    unsigned group; // 0: a reply
    alignas(8) uint8_t at[MESSAGE_MAX];
};

static struct {
    struct fake_xfrm fake;
    struct dispatch dispatch;
    struct dispatch_peer peer;
    struct heard heard[HEARD_MAX];
    unsigned count;
    uint32_t groups; // listened to
    uint32_t seq;
} t;

static void remember(unsigned group, const struct nlmsghdr *h)
{
    CHECK(t.count < HEARD_MAX && h->nlmsg_len <= MESSAGE_MAX);
    t.heard[t.count].group = group;
    memcpy(t.heard[t.count++].at, h, h->nlmsg_len);
}

static void on_reply(void *ctx, struct dispatch_peer *to, const struct nlmsghdr *h)
{
    (void)ctx;
    CHECK(to == &t.peer);
    remember(0, h);
}

static void on_multicast(void *ctx, unsigned group, const struct nlmsghdr *h)
{
    (void)ctx;
    remember(group, h);
}

static bool on_listened(void *ctx, unsigned group)
{
    (void)ctx;
    return t.groups >> (group - 1) & 1;
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx;
    dispatch_event(&t.dispatch, ev);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    fake_init(&t.fake, on_event, NULL);
    t.dispatch = dispatch_of(fake_api(&t.fake),
                             (struct dispatch_out){on_reply, on_multicast, on_listened, NULL});
    t.peer = (struct dispatch_peer){.portid = 4711};
    t.groups = 0xff;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_done(&t.fake);
    return 0;
}

// ---- asking ----

static alignas(8) uint8_t buf[MESSAGE_MAX];

static struct message ask(uint16_t type)
{
    struct message_id id = {.seq = ++t.seq, .portid = 99, .flags = NLM_F_REQUEST | NLM_F_ACK};
    return message_start(buf, sizeof buf, type, id);
}

static void deliver(const struct message *m)
{
    t.count = 0;
    dispatch_datagram(&t.dispatch, &t.peer, span(m->h, m->h->nlmsg_len));
}

static const struct nlmsghdr *heard(unsigned i)
{
    CHECK(i < t.count);
    return (const struct nlmsghdr *)t.heard[i].at;
}

// The errno of the acknowledgement, which comes last.
static int answer(void)
{
    const struct nlmsghdr *h = heard(t.count - 1);
    struct nlmsgerr e;
    CHECK_EQ(h->nlmsg_type, NLMSG_ERROR);
    CHECK_EQ(h->nlmsg_seq, t.seq);
    CHECK_EQ(h->nlmsg_pid, 4711);
    memcpy(&e, h + 1, sizeof e);
    CHECK_EQ(e.msg.nlmsg_seq, t.seq);
    return -e.error;
}

static int put_sa(uint16_t type, const struct xfrm_sa *sa)
{
    struct message m = ask(type);
    codec_sa_write(&m, sa);
    deliver(&m);
    return answer();
}

static int name_sa(uint16_t type, const struct xfrm_sa *sa)
{
    struct message m = ask(type);
    struct xfrm_sa_id id = codec_sa_id(sa);
    codec_sa_id_write(&m, &id);
    deliver(&m);
    return answer();
}

static int put_policy(uint16_t type, const struct xfrm_policy *p)
{
    struct message m = ask(type);
    codec_policy_write(&m, p);
    deliver(&m);
    return answer();
}

static int name_policy(uint16_t type, const struct xfrm_policy_id *id)
{
    struct message m = ask(type);
    codec_policy_id_write(&m, id);
    deliver(&m);
    return answer();
}

static void event_is(unsigned i, unsigned group, uint16_t type, uint32_t portid, uint32_t seq)
{
    CHECK_EQ(t.heard[i].group, group);
    CHECK_EQ(heard(i)->nlmsg_type, type);
    CHECK_EQ(heard(i)->nlmsg_pid, portid);
    CHECK_EQ(heard(i)->nlmsg_seq, seq);
    CHECK_EQ(heard(i)->nlmsg_flags, 0);
}

// ---- SAs ----

static void an_sa_lives_and_dies(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa(), got;
    struct codec_event e;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), 0);
    CHECK_EQ(t.count, 2);
    event_is(0, XFRMNLGRP_SA, XFRM_MSG_NEWSA, 99, t.seq); // with the request's port id
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), EEXIST);
    CHECK_EQ(t.count, 1);

    CHECK_EQ(name_sa(XFRM_MSG_GETSA, &sa), 0);
    CHECK_EQ(heard(0)->nlmsg_pid, 4711);
    CHECK_EQ(heard(0)->nlmsg_seq, t.seq);
    CHECK_OK(codec_sa_read(heard(0), &got, NULL));
    CHECK_EQ(got.spi, sa.spi);
    CHECK_EQ(got.current.add_time, t.fake.now);

    sa.limit.hard_bytes = 77;
    CHECK_EQ(put_sa(XFRM_MSG_UPDSA, &sa), 0);
    event_is(0, XFRMNLGRP_SA, XFRM_MSG_UPDSA, 99, t.seq);

    CHECK_EQ(name_sa(XFRM_MSG_DELSA, &sa), 0);
    event_is(0, XFRMNLGRP_SA, XFRM_MSG_DELSA, 99, t.seq);
    CHECK_OK(codec_event_read(heard(0), &e, NULL));
    CHECK_EQ(e.sa.limit.hard_bytes, 77);
    CHECK_EQ(name_sa(XFRM_MSG_DELSA, &sa), ESRCH);
    CHECK_EQ(name_sa(XFRM_MSG_GETSA, &sa), ESRCH);
    CHECK_EQ(put_sa(XFRM_MSG_UPDSA, &sa), ESRCH);
    sa.proto = 17;
    CHECK_EQ(name_sa(XFRM_MSG_GETSA, &sa), EINVAL);
}

static void refused_sas(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa();
    sa.crypt = sample_alg("cbc(rot13)", 128, 0, 1);
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), ENOSYS);
    sa = sample_sa();
    sa.auth = sample_alg("hmac(crc)", 128, 96, 1);
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), ENOSYS);
    sa = sample_sa();
    sa.crypt.key_bits = 120;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), EINVAL);
    sa = sample_sa_aead();
    sa.aead.icv_bits = 100;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), ENOSYS);
    sa = sample_sa_aead();
    sa.aead.key_bits = 152;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), EINVAL);
    sa = sample_sa();
    sa.proto = XFRM_PROTO_AH;
    sa.crypt.name[0] = 0;
    sa.tfcpad = 0;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), EPROTONOSUPPORT);
    CHECK_EQ(t.fake.sa_count, 0);

    struct message m = ask(XFRM_MSG_NEWSA);
    codec_sa_write(&m, &sa);
    message_put(&m, XFRMA_MARK, "abc", 3);
    deliver(&m);
    CHECK_EQ(answer(), ERANGE);
    m = ask(XFRM_MSG_NEWSA);
    message_put_u32(&m, 1, 0);
    deliver(&m);
    CHECK_EQ(answer(), EINVAL);
}

static void spis(void **state)
{
    (void)state;
    struct xfrm_sa like = sample_sa(), got;
    struct message m = ask(XFRM_MSG_ALLOCSPI);
    codec_spi_write(&m, &like, 0x500, 0x500);
    deliver(&m);
    CHECK_EQ(answer(), 0);
    CHECK_EQ(heard(0)->nlmsg_type, XFRM_MSG_NEWSA);
    CHECK_OK(codec_sa_read(heard(0), &got, NULL));
    CHECK_EQ(got.spi, 0x500);
    CHECK(got.larval);
    m = ask(XFRM_MSG_ALLOCSPI);
    codec_spi_write(&m, &like, 0x500, 0x500);
    deliver(&m);
    CHECK_EQ(answer(), ENOENT);
    m = ask(XFRM_MSG_ALLOCSPI);
    codec_spi_write(&m, &like, 0x501, 0x500);
    deliver(&m);
    CHECK_EQ(answer(), EINVAL);
}

static void flush_and_expire(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa();
    struct codec_event e;
    struct message m = ask(XFRM_MSG_FLUSHSA);
    codec_sa_flush_write(&m, 0);
    deliver(&m);
    CHECK_EQ(answer(), 0); // nothing to flush is no error
    CHECK_EQ(t.count, 1);

    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), 0);
    m = ask(XFRM_MSG_EXPIRE);
    codec_expire_write(&m, &sa, true);
    deliver(&m);
    CHECK_EQ(answer(), 0);
    event_is(0, XFRMNLGRP_EXPIRE, XFRM_MSG_EXPIRE, 99, 0);
    CHECK_OK(codec_event_read(heard(0), &e, NULL));
    CHECK(e.ev.hard);
    m = ask(XFRM_MSG_EXPIRE);
    codec_expire_write(&m, &sa, true);
    deliver(&m);
    CHECK_EQ(answer(), ENOENT);

    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), 0);
    m = ask(XFRM_MSG_FLUSHSA);
    codec_sa_flush_write(&m, XFRM_PROTO_ESP);
    deliver(&m);
    event_is(0, XFRMNLGRP_SA, XFRM_MSG_FLUSHSA, 99, t.seq);
}

static void replay_state(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa_aead(), got;
    uint32_t flags = 0;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), 0);
    struct message m = ask(XFRM_MSG_GETAE);
    codec_ae_write(&m, &sa, XFRM_AE_RVAL);
    deliver(&m);
    CHECK_EQ(answer(), 0);
    CHECK_EQ(heard(0)->nlmsg_type, XFRM_MSG_NEWAE);
    CHECK_OK(codec_ae_read(heard(0), &got, &flags, NULL));
    CHECK_EQ(flags, XFRM_AE_RVAL);
    CHECK_EQ(got.replay.in_seq, sa.replay.in_seq);
}

// ---- policies ----

static void a_policy_lives_and_dies(void **state)
{
    (void)state;
    struct xfrm_policy p = sample_policy(), got;
    p.index = 0;
    CHECK_EQ(put_policy(XFRM_MSG_NEWPOLICY, &p), 0);
    event_is(0, XFRMNLGRP_POLICY, XFRM_MSG_NEWPOLICY, 99, t.seq);
    CHECK_EQ(put_policy(XFRM_MSG_NEWPOLICY, &p), EEXIST);
    p.priority = 5;
    CHECK_EQ(put_policy(XFRM_MSG_UPDPOLICY, &p), 0);
    event_is(0, XFRMNLGRP_POLICY, XFRM_MSG_UPDPOLICY, 99, t.seq);

    struct xfrm_policy_id id = codec_policy_id(&p);
    CHECK_EQ(name_policy(XFRM_MSG_GETPOLICY, &id), 0);
    CHECK_OK(codec_policy_read(heard(0), &got, NULL));
    CHECK_EQ(got.priority, 5);
    CHECK_EQ(got.current.bytes, 0);

    CHECK_EQ(name_policy(XFRM_MSG_DELPOLICY, &id), 0);
    event_is(0, XFRMNLGRP_POLICY, XFRM_MSG_DELPOLICY, 99, t.seq);
    const struct xfrm_userpolicy_id *gone = (const void *)(heard(0) + 1);
    CHECK_EQ(gone->index, 0);
    CHECK_EQ(gone->sel.prefixlen_d, 24);
    CHECK_EQ(name_policy(XFRM_MSG_DELPOLICY, &id), ENOENT);
    CHECK_EQ(name_policy(XFRM_MSG_GETPOLICY, &id), ENOENT);

    p.index = 25;
    CHECK_EQ(put_policy(XFRM_MSG_NEWPOLICY, &p), 0);
    id.index = 25;
    CHECK_EQ(name_policy(XFRM_MSG_DELPOLICY, &id), 0);
    gone = (const void *)(heard(0) + 1);
    CHECK_EQ(gone->index, 25);
    CHECK_EQ(gone->sel.prefixlen_d, 0); // named by index: no selector
    p.dir = 3;
    CHECK_EQ(put_policy(XFRM_MSG_NEWPOLICY, &p), EINVAL);
}

static void policies_expire_and_go(void **state)
{
    (void)state;
    struct xfrm_policy p = sample_policy();
    p.index = 0;
    CHECK_EQ(put_policy(XFRM_MSG_NEWPOLICY, &p), 0);
    struct message m = ask(XFRM_MSG_POLEXPIRE);
    codec_polexpire_write(&m, &p, true);
    deliver(&m);
    CHECK_EQ(answer(), 0);
    CHECK_EQ(t.count, 2); // the expiry, but no deletion beside it
    event_is(0, XFRMNLGRP_EXPIRE, XFRM_MSG_POLEXPIRE, 99, 0);
    CHECK_EQ(t.fake.policy_count, 0);
    m = ask(XFRM_MSG_FLUSHPOLICY);
    codec_policy_flush_write(&m, 0);
    deliver(&m);
    event_is(0, XFRMNLGRP_POLICY, XFRM_MSG_FLUSHPOLICY, 99, t.seq);
}

static void acquire_is_passed_on(void **state)
{
    (void)state;
    struct xfrm_policy p = sample_policy();
    struct codec_event e;
    struct xfrm_event ev = {.kind = XFRM_EV_ACQUIRE,
                            .policy = &p,
                            .tmpl = &p.tmpl[0],
                            .trigger = sample_sel(),
                            .seq = 3};
    struct message m = ask(XFRM_MSG_ACQUIRE);
    codec_event_write(&m, &ev);
    deliver(&m);
    CHECK_EQ(answer(), 0);
    CHECK_EQ(t.count, 3); // one for each template
    event_is(0, XFRMNLGRP_ACQUIRE, XFRM_MSG_ACQUIRE, 0, 0);
    CHECK_OK(codec_event_read(heard(1), &e, NULL));
    CHECK_EQ(e.ev.trigger.sport, 1001);
}

// ---- information ----

static void counts(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa();
    struct xfrm_policy p = sample_policy();
    struct xfrm_counts c = {0};
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), 0);
    CHECK_EQ(put_policy(XFRM_MSG_NEWPOLICY, &p), 0);
    struct message m = ask(XFRM_MSG_GETSADINFO);
    codec_info_get_write(&m, 0xabcd);
    deliver(&m);
    uint32_t flags;
    memcpy(&flags, heard(0) + 1, sizeof flags);
    CHECK_EQ(flags, 0xabcd);
    CHECK_OK(codec_sadinfo_read(heard(0), &c, NULL));
    m = ask(XFRM_MSG_GETSPDINFO);
    codec_info_get_write(&m, 0);
    deliver(&m);
    CHECK_OK(codec_spdinfo_read(heard(0), &c, NULL));
    CHECK_EQ(c.sa_count, 1);
    CHECK_EQ(c.policies[XFRM_OUT], 1);
    m = ask(XFRM_MSG_GETDEFAULT);
    message_head(&m, "\0\0\0", 3);
    deliver(&m);
    CHECK_EQ(heard(0)->nlmsg_type, XFRM_MSG_GETDEFAULT);
    CHECK_EQ(answer(), 0);
}

static void what_is_not_done(void **state)
{
    (void)state;
    struct message m = ask(XFRM_MSG_REPORT);
    deliver(&m);
    CHECK_EQ(answer(), EINVAL);
    m = ask(0x77);
    deliver(&m);
    CHECK_EQ(answer(), EINVAL);
}

// ---- acknowledgements ----

// The extended-ack text, "" when there is none.
static const char *ack_text(void)
{
    static struct nlmsgerr e;
    const struct nlmsghdr *h = heard(t.count - 1);
    memcpy(&e, h + 1, sizeof e);
    if (!(h->nlmsg_flags & NLM_F_ACK_TLVS)) return "";
    size_t at = sizeof *h + sizeof e;
    if (!(h->nlmsg_flags & NLM_F_CAPPED)) at += e.msg.nlmsg_len - NLMSG_HDRLEN;
    const struct nlattr *a = (const struct nlattr *)((const uint8_t *)h + at);
    CHECK_EQ(a->nla_type, NLMSGERR_ATTR_MSG);
    CHECK_EQ(at + NLMSG_ALIGN(a->nla_len), h->nlmsg_len);
    return (const char *)(a + 1);
}

static void acknowledgements(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa();
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), 0);
    CHECK_EQ(heard(1)->nlmsg_flags, NLM_F_CAPPED);
    CHECK_EQ(heard(1)->nlmsg_len, 36);
    sa.mode = 77;
    sa.tfcpad = 0;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), EINVAL);
    CHECK_EQ(heard(0)->nlmsg_flags, 0); // the whole request comes back
    struct nlmsgerr e;
    memcpy(&e, heard(0) + 1, sizeof e);
    CHECK_EQ(heard(0)->nlmsg_len, 20 + e.msg.nlmsg_len);
    CHECK_STR(ack_text(), "");

    t.peer.options = WIRE_EXT_ACK;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), EINVAL);
    CHECK(strstr(ack_text(), "77") != NULL);
    t.peer.options = WIRE_EXT_ACK | WIRE_CAP_ACK;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), EINVAL);
    CHECK_EQ(heard(0)->nlmsg_flags, NLM_F_CAPPED | NLM_F_ACK_TLVS);
    CHECK(strstr(ack_text(), "77") != NULL);
    sa = sample_sa();
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), EEXIST);
    CHECK(strstr(ack_text(), "exists") != NULL);
}

static void hello_sets_the_peer(void **state)
{
    (void)state;
    struct wire_hello h = wire_hello(1234, 0x83, WIRE_EXT_ACK);
    dispatch_datagram(&t.dispatch, &t.peer, span(&h, sizeof h));
    CHECK_EQ(t.peer.portid, 1234);
    CHECK_EQ(t.peer.groups, 0x83);
    CHECK_EQ(t.peer.options, WIRE_EXT_ACK);
    CHECK_EQ(t.count, 1);
    CHECK_EQ(heard(0)->nlmsg_pid, 1234);
}

static void datagrams(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa(), sb = sample_sa();
    sb.spi++;
    alignas(8) uint8_t two[2 * MESSAGE_MAX];
    struct message m = ask(XFRM_MSG_NEWSA);
    codec_sa_write(&m, &sa);
    size_t n = m.h->nlmsg_len;
    memcpy(two, m.h, n);
    m = ask(XFRM_MSG_NEWSA);
    codec_sa_write(&m, &sb);
    memcpy(two + n, m.h, m.h->nlmsg_len);
    t.count = 0;
    dispatch_datagram(&t.dispatch, &t.peer, span(two, n + m.h->nlmsg_len));
    CHECK_EQ(t.fake.sa_count, 2);
    CHECK_EQ(t.count, 4);

    m = ask(XFRM_MSG_FLUSHSA); // a message that is longer than the datagram is dropped
    codec_sa_flush_write(&m, 0);
    m.h->nlmsg_len++;
    t.count = 0;
    dispatch_datagram(&t.dispatch, &t.peer, span(m.h, m.h->nlmsg_len - 1));
    CHECK_EQ(t.count, 0);
    m.h->nlmsg_len--;
    m.h->nlmsg_flags = 0; // no request: nothing happens
    deliver(&m);
    CHECK_EQ(t.count, 0);
    CHECK_EQ(t.fake.sa_count, 2);
    m.h->nlmsg_flags = NLM_F_REQUEST; // without NLM_F_ACK only errors are answered
    deliver(&m);
    CHECK_EQ(t.count, 1);
    CHECK_EQ(t.heard[0].group, XFRMNLGRP_SA);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa();
    t.groups = 0;
    CHECK_EQ(put_sa(XFRM_MSG_NEWSA, &sa), 0);
    CHECK_EQ(t.count, 1);
}

static void own_events(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa();
    struct xfrm_event ev = {.kind = XFRM_EV_EXPIRE, .sa = &sa, .hard = true};
    dispatch_event(&t.dispatch, &ev);
    event_is(0, XFRMNLGRP_EXPIRE, XFRM_MSG_EXPIRE, 0, 0);
    ev = (struct xfrm_event){
        .kind = XFRM_EV_MAPPING, .sa = &sa, .new_peer = {sample_ip("1.2.3.4"), 5}};
    dispatch_event(&t.dispatch, &ev);
    event_is(1, XFRMNLGRP_MAPPING, XFRM_MSG_MAPPING, 0, 0);
    ev = (struct xfrm_event){.kind = XFRM_EV_AE, .sa = &sa};
    dispatch_event(&t.dispatch, &ev);
    event_is(2, XFRMNLGRP_AEVENTS, XFRM_MSG_NEWAE, 0, 0);
}

// ---- dumps ----

static struct {
    unsigned datagrams, messages, room;
    bool done;
    uint32_t last_spi;
} dumped;

static bool dump_sink(void *ctx, span_t d)
{
    (void)ctx;
    if (!dumped.room) return false;
    dumped.room--;
    dumped.datagrams++;
    CHECK(d.len <= DUMP_DATAGRAM_MAX);
    for (size_t at = 0; at < d.len;) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)(d.at + at);
        struct xfrm_sa sa;
        CHECK_EQ(h->nlmsg_flags, NLM_F_MULTI);
        CHECK_EQ(h->nlmsg_pid, 4711);
        CHECK_EQ(h->nlmsg_seq, t.seq);
        dumped.done = h->nlmsg_type == NLMSG_DONE;
        if (h->nlmsg_type == XFRM_MSG_NEWSA) {
            CHECK_OK(codec_sa_read(h, &sa, NULL));
            CHECK_EQ(sa.spi, dumped.last_spi - 1); // newest first, none twice, none left out
            dumped.last_spi = sa.spi;
        }
        if (!dumped.done) dumped.messages++;
        at += NLMSG_ALIGN(h->nlmsg_len);
    }
    return true;
}

static void start_dump(const struct message *m)
{
    m->h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    memset(&dumped, 0, sizeof dumped);
    deliver(m);
}

static void fill(unsigned n)
{
    struct xfrm_sa sa = sample_sa();
    t.groups = 0;
    for (sa.spi = 1000; sa.spi < 1000 + n; sa.spi++) {
        CHECK_OK(fake_api(&t.fake).ops->sa_add(&t.fake, &sa, NULL));
    }
}

static void dump_in_one_go(void **state)
{
    (void)state;
    fill(100);
    struct message m = ask(XFRM_MSG_GETSA);
    start_dump(&m);
    CHECK_EQ(t.count, 0); // no acknowledgement
    CHECK(t.peer.dump.active);
    dumped.room = 1000;
    dumped.last_spi = 1100;
    dump_run(&t.peer.dump, fake_api(&t.fake), dump_sink, NULL);
    CHECK_EQ(dumped.messages, 100);
    CHECK(dumped.done && !t.peer.dump.active);
    CHECK(dumped.datagrams < 30); // several messages share a datagram
}

static void dump_to_a_slow_reader(void **state)
{
    (void)state;
    fill(100);
    struct message m = ask(XFRM_MSG_GETSA);
    start_dump(&m);
    dumped.last_spi = 1100;
    struct message second = ask(XFRM_MSG_GETSA);
    second.h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    deliver(&second);
    CHECK_EQ(answer(), EBUSY); // one dump at a time
    t.seq--;
    for (unsigned i = 0; i < 200 && t.peer.dump.active; i++) {
        dumped.room = 1;
        dump_run(&t.peer.dump, fake_api(&t.fake), dump_sink, NULL);
    }
    CHECK_EQ(dumped.messages, 100);
    CHECK(dumped.done);
}

static unsigned dump_count(const struct message *m)
{
    start_dump(m);
    dumped.room = 1000;
    dumped.last_spi = 0;
    dump_run(&t.peer.dump, fake_api(&t.fake), dump_sink, NULL);
    CHECK(dumped.done);
    return dumped.messages;
}

static void dump_with_a_filter(void **state)
{
    (void)state;
    struct xfrm_address_filter f = {.family = AF_INET, .splen = 24, .dplen = 0};
    struct xfrm_sa sa = sample_sa();
    struct xfrm_policy p = sample_policy();
    sa.spi = UINT32_MAX;
    CHECK_OK(fake_api(&t.fake).ops->sa_add(&t.fake, &sa, NULL));
    CHECK_OK(fake_api(&t.fake).ops->policy_add(&t.fake, &p, false, NULL));
    memcpy(&f.saddr, sample_ip("192.0.2.99").b, 4);
    struct message m = ask(XFRM_MSG_GETSA);
    message_put(&m, XFRMA_ADDRESS_FILTER, &f, sizeof f);
    CHECK_EQ(dump_count(&m), 1);
    f.dplen = 8; // of 0.0.0.0
    m = ask(XFRM_MSG_GETSA);
    message_put(&m, XFRMA_ADDRESS_FILTER, &f, sizeof f);
    CHECK_EQ(dump_count(&m), 0);
    m = ask(XFRM_MSG_GETSA);
    message_put_u8(&m, XFRMA_PROTO, XFRM_PROTO_AH);
    CHECK_EQ(dump_count(&m), 0);
    m = ask(XFRM_MSG_GETSA);
    message_put_u8(&m, XFRMA_PROTO, XFRM_PROTO_ANY);
    CHECK_EQ(dump_count(&m), 1);
    m = ask(XFRM_MSG_GETPOLICY);
    CHECK_EQ(dump_count(&m), 1);
    f.splen = 33;
    m = ask(XFRM_MSG_GETSA);
    message_put(&m, XFRMA_ADDRESS_FILTER, &f, sizeof f);
    start_dump(&m);
    CHECK_EQ(answer(), EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_sa_lives_and_dies),
        T(refused_sas),
        T(spis),
        T(flush_and_expire),
        T(replay_state),
        T(a_policy_lives_and_dies),
        T(policies_expire_and_go),
        T(acquire_is_passed_on),
        T(counts),
        T(what_is_not_done),
        T(acknowledgements),
        T(hello_sets_the_peer),
        T(datagrams),
        T(nobody_listens),
        T(own_events),
        T(dump_in_one_go),
        T(dump_to_a_slow_reader),
        T(dump_with_a_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
