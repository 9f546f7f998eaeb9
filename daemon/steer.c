#include "daemon/steer.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/steer_part.h"

#define SETTLE_NS (50 * NSEC_PER_MSEC) // after a change of addresses, until it is acted upon
#define METRIC_V6 1 // 0 would mean IPv6's default of 1024, behind other people's routes

void steer_complain(const struct why *why, const prefix_t *dst)
{
    char text[PREFIX_TEXT_MAX];
    log_say(LOG_ERROR, "steer", "%s: %s; packets for it may take another way",
            prefix_show(dst, text), why->text);
}

// Doubles an array when it is full. False when out of memory; the array is as it was.
static bool grow(void **array, unsigned count, unsigned *room, size_t size)
{
    if (count < *room) return true;
    unsigned more = *room ? *room * 2 : 4;
    void *p = reallocarray(*array, more, size);
    if (!p) return false;
    *array = p;
    *room = more;
    return true;
}

// ---- addresses of this host ----

static void take_addr(void *ctx, const ip_t *addr)
{
    struct steer *s = ctx;
    void *addrs = s->addrs;
    bool fits = grow(&addrs, s->addr_count, &s->addr_room, sizeof *s->addrs);
    s->addrs = addrs;
    if (fits) s->addrs[s->addr_count++] = *addr;
}

static void read_addrs(struct steer *s)
{
    struct why why;
    s->addr_count = 0;
    if (rtnl_each_addr(s->rtnl, take_addr, s, &why) != ERR_OK)
        log_say(LOG_WARN, "steer", "%s", why.text);
}

// An address of ours that one of the policies covers: what this host sends itself must carry it,
// or the policy would not match. A policy for any source does not need one.
static ip_t choose_src(const struct steer *s, const struct steer_route *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        if (r->src[i].len == 0) continue;
        for (unsigned k = 0; k < s->addr_count; k++)
            if (prefix_has(&r->src[i], &s->addrs[k])) return s->addrs[k];
    }
    return (ip_t){.family = AF_UNSPEC};
}

// ---- routes ----

struct rtnl_route steer_route_to_tun(const struct steer *s, const struct steer_route *r)
{
    return (struct rtnl_route){.dst = r->dst,
                               .table = steer_table_of(s, r->lane),
                               .metric = r->dst.ip.family == AF_INET6 ? METRIC_V6 : 0,
                               .oif = s->lane[r->lane].ifindex,
                               .prefsrc = choose_src(s, r)};
}

static struct rtnl_route route_to_nowhere(const struct steer *s, const struct steer_route *r)
{
    return (struct rtnl_route){
        .dst = r->dst, .table = steer_table_of(s, r->lane), .metric = STEER_BLACKHOLE_METRIC};
}

static void route_set(struct steer *s, const struct steer_route *r)
{
    struct why why;
    const struct rtnl_route nowhere = route_to_nowhere(s, r), to_tun = steer_route_to_tun(s, r);
    // The blackhole first: there is no moment in which nothing holds the destination.
    if (rtnl_route_put(s->rtnl, &nowhere, &why) != ERR_OK) steer_complain(&why, &r->dst);
    if (rtnl_route_put(s->rtnl, &to_tun, &why) != ERR_OK) steer_complain(&why, &r->dst);
}

static void route_unset(struct steer *s, const struct steer_route *r)
{
    struct why why;
    const struct rtnl_route nowhere = route_to_nowhere(s, r), to_tun = steer_route_to_tun(s, r);
    // Not there any more: someone else, or the end of the device, was faster.
    err_t e = rtnl_route_del(s->rtnl, &to_tun, &why);
    if (e != ERR_OK && e != ERR_NOTFOUND) steer_complain(&why, &r->dst);
    e = rtnl_route_del(s->rtnl, &nowhere, &why);
    if (e != ERR_OK && e != ERR_NOTFOUND) steer_complain(&why, &r->dst);
}

static int dst_order(const void *x, const void *y)
{
    const struct steer_route *r = x, *s = y;
    const prefix_t *a = &r->dst, *b = &s->dst;
    if (r->lane != s->lane) return r->lane < s->lane ? -1 : 1;
    return a->len != b->len ? a->len - b->len : ip_cmp(&a->ip, &b->ip);
}

const struct steer_route *steer_led(const struct steer *s, const prefix_t *dst)
{
    const struct steer_route like = {.dst = *dst};
    void *const *at = tfind(&like, &s->routes, dst_order);
    return at ? *at : NULL;
}

static void route_free(void *route)
{
    struct steer_route *r = route;
    free(r->src);
    free(r);
}

