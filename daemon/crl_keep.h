// crl_keep.h - CRLs that were fetched, as files in the folder x509crl beside the configuration
// (charon.cache_crls): after a restart they are there before anybody has been asked.
#pragma once

#include "base/cursor.h"

#define CRL_KEEP_ID_MAX 64 // bytes of a key's identifier; those that are made have 20

// As trust_crl_fn; ctx is the folder's path. The file of a key's list is "<identifier in hex>.crl",
// of its delta list "..._delta.crl", as with charon; it is replaced as a whole. What does not work
// is logged, and nothing is missing: the list is in memory. Any thread.
void crl_keep(void *folder, span_t key_id, bool delta, span_t der);
