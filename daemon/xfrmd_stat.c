#include "daemon/xfrmd_stat.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/unix.h"
#include "daemon/xfrmd_crypto.h"
#include "xfrm/db/counter.h"
#include "xfrm/path/hole.h"
#include "xfrm/path/pmtu.h"

#define PATHS_MAX 64            // more are left out
#define HOLES_MAX 16            // likewise
#define DOCUMENT_MAX (64 << 10) // bytes; must fit into the socket's buffer, as nobody waits

struct xfrmd_stat {
    struct xfrmd_stat_conf conf;
    int fd;
    struct loop_io *io;
};

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

// ---- the document ----

static json_t *drops_json(const struct engine_counts *c)
{
    json_t *drops = json_array();
    for (unsigned i = DROP_NONE + 1; i < DROP_COUNT; i++) {
        const enum drop d = (enum drop)i;
        json_t *one = json_pack("{s:s, s:s, s:o, s:s}", "word", drop_word(d), "kernel",
                                drop_kernel(d), "count", number(c->drops[i]), "text", drop_text(d));
        (void)json_array_append_new(drops, one);
    }
    return drops;
}

static void add_port(void *ctx, const char *name, uint16_t family, const struct port_counts *c)
{
    json_t *one = json_pack("{s:s, s:i}", "name", name, "family",
                            family == AF_INET    ? 4
                            : family == AF_INET6 ? 6
                                                 : 0);
    if (!one) return;
    (void)json_object_set_new(one, "packets_in", number(c->packets_in));
    (void)json_object_set_new(one, "bytes_in", number(c->bytes_in));
    (void)json_object_set_new(one, "ignored", number(c->ignored));
    (void)json_object_set_new(one, "packets_out", number(c->packets_out));
    (void)json_object_set_new(one, "bytes_out", number(c->bytes_out));
    (void)json_object_set_new(one, "refused_out", number(c->refused_out));
    (void)json_array_append_new(ctx, one);
}

static json_t *ports_json(const struct xfrmd_stat_conf *conf)
{
    json_t *all = json_array();
    if (all) xfrmd_ports_each(conf->ports, add_port, all);
    if (all) lent_each(conf->lent, add_port, all);
    if (all) sources_each(conf->sources, add_port, all);
    return all;
}

static json_t *workers_json(const struct engine *e)
{
    json_t *all = json_array();
    for (unsigned i = 0; all && i < engine_workers(e); i++) {
        struct engine_counts c;
        engine_counts_of(e, i, &c);
        json_t *one = json_pack("{s:o, s:o, s:o, s:o}",                //
                                "cpu_ns", number(engine_cpu_of(e, i)), //
                                "packets_in", number(c.packets_in),    //
                                "packets_out", number(c.packets_out),  //
                                "handed_over", number(c.handed_over));
        (void)json_array_append_new(all, one);
    }
    return all;
}

static json_t *inner_json(const struct engine_counts *c)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", //
                     "packets_in", number(c->packets_in),   //
                     "bytes_in", number(c->bytes_in),       //
                     "packets_out", number(c->packets_out), //
                     "bytes_out", number(c->bytes_out),     //
                     "dummies_out", number(c->dummies),     //
                     "held", number(c->held), "events_lost", number(c->news_lost));
}

static json_t *guard_json(const struct guard *g)
{
    struct guard_counts c = {0};
    guard_counts(g, &c);
    return json_pack("{s:s, s:s, s:o, s:o}", "ipv4", guard_way(g, AF_INET), "ipv6",
                     guard_way(g, AF_INET6), "clear_in", number(c.clear_in), "clear_out",
                     number(c.clear_out));
}

static json_t *db_json(struct xfrm_api api)
{
    struct xfrm_counts c = {0};
    err_t e = api.ops->counts(api.ctx, &c);
    if (e != ERR_OK) return json_null();
    return json_pack("{s:o, s:o, s:o, s:o}", "sas", number(c.sa_count), "policies_in",
                     number(c.policies[XFRM_IN]), "policies_out", number(c.policies[XFRM_OUT]),
                     "policies_fwd", number(c.policies[XFRM_FWD]));
}

