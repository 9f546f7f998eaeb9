#include <arpa/inet.h>
#include <linux/udp.h>
#include <string.h>

#include "netlink/codec.h"
#include "netlink/part.h"

// ---- MAPPING ----

void codec_mapping_write(struct message *m, const struct xfrm_sa *sa, const endpoint_t *new_peer)
{
    struct xfrm_user_mapping u;
    memset(&u, 0, sizeof u);
    u.id.daddr = part_address(&sa->daddr);
    u.id.spi = htonl(sa->spi);
    u.id.family = sa->family;
    u.id.proto = sa->proto;
    u.reqid = sa->reqid;
    u.old_saddr = part_address(&sa->saddr);
    u.new_saddr = part_address(&new_peer->ip);
    u.old_sport = htons(sa->encap.sport);
    u.new_sport = htons(new_peer->port);
    message_head(m, &u, sizeof u);
}

err_t codec_mapping_read(const struct nlmsghdr *h, struct xfrm_sa *out, endpoint_t *new_peer,
                         struct why *why)
{
    struct xfrm_user_mapping u;
    struct attrs a;
    TRY(attrs_read(h, sizeof u, ATTR_XFRM, &a, why));
    memcpy(&u, (const uint8_t *)h + NLMSG_HDRLEN, sizeof u);
    memset(out, 0, sizeof *out);
    out->family = u.id.family;
    out->daddr = part_ip(u.id.family, &u.id.daddr);
    out->saddr = part_ip(u.id.family, &u.old_saddr);
    out->spi = ntohl(u.id.spi);
    out->proto = u.id.proto;
    out->reqid = u.reqid;
    out->pcpu = UINT32_MAX;
    out->encap.type = UDP_ENCAP_ESPINUDP;
    out->encap.sport = ntohs(u.old_sport);
    *new_peer = (endpoint_t){part_ip(u.id.family, &u.new_saddr), ntohs(u.new_sport)};
    return ERR_OK;
}

// ---- any event ----

static const struct {
    uint16_t type;
    unsigned group;
} kinds[] = {
    [XFRM_EV_ACQUIRE] = {XFRM_MSG_ACQUIRE, XFRMNLGRP_ACQUIRE},
    [XFRM_EV_EXPIRE] = {XFRM_MSG_EXPIRE, XFRMNLGRP_EXPIRE},
    [XFRM_EV_POLEXPIRE] = {XFRM_MSG_POLEXPIRE, XFRMNLGRP_EXPIRE},
    [XFRM_EV_SA_NEW] = {XFRM_MSG_NEWSA, XFRMNLGRP_SA},
    [XFRM_EV_SA_UPD] = {XFRM_MSG_UPDSA, XFRMNLGRP_SA},
    [XFRM_EV_SA_DEL] = {XFRM_MSG_DELSA, XFRMNLGRP_SA},
    [XFRM_EV_SA_FLUSH] = {XFRM_MSG_FLUSHSA, XFRMNLGRP_SA},
    [XFRM_EV_POL_NEW] = {XFRM_MSG_NEWPOLICY, XFRMNLGRP_POLICY},
    [XFRM_EV_POL_UPD] = {XFRM_MSG_UPDPOLICY, XFRMNLGRP_POLICY},
    [XFRM_EV_POL_DEL] = {XFRM_MSG_DELPOLICY, XFRMNLGRP_POLICY},
    [XFRM_EV_POL_FLUSH] = {XFRM_MSG_FLUSHPOLICY, XFRMNLGRP_POLICY},
    [XFRM_EV_MAPPING] = {XFRM_MSG_MAPPING, XFRMNLGRP_MAPPING},
    [XFRM_EV_AE] = {XFRM_MSG_NEWAE, XFRMNLGRP_AEVENTS},
    [XFRM_EV_MIGRATE] = {XFRM_MSG_MIGRATE, XFRMNLGRP_MIGRATE},
    [XFRM_EV_DEFAULT] = {XFRM_MSG_GETDEFAULT, XFRMNLGRP_POLICY},
};

uint16_t codec_event_type(const struct xfrm_event *ev)
{
    return kinds[ev->kind].type;
}

unsigned codec_event_group(const struct xfrm_event *ev)
{
    return kinds[ev->kind].group;
}

