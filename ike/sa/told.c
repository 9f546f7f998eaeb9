#include "ike/sa/told.h"

#include <string.h>

#include "ike/sa/diplomat.h"

#define UDP_ENCAP_ESPINUDP 2

// A whole packet goes inside a new one, alone or with others.
static bool wraps(uint8_t mode)
{
    return mode == XFRM_TUNNEL || mode == XFRM_IPTFS;
}

void told_where(struct xfrm_sa *x, const struct ike_sa *sa, bool out)
{
    const endpoint_t *from = out ? &sa->local : &sa->remote;
    const endpoint_t *to = out ? &sa->remote : &sa->local;
    x->saddr = from->ip;
    x->daddr = to->ip;
    x->family = from->ip.family;
    x->encap = (struct xfrm_encap){0};
    if (x->proto == XFRM_PROTO_ESP && ike_sa_udp(sa)) {
        x->encap =
            (struct xfrm_encap){.type = UDP_ENCAP_ESPINUDP, .sport = from->port, .dport = to->port};
    }
}

struct xfrm_sa_id told_id(const struct child_sa *c, bool out)
{
    struct xfrm_sa_id id = {.daddr = out ? c->remote : c->local,
                            .spi = out ? c->spi_out : c->spi_in,
                            .proto = child_sa_proto(c)};
    id.mark = out ? c->steering.out : c->steering.sa_in;
    return id;
}

// A soft limit somewhat below the configured one, so that both peers do not rekey at once.
static uint64_t jittered(struct ike *ike, uint64_t limit, uint64_t rand, uint64_t none)
{
    if (!limit) return none;
    uint64_t minus = ike_random_below(ike, rand + 1);
    return limit > minus ? limit - minus : 1;
}

static void say_limits(struct xfrm_sa *x, struct child_sa *c)
{
    struct ike *ike = c->sa->ike;
    const struct conf_child *f = c->conf;
    if (!c->rekey_s && f->rekey_s) c->rekey_s = jittered(ike, f->rekey_s, f->rand_s, 0);
    c->life_s = f->life_s;
    x->limit = (struct xfrm_lifetime){
        .soft_bytes = jittered(ike, f->rekey_bytes, f->rand_bytes, XFRM_INF),
        .hard_bytes = f->life_bytes ? f->life_bytes : XFRM_INF,
        .soft_packets = jittered(ike, f->rekey_packets, f->rand_packets, XFRM_INF),
        .hard_packets = f->life_packets ? f->life_packets : XFRM_INF,
        .soft_add_s = c->rekey_s,
        .hard_add_s = c->life_s,
    };
}

static void say_alg(struct xfrm_alg *x, const struct alg *a, const struct secret_key *key,
                    uint32_t icv_bits)
{
    (void)strncpy(x->name, a->kernel, sizeof x->name - 1);
    x->key_bits = (uint16_t)(key->len * 8);
    x->icv_bits = (uint16_t)icv_bits;
    memcpy(x->key, key->at, key->len < sizeof x->key ? key->len : sizeof x->key);
}

static void say_mac(struct xfrm_sa *x, const struct child_sa *c, const struct alg *integ,
                    const struct secret_key *key)
{
    uint32_t icv = integ->icv_len * 8U;
    if (c->conf->sha256_96 && integ->id == INTEG_HMAC_SHA2_256_128) icv = 96;
    say_alg(&x->auth, integ, key, icv);
    x->auth.trunc_given = true;
}

static err_t say_ah(struct xfrm_sa *x, const struct child_sa *c, const struct alg *integ,
                    const struct secret_key *key, struct why *why)
{
    if (!integ || !integ->kernel) {
        return why_not(why, ERR_ALGORITHM, "the executor has no name for the agreed algorithm");
    }
    say_mac(x, c, integ, key);
    return ERR_OK;
}

