// words.h - the message catalogue: sentences of the log that people look for. strongSwan's users
// have scripts, alarms and tests that wait for these, so for these events we use its words; all
// other sentences are in our own and stand where they are said. Printf formats, so that the
// compiler checks their arguments; the comment says what they are. Any thread.
#pragma once

#include <inttypes.h>

// ---- IKE_SA_INIT
#define SAY_INITIATING "initiating IKE_SA %s[%u] to %s" // name, id, address
#define SAY_IS_INITIATING "%s is initiating an IKE_SA"  // address
#define SAY_SELECTED "selected proposal: %s:%s"         // IKE, ESP, AH; algorithms
#define SAY_OTHER_KE "peer didn't accept key exchange method %s, it requested %s"
#define SAY_NAT_HERE "local host is behind NAT, sending keep alives"
#define SAY_NAT_THERE "remote host is behind NAT"
#define SAY_NAT_FAKED "faking NAT situation to enforce UDP encapsulation"

#define SAY_REDIRECTED "redirected to %s" // address or name
#define SAY_REDIRECTED_FROM "client got redirected from %s"

// ---- messages
#define SAY_GENERATED "generating %s" // as msg_show() has it
#define SAY_PARSED "parsed %s"
#define SAY_SPLIT "splitting IKE message (%zu bytes) into %u fragments"
#define SAY_FRAGMENT "received fragment #%u of %u, waiting for complete IKE message"
#define SAY_REASSEMBLED \
    "received fragment #%u of %u, reassembled fragmented IKE message (%zu bytes)"
#define SAY_RETRANSMIT "retransmit %u of request with message ID %u"
#define SAY_GIVING_UP "giving up after %u retransmits"
#define SAY_NO_ANSWER "establishing IKE_SA failed, peer not responding"
#define SAY_ERROR_NOTIFY "received %s notify error"  // AUTHENTICATION_FAILED
#define SAY_KEEPALIVE "sending keep alive to %s[%u]" // address, port
#define SAY_DPD "sending DPD request"

// ---- IKE_AUTH
#define SAY_OUR_AUTH "authentication of '%s' (myself) with %s" // identity, method
#define SAY_OUR_SIGNATURE "authentication of '%s' (myself) with %s successful"
#define SAY_THEIR_AUTH "authentication of '%s' with %s successful" // identity, method
#define SAY_EAP_FAILED "EAP method %s failed for peer %.160s"
#define SAY_RADIUS_END "RADIUS authentication of '%.160s' %s" // identity, "successful" or "failed"
#define SAY_RADIUS_GROUP "received group membership '%s' from RADIUS"
#define SAY_RADIUS_FILTER "received RADIUS attribute Filter-Id: '%s'"
#define SAY_RADIUS_CLOSES "deleting IKE_SA after RADIUS timeout"
#define SAY_RADIUS_CLOSES_ALL "deleting all IKE_SAs after RADIUS timeout"
#define SAY_EAP_ONLY "allow mutual EAP-only authentication"
#define SAY_EAP_ID_UNFIT \
    "constraint check failed: EAP identity '%s' (%s) required, not matched by '%s' (%s)"
