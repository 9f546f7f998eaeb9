#include "ike/sa/keylog.h"

#include <inttypes.h>

#include "base/text.h"
#include "ike/codec/wireshark.h"
#include "ike/sa/diplomat.h"

static const char *cipher_of(enum wireshark_table table, const struct proposal *p,
                             char buf[WIRESHARK_NAME_MAX])
{
    const struct transform *t = proposal_get(p, ALG_ENCR);
    return wireshark_cipher(table, t ? t->id : ENCR_NULL, t ? t->key_len * 8U : 0, buf);
}

// For what Wireshark cannot read there are tables of our own, which `pavise decode` reads.
static const char *own_cipher(const struct proposal *p, char buf[WIRESHARK_NAME_MAX])
{
    const struct transform *t = proposal_get(p, ALG_ENCR);
    return t ? wireshark_own(t->id, t->key_len * 8U, buf) : NULL;
}

static const char *mac_of(enum wireshark_table table, const struct proposal *p)
{
    const struct transform *t = proposal_get(p, ALG_INTEG);
    return wireshark_mac(table, t ? t->id : INTEG_NONE);
}

static void add_key(struct text *t, const char *before, span_t key)
{
    text_add(t, "%s", before);
    text_hex(t, key);
}

// What AUTH is made with; `pavise decode --verify` recomputes it.
static void keylog_auth(const struct ike_sa *sa)
{
    const struct env *env = &sa->ike->env;
    AUTO(text) struct text t = {0};
    text_add(&t, "%016" PRIx64 ",%016" PRIx64 ",%u", sa->spi_i, sa->spi_r, sa->keys.prf);
    add_key(&t, ",", secret_key_span(&sa->keys.pi));
    add_key(&t, ",", secret_key_span(&sa->keys.pr));
    env->keylog(env->ctx, "pavise_auth", text_str(&t));
}

void keylog_ike(const struct ike_sa *sa)
{
    const struct env *env = &sa->ike->env;
    const struct ike_keys *k = &sa->keys;
    char buf[WIRESHARK_NAME_MAX];
    const char *cipher = cipher_of(WIRESHARK_IKE, sa->chosen, buf);
    const char *mac = mac_of(WIRESHARK_IKE, sa->chosen);
    if (!env->keylog) return;
    keylog_auth(sa);
    const char *table = cipher ? "ikev2_decryption_table" : "pavise_ike";
    if (!cipher) {
        AUTO(text) struct text none = {0};
        text_add(&none, "# %016" PRIx64 ": Wireshark 4.0 has no word for this cipher", sa->spi_i);
        env->keylog(env->ctx, "ikev2_decryption_table", text_str(&none));
        cipher = own_cipher(sa->chosen, buf);
    }
    if (!cipher || !mac) return;
    AUTO(text) struct text t = {0};
    text_add(&t, "%016" PRIx64 ",%016" PRIx64, sa->spi_i, sa->spi_r);
    add_key(&t, ",", secret_key_span(&k->ei));
    add_key(&t, ",", secret_key_span(&k->er));
    text_add(&t, ",\"%s\"", cipher);
    add_key(&t, ",", secret_key_span(&k->ai));
    add_key(&t, ",", secret_key_span(&k->ar));
    text_add(&t, ",\"%s\"", mac);
    env->keylog(env->ctx, table, text_str(&t));
}

void keylog_child(const struct child_sa *c, const struct xfrm_sa *x)
{
    const struct env *env = &c->sa->ike->env;
    char buf[WIRESHARK_NAME_MAX];
    const char *cipher = cipher_of(WIRESHARK_ESP, c->chosen, buf);
    const char *mac = mac_of(WIRESHARK_ESP, c->chosen);
    const struct xfrm_alg *e = x->aead.name[0] ? &x->aead : &x->crypt;
    if (!env->keylog || x->proto != XFRM_PROTO_ESP) return; // nothing else hides anything
    const char *table = cipher ? "esp_sa" : "pavise_esp";
    if (!cipher) {
        AUTO(text) struct text none = {0};
        text_add(&none, "# 0x%08x: Wireshark 4.0 has no word for this cipher", x->spi);
        env->keylog(env->ctx, "esp_sa", text_str(&none));
        cipher = own_cipher(c->chosen, buf);
    }
    if (!cipher || !mac) return;
    AUTO(text) struct text t = {0};
    const struct wireshark_esp line = {.src = x->saddr,
                                       .dst = x->daddr,
                                       .spi = x->spi,
                                       .cipher = cipher,
                                       .mac = mac,
                                       .cipher_key = span(e->key, e->key_bits / 8U),
                                       .mac_key = span(x->auth.key, x->auth.key_bits / 8U)};
    wireshark_esp_line(&line, &t);
    env->keylog(env->ctx, table, text_str(&t));
}
