// ike.h - the diplomat: all IKE SAs of this host (RFC 7296). Not thread-safe: one thread.
// No sockets, no clock, no randomness of its own: struct env brings them.
#pragma once

#include "eap/eap.h"
#include "ike/env.h"
#include "ike/sa/counters.h"
#include "ike/sa/pool.h"
#include "ike/sa/steering.h"
#include "radius/conf.h"

struct ike;

// Limits and times, strongSwan's charon.* defaults.
struct ike_options {
    uint64_t retransmit_ns;       // first timeout: 4 s
    double retransmit_base;       // back-off factor: 1.8
    unsigned retransmit_tries;    // 5
    uint64_t retransmit_limit_ns; // the longest pause; 0: none
    unsigned retransmit_jitter;   // percent of a pause that are left out at most: 10
    uint64_t half_open_ns;        // an unfinished responder IKE SA lives this long: 30 s
    unsigned cookie_threshold;    // half-open IKE SAs before cookies are asked for: 30
    unsigned cookie_threshold_ip; // from one address, or IPv6 /64: 3
    unsigned sas_max;             // IKE SAs; with so many, IKE_SA_INIT is dropped; 0: no limit
    unsigned half_open_max;       // in all; above, IKE_SA_INIT is dropped: 10000
    unsigned half_open_max_ip; // ... from one address, or IPv6 /64: half of what is left, or less
    uint64_t keepalive_ns;     // NAT keepalive: 20 s; 0 = off
    uint16_t fragment_size;    // longest IP packet that an IKE message is sent in: 1280 bytes
    uint16_t natt_port;        // 4500
    uint64_t linger_ns;        // inbound SAs of replaced child SAs stay so long: 5 s
    uint64_t retry_ns;         // until a peer without an address is looked for again; 0: not
    uint32_t spi_min, spi_max; // of child SAs
    bool idle_closes_ike;      // an unused child SA that was the last takes the IKE SA along
    bool failed_child_closes_ike;     // likewise one that IKE_AUTH did not bring, for the initiator
    bool each_child_apart;            // ... has an IKE SA of its own, where it is initiated
    uint8_t eap_order[EAP_KINDS_MAX]; // EAP as server: methods, best first; none: as we like them
    unsigned eap_order_n;
    uint8_t eap_in_ttls, eap_in_peap;  // ... the methods inside; 0: those of passwords
    bool eap_prefer_peer;              // ... and of those the peer's choice goes first
    struct radius_habits radius;       // ... and RADIUS servers have them
    bool counts;                       // keeps what child SAs have carried that are gone
    struct sim_settings sim;           // EAP-SIM and AKA
    uint16_t tls_min, tls_max;         // versions in EAP; 0: 1.2, and 1.3
    char tls_suites[TLS_SUITES_MAX];   // ... and cipher suites; "": sound ones
    bool one_round;                    // neither MULTIPLE_AUTH_SUPPORTED (RFC 4739) nor such rounds
    bool classic_signatures;           // no digital signatures by RFC 7427
    bool vendor_id;                    // says in IKE_SA_INIT who we are
    bool theirs_first;                 // responder: of proposals, what the peer likes best
    bool whole_selectors;              // not the packet's own that has sprung a trap
    const struct conf_pool *everybody; // tells what clients get beside their pools' attributes
    bool initiator_only;               // nobody may call us: IKE_SA_INIT is dropped
    bool follow_redirects;             // clients: to other gateways (RFC 5685)
    bool break_before_make;            // reauthentication: the old IKE SA goes first
    bool hash_and_url;                 // look up certificates that peers name by hash and URL
    bool rsa_pss;                      // PSS wherever `auth` leaves the padding open
    bool connmark;                     // flows of transport mode remember their SA by its mark
    bool executor_is_kernel;           // sees more of packets (config_kernel_only)
    bool libipsec_words;               // of acquires also what strongSwan's user-space ESP says
    struct conf_iptfs iptfs;           // how children of mode IP-TFS behave
    bool executor_has_iptfs;           // false: they are tunnels (a kernel before 6.14)
    bool executor_has_raw_esp;         // false: UDP encapsulation is forced (faked NAT detection)
};
struct ike_options ike_options_default(void);

struct ike *ike_new(const struct env *env, const struct ike_options *opt);
// Deletes nothing at the peers (see ike_shutdown) and leaves the executor's SAs alone.
void ike_free(struct ike *ike);

