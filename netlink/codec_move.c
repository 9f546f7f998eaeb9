// codec_move.c - MIGRATE, and what packets without a policy meet (SETDEFAULT, GETDEFAULT).
#include <arpa/inet.h>
#include <string.h>

#include "netlink/codec.h"
#include "netlink/part.h"

// ---- MIGRATE ----

static struct xfrm_user_migrate move_from(const struct xfrm_move *v)
{
    struct xfrm_user_migrate u;
    memset(&u, 0, sizeof u);
    u.old_daddr = part_address(&v->old_daddr);
    u.old_saddr = part_address(&v->old_saddr);
    u.new_daddr = part_address(&v->new_daddr);
    u.new_saddr = part_address(&v->new_saddr);
    u.proto = v->proto;
    u.mode = v->mode;
    u.reqid = v->reqid;
    u.old_family = v->old_daddr.family;
    u.new_family = v->new_daddr.family;
    return u;
}

// A request has all moves in one attribute, a notification has one attribute for each.
static void moves_put(struct message *m, const struct xfrm_migrate *g, bool request)
{
    struct xfrm_user_migrate u[XFRM_TMPL_MAX];
    unsigned n = g->count < XFRM_TMPL_MAX ? g->count : XFRM_TMPL_MAX;
    for (unsigned i = 0; i < n; i++) u[i] = move_from(&g->move[i]);
    if (request) message_put(m, XFRMA_MIGRATE, u, n * sizeof *u);
    for (unsigned i = 0; !request && i < n; i++) message_put(m, XFRMA_MIGRATE, &u[i], sizeof *u);
}

static void km_put(struct message *m, const struct xfrm_migrate *g)
{
    struct xfrm_user_kmaddress u;
    memset(&u, 0, sizeof u);
    u.local = part_address(&g->km_local);
    u.remote = part_address(&g->km_remote);
    u.family = g->km_local.family;
    message_put(m, XFRMA_KMADDRESS, &u, sizeof u);
}

void codec_migrate_write(struct message *m, const struct xfrm_migrate *g, bool request)
{
    struct xfrm_userpolicy_id id;
    memset(&id, 0, sizeof id);
    part_selector(&g->sel, &id.sel);
    id.dir = g->dir;
    message_head(m, &id, sizeof id);
    if (g->km_given) km_put(m, g);
    if (g->encap_given) part_encap_put(m, &g->encap);
    part_type_put(m, g->type);
    moves_put(m, g, request);
    if (request && g->if_id) message_put_u32(m, XFRMA_IF_ID, g->if_id);
}

static err_t move_read(const uint8_t *at, struct xfrm_move *out, struct why *why)
{
    struct xfrm_user_migrate u;
    memcpy(&u, at, sizeof u);
    *out = (struct xfrm_move){
        .old_saddr = part_ip(u.old_family, &u.old_saddr),
        .old_daddr = part_ip(u.old_family, &u.old_daddr),
        .new_saddr = part_ip(u.new_family, &u.new_saddr),
        .new_daddr = part_ip(u.new_family, &u.new_daddr),
        .proto = u.proto,
        .mode = u.mode,
        .reqid = u.reqid,
    };
    if (ip_is_any(&out->new_saddr) || ip_is_any(&out->new_daddr)) {
        return why_not(why, ERR_SYNTAX, "a move needs a new source and a new destination");
    }
    return ERR_OK;
}

static bool move_same(const struct xfrm_move *a, const struct xfrm_move *b)
{
    return ip_eq(&a->old_saddr, &b->old_saddr) && ip_eq(&a->old_daddr, &b->old_daddr) &&
           a->proto == b->proto && a->mode == b->mode && a->reqid == b->reqid;
}

