#include <string.h>

#include "netlink/codec.h"

void codec_info_get_write(struct message *m, uint32_t flags)
{
    message_head(m, &flags, sizeof flags);
}

err_t codec_info_get_read(const struct nlmsghdr *h, uint32_t *flags, struct why *why)
{
    struct attrs a;
    TRY(attrs_read(h, sizeof *flags, ATTR_INFO, &a, why));
    memcpy(flags, (const uint8_t *)h + NLMSG_HDRLEN, sizeof *flags);
    return ERR_OK;
}

void codec_sadinfo_write(struct message *m, const struct xfrm_counts *c, uint32_t flags)
{
    struct xfrmu_sadhinfo hash = {.sadhcnt = c->sa_hash_count, .sadhmcnt = c->sa_hash_max};
    message_head(m, &flags, sizeof flags);
    message_put_u32(m, XFRMA_SAD_CNT, c->sa_count);
    message_put(m, XFRMA_SAD_HINFO, &hash, sizeof hash);
}

err_t codec_sadinfo_read(const struct nlmsghdr *h, struct xfrm_counts *c, struct why *why)
{
    struct xfrmu_sadhinfo hash;
    struct attrs a;
    TRY(attrs_read(h, sizeof(uint32_t), ATTR_INFO, &a, why));
    (void)attrs_copy(&a, XFRMA_SAD_HINFO, &hash, sizeof hash);
    c->sa_count = attrs_u32(&a, XFRMA_SAD_CNT, 0);
    c->sa_hash_count = hash.sadhcnt;
    c->sa_hash_max = hash.sadhmcnt;
    return ERR_OK;
}

void codec_spdinfo_write(struct message *m, const struct xfrm_counts *c,
                         const struct codec_thresholds *t, uint32_t flags)
{
    struct xfrmu_spdinfo info = {.incnt = c->policies[XFRM_IN],
                                 .outcnt = c->policies[XFRM_OUT],
                                 .fwdcnt = c->policies[XFRM_FWD]};
    struct xfrmu_spdhinfo hash = {.spdhcnt = c->policy_hash_count, .spdhmcnt = c->policy_hash_max};
    message_head(m, &flags, sizeof flags);
    message_put(m, XFRMA_SPD_INFO, &info, sizeof info);
    message_put(m, XFRMA_SPD_HINFO, &hash, sizeof hash);
    message_put(m, XFRMA_SPD_IPV4_HTHRESH, &t->v4, sizeof t->v4);
    message_put(m, XFRMA_SPD_IPV6_HTHRESH, &t->v6, sizeof t->v6);
}

err_t codec_spdinfo_read(const struct nlmsghdr *h, struct xfrm_counts *c, struct why *why)
{
    struct xfrmu_spdinfo info;
    struct xfrmu_spdhinfo hash;
    struct attrs a;
    TRY(attrs_read(h, sizeof(uint32_t), ATTR_INFO, &a, why));
    (void)attrs_copy(&a, XFRMA_SPD_INFO, &info, sizeof info);
    (void)attrs_copy(&a, XFRMA_SPD_HINFO, &hash, sizeof hash);
    c->policies[XFRM_IN] = info.incnt;
    c->policies[XFRM_OUT] = info.outcnt;
    c->policies[XFRM_FWD] = info.fwdcnt;
    c->policy_hash_count = hash.spdhcnt;
    c->policy_hash_max = hash.spdhmcnt;
    return ERR_OK;
}

static err_t threshold_read(const struct attrs *a, unsigned type, unsigned most,
                            struct xfrmu_spdhthresh *out, struct why *why)
{
    struct xfrmu_spdhthresh t;
    if (!attrs_has(a, type)) return ERR_OK;
    if (!attrs_copy(a, type, &t, sizeof t) || t.lbits > most || t.rbits > most) {
        return why_not(why, ERR_RANGE, "hash threshold: more than %u bits", most);
    }
    *out = t;
    return ERR_OK;
}

err_t codec_thresholds_read(const struct nlmsghdr *h, struct codec_thresholds *t, struct why *why)
{
    struct codec_thresholds next = *t;
    struct attrs a;
    TRY(attrs_read(h, sizeof(uint32_t), ATTR_INFO, &a, why));
    TRY(threshold_read(&a, XFRMA_SPD_IPV4_HTHRESH, 32, &next.v4, why));
    TRY(threshold_read(&a, XFRMA_SPD_IPV6_HTHRESH, 128, &next.v6, why));
    *t = next;
    return ERR_OK;
}
