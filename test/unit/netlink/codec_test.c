#include "netlink/codec.h"

#include <stdio.h>

#include "test/check.h"
#include "test/unit/netlink/samples.h"

#define ID ((struct message_id){.seq = 7, .portid = 8, .flags = NLM_F_MULTI})

static alignas(8) uint8_t buf[MESSAGE_MAX];

static struct message start(uint16_t type)
{
    memset(buf, 0xee, sizeof buf); // what a writer forgets shows
    return message_start(buf, sizeof buf, type, ID);
}

// ---- equality, field by field: struct padding says nothing ----

static void ip_same(const ip_t *a, const ip_t *b)
{
    CHECK(ip_eq(a, b));
}

static void sel_same(const struct xfrm_selector *a, const struct xfrm_selector *b)
{
    CHECK(xfrm_selector_eq(a, b));
}

static void alg_same(const struct xfrm_alg *a, const struct xfrm_alg *b)
{
    CHECK_STR(a->name, b->name);
    CHECK_EQ(a->key_bits, b->key_bits);
    CHECK_EQ(a->icv_bits, b->icv_bits);
    assert_memory_equal(a->key, b->key, sizeof a->key);
}

static void replay_same(const struct xfrm_replay *a, const struct xfrm_replay *b)
{
    CHECK_EQ(a->esn_given, b->esn_given);
    CHECK_EQ(a->window, b->window);
    CHECK_EQ(a->out_seq, b->out_seq);
    CHECK_EQ(a->in_seq, b->in_seq);
    assert_memory_equal(a->bitmap, b->bitmap, sizeof a->bitmap);
}

static void info_same(const struct xfrm_sa *a, const struct xfrm_sa *b)
{
    sel_same(&a->sel, &b->sel);
    ip_same(&a->saddr, &b->saddr);
    ip_same(&a->daddr, &b->daddr);
    CHECK_EQ(a->spi, b->spi);
    CHECK_EQ(a->proto, b->proto);
    CHECK_EQ(a->mode, b->mode);
    CHECK_EQ(a->family, b->family);
    CHECK_EQ(a->reqid, b->reqid);
    CHECK_EQ(a->seq, b->seq);
    CHECK_EQ(a->flags, b->flags);
    assert_memory_equal(&a->limit, &b->limit, sizeof a->limit);
    assert_memory_equal(&a->current, &b->current, sizeof a->current);
    assert_memory_equal(&a->stats, &b->stats, sizeof a->stats);
}

static void sa_same(const struct xfrm_sa *a, const struct xfrm_sa *b)
{
    info_same(a, b);
    CHECK_EQ(a->extra_flags, b->extra_flags);
    alg_same(&a->crypt, &b->crypt);
    alg_same(&a->auth, &b->auth);
    alg_same(&a->aead, &b->aead);
    CHECK_EQ(a->auth.trunc_given, b->auth.trunc_given);
    replay_same(&a->replay, &b->replay);
    CHECK_EQ(a->encap.type, b->encap.type);
    CHECK_EQ(a->encap.sport, b->encap.sport);
    CHECK_EQ(a->encap.dport, b->encap.dport);
    ip_same(&a->encap.oa, &b->encap.oa);
    assert_memory_equal(&a->mark, &b->mark, sizeof a->mark);
    assert_memory_equal(&a->output_mark, &b->output_mark, sizeof a->output_mark);
    CHECK_EQ(a->output_mark_mask_given, b->output_mark_mask_given);
    CHECK_EQ(a->if_id, b->if_id);
    CHECK_EQ(a->tfcpad, b->tfcpad);
    CHECK_EQ(a->nat_keepalive_s, b->nat_keepalive_s);
    CHECK_EQ(a->dir, b->dir);
    CHECK_EQ(a->pcpu, b->pcpu);
    CHECK_EQ(a->iptfs.drop_time_us, b->iptfs.drop_time_us);
    CHECK_EQ(a->iptfs.reorder_window, b->iptfs.reorder_window);
    CHECK_EQ(a->iptfs.dont_frag, b->iptfs.dont_frag);
    CHECK_EQ(a->iptfs.init_delay_us, b->iptfs.init_delay_us);
    CHECK_EQ(a->iptfs.max_queue, b->iptfs.max_queue);
    CHECK_EQ(a->iptfs.pkt_size, b->iptfs.pkt_size);
}

