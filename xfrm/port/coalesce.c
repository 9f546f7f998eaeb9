#include "xfrm/port/coalesce.h"

#include <netinet/in.h>
#include <string.h>

#include "xfrm/port/checksum.h"
#include "xfrm/port/segment.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
#define TCP_HEADER 20
#define UDP_HEADER 8
#define TCP_CHECKSUM 16 // where fields are
#define UDP_CHECKSUM 6

#define IP4_DF 0x4000
#define IP_LENGTH_MAX 65535 // bytes a length field can name
#define OPEN_MAX 8          // joints that a packet is compared with
#define UDP_COUNT_MAX 64    // datagrams that older kernels take in one piece

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_ACK = 0x10, TCP_ECE = 0x40 };
// A segment with any other flag has something to say to the host by itself.
#define TCP_FLAGS_PLAIN (TCP_FIN | TCP_PSH | TCP_ACK | TCP_ECE)
#define TCP_FLAGS_LAST (TCP_FIN | TCP_PSH)

// ---- one packet ----

struct face {   // what matters of a packet's headers
    bool known; // TCP or UDP in one piece, so that its flow is known
    bool joins; // may be part of a super-packet
    bool v6, tcp;
    uint32_t transport, head, payload;
};

static bool read_ip4(const struct pkt *p, struct face *f, uint8_t *proto)
{
    const uint8_t *ip = p->at;
    if (p->len < IP4_HEADER || ip[0] != 0x45 || get16(ip + 2) != p->len) return false;
    if (get16(ip + 6) & ~IP4_DF) return false;
    *proto = ip[9];
    f->transport = IP4_HEADER;
    f->joins = checksum_fold(checksum_add(0, ip, IP4_HEADER)) == 0xffff;
    return true;
}

static bool read_ip6(const struct pkt *p, struct face *f, uint8_t *proto)
{
    const uint8_t *ip = p->at;
    if (p->len < IP6_HEADER || get16(ip + 4) != p->len - IP6_HEADER) return false;
    *proto = ip[6];
    f->transport = IP6_HEADER;
    f->joins = f->v6 = true;
    return true;
}

static bool read_tcp(const struct pkt *p, struct face *f)
{
    const uint8_t *tcp = p->at + f->transport;
    uint32_t left = p->len - f->transport;
    if (left < TCP_HEADER) return false;
    uint32_t bytes = (tcp[12] >> 4) * 4U;
    if (bytes < TCP_HEADER || bytes > left) return false;
    f->head = f->transport + bytes;
    f->payload = left - bytes;
    bool plain = (tcp[13] & TCP_ACK) && !(tcp[13] & ~TCP_FLAGS_PLAIN) && !(tcp[12] & 0xf);
    f->joins = f->joins && plain && f->payload > 0;
    return true;
}

static bool read_udp(const struct pkt *p, struct face *f)
{
    const uint8_t *udp = p->at + f->transport;
    uint32_t left = p->len - f->transport;
    if (left < UDP_HEADER || get16(udp + 4) != left) return false;
    f->head = f->transport + UDP_HEADER;
    f->payload = left - UDP_HEADER;
    // without a checksum it must stay: cut again, it would have one
    f->joins = f->joins && f->payload > 0 && checksum_read(udp + UDP_CHECKSUM) != 0;
    return true;
}

static uint64_t pseudo_sum(const uint8_t *ip, const struct face *f, uint32_t transport_len)
{
    uint64_t sum = f->v6 ? checksum_add(0, ip + 8, 32) : checksum_add(0, ip + 12, 8);
    sum = checksum_add16(sum, f->tcp ? IPPROTO_TCP : IPPROTO_UDP);
    return checksum_add16(sum, (uint16_t)transport_len);
}

// A packet that was damaged before it came into the tunnel must not be made to look sound: in a
// super-packet its checksum would be made anew.
static bool is_sound(const struct pkt *p, const struct face *f)
{
    uint32_t left = p->len - f->transport;
    uint64_t sum = pseudo_sum(p->at, f, left);
    return checksum_fold(checksum_add(sum, p->at + f->transport, left)) == 0xffff;
}

static struct face face_of(const struct pkt *p, bool udp)
{
    struct face f = {0};
    uint8_t proto = 0;
    unsigned version = p->len > 0 ? p->at[0] >> 4 : 0;
    if (version == 4) f.known = read_ip4(p, &f, &proto);
    if (version == 6) f.known = read_ip6(p, &f, &proto);
    if (!f.known) return (struct face){0};
    f.tcp = proto == IPPROTO_TCP;
    if (f.tcp) {
        f.known = read_tcp(p, &f);
    } else {
        f.known = proto == IPPROTO_UDP && read_udp(p, &f);
        f.joins = f.joins && udp;
    }
    f.joins = f.known && f.joins && is_sound(p, &f);
    return f;
}

// ---- a packet and a joint ----

static bool same_flow(const struct joint *j, const uint8_t *a, const struct face *f,
                      const uint8_t *b)
{
    if (j->v6 != f->v6 || j->tcp != f->tcp) return false;
    bool ip = f->v6 ? !memcmp(a + 8, b + 8, 32) : !memcmp(a + 12, b + 12, 8);
    return ip && !memcmp(a + j->transport, b + f->transport, 4);
}

