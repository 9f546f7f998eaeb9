#include "daemon/marks.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/connmark.h"
#include "daemon/guard_nft.h"
#include "daemon/sources.h"

#define ALL_BITS UINT32_MAX
#define SUFFIX_MAX 3 // "-64"
#define REMOVE "add table inet " MARKS_TABLE "\ndelete table inet " MARKS_TABLE "\n"

// One mark with its device; its place is the lane's number (steer.h).
struct marked {
    bool open;
    struct xfrm_mark mark;
    unsigned leads; // policies that are about it
    unsigned given; // SAs that set it
    unsigned flows; // policies that are about flows that came in with it
    bool gives;     // the host gives it to what comes: it stays so until the device goes
    char name[IFNAMSIZ];
    struct port *port[WORKERS_MAX];
};

#define FORMER_MAX 64 // the latest; flows of others wait until conntrack has forgotten them

struct marks {
    struct marks_conf conf;
    struct xfrm_mark former[FORMER_MAX]; // flows may still have them
    unsigned formers;                    // ever; the next one's place is that modulo FORMER_MAX
    struct marked all[1 + STEER_LANES_MAX];
    bool idle; // there may be one that nobody needs
    bool table;
    bool lost; // the table, by somebody else, and it could not be put in again
};

// ---- the mark of what is given to the host ----

static bool is_there(const struct marks *m, const struct xfrm_mark *mark)
{
    for (unsigned i = 1; i <= STEER_LANES_MAX; i++) {
        const struct marked *one = &m->all[i];
        bool same = one->mark.value == mark->value && one->mark.mask == mark->mask;
        if (same && one->open && one->flows > 0) return true;
    }
    return false;
}

static void write_flows(const struct marks *m, struct text *script)
{
    struct connmark all[STEER_LANES_MAX + FORMER_MAX];
    unsigned n = 0;
    for (unsigned i = 1; i <= STEER_LANES_MAX; i++) {
        const struct marked *one = &m->all[i];
        if (!one->open || (!one->gives && one->flows == 0)) continue;
        all[n++] =
            (struct connmark){one->mark, one->gives ? one->name : NULL, one->flows > 0, false};
    }
    for (unsigned i = 0; i < m->formers && i < FORMER_MAX; i++) {
        if (!is_there(m, &m->former[i]))
            all[n++] = (struct connmark){m->former[i], NULL, true, true};
    }
    connmark_rules(all, n, script);
}

static err_t write_table(struct marks *m, struct why *why)
{
    AUTO(text) struct text script = {0};
    bool any = false;
    text_add(&script, REMOVE "table inet " MARKS_TABLE " {\n chain prerouting {\n"
                             "  type filter hook prerouting priority -310; policy accept;\n");
    for (unsigned i = 1; i <= STEER_LANES_MAX; i++) {
        const struct marked *one = &m->all[i];
        any |= one->open && one->flows > 0;
        if (!one->open || !one->gives) continue;
        text_add(&script, "  iifname \"%s\" meta mark set 0x%x\n", one->name, one->mark.value);
        any = true;
    }
    text_add(&script, " }\n");
    write_flows(m, &script);
    text_add(&script, "}\n");
    if (!any && !m->table) return ERR_OK;
    TRY(guard_nft_run(any ? text_str(&script) : REMOVE, why));
    m->table = any;
    return ERR_OK;
}

static err_t give(struct marks *m, struct marked *one, struct why *why)
{
    struct why nft;
    if (one->gives) return ERR_OK;
    one->gives = true;
    err_t e = write_table(m, &nft);
    if (e == ERR_OK) return ERR_OK;
    one->gives = false;
    return why_not(why, e, "packets cannot be marked 0x%x: %.120s", one->mark.value, nft.text);
}

// ---- devices ----

static void close_ports(const struct marks *m, struct marked *one)
{
    for (unsigned i = 0; i < m->conf.options->workers; i++) {
        if (one->port[i]) one->port[i]->ops->free(one->port[i]);
        one->port[i] = NULL;
    }
}

