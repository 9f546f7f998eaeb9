#include "cli/trace_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/text.h"
#include "cli/json.h"
#include "cli/say.h"
#include "netlink/client.h"
#include "see/esp_sa.h"
#include "see/pcapng.h"

#define BLOCKS_MAX (2 * (TRACE_FILE_BYTES_MAX + PCAPNG_ROOM))

enum { INNER, OUTER }; // interfaces of the file

struct trace_file {
    const char *name;
    int fd;
    int keys_at;              // the directory; -1: not asked for
    int keys;                 // esp_sa there
    struct xfrm_client *xfrm; // for the keys
    json_t *told;             // SPIs whose keys stand there
    uint8_t bytes[TRACE_FILE_BYTES_MAX], blocks[BLOCKS_MAX];
};

// ---- files that only their owner reads ----

static int private_open(int dir, const char *name, int flags)
{
    struct stat st;
    int fd = openat(dir, name, flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return fd; // a FIFO is fine, too
    if ((st.st_mode & 077) == 0 || fchmod(fd, 0600) == 0) return fd;
    (void)close(fd);
    return -1;
}

static bool write_all(int fd, span_t s)
{
    while (s.len > 0) {
        const ssize_t n = write(fd, s.at, s.len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        s = span(s.at + n, s.len - (size_t)n);
    }
    return true;
}

static bool said(const char *name)
{
    say_error("%s: %s", name, strerror(errno));
    return false;
}

// ---- keys ----

static bool keys_open(struct trace_file *f, const struct args *a, const char *dir)
{
    const struct xfrm_client_options o = {.peer = XFRM_PEER_XFRMD, .name = args_get(a, "--socket")};
    struct why why = {{0}};
    f->keys_at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->keys_at < 0) return said(dir);
    f->keys = private_open(f->keys_at, "esp_sa", O_APPEND | O_NOFOLLOW);
    if (f->keys < 0) return said(dir);
    f->told = json_object();
    if (xfrm_client_open_with(&o, NULL, NULL, NULL, &f->xfrm, &why) == ERR_OK) return true;
    say_error("%s", why.text);
    return false;
}

static struct esp_sa keys_of(const struct xfrm_sa *x)
{
    const bool aead = x->aead.name[0] != 0;
    const struct xfrm_alg *cipher = aead ? &x->aead : &x->crypt;
    return (struct esp_sa){.src = x->saddr,
                           .dst = x->daddr,
                           .spi = x->spi,
                           .cipher = cipher->name,
                           .mac = aead ? "" : x->auth.name,
                           .icv_bits = aead ? x->aead.icv_bits : x->auth.icv_bits,
                           .cipher_key = span(cipher->key, cipher->key_bits / 8U),
                           .mac_key = span(x->auth.key, x->auth.key_bits / 8U)};
}

static bool line_write(int fd, struct text *line)
{
    text_add(line, "\n");
    const bool good = line->at && write_all(fd, span(line->at, line->len));
    if (line->at) wipe(line->at, line->len);
    text_done(line);
    return good;
}

// For what Wireshark cannot read, but `pavise decode` can.
static bool keys_add_own(struct trace_file *f, const struct esp_sa *sa)
{
    struct text line = {0};
    if (esp_sa_own_line(sa, &line) != ERR_OK) return true;
    const int fd = private_open(f->keys_at, "pavise_esp", O_APPEND | O_NOFOLLOW);
    const bool good = line_write(fd, &line);
    if (fd >= 0) (void)close(fd);
    return good || said("pavise_esp");
}

static bool keys_add_sa(struct trace_file *f, const struct xfrm_sa *x)
{
    struct text line = {0};
    const struct esp_sa sa = keys_of(x);
    const bool known = esp_sa_line(&sa, &line) == ERR_OK;
    if (!known) text_add(&line, "# 0x%08x: Wireshark 4.0 has no word for %s", x->spi, sa.cipher);
    if (!line_write(f->keys, &line)) return said("esp_sa");
    return known || keys_add_own(f, &sa);
}

// The keys of an SA that is met for the first time.
static bool keys_add(struct trace_file *f, const json_t *sa)
{
    const char *spi = json_str(sa, "spi");
    struct xfrm_sa_id id = {.proto = XFRM_PROTO_ESP, .spi = (uint32_t)strtoul(spi, NULL, 16)};
    struct xfrm_sa x;
    struct text none = {0};
    if (strcmp(json_str(sa, "proto"), "esp") != 0 || json_object_get(f->told, spi)) return true;
    (void)json_object_set_new(f->told, spi, json_true());
    if (ip_parse(json_str(sa, "dst"), &id.daddr) != ERR_OK) return true;
    const struct xfrm_api api = xfrm_client_api(f->xfrm);
    if (api.ops->sa_get(api.ctx, &id, &x) == ERR_OK) {
        const bool good = keys_add_sa(f, &x);
        wipe(&x, sizeof x);
        return good;
    }
    text_add(&none, "# %s: had ended before its keys were asked for", spi);
    return line_write(f->keys, &none) || said("esp_sa");
}

// ---- comments ----

static void add_verdict(struct clip *c, const json_t *r)
{
    const char *drop = json_str(r, "drop");
    clip_add(c, "%s: %s", json_str(r, "way"), json_str(r, "verdict"));
    if (*drop) clip_add(c, " (%s) at %s: %s", drop, json_str(r, "stage"), json_str(r, "why"));
}

static void comment_inner(const json_t *r, char buf[PCAPNG_COMMENT_MAX])
{
    struct clip c = clip_on(buf, PCAPNG_COMMENT_MAX);
    const json_t *p = json_object_get(r, "policy"), *s = json_object_get(p, "selector");
    add_verdict(&c, r);
    if (!p) return;
    clip_add(&c, "; policy %s %s > %s (priority %" PRIu64 "): %s", json_str(p, "dir"),
             json_str(s, "src"), json_str(s, "dst"), json_u64(p, "priority"),
             json_str(p, "action"));
}

static void comment_outer(const json_t *r, char buf[PCAPNG_COMMENT_MAX])
{
    size_t i;
    json_t *sa;
    struct clip c = clip_on(buf, PCAPNG_COMMENT_MAX);
    add_verdict(&c, r);
    json_array_foreach(json_object_get(r, "sas"), i, sa)
    {
        clip_add(&c, "; SA %s %s, %s, reqid %" PRIu64 ", %s", json_str(sa, "proto"),
                 json_str(sa, "spi"), json_str(sa, "mode"), json_u64(sa, "reqid"),
                 json_str(sa, "algorithm"));
        if (*json_str(sa, "name")) clip_add(&c, " (%s)", json_str(sa, "name"));
    }
    if (json_object_get(r, "seq")) clip_add(&c, "; sequence number %" PRIu64, json_u64(r, "seq"));
}

// ---- packets ----

static void add_packet(struct trace_file *f, wr_t *w, const json_t *r, uint32_t interface)
{
    char comment[PCAPNG_COMMENT_MAX];
    const char *way = json_str(r, "way");
    const bool out = strcmp(way, "out") == 0 || strcmp(way, "dummy") == 0;
    const char *hex = json_str(r, interface == INNER ? "plain" : "protected");
    const json_t *about = json_object_get(r, interface == INNER ? "inner" : "outer");
    size_t len = sizeof f->bytes;
    if (!*hex || hex_read(hex, strlen(hex), f->bytes, &len) != ERR_OK) return;
    if (interface == INNER)
        comment_inner(r, comment);
    else
        comment_outer(r, comment);
    const uint64_t whole = json_u64(about, "length");
    const bool later = out == (interface == OUTER); // it is what the other one has become
    const struct pcapng_packet p = {.interface = interface,
                                    .time =
                                        json_u64(r, "time_ns") + (later ? json_u64(r, "ns") : 0),
                                    .bytes = span(f->bytes, len),
                                    .wire_len = whole > len ? (uint32_t)whole : (uint32_t)len,
                                    .way = out ? PCAPNG_OUT : PCAPNG_IN,
                                    .comment = comment};
    pcapng_packet(w, &p);
}

bool trace_file_add(struct trace_file *f, const json_t *record)
{
    size_t i;
    json_t *sa;
    wr_t w = wr_into(f->blocks, sizeof f->blocks);
    const bool in = strcmp(json_str(record, "way"), "in") == 0;
    add_packet(f, &w, record, in ? OUTER : INNER);
    add_packet(f, &w, record, in ? INNER : OUTER);
    if (!write_all(f->fd, wr_span(&w))) return said(f->name);
    json_array_foreach(json_object_get(record, "sas"), i, sa)
    {
        if (f->keys >= 0 && !keys_add(f, sa)) return false;
    }
    return true;
}

// ---- coming and going ----

static bool head_write(struct trace_file *f)
{
    wr_t w = wr_into(f->blocks, sizeof f->blocks);
    pcapng_begin(&w, "pavise trace " PAVISE_VERSION);
    pcapng_interface(&w, "inner", "packets in clear: before they are protected, or after");
    pcapng_interface(&w, "outer", "protected packets, as they are on the wire");
    return write_all(f->fd, wr_span(&w)) || said(f->name);
}

bool trace_file_open(const struct args *a, struct trace_file **out)
{
    const char *name = args_get(a, "--write"), *dir = args_get(a, "--keys");
    *out = NULL;
    if (dir && !name) {
        say_error("--keys goes with --write: they are those of the packets in the file");
        return false;
    }
    if (!name) return true;
    struct trace_file *f = calloc(1, sizeof *f);
    if (!f) return said(name);
    f->name = name;
    f->keys = f->keys_at = -1;
    f->fd = private_open(AT_FDCWD, name, O_TRUNC);
    if ((f->fd >= 0 || said(name)) && (!dir || keys_open(f, a, dir)) && head_write(f)) {
        *out = f;
        return true;
    }
    trace_file_close(f);
    return false;
}

void trace_file_close(struct trace_file *f)
{
    if (!f) return;
    if (f->fd >= 0) (void)close(f->fd);
    if (f->keys >= 0) (void)close(f->keys);
    if (f->keys_at >= 0) (void)close(f->keys_at);
    xfrm_client_close(f->xfrm);
    json_decref(f->told);
    free(f);
}
