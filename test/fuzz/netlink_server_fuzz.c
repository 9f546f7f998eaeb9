// A client's datagram into the netlink server's decode and dispatch, over an executor that only
// remembers. Whatever comes in, what goes out must be messages that our own client understands,
// and a dump must end.
#include <stdlib.h>

#include "netlink/dispatch.h"
#include "test/unit/netlink/fake_xfrm.h"

#define DUMP_TURNS 64

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

struct world {
    struct fake_xfrm fake;
    struct dispatch dispatch;
    struct dispatch_peer peer;
};

static void demand(bool what)
{
    if (!what) __builtin_trap();
}

static void well_formed(const struct nlmsghdr *h)
{
    struct codec_event e;
    struct xfrm_counts c;
    uint32_t flags;
    demand(h->nlmsg_len >= NLMSG_HDRLEN && h->nlmsg_len <= MESSAGE_MAX && h->nlmsg_len % 4 == 0);
    switch (h->nlmsg_type) {
    case NLMSG_ERROR:
        demand(h->nlmsg_len >= NLMSG_HDRLEN + sizeof(struct nlmsgerr));
        return;
    case NLMSG_DONE:
    case XFRM_MSG_GETDEFAULT:
        return;
    case XFRM_MSG_NEWSADINFO:
        demand(codec_sadinfo_read(h, &c, NULL) == ERR_OK);
        return;
    case XFRM_MSG_NEWSPDINFO:
        demand(codec_spdinfo_read(h, &c, NULL) == ERR_OK);
        return;
    case XFRM_MSG_NEWAE:
        demand(codec_ae_read(h, &e.sa, &flags, NULL) == ERR_OK);
        return;
    default:
        demand(codec_event_read(h, &e, NULL) == ERR_OK);
    }
}

static void on_reply(void *ctx, struct dispatch_peer *to, const struct nlmsghdr *h)
{
    (void)ctx, (void)to;
    well_formed(h);
}

static void on_multicast(void *ctx, unsigned group, const struct nlmsghdr *h)
{
    (void)ctx;
    demand(group >= 1 && group <= XFRMNLGRP_MAX);
    well_formed(h);
}

static bool on_listened(void *ctx, unsigned group)
{
    (void)ctx, (void)group;
    return true;
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    struct world *w = ctx;
    dispatch_event(&w->dispatch, ev);
}

static bool on_dump(void *ctx, span_t d)
{
    (void)ctx;
    demand(d.len <= DUMP_DATAGRAM_MAX);
    for (size_t at = 0; at < d.len;) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)(d.at + at);
        demand(d.len - at >= NLMSG_HDRLEN && h->nlmsg_len <= d.len - at);
        well_formed(h);
        at += h->nlmsg_len;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    struct world *w = calloc(1, sizeof *w);
    uint8_t *datagram = malloc(n ? n : 1); // aligned and exact
    if (!w || !datagram) abort();
    for (size_t i = 0; i < n; i++) datagram[i] = in[i];
    fake_init(&w->fake, on_event, w);
    w->dispatch = dispatch_of(fake_api(&w->fake),
                              (struct dispatch_out){on_reply, on_multicast, on_listened, w});
    dispatch_datagram(&w->dispatch, &w->peer, span(datagram, n));
    unsigned turns = 0;
    while (w->peer.dump.active && turns++ < DUMP_TURNS) {
        dump_run(&w->peer.dump, w->dispatch.api, on_dump, NULL);
    }
    demand(!w->peer.dump.active);
    fake_done(&w->fake);
    free(datagram);
    free(w);
    return 0;
}
