#include "netlink/client_api.h"

#include "base/secret.h"

// A request under construction, in a buffer that is wiped after the call.
struct draft {
    struct message m;
    alignas(8) uint8_t buf[MESSAGE_MAX];
};

static struct message *draft_start(struct draft *d, uint16_t type)
{
    d->m = message_start(d->buf, sizeof d->buf, type, (struct message_id){0});
    return &d->m;
}

static err_t draft_send(struct draft *d, void *ctx, call_take_fn *take, void *arg, struct why *why)
{
    err_t e = call_request(ctx, &d->m, take, arg, why);
    wipe(d->buf, sizeof d->buf);
    return e;
}

static err_t take_sa(void *arg, const struct nlmsghdr *h, struct why *why)
{
    if (h->nlmsg_type != XFRM_MSG_NEWSA) return why_not(why, ERR_SYNTAX, "no SA in the answer");
    return codec_sa_read(h, arg, why);
}

static err_t take_policy(void *arg, const struct nlmsghdr *h, struct why *why)
{
    if (h->nlmsg_type != XFRM_MSG_NEWPOLICY) {
        return why_not(why, ERR_SYNTAX, "no policy in the answer");
    }
    return codec_policy_read(h, arg, why);
}

static err_t take_counts(void *arg, const struct nlmsghdr *h, struct why *why)
{
    if (h->nlmsg_type == XFRM_MSG_NEWSADINFO) return codec_sadinfo_read(h, arg, why);
    if (h->nlmsg_type == XFRM_MSG_NEWSPDINFO) return codec_spdinfo_read(h, arg, why);
    return why_not(why, ERR_SYNTAX, "no counts in the answer");
}

// ---- SAs ----

static err_t api_sa_alloc_spi(void *ctx, const struct xfrm_sa *like, uint32_t min, uint32_t max,
                              struct xfrm_sa *out, struct why *why)
{
    struct draft d;
    codec_spi_write(draft_start(&d, XFRM_MSG_ALLOCSPI), like, min, max);
    return draft_send(&d, ctx, take_sa, out, why);
}

static err_t api_sa_add(void *ctx, const struct xfrm_sa *sa, struct why *why)
{
    struct draft d;
    codec_sa_write(draft_start(&d, XFRM_MSG_NEWSA), sa);
    return draft_send(&d, ctx, NULL, NULL, why);
}

static err_t api_sa_update(void *ctx, const struct xfrm_sa *sa, struct why *why)
{
    struct draft d;
    codec_sa_write(draft_start(&d, XFRM_MSG_UPDSA), sa);
    return draft_send(&d, ctx, NULL, NULL, why);
}

static err_t api_sa_get(void *ctx, const struct xfrm_sa_id *id, struct xfrm_sa *out)
{
    struct draft d;
    codec_sa_id_write(draft_start(&d, XFRM_MSG_GETSA), id);
    return draft_send(&d, ctx, take_sa, out, NULL);
}

static err_t api_sa_del(void *ctx, const struct xfrm_sa_id *id)
{
    struct draft d;
    codec_sa_id_write(draft_start(&d, XFRM_MSG_DELSA), id);
    return draft_send(&d, ctx, NULL, NULL, NULL);
}

static err_t api_sa_flush(void *ctx, uint8_t proto)
{
    struct draft d;
    codec_sa_flush_write(draft_start(&d, XFRM_MSG_FLUSHSA), proto);
    return draft_send(&d, ctx, NULL, NULL, NULL);
}

static err_t api_sa_expire(void *ctx, const struct xfrm_sa_id *id, bool hard)
{
    struct draft d;
    struct xfrm_sa sa = {.daddr = id->daddr,
                         .family = id->daddr.family,
                         .spi = id->spi,
                         .proto = id->proto,
                         .mark = id->mark};
    codec_expire_write(draft_start(&d, XFRM_MSG_EXPIRE), &sa, hard);
    return draft_send(&d, ctx, NULL, NULL, NULL);
}

static err_t api_sa_set_ae(void *ctx, const struct xfrm_ae *ae, struct why *why)
{
    struct draft d;
    codec_ae_request_write(draft_start(&d, XFRM_MSG_NEWAE), ae);
    d.m.h->nlmsg_flags = NLM_F_REPLACE;
    return draft_send(&d, ctx, NULL, NULL, why);
}

struct sa_walk {
    bool (*fn)(void *arg, const struct xfrm_sa *sa);
    void *arg;
};

// What cannot be expressed in struct xfrm_sa is passed over.
static bool walk_sa(void *arg, const struct nlmsghdr *h)
{
    struct sa_walk *w = arg;
    struct xfrm_sa sa;
    if (take_sa(&sa, h, NULL) != ERR_OK) return true;
    bool more = w->fn(w->arg, &sa);
    wipe(&sa, sizeof sa);
    return more;
}

