#include "ike/sa/keylog.h"

#include <inttypes.h>

#include "base/text.h"
#include "ike/sa/diplomat.h"

struct name {
    uint16_t id;
    const char *ike, *esp; // NULL: Wireshark has no word for it
};

static const struct name ciphers[] = {
    {ENCR_NULL, "NULL [RFC2410]", "NULL"},
    {ENCR_3DES, "3DES [RFC2451]", "TripleDES-CBC [RFC2451]"},
    {ENCR_AES_CBC, "AES-CBC-%u [RFC3602]", "AES-CBC [RFC3602]"},
    {ENCR_AES_CTR, "AES-CTR-%u [RFC5930]", "AES-CTR [RFC3686]"},
    {ENCR_AES_CCM_8, "AES-CCM-%u with 8 octet ICV [RFC5282]", NULL},
    {ENCR_AES_CCM_12, "AES-CCM-%u with 12 octet ICV [RFC5282]", NULL},
    {ENCR_AES_CCM_16, "AES-CCM-%u with 16 octet ICV [RFC5282]", NULL},
    {ENCR_AES_GCM_8, "AES-GCM-%u with 8 octet ICV [RFC5282]", "AES-GCM with 8 octet ICV [RFC4106]"},
    {ENCR_AES_GCM_12, "AES-GCM-%u with 12 octet ICV [RFC5282]",
     "AES-GCM with 12 octet ICV [RFC4106]"},
    {ENCR_AES_GCM_16, "AES-GCM-%u with 16 octet ICV [RFC5282]",
     "AES-GCM with 16 octet ICV [RFC4106]"},
};

// Wireshark does not check the MACs on AES, but it decrypts when it knows how long they are.
static const struct name macs[] = {
    {INTEG_AES_XCBC_96, "ANY 96-bits of Authentication [No Checking]",
     "ANY 96 bit authentication [no checking]"},
    {INTEG_AES_CMAC_96, "ANY 96-bits of Authentication [No Checking]",
     "ANY 96 bit authentication [no checking]"},
    {INTEG_NONE, "NONE [RFC4306]", "NULL"},
    {INTEG_HMAC_SHA1_96, "HMAC_SHA1_96 [RFC2404]", "HMAC-SHA-1-96 [RFC2404]"},
    {INTEG_HMAC_SHA2_256_128, "HMAC_SHA2_256_128 [RFC4868]", "HMAC-SHA-256-128 [RFC4868]"},
    {INTEG_HMAC_SHA2_384_192, "HMAC_SHA2_384_192 [RFC4868]", "HMAC-SHA-384-192 [RFC4868]"},
    {INTEG_HMAC_SHA2_512_256, "HMAC_SHA2_512_256 [RFC4868]", "HMAC-SHA-512-256 [RFC4868]"},
};

static const struct name *name_of(const struct name *names, size_t n, const struct transform *t,
                                  uint16_t none)
{
    uint16_t id = t ? t->id : none;
    for (size_t i = 0; i < n; i++) {
        if (names[i].id == id) return &names[i];
    }
    return NULL;
}

static const struct name *cipher_of(const struct proposal *p)
{
    return name_of(ciphers, sizeof ciphers / sizeof *ciphers, proposal_get(p, ALG_ENCR), ENCR_NULL);
}

static const struct name *mac_of(const struct proposal *p)
{
    return name_of(macs, sizeof macs / sizeof *macs, proposal_get(p, ALG_INTEG), INTEG_NONE);
}

static void add_key(struct text *t, const char *before, span_t key)
{
    text_add(t, "%s", before);
    text_hex(t, key);
}

// Puts the key length into a name that has a place for it.
static void add_cipher(struct text *t, const char *name, const struct transform *encr)
{
    for (const char *p = name; *p; p++) {
        if (p[0] != '%') {
            text_add(t, "%c", *p);
            continue;
        }
        text_add(t, "%u", (encr ? encr->key_len : 0U) * 8U);
        p++; // the u
    }
}

void keylog_ike(const struct ike_sa *sa)
{
    const struct env *env = &sa->ike->env;
    const struct ike_keys *k = &sa->keys;
    const struct name *cipher = cipher_of(&sa->chosen), *mac = mac_of(&sa->chosen);
    if (!env->keylog) return;
    AUTO(text) struct text t = {0};
    if (!cipher || !mac || !cipher->ike) {
        text_add(&t, "# %016" PRIx64 ": Wireshark 4.0 has no word for this cipher", sa->spi_i);
        env->keylog(env->ctx, "ikev2_decryption_table", text_str(&t));
        return;
    }
    text_add(&t, "%016" PRIx64 ",%016" PRIx64, sa->spi_i, sa->spi_r);
    add_key(&t, ",", secret_span(&k->ei));
    add_key(&t, ",", secret_span(&k->er));
    text_add(&t, ",\"");
    add_cipher(&t, cipher->ike, proposal_get(&sa->chosen, ALG_ENCR));
    text_add(&t, "\"");
    add_key(&t, ",", secret_span(&k->ai));
    add_key(&t, ",", secret_span(&k->ar));
    text_add(&t, ",\"%s\"", mac->ike);
    env->keylog(env->ctx, "ikev2_decryption_table", text_str(&t));
}

void keylog_child(const struct child_sa *c, const struct xfrm_sa *x)
{
    const struct env *env = &c->sa->ike->env;
    const struct name *cipher = cipher_of(&c->chosen), *mac = mac_of(&c->chosen);
    const struct xfrm_alg *e = x->aead.name[0] ? &x->aead : &x->crypt;
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX];
    if (!env->keylog) return;
    AUTO(text) struct text t = {0};
    if (!cipher || !mac || !cipher->esp) {
        text_add(&t, "# 0x%08x: Wireshark 4.0 has no word for this cipher", x->spi);
        env->keylog(env->ctx, "esp_sa", text_str(&t));
        return;
    }
    text_add(&t, "\"%s\",\"%s\",\"%s\",\"0x%08x\",\"%s\",\"",
             x->family == AF_INET6 ? "IPv6" : "IPv4", ip_show(&x->saddr, src),
             ip_show(&x->daddr, dst), x->spi, cipher->esp);
    add_key(&t, "0x", span(e->key, e->key_bits / 8U));
    text_add(&t, "\",\"%s\",\"", mac->esp);
    add_key(&t, "0x", span(x->auth.key, x->auth.key_bits / 8U));
    text_add(&t, "\"");
    env->keylog(env->ctx, "esp_sa", text_str(&t));
}