static void tmpl_same(const struct xfrm_tmpl *a, const struct xfrm_tmpl *b)
{
    ip_same(&a->saddr, &b->saddr);
    ip_same(&a->daddr, &b->daddr);
    CHECK_EQ(a->spi, b->spi);
    CHECK_EQ(a->proto, b->proto);
    CHECK_EQ(a->mode, b->mode);
    CHECK_EQ(a->family, b->family);
    CHECK_EQ(a->reqid, b->reqid);
    CHECK_EQ(a->share, b->share);
    CHECK_EQ(a->optional, b->optional);
    CHECK_EQ(a->aalgos, b->aalgos);
    CHECK_EQ(a->ealgos, b->ealgos);
    CHECK_EQ(a->calgos, b->calgos);
}

static void policy_same(const struct xfrm_policy *a, const struct xfrm_policy *b)
{
    sel_same(&a->sel, &b->sel);
    CHECK_EQ(a->dir, b->dir);
    CHECK_EQ(a->action, b->action);
    CHECK_EQ(a->flags, b->flags);
    CHECK_EQ(a->type, b->type);
    CHECK_EQ(a->priority, b->priority);
    CHECK_EQ(a->index, b->index);
    assert_memory_equal(&a->limit, &b->limit, sizeof a->limit);
    assert_memory_equal(&a->current, &b->current, sizeof a->current);
    assert_memory_equal(&a->mark, &b->mark, sizeof a->mark);
    CHECK_EQ(a->if_id, b->if_id);
    CHECK_EQ(a->tmpl_count, b->tmpl_count);
    for (unsigned i = 0; i < a->tmpl_count; i++) tmpl_same(&a->tmpl[i], &b->tmpl[i]);
}

// ---- round trips ----

static void sa_round_trip(void **state)
{
    (void)state;
    struct xfrm_sa in[] = {sample_sa(), sample_sa_aead()}, out;
    for (unsigned i = 0; i < 2; i++) {
        struct message m = start(XFRM_MSG_NEWSA);
        codec_sa_write(&m, &in[i]);
        CHECK_OK(message_done(&m));
        CHECK_OK(codec_sa_read(m.h, &out, NULL));
        sa_same(&out, &in[i]);
        CHECK_EQ(m.h->nlmsg_seq, 7);
        CHECK_EQ(m.h->nlmsg_pid, 8);
    }
}

static void gone_round_trip(void **state)
{
    (void)state;
    struct xfrm_sa in = sample_sa(), out;
    struct message m = start(XFRM_MSG_DELSA);
    codec_sa_gone_write(&m, &in);
    CHECK_OK(codec_sa_gone_read(m.h, &out, NULL));
    sa_same(&out, &in);
}

static void ids_round_trip(void **state)
{
    (void)state;
    struct xfrm_sa_id out, in = {.daddr = sample_ip("198.51.100.1"),
                                 .spi = 0x1234,
                                 .proto = 50,
                                 .mark = {5, 0xff},
                                 .saddr = sample_ip("192.0.2.1")};
    struct message m = start(XFRM_MSG_GETSA);
    codec_sa_id_write(&m, &in);
    CHECK_OK(codec_sa_id_read(m.h, &out, NULL));
    ip_same(&out.daddr, &in.daddr);
    ip_same(&out.saddr, &in.saddr);
    CHECK_EQ(out.spi, in.spi);
    CHECK_EQ(out.proto, in.proto);
    CHECK_EQ(out.mark.value, 5);
    CHECK_EQ(out.mark.mask, 0xff);

    struct xfrm_policy p = sample_policy();
    struct xfrm_policy_id id = codec_policy_id(&p), back;
    m = start(XFRM_MSG_GETPOLICY);
    codec_policy_id_write(&m, &id);
    CHECK_OK(codec_policy_id_read(m.h, &back, NULL));
    sel_same(&back.sel, &id.sel);
    CHECK_EQ(back.dir, id.dir);
    CHECK_EQ(back.type, id.type);
    CHECK_EQ(back.mark.mask, id.mark.mask);
    CHECK_EQ(back.if_id, id.if_id);
    CHECK_EQ(back.index, 0);
    id.index = 73 << 3 | XFRM_OUT;
    m = start(XFRM_MSG_DELPOLICY);
    codec_policy_id_write(&m, &id);
    CHECK_OK(codec_policy_id_read(m.h, &back, NULL));
    CHECK_EQ(back.index, id.index);
}

