// config.h - what a swanctl.conf says, typed, checked and with defaults filled in. Immutable after
// loading. Everything lives in the config's arena: config_free() frees it all (secrets wiped).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"
#include "cred/id.h"
#include "cred/rules.h"
#include "crypto/alg.h"

#define CONF_PROPOSALS_MAX 32
#define CONF_TRANSFORMS_MAX 40
#define CONF_LIST_MAX 32
#define CONF_ROUNDS_MAX 7     // additional key exchanges of a proposal
#define CONF_REPLAY_MAX 4096  // packets of the largest replay window
#define CONF_VIPS_MAX 8       // virtual IP addresses of one IKE SA
#define CONF_POOLS_MAX 8      // pools of one connection
#define CONF_POOL_DHCP "dhcp" // ... this one is no section: a DHCP server has the addresses
#define CONF_ATTRS_MAX 64     // attributes of one pool, each value counted
#define CONF_ATTR_LEN 255     // bytes of one attribute's value: a DNS name, with room

// One proposal string, e.g. "aes256gcm16-prfsha384-ecp384".
struct conf_proposal {
    unsigned n;
    const struct alg *alg[CONF_TRANSFORMS_MAX];
    // Of a key exchange: 0 = the first one, n = the nth additional one (RFC 9370: "ke1_mlkem768").
    uint8_t round[CONF_TRANSFORMS_MAX];
    uint8_t without; // set of 1 << n: the nth may be left out ("ke1_none")
    bool esn, noesn; // ESP: keyword given
};
struct conf_proposals {
    bool ah; // of AH; else of ESP or IKE
    unsigned n;
    struct conf_proposal p[CONF_PROPOSALS_MAX];
    char *text[CONF_PROPOSALS_MAX]; // as written
};

// local_addrs / remote_addrs: one entry.
struct conf_host {
    bool any; // %any, %any4, %any6 (family set for the latter two; AF_UNSPEC otherwise)
    uint16_t family;
    ip_t lo, hi; // one address (lo == hi), a prefix or a range
    char *name;  // a DNS name to resolve when needed; else NULL
};

enum conf_auth { CONF_AUTH_PSK = 1, CONF_AUTH_PUBKEY, CONF_AUTH_NULL, CONF_AUTH_EAP };
// Which keys and hashes may sign: "rsa-3072-sha384".
struct conf_auth_rules {
    bool given;
    bool pkcs1; // RSA only without PSS
    struct key_rules rules;
};
struct creds;      // creds.h: certificates and private keys
struct side_creds; // ... of one side of a connection
// What becomes of a certificate that may have been revoked and of which nothing can be learnt.
enum conf_revocation { CONF_REVOCATION_RELAXED, CONF_REVOCATION_IFURI, CONF_REVOCATION_STRICT };
#define CONF_POOL_RADIUS "radius" // not a pool: the address that a RADIUS server has for the client
#define CONF_POLICIES_MAX 8
#define CONF_GROUPS_MAX 16
// Rounds of authentication of one side: each costs a round trip and a proof.
#define CONF_SIDES_MAX 4

struct conf_side {          // local {} / remote {}: one round
    struct conf_side *next; // the round that follows (RFC 4739); NULL: none
    enum conf_auth auth;
    bool id_given;
    struct id id; // local default: our address or our certificate's subject; remote: %any
    // EAP:
    uint8_t eap; // the method (enum eap_type); 0: whatever both sides can
    bool radius; // remote: a RADIUS server has the methods (strongswan.conf)
    bool eap_id_given, aaa_id_given;
    struct id eap_id; // local: whom we say we are; remote: whom the peer must be, ID_ANY: is asked
    struct id aaa_id; // local: whom EAP's server must be, where it is not whom IKE has proved
    // Public keys:
    struct conf_auth_rules ike_rules, chain_rules; // of AUTH, of certificates
    enum conf_revocation revocation;
    bool ca_id_given;
    struct id ca_id; // of an authority that must have its part in it
    unsigned policy_n;
    char *policy[CONF_POLICIES_MAX]; // OIDs, one of which the certificate must be good for
    unsigned group_n;
    char *group[CONF_GROUPS_MAX];   // of attribute certificates, in one of which the peer must be
    const struct side_creds *creds; // what was in the files (creds.h); NULL: none
};

