#include "eap/mschap.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/old.h"
#include "crypto/prf.h"

// ---- the password, in UTF-16 -------------------------------------------------------------------

#define SURROGATES 0x10000U // characters from here on take two units

// One character of UTF-8. ERR_SYNTAX: it is none.
static err_t utf8_next(rd_t *r, uint32_t *out)
{
    static const uint32_t least[] = {0, 0x80, 0x800, SURROGATES};
    uint8_t first = rd_u8(r);
    unsigned more = first < 0x80 ? 0 : first < 0xc0 ? 4 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (more == 4 || first > 0xf4) return ERR_SYNTAX;
    uint32_t c = more ? first & (0x3fU >> more) : first;
    for (unsigned i = 0; i < more; i++) {
        uint8_t next = rd_u8(r);
        if ((next & 0xc0) != 0x80) return ERR_SYNTAX;
        c = c << 6 | (next & 0x3f);
    }
    if (r->bad || c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return ERR_SYNTAX;
    *out = c;
    return ERR_OK;
}

static void unit_put(wr_t *w, uint32_t unit)
{
    wr_u8(w, (uint8_t)unit);
    wr_u8(w, (uint8_t)(unit >> 8));
}

static err_t utf16_write(span_t password, wr_t *w)
{
    rd_t r = rd_from(password);
    while (rd_left(&r)) {
        uint32_t c;
        TRY(utf8_next(&r, &c));
        if (c >= SURROGATES) unit_put(w, 0xd800 + ((c - SURROGATES) >> 10));
        unit_put(w, c >= SURROGATES ? 0xdc00 + ((c - SURROGATES) & 0x3ff) : c);
    }
    return wr_done(w);
}

err_t mschap_hash(span_t password, uint8_t out[MSCHAP_HASH_LEN])
{
    uint8_t text[2 * MSCHAP_PASSWORD_MAX];
    wr_t w = wr_into(text, sizeof text);
    err_t err = utf16_write(password, &w);
    if (err == ERR_OK) hash_md4(wr_span(&w), out);
    wipe(text, sizeof text);
    return err;
}

// ---- RFC 2759 8 --------------------------------------------------------------------------------

// ChallengeHash()
static err_t challenge_hash(const struct mschap *m, uint8_t out[DES_LEN])
{
    uint8_t digest[SHA1_LEN];
    const span_t parts[] = {span(m->peer, MSCHAP_CHALLENGE_LEN),
                            span(m->server, MSCHAP_CHALLENGE_LEN), m->user};
    TRY(hash_sha1(parts, 3, digest));
    memcpy(out, digest, DES_LEN);
    return ERR_OK;
}

// 56 bits as a key: seven of them in each byte, above the parity.
static void des_key(const uint8_t in[7], uint8_t out[DES_LEN])
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 7; i++) bits = bits << 8 | in[i];
    for (unsigned i = 0; i < DES_LEN; i++) out[i] = (uint8_t)(bits >> (49 - 7 * i) << 1);
}

err_t mschap_response(const struct mschap *m, uint8_t out[MSCHAP_RESPONSE_LEN])
{
    uint8_t padded[21] = {0}, key[DES_LEN], challenge[DES_LEN];
    memcpy(padded, m->hash, MSCHAP_HASH_LEN);
    err_t err = challenge_hash(m, challenge);
    for (unsigned i = 0; i < 3 && err == ERR_OK; i++) {
        des_key(padded + (size_t)7 * i, key);
        err = des_block(key, challenge, out + (size_t)DES_LEN * i);
    }
    wipe(padded, sizeof padded);
    wipe(key, sizeof key);
    return err;
}

// HashNtPasswordHash()
static void hash_again(const struct mschap *m, uint8_t out[MSCHAP_HASH_LEN])
{
    hash_md4(span(m->hash, MSCHAP_HASH_LEN), out);
}

// GenerateAuthenticatorResponse()
err_t mschap_proof(const struct mschap *m, const uint8_t response[MSCHAP_RESPONSE_LEN],
                   uint8_t out[MSCHAP_PROOF_LEN])
{
    uint8_t twice[MSCHAP_HASH_LEN], digest[SHA1_LEN], challenge[DES_LEN];
    hash_again(m, twice);
    const span_t first[] = {SPAN(twice), span(response, MSCHAP_RESPONSE_LEN),
                            span_str("Magic server to client signing constant")};
    const span_t second[] = {SPAN(digest), SPAN(challenge),
                             span_str("Pad to make it do more than one iteration")};
    err_t err = hash_sha1(first, 3, digest);
    if (err == ERR_OK) err = challenge_hash(m, challenge);
    if (err == ERR_OK) err = hash_sha1(second, 3, out);
    wipe(twice, sizeof twice);
    wipe(digest, sizeof digest);
    return err;
}

// ---- RFC 3079 3 --------------------------------------------------------------------------------

// GetMasterKey()
static err_t master_key(const struct mschap *m, const uint8_t response[MSCHAP_RESPONSE_LEN],
                        uint8_t digest[SHA1_LEN])
{
    uint8_t twice[MSCHAP_HASH_LEN];
    hash_again(m, twice);
    const span_t parts[] = {SPAN(twice), span(response, MSCHAP_RESPONSE_LEN),
                            span_str("This is the MPPE Master Key")};
    err_t err = hash_sha1(parts, 3, digest);
    wipe(twice, sizeof twice);
    return err;
}

err_t mschap_keys(const struct mschap *m, const uint8_t response[MSCHAP_RESPONSE_LEN],
                  uint8_t out[2 * MSCHAP_KEY_LEN])
{
    static const char *const uses[] = {
        "On the client side, this is the send key; on the server side, it is the receive key.",
        "On the client side, this is the receive key; on the server side, it is the send key."};
    uint8_t master[SHA1_LEN], digest[SHA1_LEN], pads[2][40];
    memset(pads[0], 0, sizeof pads[0]);
    memset(pads[1], 0xf2, sizeof pads[1]);
    err_t err = master_key(m, response, master);
    for (unsigned i = 0; i < 2 && err == ERR_OK; i++) {
        const span_t parts[] = {span(master, MSCHAP_KEY_LEN), SPAN(pads[0]), span_str(uses[i]),
                                SPAN(pads[1])};
        err = hash_sha1(parts, 4, digest);
        memcpy(out + (size_t)MSCHAP_KEY_LEN * i, digest, MSCHAP_KEY_LEN);
    }
    wipe(master, sizeof master);
    wipe(digest, sizeof digest);
    return err;
}
