#include "netlink/codec_sa.h"

#include <arpa/inet.h>
#include <string.h>

#include "netlink/part.h"

#define LEGACY_WINDOW_MAX 32 // bits of xfrm_replay_state.bitmap

// ---- struct xfrm_usersa_info ----

// Is it for its own two ends only, as ALLOCSPI makes it? That of an ACQUIRE is for the packet.
static bool is_between_ends(const struct xfrm_sa *sa)
{
    const struct xfrm_selector *s = &sa->sel;
    unsigned whole = ip_bits(sa->family);
    return s->proto == 0 && s->src.len == whole && s->dst.len == whole &&
           ip_eq(&s->src.ip, &sa->saddr) && ip_eq(&s->dst.ip, &sa->daddr);
}

static void info_from(const struct xfrm_sa *sa, struct xfrm_usersa_info *u)
{
    memset(u, 0, sizeof *u);
    part_selector(&sa->sel, &u->sel);
    // the kernel leaves it out until there are keys
    if (sa->larval && is_between_ends(sa)) u->sel.family = AF_UNSPEC;
    u->id.daddr = part_address(&sa->daddr);
    u->id.spi = htonl(sa->spi);
    u->id.proto = sa->proto;
    u->saddr = part_address(&sa->saddr);
    u->lft = part_limit(&sa->limit);
    u->curlft = part_current(&sa->current);
    u->stats =
        (struct uapi_stats){sa->stats.replay_window, sa->stats.replay, sa->stats.integrity_failed};
    u->seq = sa->seq;
    u->reqid = sa->reqid;
    u->family = sa->family;
    u->mode = sa->mode;
    uint32_t window = sa->replay.window;
    if (window > LEGACY_WINDOW_MAX) window = LEGACY_WINDOW_MAX;
    u->replay_window = sa->replay.esn_given ? 0 : (uint8_t)window;
    u->flags = sa->flags;
}

static err_t info_to(const struct xfrm_usersa_info *u, struct xfrm_sa *sa, struct why *why)
{
    memset(sa, 0, sizeof *sa);
    struct uapi_selector sel = u->sel;
    if (!sel.family && (sel.prefixlen_s || sel.prefixlen_d)) sel.family = u->family;
    TRY(part_selector_read(&sel, &sa->sel, why));
    sa->family = u->family;
    sa->saddr = part_ip(u->family, &u->saddr);
    sa->daddr = part_ip(u->family, &u->id.daddr);
    sa->spi = ntohl(u->id.spi);
    sa->proto = u->id.proto;
    sa->mode = u->mode;
    sa->reqid = u->reqid;
    sa->seq = u->seq;
    sa->flags = u->flags;
    sa->limit = part_limit_read(&u->lft);
    sa->current = part_current_read(&u->curlft);
    sa->stats =
        (struct xfrm_stats){u->stats.replay_window, u->stats.replay, u->stats.integrity_failed};
    sa->replay.window = u->replay_window < LEGACY_WINDOW_MAX ? u->replay_window : LEGACY_WINDOW_MAX;
    sa->pcpu = UINT32_MAX;
    return ERR_OK;
}

// The fixed part of a message; attrs_read has seen that it is there.
static void head_copy(const struct nlmsghdr *h, void *to, size_t n)
{
    memcpy(to, (const uint8_t *)h + NLMSG_HDRLEN, n);
}

// ---- NEWSA, UPDSA, DELSA ----

void codec_sa_write(struct message *m, const struct xfrm_sa *sa)
{
    struct xfrm_usersa_info u;
    info_from(sa, &u);
    message_head(m, &u, sizeof u);
    codec_sa_attrs_write(m, sa);
}

err_t codec_sa_read(const struct nlmsghdr *h, struct xfrm_sa *out, struct why *why)
{
    struct xfrm_usersa_info u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    TRY(info_to(&u, out, why));
    return codec_sa_attrs_read(&a, out, why);
}

// A selector without a family gets that of the SA, unless a flag asks for any.
static err_t selector_complete(const struct xfrm_usersa_info *u, struct xfrm_sa *sa,
                               struct why *why)
{
    if (sa->sel.family || sa->flags & XFRM_STATE_AF_UNSPEC) return ERR_OK;
    struct uapi_selector sel = u->sel;
    sel.family = sa->family;
    return part_selector_read(&sel, &sa->sel, why);
}