// The route to dst, made if need be. NULL when out of memory.
static struct steer_route *route_get(struct steer *s, unsigned lane, const prefix_t *dst)
{
    struct steer_route *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->lane = lane;
    r->dst = *dst;
    void *const *at = tsearch(r, &s->routes, dst_order);
    struct steer_route *found = at ? *at : NULL;
    if (found != r) free(r);
    return found;
}

static void route_drop(struct steer *s, struct steer_route *r)
{
    (void)tdelete(r, &s->routes, dst_order);
    route_free(r);
}

// ---- policies ----

prefix_t steer_net_of(const prefix_t *p, uint16_t family)
{
    prefix_t net = {.ip.family = family};
    ip_t last;
    if (p->ip.family != family) return net;
    net.len = p->len;
    prefix_range(p, &net.ip, &last);
    return net;
}

static bool needs_route(const struct steer *s, const struct xfrm_policy *p, uint16_t family)
{
    bool fits = p->sel.family == family || p->sel.family == AF_UNSPEC;
    bool protects = p->action == XFRM_ALLOW && p->tmpl_count > 0;
    // What one with a mark lets pass, or not, would be led into the device by others.
    return fits && s->has[family == AF_INET6] && p->dir == XFRM_OUT &&
           (protects || steer_lane_of(s, &p->mark));
}

// ---- those that protect ----

static void add_in_family(struct steer *s, const struct xfrm_policy *p, uint16_t family)
{
    const prefix_t dst = steer_net_of(&p->sel.dst, family);
    struct steer_route *r = route_get(s, steer_lane_of(s, &p->mark), &dst);
    void *src = r ? r->src : NULL;
    if (!r || !grow(&src, r->count, &r->room, sizeof *r->src)) {
        steer_complain(&(struct why){"out of memory"}, &dst);
        if (r && r->count == 0) route_drop(s, r);
        return;
    }
    r->src = src;
    bool better = r->count == 0 || p->priority < r->priority;
    if (better) r->priority = p->priority;
    r->src[r->count++] = steer_net_of(&p->sel.src, family);
    route_set(s, r);
    if (r->lane == 0 && better) steer_aside_settle(s, &dst);
}

static void del_in_family(struct steer *s, const struct xfrm_policy *p, uint16_t family)
{
    const struct steer_route like = {
        steer_lane_of(s, &p->mark), steer_net_of(&p->sel.dst, family), 0, 0, NULL, 0};
    const prefix_t src = steer_net_of(&p->sel.src, family);
    void *const *at = tfind(&like, &s->routes, dst_order);
    struct steer_route *r = at ? *at : NULL;
    if (!r) return;
    unsigned i = 0;
    while (i < r->count && (r->src[i].len != src.len || !ip_eq(&r->src[i].ip, &src.ip))) i++;
    if (i == r->count) return;
    r->src[i] = r->src[--r->count];
    if (r->count > 0) {
        route_set(s, r);
        return;
    }
    route_unset(s, r);
    route_drop(s, r);
    steer_aside_settle(s, &like.dst);
}

// What a policy for flows names is led to us without a mark, too: it must not leave in clear if
// nobody knows its flow any more.
static struct xfrm_policy without_mark(const struct xfrm_policy *p)
{
    struct xfrm_policy any = *p;
    any.mark = (struct xfrm_mark){0};
    return any;
}

static bool is_for_flows(const struct xfrm_policy *p)
{
    return p->flags & XFRM_POLICY_FLOWS && p->mark.mask;
}

void steer_add(struct steer *s, const struct xfrm_policy *p)
{
    const struct xfrm_policy any = without_mark(p);
    for (int i = 0; i < 2; i++) {
        bool wanted = needs_route(s, p, steer_families[i]);
        if (wanted) add_in_family(s, p, steer_families[i]);
        if (wanted && is_for_flows(p)) add_in_family(s, &any, steer_families[i]);
        steer_aside_add(s, p, steer_families[i]);
    }
}

void steer_del(struct steer *s, const struct xfrm_policy *p)
{
    const struct xfrm_policy any = without_mark(p);
    for (int i = 0; i < 2; i++) {
        bool wanted = needs_route(s, p, steer_families[i]);
        if (wanted) del_in_family(s, p, steer_families[i]);
        if (wanted && is_for_flows(p)) del_in_family(s, &any, steer_families[i]);
        steer_aside_del(s, p, steer_families[i]);
    }
}

// ---- addresses that come and go ----

static void set_again(const void *node, VISIT visit, void *arg)
{
    if (visit == preorder || visit == leaf) route_set(arg, *(struct steer_route *const *)node);
}

