#include "daemon/guard_xfrm.h"

#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "netlink/client.h"

// Policy indices end with the direction in 3 bits; ours are those from here on. The kernel itself
// counts from small numbers.
#define INDEX_FIRST 0x70000000U
#define INDEX_STEP 8U
#define INDEX_MASK 0x0ffffff8U
// The template of our in and fwd policies: no SA can ever have this reqid and address, so every
// packet that matches is one that lacks its protection (XfrmInTmplMismatch).
#define NEVER_REQID 0x50415649U
// The policy that stands for a default to block comes last of all. The kernel keeps a selector's
// user and never looks at it: so none of other policies for everything is the same.
#define DEFAULT_USER NEVER_REQID
#define DEFAULT_PRIORITY UINT32_MAX
#define CLEAN_MAX 256 // removed per look; the look is repeated until nothing is left

static const struct xfrm_lifetime forever = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0};

// A policy that one who died has left.
struct former {
    struct xfrm_policy policy;
    bool gone; // or ours now
    struct former *next;
};

struct guard_xfrm {
    struct xfrm_client *client;
    struct xfrm_client *news; // NULL: nobody listens
    void (*flushed)(void *ctx);
    void *flushed_ctx;
    struct xfrm_api api;
    uint32_t next;           // index, without direction
    bool blocked[XFRM_DIRS]; // by default
    bool allowances;         // of one who died are there
    void *formers;           // a tree (tsearch), until guard_xfrm_settle()
    struct former *first;    // and a list
    unsigned former_count;
};

static void complain(const char *what, const struct xfrm_policy *p, const struct why *why)
{
    char src[PREFIX_TEXT_MAX], dst[PREFIX_TEXT_MAX];
    log_say(LOG_ERROR, "guard", "%s for %s -> %s: %s", what, prefix_show(&p->sel.src, src),
            prefix_show(&p->sel.dst, dst), why->text);
}

// ---- is it possible here? ----

static bool is_on(const char *tun, const char *key)
{
    char path[128], value = 0;
    (void)snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/%s", tun, key);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool on = read(fd, &value, 1) == 1 && value == '1';
    (void)close(fd);
    return on;
}

static err_t can_exempt(const char *tun, struct why *why)
{
    if (is_on(tun, "disable_policy") && is_on(tun, "disable_xfrm")) return ERR_OK;
    return why_not(why, ERR_UNSUPPORTED,
                   "the kernel's policies cannot be switched off for %s (/proc/sys/net/ipv4/conf/%s"
                   "/disable_policy is not 1); is /proc/sys read-only? Use --guard nft",
                   tun, tun);
}

// ---- what we have put there ----

static bool is_ours(const struct xfrm_policy *p)
{
    return p->index >= INDEX_FIRST && p->index <= INT32_MAX && p->dir < XFRM_DIRS;
}

struct leftovers {
    unsigned n;
    struct xfrm_policy_id id[CLEAN_MAX];
};

static bool note_ours(void *arg, const struct xfrm_policy *p)
{
    struct leftovers *l = arg;
    if (!is_ours(p)) return true;
    l->id[l->n++] =
        (struct xfrm_policy_id){.dir = p->dir, .type = p->type, .index = p->index, .mark = p->mark};
    return l->n < CLEAN_MAX;
}

static err_t clean(struct guard_xfrm *g, struct why *why)
{
    struct leftovers l;
    do {
        l.n = 0;
        err_t e = g->api.ops->policy_each(g->api.ctx, note_ours, &l);
        if (e != ERR_OK && l.n == 0)
            return why_not(why, e, "cannot list the kernel's policies: %s", err_text(e));
        for (unsigned i = 0; i < l.n; i++) {
            e = g->api.ops->policy_del(g->api.ctx, &l.id[i]);
            if (e != ERR_OK && e != ERR_NOTFOUND)
                return why_not(why, e, "cannot remove an old kernel policy: %s", err_text(e));
        }
    } while (l.n > 0);
    return ERR_OK;
}

