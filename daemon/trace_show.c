#include "daemon/trace_show.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "daemon/xfrmd_show.h"

// ---- words ----

static const char *way_of(const struct trace_record *r)
{
    return r->path == outbound     ? "out"
           : r->path == inbound    ? "in"
           : r->path == complaints ? "icmp"
           : r->path == payloads   ? "out"
                                   : "dummy";
}

static const char *verdict_of(enum trace_end end)
{
    static const char *const words[] = {
        [TRACE_DROPPED] = "dropped",       [TRACE_SENT] = "sent",
        [TRACE_DELIVERED] = "delivered",   [TRACE_CLEAR] = "passes in clear",
        [TRACE_WAITS] = "waits for an SA", [TRACE_JOINED] = "joined",
        [TRACE_EMPTY] = "empty",           [TRACE_HEARD] = "heard",
        [TRACE_UNPACKED] = "unpacked",
    };
    return words[end];
}

// ---- parts ----

static void set(json_t *j, const char *key, json_t *value)
{
    (void)json_object_set_new(j, key, value); // NULL, out of memory: left out
}

static void set_number(json_t *j, const char *key, uint64_t n)
{
    set(j, key, json_integer((json_int_t)n));
}

static json_t *spi_json(uint32_t spi)
{
    char text[16];
    (void)snprintf(text, sizeof text, "0x%08x", spi);
    return json_string(text);
}

static json_t *inner_json(const struct trace_record *r)
{
    const struct flow *f = &r->flow;
    const bool icmp = f->proto == IPPROTO_ICMP || f->proto == IPPROTO_ICMPV6;
    const bool ports = f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP ||
                       f->proto == IPPROTO_SCTP || f->proto == IPPROTO_UDPLITE;
    json_t *j = json_pack("{s:o, s:o, s:i, s:i, s:i, s:i}", "src", show_ip(&f->src), "dst",
                          show_ip(&f->dst), "proto", f->proto, "tos", f->tos, "ttl", f->ttl,
                          "length", (int)r->plain_len);
    if ((icmp || ports) && !f->fragment) {
        set_number(j, icmp ? "type" : "sport", f->sport);
        set_number(j, icmp ? "code" : "dport", f->dport);
    }
    if (f->part) set(j, "fragment", json_true());
    return j;
}

static json_t *policy_json(const struct trace_policy *p)
{
    return json_pack("{s:I, s:I, s:s, s:s, s:o}", "index", (json_int_t)p->index, "priority",
                     (json_int_t)p->priority, "dir", show_dir(p->dir), "action",
                     show_action(p->action, p->tmpls), "selector", show_selector(&p->sel));
}

static json_t *sas_json(const struct trace_record *r)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < r->sas; i++) {
        const struct trace_sa *sa = &r->sa[i];
        (void)json_array_append_new(
            all, json_pack("{s:o, s:o, s:o, s:s, s:s, s:I, s:b, s:s}", "spi", spi_json(sa->spi),
                           "src", show_ip(&sa->src), "dst", show_ip(&sa->dst), "proto",
                           show_proto(sa->proto), "mode", show_mode(sa->mode), "reqid",
                           (json_int_t)sa->reqid, "udp", sa->udp, "algorithm", sa->alg));
    }
    return all;
}

static json_t *outer_json(const struct trace_record *r)
{
    json_t *j =
        json_pack("{s:o, s:o, s:i, s:i, s:i, s:b, s:I}", "src", show_ip(&r->from.ip), "dst",
                  show_ip(&r->to.ip), "proto", r->udp ? IPPROTO_UDP : r->proto, "tos", r->outer_tos,
                  "ttl", r->outer_ttl, "df", r->df, "length", (json_int_t)r->outer_len);
    if (r->udp) set_number(j, "sport", r->from.port);
    if (r->udp) set_number(j, "dport", r->to.port);
    return j;
}

static json_t *stages_json(const struct trace_record *r)
{
    json_t *all = json_array();
    for (unsigned i = 0; i <= r->stage; i++) {
        if (r->stage_n[i] == 0) continue; // chosen behind it
        (void)json_array_append_new(all, json_pack("{s:s, s:I, s:i}", "stage", r->path[i].name,
                                                   "ns", (json_int_t)r->stage_ns[i], "packets",
                                                   r->stage_n[i]));
    }
    return all;
}

static json_t *hex_json(const uint8_t *at, uint32_t len)
{
    static const char digit[] = "0123456789abcdef";
    char *text = malloc(2 * (size_t)len + 1);
    if (!text) return NULL;
    for (uint32_t i = 0; i < len; i++) {
        text[2 * i] = digit[at[i] >> 4];
        text[2 * i + 1] = digit[at[i] & 15];
    }
    json_t *j = json_stringn(text, 2 * (size_t)len);
    free(text);
    return j;
}

// ---- the whole ----

static void add_way(json_t *j, const struct trace_record *r)
{
    bool numbered = false;
    for (unsigned i = 0; i < r->sas; i++) numbered |= r->sa[i].numbered;
    if (r->flow.src.family != AF_UNSPEC) set(j, "inner", inner_json(r));
    if (r->has_policy) set(j, "policy", policy_json(&r->policy));
    if (r->sas) set(j, "sas", sas_json(r));
    if (r->spi && !r->sas) set(j, "spi", spi_json(r->spi));
    if (numbered && (r->seq || r->path == inbound)) set_number(j, "seq", r->seq);
    if (r->from.ip.family != AF_UNSPEC) set(j, "outer", outer_json(r));
    if (r->path_mtu) set_number(j, "path_mtu", r->path_mtu);
    if (r->cut) set(j, "fragmented", json_true());
    if (r->mark) set_number(j, "mark", r->mark);
}

static void add_drop(json_t *j, enum drop d)
{
    set(j, "drop", json_string(drop_word(d)));
    set(j, "why", json_string(drop_text(d)));
}

char *trace_show(const struct trace_record *r, uint64_t wall_ns, bool bytes)
{
    json_t *j =
        json_pack("{s:I, s:i, s:s, s:s, s:s}", "time_ns", (json_int_t)wall_ns, "worker", r->worker,
                  "way", way_of(r), "verdict", verdict_of(r->end), "stage", r->path[r->stage].name);
    if (!j) return NULL;
    if (r->drop) add_drop(j, r->drop);
    add_way(j, r);
    set_number(j, "ns", r->took);
    set_number(j, "burst", r->burst);
    set(j, "stages", stages_json(r));
    if (bytes && r->plain_len) set(j, "plain", hex_json(r->plain, r->plain_kept));
    if (bytes && r->outer_len) set(j, "protected", hex_json(r->outer, r->outer_kept));
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}
