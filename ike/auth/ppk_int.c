// ppk_int.c - which PPK is used, settled before IKE_AUTH (RFC 9867 3.1).
#include "base/secret.h"
#include "base/words.h"
#include "crypto/prf.h"
#include "ike/auth/ppk.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"

#define CONFIRM_LEN 8 // rfc9867 3.1: octets of the proof that both mean the same key

bool ppk_is_due(const struct ike_sa *sa)
{
    const struct opening *o = sa->opening;
    return o->ppk.between && !o->ppk.settled;
}

// prf(PPK, Ni | Nr | SPIi | SPIr): names may be the same and keys not.
static err_t confirmation(const struct ike_sa *sa, const struct conf_psk *ppk, uint8_t out[PRF_MAX])
{
    const struct opening *o = sa->opening;
    uint8_t spis[16];
    wr_t w = wr_into(spis, sizeof spis);
    wr_u64(&w, sa->spi_i);
    wr_u64(&w, sa->spi_r);
    const span_t parts[] = {nonce_span(&o->ni), nonce_span(&o->nr), wr_span(&w)};
    return prf_do(sa->keys.prf, ppk->secret, parts, 3, out);
}

static err_t put_offer(const struct ike_sa *sa, const struct conf_psk *ppk, const struct id *name,
                       struct msgw *m)
{
    uint8_t id[PPK_ID_LEN_MAX], data[PPK_ID_LEN_MAX + CONFIRM_LEN], confirm[PRF_MAX];
    wr_t w = wr_into(data, sizeof data);
    TRY(confirmation(sa, ppk, confirm));
    wr_bytes(&w, ppk_id_write(span(name->data, name->len), id));
    wr_bytes(&w, span(confirm, CONFIRM_LEN));
    put_notify(m, N_PPK_IDENTITY_KEY, wr_span(&w));
    return ERR_OK;
}

err_t ppk_put_offers(const struct ike_sa *sa, struct msgw *m)
{
    const struct config *c = sa->ike->config;
    unsigned n = 0;
    for (unsigned i = 0; c && i < c->ppk_n && n < PPK_OFFERS_MAX; i++) {
        const struct id *name = ppk_name_for(&sa->conn->conf, &c->ppk[i]);
        if (!name) continue;
        TRY(put_offer(sa, &c->ppk[i], name, m));
        n++;
    }
    return ERR_OK;
}

static void tell_unused(const struct ike_sa *sa)
{
    const struct config *c = sa->ike->config;
    char text[ID_TEXT_MAX];
    unsigned n = 0;
    for (unsigned i = 0; c && i < c->ppk_n && n < PPK_OFFERS_MAX; i++) {
        const struct id *name = ppk_name_for(&sa->conn->conf, &c->ppk[i]);
        if (!name) continue;
        n++;
        tell(sa->ike, sa, LOG_STORY, SAY_PPK_UNUSED,
             ppk_name_show(span(name->data, name->len), text));
    }
}

err_t ppk_taken(struct ike_sa *sa, const struct msg *in, const struct conf_psk **out,
                struct why *why)
{
    struct notify n;
    *out = NULL;
    sa->opening->ppk.settled = true;
    // rfc9867 3.1: no answer means that the responder has none of them
    if (notify_find(in, N_PPK_IDENTITY, &n) != ERR_OK) {
        tell_unused(sa);
        return ppk_do_without(sa, ERR_AUTH, "the responder has none of those that we offered", why);
    }
    span_t name = ppk_id_read(n.data);
    if (!name.len || !ppk_may_be(sa, &sa->conn->conf, name)) {
        return why_not(why, ERR_SYNTAX, "the responder has taken a PPK that we did not offer");
    }
    *out = ppk_find(sa, name);
    return ppk_note(sa, PPK_IN_INTERMEDIATE, name);
}

// The key that this offer means, if it is the same as ours.
static const struct conf_psk *offered(const struct ike_sa *sa, span_t data, span_t *name)
{
    uint8_t confirm[PRF_MAX];
    *name = span(NULL, 0);
    if (data.len <= CONFIRM_LEN) return NULL;
    span_t theirs = span(data.at + data.len - CONFIRM_LEN, CONFIRM_LEN);
    *name = ppk_id_read(span(data.at, data.len - CONFIRM_LEN));
    const struct conf_psk *ppk = name->len ? ppk_find(sa, *name) : NULL;
    if (!ppk || confirmation(sa, ppk, confirm) != ERR_OK) return NULL;
    if (equal_ct(confirm, theirs.at, CONFIRM_LEN)) return ppk;
    tell(sa->ike, sa, LOG_WARN, "the peer has another PPK by the name of one of ours (secrets.%s)",
         ppk->name);
    return NULL;
}

// Whose connection it is shows later: whose it may be from these addresses.
static bool is_somebodys(const struct ike_sa *sa, span_t name)
{
    struct conns_walk w;
    const struct conn *c = conns_for_peer(&sa->ike->conns, &sa->remote.ip, &w);
    for (; c; c = conns_next(&w)) {
        if (conn_fit(c, &sa->local.ip, &sa->remote.ip) && ppk_may_be(sa, &c->conf, name))
            return true;
    }
    return false;
}

err_t ppk_take_offer(struct ike_sa *sa, const struct msg *in, struct msgw *m,
                     const struct conf_psk **out)
{
    unsigned looked_at = 0;
    span_t best = {0}, last = {0};
    bool best_fits = false; // the connection that is the likeliest until then
    *out = NULL;
    sa->opening->ppk.settled = true;
    for (unsigned i = 0; i < in->n && looked_at < PPK_OFFERS_MAX; i++) {
        struct notify n;
        span_t name;
        if (in->payload[i].type != PAYLOAD_N) continue;
        if (notify_read(in->payload[i].body, &n) != ERR_OK || n.type != N_PPK_IDENTITY_KEY)
            continue;
        looked_at++;
        const struct conf_psk *ppk = offered(sa, n.data, &name);
        last = name;
        if (!ppk || !is_somebodys(sa, name)) continue;
        bool fits = ppk_may_be(sa, &sa->conn->conf, name);
        if (*out && (best_fits || !fits)) continue;
        *out = ppk;
        best = name;
        best_fits = fits;
    }
    if (!*out && last.len) ppk_tell_unknown(sa, last);
    if (!*out) return ERR_OK;
    uint8_t id[PPK_ID_LEN_MAX];
    put_notify(m, N_PPK_IDENTITY, ppk_id_write(best, id));
    return ppk_note(sa, PPK_IN_INTERMEDIATE, best);
}
