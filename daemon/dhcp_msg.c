#include "daemon/dhcp_msg.h"

#include <netinet/in.h>

#define BOOT_REQUEST 1
#define BOOT_REPLY 2
#define ETHERNET 1
#define FLAG_BROADCAST 0x8000
#define CHADDR_LEN 16
#define SNAME_LEN 64
#define FILE_LEN 128
#define BOOTP_MIN 300 // rfc1542 2.1: shorter ones are dropped by some

enum option {
    OPT_PAD = 0,
    OPT_DNS = 6,
    OPT_HOST_NAME = 12,
    OPT_NBNS = 44,
    OPT_WISH = 50,
    OPT_LEASE_TIME = 51,
    OPT_OVERLOAD = 52,
    OPT_TYPE = 53,
    OPT_SERVER = 54,
    OPT_PLEASE = 55,
    OPT_RENEW_TIME = 58,
    OPT_CLIENT_ID = 61,
    OPT_END = 255,
};

// ---- writing ----

static void put_ip(wr_t *w, const ip_t *ip)
{
    wr_bytes(w, span(ip->b, 4)); // all zero for AF_UNSPEC
}

static void put_option(wr_t *w, enum option option, span_t value)
{
    wr_u8(w, (uint8_t)option);
    wr_u8(w, (uint8_t)value.len);
    wr_bytes(w, value);
}

static void put_ip_option(wr_t *w, enum option option, const ip_t *ip)
{
    if (ip->family == AF_INET) put_option(w, option, span(ip->b, 4));
}

span_t dhcp_write(const struct dhcp_say *m, uint8_t buf[DHCP_OUT_MAX])
{
    static const uint8_t please[] = {OPT_DNS, OPT_NBNS};
    wr_t w = wr_into(buf, DHCP_OUT_MAX);
    const uint8_t type = (uint8_t)m->type;
    wr_u8(&w, BOOT_REQUEST);
    wr_u8(&w, ETHERNET);
    wr_u8(&w, DHCP_MAC_LEN);
    wr_u8(&w, 0);
    wr_u32(&w, m->xid);
    wr_u16(&w, m->secs);
    wr_u16(&w, m->broadcast ? FLAG_BROADCAST : 0);
    put_ip(&w, &m->client);
    wr_zero(&w, 8); // yiaddr, siaddr
    put_ip(&w, &m->relay);
    wr_bytes(&w, span(m->mac, DHCP_MAC_LEN));
    wr_zero(&w, CHADDR_LEN - DHCP_MAC_LEN + SNAME_LEN + FILE_LEN);
    wr_u32(&w, DHCP_COOKIE);
    put_option(&w, OPT_TYPE, span(&type, 1));
    if (m->name.len) put_option(&w, OPT_HOST_NAME, m->name);
    if (m->id.len) put_option(&w, OPT_CLIENT_ID, m->id);
    put_ip_option(&w, OPT_WISH, &m->wish);
    put_ip_option(&w, OPT_SERVER, &m->server);
    // rfc2131 table 5: RELEASE asks for nothing
    if (m->type != DHCP_RELEASE) put_option(&w, OPT_PLEASE, SPAN(please));
    wr_u8(&w, OPT_END);
    if (wr_len(&w) < BOOTP_MIN) wr_zero(&w, BOOTP_MIN - wr_len(&w));
    return wr_span(&w);
}

// ---- reading ----

static void take_servers(span_t v, ip_t *out, unsigned *n)
{
    for (size_t at = 0; at + 4 <= v.len && *n < LEASE_SERVERS_MAX; at += 4) {
        out[*n] = ip_from(AF_INET, v.at + at);
        *n += !ip_is_any(&out[*n]);
    }
}

static uint32_t number_of(span_t v)
{
    rd_t r = rd_from(v);
    return rd_u32(&r); // 0 if it is too short
}

// overload: where else there are options (RFC 2132 9.3).
static void take_option(struct dhcp_heard *m, uint8_t option, span_t v, uint8_t *overload)
{
    switch (option) {
    case OPT_TYPE:
        if (v.len == 1) m->type = (enum dhcp_type)v.at[0];
        break;
    case OPT_SERVER:
        if (v.len == 4) m->server = ip_from(AF_INET, v.at);
        break;
    case OPT_OVERLOAD:
        if (v.len == 1) *overload = v.at[0];
        break;
    case OPT_LEASE_TIME:
        if (v.len == 4) m->lease_s = number_of(v);
        break;
    case OPT_RENEW_TIME:
        if (v.len == 4) m->renew_s = number_of(v);
        break;
    case OPT_DNS:
        take_servers(v, m->lease.dns, &m->lease.dns_n);
        break;
    case OPT_NBNS:
        take_servers(v, m->lease.nbns, &m->lease.nbns_n);
        break;
    default:
        break;
    }
}

