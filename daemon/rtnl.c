#include "daemon/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX 32768 // bytes of one piece of a dump, as libnl and iproute2 have it
#define CLEAN_MAX 256    // deleted per look; the look is repeated until nothing is left
#define DRAIN_MAX 1000   // datagrams, so that a flood cannot hold the loop
#define DUMP_TRIES 5     // a dump that was overtaken by a change starts again

struct rtnl {
    struct mnl_socket *socket;
    unsigned seq, portid;
    uint8_t request[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
    uint8_t answer[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
};

err_t rtnl_open(struct rtnl **out, struct why *why)
{
    struct rtnl *r = calloc(1, sizeof *r);
    if (!r) return why_not(why, ERR_NOMEM, "out of memory");
    r->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!r->socket || mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        int e = errno;
        rtnl_close(r);
        return why_not(why, ERR_SYSTEM, "routing socket: %s", strerror(e));
    }
    r->portid = mnl_socket_get_portid(r->socket);
    *out = r;
    return ERR_OK;
}

void rtnl_close(struct rtnl *r)
{
    if (!r) return;
    if (r->socket) (void)mnl_socket_close(r->socket);
    free(r);
}

// ---- one request ----

static struct nlmsghdr *start(struct rtnl *r, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(r->request);
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    h->nlmsg_seq = ++r->seq;
    return h;
}

static err_t class_of(int error)
{
    switch (error) {
    case EPERM:
    case EACCES:
        return ERR_PERMISSION;
    case EEXIST:
        return ERR_EXISTS;
    case ESRCH:
    case ENOENT:
        return ERR_NOTFOUND;
    case EINTR: // the table changed during a dump
        return ERR_AGAIN;
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
        return ERR_UNSUPPORTED;
    default:
        return ERR_SYSTEM;
    }
}

// Sends what was started and hands every answer to fn until the last one.
static err_t ask(struct rtnl *r, struct nlmsghdr *h, mnl_cb_t fn, void *ctx, const char *what,
                 struct why *why)
{
    int more = MNL_CB_OK;
    if (mnl_socket_sendto(r->socket, h, h->nlmsg_len) < 0) more = MNL_CB_ERROR;
    while (more > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(r->socket, r->answer, sizeof r->answer);
        more = n < 0 ? MNL_CB_ERROR
                     : mnl_cb_run(r->answer, (size_t)n, h->nlmsg_seq, r->portid, fn, ctx);
    }
    if (more != MNL_CB_ERROR) return ERR_OK;
    int e = errno;
    rtnl_drain(mnl_socket_get_fd(r->socket)); // or the next request would read this one's rest
    return why_not(why, class_of(e), "%s: %s", what, strerror(e));
}

static void put_ip(struct nlmsghdr *h, uint16_t type, const ip_t *a)
{
    mnl_attr_put(h, type, ip_len(a->family), a->b);
}

// ---- routes ----

static struct nlmsghdr *route_message(struct rtnl *r, uint16_t type, uint16_t flags,
                                      const struct rtnl_route *route)
{
    prefix_t net = route->dst; // the kernel refuses host bits
    ip_t last;
    prefix_range(&route->dst, &net.ip, &last);

    struct nlmsghdr *h = start(r, type, flags);
    struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    m->rtm_family = (uint8_t)net.ip.family;
    m->rtm_dst_len = net.len;
    m->rtm_protocol = RTNL_PROTOCOL;
    m->rtm_type = route->oif ? RTN_UNICAST : RTN_BLACKHOLE;
    bool over = ip_len(route->gateway.family) != 0;
    bool link = route->oif && net.ip.family == AF_INET && !over;
    m->rtm_scope = link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    put_ip(h, RTA_DST, &net.ip);
    mnl_attr_put_u32(h, RTA_TABLE, route->table);
    if (route->metric) mnl_attr_put_u32(h, RTA_PRIORITY, route->metric);
    if (route->oif) mnl_attr_put_u32(h, RTA_OIF, route->oif);
    if (ip_len(route->prefsrc.family)) put_ip(h, RTA_PREFSRC, &route->prefsrc);
    if (over) put_ip(h, RTA_GATEWAY, &route->gateway);
    return h;
}

err_t rtnl_route_put(struct rtnl *r, const struct rtnl_route *route, struct why *why)
{
    struct nlmsghdr *h =
        route_message(r, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, route);
    return ask(r, h, NULL, NULL, "cannot set a route", why);
}

err_t rtnl_route_del(struct rtnl *r, const struct rtnl_route *route, struct why *why)
{
    struct nlmsghdr *h = route_message(r, RTM_DELROUTE, NLM_F_ACK, route);
    return ask(r, h, NULL, NULL, "cannot remove a route", why);
}

// ---- rules ----

#define NEW_FLAGS (NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)

static struct nlmsghdr *rule_message(struct rtnl *r, const struct rtnl_rule *rule, uint16_t type)
{
    struct nlmsghdr *h = start(r, type, type == RTM_NEWRULE ? NEW_FLAGS : NLM_F_ACK);
    struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    m->family = (uint8_t)rule->family;
    m->action = FR_ACT_TO_TBL;
    m->flags = rule->mask ? 0 : FIB_RULE_INVERT;
    mnl_attr_put_u32(h, FRA_PRIORITY, rule->priority);
    mnl_attr_put_u32(h, FRA_FWMARK, rule->fwmark);
    mnl_attr_put_u32(h, FRA_FWMASK, rule->mask ? rule->mask : UINT32_MAX);
    mnl_attr_put_u32(h, FRA_TABLE, rule->table);
    mnl_attr_put_u8(h, FRA_PROTOCOL, RTNL_PROTOCOL);
    return h;
}

err_t rtnl_rule_add(struct rtnl *r, const struct rtnl_rule *rule, struct why *why)
{
    struct nlmsghdr *h = rule_message(r, rule, RTM_NEWRULE);
    return ask(r, h, NULL, NULL, "cannot add a routing rule", why);
}

err_t rtnl_rule_del(struct rtnl *r, const struct rtnl_rule *rule, struct why *why)
{
    struct nlmsghdr *h = rule_message(r, rule, RTM_DELRULE);
    return ask(r, h, NULL, NULL, "cannot remove a routing rule", why);
}

static struct nlmsghdr *start_extra(struct rtnl *r, const struct rtnl_skip *skip, uint16_t type,
                                    uint8_t action)
{
    uint32_t priority = action == FR_ACT_NOP ? skip->target : skip->priority;
    struct nlmsghdr *h = start(r, type, type == RTM_NEWRULE ? NEW_FLAGS : NLM_F_ACK);
    struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    m->family = (uint8_t)skip->family;
    m->action = action;
    mnl_attr_put_u32(h, FRA_PRIORITY, priority);
    mnl_attr_put_u32(h, FRA_TABLE, skip->table);
    mnl_attr_put_u8(h, FRA_PROTOCOL, RTNL_PROTOCOL);
    return h;
}

static struct nlmsghdr *skip_message(struct rtnl *r, const struct rtnl_skip *skip, uint16_t type)
{
    const struct fib_rule_uid_range uid = {skip->uid, skip->uid};
    const struct fib_rule_port_range port = {skip->sport, skip->sport};
    struct nlmsghdr *h = start_extra(r, skip, type, FR_ACT_GOTO);
    mnl_attr_put_u32(h, FRA_GOTO, skip->target);
    mnl_attr_put_strz(h, FRA_IIFNAME, "lo");
    mnl_attr_put_u8(h, FRA_IP_PROTO, skip->proto);
    mnl_attr_put(h, FRA_UID_RANGE, sizeof uid, &uid);
    if (skip->sport) mnl_attr_put(h, FRA_SPORT_RANGE, sizeof port, &port);
    return h;
}

err_t rtnl_skip_add(struct rtnl *r, const struct rtnl_skip *skip, struct why *why)
{
    struct nlmsghdr *h = skip_message(r, skip, RTM_NEWRULE);
    return ask(r, h, NULL, NULL, "cannot add a routing rule for marked packets", why);
}

err_t rtnl_skip_del(struct rtnl *r, const struct rtnl_skip *skip, struct why *why)
{
    struct nlmsghdr *h = skip_message(r, skip, RTM_DELRULE);
    return ask(r, h, NULL, NULL, "cannot remove a routing rule for marked packets", why);
}

static struct nlmsghdr *goto_message(struct rtnl *r, const struct rtnl_goto *g, uint16_t type)
{
    const struct rtnl_skip head = {
        .family = g->family, .table = g->table, .priority = g->priority, .target = g->target};
    struct nlmsghdr *h = start_extra(r, &head, type, FR_ACT_GOTO);
    mnl_attr_put_u32(h, FRA_GOTO, g->target);
    if (!g->mark) {
        mnl_attr_put_strz(h, FRA_IIFNAME, "lo");
        return h;
    }
    mnl_attr_put_u32(h, FRA_FWMARK, g->mark);
    mnl_attr_put_u32(h, FRA_FWMASK, g->mark);
    return h;
}

err_t rtnl_goto_add(struct rtnl *r, const struct rtnl_goto *g, struct why *why)
{
    struct nlmsghdr *h = goto_message(r, g, RTM_NEWRULE);
    return ask(r, h, NULL, NULL, "cannot add a routing rule past ours", why);
}

err_t rtnl_goto_del(struct rtnl *r, const struct rtnl_goto *g, struct why *why)
{
    struct nlmsghdr *h = goto_message(r, g, RTM_DELRULE);
    return ask(r, h, NULL, NULL, "cannot remove a routing rule past ours", why);
}

err_t rtnl_target_add(struct rtnl *r, const struct rtnl_skip *skip, struct why *why)
{
    struct nlmsghdr *h = start_extra(r, skip, RTM_NEWRULE, FR_ACT_NOP);
    return ask(r, h, NULL, NULL, "cannot add an empty routing rule", why);
}

// ---- cleaning: what a dump shows is sent back as a deletion ----

struct leftovers {
    uint32_t table;
    const struct rtnl_keep *keep;
    unsigned n;
    void *message[CLEAN_MAX]; // copies of the kernel's own messages
};

static int keep_message(const struct nlmsghdr *h, struct leftovers *l)
{
    void *copy = l->n < CLEAN_MAX ? malloc(h->nlmsg_len) : NULL;
    if (!copy) return MNL_CB_OK; // the next look finds it again
    memcpy(copy, h, h->nlmsg_len);
    l->message[l->n++] = copy;
    return MNL_CB_OK;
}

// One attribute of the given type, its last one if there are several.
struct wanted {
    uint16_t type;
    const struct nlattr *found;
};

static int look_for(const struct nlattr *a, void *ctx)
{
    struct wanted *w = ctx;
    if (mnl_attr_get_type(a) == w->type) w->found = a;
    return MNL_CB_OK;
}

static const struct nlattr *attr_find(const struct nlmsghdr *h, unsigned header, uint16_t type)
{
    struct wanted w = {.type = type};
    (void)mnl_attr_parse(h, header, look_for, &w);
    return w.found;
}

static bool attr_is_u32(const struct nlmsghdr *h, unsigned header, uint16_t type, uint32_t value)
{
    const struct nlattr *a = attr_find(h, header, type);
    return a && mnl_attr_get_payload_len(a) == 4 && mnl_attr_get_u32(a) == value;
}

static bool attr_is_u8(const struct nlmsghdr *h, unsigned header, uint16_t type, uint8_t value)
{
    const struct nlattr *a = attr_find(h, header, type);
    return a && mnl_attr_get_payload_len(a) == 1 && mnl_attr_get_u8(a) == value;
}

static prefix_t route_dst(const struct nlmsghdr *h, const struct rtmsg *m)
{
    prefix_t dst = {.ip.family = m->rtm_family};
    const struct nlattr *a = attr_find(h, sizeof *m, RTA_DST);
    if (!a || mnl_attr_get_payload_len(a) != ip_len(m->rtm_family)) return dst; // everything
    return (prefix_t){ip_from(m->rtm_family, mnl_attr_get_payload(a)), m->rtm_dst_len};
}

static int keep_route(const struct nlmsghdr *h, void *ctx)
{
    struct leftovers *l = ctx;
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof *m || h->nlmsg_type != RTM_NEWROUTE) return MNL_CB_OK;
    bool ours = m->rtm_protocol == RTNL_PROTOCOL && !(m->rtm_flags & RTM_F_CLONED) &&
                attr_is_u32(h, sizeof *m, RTA_TABLE, l->table);
    if (!ours) return MNL_CB_OK;
    const prefix_t dst = route_dst(h, m);
    bool stays = l->keep->route && l->keep->route(l->keep->ctx, &dst);
    return stays ? MNL_CB_OK : keep_message(h, l);
}

