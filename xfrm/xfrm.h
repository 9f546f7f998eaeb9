// xfrm.h - the contract between diplomat and executor as plain structs: what NETLINK_XFRM carries,
// without its wire layout (netlink/codec.h translates). Names are those of <linux/xfrm.h> and
// `ip xfrm`; ports and SPIs are in host byte order, times in seconds.
//
// One vtable, struct xfrm_ops, is the whole conversation. Three stand behind it:
//   xfrm/control.c     pavise-xfrmd's own SAD and SPD
//   netlink/client.c   another process over NETLINK_XFRM: pavise-xfrmd or the Linux kernel
//   test/sim/          a fake that remembers what it was told
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

#define XFRM_TMPL_MAX 6      // templates of one policy (XFRM_MAX_DEPTH)
#define XFRM_KEY_MAX 128     // bytes of one key, salt included
#define XFRM_ALG_NAME_MAX 64 // bytes with the terminator
#define XFRM_INF UINT64_MAX  // lifetime: no limit
#define XFRM_REPLAY_MAX 4096 // packets of the largest replay window (XFRMA_REPLAY_ESN_MAX)
#define XFRM_AE_PACKETS 2    // between two events of replay state (sysctl xfrm_aevent_rseqth)
#define XFRM_AE_TIMER 10     // 100 ms after which it is told at the latest (xfrm_aevent_etime)

enum xfrm_proto {
    XFRM_PROTO_ESP = 50,
    XFRM_PROTO_AH = 51,
    XFRM_PROTO_COMP = 108,
    XFRM_PROTO_ANY = 255
};
enum xfrm_mode { XFRM_TRANSPORT = 0, XFRM_TUNNEL = 1, XFRM_BEET = 4, XFRM_IPTFS = 5 };
enum xfrm_dir { XFRM_IN = 0, XFRM_OUT = 1, XFRM_FWD = 2, XFRM_DIRS = 3 };
// A policy of type sub is looked for before those of type main.
enum xfrm_type { XFRM_TYPE_MAIN = 0, XFRM_TYPE_SUB = 1 };
enum xfrm_action { XFRM_ALLOW = 0, XFRM_BLOCK = 1 };

// Which packets (RFC 4301 4.4.1.1). family AF_UNSPEC: any. *_mask 0: any port.
struct xfrm_selector {
    uint16_t family;
    prefix_t src, dst;
    uint16_t sport, sport_mask, dport, dport_mask;
    uint8_t proto; // 0: any
    int32_t ifindex;
    uint32_t user;
};

// Limits; XFRM_INF = none. Seconds 0 = none, as in the kernel.
struct xfrm_lifetime {
    uint64_t soft_bytes, hard_bytes, soft_packets, hard_packets;
    uint64_t soft_add_s, hard_add_s, soft_use_s, hard_use_s;
};

// Used up so far. Times are seconds since 1970; 0 = never.
struct xfrm_current {
    uint64_t bytes, packets, add_time, use_time;
};

// One algorithm as the kernel names it. Empty name: absent.
struct xfrm_alg {
    char name[XFRM_ALG_NAME_MAX];
    uint16_t key_bits;
    uint16_t icv_bits; // AEAD: tag; auth: truncation; 0 for ciphers
    bool trunc_given;  // auth came as XFRMA_ALG_AUTH_TRUNC, not XFRMA_ALG_AUTH
    uint8_t key[XFRM_KEY_MAX];
};

struct xfrm_mark {
    uint32_t value, mask; // mask 0 and value 0: no mark
};

struct xfrm_encap { // UDP encapsulation, RFC 3948
    uint16_t type;  // 0 = none, 2 = UDP_ENCAP_ESPINUDP
    uint16_t sport, dport;
    ip_t oa;
};

// Sequence and replay state as XFRMA_REPLAY_ESN_VAL / XFRMA_REPLAY_VAL carry it.
struct xfrm_replay {
    bool esn_given; // the extended attribute was used (needed for ESN and windows over 32)
    uint32_t window;
    uint32_t words; // of the bitmap, where more are given than the window needs; 0: just those
    uint64_t out_seq, in_seq;              // last used / highest seen
    uint32_t bitmap[XFRM_REPLAY_MAX / 32]; // bit of in_seq as the kernel lays it out
};

