// reply.h - what a RADIUS server has answered: the attributes that mean something to a gateway.
#pragma once

#include "base/addr.h"
#include "radius/packet.h"

#define RADIUS_MSK_LEN 64
#define RADIUS_CLASSES_MAX 8 // more are left out
#define RADIUS_FILTERS_MAX 8
#define RADIUS_TUNNEL_ESP 9 // of Tunnel-Type
#define RADIUS_DNS_MAX 4

struct radius_bytes {
    uint8_t len;
    uint8_t at[RADIUS_VALUE_MAX];
};

// What an accepted client may have and must do, and what is to be said again in accounting.
struct radius_grant {
    unsigned class_n, filter_n, dns_n;
    bool tunnel_esp; // Tunnel-Type says that Filter-Id is about ESP
    struct radius_bytes class[RADIUS_CLASSES_MAX], filter[RADIUS_FILTERS_MAX];
    ip_t ip4, ip6; // AF_UNSPEC: none
    ip_t dns[RADIUS_DNS_MAX];
    uint32_t session_s, idle_s, interim_s; // 0: nothing said of it
};

struct radius_reply {
    uint8_t code;
    uint16_t eap_len; // of all EAP-Message together; 0: none
    uint8_t eap[RADIUS_MAX];
    struct radius_bytes state, message; // of Reply-Message the first
    uint8_t msk_len;                    // of both MS-MPPE keys together; 0: no key
    uint8_t msk[RADIUS_MSK_LEN];
    struct radius_grant grant;
};

// Of a packet that is verified. ERR_SYNTAX: EAP-Message in two places, keys that make no sense.
// ERR_CRYPTO.
err_t radius_reply_read(const struct radius_packet *p, const uint8_t request_auth[RADIUS_AUTH_LEN],
                        span_t secret, struct radius_reply *out);
void radius_reply_wipe(struct radius_reply *r);
