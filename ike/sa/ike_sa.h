// ike_sa.h - one IKE SA (RFC 7296 2): its state, keys, windows, tasks and children. Made and
// changed by ike/exchange only; one thread.
#pragma once

#include "cred/blocks.h"
#include "ike/ike.h"
#include "ike/sa/due.h"
#include "ike/sa/held.h"
#include "ike/sa/index.h"
#include "ike/sa/keys.h"
#include "ike/sa/queue.h"
#include "ike/sa/reassembly.h"
#include "ike/sa/roam.h"
#include "ike/sa/window.h"

// initiator:
//     NEW -> INIT_SENT [-> BETWEEN] -> AUTH_SENT -> UP
// responder:
//     NEW -> INIT_DONE [-> AUTH_MORE] -> UP
// then, either:
//     UP -> REKEYED (a newer one took over) -> CLOSED
//     UP -> DELETING (we said DELETE) -> CLOSED
enum ike_state {
    IKE_NEW,       // nothing sent or answered yet
    IKE_INIT_SENT, // initiator: waits for the answer to IKE_SA_INIT
    IKE_BETWEEN,   // initiator: waits for the answer to IKE_INTERMEDIATE
    IKE_INIT_DONE, // responder: waits for IKE_INTERMEDIATE or IKE_AUTH
    IKE_AUTH_MORE, // responder: waits for the IKE_AUTH of another round
    IKE_AUTH_SENT, // initiator: waits for the answer to IKE_AUTH
    IKE_UP,
    IKE_REKEYED,  // only DELETE is left to be said or heard
    IKE_DELETING, // waits for the answer to our DELETE
    IKE_CLOSED,   // over; stays a moment to repeat its last answer
    IKE_GONE,     // will be freed before the current call returns
};
const char *ike_state_name(enum ike_state s);

enum ike_timer {
    TIMER_RETRANSMIT, // repeat our request
    TIMER_CLOSE,      // an end that comes whatever happens: half-open, rekeyed, closed
    TIMER_PENDING,    // the peer does not go on with its key exchanges
    TIMER_TASK,       // a task has waited long enough
    TIMER_CHILD,      // a child SA wants something
    TIMER_PROBE,      // dead-peer detection
    TIMER_KEEPALIVE,  // NAT keepalive
    TIMER_REKEY,
    TIMER_REAUTH,
    TIMER_REDIRECT, // look for the address of the gateway that we were sent to
    TIMER_LIFE,     // neither rekeyed nor reauthenticated in time
    TIMERS,
};

enum close_why {
    CLOSED_ASKED,    // by our user: nothing follows
    CLOSED_BY_PEER,  // close_action
    CLOSED_DEAD,     // no answer any more: dpd_action
    CLOSED_REPLACED, // another SA does its work: nothing follows
    CLOSED_EXPIRED,  // lifetime over: started again where start_action says so
    CLOSED_FAILED,   // an error: likewise
};

// One side's proof of who it is, if it takes long to make or to check (ike/auth/own.h, peer.h).
struct proof {
    bool ready; // the rest holds
    err_t err;
    bool key_is_right;   // theirs: it was the key that has signed, whether or not we take it
    struct why why, how; // what went wrong; in what way it was proved
    uint8_t method;      // ours: of the AUTH payload, and its data
    struct blob data;
};

// How a post-quantum preshared key has come into the keys.
enum ppk_way { PPK_NONE, PPK_IN_AUTH, PPK_IN_INTERMEDIATE };

// A round of authentication by EAP (ike/auth/eap_round.h).
enum eap_phase {
    EAP_NONE,
    EAP_WISHED, // initiator: it has left AUTH out
    EAP_TALKS,
    EAP_KEYED, // it has succeeded: AUTH follows
};
struct eap;
struct eap_judge;
struct eap_relay;
struct eap_part {
    enum eap_phase phase;
    struct eap *talk;        // the conversation; in another thread while a work is under way
    struct eap_judge *judge; // of certificates in it
    struct eap_relay
        *relay;     // a RADIUS server has its methods (ike/auth/eap_relay.h); NULL: not yet
    bool counted;   // among those of EAP_TALKS_MAX
    bool taken;     // the packet that was put aside has been handled
    err_t err;      // ... and what it said cannot be kept
    uint64_t until; // responder: monotonic ns
};

