#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "netlink/codec_sa.h"
#include "netlink/kernel_alg.h"
#include "netlink/part.h"

_Static_assert(sizeof(struct xfrm_algo_auth) == sizeof(struct xfrm_algo_aead),
               "one layout serves both: name, bits of key, bits of ICV, key");

static size_t key_bytes(uint32_t bits)
{
    return ((size_t)bits + 7) / 8;
}

// ---- writing ----

// struct xfrm_algo: without the length of an ICV.
static void algo_put(struct message *m, uint16_t attr, const struct xfrm_alg *a)
{
    size_t n = key_bytes(a->key_bits);
    struct xfrm_algo *u = message_reserve(m, attr, sizeof *u + n);
    if (!u) return;
    (void)snprintf(u->alg_name, sizeof u->alg_name, "%s", a->name);
    u->alg_key_len = a->key_bits;
    memcpy(u->alg_key, a->key, n);
}

// struct xfrm_algo_auth and xfrm_algo_aead: with it.
static void algo_icv_put(struct message *m, uint16_t attr, const struct xfrm_alg *a)
{
    size_t n = key_bytes(a->key_bits);
    struct xfrm_algo_auth *u = message_reserve(m, attr, sizeof *u + n);
    if (!u) return;
    (void)snprintf(u->alg_name, sizeof u->alg_name, "%s", a->name);
    u->alg_key_len = a->key_bits;
    u->alg_trunc_len = a->icv_bits;
    memcpy(u->alg_key, a->key, n);
}

// struct xfrm_algo without a key.
static void comp_put(struct message *m, const char *name)
{
    struct xfrm_alg a = {0};
    if (!name[0]) return;
    (void)snprintf(a.name, sizeof a.name, "%s", name);
    algo_put(m, XFRMA_ALG_COMP, &a);
}

static void algs_put(struct message *m, const struct xfrm_sa *sa)
{
    if (sa->aead.name[0]) algo_icv_put(m, XFRMA_ALG_AEAD, &sa->aead);
    if (sa->auth.name[0]) {
        algo_put(m, XFRMA_ALG_AUTH, &sa->auth); // for readers that know no truncation
        if (sa->auth.icv_bits) algo_icv_put(m, XFRMA_ALG_AUTH_TRUNC, &sa->auth);
    }
    if (sa->crypt.name[0]) algo_put(m, XFRMA_ALG_CRYPT, &sa->crypt);
    comp_put(m, sa->comp);
}

static void output_mark_put(struct message *m, const struct xfrm_mark *mark)
{
    if (!(mark->value | mark->mask)) return;
    message_put_u32(m, XFRMA_SET_MARK, mark->value);
    message_put_u32(m, XFRMA_SET_MARK_MASK, mark->mask);
}

void codec_replay_write(struct message *m, const struct xfrm_sa *sa)
{
    const struct xfrm_replay *r = &sa->replay;
    if (!r->esn_given) {
        struct xfrm_replay_state u = {(uint32_t)r->out_seq, (uint32_t)r->in_seq, r->bitmap[0]};
        message_put(m, XFRMA_REPLAY_VAL, &u, sizeof u);
        return;
    }
    uint32_t window = r->window < XFRM_REPLAY_MAX ? r->window : XFRM_REPLAY_MAX;
    uint32_t words = (window + 31) / 32;
    if (r->words > words && r->words <= XFRM_REPLAY_MAX / 32) words = r->words;
    struct xfrm_replay_state_esn *u =
        message_reserve(m, XFRMA_REPLAY_ESN_VAL, sizeof *u + words * sizeof(uint32_t));
    if (!u) return;
    u->bmp_len = words;
    u->oseq = (uint32_t)r->out_seq;
    u->oseq_hi = (uint32_t)(r->out_seq >> 32);
    u->seq = (uint32_t)r->in_seq;
    u->seq_hi = (uint32_t)(r->in_seq >> 32);
    u->replay_window = window;
    memcpy(u->bmp, r->bitmap, words * sizeof(uint32_t));
}

// As the kernel shows them: those of the SA's direction.
static void iptfs_put(struct message *m, const struct xfrm_sa *sa)
{
    const struct xfrm_iptfs *t = &sa->iptfs;
    if (sa->mode != XFRM_IPTFS) return;
    if (sa->dir == XFRM_SA_IN) {
        message_put_u32(m, UAPI_IPTFS_DROP_TIME, t->drop_time_us);
        message_put(m, UAPI_IPTFS_REORDER_WINDOW, &t->reorder_window, sizeof t->reorder_window);
    }
    if (sa->dir != XFRM_SA_OUT) return;
    if (t->dont_frag) (void)message_reserve(m, UAPI_IPTFS_DONT_FRAG, 0);
    message_put_u32(m, UAPI_IPTFS_INIT_DELAY, t->init_delay_us);
    message_put_u32(m, UAPI_IPTFS_MAX_QSIZE, t->max_queue);
    message_put_u32(m, UAPI_IPTFS_PKT_SIZE, t->pkt_size);
}

