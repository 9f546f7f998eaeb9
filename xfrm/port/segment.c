#include "xfrm/port/segment.h"

#include <netinet/in.h>
#include <string.h>

#include "xfrm/port/checksum.h"

#define IP4_HEADER 20
#define IP4_LENGTH 2 // where fields are
#define IP4_ID 4
#define IP4_FRAGMENT 6
#define IP4_PROTOCOL 9
#define IP4_CHECKSUM 10
#define IP6_HEADER 40
#define IP6_LENGTH 4
#define TCP_HEADER 20
#define TCP_SEQ 4
#define TCP_OFFSET 12
#define TCP_FLAGS 13
#define TCP_CHECKSUM 16
#define UDP_HEADER 8
#define UDP_LENGTH 4
#define UDP_CHECKSUM 6

#define IP4_PARTS 0x3fff // more fragments, fragment offset

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

// ---- is it what its header says? ----

static bool kind_read(struct segment *s, uint8_t gso_type)
{
    unsigned version = s->len > 0 ? s->at[0] >> 4 : 0;
    s->v6 = version == 6;
    switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
        s->tcp = true;
        return version == 4;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        s->tcp = true;
        return version == 6;
    case GSO_UDP_L4:
        s->tcp = false;
        return version == 4 || version == 6;
    default:
        return false;
    }
}

static bool ip_fits(const struct segment *s)
{
    if (s->v6) return s->transport >= IP6_HEADER;
    if (s->len < IP4_HEADER || s->transport < IP4_HEADER) return false;
    return (s->at[0] & 0xfU) * 4 == s->transport && !(get16(s->at + IP4_FRAGMENT) & IP4_PARTS) &&
           s->at[IP4_PROTOCOL] == (s->tcp ? IPPROTO_TCP : IPPROTO_UDP);
}

static bool transport_fits(struct segment *s, uint16_t checksum_at)
{
    uint32_t least = s->tcp ? TCP_HEADER : UDP_HEADER;
    if (checksum_at != (s->tcp ? TCP_CHECKSUM : UDP_CHECKSUM)) return false;
    if (s->len < s->transport || s->len - s->transport < least) return false;
    uint32_t bytes = s->tcp ? (s->at[s->transport + TCP_OFFSET] >> 4) * 4U : UDP_HEADER;
    s->head = s->transport + bytes;
    return bytes >= least && s->head < s->len;
}

// The host has put the pseudo-header's sum, its length included, where the checksum goes.
static uint16_t pseudo_read(const struct segment *s)
{
    uint16_t length = be16((uint16_t)(s->len - s->transport)).raw;
    uint64_t sum = checksum_read(s->at + s->transport + (s->tcp ? TCP_CHECKSUM : UDP_CHECKSUM));
    return checksum_fold(sum + (uint16_t)~length);
}

err_t segment_begin(struct segment *s, const struct virtio_net_hdr *hdr, const uint8_t *at,
                    uint32_t len)
{
    *s =
        (struct segment){.at = at, .len = len, .transport = hdr->csum_start, .size = hdr->gso_size};
    if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || len > SUPER_MAX || s->size == 0)
        return ERR_SYNTAX;
    if (!kind_read(s, hdr->gso_type) || !ip_fits(s) || !transport_fits(s, hdr->csum_offset))
        return ERR_SYNTAX;
    uint32_t payload = len - s->head;
    if (s->size > payload) s->size = payload;
    s->pseudo = pseudo_read(s);
    s->next = s->head;
    s->more = true;
    return ERR_OK;
}

// ---- one packet ----

static void write_ip(const struct segment *s, uint8_t *ip, uint32_t len)
{
    if (s->v6) {
        put16(ip + IP6_LENGTH, (uint16_t)(len - IP6_HEADER));
        return;
    }
    put16(ip + IP4_LENGTH, (uint16_t)len);
    put16(ip + IP4_ID, (uint16_t)(get16(ip + IP4_ID) + s->index));
    checksum_write(ip + IP4_CHECKSUM, 0);
    uint16_t sum = checksum_fold(checksum_add(0, ip, s->transport));
    checksum_write(ip + IP4_CHECKSUM, (uint16_t)~sum);
}

static void write_tcp(const struct segment *s, uint8_t *tcp)
{
    put32(tcp + TCP_SEQ, get32(tcp + TCP_SEQ) + (s->next - s->head));
    if (s->index > 0) tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
    if (s->len - s->next > s->size) tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

static void write_checksum(const struct segment *s, uint8_t *transport, uint32_t len)
{
    uint8_t *field = transport + (s->tcp ? TCP_CHECKSUM : UDP_CHECKSUM);
    checksum_write(field, 0);
    uint64_t sum = checksum_add16(s->pseudo, (uint16_t)len);
    uint16_t raw = (uint16_t)~checksum_fold(checksum_add(sum, transport, len));
    if (raw == 0 && !s->tcp) raw = 0xffff; // zero means "none" in UDP; both are the same sum
    checksum_write(field, raw);
}

void segment_next(struct segment *s, struct pkt *p)
{
    uint32_t left = s->len - s->next, payload = left < s->size ? left : s->size;
    p->len = s->head + payload;
    memcpy(p->at, s->at, s->head);
    memcpy(p->at + s->head, s->at + s->next, payload);

    uint8_t *transport = p->at + s->transport;
    uint32_t transport_len = p->len - s->transport;
    write_ip(s, p->at, p->len);
    if (s->tcp) {
        write_tcp(s, transport);
    } else {
        put16(transport + UDP_LENGTH, (uint16_t)transport_len);
    }
    write_checksum(s, transport, transport_len);
    s->next += payload;
    s->index++;
    s->more = s->next < s->len;
}

bool segment_finish(const struct virtio_net_hdr *hdr, uint8_t *at, uint32_t len)
{
    uint32_t start = hdr->csum_start, field = start + hdr->csum_offset;
    if (start > len || field + 2 > len) return false;
    uint16_t raw = (uint16_t)~checksum_fold(checksum_add(0, at + start, len - start));
    checksum_write(at + field, raw ? raw : 0xffff);
    return true;
}