static int keep_rule(const struct nlmsghdr *h, void *ctx)
{
    struct leftovers *l = ctx;
    const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof *m || h->nlmsg_type != RTM_NEWRULE) return MNL_CB_OK;
    bool ours = attr_is_u8(h, sizeof *m, FRA_PROTOCOL, RTNL_PROTOCOL) &&
                attr_is_u32(h, sizeof *m, FRA_TABLE, l->table);
    const struct rtnl_rule *rule = l->keep->rule;
    bool same = rule && attr_is_u32(h, sizeof *m, FRA_FWMARK, rule->fwmark) &&
                attr_is_u32(h, sizeof *m, FRA_PRIORITY, rule->priority);
    bool stays = same || (l->keep->skips && (m->action == FR_ACT_GOTO || m->action == FR_ACT_NOP));
    return ours && !stays ? keep_message(h, l) : MNL_CB_OK;
}

struct rule_walk {
    struct rtnl_tables tables;
    rtnl_rule_fn *fn;
    void *ctx;
};

static uint32_t attr_u32(const struct nlmsghdr *h, unsigned header, uint16_t type)
{
    const struct nlattr *a = attr_find(h, header, type);
    return a && mnl_attr_get_payload_len(a) == 4 ? mnl_attr_get_u32(a) : 0;
}

