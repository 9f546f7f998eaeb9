// The SPD against its definition: a list searched from end to end, by the kernel's rules. Of the
// policies that fit, the smallest priority value; among equals the one that came first; one that is
// replaced keeps its place if its priority stays. Address pools are tiny, so that selectors
// overlap.
#include "test/unit/xfrm/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "xfrm/db/selector.h"

#define MANY 600
#define ROUNDS 6000
#define LOOKS 4 // a round

struct entry {
    bool in;
    struct xfrm_policy p;
    uint64_t age;
};

struct model {
    struct entry e[MANY];
    uint64_t next_age;
};

static unsigned pick(unsigned n)
{
    return (unsigned)rand() % n;
}

// ---- the definition ----

static bool bypasses(const struct xfrm_policy *p)
{
    return p->action == XFRM_ALLOW && p->tmpl_count == 0;
}

static bool device_fits(const struct xfrm_policy *p, const struct spd_ask *ask)
{
    if (!p->sel.ifindex || (uint32_t)p->sel.ifindex == ask->device) return true;
    return !ask->device && !bypasses(p);
}

static bool fits(const struct xfrm_policy *p, const struct spd_ask *ask, const struct flow *f)
{
    if (p->dir != ask->dir || p->if_id != ask->if_id) return false;
    if ((ask->mark & p->mark.mask) != p->mark.value) return false;
    if (ask->guard) {
        bool ports = p->sel.sport_mask || p->sel.dport_mask;
        return ports && !bypasses(p) && device_fits(p, ask) && selector_match_addresses(&p->sel, f);
    }
    return device_fits(p, ask) && selector_match(&p->sel, f);
}

static uint32_t naive(const struct model *m, const struct spd_ask *ask, const struct flow *f)
{
    const struct entry *best = NULL;
    for (unsigned i = 0; i < MANY; i++) {
        const struct entry *e = &m->e[i];
        if (!e->in || !fits(&e->p, ask, f)) continue;
        bool before = !best || e->p.priority < best->p.priority ||
                      (e->p.priority == best->p.priority && e->age < best->age);
        if (before) best = e;
    }
    return best ? best->p.index : 0;
}

// ---- chance ----

static ip_t random_ip(bool v6)
{
    char text[40];
    unsigned a = pick(3), b = pick(3), c = pick(4);
    if (v6)
        (void)snprintf(text, sizeof text, "fd00:%x:%x::%x", a, b, c);
    else
        (void)snprintf(text, sizeof text, "10.%u.%u.%u", a, b, c);
    return rig_ip(text);
}

static prefix_t random_prefix(bool v6)
{
    static const uint8_t len4[] = {0, 8, 13, 16, 24, 30, 31, 32};
    static const uint8_t len6[] = {0, 16, 32, 37, 48, 126, 127, 128};
    unsigned k = pick(8);
    return (prefix_t){random_ip(v6), v6 ? len6[k] : len4[k]};
}

static uint8_t random_proto(void)
{
    static const uint8_t proto[] = {6, 17, 1};
    return proto[pick(3)];
}

static struct xfrm_policy random_policy(void)
{
    static const uint16_t port_mask[] = {0, 0, 0, 0xffff, 0xffff, 0xfffe, 0xff00, 1};
    static const uint32_t mark_mask[] = {0, 0, 0, 1, 3};
    bool v6 = pick(3) == 0;
    struct xfrm_policy p =
        rig_policy(XFRM_OUT, v6 ? "::/0" : "0.0.0.0/0", v6 ? "::/0" : "0.0.0.0/0",
                   pick(3) ? "192.0.2.1" : NULL, "192.0.2.2");
    p.dir = (uint8_t)pick(XFRM_DIRS);
    p.sel.src = random_prefix(v6);
    p.sel.dst = random_prefix(v6);
    p.sel.sport_mask = port_mask[pick(8)];
    p.sel.dport_mask = port_mask[pick(8)];
    p.sel.sport = (uint16_t)pick(3);
    p.sel.dport = (uint16_t)(pick(3) + (pick(4) == 0 ? 256 : 0));
    p.sel.proto = pick(2) ? random_proto() : 0;
    p.sel.ifindex = pick(8) == 0 ? (int32_t)pick(3) : 0;
    p.mark.mask = mark_mask[pick(5)];
    p.mark.value = pick(4) & p.mark.mask;
    p.if_id = pick(4) == 0 ? pick(3) : 0;
    p.priority = pick(8);
    p.action = pick(4) == 0 ? XFRM_BLOCK : XFRM_ALLOW;
    return p;
}

static struct flow random_flow(void)
{
    bool v6 = pick(3) == 0;
    struct flow f = {.src = random_ip(v6), .dst = random_ip(v6), .proto = random_proto()};
    f.fragment = pick(8) == 0;
    if (f.fragment) return f;
    f.sport = (uint16_t)pick(3);
    f.dport = (uint16_t)(pick(3) + (pick(4) == 0 ? 256 : 0));
    return f;
}

// ---- both at once ----

static struct entry *entry_like(struct model *m, const struct xfrm_policy *p)
{
    for (unsigned i = 0; i < MANY; i++) {
        const struct xfrm_policy *x = &m->e[i].p;
        if (m->e[i].in && x->dir == p->dir && x->if_id == p->if_id &&
            x->mark.value == p->mark.value && x->mark.mask == p->mark.mask &&
            xfrm_selector_eq(&x->sel, &p->sel))
            return &m->e[i];
    }
    return NULL;
}

static void put(struct rig *r, struct model *m, struct entry *free_entry)
{
    struct xfrm_policy p = random_policy();
    const struct entry *again = &m->e[pick(MANY)];
    if (again->in && pick(2)) p = again->p;
    p.priority = pick(8);
    struct entry *old = entry_like(m, &p);
    if (old) p.priority = pick(2) ? old->p.priority : p.priority;
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, true, NULL));
    struct entry *e = old ? old : free_entry;
    bool keeps = old && old->p.priority == p.priority;
    uint64_t age = keeps ? old->age : m->next_age++;
    p.index = r->event[0].index;
    *e = (struct entry){true, p, age};
}

static void take(struct rig *r, struct entry *e)
{
    struct xfrm_policy_id id = {.dir = e->p.dir, .index = e->p.index};
    if (pick(2)) id = (struct xfrm_policy_id){.dir = e->p.dir, .sel = e->p.sel};
    id.mark = e->p.mark;
    id.if_id = e->p.if_id;
    CHECK_OK(r->api.ops->policy_del(r->api.ctx, &id));
    e->in = false;
}

static void look(const struct rig *r, const struct model *m)
{
    struct flow f = random_flow();
    struct spd_ask ask = {.dir = pick(XFRM_DIRS),
                          .mark = pick(4),
                          .if_id = pick(4) == 0 ? pick(3) : 0,
                          .device = pick(4),
                          .guard = pick(4) == 0};
    const struct policy *p = spd_find(r->db->spd, &ask, &f);
    CHECK_EQ(p ? p->conf.index : 0, naive(m, &ask, &f));
}

static void the_same_as_the_definition(void **state)
{
    (void)state;
    static struct model m;
    struct rig *r = rig_new();
    srand(4301);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct entry *e = &m.e[pick(MANY)];
        if (!e->in)
            put(r, &m, e);
        else if (pick(3) == 0)
            take(r, e);
        rig_clear(r);
        for (unsigned i = 0; i < LOOKS; i++) look(r, &m);
        rcu_quiescent_state();
    }
    CHECK(entry_like(&m, &m.e[0].p) || !m.e[0].in);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_as_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
