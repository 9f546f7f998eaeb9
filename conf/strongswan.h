// strongswan.h - strongswan.conf: what charon's settings mean here. Those that have a counterpart
// are read, all others are named, so that nobody relies on them unknowingly.
#pragma once

#include "base/text.h"
#include "conf/config.h"
#include "eap/eap.h"
#include "radius/conf.h"

#define STRONGSWAN_CONF "/etc/strongswan.conf"

// A logger. Levels are charon's, from -1 (silent) to 4, for each of its subsystems that has a
// counterpart here.
#define STRONGSWAN_LOGS_MAX 4
enum strongswan_group { SWAN_DMN, SWAN_IKE, SWAN_CFG, SWAN_KNL, SWAN_NET, SWAN_GROUPS };
struct strongswan_log {
    char *path;        // NULL: syslog
    char *facility;    // of syslog
    char *time_format; // strftime(3); NULL: no time
    bool milliseconds, append, names;
    signed char level[SWAN_GROUPS];
};

// Plugin dhcp: addresses for clients from a DHCP server (pools = dhcp).
struct strongswan_dhcp {
    bool load;                     // the plugin is loaded
    bool identity_lease;           // a client's hardware address is made of its identity
    bool use_server_port;          // a relay sends from port 67, too
    bool force_server;             // RELEASE goes to `server` as well
    char *server_text, *interface; // NULL: not given
    ip_t server;                   // 255.255.255.255: who is there
};

// Seconds are charon's; the values of an empty file are charon's defaults.
struct strongswan {
    double retransmit_timeout, retransmit_base, keep_alive;
    double retransmit_limit, retry_initiate_interval; // 0: none
    uint32_t retransmit_tries, half_open_timeout, delete_rekeyed_delay;
    uint32_t retransmit_jitter;                                    // percent
    uint32_t cookie_threshold, cookie_threshold_ip, half_open_max; // 0: no limit
    uint32_t block_threshold, ikesa_limit;                         // 0: no limit
    bool dos_protection; // no: neither cookies nor block_threshold
    uint32_t spi_min, spi_max;
    struct conf_iptfs iptfs;
    struct strongswan_dhcp dhcp;
    uint32_t fragment_size;
    uint32_t port, port_nat_t; // 0 = not given
    bool initiator_only;       // nobody may call us
    bool rsa_pss;              // PSS first wherever `auth` leaves it open
    bool hash_and_url;         // look up certificates that peers name so
    bool make_before_break;    // reauthentication; no: the old IKE SA goes first
    bool inactivity_close_ike, close_ike_on_child_failure, reuse_ikesa;
    bool multiple_authentication, signature_authentication, send_vendor_id;
    bool prefer_configured_proposals, ignore_acquire_ts;
    bool install_virtual_ip;
    bool install_routes;                        // with the kernel as executor
    uint32_t routing_table, routing_table_prio; // 0 = not given
    uint32_t fwmark;                            // of IKE packets; 0 = not given
    char *install_virtual_ip_on;                // strings: NULL = not given
    char *vici_socket;                          // as a path
    char *resolv_conf;
    struct config *attributes;        // its one pool: what every client is told; NULL: nothing
    uint8_t eap_order[EAP_KINDS_MAX]; // eap-dynamic: as a server likes them; none: as we do
    unsigned eap_order_n;
    uint8_t eap_in_ttls, eap_in_peap; // phase2_method of eap-ttls, eap-peap; 0: not given
    bool eap_prefer_user;             // ... but the client's choice goes first
    struct radius_conf radius;        // plugin eap-radius; no servers: not given
    struct sim_settings sim;          // plugins eap-sim, eap-aka, and those of theirs
    char *triplets;                   // eap-sim-file: the file; NULL: not given
    bool whitelist;                   // plugin whitelist: only listed identities may call
    uint16_t tls_min, tls_max;        // libtls, in EAP; 0: not given
    char *tls_suites;                 // NULL: not given
    bool follow_redirects;
    bool farp;             // the plugin farp is loaded
    bool connmark;         // the plugin connmark is
    bool libipsec;         // the plugin kernel-libipsec: its words for acquires
    bool udp_esp;          // kernel-libipsec without raw_esp: ESP always in UDP
    bool ocsp, crl;        // plugin revocation: ask at all?
    bool enforce_critical; // X.509: refuse critical extensions that are not understood
    bool addrblock_strict; // RFC 3779: refuse who has no blocks below an authority that has some
    // Names with commas or blanks between them; NULL: not given.
    char *interfaces_use, *interfaces_ignore;
    // Plugins ipseckey, dnscert and unbound: keys and certificates of peers from DNSSEC.
    bool ipseckey, dnscert;
    char *dns_resolv_conf; // whose name servers are asked; NULL: the host's
    char *dns_anchors;     // NULL only if neither plugin is enabled
    bool cert_cache;       // may judge the same certificates once in a while
    bool cache_crls;       // put lists that were fetched into x509crl
    unsigned log_n;
    struct strongswan_log log[STRONGSWAN_LOGS_MAX];
    char *syslog_ident;
    bool journal_given; // levels of what goes to stderr, and so into the journal
    struct strongswan_log journal;
    struct arena arena; // of the strings
    struct text unused; // "charon.threads, charon.plugins.farp.x"; settings without effect
};

// Reads a file and what it includes. strongswan_done() also after an error. Mistakes of the grammar
// and values that make no sense are reported like those of swanctl.conf. Errors: ERR_NOTFOUND,
// ERR_PERMISSION, ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM.
err_t strongswan_load(const char *path, struct strongswan *out, struct conf_issues *issues);
struct strongswan strongswan_default(void);
// Can the triplets of EAP-SIM be read? ERR_OK also where there are none and none are named. Errors
// with a sentence that names the file.
err_t strongswan_triplets(const struct strongswan *s, struct why *why);
void strongswan_done(struct strongswan *s);
