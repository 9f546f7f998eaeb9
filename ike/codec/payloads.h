// payloads.h - the small payloads. Each has its reader and writer side by side in <name>.c.
// All readers take the body (generic header off), borrow from it, allocate nothing.
#pragma once

#include "base/addr.h"
#include "base/cursor.h"
#include "cred/id.h"

// ---- Key Exchange, RFC 7296 3.4 (kex.c) ----
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |   Key Exchange Method Num     |           RESERVED            |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                       Key Exchange Data                       ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct kex {
    uint16_t method; // IANA "Transform Type 4" number
    span_t data;
};
err_t kex_read(span_t body, struct kex *out); // ERR_SHORT, ERR_SYNTAX (no data)
void kex_write(wr_t *w, const struct kex *k);

// ---- Identification, 3.5 (ident.c); struct id is cred/id.h ----
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |   ID Type     |                 RESERVED                      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                   Identification Data                         ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
err_t ident_read(span_t body, struct id *out); // ERR_SHORT, ERR_SYNTAX, ERR_SPACE, ERR_UNSUPPORTED
void ident_write(wr_t *w, const struct id *id);

// ---- Authentication, 3.8 (authp.c) ----
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Auth Method   |                RESERVED                       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                      Authentication Data                      ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
enum auth_method {
    AUTH_RSA = 1,
    AUTH_PSK = 2,
    AUTH_ECDSA_256 = 9, // RFC 4754: curve and hash go together
    AUTH_ECDSA_384 = 10,
    AUTH_ECDSA_521 = 11,
    AUTH_NULL = 13,      // RFC 7619
    AUTH_SIGNATURE = 14, // RFC 7427
};
struct authp {
    uint8_t method;
    span_t data;
};
err_t authp_read(span_t body, struct authp *out); // ERR_SHORT, ERR_SYNTAX (no data)
void authp_write(wr_t *w, const struct authp *a);

// What the data of AUTH_SIGNATURE is made of (RFC 7427 3).
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | ASN.1 Length  | AlgorithmIdentifier ASN.1 object              |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                         Signature Value                       ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct authp_signature {
    span_t algorithm; // DER
    span_t value;
};
err_t authp_signature_read(span_t data, struct authp_signature *out); // ERR_SHORT, ERR_SYNTAX
void authp_signature_write(wr_t *w, const struct authp_signature *s);

// ---- Certificate, 3.6, and Certificate Request, 3.7 (certp.c) ----
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Cert Encoding |                                               |
// +-+-+-+-+-+-+-+-+                                               |
// ~            Certificate Data / Certification Authorities       ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
enum cert_encoding {
    CERT_X509 = 4,             // one certificate, DER
    CERT_CRL = 7,              // one CRL, DER
    CERT_ATTRIBUTE = 10,       // one attribute certificate, DER (RFC 5755)
    CERT_HASH_URL = 12,        // SHA-1 of a certificate, and where it can be fetched
    CERT_HASH_URL_BUNDLE = 13, // ... of a bundle of them
    CERT_OCSP = 14,            // an OCSP answer, DER (RFC 4806)
    CERT_RAW_KEY = 15,         // SubjectPublicKeyInfo, DER (RFC 7670)
};
struct certp {
    uint8_t encoding;
    span_t data;
};
err_t certp_read(span_t body, struct certp *out); // ERR_SHORT, ERR_SYNTAX (no data)
void certp_write(wr_t *w, const struct certp *c);

#define KEY_HASH_LEN 20        // SHA-1 of a SubjectPublicKeyInfo, of a certificate
#define CERT_URL_MAX 1024      // bytes; what is longer is not meant to be fetched
#define CERTREQ_KEYS_MAX 1024U // authorities of one request; more is ERR_LIMIT
struct certp_url {
    span_t hash; // KEY_HASH_LEN
    span_t url;  // printable ASCII that begins with "http://"; not terminated
};
// The data of CERT_HASH_URL and CERT_HASH_URL_BUNDLE. ERR_SHORT, ERR_SYNTAX (not a URL of the one
// scheme that must be known), ERR_LIMIT.
err_t certp_url_read(span_t data, struct certp_url *out);