static err_t moves_read(const struct attrs *a, struct xfrm_migrate *out, struct why *why)
{
    const span_t at = a->at[XFRMA_MIGRATE];
    size_t n = at.len / sizeof(struct xfrm_user_migrate);
    if (!attrs_has(a, XFRMA_MIGRATE) || n > XFRM_TMPL_MAX) {
        return why_not(why, ERR_SYNTAX, "a migration has 1 to %u moves, not %zu", XFRM_TMPL_MAX, n);
    }
    out->count = (unsigned)n;
    for (unsigned i = 0; i < n; i++) {
        TRY(move_read(at.at + i * sizeof(struct xfrm_user_migrate), &out->move[i], why));
        for (unsigned k = 0; k < i; k++) {
            if (!move_same(&out->move[i], &out->move[k])) continue;
            return why_not(why, ERR_SYNTAX, "moves %u and %u are about the same", k + 1, i + 1);
        }
    }
    return ERR_OK;
}

static void km_read(const struct attrs *a, struct xfrm_migrate *out)
{
    struct xfrm_user_kmaddress u;
    out->km_given = attrs_copy(a, XFRMA_KMADDRESS, &u, sizeof u);
    out->km_local = part_ip(u.family, &u.local);
    out->km_remote = part_ip(u.family, &u.remote);
}

err_t codec_migrate_read(const struct nlmsghdr *h, struct xfrm_migrate *out, struct why *why)
{
    struct xfrm_userpolicy_id id;
    struct attrs a;
    TRY(attrs_read(h, sizeof id, ATTR_XFRM, &a, why));
    memcpy(&id, (const uint8_t *)h + NLMSG_HDRLEN, sizeof id);
    memset(out, 0, sizeof *out);
    TRY(part_type_read(&a, &out->type, why));
    TRY(moves_read(&a, out, why));
    if (id.dir >= XFRM_DIRS) {
        return why_not(why, ERR_SYNTAX, "direction %u is neither in, out nor fwd", id.dir);
    }
    out->dir = id.dir;
    km_read(&a, out);
    out->encap_given = part_encap_read(&a, out->move[0].new_daddr.family, &out->encap);
    out->if_id = attrs_u32(&a, XFRMA_IF_ID, 0);
    // no policy has a selector that makes no sense
    return part_selector_read(&id.sel, &out->sel, why) == ERR_OK ? ERR_OK : ERR_NOTFOUND;
}

// A notification has one attribute for each move; only the last is found by attrs_read.
err_t codec_migrate_told_read(const struct nlmsghdr *h, struct xfrm_migrate *out, struct why *why)
{
    TRY(codec_migrate_read(h, out, why));
    size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct xfrm_userpolicy_id));
    unsigned n = 0;
    while (at + sizeof(struct nlattr) <= h->nlmsg_len) {
        struct nlattr head;
        memcpy(&head, (const uint8_t *)h + at, sizeof head);
        if (head.nla_len < sizeof(struct nlattr) || head.nla_len > h->nlmsg_len - at) break;
        bool move = head.nla_type == XFRMA_MIGRATE &&
                    head.nla_len == sizeof(struct nlattr) + sizeof(struct xfrm_user_migrate);
        if (move && n < XFRM_TMPL_MAX) {
            TRY(move_read((const uint8_t *)h + at + sizeof(struct nlattr), &out->move[n++], why));
        }
        at += NLMSG_ALIGN((size_t)head.nla_len);
    }
    if (n > 0) out->count = n;
    return ERR_OK;
}

// ---- SETDEFAULT, GETDEFAULT ----

void codec_defaults_write(struct message *m, const uint8_t actions[XFRM_DIRS])
{
    const struct xfrm_userpolicy_default u = {
        .in = actions[XFRM_IN], .fwd = actions[XFRM_FWD], .out = actions[XFRM_OUT]};
    message_head(m, &u, sizeof u);
}

err_t codec_defaults_read(const struct nlmsghdr *h, uint8_t actions[XFRM_DIRS], struct why *why)
{
    struct xfrm_userpolicy_default u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    memcpy(&u, (const uint8_t *)h + NLMSG_HDRLEN, sizeof u);
    actions[XFRM_IN] = u.in;
    actions[XFRM_FWD] = u.fwd;
    actions[XFRM_OUT] = u.out;
    return ERR_OK;
}
