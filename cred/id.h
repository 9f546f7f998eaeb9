// id.h - identities, RFC 7296 3.5, and how swanctl.conf writes and matches them.
#pragma once

#include <stdbool.h>

#include "base/addr.h"
#include "base/cursor.h"

enum id_type {
    ID_ANY = 0, // "%any": matches everybody; never on the wire
    ID_IPV4_ADDR = 1,
    ID_FQDN = 2,
    ID_RFC822_ADDR = 3,
    ID_IPV6_ADDR = 5,
    ID_DER_ASN1_DN = 9,
    ID_DER_ASN1_GN = 10,
    ID_KEY_ID = 11,
    ID_NULL = 13, // RFC 7619: nobody in particular; empty on the wire
};

#define ID_MAX 256 // bytes; longer ones are refused

// Copied by value.
struct id {
    uint8_t type;
    uint16_t len;
    uint8_t data[ID_MAX];
};

// From swanctl.conf text, by strongSwan's rules: "10.0.0.1", "moon.example.org", "@fqdn",
// "alice@example.org", "@#6b6579" (key id in hex), "@@user@fqdn", "C=CH, CN=moon", "%any"; or with
// the type before it ("fqdn:", "dns:", "email:", "rfc822:", "userfqdn:", "ipv4:", "ipv6:",
// "asn1dn:", "asn1gn:", "keyid:"), where "#" behind the colon means hex: "keyid:#6b6579".
// Two things are kinder than there: "ipv4:10.0.0.1" is the address (not eight characters), and a
// broken distinguished name is an error (not a key id).
// Errors: ERR_SYNTAX, ERR_SPACE, ERR_UNSUPPORTED (a network as identity).
err_t id_parse(const char *text, struct id *out, struct why *why);
// What a peer sent; never gives ID_ANY. Errors: ERR_SYNTAX (wrong length, empty, a terminator in a
// name, broken DER), ERR_SPACE, ERR_UNSUPPORTED (unknown type).
err_t id_from_wire(uint8_t type, span_t data, struct id *out);
struct id id_from_ip(const ip_t *ip); // ID_ANY for AF_UNSPEC
// The same for identities that id_eq() calls equal. key: secret and random (base/siphash.h).
uint64_t id_hash(const struct id *id, const uint8_t key[16]);
bool id_eq(const struct id *a, const struct id *b); // FQDN and e-mail domain ignore case
// How well the wire identity fits a configured pattern: 0 = not at all; larger = more specific
// ("%any" 1, "*.example.org" 2, exact 3).
// Wildcards in `wire` are plain characters: only the configuration may have them.
unsigned id_match(const struct id *pattern, const struct id *wire);
bool id_is_pattern(const struct id *id); // "%any" or a wildcard: not to be sent
// As strongSwan prints it. buf of ID_TEXT_MAX is returned; unprintable bytes are escaped.
#define ID_TEXT_MAX (4 * ID_MAX + 8)
const char *id_show(const struct id *id, char buf[ID_TEXT_MAX]);
// The same without its type, as names are said in EAP and to RADIUS servers; borrowed from either.
span_t id_name(const struct id *id, char buf[ID_TEXT_MAX]);
const char *id_type_name(uint8_t type); // "ID_FQDN"
