// peer_dns.h - keys and certificates of a peer from DNS, where DNSSEC has proved them: IPSECKEY
// (RFC 4025) and CERT (RFC 4398) records of the name that the peer claims. Asked only if the
// administrator wants it (charon.plugins.ipseckey, dnscert), if the identity is a name, if the
// section does not say itself which keys, certificates or authorities count, and if nothing at hand
// has proved the peer.
#pragma once

#include "ike/auth/peer_work.h"

// p has been refused; shown: the certificate that the peer has sent, or NULL. May wait for name
// servers. Where they know what proves it, p->err is ERR_OK and p as after any good verdict;
// otherwise it stays refused.
void peer_dns_judge(struct peer_work *p, struct cert *shown);

// ---- of peer_work.c, for this ----
// Has that key signed? ERR_AUTH with a sentence.
err_t peer_work_signature(struct peer_work *p, const struct pubkey *key, struct why *why);
// ... then p->how says how.
void peer_work_say_how(struct peer_work *p);
// The whole verdict about a certificate that needs no authority: the key, the identity, when it is
// valid, what the section asks for. As peer_work_judge().
err_t peer_work_proven(struct peer_work *p, struct cert *cert);
