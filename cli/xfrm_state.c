// xfrm_state.c - security associations (the kernel says "states").
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/human.h"
#include "cli/json.h"
#include "cli/xfrm_show.h"

#define HIDDEN "<<Keys hidden>>" // as `ip xfrm state list nokeys` says

static const struct {
    uint8_t bit;
    const char *name, *meaning;
} flags[] = {
    {1, "noecn", "congestion marks are not copied between headers (RFC 6040)"},
    {2, "decap-dscp", "the outer DSCP field is copied inwards (RFC 4301 5.1.2.1)"},
    {4, "nopmtudisc", "the outer header does not copy the don't-fragment bit (RFC 4301 8.1)"},
    {8, "wildrecv", "accepts any destination (Linux only)"},
    {16, "icmp", "ICMP errors may pass (RFC 4301 6)"},
    {32, "af-unspec", "IPv4 and IPv6 may be inside, whatever is outside (RFC 4301 5.1.2)"},
    {64, "align4", "padding to 4 bytes (RFC 4302 3.3.3.2)"},
    {128, "esn", "extended: sequence numbers have 64 bits (RFC 4303 2.2.1)"},
};

static const char *proto_meaning(uint8_t proto)
{
    switch (proto) {
    case XFRM_PROTO_ESP:
        return "esp encrypts and authenticates (RFC 4303)";
    case XFRM_PROTO_AH:
        return "ah authenticates the packet, its header included (RFC 4302)";
    case XFRM_PROTO_COMP:
        return "comp makes packets smaller (RFC 3173)";
    default:
        return "takes in what comp could not make smaller (RFC 3173 2.2)";
    }
}

static const char *mode_meaning(uint8_t mode)
{
    switch (mode) {
    case XFRM_TUNNEL:
        return "a whole packet is put inside a new one (RFC 4301 3.2)";
    case XFRM_IPTFS:
        return "packets are put together and cut to fill new ones (RFC 9347)";
    default:
        return "the payload of a packet is protected (RFC 4301 3.2)";
    }
}

static void show_identity(struct fields *f, const struct xfrm_sa *sa)
{
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX], proto[16];
    fields_line(f, "");
    fields_add(f, "protected packets leave from this host ... (RFC 4301 5.1.2)", "src %s",
               ip_show(&sa->saddr, src));
    fields_add(f, "... and go to this one: the outer header (RFC 4301 5.1.2)", "dst %s",
               ip_show(&sa->daddr, dst));
    fields_end(f);
    fields_line(f, "\t");
    fields_add(f, proto_meaning(sa->proto), "proto %s", xfrm_show_proto(sa->proto, proto));
    fields_add(f, "in every packet: tells the receiver which SA it is (RFC 4301 4.1)", "spi 0x%08x",
               sa->spi);
    fields_add(f, "ties it to the policies of the same number (Linux only)", "reqid %u", sa->reqid);
    fields_add(f, mode_meaning(sa->mode), "mode %s", xfrm_show_mode(sa->mode));
    fields_end(f);
}

static void show_flags(struct fields *f, const struct xfrm_sa *sa)
{
    fields_line(f, "\t");
    unsigned window = sa->replay.esn_given ? 0 : sa->replay.window;
    const char *meaning =
        sa->replay.esn_given ? "the window stands in the context below (RFC 4303 3.4.3)"
        : window             ? "so many late packets are still accepted, each once (RFC 4303 3.4.3)"
                             : "0: nothing to check, this one sends (RFC 4303 3.4.3)";
    fields_add(f, meaning, "replay-window %u", window);
    bool first = true;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (!(sa->flags & flags[i].bit)) continue;
        fields_add(f, flags[i].meaning, "%s%s", first ? "flag " : "", flags[i].name);
        first = false;
    }
    if (sa->extra_flags & 1) {
        fields_add(f, "the inner DSCP field stays inside (RFC 4301 5.1.2.1)",
                   "extra_flag dont-encap-dscp");
    }
    if (sa->extra_flags & 2) {
        fields_add(f, "sequence numbers may start again (RFC 4303 3.3.3)",
                   "extra_flag oseq-may-wrap");
    }
    fields_end(f);
}