static void spi_round_trip(void **state)
{
    (void)state;
    struct xfrm_sa like = sample_sa(), out;
    uint32_t min, max;
    struct message m = start(XFRM_MSG_ALLOCSPI);
    codec_spi_write(&m, &like, 0x100, 0x200);
    CHECK_OK(codec_spi_read(m.h, &out, &min, &max, NULL));
    CHECK_EQ(min, 0x100);
    CHECK_EQ(max, 0x200);
    CHECK_EQ(out.reqid, like.reqid);
    CHECK_EQ(out.mark.mask, like.mark.mask);
    CHECK_EQ(out.if_id, like.if_id);
    CHECK_EQ(out.dir, like.dir);
    CHECK_EQ(out.pcpu, like.pcpu);
    CHECK_EQ(out.sel.dst.len, 32);
    ip_same(&out.sel.dst.ip, &like.daddr);
    m = start(XFRM_MSG_ALLOCSPI);
    codec_spi_write(&m, &like, 0x200, 0x100);
    CHECK_EQ(codec_spi_read(m.h, &out, &min, &max, NULL), ERR_RANGE);
}

static void expire_and_ae_round_trip(void **state)
{
    (void)state;
    struct xfrm_sa in = sample_sa(), esn = sample_sa_aead(), out;
    bool hard = false;
    uint32_t flags;
    struct message m = start(XFRM_MSG_EXPIRE);
    codec_expire_write(&m, &in, true);
    CHECK_OK(codec_expire_read(m.h, &out, &hard, NULL));
    CHECK(hard);
    info_same(&out, &in);
    CHECK_EQ(out.mark.mask, in.mark.mask);
    CHECK_EQ(out.if_id, in.if_id);

    m = start(XFRM_MSG_NEWAE);
    codec_ae_write(&m, &esn, XFRM_AE_RVAL | XFRM_AE_ETHR | XFRM_AE_RTHR);
    CHECK_OK(codec_ae_read(m.h, &out, &flags, NULL));
    CHECK_EQ(flags, XFRM_AE_RVAL | XFRM_AE_ETHR | XFRM_AE_RTHR);
    replay_same(&out.replay, &esn.replay);
    ip_same(&out.saddr, &esn.saddr);
    assert_memory_equal(&out.current, &esn.current, sizeof out.current);
}

static void policy_round_trip(void **state)
{
    (void)state;
    struct xfrm_policy in = sample_policy(), out;
    bool hard = false;
    struct message m = start(XFRM_MSG_NEWPOLICY);
    codec_policy_write(&m, &in);
    CHECK_OK(codec_policy_read(m.h, &out, NULL));
    policy_same(&out, &in);
    for (unsigned by_index = 0; by_index < 2; by_index++) {
        m = start(XFRM_MSG_DELPOLICY);
        codec_policy_gone_write(&m, &in, by_index);
        CHECK_OK(codec_policy_gone_read(m.h, &out, NULL));
        policy_same(&out, &in);
    }
    m = start(XFRM_MSG_POLEXPIRE);
    codec_polexpire_write(&m, &in, true);
    CHECK_OK(codec_polexpire_read(m.h, &out, &hard, NULL));
    CHECK(hard);
    policy_same(&out, &in);
    uint8_t type = 0;
    m = start(XFRM_MSG_FLUSHPOLICY);
    codec_policy_flush_write(&m, XFRM_POLICY_TYPE_SUB);
    CHECK_OK(codec_policy_flush_read(m.h, &type, NULL));
    CHECK_EQ(type, XFRM_POLICY_TYPE_SUB);
}

