// trace_names.c - which connection and child the SAs of a live packet belong to, where pavise-iked
// runs.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/trace.h"

#define ASK_AGAIN NSEC_PER_SEC // a new SA has a name by then; and the daemon has other work

static void add_spi(json_t *names, const json_t *child, const char *way, const char *conn)
{
    char spi[16], name[256];
    const char *hex = json_str(child, way);
    if (!*hex) return;
    (void)snprintf(spi, sizeof spi, "0x%08lx", strtoul(hex, NULL, 16));
    (void)snprintf(name, sizeof name, "%s/%s", conn, json_str(child, "name"));
    (void)json_object_set_new(names, spi, json_string(name));
}

static void add_all(json_t *names, const json_t *sas)
{
    const char *conn, *key;
    size_t i;
    json_t *item, *sa, *child;
    json_array_foreach(sas, i, item)
    {
        json_object_foreach(item, conn, sa)
        {
            json_object_foreach(json_object_get(sa, "child-sas"), key, child)
            {
                add_spi(names, child, "spi-in", conn);
                add_spi(names, child, "spi-out", conn);
            }
        }
    }
}

static void ask(struct trace_names *n, const struct args *a)
{
    const uint64_t now = clock_mono();
    if (n->asked && now - n->asked < ASK_AGAIN) return;
    n->asked = now;
    struct vici_client *c = control_open_quietly(a);
    if (!c) return; // the executor may serve another daemon
    json_t *sas = control_list(c, "list-sas", "list-sa");
    if (!n->of) n->of = json_object();
    if (sas) (void)json_object_clear(n->of);
    add_all(n->of, sas);
    json_decref(sas);
    vici_close(c);
}

void trace_name(struct trace_names *n, const struct args *a, const json_t *record)
{
    size_t i;
    json_t *sa;
    json_array_foreach(json_object_get(record, "sas"), i, sa)
    {
        const char *spi = json_str(sa, "spi");
        if (!json_object_get(n->of, spi)) ask(n, a);
        json_t *name = json_object_get(n->of, spi);
        if (name) (void)json_object_set(sa, "name", name);
    }
}
