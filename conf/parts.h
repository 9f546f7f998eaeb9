// parts.h - a configuration in parts: one from a file, and what came over a control socket, piece
// by piece. Whoever spoke last is right, name by name: a connection that is loaded takes the place
// of the file's of that name, until the file is read again. The whole that is made of the parts
// (parts_join) is a struct config like any other; parts never change, so making it is cheap.
// One thread.
#pragma once

#include "conf/config.h"
#include "conf/creds.h"

#define PARTS_MAX 200000 // things that came in pieces: as many connections as a file may hold

enum parts_kind {
    PARTS_CONN,
    PARTS_SHARED,
    PARTS_PPK,
    PARTS_EAP,
    PARTS_NTLM,
    PARTS_POOL,
    PARTS_AUTHORITY,
    PARTS_KEY, // private; its name is what key_name() says
};
#define PARTS_KINDS 8

struct parts;

struct parts *parts_new(void); // with nothing in it; NULL: out of memory
void parts_free(struct parts *p);
// What a file says from now on, as a whole. Takes c, also on errors. ERR_NOMEM.
err_t parts_set_file(struct parts *p, struct config *c);
// What came in a piece (build.h): each thing in it takes the place of what has its name.
// Takes c, also on errors. Errors: ERR_NOMEM, ERR_LIMIT (PARTS_MAX).
err_t parts_add(struct parts *p, struct config *c);
// false: there is none of this name.
bool parts_drop(struct parts *p, enum parts_kind kind, const char *name);
bool parts_have(const struct parts *p, enum parts_kind kind, const char *name);
// All certificates, CRLs, keys and secrets; connections keep the certificates that they name.
void parts_clear_creds(struct parts *p);
typedef void parts_name_fn(void *ctx, const char *name);
void parts_each(const struct parts *p, enum parts_kind kind, parts_name_fn *fn, void *ctx);
// The pool, other than that of this name, that has addresses of these, too; NULL: none.
const struct conf_pool *parts_pool_at(const struct parts *p, const struct conf_pool *pool);

// The whole as it is now; it holds the parts that it borrows from. ERR_NOMEM.
err_t parts_join(struct parts *p, struct config **out);

#define KEY_NAME_MAX (2 * KEY_SHA1_LEN + 1)
// Hex of the SHA-1 of the public key's bits, as VICI names keys.
const char *key_name(const struct signer *key, char buf[KEY_NAME_MAX]);