static void acquire_finds_its_template(void **state)
{
    (void)state;
    struct xfrm_policy p = sample_policy();
    p.tmpl[0].daddr = sample_ip("198.51.100.99");
    struct xfrm_tmpl want = p.tmpl[1];
    want.saddr = sample_ip("192.0.2.77"); // what the packet's route chose
    struct xfrm_event ev = {
        .kind = XFRM_EV_ACQUIRE, .policy = &p, .tmpl = &want, .trigger = sample_sel(), .seq = 99};
    struct codec_event out;
    struct message m = start(XFRM_MSG_ACQUIRE);
    codec_event_write(&m, &ev);
    CHECK_OK(codec_event_read(m.h, &out, NULL));
    CHECK_EQ(out.ev.kind, XFRM_EV_ACQUIRE);
    CHECK_EQ(out.ev.seq, 99);
    policy_same(&out.policy, &p);
    tmpl_same(&out.tmpl, &want);
    sel_same(&out.ev.trigger, &ev.trigger);
    CHECK_EQ(out.tmpl.reqid, 92);
    CHECK(!out.ev.pcpu_given);
    ev.pcpu_given = true; // RFC 9611
    ev.pcpu = 3;
    m = start(XFRM_MSG_ACQUIRE);
    codec_event_write(&m, &ev);
    CHECK_OK(codec_event_read(m.h, &out, NULL));
    CHECK(out.ev.pcpu_given);
    CHECK_EQ(out.ev.pcpu, 3);
}

static void other_events_round_trip(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa();
    struct codec_event out;
    struct xfrm_event mapping = {
        .kind = XFRM_EV_MAPPING, .sa = &sa, .new_peer = {sample_ip("203.0.113.77"), 1234}};
    struct message m = start(XFRM_MSG_MAPPING);
    codec_event_write(&m, &mapping);
    CHECK_OK(codec_event_read(m.h, &out, NULL));
    CHECK_EQ(out.ev.new_peer.port, 1234);
    ip_same(&out.ev.new_peer.ip, &mapping.new_peer.ip);
    ip_same(&out.sa.saddr, &sa.saddr);
    CHECK_EQ(out.sa.encap.sport, sa.encap.sport);
    CHECK_EQ(out.sa.reqid, sa.reqid);
    CHECK_EQ(out.sa.spi, sa.spi);

    struct xfrm_event flush = {.kind = XFRM_EV_SA_FLUSH, .proto = 50};
    m = start(XFRM_MSG_FLUSHSA);
    codec_event_write(&m, &flush);
    CHECK_OK(codec_event_read(m.h, &out, NULL));
    CHECK_EQ(out.ev.proto, 50);
    m = start(XFRM_MSG_REPORT);
    CHECK_EQ(codec_event_read(m.h, &out, NULL), ERR_UNSUPPORTED);
}

static void counts_round_trip(void **state)
{
    (void)state;
    struct xfrm_counts in = {1, 2, 3, {4, 5, 6}, 7, 8}, out = {0};
    struct codec_thresholds t = {{24, 32}, {64, 128}}, back = {{32, 32}, {128, 128}};
    struct message m = start(XFRM_MSG_NEWSADINFO);
    codec_sadinfo_write(&m, &in, 0);
    CHECK_OK(codec_sadinfo_read(m.h, &out, NULL));
    m = start(XFRM_MSG_NEWSPDINFO);
    codec_spdinfo_write(&m, &in, &t, 0);
    CHECK_OK(codec_spdinfo_read(m.h, &out, NULL));
    assert_memory_equal(&in, &out, sizeof in);
    CHECK_OK(codec_thresholds_read(m.h, &back, NULL));
    assert_memory_equal(&t, &back, sizeof t);
    t.v4.lbits = 33;
    m = start(XFRM_MSG_NEWSPDINFO);
    codec_spdinfo_write(&m, &in, &t, 0);
    CHECK_EQ(codec_thresholds_read(m.h, &back, NULL), ERR_RANGE);
    CHECK_EQ(back.v4.lbits, 24); // unchanged by a refused request
}

// ---- requests that the kernel refuses, and what it fills in ----

static err_t request(const struct xfrm_sa *sa, struct xfrm_sa *out)
{
    struct message m = start(XFRM_MSG_NEWSA);
    codec_sa_write(&m, sa);
    return codec_sa_request_read(m.h, out, NULL);
}

