#include "xfrm/path/mss.h"

#include <netinet/in.h>

#include "xfrm/path/pmtu.h"
#include "xfrm/path/size.h"
#include "xfrm/port/checksum.h"

#define TCP_HEADER 20
#define TCP_OFFSET 12
#define TCP_FLAGS 13
#define TCP_CHECKSUM 16
#define TCP_SYN 0x02
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2
#define OPTION_MSS_LEN 4

// Where the value of the MSS option stands among the options from `at` to `end`; 0: nowhere.
static uint32_t option_offset(const uint8_t *packet, uint32_t at, uint32_t end)
{
    while (at < end && packet[at] != OPTION_END) {
        uint32_t len = packet[at] == OPTION_NOP ? 1 : at + 1 < end ? packet[at + 1] : 0;
        if (len == 0 || len > end - at || (len == 1 && packet[at] != OPTION_NOP)) return 0;
        if (packet[at] == OPTION_MSS) return len == OPTION_MSS_LEN ? at + 2 : 0;
        at += len;
    }
    return 0;
}

// Where in the packet the value stands, if it is a SYN with one. 0: it is not.
static uint32_t mss_offset(const struct pkt *p, uint32_t *tcp)
{
    struct ip_split s;
    if (p->flow.proto != IPPROTO_TCP || p->flow.part) return 0;
    if (!ip_split(p->at, p->len, true, &s) || s.next != IPPROTO_TCP) return 0;
    if (p->len - s.len < TCP_HEADER || !(p->at[s.len + TCP_FLAGS] & TCP_SYN)) return 0;
    uint32_t end = s.len + (p->at[s.len + TCP_OFFSET] >> 4) * 4U;
    *tcp = s.len;
    return end <= p->len ? option_offset(p->at, s.len + TCP_HEADER, end) : 0;
}

static uint16_t swapped(uint16_t v)
{
    return (uint16_t)(v << 8 | v >> 8);
}

static void lower(struct pkt *p, uint32_t tcp, uint32_t at, uint16_t max)
{
    uint16_t old = get16(p->at + at), new = max;
    uint8_t *sum = p->at + tcp + TCP_CHECKSUM;
    if (old <= max) return;
    put16(p->at + at, max);
    // the sum is over pairs of bytes, and the option may lie across two of them
    bool across = (at - tcp) % 2;
    put16(sum,
          checksum_after(get16(sum), across ? swapped(old) : old, across ? swapped(new) : new));
}

// What the packet's family leaves of `limit` bytes. 0: nothing sensible.
static uint16_t mss_of(const struct pkt *p, uint32_t limit)
{
    uint32_t heads = TCP_HEADER + (ip_is_v6(p->at) ? IP6_HEADER : IP4_HEADER);
    if (limit < heads + MSS_MIN) return 0;
    return limit - heads < MSS_AUTO ? (uint16_t)(limit - heads) : MSS_AUTO;
}

void mss_clamp_out(struct worker *w, struct pkt *p)
{
    uint32_t tcp, at = mss_offset(p, &tcp);
    if (!at) return;
    uint16_t max = w->mss;
    if (max == MSS_AUTO) {
        uint32_t mtu = pmtu_of(w, p->sas[p->sa_count - 1]);
        max = mtu ? mss_of(p, size_limit(p, mtu)) : 0;
    }
    if (max) lower(p, tcp, at, max);
}

// The answer will go through SAs like those that this came through.
void mss_clamp_in(struct worker *w, struct pkt *p)
{
    uint32_t tcp, at = mss_offset(p, &tcp);
    if (!at) return;
    uint16_t max = w->mss;
    if (max == MSS_AUTO) {
        struct pkt answer = {.at = p->at, .len = p->len, .sa_count = p->sa_count};
        for (unsigned i = 0; i < p->sa_count; i++) answer.sas[i] = p->sas[p->sa_count - 1 - i];
        uint32_t mtu = pmtu_back(w, p->sas[0]);
        max = mtu ? mss_of(p, size_limit(&answer, mtu)) : 0;
    }
    if (max) lower(p, tcp, at, max);
}
