// control_sa.c - requests about SAs, answered as net/xfrm/xfrm_state.c would.
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "crypto/rng.h"
#include "xfrm/control_part.h"
#include "xfrm/db/sa_alg.h"

#define SPI_TRIES 64 // random tries before the range is searched in order

// The larval SA that x answers: of its sequence number, else of its kind.
static struct sa *larval_answered(const struct control *c, const struct xfrm_sa *x)
{
    struct sa *sa = x->seq ? sad_larval_of(c->db->sad, x) : NULL;
    return sa ? sa : sad_larval_like(c->db->sad, x);
}

static struct sa *find(const struct control *c, const struct xfrm_sa *x)
{
    if (x->spi == 0) return NULL;
    struct xfrm_sa_id id = sad_id(x);
    return sad_get(c->db->sad, &id);
}

// ---- enter and remove ----

// Counters start at zero and the selector gets the outer family where it names none, unless the
// SA says that it carries any.
static void adopt(const struct control *c, struct xfrm_sa *x)
{
    const struct xfrm_current *u = &x->current;
    bool given = u->bytes || u->packets || u->add_time || u->use_time; // taken over from another SA
    if (!given) x->current.add_time = control_wall(c);
    x->stats = (struct xfrm_stats){0};
    if (x->sel.family == AF_UNSPEC && !(x->flags & XFRM_STATE_AF_UNSPEC)) {
        x->sel.family = x->family;
    }
}

// rfc3173 2.2 MUST: what does not shrink travels without IPComp, in tunnel mode as IP in IP. Like
// the kernel, an SA of its own takes such packets in; it comes and goes with those that need it.
static err_t companion_join(struct control *c, struct sa *sa)
{
    const struct xfrm_sa *x = &sa->conf->x;
    if (sa->larval || x->proto != XFRM_PROTO_COMP || x->mode != XFRM_TUNNEL) return ERR_OK;
    struct sa *plain =
        sad_find_plain(c->db->sad, &x->saddr, &x->daddr, x->mark.value & x->mark.mask);
    if (!plain) {
        uint32_t spi = x->family == AF_INET6 ? ++c->plain_spi : get32(x->saddr.b);
        TRY(sa_new_plain(x, spi, &plain));
        plain->made_mono = sa->made_mono;
        err_t e = sad_add(c->db->sad, plain);
        if (e != ERR_OK) {
            sa_free(plain);
            return e;
        }
    }
    plain->users++;
    sa->companion = plain;
    return ERR_OK;
}

static void companion_leave(struct control *c, struct sa *sa)
{
    struct sa *plain = sa->companion;
    sa->companion = NULL;
    if (!plain || --plain->users > 0) return;
    cursor_leave(&c->sa_cursor, &plain->all);
    sad_del(c->db->sad, plain);
}

// `seconds` ago on the monotonic clock.
static uint64_t mono_ago(const struct control *c, uint64_t seconds)
{
    uint64_t now = control_mono(c);
    return seconds < now / NSEC_PER_SEC ? now - seconds * NSEC_PER_SEC : 1;
}

void control_sa_age(const struct control *c, struct sa *sa)
{
    const struct xfrm_current *u = &sa->conf->x.current;
    uint64_t wall = control_wall(c);
    sa->made_mono = control_mono(c);
    if (u->add_time < wall) sa->made_mono = mono_ago(c, wall - u->add_time);
    if (u->use_time) sa->used_mono = mono_ago(c, u->use_time < wall ? wall - u->use_time : 0);
    control_ae_told(c, sa);
}

err_t control_sa_enter(struct control *c, struct xfrm_sa *x, struct sa **out, struct why *why)
{
    struct sa *sa;
    if (sad_count(c->db->sad) >= CONTROL_SA_MAX) {
        return why_not(why, ERR_LIMIT, "there are %u SAs already", CONTROL_SA_MAX);
    }
    if (!c->legacy) TRY(sa_alg_refuse_legacy(x, why));
    adopt(c, x);
    TRY(sa_new(x, &sa, why));
    err_t e = control_sa_hold(c, x, x, &sa->held, why);
    if (e != ERR_OK) {
        sa_free(sa);
        return e;
    }
    control_sa_age(c, sa);
    *out = sa;
    return control_sa_admit(c, sa);
}

err_t control_sa_admit(struct control *c, struct sa *sa)
{
    err_t e = companion_join(c, sa);
    if (e == ERR_OK) e = sad_add(c->db->sad, sa);
    if (e != ERR_OK) {
        companion_leave(c, sa);
        control_sa_release(c, sa);
        sa_free(sa);
        return e;
    }
    control_sa_watch(c, sa);
    db_changed(c->db);
    return ERR_OK;
}

void control_sa_remove(struct control *c, struct sa *sa)
{
    control_sa_unwatch(c, sa);
    cursor_leave(&c->sa_cursor, &sa->all);
    companion_leave(c, sa);
    control_sa_release(c, sa);
    sad_del(c->db->sad, sa);
    db_changed(c->db);
}

// ---- requests ----

