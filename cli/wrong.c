#include "cli/wrong.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/json.h"

#define SETTLED_S 10 // a younger tunnel may be without traffic in one direction

static void add(json_t *list, const char *about, const char *what, const char *hint)
{
    json_add(list, json_pack("{s:s, s:s, s:s}", "about", about, "what", what, "hint", hint));
}

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

static void check_child(json_t *list, const char *name, const json_t *child)
{
    char what[512];
    uint64_t in = json_u64(child, "packets-in"), out = json_u64(child, "packets-out");
    if (json_u64(child, "install-time") < SETTLED_S || (in && out) || (!in && !out)) return;
    const char *own = json_str(child, "name");
    (void)snprintf(what, sizeof what,
                   out ? "%s/%s: packets go out, but none has come back"
                       : "%s/%s: packets come in, but none has gone out",
                   name, own);
    add(list, own, what,
        out ? "does the peer get them (firewall for UDP 4500 and protocol 50), and does it route "
              "answers back into the tunnel?"
            : "do hosts here answer, and does their route lead through this one?");
}

static void check_sa(json_t *list, const char *name, const json_t *sa)
{
    char what[512];
    const char *state = json_str(sa, "state"), *key;
    json_t *child, *children = json_object_get(sa, "child-sas");
    if (strcmp(state, "CONNECTING") == 0) {
        (void)snprintf(what, sizeof what, "%s: the negotiation with %s is not finished", name,
                       json_str(sa, "remote-host"));
        add(list, name, what, "does the peer answer? 'pavise log' shows what happens");
        return;
    }
    if (strcmp(state, "ESTABLISHED") == 0 && json_object_size(children) == 0) {
        (void)snprintf(what, sizeof what, "%s: the peers know each other, but nothing is protected",
                       name);
        add(list, name, what, "bring a child up: 'pavise up NAME'; 'pavise conns' shows the names");
    }
    json_object_foreach(children, key, child) check_child(list, name, child);
}

static void check_clear(json_t *list, const json_t *guard)
{
    char what[512];
    uint64_t n = json_u64(guard, "clear_in");
    if (!n) return;
    (void)snprintf(what, sizeof what,
                   "%llu packet%s kept out: in clear, where a policy wants protection",
                   (unsigned long long)n, n == 1 ? "" : "s");
    add(list, "clear-in", what,
        "does the peer send unprotected, or is somebody forging its packets?");
}

static void check_executor(json_t *list, const struct wrong_facts *f)
{
    size_t i;
    json_t *d;
    char what[512];
    check_clear(list, json_object_get(f->executor, "guard"));
    if (!f->executor && strcmp(wrong_executor(f), "pavise-xfrmd") == 0) {
        add(list, "pavise-xfrmd", "pavise-xfrmd does not run: no packet is protected",
            "start pavise-xfrmd; pavise-iked finds it again by itself");
    }
    json_array_foreach(json_object_get(f->executor, "drops"), i, d)
    {
        uint64_t n = json_u64(d, "count");
        if (!n) continue;
        (void)snprintf(what, sizeof what, "%llu packet%s dropped: %s (%s)", (unsigned long long)n,
                       n == 1 ? "" : "s", json_str(d, "text"), json_str(d, "word"));
        add(list, json_str(d, "word"), what, "");
    }
}

json_t *wrong_find(const struct wrong_facts *f)
{
    json_t *list = json_array();
    size_t i;
    const char *name;
    json_t *item, *sa;
    json_array_foreach(f->sas, i, item)
    {
        json_object_foreach(item, name, sa) check_sa(list, name, sa);
    }
    check_executor(list, f);
    return list;
}