static void on_settled(void *ctx)
{
    struct steer *s = ctx;
    if (!if_nametoindex(s->conf.tun)) return; // the device is gone; the blackholes hold
    read_addrs(s);
    twalk_r(s->routes, set_again, s);
    steer_aside_settle(s, NULL);
}

static void on_change(void *ctx, int fd, int events)
{
    (void)events;
    struct steer *s = ctx;
    rtnl_drain(fd);
    loop_timer_at(s->settle, clock_mono() + SETTLE_NS);
}

static err_t watch_addrs(struct steer *s, struct why *why)
{
    TRY(rtnl_watch(false, &s->watch_fd, why));
    s->settle = loop_timer_new(s->conf.loop, on_settled, s);
    s->watch = loop_io_new(s->conf.loop, s->watch_fd, LOOP_READ, on_change, s);
    if (!s->settle || !s->watch) return why_not(why, ERR_NOMEM, "out of memory");
    read_addrs(s);
    return ERR_OK;
}

// ---- rules ----

static struct rtnl_rule rule_of(const struct steer *s, uint16_t family)
{
    return (struct rtnl_rule){family, s->conf.table, s->conf.fwmark, STEER_PRIORITY, 0};
}

static void note_lane(void *ctx, const struct rtnl_rule *rule)
{
    struct steer *s = ctx;
    struct lane *l = &s->lane[1 + rule->table - steer_table_of(s, 1)];
    *l = (struct lane){.left = true, .mark = {rule->fwmark, rule->mask}};
    s->leftovers++;
}

static bool count_leftover(void *ctx, const prefix_t *dst)
{
    (void)dst;
    ((struct steer *)ctx)->leftovers++;
    return true;
}

static bool is_there(err_t e)
{
    return e == ERR_OK || e == ERR_EXISTS;
}