static void requests_are_judged(void **state)
{
    (void)state;
    struct xfrm_sa out, sa = sample_sa();
    CHECK_OK(request(&sa, &out));
    CHECK_EQ(out.current.bytes, 0); // nobody but the executor counts
    sa.aead = sa.crypt;
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX);
    sa = sample_sa();
    sa.mode = XFRM_TRANSPORT;
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX); // TFC padding is for tunnels
    sa.tfcpad = 0;
    CHECK_OK(request(&sa, &out));
    sa.mode = 77;
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX);
    sa = sample_sa();
    sa.crypt.name[0] = sa.auth.name[0] = 0;
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX);
    sa = sample_sa();
    sa.proto = XFRM_PROTO_AH;
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX);
    sa.crypt.name[0] = 0;
    sa.tfcpad = 0;
    CHECK_OK(request(&sa, &out));
    sa.proto = 17;
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX);
    sa = sample_sa();
    sa.flags |= XFRM_STATE_ESN; // without the attribute
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX);
    sa = sample_sa_aead();
    CHECK_OK(request(&sa, &out));
    sa.replay.window = 0;
    CHECK_EQ(request(&sa, &out), ERR_RANGE);
    sa = sample_sa();
    sa.sel.src.len = 33;
    CHECK_EQ(request(&sa, &out), ERR_RANGE);
    sa = sample_sa();
    sa.family = 77;
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX);
    sa = sample_sa();
    sa.dir = 3;
    CHECK_EQ(request(&sa, &out), ERR_SHORT);
}

static err_t policy_request(const struct xfrm_policy *p)
{
    struct xfrm_policy out;
    struct message m = start(XFRM_MSG_NEWPOLICY);
    codec_policy_write(&m, p);
    return codec_policy_read(m.h, &out, NULL);
}

// One of mode iptfs, for one direction.
static struct xfrm_sa sample_iptfs(uint8_t dir)
{
    struct xfrm_sa sa = sample_sa();
    sa.mode = XFRM_IPTFS;
    sa.flags = 0;
    sa.extra_flags = sa.mapping_s = sa.nat_keepalive_s = 0;
    sa.dir = dir;
    sa.tfcpad = 0;
    sa.replay = (struct xfrm_replay){0};
    if (dir == 1) sa.iptfs = (struct xfrm_iptfs){.drop_time_us = 61, .reorder_window = 62};
    if (dir == 2) {
        sa.iptfs = (struct xfrm_iptfs){
            .dont_frag = true, .init_delay_us = 63, .max_queue = 64, .pkt_size = 65};
    }
    return sa;
}

static void iptfs_round_trip(void **state)
{
    (void)state;
    struct xfrm_sa out;
    for (uint8_t dir = 1; dir <= 2; dir++) {
        struct xfrm_sa sa = sample_iptfs(dir);
        CHECK_OK(request(&sa, &out));
        struct message m = start(XFRM_MSG_NEWSA);
        codec_sa_write(&m, &sa);
        CHECK_OK(codec_sa_read(m.h, &out, NULL));
        sa_same(&sa, &out);
        m = start(XFRM_MSG_DELSA);
        codec_sa_gone_write(&m, &sa);
        CHECK_OK(codec_sa_gone_read(m.h, &out, NULL));
        sa_same(&sa, &out);
    }
    struct xfrm_policy p = sample_policy();
    p.tmpl[0].mode = XFRM_IPTFS;
    CHECK_OK(policy_request(&p));
    p.tmpl[0].optional = 1;
    CHECK_EQ(policy_request(&p), ERR_SYNTAX);
}