// How mode iptfs puts packets together and takes them apart (RFC 9347), as Linux 6.14 has it. Such
// an SA is ESP and names its direction; what belongs to the other one is not looked at.
struct xfrm_iptfs {
    // in: the numbers after a missing one that are waited with, and how long
    uint32_t drop_time_us;
    uint16_t reorder_window;
    // out
    bool dont_frag;         // what does not fit goes with the next one, and is never cut
    uint32_t init_delay_us; // from the first packet that waits to the moment when all leave
    uint32_t max_queue;     // bytes of packets that may wait; others are dropped
    uint32_t pkt_size;      // bytes of the outer packet at most; 0: what the path takes
};
// What the kernel takes for what is not given.
#define XFRM_IPTFS_DROP_TIME 1000000U
#define XFRM_IPTFS_REORDER_WINDOW 3U
#define XFRM_IPTFS_MAX_QUEUE (10U * 1024 * 1024)

struct xfrm_stats { // struct xfrm_stats: errors seen by an SA
    uint32_t replay_window, replay, integrity_failed;
};

// An SA (RFC 4301 4.4.2). Identity: daddr, SPI, protocol, mark.
struct xfrm_sa {
    struct xfrm_selector sel;
    ip_t saddr, daddr;
    uint32_t spi;
    uint8_t proto;   // enum xfrm_proto
    uint8_t mode;    // enum xfrm_mode
    uint16_t family; // of the outer header
    uint32_t reqid;
    uint32_t seq;  // of the ACQUIRE or ALLOCSPI it answers
    uint8_t flags; // XFRM_STATE_* as in the kernel: NOECN 1, DECAP_DSCP 2, NOPMTUDISC 4, WILDRECV
                   // 8, ICMP 16, AF_UNSPEC 32, ALIGN4 64, ESN 128
    uint32_t extra_flags; // XFRM_SA_XFLAG_*: DONT_ENCAP_DSCP 1, OSEQ_MAY_WRAP 2
    struct xfrm_lifetime limit;
    struct xfrm_encap encap;
    struct xfrm_mark mark;        // looked up by
    struct xfrm_mark output_mark; // set on the packet sent (XFRMA_SET_MARK)
    bool output_mark_mask_given;
    uint32_t if_id;
    uint32_t tfcpad; // bytes; 0 = none
    uint32_t nat_keepalive_s;
    uint8_t dir;   // 0 = not given, 1 = in, 2 = out (XFRMA_SA_DIR)
    uint32_t pcpu; // XFRMA_SA_PCPU; UINT32_MAX = not given
    // Replay state is told after so many packets, or so much time (100 ms); 0: not for that.
    uint32_t ae_packets, ae_timer;
    uint32_t mapping_s;      // told again of a moved peer with the same port after this; 0: once
                             // (MTIMER_THRESH)
    bool larval;             // ALLOCSPI made it; no keys yet (kernel: XFRM_STATE_ACQ)
    bool plain;              // made by the executor for tunnel packets that IPComp does not shrink
    struct xfrm_iptfs iptfs; // mode iptfs only; zeros otherwise
    // What no packet needs stands behind what packets need: there may be 100,000 of them.
    struct xfrm_current current;
    struct xfrm_stats stats;
    struct xfrm_alg crypt, auth, aead;
    char comp[XFRM_ALG_NAME_MAX]; // IPComp: "deflate"; empty: absent
    struct xfrm_replay replay;
};
#define XFRM_STATE_NOECN 1
#define XFRM_STATE_DECAP_DSCP 2
#define XFRM_STATE_NOPMTUDISC 4
#define XFRM_STATE_ICMP 16
#define XFRM_STATE_AF_UNSPEC 32
#define XFRM_STATE_ALIGN4 64
#define XFRM_STATE_ESN 128
#define XFRM_SA_DONT_ENCAP_DSCP 1 // of extra_flags
#define XFRM_SA_IN 1              // of dir
#define XFRM_SA_OUT 2

struct xfrm_sa_id {
    ip_t daddr;
    uint32_t spi;
    uint8_t proto;
    struct xfrm_mark mark;
    // Only a check where given (XFRMA_SRCADDR), AF_UNSPEC otherwise; but what has no SPI of its own
    // is named by it: the SA beside IPComp, protocol 4 or 41.
    ip_t saddr;
};

// What an SA must look like to serve a policy (struct xfrm_user_tmpl).
struct xfrm_tmpl {
    ip_t saddr, daddr;
    uint32_t spi; // 0: any
    uint8_t proto, mode;
    uint16_t family;
    uint32_t reqid;
    uint8_t share, optional;
    // All ~0: any. Otherwise aalgos has bit N set where an inbound SA may use the MAC that PF_KEY
    // calls N, bit 0 for none; the others are kept, but not looked at, as in the kernel.
    uint32_t aalgos, ealgos, calgos;
};