// Older kernels pass over what they do not know of a rule, which would let clear text past.
static bool knows_protocols(void)
{
    struct utsname u;
    char *end;
    if (uname(&u) != 0) return false;
    unsigned long major = strtoul(u.release, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 4 || (major == 4 && minor >= 17);
}

// A mark of the user's own must not lead packets into the device again. The mark alone could be on
// clear text as well; but nobody else makes ESP as this user, or owns the UDP port.
static struct rtnl_skip skip_of(const struct steer *s, uint16_t family, uint8_t proto,
                                uint16_t sport)
{
    return (struct rtnl_skip){.family = family,
                              .proto = proto,
                              .sport = sport,
                              .uid = s->conf.uid,
                              .table = s->conf.table,
                              .priority = STEER_SKIP,
                              .target = STEER_TARGET};
}

static err_t set_skips(struct steer *s, uint16_t family, struct why *why)
{
    const struct rtnl_skip udp = skip_of(s, family, IPPROTO_UDP, s->conf.udp_port),
                           esp = skip_of(s, family, IPPROTO_ESP, 0);
    if (!knows_protocols())
        return why_not(why, ERR_SYSTEM, "routing rules by protocol need Linux 4.17 or newer");
    err_t e = rtnl_target_add(s->rtnl, &udp, why);
    if (is_there(e)) e = rtnl_skip_add(s->rtnl, &udp, why);
    if (is_there(e)) e = rtnl_skip_add(s->rtnl, &esp, why);
    return is_there(e) ? ERR_OK : e;
}

void steer_source(struct steer *s, uint16_t family, uint16_t number, bool on)
{
    struct why why;
    const struct rtnl_skip skip = skip_of(s, family, IPPROTO_UDP, number);
    if (!s->has[family == AF_INET6]) return;
    err_t e = on ? rtnl_skip_add(s->rtnl, &skip, &why) : rtnl_skip_del(s->rtnl, &skip, &why);
    if (is_there(e) || (!on && e == ERR_NOTFOUND)) return;
    log_say(LOG_ERROR, "steer", "UDP port %u: %s; output marks may not be obeyed", number,
            why.text);
}

// The rule first, or the very same one is there: at no moment is there none.
static err_t set_rule(struct steer *s, uint16_t family, struct why *why)
{
    const struct rtnl_rule rule = rule_of(s, family);
    const struct rtnl_keep keep = {&rule, false, count_leftover, s};
    err_t e = rtnl_rule_add(s->rtnl, &rule, why);
    if (is_there(e)) e = rtnl_clean(s->rtnl, family, s->conf.table, &keep, why);
    if (e == ERR_OK) e = set_skips(s, family, why);
    const struct rtnl_tables lanes = {steer_table_of(s, 1), STEER_LANES_MAX};
    if (e == ERR_OK) e = rtnl_each_rule(s->rtnl, family, lanes, note_lane, s);
    s->has[family == AF_INET6] = e == ERR_OK;
    if (e != ERR_UNSUPPORTED) return e;
    log_say(LOG_INFO, "steer", "the kernel does not route IPv%d by rules: left out",
            family == AF_INET6 ? 6 : 4);
    return ERR_OK;
}

// ---- after a crash ----

struct wanted {
    const struct steer *steer;
    unsigned lane;
};

static bool is_wanted(void *ctx, const prefix_t *dst)
{
    const struct wanted *w = ctx;
    const struct steer_route like = {.lane = w->lane, .dst = *dst};
    if (w->lane == 0 && steer_aside_has(w->steer, dst)) return true;
    return tfind(&like, &w->steer->routes, dst_order) != NULL;
}

static void settle_lane(struct steer *s, unsigned lane)
{
    struct why why;
    struct wanted wanted = {s, lane};
    const bool used = lane == 0 || s->lane[lane].open;
    for (int i = 0; i < 2; i++) {
        const struct rtnl_rule rule =
            lane ? steer_lane_rule(s, lane, steer_families[i]) : rule_of(s, steer_families[i]);
        const struct rtnl_keep keep = {&rule, true, is_wanted, &wanted};
        if (!s->has[i]) continue;
        if (rtnl_clean(s->rtnl, steer_families[i], steer_table_of(s, lane), used ? &keep : NULL,
                       &why) != ERR_OK)
            log_say(LOG_WARN, "steer", "%s", why.text);
    }
    s->lane[lane].left = false;
}

static void on_grace(void *ctx)
{
    struct steer *s = ctx;
    for (unsigned lane = 0; lane <= STEER_LANES_MAX; lane++)
        if (lane == 0 || s->lane[lane].left) settle_lane(s, lane);
}

// Whoever protects these destinations will say so again soon; until then nothing goes there.
static err_t keep_leftovers(struct steer *s, struct why *why)
{
    if (s->leftovers == 0) return ERR_OK;
    log_say(LOG_STORY, "steer",
            "%u routes of one who died are kept for %u s, so that nothing goes there in clear "
            "before its policies are back",
            s->leftovers, s->conf.grace_s);
    s->grace = loop_timer_new(s->conf.loop, on_grace, s);
    if (!s->grace) return why_not(why, ERR_NOMEM, "out of memory");
    loop_timer_at(s->grace, clock_mono() + s->conf.grace_s * NSEC_PER_SEC);
    return ERR_OK;
}

static err_t steer_build(struct steer *s, struct why *why)
{
    s->lane[0].ifindex = if_nametoindex(s->conf.tun);
    if (!s->lane[0].ifindex)
        return why_not(why, ERR_NOTFOUND, "there is no device %s", s->conf.tun);
    TRY(rtnl_open(&s->rtnl, why));
    TRY(watch_addrs(s, why));
    for (int i = 0; i < 2; i++) TRY(set_rule(s, steer_families[i], why));
    return keep_leftovers(s, why);
}

err_t steer_new(const struct steer_conf *conf, struct steer **out, struct why *why)
{
    struct steer *s = calloc(1, sizeof *s);
    if (!s) return why_not(why, ERR_NOMEM, "out of memory");
    s->conf = *conf;
    s->watch_fd = -1;
    err_t e = steer_build(s, why);
    if (e != ERR_OK) {
        steer_free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

bool steer_has_leftovers(const struct steer *s)
{
    return s->grace != NULL;
}

static void clean_table(const struct steer *s, uint32_t table)
{
    struct why why;
    for (int i = 0; i < 2; i++) {
        if (!s->has[i]) continue;
        if (rtnl_clean(s->rtnl, steer_families[i], table, NULL, &why) != ERR_OK)
            log_say(LOG_WARN, "steer", "%s", why.text);
    }
}

static void clean_all(const struct steer *s)
{
    clean_table(s, s->conf.table);
    for (unsigned lane = 1; lane <= STEER_LANES_MAX; lane++)
        if (s->lane[lane].open || s->lane[lane].left) clean_table(s, steer_table_of(s, lane));
}

void steer_free(struct steer *s)
{
    if (!s) return;
    clean_all(s);
    loop_io_free(s->watch);
    loop_timer_free(s->settle);
    loop_timer_free(s->grace);
    if (s->watch_fd >= 0) (void)close(s->watch_fd);
    tdestroy(s->routes, route_free);
    steer_aside_free(s);
    rtnl_close(s->rtnl);
    free(s->addrs);
    free(s);
}
