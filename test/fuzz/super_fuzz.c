// Whatever the host hands over as a super-packet is cut within its bounds or refused; whatever
// packets come out of it, or stand in the input one behind the other, are joined into super-packets
// that can be cut into the very same packets again.
//
//     | kind | struct virtio_net_hdr | super-packet |     or     | kind | len | packet | len | ...
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/port/coalesce.h"
#include "xfrm/port/segment.h"

#define PACKET_MAX 2048 // bytes of a packet that stands in the input

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static struct pool *pool(void)
{
    static struct pool *p;
    if (!p) p = pool_new(BURST_MAX + 1);
    return p;
}

static void must(bool good)
{
    if (!good) __builtin_trap();
}

static void give(struct burst *b)
{
    for (unsigned i = 0; i < b->n; i++) pool_give(pool(), b->p[i]);
    b->n = 0;
}

// ---- joining, and cutting again ----

#define IP4_ID 4
#define IP4_FLAGS 6
#define IP4_DF 0x40

// RFC 6864: the identification of an IPv4 packet that may not be fragmented means nothing.
static bool same(const struct pkt *a, const struct pkt *b)
{
    const bool atomic = a->at[0] >> 4 == 4 && (a->at[IP4_FLAGS] & IP4_DF);
    if (a->len != b->len) return false;
    if (!atomic) return memcmp(a->at, b->at, a->len) == 0;
    return !memcmp(a->at, b->at, IP4_ID) && !memcmp(a->at + IP4_FLAGS, b->at + IP4_FLAGS, 4) &&
           !memcmp(a->at + 12, b->at + 12, a->len - 12);
}

static void cut_like(const struct coalesce *c, const struct joint *j, const struct burst *b,
                     const struct virtio_net_hdr *hdr, const uint8_t *super, uint32_t len)
{
    struct segment s;
    struct pkt *again = pool_take(pool());
    unsigned at = j->first;
    must(again != NULL);
    must(segment_begin(&s, hdr, super, len) == ERR_OK);
    for (unsigned k = 0; k < j->count; k++) {
        must(s.more);
        segment_next(&s, again);
        must(same(again, b->p[at]));
        if (at != j->last) at = c->next[at];
    }
    must(!s.more);
    pool_give(pool(), again);
}

static void join_one(const struct coalesce *c, const struct joint *j, const struct burst *b)
{
    static uint8_t super[SUPER_MAX];
    struct virtio_net_hdr hdr;
    struct iovec iov[COALESCE_IOV_MAX];
    uint8_t head[COALESCE_HEAD_MAX];
    uint32_t len = 0;
    if (j->count < 2) return;
    unsigned pieces = coalesce_write(c, j, b->p, &hdr, head, iov);
    must(pieces <= COALESCE_IOV_MAX);
    for (unsigned i = 0; i < pieces; i++) {
        must(iov[i].iov_len <= SUPER_MAX - len);
        memcpy(super + len, iov[i].iov_base, iov[i].iov_len);
        len += (uint32_t)iov[i].iov_len;
    }
    cut_like(c, j, b, &hdr, super, len);
}

static void join(const struct burst *b)
{
    static struct coalesce c;
    unsigned count = 0;
    coalesce_burst(&c, b->p, b->n, true);
    for (unsigned i = 0; i < c.joints; i++) {
        count += c.joint[i].count;
        join_one(&c, &c.joint[i], b);
    }
    must(count == b->n); // nothing is lost, nothing goes twice
}

// ---- the two kinds of input ----

static void cut_all(const uint8_t *in, size_t n)
{
    struct virtio_net_hdr hdr;
    struct segment s;
    struct burst b = {.n = 0};
    if (n < sizeof hdr || n - sizeof hdr > SUPER_MAX) return;
    memcpy(&hdr, in, sizeof hdr);
    if (segment_begin(&s, &hdr, in + sizeof hdr, (uint32_t)(n - sizeof hdr)) != ERR_OK) return;
    while (s.more) {
        struct pkt *p = b.n < BURST_MAX ? pool_take(pool()) : NULL;
        if (!p) {
            join(&b);
            give(&b);
            continue;
        }
        segment_next(&s, p);
        must(p->len <= PKT_DATA_MAX);
        b.p[b.n++] = p;
    }
    join(&b);
    give(&b);
}

static void join_all(const uint8_t *in, size_t n)
{
    struct burst b = {.n = 0};
    while (n > 2 && b.n < BURST_MAX) {
        size_t len = get16(in);
        in += 2;
        n -= 2;
        if (len > n || len > PACKET_MAX) break;
        struct pkt *p = pool_take(pool());
        must(p != NULL);
        memcpy(p->at, in, len);
        p->len = (uint32_t)len;
        if (flow_read(p)) // as the path delivers them
            b.p[b.n++] = p;
        else
            pool_give(pool(), p);
        in += len;
        n -= len;
    }
    join(&b);
    give(&b);
}

static void finish(const uint8_t *in, size_t n)
{
    struct virtio_net_hdr hdr;
    uint8_t packet[PACKET_MAX];
    if (n < sizeof hdr || n - sizeof hdr > sizeof packet) return;
    memcpy(&hdr, in, sizeof hdr);
    memcpy(packet, in + sizeof hdr, n - sizeof hdr);
    (void)segment_finish(&hdr, packet, (uint32_t)(n - sizeof hdr));
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    static void (*const kinds[])(const uint8_t *in, size_t n) = {cut_all, join_all, finish};
    if (n > 0) kinds[in[0] % 3](in + 1, n - 1);
    return 0;
}