static err_t say_keys(struct xfrm_sa *x, const struct child_sa *c, const struct secret_key *e,
                      const struct secret_key *a, struct why *why)
{
    const struct transform *et = proposal_get(c->chosen, ALG_ENCR);
    const struct transform *at = proposal_get(c->chosen, ALG_INTEG);
    const struct alg *encr = et ? alg_find(ALG_ENCR, et->id, et->key_len) : NULL;
    const struct alg *integ = at && at->id ? alg_find(ALG_INTEG, at->id, 0) : NULL;
    if (e->len > XFRM_KEY_MAX || a->len > XFRM_KEY_MAX) {
        return why_not(why, ERR_SPACE, "key too long for the executor");
    }
    if (x->proto == XFRM_PROTO_AH) return say_ah(x, c, integ, a, why);
    if (!encr || !encr->kernel || (integ && !integ->kernel)) {
        return why_not(why, ERR_ALGORITHM, "the executor has no name for the agreed algorithms");
    }
    if (encr->aead) {
        say_alg(&x->aead, encr, e, encr->icv_len * 8U);
        return ERR_OK;
    }
    say_alg(&x->crypt, encr, e, 0);
    if (integ) say_mac(x, c, integ, a);
    return ERR_OK;
}

// Sequence numbers: an outbound SA has no window, but ESN asks for one that is not empty.
static void say_replay(struct xfrm_sa *x, const struct child_sa *c, bool out)
{
    uint32_t window = out ? 0 : c->conf->replay_window;
    if (window > XFRM_REPLAY_MAX) window = XFRM_REPLAY_MAX;
    if (c->esn && !window && x->dir != XFRM_SA_OUT) window = 1;
    if (c->esn) x->flags |= XFRM_STATE_ESN;
    x->replay.window = window;
    x->replay.esn_given = c->esn || window > 32;
}

static void say_dscp(struct xfrm_sa *x, const struct child_sa *c, bool out)
{
    enum conf_dscp copy = c->conf->copy_dscp;
    bool outwards = copy == CONF_DSCP_OUT || copy == CONF_DSCP_BOTH;
    bool inwards = copy == CONF_DSCP_IN || copy == CONF_DSCP_BOTH;
    if (!wraps(x->mode)) return;
    if (out && !outwards) x->extra_flags |= XFRM_SA_DONT_ENCAP_DSCP;
    if (!out && inwards) x->flags |= XFRM_STATE_DECAP_DSCP;
}

static void say_steering(struct xfrm_sa *x, const struct steering *s, bool out)
{
    x->if_id = out ? s->if_id_out : s->if_id_in;
    x->mark = out ? s->out : s->sa_in;
    x->output_mark = out ? s->set_out : s->set_in;
}

static void say_flags(struct xfrm_sa *x, const struct child_sa *c, bool out)
{
    const struct conf_child *f = c->conf;
    bool tunnel = wraps(x->mode);
    if (tunnel) x->flags |= XFRM_STATE_AF_UNSPEC; // inner family may differ from outer
    if (tunnel && !f->copy_ecn) x->flags |= XFRM_STATE_NOECN;
    if (tunnel && !f->copy_df && x->dir != XFRM_SA_IN) x->flags |= XFRM_STATE_NOPMTUDISC;
    // rfc4302 2.6: over IPv4 the header is a multiple of 4 bytes; a kernel thinks of 8 unless told.
    if (x->proto == XFRM_PROTO_AH && x->family == AF_INET) x->flags |= XFRM_STATE_ALIGN4;
    if (!out && f->icmp) x->flags |= XFRM_STATE_ICMP;
    say_steering(x, &c->steering, out);
    say_dscp(x, c, out);
    // rfc7296 1.3.1: a peer that cannot take it off gets none; neither can any in other modes.
    bool pads = x->mode == XFRM_TUNNEL && x->proto == XFRM_PROTO_ESP;
    if (out && pads && !c->peer_no_tfc) x->tfcpad = f->tfc_padding;
}

// Of transport mode: what the SA may carry, if one selector can say it; of a tunnel that takes less
// than its trap, too, so that a packet which it must not carry finds no SA and asks for one. Of
// BEET: the addresses that its packets get back, which are the same in all selectors.
static void say_selector(struct xfrm_sa *x, const struct child_sa *c, bool out)
{
    struct selectors s;
    const struct ts_list *src = out ? c->local_ts : c->remote_ts;
    const struct ts_list *dst = out ? c->remote_ts : c->local_ts;
    bool beet = c->mode == XFRM_BEET;
    if (selectors_make(src, dst, &s) != ERR_OK || (s.n != 1 && !beet)) return;
    x->sel = s.at[0];
    if (!beet) return;
    x->sel.proto = 0;
    x->sel.sport = x->sel.sport_mask = x->sel.dport = x->sel.dport_mask = 0;
}

