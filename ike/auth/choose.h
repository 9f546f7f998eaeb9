// choose.h - which connection is meant: by addresses, algorithms and identities, best fit first, as
// strongSwan chooses (RFC 7296 2.15, 3.5).
#pragma once

#include "ike/sa/ike_sa.h"

// Our own identity in a local section: the configured one, or our address.
struct id choose_local_id(const struct conf_side *local, const ip_t *ip);
// Can this identity be named to a peer, or is it a pattern?
bool choose_is_exact(const struct id *id);

// Of a method in an AUTH payload.
enum conf_auth choose_kind(uint8_t method);

// What a responder has heard.
struct choice {
    const struct id *idi, *idr; // idr NULL: not sent
    enum conf_auth by;          // the kind of proof
    bool alone;                 // by EAP: it proves us, too, and the peer can do with that
    const struct id *eap_id;    // whom EAP has named; NULL: nobody yet
    const struct conn *like;    // we have proved ourselves as this one wants it; NULL: not yet
    bool relayed;               // a RADIUS server has proved it: so the connection must have it
    bool more;                  // another round follows (RFC 4739)
};
// Of those that have not been tried yet (opening). NULL: none fits, and the sentence says what came
// nearest.
struct conn *choose_conn(const struct ike_sa *sa, const struct choice *want, struct why *why);
