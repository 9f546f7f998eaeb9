// steer_lane.c - lanes: packets that policies with a mark are about have a rule, a table and a
// device of their own.
#include "base/log.h"
#include "daemon/steer_part.h"

uint32_t steer_table_of(const struct steer *s, unsigned lane)
{
    if (lane == 0) return s->conf.table;
    return STEER_LANE_TABLES + s->conf.table * STEER_LANES_MAX + lane - 1;
}

static bool same_mark(const struct xfrm_mark *a, const struct xfrm_mark *b)
{
    return a->value == b->value && a->mask == b->mask;
}

// 0: there is none.
unsigned steer_lane_of(const struct steer *s, const struct xfrm_mark *mark)
{
    unsigned lane = STEER_LANES_MAX;
    while (lane > 0 && !(s->lane[lane].open && same_mark(&s->lane[lane].mark, mark))) lane--;
    return lane;
}

err_t steer_lane_find(const struct steer *s, const struct xfrm_mark *mark, unsigned *lane,
                      struct why *why)
{
    unsigned found = 0;
    if ((s->conf.fwmark & mark->mask) == mark->value) {
        return why_not(why, ERR_RANGE,
                       "mark 0x%x/0x%x: the executor's own packets (--fwmark 0x%x) have it, too",
                       mark->value, mark->mask, s->conf.fwmark);
    }
    for (unsigned i = STEER_LANES_MAX; i > 0; i--) {
        const struct lane *l = &s->lane[i];
        if (l->open || (l->left && !same_mark(&l->mark, mark))) continue;
        if (!found || !s->lane[found].left) found = i;
    }
    *lane = found;
    if (found) return ERR_OK;
    return why_not(why, ERR_LIMIT, "mark 0x%x/0x%x: policies and SAs have %u other marks already",
                   mark->value, mark->mask, STEER_LANES_MAX);
}

struct rtnl_rule steer_lane_rule(const struct steer *s, unsigned lane, uint16_t family)
{
    const struct xfrm_mark *mark = &s->lane[lane].mark;
    return (struct rtnl_rule){family, steer_table_of(s, lane), mark->value, STEER_MARK, mark->mask};
}

err_t steer_lane_open(struct steer *s, unsigned lane, const struct xfrm_mark *mark,
                      uint32_t ifindex, struct why *why)
{
    struct lane *l = &s->lane[lane];
    err_t e = ERR_OK;
    l->mark = *mark;
    l->ifindex = ifindex;
    l->open = true;
    for (int i = 0; i < 2 && e == ERR_OK; i++) {
        const struct rtnl_rule rule = steer_lane_rule(s, lane, steer_families[i]);
        if (s->has[i]) e = rtnl_rule_add(s->rtnl, &rule, why);
        if (e == ERR_EXISTS) e = ERR_OK; // of one who died
    }
    if (e != ERR_OK) steer_lane_close(s, lane);
    return e;
}

void steer_lane_close(struct steer *s, unsigned lane)
{
    struct why why;
    for (int i = 0; i < 2; i++) {
        const struct rtnl_rule rule = steer_lane_rule(s, lane, steer_families[i]);
        if (!s->has[i]) continue;
        err_t e = rtnl_rule_del(s->rtnl, &rule, &why);
        if (e != ERR_OK && e != ERR_NOTFOUND) log_say(LOG_WARN, "steer", "%s", why.text);
    }
    s->lane[lane].open = false;
}
