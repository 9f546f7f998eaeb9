#include "netlink/client_call.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

err_t call_error(uint16_t type, int error)
{
    bool new_sa = type == XFRM_MSG_NEWSA || type == XFRM_MSG_UPDSA;
    switch (error) {
    case 0:
        return ERR_OK;
    case EEXIST:
        return ERR_EXISTS;
    case ENOENT: // from the kernel's crypto when an SA is made
        return new_sa ? ERR_ALGORITHM : ERR_NOTFOUND;
    case ESRCH:
        return ERR_NOTFOUND;
    case ENOSYS:
        return ERR_ALGORITHM;
    case EINVAL:
        return ERR_SYNTAX;
    case ERANGE:
        return ERR_RANGE;
    case EPERM:
    case EACCES:
        return ERR_PERMISSION;
    case EPROTONOSUPPORT:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case ENOPROTOOPT:
        return ERR_UNSUPPORTED;
    case ENODATA: // MIGRATE
        return ERR_NOCHOICE;
    case ENOBUFS:
        return ERR_LIMIT;
    case ENOMEM:
        return ERR_NOMEM;
    default:
        return ERR_SYSTEM;
    }
}

// The extended-ack text behind an error, or the errno's own.
static void explain(const struct nlmsghdr *h, const struct nlmsgerr *e, struct why *why)
{
    size_t at = NLMSG_HDRLEN + sizeof *e;
    if (!(h->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len > NLMSG_HDRLEN) {
        at += NLMSG_ALIGN((size_t)e->msg.nlmsg_len - NLMSG_HDRLEN);
    }
    IGNORE(why_not(why, ERR_OK, "%s", strerror(-e->error)));
    if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || at >= h->nlmsg_len) return;
    const uint8_t *end = (const uint8_t *)h + h->nlmsg_len;
    const struct nlattr *a = (const struct nlattr *)((const uint8_t *)h + at);
    for (; mnl_attr_ok(a, (int)(end - (const uint8_t *)a)); a = mnl_attr_next(a)) {
        if (mnl_attr_get_type(a) != NLMSGERR_ATTR_MSG) continue;
        IGNORE(why_not(why, ERR_OK, "%.*s", mnl_attr_get_payload_len(a),
                       (const char *)mnl_attr_get_payload(a)));
    }
}

// An acknowledgement: its error class.
static err_t acknowledged(uint16_t type, const struct nlmsghdr *h, struct why *why)
{
    struct nlmsgerr e;
    if (h->nlmsg_len < NLMSG_HDRLEN + sizeof e) {
        return why_not(why, ERR_SYNTAX, "an acknowledgement of %u bytes", h->nlmsg_len);
    }
    memcpy(&e, (const uint8_t *)h + NLMSG_HDRLEN, sizeof e);
    if (e.error) explain(h, &e, why);
    return call_error(type, -e.error);
}

// The next whole message of a datagram; NULL at its end.
static const struct nlmsghdr *next_message(span_t *d)
{
    const struct nlmsghdr *h = (const struct nlmsghdr *)d->at;
    if (d->len < NLMSG_HDRLEN || h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > d->len) return NULL;
    size_t n = NLMSG_ALIGN((size_t)h->nlmsg_len);
    if (n > d->len) n = d->len;
    d->at += n;
    d->len -= n;
    return h;
}

static err_t caller_open(struct caller *c, struct why *why)
{
    return c->link.fd >= 0 ? ERR_OK : link_open(c->peer, c->name, 0, &c->link, why);
}

// Sends, over a new connection if the old one turns out to be dead: then nobody has read it.
static err_t caller_send(struct caller *c, span_t datagram, struct why *why)
{
    TRY(caller_open(c, why));
    err_t e = link_send(&c->link, datagram, why);
    if (e != ERR_CLOSED) return e;
    link_close(&c->link);
    TRY(caller_open(c, why));
    return link_send(&c->link, datagram, why);
}

struct call {
    struct caller *c;
    uint16_t type;
    uint32_t seq;
    call_take_fn *take;
    void *arg;
    bool done;
};

// Looks through one datagram for answers to this call; older ones are late and not ours.
static err_t call_hear(struct call *call, span_t datagram, struct why *why)
{
    const struct nlmsghdr *h;
    while (!call->done && (h = next_message(&datagram))) {
        if (h->nlmsg_seq != call->seq) continue;
        call->done = h->nlmsg_type == NLMSG_ERROR;
        if (call->done) return acknowledged(call->type, h, why);
        if (call->take) TRY(call->take(call->arg, h, why));
    }
    return ERR_OK;
}

static err_t call_wait(struct call *call, struct why *why)
{
    struct caller *c = call->c;
    uint64_t until = clock_mono() + CALL_TIMEOUT;
    span_t got;
    while (!call->done) {
        err_t e = link_receive(&c->link, c->in, sizeof c->in, until, &got);
        if (e == ERR_AGAIN) continue;
        if (e == ERR_CLOSED) link_close(&c->link);
        if (e != ERR_OK) return why_not(why, e, "no answer: %s", err_text(e));
        e = call_hear(call, got, why);
        wipe(c->in, got.len); // an SA comes with its keys
        TRY(e);
    }
    return ERR_OK;
}

err_t call_request(struct caller *c, struct message *m, call_take_fn *take, void *arg,
                   struct why *why)
{
    TRY(message_done(m));
    m->h->nlmsg_seq = ++c->seq;
    m->h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    struct call call = {c, m->h->nlmsg_type, m->h->nlmsg_seq, take, arg, false};
    TRY(caller_send(c, span(m->h, m->h->nlmsg_len), why));
    return call_wait(&call, why);
}

// One datagram of a dump. ERR_AGAIN: more is to come.
static err_t dump_hear(uint16_t type, span_t datagram,
                       bool (*keep)(void *arg, const struct nlmsghdr *h), void *arg)
{
    const struct nlmsghdr *h;
    while ((h = next_message(&datagram))) {
        if (h->nlmsg_type == NLMSG_DONE) return ERR_OK;
        if (h->nlmsg_type == NLMSG_ERROR) return acknowledged(type, h, NULL);
        if (!keep(arg, h)) return ERR_OK;
    }
    return ERR_AGAIN;
}

err_t call_dump(const struct caller *c, uint16_t type,
                bool (*keep)(void *arg, const struct nlmsghdr *h), void *arg)
{
    alignas(8) uint8_t request[NLMSG_HDRLEN];
    struct link l;
    span_t got;
    TRY(link_open(c->peer, c->name, 0, &l, NULL));
    uint8_t *in = malloc(LINK_DATAGRAM_MAX);
    struct message_id id = {.seq = 1, .flags = NLM_F_REQUEST | NLM_F_DUMP};
    struct message m = message_start(request, sizeof request, type, id);
    err_t e = in ? link_send(&l, span(m.h, m.h->nlmsg_len), NULL) : ERR_NOMEM;
    if (e == ERR_OK) e = ERR_AGAIN;
    while (e == ERR_AGAIN) {
        e = link_receive(&l, in, LINK_DATAGRAM_MAX, clock_mono() + CALL_TIMEOUT, &got);
        if (e != ERR_OK) continue;
        e = dump_hear(type, got, keep, arg);
        wipe(in, got.len);
    }
    free(in);
    link_close(&l);
    return e;
}
