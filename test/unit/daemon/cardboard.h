// cardboard.h - an executor without policies for those who copy its policies, and hooks that do
// nothing.
#pragma once

#include "daemon/policies.h"

static inline err_t cardboard_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p),
                                   void *arg)
{
    (void)ctx, (void)fn, (void)arg;
    return ERR_OK;
}

static inline void cardboard_hook(void *ctx, const struct xfrm_policy *p)
{
    (void)ctx, (void)p;
}

static inline void cardboard_change(void *ctx, const struct xfrm_policy *a,
                                    const struct xfrm_policy *b)
{
    (void)ctx, (void)a, (void)b;
}

static inline struct policies *cardboard_policies(void)
{
    static const struct xfrm_ops ops = {.policy_each = cardboard_each};
    const struct policies_hooks hooks = {cardboard_hook, cardboard_hook, cardboard_change, NULL};
    return policies_new((struct xfrm_api){&ops, NULL}, &hooks);
}