// What only the opening needs; freed when the SA is up.
struct opening {
    struct blob ours, theirs; // IKE_SA_INIT as sent and received: AUTH covers them
    struct nonce ni, nr;
    struct proposals *offered; // initiator; proposals_keep()
    struct ke *ke;             // initiator: KE guess
    uint8_t cookie[64];
    unsigned cookie_len;
    unsigned again;       // IKE_SA_INIT sent anew for a cookie or another group
    uint16_t ke_tried[8]; // groups; as many as `again` may grow
    uint16_t extra[7];    // additional key exchanges agreed on (RFC 9370), in their order
    unsigned extra_n, extra_done;
    unsigned rounds;             // IKE_INTERMEDIATE exchanges that are over
    uint8_t covered[2][PRF_MAX]; // IntAuth of initiator and responder (RFC 9242 3.3.2)
    struct ike_keys next_keys;   // from the exchange under way
    struct sealer *open_before;  // of the keys before these; NULL = none
    hash_set_t peer_hashes;      // that the peer knows (RFC 7427); empty: it does not know that
    bool asked_cert, asked_key;  // by CERTREQ
    bool asked_ocsp;             // ... an OCSP answer about our certificate (RFC 4806)
    struct blob staple;          // ... which is this
    bool peer_looks_up;          // HTTP_CERT_LOOKUP_SUPPORTED
    struct blob authorities;     // ... of these: hashes
    const struct cred_own *own;  // what we prove ourselves with, of sa->conn; NULL: a shared key
    struct proof our_proof, their_proof; // of the round under way
    struct eap_part eap;                 // likewise
    struct blob peer_id;                 // the body of the peer's last ID payload, for AUTH by EAP
    struct {                             // RFC 8784, 9867 (ike/auth/ppk.h)
        bool heard, between;             // both have said USE_PPK, or USE_PPK_INT
        bool settled;                    // in IKE_INTERMEDIATE: which one is used, or none
        bool mixed;                      // in IKE_AUTH: sa->keys have one in them
        bool told;                       // ... in the story
        struct blob name;                // ... its name
        struct ike_keys plain;           // those without it
        struct blob proof;               // initiator: AUTH data by those
    } ppk;
    unsigned ours_n, theirs_n; // rounds that are through (RFC 4739)
    bool peer_rounds;          // MULTIPLE_AUTH_SUPPORTED
    const void *tried[8];      // responder: connections that do not take the peer
    unsigned tried_n;
    unsigned tries_used; // signatures of the peer's certificates, for all of these together
    struct held asked;   // responder: the first IKE_AUTH, answered whole after the last round
    struct {             // responder: the client's address is a DHCP server's (exchange/lease.h)
        bool asked;      // all has been proved, and the message under way has waited for it
        struct why why;  // ... in vain
    } lease;
    bool peer_natt;      // NAT_DETECTION_* were in the peer's message
    bool peer_childless; // CHILDLESS_IKEV2_SUPPORTED
    struct why refused;  // an error that may be forged: believed if nothing better comes
    err_t refused_err;
};

// Other gateways (RFC 5685, ike/exchange/redirect.h).
struct redirect {
    ip_t from;        // client: the one that has sent us here; AF_UNSPEC: none
    unsigned n;       // redirections in a row, and the first of them
    uint64_t since;   // monotonic ns
    uint64_t until;   // ... that the name may take to have an address
    struct blob name; // client: that we shall go to; gateway: what the client is to be told
    bool client;      // we can be redirected; whoever rekeys it, that stays so
    bool peer_can;    // gateway: the client can be redirected
};

struct granted;

