#include "xfrm/port/fragment.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>

#define FRAGMENT_HEADER 8 // IPv6
#define UNIT 8            // offsets count in these
#define OPTION_COPY 0x80  // IPv4: belongs into every fragment
#define OPTION_NOP 1

bool fragment_begin(struct fragment *f, const uint8_t *packet, uint32_t len, uint32_t mtu,
                    uint32_t id)
{
    *f = (struct fragment){.packet = packet, .len = len, .id = id, .more = true};
    if (!ip_split(packet, len, false, &f->head)) return false;
    bool v6 = ip_is_v6(packet);
    if (v6 ? f->head.fragment : (get16(packet + 6) & IP_DF) != 0) return false;
    uint32_t head = f->head.len + (v6 ? FRAGMENT_HEADER : 0);
    if (mtu < head + UNIT || f->head.len >= len) return false;
    f->size = (mtu - head) / UNIT * UNIT;
    f->next = f->head.len;
    return true;
}

// rfc791 3.1 MUST: options without the copied flag are in the first fragment only
static void mute_options(uint8_t *at, uint32_t left)
{
    while (left > 0 && at[0] != 0) {
        uint32_t size = at[0] == OPTION_NOP ? 1 : left > 1 ? at[1] : 0;
        if (size == 0 || size > left) return; // malformed: for the receiver to judge
        if (!(at[0] & OPTION_COPY)) memset(at, OPTION_NOP, size);
        at += size;
        left -= size;
    }
}

static void head4(const struct fragment *f, uint8_t *head, uint32_t offset, uint32_t size)
{
    uint16_t was = get16(head + 6); // of a packet that is a fragment itself
    uint16_t more = f->more ? IP_MF : was & IP_MF;
    put16(head + 6, (uint16_t)(more | ((was & IP_OFFMASK) + offset / UNIT)));
    if (offset > 0) mute_options(head + IP4_HEADER, f->head.len - IP4_HEADER);
    ip_head_join(head, &f->head, f->head.next, f->head.len + size);
}

static uint32_t head6(const struct fragment *f, uint8_t *head, uint32_t offset, uint32_t size)
{
    uint8_t *at = head + f->head.len;
    ip_head_join(head, &f->head, IPPROTO_FRAGMENT, f->head.len + FRAGMENT_HEADER + size);
    at[0] = f->head.next;
    at[1] = 0;
    put16(at + 2, (uint16_t)(offset | f->more));
    put32(at + 4, f->id);
    return f->head.len + FRAGMENT_HEADER;
}

void fragment_next(struct fragment *f, uint8_t *head, struct piece *out)
{
    uint32_t left = f->len - f->next, size = left < f->size ? left : f->size;
    uint32_t offset = f->next - f->head.len, head_len = f->head.len;
    f->more = size < left;
    memcpy(head, f->packet, head_len);
    if (ip_is_v6(f->packet)) {
        head_len = head6(f, head, offset, size);
    } else {
        head4(f, head, offset, size);
    }
    *out = (struct piece){head_len, f->next, size};
    f->next += size;
}