static err_t api_sa_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg)
{
    struct sa_walk w = {fn, arg};
    return call_dump(ctx, XFRM_MSG_GETSA, walk_sa, &w);
}

// ---- policies ----

static err_t api_policy_add(void *ctx, const struct xfrm_policy *p, bool update, struct why *why)
{
    struct draft d;
    codec_policy_write(draft_start(&d, update ? XFRM_MSG_UPDPOLICY : XFRM_MSG_NEWPOLICY), p);
    return draft_send(&d, ctx, NULL, NULL, why);
}

static err_t api_policy_get(void *ctx, const struct xfrm_policy_id *id, struct xfrm_policy *out)
{
    struct draft d;
    codec_policy_id_write(draft_start(&d, XFRM_MSG_GETPOLICY), id);
    return draft_send(&d, ctx, take_policy, out, NULL);
}

static err_t api_policy_del(void *ctx, const struct xfrm_policy_id *id)
{
    struct draft d;
    codec_policy_id_write(draft_start(&d, XFRM_MSG_DELPOLICY), id);
    return draft_send(&d, ctx, NULL, NULL, NULL);
}

static err_t api_policy_flush(void *ctx, uint8_t type)
{
    struct draft d;
    codec_policy_flush_write(draft_start(&d, XFRM_MSG_FLUSHPOLICY), type);
    return draft_send(&d, ctx, NULL, NULL, NULL);
}

struct policy_walk {
    bool (*fn)(void *arg, const struct xfrm_policy *p);
    void *arg;
};

// Also passed over: the policies of single sockets, which the kernel lists with a direction of
// their own.
static bool walk_policy(void *arg, const struct nlmsghdr *h)
{
    struct policy_walk *w = arg;
    struct xfrm_policy p;
    return take_policy(&p, h, NULL) != ERR_OK || w->fn(w->arg, &p);
}

static err_t api_policy_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p),
                             void *arg)
{
    struct policy_walk w = {fn, arg};
    return call_dump(ctx, XFRM_MSG_GETPOLICY, walk_policy, &w);
}

// ---- moves and defaults ----

static err_t api_migrate(void *ctx, const struct xfrm_migrate *g, struct why *why)
{
    struct draft d;
    codec_migrate_write(draft_start(&d, XFRM_MSG_MIGRATE), g, true);
    return draft_send(&d, ctx, NULL, NULL, why);
}

static err_t take_defaults(void *arg, const struct nlmsghdr *h, struct why *why)
{
    if (h->nlmsg_type != XFRM_MSG_GETDEFAULT) {
        return why_not(why, ERR_SYNTAX, "no defaults in the answer");
    }
    return codec_defaults_read(h, arg, why);
}

static err_t api_defaults_set(void *ctx, const uint8_t actions[XFRM_DIRS])
{
    struct draft d;
    codec_defaults_write(draft_start(&d, XFRM_MSG_SETDEFAULT), actions);
    return draft_send(&d, ctx, NULL, NULL, NULL);
}

static err_t api_defaults_get(void *ctx, uint8_t actions[XFRM_DIRS])
{
    struct draft d;
    const uint8_t none[XFRM_DIRS] = {0};
    codec_defaults_write(draft_start(&d, XFRM_MSG_GETDEFAULT), none);
    return draft_send(&d, ctx, take_defaults, actions, NULL);
}

static err_t api_counts(void *ctx, struct xfrm_counts *out)
{
    struct draft d;
    struct xfrm_counts counts = {0};
    codec_info_get_write(draft_start(&d, XFRM_MSG_GETSADINFO), UINT32_MAX);
    TRY(draft_send(&d, ctx, take_counts, &counts, NULL));
    codec_info_get_write(draft_start(&d, XFRM_MSG_GETSPDINFO), UINT32_MAX);
    TRY(draft_send(&d, ctx, take_counts, &counts, NULL));
    *out = counts;
    return ERR_OK;
}

const struct xfrm_ops client_ops = {
    .sa_alloc_spi = api_sa_alloc_spi,
    .sa_add = api_sa_add,
    .sa_update = api_sa_update,
    .sa_get = api_sa_get,
    .sa_del = api_sa_del,
    .sa_flush = api_sa_flush,
    .sa_expire = api_sa_expire,
    .sa_each = api_sa_each,
    .policy_add = api_policy_add,
    .policy_get = api_policy_get,
    .policy_del = api_policy_del,
    .policy_flush = api_policy_flush,
    .policy_each = api_policy_each,
    .sa_set_ae = api_sa_set_ae,
    .migrate = api_migrate,
    .defaults_set = api_defaults_set,
    .defaults_get = api_defaults_get,
    .counts = api_counts,
};
