#include "daemon/arp_msg.h"

#define ETHERNET 1
#define IPV4 0x0800
#define MAC_OF_MANY 1 // this bit of the first byte

enum { REQUEST = 1, REPLY = 2 };

err_t arp_read(span_t packet, struct arp_request *out)
{
    rd_t r = rd_from(packet);
    uint16_t hardware = rd_u16(&r), protocol = rd_u16(&r);
    uint8_t hardware_len = rd_u8(&r), protocol_len = rd_u8(&r);
    uint16_t operation = rd_u16(&r);
    uint8_t sender[4], target[4];
    rd_copy(&r, out->mac, sizeof out->mac);
    rd_copy(&r, sender, sizeof sender);
    (void)rd_bytes(&r, ARP_MAC_LEN); // it is what is asked for
    rd_copy(&r, target, sizeof target);
    if (r.bad) return ERR_SHORT;
    bool ours = hardware == ETHERNET && protocol == IPV4 && hardware_len == ARP_MAC_LEN &&
                protocol_len == sizeof target && operation == REQUEST;
    out->sender = ip_from(AF_INET, sender);
    out->target = ip_from(AF_INET, target);
    if (!ours || out->mac[0] & MAC_OF_MANY) return ERR_SYNTAX;
    return ip_eq(&out->sender, &out->target) ? ERR_SYNTAX : ERR_OK;
}

void arp_answer(const struct arp_request *r, const uint8_t mac[ARP_MAC_LEN], uint8_t out[ARP_LEN])
{
    wr_t w = wr_into(out, ARP_LEN);
    wr_u16(&w, ETHERNET);
    wr_u16(&w, IPV4);
    wr_u8(&w, ARP_MAC_LEN);
    wr_u8(&w, 4);
    wr_u16(&w, REPLY);
    wr_bytes(&w, span(mac, ARP_MAC_LEN));
    wr_bytes(&w, span(r->target.b, 4));
    wr_bytes(&w, span(r->mac, ARP_MAC_LEN));
    wr_bytes(&w, span(r->sender.b, 4));
}
