#include "test/unit/netlink/fake_xfrm.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/alg.h"

void fake_init(struct fake_xfrm *f, xfrm_event_fn *fn, void *ctx)
{
    *f = (struct fake_xfrm){.now = 1700000000, .next_spi = 0xc0000001, .fn = fn, .ctx = ctx};
}

static void tell(struct fake_xfrm *f, struct xfrm_event ev)
{
    if (f->fn) f->fn(f->ctx, &ev);
}

// ---- SAs ----

static struct fake_sa **sa_find(struct fake_xfrm *f, const struct xfrm_sa_id *id)
{
    struct fake_sa **at = &f->sas;
    uint32_t mark = id->mark.value & id->mark.mask;
    for (; *at; at = &(*at)->next) {
        const struct xfrm_sa *sa = &(*at)->sa;
        if (sa->spi == id->spi && sa->proto == id->proto && ip_eq(&sa->daddr, &id->daddr) &&
            (mark & sa->mark.mask) == sa->mark.value) {
            break;
        }
    }
    return at;
}

static struct xfrm_sa_id id_of(const struct xfrm_sa *sa)
{
    return (struct xfrm_sa_id){
        .daddr = sa->daddr, .spi = sa->spi, .proto = sa->proto, .mark = sa->mark};
}

static void sa_drop(struct fake_xfrm *f, struct fake_sa **at)
{
    struct fake_sa *gone = *at;
    *at = gone->next;
    free(gone);
    f->sa_count--;
}

static err_t sa_push(struct fake_xfrm *f, const struct xfrm_sa *sa)
{
    struct fake_sa *n = f->sa_count < FAKE_MAX ? malloc(sizeof *n) : NULL;
    if (!n) return ERR_LIMIT;
    n->sa = *sa;
    n->sa.current.add_time = f->now ? f->now : clock_wall();
    n->next = f->sas;
    f->sas = n;
    f->sa_count++;
    return ERR_OK;
}

static err_t alg_check(enum alg_type type, const struct xfrm_alg *a, struct why *why)
{
    if (!a->name[0]) return ERR_OK;
    if (!alg_by_kernel(type, a->name, 0, 0)) {
        return why_not(why, ERR_ALGORITHM, "%s is not known", a->name);
    }
    if (type == ALG_INTEG) return ERR_OK; // HMAC takes any key
    const struct alg *any = alg_by_kernel(type, a->name, 0, a->icv_bits / 8);
    if (!any || a->icv_bits % 8)
        return why_not(why, ERR_ALGORITHM, "%s with ICV %u", a->name, a->icv_bits);
    uint16_t key = (uint16_t)(a->key_bits / 8);
    bool fits = key >= any->salt_len &&
                (any->key_len == 0 ||
                 alg_by_kernel(type, a->name, (uint16_t)(key - any->salt_len), a->icv_bits / 8));
    return fits ? ERR_OK : why_not(why, ERR_RANGE, "%s takes no %u-bit key", a->name, a->key_bits);
}

static err_t sa_check(const struct xfrm_sa *sa, struct why *why)
{
    if (sa->proto != XFRM_PROTO_ESP) return why_not(why, ERR_UNSUPPORTED, "only ESP");
    TRY(alg_check(ALG_ENCR, &sa->aead, why));
    TRY(alg_check(ALG_ENCR, &sa->crypt, why));
    return alg_check(ALG_INTEG, &sa->auth, why);
}

static err_t fake_sa_add(void *ctx, const struct xfrm_sa *sa, struct why *why)
{
    struct fake_xfrm *f = ctx;
    struct xfrm_sa_id id = id_of(sa);
    TRY(sa_check(sa, why));
    if (*sa_find(f, &id)) return ERR_EXISTS;
    TRY(sa_push(f, sa));
    tell(f, (struct xfrm_event){.kind = XFRM_EV_SA_NEW, .sa = &f->sas->sa});
    return ERR_OK;
}

static err_t fake_sa_update(void *ctx, const struct xfrm_sa *sa, struct why *why)
{
    struct fake_xfrm *f = ctx;
    struct xfrm_sa_id id = id_of(sa);
    TRY(sa_check(sa, why));
    struct fake_sa **at = sa_find(f, &id);
    if (!*at) return ERR_NOTFOUND;
    bool larval = (*at)->sa.larval;
    if (larval) {
        sa_drop(f, at);
        TRY(sa_push(f, sa));
        at = &f->sas;
    } else { // the kernel takes the encapsulation and the limits, not the keys
        (*at)->sa.encap = sa->encap;
        (*at)->sa.limit = sa->limit;
    }
    tell(f, (struct xfrm_event){.kind = XFRM_EV_SA_UPD, .sa = &(*at)->sa});
    return ERR_OK;
}

static err_t fake_sa_get(void *ctx, const struct xfrm_sa_id *id, struct xfrm_sa *out)
{
    struct fake_sa *sa = *sa_find(ctx, id);
    if (!sa) return ERR_NOTFOUND;
    *out = sa->sa;
    return ERR_OK;
}

