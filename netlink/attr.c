#include "netlink/attr.h"

#include <libmnl/libmnl.h>
#include <string.h>

// The least bytes of each attribute, as the kernel demands (xfrma_policy).
static const uint16_t least[UAPI_ATTR_MAX + 1] = {
    [XFRMA_ALG_AUTH] = sizeof(struct xfrm_algo),
    [XFRMA_ALG_CRYPT] = sizeof(struct xfrm_algo),
    [XFRMA_ALG_COMP] = sizeof(struct xfrm_algo),
    [XFRMA_ENCAP] = sizeof(struct xfrm_encap_tmpl),
    [XFRMA_TMPL] = sizeof(struct xfrm_user_tmpl),
    [XFRMA_SA] = sizeof(struct xfrm_usersa_info),
    [XFRMA_POLICY] = sizeof(struct xfrm_userpolicy_info),
    [XFRMA_SEC_CTX] = sizeof(struct xfrm_sec_ctx),
    [XFRMA_LTIME_VAL] = sizeof(struct xfrm_lifetime_cur),
    [XFRMA_REPLAY_VAL] = sizeof(struct xfrm_replay_state),
    [XFRMA_REPLAY_THRESH] = sizeof(uint32_t),
    [XFRMA_ETIMER_THRESH] = sizeof(uint32_t),
    [XFRMA_SRCADDR] = sizeof(xfrm_address_t),
    [XFRMA_COADDR] = sizeof(xfrm_address_t),
    [XFRMA_LASTUSED] = sizeof(uint64_t),
    [XFRMA_POLICY_TYPE] = sizeof(struct xfrm_userpolicy_type),
    [XFRMA_MIGRATE] = sizeof(struct xfrm_user_migrate),
    [XFRMA_ALG_AEAD] = sizeof(struct xfrm_algo_aead),
    [XFRMA_KMADDRESS] = sizeof(struct xfrm_user_kmaddress),
    [XFRMA_ALG_AUTH_TRUNC] = sizeof(struct xfrm_algo_auth),
    [XFRMA_MARK] = sizeof(struct uapi_mark),
    [XFRMA_TFCPAD] = sizeof(uint32_t),
    [XFRMA_REPLAY_ESN_VAL] = sizeof(struct xfrm_replay_state_esn),
    [XFRMA_SA_EXTRA_FLAGS] = sizeof(uint32_t),
    [XFRMA_PROTO] = sizeof(uint8_t),
    [XFRMA_ADDRESS_FILTER] = sizeof(struct xfrm_address_filter),
    [XFRMA_OFFLOAD_DEV] = sizeof(struct xfrm_user_offload),
    [XFRMA_SET_MARK] = sizeof(uint32_t),
    [XFRMA_SET_MARK_MASK] = sizeof(uint32_t),
    [XFRMA_IF_ID] = sizeof(uint32_t),
    [XFRMA_MTIMER_THRESH] = sizeof(uint32_t),
    [UAPI_SA_DIR] = sizeof(uint8_t),
    [UAPI_NAT_KEEPALIVE] = sizeof(uint32_t),
    [UAPI_SA_PCPU] = sizeof(uint32_t),
    [UAPI_IPTFS_DROP_TIME] = sizeof(uint32_t),
    [UAPI_IPTFS_REORDER_WINDOW] = sizeof(uint16_t),
    [UAPI_IPTFS_DONT_FRAG] = 0,
    [UAPI_IPTFS_INIT_DELAY] = sizeof(uint32_t),
    [UAPI_IPTFS_MAX_QSIZE] = sizeof(uint32_t),
    [UAPI_IPTFS_PKT_SIZE] = sizeof(uint32_t),
};

// The same of NEWSPDINFO (xfrma_spd_policy).
static const uint16_t least_info[UAPI_ATTR_MAX + 1] = {
    [XFRMA_SPD_IPV4_HTHRESH] = sizeof(struct xfrmu_spdhthresh),
    [XFRMA_SPD_IPV6_HTHRESH] = sizeof(struct xfrmu_spdhthresh),
};

// Attributes from XFRMA_SA_DIR on have just one length, and a direction is 1 or 2.
static err_t young_check(unsigned type, size_t n, const uint8_t *value, struct why *why)
{
    if (type < UAPI_SA_DIR) return ERR_OK;
    if (n != least[type]) {
        return why_not(why, ERR_SYNTAX, "attribute %u has %zu bytes, not %u", type, n, least[type]);
    }
    if (type != UAPI_SA_DIR || *value == 1 || *value == 2) return ERR_OK;
    return why_not(why, ERR_SHORT, "direction %u is neither 1 (in) nor 2 (out)", *value);
}

err_t attrs_read(const struct nlmsghdr *h, size_t head, enum attr_space space, struct attrs *out,
                 struct why *why)
{
    size_t fixed = NLMSG_HDRLEN + NLMSG_ALIGN(head);
    *out = (struct attrs){0};
    if (h->nlmsg_len < NLMSG_HDRLEN + head) {
        return why_not(why, ERR_SYNTAX, "the message is %u bytes, its fixed part needs %zu",
                       h->nlmsg_len, NLMSG_HDRLEN + head);
    }
    if (h->nlmsg_len <= fixed) return ERR_OK;
    const uint8_t *end = (const uint8_t *)h + h->nlmsg_len;
    const struct nlattr *at = (const struct nlattr *)((const uint8_t *)h + fixed);
    for (; mnl_attr_ok(at, (int)(end - (const uint8_t *)at)); at = mnl_attr_next(at)) {
        unsigned type = mnl_attr_get_type(at);
        size_t n = mnl_attr_get_payload_len(at);
        if (type == XFRMA_UNSPEC || type > UAPI_ATTR_MAX) continue;
        err_t e = young_check(type, n, mnl_attr_get_payload(at), why);
        if (e != ERR_OK) {
            out->bad_at = (uint32_t)((const uint8_t *)at - (const uint8_t *)h);
            return e;
        }
        uint16_t need = space == ATTR_XFRM ? least[type] : least_info[type];
        if (n < need) {
            out->bad_at = (uint32_t)((const uint8_t *)at - (const uint8_t *)h);
            return why_not(why, ERR_SHORT, "attribute %u has %zu bytes, not %u", type, n, need);
        }
        out->at[type] = span(mnl_attr_get_payload(at), n);
    }
    return ERR_OK;
}

uint32_t attrs_u32(const struct attrs *a, unsigned type, uint32_t otherwise)
{
    uint32_t v;
    return attrs_copy(a, type, &v, sizeof v) ? v : otherwise;
}

bool attrs_copy(const struct attrs *a, unsigned type, void *to, size_t n)
{
    bool there = attrs_has(a, type) && a->at[type].len >= n;
    if (there) {
        memcpy(to, a->at[type].at, n);
    } else {
        memset(to, 0, n);
    }
    return there;
}
