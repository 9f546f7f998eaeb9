// ppk.h - post-quantum preshared keys, so that who breaks the key exchange later reads no traffic.
// Who opens offers the key of its connection (ppk_id; by RFC 9867 all that a pattern there fits);
// who answers takes any that it has, or those of the connection only. Two ways; who opens says
// which (ppk_exchange), and who answers takes the first where it may:
//   RFC 9867  settled in the last IKE_INTERMEDIATE, mixed into all keys: IKE_AUTH is covered, too
//   RFC 8784  settled in IKE_AUTH, mixed into SK_d, SK_pi and SK_pr: covers what comes behind it
#pragma once

#include "conf/config.h"
#include "ike/codec/msg.h"
#include "ike/sa/ike_sa.h"

// In one message: what is offered, and what of a stranger's offer is looked at.
#define PPK_OFFERS_MAX 8

// ---- IKE_SA_INIT: USE_PPK, USE_PPK_INT, as far as we have a key for this -----------------------
bool ppk_needs_intermediate(const struct ike_sa *sa);           // initiator: is it to be said?
void ppk_offer(const struct ike_sa *sa, struct msgw *m);        // initiator
void ppk_hear(struct ike_sa *sa, const struct msg *in);         // both
void ppk_answer_offer(const struct ike_sa *sa, struct msgw *m); // responder, after ppk_hear()

// ---- IKE_INTERMEDIATE (ppk_int.c) --------------------------------------------------------------
// Is it still to be settled there which key is used?
bool ppk_is_due(const struct ike_sa *sa);
// Initiator, in the last of them.
err_t ppk_put_offers(const struct ike_sa *sa, struct msgw *m);
// Initiator: which one the responder has taken; *out NULL: none, and that is fine. ERR_AUTH with a
// sentence: none, but one is required; ERR_SYNTAX: one that we did not offer.
err_t ppk_taken(struct ike_sa *sa, const struct msg *in, const struct conf_psk **out,
                struct why *why);
// Responder: takes one of those offered and says so; *out NULL: we have none of them.
err_t ppk_take_offer(struct ike_sa *sa, const struct msg *in, struct msgw *m,
                     const struct conf_psk **out);

// ---- IKE_AUTH ----------------------------------------------------------------------------------
// Initiator, before its first IKE_AUTH: makes the proof that holds without the key, if that is
// enough for our user, and mixes the key in. Errors: ERR_AGAIN (a work was started, which calls
// `done`); ERR_NOTFOUND, ERR_CLOSED with a sentence: the connection requires one, and there is
// none.
err_t ppk_begin(struct ike_sa *sa, const struct id *peer, void (*done)(struct ike_sa *sa),
                struct why *why);
void ppk_put(const struct ike_sa *sa, struct msgw *m); // ... in it
// ... and when it is answered, before the responder's proof is looked at: was the key used?
// ERR_AUTH.
err_t ppk_answered(struct ike_sa *sa, const struct msg *in, struct why *why);

// Responder, before it looks at the initiator's proof. Without the key *proof becomes what was made
// without it. May be called again for the same message. ERR_AUTH with a sentence.
err_t ppk_take(struct ike_sa *sa, const struct msg *in, span_t *proof, struct why *why);
// Another connection is tried: what was decided for the one before is void.
void ppk_forget(struct ike_sa *sa);
void ppk_confirm(struct ike_sa *sa, struct msgw *m); // in its first IKE_AUTH

// ---- what ppk.c and ppk_int.c share ------------------------------------------------------------
// The key of this name; NULL: we have none.
const struct conf_psk *ppk_find(const struct ike_sa *sa, span_t name);
// Its name among those that the connection's ppk_id means; NULL: none.
const struct id *ppk_name_for(const struct conf_conn *conf, const struct conf_psk *ppk);
// The same for people; buf is returned.
const char *ppk_name_show(span_t name, char buf[ID_TEXT_MAX]);
// The peer has one that we do not know: the story has its name.
void ppk_tell_unknown(const struct ike_sa *sa, span_t name);
// May this connection have a key of this name, of those that we have?
bool ppk_may_be(const struct ike_sa *sa, const struct conf_conn *conf, span_t name);
// It is in the keys of this IKE SA now, by this way. ERR_NOMEM.
err_t ppk_note(struct ike_sa *sa, enum ppk_way way, span_t name);
// Nothing came of it: ERR_OK if the connection can do without, else err with a sentence.
err_t ppk_do_without(const struct ike_sa *sa, err_t err, const char *reason, struct why *why);
// PPK_ID (RFC 8784 5.1) of a name, in buf; and the name in what a peer sent, empty: none of ours.
#define PPK_ID_LEN_MAX (1 + ID_MAX)
span_t ppk_id_write(span_t name, uint8_t buf[PPK_ID_LEN_MAX]);
span_t ppk_id_read(span_t data);
