#include "conf/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/config_type.h"
#include "conf/creds_load.h"
#include "conf/issue.h"

struct build {
    struct tree tree;
    struct conf_issues issues; // those that are found on the way
    struct node *at[TREE_DEPTH_MAX + 1];
    unsigned depth;
    struct setting *list; // the latest one, which more values may join
    unsigned list_n;      // values in it
    unsigned blob_n;
    span_t blob[BUILD_BLOBS_MAX];
    err_t err; // the first; sticks
};

struct build *build_new(void)
{
    struct build *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->err = tree_init(&b->tree);
    b->at[0] = b->tree.root;
    return b;
}

void build_free(struct build *b)
{
    if (!b) return;
    if (b->tree.root) tree_done(&b->tree);
    conf_issues_done(&b->issues);
    free(b);
}

void build_take_legacy(struct build *b)
{
    b->issues.legacy = true;
}

// The path of a name in the section at hand, as a source of its own.
static struct place place_of(struct build *b, const char *name)
{
    AUTO(text) struct text path = {0};
    for (unsigned i = 2; i <= b->depth; i++) text_add(&path, "%s.", b->at[i]->name);
    text_add(&path, "%s", name);
    struct source *s = arena_get(&b->tree.arena, sizeof *s);
    const char *copy = arena_str(&b->tree.arena, text_str(&path), path.len);
    if (!s || !copy) {
        b->err = ERR_NOMEM;
        return (struct place){0};
    }
    *s = (struct source){.name = copy};
    return (struct place){s, 0};
}

static const char *name_of(struct build *b, span_t name)
{
    const char *copy = arena_str(&b->tree.arena, (const char *)name.at, name.len);
    if (!copy) b->err = ERR_NOMEM;
    if (copy && strlen(copy) == name.len && name.len) return copy;
    if (copy) issue_error(&b->issues, place_of(b, copy), copy, "a name is empty or cut by a zero");
    return NULL;
}

void build_open(struct build *b, span_t section)
{
    b->list = NULL;
    if (b->err != ERR_OK) return;
    const char *name = name_of(b, section);
    if (b->depth == TREE_DEPTH_MAX || !name) {
        if (b->err == ERR_OK) b->err = name ? ERR_LIMIT : ERR_SYNTAX;
        return;
    }
    struct node *n = tree_open(&b->tree, b->at[b->depth], name, place_of(b, name));
    if (!n) b->err = ERR_LIMIT;
    b->at[++b->depth] = n;
}

void build_close(struct build *b)
{
    b->list = NULL;
    if (b->err == ERR_OK && b->depth) b->depth--;
}

// ---- settings ----

// swanctl reads these files itself and sends what is in them.
static bool is_file(const char *key)
{
    static const char *const keys[] = {"certs", "cacerts", "pubkeys", "cacert", NULL};
    const char *const *k = keys;
    while (*k && strcmp(*k, key) != 0) k++;
    return *k;
}

// The text that stands for a value in the tree.
static const char *text_of(struct build *b, const char *key, span_t value)
{
    char name[16];
    if (!is_file(key)) {
        const char *text = arena_str(&b->tree.arena, (const char *)value.at, value.len);
        if (!text) b->err = ERR_NOMEM;
        if (!text || strlen(text) == value.len) return text;
        issue_error(&b->issues, place_of(b, key), key, "the value of '%s' holds a zero byte", key);
        issue_hint(&b->issues, "send text");
        return NULL;
    }
    if (b->blob_n == BUILD_BLOBS_MAX) {
        issue_error(&b->issues, place_of(b, key), key, "there are too many files in one request");
        issue_hint(&b->issues, "at most %u", BUILD_BLOBS_MAX);
        return NULL;
    }
    b->blob[b->blob_n] = arena_copy(&b->tree.arena, value);
    if (!b->blob[b->blob_n].at) b->err = ERR_NOMEM;
    int n = snprintf(name, sizeof name, "#%u", b->blob_n++);
    return arena_str(&b->tree.arena, name, (size_t)n);
}

static void list_grow(struct build *b, const char *more)
{
    struct value *v = &b->list->value;
    size_t n = strlen(more);
    if (++b->list_n > BUILD_LIST_MAX) {
        b->err = ERR_LIMIT;
        return;
    }
    char *text = arena_get(&b->tree.arena, v->len + n + 2);
    if (!text) {
        b->err = ERR_NOMEM;
        return;
    }
    memcpy(text, v->text, v->len);
    text[v->len] = ',';
    memcpy(text + v->len + 1, more, n);
    v->text = text;
    v->len += n + 1;
}

void build_set(struct build *b, span_t key, span_t value)
{
    struct setting s = {.block = b->depth}, old;
    if (b->err != ERR_OK) return;
    s.key = name_of(b, key);
    const char *text = s.key && value.len ? text_of(b, s.key, value) : NULL;
    if (!text || b->err != ERR_OK) return;
    if (b->list && strcmp(b->list->key, s.key) == 0) {
        list_grow(b, text);
        return;
    }
    s.at = place_of(b, s.key);
    s.value = (struct value){.src = s.at.src, .text = text, .len = strlen(text), .quoted = true};
    if (b->err == ERR_OK) b->err = tree_set(&b->tree, b->at[b->depth], &s, &old);
    b->list_n = 1;
    b->list = b->err == ERR_OK ? tree_setting(&b->tree, b->at[b->depth], s.key) : NULL;
}

// ---- the end ----

