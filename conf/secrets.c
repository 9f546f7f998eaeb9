#include "conf/secrets.h"

#include <stddef.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "conf/issue.h"
#include "conf/value.h"

#define NT_HASH_LEN 16U // bytes: MD4 of a password in UTF-16
#define SHORT_SECRET 8  // bytes; below, guessing takes minutes (rfc7296 2.15)

static void bad_secret(const struct arg *a, const char *what, const char *hint)
{
    issue_error(a->ld->issues, value_place(a->v, 0), a->key->name, "%s", what);
    issue_hint(a->ld->issues, "%s", hint);
}

static void keep_secret(const struct arg *a, const void *bytes, size_t n)
{
    struct conf_psk *psk = a->to;
    span_t copy = arena_copy(&a->ld->out->arena, span(bytes, n));
    if (!copy.at) a->ld->nomem = true;
    psk->secret = copy;
    if (n >= SHORT_SECRET) return;
    issue_warn(a->ld->issues, value_place(a->v, 0), a->key->name,
               "a secret of %zu bytes is easily guessed", n);
    issue_hint(a->ld->issues, "make one with: openssl rand -base64 32");
}

static bool has_prefix(const char *s, char letter)
{
    return s[0] == '0' && (s[1] | 0x20) == letter;
}

// Text, 0x and hex digits, or 0s and base64. *n is the capacity, then the length.
static err_t secret_read(const struct value *v, uint8_t *out, size_t *n)
{
    const char *s = v->text;
    if (has_prefix(s, 'x') || has_prefix(s, 's')) {
        err_t e = (s[1] | 0x20) == 'x' ? hex_read(s + 2, v->len - 2, out, n)
                                       : base64_read(s + 2, v->len - 2, out, n);
        return e == ERR_OK && *n == 0 ? ERR_SYNTAX : e;
    }
    if (v->len > *n) return ERR_SPACE;
    memcpy(out, s, v->len);
    *n = v->len;
    return ERR_OK;
}

static void set_secret(const struct arg *a)
{
    uint8_t raw[SECRET_MAX];
    size_t n = sizeof raw;
    err_t e = secret_read(a->v, raw, &n);
    if (e == ERR_OK) {
        keep_secret(a, raw, n);
    } else if (e == ERR_SPACE) {
        bad_secret(a, "this secret is too long", "64 bytes are more than enough");
    } else if (has_prefix(a->v->text, 'x')) {
        bad_secret(a, "a secret that begins with 0x must go on with an even number of hex digits",
                   "if it is text, it cannot begin with 0x");
    } else {
        bad_secret(a, "a secret that begins with 0s must go on with base64",
                   "if it is text, it cannot begin with 0s");
    }
    wipe(raw, sizeof raw);
}

static void set_owner(const struct arg *a)
{
    struct conf_psk *psk = a->to;
    struct why why = {{0}};
    struct place at = value_place(a->v, 0);
    if (psk->owner_n == CONF_LIST_MAX) {
        issue_error(a->ld->issues, at, a->v->text, "too many identities own this secret");
        issue_hint(a->ld->issues, "at most %u; give others a secret of their own", CONF_LIST_MAX);
        return;
    }
    if (id_parse(a->v->text, &psk->owner[psk->owner_n], &why) == ERR_OK) {
        psk->owner_n++;
        return;
    }
    if (strchr(a->v->text, '=')) { // probably a second setting, possibly the secret: not shown
        issue_error(a->ld->issues, at, a->key->name, "this is not an identity");
        issue_hint(a->ld->issues,
                   "a value goes on to the end of its line: put the next setting on a new line");
        return;
    }
    issue_error(a->ld->issues, at, a->v->text, "'%s' is not an identity: %s", a->v->text,
                why.text[0] ? why.text : "malformed");
    value_hint(a, "an address, a host name, an e-mail address or \"@#hex\" for a key id");
}

// ---- passphrases of files ----

static void set_file(const struct arg *a)
{
    struct passphrase *p = a->to;
    p->file = a->v->text;
    p->at = value_place(a->v, 0);
    if (!strchr(a->v->text, '/')) return;
    issue_error(a->ld->issues, p->at, a->v->text, "'%s' is not the name of a file", a->v->text);
    issue_hint(a->ld->issues, "write it without its folder, which is %s", p->folder);
}

static void set_passphrase(const struct arg *a)
{
    struct passphrase *p = a->to;
    if (a->v->len > SECRET_MAX) {
        bad_secret(a, "this secret is too long", "no key is locked with so many bytes");
        return;
    }
    p->secret = span(a->v->text, a->v->len);
}

// clang-format off: tables keep their columns
static const struct key ike_keys[] = {
    {.name = "secret", .set = set_secret, .to = 0},
    {.name = "id*", .set = set_owner, .to = 0},
    {0},
};
static const struct key other_keys[] = {KEY_NOT("secret", NULL, ""), KEY_NOT("id*", NULL, ""), {0}};
static const struct key file_keys[] = {
    {.name = "file", .set = set_file, .to = 0},
    {.name = "secret", .set = set_passphrase, .to = 0},
    {0},
};
static const struct key token_keys[] = {KEY_NOT("handle", NULL, ""),
                                        KEY_NOT("slot", NULL, ""),
                                        KEY_NOT("module", NULL, ""),
                                        KEY_NOT("pin", NULL, ""),
                                        {0}};
// clang-format on

