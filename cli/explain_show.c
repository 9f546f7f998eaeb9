// explain_show.c - the walk of a packet, for people.
#include <stdio.h>
#include <string.h>

#include "cli/explain.h"
#include "cli/json.h"
#include "cli/page.h"
#include "cli/paint.h"

#define TEXT 14U // where sentences begin
#define LINE 400

static void stage(const char *name, const char *text)
{
    char mark[TEXT + 1];
    (void)snprintf(mark, sizeof mark, "  %-11s ", name);
    page_print(TEXT, mark, text);
}

static const char *selector(const json_t *policy, char *buf, size_t cap)
{
    const json_t *s = json_object_get(policy, "selector");
    size_t n = (size_t)snprintf(buf, cap, "%s > %s", json_str(s, "src"), json_str(s, "dst"));
    uint64_t proto = json_u64(s, "proto");
    if (proto && n < cap)
        n += (size_t)snprintf(buf + n, cap - n, ", protocol %llu", (unsigned long long)proto);
    if (json_object_get(s, "sport") && n < cap)
        n += (size_t)snprintf(buf + n, cap - n, ", from port %llu",
                              (unsigned long long)json_u64(s, "sport"));
    if (json_object_get(s, "dport") && n < cap)
        (void)snprintf(buf + n, cap - n, ", to port %llu",
                       (unsigned long long)json_u64(s, "dport"));
    return buf;
}

static void show_others(const json_t *answer)
{
    size_t i;
    json_t *p;
    char line[LINE], sel[160];
    uint64_t all = json_u64(answer, "others_all");
    const json_t *others = json_object_get(answer, "others");
    bool decided = json_is_object(json_object_get(answer, "policy"));
    if (!all) return;
    (void)snprintf(line, sizeof line, "%llu polic%s looked at %s:", (unsigned long long)all,
                   all == 1 ? "y was" : "ies were", decided ? "before it" : "in vain");
    page_print(TEXT, "", line);
    json_array_foreach(others, i, p)
    {
        (void)snprintf(line, sizeof line, "%s (priority %llu): %s", selector(p, sel, sizeof sel),
                       (unsigned long long)json_u64(p, "priority"), json_str(p, "why"));
        printf("%s", paint(DIM));
        page_print(TEXT + 2, "", line);
        printf("%s", paint(PLAIN));
    }
    if (all > json_array_size(others)) page_print(TEXT + 2, "", "...");
}

static void show_policy(const json_t *answer)
{
    char line[LINE], sel[160];
    const json_t *p = json_object_get(answer, "policy");
    bool in = strcmp(json_str(answer, "direction"), "in") == 0;
    if (!json_is_object(p)) {
        stage(in ? "conform" : "classify",
              "no policy matches: IPsec has nothing to do with this packet");
    } else {
        (void)snprintf(line, sizeof line, "policy %s (%s, priority %llu): %s",
                       selector(p, sel, sizeof sel), json_str(p, "dir"),
                       (unsigned long long)json_u64(p, "priority"), json_str(p, "action"));
        stage(in ? "conform" : "classify", line);
    }
    show_others(answer);
}

static void show_sas(const json_t *answer)
{
    size_t i;
    json_t *sa;
    char line[LINE];
    bool in = strcmp(json_str(answer, "direction"), "in") == 0;
    const char *child = json_str(answer, "child"), *conn = json_str(answer, "connection");
    json_array_foreach(json_object_get(answer, "sas"), i, sa)
    {
        (void)snprintf(line, sizeof line, "%s %s, %s %s > %s, %s, reqid %llu%s%s%s%s",
                       json_str(sa, "proto"), json_str(sa, "spi"), json_str(sa, "mode"),
                       json_str(sa, "src"), json_str(sa, "dst"), json_str(sa, "algorithm"),
                       (unsigned long long)json_u64(sa, "reqid"), *child ? ": " : "", i ? "" : conn,
                       *child && !i ? "/" : "", i ? "" : child);
        stage(i ? "" : in ? "through" : "resolve", line);
    }
}