static err_t take_options(struct dhcp_heard *m, span_t from, uint8_t *overload)
{
    rd_t r = rd_from(from);
    while (rd_left(&r)) {
        uint8_t option = rd_u8(&r);
        if (option == OPT_END) return ERR_OK;
        if (option == OPT_PAD) continue;
        uint8_t len = rd_u8(&r);
        span_t value = rd_bytes(&r, len);
        if (r.bad) return ERR_SHORT;
        take_option(m, option, value, overload);
    }
    return ERR_OK;
}

static bool is_host(const ip_t *ip)
{
    return ip->family == AF_INET && ip->b[0] != 0 && ip->b[0] != 127 && ip->b[0] < 224;
}

static err_t judge(const struct dhcp_heard *m)
{
    bool answer = m->type == DHCP_OFFER || m->type == DHCP_ACK || m->type == DHCP_NAK;
    if (!answer || !is_host(&m->server)) return ERR_SYNTAX;
    return m->type == DHCP_NAK || is_host(&m->lease.ip) ? ERR_OK : ERR_SYNTAX;
}

err_t dhcp_read(span_t message, struct dhcp_heard *out)
{
    rd_t r = rd_from(message);
    uint8_t op = rd_u8(&r), kind = rd_u8(&r), len = rd_u8(&r), overload = 0, dropped = 0;
    (void)rd_u8(&r); // hops
    *out = (struct dhcp_heard){.xid = rd_u32(&r), .lease_s = DHCP_FOREVER};
    (void)rd_bytes(&r, 8); // secs, flags, ciaddr
    span_t yours = rd_bytes(&r, 4);
    (void)rd_bytes(&r, 8); // siaddr, giaddr
    rd_copy(&r, out->mac, DHCP_MAC_LEN);
    (void)rd_bytes(&r, CHADDR_LEN - DHCP_MAC_LEN);
    span_t sname = rd_bytes(&r, SNAME_LEN), file = rd_bytes(&r, FILE_LEN);
    uint32_t cookie = rd_u32(&r);
    if (r.bad) return ERR_SHORT;
    if (op != BOOT_REPLY || kind != ETHERNET || len != DHCP_MAC_LEN || cookie != DHCP_COOKIE) {
        return ERR_SYNTAX;
    }
    out->lease.ip = ip_from(AF_INET, yours.at);
    TRY(take_options(out, rd_rest(&r), &overload));
    if (overload & 1) TRY(take_options(out, file, &dropped));
    if (overload & 2) TRY(take_options(out, sname, &dropped));
    return judge(out);
}

#define IP_HEADER_MIN 20
#define UDP_HEADER_LEN 8
#define IP_MORE_OR_OFFSET 0x3fff

err_t dhcp_unwrap(span_t packet, span_t *message)
{
    rd_t r = rd_from(packet);
    uint8_t first = rd_u8(&r);
    (void)rd_u8(&r); // type of service
    uint16_t total = rd_u16(&r);
    (void)rd_u16(&r); // identification
    uint16_t piece = rd_u16(&r);
    (void)rd_u8(&r); // TTL
    uint8_t protocol = rd_u8(&r);
    size_t header = (size_t)(first & 0xf) * 4;
    if (r.bad) return ERR_SHORT;
    if (first >> 4 != 4 || header < IP_HEADER_MIN || protocol != IPPROTO_UDP) return ERR_SYNTAX;
    if (piece & IP_MORE_OR_OFFSET) return ERR_SYNTAX;
    if (total < header || total > packet.len) return ERR_SHORT;
    r = rd_from(span(packet.at + header, total - header));
    uint16_t from = rd_u16(&r), to = rd_u16(&r), len = rd_u16(&r);
    (void)rd_u16(&r); // checksum: the kernel may have left it to a device
    if (r.bad || len < UDP_HEADER_LEN) return ERR_SHORT;
    if (from != DHCP_SERVER_PORT || (to != DHCP_SERVER_PORT && to != DHCP_CLIENT_PORT)) {
        return ERR_SYNTAX;
    }
    *message = rd_bytes(&r, len - UDP_HEADER_LEN);
    return r.bad ? ERR_SHORT : ERR_OK;
}
