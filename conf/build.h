// build.h - settings that come one by one, over a control socket, instead of in a file. They go
// into the same tree, so names, types, defaults and mistakes are those of swanctl.conf. What other
// pieces have to bring (a pool, a secret, the key of a certificate) is not missed here.
#pragma once

#include "conf/config.h"

#define BUILD_BLOBS_MAX 256 // files in one request: certificates of one connection's sides
#define BUILD_LIST_MAX 1024 // values of one list; what reads them takes fewer

struct build;

// NULL: out of memory. All else that goes wrong shows at the end.
struct build *build_new(void);
void build_free(struct build *b);        // NULL is fine
void build_take_legacy(struct build *b); // as struct conf_issues has it
void build_open(struct build *b, span_t section);
void build_close(struct build *b);
// A setting; or the next value of one that is a list: all calls for it stand together. The content
// of a file where swanctl.conf names a file (certs, cacerts, pubkeys, cacert). An empty value is
// none.
void build_set(struct build *b, span_t key, span_t value);
// Frees b. Places of issues are paths, "home.children.net.local_ts"; the first section is left out.
// Errors: ERR_SYNTAX (see issues), ERR_LIMIT, ERR_NOMEM.
err_t build_finish(struct build *b, struct config **out, struct conf_issues *issues);
// Says what is wrong in a word for whoever sent it: place, cause, remedy.
void build_show(const struct conf_issues *issues, char *buf, size_t cap);

// ---- what is no section of settings: one file each ----
enum build_kind {
    BUILD_CERT,
    BUILD_CA,
    BUILD_OCSP,
    BUILD_AA,
    BUILD_ACERT,
    BUILD_CRL,
    BUILD_PUBKEY
};
// PEM or DER. Errors: ERR_SYNTAX, ERR_UNSUPPORTED, ERR_RANGE, ERR_NOMEM, with a sentence.
err_t build_cert(enum build_kind kind, span_t file, struct config **out, struct why *why);
// A private key without a passphrase. Errors also: ERR_AUTH.
err_t build_key(span_t file, struct config **out, struct why *why);
