#include "daemon/past.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/guard_nft.h"
#include "daemon/past_host.h"
#include "daemon/past_rules.h"
#include "daemon/rtnl.h"
#include "daemon/steer.h"

// A policy is put into the marks at once as long as nft takes no more than this of each second.
// After that the rule goes, and comes back when all is in them, PAUSE of nft's durations later.
#define BUDGET (NSEC_PER_SEC / 4)
#define PAUSE 10
#define LOOK_EVERY NSEC_PER_SEC

enum { V4, V6, FAMILIES };
static const uint16_t family_of[FAMILIES] = {AF_INET, AF_INET6};

struct past {
    struct past_conf conf;
    const struct policies *policies;
    struct rtnl *rtnl;
    struct loop_timer *timer;
    struct text loaded; // what nft has taken; empty: there is no table
    bool unsure;        // or something else: it has said that it failed
    bool open;          // the rules are there
    bool wanted[FAMILIES];
    bool blocked;  // what no policy names is to go nowhere
    uint64_t from; // not earlier
    uint64_t next_look;
    uint64_t took, done;    // by nft, the last time
    uint64_t second, spent; // when the current one has begun, and nft's time in it
};

// ---- the rules ----

static struct rtnl_goto rule_of(const struct past *p, int i, bool own)
{
    return (struct rtnl_goto){.family = family_of[i],
                              .table = p->conf.table,
                              .mark = own ? 0 : p->conf.mark,
                              .priority = own ? PAST_OWN_PRIORITY : PAST_PRIORITY,
                              .target = own ? STEER_SKIP : STEER_TARGET};
}

static void open_family(struct past *p, int i)
{
    struct why why;
    const struct rtnl_goto own = rule_of(p, i, true), past = rule_of(p, i, false);
    err_t e = rtnl_goto_add(p->rtnl, &own, &why);
    if (e == ERR_OK || e == ERR_EXISTS) e = rtnl_goto_add(p->rtnl, &past, &why);
    if (e == ERR_OK || e == ERR_EXISTS || e == ERR_UNSUPPORTED) return;
    log_say(LOG_WARN, "past", "%s: what no policy names leaves as a packet of this host's own",
            why.text);
}

static void open_rules(struct past *p)
{
    if (p->open) return;
    for (int i = 0; i < FAMILIES; i++)
        if (p->wanted[i]) open_family(p, i);
    p->open = true;
    log_say(LOG_INFO, "past", "what no policy names is forwarded past %s, marked 0x%x", p->conf.tun,
            p->conf.mark);
}

static void close_rules(struct past *p)
{
    struct why why;
    if (!p->open) return;
    p->open = false;
    for (int i = 0; i < FAMILIES; i++) {
        const struct rtnl_goto past = rule_of(p, i, false);
        err_t e = rtnl_goto_del(p->rtnl, &past, &why);
        if (e == ERR_OK || e == ERR_NOTFOUND || e == ERR_UNSUPPORTED) continue;
        log_say(LOG_ERROR, "past", "%s: only the guard keeps in what policies protect", why.text);
        p->open = true;
    }
}

// ---- the marks ----

static void write_wanted(struct past *p, struct text *out)
{
    const struct past_rules_conf conf = {p->conf.tun, p->conf.mark, p->wanted[V4], p->wanted[V6]};
    if (!p->blocked && clock_mono() >= p->from) past_rules_write(&conf, p->policies, out);
}

static err_t run(struct past *p, const char *script)
{
    struct why why;
    err_t e = guard_nft_run(script, &why);
    if (e != ERR_OK && !p->unsure) // once is enough
        log_say(LOG_WARN, "past", "%s: what no policy names leaves as a packet of this host's own",
                why.text);
    p->unsure = e != ERR_OK;
    return e;
}

static void load_script(struct past *p, struct text *script)
{
    const bool none = script->len == 0;
    if (none) close_rules(p); // before the marks go, which take away what others have set
    bool same = !p->unsure && strcmp(text_str(script), text_str(&p->loaded)) == 0;
    err_t e = same ? ERR_OK : run(p, none ? PAST_REMOVE : text_str(script));
    if (e != ERR_OK) {
        close_rules(p);
        return;
    }
    const struct text before = p->loaded;
    p->loaded = *script;
    *script = before; // its owner frees it
    if (!none) open_rules(p);
}

static void load(void *ctx)
{
    struct past *p = ctx;
    AUTO(text) struct text script = {0};
    uint64_t start = clock_mono();
    write_wanted(p, &script);
    load_script(p, &script);
    p->done = clock_mono();
    p->took = p->done - start;
    p->spent += p->took;
    if (p->done < p->from) loop_timer_at(p->timer, p->from);
}

