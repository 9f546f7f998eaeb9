// What the kernel's verify_newsa_info() asks of a new SA before it looks at any algorithm.
#include "netlink/codec_sa.h"

#define HAS(name) attrs_has(a, XFRMA_##name)

static bool has_iptfs(const struct attrs *a)
{
    for (unsigned i = UAPI_IPTFS_DROP_TIME; i <= UAPI_IPTFS_PKT_SIZE; i++) {
        if (attrs_has(a, i)) return true;
    }
    return false;
}

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
    if (has_iptfs(a) && sa->mode != XFRM_IPTFS) {
        return why_not(why, ERR_SYNTAX, "IP-TFS attributes need mode iptfs");
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

static err_t check_mobile(const struct attrs *a, struct why *why)
{
    bool other = HAS(ALG_AEAD) || HAS(ALG_AUTH) || HAS(ALG_AUTH_TRUNC) || HAS(ALG_CRYPT) ||
                 HAS(ALG_COMP) || HAS(ENCAP) || HAS(SEC_CTX) || HAS(TFCPAD);
    if (other) return why_not(why, ERR_SYNTAX, "Mobile IPv6 takes a care-of address only");
    return HAS(COADDR) ? ERR_OK : why_not(why, ERR_SYNTAX, "Mobile IPv6 needs a care-of address");
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
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
        return check_mobile(a, why);
    default:
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

// ---- what does not go with a direction (XFRMA_SA_DIR) ----

static err_t misplaced(const char *what, uint8_t dir, struct why *why)
{
    return why_not(why, ERR_SYNTAX, "%s does not go with an SA for %s packets", what,
                   dir == XFRM_SA_IN ? "incoming" : "outgoing");
}

// What says how to send, and what says how to receive.
static err_t check_iptfs_in(const struct attrs *a, struct why *why)
{
    if (attrs_has(a, UAPI_IPTFS_DONT_FRAG)) return misplaced("IP-TFS dont-frag", XFRM_SA_IN, why);
    if (attrs_has(a, UAPI_IPTFS_INIT_DELAY)) return misplaced("IP-TFS init-delay", XFRM_SA_IN, why);
    if (attrs_has(a, UAPI_IPTFS_MAX_QSIZE)) {
        return misplaced("IP-TFS max-queue-size", XFRM_SA_IN, why);
    }
    return attrs_has(a, UAPI_IPTFS_PKT_SIZE) ? misplaced("IP-TFS pkt-size", XFRM_SA_IN, why)
                                             : ERR_OK;
}

static err_t check_iptfs_out(const struct attrs *a, struct why *why)
{
    if (attrs_has(a, UAPI_IPTFS_DROP_TIME)) return misplaced("IP-TFS drop-time", XFRM_SA_OUT, why);
    if (!attrs_has(a, UAPI_IPTFS_REORDER_WINDOW)) return ERR_OK;
    return misplaced("IP-TFS reorder-window", XFRM_SA_OUT, why);
}

static err_t check_flags_in(const struct xfrm_sa *sa, struct why *why)
{
    if (sa->flags & XFRM_STATE_NOPMTUDISC) return misplaced("flag nopmtudisc", XFRM_SA_IN, why);
    if (sa->extra_flags & XFRM_SA_XFLAG_DONT_ENCAP_DSCP) {
        return misplaced("flag dont-encap-dscp", XFRM_SA_IN, why);
    }
    if (sa->extra_flags & XFRM_SA_XFLAG_OSEQ_MAY_WRAP) {
        return misplaced("flag oseq-may-wrap", XFRM_SA_IN, why);
    }
    return ERR_OK;
}

static err_t check_flags_out(const struct attrs *a, const struct xfrm_sa *sa, struct why *why)
{
    if (sa->flags & XFRM_STATE_DECAP_DSCP) return misplaced("flag decap-dscp", XFRM_SA_OUT, why);
    if (sa->flags & XFRM_STATE_ICMP) return misplaced("flag icmp", XFRM_SA_OUT, why);
    if (sa->flags & XFRM_STATE_WILDRECV) return misplaced("flag wildrecv", XFRM_SA_OUT, why);
    if (HAS(MTIMER_THRESH)) return misplaced("a mapping timer", XFRM_SA_OUT, why);
    return ERR_OK;
}

// Numbers of the other direction must be zero, and outgoing packets have no window. Above 32 bits
// there is something only with ESN.
static err_t check_numbers(const struct attrs *a, const struct xfrm_sa *sa, uint8_t legacy_window,
                           struct why *why)
{
    const struct xfrm_replay *r = &sa->replay;
    bool extended = HAS(REPLAY_ESN_VAL), esn = sa->flags & XFRM_STATE_ESN;
    bool high = extended && !esn && (sa->dir == XFRM_SA_IN ? r->in_seq : r->out_seq) >> 32;
    if (high) return misplaced("a number above 32 bits without ESN", sa->dir, why);
    if (sa->dir == XFRM_SA_IN) {
        bool wrong = extended && r->out_seq;
        return wrong ? misplaced("the number of an outgoing packet", XFRM_SA_IN, why) : ERR_OK;
    }
    if (legacy_window || r->window || r->words)
        return misplaced("a replay window", XFRM_SA_OUT, why);
    if (r->in_seq || (!extended && r->bitmap[0])) {
        return misplaced("the number of an incoming packet", XFRM_SA_OUT, why);
    }
    return ERR_OK;
}

static err_t check_dir(const struct attrs *a, const struct xfrm_sa *sa, uint8_t legacy_window,
                       struct why *why)
{
    if (attrs_has(a, UAPI_SA_PCPU) && !sa->dir) {
        return why_not(why, ERR_SYNTAX, "an SA for one CPU needs a direction (XFRMA_SA_DIR)");
    }
    if (!sa->dir) return ERR_OK;
    TRY(sa->dir == XFRM_SA_IN ? check_flags_in(sa, why) : check_flags_out(a, sa, why));
    TRY(sa->dir == XFRM_SA_IN ? check_iptfs_in(a, why) : check_iptfs_out(a, why));
    return check_numbers(a, sa, legacy_window, why);
}

// rfc3948 4: who is behind a NAT keeps its mapping alive, and only in UDP there is one.
static err_t check_keepalive(const struct xfrm_sa *sa, struct why *why)
{
    if (!sa->nat_keepalive_s || (sa->dir == XFRM_SA_OUT && sa->encap.type)) return ERR_OK;
    return why_not(why, ERR_SYNTAX,
                   "NAT keepalives need an SA for outgoing packets with UDP encapsulation");
}

// A label of mandatory access control: checked, and not kept, since no security module looks at it.
static err_t check_context(const struct attrs *a, struct why *why)
{
    struct xfrm_user_sec_ctx u;
    if (!attrs_copy(a, XFRMA_SEC_CTX, &u, sizeof u)) return ERR_OK;
    if (u.len <= a->at[XFRMA_SEC_CTX].len && u.len == sizeof u + u.ctx_len) return ERR_OK;
    return why_not(why, ERR_SYNTAX, "security context: %u bytes do not hold %u", u.len, u.ctx_len);
}

// RFC 9347 2: around ESP only, and the two directions have little in common.
static err_t check_mode(const struct xfrm_sa *sa, struct why *why)
{
    switch (sa->mode) {
    case XFRM_TRANSPORT:
    case XFRM_TUNNEL:
    case XFRM_BEET:
        return ERR_OK;
    case XFRM_MODE_ROUTEOPTIMIZATION:
        return why_not(why, ERR_UNSUPPORTED, "route optimization (Mobile IPv6) is not supported");
    case XFRM_IPTFS:
        if (sa->proto != XFRM_PROTO_ESP) {
            return why_not(why, ERR_SYNTAX, "mode iptfs is for ESP only");
        }
        if (sa->dir) return ERR_OK;
        return why_not(why, ERR_SYNTAX, "mode iptfs needs a direction (XFRMA_SA_DIR)");
    default:
        return why_not(why, ERR_SYNTAX, "mode %u is neither transport, tunnel, beet nor iptfs",
                       sa->mode);
    }
}

static err_t check_rest(const struct attrs *a, const struct xfrm_sa *sa, struct why *why)
{
    struct xfrm_user_offload offload;
    TRY(check_mode(sa, why));
    if (HAS(ENCAP) && sa->encap.type == 0) {
        return why_not(why, ERR_SYNTAX, "encapsulation 0 is none: leave it out");
    }
    if (HAS(MTIMER_THRESH) && !HAS(ENCAP)) {
        return why_not(why, ERR_SYNTAX, "a mapping timer needs UDP encapsulation");
    }
    // As a kernel without it says: it has no such type of SA.
    if (sa->proto == IPPROTO_ROUTING || sa->proto == IPPROTO_DSTOPTS) {
        return why_not(why, ERR_UNSUPPORTED,
                       "IP protocol %u is Mobile IPv6, which is not supported", sa->proto);
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
    TRY(check_context(a, why));
    TRY(check_replay(a, sa, legacy_window, why));
    TRY(check_rest(a, sa, why));
    TRY(check_dir(a, sa, legacy_window, why));
    TRY(check_keepalive(sa, why));
    if (!HAS(ALG_AEAD) || sa->aead.icv_bits > 0) return ERR_OK;
    return why_not(why, ERR_ALGORITHM, "%s: an ICV of 0 bits protects nothing", sa->aead.name);
}
