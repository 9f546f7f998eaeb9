// stranger.h - dealing with messages that nothing authenticates: who may open a conversation, what
// is answered outside of any IKE SA, and how much to believe (RFC 7296 1.5, 2.6, 2.21.1, 2.21.4).
#pragma once

#include "ike/codec/msg.h"
#include "ike/sa/ike_sa.h"

// Limits on half-open IKE SAs. true: the request was answered with a cookie, or dropped.
bool stranger_must_wait(struct ike *ike, const struct datagram *d, const struct msg *m);
// A major version that is not ours.
void stranger_version(struct ike *ike, const struct datagram *d, const struct ike_header *h);
// No IKE SA has this SPI.
void stranger_unknown(struct ike *ike, const struct datagram *d, const struct ike_header *h);
// An answer to IKE_SA_INIT that would end the attempt, but may be forged: it counts only if
// nothing better comes within a moment.
void stranger_doubt(struct ike_sa *sa, err_t err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
