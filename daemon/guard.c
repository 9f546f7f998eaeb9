#include "daemon/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/guard_nft.h"
#include "daemon/guard_xfrm.h"

// After a change nft runs at once, so that the change is in force before its request is answered:
// a tunnel's few policies leave no gap. Who loads many has them put in together once a second's
// budget is spent, a few of nft's durations later.
#define NFT_BUDGET (NSEC_PER_SEC / 2)
#define NFT_PAUSE 3
#define NFT_RETRY NSEC_PER_SEC // after nft has failed

struct guard {
    struct guard_conf conf;
    const struct policies *policies;
    struct guard_xfrm *xfrm; // IPv4, or NULL
    struct guard_nft_conf nft;
    bool nft_on, nft_failed;
    bool v6_told, broad_told; // a warning once is enough
    struct loop_timer *timer;
    struct loop_timer *grace;    // of what one who died has left
    bool defaults_left;          // and he who sets them has not spoken yet
    uint64_t nft_took, nft_done; // ns
    uint64_t second, spent;      // when the current one has begun, and nft's time in it
};

// ---- nft: the whole table, soon ----

static bool nft_load(struct guard *g)
{
    AUTO(text) struct text script = {0};
    struct why why;
    uint64_t start = clock_mono();
    guard_nft_script(&g->nft, g->policies, &script);
    bool good = guard_nft_run(text_str(&script), &why) == ERR_OK;
    if (!good && !g->nft_failed) // once is enough
        log_say(LOG_ERROR, "guard", "policies are not guarded as they should be: %s", why.text);
    g->nft_failed = !good;
    g->nft_done = clock_mono();
    g->nft_took = g->nft_done - start;
    g->spent += g->nft_took;
    if (!good) loop_timer_at(g->timer, g->nft_done + NFT_RETRY);
    return good;
}

static void on_timer(void *ctx)
{
    (void)nft_load(ctx);
}

static bool nft_affordable(struct guard *g, uint64_t now)
{
    if (now - g->second >= NSEC_PER_SEC) {
        g->second = now;
        g->spent = 0;
    }
    return g->spent + g->nft_took <= NFT_BUDGET;
}

static void nft_changed(struct guard *g)
{
    uint64_t next = g->nft_done + g->nft_took * NFT_PAUSE, now = clock_mono();
    loop_timer_stop(g->timer);
    if (now >= next || nft_affordable(g, now))
        (void)nft_load(g);
    else
        loop_timer_at(g->timer, next);
}

static bool nft_covers(const struct guard *g, const struct xfrm_policy *p)
{
    if (!g->nft_on) return false;
    return (g->nft.v4 && p->sel.family != AF_INET6) || (g->nft.v6 && p->sel.family != AF_INET);
}

// ---- kernel policies, or nft for both families ----

static bool by_xfrm(const struct guard *g)
{
    return g->xfrm && !g->nft.v4;
}

static void drop_mirror(void *ctx, const struct xfrm_policy *p)
{
    guard_xfrm_del(((struct guard *)ctx)->xfrm, p);
}

// nft can tell by which device a packet came. What one who died has left in the kernel stays until
// the grace is over.
static void leave_to_nft(struct guard *g)
{
    static const bool nothing[XFRM_DIRS];
    g->nft.v4 = g->nft_on;
    if (g->nft_on) g->nft.v4 = nft_load(g);
    if (!g->nft.v4) {
        if (!g->broad_told)
            log_say(
                LOG_WARN, "guard",
                "which device a packet came by only nft can tell: what inbound policies for one "
                "device drop is dropped on all of them, and what they let pass is not let pass");
        g->broad_told = true;
        return;
    }
    guard_xfrm_defaults(g->xfrm, nothing);
    policies_each(g->policies, drop_mirror, g);
    log_say(LOG_INFO, "guard", "policies name devices: nft guards IPv4 as well");
}

// ---- others ----

static void put_mirror(void *ctx, const struct xfrm_policy *p)
{
    guard_xfrm_change(((struct guard *)ctx)->xfrm, p, p);
}

