#include "netlink/dump.h"

#include <string.h>

#include "base/secret.h"
#include "netlink/part.h"

// One call of dump_run.
struct run {
    struct dump *d;
    dump_sink_fn *sink;
    void *ctx;
    uint64_t seen; // entries walked over
    size_t len;    // bytes in datagram
    unsigned held; // entries in datagram
    bool stop;
    alignas(8) uint8_t datagram[DUMP_DATAGRAM_MAX];
    alignas(8) uint8_t message[MESSAGE_MAX];
};

static err_t filter_read(struct dump *d, const struct attrs *a, struct why *why)
{
    struct xfrm_address_filter f;
    if (!attrs_copy(a, XFRMA_ADDRESS_FILTER, &f, sizeof f)) return ERR_OK;
    uint16_t family = ip_len(f.family) ? f.family : AF_INET6; // any: compared as 16 bytes
    if (f.splen > ip_bits(family) || f.dplen > ip_bits(family)) {
        return why_not(why, ERR_RANGE, "address filter /%u /%u", f.splen, f.dplen);
    }
    d->filtered = true;
    d->family = f.family;
    d->src = (prefix_t){part_ip(family, &f.saddr), f.splen};
    d->dst = (prefix_t){part_ip(family, &f.daddr), f.dplen};
    return ERR_OK;
}

err_t dump_start(struct dump *d, const struct nlmsghdr *h, uint32_t portid, struct why *why)
{
    struct attrs a;
    struct dump next = {
        .active = true,
        .policies = h->nlmsg_type == XFRM_MSG_GETPOLICY,
        .id = {h->nlmsg_seq, portid, NLM_F_MULTI},
    };
    if (!next.policies) {
        TRY(attrs_read(h, 0, ATTR_XFRM, &a, why));
        TRY(filter_read(&next, &a, why));
        (void)attrs_copy(&a, XFRMA_PROTO, &next.proto, sizeof next.proto);
    }
    *d = next;
    return ERR_OK;
}

static bool wants(const struct dump *d, const struct xfrm_sa *sa)
{
    bool ipsec =
        sa->proto == XFRM_PROTO_ESP || sa->proto == XFRM_PROTO_AH || sa->proto == XFRM_PROTO_COMP;
    if (d->proto && d->proto != sa->proto && !(d->proto == XFRM_PROTO_ANY && ipsec)) return false;
    if (!d->filtered) return true;
    if (ip_len(d->family) && d->family != sa->family) return false;
    return bits_eq(sa->saddr.b, d->src.ip.b, d->src.len) &&
           bits_eq(sa->daddr.b, d->dst.ip.b, d->dst.len);
}

// Hands the datagram over. false: the sink has had enough, and these entries come again.
static bool flush(struct run *r)
{
    if (!r->len) return true;
    r->stop = !r->sink(r->ctx, span(r->datagram, r->len));
    wipe(r->datagram, r->len); // it may carry keys
    if (!r->stop) r->d->done += r->held;
    r->len = 0;
    r->held = 0;
    return !r->stop;
}

// Appends one message; true to go on.
static bool append(struct run *r, const struct message *m)
{
    size_t n = message_done(m) == ERR_OK ? m->h->nlmsg_len : 0; // it always fits: MESSAGE_MAX
    if (r->len + n > sizeof r->datagram && !flush(r)) return false;
    memcpy(r->datagram + r->len, m->h, n);
    r->len += n;
    r->held++;
    return true;
}

static bool append_sa(void *arg, const struct xfrm_sa *sa)
{
    struct run *r = arg;
    if (r->seen++ < r->d->done) return true;
    if (!wants(r->d, sa)) {
        r->held++;
        return true;
    }
    struct message m = message_start(r->message, sizeof r->message, XFRM_MSG_NEWSA, r->d->id);
    codec_sa_write(&m, sa);
    return append(r, &m);
}

static bool append_policy(void *arg, const struct xfrm_policy *p)
{
    struct run *r = arg;
    if (r->seen++ < r->d->done) return true;
    struct message m = message_start(r->message, sizeof r->message, XFRM_MSG_NEWPOLICY, r->d->id);
    codec_policy_write(&m, p);
    return append(r, &m);
}

static void finish(struct run *r)
{
    int32_t result = 0;
    struct message m = message_start(r->message, sizeof r->message, NLMSG_DONE, r->d->id);
    message_head(&m, &result, sizeof result);
    r->d->active = !r->sink(r->ctx, span(m.h, m.h->nlmsg_len));
}

// Over what has not been sent yet. An empty walk ends the dump.
static void walk(struct run *r, struct xfrm_api api)
{
    const struct xfrm_ops *ops = api.ops;
    bool from = r->d->policies ? ops->policy_each_from != NULL : ops->sa_each_from != NULL;
    if (from) r->seen = r->d->done;
    if (from && r->d->policies) {
        IGNORE(ops->policy_each_from(api.ctx, r->d->done, append_policy, r));
    } else if (from) {
        IGNORE(ops->sa_each_from(api.ctx, r->d->done, append_sa, r));
    } else if (r->d->policies) {
        IGNORE(ops->policy_each(api.ctx, append_policy, r));
    } else {
        IGNORE(ops->sa_each(api.ctx, append_sa, r));
    }
}

void dump_run(struct dump *d, struct xfrm_api api, dump_sink_fn *sink, void *ctx)
{
    struct run r = {.d = d, .sink = sink, .ctx = ctx};
    walk(&r, api);
    if (!r.stop) (void)flush(&r);
    if (!r.stop) finish(&r);
    wipe(r.message, sizeof r.message);
}
