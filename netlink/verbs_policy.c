#include <errno.h>

#include "netlink/verbs.h"

int verb_policy_put(struct request *r)
{
    struct xfrm_policy p;
    bool update = r->h->nlmsg_type == XFRM_MSG_UPDPOLICY;
    err_t e = codec_policy_read(r->h, &p, &r->why);
    p.current = (struct xfrm_current){0}; // the executor counts, nobody else
    if (e == ERR_OK) e = r->d->api.ops->policy_add(r->d->api.ctx, &p, update, &r->why);
    return verb_errno(e, ENOENT);
}

int verb_policy_del(struct request *r)
{
    struct xfrm_policy_id id;
    err_t e = codec_policy_id_read(r->h, &id, &r->why);
    if (e != ERR_OK) return verb_errno(e, ENOENT);
    r->d->by_index = id.index != 0;
    return verb_errno(r->d->api.ops->policy_del(r->d->api.ctx, &id), ENOENT);
}

int verb_policy_get(struct request *r)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    struct xfrm_policy_id id;
    struct xfrm_policy p;
    err_t e = codec_policy_id_read(r->h, &id, &r->why);
    if (e == ERR_OK) e = r->d->api.ops->policy_get(r->d->api.ctx, &id, &p);
    if (e != ERR_OK) return verb_errno(e, ENOENT);
    struct message m = message_start(buf, sizeof buf, XFRM_MSG_NEWPOLICY, verb_id(r));
    codec_policy_write(&m, &p);
    return verb_reply(r, &m);
}

int verb_policy_flush(struct request *r)
{
    uint8_t type;
    err_t e = codec_policy_flush_read(r->h, &type, &r->why);
    if (e == ERR_OK) e = r->d->api.ops->policy_flush(r->d->api.ctx, type);
    return e == ERR_NOTFOUND ? 0 : verb_errno(e, ENOENT);
}

int verb_policy_expire(struct request *r)
{
    struct xfrm_api api = r->d->api;
    struct xfrm_policy p;
    struct xfrm_policy_id id;
    bool hard;
    err_t e = codec_polexpire_id_read(r->h, &id, &hard, &r->why);
    if (e != ERR_OK) return verb_errno(e, ENOENT);
    e = api.ops->policy_get(api.ctx, &id, &p);
    if (e == ERR_OK && hard) {
        r->d->quiet = true; // listeners hear of the expiry, not of a deletion
        e = api.ops->policy_del(api.ctx, &id);
        r->d->quiet = false;
    }
    struct xfrm_event ev = {.kind = XFRM_EV_POLEXPIRE, .hard = hard, .policy = &p};
    if (e == ERR_OK) dispatch_event(r->d, &ev);
    return verb_errno(e, ENOENT);
}

int verb_policy_info(struct request *r)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    struct xfrm_counts counts = {0};
    uint32_t flags;
    err_t e = verb_counts(r, &flags, &counts);
    if (e != ERR_OK) return verb_errno(e, ENOENT);
    struct message m = message_start(buf, sizeof buf, XFRM_MSG_NEWSPDINFO, verb_id(r));
    codec_spdinfo_write(&m, &counts, &r->d->thresholds, flags);
    return verb_reply(r, &m);
}

int verb_policy_thresholds(struct request *r)
{
    return verb_errno(codec_thresholds_read(r->h, &r->d->thresholds, &r->why), ENOENT);
}

int verb_policy_default_get(struct request *r)
{
    alignas(8) uint8_t buf[64];
    uint8_t actions[XFRM_DIRS];
    err_t e = codec_defaults_read(r->h, actions, &r->why);
    if (e == ERR_OK) e = r->d->api.ops->defaults_get(r->d->api.ctx, actions);
    if (e != ERR_OK) return verb_errno(e, ENOENT);
    struct message m = message_start(buf, sizeof buf, XFRM_MSG_GETDEFAULT, verb_id(r));
    codec_defaults_write(&m, actions);
    return verb_reply(r, &m);
}

int verb_policy_default_set(struct request *r)
{
    uint8_t actions[XFRM_DIRS];
    err_t e = codec_defaults_read(r->h, actions, &r->why);
    if (e == ERR_OK) e = r->d->api.ops->defaults_set(r->d->api.ctx, actions);
    return verb_errno(e, ENOENT);
}

int verb_migrate(struct request *r)
{
    struct xfrm_migrate g;
    err_t e = codec_migrate_read(r->h, &g, &r->why);
    if (e == ERR_OK) e = r->d->api.ops->migrate(r->d->api.ctx, &g, &r->why);
    return e == ERR_NOCHOICE ? ENODATA : verb_errno(e, ENOENT);
}

// A program asks the listeners for SAs, as if a packet had: one ACQUIRE for each template.
int verb_acquire(struct request *r)
{
    struct codec_acquire q;
    err_t e = codec_acquire_read(r->h, &q, &r->why);
    if (e != ERR_OK) return verb_errno(e, ENOENT);
    for (unsigned i = 0; i < q.policy.tmpl_count; i++) {
        struct xfrm_tmpl *t = &q.policy.tmpl[i], wanted;
        t->aalgos = q.tmpl.aalgos;
        t->ealgos = q.tmpl.ealgos;
        t->calgos = q.tmpl.calgos;
        wanted = *t;
        wanted.saddr = q.tmpl.saddr;
        struct xfrm_event ev = {.kind = XFRM_EV_ACQUIRE,
                                .policy = &q.policy,
                                .tmpl = &wanted,
                                .trigger = q.trigger,
                                .seq = q.seq};
        dispatch_event(r->d, &ev);
    }
    return 0;
}
