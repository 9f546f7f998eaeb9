#include "netlink/dispatch.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "netlink/verbs.h"
#include "netlink/wire.h"

// What the kernel's xfrm_dispatch and xfrm_msg_min say: who serves a request, and its fixed part.
static const struct {
    verb_fn *fn;
    size_t head;
} verbs[XFRM_NR_MSGTYPES] = {
#define VERB(type, function, bytes) [XFRM_MSG_##type - XFRM_MSG_BASE] = {function, bytes}
    VERB(NEWSA, verb_sa_put, sizeof(struct xfrm_usersa_info)),
    VERB(UPDSA, verb_sa_put, sizeof(struct xfrm_usersa_info)),
    VERB(DELSA, verb_sa_del, sizeof(struct xfrm_usersa_id)),
    VERB(GETSA, verb_sa_get, sizeof(struct xfrm_usersa_id)),
    VERB(ALLOCSPI, verb_sa_spi, sizeof(struct xfrm_userspi_info)),
    VERB(FLUSHSA, verb_sa_flush, sizeof(struct xfrm_usersa_flush)),
    VERB(EXPIRE, verb_sa_expire, sizeof(struct xfrm_user_expire)),
    VERB(NEWAE, verb_sa_ae_set, sizeof(struct xfrm_aevent_id)),
    VERB(GETAE, verb_sa_ae_get, sizeof(struct xfrm_aevent_id)),
    VERB(GETSADINFO, verb_sa_info, sizeof(uint32_t)),
    VERB(NEWPOLICY, verb_policy_put, sizeof(struct xfrm_userpolicy_info)),
    VERB(UPDPOLICY, verb_policy_put, sizeof(struct xfrm_userpolicy_info)),
    VERB(DELPOLICY, verb_policy_del, sizeof(struct xfrm_userpolicy_id)),
    VERB(GETPOLICY, verb_policy_get, sizeof(struct xfrm_userpolicy_id)),
    VERB(FLUSHPOLICY, verb_policy_flush, 0),
    VERB(POLEXPIRE, verb_policy_expire, sizeof(struct xfrm_user_polexpire)),
    VERB(GETSPDINFO, verb_policy_info, sizeof(uint32_t)),
    VERB(NEWSPDINFO, verb_policy_thresholds, sizeof(uint32_t)),
    VERB(SETDEFAULT, verb_policy_default_set, sizeof(struct xfrm_userpolicy_default)),
    VERB(GETDEFAULT, verb_policy_default_get, sizeof(struct xfrm_userpolicy_default)),
    VERB(MIGRATE, verb_migrate, sizeof(struct xfrm_userpolicy_id)),
    VERB(ACQUIRE, verb_acquire, sizeof(struct xfrm_user_acquire)),
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

static int serve_dump(struct request *r)
{
    if (!r->peer->dump.active) {
        err_t e = dump_start(&r->peer->dump, r->h, r->peer->portid, &r->why);
        return verb_errno(e, ENOENT);
    }
    IGNORE(why_not(&r->why, ERR_STATE, "another list is still being sent on this socket"));
    return EBUSY;
}

// Direction and CPU belong to SAs that are being made.
static err_t fitting(uint16_t type, const struct attrs *a, struct why *why)
{
    bool making = type == XFRM_MSG_NEWSA || type == XFRM_MSG_UPDSA || type == XFRM_MSG_ALLOCSPI;
    if (attrs_has(a, UAPI_SA_DIR) && !making) {
        return why_not(why, ERR_SYNTAX, "a direction (XFRMA_SA_DIR) has no place in this request");
    }
    if (attrs_has(a, UAPI_SA_PCPU) && !making && type != XFRM_MSG_ACQUIRE) {
        return why_not(why, ERR_SYNTAX, "a CPU (XFRMA_SA_PCPU) has no place in this request");
    }
    return ERR_OK;
}

static int serve(struct request *r)
{
    struct attrs a;
    unsigned verb = r->h->nlmsg_type - XFRM_MSG_BASE; // below NLMSG_MIN_TYPE nothing gets here
    if (verb >= XFRM_NR_MSGTYPES || !verbs[verb].fn) {
        IGNORE(why_not(&r->why, ERR_SYNTAX, "there is no request of type %u", r->h->nlmsg_type));
        return EINVAL;
    }
    if (is_dump(r->h)) return serve_dump(r);
    // The kernel looks at all attributes before it looks at anything else.
    enum attr_space space = r->h->nlmsg_type == XFRM_MSG_NEWSPDINFO ? ATTR_INFO : ATTR_XFRM;
    err_t e = attrs_read(r->h, verbs[verb].head, space, &a, &r->why);
    r->offset = a.bad_at;
    if (e == ERR_OK) e = fitting(r->h->nlmsg_type, &a, &r->why);
    return e == ERR_OK ? verbs[verb].fn(r) : verb_errno(e, ENOENT);
}

// NLMSG_ERROR: the error, the request's header, with an error the rest of the request, and the
// sentence for people if the client asked for such.
static void acknowledge(struct request *r, int error)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    struct nlmsgerr e = {.error = -error, .msg = *r->h};
    bool whole = error && !(r->peer->options & WIRE_CAP_ACK);
    if (error) verb_explain(r, error);
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
    if (text && r->offset) message_put_u32(&m, NLMSGERR_ATTR_OFFS, r->offset);
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
    bool nobodys = ev->kind == XFRM_EV_ACQUIRE || ev->kind == XFRM_EV_MAPPING ||
                   ev->kind == XFRM_EV_MIGRATE || ev->kind == XFRM_EV_DEFAULT;
    return nobodys ? (struct message_id){0} : id;
}

// The kernel tells what was asked for, not what it made of it.
static void told_request(struct message *m, const struct xfrm_sa *requested)
{
    struct xfrm_sa sa = *requested;
    if (!sa.current.add_time) sa.current.add_time = clock_wall();
    codec_sa_write(m, &sa);
    wipe(&sa, sizeof sa);
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
        told_request(&m, d->requested);
    } else {
        codec_event_write(&m, ev);
    }
    if (message_done(&m) == ERR_OK) d->out.multicast(d->out.ctx, group, m.h);
    wipe(buf, sizeof buf);
}
