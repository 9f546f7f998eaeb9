// explain.c - pavise explain SRC DST ...: what would become of such a packet, asked of
// pavise-xfrmd.
#include "cli/explain.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/say.h"
#include "cli/stat.h"
#include "netlink/client.h"

#define SPORT_USUAL 49152 // the first of those that programs are given
#define PING 8            // ICMP type
#define PING6 128

// ---- the question ----

static bool number(const char *word, unsigned long max, unsigned long *out)
{
    char *end;
    *out = strtoul(word, &end, 0);
    return *word && word[0] != '-' && !*end && *out <= max;
}

static bool proto_read(const char *word, bool v6, unsigned long *proto)
{
    if (v6 && strcmp(word, "icmp") == 0) word = "ipv6-icmp";
    if (number(word, UINT8_MAX, proto)) return true;
    const struct protoent *e = getprotobyname(word);
    if (e && e->p_proto >= 0) *proto = (unsigned long)e->p_proto;
    return e != NULL;
}

struct question {
    const char *src, *dst;
    unsigned long proto, sport, dport, mark, length;
    bool inbound;
};

static bool ports_read(const struct args *a, struct question *q)
{
    bool icmp = q->proto == IPPROTO_ICMP || q->proto == IPPROTO_ICMPV6;
    bool ports = q->proto == IPPROTO_TCP || q->proto == IPPROTO_UDP || q->proto == IPPROTO_SCTP;
    if (icmp) q->sport = q->proto == IPPROTO_ICMP ? PING : PING6;
    if (ports) q->sport = SPORT_USUAL;
    if (a->words > 3 && !ports && !icmp) return false;
    if (a->words == 5)
        return number(a->word[3], UINT16_MAX, &q->sport) &&
               number(a->word[4], UINT16_MAX, &q->dport);
    return a->words < 4 || number(a->word[3], UINT16_MAX, icmp ? &q->sport : &q->dport);
}

static bool question_read(const struct args *a, struct question *q)
{
    ip_t src, dst;
    const char *mark = args_get(a, "--mark"), *length = args_get(a, "--length");
    *q = (struct question){.src = a->word[0],
                           .dst = a->word[1],
                           .proto = IPPROTO_ICMP,
                           .inbound = args_get(a, "--inbound") != NULL};
    for (unsigned i = 0; i < 2; i++) {
        if (ip_parse(a->word[i], i ? &dst : &src) == ERR_OK) continue;
        say_error("'%s' is no IP address", a->word[i]);
        return false;
    }
    if (src.family == AF_INET6) q->proto = IPPROTO_ICMPV6;
    if (a->words > 2 && !proto_read(a->word[2], src.family == AF_INET6, &q->proto)) {
        say_error("'%s' is no protocol", a->word[2]);
        say_hint("tcp, udp, icmp, another name of /etc/protocols, or a number");
        return false;
    }
    if (!ports_read(a, q)) {
        say_error("these are no ports of that protocol");
        say_hint("pavise explain 10.1.0.1 10.2.0.1 tcp 443; for icmp: TYPE [CODE]");
        return false;
    }
    if ((mark && !number(mark, UINT32_MAX, &q->mark)) ||
        (length && !number(length, UINT16_MAX, &q->length))) {
        say_error("--mark and --length want numbers");
        return false;
    }
    return true;
}

static char *question_text(const struct question *q)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "direction",
                          q->inbound ? "in" : "out", "src", q->src, "dst", q->dst, "proto",
                          (json_int_t)q->proto, "sport", (json_int_t)q->sport, "dport",
                          (json_int_t)q->dport, "mark", (json_int_t)q->mark, "length",
                          (json_int_t)q->length);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

// ---- names, where pavise-iked runs ----

// The child whose selectors hold both ends: what would be negotiated.
static bool ts_has(const json_t *list, const char *addr)
{
    size_t i;
    json_t *one;
    ip_t ip;
    if (ip_parse(addr, &ip) != ERR_OK) return false;
    json_array_foreach(list, i, one)
    {
        prefix_t p;
        char text[PREFIX_TEXT_MAX];
        (void)snprintf(text, sizeof text, "%s",
                       json_string_value(one) ? json_string_value(one) : "");
        text[strcspn(text, "[|")] = 0;
        if (prefix_parse(text, &p) == ERR_OK && prefix_has(&p, &ip)) return true;
    }
    return false;
}

