// conns.h - the connections in force: in the order of the configuration, by name, and those that a
// peer's address or identity may lead to. Thousands of them cost a stranger's message no walk:
// those for one address, or one identity, are found by it, and of those for anybody that say the
// same to who has not said who it is, the first one speaks for all.
#pragma once

#include "ike/sa/conn.h"

struct conns {
    struct conn *first; // in order
    struct index by_name, by_peer, by_id, by_looks;
    struct conn *any_peer; // in order: those that by_peer does not have, the first of each kind
    struct conn *any_id;   // in order: those that neither by_peer nor by_id has
};

// Copies of all connections. ERR_NOMEM; with or without an error, conns_done().
err_t conns_make(const struct config *config, struct conns *out);
void conns_done(struct conns *c);

struct conn *conns_named(const struct conns *c, const char *name); // NULL if none

// Those that may be meant, in order; conn_fit() and id_match() say whether they are.
struct conns_walk {
    const struct index_place *of_id, *of_peer;
    struct conn *any;
    bool by_id;
};
// Before the peer has said who it is. c->alike: how many others an entry stands for.
struct conn *conns_for_peer(const struct conns *c, const ip_t *peer, struct conns_walk *w);
// Of those that are for this address, too.
struct conn *conns_for_id(const struct conns *c, const struct id *id, const ip_t *peer,
                          struct conns_walk *w);
struct conn *conns_next(struct conns_walk *w);