void codec_sa_attrs_write(struct message *m, const struct xfrm_sa *sa)
{
    if (sa->extra_flags) message_put_u32(m, XFRMA_SA_EXTRA_FLAGS, sa->extra_flags);
    algs_put(m, sa);
    part_encap_put(m, &sa->encap);
    if (sa->tfcpad) message_put_u32(m, XFRMA_TFCPAD, sa->tfcpad);
    part_mark_put(m, &sa->mark, 0);
    output_mark_put(m, &sa->output_mark);
    codec_replay_write(m, sa);
    if (sa->if_id) message_put_u32(m, XFRMA_IF_ID, sa->if_id);
    if (sa->mapping_s) message_put_u32(m, XFRMA_MTIMER_THRESH, sa->mapping_s);
    if (sa->dir) message_put_u8(m, UAPI_SA_DIR, sa->dir);
    if (sa->nat_keepalive_s) message_put_u32(m, UAPI_NAT_KEEPALIVE, sa->nat_keepalive_s);
    if (sa->pcpu != UINT32_MAX) message_put_u32(m, UAPI_SA_PCPU, sa->pcpu);
    iptfs_put(m, sa);
}

// ---- reading ----

// head: bytes before the key; icv: the struct has the length of an ICV.
static err_t algo_read(const struct attrs *a, unsigned type, struct xfrm_alg *out, struct why *why)
{
    if (!attrs_has(a, type)) return ERR_OK;
    bool icv = type == XFRMA_ALG_AEAD || type == XFRMA_ALG_AUTH_TRUNC;
    size_t head = icv ? sizeof(struct xfrm_algo_auth) : sizeof(struct xfrm_algo);
    struct xfrm_algo_auth u = {0};
    memcpy(&u, a->at[type].at, head); // attrs_read has seen that many
    u.alg_name[sizeof u.alg_name - 1] = 0;
    size_t n = key_bytes(u.alg_key_len);
    if (n > a->at[type].len - head) {
        return why_not(why, ERR_SYNTAX, "%s: a key of %u bits in %zu bytes", u.alg_name,
                       u.alg_key_len, a->at[type].len - head);
    }
    if (icv && u.alg_trunc_len > UINT16_MAX) {
        err_t e = type == XFRMA_ALG_AEAD ? ERR_ALGORITHM : ERR_RANGE;
        return why_not(why, e, "%s: no ICV has %u bits", u.alg_name, u.alg_trunc_len);
    }
    if (n > XFRM_KEY_MAX) {
        return why_not(why, ERR_RANGE, "%s: a key of %u bits is longer than %u", u.alg_name,
                       u.alg_key_len, XFRM_KEY_MAX * 8);
    }
    if (!u.alg_name[0]) return why_not(why, ERR_ALGORITHM, "an algorithm without a name");
    memset(out, 0, sizeof *out);
    (void)snprintf(out->name, sizeof out->name, "%s", u.alg_name);
    out->key_bits = (uint16_t)u.alg_key_len;
    out->icv_bits = icv ? (uint16_t)u.alg_trunc_len : 0;
    memcpy(out->key, a->at[type].at + head, n);
    kernel_alg_full_name(out);
    return ERR_OK;
}

static err_t algs_read(const struct attrs *a, struct xfrm_sa *sa, struct why *why)
{
    TRY(algo_read(a, XFRMA_ALG_AEAD, &sa->aead, why));
    TRY(algo_read(a, XFRMA_ALG_CRYPT, &sa->crypt, why));
    sa->auth.trunc_given = attrs_has(a, XFRMA_ALG_AUTH_TRUNC);
    if (sa->auth.trunc_given) {
        TRY(algo_read(a, XFRMA_ALG_AUTH_TRUNC, &sa->auth, why));
        sa->auth.trunc_given = true;
    } else {
        TRY(algo_read(a, XFRMA_ALG_AUTH, &sa->auth, why));
    }
    struct xfrm_alg comp = {0};
    TRY(algo_read(a, XFRMA_ALG_COMP, &comp, why));
    (void)snprintf(sa->comp, sizeof sa->comp, "%s", comp.name);
    bool keyed = sa->aead.name[0] || sa->crypt.name[0] || sa->auth.name[0] || sa->comp[0];
    sa->plain = sa->proto == IPPROTO_IPIP || sa->proto == IPPROTO_IPV6;
    sa->larval = !keyed && !sa->plain;
    if (!sa->auth.icv_bits) sa->auth.icv_bits = kernel_alg_icv_bits(sa->auth.name);
    return ERR_OK;
}

static void output_mark_read(const struct attrs *a, struct xfrm_sa *sa)
{
    if (!attrs_has(a, XFRMA_SET_MARK)) return;
    sa->output_mark_mask_given = attrs_has(a, XFRMA_SET_MARK_MASK);
    sa->output_mark.value = attrs_u32(a, XFRMA_SET_MARK, 0);
    sa->output_mark.mask = attrs_u32(a, XFRMA_SET_MARK_MASK, UINT32_MAX);
}

