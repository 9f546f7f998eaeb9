// control_policy.c - requests about policies, answered as net/xfrm/xfrm_policy.c would.
#include "base/rcu.h"
#include "xfrm/control_part.h"
#include "xfrm/db/counter.h"

#define SHARE_MAX 3  // XFRM_SHARE_UNIQUE
#define INDEX_STEP 8 // the lower three bits of an index are the direction
#define HASH_MIN 8   // what the kernel's tables start with, for GETSADINFO and GETSPDINFO
#define HASH_MAX 0x100000

// ---- what the kernel checks in verify_newpolicy_info() and validate_tmpl() ----

static err_t check_selector(const struct xfrm_selector *s, struct why *why)
{
    unsigned bits = ip_bits(s->family);
    if (bits == 0) return why_not(why, ERR_RANGE, "selector: the address family must be given");
    if (s->src.len > bits || s->dst.len > bits) {
        return why_not(why, ERR_RANGE, "selector: a prefix is longer than its address");
    }
    return ERR_OK;
}

static err_t check_mode(const struct xfrm_policy *p, const struct xfrm_tmpl *t, struct why *why)
{
    switch (t->mode) {
    case XFRM_TRANSPORT:
    case XFRM_TUNNEL:
    case XFRM_BEET:
        return ERR_OK;
    case XFRM_IPTFS:
        // what leaves is not the policy's packets: nothing around it could be chosen by them
        if (p->tmpl_count == 1 && t->proto == XFRM_PROTO_ESP) return ERR_OK;
        return why_not(why, ERR_RANGE, "template: mode iptfs is for ESP, and stands alone");
    default:
        return why_not(why, ERR_RANGE, "template: unknown mode %u", t->mode);
    }
}

// `before`: the family of what this template is put around.
static err_t check_tmpl(const struct xfrm_policy *p, const struct xfrm_tmpl *t, uint16_t before,
                        struct why *why)
{
    if (!ip_len(t->family)) return why_not(why, ERR_RANGE, "template: unknown address family");
    if (t->proto != XFRM_PROTO_ESP && t->proto != XFRM_PROTO_AH && t->proto != XFRM_PROTO_COMP) {
        return why_not(why, ERR_RANGE, "template: %u is no IPsec protocol", t->proto);
    }
    TRY(check_mode(p, t, why));
    if (t->mode == XFRM_TRANSPORT && t->family != before) {
        return why_not(why, ERR_RANGE, "template: transport mode cannot change the address family");
    }
    if (t->optional && p->dir == XFRM_OUT && t->mode != XFRM_TRANSPORT) {
        return why_not(why, ERR_RANGE, "an outbound tunnel template cannot be optional");
    }
    return ERR_OK;
}

static err_t check_tmpls(const struct xfrm_policy *p, struct why *why)
{
    uint16_t before = p->sel.family;
    if (p->tmpl_count > XFRM_TMPL_MAX) {
        return why_not(why, ERR_RANGE, "%u templates are more than %u", p->tmpl_count,
                       XFRM_TMPL_MAX);
    }
    for (unsigned i = 0; i < p->tmpl_count; i++) {
        TRY(check_tmpl(p, &p->tmpl[i], before, why));
        before = p->tmpl[i].family;
    }
    return ERR_OK;
}

static err_t check(const struct xfrm_policy *p, struct why *why)
{
    if (p->dir >= XFRM_DIRS) return why_not(why, ERR_RANGE, "unknown direction %u", p->dir);
    if (p->action > XFRM_BLOCK) return why_not(why, ERR_RANGE, "unknown action %u", p->action);
    if (p->share > SHARE_MAX) return why_not(why, ERR_RANGE, "unknown share level %u", p->share);
    if (p->type > XFRM_TYPE_SUB)
        return why_not(why, ERR_RANGE, "policy type %u is neither main nor sub", p->type);
    if (p->index && p->index % INDEX_STEP != p->dir) {
        return why_not(why, ERR_RANGE, "index %u does not belong to this direction", p->index);
    }
    TRY(check_selector(&p->sel, why));
    return check_tmpls(p, why);
}

