#include "xfrm/db/lifetime.h"

#include "base/clock.h"

enum lifetime lifetime_by_traffic(const struct xfrm_lifetime *l, uint64_t bytes, uint64_t packets)
{
    if (bytes >= l->hard_bytes || packets >= l->hard_packets) return LIFETIME_HARD;
    if (bytes >= l->soft_bytes || packets >= l->soft_packets) return LIFETIME_SOFT;
    return LIFETIME_OK;
}

// The moment `seconds` after `start`; never if there is no such limit or no start yet.
static uint64_t moment(uint64_t start, uint64_t seconds)
{
    uint64_t ns, at;
    if (seconds == 0 || start == 0) return UINT64_MAX;
    if (__builtin_mul_overflow(seconds, NSEC_PER_SEC, &ns)) return UINT64_MAX;
    return __builtin_add_overflow(start, ns, &at) ? UINT64_MAX : at;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t soft_at(const struct xfrm_lifetime *l, const struct lifetime_age *a)
{
    return min64(moment(a->made, l->soft_add_s), moment(a->used, l->soft_use_s));
}

static uint64_t hard_at(const struct xfrm_lifetime *l, const struct lifetime_age *a)
{
    return min64(moment(a->made, l->hard_add_s), moment(a->used, l->hard_use_s));
}

enum lifetime lifetime_by_time(const struct xfrm_lifetime *l, const struct lifetime_age *a,
                               uint64_t now)
{
    if (now >= hard_at(l, a)) return LIFETIME_HARD;
    return now >= soft_at(l, a) ? LIFETIME_SOFT : LIFETIME_OK;
}

uint64_t lifetime_due(const struct xfrm_lifetime *l, const struct lifetime_age *a, uint64_t now)
{
    uint64_t soft = soft_at(l, a);
    return soft > now ? min64(soft, hard_at(l, a)) : hard_at(l, a);
}

bool lifetime_needs_watch(const struct xfrm_lifetime *l)
{
    bool traffic = l->soft_bytes != XFRM_INF || l->hard_bytes != XFRM_INF ||
                   l->soft_packets != XFRM_INF || l->hard_packets != XFRM_INF;
    return traffic || l->soft_use_s != 0 || l->hard_use_s != 0;
}
