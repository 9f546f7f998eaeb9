// diplomat.h - everything that the diplomat remembers, and the few services that all of its parts
// use. Private to ike/.
#pragma once

#include "base/clock.h"
#include "cred/psk.h"
#include "ike/auth/note.h"
#include "ike/auth/whitelist.h"
#include "ike/codec/msg.h"
#include "ike/exchange/cookie.h"
#include "ike/sa/conns.h"
#include "ike/sa/counters.h"
#include "ike/sa/later.h"
#include "ike/sa/policy.h"
#include "ike/sa/pool.h"
#include "ike/sa/reqid.h"
#include "ike/sa/stale.h"
#include "ike/sa/table.h"
#include "ike/sa/trap.h"

// Of lines in the log. `until`: monotonic ns up to which the lines said so far would last, evenly.
struct ration {
    uint64_t until;
    unsigned left_out;
};

struct ike {
    struct env env;
    struct ike_options opt;
    const struct config *config; // borrowed; NULL before the first ike_configure()
    struct conns conns;          // in force
    struct psk_store *psk;
    struct psk_store *eap_secrets, *nt_hashes; // counted by conversations, too
    struct simcards *sim;                      // likewise
    struct ike_sa *all;                        // every IKE SA, oldest first
    struct ike_sa *last;
    struct table table;
    struct index children_in, children_out; // child SAs by their SPIs
    struct index by_id, by_peer, by_name;   // IKE SAs: ike_sa_index()
    struct index by_host, by_end;           // ... of known peers: by address; and by identity, too
    unsigned nobodies;                      // IKE SAs of peers that prove nothing (RFC 7619)
    struct due_heap due;
    struct policies policies;
    struct reqids reqids;
    struct traps traps;
    struct later later;
    struct stale stale;
    struct notes notes;
    struct whitelist whitelist;
    struct pools *pools;
    unsigned eap_talks; // conversations by EAP with initiators
    uint32_t last_given_id;
    uint32_t last_mark, last_if_id; // chosen (steering.h)
    bool marks_looked;              // ... behind those that an earlier run has left
    unsigned given_n;               // IKE SAs that have virtual addresses of this host
    struct cookies cookies;
    struct ike_stats stats;
    struct counters counters;
    struct ike_clock clock;
    uint32_t last_ike_id, last_child_id;
    uint64_t last_work;       // id
    unsigned depth;           // public calls under way: SAs are freed when the outermost returns
    struct ike_sa *gone;      // SAs in state IKE_GONE
    struct ike_sa *awake;     // SAs with sealers
    struct child_sa *held;    // child SAs with out_waiting
    uint64_t stranger_at;     // when we last answered somebody unknown
    uint64_t turned_away_at;  // the last second in which it was told that somebody is not answered
    struct ration rations[2]; // what is told about strangers: warnings, and the story
    struct {
        bool on;
        uint64_t deadline;
        struct waiter *waiters;
    } shutdown;
    size_t reassembling;      // bytes held in struct reassembly
    uint8_t in[IKE_MSG_MAX];  // the message being read; decrypted in place
    uint8_t out[IKE_MSG_MAX]; // the request being written
    // The answer being written. Apart, because its handler may send requests of other IKE SAs: a
    // DELETE for the one that INITIAL_CONTACT makes stale.
    uint8_t reply[IKE_MSG_MAX];
    uint8_t pieces[2 * IKE_MSG_MAX]; // one of the two as it goes out in pieces
};

static inline uint64_t ike_now(const struct ike *ike)
{
    return ike->env.now(ike->env.ctx);
}
uint64_t ike_random_below(struct ike *ike, uint64_t limit); // 0..limit-1; limit 0 gives 0
void ike_random_nonce(struct ike *ike, struct nonce *n);
struct conn *ike_conn(const struct ike *ike, const char *name); // in force; NULL if none
struct ike_sa *ike_sa_by_id(const struct ike *ike, uint32_t id);

// One sentence of the story (struct env). sa may be NULL. Rationed, as below.
void tell(struct ike *ike, const struct ike_sa *sa, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
// How loud to be in `lines` lines about sa: who has called and proved nothing yet can make us say
// much, and often. What is beyond the ration is for LOG_DEBUG.
enum log_level tell_level(const struct ike_sa *sa, enum log_level level, unsigned lines);
// What went wrong (alert.h). sa may be NULL.
void tell_alert(struct ike *ike, const struct ike_sa *sa, enum alert kind);
void tell_event(enum ike_event_kind kind, const struct ike_sa *sa, const struct child_sa *child);
