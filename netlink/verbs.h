// verbs.h - inside dispatch: one function per request type.
#pragma once

#include "netlink/dispatch.h"

// A request being served.
struct request {
    struct dispatch *d;
    struct dispatch_peer *peer;
    const struct nlmsghdr *h;
    struct why why;  // the extended-ack text of a refusal; empty: none
    uint32_t offset; // of the attribute that is to blame, in the request; 0: none
};

// Every verb returns 0 or the errno that the kernel answers.
typedef int verb_fn(struct request *r);

verb_fn verb_sa_put;   // NEWSA, UPDSA
verb_fn verb_sa_del;   // DELSA
verb_fn verb_sa_get;   // GETSA
verb_fn verb_sa_spi;   // ALLOCSPI
verb_fn verb_sa_flush; // FLUSHSA
verb_fn verb_sa_expire;
verb_fn verb_sa_ae_get; // GETAE
verb_fn verb_sa_ae_set; // NEWAE
verb_fn verb_sa_info;   // GETSADINFO

verb_fn verb_policy_put; // NEWPOLICY, UPDPOLICY
verb_fn verb_policy_del;
verb_fn verb_policy_get;
verb_fn verb_policy_flush;
verb_fn verb_policy_expire;
verb_fn verb_policy_info;        // GETSPDINFO
verb_fn verb_policy_thresholds;  // NEWSPDINFO
verb_fn verb_policy_default_get; // GETDEFAULT
verb_fn verb_policy_default_set; // SETDEFAULT
verb_fn verb_migrate;
verb_fn verb_acquire;

// The errno of an error class in an answer about SAs or policies (missing: ESRCH or ENOENT).
int verb_errno(err_t e, int missing);
// Finds words for a refusal that has none yet.
void verb_explain(struct request *r, int error);
// Answers with m and returns 0, or ENOBUFS if it has overrun.
int verb_reply(struct request *r, const struct message *m);
// What GETSADINFO and GETSPDINFO ask for.
err_t verb_counts(struct request *r, uint32_t *flags, struct xfrm_counts *counts);
// The id of a reply to this request.
struct message_id verb_id(const struct request *r);
