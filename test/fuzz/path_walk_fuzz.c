// Packets from moon to sun (path_pair.h) through SAs of every kind. What the input decides:
//
//   sound or hostile inner packets, one by one or as super-packets of the TUN device
//   what a peer who knows the keys changes in the text before it is sealed
//   what somebody on the way changes, cuts short, repeats or leaves out
//
// What must hold:
//
//   every packet    leaves, waits, passes in clear, or is dropped under exactly one word; all
//                   buffers are back at the end
//   what arrives    is well-formed and inside sun's policy, whoever made it
//   without a cheat nothing arrives that moon has not sent, and nothing twice
//   tunnel mode     what moon took and nobody changed comes out
//   super-packets   cut and joined again are the same packets
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "test/fuzz/must.h"
#include "test/fuzz/path_pair.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"
#include "xfrm/port/coalesce.h"
#include "xfrm/port/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

#define STEPS_MAX 8

// ---- accounts ----

struct account {
    uint64_t out, drops, clear, held, joined;
};

static struct account account_of(const struct site *s)
{
    return (struct account){s->out->n + s->out->lost, site_drops(s), s->clear,
                            hold_count(s->w->hold), s->w->joined};
}

// Packets that have met their end since. Dummies are none.
static uint64_t account_since(const struct site *s, const struct account *before)
{
    struct account now = account_of(s);
    return (now.out - before->out) + (now.drops - before->drops) + (now.clear - before->clear) +
           (now.held - before->held) + (now.joined - before->joined);
}

// ---- what arrives ----

static void conforms(const struct pair *p, const struct frame *f)
{
    static uint8_t room[sizeof f->at];
    struct pkt copy = {.at = room, .len = f->len};
    memcpy(room, f->at, f->len);
    MUST(flow_read(&copy) && copy.len == f->len);
    MUST(prefix_has(&p->src, &copy.flow.src) && prefix_has(&p->dst, &copy.flow.dst));
    if (!p->only) return;
    MUST(copy.flow.proto == p->only && !copy.flow.fragment && copy.flow.dport == 5001);
}

// What the outer header may change in the inner one (RFC 6040) is taken out, and its checksum.
static void normalize(uint8_t *at)
{
    bool v6 = at[0] >> 4 == 6;
    if (v6) put32(at, get32(at) & 0xf00fffffU);
    if (!v6) at[1] = 0, put16(at + 10, 0);
}

// ---- what moon has sent in this session ----

static struct {
    unsigned n;
    bool cheated; // with moon's own keys: no telling any more
    struct {
        uint8_t at[sizeof(struct frame)];
        uint32_t len;
        bool arrived;
    } text[PAIR_FRAMES];
} sent;

// In tunnel mode all of the packet; otherwise what is behind its header, which is not protected.
static void remember(const struct pair *p, const uint8_t *at, uint32_t len)
{
    struct pkt copy = {.len = len};
    static uint8_t room[sizeof(struct frame)];
    struct ip_split s = {.len = 0};
    if (sent.n == PAIR_FRAMES || len > sizeof room) {
        sent.cheated = true; // no more room to tell
        return;
    }
    memcpy(room, at, len);
    copy.at = room;
    if (!flow_read(&copy)) return;
    // BEET takes it for its own pseudo-header at the other end, as the kernel does
    if (!p->tunnel && copy.flow.proto == IPPROTO_BEETPH) sent.cheated = true;
    if (p->tunnel) normalize(room);
    if (!p->tunnel && !ip_split(room, copy.len, false, &s)) return;
    sent.text[sent.n].len = copy.len - s.len;
    sent.text[sent.n].arrived = false;
    memcpy(sent.text[sent.n++].at, room + s.len, copy.len - s.len);
}

