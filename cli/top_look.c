// top_look.c - asking, and the difference between two answers.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/stat.h"
#include "cli/top.h"

bool top_look(const struct args *a, struct top_look *out)
{
    *out = (struct top_look){.at = clock_mono()};
    struct vici_client *c = control_open(a);
    if (!c) return false;
    out->sas = control_list(c, "list-sas", "list-sa");
    vici_close(c);
    IGNORE(stat_fetch(STAT_SOCKET, &out->stat, NULL)); // the kernel may be the executor
    return out->sas != NULL;
}

void top_look_done(struct top_look *l)
{
    json_decref(l->sas);
    json_decref(l->stat);
    *l = (struct top_look){0};
}

static uint64_t per_second(uint64_t before, uint64_t now, uint64_t ns)
{
    if (now <= before || ns == 0) return 0;
    return (uint64_t)((double)(now - before) * 1e9 / (double)ns);
}

// The child with this SPI in an earlier look.
static const json_t *child_of(const json_t *sas, const char *spi)
{
    size_t i;
    const char *name, *key;
    json_t *item, *sa, *child;
    json_array_foreach(sas, i, item)
    {
        json_object_foreach(item, name, sa)
        {
            json_object_foreach(json_object_get(sa, "child-sas"), key, child)
            {
                if (*spi && strcmp(json_str(child, "spi-in"), spi) == 0) return child;
            }
        }
    }
    return NULL;
}

static json_t *tunnel(const char *name, const json_t *sa, const json_t *child, const json_t *before,
                      uint64_t ns)
{
    static const char *const keys[] = {"bytes-in", "bytes-out", "packets-in", "packets-out"};
    static const char *const rates[] = {"in", "out", "packets_in", "packets_out"};
    json_t *j = json_pack("{s:s, s:s, s:s}", "connection", name, "child", json_str(child, "name"),
                          "peer", json_str(sa, "remote-host"));
    for (unsigned i = 0; j && i < 4; i++) {
        uint64_t now = json_u64(child, keys[i]);
        uint64_t rate = before ? per_second(json_u64(before, keys[i]), now, ns) : 0;
        (void)json_object_set_new(j, rates[i], json_integer((json_int_t)rate));
    }
    for (unsigned i = 0; j && i < 2; i++) {
        const char *use = i ? "use-out" : "use-in", *key = i ? "last_out" : "last_in";
        bool known = json_object_get(child, use);
        (void)json_object_set_new(
            j, key, known ? json_integer((json_int_t)json_u64(child, use)) : json_null());
    }
    return j;
}

static json_t *tunnels(const struct top_look *before, const struct top_look *now)
{
    size_t i;
    const char *name, *key;
    json_t *item, *sa, *child, *all = json_array();
    json_array_foreach(now->sas, i, item)
    {
        json_object_foreach(item, name, sa)
        {
            json_object_foreach(json_object_get(sa, "child-sas"), key, child)
            {
                const json_t *then = child_of(before->sas, json_str(child, "spi-in"));
                json_add(all, tunnel(name, sa, child, then, now->at - before->at));
            }
        }
    }
    return all;
}

static json_t *drops(const struct top_look *before, const struct top_look *now)
{
    size_t i;
    json_t *d, *all = json_array();
    const json_t *old = json_object_get(before->stat, "drops");
    json_array_foreach(json_object_get(now->stat, "drops"), i, d)
    {
        uint64_t n = json_u64(d, "count"), then = json_u64(json_array_get(old, i), "count");
        if (!n) continue;
        json_add(all, json_pack("{s:s, s:s, s:I, s:I}", "word", json_str(d, "word"), "text",
                                json_str(d, "text"), "count", (json_int_t)n, "per_second",
                                (json_int_t)per_second(then, n, now->at - before->at)));
    }
    return all;
}

static json_t *workers(const struct top_look *before, const struct top_look *now)
{
    size_t i;
    json_t *w, *all = json_array();
    const json_t *old = json_object_get(before->stat, "workers");
    json_array_foreach(json_object_get(now->stat, "workers"), i, w)
    {
        uint64_t then = json_u64(json_array_get(old, i), "cpu_ns"), cpu = json_u64(w, "cpu_ns");
        double share = (double)per_second(then, cpu, now->at - before->at) / 1e7;
        json_add(all, json_pack("{s:f}", "cpu_percent", share));
    }
    return all;
}

json_t *top_json(const struct top_look *before, const struct top_look *now)
{
    return json_pack("{s:f, s:o, s:o, s:o}", "seconds", (double)(now->at - before->at) / 1e9,
                     "tunnels", tunnels(before, now), "drops", drops(before, now), "workers",
                     workers(before, now));
}
