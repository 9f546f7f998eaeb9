// nft_watch.h - hears when somebody takes one of our tables out of nftables: "flush ruleset", with
// which the usual scripts of firewalls begin, takes everybody's; and when others change rules of
// theirs. Control thread.
#pragma once

#include "base/loop.h"

#define NFT_WATCH_TABLES_MAX 8

struct nft_watch;

struct nft_watch_hooks {
    // There is no table of this name (family inet) any more: one has been removed, by the executor
    // itself or by somebody else.
    void (*gone)(void *ctx, const char *table);
    // Rules in other tables have come or gone: called once for many of them.
    void (*changed)(void *ctx);
    void *ctx;
    const char *tables[NFT_WATCH_TABLES_MAX + 1]; // names, up to NULL; borrowed
};

// NULL where there is no nftables, or no memory: nobody is told then, which the log says.
struct nft_watch *nft_watch_new(struct loop *loop, const struct nft_watch_hooks *hooks);
void nft_watch_free(struct nft_watch *w); // NULL is fine