// What Linux 6.14 takes where nothing is said.
static void iptfs_defaults(void **state)
{
    (void)state;
    struct xfrm_sa out, sa = sample_iptfs(1);
    sa.mode = XFRM_TUNNEL; // writes no attributes of iptfs
    for (uint8_t dir = 1; dir <= 2; dir++) {
        struct message m = start(XFRM_MSG_NEWSA);
        sa.dir = dir;
        codec_sa_write(&m, &sa);
        struct xfrm_usersa_info u;
        memcpy(&u, (uint8_t *)m.h + NLMSG_HDRLEN, sizeof u);
        u.mode = XFRM_IPTFS;
        memcpy((uint8_t *)m.h + NLMSG_HDRLEN, &u, sizeof u);
        CHECK_OK(codec_sa_request_read(m.h, &out, NULL));
        CHECK_EQ(out.iptfs.drop_time_us, dir == 1 ? 1000000 : 0);
        CHECK_EQ(out.iptfs.reorder_window, dir == 1 ? 3 : 0);
        CHECK_EQ(out.iptfs.init_delay_us, 0);
        CHECK_EQ(out.iptfs.max_queue, dir == 1 ? 0 : 10485760);
        CHECK_EQ(out.iptfs.pkt_size, 0);
        CHECK(!out.iptfs.dont_frag);
    }
}

// One more attribute on an SA's request.
static err_t request_with(const struct xfrm_sa *sa, uint16_t attr, size_t n)
{
    struct xfrm_sa out;
    struct message m = start(XFRM_MSG_NEWSA);
    codec_sa_write(&m, sa);
    message_put(&m, attr, "\1\0\0\0\0", n);
    return codec_sa_request_read(m.h, &out, NULL);
}

static void iptfs_is_judged(void **state)
{
    (void)state;
    static const struct {
        uint16_t attr, bytes;
        uint8_t dir;
    } all[] = {{36, 4, 1}, {37, 2, 1}, {38, 0, 2}, {39, 4, 2}, {40, 4, 2}, {41, 4, 2}};
    struct xfrm_sa out, sa = sample_iptfs(0);
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX); // without a direction
    sa = sample_iptfs(1);
    sa.proto = XFRM_PROTO_AH;
    sa.crypt.name[0] = 0;
    CHECK_EQ(request(&sa, &out), ERR_SYNTAX);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint8_t other = all[i].dir == 1 ? 2 : 1;
        struct xfrm_sa fits = sample_iptfs(all[i].dir), turned = sample_iptfs(other), tunnel = fits;
        tunnel.mode = XFRM_TUNNEL;
        CHECK_OK(request_with(&fits, all[i].attr, all[i].bytes));
        CHECK_EQ(request_with(&fits, all[i].attr, all[i].bytes + 1), ERR_SYNTAX);
        CHECK_EQ(request_with(&turned, all[i].attr, all[i].bytes), ERR_SYNTAX);
        CHECK_EQ(request_with(&tunnel, all[i].attr, all[i].bytes), ERR_SYNTAX);
    }
}

static void requests_are_completed(void **state)
{
    (void)state;
    struct xfrm_sa out, sa = sample_sa();
    sa.sel = (struct xfrm_selector){0};
    sa.crypt = sample_alg("aes", 128, 0, 1);
    sa.auth = sample_alg("sha256", 256, 0, 2);
    CHECK_OK(request(&sa, &out));
    CHECK_STR(out.crypt.name, "cbc(aes)");
    CHECK_STR(out.auth.name, "hmac(sha256)");
    CHECK_EQ(out.auth.icv_bits, 96); // the kernel's choice when only the old attribute is there
    CHECK(!out.auth.trunc_given);
    CHECK_EQ(out.sel.family, AF_INET);
    sa.flags = XFRM_STATE_AF_UNSPEC;
    CHECK_OK(request(&sa, &out));
    CHECK_EQ(out.sel.family, AF_UNSPEC);
}

