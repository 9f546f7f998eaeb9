#include "test/unit/xfrm/modes.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"

const char *const hosts[2][2] = {{"203.0.113.1", "203.0.113.2"}, {"2001:db8::1", "2001:db8::2"}};
const char *const inners[2][2] = {{"10.9.0.1", "10.9.0.2"}, {"fd09::1", "fd09::2"}};

struct link link_of(uint8_t proto, uint8_t mode, unsigned v6, uint32_t spi)
{
    struct link l = {.x = rig_sa(hosts[v6][0], hosts[v6][1], spi)};
    l.x.proto = proto;
    l.x.mode = mode;
    l.x.reqid = spi;
    if (mode != XFRM_TUNNEL) l.x.flags = 0;
    if (proto == XFRM_PROTO_AH) {
        rig_crypt_auth(&l.x, "", 0, "hmac(sha256)", 256, 128);
    }
    if (proto == XFRM_PROTO_COMP) {
        l.x.aead = (struct xfrm_alg){0};
        strcpy(l.x.comp, "deflate");
    }
    l.t = (struct xfrm_tmpl){.aalgos = UINT32_MAX,
                             .ealgos = UINT32_MAX,
                             .calgos = UINT32_MAX,
                             .saddr = l.x.saddr,
                             .daddr = l.x.daddr,
                             .family = l.x.family,
                             .proto = proto,
                             .mode = mode,
                             .reqid = spi};
    if (mode == XFRM_TRANSPORT) l.t.saddr = l.t.daddr = (ip_t){0};
    return l;
}

struct link beet_of(uint8_t proto, unsigned in_v6, unsigned out_v6, uint32_t spi)
{
    struct link l = link_of(proto, XFRM_BEET, out_v6, spi);
    l.x.sel = rig_policy(XFRM_OUT, inners[in_v6][0], inners[in_v6][1], NULL, NULL).sel;
    return l;
}

struct pair pair_of(const struct link *links, unsigned n)
{
    struct pair p = {rig_new(), rig_new()};
    for (unsigned v6 = 0; v6 < 2; v6++) {
        const char *any = v6 ? "::/0" : "0.0.0.0/0";
        struct xfrm_policy out = rig_policy(XFRM_OUT, any, any, NULL, NULL), in = out;
        in.dir = XFRM_IN;
        out.tmpl_count = in.tmpl_count = n;
        for (unsigned i = 0; i < n; i++) {
            out.tmpl[i] = in.tmpl[i] = links[i].t;
            if (links[i].t.mode != XFRM_TRANSPORT) out.tmpl[i].optional = 0; // in only, by rule
        }
        // a policy of the other family is refused where a transport template cannot follow
        if (links[0].t.mode == XFRM_TRANSPORT && links[0].t.family != out.sel.family) continue;
        rig_add_policy(p.moon, &out);
        rig_add_policy(p.sun, &in);
    }
    for (unsigned i = 0; i < n; i++) {
        rig_add_sa(p.moon, &links[i].x);
        rig_add_sa(p.sun, &links[i].x);
    }
    rig_clear(p.moon);
    rig_clear(p.sun);
    return p;
}

void pair_free(struct pair *p)
{
    rig_free(p->moon);
    rig_free(p->sun);
}

uint32_t from_host(uint8_t *buf, unsigned v6, uint32_t payload)
{
    return rig_udp(buf, hosts[v6][0], hosts[v6][1], 4000, 5000, payload);
}

static void show_drops(const struct rig *r)
{
    for (unsigned d = 0; d < DROP_COUNT; d++) {
        if (r->w.drops[d]) print_message("%s %lu\n", drop_word(d), r->w.drops[d]);
    }
}

const struct frame *sent(struct pair *p, const uint8_t *packet, uint32_t len)
{
    rig_clear(p->moon);
    rig_out(p->moon, packet, len);
    if (p->moon->sent.n != 1) show_drops(p->moon);
    CHECK_EQ(p->moon->sent.n, 1);
    return &p->moon->sent.f[0];
}

const struct frame *received(struct pair *p, const struct frame *f)
{
    rig_clear(p->sun);
    rig_in(p->sun, f);
    if (p->sun->delivered.n != 1) show_drops(p->sun);
    CHECK_EQ(p->sun->delivered.n, 1);
    return &p->sun->delivered.f[0];
}

void refused(struct pair *p, const struct frame *f, enum drop word)
{
    uint64_t before = rig_drops(p->sun, word), all = rig_all_drops(p->sun);
    rig_clear(p->sun);
    rig_in(p->sun, f);
    if (rig_drops(p->sun, word) != before + 1) {
        show_drops(p->sun);
        fail_msg("not dropped as \"%s\"", drop_word(word));
    }
    CHECK_EQ(rig_all_drops(p->sun), all + 1);
    CHECK_EQ(p->sun->delivered.n, 0);
}

uint16_t sum16(const uint8_t *at, uint32_t len, uint32_t sum)
{
    for (; len > 1; at += 2, len -= 2) sum += get16(at);
    if (len) sum += (uint32_t)*at << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

void same_packet(const struct frame *got, const uint8_t *want, uint32_t len)
{
    uint8_t a[9300], b[9300];
    CHECK_EQ(got->len, len);
    CHECK(len <= sizeof a);
    memcpy(a, got->at, len);
    memcpy(b, want, len);
    bool v6 = a[0] >> 4 == 6;
    if (!v6) CHECK_EQ(sum16(a, (a[0] & 15U) * 4, 0), 0xffff);
    uint8_t *both[2] = {a, b};
    for (unsigned i = 0; i < 2; i++) {
        if (v6) {
            both[i][7] = 0;
        } else {
            memset(both[i] + 4, 0, 8);
            both[i][9] = want[9];
        }
    }
    assert_memory_equal(a, b, len);
    if (!v6) CHECK_EQ(got->at[9], want[9]);
}