// The longest text that the packet ends with: shorter ones may do so by chance.
static void was_sent(const struct pair *p, const struct frame *f)
{
    static uint8_t room[sizeof f->at];
    unsigned best = PAIR_FRAMES;
    if (!p->proven || sent.cheated) return;
    memcpy(room, f->at, f->len);
    if (p->tunnel) normalize(room);
    for (unsigned i = 0; i < sent.n; i++) {
        uint32_t len = sent.text[i].len;
        if (sent.text[i].arrived || len > f->len || (p->tunnel && len != f->len)) continue;
        if (best < PAIR_FRAMES && len <= sent.text[best].len) continue;
        if (memcmp(room + f->len - len, sent.text[i].at, len) == 0) best = i;
    }
    MUST(best < PAIR_FRAMES);
    sent.text[best].arrived = true;
}

// ---- joined for the host ----

// What the host would cut out of the super-packet is what went into it.
static void cut_again(const struct coalesce *c, const struct joint *j, struct pkt *const *p)
{
    static uint8_t super[SUPER_MAX], room[PKT_DATA_MAX];
    struct virtio_net_hdr hdr;
    struct iovec iov[COALESCE_IOV_MAX];
    uint8_t head[COALESCE_HEAD_MAX];
    struct segment s;
    uint32_t len = 0;
    unsigned pieces = coalesce_write(c, j, p, &hdr, head, iov), i = j->first;
    for (unsigned k = 0; k < pieces; k++) {
        MUST(iov[k].iov_len <= sizeof super - len);
        memcpy(super + len, iov[k].iov_base, iov[k].iov_len);
        len += (uint32_t)iov[k].iov_len;
    }
    MUST(segment_begin(&s, &hdr, super, len) == ERR_OK);
    for (unsigned k = 0; k < j->count; k++, i = c->next[i]) {
        struct pkt cut = {.at = room};
        MUST(s.more);
        segment_next(&s, &cut);
        MUST(cut.len == p[i]->len);
        bool v4 = room[0] >> 4 == 4;
        if (v4 && room[6] & 0x40) memcpy(room + 4, p[i]->at + 4, 2); // rfc6864: means nothing
        if (v4) memcpy(room + 10, p[i]->at + 10, 2);
        MUST(memcmp(room, p[i]->at, cut.len) == 0);
    }
    MUST(!s.more);
}

static void check_joints(struct frame *f, unsigned n)
{
    static struct coalesce c;
    static struct pkt pkts[BURST_MAX];
    struct pkt *p[BURST_MAX];
    unsigned all = 0;
    if (n > BURST_MAX) n = BURST_MAX;
    for (unsigned i = 0; i < n; i++) {
        pkts[i] = (struct pkt){.at = f[i].at, .len = f[i].len};
        p[i] = &pkts[i];
    }
    coalesce_burst(&c, p, n, true);
    for (unsigned i = 0; i < c.joints; i++) {
        MUST(i == 0 || c.joint[i].first > c.joint[i - 1].first);
        if (c.joint[i].count > 1) cut_again(&c, &c.joint[i], p);
        all += c.joint[i].count;
    }
    MUST(all == n);
}

// ---- from moon ----

static struct pkt *site_packet(struct site *s, const uint8_t *at, uint32_t len)
{
    struct pkt *p = pool_take(s->w->pool);
    MUST(p != NULL && len <= PKT_DATA_MAX);
    memcpy(p->at, at, len);
    p->len = len;
    return p;
}

static void moon_sends(struct pair *p, struct burst *b)
{
    struct account before = account_of(&p->moon);
    unsigned n = b->n;
    for (unsigned i = 0; i < n; i++) remember(p, b->p[i]->at, b->p[i]->len);
    path_out(p->moon.w, b);
    MUST(b->n == 0 && account_since(&p->moon, &before) == n);
}

// All but SPI and sequence number, which would only make this packet another one.
static void spoil_text(struct gram *g, struct pkt *p)
{
    bool ah = sa_is_ah(p->sa);
    uint32_t head = ah ? AH_HEADER : ESP_HEADER + p->sa->iv_len;
    if (p->len < head + 2) return; // IPComp: there need not be much
    uint8_t *text = p->at + head, d = gram_u8(g);
    uint32_t len = p->len - head;
    if (d & 1 && ah) gram_spoil(g, p->at, 4, 2);               // next header, length
    if (d & 1 && !ah) gram_spoil(g, p->at + p->len - 2, 2, 2); // the trailer
    if (d & 2) gram_spoil(g, text, len < 60 ? len : 60, 3);
    gram_spoil(g, text, len, 4);
}