static err_t open_device(const struct marks *m, struct marked *one, struct why *why)
{
    const struct xfrmd_options *o = m->conf.options;
    if (if_nametoindex(one->name))
        return why_not(why, ERR_EXISTS, "there is a device %s already", one->name);
    TRY(tun_open(one->name, o->mtu, o->workers, one->port, why));
    for (unsigned i = 0; i < o->workers; i++) one->port[i]->mark = one->mark.value;
    err_t e = engine_mark_add(m->conf.engine, one->port, one->mark.mask == ALL_BITS);
    if (e == ERR_OK) return ERR_OK;
    close_ports(m, one);
    return why_not(why, e, "device %s: %s", one->name, err_text(e));
}

static void close_device(const struct marks *m, struct marked *one)
{
    engine_mark_remove(m->conf.engine, one->port);
    close_ports(m, one);
}

// The guard knows the device before a packet can come by it.
static err_t open_mark(struct marks *m, const struct xfrm_mark *mark, struct marked **out,
                       struct why *why)
{
    unsigned lane;
    TRY(steer_lane_find(m->conf.steer, mark, &lane, why));
    struct marked *one = &m->all[lane];
    *one = (struct marked){.mark = *mark};
    (void)snprintf(one->name, sizeof one->name, "%.*s-%u", IFNAMSIZ - 1 - SUFFIX_MAX,
                   m->conf.options->tun, lane);
    TRY(open_device(m, one, why));
    guard_device(m->conf.guard, one->name, true);
    err_t e = steer_lane_open(m->conf.steer, lane, mark, if_nametoindex(one->name), why);
    if (e != ERR_OK) {
        guard_device(m->conf.guard, one->name, false);
        close_device(m, one);
        return e;
    }
    one->open = true;
    *out = one;
    log_say(LOG_INFO, "marks", "mark 0x%x/0x%x: device %s", mark->value, mark->mask, one->name);
    return ERR_OK;
}

static void close_mark(struct marks *m, unsigned lane)
{
    struct marked *one = &m->all[lane];
    struct why why;
    steer_lane_close(m->conf.steer, lane);
    close_device(m, one);
    guard_device(m->conf.guard, one->name, false);
    bool gave = one->gives;
    *one = (struct marked){0};
    if (gave && write_table(m, &why) != ERR_OK) log_say(LOG_WARN, "marks", "%s", why.text);
}

// ---- who needs them ----

static struct marked *find(struct marks *m, const struct xfrm_mark *mark)
{
    for (unsigned i = 1; i <= STEER_LANES_MAX; i++) {
        struct marked *one = &m->all[i];
        if (one->open && one->mark.value == mark->value && one->mark.mask == mark->mask) return one;
    }
    return NULL;
}

static err_t get(struct marks *m, const struct xfrm_mark *mark, struct marked **out,
                 struct why *why)
{
    *out = find(m, mark);
    return *out ? ERR_OK : open_mark(m, mark, out, why);
}

// A packet that has both marks would come by one device, and no policy for the other mark would
// see it.
static err_t check_apart(const struct marks *m, const struct xfrm_mark *mark, struct why *why)
{
    for (unsigned i = 1; i <= STEER_LANES_MAX; i++) {
        const struct xfrm_mark *x = &m->all[i].mark;
        bool same = x->value == mark->value && x->mask == mark->mask;
        bool apart = ((x->value ^ mark->value) & x->mask & mark->mask) != 0;
        if (m->all[i].leads == 0 || same || apart) continue;
        return why_not(why, ERR_RANGE,
                       "mark 0x%x/0x%x: a packet could have it and 0x%x/0x%x, which other policies "
                       "name; give both one mask",
                       mark->value, mark->mask, x->value, x->mask);
    }
    return ERR_OK;
}

static err_t flows_add(struct marks *m, struct marked *one, struct why *why)
{
    struct why nft;
    if (one->flows++ > 0) return ERR_OK;
    err_t e = write_table(m, &nft);
    if (e == ERR_OK) return ERR_OK;
    one->flows--;
    return why_not(why, e, "flows cannot be remembered by their mark: %.120s", nft.text);
}

static bool is_former(const struct marks *m, const struct xfrm_mark *mark)
{
    unsigned i = 0, n = m->formers < FORMER_MAX ? m->formers : FORMER_MAX;
    while (i < n && (m->former[i].value != mark->value || m->former[i].mask != mark->mask)) i++;
    return i < n;
}