// ---- what one who died has left ----

static int former_order(const void *x, const void *y)
{
    return policies_compare(&((const struct former *)x)->policy,
                            &((const struct former *)y)->policy);
}

static struct former *former_find(const struct guard_xfrm *g, const struct xfrm_policy *p)
{
    const struct former like = {.policy = *p};
    void *const *at = tfind(&like, &g->formers, former_order);
    struct former *f = at ? *at : NULL;
    return f && !f->gone ? f : NULL;
}

static bool keeps_out(const struct xfrm_policy *mirror)
{
    return mirror->action == XFRM_BLOCK || mirror->tmpl_count > 0;
}

static bool take_former(void *arg, const struct xfrm_policy *p)
{
    struct guard_xfrm *g = arg;
    if (!is_ours(p)) return true;
    // The kernel gives an index of its own to a policy whose index is taken: ours come behind.
    uint32_t at = (p->index - INDEX_FIRST) & INDEX_MASK;
    if (at >= g->next) g->next = (at + INDEX_STEP) & INDEX_MASK;
    if (p->sel.user == DEFAULT_USER) {
        g->blocked[p->dir] = true;
        return true;
    }
    struct former *f = calloc(1, sizeof *f);
    if (!f) return false;
    *f = (struct former){.policy = *p, .next = g->first};
    g->first = f;
    g->former_count++;
    if (!keeps_out(p)) g->allowances = true;
    return tsearch(f, &g->formers, former_order) != NULL;
}

static void former_drop(struct guard_xfrm *g, struct former *f)
{
    const struct xfrm_policy *p = &f->policy;
    const struct xfrm_policy_id id = {
        .dir = p->dir, .type = p->type, .index = p->index, .mark = p->mark};
    err_t e = f->gone ? ERR_OK : g->api.ops->policy_del(g->api.ctx, &id);
    f->gone = true;
    if (e != ERR_OK && e != ERR_NOTFOUND)
        complain("a former guarding policy stays", p, &(struct why){"the kernel refuses"});
}

// They could come before what is to be kept out now.
static void drop_allowances(struct guard_xfrm *g)
{
    g->allowances = false;
    for (struct former *f = g->first; f; f = f->next)
        if (!keeps_out(&f->policy)) former_drop(g, f);
}

static void former_keep(void *node)
{
    (void)node; // the list owns it
}

static void forget_formers(struct guard_xfrm *g)
{
    tdestroy(g->formers, former_keep);
    g->formers = NULL;
    for (struct former *f = g->first, *next; f; f = next) {
        next = f->next;
        free(f);
    }
    g->first = NULL;
    g->former_count = 0;
}

unsigned guard_xfrm_former(const struct guard_xfrm *g)
{
    return g->former_count;
}

void guard_xfrm_settle(struct guard_xfrm *g)
{
    for (struct former *f = g->first; f; f = f->next) former_drop(g, f);
    forget_formers(g);
}

// ---- defaults ----

static void default_set(struct guard_xfrm *g, uint8_t dir, bool block)
{
    struct why why = {"the kernel refuses"};
    struct xfrm_policy p = {
        .dir = dir, .action = XFRM_BLOCK, .priority = DEFAULT_PRIORITY, .limit = forever};
    xfrm_selector_any(&p.sel, AF_INET);
    p.sel.user = DEFAULT_USER;
    p.index = INDEX_FIRST + g->next + dir;
    g->next = (g->next + INDEX_STEP) & INDEX_MASK;
    const struct xfrm_policy_id id = {.dir = dir, .sel = p.sel};
    err_t e = block ? g->api.ops->policy_add(g->api.ctx, &p, true, &why)
                    : g->api.ops->policy_del(g->api.ctx, &id);
    if (e == ERR_OK || (!block && e == ERR_NOTFOUND))
        g->blocked[dir] = block;
    else
        complain("the default policy is not guarded", &p, &why);
}