struct ike_sa {
    struct ike *ike;
    struct ike_sa *next, *prev; // all IKE SAs
    struct index_place by_spi;  // table.c
    struct ike_sa *peer_next;
    struct index_place by_id, by_peer, by_name; // ike_sa_index()
    struct index_place by_host, by_end;         // ike_sa_placed()
    struct ike_sa *gone_next;
    bool in_table, half_open;
    bool nobody;            // counted in ike->nobodies
    struct due due;         // earliest of timer[]
    uint64_t timer[TIMERS]; // monotonic ns; DUE_NEVER = off
    uint32_t id;            // for people
    enum ike_state state;
    bool initiator; // the original initiator of this IKE SA?
    uint64_t spi_i, spi_r;
    endpoint_t local, remote;
    endpoint_t was_local, was_remote; // before the last move; AF_UNSPEC: there was none
    endpoint_t came_from;             // half-open: where the first request came from
    struct conn *conn;                // counted; NULL while a responder does not know yet
    struct id local_id, remote_id;    // ID_ANY before IKE_AUTH
    struct granted *granted; // by a RADIUS server that knows the peer (granted.h); NULL: nothing
    struct ike_traffic past; // of child SAs that are gone (traffic.h)
    struct id *eap_id;       // whom EAP has proved the peer to be; NULL: no such proof
    bool nat_local, nat_remote, encap_forced;
    bool no_natt;                  // the peer has said nothing of NAT detection
    int64_t cert_from, cert_until; // of the peer's certificate, seconds since 1970; 0: none
    struct blocks *blocks; // the addresses that its certificates are good for (RFC 3779); NULL: all
    struct roam roam;
    struct redirect redirect;

    struct proposal *chosen; // proposal_keep(); NULL: nothing yet
    struct ike_keys keys;    // prf 0: none yet
    // Of the keys, from their first use until the call of the diplomat returns: ike_sa_seal(),
    // ike_sa_open(). An SA that is at rest has none.
    struct sealer *seal, *open;
    struct ike_sa *awake_next, **awake_link; // of those that have
    uint64_t sealed;                         // messages sealed: never the same IV twice
    struct opening *opening;                 // NULL once up

    struct window window;
    struct reassembly pieces[2]; // of a request, of a response
    bool in_pieces;              // both sides can (RFC 7383)
    bool send_pieces;            // ... and our user lets us
    unsigned retransmits;        // of the request under way
    struct queue queue;
    struct task *active;     // the exchange under way; NULL = idle
    struct pending *pending; // the peer's CREATE_CHILD_SA that is not complete (followup.h); NULL
    uint64_t work_id;        // a work under way (work.h); 0 = none
    struct held held;        // the message that waits for it

    struct child_sa *children;
    unsigned child_n;
    enum close_why why;   // of our DELETE; of its end when that has come
    bool rekeyed;         // another one has taken over: its end is no news
    uint32_t parent;      // id of the IKE SA that it was made from by rekeying; 0 = none
    uint32_t elder;       // id of the IKE SA that this one may replace, while that is undecided
    bool waits;           // begins when `reauth_of` has ended
    uint32_t awaited_by;  // ... its side of it: the id of that; 0 = none
    uint32_t lifetime_s;  // AUTH_LIFETIME, as the peer has it; 0: it has said nothing of it
    uint32_t reauth_of;   // id of the IKE SA that goes when this one is up; 0 = none
    bool pointed;         // another has its id in `reauth_of` or `twin`
    uint32_t twin;        // id of one that both sides opened at once: ours, and the one to go; 0
    unsigned tries;       // openings before this one without an answer
    bool auth_answered;   // responder: nothing has come since our last answer in IKE_AUTH
    bool initial_contact; // the peer said INITIAL_CONTACT
    uint64_t born_at;     // monotonic ns: first message
    uint64_t up_at;       // 0 = not yet
    uint64_t heard_at, said_at;
    uint64_t packets_in;       // of all children, when last looked: ESP is a sign of life, too
    struct waiter *waiters;    // wait for it to be up
    struct waiter *enders;     // wait for it to be gone
    struct peer_work *recheck; // the peer's certificates, to be asked about once more; NULL: none
    uint32_t if_id_in, if_id_out; // of all children; 0: not chosen yet (steering.h)
    struct vips *vips;            // virtual addresses, ours or the peer's; NULL: none
    enum ppk_way ppk_way;
    struct blob ppk_name; // of the PPK in `keys`, or in those that they were made from
};