// Other limits and times from now on; what began with the old ones ends with them. The port and
// what the executor can do stay as they are.
void ike_set_options(struct ike *ike, const struct ike_options *options);

// Puts a configuration in force. The diplomat borrows it until the next ike_configure or ike_free.
// Connections that are gone keep their IKE SAs until they end. Installs trap policies and starts
// what start_action says, of connections that were not in force so before (conf_conn.since); of all
// if it is the configuration in force that is given again.
void ike_configure(struct ike *ike, const struct config *config);

// Its address pools and who has which address: to look at, to save, and (before the first
// ike_configure) to restore.
struct pools *ike_pools(struct ike *ike);

// What has been said and heard, for every connection: to look at and to reset.
struct counters *ike_counters(struct ike *ike);
// What is known of SIMs and USIMs: to bring triplets.
struct simcards *ike_simcards(struct ike *ike);
// Who may call; off and empty at first. What changes counts for who comes from then on.
struct whitelist *ike_whitelist(struct ike *ike);

// A datagram arrived. Anything may be in it.
void ike_input(struct ike *ike, const struct datagram *d);
// Time has passed: runs what is due. ike_next() is the monotonic ns when to call it next;
// UINT64_MAX = nothing to wait for.
void ike_tick(struct ike *ike);
uint64_t ike_next(const struct ike *ike);
// An event of the executor: acquire, expire, mapping.
void ike_xfrm_event(struct ike *ike, const struct xfrm_event *ev);
// Addresses or routes of this host may have changed: IKE SAs with MOBIKE look for their way.
void ike_network_changed(struct ike *ike);
// A work (env.h) has run.
void ike_work_done(struct ike *ike, struct ike_work *w);
// A DHCP server has taken an address back (env.h: dhcp_ask): who has it, goes.
void ike_lease_lost(struct ike *ike, uint32_t lease);
// The executor is back after it had gone, and its SAs and policies with it: policies are installed
// again at once, so that it fails closed, and child SAs get fresh keys from their peers.
void ike_executor_returned(struct ike *ike);

// ---- commands (VICI, CLI) ----
// Result of a command, told once when the outcome is known, possibly before the call returns.
// err: ERR_OK, or why not with a sentence.
typedef void ike_done_fn(void *ctx, err_t err, const char *sentence);

// conn may be NULL (search all children); child NULL: the IKE SA only.
void ike_initiate(struct ike *ike, const char *conn, const char *child, ike_done_fn *done,
                  void *ctx);

// What to act on: names and/or ids; 0/NULL = not given.
struct ike_choice {
    const char *ike, *child;
    uint32_t ike_id, child_id;
    bool force;  // terminate without waiting for the peer
    bool reauth; // rekey: reauthenticate instead
};
// *matches: how many SAs it applies to.
void ike_terminate(struct ike *ike, const struct ike_choice *what, unsigned *matches,
                   ike_done_fn *done, void *ctx);
err_t ike_rekey(struct ike *ike, const struct ike_choice *what, unsigned *matches);
// Puts the trap or shunt of a child into the executor, or takes it out again, whatever its
// start_action says. conn may be NULL. Errors: ERR_NOTFOUND, and the executor's, with a sentence.
err_t ike_install(struct ike *ike, const char *conn, const char *child, struct why *why);
err_t ike_uninstall(struct ike *ike, const char *conn, const char *child, struct why *why);
// *reqid (may be NULL): of the SAs behind a trap; 0: a shunt.
bool ike_installed(const struct ike *ike, const char *conn, const char *child, uint32_t *reqid);
// Sends clients to another gateway (RFC 5685). NULL and AF_UNSPEC: any. ERR_SYNTAX: gateway is
// neither an address nor a name.
struct ike_redirect {
    struct ike_choice choice;
    ip_t lo, hi;           // of the peer
    const struct id *peer; // a pattern
    const char *gateway;
};
err_t ike_redirect(struct ike *ike, const struct ike_redirect *what, unsigned *matches);
// Graceful end: DELETE to every peer, SAs and policies out of the executor; done when answered or
// after `timeout_ns`.
void ike_shutdown(struct ike *ike, uint64_t timeout_ns, ike_done_fn *done, void *ctx);
// IKE state is not kept across runs: a restarted diplomat leaves the executor's SAs and policies as
// they are, so traffic flows on; when the peers negotiate anew (INITIAL_CONTACT) it replaces them
// without a gap.

