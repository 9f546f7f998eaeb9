// resolvconf.h - name servers in /etc/resolv.conf, in blocks that can be told from everything else:
//
//     # pavise-iked: from here
//     nameserver 10.1.0.53
//     # pavise-iked: to here
//
// The servers stand first, since a resolver asks them in their order; the search list stands last,
// since the last one counts. Everything else stays as it is.
#pragma once

#include "base/addr.h"
#include "base/text.h"

struct resolvconf {
    unsigned dns_n, domain_n;
    const ip_t *dns;
    const char *const *domain; // names made of letters, digits, '-', '_' and dots
};

// The file as it was read, without blocks of ours, and with new ones if there is something to say
// (wanted may be NULL).
void resolvconf_edit(span_t old, const struct resolvconf *wanted, struct text *out);
// Reads the file, and writes it if something changes. It is written in place: it may be mounted, or
// a link. Errors: ERR_NOTFOUND, ERR_PERMISSION, ERR_SYSTEM, ERR_LIMIT, with a sentence.
err_t resolvconf_write(const char *path, const struct resolvconf *wanted, struct why *why);
