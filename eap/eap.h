// eap.h - the Extensible Authentication Protocol (RFC 3748): one conversation, of a server or of a
// peer, as a state machine. Packets in, packets out, and at its end a key that both sides have.
//
// It waits for nobody but, in TLS, for servers that know about revoked certificates; so whoever
// has it runs it in any thread, one at a time.
#pragma once

#include "cred/id.h"
#include "cred/psk.h"
#include "cred/tls.h"
#include "eap/sim.h"

#define EAP_SEND_MAX 1100U  // bytes of a packet of ours: IKE's messages pass any path with it
#define EAP_TAKE_MAX 8192U  // ... and of the other side's
#define EAP_ROUNDS_MAX 100U // requests of one conversation; chains of certificates take some 20
#define EAP_MSK_MAX 64U
#define EAP_KINDS_MAX 10
#define EAP_SAID_MAX 6 // sentences of one step

enum eap_type {
    EAP_ANY = 0, // in configuration: what both sides can
    EAP_IDENTITY = 1,
    EAP_NOTIFICATION = 2,
    EAP_NAK = 3,
    EAP_MD5 = 4,
    EAP_GTC = 6,
    EAP_TLS = 13,
    EAP_SIM = 18,
    EAP_TTLS = 21,
    EAP_AKA = 23,
    EAP_PEAP = 25,
    EAP_MSCHAPV2 = 26,
    EAP_AKA_PRIME = 50,
};

// By its name in swanctl.conf, "md5"; EAP_ANY: no such method here.
uint8_t eap_by_name(const char *name, size_t len);
const char *eap_keyword(uint8_t type); // "md5"; NULL: no such method here
#define EAP_NAME_MAX 16
const char *eap_name(uint8_t type, char buf[EAP_NAME_MAX]); // "EAP_MD5", "EAP_231"
// rfc5998 4: does the method prove both sides, give a key, and tell nobody enough to guess
// passwords by? Others (MSCHAPv2 for the last reason) may only be used with a server that has
// proved itself in another way.
bool eap_may_be_alone(uint8_t type);
bool eap_takes_cert(uint8_t type); // does the server prove itself with a certificate?
bool eap_needs_cert(uint8_t type); // and the peer, too?

struct eap_terms {
    bool server;
    bool alone;                   // nothing else proves who the server is: eap_may_be_alone()
    uint8_t method;               // the only one; EAP_ANY: those of `order`
    uint8_t order[EAP_KINDS_MAX]; // server: as it likes them; peer: those that it would do
    unsigned order_n;
    uint8_t in_ttls, in_peap; // server: the method inside; EAP_ANY: those of passwords
    bool prefer_peer;         // server: takes what the peer likes best of those
    struct id us;             // whom we say that we are
    struct id other;          // the other side: a server, or before it has said so a peer
    // Of swanctl.conf's secrets: passwords, and NT hashes of such. Both counted.
    struct psk_store *secrets, *hashes;
    struct simcards *sim;        // EAP-SIM and AKA: what is known of them; NULL: nothing. Counted
    struct sim_settings sim_set; // ... and how they are done
    uint64_t now_s;              // wall clock, of sequence numbers
    struct tls_terms tls;
    void (*random)(void *out, size_t n); // NULL: the system's
};

enum eap_state {
    EAP_RUNS,
    EAP_KNOWS,     // server: the peer has said who it is; eap_begin() goes on
    EAP_SUCCEEDED, // server: when what it has to say has been sent
    EAP_FAILED,
};

struct eap;

// Takes references of what the terms count. NULL: out of memory.
struct eap *eap_new(const struct eap_terms *terms);
struct eap *eap_ref(struct eap *e); // one more holder, of whom one at a time uses it; returns e
void eap_free(struct eap *e);       // one holder less; the last wipes. NULL is fine
// For a server that has learnt who the peer is: other terms before the first method.
void eap_set_terms(struct eap *e, const struct eap_terms *terms);

// Server: asks who the peer is, or begins with the first method at once. What is to be sent is
// eap_packet(). ERR_NOCHOICE: no method may be used.
err_t eap_ask(struct eap *e);
err_t eap_begin(struct eap *e);
// A packet of the other side. What is to be sent is eap_packet(), if that is not empty; what has
// become of it eap_state(). Never fails: what is wrong with it is a failure of the conversation.
void eap_take(struct eap *e, span_t packet);

enum eap_state eap_state(const struct eap *e);
span_t eap_packet(const struct eap *e);         // borrowed until the next step
const struct why *eap_why(const struct eap *e); // why it has failed
// EAP_SUCCEEDED: the key, empty if the method gives none. Borrowed.
span_t eap_msk(const struct eap *e);
uint8_t eap_method(const struct eap *e);        // the one under way, or the last one
const struct id *eap_peer(const struct eap *e); // server: who the peer says it is
// The sentences of the last step, for the log.
unsigned eap_said_n(const struct eap *e);
const char *eap_said(const struct eap *e, unsigned i);

// What a peer calls itself in EAP, as an identity. ERR_SYNTAX: empty, or what stands for many.
err_t eap_identity(span_t text, struct id *out);