static void on_flushed(void *ctx)
{
    struct guard *g = ctx;
    bool block[XFRM_DIRS];
    if (!by_xfrm(g) || !g->policies) return;
    log_say(LOG_WARN, "guard",
            "somebody has flushed the kernel's IPsec policies: ours are put in again");
    memcpy(block, guard_xfrm_blocked(g->xfrm), sizeof block);
    guard_xfrm_forget(g->xfrm);
    guard_xfrm_defaults(g->xfrm, block);
    policies_each(g->policies, put_mirror, g);
}

// The rules of one who died are gone for good: only he knew his policies.
void guard_restore(struct guard *g)
{
    if (!g->nft_on || !g->policies) return;
    log_say(LOG_WARN, "guard",
            "somebody has taken the table inet " GUARD_NFT_TABLE " away (nft flush ruleset?): it "
            "is put in again");
    nft_changed(g);
}

// ---- policies ----

static void warn_unguarded(struct guard *g, const struct xfrm_policy *p)
{
    bool wanted = g->conf.mode != GUARD_OFF && p->sel.family == AF_INET6 && p->tmpl_count > 0;
    if (!wanted || g->nft.v6 || g->v6_told) return;
    g->v6_told = true;
    log_say(LOG_WARN, "guard",
            "IPv6 clear text that policies want protected is not kept out: nft is needed for that");
}

// ---- defaults ----

static bool any(const bool block[XFRM_DIRS])
{
    return block[XFRM_IN] || block[XFRM_OUT] || block[XFRM_FWD];
}

static void set_defaults(struct guard *g, const bool block[XFRM_DIRS])
{
    bool same = memcmp(g->nft.block, block, sizeof g->nft.block) == 0;
    if (by_xfrm(g)) guard_xfrm_defaults(g->xfrm, block);
    memcpy(g->nft.block, block, sizeof g->nft.block);
    if (g->nft_on && !same) nft_changed(g);
}

static void warn_default(const struct guard *g)
{
    bool v4 = strcmp(guard_way(g, AF_INET), "off") != 0;
    bool v6 = strcmp(guard_way(g, AF_INET6), "off") != 0;
    if (v4 && v6) return;
    log_say(LOG_WARN, "guard",
            "the default policy to block reaches%s only what is led into %s: --guard %s",
            v4 ? " of IPv6" : "", g->conf.tun,
            g->conf.mode == GUARD_OFF ? "is off" : "needs nft for the rest");
}

void guard_defaults(struct guard *g, const uint8_t actions[XFRM_DIRS])
{
    bool block[XFRM_DIRS];
    for (unsigned d = 0; d < XFRM_DIRS; d++) block[d] = actions[d] == XFRM_DEFAULT_BLOCK;
    g->defaults_left = false;
    if (any(block)) warn_default(g);
    set_defaults(g, block);
}

// ---- what one who died has left ----

static void nft_drop_left(struct guard *g)
{
    AUTO(text) struct text script = {0};
    struct why why;
    if (!g->nft.left) return;
    nft_changed(g); // our slot may still hold what another one had there: GUARD_SLOTS
    guard_nft_drop_script(&g->nft, &script);
    if (guard_nft_run(text_str(&script), &why) != ERR_OK)
        log_say(LOG_ERROR, "guard", "rules of one who died stay: %s", why.text);
    g->nft.left = 0;
}

static void on_grace(void *ctx)
{
    static const bool nothing[XFRM_DIRS];
    struct guard *g = ctx;
    if (g->defaults_left) set_defaults(g, nothing);
    g->defaults_left = false;
    if (g->xfrm) guard_xfrm_settle(g->xfrm);
    nft_drop_left(g);
}

// Whoever has set the default will do so again soon; until then it stays.
static void keep_defaults(struct guard *g)
{
    bool *left = g->nft.block;
    for (unsigned d = 0; d < XFRM_DIRS && g->xfrm; d++) left[d] |= guard_xfrm_blocked(g->xfrm)[d];
    if (!any(left)) return;
    log_say(LOG_STORY, "guard",
            "one who died has left a default policy to block: it is kept for %u s",
            g->conf.grace_s);
    g->defaults_left = true;
    if (g->xfrm) guard_xfrm_defaults(g->xfrm, left);
    if (g->nft_on) nft_changed(g);
}