// local_ts / remote_ts: one entry; "dynamic" becomes the IKE SA's own address at negotiation.
struct conf_ts {
    bool dynamic;
    ip_t lo, hi;
    uint8_t proto;
    uint16_t port_lo, port_hi;
};

enum conf_mode { CONF_TUNNEL, CONF_TRANSPORT, CONF_BEET, CONF_IPTFS, CONF_PASS, CONF_DROP };
enum conf_start { CONF_NONE, CONF_TRAP, CONF_START, CONF_TRAP_START };
enum conf_dpd_action { CONF_CLEAR, CONF_DPD_TRAP, CONF_RESTART };

// Which way the DSCP field of inner headers goes (RFC 2983): to the outer one, from it, both.
enum conf_dscp { CONF_DSCP_OUT, CONF_DSCP_IN, CONF_DSCP_BOTH, CONF_DSCP_NO };

struct conf_mark {
    uint32_t value, mask; // mask 0 and value 0: none
    bool same;            // as mark_in or mark_out
};
// Marks and interface ids that are not given but chosen: one for each child SA (of a connection's:
// each IKE SA), or one for each of its directions.
#define CONF_EACH_SA 0xffffffffU
#define CONF_EACH_DIR 0xfffffffeU

struct conf_child {
    char *name;
    uint64_t print; // the same as long as all that is written in its section is (tree_print)
    struct conf_proposals esp; // or AH
    unsigned local_n, remote_n;
    struct conf_ts local_ts[CONF_LIST_MAX], remote_ts[CONF_LIST_MAX];
    uint64_t rekey_s, life_s, rand_s;                   // seconds; 0 = never
    uint64_t rekey_bytes, life_bytes, rand_bytes;       // 0 = no limit
    uint64_t rekey_packets, life_packets, rand_packets; // 0 = no limit
    enum conf_mode mode;
    enum conf_start start_action, close_action;
    enum conf_dpd_action dpd_action;
    uint32_t reqid;    // 0 = chosen by the daemon
    uint32_t priority; // 0 = computed
    uint32_t replay_window;
    uint32_t mark_in, mark_in_mask, mark_out, mark_out_mask; // or CONF_EACH_*
    uint32_t if_id_in, if_id_out;                            // 0: the connection's
    bool mark_in_sa;                                         // mark_in on the inbound SA, too
    char *interface;                                         // of outbound policies; NULL: any
    bool icmp;             // ICMP errors about what the selectors name pass, whoever sends them
    bool policies;         // install policies (default yes)
    bool policies_fwd_out; // also such that let what is to be protected be forwarded
    char *updown;          // script, or NULL
    bool hostaccess;
    bool copy_df, copy_ecn;
    int per_cpu; // bool: each CPU may have a pair of SAs of its own (RFC 9611)
    bool sha256_96;
    bool ipcomp;                  // RFC 3173, if the peer does it, too
    uint64_t inactivity_s;        // closed after so long without a packet; 0 = never
    uint32_t tfc_padding;         // ESP packets are at least so long; UINT32_MAX: as the path takes
    struct conf_mark output_mark; // of ESP packets
    struct conf_mark input_mark;  // of what comes out of them
    enum conf_dscp copy_dscp;
    char *label; // of its selectors (RFC 9478), which only says that it is meant; NULL: none
};
#define CONF_LABEL_MAX 255 // bytes of a label