static int on_rule(const struct nlmsghdr *h, void *ctx)
{
    const struct rule_walk *w = ctx;
    const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof *m || h->nlmsg_type != RTM_NEWRULE) return MNL_CB_OK;
    const struct rtnl_rule rule = {.family = m->family,
                                   .table = attr_u32(h, sizeof *m, FRA_TABLE),
                                   .fwmark = attr_u32(h, sizeof *m, FRA_FWMARK),
                                   .priority = attr_u32(h, sizeof *m, FRA_PRIORITY),
                                   .mask = attr_u32(h, sizeof *m, FRA_FWMASK)};
    bool ours = attr_is_u8(h, sizeof *m, FRA_PROTOCOL, RTNL_PROTOCOL) && rule.mask &&
                rule.table - w->tables.first < w->tables.count;
    if (ours) w->fn(w->ctx, &rule);
    return MNL_CB_OK;
}

err_t rtnl_each_rule(struct rtnl *r, uint16_t family, struct rtnl_tables tables, rtnl_rule_fn *fn,
                     void *ctx)
{
    struct rule_walk walk = {tables, fn, ctx};
    struct why why;
    err_t e = ERR_AGAIN;
    for (unsigned i = 0; i < DUMP_TRIES && e == ERR_AGAIN; i++) {
        struct nlmsghdr *h = start(r, RTM_GETRULE, NLM_F_DUMP);
        struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
        m->family = (uint8_t)family;
        e = ask(r, h, on_rule, &walk, "cannot list rules", &why);
    }
    return e;
}