err_t build_finish(struct build *b, struct config **out, struct conf_issues *issues)
{
    err_t err = b->err;
    struct config *c = err == ERR_OK ? config_new() : NULL;
    struct load ld = {.tree = &b->tree,
                      .issues = &b->issues,
                      .out = c,
                      .loose = true,
                      .blob = b->blob,
                      .blob_n = b->blob_n};
    if (err == ERR_OK) err = c ? config_type(&ld) : ERR_NOMEM;
    if (err == ERR_OK && b->issues.errors) err = ERR_SYNTAX;
    *issues = b->issues;
    b->issues = (struct conf_issues){0};
    build_free(b);
    if (err == ERR_OK) {
        *out = c;
    } else {
        config_free(c);
    }
    return err;
}

void build_show(const struct conf_issues *l, char *buf, size_t cap)
{
    const struct conf_issue *first = NULL;
    for (unsigned i = 0; i < l->n && !first; i++) {
        if (!l->issue[i].warning) first = &l->issue[i];
    }
    if (!first) {
        (void)snprintf(buf, cap, "out of memory, or a limit was reached");
        return;
    }
    int n = snprintf(buf, cap, "%s: %s%s%s", first->file, first->what, first->hint ? "; " : "",
                     first->hint ? first->hint : "");
    if (l->errors > 1 && n > 0 && (size_t)n < cap) {
        (void)snprintf(buf + n, cap - (size_t)n, " (and %u more mistake%s)", l->errors - 1,
                       l->errors > 2 ? "s" : "");
    }
}

// ---- certificates and keys ----

static err_t add_cert(struct load *ld, enum build_kind kind, span_t file, struct why *why)
{
    struct creds *c = ld->out->creds;
    struct cert *cert;
    TRY(cert_read(file, &cert, why));
    struct trust *t = kind == BUILD_AA ? trust_new() : NULL; // it knows who may be one
    err_t good = t ? trust_add_aa(t, cert, why) : kind == BUILD_AA ? ERR_NOMEM : ERR_OK;
    trust_free(t);
    if (good != ERR_OK) {
        cert_free(cert);
        return good;
    }
    if (kind == BUILD_CA && !cert_is_ca(cert) && !cert_is_self_signed(cert)) {
        char name[CERT_NAME_MAX];
        err_t err = why_not(why, ERR_UNSUPPORTED, "%s is not the certificate of an authority",
                            cert_name(cert, name));
        cert_free(cert);
        return err;
    }
    struct cred_cert **list = kind == BUILD_CA     ? &c->cas
                              : kind == BUILD_OCSP ? &c->ocsp
                              : kind == BUILD_AA   ? &c->aas
                                                   : &c->certs;
    struct cred_cert *new = CREDS_APPEND(ld, c, *list);
    if (!new) {
        cert_free(cert);
        return ERR_NOMEM;
    }
    new->cert = cert;
    new->file = "(loaded)";
    return ERR_OK;
}

static err_t add_crl(struct load *ld, span_t file, struct why *why)
{
    struct creds *c = ld->out->creds;
    struct trust *t = trust_new(); // it knows how to read one
    if (!t) return ERR_NOMEM;
    err_t err = trust_add_crl(t, file, why);
    trust_free(t);
    TRY(err);
    struct cred_blob *b = CREDS_APPEND(ld, c, c->crls);
    if (!b) return ERR_NOMEM;
    b->file = "(loaded)";
    b->der = arena_copy(&c->arena, file);
    return b->der.at ? ERR_OK : ERR_NOMEM;
}

static err_t add_acert(struct load *ld, span_t file, struct why *why)
{
    struct creds *c = ld->out->creds;
    struct acert *a;
    TRY(acert_read(file, &a, why));
    struct cred_acert *new = CREDS_APPEND(ld, c, c->acerts);
    if (!new) {
        acert_free(a);
        return ERR_NOMEM;
    }
    new->acert = a;
    new->file = "(loaded)";
    return ERR_OK;
}

static err_t add_pub(struct load *ld, span_t file, struct why *why)
{
    struct creds *c = ld->out->creds;
    struct pubkey *key;
    TRY(pubkey_read(file, &key, why));
    struct cred_pub *p = CREDS_APPEND(ld, c, c->pubkeys);
    if (!p) {
        pubkey_free(key);
        return ERR_NOMEM;
    }
    p->key = key;
    p->file = "(loaded)";
    return ERR_OK;
}

static err_t give(struct config *c, err_t err, struct config **out, struct why *why)
{
    if (err == ERR_OK) {
        *out = c;
        return ERR_OK;
    }
    config_free(c);
    return why->text[0] ? err : why_not(why, err, "%s", err_text(err));
}

err_t build_cert(enum build_kind kind, span_t file, struct config **out, struct why *why)
{
    struct load ld = {.out = config_new()};
    why->text[0] = 0;
    if (!ld.out) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    err_t err = kind == BUILD_CRL      ? add_crl(&ld, file, why)
                : kind == BUILD_PUBKEY ? add_pub(&ld, file, why)
                : kind == BUILD_ACERT  ? add_acert(&ld, file, why)
                                       : add_cert(&ld, kind, file, why);
    return give(ld.out, err, out, why);
}

err_t build_key(span_t file, struct config **out, struct why *why)
{
    struct load ld = {.out = config_new()};
    struct signer *key;
    why->text[0] = 0;
    if (!ld.out) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    err_t err = signer_read(file, NULL, &key, why);
    struct creds *c = ld.out->creds;
    struct cred_key *k = err == ERR_OK ? CREDS_APPEND(&ld, c, c->keys) : NULL;
    if (k) {
        k->key = key;
        k->file = "(loaded)";
    } else if (err == ERR_OK) {
        signer_free(key);
        err = ERR_NOMEM;
    }
    return give(ld.out, err, out, why);
}
