#include "netlink/dispatch.h"

#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "netlink/verbs.h"
#include "netlink/wire.h"

static verb_fn *const verbs[XFRM_NR_MSGTYPES] = {
#define VERB(type) [XFRM_MSG_##type - XFRM_MSG_BASE]
    VERB(NEWSA) = verb_sa_put,
    VERB(UPDSA) = verb_sa_put,
    VERB(DELSA) = verb_sa_del,
    VERB(GETSA) = verb_sa_get,
    VERB(ALLOCSPI) = verb_sa_spi,
    VERB(FLUSHSA) = verb_sa_flush,
    VERB(EXPIRE) = verb_sa_expire,
    VERB(GETAE) = verb_sa_ae_get,
    VERB(GETSADINFO) = verb_sa_info,
    VERB(NEWPOLICY) = verb_policy_put,
    VERB(UPDPOLICY) = verb_policy_put,
    VERB(DELPOLICY) = verb_policy_del,
    VERB(GETPOLICY) = verb_policy_get,
    VERB(FLUSHPOLICY) = verb_policy_flush,
    VERB(POLEXPIRE) = verb_policy_expire,
    VERB(GETSPDINFO) = verb_policy_info,
    VERB(NEWSPDINFO) = verb_policy_thresholds,
    VERB(GETDEFAULT) = verb_policy_default_get,
    VERB(ACQUIRE) = verb_acquire,
    VERB(NEWAE) = verb_unsupported,
    VERB(MIGRATE) = verb_unsupported,
    VERB(SETDEFAULT) = verb_unsupported,
#undef VERB
};

struct dispatch dispatch_of(struct xfrm_api api, struct dispatch_out out)
{
    return (struct dispatch){
        .api = api, .out = out, .thresholds = {.v4 = {32, 32}, .v6 = {128, 128}}};
}

static bool is_dump(const struct nlmsghdr *h)
{
    bool get = h->nlmsg_type == XFRM_MSG_GETSA || h->nlmsg_type == XFRM_MSG_GETPOLICY;
    return get && h->nlmsg_flags & NLM_F_DUMP;
}

static int serve(struct request *r)
{
    unsigned verb = r->h->nlmsg_type - XFRM_MSG_BASE; // below NLMSG_MIN_TYPE nothing gets here
    if (verb >= XFRM_NR_MSGTYPES || !verbs[verb]) {
        err_t e = why_not(&r->why, ERR_SYNTAX, "message type %u is no request", r->h->nlmsg_type);
        return verb_errno(r, e, ENOENT);
    }
    if (!is_dump(r->h)) return verbs[verb](r);
    if (r->peer->dump.active) return EBUSY;
    return verb_errno(r, dump_start(&r->peer->dump, r->h, r->peer->portid, &r->why), ENOENT);
}

// NLMSG_ERROR: the error, the request's header, with an error the rest of the request, and the
// sentence for people if the client asked for such.
static void acknowledge(struct request *r, int error)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    struct nlmsgerr e = {.error = -error, .msg = *r->h};
    bool whole = error && !(r->peer->options & WIRE_CAP_ACK);
    bool text = r->peer->options & WIRE_EXT_ACK && r->why.text[0];
    size_t echo = r->h->nlmsg_len - NLMSG_HDRLEN;
    // A long request comes back without its body; the kernel's limit is the socket buffer.
    if (echo > sizeof buf / 2) whole = false;
    struct message_id id = verb_id(r);
    id.flags = (uint16_t)((whole ? 0 : NLM_F_CAPPED) | (text ? NLM_F_ACK_TLVS : 0));
    struct message m = message_start(buf, sizeof buf, NLMSG_ERROR, id);
    message_head(&m, &e, sizeof e);
    if (whole) message_head(&m, (const uint8_t *)r->h + NLMSG_HDRLEN, echo);
    if (text) message_put(&m, NLMSGERR_ATTR_MSG, r->why.text, strlen(r->why.text) + 1);
    IGNORE(message_done(&m)); // room for all of it: half for the echo, the text is short
    r->d->out.reply(r->d->out.ctx, r->peer, m.h);
    wipe(buf, sizeof buf); // the request may have carried keys
}

static void hello(struct request *r)
{
    struct wire_hello hello;
    if (r->h->nlmsg_len < sizeof hello) return;
    memcpy(&hello, r->h, sizeof hello);
    r->peer->portid = hello.portid;
    r->peer->groups = hello.groups;
    r->peer->options = hello.options;
}

static void message_in(struct dispatch *d, struct dispatch_peer *p, const struct nlmsghdr *h)
{
    struct request r = {.d = d, .peer = p, .h = h};
    int error = 0;
    if (h->nlmsg_type == WIRE_HELLO) {
        hello(&r);
    } else if (h->nlmsg_flags & NLM_F_REQUEST && h->nlmsg_type >= NLMSG_MIN_TYPE) {
        d->current = h;
        d->by_index = false;
        error = serve(&r);
        d->current = NULL;
        if (!error && is_dump(h)) return; // its end is its acknowledgement
    }
    if (error || h->nlmsg_flags & NLM_F_ACK) acknowledge(&r, error);
}

void dispatch_datagram(struct dispatch *d, struct dispatch_peer *p, span_t datagram)
{
    while (datagram.len >= NLMSG_HDRLEN) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)datagram.at;
        if (h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > datagram.len) return;
        message_in(d, p, h);
        size_t n = NLMSG_ALIGN((size_t)h->nlmsg_len);
        if (n >= datagram.len) return;
        datagram.at += n;
        datagram.len -= n;
    }
}

// Which events carry who asked: (port id, sequence number), as in the kernel.
static struct message_id event_id(const struct dispatch *d, const struct xfrm_event *ev)
{
    struct message_id id = {.seq = ev->nlseq, .portid = ev->portid};
    if (d->current && !id.portid && !id.seq) {
        id.portid = d->current->nlmsg_pid;
        id.seq = d->current->nlmsg_seq;
    }
    bool expire = ev->kind == XFRM_EV_EXPIRE || ev->kind == XFRM_EV_POLEXPIRE;
    if (expire) id.seq = 0;
    if (ev->kind == XFRM_EV_ACQUIRE || ev->kind == XFRM_EV_MAPPING) id = (struct message_id){0};
    return id;
}

void dispatch_event(struct dispatch *d, const struct xfrm_event *ev)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    unsigned group = codec_event_group(ev);
    if (d->quiet || !d->out.listened(d->out.ctx, group)) return;
    struct message m = message_start(buf, sizeof buf, codec_event_type(ev), event_id(d, ev));
    if (ev->kind == XFRM_EV_POL_DEL && d->by_index) {
        codec_policy_gone_write(&m, ev->policy, true);
    } else if (ev->kind == XFRM_EV_SA_UPD && d->requested) {
        codec_sa_write(&m, d->requested); // the kernel tells what was asked for, not what it made
    } else {
        codec_event_write(&m, ev);
    }
    if (message_done(&m) == ERR_OK) d->out.multicast(d->out.ctx, group, m.h);
    wipe(buf, sizeof buf);
}
