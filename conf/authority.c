#include "conf/authority.h"

#include <stddef.h>
#include <string.h>

#include "conf/creds_load.h"
#include "conf/issue.h"
#include "conf/value.h"

#define NO_TOKENS "certificates on tokens are not supported; give a file"

static void set_cacert(const struct arg *a)
{
    load_want(a->ld, WANTED_AUTHORITY, a->to, a->v->text, value_place(a->v, 0));
}

// Only what can be fetched without another certificate to be believed first.
static bool url_is_http(const char *url)
{
    return strncmp(url, "http://", 7) == 0 && url[7];
}

static bool url_is_ldap(const char *url)
{
    return strncmp(url, "ldap://", 7) == 0 && url[7];
}

// The name of an LDAP entry has commas in it, as a list has: what follows one without a scheme of
// its own still belongs to it. false: it does not.
static bool url_goes_on(const struct arg *a, const struct element *e, const char **last)
{
    struct arena *arena = &a->ld->out->creds->arena;
    if (!last || !url_is_ldap(*last) || strstr(e->text, "://")) return false;
    size_t len = strlen(*last);
    char *both = arena_get(arena, len + 2 + e->len + 1);
    if (!both) {
        a->ld->nomem = true;
        return true;
    }
    memcpy(both, *last, len);
    memcpy(both + len, ", ", 2);
    memcpy(both + len + 2, e->text, e->len + 1);
    *last = both;
    return true;
}

static void set_urls(const struct arg *a, const char **list, unsigned *n, bool ldap)
{
    for (struct element e = {0}; value_next(a, &e);) {
        bool known = url_is_http(e.text) || (ldap && url_is_ldap(e.text));
        if (url_goes_on(a, &e, *n ? &list[*n - 1] : NULL)) continue;
        if (!known || *n == CREDS_CHAIN_MAX) {
            issue_error(a->ld->issues, element_place(a, &e, 0), e.text,
                        known ? "this list is too long" : "'%s' cannot be fetched", e.text);
            issue_hint(a->ld->issues, "at most %u addresses that begin with http://%s",
                       CREDS_CHAIN_MAX, ldap ? " or ldap://" : "");
            return;
        }
        list[*n] = arena_str(&a->ld->out->creds->arena, e.text, e.len);
        if (!list[*n]) a->ld->nomem = true;
        ++*n;
    }
}

static void set_crls(const struct arg *a)
{
    struct cred_authority *to = a->to;
    set_urls(a, to->crl, &to->crl_n, true);
}

static void set_ocsp(const struct arg *a)
{
    struct cred_authority *to = a->to;
    set_urls(a, to->ocsp, &to->ocsp_n, false);
}

static void set_uri_base(const struct arg *a)
{
    struct cred_authority *to = a->to;
    if (!url_is_http(a->v->text)) {
        issue_error(a->ld->issues, value_place(a->v, 0), a->v->text, "'%s' cannot be fetched",
                    a->v->text);
        issue_hint(a->ld->issues, "an address that begins with http://; the hash of a certificate "
                                  "follows it");
        return;
    }
    to->cert_uri_base = arena_str(&a->ld->out->creds->arena, a->v->text, a->v->len);
    if (!to->cert_uri_base) a->ld->nomem = true;
}

// clang-format off: tables keep their columns
static const struct key authority_keys[] = {
    {.name = "cacert", .set = set_cacert, .to = 0},
    {.name = "file", .set = set_cacert, .to = 0},
    {.name = "crl_uris", .set = set_crls, .to = 0},
    {.name = "ocsp_uris", .set = set_ocsp, .to = 0},
    {.name = "cert_uri_base", .set = set_uri_base, .to = 0},
    KEY_NOT("handle", NULL, NO_TOKENS),
    KEY_NOT("slot", NULL, NO_TOKENS),
    KEY_NOT("module", NULL, NO_TOKENS),
    {0},
};
// clang-format on
static const struct schema schema_authority = {"an authority", "authorities.<name>", authority_keys,
                                               NULL};

static void authority_read(struct load *ld, const struct node *n, void *config)
{
    struct creds *c = ((struct config *)config)->creds;
    struct cred_authority *a = CREDS_APPEND(ld, c, c->authorities);
    if (!a) return;
    a->name = arena_str(&c->arena, n->name, strlen(n->name));
    if (!a->name) ld->nomem = true;
    schema_read(ld, &schema_authority, n, a);
    if (schema_written(ld, n, "cacert") || schema_written(ld, n, "file")) return;
    issue_error(ld->issues, n->at, n->name, "authority '%s' has no certificate", n->name);
    issue_hint(ld->issues, "write cacert = and the name of a file in x509ca");
}

static const struct inside any[] = {{"*", authority_read, &schema_authority, NULL}, {0}};
const struct schema schema_authorities = {"section 'authorities'", "authorities", NULL, any};

void authorities_read(struct load *ld, const struct node *n, void *config)
{
    schema_read(ld, &schema_authorities, n, config);
}