// A policy (RFC 4301 4.4.1). Identity: dir, selector, mark, if_id, type; or dir and index.
struct xfrm_policy {
    struct xfrm_selector sel;
    uint8_t dir, action, flags, share, type;
    uint32_t priority, index;
    struct xfrm_lifetime limit;
    struct xfrm_current current;
    struct xfrm_mark mark;
    uint32_t if_id;
    unsigned tmpl_count;
    struct xfrm_tmpl tmpl[XFRM_TMPL_MAX];
};

#define XFRM_POLICY_ICMP 2 // flags: ICMP errors about such packets are for it, too
// flags, of policies with a mark (Pavise's own; a kernel keeps it and does nothing): their packets
// are those of flows that have come in with that mark, which the executor sees to. What they name
// and has no mark is not known to belong to any, and neither leaves nor comes in in clear.
#define XFRM_POLICY_FLOWS 128
#define XFRM_POLICY_PER_CPU 4 // flags: each CPU asks for SAs of its own (XFRM_POLICY_CPU_ACQUIRE)

struct xfrm_policy_id {
    uint8_t dir, type;
    uint32_t index; // 0: by selector
    struct xfrm_selector sel;
    struct xfrm_mark mark;
    uint32_t if_id;
};

// What a packet meets that no policy matches (SETDEFAULT), one for each direction.
enum xfrm_default { XFRM_DEFAULT_KEEP = 0, XFRM_DEFAULT_BLOCK = 1, XFRM_DEFAULT_ACCEPT = 2 };

// Replay state and lifetimes of an SA as another executor left them (NEWAE).
struct xfrm_ae {
    struct xfrm_sa_id id;
    bool esn_broken; // the extended one does not hold the bitmap it tells of
    bool replay_given, esn_given, current_given, packets_given, timer_given, mapping_given;
    struct xfrm_replay replay, esn; // for SAs without and with the extended attribute
    struct xfrm_current current;
    uint32_t ae_packets, ae_timer, mapping_s; // struct xfrm_sa
};

// A peer, or we, have moved (MOBIKE, RFC 4555): which SAs and templates get which addresses.
struct xfrm_move {
    ip_t old_saddr, old_daddr, new_saddr, new_daddr; // their families: the layer's outer ones
    uint8_t proto, mode;
    uint32_t reqid; // 0: any
};
struct xfrm_migrate {
    struct xfrm_selector sel; // the policy
    uint8_t dir, type;
    uint32_t if_id; // 0: any
    unsigned count;
    struct xfrm_move move[XFRM_TMPL_MAX];
    bool km_given, encap_given;
    ip_t km_local, km_remote; // where the IKE daemons talk from now on: only told
    struct xfrm_encap encap;  // of the moved SAs; otherwise what they had
};

// ---- events: executor -> listeners (multicast groups of NETLINK_XFRM) ----
enum xfrm_event_kind {
    XFRM_EV_ACQUIRE, // a packet needs an SA that is not there
    XFRM_EV_EXPIRE,  // soft or hard lifetime of an SA
    XFRM_EV_POLEXPIRE,
    XFRM_EV_SA_NEW,
    XFRM_EV_SA_UPD,
    XFRM_EV_SA_DEL,
    XFRM_EV_SA_FLUSH,
    XFRM_EV_POL_NEW,
    XFRM_EV_POL_UPD,
    XFRM_EV_POL_DEL,
    XFRM_EV_POL_FLUSH,
    XFRM_EV_MAPPING, // a peer behind NAT has moved (authenticated packets from elsewhere)
    XFRM_EV_AE,      // replay state
    XFRM_EV_MIGRATE, // a policy and its SAs have moved
    XFRM_EV_DEFAULT, // what meets packets without a policy has changed
};
// Why replay state is told (XFRM_AE_*): enough packets, enough time, or a client has set it.
enum xfrm_ae_cause { XFRM_AE_BY_PACKETS = 16, XFRM_AE_BY_TIMER = 32, XFRM_AE_BY_CLIENT = 64 };

struct xfrm_event {
    enum xfrm_event_kind kind;
    bool hard;                        // EXPIRE
    uint8_t proto;                    // SA_FLUSH
    uint32_t portid, nlseq;           // who caused it (0 = the executor itself)
    const struct xfrm_sa *sa;         // SA_*, EXPIRE, MAPPING
    const struct xfrm_policy *policy; // POL_*, POLEXPIRE, ACQUIRE
    const struct xfrm_tmpl *tmpl;     // ACQUIRE: the template that found no SA
    struct xfrm_selector trigger;     // ACQUIRE: the packet
    uint32_t seq;                     // ACQUIRE: answer with an SA of this seq
    endpoint_t new_peer;              // MAPPING
    uint32_t cause;                   // AE: enum xfrm_ae_cause
    bool pcpu_given;                  // ACQUIRE: an SA for this CPU alone is wanted
    uint32_t pcpu;
    const struct xfrm_migrate *migrate; // MIGRATE
    uint8_t defaults[XFRM_DIRS];        // DEFAULT: enum xfrm_default
};

