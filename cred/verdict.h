// verdict.h - verdicts of trust_verify() that are kept for a while: a peer who comes back, or opens
// several IKE SAs, is not judged from the beginning each time. A verdict is found again only by all
// that it was made of: every certificate as it was sent, the terms, the store, the lists that had
// been fetched by then. It ends with the first certificate or list of its path, and soon anyway.
// Only good ones are kept. Any thread.
#pragma once

#include "cred/trust.h"

struct verdicts;

#define VERDICT_KEEP_S 300 // seconds; what is revoked meanwhile is known to no list of ours
#define VERDICTS_MAX 256   // each holds a certificate: some 8 kB
#define VERDICT_KEY_LEN 32

struct verdicts *verdicts_new(void);
void verdicts_free(struct verdicts *v); // NULL is fine

// What the peer sent, and against what it is held. false: it cannot be computed, or verdicts are
// not wanted (trust_set_keeping), so nothing is kept.
bool verdict_key(const struct trust *t, const span_t *sent, unsigned n,
                 const struct trust_terms *terms, uint8_t key[VERDICT_KEY_LEN]);
// The peer's own certificate (a reference) if there is a verdict that is good now, with its note
// and the addresses that it is good for (a reference; NULL: all).
struct cert *verdict_find(const struct trust *t, const uint8_t key[VERDICT_KEY_LEN], int64_t now,
                          struct blocks **blocks, struct why *note);
// Keeps one, if it may be kept. The key is that of before trust_verify(): what has changed since
// makes another.
void verdict_keep(const struct trust *t, const uint8_t key[VERDICT_KEY_LEN],
                  const struct trust_chain *chain, int64_t now);