err_t codec_sa_request_read(const struct nlmsghdr *h, struct xfrm_sa *out, struct why *why)
{
    struct xfrm_usersa_info u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    TRY(info_to(&u, out, why));
    TRY(codec_sa_attrs_read(&a, out, why));
    TRY(codec_sa_check(&a, out, u.replay_window, why));
    struct xfrm_lifetime_cur used; // taken over from another SA, or nothing yet
    (void)attrs_copy(&a, XFRMA_LTIME_VAL, &used, sizeof used);
    out->current = part_current_read(&used);
    out->stats = (struct xfrm_stats){0};
    out->mark.value &= out->mark.mask;
    out->larval = false;
    return selector_complete(&u, out, why);
}

void codec_sa_gone_write(struct message *m, const struct xfrm_sa *sa)
{
    struct xfrm_usersa_id id;
    struct xfrm_usersa_info u;
    memset(&id, 0, sizeof id);
    id.daddr = part_address(&sa->daddr);
    id.spi = htonl(sa->spi);
    id.family = sa->family;
    id.proto = sa->proto;
    message_head(m, &id, sizeof id);
    info_from(sa, &u);
    message_put(m, XFRMA_SA, &u, sizeof u);
    codec_sa_attrs_write(m, sa);
}

err_t codec_sa_gone_read(const struct nlmsghdr *h, struct xfrm_sa *out, struct why *why)
{
    struct xfrm_usersa_info u;
    struct attrs a;
    TRY(attrs_read(h, sizeof(struct xfrm_usersa_id), ATTR_XFRM, &a, why));
    if (!attrs_copy(&a, XFRMA_SA, &u, sizeof u)) {
        return why_not(why, ERR_SYNTAX, "a deleted SA that is not described");
    }
    TRY(info_to(&u, out, why));
    return codec_sa_attrs_read(&a, out, why);
}

struct xfrm_sa_id codec_sa_id(const struct xfrm_sa *sa)
{
    return (struct xfrm_sa_id){
        .daddr = sa->daddr, .spi = sa->spi, .proto = sa->proto, .mark = sa->mark};
}

void codec_sa_id_write(struct message *m, const struct xfrm_sa_id *id)
{
    struct xfrm_usersa_id u;
    memset(&u, 0, sizeof u);
    u.daddr = part_address(&id->daddr);
    u.spi = htonl(id->spi);
    u.family = id->daddr.family;
    u.proto = id->proto;
    message_head(m, &u, sizeof u);
    part_mark_put(m, &id->mark, 0);
    if (id->saddr.family == AF_UNSPEC) return;
    xfrm_address_t saddr = part_address(&id->saddr);
    message_put(m, XFRMA_SRCADDR, &saddr, sizeof saddr);
}

err_t codec_sa_id_read(const struct nlmsghdr *h, struct xfrm_sa_id *out, struct why *why)
{
    struct xfrm_usersa_id u;
    struct attrs a;
    xfrm_address_t saddr;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    *out = (struct xfrm_sa_id){.daddr = part_ip(u.family, &u.daddr),
                               .spi = ntohl(u.spi),
                               .proto = u.proto,
                               .mark = part_mark_read(&a)};
    if (attrs_copy(&a, XFRMA_SRCADDR, &saddr, sizeof saddr)) {
        out->saddr = part_ip(u.family, &saddr);
    }
    return ERR_OK;
}

// ---- ALLOCSPI, EXPIRE, NEWAE, GETAE, FLUSHSA ----

void codec_spi_write(struct message *m, const struct xfrm_sa *like, uint32_t min, uint32_t max)
{
    struct xfrm_userspi_info u;
    memset(&u, 0, sizeof u);
    info_from(like, &u.info);
    u.min = min;
    u.max = max;
    message_head(m, &u, sizeof u);
    part_mark_put(m, &like->mark, like->if_id);
    if (like->dir) message_put_u8(m, UAPI_SA_DIR, like->dir);
    if (like->pcpu != UINT32_MAX) message_put_u32(m, UAPI_SA_PCPU, like->pcpu);
}