static void flows_drop(struct marks *m, struct marked *one)
{
    struct why why;
    if (--one->flows > 0) return;
    if (!is_former(m, &one->mark)) m->former[m->formers++ % FORMER_MAX] = one->mark;
    if (write_table(m, &why) != ERR_OK) log_say(LOG_WARN, "marks", "%s", why.text);
}

static err_t on_lead(void *ctx, const struct xfrm_policy *p, struct why *why)
{
    struct marks *m = ctx;
    struct marked *one;
    TRY(check_apart(m, &p->mark, why));
    TRY(get(m, &p->mark, &one, why));
    m->idle = true; // if the flows cannot be had
    if (p->flags & XFRM_POLICY_FLOWS) TRY(flows_add(m, one, why));
    one->leads++;
    return ERR_OK;
}

static void on_unlead(void *ctx, const struct xfrm_policy *p)
{
    struct marks *m = ctx;
    struct marked *one = find(m, &p->mark);
    m->idle = true;
    if (!one) return;
    one->leads--;
    if (p->flags & XFRM_POLICY_FLOWS) flows_drop(m, one);
}

static bool is_inbound(const struct xfrm_sa *x)
{
    return x->dir == XFRM_SA_IN || (x->dir != XFRM_SA_OUT && sources_is_ours(&x->daddr));
}

static err_t on_give(void *ctx, const struct xfrm_sa *x, uint32_t value, struct why *why)
{
    struct marks *m = ctx;
    struct marked *one;
    const struct xfrm_mark mark = {value, ALL_BITS};
    if (!is_inbound(x)) return ERR_NOTFOUND;
    TRY(get(m, &mark, &one, why));
    m->idle = true; // if it cannot be given
    TRY(give(m, one, why));
    one->given++;
    return ERR_OK;
}

static void on_ungive(void *ctx, uint32_t value)
{
    struct marks *m = ctx;
    struct marked *one = find(m, &(struct xfrm_mark){value, ALL_BITS});
    if (one) one->given--;
    m->idle = true;
}

const struct control_marks marks_control = {on_lead, on_give, on_unlead, on_ungive, NULL};

void marks_restore(struct marks *m)
{
    struct why why;
    if (!m->table) return;
    m->lost = write_table(m, &why) != ERR_OK;
    if (m->lost) log_say(LOG_WARN, "marks", "%s", why.text);
}

void marks_tend(struct marks *m)
{
    if (m->lost) marks_restore(m);
    if (!m->idle) return;
    m->idle = false;
    for (unsigned lane = 1; lane <= STEER_LANES_MAX; lane++) {
        const struct marked *one = &m->all[lane];
        if (one->open && one->leads + one->given == 0) close_mark(m, lane);
    }
}

// ---- life ----

struct marks *marks_new(const struct marks_conf *conf)
{
    struct why why;
    struct marks *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->conf = *conf;
    if (guard_nft_run(REMOVE, &why) != ERR_OK)
        log_say(LOG_DEBUG, "marks", "nftables not cleaned: %s", why.text);
    return m;
}

void marks_free(struct marks *m)
{
    if (!m) return;
    for (unsigned lane = 1; lane <= STEER_LANES_MAX; lane++)
        if (m->all[lane].open) close_mark(m, lane);
    free(m);
}

static json_t *one_json(const struct marks *m, const struct marked *one)
{
    struct port_counts sum = {0};
    char mark[32];
    (void)snprintf(mark, sizeof mark, "0x%x/0x%x", one->mark.value, one->mark.mask);
    for (unsigned i = 0; i < m->conf.options->workers; i++)
        xfrmd_ports_add_counts(one->port[i], &sum);
    return json_pack("{s:s, s:s, s:I, s:I}", "mark", mark, "device", one->name, "packets_out",
                     (json_int_t)sum.packets_in, "packets_in", (json_int_t)sum.packets_out);
}

json_t *marks_json(const struct marks *m)
{
    json_t *all = json_array();
    for (unsigned i = 1; all && i <= STEER_LANES_MAX; i++)
        if (m->all[i].open) (void)json_array_append_new(all, one_json(m, &m->all[i]));
    return all;
}
