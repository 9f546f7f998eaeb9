// method.h - what the methods of EAP share. Inside eap/ only.
#pragma once

#include <stdatomic.h>

#include "base/secret.h"
#include "eap/eap.h"
#include "eap/mschap.h"

#define EAP_CODE_REQUEST 1
#define EAP_CODE_RESPONSE 2
#define EAP_CODE_SUCCESS 3
#define EAP_CODE_FAILURE 4
#define EAP_HEAD_LEN 4

#define EAP_CHALLENGE_LEN 16 // ours, in MD5 and MSCHAPv2
#define EAP_NAME_LEN_MAX 255 // of who has sent a challenge; not looked at

struct eap_mschapv2 {
    enum { MSCHAP_NEW, MSCHAP_ASKED, MSCHAP_PROVED, MSCHAP_REFUSED } at;
    uint8_t id; // MS-CHAPv2-ID
    uint8_t server[MSCHAP_CHALLENGE_LEN], peer[MSCHAP_CHALLENGE_LEN];
    uint8_t hash[MSCHAP_HASH_LEN], response[MSCHAP_RESPONSE_LEN];
};

struct eap {
    atomic_uint refs; // holders beside the first
    struct eap_terms terms;
    enum eap_state state;
    const struct eap_method *method; // NULL: none yet
    bool begun;                      // the other side takes part in it: another one is too late
    bool done;       // server: the peer has proved itself; peer: it would believe a Success
    unsigned rounds; // requests
    uint64_t tried;  // server: methods, as a set
    uint8_t id;      // of the last request
    span_t in;       // the packet under way; borrowed
    struct id peer;  // server: who the peer says it is
    bool aliased;    // ... by a name that it was given, `alias`
    struct id alias;
    struct why why;
    uint8_t msk[EAP_MSK_MAX];
    size_t msk_len;
    bool relayed;         // a RADIUS server has the methods (relay.h)
    uint8_t asks;         // type of the server's last request
    uint8_t relayed_type; // ... and this one is under way; EAP_ANY: none yet
    size_t out_len;
    uint8_t *long_out; // what it has said, instead of `out`; NULL: nothing
    uint8_t out[EAP_SEND_MAX];
    unsigned said_n;
    char said[EAP_SAID_MAX][224];
    union { // of the method; zero when it begins
        uint8_t challenge[EAP_CHALLENGE_LEN];
        struct eap_mschapv2 mschap;
        struct eap_tls *tls;
        struct simaka *simaka;
    } own;
};

// What follows the type in a packet goes in and out. An error is the end of the conversation, with
// a sentence in e->why. Nothing written after e->done: Success.
struct eap_method {
    uint8_t type;
    const char *keyword, *name;
    bool alone, certs, tunnel;                // tunnel: another conversation goes on inside
    bool (*can)(const struct eap *e);         // is there what it takes? NULL: always
    err_t (*begin)(struct eap *e, wr_t *out); // server
    err_t (*serve)(struct eap *e, span_t in, wr_t *out);  // server: a response
    err_t (*answer)(struct eap *e, span_t in, wr_t *out); // peer: a request
    void (*end)(struct eap *e);                           // NULL: nothing to give back
};
extern const struct eap_method eap_md5, eap_gtc, eap_mschapv2, eap_tls, eap_ttls, eap_peap, eap_sim,
    eap_aka, eap_aka_prime;
const struct eap_method *eap_method_of(uint8_t type);          // NULL: none
bool eap_may(const struct eap *e, const struct eap_method *m); // by the terms

void eap_say(struct eap *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Why it will fail; what has been said first counts.
void eap_because(struct eap *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void eap_random(struct eap *e, void *out, size_t n);
// The password that we share with this one, who is the peer. ERR_NOTFOUND.
err_t eap_secret(const struct eap *e, const struct id *who, struct secret *out);
// ... as an NT hash.
err_t eap_nt_hash(const struct eap *e, const struct id *who, uint8_t out[MSCHAP_HASH_LEN]);

// server.c, peer.c: a packet whose header is good.
void server_take(struct eap *e, uint8_t code, uint8_t id, span_t body);
void peer_take(struct eap *e, uint8_t code, uint8_t id, span_t body);
// Begins a packet; the header is completed by the second.
wr_t packet_begin(struct eap *e, uint8_t code, uint8_t id, uint8_t type); // type 0: none
void packet_end(struct eap *e, const wr_t *w);
void eap_fail(struct eap *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
