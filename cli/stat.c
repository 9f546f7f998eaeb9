#include "cli/stat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/unix.h"
#include "cli/human.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "cli/stat_crypto.h"

#define WAIT_S 5 // pavise-xfrmd answers at once, or hangs

err_t stat_connect(const char *name, int type, int *out, struct why *why)
{
    socklen_t len;
    struct sockaddr_un sa;
    struct timeval wait = {.tv_sec = WAIT_S};
    TRY(unix_address(name, &sa, &len, why));
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return why_not(why, ERR_SYSTEM, "no socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    const struct sockaddr_un any = {.sun_family = AF_UNIX}; // an abstract name, for the answer
    if (type == SOCK_DGRAM && bind(fd, (const struct sockaddr *)&any, sizeof any.sun_family) != 0) {
        (void)close(fd);
        return why_not(why, ERR_SYSTEM, "no socket: %s", strerror(errno));
    }
    if (connect(fd, (struct sockaddr *)&sa, len) == 0) {
        *out = fd;
        return ERR_OK;
    }
    err_t e = errno == ECONNREFUSED || errno == ENOENT ? ERR_NOTFOUND
              : errno == EACCES || errno == EPERM      ? ERR_PERMISSION
                                                       : ERR_SYSTEM;
    (void)why_not(why, e, "nobody listens on %s: %s", name, strerror(errno));
    (void)close(fd);
    return e;
}

static err_t read_all(int fd, struct text *t)
{
    char buf[4096];
    while (t->len < STAT_MAX) {
        ssize_t n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN ? ERR_TIMEOUT : ERR_SYSTEM;
        if (n == 0) return ERR_OK;
        text_add(t, "%.*s", (int)n, buf);
    }
    return ERR_LIMIT;
}

err_t stat_fetch(const char *name, json_t **out, struct why *why)
{
    int fd = -1;
    AUTO(text) struct text t = {0};
    TRY(stat_connect(name, SOCK_STREAM, &fd, why));
    err_t e = read_all(fd, &t);
    (void)close(fd);
    if (e != ERR_OK) return why_not(why, e, "no answer from %s: %s", name, err_text(e));
    if (t.len == 0) return why_not(why, ERR_PERMISSION, "%s answers root only", name);
    json_t *j = json_loads(text_str(&t), 0, NULL);
    if (!j) return why_not(why, ERR_SYNTAX, "%s answers nonsense", name);
    *out = j;
    return ERR_OK;
}

err_t stat_ask(const char *name, const char *question, json_t **out, struct why *why)
{
    int fd = -1;
    TRY(stat_connect(name, SOCK_DGRAM, &fd, why));
    char *answer = malloc(STAT_MAX);
    ssize_t n = answer ? send(fd, question, strlen(question), MSG_NOSIGNAL) : -1;
    if (n >= 0) n = recv(fd, answer, STAT_MAX, 0);
    err_t e = n >= 0 ? ERR_OK : errno == EAGAIN ? ERR_TIMEOUT : ERR_SYSTEM;
    *out = n > 0 ? json_loadb(answer, (size_t)n, 0, NULL) : NULL;
    free(answer);
    (void)close(fd);
    if (e != ERR_OK) return why_not(why, e, "no answer from %s: %s", name, err_text(e));
    return *out ? ERR_OK : why_not(why, ERR_SYNTAX, "%s answers nonsense", name);
}

static void print_drops(const json_t *drops)
{
    size_t i;
    json_t *d;
    uint64_t total = 0;
    json_array_foreach(drops, i, d) total += json_u64(d, "count");
    printf("%sdropped:%s %llu packet%s\n", paint(BOLD), paint(PLAIN), (unsigned long long)total,
           total == 1 ? "" : "s");
    json_array_foreach(drops, i, d)
    {
        uint64_t n = json_u64(d, "count");
        if (!n) continue;
        printf("  %s%10llu  %-16s%s %s %s(%s)%s\n", paint(YELLOW), (unsigned long long)n,
               json_str(d, "word"), paint(PLAIN), json_str(d, "text"), paint(DIM),
               json_str(d, "kernel"), paint(PLAIN));
    }
}

// "in 12 packets, 1.0 KiB; out ..." of an object with packets_in, bytes_in and so on.
static void print_traffic(const char *title, const json_t *o)
{
    char in[HUMAN_MAX], out[HUMAN_MAX];
    uint64_t packets_in = json_u64(o, "packets_in"), packets_out = json_u64(o, "packets_out");
    uint64_t refused = json_u64(o, "refused_out"), ignored = json_u64(o, "ignored");
    uint64_t dummies = json_u64(o, "dummies_out");
    if (!packets_in && !packets_out && !refused && !ignored && !dummies) return;
    printf("  %-16s in %10llu packets %10s   out %10llu packets %10s", title,
           (unsigned long long)packets_in, human_bytes(json_u64(o, "bytes_in"), in),
           (unsigned long long)packets_out, human_bytes(json_u64(o, "bytes_out"), out));
    if (refused) printf("   refused %llu", (unsigned long long)refused);
    if (dummies) printf("   dummies %llu", (unsigned long long)dummies);
    if (ignored) printf("   ignored %llu", (unsigned long long)ignored);
    printf("\n");
}

static void print_ports(const json_t *stat)
{
    size_t i;
    json_t *port;
    printf("%straffic:%s (what is not listed has seen none)\n", paint(BOLD), paint(PLAIN));
    print_traffic("protected", json_object_get(stat, "inner"));
    json_array_foreach(json_object_get(stat, "ports"), i, port)
    {
        char title[64];
        uint64_t family = json_u64(port, "family");
        (void)snprintf(title, sizeof title, "%s%s", json_str(port, "name"),
                       family == 4   ? " IPv4"
                       : family == 6 ? " IPv6"
                                     : "");
        print_traffic(title, port);
    }
}

static void print_paths(const json_t *paths)
{
    size_t i;
    json_t *p;
    if (json_array_size(paths) == 0) return;
    printf("%spaths that routers have said take less:%s\n", paint(BOLD), paint(PLAIN));
    json_array_foreach(paths, i, p)
    {
        printf("  %-40s %5llu bytes, SPI 0x%08llx, for another %llu s\n", json_str(p, "dst"),
               (unsigned long long)json_u64(p, "mtu"), (unsigned long long)json_u64(p, "spi"),
               (unsigned long long)json_u64(p, "seconds"));
    }
}

// What `pavise status` says as health, in figures.
static void print_holes(const json_t *holes)
{
    size_t i;
    json_t *h;
    if (json_array_size(holes) == 0) return;
    printf("%slong packets seem to be lost on the way:%s\n", paint(BOLD), paint(PLAIN));
    json_array_foreach(holes, i, h)
    {
        uint64_t again = json_u64(h, "again"), missing = json_u64(h, "missing");
        printf("  to %s, SPI 0x%08llx:", json_str(h, "dst"),
               (unsigned long long)json_u64(h, "spi"));
        if (again)
            printf(" %llu bytes sent %llu times more", (unsigned long long)json_u64(h, "wire"),
                   (unsigned long long)again);
        if (missing)
            printf("%s %llu missing, %llu came, the longest of %llu bytes", again ? ";" : "",
                   (unsigned long long)missing, (unsigned long long)json_u64(h, "got"),
                   (unsigned long long)json_u64(h, "longest"));
        printf("\n");
    }
}

static void print_marks(const json_t *marks)
{
    size_t i;
    json_t *m;
    if (json_array_size(marks) == 0) return;
    printf("%smarks:%s\n", paint(BOLD), paint(PLAIN));
    json_array_foreach(marks, i, m)
    {
        printf("  %-24s device %-15s %llu packets out, %llu in\n", json_str(m, "mark"),
               json_str(m, "device"), (unsigned long long)json_u64(m, "packets_out"),
               (unsigned long long)json_u64(m, "packets_in"));
    }
}

static void print_database(const json_t *stat)
{
    const json_t *db = json_object_get(stat, "db"), *guard = json_object_get(stat, "guard");
    printf("%sholds:%s %llu SAs; policies: %llu out, %llu in, %llu forward; %llu packets wait for "
           "an SA\n",
           paint(BOLD), paint(PLAIN), (unsigned long long)json_u64(db, "sas"),
           (unsigned long long)json_u64(db, "policies_out"),
           (unsigned long long)json_u64(db, "policies_in"),
           (unsigned long long)json_u64(db, "policies_fwd"),
           (unsigned long long)json_u64(json_object_get(stat, "inner"), "held"));
    printf("%skept out in clear:%s %llu in, %llu out\n", paint(BOLD), paint(PLAIN),
           (unsigned long long)json_u64(guard, "clear_in"),
           (unsigned long long)json_u64(guard, "clear_out"));
}

void stat_print(const json_t *stat)
{
    print_database(stat);
    print_ports(stat);
    stat_crypto_print(json_object_get(stat, "crypto"));
    print_paths(json_object_get(stat, "paths"));
    print_holes(json_object_get(stat, "holes"));
    print_marks(json_object_get(stat, "marks"));
    print_drops(json_object_get(stat, "drops"));
}
