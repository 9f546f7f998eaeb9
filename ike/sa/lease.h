// lease.h - an address for a client that comes from a DHCP server (pools = dhcp): what the diplomat
// asks of struct env, and what it hears. Whoever asks the server has the lease, and sees to it that
// it lasts; the diplomat knows it by its number and says when it is not needed any more.
#pragma once

#include "cred/id.h"
#include "ike/sa/work.h"

#define LEASE_SERVERS_MAX 8 // name servers of one kind that a client is told of

struct dhcp_lease {
    uint32_t id; // 0: none
    ip_t ip;
    unsigned dns_n, nbns_n;
    ip_t dns[LEASE_SERVERS_MAX], nbns[LEASE_SERVERS_MAX];
};

struct dhcp_ask {
    struct ike_work w; // first: a pointer to it is one to the whole. `run` is nobody's business
    struct ike *ike;
    struct id who; // the client, proved
    ip_t wish;     // IPv4; all zero: any
    // Other IKE SAs of this client will go: it may have an address that one of them still has. One
    // that it asks for by its number it may have in any case.
    bool shares;
    // ---- the answer, before ike_work_done() ----
    err_t err;
    struct why why;
    struct dhcp_lease lease; // held once more for this ask; id 0 after an error
};
