#include "radius/reply.h"

#include <string.h>

#include "base/order.h"
#include "base/secret.h"

// The two keys while they are being read.
struct keys {
    size_t recv_len, send_len;
    uint8_t recv[RADIUS_MSK_LEN], send[RADIUS_MSK_LEN];
};

struct reading {
    const uint8_t *auth; // of the request
    span_t secret;
    struct keys keys;
    uint8_t before; // type of the attribute before this one
};

static void keep(struct radius_bytes *to, span_t value)
{
    to->len = (uint8_t)value.len;
    if (value.len) memcpy(to->at, value.at, value.len);
}

static void keep_more(struct radius_bytes *all, unsigned max, unsigned *n, span_t value)
{
    if (*n < max && value.len) keep(&all[(*n)++], value);
}

static void keep_number(uint32_t *to, span_t value)
{
    if (value.len == sizeof *to) *to = get32(value.at);
}

// rfc2865 5.8: all ones lets the client choose, all ones but the last the gateway.
static void keep_ip(ip_t *to, uint16_t family, span_t value)
{
    if (value.len != ip_len(family)) return;
    if (family == AF_INET && get32(value.at) >= 0xfffffffe) return;
    ip_t ip = ip_from(family, value.at);
    if (!ip_is_any(&ip)) *to = ip;
}

static void keep_dns(struct radius_grant *g, uint16_t family, span_t value)
{
    ip_t ip = {.family = AF_UNSPEC};
    keep_ip(&ip, family, value);
    if (ip.family != AF_UNSPEC && g->dns_n < RADIUS_DNS_MAX) g->dns[g->dns_n++] = ip;
}

static err_t take_key(const struct reading *rd, span_t value, uint8_t *key, size_t *len)
{
    if (*len) return ERR_SYNTAX;
    *len = RADIUS_MSK_LEN;
    return radius_mppe(value, rd->auth, rd->secret, key, len);
}

static err_t take_microsoft(struct reading *rd, const struct radius_attr *a, struct radius_reply *r)
{
    switch (a->type) {
    case RADIUS_MS_MPPE_RECV_KEY:
        return take_key(rd, a->value, rd->keys.recv, &rd->keys.recv_len);
    case RADIUS_MS_MPPE_SEND_KEY:
        return take_key(rd, a->value, rd->keys.send, &rd->keys.send_len);
    case RADIUS_MS_PRIMARY_DNS:
    case RADIUS_MS_SECONDARY_DNS:
        keep_dns(&r->grant, AF_INET, a->value);
        return ERR_OK;
    default:
        return ERR_OK;
    }
}

// rfc3579 3.1 MUST: they stand one behind the other.
static err_t take_eap(const struct reading *rd, span_t value, struct radius_reply *r)
{
    if (r->eap_len && rd->before != RADIUS_EAP_MESSAGE) return ERR_SYNTAX;
    if (value.len) memcpy(r->eap + r->eap_len, value.at, value.len); // a packet is no longer
    r->eap_len = (uint16_t)(r->eap_len + value.len);
    return ERR_OK;
}

static void take_grant(const struct radius_attr *a, struct radius_grant *g)
{
    switch (a->type) {
    case RADIUS_CLASS:
        keep_more(g->class, RADIUS_CLASSES_MAX, &g->class_n, a->value);
        break;
    case RADIUS_FILTER_ID:
        keep_more(g->filter, RADIUS_FILTERS_MAX, &g->filter_n, a->value);
        break;
    case RADIUS_TUNNEL_TYPE: // behind a tag
        g->tunnel_esp |= a->value.len == 4 && (get32(a->value.at) & 0xffffff) == RADIUS_TUNNEL_ESP;
        break;
    case RADIUS_FRAMED_IP_ADDRESS:
        keep_ip(&g->ip4, AF_INET, a->value);
        break;
    case RADIUS_FRAMED_IPV6_ADDRESS:
        keep_ip(&g->ip6, AF_INET6, a->value);
        break;
    case RADIUS_DNS_IPV6_ADDRESS:
        keep_dns(g, AF_INET6, a->value);
        break;
    case RADIUS_SESSION_TIMEOUT:
        keep_number(&g->session_s, a->value);
        break;
    case RADIUS_IDLE_TIMEOUT:
        keep_number(&g->idle_s, a->value);
        break;
    case RADIUS_ACCT_INTERIM_INTERVAL:
        keep_number(&g->interim_s, a->value);
        break;
    default:
        break;
    }
}

static err_t take(struct reading *rd, const struct radius_attr *a, struct radius_reply *r)
{
    if (a->vendor) return a->vendor == RADIUS_MICROSOFT ? take_microsoft(rd, a, r) : ERR_OK;
    switch (a->type) {
    case RADIUS_EAP_MESSAGE:
        return take_eap(rd, a->value, r);
    case RADIUS_STATE:
        keep(&r->state, a->value);
        return ERR_OK;
    case RADIUS_REPLY_MESSAGE:
        if (!r->message.len) keep(&r->message, a->value);
        return ERR_OK;
    default:
        take_grant(a, &r->grant);
        return ERR_OK;
    }
}

// What the peer sends with, then what it receives with (RFC 5216 2.3); the rest of the 64 bytes are
// zeros where the method has less, as in MSCHAPv2.
static err_t make_msk(const struct keys *k, struct radius_reply *r)
{
    if (!k->recv_len && !k->send_len) return ERR_OK;
    if (!k->recv_len || !k->send_len || k->recv_len + k->send_len > RADIUS_MSK_LEN) {
        return ERR_SYNTAX;
    }
    memcpy(r->msk, k->recv, k->recv_len);
    memcpy(r->msk + k->recv_len, k->send, k->send_len);
    r->msk_len = RADIUS_MSK_LEN;
    return ERR_OK;
}

err_t radius_reply_read(const struct radius_packet *p, const uint8_t request_auth[RADIUS_AUTH_LEN],
                        span_t secret, struct radius_reply *out)
{
    struct reading rd = {.auth = request_auth, .secret = secret};
    rd_t r = rd_from(p->attrs);
    err_t err = ERR_OK;
    memset(out, 0, sizeof *out);
    out->code = p->code;
    for (struct radius_attr a; err == ERR_OK && radius_next(&r, &a);) {
        err = take(&rd, &a, out);
        rd.before = a.vendor ? RADIUS_VENDOR : a.type;
    }
    if (err == ERR_OK) err = make_msk(&rd.keys, out);
    wipe(&rd.keys, sizeof rd.keys);
    if (err != ERR_OK) radius_reply_wipe(out);
    return err;
}

void radius_reply_wipe(struct radius_reply *r)
{
    wipe(r, sizeof *r);
}