// The first error counts, but every leftover is tried.
static err_t delete_all(struct rtnl *r, struct leftovers *l, uint16_t type, struct why *why)
{
    err_t first = ERR_OK;
    for (unsigned i = 0; i < l->n; i++) {
        struct nlmsghdr *h = l->message[i];
        h->nlmsg_type = type;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        h->nlmsg_seq = ++r->seq;
        h->nlmsg_pid = 0;
        err_t e = ask(r, h, NULL, NULL, "cannot remove an old rule or route", why);
        if (first == ERR_OK && e != ERR_NOTFOUND) first = e;
        free(h);
    }
    return first;
}

// Rules and routes alike begin with the family; the rest of the header is zero in a request.
static err_t list(struct rtnl *r, uint16_t family, bool rules, struct leftovers *l, struct why *why)
{
    struct nlmsghdr *h = start(r, rules ? RTM_GETRULE : RTM_GETROUTE, NLM_F_DUMP);
    size_t size = rules ? sizeof(struct fib_rule_hdr) : sizeof(struct rtmsg);
    uint8_t *head = mnl_nlmsg_put_extra_header(h, size);
    *head = (uint8_t)family;
    l->n = 0;
    return ask(r, h, rules ? keep_rule : keep_route, l, "cannot list rules or routes", why);
}