static void show_algorithm(struct fields *f, const struct xfrm_alg *alg, const char *kind,
                           const char *meaning)
{
    if (!alg->name[0]) return;
    AUTO(text) struct text key = {0};
    size_t bytes = alg->key_bits / 8U;
    if (bytes > sizeof alg->key) bytes = sizeof alg->key;
    fields_line(f, "\t");
    if (f->keys && bytes) text_hex(&key, span(alg->key, bytes));
    fields_add(f, meaning, "%s %s", kind, alg->name);
    fields_add(f, "the key; see --show-keys (RFC 4301 4.4.2.1)", "%s%s",
               key.len ? "0x"
               : bytes ? HIDDEN
                       : "",
               text_str(&key));
    if (alg->icv_bits) {
        fields_add(f, "bits of the integrity check value in each packet (RFC 4303 2.8)", "%u",
                   alg->icv_bits);
    }
    fields_end(f);
}

static void show_mark(struct fields *f, const char *name, const struct xfrm_mark *m,
                      const char *meaning)
{
    if (!m->value && !m->mask) return;
    fields_line(f, "\t");
    fields_add(f, meaning, "%s 0x%x/0x%x", name, m->value, m->mask);
    fields_end(f);
}

static void show_encap(struct fields *f, const struct xfrm_encap *e)
{
    char ip[IP_TEXT_MAX];
    if (!e->type) return;
    fields_line(f, "\t");
    fields_add(f, "ESP rides in UDP, to get through NAT (RFC 3948)", "encap type %s",
               e->type == 2 ? "espinudp" : "espinudp-nonike");
    fields_add(f, "our UDP port (RFC 3948 2.1)", "sport %u", e->sport);
    fields_add(f, "the peer's UDP port (RFC 3948 2.1)", "dport %u", e->dport);
    fields_add(f, "a field of the past, unused (RFC 3947 5.2)", "addr %s",
               e->oa.family ? ip_show(&e->oa, ip) : "0.0.0.0");
    fields_end(f);
}

// In the words of `ip xfrm state add ... iptfs-opts`.
static void show_iptfs(struct fields *f, const struct xfrm_sa *sa)
{
    const struct xfrm_iptfs *t = &sa->iptfs;
    if (sa->mode != XFRM_IPTFS) return;
    fields_line(f, "\t");
    if (sa->dir == 1) {
        fields_add(f, "so long a missing packet is waited for, us (RFC 9347 2.5)",
                   "iptfs-opts drop-time %u", t->drop_time_us);
        fields_add(f, "while so many later ones have come (RFC 9347 2.5)", "reorder-window %u",
                   t->reorder_window);
    } else {
        fields_add(f, "how long packets wait for others to go with, us (RFC 9347 2.1)",
                   "iptfs-opts init-delay %u", t->init_delay_us);
        fields_add(f, "bytes that may wait (Linux only)", "max-queue-size %u", t->max_queue);
        fields_add(f, "bytes of a new packet, 0: what the path takes (RFC 9347 4.1)", "pkt-size %u",
                   t->pkt_size);
        if (t->dont_frag) {
            fields_add(f, "none is cut, whatever room is left (RFC 9347 2.2.3)", "dont-frag");
        }
    }
    fields_end(f);
}

// The bitmap of an extended window, eight words on a line as `ip xfrm` has it.
static void show_bitmap(struct fields *f, const struct xfrm_replay *r)
{
    unsigned words = (r->window + 31) / 32;
    if (words > XFRM_REPLAY_MAX / 32) words = XFRM_REPLAY_MAX / 32;
    if (f->explain) return;
    for (unsigned i = 0; i < words; i++) {
        printf("%s%08x%s", i % 8 ? " " : "\t ", r->bitmap[i],
               i % 8 == 7 || i + 1 == words ? "\n" : "");
    }
}

