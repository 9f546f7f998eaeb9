#include "xfrm/db/sa.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/alg.h"
#include "xfrm/db/counter.h"
#include "xfrm/db/sa_alg.h"

#define ENCAP_UDP 2 // UDP_ENCAP_ESPINUDP
#define LEGACY_WINDOW_MAX 32

// ---- what the kernel checks in verify_newsa_info(), and what this executor cannot do ----

static err_t check_addresses(const struct xfrm_sa *x, struct why *why)
{
    if (!ip_len(x->family) || x->daddr.family != x->family || x->saddr.family != x->family) {
        return why_not(why, ERR_RANGE, "the addresses of an SA must be both IPv4 or both IPv6");
    }
    unsigned bits = ip_bits(x->sel.family);
    if (x->sel.family != AF_UNSPEC && bits == 0) {
        return why_not(why, ERR_RANGE, "selector: unknown address family %u", x->sel.family);
    }
    if (x->sel.src.len > bits || x->sel.dst.len > bits) {
        return why_not(why, ERR_RANGE, "selector: a prefix is longer than its address");
    }
    return ERR_OK;
}

static err_t check_kind(const struct xfrm_sa *x, struct why *why)
{
    switch (x->proto) {
    case XFRM_PROTO_ESP:
    case XFRM_PROTO_AH:
        break;
    case XFRM_PROTO_COMP:
        if (x->spi > UINT16_MAX)
            return why_not(why, ERR_RANGE, "an IPComp CPI has 16 bits, 0x%x is too large", x->spi);
        if (x->encap.type == 0) break;
        return why_not(why, ERR_RANGE, "IPComp is not compatible with encapsulation");
    default:
        return why_not(why, ERR_RANGE, "%u is no IPsec protocol", x->proto);
    }
    if (x->encap.type != 0 && x->proto != XFRM_PROTO_ESP) {
        return why_not(why, ERR_RANGE, "UDP encapsulation is for ESP only");
    }
    if (x->encap.type != 0 && x->encap.type != ENCAP_UDP) {
        return why_not(why, ERR_RANGE, "encapsulation: only ESP in UDP is supported");
    }
    return ERR_OK;
}

static err_t check_iptfs(const struct xfrm_sa *x, struct why *why)
{
    if (x->proto != XFRM_PROTO_ESP) return why_not(why, ERR_RANGE, "mode iptfs is for ESP only");
    if (x->tfcpad) return why_not(why, ERR_RANGE, "mode iptfs takes no TFC padding");
    if (x->dir || x->larval) return ERR_OK;
    return why_not(why, ERR_RANGE, "mode iptfs needs a direction (XFRMA_SA_DIR)");
}

// The inner family must be known where the inner header is not carried.
static err_t check_mode(const struct xfrm_sa *x, struct why *why)
{
    const struct xfrm_selector *s = &x->sel;
    switch (x->mode) {
    case XFRM_TUNNEL:
        return ERR_OK;
    case XFRM_IPTFS:
        return check_iptfs(x, why);
    case XFRM_TRANSPORT:
        if (x->larval || !s->family || s->family == x->family) return ERR_OK;
        return why_not(why, ERR_UNSUPPORTED, "transport mode cannot change the address family");
    case XFRM_BEET:
        if (x->proto == XFRM_PROTO_COMP) {
            return why_not(why, ERR_RANGE, "IPComp has tunnel and transport mode only");
        }
        if (x->larval) return ERR_OK;
        if (s->family && s->src.ip.family == s->family && s->dst.ip.family == s->family)
            return ERR_OK;
        return why_not(why, ERR_RANGE,
                       "BEET mode takes the inner addresses from the selector, which has none");
    default:
        return why_not(why, ERR_UNSUPPORTED, "mode %u is not supported", x->mode);
    }
}

