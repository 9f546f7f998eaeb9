#include <arpa/inet.h>
#include <string.h>

#include "netlink/codec.h"
#include "netlink/part.h"

// ---- struct xfrm_userpolicy_info ----

static void info_from(const struct xfrm_policy *p, struct xfrm_userpolicy_info *u)
{
    memset(u, 0, sizeof *u);
    part_selector(&p->sel, &u->sel);
    u->lft = part_limit(&p->limit);
    u->curlft = part_current(&p->current);
    u->priority = p->priority;
    u->index = p->index;
    u->dir = p->dir;
    u->action = p->action;
    u->flags = p->flags;
    u->share = p->share;
}

static err_t dir_check(uint8_t dir, struct why *why)
{
    if (dir < XFRM_DIRS) return ERR_OK;
    return why_not(why, ERR_SYNTAX, "direction %u is neither in, out nor fwd", dir);
}

static err_t info_check(const struct xfrm_userpolicy_info *u, struct why *why)
{
    if (u->share > XFRM_SHARE_UNIQUE) {
        return why_not(why, ERR_SYNTAX, "there is no sharing %u", u->share);
    }
    if (u->action != XFRM_ALLOW && u->action != XFRM_BLOCK) {
        return why_not(why, ERR_SYNTAX, "action %u is neither allow nor block", u->action);
    }
    if (u->sel.family == AF_UNSPEC) {
        return why_not(why, ERR_SYNTAX, "a policy's selector needs an address family");
    }
    TRY(dir_check(u->dir, why));
    if (u->index && (u->index & 7) != u->dir) {
        return why_not(why, ERR_SYNTAX, "index %u belongs to another direction", u->index);
    }
    return ERR_OK;
}

static err_t info_to(const struct xfrm_userpolicy_info *u, struct xfrm_policy *p, struct why *why)
{
    memset(p, 0, sizeof *p);
    TRY(info_check(u, why));
    TRY(part_selector_read(&u->sel, &p->sel, why));
    p->limit = part_limit_read(&u->lft);
    p->current = part_current_read(&u->curlft);
    p->priority = u->priority;
    p->index = u->index;
    p->dir = u->dir;
    p->action = u->action;
    p->flags = u->flags;
    p->share = XFRM_SHARE_ANY; // the kernel has never kept it
    return ERR_OK;
}

static void head_copy(const struct nlmsghdr *h, void *to, size_t n)
{
    memcpy(to, (const uint8_t *)h + NLMSG_HDRLEN, n);
}

// ---- XFRMA_TMPL, XFRMA_POLICY_TYPE ----

static void tmpls_put(struct message *m, const struct xfrm_policy *p)
{
    struct xfrm_user_tmpl u[XFRM_TMPL_MAX];
    unsigned n = p->tmpl_count < XFRM_TMPL_MAX ? p->tmpl_count : XFRM_TMPL_MAX;
    if (!n) return;
    memset(u, 0, sizeof u);
    for (unsigned i = 0; i < n; i++) {
        const struct xfrm_tmpl *t = &p->tmpl[i];
        u[i].id.daddr = part_address(&t->daddr);
        u[i].id.spi = htonl(t->spi);
        u[i].id.proto = t->proto;
        u[i].family = t->family;
        u[i].saddr = part_address(&t->saddr);
        u[i].reqid = t->reqid;
        u[i].mode = t->mode;
        u[i].share = t->share;
        u[i].optional = t->optional;
        u[i].aalgos = t->aalgos;
        u[i].ealgos = t->ealgos;
        u[i].calgos = t->calgos;
    }
    message_put(m, XFRMA_TMPL, u, n * sizeof *u);
}

// One template; the family of the layer inside it in `inner`.
static err_t tmpl_check(const struct xfrm_user_tmpl *u, uint16_t inner, uint8_t dir,
                        struct why *why)
{
    bool wraps = u->mode == XFRM_TUNNEL || u->mode == XFRM_BEET || u->mode == XFRM_IPTFS;
    if (wraps && u->optional && dir == XFRM_OUT) {
        return why_not(why, ERR_SYNTAX, "an outbound tunnel template cannot be optional");
    }
    if (!wraps && u->family != inner) {
        return why_not(why, ERR_SYNTAX, "only a tunnel can change the address family");
    }
    if (u->mode >= UAPI_MODE_MAX || !ip_len(u->family)) {
        return why_not(why, ERR_SYNTAX, "template with mode %u, address family %u", u->mode,
                       u->family);
    }
    switch (u->id.proto) {
    case IPPROTO_ESP:
    case IPPROTO_AH:
    case IPPROTO_COMP:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case XFRM_PROTO_ANY:
        return ERR_OK;
    default:
        return why_not(why, ERR_SYNTAX, "template with IP protocol %u", u->id.proto);
    }
}

