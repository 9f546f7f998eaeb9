// What the kernel's verify_newsa_info() asks of a new SA before it looks at any algorithm.
#include "netlink/codec_sa.h"

#define HAS(name) attrs_has(a, XFRMA_##name)

static err_t check_esp(const struct attrs *a, const struct xfrm_sa *sa, struct why *why)
{
    bool separate = HAS(ALG_AUTH) || HAS(ALG_AUTH_TRUNC) || HAS(ALG_CRYPT);
    if (HAS(ALG_COMP)) return why_not(why, ERR_SYNTAX, "ESP takes no compression algorithm");
    if (!separate && !HAS(ALG_AEAD)) {
        return why_not(why, ERR_SYNTAX, "ESP needs an algorithm: aead, or enc and auth");
    }
    if (separate && HAS(ALG_AEAD)) {
        return why_not(why, ERR_SYNTAX, "ESP takes aead or enc and auth, not both");
    }
    if (HAS(TFCPAD) && sa->mode != XFRM_TUNNEL) {
        return why_not(why, ERR_SYNTAX, "TFC padding needs tunnel mode");
    }
    return ERR_OK;
}

static err_t check_ah(const struct attrs *a, struct why *why)
{
    if (!HAS(ALG_AUTH) && !HAS(ALG_AUTH_TRUNC)) {
        return why_not(why, ERR_SYNTAX, "AH needs an authentication algorithm");
    }
    if (HAS(ALG_AEAD) || HAS(ALG_CRYPT) || HAS(ALG_COMP) || HAS(TFCPAD)) {
        return why_not(why, ERR_SYNTAX, "AH takes neither aead, enc, comp nor TFC padding");
    }
    return ERR_OK;
}

static err_t check_comp(const struct attrs *a, const struct xfrm_sa *sa, struct why *why)
{
    bool other = HAS(ALG_AEAD) || HAS(ALG_AUTH) || HAS(ALG_AUTH_TRUNC) || HAS(ALG_CRYPT);
    if (!HAS(ALG_COMP)) return why_not(why, ERR_SYNTAX, "IPComp needs a compression algorithm");
    if (other || HAS(TFCPAD)) {
        return why_not(why, ERR_SYNTAX, "IPComp takes a compression algorithm only");
    }
    if (sa->spi > UINT16_MAX) {
        return why_not(why, ERR_RANGE, "an IPComp CPI has 16 bits, 0x%x is too large", sa->spi);
    }
    return ERR_OK;
}

static err_t check_proto(const struct attrs *a, const struct xfrm_sa *sa, struct why *why)
{
    switch (sa->proto) {
    case XFRM_PROTO_ESP:
        return check_esp(a, sa, why);
    case XFRM_PROTO_AH:
        return check_ah(a, why);
    case XFRM_PROTO_COMP:
        return check_comp(a, sa, why);
    default: // the kernel's Mobile IPv6 protocols included
        return why_not(why, ERR_SYNTAX, "IP protocol %u is neither ESP, AH nor IPComp", sa->proto);
    }
}

static err_t check_replay(const struct attrs *a, const struct xfrm_sa *sa, uint8_t legacy_window,
                          struct why *why)
{
    if (!HAS(REPLAY_ESN_VAL)) {
        if (!(sa->flags & XFRM_STATE_ESN)) return ERR_OK;
        return why_not(why, ERR_SYNTAX, "ESN needs a replay window (XFRMA_REPLAY_ESN_VAL)");
    }
    if (sa->proto == XFRM_PROTO_COMP) {
        return why_not(why, ERR_SYNTAX, "IPComp has no replay window");
    }
    if (legacy_window) {
        return why_not(why, ERR_SYNTAX, "the replay window is given twice, once in the old way");
    }
    if (sa->flags & XFRM_STATE_ESN && !sa->replay.window && sa->dir != 2) {
        return why_not(why, ERR_RANGE, "ESN needs a replay window of at least 1");
    }
    return ERR_OK;
}

static err_t check_rest(const struct attrs *a, const struct xfrm_sa *sa, struct why *why)
{
    struct xfrm_user_offload offload;
    if (sa->mode != XFRM_TRANSPORT && sa->mode != XFRM_TUNNEL && sa->mode != XFRM_BEET) {
        return why_not(why, ERR_SYNTAX, "mode %u is neither transport, tunnel nor beet", sa->mode);
    }
    if (HAS(MTIMER_THRESH) && !HAS(ENCAP)) {
        return why_not(why, ERR_SYNTAX, "a mapping timer needs UDP encapsulation");
    }
    if (attrs_has(a, UAPI_SA_DIR) && sa->dir != 1 && sa->dir != 2) {
        return why_not(why, ERR_RANGE, "direction %u is neither 1 (in) nor 2 (out)", sa->dir);
    }
    // Crypto offload falls back to software where the device has none, packet offload must not.
    if (attrs_copy(a, XFRMA_OFFLOAD_DEV, &offload, sizeof offload) &&
        offload.flags & XFRM_OFFLOAD_PACKET) {
        return why_not(why, ERR_SYNTAX, "no device here can take packet offload");
    }
    return ERR_OK;
}

err_t codec_sa_check(const struct attrs *a, const struct xfrm_sa *sa, uint8_t legacy_window,
                     struct why *why)
{
    if (!ip_len(sa->family)) {
        return why_not(why, ERR_SYNTAX, "address family %u is neither IPv4 nor IPv6", sa->family);
    }
    TRY(check_proto(a, sa, why));
    TRY(check_replay(a, sa, legacy_window, why));
    return check_rest(a, sa, why);
}
