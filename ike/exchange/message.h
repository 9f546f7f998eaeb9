// message.h - writing our messages payload by payload, and reading what most exchanges share.
#pragma once

#include "ike/codec/msg.h"
#include "ike/sa/ike_sa.h"

// Begins a message of this IKE SA in ike->out. All exchanges but IKE_SA_INIT are encrypted.
void message_begin(struct ike_sa *sa, struct msgw *m, enum exchange x, bool response, uint32_t id);

// Ends it: *out is what ike_sa_send() takes, in pieces where it is long and the peer can put them
// together (RFC 7383). It borrows memory of the diplomat until the next message is finished.
err_t message_finish(struct ike_sa *sa, struct msgw *m, span_t *out);

// Tells which payloads a message has: ours, or the peer's when it has been opened.
void message_tell(struct ike_sa *sa, const struct msg *m, bool ours);

void put_sa(struct msgw *m, const struct proposals *ps);
void put_one_sa(struct msgw *m, const struct proposal *chosen); // the answer to an SA payload
void put_ke(struct msgw *m, uint16_t method, span_t value);
void put_nonce(struct msgw *m, const struct nonce *n);
void put_id(struct msgw *m, enum payload_type type, const struct id *id);
void put_ts(struct msgw *m, enum payload_type type, const struct ts_list *ts,
            span_t label); // empty: none
void put_notify(struct msgw *m, uint16_t type, span_t data);
void put_notify_spi(struct msgw *m, uint16_t type, uint8_t protocol, uint32_t spi);

// The payloads of these types, which the step table has found to be there.
err_t take_sa(const struct msg *in, struct proposals *out);
err_t take_nonce(const struct msg *in, struct nonce *out);
err_t take_ke(const struct msg *in, struct kex *out);
err_t take_ts(const struct msg *in, enum payload_type type, struct ts_list *out);

// Proposals as configured. ike: the IKE SA's, with an 8-byte SPI (0: none, in IKE_SA_INIT).
void propose_ike(const struct conf_proposals *conf, uint64_t spi, struct proposals *out);
// ESP or AH; with_ke: key exchange methods are offered (not in IKE_AUTH).
void propose_child(const struct conf_proposals *conf, uint32_t spi, bool with_ke,
                   struct proposals *out);
// proposal_choose(), by whose preference the settings say.
err_t propose_choose(const struct ike *ike, struct proposals *ours, const struct proposals *theirs,
                     bool ignore_ke, struct proposal *chosen);
// The first key exchange method offered that this machine knows; KE_NONE if there is none.
uint16_t propose_ke(const struct proposals *ps);
bool propose_has_extra(const struct proposals *ps); // additional ones (RFC 9370)
bool propose_has_ke(const struct proposals *ps, uint16_t method);