static err_t clean_one_kind(struct rtnl *r, uint16_t family, struct leftovers l, bool rules,
                            struct why *why)
{
    unsigned tries = 0;
    do {
        err_t listed = list(r, family, rules, &l, why);
        err_t deleted = delete_all(r, &l, rules ? RTM_DELRULE : RTM_DELROUTE, why);
        TRY(deleted);
        if (listed == ERR_AGAIN && ++tries < DUMP_TRIES) continue;
        TRY(listed);
        if (l.n < CLEAN_MAX) return ERR_OK;
    } while (true);
}

err_t rtnl_clean(struct rtnl *r, uint16_t family, uint32_t table, const struct rtnl_keep *keep,
                 struct why *why)
{
    static const struct rtnl_keep nothing;
    const struct leftovers l = {.table = table, .keep = keep ? keep : &nothing};
    TRY(clean_one_kind(r, family, l, true, why));
    return clean_one_kind(r, family, l, false, why);
}

static int on_way(const struct nlmsghdr *h, void *ctx)
{
    struct rtnl_way *w = ctx;
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof *m || h->nlmsg_type != RTM_NEWROUTE) return MNL_CB_OK;
    const struct nlattr *oif = attr_find(h, sizeof *m, RTA_OIF);
    const struct nlattr *hop = attr_find(h, sizeof *m, RTA_GATEWAY);
    if (oif && mnl_attr_get_payload_len(oif) == 4) w->oif = mnl_attr_get_u32(oif);
    if (hop && mnl_attr_get_payload_len(hop) == ip_len(m->rtm_family))
        w->hop = ip_from(m->rtm_family, mnl_attr_get_payload(hop));
    return MNL_CB_OK;
}

err_t rtnl_way_to(struct rtnl *r, const ip_t *host, uint32_t fwmark, struct rtnl_way *out,
                  struct why *why)
{
    struct nlmsghdr *h = start(r, RTM_GETROUTE, NLM_F_ACK);
    struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    m->rtm_family = (uint8_t)host->family;
    m->rtm_dst_len = (uint8_t)ip_bits(host->family);
    put_ip(h, RTA_DST, host);
    if (fwmark) mnl_attr_put_u32(h, RTA_MARK, fwmark);
    *out = (struct rtnl_way){.hop = *host};
    TRY(ask(r, h, on_way, out, "no way to a peer", why));
    return out->oif ? ERR_OK : why_not(why, ERR_NOTFOUND, "no way to a peer");
}

// ---- addresses ----

struct addr_walk {
    void (*fn)(void *ctx, const ip_t *addr);
    void *ctx;
};