void codec_event_write(struct message *m, const struct xfrm_event *ev)
{
    switch (ev->kind) {
    case XFRM_EV_ACQUIRE:
        codec_acquire_write(m, ev);
        return;
    case XFRM_EV_EXPIRE:
        codec_expire_write(m, ev->sa, ev->hard);
        return;
    case XFRM_EV_POLEXPIRE:
        codec_polexpire_write(m, ev->policy, ev->hard);
        return;
    case XFRM_EV_SA_NEW:
    case XFRM_EV_SA_UPD:
        codec_sa_write(m, ev->sa);
        return;
    case XFRM_EV_SA_DEL:
        codec_sa_gone_write(m, ev->sa);
        return;
    case XFRM_EV_SA_FLUSH:
        codec_sa_flush_write(m, ev->proto);
        return;
    case XFRM_EV_POL_NEW:
    case XFRM_EV_POL_UPD:
        codec_policy_write(m, ev->policy);
        return;
    case XFRM_EV_POL_DEL:
        codec_policy_gone_write(m, ev->policy, false);
        return;
    case XFRM_EV_POL_FLUSH:
        codec_policy_flush_write(m, ev->policy ? ev->policy->type : XFRM_POLICY_TYPE_MAIN);
        return;
    case XFRM_EV_MAPPING:
        codec_mapping_write(m, ev->sa, &ev->new_peer);
        return;
    case XFRM_EV_AE:
        codec_ae_write(m, ev->sa, ev->cause);
        return;
    case XFRM_EV_MIGRATE:
        codec_migrate_write(m, ev->migrate, false);
        return;
    case XFRM_EV_DEFAULT:
        codec_defaults_write(m, ev->defaults);
        return;
    }
}

static err_t acquire_read(const struct nlmsghdr *h, struct codec_event *out, struct why *why)
{
    struct codec_acquire q;
    TRY(codec_acquire_read(h, &q, why));
    out->policy = q.policy;
    out->tmpl = q.tmpl;
    out->ev.trigger = q.trigger;
    out->ev.seq = q.seq;
    out->ev.pcpu_given = q.pcpu_given;
    out->ev.pcpu = q.pcpu;
    return ERR_OK;
}

static err_t sa_event_read(const struct nlmsghdr *h, struct codec_event *out, struct why *why)
{
    switch (out->ev.kind) {
    case XFRM_EV_EXPIRE:
        return codec_expire_read(h, &out->sa, &out->ev.hard, why);
    case XFRM_EV_SA_NEW:
    case XFRM_EV_SA_UPD:
        return codec_sa_read(h, &out->sa, why);
    case XFRM_EV_SA_DEL:
        return codec_sa_gone_read(h, &out->sa, why);
    case XFRM_EV_SA_FLUSH:
        return codec_sa_flush_read(h, &out->ev.proto, why);
    case XFRM_EV_MAPPING:
        return codec_mapping_read(h, &out->sa, &out->ev.new_peer, why);
    case XFRM_EV_AE:
        return codec_ae_read(h, &out->sa, &out->ev.cause, why);
    case XFRM_EV_ACQUIRE:
    case XFRM_EV_POLEXPIRE:
    case XFRM_EV_POL_NEW:
    case XFRM_EV_POL_UPD:
    case XFRM_EV_POL_DEL:
    case XFRM_EV_POL_FLUSH:
    case XFRM_EV_MIGRATE:
    case XFRM_EV_DEFAULT:
        break;
    }
    return ERR_UNSUPPORTED;
}

static err_t policy_event_read(const struct nlmsghdr *h, struct codec_event *out, struct why *why)
{
    switch (out->ev.kind) {
    case XFRM_EV_ACQUIRE:
        return acquire_read(h, out, why);
    case XFRM_EV_POLEXPIRE:
        return codec_polexpire_read(h, &out->policy, &out->ev.hard, why);
    case XFRM_EV_POL_NEW:
    case XFRM_EV_POL_UPD:
        return codec_policy_read(h, &out->policy, why);
    case XFRM_EV_POL_DEL:
        return codec_policy_gone_read(h, &out->policy, why);
    case XFRM_EV_POL_FLUSH:
        return codec_policy_flush_read(h, &out->policy.type, why);
    case XFRM_EV_EXPIRE:
    case XFRM_EV_SA_NEW:
    case XFRM_EV_SA_UPD:
    case XFRM_EV_SA_DEL:
    case XFRM_EV_SA_FLUSH:
    case XFRM_EV_MAPPING:
    case XFRM_EV_AE:
        break;
    case XFRM_EV_MIGRATE:
        return codec_migrate_told_read(h, &out->migrate, why);
    case XFRM_EV_DEFAULT:
        return codec_defaults_read(h, out->ev.defaults, why);
    }
    return sa_event_read(h, out, why);
}

err_t codec_event_read(const struct nlmsghdr *h, struct codec_event *out, struct why *why)
{
    size_t kind = 0, n = sizeof kinds / sizeof *kinds;
    while (kind < n && kinds[kind].type != h->nlmsg_type) kind++;
    if (kind == n) return why_not(why, ERR_UNSUPPORTED, "message type %u", h->nlmsg_type);
    memset(out, 0, sizeof *out);
    out->ev.kind = (enum xfrm_event_kind)kind;
    out->ev.portid = h->nlmsg_pid;
    out->ev.nlseq = h->nlmsg_seq;
    out->ev.sa = &out->sa;
    out->ev.policy = &out->policy;
    out->ev.tmpl = &out->tmpl;
    out->ev.migrate = &out->migrate;
    return policy_event_read(h, out, why);
}
