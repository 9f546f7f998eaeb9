#include "daemon/sa_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *sa_show_name(const struct ike_sa_view *v)
{
    return v->name && v->name[0] ? v->name : SA_UNNAMED;
}

static const char *ike_state(enum ike_state_view s)
{
    switch (s) {
    case IKE_VIEW_CONNECTING:
        return "CONNECTING";
    case IKE_VIEW_ESTABLISHED:
        return "ESTABLISHED";
    case IKE_VIEW_REKEYING:
        return "REKEYING";
    case IKE_VIEW_DELETING:
        return "DELETING";
    }
    return "";
}

static const char *child_state(enum child_state_view s)
{
    switch (s) {
    case CHILD_VIEW_INSTALLING:
        return "INSTALLING";
    case CHILD_VIEW_INSTALLED:
        return "INSTALLED";
    case CHILD_VIEW_REKEYING:
        return "REKEYING";
    case CHILD_VIEW_REKEYED:
        return "REKEYED";
    case CHILD_VIEW_DELETING:
        return "DELETING";
    }
    return "";
}

static void put_end(struct vici_msg *m, const char *side, const endpoint_t *at,
                    const struct id *who)
{
    char key[32], ip[IP_TEXT_MAX], id[ID_TEXT_MAX];
    (void)snprintf(key, sizeof key, "%s-host", side);
    vici_kv(m, key, "%s", ip_show(&at->ip, ip));
    (void)snprintf(key, sizeof key, "%s-port", side);
    vici_kv(m, key, "%u", at->port);
    (void)snprintf(key, sizeof key, "%s-id", side);
    vici_kv(m, key, "%s", id_show(who, id));
}

static void put_flag(struct vici_msg *m, const char *key, bool on)
{
    if (on) vici_kv(m, key, "yes");
}

static void put_seconds(struct vici_msg *m, const char *key, uint64_t s)
{
    if (s) vici_kv(m, key, "%" PRIu64, s);
}

static void put_algs(struct vici_msg *m, const struct alg *encr, const struct alg *integ)
{
    if (encr) vici_kv(m, "encr-alg", "%s", encr->name);
    // Fixed key lengths (ChaCha20) are not shown, as they are not negotiated.
    if (encr && encr->key_attr) vici_kv(m, "encr-keysize", "%u", encr->key_len * 8U);
    if (integ && integ->id != INTEG_NONE) vici_kv(m, "integ-alg", "%s", integ->name);
}

static void put_ke(struct vici_msg *m, uint16_t ke, const uint16_t *more)
{
    char text[32], key[8];
    if (ke != KE_NONE) vici_kv(m, "dh-group", "%s", alg_show(ALG_KE, ke, text));
    for (unsigned i = 0; i < CONF_ROUNDS_MAX; i++) {
        if (more[i] == KE_NONE) continue;
        (void)snprintf(key, sizeof key, "ake%u", i + 1);
        vici_kv(m, key, "%s", alg_show(ALG_KE, more[i], text));
    }
}