// TOS, TTL and DF, or traffic class, flow label and hop limit. IPv4 identification must go up, as
// it will when the host cuts the super-packet, unless DF makes it meaningless (RFC 6864 4.1).
static bool same_ip(const struct joint *j, const uint8_t *first, const uint8_t *ip)
{
    if (j->v6) return !memcmp(first, ip, 4) && first[7] == ip[7];
    uint16_t expected = (uint16_t)(get16(first + 4) + j->count);
    if (!(get16(ip + 6) & IP4_DF) && get16(ip + 4) != expected) return false;
    return first[1] == ip[1] && !memcmp(first + 6, ip + 6, 3);
}

static bool same_tcp(const struct joint *j, const uint8_t *first, const uint8_t *tcp)
{
    uint8_t changed = (uint8_t)((first[13] ^ tcp[13]) & ~TCP_FLAGS_LAST);
    if (get32(tcp + 4) != j->next_seq || changed) return false;
    uint32_t header = j->head - j->transport;
    return !memcmp(first + 8, tcp + 8, 5) &&   // acknowledgement, header length
           !memcmp(first + 14, tcp + 14, 2) && // window
           !memcmp(first + 18, tcp + 18, header - 18);
}

static bool takes(const struct joint *j, const uint8_t *first, const struct face *f,
                  const uint8_t *ip)
{
    if (j->closed || !f->joins || f->head != j->head || f->payload > j->size) return false;
    if (j->head + j->payload + f->payload > IP_LENGTH_MAX) return false;
    if (!j->tcp && j->count == UDP_COUNT_MAX) return false;
    if (!same_ip(j, first, ip)) return false;
    return !j->tcp || same_tcp(j, first + j->transport, ip + f->transport);
}

static void joint_note(struct joint *j, const struct face *f, const uint8_t *ip)
{
    j->payload += f->payload;
    j->count++;
    if (f->payload < j->size || !f->joins) j->closed = true;
    if (!j->tcp || !f->known) return;
    const uint8_t *tcp = ip + f->transport;
    j->next_seq = get32(tcp + 4) + f->payload;
    j->flags = tcp[13] & TCP_FLAGS_LAST;
    if (j->flags) j->closed = true;
}

// ---- the burst ----

// The youngest joint of the packet's flow: earlier ones are closed or would change the order.
static struct joint *joint_find(struct coalesce *c, struct pkt *const *p, const struct face *f,
                                const uint8_t *ip)
{
    unsigned last = c->joints > OPEN_MAX ? c->joints - OPEN_MAX : 0;
    if (last < c->open_from) last = c->open_from;
    for (unsigned i = c->joints; i > last; i--) {
        struct joint *j = &c->joint[i - 1];
        if (same_flow(j, p[j->first]->at, f, ip)) return j;
    }
    return NULL;
}

static void joint_new(struct coalesce *c, unsigned i, const struct face *f, const uint8_t *ip)
{
    struct joint *j = &c->joint[c->joints++];
    *j = (struct joint){.first = i,
                        .last = i,
                        .size = f->payload,
                        .transport = f->transport,
                        .head = f->head,
                        .v6 = f->v6,
                        .tcp = f->tcp};
    joint_note(j, f, ip);
    // of unknown flow, so it may be of any: nobody who comes later may go before it
    if (!f->known) c->open_from = c->joints;
}

void coalesce_burst(struct coalesce *c, struct pkt *const *p, unsigned n, bool udp)
{
    c->joints = c->open_from = 0;
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *ip = p[i]->at;
        const struct face f = face_of(p[i], udp);
        struct joint *j = f.known ? joint_find(c, p, &f, ip) : NULL;
        if (!j || !takes(j, p[j->first]->at, &f, ip)) {
            joint_new(c, i, &f, ip);
            continue;
        }
        c->next[j->last] = (uint16_t)i;
        j->last = i;
        joint_note(j, &f, ip);
    }
}

// ---- the super-packet ----

static void write_headers(const struct joint *j, uint8_t *head)
{
    uint32_t len = j->head + j->payload, transport_len = len - j->transport;
    const struct face f = {.v6 = j->v6, .tcp = j->tcp};
    uint8_t *transport = head + j->transport;
    if (j->v6) {
        put16(head + 4, (uint16_t)(len - IP6_HEADER));
    } else {
        put16(head + 2, (uint16_t)len);
        checksum_write(head + 10, 0);
        checksum_write(head + 10, (uint16_t)~checksum_fold(checksum_add(0, head, IP4_HEADER)));
    }
    if (j->tcp) {
        transport[13] |= j->flags;
    } else {
        put16(transport + 4, (uint16_t)transport_len);
    }
    uint16_t pseudo = checksum_fold(pseudo_sum(head, &f, transport_len));
    checksum_write(transport + (j->tcp ? TCP_CHECKSUM : UDP_CHECKSUM), pseudo);
}

static uint8_t gso_type(const struct joint *j)
{
    if (!j->tcp) return GSO_UDP_L4;
    return j->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

unsigned coalesce_write(const struct coalesce *c, const struct joint *j, struct pkt *const *p,
                        struct virtio_net_hdr *hdr, uint8_t *head, struct iovec *iov)
{
    *hdr = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                   .gso_type = gso_type(j),
                                   .hdr_len = (uint16_t)j->head,
                                   .gso_size = (uint16_t)j->size,
                                   .csum_start = (uint16_t)j->transport,
                                   .csum_offset = j->tcp ? TCP_CHECKSUM : UDP_CHECKSUM};
    memcpy(head, p[j->first]->at, j->head);
    write_headers(j, head);
    iov[0] = (struct iovec){head, j->head};
    unsigned i = j->first;
    for (unsigned k = 1; k <= j->count; k++, i = c->next[i])
        iov[k] = (struct iovec){p[i]->at + j->head, p[i]->len - j->head};
    return j->count + 1;
}