static int on_addr(const struct nlmsghdr *h, void *ctx)
{
    const struct addr_walk *w = ctx;
    const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof *m || h->nlmsg_type != RTM_NEWADDR) return MNL_CB_OK;
    if (m->ifa_scope >= RT_SCOPE_LINK) return MNL_CB_OK;
    if (m->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED)) return MNL_CB_OK;
    // On a point-to-point link IFA_ADDRESS is the other end, and only IFA_LOCAL is ours.
    const struct nlattr *local = attr_find(h, sizeof *m, IFA_LOCAL);
    const struct nlattr *mine = local ? local : attr_find(h, sizeof *m, IFA_ADDRESS);
    if (!mine || mnl_attr_get_payload_len(mine) != ip_len(m->ifa_family)) return MNL_CB_OK;
    ip_t ip = ip_from(m->ifa_family, mnl_attr_get_payload(mine));
    w->fn(w->ctx, &ip);
    return MNL_CB_OK;
}

err_t rtnl_each_addr(struct rtnl *r, void (*fn)(void *ctx, const ip_t *addr), void *ctx,
                     struct why *why)
{
    struct addr_walk walk = {fn, ctx};
    err_t e = ERR_AGAIN;
    for (unsigned i = 0; i < DUMP_TRIES && e == ERR_AGAIN; i++) {
        struct nlmsghdr *h = start(r, RTM_GETADDR, NLM_F_DUMP);
        struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
        m->ifa_family = AF_UNSPEC;
        e = ask(r, h, on_addr, &walk, "cannot list addresses", why);
    }
    return e;
}

static struct nlmsghdr *addr_message(struct rtnl *r, uint16_t type, uint16_t flags,
                                     uint32_t ifindex, const ip_t *addr)
{
    struct nlmsghdr *h = start(r, type, flags);
    struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    m->ifa_family = (uint8_t)addr->family;
    m->ifa_prefixlen = (uint8_t)ip_bits(addr->family);
    m->ifa_scope = RT_SCOPE_UNIVERSE;
    m->ifa_index = ifindex;
    // Nobody on this link could have it, too: there is no link.
    if (addr->family == AF_INET6) m->ifa_flags = IFA_F_NODAD;
    put_ip(h, IFA_LOCAL, addr);
    put_ip(h, IFA_ADDRESS, addr);
    return h;
}

err_t rtnl_addr_put(struct rtnl *r, uint32_t ifindex, const ip_t *addr, struct why *why)
{
    struct nlmsghdr *h =
        addr_message(r, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, ifindex, addr);
    err_t e = ask(r, h, NULL, NULL, "cannot add an address", why);
    return e == ERR_EXISTS ? ERR_OK : e;
}

err_t rtnl_addr_del(struct rtnl *r, uint32_t ifindex, const ip_t *addr, struct why *why)
{
    struct nlmsghdr *h = addr_message(r, RTM_DELADDR, NLM_F_ACK, ifindex, addr);
    return ask(r, h, NULL, NULL, "cannot remove an address", why);
}

// ---- news ----

#define GROUP(name) (1U << (RTNLGRP_##name - 1))

err_t rtnl_watch(bool routes, int *fd, struct why *why)
{
    struct sockaddr_nl at = {.nl_family = AF_NETLINK,
                             .nl_groups = GROUP(LINK) | GROUP(IPV4_IFADDR) | GROUP(IPV6_IFADDR)};
    if (routes) {
        at.nl_groups |= GROUP(IPV4_ROUTE) | GROUP(IPV6_ROUTE) | GROUP(IPV4_RULE) | GROUP(IPV6_RULE);
    }
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (s < 0 || bind(s, (const struct sockaddr *)&at, sizeof at) != 0) {
        int e = errno;
        if (s >= 0) (void)close(s);
        return why_not(why, ERR_SYSTEM, "cannot watch addresses: %s", strerror(e));
    }
    *fd = s;
    return ERR_OK;
}

void rtnl_drain(int fd)
{
    uint8_t buf[1]; // what changed is looked up; only that something did matters
    for (int i = 0; i < DRAIN_MAX; i++) {
        if (recv(fd, buf, sizeof buf, MSG_DONTWAIT) < 0 && errno != ENOBUFS) return;
    }
}