static err_t fake_sa_del(void *ctx, const struct xfrm_sa_id *id)
{
    struct fake_sa **at = sa_find(ctx, id);
    if (!*at) return ERR_NOTFOUND;
    struct xfrm_sa gone = (*at)->sa;
    sa_drop(ctx, at);
    tell(ctx, (struct xfrm_event){.kind = XFRM_EV_SA_DEL, .sa = &gone});
    return ERR_OK;
}

static err_t fake_sa_flush(void *ctx, uint8_t proto)
{
    struct fake_xfrm *f = ctx;
    unsigned before = f->sa_count;
    for (struct fake_sa **at = &f->sas; *at;) {
        if (proto && proto != XFRM_PROTO_ANY && (*at)->sa.proto != proto) {
            at = &(*at)->next;
        } else {
            sa_drop(f, at);
        }
    }
    if (before == f->sa_count) return ERR_NOTFOUND;
    tell(f, (struct xfrm_event){.kind = XFRM_EV_SA_FLUSH, .proto = proto});
    return ERR_OK;
}

static err_t fake_sa_expire(void *ctx, const struct xfrm_sa_id *id, bool hard)
{
    struct fake_sa **at = sa_find(ctx, id);
    if (!*at) return ERR_NOTFOUND;
    if ((*at)->sa.larval) return ERR_STATE;
    struct xfrm_sa sa = (*at)->sa;
    if (hard) sa_drop(ctx, at);
    tell(ctx, (struct xfrm_event){.kind = XFRM_EV_EXPIRE, .hard = hard, .sa = &sa});
    return ERR_OK;
}

static err_t fake_sa_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg)
{
    struct fake_xfrm *f = ctx;
    struct fake_sa *n = f->sas;
    while (n && fn(arg, &n->sa)) n = n->next;
    return ERR_OK;
}

// What the kernel makes of an SA that only has its addresses and an SPI yet.
static struct xfrm_sa larval(const struct xfrm_sa *like)
{
    struct xfrm_sa sa = {
        .saddr = like->saddr,
        .daddr = like->daddr,
        .family = like->family,
        .proto = like->proto,
        .mode = like->mode,
        .reqid = like->reqid,
        .seq = like->seq,
        .mark = like->mark,
        .if_id = like->if_id,
        .pcpu = UINT32_MAX,
        .larval = true,
        .limit.hard_add_s = 30,
    };
    xfrm_selector_any(&sa.sel, like->family);
    sa.sel.src = (prefix_t){like->saddr, (uint8_t)ip_bits(like->family)};
    sa.sel.dst = (prefix_t){like->daddr, (uint8_t)ip_bits(like->family)};
    sa.limit.soft_bytes = sa.limit.hard_bytes = XFRM_INF;
    sa.limit.soft_packets = sa.limit.hard_packets = XFRM_INF;
    return sa;
}

static err_t fake_sa_alloc_spi(void *ctx, const struct xfrm_sa *like, uint32_t min, uint32_t max,
                               struct xfrm_sa *out, struct why *why)
{
    struct fake_xfrm *f = ctx;
    (void)why;
    struct xfrm_sa sa = larval(like);
    sa.spi = f->next_spi >= min && f->next_spi <= max ? f->next_spi++ : min;
    struct xfrm_sa_id id = id_of(&sa);
    if (*sa_find(f, &id)) return ERR_NOTFOUND;
    TRY(sa_push(f, &sa));
    *out = f->sas->sa;
    return ERR_OK;
}

// ---- policies ----

static bool policy_is(const struct xfrm_policy *p, const struct xfrm_policy_id *id)
{
    if (p->dir != id->dir || p->type != id->type || p->if_id != id->if_id) return false;
    if (id->index) return p->index == id->index;
    return p->mark.value == id->mark.value && p->mark.mask == id->mark.mask &&
           xfrm_selector_eq(&p->sel, &id->sel);
}

static struct fake_policy **policy_find(struct fake_xfrm *f, const struct xfrm_policy_id *id)
{
    struct fake_policy **at = &f->policies;
    while (*at && !policy_is(&(*at)->policy, id)) at = &(*at)->next;
    return at;
}

static void policy_drop(struct fake_xfrm *f, struct fake_policy **at)
{
    struct fake_policy *gone = *at;
    *at = gone->next;
    free(gone);
    f->policy_count--;
}

static err_t fake_policy_add(void *ctx, const struct xfrm_policy *p, bool update, struct why *why)
{
    struct fake_xfrm *f = ctx;
    (void)why;
    struct xfrm_policy_id id = {
        .dir = p->dir, .type = p->type, .sel = p->sel, .mark = p->mark, .if_id = p->if_id};
    struct fake_policy **old = policy_find(f, &id);
    if (*old && !update) return ERR_EXISTS;
    struct fake_policy *n = f->policy_count < FAKE_MAX ? malloc(sizeof *n) : NULL;
    if (!n) return ERR_LIMIT;
    n->policy = *p;
    if (!p->index) n->policy.index = *old ? (*old)->policy.index : (f->next_index += 8) | p->dir;
    n->policy.current.add_time = f->now ? f->now : clock_wall();
    if (*old) policy_drop(f, old);
    n->next = f->policies;
    f->policies = n;
    f->policy_count++;
    tell(f, (struct xfrm_event){.kind = update ? XFRM_EV_POL_UPD : XFRM_EV_POL_NEW,
                                .policy = &n->policy});
    return ERR_OK;
}