typedef void xfrm_event_fn(void *ctx, const struct xfrm_event *ev); // borrows ev for the call

struct xfrm_counts { // GETSADINFO, GETSPDINFO
    uint32_t sa_count, sa_hash_count, sa_hash_max;
    uint32_t policies[XFRM_DIRS];
    uint32_t policy_hash_count, policy_hash_max;
};

// ---- the conversation ----
// Every function returns what the kernel would say, as a class (netlink/ maps it to errno):
// ERR_EXISTS (EEXIST), ERR_NOTFOUND (ESRCH for SAs, ENOENT for policies), ERR_ALGORITHM (ENOSYS:
// unknown or not wanted here), ERR_SYNTAX/ERR_RANGE (EINVAL; a wrong length of a key is one),
// ERR_UNSUPPORTED (EPROTONOSUPPORT / EOPNOTSUPP), ERR_LIMIT (ENOBUFS), ERR_PERMISSION (EPERM: it
// goes with others). `why` may be NULL.
// All calls from one thread (the control thread).
struct xfrm_ops {
    err_t (*sa_alloc_spi)(void *ctx, const struct xfrm_sa *like, uint32_t min, uint32_t max,
                          struct xfrm_sa *out, struct why *why);
    err_t (*sa_add)(void *ctx, const struct xfrm_sa *sa, struct why *why); // NEWSA
    err_t (*sa_update)(void *ctx, const struct xfrm_sa *sa,
                       struct why *why); // UPDSA: also completes a larval SA
    err_t (*sa_get)(void *ctx, const struct xfrm_sa_id *id, struct xfrm_sa *out);
    err_t (*sa_del)(void *ctx, const struct xfrm_sa_id *id);
    err_t (*sa_flush)(void *ctx, uint8_t proto); // 0 or 255: all. ERR_NOTFOUND when there was none
    err_t (*sa_expire)(void *ctx, const struct xfrm_sa_id *id, bool hard);
    // NEWAE. ERR_SYNTAX: larval, or the window has another form than the SA's.
    err_t (*sa_set_ae)(void *ctx, const struct xfrm_ae *ae, struct why *why);
    // Calls fn for each; fn returning false ends the walk.
    err_t (*sa_each)(void *ctx, bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg);

    // The same from the entry on that has `skip` others before it, at no cost for those where the
    // walk before ended near there. NULL: cannot.
    err_t (*sa_each_from)(void *ctx, uint64_t skip, bool (*fn)(void *arg, const struct xfrm_sa *sa),
                          void *arg);
    err_t (*policy_each_from)(void *ctx, uint64_t skip,
                              bool (*fn)(void *arg, const struct xfrm_policy *p), void *arg);

    err_t (*policy_add)(void *ctx, const struct xfrm_policy *p, bool update, struct why *why);
    err_t (*policy_get)(void *ctx, const struct xfrm_policy_id *id, struct xfrm_policy *out);
    err_t (*policy_del)(void *ctx, const struct xfrm_policy_id *id);
    err_t (*policy_flush)(void *ctx, uint8_t type);
    err_t (*policy_each)(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p), void *arg);

    // MIGRATE. ERR_NOTFOUND: no such policy; ERR_NOCHOICE (ENODATA): none of its templates moves.
    err_t (*migrate)(void *ctx, const struct xfrm_migrate *m, struct why *why);
    // SETDEFAULT, GETDEFAULT: enum xfrm_default for each direction.
    err_t (*defaults_set)(void *ctx, const uint8_t actions[XFRM_DIRS]);
    err_t (*defaults_get)(void *ctx, uint8_t actions[XFRM_DIRS]);

    err_t (*counts)(void *ctx, struct xfrm_counts *out);
};

struct xfrm_api { // a vtable with its object
    const struct xfrm_ops *ops;
    void *ctx;
};

bool xfrm_selector_eq(const struct xfrm_selector *a, const struct xfrm_selector *b);
// Is what it names kept from going in clear by the host's guard? Inbound, templates that are all
// optional (level use) ask for nothing; outbound, their packets are led to the executor, too.
bool xfrm_policy_protects(const struct xfrm_policy *p);
void xfrm_selector_any(struct xfrm_selector *s, uint16_t family);