static void show_replay(struct fields *f, const struct xfrm_replay *r)
{
    static const char in[] =
        "highest number received; a number used twice is a replay (RFC 4303 3.4.3)",
                      out[] = "last number sent; no number is ever used twice (RFC 4303 3.3.3)";
    fields_line(f, "\t");
    if (!r->esn_given) {
        fields_add(f, in, "anti-replay context: seq 0x%x,", (uint32_t)r->in_seq);
        fields_add(f, out, "oseq 0x%x,", (uint32_t)r->out_seq);
        fields_add(f, "which of the last numbers were seen (RFC 4303 3.4.3)", "bitmap 0x%08x",
                   r->bitmap[0]);
        fields_end(f);
        return;
    }
    fields_add(f, "sequence numbers of 64 bits (RFC 4303 2.2.1)", "anti-replay esn context:");
    fields_end(f);
    fields_line(f, "\t ");
    fields_add(f, "upper half of the next (RFC 4303 2.2.1)", "seq-hi 0x%x,",
               (uint32_t)(r->in_seq >> 32));
    fields_add(f, in, "seq 0x%x,", (uint32_t)r->in_seq);
    fields_add(f, "upper half of the next (RFC 4303 2.2.1)", "oseq-hi 0x%x,",
               (uint32_t)(r->out_seq >> 32));
    fields_add(f, out, "oseq 0x%x", (uint32_t)r->out_seq);
    fields_end(f);
    fields_line(f, "\t ");
    fields_add(f, "so many late packets are still accepted, each once (RFC 4303 3.4.3)",
               "replay_window %u,", r->window);
    fields_add(f, "words of 32 bits, one bit for each packet (RFC 4303 A2)", "bitmap-length %u",
               (r->window + 31) / 32);
    fields_end(f);
    show_bitmap(f, r);
}

static void show_limit(struct fields *f, const char *what, uint64_t soft, uint64_t hard)
{
    if (soft == XFRM_INF && hard == XFRM_INF) return;
    if (soft == 0 && hard == 0) return;
    fields_line(f, "\t  ");
    if (soft != XFRM_INF) {
        fields_add(f, "then new keys are negotiated (RFC 4301 4.4.2.1)", "soft %" PRIu64 "(%s)",
                   soft, what);
    }
    if (hard != XFRM_INF)
        fields_add(f, "then it ends (RFC 4301 4.4.2.1)", "hard %" PRIu64 "(%s)", hard, what);
    fields_end(f);
}

// Beyond what plain `ip xfrm state` says: its lifetime, as `ip -s` has it.
static void show_explained_life(struct fields *f, const struct xfrm_sa *sa)
{
    char bytes[HUMAN_MAX];
    if (!f->explain) return;
    fields_line(f, "\t");
    fields_add(f, "what has passed through it (RFC 4301 4.4.2.1)", "%s, %" PRIu64 " packets",
               human_bytes(sa->current.bytes, bytes), sa->current.packets);
    show_limit(f, "sec", sa->limit.soft_add_s, sa->limit.hard_add_s);
    show_limit(f, "bytes", sa->limit.soft_bytes, sa->limit.hard_bytes);
    show_limit(f, "packets", sa->limit.soft_packets, sa->limit.hard_packets);
}

void xfrm_show_sa(struct fields *f, const struct xfrm_sa *sa)
{
    show_identity(f, sa);
    show_flags(f, sa);
    show_mark(f, "mark", &sa->mark, "only packets with this firewall mark (Linux only)");
    show_mark(f, "output-mark", &sa->output_mark,
              "protected packets leave with this firewall mark (Linux only)");
    show_algorithm(f, &sa->aead, "aead", "encrypts and authenticates in one (RFC 4303 3.2.3)");
    show_algorithm(f, &sa->auth, "auth-trunc", "authenticates each packet (RFC 4303 3.2.2)");
    show_algorithm(f, &sa->crypt, "enc", "encrypts each packet (RFC 4303 3.2.1)");
    if (sa->comp[0]) {
        fields_line(f, "\t");
        fields_add(f, "makes payloads smaller (RFC 3173)", "comp %s", sa->comp);
        fields_end(f);
    }
    show_encap(f, &sa->encap);
    show_iptfs(f, sa);
    show_replay(f, &sa->replay);
    if (sa->if_id) {
        fields_line(f, "\t");
        fields_add(f, "belongs to the XFRM interface of this number (Linux only)", "if_id 0x%x",
                   sa->if_id);
        fields_end(f);
    }
    fields_line(f, "\t");
    fields_add(f, "what may be inside: (RFC 4301 4.4.2.1)", "sel");
    xfrm_show_selector(f, &sa->sel);
    fields_end(f);
    show_explained_life(f, sa);
}