// The path's stages by hand, with a peer's malice just before the seal.
static void moon_cheats(struct pair *p, struct gram *g, const uint8_t *at, uint32_t len)
{
    struct pkt *pkt = site_packet(&p->moon, at, len);
    struct burst b = {.n = 1, .p = {pkt}};
    sent.cheated = true;
    for (const struct stage *s = outbound; s->name; s++) {
        if (!strcmp(s->name, "seal")) spoil_text(g, pkt);
        s->run(p->moon.w, &b);
        pkt = b.p[0];
        if (pkt->drop || pkt->done || pkt->held) break;
    }
    if (!pkt->held) pool_give(p->moon.w->pool, pkt);
}

// ---- on the way, and to sun ----

static void on_the_way(struct gram *g, struct frame *f)
{
    uint8_t d = gram_u8(g);
    if (d & 1) gram_spoil(g, f->at, f->len < 80 ? f->len : 80, 3);
    if (d & 2) gram_spoil(g, f->at, f->len, 3);
    if (d & 4 && f->len > 0) f->len = gram_u16(g) % (f->len + 1);
    if (d & 8) f->tos = gram_u8(g);
    if (d & 16) f->from.ip.b[0] ^= gram_u8(g), f->from.port = f->udp ? gram_u16(g) : 0;
    if (d & 32) f->udp = !f->udp;
    static const uint8_t protos[] = {XFRM_PROTO_ESP, XFRM_PROTO_AH, XFRM_PROTO_COMP, IPPROTO_IPIP,
                                     IPPROTO_IPV6};
    if (d & 64) f->proto = protos[gram_u8(g) % sizeof protos];
}

// Those of moon's frames from `first` on, in order; with decisions, not all of them as they were.
static void sun_gets(struct pair *p, struct gram *g, unsigned first, bool fair)
{
    struct frames *way = p->moon.out;
    struct burst b = {.n = 0};
    struct account before = account_of(&p->sun);
    unsigned delivered = p->sun.out->n;
    for (unsigned i = first; i < way->n && b.n < BURST_MAX - 1; i++) {
        uint8_t d = fair ? 0 : gram_u8(g);
        if (d >= 250) continue; // lost
        if (d >= 100) on_the_way(g, &way->f[i]);
        b.p[b.n++] = site_arrival(&p->sun, &way->f[i]);
        if (d >= 230) b.p[b.n++] = site_arrival(&p->sun, &way->f[i]); // twice
    }
    unsigned n = b.n;
    path_in(p->sun.w, &b);
    MUST(b.n == 0 && account_since(&p->sun, &before) <= n);
    MUST(p->sun.clear == 0);
    for (unsigned i = delivered; i < p->sun.out->n; i++) {
        conforms(p, &p->sun.out->f[i]);
        was_sent(p, &p->sun.out->f[i]);
    }
    check_joints(p->sun.out->f + delivered, p->sun.out->n - delivered);
}

// ---- steps ----

static void step_packet(struct pair *p, struct gram *g, bool cheat)
{
    static uint8_t at[IP_GRAM_MAX];
    uint8_t d = gram_u8(g);
    struct ip_gram ends = p->ends;
    ends.sound = d & 1;
    uint32_t len = ip_gram_packet(g, &ends, at);
    unsigned first = p->moon.out->n, got = p->sun.out->n + p->sun.out->lost;
    if (cheat) {
        moon_cheats(p, g, at, len);
    } else {
        struct burst b = {.n = 1, .p = {site_packet(&p->moon, at, len)}};
        moon_sends(p, &b);
    }
    bool fair = d & 2 && !cheat;
    sun_gets(p, g, first, fair);
    if (!fair || !p->tunnel || p->moon.out->n == first) return;
    MUST(p->sun.out->n + p->sun.out->lost == got + 1); // that it is the same was_sent() has seen
}

