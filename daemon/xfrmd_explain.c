#include "daemon/xfrmd_explain.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/unix.h"
#include "daemon/xfrmd_show.h"
#include "xfrm/path/explain.h"
#include "xfrm/port/link_mtu.h"

#define REQUEST_MAX 2048       // bytes
#define ANSWER_MAX (128 << 10) // of the socket's buffer: nobody waits for who does not read

struct xfrmd_explain {
    struct xfrmd_explain_conf conf;
    int fd;
    struct loop_io *io;
    struct link_mtu *links;
};

// ---- what stands in the answer ----

static json_t *tmpl_json(const struct xfrm_tmpl *t)
{
    return json_pack("{s:o, s:o, s:s, s:s, s:I, s:b}", "src", show_ip(&t->saddr), "dst",
                     show_ip(&t->daddr), "proto", show_proto(t->proto), "mode", show_mode(t->mode),
                     "reqid", (json_int_t)t->reqid, "optional", t->optional);
}

static json_t *policy_json(const struct policy *p)
{
    const struct xfrm_policy *c = &p->conf;
    json_t *tmpls = json_array();
    for (unsigned i = 0; i < c->tmpl_count; i++)
        (void)json_array_append_new(tmpls, tmpl_json(&c->tmpl[i]));
    return json_pack("{s:I, s:I, s:s, s:s, s:o, s:o}", "index", (json_int_t)c->index, "priority",
                     (json_int_t)c->priority, "dir", show_dir(c->dir), "action",
                     show_action(c->action, c->tmpl_count), "selector", show_selector(&c->sel),
                     "templates", tmpls);
}

static json_t *sa_json(struct sa *sa)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    char spi[16];
    (void)snprintf(spi, sizeof spi, "0x%08x", x->spi);
    return json_pack("{s:s, s:o, s:o, s:s, s:s, s:I, s:b, s:s}", "spi", spi, "src",
                     show_ip(&x->saddr), "dst", show_ip(&x->daddr), "proto", show_proto(x->proto),
                     "mode", show_mode(x->mode), "reqid", (json_int_t)x->reqid, "udp",
                     x->encap.type != 0, "algorithm",
                     x->aead.name[0]    ? x->aead.name
                     : x->crypt.name[0] ? x->crypt.name
                                        : x->auth.name);
}

static json_t *outer_json(const struct explain *x)
{
    const struct pkt *p = &x->outer;
    const char *proto = p->udp ? "udp" : show_proto(p->sas[p->sa_count - 1]->proto);
    return json_pack("{s:o, s:o, s:s, s:i, s:i, s:i, s:b}", "src", show_ip(&p->from.ip), "dst",
                     show_ip(&p->to.ip), "proto", proto, "sport", p->udp ? p->from.port : 0,
                     "dport", p->udp ? p->to.port : 0, "tos", p->outer_tos, "df", p->outer_df);
}

static json_t *others_json(const struct explain *x)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < x->others; i++) {
        json_t *one = policy_json(x->other[i].policy);
        if (one)
            (void)json_object_set_new(one, "why", json_string(explain_why_text(x->other[i].why)));
        (void)json_array_append_new(all, one);
    }
    return all;
}

static const char *verdict(const struct explain *x, bool out)
{
    if (x->waits) return "waits";
    if (out) return x->drop ? "dropped" : x->bypass ? "passes in clear" : "protected";
    if (!x->drop) return "accepted in clear";
    return x->sas ? "accepted through its SA" : "dropped";
}

static void dropped(json_t *j, const char *word, const char *why)
{
    (void)json_object_set_new(j, "drop", json_string(word));
    (void)json_object_set_new(j, "why", json_string(why));
}

// What is around the packet, and what fits. The host judges first: the device has an MTU, too.
static void outbound_json(json_t *j, const struct explain *x, uint32_t tun_mtu)
{
    uint32_t longest = x->fits && x->fits < tun_mtu ? x->fits : tun_mtu;
    (void)json_object_set_new(j, "outer", outer_json(x));
    (void)json_object_set_new(j, "wire_length", json_integer(x->wire));
    (void)json_object_set_new(j, "path_mtu", json_integer(x->path_mtu));
    (void)json_object_set_new(j, "device_mtu", json_integer(tun_mtu));
    (void)json_object_set_new(j, "longest", json_integer(longest));
    (void)json_object_set_new(j, "fragmented", json_boolean(x->cut));
    if (x->drop || x->len <= tun_mtu) return;
    (void)json_object_set_new(j, "verdict", json_string("dropped"));
    dropped(
        j, "device-mtu",
        "longer than the MTU of the device that leads to pavise-xfrmd (--mtu); its sender is told");
}

static json_t *answer_json(const struct explain *x, bool out, uint32_t tun_mtu)
{
    json_t *sas = json_array();
    for (unsigned i = 0; i < x->sas; i++) (void)json_array_append_new(sas, sa_json(x->sa[i]));
    json_t *j =
        json_pack("{s:s, s:s, s:o, s:o, s:I, s:o, s:I}", "direction", out ? "out" : "in", "verdict",
                  verdict(x, out), "policy", x->policy ? policy_json(x->policy) : json_null(),
                  "others", others_json(x), "others_all", (json_int_t)x->others_all, "sas", sas,
                  "length", (json_int_t)x->len);
    if (!j) return NULL;
    if (x->waits)
        (void)json_object_set_new(j, "missing", tmpl_json(&x->policy->conf.tmpl[x->missing]));
    if (x->drop) dropped(j, drop_word(x->drop), drop_text(x->drop));
    if (out && x->sas) outbound_json(j, x, tun_mtu);
    return j;
}