struct certreq {
    uint8_t encoding;
    // CERT_X509 and the two with a URL: hashes of authorities, one behind the other; CERT_OCSP: of
    // signers of answers, perhaps none
    span_t keys;
};
// ERR_SHORT, ERR_SYNTAX (a hash is cut off), ERR_LIMIT. Of other encodings the rest is opaque.
err_t certreq_read(span_t body, struct certreq *out);
void certreq_write(wr_t *w, const struct certreq *c);
bool certreq_has(const struct certreq *c, const uint8_t hash[KEY_HASH_LEN]);

// ---- Nonce, 3.9 (nonce.c): 16..256 bytes, else ERR_SYNTAX ----
#define NONCE_MIN 16
#define NONCE_MAX 256
err_t nonce_read(span_t body, span_t *out);

// ---- Notify, 3.10 (notify.c) ----
#define NOTIFY_LIST(X)                        \
    X(UNSUPPORTED_CRITICAL_PAYLOAD, 1)        \
    X(INVALID_IKE_SPI, 4)                     \
    X(INVALID_MAJOR_VERSION, 5)               \
    X(INVALID_SYNTAX, 7)                      \
    X(INVALID_MESSAGE_ID, 9)                  \
    X(INVALID_SPI, 11)                        \
    X(NO_PROPOSAL_CHOSEN, 14)                 \
    X(INVALID_KE_PAYLOAD, 17)                 \
    X(AUTHENTICATION_FAILED, 24)              \
    X(SINGLE_PAIR_REQUIRED, 34)               \
    X(NO_ADDITIONAL_SAS, 35)                  \
    X(INTERNAL_ADDRESS_FAILURE, 36)           \
    X(FAILED_CP_REQUIRED, 37)                 \
    X(TS_UNACCEPTABLE, 38)                    \
    X(INVALID_SELECTORS, 39)                  \
    X(UNACCEPTABLE_ADDRESSES, 40)             \
    X(UNEXPECTED_NAT_DETECTED, 41)            \
    X(TEMPORARY_FAILURE, 43)                  \
    X(STATE_NOT_FOUND, 47)                    \
    X(CHILD_SA_NOT_FOUND, 44)                 \
    X(INITIAL_CONTACT, 16384)                 \
    X(SET_WINDOW_SIZE, 16385)                 \
    X(ADDITIONAL_TS_POSSIBLE, 16386)          \
    X(TS_MAX_QUEUE, 48)                       \
    X(SA_RESOURCE_INFO, 16444)                \
    X(IPCOMP_SUPPORTED, 16387)                \
    X(NAT_DETECTION_SOURCE_IP, 16388)         \
    X(NAT_DETECTION_DESTINATION_IP, 16389)    \
    X(COOKIE, 16390)                          \
    X(USE_TRANSPORT_MODE, 16391)              \
    X(HTTP_CERT_LOOKUP_SUPPORTED, 16392)      \
    X(REKEY_SA, 16393)                        \
    X(ESP_TFC_PADDING_NOT_SUPPORTED, 16394)   \
    X(NON_FIRST_FRAGMENTS_ALSO, 16395)        \
    X(MOBIKE_SUPPORTED, 16396)                \
    X(ADDITIONAL_IP4_ADDRESS, 16397)          \
    X(ADDITIONAL_IP6_ADDRESS, 16398)          \
    X(NO_ADDITIONAL_ADDRESSES, 16399)         \
    X(UPDATE_SA_ADDRESSES, 16400)             \
    X(COOKIE2, 16401)                         \
    X(NO_NATS_ALLOWED, 16402)                 \
    X(AUTH_LIFETIME, 16403)                   \
    X(MULTIPLE_AUTH_SUPPORTED, 16404)         \
    X(ANOTHER_AUTH_FOLLOWS, 16405)            \
    X(REDIRECT_SUPPORTED, 16406)              \
    X(REDIRECT, 16407)                        \
    X(REDIRECTED_FROM, 16408)                 \
    X(EAP_ONLY_AUTHENTICATION, 16417)         \
    X(CHILDLESS_IKEV2_SUPPORTED, 16418)       \
    X(QUICK_CRASH_DETECTION, 16419)           \
    X(IKEV2_MESSAGE_ID_SYNC_SUPPORTED, 16420) \
    X(IKEV2_FRAGMENTATION_SUPPORTED, 16430)   \
    X(SIGNATURE_HASH_ALGORITHMS, 16431)       \
    X(USE_PPK, 16435)                         \
    X(PPK_IDENTITY, 16436)                    \
    X(NO_PPK_AUTH, 16437)                     \
    X(INTERMEDIATE_EXCHANGE_SUPPORTED, 16438) \
    X(ADDITIONAL_KEY_EXCHANGE, 16441)         \
    X(USE_AGGFRAG, 16442)                     \
    X(USE_PPK_INT, 16445)                     \
    X(PPK_IDENTITY_KEY, 16446)                \
    X(USE_BEET_MODE, 40961) /* of the private range: strongSwan's */