void guard_xfrm_defaults(struct guard_xfrm *g, const bool block[XFRM_DIRS])
{
    for (uint8_t dir = 0; dir < XFRM_DIRS; dir++)
        if (block[dir] != g->blocked[dir]) default_set(g, dir, block[dir]);
}

const bool *guard_xfrm_blocked(const struct guard_xfrm *g)
{
    return g->blocked;
}

// ---- policies ----

bool guard_xfrm_covers(const struct xfrm_policy *p)
{
    return p->type == 0 && p->dir < XFRM_DIRS && p->sel.family != AF_INET6;
}

// The kernel's policy for one of ours.
//   out, protected or blocked   block: what reaches the kernel's lookup goes past the TUN device
//   in, fwd, protected          a template that nothing satisfies
//   allowed                     the same, for its priority over others
static struct xfrm_policy mirror_of(const struct xfrm_policy *p)
{
    const struct xfrm_tmpl never = {.saddr = {.family = AF_INET, .b = {127, 0, 0, 1}},
                                    .daddr = {.family = AF_INET, .b = {127, 0, 0, 1}},
                                    .proto = XFRM_PROTO_ESP,
                                    .mode = XFRM_TUNNEL,
                                    .family = AF_INET,
                                    .reqid = NEVER_REQID,
                                    .aalgos = UINT32_MAX,
                                    .ealgos = UINT32_MAX,
                                    .calgos = UINT32_MAX};
    bool protect = xfrm_policy_protects(p);
    struct xfrm_policy m = {.sel = p->sel,
                            .dir = p->dir,
                            .action = p->action,
                            .priority = p->priority,
                            .limit = forever,
                            .mark = p->mark};
    if (p->flags & XFRM_POLICY_FLOWS && p->mark.mask) {
        m.sel.user = p->mark.value; // as many as there are marks
        m.mark = (struct xfrm_mark){0};
    }
    m.sel.family = m.sel.src.ip.family = m.sel.dst.ip.family = AF_INET;
    if (p->dir != XFRM_OUT && p->sel.ifindex) {
        m.sel.user ^= (uint32_t)p->sel.ifindex; // tells those of two devices apart, and no more
        m.sel.ifindex = 0;
    }
    if (protect && p->dir == XFRM_OUT) m.action = XFRM_BLOCK;
    if (protect && p->dir != XFRM_OUT) {
        m.tmpl_count = 1;
        m.tmpl[0] = never;
    }
    return m;
}

// The safe reading of spd.h: an allowance inbound that is bound to a device is not mirrored.
static bool is_safe(const struct xfrm_policy *p)
{
    bool bound = p->sel.ifindex && p->dir != XFRM_OUT;
    return !bound || p->action == XFRM_BLOCK || xfrm_policy_protects(p);
}

bool guard_xfrm_is_broad(const struct xfrm_policy *p)
{
    return guard_xfrm_covers(p) && p->sel.ifindex && p->dir != XFRM_OUT && !xfrm_policy_protects(p);
}

static void put(struct guard_xfrm *g, const struct xfrm_policy *p, bool update)
{
    struct why why = {"refused"};
    if (!guard_xfrm_covers(p) || !is_safe(p)) return;
    struct xfrm_policy m = mirror_of(p);
    m.index = INDEX_FIRST + g->next + m.dir;
    g->next = (g->next + INDEX_STEP) & INDEX_MASK;
    struct former *former = former_find(g, &m);
    if (g->api.ops->policy_add(g->api.ctx, &m, update || former, &why) != ERR_OK) {
        complain("the kernel did not take a guarding policy", p, &why);
        return;
    }
    if (former) former->gone = true;
    if (g->allowances && keeps_out(&m)) drop_allowances(g);
}

void guard_xfrm_add(struct guard_xfrm *g, const struct xfrm_policy *p)
{
    put(g, p, false);
}

