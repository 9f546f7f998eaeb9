// What the verbs share, and those that are about neither SAs nor policies.
#include "netlink/verbs.h"

#include <errno.h>
#include <string.h>

int verb_errno(err_t e, int missing)
{
    switch (e) {
    case ERR_OK:
        return 0;
    case ERR_NOTFOUND:
    case ERR_EXHAUSTED: // no SPI left in the range
        return missing;
    case ERR_EXISTS:
        return EEXIST;
    case ERR_SHORT:
        return ERANGE;
    case ERR_UNSUPPORTED:
        return EPROTONOSUPPORT;
    case ERR_LIMIT:
        return ENOBUFS;
    case ERR_NOMEM:
        return ENOMEM;
    case ERR_PERMISSION:
        return EPERM;
    case ERR_SYNTAX:
    case ERR_RANGE:
    case ERR_STATE:
    case ERR_ALGORITHM: // that of an SA is ENOSYS: verb_sa_put
    case ERR_TRAILING:
    case ERR_SPACE:
    case ERR_REPLAY:
    case ERR_AUTH:
    case ERR_NOCHOICE:
    case ERR_CRITICAL:
    case ERR_TIMEOUT:
    case ERR_AGAIN:
    case ERR_CLOSED:
    case ERR_SYSTEM:
    case ERR_CRYPTO:
        break;
    }
    return EINVAL;
}

int verb_reply(struct request *r, const struct message *m)
{
    if (message_done(m) != ERR_OK) return ENOBUFS;
    r->d->out.reply(r->d->out.ctx, r->peer, m->h);
    return 0;
}

struct message_id verb_id(const struct request *r)
{
    return (struct message_id){.seq = r->h->nlmsg_seq, .portid = r->peer->portid};
}

// A sentence may quote what a client has sent, an algorithm's name for example.
static void printable(char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') *text = '?';
    }
}

void verb_explain(struct request *r, int error)
{
    printable(r->why.text);
    if (r->why.text[0]) return;
    switch (error) {
    case ESRCH:
        IGNORE(why_not(&r->why, ERR_NOTFOUND, "there is no such SA"));
        return;
    case ENOENT:
        IGNORE(why_not(&r->why, ERR_NOTFOUND, "there is no such SA, policy or free SPI"));
        return;
    default:
        IGNORE(why_not(&r->why, ERR_SYSTEM, "refused: %s", strerror(error)));
    }
}

err_t verb_counts(struct request *r, uint32_t *flags, struct xfrm_counts *counts)
{
    TRY(codec_info_get_read(r->h, flags, &r->why));
    return r->d->api.ops->counts(r->d->api.ctx, counts);
}