void guard_watch(struct guard *g, const struct policies *ps)
{
    struct why why;
    g->policies = ps;
    if (g->xfrm && guard_xfrm_watch(g->xfrm, g->conf.loop, on_flushed, g, &why) != ERR_OK)
        log_say(LOG_INFO, "guard", "changes of the kernel's policies are not heard: %s", why.text);
    keep_defaults(g);
    unsigned left = g->xfrm ? guard_xfrm_former(g->xfrm) : 0;
    if (!g->defaults_left && !g->nft.left && left == 0) return;
    log_say(LOG_STORY, "guard",
            "what one who died has left (kernel policies: %u, nftables: %s) keeps clear text out "
            "for %u s, until its policies are back",
            left, g->nft.left ? "yes" : "no", g->conf.grace_s);
    loop_timer_at(g->grace, clock_mono() + g->conf.grace_s * NSEC_PER_SEC);
}

void guard_source(struct guard *g, uint16_t family, uint16_t number, bool on)
{
    struct guard_nft_conf *n = &g->nft;
    unsigned i = 0;
    while (i < n->source_count && (n->source[i].family != family || n->source[i].number != number))
        i++;
    if (on && i == n->source_count && i < GUARD_SOURCES_MAX) n->source_count++;
    if (i >= n->source_count) return;
    n->source[i] = on ? (struct guard_source){family, number} : n->source[--n->source_count];
    if (g->nft_on) nft_changed(g);
}

void guard_device(struct guard *g, const char *name, bool on)
{
    struct guard_nft_conf *n = &g->nft;
    unsigned i = 0;
    while (i < n->device_count && strcmp(n->device[i], name) != 0) i++;
    if (on && i == n->device_count && i < GUARD_DEVICES_MAX) n->device_count++;
    if (i >= n->device_count) return;
    if (on)
        (void)snprintf(n->device[i], sizeof n->device[i], "%s", name);
    else
        memmove(n->device[i], n->device[--n->device_count], sizeof n->device[i]);
    if (g->nft_on) nft_changed(g);
}

void guard_add(struct guard *g, const struct xfrm_policy *p)
{
    warn_unguarded(g, p);
    if (by_xfrm(g) && guard_xfrm_is_broad(p)) leave_to_nft(g);
    if (by_xfrm(g)) guard_xfrm_add(g->xfrm, p);
    if (nft_covers(g, p)) nft_changed(g);
}

void guard_del(struct guard *g, const struct xfrm_policy *p)
{
    if (by_xfrm(g)) guard_xfrm_del(g->xfrm, p);
    if (nft_covers(g, p)) nft_changed(g);
}

void guard_change(struct guard *g, const struct xfrm_policy *old, const struct xfrm_policy *now)
{
    if (by_xfrm(g) && guard_xfrm_is_broad(now)) leave_to_nft(g);
    if (by_xfrm(g)) guard_xfrm_change(g->xfrm, old, now);
    if (nft_covers(g, now)) nft_changed(g);
}

const char *guard_way(const struct guard *g, uint16_t family)
{
    if (family == AF_INET && by_xfrm(g)) return "xfrm";
    return g->nft_on && (family == AF_INET6 ? g->nft.v6 : g->nft.v4) ? "nft" : "off";
}

// ---- choosing ----

#define NFT_REMOVE "add table inet " GUARD_NFT_TABLE "\ndelete table inet " GUARD_NFT_TABLE "\n"

static void nft_choose_slot(struct guard *g)
{
    struct guard_nft_conf *n = &g->nft;
    n->slot = 0;
    while (n->slot < GUARD_SLOTS && (n->left & 1U << n->slot)) n->slot++;
    if (n->slot == GUARD_SLOTS) n->slot = 0;
    n->left &= ~(1U << n->slot);
}