// ---- index ----

// The wanted one if it is free, else the next of this direction that is.
static uint32_t index_choose(struct control *c, uint8_t dir, uint32_t wanted)
{
    uint32_t index = wanted;
    while (index == 0 || spd_has_index(c->db->spd, index)) {
        index = c->next_index | dir;
        c->next_index += INDEX_STEP;
        if (index == 0) index = INDEX_STEP; // as the kernel: 0 would mean: none
        if (!spd_has_index(c->db->spd, index)) break;
        index = 0;
    }
    return index;
}

// ---- requests ----

static struct xfrm_policy_id id_of(const struct xfrm_policy *p)
{
    return (struct xfrm_policy_id){
        .dir = p->dir, .type = p->type, .sel = p->sel, .mark = p->mark, .if_id = p->if_id};
}

void control_policy_remove(struct control *c, struct policy *p)
{
    control_policy_unwatch(c, p);
    cursor_leave(&c->policy_cursor, &p->all);
    control_policy_release(c, &p->conf);
    spd_del(c->db->spd, p);
    policy_free(p, sad_lanes(c->db->sad));
    db_changed(c->db);
}

// Puts the new policy in and takes the old one out: at no moment is there none.
static err_t enter(struct control *c, const struct xfrm_policy *conf, struct policy *old,
                   struct policy **out)
{
    struct policy *p = policy_new(conf, sad_lanes(c->db->sad));
    if (!p) return ERR_NOMEM;
    if (conf->tmpl_count > 1) db_note_bundle(c->db);
    p->add_time = control_wall(c);
    p->made_mono = control_mono(c);
    err_t e = spd_add(c->db->spd, p, old);
    if (e != ERR_OK) {
        policy_free(p, sad_lanes(c->db->sad));
        return e;
    }
    if (old) control_policy_remove(c, old);
    control_policy_watch(c, p);
    db_changed(c->db);
    *out = p;
    return ERR_OK;
}

err_t control_policy_move(struct control *c, struct policy *p, const struct xfrm_policy *conf)
{
    struct policy *fresh = policy_new(conf, sad_lanes(c->db->sad));
    if (!fresh) return ERR_NOMEM;
    err_t e = control_policy_hold(c, conf, NULL);
    if (e == ERR_OK) {
        e = spd_take_place(c->db->spd, p, fresh);
        if (e != ERR_OK) control_policy_release(c, conf);
    }
    if (e != ERR_OK) {
        policy_free(fresh, sad_lanes(c->db->sad));
        return e;
    }
    fresh->add_time = p->add_time;
    fresh->made_mono = p->made_mono;
    uint64_t use_time = count_get(&p->use_time);
    if (use_time) policy_touch(fresh, use_time, count_get(&p->used_mono));
    control_policy_remove(c, p);
    control_policy_watch(c, fresh);
    return ERR_OK;
}

static uint32_t policies(const struct control *c)
{
    uint32_t n = 0;
    for (unsigned dir = 0; dir < XFRM_DIRS; dir++) n += spd_count(c->db->spd, dir);
    return n;
}

err_t control_policy_add(void *ctx, const struct xfrm_policy *p, bool update, struct why *why)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    struct xfrm_policy own = *p;
    for (unsigned i = 0; i < own.tmpl_count && i < XFRM_TMPL_MAX; i++) {
        if (own.tmpl[i].family == AF_UNSPEC) own.tmpl[i].family = own.sel.family;
    }
    TRY(check(&own, why));
    struct xfrm_policy_id id = id_of(&own);
    struct policy *fresh, *old = spd_get(c->db->spd, &id);
    if (old && !update) return why_not(why, ERR_EXISTS, "a policy with this selector exists");
    if (!old && policies(c) >= CONTROL_POLICY_MAX) {
        return why_not(why, ERR_LIMIT, "there are %u policies already", CONTROL_POLICY_MAX);
    }
    own.index = old ? old->conf.index : index_choose(c, own.dir, own.index);
    TRY(control_policy_hold(c, &own, why));
    err_t e = enter(c, &own, old, &fresh);
    if (e != ERR_OK) {
        control_policy_release(c, &own);
        return e;
    }
    control_tell_policy(c, update ? XFRM_EV_POL_UPD : XFRM_EV_POL_NEW, fresh, false);
    return ERR_OK;
}