static err_t fake_policy_get(void *ctx, const struct xfrm_policy_id *id, struct xfrm_policy *out)
{
    struct fake_policy *p = *policy_find(ctx, id);
    if (!p) return ERR_NOTFOUND;
    *out = p->policy;
    return ERR_OK;
}

static err_t fake_policy_del(void *ctx, const struct xfrm_policy_id *id)
{
    struct fake_policy **at = policy_find(ctx, id);
    if (!*at) return ERR_NOTFOUND;
    struct xfrm_policy gone = (*at)->policy;
    policy_drop(ctx, at);
    tell(ctx, (struct xfrm_event){.kind = XFRM_EV_POL_DEL, .policy = &gone});
    return ERR_OK;
}

static err_t fake_policy_flush(void *ctx, uint8_t type)
{
    struct fake_xfrm *f = ctx;
    struct xfrm_policy all = {.type = type};
    for (struct fake_policy **at = &f->policies; *at;) {
        if ((*at)->policy.type != type) {
            at = &(*at)->next;
        } else {
            policy_drop(f, at);
        }
    }
    tell(f, (struct xfrm_event){.kind = XFRM_EV_POL_FLUSH, .policy = &all});
    return ERR_OK;
}

static err_t fake_policy_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p),
                              void *arg)
{
    struct fake_xfrm *f = ctx;
    struct fake_policy *n = f->policies;
    while (n && fn(arg, &n->policy)) n = n->next;
    return ERR_OK;
}

// ---- what is only passed on ----

static err_t fake_sa_set_ae(void *ctx, const struct xfrm_ae *ae, struct why *why)
{
    struct fake_sa *sa = *sa_find(ctx, &ae->id);
    if (!sa) return why_not(why, ERR_NOTFOUND, "no such SA");
    if (ae->replay_given) sa->sa.replay.in_seq = ae->replay.in_seq;
    tell(ctx, (struct xfrm_event){.kind = XFRM_EV_AE, .sa = &sa->sa, .cause = XFRM_AE_BY_CLIENT});
    return ERR_OK;
}

static err_t fake_migrate(void *ctx, const struct xfrm_migrate *m, struct why *why)
{
    struct fake_xfrm *f = ctx;
    if (!f->policies) return why_not(why, ERR_NOTFOUND, "no such policy");
    if (m->move[0].reqid == 99) return why_not(why, ERR_NOCHOICE, "nothing moves");
    tell(f, (struct xfrm_event){.kind = XFRM_EV_MIGRATE, .migrate = m});
    return ERR_OK;
}

static err_t fake_defaults_set(void *ctx, const uint8_t actions[XFRM_DIRS])
{
    struct fake_xfrm *f = ctx;
    struct xfrm_event ev = {.kind = XFRM_EV_DEFAULT};
    memcpy(f->defaults, actions, XFRM_DIRS);
    memcpy(ev.defaults, actions, XFRM_DIRS);
    tell(f, ev);
    return ERR_OK;
}

static err_t fake_defaults_get(void *ctx, uint8_t actions[XFRM_DIRS])
{
    const struct fake_xfrm *f = ctx;
    memcpy(actions, f->defaults, XFRM_DIRS);
    return ERR_OK;
}

static err_t fake_counts(void *ctx, struct xfrm_counts *out)
{
    struct fake_xfrm *f = ctx;
    *out = (struct xfrm_counts){.sa_count = f->sa_count,
                                .sa_hash_count = 8,
                                .sa_hash_max = 1048576,
                                .policy_hash_count = 8,
                                .policy_hash_max = 1048576};
    for (struct fake_policy *n = f->policies; n; n = n->next) out->policies[n->policy.dir]++;
    return ERR_OK;
}

static const struct xfrm_ops ops = {
    .sa_alloc_spi = fake_sa_alloc_spi,
    .sa_add = fake_sa_add,
    .sa_update = fake_sa_update,
    .sa_get = fake_sa_get,
    .sa_del = fake_sa_del,
    .sa_flush = fake_sa_flush,
    .sa_expire = fake_sa_expire,
    .sa_each = fake_sa_each,
    .policy_add = fake_policy_add,
    .policy_get = fake_policy_get,
    .policy_del = fake_policy_del,
    .policy_flush = fake_policy_flush,
    .policy_each = fake_policy_each,
    .sa_set_ae = fake_sa_set_ae,
    .migrate = fake_migrate,
    .defaults_set = fake_defaults_set,
    .defaults_get = fake_defaults_get,
    .counts = fake_counts,
};

struct xfrm_api fake_api(struct fake_xfrm *f)
{
    return (struct xfrm_api){&ops, f};
}

void fake_done(struct fake_xfrm *f)
{
    while (f->sas) sa_drop(f, &f->sas);
    while (f->policies) policy_drop(f, &f->policies);
}