static void name_child(json_t *answer, const json_t *conns, const struct question *q)
{
    const char *conn_name, *child_name;
    size_t i;
    json_t *item, *conn, *child;
    json_array_foreach(conns, i, item)
    {
        json_object_foreach(item, conn_name, conn)
        {
            json_object_foreach(json_object_get(conn, "children"), child_name, child)
            {
                if (!ts_has(json_object_get(child, "local-ts"), q->inbound ? q->dst : q->src) ||
                    !ts_has(json_object_get(child, "remote-ts"), q->inbound ? q->src : q->dst))
                    continue;
                (void)json_object_set_new(answer, "connection", json_string(conn_name));
                (void)json_object_set_new(answer, "child", json_string(child_name));
                return;
            }
        }
    }
}

// The child SA that has the answer's first SA.
static void name_sa(json_t *answer, const json_t *sas)
{
    const char *name, *key;
    size_t i;
    json_t *item, *sa, *child, *first = json_array_get(json_object_get(answer, "sas"), 0);
    const char *way = strcmp(json_str(answer, "direction"), "in") == 0 ? "spi-in" : "spi-out";
    uint64_t spi = strtoull(json_str(first, "spi"), NULL, 16);
    json_array_foreach(sas, i, item)
    {
        json_object_foreach(item, name, sa)
        {
            json_object_foreach(json_object_get(sa, "child-sas"), key, child)
            {
                if (!first || strtoull(json_str(child, way), NULL, 16) != spi) continue;
                (void)json_object_set_new(answer, "connection", json_string(name));
                (void)json_object_set_new(answer, "child", json_string(json_str(child, "name")));
                return;
            }
        }
    }
}

static void name_all(json_t *answer, const struct args *a, const struct question *q)
{
    struct vici_client *c = control_open_quietly(a);
    if (!c) return; // the executor may serve another daemon
    json_t *sas = control_list(c, "list-sas", "list-sa"),
           *conns = sas ? control_list(c, "list-conns", "list-conn") : NULL;
    if (sas) name_sa(answer, sas);
    if (conns && !json_object_get(answer, "child")) name_child(answer, conns, q);
    json_decref(sas);
    json_decref(conns);
    vici_close(c);
}

// ---- the command ----

static json_t *fetch(const struct args *a, const struct question *q)
{
    char name[128];
    const char *socket = args_get(a, "--socket");
    struct why why = {{0}};
    json_t *answer = NULL;
    bool kernel = args_get(a, "--kernel") != NULL;
    char *text = question_text(q);
    (void)snprintf(name, sizeof name, "%s-explain", socket ? socket : XFRMD_SOCKET);
    err_t e = !text    ? ERR_NOMEM
              : kernel ? explain_kernel(text, &answer, &why)
                       : stat_ask(name, text, &answer, &why);
    free(text);
    if (e == ERR_OK) return answer;
    say_error("%s", why.text[0] ? why.text : err_text(e));
    if (e == ERR_PERMISSION || (e == ERR_TIMEOUT && !kernel)) {
        say_hint("run this command as root, in the network namespace of %s",
                 kernel ? "the tunnel" : "pavise-xfrmd");
    } else if (!kernel) {
        say_hint("start pavise-xfrmd; or, where the kernel protects packets, ask with --kernel");
    }
    return NULL;
}

static int run(const struct args *a)
{
    struct question q;
    if (!question_read(a, &q)) return CLI_USAGE;
    json_t *answer = fetch(a, &q);
    if (!answer) return CLI_FAILED;
    if (*json_str(answer, "error")) {
        say_error("%s", json_str(answer, "error"));
        json_decref(answer);
        return CLI_USAGE;
    }
    name_all(answer, a, &q);
    if (args_get(a, "--json")) {
        json_print(answer);
        return CLI_OK;
    }
    explain_print(answer, a);
    json_decref(answer);
    return CLI_OK;
}

static const struct args_option options[] = {
    {"--kernel", NULL, "in the Linux kernel's XFRM instead of pavise-xfrmd"},
    {"--inbound", NULL, "a packet that comes out of a tunnel, or in clear"},
    {"--length", "BYTES", "of the whole packet, for what the path takes"},
    {"--mark", "N", "the packet's firewall mark"},
    {"--socket", "NAME", "socket of pavise-xfrmd (" XFRMD_SOCKET ")"},
    OPTION_SOCKET,
    OPTION_JSON,
    {0}};

const struct command command_explain = {
    .name = "explain",
    .words = "SRC DST [PROTO [SPORT] DPORT]",
    .summary = "what would become of such a packet, and why",
    .about =
        "Asks pavise-xfrmd which way a packet would take, stage by stage: the policy that\n"
        "decides, and why those before it do not; its SA, or the negotiation that it would\n"
        "start; the outer header; what fits into the path. The answer comes from the code that\n"
        "moves packets; with --kernel it judges what the kernel holds. Nothing is sent.\n"
        "Without PROTO it is a ping; icmp takes TYPE and CODE.",
    .options = options,
    .words_min = 2,
    .words_max = 5,
    .run = run,
};