enum notify_type {
#define X(name, number) N_##name = number,
    NOTIFY_LIST(X)
#undef X
};
#define NOTIFY_STATUS_FIRST 16384 // below: errors
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |  Protocol ID  |   SPI Size    |      Notify Message Type      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                Security Parameter Index (SPI)                 ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                       Notification Data                       ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct notify {
    uint16_t type;
    uint8_t protocol; // enum protocol, 0 = about the IKE SA or nothing
    uint8_t spi_len;  // 0, 4 or 8
    uint64_t spi;
    span_t data;
};
err_t notify_read(span_t body, struct notify *out); // ERR_SHORT, ERR_SYNTAX (SPI size)
void notify_write(wr_t *w, const struct notify *n);
const char *notify_name(uint16_t type, char buf[40]); // "NO_PROPOSAL_CHOSEN", "notify 12345"
struct msg;
// The first Notify of a type in a message. ERR_NOTFOUND. Malformed ones are skipped.
err_t notify_find(const struct msg *m, uint16_t type, struct notify *out);
// The first error Notify (type < 16384). ERR_NOTFOUND.
err_t notify_find_error(const struct msg *m, struct notify *out);

// ---- Delete, 3.11 (delete.c) ----
#define DELETE_SPIS_MAX 256
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Protocol ID   |   SPI Size    |          Num of SPIs          |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~               Security Parameter Index(es) (SPI)              ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct delete_payload {
    uint8_t protocol;
    uint8_t spi_len;
    unsigned n;
    uint32_t spi[DELETE_SPIS_MAX]; // ESP/AH; none for IKE
};
// ERR_SHORT, ERR_SYNTAX (protocol, SPI size or count), ERR_LIMIT (over DELETE_SPIS_MAX).
err_t delete_read(span_t body, struct delete_payload *out);
void delete_write(wr_t *w, const struct delete_payload *d);

// ---- Traffic Selectors, 3.13 (ts.c: wire, ts_narrow.c: arithmetic, ts_show.c: text) ----
#define TS_MAX 64 // selectors of one payload

//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Number of TSs |                 RESERVED                      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                       <Traffic Selectors>                     ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// One selector:
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | TS Type 7, 8  |IP Protocol ID |       Selector Length         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |           Start Port          |           End Port            |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                         Starting Address                      ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                         Ending Address                        ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// ICMP and ICMPv6: the "port" is the type in the high and the code in the low byte (RFC
// 4301 4.4.1.1).
struct ts {
    uint8_t proto;             // 0 = any
    uint16_t port_lo, port_hi; // 0..65535 = any; 65535..0 = OPAQUE
    ip_t lo, hi;               // inclusive range, same family
};
struct ts_list {
    unsigned n;
    struct ts ts[TS_MAX];
};
// A copy on the heap that is no longer than its entries, for what is kept long: read through the
// pointer, copied by ts_copy() only. NULL: out of memory.
struct ts_list *ts_keep(const struct ts_list *l);
void ts_copy(struct ts_list *to, const struct ts_list *from);
// In strongSwan's order of what it lists: IPv4 first, by address, the wider first; then by protocol
// and port.
void ts_sort(struct ts_list *l);
// Selectors of unknown type are skipped: the list may be empty.
// ERR_SHORT, ERR_TRAILING, ERR_SYNTAX (none at all, lo > hi), ERR_LIMIT (over TS_MAX).
err_t ts_read(span_t body, struct ts_list *out);
// label: one selector more (RFC 9478); empty: none.
void ts_write(wr_t *w, const struct ts_list *l, span_t label);
// The labels of a payload that ts_read() has found good, one by one, without the NUL at the end
// that text may have. *i: 0 at the first; ERR_NOTFOUND: no more. Borrowed.
err_t ts_next_label(span_t body, unsigned *i, span_t *label);
// Narrowing (RFC 7296 2.9): what both allow, in the order of `theirs` (the initiator's choice
// first), without selectors that others contain. ERR_NOCHOICE (-> TS_UNACCEPTABLE) if nothing. out
// may be one of the inputs.
err_t ts_narrow(const struct ts_list *ours, const struct ts_list *theirs, struct ts_list *out);
// Is all of inner within outer? One selector of inner may need several of outer.
bool ts_subset(const struct ts_list *inner, const struct ts_list *outer);
struct ts ts_from_prefix(const prefix_t *p); // any protocol, any port
// "10.1.0.0/16 10.2.0.1/32[tcp/80] 10.0.0.1..10.0.0.9 fec0::/64[ipv6-icmp/128]"; truncated to cap >
// 0. Returns buf.
const char *ts_show(const struct ts_list *l, char *buf, size_t cap);
// The same with single ports by their names in services(5), as swanctl shows them: tcp/http.
const char *ts_show_services(const struct ts_list *l, char *buf, size_t cap);

