// status_facts.c - what `pavise status` asks of the daemons and of this host.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/say.h"
#include "cli/stat.h"
#include "cli/status.h"
#include "cli/wrong_xfrm.h"
#include "netlink/client.h"

#define RATE_MS 500 // between the two looks at counters

// A number out of /proc/net/snmp: a line of names, and a line of values below it. In snmp6 each
// stands beside its name.
static uint64_t counter(const char *path, const char *group, const char *name)
{
    char line[2][1024] = {{0}};
    uint64_t found = 0;
    FILE *in = fopen(path, "re");
    for (unsigned i = 0; in && fgets(line[i % 2], sizeof line[0], in); i++) {
        char *names = line[(i + 1) % 2], *values = line[i % 2], *n, *v;
        size_t len = strlen(group);
        if (strncmp(names, group, len) != 0 || strncmp(values, group, len) != 0) continue;
        for (char *a = strtok_r(names, " \n", &n), *b = strtok_r(values, " \n", &v); a && b;
             a = strtok_r(NULL, " \n", &n), b = strtok_r(NULL, " \n", &v)) {
            if (strcmp(a, name) == 0) found = strtoull(b, NULL, 10);
        }
        break;
    }
    if (in) (void)fclose(in);
    return found;
}

static uint64_t counter6(const char *name)
{
    char key[64];
    unsigned long long value = 0;
    FILE *in = fopen("/proc/net/snmp6", "re");
    while (in && fscanf(in, "%63s %llu", key, &value) == 2) {
        if (strcmp(key, name) == 0) break;
        value = 0;
    }
    if (in) (void)fclose(in);
    return value;
}

static bool is_on(const char *path)
{
    char c = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return true; // not known: nothing is said
    ssize_t n = read(fd, &c, 1);
    (void)close(fd);
    return n != 1 || c != '0';
}

// What is wrong may be this host's own matter.
static void gather_host(struct wrong_facts *f)
{
    struct why why = {{0}};
    struct xfrm_client *c = NULL;
    const struct xfrm_client_options o = {.peer = f->executor ? XFRM_PEER_XFRMD : XFRM_PEER_KERNEL};
    f->host_known = true;
    f->now = (int64_t)time(NULL);
    f->lost_datagrams = counter("/proc/net/snmp", "Ip:", "ReasmFails") + counter6("Ip6ReasmFails");
    f->forwards4 = is_on("/proc/sys/net/ipv4/ip_forward");
    f->forwards6 = is_on("/proc/sys/net/ipv6/conf/all/forwarding");
    if (xfrm_client_open_with(&o, NULL, NULL, NULL, &c, &why) != ERR_OK) return;
    f->xfrm = wrong_dump_read(xfrm_client_api(c));
    xfrm_client_close(c);
}

bool status_gather(const struct args *a, struct wrong_facts *f)
{
    struct vici_client *c = control_open(a);
    if (!c) return false;
    f->version = control_ask(c, "version", NULL);
    f->stats = f->version ? control_ask(c, "stats", NULL) : NULL;
    f->sas = f->stats ? control_list(c, "list-sas", "list-sa") : NULL;
    f->conns = f->sas ? control_list(c, "list-conns", "list-conn") : NULL;
    f->certs = f->conns ? control_list(c, "list-certs", "list-cert") : NULL;
    vici_close(c);
    IGNORE(stat_fetch(STAT_SOCKET, &f->executor, NULL)); // absent: the kernel may be the executor
    if (f->conns) gather_host(f);
    return f->conns != NULL;
}

// ---- how fast ----

static void rate(json_t *child, const json_t *before, const char *way, uint64_t ns)
{
    char bytes[32], key[32];
    (void)snprintf(bytes, sizeof bytes, "bytes-%s", way);
    (void)snprintf(key, sizeof key, "rate-%s", way);
    uint64_t now = json_u64(child, bytes), then = json_u64(before, bytes);
    double per_s = now > then ? (double)(now - then) * 1e9 / (double)ns : 0;
    (void)json_object_set_new(child, key, json_integer((json_int_t)per_s));
}

// The child of `sas` that is the same SA; NULL: it was not there.
static json_t *same_child(const json_t *sas, const json_t *child)
{
    size_t i;
    const char *name, *key;
    json_t *item, *sa, *other;
    json_array_foreach(sas, i, item)
    {
        json_object_foreach(item, name, sa)
        {
            json_object_foreach(json_object_get(sa, "child-sas"), key, other)
            {
                if (strcmp(json_str(other, "spi-in"), json_str(child, "spi-in")) == 0) return other;
            }
        }
    }
    return NULL;
}

// Looks a second time: rates, bytes a second, for each child of the first look.
void status_rates(const struct args *a, struct wrong_facts *f)
{
    size_t i;
    const char *name, *key;
    json_t *item, *sa, *child;
    struct vici_client *c = control_open(a);
    uint64_t begun = clock_mono();
    if (!c) return;
    (void)poll(NULL, 0, RATE_MS);
    json_t *later = control_list(c, "list-sas", "list-sa");
    uint64_t ns = clock_mono() - begun;
    vici_close(c);
    json_array_foreach(later, i, item)
    {
        json_object_foreach(item, name, sa)
        {
            json_object_foreach(json_object_get(sa, "child-sas"), key, child)
            {
                json_t *before = same_child(f->sas, child);
                if (before) rate(child, before, "in", ns);
                if (before) rate(child, before, "out", ns);
            }
        }
    }
    if (later) {
        json_decref(f->sas);
        f->sas = later;
    }
}

// ---- one of them ----

// Leaves only what goes by this name, or has a child that does; false: there is none.
static bool keep_only(json_t *list, const char *name, const char *children)
{
    bool found = false;
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *key, *child_key;
        json_t *one, *child;
        bool wanted = false;
        json_object_foreach(json_array_get(list, i), key, one)
        {
            wanted |= strcmp(key, name) == 0;
            json_object_foreach(json_object_get(one, children), child_key, child)
            {
                wanted |=
                    strcmp(child_key, name) == 0 || strcmp(json_str(child, "name"), name) == 0;
            }
        }
        if (!wanted) (void)json_array_remove(list, i);
        found |= wanted;
    }
    return found;
}

bool status_choose(struct wrong_facts *f, const char *name)
{
    bool up = keep_only(f->sas, name, "child-sas"), there = keep_only(f->conns, name, "children");
    if (up || there) return true;
    say_error("there is no connection and no child '%s'", name);
    say_hint("'pavise conns' lists them");
    return false;
}

void status_facts_free(struct wrong_facts *f)
{
    json_decref(f->version);
    json_decref(f->stats);
    json_decref(f->sas);
    json_decref(f->conns);
    json_decref(f->certs);
    json_decref(f->executor);
    wrong_dump_free(f->xfrm);
}
