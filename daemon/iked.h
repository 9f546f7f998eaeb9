// iked.h - what the parts of pavise-iked share. One thread: the event loop's.
#pragma once

#include <pthread.h>

#include "base/loop.h"
#include "conf/config.h"
#include "conf/strongswan.h"
#include "daemon/executor.h"
#include "daemon/iked_options.h"
#include "ike/ike.h"
#include "vici/server.h"

struct dhcp;
struct farp;
struct given;
struct hold;
struct iked_act;
struct iked_listing;
struct keylog;
struct loaded;
struct network;
struct net;
struct radius;
struct radius_acct;
struct radius_dae;
struct reload;
struct resolver;
struct routes;
struct scripts;
struct story;
struct works;

struct iked {
    struct iked_options options;
    struct strongswan strongswan;
    struct loop *loop;
    struct vici_server *vici; // NULL before the daemon is up
    struct ike *ike;
    struct net *net;
    struct executor executor;
    struct resolver *resolver;
    struct network *network;
    struct routes *routes; // NULL: the executor sees to them, or nobody shall
    struct works *works;
    struct radius *radius;     // NULL: no RADIUS servers are configured
    struct radius_acct *acct;  // NULL: nobody is accounted for
    struct radius_dae *dae;    // NULL: RADIUS servers cannot disconnect anybody
    struct keylog *keylog;     // NULL = off
    struct story *story;       // what has been told; NULL: not started
    struct scripts *scripts;   // NULL: the configuration at the start had none
    struct dhcp *dhcp;         // NULL: no addresses from DHCP servers
    struct farp *farp;         // NULL: ARP is answered for nobody
    struct hold *hold;         // what waits for scripts; NULL: there are none
    struct loop_timer *ticker; // for ike_next()
    struct loaded *loaded;     // what config is made of
    struct config *config;     // in force
    struct reload *reload;     // under way; NULL = none
    struct loop_timer *names_timer;
    uint64_t names_sum;    // names.c
    uint64_t started_s;    // seconds since 1970
    uint64_t started_ns;   // monotonic
    struct given *given;   // what gateways have given this host; NULL: nothing can be installed
    uint64_t leases_saved; // pools_version() of what is in the file
    struct loop_timer *leases_timer;
    bool leases_due;               // it is armed
    struct iked_act *acts;         // commands under way (commands_act.c)
    struct iked_listing *listings; // likewise (list_sas.c)
    uint64_t alert_second;         // alerts told in this second
    unsigned alerts;
    bool telling;    // a line of the story is being logged: clients have it already
    bool configured; // a configuration has come into force
    bool stopping;
    bool leaving; // ... but the tunnels stay
    pthread_t thread;
};

// ike_next() may have changed: call after everything that lets the diplomat act.
void iked_rearm(struct iked *d);
