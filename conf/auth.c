#include "conf/auth.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/issue.h"
#include "conf/value.h"
#include "cred/pubkey.h"
#include "eap/eap.h"

#define NO_XAUTH "XAuth belongs to IKEv1, which is not supported"
#define BITS_MAX 16384 // of a key

static const char kinds_hint[] =
    "psk, pubkey, eap, null, or keys and hashes as in rsa-3072-sha256, "
    "ike:ecdsa-sha384, rsa/pss, ed25519";

// What a word between two dashes says. keys and hashes are sets.
struct rule_word {
    const char *word;
    uint8_t keys;
    hash_set_t hash;
    bool pss, pkcs1;
};
#define KEY_BIT(kind) ((uint8_t)(1U << (kind)))
#define KEYS_ALL (KEY_BIT(KEY_RSA) | KEY_BIT(KEY_ECDSA) | KEY_BIT(KEY_ED25519) | KEY_BIT(KEY_ED448))

static const struct rule_word rule_words[] = {
    {"pubkey", KEYS_ALL, 0, false, false},
    {"rsa", KEY_BIT(KEY_RSA), 0, false, false},
    {"rsa/pss", KEY_BIT(KEY_RSA), 0, true, false},
    {"rsa/pkcs1", KEY_BIT(KEY_RSA), 0, false, true},
    {"ecdsa", KEY_BIT(KEY_ECDSA), 0, false, false},
    {"ed25519", KEY_BIT(KEY_ED25519), 0, false, false},
    {"ed448", KEY_BIT(KEY_ED448), 0, false, false},
    {"sha1", 0, HASH_BIT(HASH_SHA1), false, false},
    {"sha224", 0, HASH_BIT(HASH_SHA224), false, false},
    {"sha256", 0, HASH_BIT(HASH_SHA256), false, false},
    {"sha384", 0, HASH_BIT(HASH_SHA384), false, false},
    {"sha512", 0, HASH_BIT(HASH_SHA512), false, false},
    {"identity", 0, HASH_BIT(HASH_IDENTITY), false, false},
};

static const struct rule_word *rule_word(const char *s, size_t n)
{
    for (size_t i = 0; i < sizeof rule_words / sizeof *rule_words; i++) {
        const char *w = rule_words[i].word;
        if (strlen(w) == n && strncmp(w, s, n) == 0) return &rule_words[i];
    }
    return NULL;
}

// The least size of the keys named before it; elliptic curves of 25519 and 448 have but one.
static bool rule_bits(const char *s, size_t n, uint8_t keys, struct key_rules *r)
{
    char *end;
    unsigned long bits = strtoul(s, &end, 10);
    if (end != s + n || bits == 0 || bits > BITS_MAX) return false;
    if (keys & KEY_BIT(KEY_RSA)) r->rsa_bits = (uint16_t)bits;
    if (keys & KEY_BIT(KEY_ECDSA)) r->ecdsa_bits = (uint16_t)bits;
    return keys != 0 && keys != KEYS_ALL;
}

// One class, without its prefix. NULL: all is well; else where it makes no sense.
static const char *rules_read(const char *s, size_t len, struct conf_auth_rules *out)
{
    struct key_rules r = {0};
    bool pkcs1 = false;
    uint8_t keys = 0; // that a number would be about
    const char *end = s + len;
    while (s < end) {
        const char *dash = memchr(s, '-', (size_t)(end - s));
        size_t n = (size_t)((dash ? dash : end) - s);
        const struct rule_word *w = rule_word(s, n);
        if (w) {
            r.keys |= w->keys;
            r.hashes |= w->hash;
            r.pss |= w->pss;
            pkcs1 |= w->pkcs1;
            keys = w->keys;
        } else if (!isdigit((unsigned char)*s) || !rule_bits(s, n, keys, &r)) {
            return s;
        }
        if (dash && dash + 1 == end) return dash;
        s += n + 1;
    }
    if (!r.keys) r.keys = KEYS_ALL;
    *out = (struct conf_auth_rules){true, pkcs1, r};
    return NULL;
}