// IP-TFS (RFC 9347), for all children with mode = iptfs: charon.iptfs of strongswan.conf.
struct conf_iptfs {
    uint32_t drop_time_us;   // inbound: a missing packet is waited for so long
    uint32_t reorder_window; // ... and overtaken by so many
    uint32_t init_delay_us;  // outbound: the first packet waits so long for company
    uint32_t max_queue;      // bytes that may wait
    uint32_t packet_size;    // of outer packets, header and all; 0: what the path takes
    bool accept_fragments;   // no: the peer is asked to send packets whole
    bool dont_frag;          // we send them whole, whatever the peer takes
};
#define CONF_IPTFS_DEFAULT                                                  \
    {                                                                       \
        .drop_time_us = 1000000, .reorder_window = 3, .max_queue = 1 << 20, \
        .accept_fragments = true                                            \
    }

// IKE messages in pieces (RFC 7383). ACCEPT: understood, but not sent.
enum conf_fragmentation {
    CONF_FRAGMENTATION_NO,
    CONF_FRAGMENTATION_YES,
    CONF_FRAGMENTATION_ACCEPT
};
// IKE SAs that begin without a child SA (RFC 6023). PREFER, FORCE: the first one comes by an
// exchange of its own, with keys of its own.
enum conf_childless {
    CONF_CHILDLESS_ALLOW,
    CONF_CHILDLESS_PREFER,
    CONF_CHILDLESS_FORCE,
    CONF_CHILDLESS_NEVER
};
enum conf_unique { CONF_UNIQUE_NO, CONF_UNIQUE_NEVER, CONF_UNIQUE_KEEP, CONF_UNIQUE_REPLACE };

// OCSP answers in IKE (RFC 4806): ours for whoever asks, the peer's.
enum conf_ocsp { CONF_OCSP_REPLY, CONF_OCSP_REQUEST, CONF_OCSP_BOTH, CONF_OCSP_NEVER };

enum conf_send_cert { CONF_SEND_IFASKED, CONF_SEND_ALWAYS, CONF_SEND_NEVER };

// Where a PPK is agreed on: in IKE_INTERMEDIATE where the peer can (RFC 9867), else in IKE_AUTH
// (RFC 8784); or in one of them only.
enum conf_ppk_exchange { CONF_PPK_AUTO, CONF_PPK_BEST, CONF_PPK_AUTH, CONF_PPK_INTERMEDIATE };

struct conf_conn {
    char *name;
    unsigned local_addr_n, remote_addr_n;
    struct conf_host local_addr[CONF_LIST_MAX], remote_addr[CONF_LIST_MAX];
    uint16_t local_port, remote_port; // 500; 4500 when told so
    struct conf_proposals ike;
    struct conf_side local, remote;
    uint64_t rekey_s, over_s, rand_s, reauth_s;
    uint64_t dpd_delay_s; // 0 = no dead-peer detection of our own
    uint32_t keyingtries; // 0 = for ever
    enum conf_unique unique;
    enum conf_fragmentation fragmentation;
    bool encap;  // force UDP encapsulation
    bool mobike; // RFC 4555
    enum conf_childless childless;
    uint8_t dscp; // of IKE packets
    enum conf_send_cert send_cert;
    bool send_certreq;
    enum conf_ocsp ocsp;
    struct id
        ppk_id; // PPK by its bytes, or by a pattern; ID_ANY: none as initiator, any as responder
    bool ppk_required;
    enum conf_ppk_exchange ppk_exchange;
    const struct creds *creds; // counted by whoever copies it; NULL if no files were read
    uint64_t since;            // as long as this is the same, so is all the rest but creds
    uint64_t print;            // ... so is all that is written in its section, but for its children
    uint32_t if_id_in, if_id_out; // or CONF_EACH_*
    // Client: addresses to ask the peer for; all zero: any of that family.
    unsigned vip_n;
    ip_t vip[CONF_VIPS_MAX];
    // Gateway: names of the pools that its clients' addresses come from; or CONF_POOL_DHCP.
    unsigned pool_n;
    char *pool[CONF_POOLS_MAX];
    unsigned child_n;
    struct conf_child *child;
};

struct conf_psk {
    char *name;
    span_t secret;
    unsigned owner_n;
    struct id owner[CONF_LIST_MAX];
};