static bool is_affordable(struct past *p)
{
    uint64_t now = clock_mono();
    if (now - p->second >= NSEC_PER_SEC) {
        p->second = now;
        p->spent = 0;
    }
    return p->spent + p->took <= BUDGET;
}

static bool is_wanted(const struct past *p)
{
    return p->wanted[V4] || p->wanted[V6];
}

// There is something that the marks must not be on any more.
static void narrow(struct past *p)
{
    if (!is_wanted(p)) return;
    loop_timer_stop(p->timer);
    if (is_affordable(p)) {
        load(p);
        return;
    }
    close_rules(p);
    loop_timer_at(p->timer, p->done + p->took * PAUSE);
}

// They may be on more than before: nobody waits for it.
static void widen(struct past *p)
{
    uint64_t now = clock_mono(), next = p->done + p->took * PAUSE;
    if (is_wanted(p)) loop_timer_at(p->timer, now > next ? now : next);
}

// ---- what changes ----

// Policies for what comes in have no say in where packets go, unless by the mark.
static bool has_a_say(const struct past *p, const struct xfrm_policy *x)
{
    return x->dir == XFRM_OUT || (x->mark.mask & p->conf.mark);
}

void past_add(struct past *p, const struct xfrm_policy *x)
{
    if (has_a_say(p, x)) narrow(p);
}

void past_del(struct past *p, const struct xfrm_policy *x)
{
    if (has_a_say(p, x)) widen(p);
}

// A rekeying changes nothing that the marks are made of.
void past_change(struct past *p, const struct xfrm_policy *old, const struct xfrm_policy *now)
{
    bool same = old->action == now->action && (old->tmpl_count > 0) == (now->tmpl_count > 0) &&
                old->flags == now->flags;
    if (has_a_say(p, now) && !same) narrow(p);
}

void past_defaults(struct past *p, const uint8_t actions[XFRM_DIRS])
{
    p->blocked = false;
    for (unsigned d = 0; d < XFRM_DIRS; d++) p->blocked |= actions[d] == XFRM_DEFAULT_BLOCK;
    narrow(p);
}

// Nothing has leaked: what has no mark goes by the TUN device.
void past_restore(struct past *p)
{
    if (!p->loaded.len) return;
    text_done(&p->loaded);
    p->loaded = (struct text){0};
    widen(p);
}

static bool wants(const struct past *p, int i)
{
    const bool guarded = i == V4 ? p->conf.v4 : p->conf.v6;
    if (p->conf.how == PAST_NEVER || !guarded || !past_host_forwards(family_of[i])) return false;
    return p->conf.how == PAST_ALWAYS || !past_host_translates(family_of[i]);
}

void past_tend(struct past *p)
{
    const uint64_t now = clock_mono();
    bool before[FAMILIES];
    if (now < p->next_look) return;
    p->next_look = now + LOOK_EVERY;
    memcpy(before, p->wanted, sizeof before);
    for (int i = 0; i < FAMILIES; i++) p->wanted[i] = wants(p, i);
    if (memcmp(before, p->wanted, sizeof before) == 0) return;
    close_rules(p);
    loop_timer_at(p->timer, now);
}

void past_look(struct past *p)
{
    p->next_look = 0;
    past_tend(p);
}

// ---- life ----

static err_t past_build(struct past *p, struct why *why)
{
    p->from = clock_mono() + p->conf.wait_s * NSEC_PER_SEC;
    p->timer = loop_timer_new(p->conf.loop, load, p);
    if (!p->timer) return why_not(why, ERR_NOMEM, "out of memory");
    TRY(rtnl_open(&p->rtnl, why));
    struct why nft;
    if (guard_nft_run(PAST_REMOVE, &nft) != ERR_OK)
        log_say(LOG_DEBUG, "past", "nftables not cleaned: %s", nft.text);
    past_tend(p);
    return ERR_OK;
}

err_t past_new(const struct past_conf *conf, const struct policies *ps, struct past **out,
               struct why *why)
{
    struct past *p = calloc(1, sizeof *p);
    if (!p) return why_not(why, ERR_NOMEM, "out of memory");
    p->conf = *conf;
    p->policies = ps;
    err_t e = past_build(p, why);
    if (e != ERR_OK) {
        past_free(p);
        return e;
    }
    *out = p;
    return ERR_OK;
}

void past_free(struct past *p)
{
    if (!p) return;
    if (p->rtnl) close_rules(p);
    if (p->loaded.len || p->unsure) IGNORE(run(p, PAST_REMOVE)); // it has said why not
    loop_timer_free(p->timer);
    rtnl_close(p->rtnl);
    text_done(&p->loaded);
    free(p);
}
