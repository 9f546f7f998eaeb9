#include "conf/child.h"

#include <stddef.h>
#include <string.h>

#include "conf/issue.h"
#include "conf/proposal.h"
#include "conf/ts.h"
#include "conf/value.h"

#define NO_PROXY "transport proxy mode (Mobile IPv6) is not supported"

static const struct word modes[] = {
    {"tunnel", CONF_TUNNEL, NULL},     {"transport", CONF_TRANSPORT, NULL},
    {"beet", CONF_BEET, NULL},         {"iptfs", CONF_IPTFS, NULL},
    {"pass", CONF_PASS, NULL},         {"drop", CONF_DROP, NULL},
    {"transport_proxy", -1, NO_PROXY}, {0}};
static const struct word actions[] = {{"none", CONF_NONE, NULL},
                                      {"start", CONF_START, NULL},
                                      {"trap", CONF_TRAP, NULL},
                                      {"trap|start", CONF_TRAP_START, NULL},
                                      {"start|trap", CONF_TRAP_START, NULL},
                                      {"route", CONF_TRAP, "'route' is read as 'trap'"},
                                      {"restart", CONF_START, "'restart' is read as 'start'"},
                                      {"clear", CONF_NONE, "'clear' is read as 'none'"},
                                      {0}};
static const struct word dpd_actions[] = {{"clear", CONF_CLEAR, NULL},
                                          {"trap", CONF_DPD_TRAP, NULL},
                                          {"restart", CONF_RESTART, NULL},
                                          {"none", CONF_CLEAR, "'none' is read as 'clear'"},
                                          {"start", CONF_RESTART, "'start' is read as 'restart'"},
                                          {"hold", CONF_DPD_TRAP, "'hold' is read as 'trap'"},
                                          {"route", CONF_DPD_TRAP, "'route' is read as 'trap'"},
                                          {0}};

static const struct word per_cpus[] = {{"yes", true, NULL},
                                       {"no", false, NULL},
                                       {"true", true, NULL},
                                       {"false", false, NULL},
                                       {"enabled", true, NULL},
                                       {"1", true, NULL},
                                       {"disabled", false, NULL},
                                       {"0", false, NULL},
                                       {"encap", -1, "a UDP port for each CPU is not supported"},
                                       {0}};
static const struct word dscps[] = {{"out", CONF_DSCP_OUT, NULL},
                                    {"in", CONF_DSCP_IN, NULL},
                                    {"yes", CONF_DSCP_BOTH, NULL},
                                    {"no", CONF_DSCP_NO, NULL},
                                    {0}};

// "mtu": as long as the path takes.
static void set_padding(const struct arg *a)
{
    if (strcmp(a->v->text, "mtu") == 0) {
        *(uint32_t *)a->to = UINT32_MAX;
        return;
    }
    set_number(a);
}

static void set_label(const struct arg *a)
{
    if (a->v->len >= 1 && a->v->len <= CONF_LABEL_MAX) {
        set_string(a);
        return;
    }
    issue_error(a->ld->issues, value_place(a->v, 0), a->v->text,
                "a label has 1 to %d bytes, not %zu", CONF_LABEL_MAX, a->v->len);
}

// "%same": that of mark_in or mark_out, which may be chosen later. "0" is none.
static void set_set_mark(const struct arg *a)
{
    struct conf_mark *m = a->to;
    m->same = strcmp(a->v->text, "%same") == 0;
    struct arg value = *a;
    value.to = &m->value;
    if (!m->same) set_mark_given(&value);
}

static void set_amount_unset(struct conf_child *c)
{
    c->life_s = c->rand_s = c->life_bytes = c->rand_bytes = TIME_UNSET;
    c->life_packets = c->rand_packets = TIME_UNSET;
}

// What strongSwan computes: hard limit = soft limit + 10 %, spread = their difference.
static void limits_complete(uint64_t rekey, uint64_t *life, uint64_t *spread)
{
    if (*life == TIME_UNSET)
        *life = rekey > UINT64_MAX / 11 * 10 ? UINT64_MAX - 1 : rekey + rekey / 10;
    if (*spread == TIME_UNSET) *spread = *life > rekey ? *life - rekey : 0;
}

