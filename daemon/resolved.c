#include "daemon/resolved.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define BUS "/run/dbus/system_bus_socket"
#define NAME "org.freedesktop.resolve1"
#define ASK_MAX 32768   // bytes of all calls: more servers and domains than we keep
#define ANSWER_MAX 8192 // of one message; errors are short
#define PATIENCE_NS (3 * NSEC_PER_SEC)
#define FINISH_MS 500

// ---- messages (D-Bus specification, "Message Protocol"): little-endian, aligned by their types
// ----

enum { CALL = 1, RETURN = 2, ERROR = 3 };
enum {
    FIELD_PATH = 1,
    FIELD_INTERFACE = 2,
    FIELD_MEMBER = 3,
    FIELD_DESTINATION = 6,
    FIELD_SIGNATURE = 8
};
#define NO_AUTO_START 2

struct out {
    uint8_t *at;
    size_t start, n, cap; // start: of the message being written
    bool bad;
};

static void put_bytes(struct out *o, const void *bytes, size_t n)
{
    if (o->bad || n > o->cap - o->n) {
        o->bad = true;
        return;
    }
    memcpy(o->at + o->n, bytes, n);
    o->n += n;
}

static void align(struct out *o, size_t to)
{
    while (!o->bad && (o->n - o->start) % to) put_bytes(o, "", 1);
}

static void put_byte(struct out *o, uint8_t v)
{
    put_bytes(o, &v, 1);
}

static void put_u32(struct out *o, uint32_t v)
{
    align(o, 4);
    for (unsigned i = 0; i < 4; i++) put_byte(o, (uint8_t)(v >> 8 * i));
}

static void set_u32(struct out *o, size_t at, uint32_t v)
{
    for (unsigned i = 0; !o->bad && i < 4; i++) o->at[at + i] = (uint8_t)(v >> 8 * i);
}

static void put_string(struct out *o, const char *s)
{
    put_u32(o, (uint32_t)strlen(s));
    put_bytes(o, s, strlen(s) + 1);
}

static void put_signature(struct out *o, const char *s)
{
    put_byte(o, (uint8_t)strlen(s));
    put_bytes(o, s, strlen(s) + 1);
}

static void put_field(struct out *o, uint8_t field, const char *type, const char *value)
{
    align(o, 8);
    put_byte(o, field);
    put_signature(o, type);
    if (*type == 'g') put_signature(o, value);
    if (*type != 'g') put_string(o, value);
}

struct method {
    const char *destination, *path, *interface, *member, *signature; // signature "": no body
};

// The header; the body follows, and end_call() says how long it became.
static void begin_call(struct out *o, const struct method *m, uint32_t serial)
{
    o->start = o->n;
    put_byte(o, 'l');
    put_byte(o, CALL);
    put_byte(o, NO_AUTO_START);
    put_byte(o, 1); // version
    put_u32(o, 0);  // length of the body
    put_u32(o, serial);
    put_u32(o, 0); // length of the fields
    size_t fields = o->n;
    put_field(o, FIELD_PATH, "o", m->path);
    put_field(o, FIELD_INTERFACE, "s", m->interface);
    put_field(o, FIELD_MEMBER, "s", m->member);
    put_field(o, FIELD_DESTINATION, "s", m->destination);
    if (*m->signature) put_field(o, FIELD_SIGNATURE, "g", m->signature);
    set_u32(o, o->start + 12, (uint32_t)(o->n - fields));
    align(o, 8);
}

static void end_call(struct out *o, size_t body)
{
    set_u32(o, o->start + 4, (uint32_t)(o->n - body));
}

static size_t begin_manager(struct out *o, const char *member, const char *signature,
                            const struct resolved_link *link, uint32_t serial)
{
    const struct method m = {NAME, "/org/freedesktop/resolve1", NAME ".Manager", member, signature};
    begin_call(o, &m, serial);
    size_t body = o->n;
    put_u32(o, link->ifindex);
    return body;
}

