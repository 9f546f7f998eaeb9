#include "daemon/nft_watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define NEWS_MAX 32768 // bytes of one piece of news; the kernel makes them no longer
#define READS_MAX 64   // before others have their turn

struct nft_watch {
    struct nft_watch_hooks hooks;
    struct mnl_socket *socket;
    struct loop_io *io;
    bool doubted[NFT_WATCH_TABLES_MAX];
    bool changed; // something in a table that is not ours
};

// ---- is it there? ----

static bool is_told_of(const struct mnl_socket *socket, const char *table)
{
    uint8_t buf[NEWS_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
    h->nlmsg_flags = NLM_F_REQUEST;
    struct nfgenmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    m->nfgen_family = NFPROTO_INET;
    m->version = NFNETLINK_V0;
    mnl_attr_put_strz(h, NFTA_TABLE_NAME, table);
    if (mnl_socket_sendto(socket, h, h->nlmsg_len) < 0) return true;
    ssize_t n = mnl_socket_recvfrom(socket, buf, sizeof buf);
    return n < 0 || mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) >= 0 || errno != ENOENT;
}

// In doubt it is: who puts back what is there would hear of that, and be in doubt again.
static bool is_there(const char *table)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!socket) return true;
    bool there = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 || is_told_of(socket, table);
    (void)mnl_socket_close(socket);
    return there;
}

// ---- news ----

static int take_name(const struct nlattr *a, void *ctx)
{
    const char **name = ctx;
    bool is_name = mnl_attr_get_type(a) == NFTA_TABLE_NAME;
    if (is_name && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0) *name = mnl_attr_get_str(a);
    return MNL_CB_OK;
}

// A rule or a chain names its table as a table names itself.
_Static_assert((int)NFTA_RULE_TABLE == (int)NFTA_TABLE_NAME &&
                   (int)NFTA_CHAIN_TABLE == (int)NFTA_TABLE_NAME,
               "take_name reads all three");

static int take_news(const struct nlmsghdr *h, void *ctx)
{
    struct nft_watch *w = ctx;
    const char *const *tables = w->hooks.tables, *name = NULL;
    const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);
    const unsigned what = h->nlmsg_type & 0xff;
    bool gone = what == NFT_MSG_DELTABLE, ours = false;
    bool rules = what == NFT_MSG_NEWRULE || what == NFT_MSG_DELRULE || what == NFT_MSG_DELCHAIN;
    if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || (!gone && !rules)) return MNL_CB_OK;
    if (mnl_nlmsg_get_payload_len(h) < sizeof *m) return MNL_CB_OK;
    (void)mnl_attr_parse(h, sizeof *m, take_name, &name);
    for (unsigned i = 0; name && tables[i]; i++) {
        if (strcmp(name, tables[i]) != 0) continue;
        ours = true;
        w->doubted[i] |= gone;
    }
    w->changed |= !ours;
    return MNL_CB_OK;
}

static void doubt_all(struct nft_watch *w)
{
    memset(w->doubted, true, sizeof w->doubted);
    w->changed = true;
}

static void read_news(struct nft_watch *w)
{
    uint8_t buf[NEWS_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    for (unsigned i = 0; i < READS_MAX; i++) {
        ssize_t n = mnl_socket_recvfrom(w->socket, buf, sizeof buf);
        if (n < 0 && errno != ENOBUFS) return;
        if (n < 0) doubt_all(w); // more than we could hear
        if (n > 0) (void)mnl_cb_run(buf, (size_t)n, 0, 0, take_news, w);
    }
}

static void on_news(void *ctx, int fd, int events)
{
    struct nft_watch *w = ctx;
    (void)fd, (void)events;
    read_news(w);
    if (w->changed) w->hooks.changed(w->hooks.ctx);
    w->changed = false;
    for (unsigned i = 0; w->hooks.tables[i]; i++) {
        const bool doubted = w->doubted[i];
        w->doubted[i] = false;
        if (doubted && !is_there(w->hooks.tables[i]))
            w->hooks.gone(w->hooks.ctx, w->hooks.tables[i]);
    }
}

// ---- life ----

static bool listen_in(struct nft_watch *w, struct loop *loop)
{
    int group = NFNLGRP_NFTABLES;
    w->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!w->socket || mnl_socket_bind(w->socket, 0, MNL_SOCKET_AUTOPID) < 0) return false;
    if (mnl_socket_setsockopt(w->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
        return false;
    w->io = loop_io_new(loop, mnl_socket_get_fd(w->socket), LOOP_READ, on_news, w);
    return w->io;
}

struct nft_watch *nft_watch_new(struct loop *loop, const struct nft_watch_hooks *hooks)
{
    struct nft_watch *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->hooks = *hooks;
    if (listen_in(w, loop)) return w;
    log_say(LOG_INFO, "guard",
            "changes of nftables are not heard (%s): rules of ours that others take away come back "
            "with the next policy",
            strerror(errno));
    nft_watch_free(w);
    return NULL;
}

void nft_watch_free(struct nft_watch *w)
{
    if (!w) return;
    loop_io_free(w->io);
    if (w->socket) (void)mnl_socket_close(w->socket);
    free(w);
}