static err_t add(struct control *c, struct xfrm_sa *x, struct why *why)
{
    if (find(c, x)) {
        return why_not(why, ERR_EXISTS, "an SA with SPI 0x%08x and this destination exists",
                       x->spi);
    }
    struct sa *sa, *larval = larval_answered(c, x);
    TRY(control_sa_enter(c, x, &sa, why));
    if (larval) control_sa_remove(c, larval);
    control_tell_sa(c, XFRM_EV_SA_NEW, sa, false);
    return ERR_OK;
}

err_t control_sa_add(void *ctx, const struct xfrm_sa *x, struct why *why)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct xfrm_sa own = *x;
    own.larval = false;
    err_t e = add(ctx, &own, why);
    wipe(&own, sizeof own);
    return e;
}

// Completes a larval SA: the new one stands before the old one goes, so that its SPI is always
// known.
static err_t complete(struct control *c, struct sa *larval, struct xfrm_sa *x, struct why *why)
{
    struct sa *sa;
    TRY(control_sa_enter(c, x, &sa, why));
    control_sa_remove(c, larval);
    control_tell_sa(c, XFRM_EV_SA_UPD, sa, false);
    return ERR_OK;
}

// All of it must make sense, although little of it will be used.
static err_t presentable(const struct control *c, const struct xfrm_sa *x, struct why *why)
{
    struct sa *sa;
    if (!c->legacy) TRY(sa_alg_refuse_legacy(x, why));
    TRY(sa_new(x, &sa, why));
    sa_free(sa);
    return ERR_OK;
}

// What is new in the host is there before what is old goes.
static err_t change(const struct control *c, struct sa *sa, const struct xfrm_sa *x,
                    struct why *why)
{
    struct sa_held held, before = sa->held;
    TRY(control_sa_hold(c, &sa->conf->x, x, &held, why));
    err_t e = sa_change(sa, x, why);
    sa->held = e == ERR_OK ? before : held;
    control_sa_release(c, sa);
    sa->held = e == ERR_OK ? held : before;
    return e;
}

static err_t update(struct control *c, struct xfrm_sa *x, struct why *why)
{
    adopt(c, x);
    TRY(presentable(c, x, why));
    struct sa *sa = find(c, x);
    if (!sa) return why_not(why, ERR_NOTFOUND, "there is no SA with SPI 0x%08x to update", x->spi);
    if (sa->larval) return complete(c, sa, x, why);
    TRY(change(c, sa, x, why));
    control_sa_watch(c, sa);
    db_changed(c->db);
    control_tell_sa(c, XFRM_EV_SA_UPD, sa, false);
    return ERR_OK;
}

err_t control_sa_update(void *ctx, const struct xfrm_sa *x, struct why *why)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct xfrm_sa own = *x;
    own.larval = false;
    err_t e = update(ctx, &own, why);
    wipe(&own, sizeof own);
    return e;
}

// As the kernel: by SPI, or for a protocol without SPIs by the addresses.
static struct sa *find_named(const struct control *c, const struct xfrm_sa_id *id)
{
    bool plain = id->proto == IPPROTO_IPIP || id->proto == IPPROTO_IPV6;
    if (!plain) return sad_get(c->db->sad, id);
    struct sa *sa =
        sad_find_plain(c->db->sad, &id->saddr, &id->daddr, id->mark.value & id->mark.mask);
    return sa && sa->proto == id->proto ? sa : NULL;
}

err_t control_sa_get(void *ctx, const struct xfrm_sa_id *id, struct xfrm_sa *out)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    const struct control *c = ctx;
    const struct sa *sa = find_named(c, id);
    if (!sa) return ERR_NOTFOUND;
    sa_snapshot(sa, out);
    return ERR_OK;
}

err_t control_sa_del(void *ctx, const struct xfrm_sa_id *id)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    struct sa *sa = find_named(c, id);
    if (!sa) return ERR_NOTFOUND;
    if (sa_is_plain(&sa->conf->x)) return ERR_PERMISSION; // goes with its users
    control_tell_sa(c, XFRM_EV_SA_DEL, sa, false);
    control_sa_remove(c, sa);
    return ERR_OK;
}

err_t control_sa_flush(void *ctx, uint8_t proto)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    bool all = proto == 0 || proto == XFRM_PROTO_ANY, any = false;
    struct sa *sa, *next;
    cds_list_for_each_entry_safe(sa, next, sad_all(c->db->sad), all)
    {
        if (sa_is_plain(&sa->conf->x)) continue; // goes with its users
        if (!all && sa->conf->x.proto != proto) continue;
        control_sa_remove(c, sa);
        any = true;
    }
    if (!any) return ERR_NOTFOUND;
    c->fn(c->ctx, &(struct xfrm_event){.kind = XFRM_EV_SA_FLUSH, .proto = proto});
    return ERR_OK;
}

err_t control_sa_expire(void *ctx, const struct xfrm_sa_id *id, bool hard)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    struct sa *sa = sad_get(c->db->sad, id);
    if (!sa) return ERR_NOTFOUND;
    if (sa->larval) return ERR_RANGE;
    control_tell_sa(c, XFRM_EV_EXPIRE, sa, hard);
    if (hard) control_sa_remove(c, sa);
    return ERR_OK;
}

