// rig.h - an executor without ports and clock: packets and requests go in by hand, and everything
// that comes out is kept to be looked at.
#pragma once

#include "test/check.h"

#include "xfrm/control.h"
#include "xfrm/path/path.h"

#define RIG_FRAMES 512
#define RIG_EVENTS 512

struct frame { // a packet that has left
    uint8_t *at;
    uint32_t len;
    endpoint_t from, to;
    bool udp;
    bool whole; // with its IP header
    uint8_t proto, tos, ttl;
    bool df;
    uint16_t id;
    uint32_t label, path_mtu;
    uint32_t mark;
};

struct frames {
    unsigned n;
    struct frame f[RIG_FRAMES];
};

struct rig_event { // what can be kept of an event after the call
    enum xfrm_event_kind kind;
    bool hard;
    uint8_t proto;
    uint32_t seq, spi, reqid, index, cause;
    bool pcpu_given;
    uint32_t pcpu;
    struct xfrm_selector trigger;
    endpoint_t new_peer;
};

struct rig {
    struct db *db;
    struct control *control;
    struct xfrm_api api;
    struct worker w;
    uint64_t mono, wall; // the clock moves only by rig_pass()
    struct frames sent, delivered, bypassed;
    unsigned events; // from control, as listeners get them
    struct rig_event event[RIG_EVENTS];
    unsigned worker_events;
    uint32_t link_mtu; // of every link; 0: not known
    uint32_t device;   // that all would leave by; 0: not known
    bool deaf;         // worker's events get lost on the way to control
};

struct rig *rig_new(void); // registers the thread when it is the first
void rig_free(struct rig *r);
void rig_pass(struct rig *r, uint64_t seconds); // time goes by; nothing else happens
void rig_clear(struct rig *r);                  // forgets frames and events

// ---- addresses, SAs and policies in few words ----
ip_t rig_ip(const char *s);
// An ESP tunnel SA with AES-GCM-128, a window of 64 and no limits.
struct xfrm_sa rig_sa(const char *src, const char *dst, uint32_t spi);
void rig_aead(struct xfrm_sa *x, const char *name, uint16_t key_bits, uint16_t icv_bits);
void rig_crypt_auth(struct xfrm_sa *x, const char *crypt, uint16_t key_bits, const char *auth,
                    uint16_t auth_bits, uint16_t icv_bits);
void rig_esn(struct xfrm_sa *x, uint32_t window);
// A policy src -> dst (prefixes) with one tunnel template between the outer addresses;
// outer_src NULL: without a template.
struct xfrm_policy rig_policy(enum xfrm_dir dir, const char *src, const char *dst,
                              const char *outer_src, const char *outer_dst);
struct xfrm_lifetime rig_unlimited(void);
void rig_add_sa(struct rig *r, const struct xfrm_sa *x);
void rig_add_policy(struct rig *r, const struct xfrm_policy *p);

// ---- packets ----
// A UDP packet of `payload` bytes 'a', 'b', ...; returns its length. buf: at least payload + 48.
uint32_t rig_udp(uint8_t *buf, const char *src, const char *dst, uint16_t sport, uint16_t dport,
                 uint32_t payload);
// Walks one packet out or in. For in, `f` is what came over the network.
void rig_out(struct rig *r, const uint8_t *at, uint32_t len);
void rig_in(struct rig *r, const struct frame *f);
uint64_t rig_drops(const struct rig *r, enum drop d);
uint64_t rig_all_drops(const struct rig *r);