static err_t esn_read(const span_t at, struct xfrm_replay *r, struct why *why)
{
    struct xfrm_replay_state_esn u;
    memcpy(&u, at.at, sizeof u);
    if (u.bmp_len > XFRM_REPLAY_MAX / 32) {
        return why_not(why, ERR_RANGE, "a replay bitmap of %u words is longer than %u", u.bmp_len,
                       XFRM_REPLAY_MAX / 32);
    }
    size_t n = u.bmp_len * sizeof(uint32_t);
    if (at.len != sizeof u && at.len - sizeof u < n) {
        return why_not(why, ERR_SYNTAX, "a replay bitmap of %u words in %zu bytes", u.bmp_len,
                       at.len - sizeof u);
    }
    if (u.replay_window > u.bmp_len * 32) {
        return why_not(why, ERR_RANGE, "replay window %u does not fit a bitmap of %u words",
                       u.replay_window, u.bmp_len);
    }
    memset(r, 0, sizeof *r);
    r->esn_given = true;
    r->window = u.replay_window;
    r->words = u.bmp_len;
    r->out_seq = (uint64_t)u.oseq_hi << 32 | u.oseq;
    r->in_seq = (uint64_t)u.seq_hi << 32 | u.seq;
    if (at.len >= sizeof u + n) memcpy(r->bitmap, at.at + sizeof u, n);
    return ERR_OK;
}

err_t codec_replay_read(const struct attrs *a, struct xfrm_sa *sa, struct why *why)
{
    if (attrs_has(a, XFRMA_REPLAY_ESN_VAL)) {
        return esn_read(a->at[XFRMA_REPLAY_ESN_VAL], &sa->replay, why);
    }
    codec_replay_legacy_read(a, &sa->replay);
    return ERR_OK;
}

void codec_replay_legacy_read(const struct attrs *a, struct xfrm_replay *out)
{
    struct xfrm_replay_state u;
    (void)attrs_copy(a, XFRMA_REPLAY_VAL, &u, sizeof u);
    out->out_seq = u.oseq;
    out->in_seq = u.seq;
    out->bitmap[0] = u.bitmap;
}

static void iptfs_read(const struct attrs *a, struct xfrm_sa *sa)
{
    struct xfrm_iptfs *t = &sa->iptfs;
    if (sa->mode != XFRM_IPTFS) return;
    bool in = sa->dir == XFRM_SA_IN, out = sa->dir == XFRM_SA_OUT;
    *t = (struct xfrm_iptfs){
        .drop_time_us = in ? attrs_u32(a, UAPI_IPTFS_DROP_TIME, XFRM_IPTFS_DROP_TIME) : 0,
        .dont_frag = out && attrs_has(a, UAPI_IPTFS_DONT_FRAG),
        .init_delay_us = out ? attrs_u32(a, UAPI_IPTFS_INIT_DELAY, 0) : 0,
        .max_queue = out ? attrs_u32(a, UAPI_IPTFS_MAX_QSIZE, XFRM_IPTFS_MAX_QUEUE) : 0,
        .pkt_size = out ? attrs_u32(a, UAPI_IPTFS_PKT_SIZE, 0) : 0,
    };
    bool given =
        attrs_copy(a, UAPI_IPTFS_REORDER_WINDOW, &t->reorder_window, sizeof t->reorder_window);
    if (in && !given) t->reorder_window = XFRM_IPTFS_REORDER_WINDOW;
}

err_t codec_sa_attrs_read(const struct attrs *a, struct xfrm_sa *sa, struct why *why)
{
    TRY(algs_read(a, sa, why));
    TRY(codec_replay_read(a, sa, why));
    (void)part_encap_read(a, sa->family, &sa->encap);
    output_mark_read(a, sa);
    sa->extra_flags = attrs_u32(a, XFRMA_SA_EXTRA_FLAGS, 0);
    sa->tfcpad = attrs_u32(a, XFRMA_TFCPAD, 0);
    sa->mark = part_mark_read(a);
    sa->if_id = attrs_u32(a, XFRMA_IF_ID, 0);
    sa->mapping_s = attrs_u32(a, XFRMA_MTIMER_THRESH, 0);
    sa->ae_packets = attrs_u32(a, XFRMA_REPLAY_THRESH, XFRM_AE_PACKETS);
    sa->ae_timer = attrs_u32(a, XFRMA_ETIMER_THRESH, XFRM_AE_TIMER);
    sa->nat_keepalive_s = attrs_u32(a, UAPI_NAT_KEEPALIVE, 0);
    sa->pcpu = attrs_u32(a, UAPI_SA_PCPU, UINT32_MAX);
    (void)attrs_copy(a, UAPI_SA_DIR, &sa->dir, sizeof sa->dir);
    iptfs_read(a, sa);
    return ERR_OK;
}