const struct schema schema_ike_secret = {"a secret", "secrets.ike<suffix>", ike_keys, NULL};
static const struct schema schema_ppk = {"a secret", "secrets.ppk<suffix>", ike_keys, NULL};
static const struct schema schema_eap = {"a password", "secrets.eap<suffix>", ike_keys, NULL};
static const struct schema schema_ntlm = {"an NT hash", "secrets.ntlm<suffix>", ike_keys, NULL};
static const struct schema schema_other = {"a secret", "secrets", other_keys, NULL};
static const struct schema schema_file = {"a secret", "secrets", file_keys, NULL};
static const struct schema schema_token = {"a token", "secrets.token<suffix>", token_keys, NULL};

static void shared_read(struct load *ld, const struct schema *schema, const struct node *n,
                        struct conf_psk *psk)
{
    struct config *out = ld->out;
    schema_read(ld, schema, n, psk);
    psk->name = arena_str(&out->arena, n->name, strlen(n->name));
    if (!psk->name) ld->nomem = true;
    const struct setting *s = tree_setting(ld->tree, n, "secret");
    if (psk->secret.len || (s && (s->value.len || s->value.bad))) return;
    issue_error(ld->issues, s ? s->at : n->at, n->name, "'%s' has no secret", n->name);
    issue_hint(ld->issues, "write secret = \"...\" in it");
}

static void ike_read(struct load *ld, const struct node *n, void *config)
{
    struct config *out = config;
    shared_read(ld, &schema_ike_secret, n, &out->psk[out->psk_n++]);
}

static void ppk_read(struct load *ld, const struct node *n, void *config)
{
    struct config *out = config;
    struct conf_psk *ppk = &out->ppk[out->ppk_n++];
    shared_read(ld, &schema_ppk, n, ppk);
    if (ppk->owner_n) return;
    issue_error(ld->issues, n->at, n->name, "'%s' has no id, by which the peers name it", n->name);
    issue_hint(ld->issues, "write id = ... in it, and the same as ppk_id of a connection");
}

static void eap_read(struct load *ld, const struct node *n, void *config)
{
    struct config *out = config;
    shared_read(ld, &schema_eap, n, &out->eap[out->eap_n++]);
}

static void ntlm_read(struct load *ld, const struct node *n, void *config)
{
    struct config *out = config;
    struct conf_psk *hash = &out->ntlm[out->ntlm_n++];
    shared_read(ld, &schema_ntlm, n, hash);
    if (!hash->secret.len || hash->secret.len == NT_HASH_LEN) return;
    issue_error(ld->issues, n->at, n->name, "the secret of '%s' is no NT hash: that has %u bytes",
                n->name, NT_HASH_LEN);
    issue_hint(ld->issues, "write it as 0x and %u hex digits; a password belongs into secrets.eap",
               2 * NT_HASH_LEN);
}

static void passphrase_read(struct load *ld, const struct node *n, const char *folder)
{
    struct passphrase *p = arena_get(&ld->tree->arena, sizeof *p);
    if (!p) {
        ld->nomem = true;
        return;
    }
    p->folder = folder;
    schema_read(ld, &schema_file, n, p);
    const char *missing = !p->file ? "file" : !p->secret.at ? "secret" : NULL;
    if (missing) {
        issue_error(ld->issues, n->at, n->name, "'%s' has no %s", n->name, missing);
        issue_hint(ld->issues, "it gives the passphrase of one file: file = ... and secret = ...");
        return;
    }
    p->next = ld->passphrases;
    ld->passphrases = p;
}

// The folder is the section's kind.
#define PASSPHRASES(kind)                                                        \
    static void kind##_read(struct load *ld, const struct node *n, void *config) \
    {                                                                            \
        (void)config;                                                            \
        passphrase_read(ld, n, #kind);                                           \
    }
PASSPHRASES(private)
PASSPHRASES(rsa)
PASSPHRASES(ecdsa)
PASSPHRASES(pkcs8)
PASSPHRASES(pkcs12)

#define NO_XAUTH "XAuth belongs to IKEv1, which is not supported"
#define NO_TOKENS "private keys on tokens are not supported; put them into files"
static const struct inside secrets_inside[] = {
    {"ike*", ike_read, &schema_ike_secret, NULL}, {"eap*", eap_read, &schema_eap, NULL},
    {"xauth*", NULL, &schema_other, NO_XAUTH},    {"ntlm*", ntlm_read, &schema_ntlm, NULL},
    {"ppk*", ppk_read, &schema_ppk, NULL},        {"private*", private_read, &schema_file, NULL},
    {"rsa*", rsa_read, &schema_file, NULL},       {"ecdsa*", ecdsa_read, &schema_file, NULL},
    {"pkcs8*", pkcs8_read, &schema_file, NULL},   {"pkcs12*", pkcs12_read, &schema_file, NULL},
    {"token*", NULL, &schema_token, NO_TOKENS},   {0},
};
static const struct key no_keys[] = {{0}};
const struct schema schema_secrets = {"section 'secrets'", "secrets", no_keys, secrets_inside};

void secrets_read(struct load *ld, const struct node *n, void *config)
{
    struct config *out = config;
    unsigned count = 0;
    for (const struct node *sub = n->subs; sub; sub = sub->next) count++;
    out->psk = arena_array(&out->arena, count, sizeof *out->psk);
    out->ppk = arena_array(&out->arena, count, sizeof *out->ppk);
    out->eap = arena_array(&out->arena, count, sizeof *out->eap);
    out->ntlm = arena_array(&out->arena, count, sizeof *out->ntlm);
    if (!out->psk || !out->ppk || !out->eap || !out->ntlm) {
        ld->nomem = true;
        return;
    }
    schema_read(ld, &schema_secrets, n, out);
}
