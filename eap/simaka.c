#include "eap/simaka.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "crypto/prf.h"

err_t simaka_ready(struct eap *e)
{
    char text[ID_TEXT_MAX];
    if (e->own.simaka) return ERR_OK;
    if (!e->terms.sim) return ERR_NOTFOUND;
    struct simaka *m = calloc(1, sizeof *m);
    if (!m) return ERR_NOMEM;
    e->own.simaka = m;
    TRY(sim_name_set(&m->who, id_name(e->terms.server ? &e->peer : &e->terms.us, text)));
    m->name = m->who;
    if (!e->terms.server || !e->aliased) return ERR_OK;
    return sim_name_set(&m->name, id_name(&e->alias, text));
}

void simaka_end(struct eap *e)
{
    struct simaka *m = e->own.simaka;
    if (m) wipe(m, sizeof *m);
    free(m);
    e->own.simaka = NULL;
}

struct sim_owner simaka_owner(const struct eap *e)
{
    return (struct sim_owner){.server = e->terms.server,
                              .type = e->method->type,
                              .who = sim_name_span(&e->own.simaka->who)};
}

const char *simaka_who(const struct eap *e, char buf[ID_TEXT_MAX])
{
    return id_show(e->terms.server ? &e->peer : &e->terms.us, buf);
}

void simaka_rewind(wr_t *out)
{
    out->at = out->start + EAP_HEAD_LEN + 1;
    out->bad = false;
}

// ---- keys --------------------------------------------------------------------------------------

err_t simaka_seal(struct eap *e, span_t attrs, wr_t *out)
{
    uint8_t iv[AES_LEN];
    eap_random(e, iv, sizeof iv);
    return sim_put_encrypted(out, &e->own.simaka->keys, iv, attrs);
}

err_t simaka_mac(struct eap *e, wr_t *out, span_t extra)
{
    return sim_put_mac(out, &e->own.simaka->keys, extra);
}

err_t simaka_verify(struct eap *e, const struct sim_attrs *a, span_t extra)
{
    return sim_attrs_verify(a, &e->own.simaka->keys, e->in, extra);
}

void simaka_succeed(struct eap *e)
{
    memcpy(e->msk, e->own.simaka->msk, SIM_MSK_LEN);
    e->msk_len = SIM_MSK_LEN;
    e->done = true;
}

// ---- AT_CHECKCODE (RFC 4187 10.13) -------------------------------------------------------------

err_t simaka_seen(struct simaka *m, span_t packet)
{
    if (packet.len > sizeof m->seen - m->seen_len) return ERR_LIMIT;
    memcpy(m->seen + m->seen_len, packet.at, packet.len);
    m->seen_len += packet.len;
    return ERR_OK;
}

// Nothing if nothing has been said; by SHA-256 in AKA' (rfc9048 3.1).
static err_t checkcode(const struct eap *e, uint8_t out[SHA256_LEN], size_t *len)
{
    const struct simaka *m = e->own.simaka;
    const span_t all[] = {span(m->seen, m->seen_len)};
    bool prime = e->method->type == EAP_AKA_PRIME;
    *len = !m->seen_len ? 0 : prime ? SHA256_LEN : SHA1_LEN;
    return prime ? hash_sha256(all, 1, out) : hash_sha1(all, 1, out);
}

err_t simaka_put_checkcode(struct eap *e, wr_t *out)
{
    uint8_t code[SHA256_LEN];
    size_t len;
    TRY(checkcode(e, code, &len));
    sim_put_data(out, AT_CHECKCODE, span(code, len));
    return ERR_OK;
}

err_t simaka_check_checkcode(struct eap *e, const struct sim_attrs *a)
{
    uint8_t code[SHA256_LEN];
    span_t said = a->value[AT_CHECKCODE];
    size_t len;
    if (!sim_has(a, SIM_AT(AT_CHECKCODE))) return ERR_OK;
    TRY(checkcode(e, code, &len));
    if (said.len == len && equal_ct(said.at, code, len)) return ERR_OK;
    eap_because(e, "EAP: somebody has changed what was said about names (AT_CHECKCODE)");
    return ERR_AUTH;
}
