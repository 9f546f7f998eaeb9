// queue.h - what an IKE SA has to say to its peer: tasks, each one exchange of ours. The window
// lets one at a time out; the others wait here.
#pragma once

#include "crypto/ke.h"
#include "ike/codec/payloads.h"
#include "ike/codec/proposal.h"
#include "ike/sa/chain.h"
#include "ike/sa/conn.h"
#include "ike/sa/job.h"

enum task_kind {
    TASK_NONE,
    TASK_OPEN,         // IKE_SA_INIT
    TASK_INTERMEDIATE, // IKE_INTERMEDIATE: another key exchange
    TASK_AUTH,         // IKE_AUTH, with the first child SA
    TASK_CHILD,        // CREATE_CHILD_SA: another child SA
    TASK_REKEY_CHILD,  // CREATE_CHILD_SA with REKEY_SA
    TASK_REKEY_IKE,    // CREATE_CHILD_SA for the IKE SA itself
    TASK_DELETE_CHILD, // INFORMATIONAL with DELETE
    TASK_DELETE_IKE,
    TASK_PROBE,     // INFORMATIONAL, empty: are you there?
    TASK_MOVE,      // INFORMATIONAL with UPDATE_SA_ADDRESSES: these addresses count now
    TASK_WHERE,     // INFORMATIONAL with COOKIE2: are you where you say?
    TASK_ADDRESSES, // INFORMATIONAL with ADDITIONAL_*_ADDRESS
    TASK_REDIRECT,  // INFORMATIONAL with REDIRECT
    TASK_KINDS,
};

struct nonce {
    uint16_t len; // NONCE_MIN..NONCE_MAX once there is one
    uint8_t at[NONCE_MAX];
};
err_t nonce_take(struct nonce *n, span_t s); // ERR_SYNTAX
static inline span_t nonce_span(const struct nonce *n)
{
    return span(n->at, n->len);
}
// The lower of two, as RFC 7296 2.8.1 compares them.
const struct nonce *nonce_lower(const struct nonce *a, const struct nonce *b);

// What we have offered and the secrets behind it, until the answer is here.
struct offer {
    struct proposals *proposals; // proposals_keep()
    struct nonce nonce;
    struct ke *ke;             // owned; NULL without a key exchange
    uint64_t spi;              // ours: of the child SA (inbound) or of the new IKE SA
    uint8_t proto;             // child SA: enum xfrm_proto
    uint16_t cpi;              // ours, of IPComp; 0 = not offered
    uint32_t reqid;            // child SA: held; 0 once the child has it
    enum xfrm_mode mode;       // asked for
    bool whole;                // ... IP-TFS, without pieces of packets
    struct ts_list *tsi, *tsr; // ts_keep(); NULL for an IKE SA
};

// What the answer said, while additional key exchanges follow it (RFC 9370).
struct agreement {
    struct proposal chosen;
    struct nonce nonce; // the peer's
    struct ts_list tsi, tsr;
    enum xfrm_mode mode;
    bool peer_no_tfc, peer_whole, with_ke;
    uint16_t cpi; // the peer's, of IPComp; 0 = none
    struct secret shared;
    struct chain chain;
};

// A packet waits for a child SA.
struct acquired {
    uint32_t seq; // of the executor's ACQUIRE; 0: no packet waits
    bool of_cpu;  // ... of this CPU, which has no SA of its own (RFC 9611)
    uint32_t cpu;
    bool known; // what it looks like:
    struct ts src, dst;
};

// The peer has rekeyed the same SA while our own request was under way (RFC 7296 2.8.1, 2.8.2).
struct rival {
    bool known;
    uint32_t id; // of the SA that the peer's exchange made; 0 = none yet
    struct nonce lowest;
};

struct task {
    struct task *next;
    enum task_kind kind;
    uint64_t not_before; // monotonic ns; 0 = now
    unsigned tries;      // refusals with TEMPORARY_FAILURE or INVALID_KE_PAYLOAD so far
    uint32_t child_id;   // REKEY_CHILD, DELETE_CHILD: which
    uint32_t spi;        // DELETE_CHILD: one that exists at the peer only; 0 = child_id counts
    uint8_t protocol;    // ... and its enum protocol
    uint16_t ke_wanted;  // the group the peer asked for; 0 = our first choice
    uint16_t notify;     // DELETE_IKE: an error to tell as well; 0 = none
    struct conn *conn;   // AUTH, CHILD: what to make (counted)
    const struct conf_child *conf;
    struct acquired acquired;
    struct offer *offer;      // owned
    struct agreement *agreed; // owned; NULL before the answer
    struct rival rival;
    uint32_t deleted_spi; // CHILD, REKEY_CHILD: the peer has closed this before its answer came
    struct waiter *waiters;
};

void agreement_free(struct agreement *a); // wipes; NULL is fine
void offer_free(struct offer *o);         // likewise

struct task *task_new(enum task_kind kind); // NULL when out of memory
// Frees the task and wipes its offer. Its waiters must have been told, its SPI given back.
void task_free(struct task *t);
// The child to make; takes a reference of conn.
void task_set_child(struct task *t, struct conn *conn, const struct conf_child *conf);

struct queue {
    struct task *first;
    unsigned n;
};
// One peer cannot make us queue without end; a user neither.
#define QUEUE_MAX 1024
err_t queue_push(struct queue *q, struct task *t); // takes t. ERR_LIMIT: t is still the caller's
void queue_push_front(struct queue *q, struct task *t);
// Takes the first task that is due out of the queue, among the kinds of the set 1 << kind.
struct task *queue_take(struct queue *q, uint64_t now, unsigned kinds);
void queue_drop(struct queue *q, struct task *t); // takes it out, does not free
// Earliest not_before in the future among the kinds; UINT64_MAX = none.
uint64_t queue_due(const struct queue *q, unsigned kinds);
struct task *queue_find(const struct queue *q, enum task_kind kind, uint32_t child_id);
struct task *queue_find_child(const struct queue *q, const char *child); // a TASK_CHILD by name