void guard_xfrm_del(struct guard_xfrm *g, const struct xfrm_policy *p)
{
    if (!guard_xfrm_covers(p) || !is_safe(p)) return;
    const struct xfrm_policy m = mirror_of(p);
    const struct xfrm_policy_id id = {.dir = m.dir, .sel = m.sel, .mark = m.mark};
    struct former *former = former_find(g, &m);
    err_t e = g->api.ops->policy_del(g->api.ctx, &id);
    if (former) former->gone = true;
    if (e != ERR_OK && e != ERR_NOTFOUND)
        complain("a guarding policy stays", p, &(struct why){"the kernel refuses"});
}

void guard_xfrm_change(struct guard_xfrm *g, const struct xfrm_policy *old,
                       const struct xfrm_policy *now)
{
    if (is_safe(old) && !is_safe(now)) guard_xfrm_del(g, old);
    put(g, now, true);
}

// ---- others ----

#define GROUP_POLICY (1U << (4 - 1)) // XFRMNLGRP_POLICY

static void on_news(void *ctx, const struct xfrm_event *ev)
{
    struct guard_xfrm *g = ctx;
    if (ev->kind == XFRM_EV_POL_FLUSH) g->flushed(g->flushed_ctx);
}

err_t guard_xfrm_watch(struct guard_xfrm *g, struct loop *loop, void (*fn)(void *ctx), void *ctx,
                       struct why *why)
{
    const struct xfrm_client_options o = {.peer = XFRM_PEER_KERNEL, .groups = GROUP_POLICY};
    g->flushed = fn;
    g->flushed_ctx = ctx;
    return xfrm_client_open_with(&o, loop, on_news, g, &g->news, why);
}

void guard_xfrm_forget(struct guard_xfrm *g)
{
    memset(g->blocked, 0, sizeof g->blocked);
    g->allowances = false;
    forget_formers(g);
}

// ---- life ----

static err_t guard_xfrm_build(struct guard_xfrm *g, const char *tun, struct why *why)
{
    TRY(can_exempt(tun, why));
    TRY(xfrm_client_open(XFRM_PEER_KERNEL, NULL, NULL, NULL, &g->client, why));
    g->api = xfrm_client_api(g->client);
    err_t e = g->api.ops->policy_each(g->api.ctx, take_former, g);
    if (e == ERR_OK) return ERR_OK;
    return why_not(why, e, "cannot list the kernel's policies: %s", err_text(e));
}

err_t guard_xfrm_new(const char *tun, struct guard_xfrm **out, struct why *why)
{
    struct guard_xfrm *g = calloc(1, sizeof *g);
    if (!g) return why_not(why, ERR_NOMEM, "out of memory");
    err_t e = guard_xfrm_build(g, tun, why);
    if (e != ERR_OK) {
        if (g->client) xfrm_client_close(g->client);
        forget_formers(g);
        free(g);
        return e;
    }
    *out = g;
    return ERR_OK;
}

void guard_xfrm_free(struct guard_xfrm *g)
{
    struct why why;
    if (!g) return;
    xfrm_client_close(g->news);
    if (clean(g, &why) != ERR_OK) log_say(LOG_WARN, "guard", "%s", why.text);
    xfrm_client_close(g->client);
    forget_formers(g);
    free(g);
}

void guard_xfrm_counts(struct guard_counts *out)
{
    char name[64];
    unsigned long long n;
    FILE *f = fopen("/proc/net/xfrm_stat", "re");
    if (!f) return;
    while (fscanf(f, "%63s %llu", name, &n) == 2) {
        if (!strcmp(name, "XfrmInTmplMismatch") || !strcmp(name, "XfrmInPolBlock"))
            out->clear_in += n;
        if (!strcmp(name, "XfrmOutPolBlock")) out->clear_out += n;
    }
    (void)fclose(f);
}
