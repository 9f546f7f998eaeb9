#include "daemon/conf_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/creds.h"
#include "daemon/sa_show.h"
#include "eap/eap.h"
#include "ike/codec/payloads.h"

// ---- traffic selectors ----

const char *conf_show_ts(const struct conf_ts *c, char buf[CONF_TS_TEXT_MAX])
{
    static const uint8_t zero[4];
    struct ts_list one = {.n = 1};
    one.ts[0] = (struct ts){c->proto, c->port_lo, c->port_hi, c->lo, c->hi};
    if (!c->dynamic) return ts_show_services(&one, buf, CONF_TS_TEXT_MAX);
    // The word takes the place of an address; what follows that stays.
    char text[CONF_TS_TEXT_MAX];
    one.ts[0].lo = one.ts[0].hi = ip_from(AF_INET, zero);
    const char *ports = strchr(ts_show_services(&one, text, sizeof text), '[');
    (void)snprintf(buf, CONF_TS_TEXT_MAX, "dynamic%s", ports ? ports : "");
    return buf;
}

static void put_selectors(struct vici_msg *m, const char *key, const struct conf_ts *ts, unsigned n)
{
    char text[CONF_TS_TEXT_MAX];
    vici_list(m, key);
    for (unsigned i = 0; i < n; i++) vici_item(m, "%s", conf_show_ts(&ts[i], text));
    vici_list_end(m);
}

// ---- connections ----

static void put_host(struct vici_msg *m, const struct conf_host *h)
{
    char lo[PREFIX_TEXT_MAX], hi[IP_TEXT_MAX];
    prefix_t p;
    if (h->name) {
        vici_item(m, "%s", h->name);
    } else if (h->any) {
        vici_item(m, "%s",
                  h->family == AF_INET    ? "%any4"
                  : h->family == AF_INET6 ? "%any6"
                                          : "%any");
    } else if (ip_eq(&h->lo, &h->hi)) {
        vici_item(m, "%s", ip_show(&h->lo, lo));
    } else if (prefix_from_range(&h->lo, &h->hi, &p)) {
        vici_item(m, "%s", prefix_show(&p, lo));
    } else {
        vici_item(m, "%s-%s", ip_show(&h->lo, lo), ip_show(&h->hi, hi));
    }
}

static void put_hosts(struct vici_msg *m, const char *key, const struct conf_host *h, unsigned n)
{
    vici_list(m, key);
    for (unsigned i = 0; i < n; i++) put_host(m, &h[i]);
    if (n == 0) vici_item(m, "%%any");
    vici_list_end(m);
}

static void put_certs(struct vici_msg *m, const char *key, const struct cred_cert *l)
{
    char id[ID_TEXT_MAX];
    vici_list(m, key);
    for (; l; l = l->next) {
        if (cert_id_count(l->cert)) vici_item(m, "%s", id_show(cert_id_at(l->cert, 0), id));
    }
    vici_list_end(m);
}

static const char *auth_name(enum conf_auth a)
{
    switch (a) {
    case CONF_AUTH_PSK:
        return "pre-shared key";
    case CONF_AUTH_PUBKEY:
        return "public key";
    case CONF_AUTH_NULL:
        return "NULL";
    case CONF_AUTH_EAP:
        return "EAP";
    }
    return "";
}

static void put_side(struct vici_msg *m, const char *name, unsigned round,
                     const struct conf_side *s)
{
    char id[ID_TEXT_MAX], section[VICI_NAME_MAX + 1], eap[EAP_NAME_MAX];
    (void)snprintf(section, sizeof section, "%s-%u", name, round);
    vici_section(m, section);
    if (s->id_given) vici_kv(m, "id", "%s", id_show(&s->id, id));
    vici_kv(m, "class", "%s", auth_name(s->auth));
    if (s->eap) vici_kv(m, "eap-type", "%s", eap_name(s->eap, eap));
    if (s->radius) vici_kv(m, "eap-type", "EAP_RADIUS");
    if (s->aaa_id_given) vici_kv(m, "aaa_id", "%s", id_show(&s->aaa_id, id));
    if (s->eap_id_given) vici_kv(m, "eap_id", "%s", id_show(&s->eap_id, id));
    if (s->revocation == CONF_REVOCATION_STRICT) vici_kv(m, "revocation", "GOOD");
    if (s->revocation == CONF_REVOCATION_IFURI) vici_kv(m, "revocation", "SKIPPED");
    if (s->ca_id_given) vici_kv(m, "ca_id", "%s", id_show(&s->ca_id, id));
    vici_list(m, "groups");
    for (unsigned i = 0; i < s->group_n; i++) vici_item(m, "%s", s->group[i]);
    vici_list_end(m);
    vici_list(m, "cert_policy");
    for (unsigned i = 0; i < s->policy_n; i++) vici_item(m, "%s", s->policy[i]);
    vici_list_end(m);
    put_certs(m, "certs", s->creds ? s->creds->certs : NULL);
    put_certs(m, "cacerts", s->creds ? s->creds->cacerts : NULL);
    vici_section_end(m);
}