#define CHILDREN_MAX 1024 // of one IKE SA; more is NO_ADDITIONAL_SAS

// A new SA in state IKE_NEW, listed and with its timers off. NULL when out of memory.
// spi: ours. Takes a reference of conn (may be NULL).
struct ike_sa *ike_sa_new(struct ike *ike, struct conn *conn, bool initiator, uint64_t spi);
// Call when its connection, or the peer's identity, has become known: it can be found by them then.
void ike_sa_index(struct ike_sa *sa);
// Call when such a peer's address is another one: it is found by that from then on.
void ike_sa_placed(struct ike_sa *sa);
// The next IKE SA whose peer has this identity, or is at this address, or both; or whose connection
// is called so: start with NULL. In no order.
struct ike_sa *ike_sa_of_peer(const struct ike *ike, const struct id *peer, struct ike_sa *after);
struct ike_sa *ike_sa_of_host(const struct ike *ike, const ip_t *host, struct ike_sa *after);
struct ike_sa *ike_sa_of_end(const struct ike *ike, const struct id *peer, const ip_t *host,
                             struct ike_sa *after);
struct ike_sa *ike_sa_of_name(const struct ike *ike, const char *name, struct ike_sa *after);
// Whose IKE SA it is: the name that EAP has proved, else the peer's in IKE.
static inline const struct id *ike_sa_whose(const struct ike_sa *sa)
{
    return sa->eap_id ? sa->eap_id : &sa->remote_id;
}
// Keeps a copy of what was agreed on. ERR_NOMEM.
err_t ike_sa_choose(struct ike_sa *sa, const struct proposal *chosen);
static inline bool ike_sa_has_keys(const struct ike_sa *sa)
{
    return sa->keys.prf != 0;
}
// What seals our messages and opens the peer's, until the current call of the diplomat returns.
// NULL: out of memory.
struct sealer *ike_sa_seal(struct ike_sa *sa);
struct sealer *ike_sa_open(struct ike_sa *sa);
// Frees both: the next ones are made of the keys as they are then.
void ike_sa_rest(struct ike_sa *sa);
// It is over: freed when the current call of the diplomat returns.
void ike_sa_gone(struct ike_sa *sa);
// Frees one that has no children and no tasks left. Leaves the executor alone.
void ike_sa_free(struct ike_sa *sa);
// Our SPI and the peer's.
static inline uint64_t ike_sa_spi(const struct ike_sa *sa)
{
    return sa->initiator ? sa->spi_i : sa->spi_r;
}
uint64_t ike_sa_random_spi(struct ike *ike);
void ike_sa_timer(struct ike_sa *sa, enum ike_timer which, uint64_t at); // DUE_NEVER: off
void ike_sa_timers_off(struct ike_sa *sa);
const char *ike_sa_name(const struct ike_sa *sa); // of its connection
bool ike_sa_live(const struct ike_sa *sa);        // neither closed nor gone
static inline bool ike_sa_udp(const struct ike_sa *sa)
{
    return sa->nat_local || sa->nat_remote || sa->encap_forced;
}
// Sends a finished request, or several messages that stand one behind the other, over every way
// that is being tried (struct roam); notes when.
void ike_sa_send(struct ike_sa *sa, span_t bytes);
// Sends an answer back to where the request came from (RFC 7296 2.11).
void ike_sa_reply(struct ike_sa *sa, const struct datagram *to, span_t bytes);
void opening_free(struct opening *o); // wipes; NULL is fine