static struct virtio_net_hdr super_header(struct gram *g, const uint8_t *at, uint32_t transport)
{
    bool v6 = at[0] >> 4 == 6, tcp = at[v6 ? 6 : 9] == IPPROTO_TCP;
    uint8_t d = gram_u8(g);
    struct virtio_net_hdr h = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = !tcp ? GSO_UDP_L4
                    : v6 ? VIRTIO_NET_HDR_GSO_TCPV6
                         : VIRTIO_NET_HDR_GSO_TCPV4,
        .gso_size = (uint16_t)(16 + gram_u8(g) * 6),
        .csum_start = (uint16_t)transport,
        .csum_offset = tcp ? 16 : 6,
    };
    if (d >= 200) gram_spoil(g, (uint8_t *)&h, sizeof h, 3); // the host is believed in nothing
    return h;
}

static void step_super(struct pair *p, struct gram *g)
{
    static uint8_t at[IP_GRAM_MAX];
    struct ip_gram ends = p->ends;
    struct segment s;
    uint32_t transport, payload = 0;
    ends.sound = gram_u8(g) & 1;
    uint32_t len = ip_gram_super(g, &ends, at, &transport);
    struct virtio_net_hdr hdr = super_header(g, at, transport);
    unsigned first = p->moon.out->n;
    if (segment_begin(&s, &hdr, at, len) != ERR_OK) {
        uint8_t *whole = malloc(len); // exact
        MUST(whole != NULL);
        memcpy(whole, at, len);
        (void)segment_finish(&hdr, whole, len);
        free(whole);
        return;
    }
    while (s.more) {
        struct burst b = {.n = 0};
        while (s.more && b.n < BURST_MAX) {
            struct pkt *pkt = pool_take(p->moon.w->pool);
            MUST(pkt != NULL);
            segment_next(&s, pkt);
            MUST(pkt->len > s.head && pkt->len <= PKT_DATA_MAX);
            payload += pkt->len - s.head;
            b.p[b.n++] = pkt;
        }
        moon_sends(p, &b);
    }
    MUST(payload == len - s.head);
    sun_gets(p, g, first, gram_u8(g) & 1);
}

// A stranger's packet, or an old one again.
static void step_network(struct pair *p, struct gram *g)
{
    struct frames *way = p->moon.out;
    if (way->n == 0 || way->n == PAIR_FRAMES) return;
    uint8_t d = gram_u8(g);
    struct frame *f = &way->f[way->n];
    *f = way->f[gram_u8(g) % way->n];
    if (d & 1) gram_bytes(g, f->at + 8, f->len > 8 ? f->len - 8 : 0);
    if (d & 2) f->len = gram_u8(g);
    way->n++;
    sun_gets(p, g, way->n - 1, false);
}

static void step(struct pair *p, struct gram *g)
{
    uint8_t d = gram_u8(g);
    switch (d % 8) {
    case 0:
    case 1:
        step_packet(p, g, false);
        return;
    case 2:
    case 3:
        step_super(p, g);
        return;
    case 4:
        step_network(p, g);
        return;
    default:
        step_packet(p, g, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    static bool known;
    if (!known) rcu_register_thread();
    known = true;
    struct gram g = {.at = in, .left = n};
    struct pair *p = pair_get(gram_u8(&g));
    sent.n = 0;
    sent.cheated = false;
    assemblies_free(p->moon.w->assemblies, p->moon.w->pool); // each input by itself
    p->moon.w->assemblies = assemblies_new();
    MUST(p->moon.w->assemblies != NULL);
    unsigned moon = buffers_free(p->moon.w->pool), sun = buffers_free(p->sun.w->pool);
    for (unsigned i = 0; i < STEPS_MAX && g.left > 0; i++) step(p, &g);
    MUST(hold_count(p->moon.w->hold) == 0 && hold_count(p->sun.w->hold) == 0);
    MUST(buffers_free(p->moon.w->pool) + assemblies_count(p->moon.w->assemblies) == moon &&
         buffers_free(p->sun.w->pool) == sun);
    rcu_quiescent_state();
    return 0;
}
