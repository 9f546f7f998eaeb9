#include "ike/sa/keys.h"

#include <string.h>

#include "crypto/prf.h"
#include "ike/codec/payloads.h"
#include "ike/sa/chain.h"

#define SPI_LEN 8
#define SHORT_NONCE 8 // rfc7296 2.14: bytes of each nonce in SKEYSEED with a PRF on AES
#define SEED_MAX (SECRET_MAX + 2 * NONCE_MAX + CHAIN_MAX * CHAIN_SECRET_MAX) // ... of KEYMAT
#define PARTS_MAX 8 // keys cut from one prf+ stream

// A key to be cut from a prf+ stream.
struct part {
    struct secret_key *to;
    uint32_t len;
};

// Cuts prf+(key, seed) into the parts, in order.
static err_t keys_cut(uint16_t prf, span_t key, span_t seed, const struct part *parts, unsigned n)
{
    uint8_t stream[PARTS_MAX * PRF_MAX];
    size_t len = 0;
    for (unsigned i = 0; i < n; i++) len += parts[i].len;
    if (len > sizeof stream) return ERR_ALGORITHM;
    err_t e = prf_plus(prf, key, seed, stream, len);
    rd_t r = rd_from(span(stream, len));
    for (unsigned i = 0; i < n && e == ERR_OK; i++) {
        e = secret_key_set(parts[i].to, rd_bytes(&r, parts[i].len));
    }
    wipe(stream, sizeof stream);
    return e;
}

// Key bytes that the suite takes from the stream: cipher with its salt, and MAC.
static err_t suite_key_lens(const struct proposal *suite, uint32_t *encr, uint32_t *integ)
{
    const struct transform *i = proposal_get(suite, ALG_INTEG);
    const struct alg *cipher = proposal_alg(suite, ALG_ENCR);
    const struct alg *mac = i && i->id != INTEG_NONE ? proposal_alg(suite, ALG_INTEG) : NULL;
    if (!cipher && suite->protocol != PROTO_AH) return ERR_ALGORITHM;
    // A suite without integrity protection has no place here, whoever asks for it.
    if (!mac && !(cipher && cipher->aead)) return ERR_ALGORITHM;
    *encr = cipher ? (uint32_t)cipher->key_len + cipher->salt_len : 0;
    *integ = mac ? mac->key_len : 0;
    return ERR_OK;
}

// {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} (RFC 7296 2.14)
static err_t ike_keys_expand(const struct proposal *chosen, span_t skeyseed, span_t seed,
                             struct ike_keys *k)
{
    uint32_t encr, integ, prf_bytes = prf_len(k->prf);
    TRY(suite_key_lens(chosen, &encr, &integ));
    const struct part parts[] = {
        {&k->d, prf_bytes}, {&k->ai, integ},     {&k->ar, integ},     {&k->ei, encr},
        {&k->er, encr},     {&k->pi, prf_bytes}, {&k->pr, prf_bytes},
    };
    return keys_cut(k->prf, skeyseed, seed, parts, sizeof parts / sizeof *parts);
}

// What both ways to an IKE SA share: SKEYSEED = prf(key, parts), then the keys.
static err_t ike_keys_derive(const struct proposal *chosen, uint16_t seed_prf, span_t key,
                             const span_t parts[4], span_t seed, struct ike_keys *out)
{
    const struct transform *prf = proposal_get(chosen, ALG_PRF);
    uint8_t skeyseed[PRF_MAX];
    if (!prf || prf_len(prf->id) == 0 || prf_len(seed_prf) == 0) return ERR_ALGORITHM;
    struct ike_keys k = {.prf = prf->id};
    err_t e = prf_do(seed_prf, key, parts, 4, skeyseed);
    if (e == ERR_OK) e = ike_keys_expand(chosen, span(skeyseed, prf_len(seed_prf)), seed, &k);
    if (e == ERR_OK) *out = k;
    ike_keys_done(&k);
    wipe(skeyseed, sizeof skeyseed);
    return e;
}