err_t codec_spi_read(const struct nlmsghdr *h, struct xfrm_sa *like, uint32_t *min, uint32_t *max,
                     struct why *why)
{
    struct xfrm_userspi_info u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    TRY(info_to(&u.info, like, why));
    like->mark = part_mark_read(&a);
    like->if_id = attrs_u32(&a, XFRMA_IF_ID, 0);
    like->pcpu = attrs_u32(&a, UAPI_SA_PCPU, UINT32_MAX);
    (void)attrs_copy(&a, UAPI_SA_DIR, &like->dir, sizeof like->dir);
    bool known = like->proto == XFRM_PROTO_ESP || like->proto == XFRM_PROTO_AH ||
                 like->proto == XFRM_PROTO_COMP;
    if (!known || !ip_len(like->family)) {
        return why_not(why, ERR_SYNTAX, "no SPI for IP protocol %u, address family %u", like->proto,
                       like->family);
    }
    uint32_t most = like->proto == XFRM_PROTO_COMP ? UINT16_MAX : UINT32_MAX;
    if (u.min > u.max || u.max > most) {
        return why_not(why, ERR_RANGE, "SPI range 0x%x-0x%x is empty or too large", u.min, u.max);
    }
    // Until it has keys, it is for its own two addresses only.
    like->sel = (struct xfrm_selector){.family = like->family};
    like->sel.src = (prefix_t){like->saddr, (uint8_t)ip_bits(like->family)};
    like->sel.dst = (prefix_t){like->daddr, (uint8_t)ip_bits(like->family)};
    *min = u.min;
    *max = u.max;
    return ERR_OK;
}

void codec_expire_write(struct message *m, const struct xfrm_sa *sa, bool hard)
{
    struct xfrm_user_expire u;
    memset(&u, 0, sizeof u);
    info_from(sa, &u.state);
    u.hard = hard;
    message_head(m, &u, sizeof u);
    part_mark_put(m, &sa->mark, sa->if_id);
}

err_t codec_expire_read(const struct nlmsghdr *h, struct xfrm_sa *out, bool *hard, struct why *why)
{
    struct xfrm_user_expire u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    TRY(info_to(&u.state, out, why));
    out->mark = part_mark_read(&a);
    out->if_id = attrs_u32(&a, XFRMA_IF_ID, 0);
    *hard = u.hard != 0;
    return ERR_OK;
}

void codec_ae_write(struct message *m, const struct xfrm_sa *sa, uint32_t flags)
{
    struct xfrm_aevent_id u;
    memset(&u, 0, sizeof u);
    u.sa_id.daddr = part_address(&sa->daddr);
    u.sa_id.spi = htonl(sa->spi);
    u.sa_id.family = sa->family;
    u.sa_id.proto = sa->proto;
    u.saddr = part_address(&sa->saddr);
    u.reqid = sa->reqid;
    u.flags = flags;
    message_head(m, &u, sizeof u);
    codec_replay_write(m, sa);
    struct xfrm_lifetime_cur current = part_current(&sa->current);
    message_put(m, XFRMA_LTIME_VAL, &current, sizeof current);
    if (flags & XFRM_AE_RTHR) message_put_u32(m, XFRMA_REPLAY_THRESH, sa->ae_packets);
    if (flags & XFRM_AE_ETHR) message_put_u32(m, XFRMA_ETIMER_THRESH, sa->ae_timer);
    part_mark_put(m, &sa->mark, sa->if_id);
}

err_t codec_ae_read(const struct nlmsghdr *h, struct xfrm_sa *out, uint32_t *flags, struct why *why)
{
    struct xfrm_aevent_id u;
    struct attrs a;
    struct xfrm_lifetime_cur current;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    memset(out, 0, sizeof *out);
    out->family = u.sa_id.family;
    out->daddr = part_ip(u.sa_id.family, &u.sa_id.daddr);
    out->saddr = part_ip(u.sa_id.family, &u.saddr);
    out->spi = ntohl(u.sa_id.spi);
    out->proto = u.sa_id.proto;
    out->reqid = u.reqid;
    out->pcpu = UINT32_MAX;
    (void)attrs_copy(&a, XFRMA_LTIME_VAL, &current, sizeof current);
    out->current = part_current_read(&current);
    out->mark = part_mark_read(&a);
    out->if_id = attrs_u32(&a, XFRMA_IF_ID, 0);
    out->ae_packets = attrs_u32(&a, XFRMA_REPLAY_THRESH, 0);
    out->ae_timer = attrs_u32(&a, XFRMA_ETIMER_THRESH, 0);
    *flags = u.flags;
    return codec_replay_read(&a, out, why);
}

