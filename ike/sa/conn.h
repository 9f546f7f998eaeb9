// conn.h - a configured connection as the diplomat keeps it: a counted copy, so that IKE SAs
// outlive the configuration they were made from.
#pragma once

#include <stdatomic.h>

#include "conf/config.h"
#include "ike/env.h"
#include "ike/sa/index.h"

struct conn {
    atomic_uint refs; // works in other threads hold it, too
    // Of those in force (conns.h):
    struct conn *next;
    unsigned place; // in the order of the configuration
    struct conn *any_peer_next, *any_id_next;
    unsigned alike; // that look like this one to who has not said who it is, and come after it
    struct index_place by_name, by_peer, by_id, by_looks;
    struct arena arena;
    bool fresh; // not in force before: what start_action says is still to be done
    struct conf_conn conf;
    // Addresses found for hosts given by name; AF_UNSPEC = none.
    ip_t named_local[CONF_LIST_MAX], named_remote[CONF_LIST_MAX];
};

// A copy with one reference. NULL when out of memory.
struct conn *conn_new(const struct conf_conn *c);
struct conn *conn_get(struct conn *c); // another reference; returns c
void conn_put(struct conn *c);         // NULL is fine

const struct conf_child *conn_child(const struct conn *c, const char *name); // NULL if none
// Asks the resolver for hosts given by name. Waits for it: never because of a packet.
void conn_resolve(struct conn *c, const struct env *env);
// How well the connection fits these addresses: 0 = not at all; larger is more specific.
unsigned conn_fit(const struct conn *c, const ip_t *local, const ip_t *remote);
// Where to call and from where. ERR_NOTFOUND, ERR_UNSUPPORTED (remote is %any), with a sentence.
err_t conn_endpoints(const struct conn *c, const struct env *env, uint16_t natt_port,
                     endpoint_t *local, endpoint_t *remote, struct why *why);
// The same to a peer that is known otherwise. ERR_NOTFOUND, with a sentence.
err_t conn_endpoints_to(const struct conn *c, const struct env *env, uint16_t natt_port,
                        const ip_t *peer, endpoint_t *local, endpoint_t *remote, struct why *why);
bool conn_names_peer(const struct conn *c);      // does remote_addrs say where to call?
uint16_t conn_peer_family(const struct conn *c); // of all peers; AF_UNSPEC: of either
bool conn_may_be_peer(const struct conn *c, const ip_t *ip);
// May an IKE SA of this connection be at this address of ours? A name stands for wherever the host
// is.
bool conn_may_be_local(const struct conn *c, const ip_t *ip);
bool conn_names_local(const struct conn *c, const ip_t *ip); // local_addrs does, not only by %any
// The one address that the peer can have; NULL: it has several, or one that may change.
const ip_t *conn_only_peer(const struct conn *c);
// Is the peer one host, known beforehand? Otherwise many may come with the same connection.
bool conn_one_peer(const struct conn *c);
