#include "xfrm/port/ether.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>

#include "xfrm/path/ip_head.h"
#include "xfrm/port/checksum.h"
#include "xfrm/port/segment.h"

#define UDP_HEAD 8
#define ETHERTYPE_V4 0x0800
#define ETHERTYPE_V6 0x86dd
#define FRAGMENT 0x3fff // IPv4: more of them, or not the first

// Off the front.
static void strip(struct pkt *p, uint32_t n)
{
    p->at += n;
    p->len -= n;
}

// Leaves the IP packet, without what Ethernet has padded it with.
static bool read_ip(struct pkt *p)
{
    if (p->len < ETHER_HEAD + IP4_HEADER) return false;
    const uint16_t type = get16(p->at + 12);
    strip(p, ETHER_HEAD);
    if (type != ETHERTYPE_V4 && (type != ETHERTYPE_V6 || p->len < IP6_HEADER)) return false;
    const bool v6 = type == ETHERTYPE_V6;
    const uint32_t head = v6 ? IP6_HEADER : IP4_HEADER;
    const uint32_t len = v6 ? IP6_HEADER + get16(p->at + 4) : get16(p->at + 2);
    if (p->at[0] >> 4 != (v6 ? 6 : 4) || len < head || len > p->len) return false;
    p->len = len;
    return v6 || (p->at[0] == 0x45 && checksum_fold(checksum_add(0, p->at, head)) == UINT16_MAX);
}

static void read_addresses(struct pkt *p)
{
    p->from = (endpoint_t){.ip = ip_head_src(p->at)};
    p->to = (endpoint_t){.ip = ip_head_dst(p->at)};
    p->outer_tos = ip_head_tos(p->at);
    p->outer_ttl = ip_is_v6(p->at) ? p->at[7] : p->at[8];
    if (ip_is_v6(p->at)) p->outer_label = get32(p->at) & 0xfffff;
}

// rfc3948 2.2, 2.3: neither an IKE message nor a keepalive is ESP.
static bool read_udp(struct pkt *p, uint16_t port)
{
    if (p->len < UDP_HEAD + 4 || get16(p->at + 2) != port) return false;
    const uint16_t len = get16(p->at + 4);
    if (len < UDP_HEAD + 4 || len > p->len || get32(p->at + UDP_HEAD) == 0) return false;
    p->from.port = get16(p->at);
    p->to.port = port;
    p->udp = true;
    p->len = len;
    strip(p, UDP_HEAD);
    return true;
}

bool ether_read_outer(struct pkt *p, uint16_t udp_port)
{
    if (!read_ip(p)) return false;
    const bool v6 = ip_is_v6(p->at);
    const uint8_t next = v6 ? p->at[6] : p->at[9];
    if (!v6 && (get16(p->at + 6) & FRAGMENT)) return false;
    read_addresses(p);
    uint8_t *head = p->at;
    strip(p, v6 ? IP6_HEADER : IP4_HEADER);
    if (next == IPPROTO_UDP) return read_udp(p, udp_port);
    p->proto = IPPROTO_ESP;
    if (!v6) { // as the raw socket has it; that for IPv6 tells of extension headers only
        p->head = head;
        p->head_len = IP4_HEADER;
    }
    return next == IPPROTO_ESP;
}

// ---- the inner side ----

bool ether_hop(uint8_t *packet)
{
    uint8_t *ttl = ip_is_v6(packet) ? packet + 7 : packet + 8;
    if (*ttl <= 1) return false;
    const uint16_t old = get16(packet + 8);
    (*ttl)--;
    if (!ip_is_v6(packet))
        put16(packet + 10, checksum_after(get16(packet + 10), old, get16(packet + 8)));
    return true;
}

static uint16_t pseudo(const struct pkt *p, uint32_t head, uint8_t next)
{
    const bool v6 = ip_is_v6(p->at);
    uint64_t sum = checksum_add(0, p->at + (v6 ? 8 : 12), v6 ? 32 : 8);
    sum = checksum_add16(sum, (uint16_t)(p->len - head));
    return checksum_fold(checksum_add16(sum, next));
}

// Between namespaces nobody computes checksums: in the place of one stands the sum of the
// pseudo-header, for hardware to go on from. A checksum that is done looks so once in 65,536 times,
// and then comes out the same again.
static void finish_checksum(struct pkt *p)
{
    const bool v6 = ip_is_v6(p->at);
    const uint32_t head = v6 ? IP6_HEADER : IP4_HEADER;
    const uint8_t next = v6 ? p->at[6] : p->at[9];
    const uint16_t offset = next == IPPROTO_TCP ? 16 : 6;
    if (next != IPPROTO_TCP && next != IPPROTO_UDP) return;
    if (p->len < head + offset + 2 || (!v6 && (get16(p->at + 6) & FRAGMENT))) return;
    if (checksum_read(p->at + head + offset) != pseudo(p, head, next)) return;
    const struct virtio_net_hdr undone = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = (uint16_t)head, .csum_offset = offset};
    (void)segment_finish(&undone, p->at, p->len);
}

bool ether_read_inner(struct pkt *p)
{
    if (!read_ip(p) || !ether_hop(p->at)) return false;
    finish_checksum(p);
    return true;
}

// ---- what is sent ----

// With a checksum, which over IPv4 need not be (rfc3948 2.1 SHOULD): the kernel at the other end
// couples only datagrams that have one.
static void write_udp(uint8_t *at, const struct pkt *p)
{
    const uint16_t len = (uint16_t)(UDP_HEAD + p->len);
    const unsigned address = ip_len(p->to.ip.family);
    put16(at, p->from.port);
    put16(at + 2, p->to.port);
    put16(at + 4, len);
    put16(at + 6, 0);
    uint64_t sum = checksum_add(0, p->from.ip.b, address);
    sum = checksum_add(sum, p->to.ip.b, address);
    sum = checksum_add16(checksum_add16(sum, IPPROTO_UDP), len);
    sum = checksum_add(checksum_add(sum, at, UDP_HEAD), p->at, p->len);
    const uint16_t done = (uint16_t)~checksum_fold(sum);
    checksum_write(at + 6, done ? done : UINT16_MAX);
}

uint32_t ether_write_outer(uint8_t *end, const struct pkt *p, const uint8_t *ether)
{
    const struct ip_wanted w = {.src = p->from.ip,
                                .dst = p->to.ip,
                                .tos = p->outer_tos,
                                .next = p->udp ? IPPROTO_UDP : p->proto,
                                .ttl = p->outer_ttl,
                                .df = p->outer_df,
                                .label = p->outer_label,
                                .id = p->outer_id,
                                .payload = p->len + (p->udp ? UDP_HEAD : 0)};
    uint8_t *at = end;
    if (p->udp) write_udp(at -= UDP_HEAD, p);
    at -= w.src.family == AF_INET6 ? IP6_HEADER : IP4_HEADER;
    (void)ip_head_make(at, &w);
    at -= ETHER_HEAD;
    memcpy(at, ether, ETHER_HEAD);
    return (uint32_t)(end - at);
}