// ---- the request ----

static bool number_read(const json_t *j, const char *key, json_int_t max, json_int_t *out)
{
    const json_t *v = json_object_get(j, key);
    *out = v ? json_integer_value(v) : 0;
    return !v || (json_is_integer(v) && *out >= 0 && *out <= max);
}

static err_t ask_read(const json_t *j, struct explain_ask *a, struct why *why)
{
    const char *src = json_string_value(json_object_get(j, "src")),
               *dst = json_string_value(json_object_get(j, "dst")),
               *dir = json_string_value(json_object_get(j, "direction"));
    json_int_t proto, sport, dport, mark, len;
    if (!src || ip_parse(src, &a->src) != ERR_OK || !dst || ip_parse(dst, &a->dst) != ERR_OK)
        return why_not(why, ERR_SYNTAX, "source and destination have to be IP addresses");
    if (!number_read(j, "proto", UINT8_MAX, &proto) ||
        !number_read(j, "sport", UINT16_MAX, &sport) ||
        !number_read(j, "dport", UINT16_MAX, &dport) ||
        !number_read(j, "mark", UINT32_MAX, &mark) || !number_read(j, "length", UINT16_MAX, &len))
        return why_not(why, ERR_RANGE, "a number is out of range");
    a->dir = dir && strcmp(dir, "in") == 0 ? XFRM_IN : XFRM_OUT;
    a->proto = (uint8_t)proto;
    a->sport = (uint16_t)sport;
    a->dport = (uint16_t)dport;
    a->mark = (uint32_t)mark;
    a->len = (uint32_t)len;
    return ERR_OK;
}

static uint32_t ask_link(void *ctx, const ip_t *dst, const ip_t *src)
{
    return link_mtu_ask(ctx, dst, src);
}

static uint32_t ask_device(void *ctx, const ip_t *dst, const ip_t *src)
{
    return link_mtu_device(ctx, dst, src);
}

char *xfrmd_explain_answer(struct xfrmd_explain *e, const char *request, size_t len)
{
    struct why why = {{0}};
    struct explain_ask ask = {0};
    struct explain x;
    struct worker w = {.db = e->conf.db,
                       .exits = {.link_mtu = ask_link, .device = ask_device, .ctx = e->links},
                       .now = clock_mono(),
                       .allow_clear_in = e->conf.allow_clear_in};
    json_t *j = json_loadb(request, len, JSON_REJECT_DUPLICATES, NULL), *answer = NULL;
    err_t err = j ? ask_read(j, &ask, &why) : why_not(&why, ERR_SYNTAX, "the question is no JSON");
    if (err == ERR_OK) err = explain_packet(&w, &ask, &x, &why);
    answer = err == ERR_OK ? answer_json(&x, ask.dir == XFRM_OUT, e->conf.tun_mtu)
                           : json_pack("{s:s}", "error", why.text);
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    json_decref(j);
    return text;
}

// ---- the socket ----

static bool from_root(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        struct ucred who;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS) continue;
        memcpy(&who, CMSG_DATA(c), sizeof who);
        return who.uid == 0;
    }
    return false;
}

static void on_ask(void *ctx, int fd, int events)
{
    (void)events;
    char request[REQUEST_MAX];
    struct sockaddr_un from;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec io = {request, sizeof request};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n <= 0 || m.msg_flags & MSG_TRUNC || !from_root(&m)) return;
    char *text = xfrmd_explain_answer(ctx, request, (size_t)n);
    if (!text) return;
    // Who does not take the answer goes without.
    (void)sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&from,
                 m.msg_namelen);
    free(text);
}

static err_t name_take(struct xfrmd_explain *e, struct why *why)
{
    const int on = 1, room = ANSWER_MAX;
    TRY(unix_bind(e->conf.name, SOCK_DGRAM, &e->fd, why));
    (void)setsockopt(e->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (setsockopt(e->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0) return ERR_OK;
    return why_not(why, ERR_SYSTEM, "socket %s: %s", e->conf.name, strerror(errno));
}

err_t xfrmd_explain_new(const struct xfrmd_explain_conf *conf, struct xfrmd_explain **out,
                        struct why *why)
{
    struct xfrmd_explain *e = calloc(1, sizeof *e);
    if (!e) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    *e = (struct xfrmd_explain){.conf = *conf, .fd = -1};
    err_t err = link_mtu_new(conf->fwmark, &e->links, why);
    if (err == ERR_OK && conf->name) err = name_take(e, why);
    if (err == ERR_OK && conf->name) {
        e->io = loop_io_new(conf->loop, e->fd, LOOP_READ, on_ask, e);
        if (!e->io) err = why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    if (err == ERR_OK) {
        *out = e;
        return ERR_OK;
    }
    xfrmd_explain_free(e);
    return err;
}

void xfrmd_explain_free(struct xfrmd_explain *e)
{
    if (!e) return;
    loop_io_free(e->io);
    unix_unbind(e->fd, e->conf.name);
    link_mtu_free(e->links);
    free(e);
}
