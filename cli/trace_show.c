// trace_show.c - the walk of a live packet, for people: what it is and what becomes of it on one
// line, policy, SAs and outer header, and the time that the stages took below it.
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/json.h"
#include "cli/page.h"
#include "cli/paint.h"
#include "cli/trace.h"

#define INDENT 6U
#define LINE 600

static const char *proto_name(uint64_t proto, char buf[16])
{
    static const struct {
        uint8_t number;
        const char *name;
    } known[] = {{IPPROTO_ICMP, "icmp"}, {IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"},
                 {IPPROTO_ESP, "esp"},   {IPPROTO_AH, "ah"},   {IPPROTO_ICMPV6, "icmp6"},
                 {IPPROTO_SCTP, "sctp"}, {IPPROTO_GRE, "gre"}, {IPPROTO_IPIP, "ipip"},
                 {IPPROTO_IPV6, "ipv6"}, {108, "ipcomp"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].number == proto) return known[i].name;
    }
    (void)snprintf(buf, 16, "protocol %" PRIu64, proto);
    return buf;
}

// "10.1.0.1:4500", "[fd00::1]:4500"
static void add_end(struct clip *c, const json_t *j, const char *ip, const char *port)
{
    const char *at = json_str(j, ip);
    const bool v6 = strchr(at, ':') != NULL, has = json_object_get(j, port) != NULL;
    clip_add(c, "%s%s%s", v6 && has ? "[" : "", at, v6 && has ? "]" : "");
    if (has) clip_add(c, ":%" PRIu64, json_u64(j, port));
}

static void add_packet(struct clip *c, const json_t *j)
{
    char buf[16];
    add_end(c, j, "src", "sport");
    clip_add(c, " > ");
    add_end(c, j, "dst", "dport");
    clip_add(c, " %s", proto_name(json_u64(j, "proto"), buf));
    if (json_object_get(j, "type"))
        clip_add(c, " type %" PRIu64 "/%" PRIu64, json_u64(j, "type"), json_u64(j, "code"));
    if (json_is_true(json_object_get(j, "fragment"))) clip_add(c, ", a fragment");
    clip_add(c, ", %" PRIu64 " bytes", json_u64(j, "length"));
}

// ---- what it is, and what becomes of it ----

static enum paint colour_of(const char *verdict)
{
    return strcmp(verdict, "dropped") == 0                                     ? RED
           : strcmp(verdict, "sent") == 0 || strcmp(verdict, "delivered") == 0 ? GREEN
                                                                               : YELLOW;
}

static void print_time(uint64_t ns)
{
    const time_t s = (time_t)(ns / NSEC_PER_SEC);
    struct tm tm = {0};
    char text[16] = "";
    if (localtime_r(&s, &tm)) (void)strftime(text, sizeof text, "%H:%M:%S", &tm);
    printf("%s%s.%06u%s ", paint(DIM), text, (unsigned)(ns % NSEC_PER_SEC / 1000), paint(PLAIN));
}

static void print_head(const json_t *r)
{
    char line[LINE];
    struct clip c = clip_on(line, sizeof line);
    const char *verdict = json_str(r, "verdict"), *drop = json_str(r, "drop");
    const json_t *inner = json_object_get(r, "inner"), *outer = json_object_get(r, "outer");
    print_time(json_u64(r, "time_ns"));
    if (inner || outer) add_packet(&c, inner ? inner : outer);
    printf("%-5s %s: %s%s", json_str(r, "way"), line, paint(colour_of(verdict)), verdict);
    if (*drop) printf(" (%s) at %s: %s", drop, json_str(r, "stage"), json_str(r, "why"));
    printf("%s\n", paint(PLAIN));
}

// ---- what it met ----

static void print_policy(const json_t *r)
{
    char line[LINE], buf[16];
    struct clip c = clip_on(line, sizeof line);
    const json_t *p = json_object_get(r, "policy"), *s = json_object_get(p, "selector");
    if (!p) return;
    clip_add(&c, "policy %s: %s > %s", json_str(p, "dir"), json_str(s, "src"), json_str(s, "dst"));
    if (json_u64(s, "proto")) clip_add(&c, " %s", proto_name(json_u64(s, "proto"), buf));
    if (json_object_get(s, "sport")) clip_add(&c, ", from port %" PRIu64, json_u64(s, "sport"));
    if (json_object_get(s, "dport")) clip_add(&c, ", to port %" PRIu64, json_u64(s, "dport"));
    clip_add(&c, " (priority %" PRIu64 "): %s", json_u64(p, "priority"), json_str(p, "action"));
    page_print(INDENT, "", line);
}

static void print_sas(const json_t *r)
{
    size_t i;
    json_t *sa;
    const json_t *all = json_object_get(r, "sas");
    json_array_foreach(all, i, sa)
    {
        char line[LINE];
        struct clip c = clip_on(line, sizeof line);
        const char *name = json_str(sa, "name");
        clip_add(&c, "%s %s, %s, reqid %" PRIu64 ", %s", json_str(sa, "proto"), json_str(sa, "spi"),
                 json_str(sa, "mode"), json_u64(sa, "reqid"), json_str(sa, "algorithm"));
        if (i + 1 == json_array_size(all) && json_object_get(r, "seq"))
            clip_add(&c, ", sequence number %" PRIu64, json_u64(r, "seq"));
        if (*name) clip_add(&c, ": %s", name);
        page_print(INDENT, "", line);
    }
    if (*json_str(r, "spi")) printf("%*sSPI %s\n", (int)INDENT, "", json_str(r, "spi"));
}

static void print_outer(const json_t *r)
{
    char line[LINE];
    struct clip c = clip_on(line, sizeof line);
    const json_t *o = json_object_get(r, "outer");
    if (!o || !json_object_get(r, "inner")) return; // it stands in the first line
    clip_add(&c, "%s ", strcmp(json_str(r, "way"), "in") == 0 ? "came as" : "as");
    add_packet(&c, o);
    if (json_is_true(json_object_get(r, "fragmented"))) clip_add(&c, ", fragmented on its way");
    page_print(INDENT, "", line);
}

static void print_stages(const json_t *r)
{
    size_t i;
    json_t *s;
    char line[LINE];
    struct clip c = clip_on(line, sizeof line);
    const uint64_t burst = json_u64(r, "burst");
    clip_add(&c, "%.1f us:", (double)json_u64(r, "ns") / 1e3);
    json_array_foreach(json_object_get(r, "stages"), i, s)
    {
        clip_add(&c, " %s %.1f", json_str(s, "stage"), (double)json_u64(s, "ns") / 1e3);
    }
    if (burst > 1) clip_add(&c, ", together with %" PRIu64 " others", burst - 1);
    printf("%s", paint(DIM));
    page_print(INDENT, "", line);
    printf("%s", paint(PLAIN));
}

void trace_print(const json_t *record)
{
    print_head(record);
    print_policy(record);
    print_sas(record);
    print_outer(record);
    print_stages(record);
}