static void add_algorithm(json_t *j, const char *key, const struct xfrm_alg *alg, bool keys)
{
    if (!alg->name[0]) return;
    AUTO(text) struct text hex = {0};
    size_t bytes = alg->key_bits / 8U;
    if (bytes > sizeof alg->key) bytes = sizeof alg->key;
    json_t *a = json_pack("{s:s, s:i, s:i}", "name", alg->name, "key_bits", alg->key_bits,
                          "icv_bits", alg->icv_bits);
    if (keys) text_hex(&hex, span(alg->key, bytes));
    if (a && keys) (void)json_object_set_new(a, "key", json_string(text_str(&hex)));
    if (a) (void)json_object_set_new(j, key, a);
}

static json_t *limit_json(uint64_t v)
{
    return v == XFRM_INF ? json_null() : json_integer((json_int_t)v);
}

static json_t *lifetime_json(const struct xfrm_lifetime *l)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "soft_bytes", limit_json(l->soft_bytes),
                     "hard_bytes", limit_json(l->hard_bytes), "soft_packets",
                     limit_json(l->soft_packets), "hard_packets", limit_json(l->hard_packets),
                     "soft_seconds", (json_int_t)l->soft_add_s, "hard_seconds",
                     (json_int_t)l->hard_add_s);
}

static json_t *iptfs_json(const struct xfrm_sa *sa)
{
    const struct xfrm_iptfs *t = &sa->iptfs;
    if (sa->dir == 1) {
        return json_pack("{s:I, s:i}", "drop_time_us", (json_int_t)t->drop_time_us,
                         "reorder_window", t->reorder_window);
    }
    return json_pack("{s:I, s:I, s:I, s:b}", "init_delay_us", (json_int_t)t->init_delay_us,
                     "max_queue", (json_int_t)t->max_queue, "pkt_size", (json_int_t)t->pkt_size,
                     "dont_frag", t->dont_frag);
}

json_t *xfrm_show_sa_json(const struct xfrm_sa *sa, bool keys)
{
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX], proto[16], spi[16];
    (void)snprintf(spi, sizeof spi, "0x%08x", sa->spi);
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:b, s:I, s:I, s:I, s:I, s:o, s:o}", "src",
                  ip_show(&sa->saddr, src), "dst", ip_show(&sa->daddr, dst), "proto",
                  xfrm_show_proto(sa->proto, proto), "spi", spi, "reqid", (json_int_t)sa->reqid,
                  "mode", xfrm_show_mode(sa->mode), "replay_window", (json_int_t)sa->replay.window,
                  "esn", (sa->flags & XFRM_STATE_ESN) != 0, "seq", (json_int_t)sa->replay.in_seq,
                  "oseq", (json_int_t)sa->replay.out_seq, "bytes", (json_int_t)sa->current.bytes,
                  "packets", (json_int_t)sa->current.packets, "limits", lifetime_json(&sa->limit),
                  "sel", xfrm_show_selector_json(&sa->sel));
    if (!j) return NULL;
    add_algorithm(j, "aead", &sa->aead, keys);
    add_algorithm(j, "auth", &sa->auth, keys);
    add_algorithm(j, "enc", &sa->crypt, keys);
    if (sa->comp[0]) (void)json_object_set_new(j, "comp", json_string(sa->comp));
    if (sa->encap.type) {
        (void)json_object_set_new(j, "encap",
                                  json_pack("{s:s, s:i, s:i}", "type", "espinudp", "sport",
                                            sa->encap.sport, "dport", sa->encap.dport));
    }
    if (sa->if_id) (void)json_object_set_new(j, "if_id", json_integer(sa->if_id));
    if (sa->mode == XFRM_IPTFS) (void)json_object_set_new(j, "iptfs", iptfs_json(sa));
    return j;
}
