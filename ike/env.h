// env.h - everything the diplomat takes from outside: clock, randomness, network, executor,
// listeners. Nothing in ike/exchange, ike/sa or ike/auth calls the system directly, so whole
// negotiations run in test/sim with a clock that moves on command.
#pragma once

#include "base/addr.h"
#include "base/log.h"
#include "conf/config.h"
#include "ike/alert.h"
#include "xfrm/xfrm.h"

struct ike_sa;
struct child_sa;
struct ike_work;

// One UDP datagram with an IKE message (non-ESP marker already taken off / not yet put on).
struct datagram {
    endpoint_t from, to;
    span_t bytes;
    uint8_t dscp; // to send with
};

enum ike_event_kind {
    IKE_EV_UP,
    IKE_EV_DOWN,
    IKE_EV_REKEYED,
    CHILD_EV_UP,
    CHILD_EV_DOWN,
    CHILD_EV_REKEYED,
    IKE_EV_MOVED, // one of its ends is at another address or port
};

// What a gateway has given us, its client (RFC 7296 3.15). More than fits is left out.
#define GIVEN_DNS_MAX 8
#define GIVEN_NETS_MAX 32
#define GIVEN_DOMAINS_MAX 16
#define GIVEN_DOMAIN_LEN 254 // bytes of a DNS name, terminated
#define GIVEN_OTHERS_MAX 16
#define GIVEN_OTHER_LEN 64
struct ike_given {
    uint32_t id;      // ours, the same for as long as it lasts: rekeying does not change it
    const char *conn; // valid during the call
    unsigned ip_n, dns_n, net_n, domain_n, other_n;
    ip_t ip[CONF_VIPS_MAX];
    ip_t dns[GIVEN_DNS_MAX];
    prefix_t net[GIVEN_NETS_MAX];                     // behind the gateway, as it says
    char domain[GIVEN_DOMAINS_MAX][GIVEN_DOMAIN_LEN]; // whose names those servers know (RFC 8598)
    struct {                                          // attributes that we make no use of
        uint16_t type, len;
        uint8_t at[GIVEN_OTHER_LEN];
    } other[GIVEN_OTHERS_MAX];
};

struct env {
    void *ctx;
    uint64_t (*now)(void *ctx);  // monotonic ns
    uint64_t (*wall)(void *ctx); // seconds since 1970
    void (*random)(void *ctx, void *out, size_t n);
    // Sends without waiting; loss is the protocol's business. Port 4500 on either side means: the
    // net layer puts the non-ESP marker in front. An empty `bytes` is a NAT keepalive (0xff).
    void (*send)(void *ctx, const struct datagram *d);
    // Our address towards a peer (route look-up); AF_UNSPEC if none.
    ip_t (*source_for)(void *ctx, const ip_t *peer);
    // The index of one of this host's devices; 0: there is none of that name. NULL: not known.
    unsigned (*device)(void *ctx, const char *name);
    // All addresses that others could reach this host at (neither loopback nor link-local), at most
    // max of them; returns how many. NULL: not known, and nobody is told of any.
    unsigned (*addresses)(void *ctx, ip_t *out, unsigned max);
    // Name -> address for remote_addrs with DNS names; ERR_NOTFOUND.
    err_t (*resolve)(void *ctx, const char *name, uint16_t family, ip_t *out);
    // Has w->run() done in another thread, or a little later in this one, and then calls
    // ike_work_done(). Takes w only if it returns ERR_OK; ERR_LIMIT: too many wait already. NULL:
    // there is nobody, so there is no public-key authentication.
    err_t (*work)(void *ctx, struct ike_work *w);
    // The same for w of a struct ike_radius (ike/radius.h): a RADIUS server is asked, and
    // ike_work_done() follows when it has answered, or does not. Also ERR_NOTFOUND: there is none.
    // NULL: likewise.
    err_t (*radius)(void *ctx, struct ike_work *w);
    struct xfrm_api xfrm;
    // The story of a negotiation, one sentence a call; ike_sa may be NULL before there is one.
    void (*tell)(void *ctx, enum log_level level, const struct ike_sa *sa, const char *sentence);
    void (*event)(void *ctx, enum ike_event_kind kind, const struct ike_sa *sa,
                  const struct child_sa *child);
    // Something went wrong (alert.h); ike_sa may be NULL. NULL: nobody wants to know.
    void (*alert)(void *ctx, enum alert kind, const struct ike_sa *sa);
    // Keys of a new IKE SA or child SA in Wireshark's table formats (--keylog); NULL = off.
    // file: "ikev2_decryption_table" or "esp_sa". The only way key bytes ever leave, and only if
    // the user asked for it on the command line.
    void (*keylog)(void *ctx, const char *file, const char *line);
    // Virtual addresses and name servers come to this host, and go. Two may have the same address
    // for a while (reauthentication). NULL: addresses are negotiated and nothing else happens.
    // Errors of the first: with a sentence; nothing is left of it then.
    err_t (*given_put)(void *ctx, const struct ike_given *g, struct why *why);
    void (*given_take)(void *ctx, const struct ike_given *g);
    // An address of a DHCP server: a struct dhcp_ask (ike/sa/lease.h). Takes it only if it returns
    // ERR_OK, fills in the answer some time after that and then calls ike_work_done(). ERR_LIMIT:
    // too many wait already; ERR_UNSUPPORTED: nobody can be asked. NULL: likewise.
    err_t (*dhcp_ask)(void *ctx, struct ike_work *w);
    // A lease is not needed any more, as often as it was given.
    void (*dhcp_release)(void *ctx, uint32_t lease);
};