err_t control_sa_each_from(void *ctx, uint64_t skip,
                           bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    struct xfrm_sa x = {0};
    struct cursor *cur = &c->sa_cursor;
    struct cds_list_head *all = sad_all(c->db->sad);
    for (cursor_seek(cur, all, skip); cur->at != all; cursor_step(cur)) {
        sa_snapshot(caa_container_of(cur->at, struct sa, all), &x);
        if (!fn(arg, &x)) break;
    }
    wipe(&x, sizeof x);
    return ERR_OK;
}

err_t control_sa_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg)
{
    return control_sa_each_from(ctx, 0, fn, arg);
}

// ---- ALLOCSPI ----

static bool spi_free(const struct control *c, struct xfrm_sa *x, uint32_t spi)
{
    x->spi = spi;
    return !find(c, x);
}

static uint32_t spi_random(uint32_t min, uint32_t max)
{
    uint64_t r;
    rng_fill(&r, sizeof r);
    return (uint32_t)(min + r % ((uint64_t)max - min + 1));
}

// The SA that the one for which x is larval will take over from, if x tells. The mode may come with
// the keys.
static const struct sa *elder_of(const struct control *c, const struct xfrm_sa *x)
{
    static const uint8_t modes[] = {XFRM_TUNNEL, XFRM_TRANSPORT, XFRM_BEET, XFRM_IPTFS};
    const struct sa *sa = NULL;
    for (unsigned i = 0; x->reqid && !sa && i < sizeof modes; i++) {
        const struct lane_key key = {x->daddr, x->reqid, x->proto, modes[i]};
        sa = lane_youngest(lane_find(sad_lanes(c->db->sad), &key), &x->saddr, x->pcpu);
    }
    return sa;
}

// Its SPI tells to which worker an inbound packet comes (base/natt_share.h): that of the SA before,
// so that nothing overtakes when the keys change (xfrm/path/owner.c).
static bool spi_choose_alike(const struct control *c, struct xfrm_sa *x, uint32_t min, uint32_t max)
{
    const struct sa *elder = c->workers > 1 ? elder_of(c, x) : NULL;
    if (!elder || max - min < c->workers) return false;
    uint32_t rest = host32(elder->spi) % c->workers;
    for (unsigned i = 0; i < SPI_TRIES; i++) {
        uint32_t r = spi_random(min, max), spi = r - r % c->workers + rest;
        if (spi >= min && spi <= max && spi_free(c, x, spi)) return true;
    }
    return false;
}

// Leaves a free SPI of the range in x. In order, one more candidate than there are SAs is enough.
static bool spi_choose(const struct control *c, struct xfrm_sa *x, uint32_t min, uint32_t max)
{
    uint64_t width = (uint64_t)max - min + 1, most = (uint64_t)sad_count(c->db->sad) + 1;
    uint64_t first = spi_random(min, max) - min;
    if (spi_choose_alike(c, x, min, max)) return true;
    for (unsigned i = 0; i < SPI_TRIES && width > SPI_TRIES; i++) {
        if (spi_free(c, x, spi_random(min, max))) return true;
    }
    for (uint64_t i = 0; i < width && i < most; i++) {
        if (spi_free(c, x, (uint32_t)(min + (first + i) % width))) return true;
    }
    return false;
}

// The selector of all that passes between the SA's own ends.
static struct xfrm_selector between(const struct xfrm_sa *x)
{
    uint8_t whole = (uint8_t)ip_bits(x->family);
    return (struct xfrm_selector){
        .family = x->family, .src = {x->saddr, whole}, .dst = {x->daddr, whole}};
}

err_t control_sa_alloc_spi(void *ctx, const struct xfrm_sa *like, uint32_t min, uint32_t max,
                           struct xfrm_sa *out, struct why *why)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    if (min > max) return why_not(why, ERR_RANGE, "0x%x to 0x%x is no range of SPIs", min, max);
    if (max == 0) return why_not(why, ERR_NOTFOUND, "SPI 0 is nobody's");
    if (min == 0) min = 1;
    struct sa *sa, *before = larval_answered(c, like);
    if (before && before->conf->x.spi) before = NULL; // it has its SPI
    struct xfrm_sa x = before ? before->conf->x : *like;
    if (!before) x.sel = between(like); // as the kernel shows it
    if (!before) x.seq = 0;             // only an ACQUIRE has a number
    if (!before) x.flags = 0;           // and these come with the keys
    if (!before) x.replay = (struct xfrm_replay){0};
    x.larval = true;
    x.limit = (struct xfrm_lifetime){.soft_bytes = XFRM_INF,
                                     .hard_bytes = XFRM_INF,
                                     .soft_packets = XFRM_INF,
                                     .hard_packets = XFRM_INF,
                                     .hard_add_s = CONTROL_SPI_S};
    if (!spi_choose(c, &x, min, max)) {
        return why_not(why, ERR_NOTFOUND, "no free SPI from 0x%x to 0x%x", min, max);
    }
    TRY(control_sa_enter(c, &x, &sa, why));
    if (before) control_sa_remove(c, before);
    sa_snapshot(sa, out);
    return ERR_OK;
}