static void policies_are_judged(void **state)
{
    (void)state;
    struct xfrm_policy p = sample_policy();
    CHECK_OK(policy_request(&p));
    p.index = 73 << 3 | XFRM_IN;
    CHECK_EQ(policy_request(&p), ERR_SYNTAX);
    p = sample_policy();
    p.dir = 3;
    p.index = 0;
    CHECK_EQ(policy_request(&p), ERR_SYNTAX);
    p = sample_policy();
    p.action = 2;
    CHECK_EQ(policy_request(&p), ERR_SYNTAX);
    p = sample_policy();
    p.tmpl[0].optional = 1;
    CHECK_EQ(policy_request(&p), ERR_SYNTAX);
    p = sample_policy();
    p.tmpl[0].mode = XFRM_TRANSPORT;
    CHECK_OK(policy_request(&p));
    p.tmpl[0].family = AF_INET6;
    CHECK_EQ(policy_request(&p), ERR_SYNTAX);
    p = sample_policy();
    p.tmpl[0].family = p.tmpl[1].family = AF_INET6; // a tunnel into IPv6, and AH around it
    p.tmpl[1].mode = XFRM_TRANSPORT;
    CHECK_OK(policy_request(&p));
    p = sample_policy();
    p.tmpl[1].proto = 17;
    CHECK_EQ(policy_request(&p), ERR_SYNTAX);
    p = sample_policy();
    p.sel.family = AF_UNSPEC;
    CHECK_EQ(policy_request(&p), ERR_SYNTAX);
    p = sample_policy();
    p.type = 9;
    CHECK_EQ(policy_request(&p), ERR_SYNTAX);
}

static void bad_attributes(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa(), out;
    uint32_t huge = 0xfffffff9; // bits of key: rounding up would overflow
    struct message m = start(XFRM_MSG_NEWSA);
    codec_sa_write(&m, &sa);
    uint16_t before = (uint16_t)m.h->nlmsg_len;
    struct xfrm_algo *a = message_reserve(&m, XFRMA_ALG_CRYPT, sizeof *a + 4); // the last one wins
    memcpy(a->alg_name, "cbc(aes)", 9);
    memcpy(&a->alg_key_len, &huge, sizeof huge);
    CHECK_EQ(codec_sa_read(m.h, &out, NULL), ERR_SYNTAX);
    a->alg_key_len = 33; // five bytes in four
    CHECK_EQ(codec_sa_read(m.h, &out, NULL), ERR_SYNTAX);
    a->alg_key_len = 32;
    CHECK_OK(codec_sa_read(m.h, &out, NULL));
    memset(a->alg_name, 'x', sizeof a->alg_name); // without its end
    CHECK_OK(codec_sa_read(m.h, &out, NULL));
    CHECK_EQ(strlen(out.crypt.name), sizeof a->alg_name - 1);
    a->alg_name[0] = 0;
    CHECK_EQ(codec_sa_read(m.h, &out, NULL), ERR_ALGORITHM);

    m.h->nlmsg_len = before;
    message_put(&m, XFRMA_MARK, "abc", 3);
    CHECK_EQ(codec_sa_read(m.h, &out, NULL), ERR_SHORT);
    m.h->nlmsg_len = before;
    message_put(&m, 77, "abc", 3); // unknown: ignored
    CHECK_OK(codec_sa_read(m.h, &out, NULL));
}

static void bad_replay_windows(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa(), out;
    struct message m = start(XFRM_MSG_NEWSA);
    codec_sa_write(&m, &sa);
    struct xfrm_replay_state_esn *r =
        message_reserve(&m, XFRMA_REPLAY_ESN_VAL, sizeof *r + 2 * sizeof(uint32_t));
    r->bmp_len = 2;
    r->replay_window = 64;
    CHECK_OK(codec_sa_read(m.h, &out, NULL));
    r->replay_window = 65;
    CHECK_EQ(codec_sa_read(m.h, &out, NULL), ERR_RANGE);
    r->bmp_len = 3;
    CHECK_EQ(codec_sa_read(m.h, &out, NULL), ERR_SYNTAX);
    r->bmp_len = 0x40000001; // times four overflows
    CHECK_EQ(codec_sa_read(m.h, &out, NULL), ERR_RANGE);
}

static void no_room(void **state)
{
    (void)state;
    struct xfrm_sa sa = sample_sa();
    struct message whole = start(XFRM_MSG_NEWSA);
    codec_sa_write(&whole, &sa);
    size_t len = whole.h->nlmsg_len;
    for (size_t cap = 0; cap < len; cap++) {
        uint8_t *small = malloc(cap ? cap : 1); // its end is ASan's business
        struct message m = message_start(small, cap, XFRM_MSG_NEWSA, ID);
        codec_sa_write(&m, &sa);
        CHECK_EQ(message_done(&m), ERR_SPACE);
        free(small);
    }
}

// ---- what a kernel wrote ----

