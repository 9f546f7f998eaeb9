#include <errno.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/secret.h"
#include "crypto/alg.h"
#include "netlink/verbs.h"

static bool alg_known(enum alg_type type, const struct xfrm_alg *a)
{
    if (!a->name[0]) return true;
    const struct alg *any = alg_by_kernel(type, a->name, 0, 0);
    if (!any || !any->aead) return any != NULL;
    return a->icv_bits % 8 == 0 && alg_by_kernel(type, a->name, 0, a->icv_bits / 8);
}

// The kernel looks algorithms up before it looks at keys: of two mistakes, an unknown name (ENOSYS)
// counts more than a wrong length (EINVAL).
static bool algs_known(const struct xfrm_sa *sa)
{
    return alg_known(ALG_ENCR, &sa->aead) && alg_known(ALG_ENCR, &sa->crypt) &&
           alg_known(ALG_INTEG, &sa->auth);
}

static err_t cpu_check(const struct xfrm_sa *sa, bool given, struct why *why)
{
    unsigned cpus = (unsigned)get_nprocs_conf();
    if (!given || sa->pcpu < cpus) return ERR_OK;
    return why_not(why, ERR_SYNTAX, "there is no CPU %u, only 0 to %u", sa->pcpu, cpus - 1);
}

int verb_sa_put(struct request *r)
{
    struct xfrm_sa sa;
    struct xfrm_api api = r->d->api;
    bool add = r->h->nlmsg_type == XFRM_MSG_NEWSA;
    err_t e = codec_sa_request_read(r->h, &sa, &r->why);
    if (e == ERR_OK) e = cpu_check(&sa, sa.pcpu != UINT32_MAX, &r->why);
    r->d->requested = &sa;
    if (e == ERR_OK) {
        e = add ? api.ops->sa_add(api.ctx, &sa, &r->why)
                : api.ops->sa_update(api.ctx, &sa, &r->why);
    }
    r->d->requested = NULL;
    bool known = e != ERR_ALGORITHM && (e != ERR_RANGE || algs_known(&sa));
    wipe(&sa, sizeof sa);
    return known ? verb_errno(e, ESRCH) : ENOSYS;
}

// Reads the identity of an existing SA.
static int id_read(struct request *r, struct xfrm_sa_id *id)
{
    int error = verb_errno(codec_sa_id_read(r->h, id, &r->why), ESRCH);
    if (error) return error;
    bool by_spi = id->proto == XFRM_PROTO_ESP || id->proto == XFRM_PROTO_AH ||
                  id->proto == XFRM_PROTO_COMP || id->proto == XFRM_PROTO_ANY;
    if (by_spi) {
        id->saddr = (ip_t){0}; // the kernel does not compare it where there is an SPI
        return 0;
    }
    // The SA beside IPComp. One of Mobile IPv6 would be named like this, too; there are none.
    if (id->saddr.family != AF_UNSPEC) return 0;
    IGNORE(why_not(&r->why, ERR_SYNTAX, "IP protocol %u is found by its addresses", id->proto));
    return EINVAL;
}

int verb_sa_del(struct request *r)
{
    struct xfrm_sa_id id;
    int error = id_read(r, &id);
    if (error) return error;
    err_t e = r->d->api.ops->sa_del(r->d->api.ctx, &id);
    if (e == ERR_PERMISSION)
        e = why_not(&r->why, e, "the SA is in use by IPComp in tunnel mode, and goes with it");
    return verb_errno(e, ESRCH);
}

static int sa_reply(struct request *r, struct xfrm_sa *sa)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    struct message m = message_start(buf, sizeof buf, XFRM_MSG_NEWSA, verb_id(r));
    codec_sa_write(&m, sa);
    int error = verb_reply(r, &m);
    wipe(buf, sizeof buf);
    wipe(sa, sizeof *sa);
    return error;
}

int verb_sa_get(struct request *r)
{
    struct xfrm_sa_id id;
    struct xfrm_sa sa;
    int error = id_read(r, &id);
    if (!error) error = verb_errno(r->d->api.ops->sa_get(r->d->api.ctx, &id, &sa), ESRCH);
    return error ? error : sa_reply(r, &sa);
}

int verb_sa_spi(struct request *r)
{
    struct xfrm_api api = r->d->api;
    struct xfrm_sa like, sa;
    uint32_t min, max;
    struct attrs a;
    err_t e = codec_spi_read(r->h, &like, &min, &max, &r->why);
    if (e == ERR_OK) e = attrs_read(r->h, sizeof(struct xfrm_userspi_info), ATTR_XFRM, &a, &r->why);
    if (e == ERR_OK) e = cpu_check(&like, attrs_has(&a, UAPI_SA_PCPU), &r->why);
    if (e == ERR_OK) e = api.ops->sa_alloc_spi(api.ctx, &like, min, max, &sa, &r->why);
    if (e == ERR_EXISTS) e = ERR_NOTFOUND; // the one SPI of the range is taken: none is free
    return e == ERR_OK ? sa_reply(r, &sa) : verb_errno(e, ENOENT);
}

int verb_sa_flush(struct request *r)
{
    uint8_t proto;
    err_t e = codec_sa_flush_read(r->h, &proto, &r->why);
    if (e == ERR_OK) e = r->d->api.ops->sa_flush(r->d->api.ctx, proto);
    return e == ERR_NOTFOUND ? 0 : verb_errno(e, ESRCH);
}

int verb_sa_expire(struct request *r)
{
    struct xfrm_sa sa = {0};
    bool hard = false;
    err_t e = codec_expire_read(r->h, &sa, &hard, &r->why);
    struct xfrm_sa_id id = codec_sa_id(&sa);
    if (e != ERR_OK) return verb_errno(e, ENOENT);
    e = r->d->api.ops->sa_expire(r->d->api.ctx, &id, hard);
    if (e == ERR_RANGE || e == ERR_STATE)
        e = why_not(&r->why, e, "the SA with SPI 0x%08x has no keys yet, nothing can expire",
                    id.spi);
    return verb_errno(e, ENOENT);
}

int verb_sa_ae_get(struct request *r)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    struct xfrm_sa sa;
    struct xfrm_sa_id id;
    uint32_t flags = 0;
    err_t e = codec_ae_id_read(r->h, &id, &flags, &r->why);
    if (e == ERR_OK) e = r->d->api.ops->sa_get(r->d->api.ctx, &id, &sa);
    if (e != ERR_OK) return verb_errno(e, ESRCH);
    struct message_id reply = {.seq = r->h->nlmsg_seq, .portid = r->h->nlmsg_pid};
    struct message m = message_start(buf, sizeof buf, XFRM_MSG_NEWAE, reply);
    codec_ae_write(&m, &sa, flags);
    wipe(&sa, sizeof sa);
    return verb_reply(r, &m);
}

int verb_sa_ae_set(struct request *r)
{
    struct xfrm_ae ae;
    err_t e = codec_ae_request_read(r->h, &ae, &r->why);
    if (e == ERR_OK) e = r->d->api.ops->sa_set_ae(r->d->api.ctx, &ae, &r->why);
    return verb_errno(e, ESRCH);
}

int verb_sa_info(struct request *r)
{
    alignas(8) uint8_t buf[MESSAGE_MAX];
    struct xfrm_counts counts = {0};
    uint32_t flags;
    err_t e = verb_counts(r, &flags, &counts);
    if (e != ERR_OK) return verb_errno(e, ENOENT);
    struct message m = message_start(buf, sizeof buf, XFRM_MSG_NEWSADINFO, verb_id(r));
    codec_sadinfo_write(&m, &counts, flags);
    return verb_reply(r, &m);
}
