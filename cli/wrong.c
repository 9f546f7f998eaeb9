#include "cli/wrong.h"

#include <string.h>

#include "base/addr.h"
#include "cli/json.h"
#include "cli/wrong_tab.h"
#include "cli/wrong_xfrm.h"

const char *wrong_executor(const struct wrong_facts *f)
{
    size_t i;
    json_t *plugin;
    json_array_foreach(json_object_get(f->stats, "plugins"), i, plugin)
    {
        const char *name = json_string_value(plugin);
        if (name && (strstr(name, "netlink") || strstr(name, "xfrmd"))) return name;
    }
    return "unknown";
}

// ---- the executor ----

static void check_clear(json_t *list, const json_t *guard)
{
    uint64_t n = json_u64(guard, "clear_in");
    if (!n) return;
    wrong_add(list, WRONG_CLEAR_IN, "clear-in",
              "%llu packet%s kept out: in clear, where a policy wants protection",
              (unsigned long long)n, n == 1 ? "" : "s");
}

static enum wrong_code code_of(const char *word)
{
    static const struct {
        const char *word;
        enum wrong_code code;
    } known[] = {{"replay", WRONG_REPLAY},          {"auth", WRONG_INTEGRITY},
                 {"assembly", WRONG_FRAGMENTS},     {"path-mtu", WRONG_TOO_LONG},
                 {"too-big", WRONG_TOO_LONG},       {"acquire-timeout", WRONG_NO_ANSWER},
                 {"acquire-full", WRONG_NO_ANSWER}, {"clear-in", WRONG_CLEAR_IN}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(word, known[i].word) == 0) return known[i].code;
    }
    return WRONG_DROPS;
}

static void check_holes(json_t *list, const json_t *holes)
{
    size_t i;
    json_t *h;
    json_array_foreach(holes, i, h)
    {
        unsigned long long again = json_u64(h, "again"), missing = json_u64(h, "missing");
        if (again) {
            wrong_add(list, WRONG_MTU, json_str(h, "dst"),
                      "to %s: the same TCP segment has gone out %llu times, %llu bytes long on the "
                      "wire, and was never acknowledged",
                      json_str(h, "dst"), again + 1, (unsigned long long)json_u64(h, "wire"));
        } else {
            wrong_add(list, WRONG_MTU, json_str(h, "src"),
                      "from %s: %llu packets have come and %llu have not, and none that came is "
                      "longer than %llu bytes",
                      json_str(h, "src"), (unsigned long long)json_u64(h, "got"), missing,
                      (unsigned long long)json_u64(h, "longest"));
        }
    }
}

static void check_executor(json_t *list, const struct wrong_facts *f)
{
    size_t i;
    json_t *d;
    check_holes(list, json_object_get(f->executor, "holes"));
    check_clear(list, json_object_get(f->executor, "guard"));
    if (!f->executor && strcmp(wrong_executor(f), "pavise-xfrmd") == 0)
        wrong_add(list, WRONG_NO_EXECUTOR, "pavise-xfrmd",
                  "pavise-xfrmd does not run: no packet is protected");
    json_array_foreach(json_object_get(f->executor, "drops"), i, d)
    {
        uint64_t n = json_u64(d, "count");
        const char *word = json_str(d, "word");
        if (!n) continue;
        wrong_add(list, code_of(word), word, "%llu packet%s dropped: %s (%s)",
                  (unsigned long long)n, n == 1 ? "" : "s", json_str(d, "text"), word);
    }
}

// ---- the host ----

// Is a whole network meant, which others than this host live in?
static bool has_network(const json_t *list, uint16_t family)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        prefix_t p;
        char text[PREFIX_TEXT_MAX];
        const char *s = json_string_value(one);
        if (!s || strlen(s) >= sizeof text) continue;
        (void)strcpy(text, s);
        text[strcspn(text, "[|")] = 0;
        if (prefix_parse(text, &p) != ERR_OK || p.ip.family != family) continue;
        if (p.len > 0 && p.len < ip_bits(family)) return true;
    }
    return false;
}

static void check_forwarding(json_t *list, const struct wrong_facts *f, uint16_t family, bool on)
{
    size_t i;
    const char *name, *key;
    json_t *item, *sa, *child;
    if (on) return;
    json_array_foreach(f->sas, i, item)
    {
        json_object_foreach(item, name, sa)
        {
            json_object_foreach(json_object_get(sa, "child-sas"), key, child)
            {
                if (!has_network(json_object_get(child, "local-ts"), family)) continue;
                wrong_add(list, WRONG_FORWARDING, name,
                          "%s/%s: protects an IPv%d network, but this host forwards no IPv%d", name,
                          json_str(child, "name"), family == AF_INET ? 4 : 6,
                          family == AF_INET ? 4 : 6);
                return;
            }
        }
    }
}

// Fragments that the kernel has waited for in vain: they may have been anybody's.
static void check_fragments(json_t *list, const struct wrong_facts *f)
{
    unsigned long long n = f->lost_datagrams;
    if (!n || !json_array_size(f->sas)) return;
    wrong_add(list, WRONG_FRAGMENTS, "host",
              "%llu fragmented datagram%s to this host never became whole", n, n == 1 ? "" : "s");
}

json_t *wrong_find(const struct wrong_facts *f)
{
    json_t *list = json_array();
    size_t i;
    const char *name;
    json_t *item, *sa;
    json_array_foreach(f->sas, i, item)
    {
        json_object_foreach(item, name, sa)
        {
            wrong_sa(list, name, sa);
            if (f->now) wrong_peer_cert(list, name, sa, f->now);
        }
    }
    if (f->now) wrong_certs(list, f->certs, f->now);
    wrong_clock(list, f->stats);
    check_fragments(list, f);
    if (f->xfrm) wrong_xfrm(list, f->xfrm);
    check_forwarding(list, f, AF_INET, !f->host_known || f->forwards4);
    check_forwarding(list, f, AF_INET6, !f->host_known || f->forwards6);
    check_executor(list, f);
    return list;
}
