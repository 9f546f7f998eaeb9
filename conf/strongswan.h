// strongswan.h - strongswan.conf: what charon's settings mean here. Those that have a counterpart
// are read, all others are named, so that nobody relies on them unknowingly.
#pragma once

#include "base/text.h"
#include "conf/config.h"

#define STRONGSWAN_CONF "/etc/strongswan.conf"

// Seconds are charon's; the values of an empty file are charon's defaults.
struct strongswan {
    double retransmit_timeout, retransmit_base, keep_alive;
    uint32_t retransmit_tries, half_open_timeout, delete_rekeyed_delay;
    uint32_t cookie_threshold, cookie_threshold_ip, half_open_max, block_threshold; // 0: no limit
    uint32_t fragment_size;
    uint32_t port, port_nat_t; // 0 = not given
    bool initiator_only;       // nobody may call us
    bool rsa_pss;              // PSS first wherever `auth` leaves it open
    bool hash_and_url;         // look up certificates that peers name so
    bool follow_redirects;
    bool make_before_break; // reauthentication; no: the old IKE SA goes first
    bool farp;              // the plugin farp is loaded
    bool libipsec;          // the plugin kernel-libipsec: its words for acquires
    bool udp_esp;           // kernel-libipsec without raw_esp: ESP always in UDP
    bool ocsp, crl;         // plugin revocation: ask at all?
    struct text unused;     // "charon.threads, charon.plugins.farp.x"; settings without effect
};

// Reads a file and what it includes. strongswan_done() also after an error. Mistakes of the grammar
// and values that make no sense are reported like those of swanctl.conf. Errors: ERR_NOTFOUND,
// ERR_PERMISSION, ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM.
err_t strongswan_load(const char *path, struct strongswan *out, struct conf_issues *issues);
struct strongswan strongswan_default(void);
void strongswan_done(struct strongswan *s);
