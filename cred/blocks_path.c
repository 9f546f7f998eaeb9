// blocks_path.c - RFC 3779 2.3 along a path: each certificate has a part of what its issuer has,
// and what is left at its end bounds what the peer may be reached by. OpenSSL has looked whether
// they nest; here they are taken out, looked at once more, and said.
#include <stdlib.h>

#include "base/log.h"
#include "base/words.h"
#include "cred/trustx.h"

// What one certificate says.
struct said {
    bool any; // the extension is there
    bool inherits_v4, inherits_v6;
    unsigned n; // of its own
    struct block at[BLOCKS_MAX];
};

static err_t refuse(const struct cert *c, const char *rule, struct why *why)
{
    char name[CERT_NAME_MAX];
    return why_not(why, ERR_AUTH, "certificate \"%s\" %s", cert_name(c, name), rule);
}

// rfc3779 2.2.3.3: no SAFI is all of them, of which unicast is what traffic selectors are about.
static uint16_t family_of(const IPAddressFamily *f)
{
    const uint8_t *at = ASN1_STRING_get0_data(f->addressFamily);
    int n = ASN1_STRING_length(f->addressFamily);
    if (n != 2 && !(n == 3 && at[2] == 1)) return AF_UNSPEC;
    unsigned afi = X509v3_addr_get_afi(f);
    return afi == IANA_AFI_IPV4 ? AF_INET : afi == IANA_AFI_IPV6 ? AF_INET6 : AF_UNSPEC;
}

static err_t read_ranges(const struct cert *c, const IPAddressFamily *f, uint16_t family,
                         struct said *out, struct why *why)
{
    const IPAddressOrRanges *ranges = f->ipAddressChoice->u.addressesOrRanges;
    for (int i = 0; i < sk_IPAddressOrRange_num(ranges); i++) {
        uint8_t lo[16], hi[16];
        int n = X509v3_addr_get_range(sk_IPAddressOrRange_value(ranges, i), X509v3_addr_get_afi(f),
                                      lo, hi, sizeof lo);
        if (n != (int)ip_len(family))
            return refuse(c, "has IP address blocks (RFC 3779) that are malformed", why);
        if (out->n == BLOCKS_MAX)
            return refuse(c,
                          "has more IP address blocks (RFC 3779) than are looked at; have it "
                          "issued with fewer",
                          why);
        out->at[out->n++] = (struct block){ip_from(family, lo), ip_from(family, hi)};
    }
    return ERR_OK;
}

static err_t read_families(const struct cert *c, const IPAddrBlocks *all, struct said *out,
                           struct why *why)
{
    for (int i = 0; i < sk_IPAddressFamily_num(all); i++) {
        const IPAddressFamily *f = sk_IPAddressFamily_value(all, i);
        uint16_t family = family_of(f);
        if (family == AF_UNSPEC) continue; // of no use to selectors: not the holder's
        if (f->ipAddressChoice->type == IPAddressChoice_inherit) {
            if (family == AF_INET) out->inherits_v4 = true;
            if (family == AF_INET6) out->inherits_v6 = true;
            continue;
        }
        TRY(read_ranges(c, f, family, out, why));
    }
    return ERR_OK;
}

static err_t said_read(const struct cert *c, struct said *out, struct why *why)
{
    int found; // -1: there is no such extension
    IPAddrBlocks *all = X509_get_ext_d2i(cert_x509(c), NID_sbgp_ipAddrBlock, &found, NULL);
    *out = (struct said){0};
    if (!all && found == -1) return ERR_OK;
    out->any = true;
    err_t e = all ? read_families(c, all, out, why)
                  : refuse(c, "has IP address blocks (RFC 3779) that are malformed", why);
    sk_IPAddressFamily_pop_free(all, IPAddressFamily_free);
    ERR_clear_error();
    return e;
}

// ---- one step down -----------------------------------------------------------------------------

static err_t hold_own(const struct cert *c, const struct blocks *above, const struct said *s,
                      struct why *why)
{
    char part[BLOCK_TEXT_MAX], whole[BLOCK_TEXT_MAX], name[CERT_NAME_MAX];
    for (unsigned i = 0; i < s->n; i++) {
        const struct block *around = blocks_around(above, &s->at[i]);
        block_show(&s->at[i], part);
        if (!around) {
            return why_not(why, ERR_AUTH,
                           "certificate \"%s\" is issued for the addresses %s, which its issuer "
                           "does not have (RFC 3779); the CA must issue it within its own",
                           cert_name(c, name), part);
        }
        log_say(LOG_INFO, "cert", SAY_BLOCK_HELD, part, block_show(around, whole));
    }
    return ERR_OK;
}

static err_t inherit(const struct cert *c, const struct blocks *above, struct said *s,
                     struct why *why)
{
    for (unsigned i = 0; i < blocks_count(above); i++) {
        const struct block *b = blocks_at(above, i);
        if (!(b->lo.family == AF_INET ? s->inherits_v4 : s->inherits_v6)) continue;
        if (s->n == BLOCKS_MAX)
            return refuse(c, "has more IP address blocks (RFC 3779) than are looked at", why);
        s->at[s->n++] = *b;
    }
    return ERR_OK;
}

// rfc3779 2.3: who has none has no addresses, whatever stands above
static err_t lack(const struct walk *w, const struct cert *c, struct why *why)
{
    if (!w->t->may_lack_blocks)
        return refuse(c,
                      "has no IP address blocks, but its issuer has (RFC 3779); the CA must "
                      "issue it with those that it is for",
                      why);
    log_say(LOG_STORY, "cert", SAY_BLOCKS_LACK);
    return ERR_OK;
}

// above: what the issuer has; NULL: c stands at the top, or no certificate above it has any.
static err_t step(const struct walk *w, unsigned i, struct blocks *above, struct said *s,
                  struct blocks **out, struct why *why)
{
    const struct cert *c = w->chain.cert[i];
    bool top = i + 1 == w->chain.n;
    TRY(said_read(c, s, why));
    *out = NULL;
    if (!s->any && !above) return ERR_OK;
    if (!s->any) return lack(w, c, why);
    if (!top && !above)
        return refuse(c,
                      "has IP address blocks (RFC 3779), and its issuer has none to give; the "
                      "CA's certificate must have them",
                      why);
    if (top && (s->inherits_v4 || s->inherits_v6))
        return refuse(c, "inherits IP address blocks (RFC 3779), and there is nobody above it",
                      why);
    if (above) TRY(hold_own(c, above, s, why));
    if (above) TRY(inherit(c, above, s, why));
    *out = blocks_new(s->at, s->n);
    return *out ? ERR_OK : ERR_NOMEM;
}

err_t blocks_check(struct walk *w, struct why *why)
{
    struct said *s = calloc(1, sizeof *s);
    struct blocks *above = NULL, *held = NULL;
    err_t e = s ? ERR_OK : ERR_NOMEM;
    for (unsigned i = w->chain.n; e == ERR_OK && i-- > 0;) {
        e = step(w, i, above, s, &held, why);
        blocks_free(above);
        above = e == ERR_OK ? held : NULL;
    }
    free(s);
    blocks_free(w->chain.blocks);
    w->chain.blocks = above;
    return e;
}