// rfc9347 5.1 MUST: the peer gets whole packets if it takes no others.
static void say_iptfs(struct xfrm_sa *x, const struct child_sa *c, bool out)
{
    const struct conf_iptfs *s = &c->sa->ike->opt.iptfs;
    if (x->mode != XFRM_IPTFS) return;
    x->dir = out ? XFRM_SA_OUT : XFRM_SA_IN; // a kernel insists on it
    if (!out) {
        x->iptfs.drop_time_us = s->drop_time_us;
        x->iptfs.reorder_window = (uint16_t)s->reorder_window;
        return;
    }
    x->iptfs.dont_frag = s->dont_frag || c->peer_whole;
    x->iptfs.init_delay_us = s->init_delay_us;
    x->iptfs.max_queue = s->max_queue;
    x->iptfs.pkt_size = s->packet_size;
}

// IPComp comes first and is the tunnel, if there is one; what protects it finds a packet.
static enum xfrm_mode outer_mode(const struct child_sa *c)
{
    return c->cpi_in ? XFRM_TRANSPORT : c->mode;
}

err_t told_sa(struct xfrm_sa *x, struct child_sa *c, const struct child_keys *k, bool out,
              struct why *why)
{
    bool i_keys = out == c->initiator; // rfc7296 2.17 MUST: keys of the initiator's direction first
    *x = (struct xfrm_sa){.proto = child_sa_proto(c), .reqid = c->reqid, .pcpu = UINT32_MAX};
    x->spi = out ? c->spi_out : c->spi_in;
    if (out && c->of_cpu) { // rfc9611 2: what comes in may come by any CPU
        x->pcpu = c->cpu;
        x->dir = XFRM_SA_OUT;
    }
    x->mode = (uint8_t)outer_mode(c);
    x->seq = out ? c->acquire_seq : 0; // releases the packet that asked for it
    say_iptfs(x, c, out);
    told_where(x, c->sa, out);
    say_limits(x, c);
    say_flags(x, c, out);
    say_replay(x, c, out);
    // Behind an IPComp tunnel packets are what that made of them.
    bool part = out && c->narrowed && !c->cpi_in;
    if (part || !wraps((uint8_t)c->mode)) say_selector(x, c, out);
    TRY(say_keys(x, c, i_keys ? &k->ei : &k->er, i_keys ? &k->ai : &k->ar, why));
    return ERR_OK;
}

void told_comp(struct xfrm_sa *x, const struct child_sa *c, bool out)
{
    *x = (struct xfrm_sa){.proto = XFRM_PROTO_COMP, .reqid = c->reqid, .pcpu = UINT32_MAX};
    x->spi = out ? c->cpi_out : c->cpi_in;
    x->mode = (uint8_t)c->mode;
    x->limit = (struct xfrm_lifetime){XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0};
    (void)strncpy(x->comp, "deflate", sizeof x->comp - 1);
    told_where(x, c->sa, out);
    say_flags(x, c, out);
    if (c->mode != XFRM_TUNNEL || (out && c->narrowed)) say_selector(x, c, out);
}

struct xfrm_sa_id told_comp_id(const struct child_sa *c, bool out)
{
    struct xfrm_sa_id id = told_id(c, out);
    id.proto = XFRM_PROTO_COMP;
    id.spi = out ? c->cpi_out : c->cpi_in;
    return id;
}

static struct xfrm_tmpl tmpl_for(const struct child_sa *c, uint8_t proto, enum xfrm_mode mode,
                                 bool out)
{
    struct xfrm_tmpl t = {.proto = proto,
                          .mode = (uint8_t)mode,
                          .family = out ? c->remote.family : c->local.family,
                          .reqid = c->reqid,
                          .aalgos = UINT32_MAX,
                          .ealgos = UINT32_MAX,
                          .calgos = UINT32_MAX};
    if (mode == XFRM_TRANSPORT) return t;
    t.saddr = out ? c->via : c->from;
    t.daddr = out ? c->remote : c->local;
    return t;
}

void told_templates(struct xfrm_policy *p, const struct child_sa *c)
{
    bool out = p->dir == XFRM_OUT;
    p->tmpl_count = 0;
    if (c->cpi_in) {
        p->tmpl[p->tmpl_count] = tmpl_for(c, XFRM_PROTO_COMP, c->mode, out);
        p->tmpl[p->tmpl_count++].optional = !out; // what did not shrink comes without it
    }
    p->tmpl[p->tmpl_count++] = tmpl_for(c, child_sa_proto(c), outer_mode(c), out);
}