#define SAY_LOOKING "looking for peer configs matching %s[%s]...%s[%s]" // addresses, identities
#define SAY_CONFIG "selected peer config '%s'"
#define SAY_CONFIG_UNFIT "selected peer config '%s' unacceptable: constraint checking failed"
#define SAY_CONFIG_NEXT "switching to peer config '%s'"
#define SAY_NO_CONFIG "no matching peer config found"
#define SAY_NO_OTHER_CONFIG "no alternative config found"
#define SAY_BAD_SECRET "tried %u shared key%s for '%s' - '%s', but MAC mismatched"
#define SAY_NO_SECRET "no shared key found for '%s' - '%s'"
#define SAY_PPK "using PPK for PPK_ID '%s'"
#define SAY_PPK_UNUSED "peer didn't use PPK for PPK_ID '%s'"
#define SAY_PPK_UNKNOWN "no PPK for '%s' found"
#define SAY_PPK_IGNORED "no PPK for '%s' found, ignored because PPK is not required"
#define SAY_PPK_PLAIN "no PPK available, using NO_PPK_AUTH notify" // RFC 8784
// strongSwan's plugin whitelist: "" or "was already ", "enabled" or "disabled".
#define SAY_WHITELIST "whitelist functionality %s%s"
#define SAY_NOT_LISTED "peer identity '%s' not whitelisted"
#define SAY_MOBIKE "peer supports MOBIKE"
#define SAY_UP "IKE_SA %s[%u] established between %s[%s]...%s[%s]"
#define SAY_REKEY_IN "scheduling rekeying in %" PRIu64 "s"
#define SAY_REAUTH_IN "scheduling reauthentication in %" PRIu64 "s"
#define SAY_IKE_LIFE "maximum IKE_SA lifetime %" PRIu64 "s"
#define SAY_TRYING_AGAIN "peer not responding, trying again (%u/%u)" // attempt, keyingtries
#define SAY_HALF_OPEN_OVER "deleting half open IKE_SA with %s after timeout"
#define SAY_NO_CHILDLESS "peer does not support childless IKE_SA initiation"
#define SAY_NOT_CHILDLESS "peer did not initiate a childless IKE_SA"
#define SAY_CHILDLESS "peer tried to initiate a childless IKE_SA"
#define SAY_STALE "destroying duplicate IKE_SA for peer '%s', received INITIAL_CONTACT"
#define SAY_DUPLICATE "deleting duplicate IKE_SA for peer '%s' due to uniqueness policy"
#define SAY_UNIQUE_REFUSED "canceling IKE_SA setup due to uniqueness policy"
#define SAY_REAUTH "reauthenticating IKE_SA %s[%u]"
// Seconds.
#define SAY_NO_REAUTH \
    "initiator did not reauthenticate as requested, IKE_SA %s[%u] will timeout in %" PRIu64 "s"
#define SAY_AUTH_LIFETIME \
    "received AUTH_LIFETIME of %" PRIu64 "s, scheduling reauthentication in %" PRIu64 "s"
#define SAY_AUTH_LATER \
    "received AUTH_LIFETIME of %" PRIu64 "s, reauthentication already scheduled in %" PRIu64 "s"

// ---- MOBIKE, and peers behind NATs that move (addresses and ports)
#define SAY_LOCAL_MOVED "local endpoint changed from %s[%u] to %s[%u]"
#define SAY_REMOTE_MOVED "remote endpoint changed from %s[%u] to %s[%u]"
#define SAY_NAT_NOT_HERE "local host is not behind NAT anymore"
#define SAY_NAT_NOT_THERE "remote host is not behind NAT anymore"
#define SAY_NAT_CHANGED "detected changes in NAT mappings, initiating MOBIKE update"
#define SAY_NAT_MAPPING \
    "NAT mappings of CHILD_SA ESP/0x%08x/%s changed to %s[%u], queuing update job"
#define SAY_PATH_GONE "old path is not available anymore, try to find another"
#define SAY_PATH_LOOK "looking for a route to %s ..."
#define SAY_PATH_NONE "no route found to reach %s, MOBIKE update deferred"
#define SAY_MOVE "requesting address change using MOBIKE"
#define SAY_ADDRESSES "sending address list update using MOBIKE"

// ---- virtual addresses
#define SAY_ASSIGNED "assigning virtual IP %s to peer '%s'"
#define SAY_WANTS_ADDRESS "peer requested virtual IP %s" // address, or %any
#define SAY_LEASE_NEW "assigning new lease to '%s'"
#define SAY_LEASE_OFFLINE "reassigning offline lease to '%s'"
#define SAY_LEASE_ONLINE "reassigning online lease to '%s'"
#define SAY_LEASE_TAKEN "reassigning existing offline lease by '%s' to '%s'"
#define SAY_LEASE_BACK "lease %s by '%s' went offline"
#define SAY_POOL_FULL "pool '%s' is full, unable to assign address"
#define SAY_NO_ADDRESS "no virtual IP found for %s requested by '%s'"
#define SAY_NO_ADDRESS_SENT "no virtual IP found, sending %s"      // INTERNAL_ADDRESS_FAILURE
#define SAY_NO_REQUEST "expected a virtual IP request, sending %s" // FAILED_CP_REQUIRED
#define SAY_NO_CONFIG_CHILD "configuration payload negotiation failed, no CHILD_SA built"
#define SAY_ADDRESS_HERE "installing new virtual IP %s"
#define SAY_DNS_HERE "installing DNS server %s to %s" // address, file

// strongSwan's plugin dhcp: hardware address, addresses.
#define SAY_DHCP_DISCOVER "sending DHCP DISCOVER for %s to %s"
#define SAY_DHCP_OFFER "received DHCP OFFER %s from %s"
#define SAY_DHCP_REQUEST "sending DHCP REQUEST for %s to %s"
#define SAY_DHCP_ACK "received DHCP ACK for %s"
#define SAY_DHCP_RELEASE "sending DHCP RELEASE for %s to %s"
#define SAY_DHCP_TIMEOUT "DHCP %s timed out" // DISCOVER, REQUEST