static bool refused(const struct arg *a)
{
    static const struct {
        const char *prefix, *why;
    } known[] = {{"xauth", NO_XAUTH}, {"bliss", "BLISS signatures are obsolete and not supported"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strncmp(a->v->text, known[i].prefix, strlen(known[i].prefix)) != 0) continue;
        issue_error(a->ld->issues, value_place(a->v, 0), a->v->text, "%s", known[i].why);
        value_hint(a, "write auth = pubkey, or auth = psk and a secret in secrets { ike { ... } }");
        return true;
    }
    return false;
}

static void hint_near(const struct arg *a, const char *wrong)
{
    const char *names[sizeof rule_words / sizeof *rule_words + 4] = {"psk", "null", "eap"};
    size_t n = 3;
    for (size_t i = 0; i < sizeof rule_words / sizeof *rule_words; i++) {
        names[n++] = rule_words[i].word;
    }
    const char *near = nearest(wrong, names);
    if (near) value_hint(a, "did you mean '%s'?", near);
    if (!near) value_hint(a, "%s", kinds_hint);
}

static void set_rules(const struct arg *a, const struct element *e, struct conf_side *side)
{
    const char prefix[] = "ike:";
    size_t skip = strncmp(e->text, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    struct conf_auth_rules r = {0};
    const char *wrong = rules_read(e->text + skip, e->len - skip, &r);
    if (e->len == skip) wrong = e->text;
    if (wrong) {
        issue_error(a->ld->issues, element_place(a, e, (size_t)(wrong - e->text)), wrong,
                    "'%s' is not a way to authenticate", e->text);
        hint_near(a, wrong);
        return;
    }
    side->auth = CONF_AUTH_PUBKEY;
    if (!skip) side->chain_rules = r;
    // What is said of signatures in general holds for IKE's, too, if there is no word on those.
    if (skip || !side->ike_rules.given) side->ike_rules = r;
}

// ---- EAP ----

static const char eap_hint[] =
    "eap-tls, eap-ttls, eap-peap, eap-mschapv2, eap-md5, eap-gtc, eap-sim, eap-aka, eap-aka-prime; "
    "or eap: whatever both sides can; or, in remote, eap-radius: a RADIUS server decides";

// "eap-tls:rsa-3072-sha256": keys and hashes of certificates in it.
static void set_eap_rules(const struct arg *a, const char *rules, struct conf_side *side)
{
    const char *wrong = *rules ? rules_read(rules, strlen(rules), &side->chain_rules) : rules;
    if (!wrong && eap_takes_cert(side->eap)) return;
    issue_error(a->ld->issues, value_place(a->v, (size_t)(rules - a->v->text)), rules,
                wrong ? "'%s' says nothing of keys or hashes"
                      : "'%s' speaks of certificates, which this method has not got",
                rules);
    if (wrong) hint_near(a, wrong);
    if (!wrong) value_hint(a, "%s", "leave it out");
}

static void set_eap(const struct arg *a)
{
    struct conf_side *side = a->to;
    const char *name = a->v->text + strlen("eap");
    size_t len = strcspn(name, ":");
    side->auth = CONF_AUTH_EAP;
    bool any = len == 0 || (len == strlen("-dynamic") && strncmp(name, "-dynamic", len) == 0);
    side->radius = len == strlen("-radius") && strncmp(name, "-radius", len) == 0;
    if (!any && *name == '-') side->eap = eap_by_name(name + 1, len - 1);
    if (!any && !side->eap && !side->radius) {
        issue_error(a->ld->issues, value_place(a->v, 0), a->v->text,
                    "'%s' is no method of EAP that is supported", a->v->text);
        value_hint(a, "%s", eap_hint);
        return;
    }
    if (name[len]) set_eap_rules(a, name + len + 1, side);
}

void set_auth(const struct arg *a)
{
    struct conf_side *side = a->to;
    if (strcmp(a->v->text, "psk") == 0) {
        side->auth = CONF_AUTH_PSK;
        return;
    }
    if (strcmp(a->v->text, "null") == 0) {
        side->auth = CONF_AUTH_NULL;
        return;
    }
    if (strncmp(a->v->text, "eap", strlen("eap")) == 0) {
        set_eap(a);
        return;
    }
    side->auth = CONF_AUTH_PUBKEY; // so that nothing is said of it twice
    if (refused(a)) return;
    for (struct element e = {0}; value_next(a, &e);) set_rules(a, &e, side);
}