static void show_missing(const json_t *answer)
{
    char line[LINE];
    const json_t *t = json_object_get(answer, "missing");
    const char *child = json_str(answer, "child");
    if (!t) return;
    bool kernel = strcmp(json_str(answer, "executor"), "kernel") == 0;
    (void)snprintf(line, sizeof line,
                   "no SA serves the policy: %s, and one is asked for (%s %s, %s > %s, reqid %llu)",
                   kernel ? "the packet is dropped (unless xfrm_larval_drop is off)"
                          : "the packet waits up to 30 s",
                   json_str(t, "proto"), json_str(t, "mode"), json_str(t, "src"),
                   json_str(t, "dst"), (unsigned long long)json_u64(t, "reqid"));
    stage("resolve", line);
    if (*child) {
        (void)snprintf(line, sizeof line,
                       "pavise-iked negotiates %s/%s then; 'pavise up %s' does "
                       "so now",
                       json_str(answer, "connection"), child, child);
        page_print(TEXT, "", line);
    } else {
        page_print(TEXT, "",
                   "pavise-iked knows no child for it, or does not run: "
                   "'pavise conns' lists them");
    }
}

static void show_size(const json_t *answer)
{
    char line[LINE];
    uint64_t mtu = json_u64(answer, "path_mtu"), most = json_u64(answer, "longest");
    if (!json_object_get(answer, "outer")) return;
    if (!mtu) {
        stage("measure", "what the path takes is not known: there is no route to the peer");
        return;
    }
    char device[64] = "";
    if (json_object_get(answer, "device_mtu"))
        (void)snprintf(device, sizeof device, " and the device %llu",
                       (unsigned long long)json_u64(answer, "device_mtu"));
    (void)snprintf(line, sizeof line,
                   "%llu bytes become %llu; the path takes %llu%s: packets up to %llu bytes go "
                   "whole%s",
                   (unsigned long long)json_u64(answer, "length"),
                   (unsigned long long)json_u64(answer, "wire_length"), (unsigned long long)mtu,
                   device, (unsigned long long)most,
                   json_is_true(json_object_get(answer, "fragmented")) ? "; this one is fragmented"
                                                                       : "");
    stage("measure", line);
}

static void show_outer(const json_t *answer)
{
    char line[LINE];
    const json_t *o = json_object_get(answer, "outer");
    if (!o) return;
    if (strcmp(json_str(o, "proto"), "udp") == 0) {
        (void)snprintf(line, sizeof line, "%s:%llu > %s:%llu, ESP in UDP", json_str(o, "src"),
                       (unsigned long long)json_u64(o, "sport"), json_str(o, "dst"),
                       (unsigned long long)json_u64(o, "dport"));
    } else {
        (void)snprintf(line, sizeof line, "%s > %s, protocol %s", json_str(o, "src"),
                       json_str(o, "dst"), json_str(o, "proto"));
    }
    if (json_is_true(json_object_get(o, "df")))
        (void)strncat(line, ", not to be fragmented", sizeof line - strlen(line) - 1);
    stage("wrap", line);
}

void explain_print(const json_t *answer, const struct args *a)
{
    const char *verdict = json_str(answer, "verdict"), *why = json_str(answer, "why");
    bool in = strcmp(json_str(answer, "direction"), "in") == 0;
    bool dropped = strcmp(verdict, "dropped") == 0;
    printf("%s%s > %s", paint(BOLD), a->word[0], a->word[1]);
    for (unsigned i = 2; i < a->words; i++) printf(" %s", a->word[i]);
    printf("%s, %s\n", paint(PLAIN), in ? "coming in" : "going out");
    show_policy(answer);
    show_sas(answer);
    show_missing(answer);
    show_size(answer);
    show_outer(answer);
    printf("  %s%s%s",
           paint(dropped                         ? RED
                 : strcmp(verdict, "waits") == 0 ? YELLOW
                                                 : GREEN),
           verdict, paint(PLAIN));
    if (*why && dropped) printf(": %s (%s)", why, json_str(answer, "drop"));
    printf("\n");
    if (json_u64(answer, "not_read"))
        page_print(TEXT, "",
                   "some policies or SAs of the kernel could not be read, and were left "
                   "out: 'pavise xfrm explain --kernel' lists them all");
    if (in && !dropped && *why) {
        page_print(TEXT, "", "in clear it would be dropped: the policy wants it protected");
    }
}