static size_t kernel_messages(uint8_t **out)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/netlink/linux-6.1.bin", getenv("VECTORS"));
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    *out = malloc(1 << 16);
    size_t n = fread(*out, 1, 1 << 16, f);
    (void)fclose(f);
    return n;
}

static err_t read_any(const struct nlmsghdr *h, struct codec_event *e, struct xfrm_counts *c)
{
    if (h->nlmsg_type == XFRM_MSG_NEWSADINFO) return codec_sadinfo_read(h, c, NULL);
    if (h->nlmsg_type == XFRM_MSG_NEWSPDINFO) return codec_spdinfo_read(h, c, NULL);
    return codec_event_read(h, e, NULL);
}

// Writes what was read, as the same kind of message.
static void write_any(struct message *m, const struct nlmsghdr *h, const struct codec_event *e,
                      const struct xfrm_counts *c)
{
    const struct codec_thresholds t = {{32, 32}, {128, 128}};
    const struct xfrm_userpolicy_id *gone = (const void *)(h + 1);
    if (h->nlmsg_type == XFRM_MSG_NEWSADINFO) {
        codec_sadinfo_write(m, c, 0);
    } else if (h->nlmsg_type == XFRM_MSG_NEWSPDINFO) {
        codec_spdinfo_write(m, c, &t, 0);
    } else if (h->nlmsg_type == XFRM_MSG_NEWAE) {
        codec_ae_write(m, &e->sa, 15);
    } else if (h->nlmsg_type == XFRM_MSG_DELPOLICY) {
        codec_policy_gone_write(m, &e->policy, gone->index != 0);
    } else {
        codec_event_write(m, &e->ev);
    }
}

static void like_the_kernel(void **state)
{
    (void)state;
    uint8_t *all;
    unsigned count = 0;
    for (size_t n = kernel_messages(&all), at = 0; at < n; count++) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)(all + at);
        struct codec_event e;
        struct xfrm_counts c;
        CHECK_OK(read_any(h, &e, &c));
        struct message m =
            message_start(buf, sizeof buf, h->nlmsg_type,
                          (struct message_id){h->nlmsg_seq, h->nlmsg_pid, h->nlmsg_flags});
        write_any(&m, h, &e, &c);
        CHECK_OK(message_done(&m));
        CHECK_EQ(m.h->nlmsg_len, h->nlmsg_len);
        assert_memory_equal(m.h, h, h->nlmsg_len);
        at += NLMSG_ALIGN(h->nlmsg_len);
    }
    free(all);
    CHECK(count > 30);
}

static void cut_anywhere(void **state)
{
    (void)state;
    uint8_t *all;
    for (size_t n = kernel_messages(&all), at = 0; at < n;) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)(all + at);
        for (uint32_t len = NLMSG_HDRLEN; len < h->nlmsg_len; len++) {
            struct codec_event e;
            struct xfrm_counts c;
            struct nlmsghdr *cut = malloc(len); // exact, for ASan
            memcpy(cut, h, len);
            cut->nlmsg_len = len;
            IGNORE(read_any(cut, &e, &c)); // any answer but an overrun
            free(cut);
        }
        at += NLMSG_ALIGN(h->nlmsg_len);
    }
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sa_round_trip),
        cmocka_unit_test(gone_round_trip),
        cmocka_unit_test(ids_round_trip),
        cmocka_unit_test(spi_round_trip),
        cmocka_unit_test(expire_and_ae_round_trip),
        cmocka_unit_test(policy_round_trip),
        cmocka_unit_test(acquire_finds_its_template),
        cmocka_unit_test(other_events_round_trip),
        cmocka_unit_test(counts_round_trip),
        cmocka_unit_test(requests_are_judged),
        cmocka_unit_test(requests_are_completed),
        cmocka_unit_test(iptfs_round_trip),
        cmocka_unit_test(iptfs_defaults),
        cmocka_unit_test(iptfs_is_judged),
        cmocka_unit_test(policies_are_judged),
        cmocka_unit_test(bad_attributes),
        cmocka_unit_test(bad_replay_windows),
        cmocka_unit_test(no_room),
        cmocka_unit_test(like_the_kernel),
        cmocka_unit_test(cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