static err_t check_replay(const struct xfrm_sa *x, struct why *why)
{
    if (x->replay.window > XFRM_REPLAY_MAX) {
        return why_not(why, ERR_RANGE, "a replay window of %u packets is larger than %u",
                       x->replay.window, XFRM_REPLAY_MAX);
    }
    if (!(x->flags & XFRM_STATE_ESN)) return ERR_OK;
    if (!x->replay.esn_given) {
        return why_not(why, ERR_RANGE, "ESN needs its replay state (replay-window with flag esn)");
    }
    if (x->replay.window == 0 && x->dir != XFRM_SA_OUT) {
        return why_not(why, ERR_RANGE, "ESN needs a replay window");
    }
    return ERR_OK;
}

static err_t check(const struct xfrm_sa *x, struct why *why)
{
    TRY(check_addresses(x, why));
    TRY(check_kind(x, why));
    TRY(check_mode(x, why));
    TRY(check_replay(x, why));
    if (x->spi == 0 && !x->larval) return why_not(why, ERR_RANGE, "SPI 0 is reserved");
    return ERR_OK;
}

// ---- the immutable half ----

static struct sa_conf *conf_new(const struct xfrm_sa *x)
{
    struct sa_conf *c = pages_alloc(sizeof *c);
    if (!c) return NULL;
    c->x = *x;
    c->udp = x->encap.type == ENCAP_UDP;
    c->from = (endpoint_t){x->saddr, c->udp ? x->encap.sport : 0};
    c->to = (endpoint_t){x->daddr, c->udp ? x->encap.dport : 0};
    if (!c->x.replay.esn_given && c->x.replay.window > LEGACY_WINDOW_MAX) {
        c->x.replay.window = LEGACY_WINDOW_MAX; // as the kernel cuts it
    }
    return c;
}

static void conf_free(struct sa_conf *c)
{
    if (c) wipe(c, sizeof *c);
    pages_free(c);
}

static void conf_reclaim(struct rcu_head *head)
{
    conf_free(rcu_reclaimed(head, struct sa_conf, rcu));
}

// ---- the living half ----

static void sa_destroy(struct sa *sa)
{
    sealer_free(sa->sealer);
    replay_done(&sa->replay);
    agg_drop(sa->agg);
    conf_free(sa->conf);
    pages_free(sa);
}

static void sa_set_out(struct sa *sa)
{
    sa->next_seq = sa->conf->x.replay.out_seq + 1;
}

static err_t sa_arm(struct sa *sa, struct why *why)
{
    struct sealer_spec spec;
    sa_set_out(sa);
    if (sa->proto == XFRM_PROTO_COMP) return sa_alg_check_comp(&sa->conf->x, why);
    TRY(sa_alg_spec(&sa->conf->x, &spec, why));
    err_t e = sealer_new(&spec, &sa->sealer, why);
    // the names are known by now, so what is wrong is a length
    if (e != ERR_OK) return e == ERR_ALGORITHM ? ERR_RANGE : e;

    uint32_t block = sealer_block(sa->sealer);
    sa->align = (uint8_t)(block < 4 ? 4 : block);
    sa->iv_len = (uint8_t)sealer_iv_len(sa->sealer);
    sa->icv_len = (uint8_t)sealer_icv_len(sa->sealer);
    TRY(replay_init(&sa->replay, sa->conf->x.replay.window));
    replay_import(&sa->replay, &sa->conf->x.replay);
    return sa->iptfs ? agg_new(&sa->conf->x, &sa->agg, why) : ERR_OK;
}

// As the kernel numbers them in a template's mask: bit 0 for none, an AEAD's too.
static uint32_t auth_bit(const struct xfrm_sa *x)
{
    const struct alg *a = x->auth.name[0] ? alg_by_kernel(ALG_INTEG, x->auth.name, 0, 0) : NULL;
    return 1U << (a ? a->pfkey : 0);
}

