#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "conf/creds_load.h"
#include "conf/include.h"
#include "conf/issue.h"
#include "cred/p12.h"

#define CRL_FILE_MAX (64UL * 1024UL * 1024UL) // bytes: a million revoked certificates

// One file on its way into the lists.
struct file {
    struct load *ld;
    struct creds *c;
    const char *folder, *name, *path;
    struct place at; // what is to be named if it is no good
    bool asked;      // by a setting: then that is a mistake, else a warning
    span_t bytes;
};

// ---- saying what is wrong ----

static struct place place_of_file(struct load *ld, const char *path)
{
    struct source *s = arena_get(&ld->tree->arena, sizeof *s);
    if (!s) return (struct place){0};
    *s = (struct source){.name = path, .no = UINT32_MAX - 1};
    return (struct place){s, 0};
}

static void bad_file(const struct file *f, const char *hint, const char *reason)
{
    struct conf_issues *l = f->ld->issues;
    if (f->asked) {
        issue_error(l, f->at, f->name, "%s cannot be used: %s", f->path, reason);
    } else {
        issue_warn(l, f->at, f->name, "%s is passed over: %s", f->path, reason);
    }
    issue_hint(l, "%s", hint);
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

#define NEAR_MAX 64 // files of a folder offered to "did you mean"

// There is no such file: is there one with nearly that name?
static void hint_near(const struct file *f)
{
    struct dirent **list = NULL;
    const char *names[NEAR_MAX + 1] = {0};
    char dir[PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/%s", f->ld->folder ? f->ld->folder : "", f->folder);
    int n = f->ld->folder && !strchr(f->name, '/') ? scandir(dir, &list, visible, alphasort) : 0;
    for (int i = 0; i < n && i < NEAR_MAX; i++) names[i] = list[i]->d_name;
    const char *near = nearest(f->name, names);
    if (near) issue_hint(f->ld->issues, "did you mean '%s'?", near);
    for (int i = 0; i < n; i++) free(list[i]);
    free(list);
}

static bool file_read(struct file *f, size_t max)
{
    if (f->bytes.at) return true; // it came with the settings
    err_t e = include_read(f->ld->tree, f->path, max, &f->bytes);
    if (e == ERR_OK) return true;
    const char *reason = e == ERR_LIMIT ? "it is too large"
                         : e == ERR_NOTFOUND || e == ERR_PERMISSION || e == ERR_SYSTEM
                             ? strerror(errno)
                             : err_text(e);
    const char *hint = !f->asked           ? "is it meant to be there?"
                       : f->name[0] == '/' ? "is the path right?"
                                           : "put it into that folder, or write its whole path";
    bad_file(f, hint, reason);
    if (f->asked && e == ERR_NOTFOUND) hint_near(f);
    return false;
}

// ---- kinds of files ----

static const char *keep(struct file *f)
{
    const char *name = arena_str(&f->c->arena, f->path, strlen(f->path));
    if (!name) f->ld->nomem = true;
    return name;
}

static struct cred_cert *take_cert(struct file *f, struct cred_cert **list)
{
    struct why why = {0};
    struct cert *cert;
    if (!file_read(f, SIGN_FILE_MAX)) return NULL;
    err_t e = cert_read(f->bytes, &cert, &why);
    if (e != ERR_OK) {
        bad_file(f, "it must be one certificate, PEM or DER", why.text[0] ? why.text : err_text(e));
        return NULL;
    }
    struct cred_cert *c = CREDS_APPEND(f->ld, f->c, *list);
    if (!c) {
        cert_free(cert);
        return NULL;
    }
    c->cert = cert;
    c->file = keep(f);
    return c;
}

static void take_own_cert(struct file *f)
{
    if (take_cert(f, &f->c->certs)) f->c->cert_n++;
}

static void take_ca(struct file *f)
{
    struct cred_cert *c = take_cert(f, &f->c->cas);
    if (!c) return;
    f->c->ca_n++;
    if (!cert_is_ca(c->cert)) {
        bad_file(f, "make it with basicConstraints = CA:TRUE, or put it into x509",
                 "it is not the certificate of an authority");
    }
}

static void take_ocsp(struct file *f)
{
    (void)take_cert(f, &f->c->ocsp);
}

static void take_aa(struct file *f)
{
    (void)take_cert(f, &f->c->aas);
}

static void take_acert(struct file *f)
{
    struct why why = {0};
    struct acert *a;
    if (!file_read(f, SIGN_FILE_MAX)) return;
    err_t e = acert_read(f->bytes, &a, &why);
    if (e != ERR_OK) {
        bad_file(f, "it must be one attribute certificate, PEM or DER",
                 why.text[0] ? why.text : err_text(e));
        return;
    }
    struct cred_acert *new = CREDS_APPEND(f->ld, f->c, f->c->acerts);
    if (!new) {
        acert_free(a);
        return;
    }
    new->acert = a;
    new->file = keep(f);
}

static void take_crl(struct file *f)
{
    if (!file_read(f, CRL_FILE_MAX)) return;
    struct cred_blob *b = CREDS_APPEND(f->ld, f->c, f->c->crls);
    if (!b) return;
    b->file = keep(f);
    b->der = arena_copy(&f->c->arena, f->bytes);
    if (!b->der.at) f->ld->nomem = true;
}

static struct cred_pub *take_pub(struct file *f)
{
    struct why why = {0};
    struct pubkey *key;
    if (!file_read(f, SIGN_FILE_MAX)) return NULL;
    err_t e = pubkey_read(f->bytes, &key, &why);
    if (e != ERR_OK) {
        bad_file(f, "it must be a public key, PEM or DER", why.text[0] ? why.text : err_text(e));
        return NULL;
    }
    struct cred_pub *p = CREDS_APPEND(f->ld, f->c, f->c->pubkeys);
    if (!p) {
        pubkey_free(key);
        return NULL;
    }
    p->key = key;
    p->file = keep(f);
    return p;
}

static void take_pubkey(struct file *f)
{
    (void)take_pub(f);
}

// ---- private keys ----

static bool passphrase_of(const struct file *f, struct secret *out)
{
    for (struct passphrase *p = f->ld->passphrases; p; p = p->next) {
        if (strcmp(p->folder, f->folder) != 0 || strcmp(p->file, f->name) != 0) continue;
        p->used = true;
        return secret_set(out, p->secret) == ERR_OK;
    }
    return false;
}

static void bad_key(const struct file *f, err_t e, const struct why *why, bool given)
{
    char hint[200];
    (void)snprintf(hint, sizeof hint,
                   given ? "is its passphrase right?"
                         : "write %s-1 { file = %s; secret = \"...\" } in secrets, on three lines",
                   f->folder, f->name);
    bad_file(f, e == ERR_AUTH ? hint : "it must be a private key, PEM or DER",
             why->text[0] ? why->text : err_text(e));
}

static void key_add(struct file *f, struct signer *key)
{
    struct cred_key *k = CREDS_APPEND(f->ld, f->c, f->c->keys);
    if (!k) {
        signer_free(key);
        return;
    }
    k->key = key;
    k->file = keep(f);
    f->c->key_n++;
}

static void take_key(struct file *f)
{
    struct why why = {0};
    struct secret pass = {0};
    struct signer *key;
    if (!file_read(f, SIGN_FILE_MAX)) return;
    bool given = passphrase_of(f, &pass);
    err_t e = signer_read(f->bytes, given ? &pass : NULL, &key, &why);
    secret_done(&pass);
    if (e != ERR_OK) {
        bad_key(f, e, &why, given);
        return;
    }
    key_add(f, key);
}

static void take_p12(struct file *f)
{
    struct why why = {0};
    struct secret pass = {0};
    struct p12 p = {0};
    if (!file_read(f, SIGN_FILE_MAX)) return;
    bool given = passphrase_of(f, &pass);
    err_t e = p12_read(f->bytes, given ? &pass : NULL, &p, &why);
    secret_done(&pass);
    if (e != ERR_OK) bad_key(f, e, &why, given);
    for (unsigned i = 0; e == ERR_OK && i < p.n; i++) {
        struct cred_cert *c = CREDS_APPEND(f->ld, f->c, f->c->certs);
        if (!c) break;
        c->cert = cert_ref(p.certs[i]);
        c->file = keep(f);
        f->c->cert_n++;
    }
    if (e == ERR_OK && p.key) key_add(f, signer_ref(p.key));
    p12_done(&p);
}

// ---- folders ----

static const char *path_join(struct load *ld, const char *folder, const char *name)
{
    if (name[0] == '/' || !ld->folder) return name;
    size_t n = strlen(ld->folder) + strlen(folder) + strlen(name) + 3;
    char *path = arena_get(&ld->tree->arena, n);
    if (!path) {
        ld->nomem = true;
        return NULL;
    }
    (void)snprintf(path, n, "%s/%s/%s", ld->folder, folder, name);
    return path;
}

static void read_folder(struct load *ld, struct creds *c, const char *folder,
                        void (*take)(struct file *f))
{
    struct dirent **names = NULL;
    const char *dir = path_join(ld, folder, "");
    if (!dir) return;
    int n = scandir(dir, &names, visible, alphasort); // sorted: the order is always the same
    if (n < 0 && errno != ENOENT && errno != ENOTDIR) {
        issue_warn(ld->issues, place_of_file(ld, dir), folder, "the folder %s cannot be read: %s",
                   dir, strerror(errno));
        issue_hint(ld->issues, "what is in it is not known here");
    }
    for (int i = 0; i < n; i++) {
        struct file f = {.ld = ld, .c = c, .folder = folder};
        f.name = arena_str(&ld->tree->arena, names[i]->d_name, strlen(names[i]->d_name));
        f.path = f.name ? path_join(ld, folder, f.name) : NULL;
        free(names[i]);
        if (!f.path || i >= CREDS_FOLDER_MAX) continue;
        f.at = place_of_file(ld, f.path);
        take(&f);
    }
    free(names);
}

static void refuse_bliss(struct file *f)
{
    bad_file(f, "remove it; use Ed25519, and ML-KEM against quantum computers",
             "BLISS signatures are obsolete and not supported");
}

void creds_read_folders(struct load *ld, struct creds *c)
{
    static const struct {
        const char *folder;
        void (*take)(struct file *f);
    } folders[] = {
        {"x509", take_own_cert}, {"x509ca", take_ca},     {"x509ocsp", take_ocsp},
        {"x509crl", take_crl},   {"pubkey", take_pubkey}, {"private", take_key},
        {"rsa", take_key},       {"ecdsa", take_key},     {"pkcs8", take_key},
        {"pkcs12", take_p12},    {"x509ac", take_acert},  {"x509aa", take_aa},
        {"bliss", refuse_bliss},
    };
    for (size_t i = 0; i < sizeof folders / sizeof *folders && !ld->nomem; i++) {
        read_folder(ld, c, folders[i].folder, folders[i].take);
    }
    for (const struct passphrase *p = ld->passphrases; p; p = p->next) {
        if (p->used) continue;
        issue_warn(ld->issues, p->at, p->file, "there is no file %s in %s/%s", p->file, ld->folder,
                   p->folder);
        issue_hint(ld->issues, "remove this section, or put the file there");
    }
}

// ---- files that settings name ----

static struct cred_cert *cert_named(struct cred_cert *l, const char *path)
{
    while (l && strcmp(l->file, path) != 0) l = l->next;
    return l;
}

// Read before, in its folder or for another setting, or read now.
static struct cred_cert *want_cert(struct file *f, struct cred_cert **list)
{
    struct cred_cert *c = cert_named(*list, f->path);
    return c ? c : take_cert(f, list);
}

static void give_cert(struct file *f, struct cred_cert **to, struct cred_cert *from)
{
    struct cred_cert *c = from ? CREDS_APPEND(f->ld, f->c, *to) : NULL;
    if (!c) return;
    c->cert = from->cert;
    c->file = from->file;
}

static struct side_creds *creds_of(struct load *ld, struct creds *c, struct conf_side *side)
{
    struct side_creds *mine = (struct side_creds *)(uintptr_t)side->creds; // ours until we are done
    if (mine) return mine;
    mine = arena_get(&c->arena, sizeof *mine);
    if (!mine) ld->nomem = true;
    side->creds = mine;
    return mine;
}

static void want_pub(struct file *f, struct side_creds *to)
{
    struct cred_pub *from = f->c->pubkeys;
    while (from && strcmp(from->file, f->path) != 0) from = from->next;
    if (!from) from = take_pub(f);
    struct cred_pub *p = from ? CREDS_APPEND(f->ld, f->c, to->pubkeys) : NULL;
    if (!p) return;
    p->key = from->key;
    p->file = from->file;
}

// "#3" among settings that came in pieces.
static span_t blob_named(const struct load *ld, const char *name)
{
    unsigned long i = ld->blob && name[0] == '#' ? strtoul(name + 1, NULL, 10) : ULONG_MAX;
    return i < ld->blob_n ? ld->blob[i] : span(NULL, 0);
}

// Without a folder only a whole path says which file is meant.
static bool may_read(const struct file *f)
{
    if (f->bytes.at || f->ld->folder || f->name[0] == '/') return true;
    bad_file(f, "write its whole path", "it is not clear in which folder it is");
    return false;
}

static void read_wanted(struct load *ld, struct creds *c, const struct wanted *w)
{
    static const char *const folders[] = {[WANTED_CERT] = "x509",
                                          [WANTED_CACERT] = "x509ca",
                                          [WANTED_PUBKEY] = "pubkey",
                                          [WANTED_AUTHORITY] = "x509ca"};
    struct file f = {.ld = ld, .c = c, .folder = folders[w->kind], .name = w->name, .at = w->at};
    f.asked = true;
    f.bytes = blob_named(ld, f.name);
    f.path = f.bytes.at ? f.name : path_join(ld, f.folder, f.name);
    if (!f.path || !may_read(&f)) return;
    if (w->kind == WANTED_AUTHORITY) {
        struct cred_authority *a = w->whose;
        struct cred_cert *cert = want_cert(&f, &c->cas);
        if (cert) a->cert = cert->cert;
        return;
    }
    struct side_creds *to = creds_of(ld, c, w->whose);
    if (!to) return;
    if (w->kind == WANTED_PUBKEY) {
        want_pub(&f, to);
    } else if (w->kind == WANTED_CERT) {
        give_cert(&f, &to->certs, want_cert(&f, &c->certs));
    } else {
        // One from elsewhere is believed by those only who name it.
        struct cred_cert *known = cert_named(c->cas, f.path);
        give_cert(&f, &to->cacerts, known ? known : want_cert(&f, &c->named));
    }
}

void creds_read_wanted(struct load *ld, struct creds *c)
{
    for (const struct wanted *w = ld->wanted; w && !ld->nomem; w = w->next) read_wanted(ld, c, w);
}
