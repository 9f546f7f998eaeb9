#include "ike/exchange/cookie.h"

#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/prf.h"
#include "ike/env.h"

#define SECRET_LIFE_NS (60 * NSEC_PER_SEC) // a cookie is good for one to two of these

static void secret_refresh(struct cookies *c, const struct env *env)
{
    uint64_t now = env->now(env->ctx), age = now - c->made_at;
    bool first = c->made_at == 0;
    if (!first && age < SECRET_LIFE_NS) return;
    // After a long quiet time the other secret is too old as well.
    if (first || age >= 2 * SECRET_LIFE_NS) {
        env->random(env->ctx, c->secret[c->version % 2], COOKIE_SECRET_LEN);
    }
    c->version++;
    c->made_at = now ? now : 1;
    env->random(env->ctx, c->secret[c->version % 2], COOKIE_SECRET_LEN);
}

static err_t cookie_compute(const struct cookies *c, uint8_t version,
                            const struct cookie_claim *claim, uint8_t out[COOKIE_LEN])
{
    uint8_t spi[8];
    put64(spi, claim->spi_i);
    span_t parts[] = {claim->nonce, span(claim->ip.b, ip_len(claim->ip.family)), SPAN(spi)};
    out[0] = version;
    return prf_do(PRF_HMAC_SHA2_256, span(c->secret[version % 2], COOKIE_SECRET_LEN), parts, 3,
                  out + 1);
}

err_t cookie_make(struct cookies *c, const struct env *env, const struct cookie_claim *claim,
                  uint8_t out[COOKIE_LEN])
{
    secret_refresh(c, env);
    return cookie_compute(c, c->version, claim, out);
}

err_t cookie_check(struct cookies *c, const struct env *env, const struct cookie_claim *claim,
                   span_t cookie)
{
    uint8_t want[COOKIE_LEN];
    secret_refresh(c, env);
    if (cookie.len != COOKIE_LEN) return ERR_AUTH;
    uint8_t behind = (uint8_t)(c->version - cookie.at[0]);
    if (behind > 1) return ERR_AUTH;
    TRY(cookie_compute(c, cookie.at[0], claim, want));
    return equal_ct(want, cookie.at, COOKIE_LEN) ? ERR_OK : ERR_AUTH;
}