void codec_ae_request_write(struct message *m, const struct xfrm_ae *ae)
{
    struct xfrm_aevent_id u;
    struct xfrm_sa sa = {.replay = ae->esn_given ? ae->esn : ae->replay};
    struct xfrm_lifetime_cur current = part_current(&ae->current);
    memset(&u, 0, sizeof u);
    u.sa_id.daddr = part_address(&ae->id.daddr);
    u.sa_id.spi = htonl(ae->id.spi);
    u.sa_id.family = ae->id.daddr.family;
    u.sa_id.proto = ae->id.proto;
    message_head(m, &u, sizeof u);
    if (ae->replay_given || ae->esn_given) codec_replay_write(m, &sa);
    if (ae->current_given) message_put(m, XFRMA_LTIME_VAL, &current, sizeof current);
    if (ae->packets_given) message_put_u32(m, XFRMA_REPLAY_THRESH, ae->ae_packets);
    if (ae->timer_given) message_put_u32(m, XFRMA_ETIMER_THRESH, ae->ae_timer);
    part_mark_put(m, &ae->id.mark, 0);
}

err_t codec_ae_id_read(const struct nlmsghdr *h, struct xfrm_sa_id *id, uint32_t *flags,
                       struct why *why)
{
    struct xfrm_aevent_id u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    *id = (struct xfrm_sa_id){.daddr = part_ip(u.sa_id.family, &u.sa_id.daddr),
                              .spi = ntohl(u.sa_id.spi),
                              .proto = u.sa_id.proto,
                              .mark = part_mark_read(&a)};
    *flags = u.flags;
    return ERR_OK;
}

static err_t ae_attrs_read(const struct attrs *a, struct xfrm_ae *out, struct why *why)
{
    struct xfrm_lifetime_cur current;
    struct xfrm_sa sa = {0};
    out->replay_given = attrs_has(a, XFRMA_REPLAY_VAL);
    out->esn_given = attrs_has(a, XFRMA_REPLAY_ESN_VAL);
    out->current_given = attrs_copy(a, XFRMA_LTIME_VAL, &current, sizeof current);
    out->packets_given = attrs_has(a, XFRMA_REPLAY_THRESH);
    out->timer_given = attrs_has(a, XFRMA_ETIMER_THRESH);
    out->mapping_given = attrs_has(a, XFRMA_MTIMER_THRESH);
    out->current = part_current_read(&current);
    out->ae_packets = attrs_u32(a, XFRMA_REPLAY_THRESH, 0);
    out->ae_timer = attrs_u32(a, XFRMA_ETIMER_THRESH, 0);
    out->mapping_s = attrs_u32(a, XFRMA_MTIMER_THRESH, 0);
    codec_replay_legacy_read(a, &out->replay);
    if (!out->esn_given) return ERR_OK;
    err_t e = codec_replay_read(a, &sa, why);
    out->esn = sa.replay;
    size_t need = sizeof(struct xfrm_replay_state_esn) + sa.replay.words * sizeof(uint32_t);
    out->esn_broken = e != ERR_OK || a->at[XFRMA_REPLAY_ESN_VAL].len < need;
    return ERR_OK; // an SA without the extended form does not look at it
}

err_t codec_ae_request_read(const struct nlmsghdr *h, struct xfrm_ae *out, struct why *why)
{
    struct attrs a;
    uint32_t flags;
    memset(out, 0, sizeof *out);
    TRY(attrs_read(h, sizeof(struct xfrm_aevent_id), ATTR_XFRM, &a, why));
    TRY(ae_attrs_read(&a, out, why));
    if (!out->replay_given && !out->esn_given && !out->current_given && !out->packets_given &&
        !out->timer_given) {
        return why_not(why, ERR_SYNTAX, "neither replay state, lifetimes nor thresholds are given");
    }
    if (!(h->nlmsg_flags & NLM_F_REPLACE)) {
        return why_not(why, ERR_SYNTAX, "setting replay state needs the flag NLM_F_REPLACE");
    }
    return codec_ae_id_read(h, &out->id, &flags, why);
}

void codec_sa_flush_write(struct message *m, uint8_t proto)
{
    struct xfrm_usersa_flush u = {.proto = proto};
    message_head(m, &u, sizeof u);
}

err_t codec_sa_flush_read(const struct nlmsghdr *h, uint8_t *proto, struct why *why)
{
    struct xfrm_usersa_flush u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    *proto = u.proto;
    return ERR_OK;
}