void sa_show_time(struct vici_msg *m, const char *key, int64_t at)
{
    time_t t = (time_t)at;
    struct tm tm;
    char text[32];
    if (at && gmtime_r(&t, &tm) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
        vici_kv(m, key, "%s", text);
}

static void put_tasks(struct vici_msg *m, const char *key, const char *const *names, unsigned n)
{
    if (!n) return;
    vici_list(m, key);
    for (unsigned i = 0; i < n && i < IKE_VIEW_TASKS; i++) vici_item(m, "%s", names[i]);
    vici_list_end(m);
}

static void put_vips(struct vici_msg *m, const struct ike_sa_view *v)
{
    char ip[IP_TEXT_MAX];
    vici_list(m, v->vips_ours ? "local-vips" : "remote-vips");
    for (unsigned i = 0; i < v->vip_n; i++) vici_item(m, "%s", ip_show(&v->vip[i], ip));
    vici_list_end(m);
}

static void put_ppk(struct vici_msg *m, const struct ike_sa_view *v)
{
    struct id id = {.type = ID_KEY_ID};
    char name[ID_TEXT_MAX];
    if (!v->ppk) return;
    vici_kv(m, "ppk", "yes");
    vici_kv(m, "ppk-by", "%s", v->ppk);
    if (!v->ppk_name.len || v->ppk_name.len > sizeof id.data) return;
    memcpy(id.data, v->ppk_name.at, v->ppk_name.len);
    id.len = (uint16_t)v->ppk_name.len;
    vici_kv(m, "ppk-id", "%s", id_show(&id, name));
}

void sa_show_ike(struct vici_msg *m, const struct ike_sa_view *v)
{
    char eap[ID_TEXT_MAX];
    vici_kv(m, "uniqueid", "%u", v->id);
    vici_kv(m, "version", "2");
    vici_kv(m, "state", "%s", ike_state(v->state));
    put_end(m, "local", &v->local, &v->local_id);
    put_end(m, "remote", &v->remote, &v->remote_id);
    if (v->remote_eap_id) vici_kv(m, "remote-eap-id", "%s", id_show(v->remote_eap_id, eap));
    put_flag(m, "initiator", v->initiator);
    vici_kv(m, "initiator-spi", "%016" PRIx64, v->spi_i);
    vici_kv(m, "responder-spi", "%016" PRIx64, v->spi_r);
    put_flag(m, "nat-local", v->nat_local);
    put_flag(m, "nat-remote", v->nat_remote);
    put_flag(m, "nat-fake", v->encap_forced);
    put_flag(m, "nat-any", v->nat_any);
    put_flag(m, "natt-missing", v->no_natt); // beyond strongSwan
    if (v->if_id_in) vici_kv(m, "if-id-in", "%08x", v->if_id_in);
    if (v->if_id_out) vici_kv(m, "if-id-out", "%08x", v->if_id_out);
    put_algs(m, v->encr, v->integ);
    if (v->prf) vici_kv(m, "prf-alg", "%s", v->prf->name);
    put_ke(m, v->ke, v->ake);
    put_ppk(m, v);
    if (v->state == IKE_VIEW_ESTABLISHED) {
        vici_kv(m, "established", "%" PRIu64, v->established_s);
        put_seconds(m, "rekey-time", v->rekey_in_s);
        put_seconds(m, "reauth-time", v->reauth_in_s);
    }
    // beyond strongSwan; scripts that look for an address and what is in the tunnel read on from
    // there
    sa_show_time(m, "remote-cert-not-before", v->cert_from);
    sa_show_time(m, "remote-cert-not-after", v->cert_until);
    if (v->vip_n) put_vips(m, v);
    put_tasks(m, "tasks-queued", v->queued, v->tasks_queued);
    put_tasks(m, "tasks-active", &v->active, v->active != NULL);
}

static void put_mark(struct vici_msg *m, const char *key, const char *mask_key,
                     const struct xfrm_mark *mark)
{
    if (!mark->value) return;
    vici_kv(m, key, "%08x", mark->value);
    if (~mark->mask) vici_kv(m, mask_key, "%08x", mark->mask);
}

static void put_steering(struct vici_msg *m, const struct steering *s)
{
    if (!s) return;
    put_mark(m, "mark-in", "mark-mask-in", &s->in);
    put_mark(m, "mark-out", "mark-mask-out", &s->out);
    if (s->if_id_in) vici_kv(m, "if-id-in", "%08x", s->if_id_in);
    if (s->if_id_out) vici_kv(m, "if-id-out", "%08x", s->if_id_out);
}

// "a b c" as a list.
static void put_words(struct vici_msg *m, const char *key, const char *words)
{
    vici_list(m, key);
    while (words && *words) {
        size_t n = strcspn(words, " ");
        if (n) vici_item(m, "%.*s", (int)n, words);
        words += n + (words[n] == ' ');
    }
    vici_list_end(m);
}

static void put_traffic(struct vici_msg *m, const struct child_sa_view *v)
{
    vici_kv(m, "bytes-in", "%" PRIu64, v->bytes_in);
    vici_kv(m, "packets-in", "%" PRIu64, v->packets_in);
    if (v->packets_in) vici_kv(m, "use-in", "%" PRIu64, v->use_in_s);
    vici_kv(m, "bytes-out", "%" PRIu64, v->bytes_out);
    vici_kv(m, "packets-out", "%" PRIu64, v->packets_out);
    if (v->packets_out) vici_kv(m, "use-out", "%" PRIu64, v->use_out_s);
    put_seconds(m, "rekey-time", v->rekey_in_s);
    put_seconds(m, "life-time", v->life_in_s);
    vici_kv(m, "install-time", "%" PRIu64, v->install_s);
}

static const char *mode_name(enum xfrm_mode mode)
{
    if (mode == XFRM_TUNNEL) return "TUNNEL";
    if (mode == XFRM_IPTFS) return "IPTFS";
    return mode == XFRM_BEET ? "BEET" : "TRANSPORT";
}

void sa_show_label(struct vici_msg *m, const char *label)
{
    AUTO(text) struct text hex = {0};
    if (!label) return;
    text_hex(&hex, span((const uint8_t *)label, strlen(label) + 1));
    vici_kv(m, "label", "%s", text_str(&hex));
}

void sa_show_child(struct vici_msg *m, const struct child_sa_view *v)
{
    vici_kv(m, "name", "%s", v->name);
    vici_kv(m, "uniqueid", "%u", v->id);
    vici_kv(m, "reqid", "%u", v->reqid);
    vici_kv(m, "state", "%s", child_state(v->state));
    vici_kv(m, "mode", "%s", mode_name(v->mode));
    if (v->conf) sa_show_label(m, v->conf->label);
    if (v->encr || v->ah) {
        vici_kv(m, "protocol", "%s", v->ah ? "AH" : "ESP");
        put_flag(m, "encap", v->udp);
        vici_kv(m, "spi-in", "%08x", v->spi_in);
        vici_kv(m, "spi-out", "%08x", v->spi_out);
        if (v->of_cpu || (v->conf && v->conf->per_cpu)) vici_kv(m, "per-cpu-sas", "yes");
        if (v->of_cpu) vici_kv(m, "cpu", "%u", v->cpu);
        if (v->cpi_in) vici_kv(m, "cpi-in", "%04x", v->cpi_in);
        if (v->cpi_out) vici_kv(m, "cpi-out", "%04x", v->cpi_out);
        put_steering(m, v->steering);
        put_algs(m, v->encr, v->integ);
        put_ke(m, v->ke, v->ake);
        if (v->esn) vici_kv(m, "esn", "1");
        put_traffic(m, v);
    }
    put_words(m, "local-ts", v->local_ts);
    put_words(m, "remote-ts", v->remote_ts);
}
