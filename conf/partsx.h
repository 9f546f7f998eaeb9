// partsx.h - what parts.c and parts_creds.c share.
#pragma once

#include "conf/parts.h"

struct part {
    struct part *next;
    struct config *config; // held
    unsigned items;        // that are in use
    bool certs;            // its certificates are, too
    bool file;
};

struct item {
    char *name;
    struct part *part;
    unsigned index; // in the part's array of that kind
    uint64_t since;
};

struct items {
    struct item *at;
    unsigned n, cap;
    unsigned hint; // where the latest was: they come in the same order again
};

struct parts {
    struct part *first;
    struct items kind[PARTS_KINDS];
    struct config *own;                // section `pavise` as long as no file was read
    uint64_t count;                    // of all that was ever added
    uint64_t creds_count, trust_count; // changes of certificates; when `trust` was made
    struct trust *trust;
};

// parts_creds.c: certificates, keys, authorities of the whole, and each connection's share of them.
err_t parts_join_creds(struct parts *p, struct config *c);
// Is every certificate, CRL and public key of c in use already?
bool parts_know_certs(const struct parts *p, const struct config *c);