// Ni | Nr | SPIi | SPIr
static err_t ike_seed(wr_t *w, span_t ni, span_t nr, uint64_t spi_i, uint64_t spi_r)
{
    wr_bytes(w, ni);
    wr_bytes(w, nr);
    wr_u64(w, spi_i);
    wr_u64(w, spi_r);
    return wr_done(w);
}

err_t ike_keys_initial(const struct proposal *chosen, span_t ni, span_t nr,
                       const struct secret *shared, uint64_t spi_i, uint64_t spi_r,
                       struct ike_keys *out)
{
    uint8_t buf[2 * NONCE_MAX + 2 * SPI_LEN];
    wr_t w = wr_into(buf, sizeof buf);
    TRY(ike_seed(&w, ni, nr, spi_i, spi_r));
    const struct transform *prf = proposal_get(chosen, ALG_PRF);
    if (!prf) return ERR_ALGORITHM;
    uint8_t key[2 * SHORT_NONCE];
    span_t nonces = span(buf, ni.len + nr.len);
    if (prf_takes_short_nonces(prf->id)) {
        if (ni.len < SHORT_NONCE || nr.len < SHORT_NONCE) return ERR_CRYPTO;
        memcpy(key, ni.at, SHORT_NONCE);
        memcpy(key + SHORT_NONCE, nr.at, SHORT_NONCE);
        nonces = span(key, sizeof key);
    }
    const span_t parts[4] = {secret_span(shared)};
    return ike_keys_derive(chosen, prf->id, nonces, parts, wr_span(&w), out);
}

err_t ike_keys_rekey(const struct ike_keys *old, const struct proposal *chosen, span_t ni,
                     span_t nr, struct ke_secrets shared, uint64_t spi_i, uint64_t spi_r,
                     struct ike_keys *out)
{
    uint8_t buf[2 * NONCE_MAX + 2 * SPI_LEN];
    wr_t w = wr_into(buf, sizeof buf);
    TRY(ike_seed(&w, ni, nr, spi_i, spi_r));
    const span_t parts[4] = {secret_span(shared.first), ni, nr, shared.more};
    // rfc7296 2.18 MUST: the old IKE SA's PRF makes SKEYSEED, the new one's the keys
    return ike_keys_derive(chosen, old->prf, secret_key_span(&old->d), parts, wr_span(&w), out);
}

err_t ike_keys_refresh(const struct ike_keys *old, const struct proposal *chosen, span_t ni,
                       span_t nr, span_t ppk, uint64_t spi_i, uint64_t spi_r, struct ike_keys *out)
{
    uint8_t buf[2 * NONCE_MAX + 2 * SPI_LEN], skeyseed[PRF_MAX];
    wr_t w = wr_into(buf, sizeof buf);
    size_t len = prf_len(old->prf);
    struct ike_keys k = {.prf = old->prf};
    TRY(ike_seed(&w, ni, nr, spi_i, spi_r));
    err_t e = prf_plus(old->prf, ppk, secret_key_span(&old->d), skeyseed, len);
    if (e == ERR_OK) e = ike_keys_expand(chosen, span(skeyseed, len), wr_span(&w), &k);
    if (e == ERR_OK) *out = k;
    ike_keys_done(&k);
    wipe(skeyseed, sizeof skeyseed);
    return e;
}

err_t ike_keys_mix(struct ike_keys *k, span_t ppk)
{
    struct secret_key *const keys[] = {&k->d, &k->pi, &k->pr};
    uint8_t mixed[SECRET_KEY_MAX];
    err_t e = ERR_OK;
    for (unsigned i = 0; i < 3 && e == ERR_OK; i++) {
        size_t len = keys[i]->len;
        e = prf_plus(k->prf, ppk, secret_key_span(keys[i]), mixed, len);
        if (e == ERR_OK) e = secret_key_set(keys[i], span(mixed, len));
    }
    wipe(mixed, sizeof mixed);
    return e;
}

