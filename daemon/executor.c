#include "daemon/executor.h"

#include <string.h>

#include "base/log.h"

// An SA that cannot serve anybody: from and to an address of the documentation range.
static void probe_sa(struct xfrm_sa *sa)
{
    static const uint8_t host[4] = {192, 0, 2, 255};
    static const uint8_t key[20] = {1}; // AES-128-GCM with its salt; protects nothing
    *sa = (struct xfrm_sa){
        .saddr = ip_from(AF_INET, host),
        .daddr = ip_from(AF_INET, host),
        .spi = 0xc0ffee01,
        .proto = XFRM_PROTO_ESP,
        .mode = XFRM_TUNNEL,
        .family = AF_INET,
        .limit = {.soft_bytes = XFRM_INF,
                  .hard_bytes = XFRM_INF,
                  .soft_packets = XFRM_INF,
                  .hard_packets = XFRM_INF},
        .replay.window = 32,
        .pcpu = UINT32_MAX,
    };
    xfrm_selector_any(&sa->sel, AF_INET);
    (void)strcpy(sa->aead.name, "rfc4106(gcm(aes))");
    sa->aead.key_bits = sizeof key * 8;
    sa->aead.icv_bits = 128;
    memcpy(sa->aead.key, key, sizeof key);
}

static void unprobe(struct xfrm_api api, const struct xfrm_sa *sa)
{
    const struct xfrm_sa_id id = {.daddr = sa->daddr, .spi = sa->spi, .proto = sa->proto};
    IGNORE(api.ops->sa_del(api.ctx, &id)); // it can do no harm
}

// Likewise IP-TFS (RFC 9347), which came with Linux 6.14 and may have been left out of it.
static bool kernel_has_iptfs(struct xfrm_api api)
{
    struct xfrm_sa sa;
    struct why why = {0};
    probe_sa(&sa);
    sa.mode = XFRM_IPTFS;
    sa.dir = XFRM_SA_IN;
    sa.iptfs = (struct xfrm_iptfs){.drop_time_us = XFRM_IPTFS_DROP_TIME,
                                   .reorder_window = XFRM_IPTFS_REORDER_WINDOW};
    err_t e = api.ops->sa_add(api.ctx, &sa, &why);
    if (e == ERR_OK) unprobe(api, &sa);
    return e == ERR_OK || e == ERR_EXISTS; // only after it has looked at the mode
}

// Whether a kernel has ESP is only known when it is asked for an SA; that also loads the module.
static err_t check_kernel_esp(struct xfrm_api api, struct why *why)
{
    struct xfrm_sa sa;
    struct why said = {0};
    probe_sa(&sa);
    err_t e = api.ops->sa_add(api.ctx, &sa, &said);
    if (e == ERR_OK || e == ERR_EXISTS) {
        unprobe(api, &sa);
        return ERR_OK;
    }
    if (e == ERR_PERMISSION) {
        return why_not(why, e, "the kernel takes no SAs from us; CAP_NET_ADMIN is needed");
    }
    return why_not(why, ERR_UNSUPPORTED, "this kernel has no ESP (%.150s)",
                   said.text[0] ? said.text : err_text(e));
}

static err_t open_kernel(struct loop *loop, xfrm_event_fn *fn, void *ctx, struct executor *out,
                         struct why *why)
{
    struct xfrm_client *c;
    TRY(xfrm_client_open(XFRM_PEER_KERNEL, loop, fn, ctx, &c, why));
    err_t e = check_kernel_esp(xfrm_client_api(c), why);
    if (e != ERR_OK) {
        xfrm_client_close(c);
        return e;
    }
    *out = (struct executor){.client = c, .kernel = true};
    out->iptfs = kernel_has_iptfs(xfrm_client_api(c));
    return ERR_OK;
}

static err_t open_xfrmd(const char *socket, struct loop *loop, xfrm_event_fn *fn, void *ctx,
                        struct executor *out, struct why *why)
{
    struct xfrm_client *c;
    const char *name = socket ? socket : XFRMD_SOCKET;
    const struct xfrm_client_options o = {XFRM_PEER_XFRMD, name, XFRM_GROUPS_DIPLOMAT};
    TRY(xfrm_client_open_with(&o, loop, fn, ctx, &c, why));
    *out = (struct executor){.client = c, .kernel = false, .iptfs = true};
    return ERR_OK;
}

err_t executor_open(const struct executor_choice *choice, struct loop *loop, xfrm_event_fn *fn,
                    void *ctx, struct executor *out, struct why *why)
{
    struct why xfrmd = {0}, kernel = {0};
    err_t e = ERR_OK;
    if (choice->which != CONF_EXEC_KERNEL) {
        e = open_xfrmd(choice->socket, loop, fn, ctx, out, &xfrmd);
        if (e == ERR_OK) return e;
    }
    if (choice->which == CONF_EXEC_PAVISE) {
        return why_not(why, e, "%.150s; start it first, or use --executor kernel", xfrmd.text);
    }
    e = open_kernel(loop, fn, ctx, out, &kernel);
    if (e == ERR_OK) return e;
    if (choice->which == CONF_EXEC_KERNEL) {
        return why_not(why, e, "%.150s; start pavise-xfrmd and use --executor pavise", kernel.text);
    }
    return why_not(why, e, "no executor: %.90s, and %.90s; start pavise-xfrmd first", xfrmd.text,
                   kernel.text);
}

void executor_close(struct executor *e)
{
    xfrm_client_close(e->client);
    e->client = NULL;
}
