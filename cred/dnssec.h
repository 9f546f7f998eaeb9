// dnssec.h - asking DNS what only DNSSEC makes credible (RFC 4033): an interface, so that a daemon
// can decide where the waiting is done, and an implementation with libunbound, which validates
// every answer from a trust anchor down.
#pragma once

#include "base/cursor.h"

#define DNSSEC_NAME_MAX 253 // characters
#define DNSSEC_RRS_MAX 8    // records of one answer that are looked at
#define DNSSEC_RR_LEN_MAX 16384
#define DNSSEC_TIMEOUT_MS 5000 // of one question; a peer waits for its answer meanwhile

// Data of the records, on the heap; dnssec_answer_done() frees. n is not 0 on success.
struct dnssec_answer {
    unsigned n;
    struct {
        uint8_t *at;
        size_t len;
    } rr[DNSSEC_RRS_MAX];
};
void dnssec_answer_done(struct dnssec_answer *a);

// Which records are asked for at all.
struct dnssec_source {
    void *ctx;
    bool ipseckey, cert;
    // type: rdata.h. name: dnssec_can_ask(). Any thread; may wait. Only an answer that DNSSEC has
    // proved is one. Errors, with a sentence: ERR_NOTFOUND (it is proved, or said, that there is
    // none), ERR_AUTH (not signed, or tampered with), ERR_TIMEOUT, ERR_LIMIT, ERR_NOMEM,
    // ERR_SYSTEM.
    err_t (*ask)(void *ctx, const char *name, uint16_t type, struct dnssec_answer *out,
                 struct why *why);
};

// Is it the name of a host: letters, digits, '-', '_' and dots in their places? Whoever claims
// another one shall not have us ask for it.
bool dnssec_can_ask(const char *name);

// ---- with libunbound: its cache keeps answers as long as they and their signatures are good ----
struct dnssec;
#define DNSSEC_RESOLV_CONF "/etc/resolv.conf"
// resolv_conf: whose name servers are asked; anchors: DS or DNSKEY records in the format of zone
// files. Both are read when the first question is asked; resolv_conf anew when it has changed.
// ERR_NOMEM.
err_t dnssec_new(const char *resolv_conf, const char *anchors, struct dnssec **out);
void dnssec_free(struct dnssec *d); // nobody may be asking; NULL is fine
// As dnssec_source's ask; ctx is a struct dnssec.
err_t dnssec_ask(void *ctx, const char *name, uint16_t type, struct dnssec_answer *out,
                 struct why *why);