// pools { <name> { ... } }: virtual IP addresses for clients, and what else they are told.
struct conf_attr {
    uint16_t type; // IANA "IKEv2 Configuration Payload Attribute Types"
    span_t value;  // as it is sent
};
struct conf_pool {
    char *name;
    ip_t lo, hi; // inclusive; AF_UNSPEC: attributes only
    unsigned attr_n;
    struct conf_attr attr[CONF_ATTRS_MAX];
};

// pavise { executor = ... }: who moves the packets. AUTO: pavise-xfrmd if it runs, else the kernel.
enum conf_executor { CONF_EXEC_AUTO, CONF_EXEC_PAVISE, CONF_EXEC_KERNEL };

struct config {
    struct arena arena;
    unsigned holds;       // holders beside the first; all in one thread
    unsigned held_n;      // what this one borrows from (parts.h)
    struct config **held; // ... and holds
    unsigned conn_n, psk_n, ppk_n, eap_n, ntlm_n, pool_n;
    struct conf_conn *conn;
    struct conf_psk *psk;
    struct conf_psk *ppk;  // owners: its names
    struct conf_psk *eap;  // passwords
    struct conf_psk *ntlm; // NT hashes of such
    struct conf_pool *pool;
    struct creds *creds; // a hold of ours
    // The section "pavise", which strongSwan ignores:
    enum conf_executor executor;
    uint16_t port, port_nat_t; // 500, 4500: where we listen
    uint32_t fwmark;           // on the executor's own packets; 0 = the daemon's default
    char *vici_socket;         // path; VICI_SOCKET of vici/msg.h by default
    // Client: do virtual addresses go on a device of this host, and on which (NULL: the executor's
    // TUN device, else lo)? The file that gets the gateway's name servers, "" = none.
    bool install_virtual_ip;
    char *install_virtual_ip_on;
    char *resolv_conf;
};

// One mistake (or warning) and where it is. Strings live in the list's arena.
struct conf_issue {
    const char *file;
    unsigned line, column;
    const char *token; // what stands there
    const char *what;  // what is wrong
    const char *hint;  // what to write instead
    bool warning;
    unsigned file_no;   // 0 = the first file read
    const char *source; // the line as it stands there; NULL if it might show a secret
};
struct conf_issues {
    struct arena arena;
    // Before reading: algorithms that RFC 8247 and 8221 forbid are warned of, not refused.
    bool legacy;
    unsigned n, cap, errors;
    struct conf_issue *issue;
};

// Reads a file (includes followed) and reports every mistake, not only the first. *out is set only
// if there was no error (warnings are fine): nothing is ever half-loaded.
// Errors: ERR_SYNTAX (see issues), ERR_NOTFOUND / ERR_PERMISSION (an issue names the file),
// ERR_NOMEM.
err_t config_load(const char *path, struct config **out, struct conf_issues *issues);
// As much of a file as can be understood, whatever else is wrong, and without what its credentials
// are: for who wants to know what the file names (scripts, pools), and uses no connection of it.
// Errors: ERR_SYNTAX (braces do not balance), ERR_NOTFOUND, ERR_PERMISSION, ERR_NOMEM.
err_t config_load_outline(const char *path, struct config **out);
// config_load() of text in memory (tests, fuzzing); includes are refused.
err_t config_load_text(const char *name, span_t text, struct config **out,
                       struct conf_issues *issues);
struct config *config_hold(struct config *c); // one more holder; returns c
void config_free(struct config *c);           // one holder less; the last wipes. NULL is fine
void conf_issues_done(struct conf_issues *issues);
const struct conf_conn *config_conn(const struct config *c, const char *name);
// The key of a child that only the kernel can carry out, and why pavise-xfrmd cannot. NULL: none.
const char *config_kernel_only(const struct conf_child *c, const char **why);
const struct conf_pool *config_pool(const struct config *c, const char *name);
// Is CONF_POOL_DHCP among its pools? before: how many stand before it.
bool conf_conn_asks_dhcp(const struct conf_conn *c, unsigned *before);
bool config_asks_dhcp(const struct config *c); // any of its connections