err_t control_policy_get(void *ctx, const struct xfrm_policy_id *id, struct xfrm_policy *out)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    struct policy *p = spd_get(c->db->spd, id);
    if (!p) return ERR_NOTFOUND;
    policy_snapshot(p, out);
    return ERR_OK;
}

err_t control_policy_del(void *ctx, const struct xfrm_policy_id *id)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    struct policy *p = spd_get(c->db->spd, id);
    if (!p) return ERR_NOTFOUND;
    control_tell_policy(c, XFRM_EV_POL_DEL, p, false);
    control_policy_remove(c, p);
    return ERR_OK;
}

err_t control_policy_flush(void *ctx, uint8_t type)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    struct policy *p, *next;
    bool any = false;
    cds_list_for_each_entry_safe(p, next, spd_all(c->db->spd), all)
    {
        if (p->conf.type != type) continue;
        control_policy_remove(c, p);
        any = true;
    }
    const struct xfrm_policy told = {.type = type};
    if (any) c->fn(c->ctx, &(struct xfrm_event){.kind = XFRM_EV_POL_FLUSH, .policy = &told});
    return ERR_OK;
}

err_t control_policy_each_from(void *ctx, uint64_t skip,
                               bool (*fn)(void *arg, const struct xfrm_policy *p), void *arg)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    struct xfrm_policy x;
    struct cursor *cur = &c->policy_cursor;
    struct cds_list_head *all = spd_all(c->db->spd);
    for (cursor_seek(cur, all, skip); cur->at != all; cursor_step(cur)) {
        policy_snapshot(caa_container_of(cur->at, struct policy, all), &x);
        if (!fn(arg, &x)) break;
    }
    return ERR_OK;
}

err_t control_policy_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p), void *arg)
{
    return control_policy_each_from(ctx, 0, fn, arg);
}

// ---- the vtable ----

static uint32_t hash_size(uint32_t entries)
{
    uint32_t size = HASH_MIN;
    while (size < entries && size < HASH_MAX) size *= 2;
    return size;
}

static err_t counts(void *ctx, struct xfrm_counts *out)
{
    const struct control *c = ctx;
    *out = (struct xfrm_counts){
        .sa_count = sad_count(c->db->sad),
        .sa_hash_count = hash_size(sad_count(c->db->sad)),
        .sa_hash_max = HASH_MAX,
        .policy_hash_count = hash_size(policies(c)) - 1, // the kernel shows the mask
        .policy_hash_max = HASH_MAX,
    };
    for (unsigned dir = 0; dir < XFRM_DIRS; dir++) out->policies[dir] = spd_count(c->db->spd, dir);
    return ERR_OK;
}

const struct xfrm_ops control_ops = {
    .sa_alloc_spi = control_sa_alloc_spi,
    .sa_add = control_sa_add,
    .sa_update = control_sa_update,
    .sa_get = control_sa_get,
    .sa_del = control_sa_del,
    .sa_flush = control_sa_flush,
    .sa_expire = control_sa_expire,
    .sa_each = control_sa_each,
    .sa_each_from = control_sa_each_from,
    .policy_add = control_policy_add,
    .policy_get = control_policy_get,
    .policy_del = control_policy_del,
    .policy_flush = control_policy_flush,
    .policy_each = control_policy_each,
    .sa_set_ae = control_sa_set_ae,
    .migrate = control_migrate,
    .defaults_set = control_defaults_set,
    .defaults_get = control_defaults_get,
    .policy_each_from = control_policy_each_from,
    .counts = counts,
};

struct xfrm_api control_api(struct control *c)
{
    return (struct xfrm_api){&control_ops, c};
}