static void put_sides(struct vici_msg *m, const char *name, const struct conf_side *s)
{
    for (unsigned round = 1; s; s = s->next) put_side(m, name, round++, s);
}

static const char *unique_name(enum conf_unique u)
{
    switch (u) {
    case CONF_UNIQUE_NO:
        return "UNIQUE_NO";
    case CONF_UNIQUE_NEVER:
        return "UNIQUE_NEVER";
    case CONF_UNIQUE_KEEP:
        return "UNIQUE_KEEP";
    case CONF_UNIQUE_REPLACE:
        return "UNIQUE_REPLACE";
    }
    return "";
}

static const char *mode_name(enum conf_mode mode)
{
    switch (mode) {
    case CONF_TUNNEL:
        return "TUNNEL";
    case CONF_TRANSPORT:
        return "TRANSPORT";
    case CONF_BEET:
        return "BEET";
    case CONF_IPTFS:
        return "IPTFS";
    case CONF_PASS:
        return "PASS";
    case CONF_DROP:
        return "DROP";
    }
    return "";
}

static const char *dpd_name(enum conf_dpd_action a)
{
    switch (a) {
    case CONF_CLEAR:
        return "none";
    case CONF_DPD_TRAP:
        return "trap";
    case CONF_RESTART:
        return "start";
    }
    return "";
}

static const char *start_name(enum conf_start s)
{
    switch (s) {
    case CONF_NONE:
        return "none";
    case CONF_TRAP:
        return "trap";
    case CONF_START:
        return "start";
    case CONF_TRAP_START:
        return "trap | start";
    }
    return "";
}

static void put_child(struct vici_msg *m, const struct conf_child *k)
{
    vici_section(m, k->name);
    vici_kv(m, "mode", "%s", mode_name(k->mode));
    sa_show_label(m, k->label);
    vici_kv(m, "rekey_time", "%" PRIu64, k->rekey_s);
    vici_kv(m, "rekey_bytes", "%" PRIu64, k->rekey_bytes);
    vici_kv(m, "rekey_packets", "%" PRIu64, k->rekey_packets);
    vici_kv(m, "dpd_action", "%s", dpd_name(k->dpd_action));
    vici_kv(m, "close_action", "%s", start_name(k->close_action));
    put_selectors(m, "local-ts", k->local_ts, k->local_n);
    put_selectors(m, "remote-ts", k->remote_ts, k->remote_n);
    if (k->priority) vici_kv(m, "priority", "%u", k->priority);
    vici_section_end(m);
}

void conf_show_conn(struct vici_msg *m, const struct conf_conn *c)
{
    char id[ID_TEXT_MAX];
    vici_section(m, c->name);
    put_hosts(m, "local_addrs", c->local_addr, c->local_addr_n);
    put_hosts(m, "remote_addrs", c->remote_addr, c->remote_addr_n);
    vici_kv(m, "local_port", "%u", c->local_port);
    vici_kv(m, "remote_port", "%u", c->remote_port);
    vici_kv(m, "version", "IKEv2");
    vici_kv(m, "reauth_time", "%" PRIu64, c->reauth_s);
    vici_kv(m, "rekey_time", "%" PRIu64, c->rekey_s);
    vici_kv(m, "unique", "%s", unique_name(c->unique));
    if (c->dpd_delay_s) vici_kv(m, "dpd_delay", "%" PRIu64, c->dpd_delay_s);
    if (c->ppk_id.type != ID_ANY) vici_kv(m, "ppk_id", "%s", id_show(&c->ppk_id, id));
    if (c->ppk_required) vici_kv(m, "ppk_required", "yes");
    put_sides(m, "local", &c->local);
    put_sides(m, "remote", &c->remote);
    vici_section(m, "children");
    for (unsigned i = 0; i < c->child_n; i++) put_child(m, &c->child[i]);
    vici_section_end(m);
    vici_section_end(m);
}

void conf_show_policy(struct vici_msg *m, const struct conf_conn *c, const struct conf_child *k,
                      uint32_t reqid)
{
    char name[VICI_NAME_MAX + 1];
    (void)snprintf(name, sizeof name, "%s/%s", c->name, k->name);
    vici_section(m, name);
    vici_kv(m, "child", "%s", k->name);
    if (reqid) vici_kv(m, "reqid", "%u", reqid);
    vici_kv(m, "ike", "%s", c->name);
    vici_kv(m, "mode", "%s", mode_name(k->mode));
    put_selectors(m, "local-ts", k->local_ts, k->local_n);
    put_selectors(m, "remote-ts", k->remote_ts, k->remote_n);
    vici_section_end(m);
}
