// strongswan_dnssec.c - what strongswan.conf says of keys and certificates in DNS:
// charon.plugins.ipseckey, dnscert and unbound.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "conf/issue.h"
#include "conf/strongswanx.h"

// charon's default, and where Debian's package dns-root-data has the keys of the root.
static const char *const usual[] = {"/etc/ipsec.d/dnssec.keys", "/usr/share/dns/root.key"};

// Answers cannot be proved without a key to begin with, so that is a mistake and no matter of luck.
static void judge_anchors(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    const struct setting *from;
    const char *plugin = s->ipseckey ? "plugins.ipseckey.enable" : "plugins.dnscert.enable";
    for (size_t i = 0; !s->dns_anchors && i < sizeof usual / sizeof *usual; i++) {
        if (access(usual[i], R_OK) == 0)
            s->dns_anchors = arena_str(&s->arena, usual[i], strlen(usual[i]));
    }
    if (s->dns_anchors && access(s->dns_anchors, R_OK) == 0) return;
    int error = errno;
    if (strongswan_get(t, DNSSEC_ANCHORS, &from)) {
        issue_error(issues, from->at, from->key, "the trust anchors in %s cannot be read: %s",
                    s->dns_anchors, strerror(error));
        issue_hint(issues, "write the path of a file with DS or DNSKEY records, as of the root");
        return;
    }
    if (!strongswan_get(t, plugin, &from)) return;
    issue_error(issues, from->at, from->key, "there are no trust anchors for DNSSEC");
    issue_hint(issues, "name a file with the root's DS or DNSKEY records in charon." DNSSEC_ANCHORS
                       ", or install the package dns-root-data");
}

void strongswan_dnssec(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    const struct setting *from;
    if (strongswan_get(t, DNSSEC_DLV, &from)) {
        issue_error(issues, from->at, from->key, "look-aside validation (DLV) is not done");
        issue_hint(issues, "remove it, and put the zone's own keys into charon." DNSSEC_ANCHORS
                           "; DLV is historic (RFC 8749)");
    }
    if (s->ipseckey || s->dnscert) judge_anchors(t, s, issues);
}