static err_t sealer_of(const struct proposal *chosen, const struct secret_key *encr,
                       const struct secret_key *integ, struct sealer **out)
{
    const struct transform *e = proposal_get(chosen, ALG_ENCR);
    const struct transform *i = proposal_get(chosen, ALG_INTEG);
    if (!e) return ERR_ALGORITHM;
    const struct sealer_spec spec = {.encr = e->id,
                                     .integ = i ? i->id : INTEG_NONE,
                                     .encr_key = secret_key_span(encr),
                                     .integ_key = secret_key_span(integ)};
    return sealer_new(&spec, out, NULL);
}

err_t ike_keys_sealer(const struct ike_keys *k, const struct proposal *chosen, bool initiators,
                      struct sealer **out)
{
    return initiators ? sealer_of(chosen, &k->ei, &k->ai, out)
                      : sealer_of(chosen, &k->er, &k->ar, out);
}

void ike_keys_done(struct ike_keys *k)
{
    wipe(k, sizeof *k);
}

err_t child_keys_make(const struct ike_keys *ike, const struct proposal *chosen, span_t ni,
                      span_t nr, struct ke_secrets shared, struct child_keys *out)
{
    uint32_t encr, integ;
    uint8_t seed[SEED_MAX];
    struct child_keys k = {0};
    wr_t w = wr_into(seed, sizeof seed);
    TRY(suite_key_lens(chosen, &encr, &integ));
    if (shared.first) wr_bytes(&w, secret_span(shared.first));
    wr_bytes(&w, ni);
    wr_bytes(&w, nr);
    wr_bytes(&w, shared.more);
    // rfc7296 2.17 MUST: initiator to responder first, encryption before integrity
    const struct part parts[] = {{&k.ei, encr}, {&k.ai, integ}, {&k.er, encr}, {&k.ar, integ}};
    err_t e = wr_done(&w);
    if (e == ERR_OK) e = keys_cut(ike->prf, secret_key_span(&ike->d), wr_span(&w), parts, 4);
    if (e == ERR_OK) *out = k;
    child_keys_done(&k);
    wipe(seed, sizeof seed);
    return e;
}

void child_keys_done(struct child_keys *k)
{
    wipe(k, sizeof *k);
}

err_t octets_make(uint16_t prf, span_t message, span_t peer_nonce, const struct secret_key *sk_p,
                  span_t id_body, span_t intauth, struct octets *out)
{
    TRY(prf_do(prf, secret_key_span(sk_p), &id_body, 1, out->maced));
    out->part[0] = message;
    out->part[1] = peer_nonce;
    out->part[2] = span(out->maced, prf_len(prf));
    out->part[3] = intauth;
    return ERR_OK;
}

err_t auth_psk(uint16_t prf, span_t psk, const struct octets *octets, uint8_t out[PRF_MAX])
{
    uint8_t key[PRF_MAX];
    const span_t pad = span_str("Key Pad for IKEv2"); // rfc7296 2.15: 17 characters, no terminator
    err_t e = prf_do(prf, psk, &pad, 1, key);
    if (e == ERR_OK) e = prf_do(prf, span(key, prf_len(prf)), octets->part, OCTETS_PARTS, out);
    wipe(key, sizeof key);
    return e;
}

err_t nat_hash(uint64_t spi_i, uint64_t spi_r, const endpoint_t *e, uint8_t out[20])
{
    uint8_t buf[2 * SPI_LEN + 16 + 2];
    wr_t w = wr_into(buf, sizeof buf);
    wr_u64(&w, spi_i);
    wr_u64(&w, spi_r);
    wr_bytes(&w, span(e->ip.b, ip_len(e->ip.family)));
    wr_u16(&w, e->port);
    const span_t all = wr_span(&w);
    return hash_sha1(&all, 1, out);
}
