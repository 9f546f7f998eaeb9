// trap.h - policies that stand without an SA: traps (the first packet asks for one, RFC 4301 4.4.2
// "acquire") and shunts (bypass and discard).
#pragma once

#include "ike/sa/conn.h"
#include "ike/sa/steering.h"

struct ike;

struct traps {
    struct trap *first; // the latest first
    struct index by_name;
    uint32_t last_id;
};
err_t traps_init(struct traps *t); // ERR_NOMEM

// Is the mode of this child a shunt, which is never negotiated?
static inline bool trap_is_shunt(const struct conf_child *child)
{
    return child->mode == CONF_PASS || child->mode == CONF_DROP;
}
// Installs the trap or shunt of a child; it takes the place of an earlier one of the same name.
// Errors: no address to reach the peer at, or the executor's; with a sentence.
// Gives a child of a connection with one peer the reqid of its policies in the executor, if an
// earlier run has left any: what is on its way between the two hosts then still finds its policy.
void trap_inherit_reqid(struct ike *ike, struct conn *conn, const struct conf_child *child,
                        const ip_t *local, const ip_t *remote);
err_t trap_install(struct ike *ike, struct conn *conn, const struct conf_child *child,
                   struct why *why);
// The same by command: it stays until another command, as long as there is the child.
err_t trap_ask(struct ike *ike, struct conn *conn, const struct conf_child *child, struct why *why);
// Removes those of a child, by command. conn NULL: of every connection. Returns how many.
unsigned trap_remove(struct ike *ike, const char *conn, const char *child);
// How its packets are steered; NULL: there is no such trap.
const struct steering *trap_steering(const struct ike *ike, const char *conn, const char *child);
// *reqid (may be NULL): of its SAs; 0: a shunt.
bool trap_is_there(const struct ike *ike, const char *conn, const char *child, uint32_t *reqid);
// Removes the traps and shunts of connections that are no longer in force (struct ike conns).
void trap_prune(struct ike *ike);
void traps_remove(struct ike *ike); // all
void traps_done(struct traps *t);   // forgets all; leaves the executor alone
// A trap whose packets say who the peer is: transport mode, and remote_addrs names no host.
bool trap_is_for_anybody(const struct conn *conn, const struct conf_child *child);
