// psk.h - pre-shared keys and who owns them (swanctl.conf secrets.ike*).
#pragma once

#include "base/secret.h"
#include "cred/id.h"

struct psk_store;

// Filled by one thread, then only read, by any that holds it.
struct psk_store *psk_store_new(void);
struct psk_store *psk_store_ref(struct psk_store *s); // one more holder; returns s; NULL is fine
void psk_store_free(struct psk_store *s);             // one holder less; the last wipes
// Adds a key that belongs to the n identities (n == 0: to anybody). Copies.
err_t psk_add(struct psk_store *s, span_t key, const struct id *owners, unsigned n);
// The best key for us and peer. A key that names both comes before one that names either of them,
// that before one that is anybody's ("%any" or no owners); then the more specific owner wins, then
// the peer's, then what was added first. As in strongSwan one named owner is enough: a key with
// only the peer's identity is found whoever we are. peer may be ID_ANY (not known yet).
// ERR_NOTFOUND.
err_t psk_find(const struct psk_store *s, const struct id *us, const struct id *peer,
               struct secret *out);
