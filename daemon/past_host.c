#include "daemon/past_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX 32768 // bytes of one piece of a dump, as in rtnl.c

bool past_host_forwards(uint16_t family)
{
    char value = 0;
    int fd = open(family == AF_INET ? "/proc/sys/net/ipv4/ip_forward"
                                    : "/proc/sys/net/ipv6/conf/all/forwarding",
                  O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool on = read(fd, &value, 1) == 1 && value != '0';
    (void)close(fd);
    return on;
}

// ---- nftables, and iptables by way of them ----

struct chain {
    const char *type;
    uint32_t rules;
    uint32_t hook;
};

static uint32_t number(const struct nlattr *a)
{
    return mnl_attr_get_payload_len(a) == sizeof(uint32_t) ? ntohl(mnl_attr_get_u32(a)) : 0;
}

static int take_hook(const struct nlattr *a, void *ctx)
{
    struct chain *c = ctx;
    if (mnl_attr_get_type(a) == NFTA_HOOK_HOOKNUM) c->hook = number(a);
    return MNL_CB_OK;
}

static int take_attr(const struct nlattr *a, void *ctx)
{
    struct chain *c = ctx;
    switch (mnl_attr_get_type(a)) {
    case NFTA_CHAIN_TYPE:
        if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0) c->type = mnl_attr_get_str(a);
        break;
    case NFTA_CHAIN_USE:
        c->rules = number(a);
        break;
    case NFTA_CHAIN_HOOK:
        return mnl_attr_parse_nested(a, take_hook, c);
    }
    return MNL_CB_OK;
}

struct search {
    uint16_t family;
    bool found;
};

static int take_chain(const struct nlmsghdr *h, void *ctx)
{
    struct search *s = ctx;
    struct chain c = {.hook = UINT32_MAX};
    const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof *m) return MNL_CB_OK;
    const uint8_t wanted = s->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
    if (m->nfgen_family != wanted && m->nfgen_family != NFPROTO_INET) return MNL_CB_OK;
    (void)mnl_attr_parse(h, sizeof *m, take_attr, &c);
    s->found |= c.type && strcmp(c.type, "nat") == 0 && c.hook == NF_INET_POST_ROUTING && c.rules;
    return MNL_CB_OK;
}

static bool list_chains(const struct mnl_socket *socket, struct search *s)
{
    uint8_t buf[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    struct nfgenmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    m->nfgen_family = NFPROTO_UNSPEC;
    m->version = NFNETLINK_V0;
    int more = mnl_socket_sendto(socket, h, h->nlmsg_len) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
    while (more > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(socket, buf, sizeof buf);
        more = n < 0 ? MNL_CB_ERROR : mnl_cb_run(buf, (size_t)n, 0, 0, take_chain, s);
    }
    return more != MNL_CB_ERROR;
}

static bool nft_translates(uint16_t family)
{
    struct search s = {.family = family};
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!socket) return errno != EPROTONOSUPPORT;
    bool listed = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 && list_chains(socket, &s);
    // EINVAL: the kernel has no nftables. A dump that was overtaken by a change (EINTR) is in
    // doubt.
    bool none = !listed && (errno == EINVAL || errno == EOPNOTSUPP);
    (void)mnl_socket_close(socket);
    return s.found || (!listed && !none);
}

// ---- the old iptables ----

// To ask for a table that is not there would make it.
static bool has_nat_table(uint16_t family)
{
    char name[XT_TABLE_MAXNAMELEN + 2];
    bool found = false;
    FILE *f =
        fopen(family == AF_INET ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names", "re");
    if (!f) return false;
    while (!found && fgets(name, sizeof name, f)) found = strcmp(name, "nat\n") == 0;
    (void)fclose(f);
    return found;
}

static bool iptables_translates(uint16_t family)
{
    struct ipt_getinfo info4 = {.name = "nat"};
    struct ip6t_getinfo info6 = {.name = "nat"};
    socklen_t len4 = sizeof info4, len6 = sizeof info6;
    if (!has_nat_table(family)) return false;
    int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0) return true;
    bool v4 = family == AF_INET;
    bool known = (v4 ? getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info4, &len4)
                     : getsockopt(fd, IPPROTO_IPV6, IP6T_SO_GET_INFO, &info6, &len6)) == 0;
    (void)close(fd);
    const unsigned *first = v4 ? info4.hook_entry : info6.hook_entry;
    const unsigned *policy = v4 ? info4.underflow : info6.underflow;
    return !known || first[NF_INET_POST_ROUTING] != policy[NF_INET_POST_ROUTING];
}

bool past_host_translates(uint16_t family)
{
    return nft_translates(family) || iptables_translates(family);
}