// ---- views for list-sas, stats; valid during the callback only ----
// Of inner packets, as the executor counts them.
struct ike_traffic {
    uint64_t bytes_in, packets_in, bytes_out, packets_out;
};
// A callback looks and does not act: no commands from within.
enum ike_state_view {
    IKE_VIEW_CONNECTING,
    IKE_VIEW_ESTABLISHED,
    IKE_VIEW_REKEYING,
    IKE_VIEW_DELETING
};
#define IKE_VIEW_TASKS 16 // of those that wait
struct ike_sa_view {
    const char *name;
    uint32_t id;
    uint32_t parent; // id of the one that it was made from by rekeying; 0: none
    enum ike_state_view state;
    bool initiator;
    endpoint_t local, remote;
    endpoint_t was_local, was_remote; // before the last move
    struct id local_id, remote_id;
    const struct id *remote_eap_id; // NULL: not proved by EAP, or it is the same
    uint64_t spi_i, spi_r;
    bool nat_local, nat_remote, nat_any, encap_forced;
    bool no_natt;                         // the peer takes no part in NAT detection
    int64_t cert_from, cert_until;        // of the peer's certificate, seconds since 1970; 0: none
    const struct alg *encr, *integ, *prf; // NULL = none
    uint16_t ke;                          // enum alg_ke
    uint16_t ake[CONF_ROUNDS_MAX];        // additional ones, by round; 0 = none
    uint64_t established_s, rekey_in_s, reauth_in_s; // seconds ago / from now; 0 = n/a
    unsigned tasks_queued; // tasks that wait; the first of them, as strongSwan calls them:
    const char *queued[IKE_VIEW_TASKS];
    const char *active;           // the task under way; NULL: none
    const struct conf_conn *conf; // NULL if the connection is gone from the configuration
    uint32_t if_id_in, if_id_out;
    unsigned vip_n; // virtual addresses
    bool vips_ours; // ... of this host; else of the peer
    const ip_t *vip;
    const char *ppk; // the RFC by which a post-quantum preshared key is in its keys; NULL: none
    span_t ppk_name; // ... and its name
};
enum child_state_view {
    CHILD_VIEW_INSTALLING,
    CHILD_VIEW_INSTALLED,
    CHILD_VIEW_REKEYING,
    CHILD_VIEW_REKEYED,
    CHILD_VIEW_DELETING
};
struct child_sa_view {
    const char *name;
    uint32_t id, reqid;
    enum child_state_view state;
    enum xfrm_mode mode;
    bool ah, udp; // AH, not ESP; ESP in UDP
    uint32_t spi_in, spi_out;
    bool of_cpu; // outbound for this CPU alone
    uint32_t cpu;
    uint16_t cpi_in, cpi_out;       // IPComp; 0 = none
    const struct alg *encr, *integ; // NULL = none
    uint16_t ke;                    // PFS group, 0 = none
    uint16_t ake[CONF_ROUNDS_MAX];
    bool esn;
    uint64_t install_s, rekey_in_s, life_in_s; // seconds ago / from now; 0 = n/a
    uint64_t bytes_in, packets_in, use_in_s, bytes_out, packets_out, use_out_s;
    const char *local_ts, *remote_ts; // space-separated
    const struct steering *steering;
    const struct conf_child *conf;
};
typedef bool ike_view_fn(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa);
typedef bool child_view_fn(void *ctx, const struct child_sa_view *v);
void ike_each(struct ike *ike, ike_view_fn *fn, void *ctx);
// The oldest first.
void ike_each_child(struct ike *ike, const struct ike_sa *sa, child_view_fn *fn, void *ctx);
void ike_sa_show(struct ike *ike, const struct ike_sa *sa, struct ike_sa_view *out); // for events
void ike_child_show(struct ike *ike, const struct child_sa *child, child_view_fn *fn,
                    void *ctx); // likewise; fn is called once

// A peer was refused for nothing but its certificate, which begins in the future: one of the clocks
// is wrong. The latest one; behind_s 0: there is none.
struct ike_clock {
    struct id peer;
    uint64_t behind_s, at; // seconds; monotonic ns
};
struct ike_stats {
    uint64_t total, half_open, established;
    uint64_t children;
    uint64_t sent, received, retransmitted, dropped, cookies_sent;
    struct ike_clock clock;
};
void ike_stats(const struct ike *ike, struct ike_stats *out);