// clang-format off: tables keep their columns
static const struct key child_keys[] = {
    KEY("esp_proposals", set_esp_proposals, conf_child, esp, NULL),
    KEY("ah_proposals", set_ah_proposals, conf_child, esp, NULL),
    {.name = "local_ts", .set = set_local_ts, .to = 0, .dflt = "dynamic"},
    {.name = "remote_ts", .set = set_remote_ts, .to = 0, .dflt = "dynamic"},
    KEY("rekey_time", set_time, conf_child, rekey_s, "1h"),
    KEY("life_time", set_time, conf_child, life_s, NULL),
    KEY("rand_time", set_time, conf_child, rand_s, NULL),
    KEY("rekey_bytes", set_bytes, conf_child, rekey_bytes, "0"),
    KEY("life_bytes", set_bytes, conf_child, life_bytes, NULL),
    KEY("rand_bytes", set_bytes, conf_child, rand_bytes, NULL),
    KEY("rekey_packets", set_count, conf_child, rekey_packets, "0"),
    KEY("life_packets", set_count, conf_child, life_packets, NULL),
    KEY("rand_packets", set_count, conf_child, rand_packets, NULL),
    KEY_WORD("mode", modes, conf_child, mode, "tunnel"),
    KEY_WORD("start_action", actions, conf_child, start_action, "none"),
    KEY_WORD("close_action", actions, conf_child, close_action, "none"),
    KEY_WORD("dpd_action", dpd_actions, conf_child, dpd_action, "clear"),
    KEY("reqid", set_number, conf_child, reqid, "0"),
    KEY("priority", set_number, conf_child, priority, "0"),
    KEY("replay_window", set_window, conf_child, replay_window, "32"),
    KEY("mark_in", set_mark, conf_child, mark_in, NULL),
    KEY("mark_out", set_mark, conf_child, mark_out, NULL),
    KEY("if_id_in", set_if_id, conf_child, if_id_in, NULL),
    KEY("if_id_out", set_if_id, conf_child, if_id_out, NULL),
    KEY("policies", set_yes_no, conf_child, policies, "yes"),
    KEY("copy_df", set_yes_no, conf_child, copy_df, "yes"),
    KEY("copy_ecn", set_yes_no, conf_child, copy_ecn, "yes"),
    KEY("sha256_96", set_yes_no, conf_child, sha256_96, "no"),
    KEY("inactivity", set_time, conf_child, inactivity_s, "0"),
    KEY("tfc_padding", set_padding, conf_child, tfc_padding, "0"),
    KEY("set_mark_out", set_set_mark, conf_child, output_mark, NULL),
    KEY("set_mark_in", set_set_mark, conf_child, input_mark, NULL),
    KEY("mark_in_sa", set_yes_no, conf_child, mark_in_sa, "no"),
    KEY("interface", set_string, conf_child, interface, NULL),
    KEY("icmp", set_yes_no, conf_child, icmp, "no"),
    KEY_WORD("copy_dscp", dscps, conf_child, copy_dscp, "out"),
    KEY("updown", set_string, conf_child, updown, NULL),
    KEY("hostaccess", set_yes_no, conf_child, hostaccess, "no"),
    KEY("ipcomp", set_yes_no, conf_child, ipcomp, "no"),
    KEY("policies_fwd_out", set_yes_no, conf_child, policies_fwd_out, "no"),
    KEY("label", set_label, conf_child, label, NULL),
    KEY_NOT("label_mode", "simple",
            "labels of packets are the kernel's and a security module's; here a label says which "
            "child is meant"),
    KEY_WORD("per_cpu_sas", per_cpus, conf_child, per_cpu, "no"),
    KEY_NOT("hw_offload", "no auto", "pavise-xfrmd encrypts by itself and asks no device for it"),
    {0},
};
// clang-format on

_Static_assert(offsetof(struct conf_child, mark_in_mask) ==
                   offsetof(struct conf_child, mark_in) + sizeof(uint32_t),
               "set_mark writes value and mask together");
_Static_assert(offsetof(struct conf_child, mark_out_mask) ==
                   offsetof(struct conf_child, mark_out) + sizeof(uint32_t),
               "set_mark writes value and mask together");
_Static_assert(offsetof(struct conf_mark, mask) ==
                   offsetof(struct conf_mark, value) + sizeof(uint32_t),
               "set_mark writes value and mask together");
_Static_assert(sizeof(enum conf_mode) == sizeof(int) && sizeof(enum conf_start) == sizeof(int),
               "set_word writes an int");

const struct schema schema_child = {"a child", "connections.<conn>.children.<child>", child_keys,
                                    NULL};

static const struct inside any_child[] = {{.name = "*", .schema = &schema_child}, {0}};
static const struct key no_keys[] = {{0}};
const struct schema schema_children = {"section 'children'", "connections.<conn>.children", no_keys,
                                       any_child};

// Who wants to be protected from readers must not get AH because the peer likes it better.
static void suites_complete(struct load *ld, const struct node *n, struct conf_child *c)
{
    const struct setting *ah = schema_written(ld, n, "ah_proposals");
    bool esp = schema_written(ld, n, "esp_proposals");
    if (ah && esp) {
        issue_error(ld->issues, value_place(&ah->value, 0), ah->value.text,
                    "a child is protected by AH or by ESP, not by whichever the peer takes");
        issue_hint(ld->issues, "remove ah_proposals or esp_proposals, or write two children");
    }
    if (ah || esp) return;
    const struct value dflt = {.text = "default", .len = strlen("default")};
    const struct arg a = {.ld = ld, .key = child_keys, .v = &dflt, .to = &c->esp};
    set_esp_proposals(&a);
}

static void child_read(struct load *ld, const struct node *n, struct conf_child *c)
{
    set_amount_unset(c);
    schema_read(ld, &schema_child, n, c);
    suites_complete(ld, n, c);
    limits_complete(c->rekey_s, &c->life_s, &c->rand_s);
    limits_complete(c->rekey_bytes, &c->life_bytes, &c->rand_bytes);
    limits_complete(c->rekey_packets, &c->life_packets, &c->rand_packets);
    c->print = tree_print(n, NULL);
    c->name = arena_str(&ld->out->arena, n->name, strlen(n->name));
    if (!c->name) ld->nomem = true;
}

void child_read_all(struct load *ld, const struct node *n, void *conn)
{
    struct conf_conn *c = conn;
    struct origin *o = &ld->origin[c - ld->out->conn];
    unsigned count = 0;
    struct node empty = {.name = n->name, .at = n->at, .settings = n->settings};
    schema_read(ld, &schema_children, &empty, c); // no setting may stand here
    for (const struct node *sub = n->subs; sub; sub = sub->next) count++;
    c->child = arena_array(&ld->out->arena, count, sizeof *c->child);
    o->child = arena_array(&ld->tree->arena, count, sizeof *o->child);
    if (!c->child || !o->child) {
        ld->nomem = true;
        return;
    }
    for (const struct node *sub = n->subs; sub; sub = sub->next) {
        o->child[c->child_n] = sub;
        child_read(ld, sub, &c->child[c->child_n++]);
    }
}