// ---- Configuration, 3.15 (cp.c) ----
#define CP_ATTRS_MAX 128  // attributes of one payload; a gateway's pools have room for half of it
#define CP_DOMAIN_MAX 254 // bytes of a DNS name as text (RFC 1035 2.3.4), terminated

enum cp_type { CFG_REQUEST = 1, CFG_REPLY, CFG_SET, CFG_ACK };
#define CP_ATTR_LIST(X)                                     \
    X(IP4_ADDRESS, 1, "INTERNAL_IP4_ADDRESS")               \
    X(IP4_NETMASK, 2, "INTERNAL_IP4_NETMASK")               \
    X(IP4_DNS, 3, "INTERNAL_IP4_DNS")                       \
    X(IP4_NBNS, 4, "INTERNAL_IP4_NBNS")                     \
    X(IP4_DHCP, 6, "INTERNAL_IP4_DHCP")                     \
    X(VERSION, 7, "APPLICATION_VERSION")                    \
    X(IP6_ADDRESS, 8, "INTERNAL_IP6_ADDRESS")               \
    X(IP6_DNS, 10, "INTERNAL_IP6_DNS")                      \
    X(IP6_DHCP, 12, "INTERNAL_IP6_DHCP")                    \
    X(IP4_SUBNET, 13, "INTERNAL_IP4_SUBNET")                \
    X(SUPPORTED, 14, "SUPPORTED_ATTRIBUTES")                \
    X(IP6_SUBNET, 15, "INTERNAL_IP6_SUBNET")                \
    X(IP6_LINK, 17, "INTERNAL_IP6_LINK") /* RFC 5739 */     \
    X(IP6_PREFIX, 18, "INTERNAL_IP6_PREFIX")                \
    X(DNS_DOMAIN, 25, "INTERNAL_DNS_DOMAIN") /* RFC 8598 */ \
    X(DNSSEC_TA, 26, "INTERNAL_DNSSEC_TA")
enum cp_attr_type {
#define X(name, number, text) CP_##name = (number),
    CP_ATTR_LIST(X)
#undef X
};
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |   CFG Type    |                    RESERVED                   |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// One attribute:
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |R|         Attribute Type      |            Length             |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                             Value                             ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct cp_attr {
    uint16_t type;
    span_t value; // anything: the getters below check
};
struct cp {
    uint8_t type; // enum cp_type, or what the peer sent
    unsigned n;
    struct cp_attr attr[CP_ATTRS_MAX];
};
err_t cp_read(span_t body, struct cp *out); // ERR_SHORT, ERR_LIMIT (over CP_ATTRS_MAX)
void cp_write(wr_t *w, const struct cp *c);
bool cp_add(struct cp *c, uint16_t type, span_t value); // borrows; false: no room
// The value of an attribute. ERR_SYNTAX: empty, or it is no such thing.
err_t cp_addr(const struct cp_attr *a, ip_t *out);    // ADDRESS, DNS, NBNS, DHCP
err_t cp_net(const struct cp_attr *a, prefix_t *out); // SUBNET
// A DNS name of letters, digits, '-' and '_': it may end up in a resolver's configuration.
err_t cp_domain(const struct cp_attr *a, char out[CP_DOMAIN_MAX]);
const char *cp_attr_name(uint16_t type, char buf[40]); // "INTERNAL_IP4_DNS", "attribute 28672"