// ---- child SAs
#define SAY_AGGFRAG_FLAGS \
    "not using IP-TFS mode, peer sent unsupported flags (0x%02x) in USE_AGGFRAG notify"
#define SAY_CHILD_UP "CHILD_SA %s{%u} established with SPIs %08x_i %08x_o and TS %s === %s"
#define SAY_CHILD_REFUSED "received %s notify, no CHILD_SA built"
#define SAY_CHILD_FAILED "failed to establish CHILD_SA, keeping IKE_SA"
#define SAY_BAD_TS "traffic selectors %s === %s unacceptable" // ours, theirs
#define SAY_ACQUIRE "creating acquire job for policy %s === %s with reqid {%u}"
// The same as kernel-libipsec has it; a packet waits here until the SA is there.
#define SAY_ACQUIRE_NO_SA \
    "could not find an outbound IPsec SA for reqid {%u}, dropping packet and triggering acquire"
#define SAY_ACQUIRE_REQID "creating acquire job for policy with reqid {%u}"
#define SAY_REKEY_CHILD "creating rekey job for CHILD_SA %s/0x%08x/%s"
#define SAY_DELETED_SA "deleted SAD entry with SPI %08x"
#define SAY_REKEYED_CHILD \
    "rekeyed CHILD_SA %s{%u} with SPIs %08x_i %08x_o with %s{%u} with SPIs %08x_i %08x_o"
#define SAY_EXPIRED_CHILD "creating delete job for CHILD_SA %s/0x%08x/%s"
#define SAY_IDLE_CHILD "deleting CHILD_SA after %" PRIu64 " seconds of inactivity"
#define SAY_IDLE_IKE "deleting IKE_SA after %" PRIu64 " seconds of CHILD_SA inactivity"
#define SAY_RESTARTING "restarting CHILD_SA %s"
#define SAY_CHILD_CLOSING                                                                          \
    "closing CHILD_SA %s{%u} with SPIs %08x_i (%" PRIu64 " bytes) %08x_o (%" PRIu64 " bytes) and " \
    "TS %s === %s"
#define SAY_CHILD_CLOSED "CHILD_SA %s{%u} closed"
#define SAY_NO_TFC "received ESP_TFC_PADDING_NOT_SUPPORTED, not using ESPv3 TFC padding"

// ---- ends
#define SAY_IKE_DELETING "deleting IKE_SA %s[%u] between %s[%s]...%s[%s]"
#define SAY_IKE_DELETED "IKE_SA deleted"
#define SAY_IKE_REKEYED "IKE_SA %s[%u] rekeyed between %s[%s]...%s[%s]"
#define SAY_DELETE_RECEIVED "received DELETE for IKE_SA %s[%u]"
#define SAY_DELETE_SENT "sending DELETE for IKE_SA %s[%u]"
#define SAY_CHILD_DELETE_RECEIVED "received DELETE for %s CHILD_SA with SPI %08x" // ESP, AH
#define SAY_CHILD_DELETE_SENT "sending DELETE for %s CHILD_SA with SPI %08x"