static void tmpl_to(const struct xfrm_user_tmpl *u, struct xfrm_tmpl *t)
{
    *t = (struct xfrm_tmpl){
        .saddr = part_ip(u->family, &u->saddr),
        .daddr = part_ip(u->family, &u->id.daddr),
        .spi = ntohl(u->id.spi),
        .proto = u->id.proto,
        .mode = u->mode,
        .family = u->family,
        .reqid = u->reqid,
        .share = u->share,
        .optional = u->optional,
        .aalgos = u->aalgos,
        .ealgos = u->ealgos,
        .calgos = u->calgos,
    };
}

static err_t tmpls_read(const struct attrs *a, struct xfrm_policy *p, struct why *why)
{
    const span_t at = a->at[XFRMA_TMPL];
    size_t n = at.len / sizeof(struct xfrm_user_tmpl);
    uint16_t inner = p->sel.family;
    if (n > XFRM_TMPL_MAX) {
        return why_not(why, ERR_RANGE, "%zu templates are more than %u", n, XFRM_TMPL_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        struct xfrm_user_tmpl u;
        memcpy(&u, at.at + i * sizeof u, sizeof u);
        if (!u.family) u.family = p->sel.family; // what old programs leave out
        TRY(tmpl_check(&u, inner, p->dir, why));
        inner = u.family;
        tmpl_to(&u, &p->tmpl[i]);
    }
    p->tmpl_count = (unsigned)n;
    return ERR_OK;
}

static void attrs_write(struct message *m, const struct xfrm_policy *p)
{
    tmpls_put(m, p);
    part_type_put(m, p->type);
    part_mark_put(m, &p->mark, p->if_id);
}

static err_t policy_from(const struct xfrm_userpolicy_info *u, const struct attrs *a,
                         struct xfrm_policy *out, struct why *why)
{
    TRY(info_to(u, out, why));
    TRY(part_type_read(a, &out->type, why));
    TRY(tmpls_read(a, out, why));
    out->mark = part_mark_read(a);
    out->if_id = attrs_u32(a, XFRMA_IF_ID, 0);
    return ERR_OK;
}

// ---- NEWPOLICY, UPDPOLICY, DELPOLICY ----

void codec_policy_write(struct message *m, const struct xfrm_policy *p)
{
    struct xfrm_userpolicy_info u;
    info_from(p, &u);
    message_head(m, &u, sizeof u);
    attrs_write(m, p);
}

err_t codec_policy_read(const struct nlmsghdr *h, struct xfrm_policy *out, struct why *why)
{
    struct xfrm_userpolicy_info u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    return policy_from(&u, &a, out, why);
}

void codec_policy_gone_write(struct message *m, const struct xfrm_policy *p, bool by_index)
{
    struct xfrm_userpolicy_id id;
    struct xfrm_userpolicy_info u;
    memset(&id, 0, sizeof id);
    id.dir = p->dir;
    if (by_index) {
        id.index = p->index;
    } else {
        part_selector(&p->sel, &id.sel);
    }
    message_head(m, &id, sizeof id);
    info_from(p, &u);
    message_put(m, XFRMA_POLICY, &u, sizeof u);
    attrs_write(m, p);
}

err_t codec_policy_gone_read(const struct nlmsghdr *h, struct xfrm_policy *out, struct why *why)
{
    struct xfrm_userpolicy_info u;
    struct attrs a;
    TRY(attrs_read(h, sizeof(struct xfrm_userpolicy_id), ATTR_XFRM, &a, why));
    if (!attrs_copy(&a, XFRMA_POLICY, &u, sizeof u)) {
        return why_not(why, ERR_SYNTAX, "a deleted policy that is not described");
    }
    return policy_from(&u, &a, out, why);
}

struct xfrm_policy_id codec_policy_id(const struct xfrm_policy *p)
{
    return (struct xfrm_policy_id){
        .dir = p->dir, .type = p->type, .sel = p->sel, .mark = p->mark, .if_id = p->if_id};
}

void codec_policy_id_write(struct message *m, const struct xfrm_policy_id *id)
{
    struct xfrm_userpolicy_id u;
    memset(&u, 0, sizeof u);
    part_selector(&id->sel, &u.sel);
    u.index = id->index;
    u.dir = id->dir;
    message_head(m, &u, sizeof u);
    part_type_put(m, id->type);
    part_mark_put(m, &id->mark, id->if_id);
}

static err_t id_from(const struct xfrm_userpolicy_id *u, const struct attrs *a,
                     struct xfrm_policy_id *out, struct why *why)
{
    memset(out, 0, sizeof *out);
    TRY(part_type_read(a, &out->type, why));
    TRY(dir_check(u->dir, why));
    out->dir = u->dir;
    out->index = u->index;
    out->mark = part_mark_read(a);
    out->if_id = attrs_u32(a, XFRMA_IF_ID, 0);
    if (u->index) return ERR_OK; // the selector is not looked at
    // no policy has a selector that makes no sense
    return part_selector_read(&u->sel, &out->sel, why) == ERR_OK ? ERR_OK : ERR_NOTFOUND;
}

err_t codec_policy_id_read(const struct nlmsghdr *h, struct xfrm_policy_id *out, struct why *why)
{
    struct xfrm_userpolicy_id u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    return id_from(&u, &a, out, why);
}

// ---- FLUSHPOLICY, POLEXPIRE ----

void codec_policy_flush_write(struct message *m, uint8_t type)
{
    part_type_put(m, type);
}

err_t codec_policy_flush_read(const struct nlmsghdr *h, uint8_t *type, struct why *why)
{
    struct attrs a;
    TRY(attrs_read(h, 0, ATTR_XFRM, &a, why));
    return part_type_read(&a, type, why);
}

void codec_polexpire_write(struct message *m, const struct xfrm_policy *p, bool hard)
{
    struct xfrm_user_polexpire u;
    memset(&u, 0, sizeof u);
    info_from(p, &u.pol);
    u.hard = hard;
    message_head(m, &u, sizeof u);
    attrs_write(m, p);
}

err_t codec_polexpire_read(const struct nlmsghdr *h, struct xfrm_policy *out, bool *hard,
                           struct why *why)
{
    struct xfrm_user_polexpire u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    *hard = u.hard != 0;
    return policy_from(&u.pol, &a, out, why);
}

err_t codec_polexpire_id_read(const struct nlmsghdr *h, struct xfrm_policy_id *id, bool *hard,
                              struct why *why)
{
    struct xfrm_user_polexpire u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    *hard = u.hard != 0;
    const struct xfrm_userpolicy_id named = {
        .sel = u.pol.sel, .index = u.pol.index, .dir = u.pol.dir};
    return id_from(&named, &a, id, why);
}

// ---- ACQUIRE ----

void codec_acquire_write(struct message *m, const struct xfrm_event *ev)
{
    struct xfrm_user_acquire u;
    memset(&u, 0, sizeof u);
    u.id.daddr = part_address(&ev->tmpl->daddr);
    u.id.spi = htonl(ev->tmpl->spi);
    u.id.proto = ev->tmpl->proto;
    u.saddr = part_address(&ev->tmpl->saddr);
    part_selector(&ev->trigger, &u.sel);
    info_from(ev->policy, &u.policy);
    u.aalgos = ev->tmpl->aalgos;
    u.ealgos = ev->tmpl->ealgos;
    u.calgos = ev->tmpl->calgos;
    u.seq = ev->seq;
    message_head(m, &u, sizeof u);
    attrs_write(m, ev->policy);
    if (ev->pcpu_given) message_put_u32(m, UAPI_SA_PCPU, ev->pcpu);
}

// The message names the SA wanted but not its template: the first that it can belong to.
static void acquire_tmpl(const struct xfrm_user_acquire *u, struct codec_acquire *out)
{
    const struct xfrm_policy *p = &out->policy;
    struct xfrm_tmpl t = {.proto = u->id.proto, .family = u->sel.family};
    for (unsigned i = p->tmpl_count; i-- > 0;) {
        ip_t daddr = part_ip(p->tmpl[i].family, &u->id.daddr);
        bool to_it = ip_is_any(&p->tmpl[i].daddr) || ip_eq(&p->tmpl[i].daddr, &daddr);
        if (p->tmpl[i].proto == u->id.proto && to_it) t = p->tmpl[i];
    }
    t.daddr = part_ip(t.family, &u->id.daddr);
    t.saddr = part_ip(t.family, &u->saddr);
    t.spi = ntohl(u->id.spi);
    t.aalgos = u->aalgos;
    t.ealgos = u->ealgos;
    t.calgos = u->calgos;
    out->tmpl = t;
}

err_t codec_acquire_read(const struct nlmsghdr *h, struct codec_acquire *out, struct why *why)
{
    struct xfrm_user_acquire u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    head_copy(h, &u, sizeof u);
    memset(out, 0, sizeof *out);
    TRY(policy_from(&u.policy, &a, &out->policy, why));
    TRY(part_selector_read(&u.sel, &out->trigger, why));
    acquire_tmpl(&u, out);
    out->seq = u.seq;
    out->pcpu_given = attrs_has(&a, UAPI_SA_PCPU);
    out->pcpu = attrs_u32(&a, UAPI_SA_PCPU, 0);
    return ERR_OK;
}
