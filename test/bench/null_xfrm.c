#include "test/bench/null_xfrm.h"

#include <string.h>

#define SPI_FIRST 0x1000 // lower ones are reserved (RFC 4303 2.1)

static err_t null_alloc_spi(void *ctx, const struct xfrm_sa *like, uint32_t min, uint32_t max,
                            struct xfrm_sa *out, struct why *why)
{
    struct null_xfrm *x = ctx;
    (void)min, (void)max, (void)why;
    *out = *like;
    out->larval = true;
    out->spi = SPI_FIRST + x->last_spi++;
    return ERR_OK;
}

static err_t null_sa(void *ctx, const struct xfrm_sa *sa, struct why *why)
{
    (void)ctx, (void)sa, (void)why;
    return ERR_OK;
}

static err_t null_sa_get(void *ctx, const struct xfrm_sa_id *id, struct xfrm_sa *out)
{
    (void)ctx;
    *out = (struct xfrm_sa){.daddr = id->daddr, .spi = id->spi, .proto = id->proto};
    return ERR_OK;
}

static err_t null_sa_del(void *ctx, const struct xfrm_sa_id *id)
{
    (void)ctx, (void)id;
    return ERR_OK;
}

static err_t null_sa_flush(void *ctx, uint8_t proto)
{
    (void)ctx, (void)proto;
    return ERR_OK;
}

static err_t null_sa_expire(void *ctx, const struct xfrm_sa_id *id, bool hard)
{
    (void)ctx, (void)id, (void)hard;
    return ERR_OK;
}

static err_t null_sa_set_ae(void *ctx, const struct xfrm_ae *ae, struct why *why)
{
    (void)ctx, (void)ae, (void)why;
    return ERR_OK;
}

static err_t null_sa_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg)
{
    (void)ctx, (void)fn, (void)arg;
    return ERR_OK;
}

static err_t null_policy_add(void *ctx, const struct xfrm_policy *p, bool update, struct why *why)
{
    (void)ctx, (void)p, (void)update, (void)why;
    return ERR_OK;
}

static err_t null_policy_get(void *ctx, const struct xfrm_policy_id *id, struct xfrm_policy *out)
{
    (void)ctx, (void)id, (void)out;
    return ERR_NOTFOUND;
}

static err_t null_policy_del(void *ctx, const struct xfrm_policy_id *id)
{
    (void)ctx, (void)id;
    return ERR_OK;
}

static err_t null_policy_flush(void *ctx, uint8_t type)
{
    (void)ctx, (void)type;
    return ERR_OK;
}

static err_t null_policy_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p),
                              void *arg)
{
    (void)ctx, (void)fn, (void)arg;
    return ERR_OK;
}

static err_t null_migrate(void *ctx, const struct xfrm_migrate *m, struct why *why)
{
    (void)ctx, (void)m, (void)why;
    return ERR_OK;
}

static err_t null_defaults_set(void *ctx, const uint8_t actions[XFRM_DIRS])
{
    (void)ctx, (void)actions;
    return ERR_OK;
}

static err_t null_defaults_get(void *ctx, uint8_t actions[XFRM_DIRS])
{
    (void)ctx;
    memset(actions, XFRM_DEFAULT_ACCEPT, XFRM_DIRS);
    return ERR_OK;
}

static err_t null_counts(void *ctx, struct xfrm_counts *out)
{
    (void)ctx;
    *out = (struct xfrm_counts){0};
    return ERR_OK;
}

struct xfrm_api null_xfrm_api(struct null_xfrm *x)
{
    static const struct xfrm_ops ops = {
        .sa_alloc_spi = null_alloc_spi,
        .sa_add = null_sa,
        .sa_update = null_sa,
        .sa_get = null_sa_get,
        .sa_del = null_sa_del,
        .sa_flush = null_sa_flush,
        .sa_expire = null_sa_expire,
        .sa_set_ae = null_sa_set_ae,
        .sa_each = null_sa_each,
        .policy_add = null_policy_add,
        .policy_get = null_policy_get,
        .policy_del = null_policy_del,
        .policy_flush = null_policy_flush,
        .policy_each = null_policy_each,
        .migrate = null_migrate,
        .defaults_set = null_defaults_set,
        .defaults_get = null_defaults_get,
        .counts = null_counts,
    };
    return (struct xfrm_api){&ops, x};
}