// What ICMP has told of paths, and how long it will be believed.
static json_t *paths_json(const struct db *db)
{
    const struct sa *sa;
    const uint64_t now = clock_mono();
    json_t *all = json_array();
    cds_list_for_each_entry(sa, sad_all(db->sad), all)
    {
        char dst[IP_TEXT_MAX];
        uint32_t mtu = pmtu_learned(sa, now);
        if (!mtu || json_array_size(all) == PATHS_MAX) continue;
        ip_show(&sa->conf->x.daddr, dst);
        json_t *one = json_pack("{s:s, s:o, s:o, s:o}", "dst", dst, "spi", number(host32(sa->spi)),
                                "mtu", number(mtu), "seconds",
                                number((count_get(&sa->pmtu.until) - now) / NSEC_PER_SEC));
        (void)json_array_append_new(all, one);
    }
    return all;
}

static json_t *hole_json(const struct sa *sa, const struct hole_seen *h)
{
    const struct xfrm_sa *x = &sa->conf->x;
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX];
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "src", ip_show(&x->saddr, src),
                     "dst", ip_show(&x->daddr, dst), "spi", number(host32(sa->spi)), //
                     "again", number(h->again), "wire", number(h->wire),             //
                     "missing", number(h->missing), "got", number(h->got), "longest",
                     number(h->longest));
}

// SAs through which short packets come and long ones do not, as it seems.
static json_t *holes_json(const struct db *db)
{
    const struct sa *sa;
    struct hole_seen h;
    const uint64_t now = clock_mono();
    json_t *all = json_array();
    cds_list_for_each_entry(sa, sad_all(db->sad), all)
    {
        if (json_array_size(all) == HOLES_MAX) break;
        hole_of(sa, now, &h);
        if (h.again || h.missing) (void)json_array_append_new(all, hole_json(sa, &h));
    }
    return all;
}

// The document as text; the caller frees it. NULL when out of memory.
static char *document(const struct xfrmd_stat_conf *conf)
{
    struct engine_counts c;
    engine_counts(conf->engine, &c);
    json_t *root = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", //
                             "version", PAVISE_VERSION,                                      //
                             "tun", conf->tun,                                               //
                             "workers", workers_json(conf->engine),                          //
                             "guard", guard_json(conf->guard),                               //
                             "inner", inner_json(&c),                                        //
                             "db", db_json(conf->api),                                       //
                             "crypto", xfrmd_crypto_json(conf->db->sad),                     //
                             "marks", marks_json(conf->marks),                               //
                             "paths", paths_json(conf->db),                                  //
                             "holes", holes_json(conf->db),                                  //
                             "drops", drops_json(&c),                                        //
                             "ports", ports_json(conf));
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

// ---- the socket ----

static void answer(const struct xfrmd_stat *s, int fd)
{
    const int room = DOCUMENT_MAX;
    if (!unix_peer_is_root(fd)) return;
    char *text = document(&s->conf);
    if (!text) return;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    size_t n = strlen(text);
    // Not waited for: a peer that does not read must not stop the daemon.
    if (send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
        log_say(LOG_INFO, "stat", "statistics were not taken: %s", strerror(errno));
    free(text);
}

static void on_connect(void *ctx, int fd, int events)
{
    (void)events;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0) return;
    answer(ctx, peer);
    (void)close(peer);
}

err_t xfrmd_stat_new(const struct xfrmd_stat_conf *conf, struct xfrmd_stat **out, struct why *why)
{
    int fd = -1;
    TRY(unix_bind(conf->name, SOCK_STREAM, &fd, why));
    struct xfrmd_stat *s = calloc(1, sizeof *s);
    if (s) *s = (struct xfrmd_stat){.conf = *conf, .fd = fd};
    if (s) s->io = loop_io_new(conf->loop, fd, LOOP_READ, on_connect, s);
    if (!s || !s->io) {
        free(s);
        unix_unbind(fd, conf->name);
        return why_not(why, ERR_NOMEM, "out of memory");
    }
    *out = s;
    return ERR_OK;
}

void xfrmd_stat_free(struct xfrmd_stat *s)
{
    if (!s) return;
    loop_io_free(s->io);
    unix_unbind(s->fd, s->conf.name);
    free(s);
}