// ---- certificates (subjects and URLs; times as RFC 5322 has them)
#define SAY_CERT "using certificate \"%s\""
#define SAY_CERT_KNOWN "using trusted certificate \"%s\""
#define SAY_CA "using trusted ca certificate \"%s\""
#define SAY_CA_BETWEEN "using untrusted intermediate certificate \"%s\""
#define SAY_PATH "reached self-signed root ca with a path length of %u"
#define SAY_CA_KNOWN "using trusted intermediate ca certificate \"%s\""
#define SAY_NO_ISSUER "no issuer certificate found for \"%s\""
#define SAY_ISSUER_IS "issuer is \"%s\""
#define SAY_ROOT_UNKNOWN "self-signed certificate \"%s\" is not trusted"
#define SAY_TIMES_BAD "%s certificate invalid (valid from %s to %s)" // subject or issuer
#define SAY_NO_KEY "no trusted %s public key found for '%s'"         // RSA, ECDSA, ED25519, ED448
#define SAY_POLICY_LACKS "constraint requires cert policy %s"
#define SAY_PATH_LONG "maximum path length of %u exceeded"
#define SAY_PATH_LEN "path length of %ld violates constraint of %ld"
#define SAY_STATUS_CHECK "checking certificate status of \"%s\""
#define SAY_STATUS_GOOD "certificate status is good"
#define SAY_STATUS_UNKNOWN "certificate status is not available"
#define SAY_STATUS_STALE "certificate status is unknown, crl is stale"
#define SAY_REVOKED "certificate was revoked on %s, reason: %s"
#define SAY_RULE_CRL "constraint check failed: RULE_CRL_VALIDATION is %s, but requires at least %s"
// strongSwan's plugin addrblock (RFC 3779).
#define SAY_BLOCK_HELD "subject address block %s is contained in issuer address block %s"
#define SAY_BLOCKS_LACK "subject certificate lacks ipAddrBlocks extension"
#define SAY_BLOCKS_LOOK "checking certificate-based traffic selector constraints [RFC 3779]"
#define SAY_BLOCK_TS "TS %s is contained in address block constraint %s"
#define SAY_BLOCK_TS_PART "TS %s is contained in address block constraint %s (subset %s)"
#define SAY_GROUPS "constraint check failed: group membership to '%s' required"
#define SAY_ACERT "using attribute certificate %s"
#define SAY_ACERT_SENT "sending attribute certificate issued by \"%s\""
#define SAY_ACERT_HEARD "received attribute certificate issued by \"%s\""
#define SAY_OTHER_CA "constraint check failed: peer not authenticated by CA '%s'"
#define SAY_CRITICAL "critical '%s' extension not supported"
#define SAY_CERT_UNFIT "building CRED_CERTIFICATE - X509 failed, tried 1 builders"
#define SAY_NO_OCSP "all OCSP validation disabled"
#define SAY_NO_CRL "all CRL validation disabled"
#define SAY_OCSP_ASK "requesting ocsp status from '%s' ..."
#define SAY_FETCH_FAILED "libcurl request failed: %s"
#define SAY_OCSP_FAILED "ocsp request to %s failed"
#define SAY_OCSP_SIGNED "ocsp response correctly signed by \"%s\""
#define SAY_OCSP_UNSIGNED "ocsp response verification failed, no signer certificate '%s' found"
#define SAY_OCSP_NONCE "nonce in ocsp response doesn't match"
#define SAY_OCSP_OTHER "ocsp response contains no status on our certificate"
#define SAY_OCSP_MALFORMED "parsing ocsp response failed"
#define SAY_OCSP_VALID "ocsp response is valid: until %s"
#define SAY_OCSP_STALE "ocsp response is stale: since %s"
#define SAY_OCSP_CACHED "using cached ocsp response"
#define SAY_OCSP_GAVE_UP "ocsp check failed, fallback to crl"
#define SAY_OCSP_HEARD "received OCSP response issued by \"%s\""
#define SAY_OCSP_WANT "sending OCSP cert request with self-signed OCSP-signer \"%s\""
#define SAY_OCSP_WANT_ANY "sending empty OCSP cert request"
#define SAY_OCSP_WANTED "received OCSP cert request claiming trust for \"%s\""
#define SAY_OCSP_WANTED_ANY "received empty OCSP cert request"
#define SAY_OCSP_SENT "sending OCSP status for certificate \"%s\""
#define SAY_CRL_FETCH "fetching crl from '%s' ..."
#define SAY_CRL_FAILED "crl fetching failed"
#define SAY_CRL_UNSIGNED "crl response verification failed"
#define SAY_CRL_SIGNED "crl correctly signed by \"%s\""
#define SAY_CRL_VALID "crl is valid: until %s"
#define SAY_CRL_STALE "crl is stale: since %s"
#define SAY_CRL_WRITTEN "written crl file '%s' (%zu bytes)"
#define SAY_CRL_CACHED "using cached crl"
#define SAY_RECHECK_GOOD "peer certificate successfully verified"
#define SAY_RECHECK_BAD "peer certificate verification failed, deleting SA"
#define SAY_CERT_SENT "sending end entity cert \"%s\""
#define SAY_CA_SENT "sending issuer cert \"%s\""
#define SAY_CERT_HEARD "received end entity cert \"%s\""
#define SAY_CA_HEARD "received issuer cert \"%s\""
#define SAY_URL_SENT "sending hash-and-url \"%s\""
#define SAY_URL_HEARD "received hash-and-url for end entity cert \"%s\""
#define SAY_CA_URL_HEARD "received hash-and-url for issuer cert \"%s\""
#define SAY_SIGNATURE_UNFIT "signature not acceptable: %s"
#define SAY_DNS_ASK "performing a DNS query for %s RRs of '%s'" // IPSECKEY, CERT; name