static err_t start_nft(struct guard *g, bool v4, struct why *why)
{
    AUTO(text) struct text script = {0};
    g->nft = (struct guard_nft_conf){.tun = g->conf.tun,
                                     .udp_port = g->conf.udp_port,
                                     .fwmark = g->conf.fwmark,
                                     .uid = g->conf.uid,
                                     .v4 = v4,
                                     .v6 = true};
    if (guard_nft_left(&g->nft.left, g->nft.block) == ERR_OK && g->nft.left) nft_choose_slot(g);
    // With a default to block that stays as well until it is replaced: guard_watch().
    if (g->nft.left)
        guard_nft_own_script(&g->nft, &script);
    else
        text_add(&script, NFT_REMOVE);
    err_t e = guard_nft_run(text_str(&script), why);
    g->nft_on = e == ERR_OK;
    return e;
}

static err_t choose_auto(struct guard *g, struct why *why)
{
    struct why no_xfrm, no_nft;
    err_t xfrm = guard_xfrm_new(g->conf.tun, &g->xfrm, &no_xfrm);
    err_t nft = start_nft(g, xfrm != ERR_OK, &no_nft);
    if (xfrm != ERR_OK && nft != ERR_OK) {
        return why_not(why, ERR_UNSUPPORTED,
                       "nothing can keep clear text out: neither kernel policies (%.80s) nor "
                       "nftables (%.80s). Start with --guard off to run without",
                       no_xfrm.text, no_nft.text);
    }
    if (xfrm != ERR_OK) log_say(LOG_INFO, "guard", "no kernel policies: %s", no_xfrm.text);
    if (nft != ERR_OK) log_say(LOG_WARN, "guard", "no nftables: %s", no_nft.text);
    return ERR_OK;
}

// What a crash has left of the ways that are not chosen now. Best effort: they may never have
// been there.
static void clean_other_ways(const struct guard *g)
{
    struct why why;
    struct guard_xfrm *old = NULL;
    bool nft = g->conf.mode == GUARD_XFRM || g->conf.mode == GUARD_OFF;
    bool xfrm = g->conf.mode == GUARD_NFT || g->conf.mode == GUARD_OFF;
    if (nft && guard_nft_run(NFT_REMOVE, &why) != ERR_OK)
        log_say(LOG_DEBUG, "guard", "nftables not cleaned: %s", why.text);
    if (xfrm && guard_xfrm_new(g->conf.tun, &old, &why) != ERR_OK)
        log_say(LOG_DEBUG, "guard", "kernel policies not cleaned: %s", why.text);
    guard_xfrm_free(old);
}

static err_t choose(struct guard *g, struct why *why)
{
    clean_other_ways(g);
    g->timer = loop_timer_new(g->conf.loop, on_timer, g);
    g->grace = loop_timer_new(g->conf.loop, on_grace, g);
    if (!g->timer || !g->grace) return why_not(why, ERR_NOMEM, "out of memory");
    switch (g->conf.mode) {
    case GUARD_AUTO:
        return choose_auto(g, why);
    case GUARD_XFRM:
        return guard_xfrm_new(g->conf.tun, &g->xfrm, why);
    case GUARD_NFT:
        return start_nft(g, true, why);
    case GUARD_OFF:
        break;
    }
    return ERR_OK;
}

err_t guard_new(const struct guard_conf *conf, struct guard **out, struct why *why)
{
    struct guard *g = calloc(1, sizeof *g);
    if (!g) return why_not(why, ERR_NOMEM, "out of memory");
    g->conf = *conf;
    err_t e = choose(g, why);
    if (e != ERR_OK) {
        guard_free(g);
        return e;
    }
    *out = g;
    return ERR_OK;
}

void guard_free(struct guard *g)
{
    struct why why;
    if (!g) return;
    loop_timer_free(g->timer);
    loop_timer_free(g->grace);
    guard_xfrm_free(g->xfrm);
    if (g->nft_on && guard_nft_run(NFT_REMOVE, &why) != ERR_OK)
        log_say(LOG_WARN, "guard", "the table inet " GUARD_NFT_TABLE " stays: %s", why.text);
    free(g);
}

void guard_counts(const struct guard *g, struct guard_counts *out)
{
    struct guard_counts xfrm = {0}, nft = {0};
    if (g->xfrm) guard_xfrm_counts(&xfrm);
    if (g->nft_on) IGNORE(guard_nft_counts(&nft)); // no table yet: nothing was dropped
    out->clear_in = xfrm.clear_in + nft.clear_in;
    out->clear_out = xfrm.clear_out + nft.clear_out;
}