static void call_hello(struct out *o, uint32_t serial)
{
    static const struct method hello = {"org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "Hello", ""};
    begin_call(o, &hello, serial);
    end_call(o, o->n);
}

static void call_set_dns(struct out *o, const struct resolved_link *l, uint32_t serial)
{
    size_t body = begin_manager(o, "SetLinkDNS", "ia(iay)", l, serial);
    size_t length = o->n;
    put_u32(o, 0);
    align(o, 8);
    size_t first = o->n;
    for (unsigned i = 0; i < l->dns_n; i++) {
        unsigned len = ip_len(l->dns[i].family);
        align(o, 8);
        put_u32(o, l->dns[i].family);
        put_u32(o, len);
        put_bytes(o, l->dns[i].b, len);
    }
    set_u32(o, length, (uint32_t)(o->n - first));
    end_call(o, body);
}

// Without domains "." leads everything there, as the first server of a resolv.conf does.
static void call_set_domains(struct out *o, const struct resolved_link *l, uint32_t serial)
{
    size_t body = begin_manager(o, "SetLinkDomains", "ia(sb)", l, serial);
    size_t length = o->n;
    put_u32(o, 0);
    align(o, 8);
    size_t first = o->n;
    for (unsigned i = 0; i < l->domain_n; i++) {
        align(o, 8);
        put_string(o, l->domain[i]);
        put_u32(o, 0); // also to be searched
    }
    if (!l->domain_n) {
        put_string(o, ".");
        put_u32(o, 1); // not to be searched
    }
    set_u32(o, length, (uint32_t)(o->n - first));
    end_call(o, body);
}

static void call_set_default(struct out *o, const struct resolved_link *l, uint32_t serial)
{
    size_t body = begin_manager(o, "SetLinkDefaultRoute", "ib", l, serial);
    put_u32(o, l->domain_n == 0);
    end_call(o, body);
}

// All that is to be said, in one breath: the bus takes it as it comes.
size_t resolved_message(const struct resolved_link *l, uint8_t *buf, size_t cap, unsigned *replies)
{
    struct out o = {.at = buf, .cap = cap};
    char auth[64];
    int n = snprintf(auth, sizeof auth, "AUTH EXTERNAL ");
    char uid[16];
    (void)snprintf(uid, sizeof uid, "%u", (unsigned)getuid());
    for (const char *c = uid; *c; c++) {
        n += snprintf(auth + n, sizeof auth - (size_t)n, "%02x", (unsigned)*c);
    }
    put_bytes(&o, "", 1);
    put_bytes(&o, auth, (size_t)n);
    put_bytes(&o, "\r\nBEGIN\r\n", 9);
    call_hello(&o, 1);
    if (l->dns_n) {
        call_set_dns(&o, l, 2);
        call_set_domains(&o, l, 3);
        call_set_default(&o, l, 4);
    } else {
        size_t body = begin_manager(&o, "RevertLink", "i", l, 2);
        end_call(&o, body);
    }
    *replies = l->dns_n ? 4 : 2;
    return o.bad ? 0 : o.n;
}

// ---- the conversation ----

struct resolved {
    struct loop *loop;
    struct loop_io *io;
    struct loop_timer *patience;
    int fd; // -1: nothing is under way
    bool greeted;
    unsigned replies; // still to come
    size_t in_n;
    uint8_t in[ANSWER_MAX];
    uint8_t ask[ASK_MAX];
};

static void hang_up(struct resolved *r)
{
    loop_io_free(r->io);
    r->io = NULL;
    if (r->fd >= 0) (void)close(r->fd);
    r->fd = -1;
    loop_timer_stop(r->patience);
}

static void fail(struct resolved *r, const char *what)
{
    log_say(LOG_WARN, "dns", "systemd-resolved: %s; names behind the gateway may not be found",
            what);
    hang_up(r);
}

static void on_patience(void *ctx)
{
    fail(ctx, "no answer");
}

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// An error's first argument is its sentence.
static void tell_error(struct resolved *r, const uint8_t *body, size_t n)
{
    char text[200] = "it refuses";
    size_t len = n >= 5 ? get_le32(body) : 0;
    if (len && len < n - 4 && len < sizeof text)
        (void)snprintf(text, sizeof text, "%.*s", (int)len, (const char *)body + 4);
    fail(r, text);
}

// One message off the front of `in`. false: not all of it is here, or it was the last one.
static bool take_message(struct resolved *r)
{
    if (r->in_n < 16) return false;
    uint32_t body = get_le32(r->in + 4), fields = get_le32(r->in + 12);
    if (r->in[0] != 'l' || body > ANSWER_MAX || fields > ANSWER_MAX) {
        fail(r, "it answers something else than D-Bus");
        return false;
    }
    size_t head = 16 + (fields + 7) / 8 * 8, all = head + body;
    if (all > ANSWER_MAX) {
        fail(r, "its answer is too long");
        return false;
    }
    if (r->in_n < all) return false;
    if (r->in[1] == ERROR) {
        tell_error(r, r->in + head, body);
        return false;
    }
    bool last = r->in[1] == RETURN && --r->replies == 0;
    r->in_n -= all;
    memmove(r->in, r->in + all, r->in_n);
    if (last) hang_up(r);
    return !last;
}

// "OK" and a number, in a line of its own, before the messages.
static bool take_greeting(struct resolved *r)
{
    const uint8_t *end = memchr(r->in, '\n', r->in_n);
    if (!end) return false;
    if (r->in_n < 2 || memcmp(r->in, "OK", 2) != 0) {
        fail(r, "the system bus does not let us in");
        return false;
    }
    size_t n = (size_t)(end - r->in) + 1;
    r->in_n -= n;
    memmove(r->in, r->in + n, r->in_n);
    r->greeted = true;
    return true;
}

static void on_readable(void *ctx, int fd, int events)
{
    struct resolved *r = ctx;
    (void)events;
    ssize_t n = read(fd, r->in + r->in_n, sizeof r->in - r->in_n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        fail(r, "the system bus has hung up");
        return;
    }
    r->in_n += (size_t)n;
    if (!r->greeted && !take_greeting(r)) return;
    while (r->fd >= 0 && take_message(r)) continue;
}

static int bus_open(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = BUS};
    const char *given = getenv("DBUS_SYSTEM_BUS_ADDRESS"), *path = "unix:path=";
    if (given && strncmp(given, path, strlen(path)) == 0 && !strpbrk(given, ",;%")) {
        (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", given + strlen(path));
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0) return fd;
    if (fd >= 0) (void)close(fd);
    return -1;
}

void resolved_set(struct resolved *r, const struct resolved_link *link)
{
    hang_up(r);
    size_t n = resolved_message(link, r->ask, sizeof r->ask, &r->replies);
    r->in_n = 0;
    r->greeted = false;
    r->fd = bus_open();
    if (r->fd < 0) {
        fail(r, "the system bus cannot be reached");
        return;
    }
    r->io = loop_io_new(r->loop, r->fd, LOOP_READ, on_readable, r);
    // A socket takes that much at once.
    if (!r->io || n == 0 || send(r->fd, r->ask, n, MSG_NOSIGNAL) != (ssize_t)n) {
        fail(r, "it cannot be told");
        return;
    }
    loop_timer_at(r->patience, clock_mono() + PATIENCE_NS);
}

void resolved_finish(struct resolved *r)
{
    uint64_t end = clock_mono() + FINISH_MS * NSEC_PER_MSEC;
    while (r->fd >= 0 && clock_mono() < end) {
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        if (poll(&p, 1, FINISH_MS) <= 0) return;
        on_readable(r, r->fd, LOOP_READ);
    }
}

struct resolved *resolved_new(struct loop *loop)
{
    struct resolved *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->loop = loop;
    r->fd = -1;
    r->patience = loop_timer_new(loop, on_patience, r);
    if (r->patience) return r;
    free(r);
    return NULL;
}

void resolved_free(struct resolved *r)
{
    if (!r) return;
    hang_up(r);
    loop_timer_free(r->patience);
    free(r);
}

bool resolved_in_charge(const char *resolv_conf)
{
    char line[256];
    bool found = false;
    FILE *f = fopen(resolv_conf, "re");
    if (!f) return false;
    while (!found && fgets(line, sizeof line, f)) {
        static const char stub[] = "nameserver 127.0.0.53";
        size_t n = sizeof stub - 1;
        found = strncmp(line, stub, n) == 0 && (line[n] == '\n' || line[n] == 0 || line[n] == ' ');
    }
    (void)fclose(f);
    return found;
}
