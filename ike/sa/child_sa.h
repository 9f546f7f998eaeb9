// child_sa.h - one child SA: a pair of ESP or AH SAs (RFC 4301 4.1) and the policies that use them.
// Key bytes pass through here on their way to the executor; they are not kept.
#pragma once

#include "ike/sa/ike_sa.h"
#include "ike/sa/steering.h"

enum child_state {
    CHILD_INSTALLED,
    CHILD_REKEYING, // our request to replace it is under way
    CHILD_REKEYED,  // replaced; waits to be deleted by whoever replaced it
    CHILD_DELETING, // we said DELETE
    CHILD_LINGER,   // deleted; inbound stays a moment for packets that are still on their way
};

// When what an earlier run has left is looked for.
#define CHILD_LINGER_NS (5 * NSEC_PER_SEC)
// How often a responder looks whether the initiator of a rekeying uses the new SA already.
#define CHILD_SWITCH_NS (2 * NSEC_PER_SEC)
// A peer that began anew has our answer after this, unless packets are being lost.
#define CHILD_TAKEOVER_NS (2 * NSEC_PER_SEC)
// After this the initiator of an exchange has our answer, or has given up.
#define CHILD_CONFIRM_NS (180 * NSEC_PER_SEC)

struct child_sa {
    struct child_sa *next;
    struct child_sa *held_next, **held_link; // of those with out_waiting (struct ike)
    struct index_place by_spi_in, by_spi_out;
    struct ike_sa *sa; // owner; another one after the IKE SA was rekeyed
    struct conn *conn; // counted; conf is in it
    const struct conf_child *conf;
    uint32_t id, reqid;
    enum child_state state;
    enum close_why why; // of our DELETE
    uint32_t spi_in, spi_out;
    uint16_t cpi_in, cpi_out; // IPComp (RFC 3173) before ESP or AH: both, or 0
    enum xfrm_mode mode;
    bool esn, udp;
    bool peer_no_tfc;        // the peer said ESP_TFC_PADDING_NOT_SUPPORTED
    bool peer_whole;         // ... and that it takes no packets in pieces (IP-TFS)
    bool narrowed;           // less than its trap, which asks again for the rest
    bool initiator;          // of the exchange that made it: tells which keys are whose
    uint16_t ke;             // PFS group; 0 = none
    struct proposal *chosen; // proposal_keep()
    struct ts_list *local_ts, *remote_ts; // ts_keep()
    ip_t local, remote; // outer addresses: where inbound packets arrive, and outbound ones go to
    struct steering steering;
    ip_t via, from; // where outbound packets leave, and inbound ones come from
    uint32_t acquire_seq;
    struct xfrm_sa *out_waiting; // outbound SA that must not be used yet; wiped and freed after
    bool unconfirmed;            // we answered; whether the peer has the answer is not known yet
    bool takes_over; // until the switch, an earlier IKE SA's child with the same peer serves
    bool in_there, out_there, policies_there;
    bool redundant;           // a twin that both sides made at once: the peer will close it
    uint32_t replaces;        // id of the child SA that this one replaces; 0 = none
    uint64_t installed_at;    // monotonic ns
    uint64_t moved_at;        // likewise; 0 = never
    uint64_t rekey_s, life_s; // after installed_at, for people; 0 = never
    uint64_t linger_until, switch_look, sweep_at; // DUE_NEVER = off
    uint64_t idle_look;                           // when to look for packets; likewise
    uint64_t idle_since, idle_packets;            // no packet since; how many there were then
    bool of_cpu;                                  // outbound for this CPU alone (RFC 9611); then
    uint32_t cpu;
    uint64_t cpus_at;      // no more for single CPUs before this; the fallback SA tells
    uint32_t stale_reqid;  // of an earlier run, found in the executor; 0 = none
    struct waiter *enders; // wait for it to be gone
};

struct child_spec { // what was agreed on
    struct conn *conn;
    const struct conf_child *conf;
    const struct proposal *chosen;
    const struct ts_list *local_ts, *remote_ts;
    uint32_t spi_in, spi_out, acquire_seq, replaces;
    uint16_t cpi_in, cpi_out;
    enum xfrm_mode mode;
    bool initiator, peer_no_tfc, peer_whole, of_cpu, narrowed;
    uint16_t ke;
    uint32_t cpu;
};

static inline uint8_t child_sa_proto(const struct child_sa *c) // enum xfrm_proto
{
    return c->chosen->protocol == PROTO_AH ? XFRM_PROTO_AH : XFRM_PROTO_ESP;
}
static inline uint8_t child_sa_proto_wanted(const struct conf_child *f)
{
    return f->esp.ah ? XFRM_PROTO_AH : XFRM_PROTO_ESP;
}

// As it is wished for, and the executor can do it: what has no IP-TFS has tunnels in its place.
enum xfrm_mode child_sa_mode(const struct ike *ike, const struct conf_child *f);

// A new child of sa, not yet in the executor. NULL when out of memory or CHILDREN_MAX is reached.
struct child_sa *child_sa_new(struct ike_sa *sa, const struct child_spec *spec);
// Forgets it. What it has in the executor must have been removed.
void child_sa_free(struct child_sa *c);
void child_sa_move(struct child_sa *c, struct ike_sa *to); // inherited by a rekeyed IKE SA
// The one that has this SA in the executor, of whatever IKE SA; NULL: it is not ours.
struct child_sa *child_sa_of(const struct ike *ike, const struct xfrm_sa *x);
// Notes that its outbound SA is kept back, or no more.
void child_sa_hold(struct child_sa *c, struct xfrm_sa *out);
void child_sa_unhold(struct child_sa *c); // wipes it
struct child_sa *child_sa_by_id(const struct ike_sa *sa, uint32_t id);
// protocol: enum protocol, as IKE says it.
struct child_sa *child_sa_by_spi_out(const struct ike_sa *sa, uint8_t protocol, uint32_t spi);
struct child_sa *child_sa_by_spi_in(const struct ike_sa *sa, uint32_t spi);
// Of this CPU alone, in use.
struct child_sa *child_sa_of_cpu(const struct ike_sa *sa, const struct conf_child *f, uint32_t cpu);
struct child_sa *child_sa_by_name(const struct ike_sa *sa, const char *name); // in use, by name
// Does it carry traffic now (as opposed to having been replaced or deleted)?
bool child_sa_in_use(const struct child_sa *c);
// Are these its traffic selectors, in whatever words?
bool child_sa_has(const struct child_sa *c, const struct ts_list *local,
                  const struct ts_list *remote);
// Sets TIMER_CHILD of the IKE SA to the earliest wish of its children.
void child_sa_timers(struct ike_sa *sa);
