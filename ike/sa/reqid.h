// reqid.h - reqids: the number that ties a policy to the SAs which may serve it. One for each
// configured child; a peer of a connection that many peers share gets its own.
#pragma once

#include "base/heap.h"
#include "ike/sa/conn.h"
#include "ike/sa/index.h"

struct reqids {
    const struct xfrm_api *xfrm;
    struct reqid_entry *first;
    struct index by_owner, by_number;
    uint32_t last;      // highest given out; 0 = the executor has not been looked at yet
    struct heap vacant; // given out and back again, up to it
};

err_t reqids_init(struct reqids *r, const struct xfrm_api *xfrm); // ERR_NOMEM
// The reqid of a child and a hold on it. peer: NULL for connections with one peer. The first
// hold settles the number: the configured one, or one that nobody uses in the executor either (SAs
// and policies of an earlier run must not be mixed up with ours). 0 when out of memory.
uint32_t reqid_get(struct reqids *r, const struct conn *conn, const struct conf_child *child,
                   const endpoint_t *peer);
void reqid_hold(struct reqids *r, uint32_t reqid);
// Ends a hold. Numbers of connections with one peer stay theirs for ever; of the others the lowest
// that is vacant is given out next, as by strongSwan. 0 is fine.
void reqid_put(struct reqids *r, uint32_t reqid);
// Has a child of a connection with one peer its number already?
bool reqid_settled(const struct reqids *r, const struct conn *conn, const struct conf_child *child);
// Gives a child the number that its policy in the executor has already. ERR_EXISTS: it has one.
err_t reqid_adopt(struct reqids *r, const struct conn *conn, const struct conf_child *child,
                  uint32_t reqid);
// Whose number is it? Names, valid until the next call here. ERR_NOTFOUND.
err_t reqid_owner(const struct reqids *r, uint32_t reqid, const char **conn, const char **child);
void reqids_done(struct reqids *r);
