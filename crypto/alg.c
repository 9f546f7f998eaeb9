#include "crypto/alg.h"

#include <stdio.h>
#include <string.h>

#include "crypto/alg_tab.h"

const struct alg *alg_all(size_t *n)
{
    size_t count = 0;
    while (alg_table[count].type) count++;
    *n = count;
    return alg_table;
}

const struct alg *alg_find(enum alg_type type, uint16_t id, uint16_t key_len)
{
    for (const struct alg *a = alg_table; a->type; a++) {
        if (a->type == type && a->id == id && (key_len == 0 || a->key_len == key_len)) return a;
    }
    return NULL;
}

// The word an alias stands for; the alias itself if it is none. type 0 = any.
static const char *alias_resolve(const struct alg_alias *aliases, unsigned type, const char *word)
{
    for (const struct alg_alias *a = aliases; a->type; a++) {
        if ((type == 0 || a->type == type) && !strcmp(a->alias, word)) return a->keyword;
    }
    return word;
}

const struct alg *alg_by_keyword(const char *keyword)
{
    const char *word = alias_resolve(alg_aliases, 0, keyword);
    for (const struct alg *a = alg_table; a->type; a++) {
        if (!strcmp(a->keyword, word)) return a;
    }
    return NULL;
}

const char *const *alg_keywords(void)
{
    return alg_words;
}

const struct alg *alg_by_kernel(enum alg_type type, const char *kernel, uint16_t key_len,
                                uint16_t icv_len)
{
    const char *name = alias_resolve(alg_kernel_aliases, type, kernel);
    for (const struct alg *a = alg_table; a->type; a++) {
        if (a->type != type || !a->kernel || strcmp(a->kernel, name) != 0) continue;
        if (type == ALG_INTEG) return a;
        if (key_len != 0 && a->key_len != key_len) continue;
        if (icv_len == 0 || !a->aead || a->icv_len == icv_len) return a;
    }
    return NULL;
}

// Keys of AES: that a MAC takes them all is the kernel's doing (crypto/xcbc.c, crypto/cmac.c).
static bool aes_takes_key(size_t len)
{
    return len == 16 || len == 24 || len == 32;
}

bool alg_takes_key(const struct alg *a, size_t len)
{
    if (a->type == ALG_INTEG) return a->hmac ? len > 0 : aes_takes_key(len);
    for (const struct alg *o = alg_table; o->type; o++) {
        if (o->type == a->type && o->id == a->id && (size_t)o->key_len + o->salt_len == len)
            return true;
    }
    return false;
}

#define SHOWN_MAX 64 // bytes of the longest key of a cipher or an AES MAC

const char *alg_show_keys(const struct alg *a, unsigned unit, char buf[48])
{
    size_t lens[8], n = 0, at = 0;
    if (a->hmac) {
        snprintf(buf, 48, "%u or more", unit);
        return buf;
    }
    for (size_t len = 0; len <= SHOWN_MAX && n < 8; len++) {
        if (alg_takes_key(a, len)) lens[n++] = len;
    }
    for (size_t i = 0; i < n && at < 40; i++) {
        const char *before = i == 0 ? "" : i + 1 == n ? " or " : ", ";
        at += (size_t)snprintf(buf + at, 48 - at, "%s%zu", before, lens[i] * unit);
    }
    return buf;
}

const char *alg_refusal(const char *kernel)
{
    for (const struct alg_refused *r = alg_refusals; r->kernel; r++) {
        if (!strcmp(r->kernel, kernel)) return r->why;
    }
    return NULL;
}

const char *alg_show(enum alg_type type, uint16_t id, char buf[32])
{
    const struct alg *a = alg_find(type, id, 0);
    const char *name = a ? a->name : NULL;
    for (const struct alg_label *l = alg_labels; !name && l->type; l++) {
        if (l->type == type && l->id == id) name = l->name;
    }
    if (name)
        snprintf(buf, 32, "%s", name);
    else
        snprintf(buf, 32, "UNKNOWN_%u", id);
    return buf;
}