// Without keys.
static struct sa *sa_make(const struct xfrm_sa *x)
{
    struct sa *sa = pages_alloc(sizeof *sa);
    if (sa) sa->conf = conf_new(x);
    if (!sa || !sa->conf) {
        pages_free(sa);
        return NULL;
    }
    sa->spi = be32(x->spi);
    sa->proto = x->proto;
    sa->larval = x->larval;
    sa->iptfs = x->mode == XFRM_IPTFS;
    sa->auth_bit = auth_bit(x);
    sa->bytes = x->current.bytes;
    sa->packets = x->current.packets;
    sa->use_time = x->current.use_time;
    sa->ae_packets = x->ae_packets;
    sa->ae_timer = x->ae_timer;
    return sa;
}

err_t sa_new(const struct xfrm_sa *x, struct sa **out, struct why *why)
{
    TRY(check(x, why));
    struct sa *sa = sa_make(x);
    if (!sa) return ERR_NOMEM;
    err_t e = sa->larval ? ERR_OK : sa_arm(sa, why);
    if (e != ERR_OK) {
        sa_destroy(sa);
        return e;
    }
    *out = sa;
    return ERR_OK;
}

err_t sa_new_plain(const struct xfrm_sa *comp, uint32_t spi, struct sa **out)
{
    bool v6 = comp->family == AF_INET6;
    const struct xfrm_sa x = {
        .sel = comp->sel,
        .saddr = comp->saddr,
        .daddr = comp->daddr,
        .spi = spi,
        .proto = v6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
        .mode = comp->mode,
        .family = comp->family,
        .flags = v6 ? 0 : comp->flags, // the kernel forgets them in IPv6
        .extra_flags = comp->extra_flags,
        .limit = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0},
        .current = {.add_time = comp->current.add_time},
        .mark = comp->mark,
        .if_id = comp->if_id,
        .pcpu = UINT32_MAX,
        .plain = true,
    };
    *out = sa_make(&x);
    if (!*out) return ERR_NOMEM;
    sa_set_out(*out);
    return ERR_OK;
}

err_t sa_change(struct sa *sa, const struct xfrm_sa *x, struct why *why)
{
    TRY(check(x, why));
    struct xfrm_sa next = sa->conf->x;
    if (next.encap.type != x->encap.type) {
        return why_not(why, ERR_RANGE,
                       "UDP encapsulation cannot be switched on or off by an update");
    }
    next.encap = x->encap;
    next.limit = x->limit;
    if (x->output_mark.value || x->output_mark.mask || x->if_id) next.output_mark = x->output_mark;
    if (x->if_id) next.if_id = x->if_id;

    struct sa_conf *fresh = conf_new(&next);
    wipe(&next, sizeof next);
    if (!fresh) return ERR_NOMEM;
    struct sa_conf *old = rcu_xchg_pointer(&sa->conf, fresh);
    call_rcu(&old->rcu, conf_reclaim);
    __atomic_store_n(&sa->dying, false, __ATOMIC_RELAXED);
    sa->soft_told = false;
    return ERR_OK;
}

void sa_snapshot(const struct sa *sa, struct xfrm_sa *out)
{
    *out = rcu_dereference(sa->conf)->x;
    out->current.bytes = count_get(&sa->bytes);
    out->current.packets = count_get(&sa->packets);
    out->current.use_time = count_get(&sa->use_time);
    out->ae_packets = sa->ae_packets;
    out->ae_timer = sa->ae_timer;
    if (sa->larval) return;
    out->stats.replay = (uint32_t)count_get(&sa->replays);
    out->stats.integrity_failed = (uint32_t)count_get(&sa->forgeries);
    if (!sa->sealer) return; // IPComp counts for itself only
    out->replay.out_seq = count_get(&sa->next_seq) - 1;
    // without a window what was given stays as it was
    if (sa->replay.size > 0) replay_export(&sa->replay, &out->replay);
}

static void sa_reclaim(struct rcu_head *head)
{
    sa_destroy(rcu_reclaimed(head, struct sa, rcu));
}

void sa_free(struct sa *sa)
{
    if (sa) call_rcu(&sa->rcu, sa_reclaim);
}
