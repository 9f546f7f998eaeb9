// natd.h - is there a NAT between us? (RFC 7296 2.23)
#pragma once

#include "ike/codec/msg.h"
#include "ike/sa/ike_sa.h"

// Must the executor's lack of raw ESP, or `encap = yes`, make the peer believe in a NAT?
bool natd_forced(const struct ike_sa *sa);
// NAT_DETECTION_SOURCE_IP and _DESTINATION_IP. spi_r is 0 in the first request.
void natd_put(struct ike_sa *sa, struct msgw *m);
// The same in any later message, for the addresses that it goes from and to (RFC 4555 3.8).
void natd_put_at(struct ike_sa *sa, struct msgw *m, const endpoint_t *from, const endpoint_t *to);
// Compares the peer's hashes with the addresses that the message came with.
void natd_take(struct ike_sa *sa, const struct msg *in, const struct datagram *d);
// A later message with both hashes decides anew whether there is a NAT; one without changes
// nothing.
void natd_take_again(struct ike_sa *sa, const struct msg *in, const struct datagram *d);
// The initiator's move to port 4500, where NATs are looked after and ESP fits in.
void natd_float(struct ike_sa *sa);
