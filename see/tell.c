// tell.c - each payload of a message that can be read, in words (RFC 7296 3.3 - 3.16).
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cred/cert.h"
#include "see/talk.h"

#define SHOWN_MAX 24U // vendor IDs and opaque data: bytes shown

static const char *protocol_word(uint8_t p)
{
    return p == PROTO_IKE ? "IKE" : p == PROTO_AH ? "AH" : p == PROTO_ESP ? "ESP" : "unknown";
}

// Payload of a kind whose body is malformed.
static void tell_malformed(struct hearing *h, const char *type, const char *rfc, span_t body,
                           err_t err)
{
    (void)note_payload(&h->note, type, "%zu bytes that are malformed", body.len);
    note_fault(&h->note, G_ERROR, rfc, NULL, "the %s payload is malformed: %s", type,
               err_text(err));
}

static void tell_sa(struct hearing *h, span_t body)
{
    struct proposals ps;
    char one[256];
    AUTO(text) struct text t = {0};
    err_t err = proposals_read(body, &ps);
    if (err != ERR_OK) return tell_malformed(h, "SA", "RFC 7296 3.3", body, err);
    json_t *list = json_array();
    for (unsigned i = 0; i < ps.n; i++) {
        const struct proposal *p = &ps.p[i];
        text_add(&t, "%s%u: %s %s", i ? "; " : "", p->number, protocol_word(p->protocol),
                 proposal_show(p, one));
        if (p->spi_len) text_add(&t, ", SPI 0x%0*" PRIx64, p->spi_len * 2, p->spi);
        (void)json_array_append_new(list, json_string(one));
    }
    json_t *j =
        note_payload(&h->note, "SA", "%s %s", h->response ? "chooses" : "offers", text_str(&t));
    if (j) (void)json_object_set_new(j, "proposals", list);
    if (!j) json_decref(list);
}

static void tell_ke(struct hearing *h, span_t body)
{
    struct kex k;
    char name[32];
    err_t err = kex_read(body, &k);
    if (err != ERR_OK) return tell_malformed(h, "KE", "RFC 7296 3.4", body, err);
    (void)note_payload(&h->note, "KE", "key exchange %s, %zu bytes",
                       alg_show(ALG_KE, k.method, name), k.data.len);
}

static void tell_id(struct hearing *h, uint8_t type, span_t body)
{
    struct id id;
    char text[ID_TEXT_MAX];
    const char *name = type == PAYLOAD_IDi ? "IDi" : "IDr";
    enum side whose = type == PAYLOAD_IDi ? INITIATOR : RESPONDER;
    err_t err = ident_read(body, &id);
    if (err != ERR_OK) return tell_malformed(h, name, "RFC 7296 3.5", body, err);
    bool wish = whose == RESPONDER && h->side == INITIATOR;
    (void)note_payload(&h->note, name, "%s %s (%s)", wish ? "wants to talk to" : "says that it is",
                       id_show(&id, text), id_type_name(id.type));
    if (wish || h->m->h.exchange != X_AUTH) return;
    (void)snprintf(h->talk->name[whose], sizeof h->talk->name[whose], "%.159s", text);
    IGNORE(blob_set(&h->talk->id[whose], body)); // without it AUTH is not recomputed
}

static const char *method_word(uint8_t method)
{
    static const char *const words[] = {[AUTH_RSA] = "RSA signature with SHA-1",
                                        [AUTH_PSK] = "shared secret",
                                        [3] = "DSS signature",
                                        [AUTH_ECDSA_256] = "ECDSA on P-256",
                                        [AUTH_ECDSA_384] = "ECDSA on P-384",
                                        [AUTH_ECDSA_521] = "ECDSA on P-521",
                                        [AUTH_NULL] = "nothing (NULL)",
                                        [AUTH_SIGNATURE] = "digital signature"};
    const char *w = method < sizeof words / sizeof *words ? words[method] : NULL;
    return w ? w : "an unknown method";
}

static void tell_auth(struct hearing *h, span_t body)
{
    struct authp a;
    struct authp_signature s;
    struct scheme scheme;
    char with[SCHEME_TEXT_MAX] = "";
    err_t err = authp_read(body, &a);
    if (err != ERR_OK) return tell_malformed(h, "AUTH", "RFC 7296 3.8", body, err);
    if (a.method == AUTH_SIGNATURE && authp_signature_read(a.data, &s) == ERR_OK &&
        scheme_read(s.algorithm, &scheme) == ERR_OK)
        (void)scheme_show(&scheme, with);
    json_t *j = note_payload(&h->note, "AUTH", "proves it by %s%s%s, %zu bytes",
                             method_word(a.method), *with ? ", " : "", with, a.data.len);
    AUTO(text) struct text hex = {0};
    text_hex(&hex, a.data);
    if (j) (void)json_object_set_new(j, "data", json_string(text_str(&hex)));
}

static void tell_cert(struct hearing *h, span_t body)
{
    struct certp c;
    struct cert *cert = NULL;
    struct why why = {{0}};
    char name[CERT_NAME_MAX];
    err_t err = certp_read(body, &c);
    if (err != ERR_OK) return tell_malformed(h, "CERT", "RFC 7296 3.6", body, err);
    if (c.encoding != CERT_X509) {
        (void)note_payload(&h->note, "CERT", "certificate of encoding %u, %zu bytes", c.encoding,
                           c.data.len);
        return;
    }
    err = cert_read(c.data, &cert, &why);
    if (err != ERR_OK) {
        (void)note_payload(&h->note, "CERT", "X.509, %zu bytes", c.data.len);
        note_fault(&h->note, G_WARNING, "RFC 5280 4.1", NULL, "the certificate cannot be used: %s",
                   why.text[0] ? why.text : err_text(err));
        return;
    }
    (void)note_payload(&h->note, "CERT", "certificate of %s", cert_name(cert, name));
    if (!h->talk->cert[h->side].at) IGNORE(blob_set(&h->talk->cert[h->side], c.data));
    int64_t now = (int64_t)(h->frame->time / 1000000000U);
    if (now && now > cert_not_after(cert)) {
        note_fault(&h->note, G_ERROR, "RFC 5280 4.1.2.5", "renew the certificate",
                   "the certificate of %s had expired when this was captured", name);
    }
    if (now && now < cert_not_before(cert)) {
        note_fault(&h->note, G_ERROR, "RFC 5280 4.1.2.5", "compare the clocks of both sides",
                   "the certificate of %s was not valid yet when this was captured", name);
    }
    cert_free(cert);
}

static void tell_certreq(struct hearing *h, span_t body)
{
    struct certreq q;
    err_t err = certreq_read(body, &q);
    if (err != ERR_OK) return tell_malformed(h, "CERTREQ", "RFC 7296 3.7", body, err);
    (void)note_payload(&h->note, "CERTREQ", "wants certificates of encoding %u, by %zu authorities",
                       q.encoding, q.keys.len / KEY_HASH_LEN);
}

static void tell_nonce(struct hearing *h, span_t body)
{
    span_t nonce;
    (void)note_payload(&h->note, "Nonce", "nonce of %zu bytes", body.len);
    if (nonce_read(body, &nonce) == ERR_OK) return;
    note_fault(&h->note, G_ERROR, "RFC 7296 3.9", NULL,
               "a nonce of %zu bytes: it has to have between %d and %d", body.len, NONCE_MIN,
               NONCE_MAX);
}

// What NAT detection says: was the address rewritten on the way?
static bool tell_nat(struct hearing *h, const struct notify *n)
{
    bool source = n->type == N_NAT_DETECTION_SOURCE_IP;
    const struct dug *d = h->dug;
    endpoint_t e = {source ? d->src : d->dst, source ? d->sport : d->dport};
    uint8_t hash[SHA1_LEN];
    const char *name = source ? "NAT_DETECTION_SOURCE_IP" : "NAT_DETECTION_DESTINATION_IP";
    if (!source && n->type != N_NAT_DETECTION_DESTINATION_IP) return false;
    if (nat_hash(h->m->h.spi_i, h->m->h.spi_r, &e, hash) != ERR_OK) return false;
    bool same = span_eq(n->data, SPAN(hash));
    enum side behind = source ? h->side : h->side == INITIATOR ? RESPONDER : INITIATOR;
    // With several source hashes one has to fit; the last word is judge()'s.
    if (!same) h->talk->nat[behind] = true;
    if (same && source) h->talk->nat[behind] = false;
    (void)note_payload(&h->note, "N", "%s: %s", name,
                       same ? "as it was sent, no NAT there"
                            : "not as it was sent: a NAT on the way, or it pretends one");
    return true;
}

// rfc9347 6.1.4: requirements of the sender's.
static void tell_aggfrag(struct hearing *h, const struct notify *n, struct text *t)
{
    if (n->data.len != 1) {
        note_fault(&h->note, G_ERROR, "RFC 9347 6.1.4", "the sender has a fault",
                   "USE_AGGFRAG has %zu bytes of data: it has to have one", n->data.len);
        return;
    }
    uint8_t flags = n->data.at[0], unknown = flags & 0xfc;
    if (flags & 1) text_add(t, ", it takes no packet in pieces");
    if (flags & 2) text_add(t, ", it wants reports of congestion");
    if (unknown) text_add(t, ", unknown requirements 0x%02x", unknown);
}

static void tell_notify(struct hearing *h, span_t body)
{
    struct notify n;
    char name[40];
    err_t err = notify_read(body, &n);
    if (err != ERR_OK) return tell_malformed(h, "N", "RFC 7296 3.10", body, err);
    if (tell_nat(h, &n)) return;
    const struct notify_meaning *m = notify_meaning(n.type);
    (void)notify_name(n.type, name);
    bool error = n.type < NOTIFY_STATUS_FIRST;
    AUTO(text) struct text t = {0};
    text_add(&t, "%s", name);
    if (m) text_add(&t, ": %s", m->means);
    if (n.spi_len) text_add(&t, ", SPI 0x%0*" PRIx64, n.spi_len * 2, n.spi);
    if (n.type == 17 && n.data.len == 2) {
        char ke[32];
        text_add(&t, ", %s", alg_show(ALG_KE, (uint16_t)(n.data.at[0] << 8 | n.data.at[1]), ke));
    }
    if (n.type == N_USE_AGGFRAG) tell_aggfrag(h, &n, &t);
    json_t *j = note_payload(&h->note, "N", "%s", text_str(&t));
    if (j) (void)json_object_set_new(j, "notify", json_string(name));
    if (!error) return;
    note_fault(&h->note, G_ERROR, m ? m->rfc : "RFC 7296 3.10.1", m ? m->remedy : NULL, "%s: %s",
               name, m ? m->means : "an error that is not known here");
    (void)snprintf(h->talk->refused, sizeof h->talk->refused, "%s by the %s", name,
                   h->side == INITIATOR ? "initiator" : "responder");
}

static void tell_delete(struct hearing *h, span_t body)
{
    struct delete_payload d;
    AUTO(text) struct text t = {0};
    err_t err = delete_read(body, &d);
    if (err != ERR_OK) return tell_malformed(h, "D", "RFC 7296 3.11", body, err);
    for (unsigned i = 0; i < d.n; i++) text_add(&t, " 0x%08x", d.spi[i]);
    (void)note_payload(&h->note, "D", "deletes %s%s",
                       d.protocol == PROTO_IKE ? "the IKE SA and all of its children"
                                               : protocol_word(d.protocol),
                       text_str(&t));
    if (d.protocol == PROTO_IKE) h->talk->deleted = true;
}

static void tell_vendor(struct hearing *h, span_t body)
{
    bool printable = body.len > 0;
    for (size_t i = 0; i < body.len; i++) printable &= body.at[i] >= ' ' && body.at[i] <= '~';
    size_t n = body.len < SHOWN_MAX ? body.len : SHOWN_MAX;
    AUTO(text) struct text t = {0};
    if (printable) text_add(&t, "\"%.*s\"", (int)n, (const char *)body.at);
    if (!printable) text_hex(&t, span(body.at, n));
    (void)note_payload(&h->note, "V", "vendor ID %s%s", text_str(&t), n < body.len ? "..." : "");
}

static void tell_ts(struct hearing *h, uint8_t type, span_t body)
{
    struct ts_list l;
    char text[512];
    const char *name = type == PAYLOAD_TSi ? "TSi" : "TSr";
    err_t err = ts_read(body, &l);
    if (err != ERR_OK) return tell_malformed(h, name, "RFC 7296 3.13", body, err);
    (void)note_payload(&h->note, name, "traffic on the %s side: %s",
                       type == PAYLOAD_TSi ? "requesting" : "answering",
                       l.n ? ts_show(&l, text, sizeof text) : "of unknown types only");
}

static void tell_cp(struct hearing *h, span_t body)
{
    static const char *const types[] = {"of unknown type", "asks for", "gives", "sets",
                                        "has taken"};
    struct cp c;
    char name[40], addr[PREFIX_TEXT_MAX];
    AUTO(text) struct text t = {0};
    err_t err = cp_read(body, &c);
    if (err != ERR_OK) return tell_malformed(h, "CP", "RFC 7296 3.15", body, err);
    for (unsigned i = 0; i < c.n; i++) {
        ip_t ip;
        prefix_t net;
        text_add(&t, "%s %s", i ? "," : "", cp_attr_name(c.attr[i].type, name));
        if (cp_addr(&c.attr[i], &ip) == ERR_OK) {
            text_add(&t, " %s", ip_show(&ip, addr));
        } else if (cp_net(&c.attr[i], &net) == ERR_OK) {
            text_add(&t, " %s", prefix_show(&net, addr));
        }
    }
    (void)note_payload(&h->note, "CP", "%s%s", types[c.type <= CFG_ACK ? c.type : 0],
                       c.n ? text_str(&t) : " nothing");
}

static void tell_eap(struct hearing *h, span_t body)
{
    static const char *const codes[] = {"of unknown code", "request", "response", "success",
                                        "failure"};
    if (body.len < 4) return tell_malformed(h, "EAP", "RFC 3748 4", body, ERR_SHORT);
    uint8_t code = body.at[0] < 5 ? body.at[0] : 0;
    if (body.len > 4) {
        (void)note_payload(&h->note, "EAP", "EAP %s %u, method %u", codes[code], body.at[1],
                           body.at[4]);
    } else {
        (void)note_payload(&h->note, "EAP", "EAP %s %u", codes[code], body.at[1]);
    }
    if (body.at[0] == 4) {
        note_fault(&h->note, G_ERROR, "RFC 7296 2.16", "compare user name and password",
                   "EAP has failed");
    }
}

static void tell_sealed(struct hearing *h, const struct payload *p)
{
    if (p->type == PAYLOAD_SK) {
        (void)note_payload(&h->note, "SK", "%zu bytes encrypted", p->body.len);
    } else if (p->body.len >= 4) {
        (void)note_payload(&h->note, "SKF", "piece %u of %u, %zu bytes encrypted",
                           p->body.at[0] << 8 | p->body.at[1], p->body.at[2] << 8 | p->body.at[3],
                           p->body.len - 4);
    } else {
        tell_malformed(h, "SKF", "RFC 7383 2.5", p->body, ERR_SHORT);
    }
}

static void tell_payload(struct hearing *h, const struct payload *p)
{
    switch (p->type) {
    case PAYLOAD_SA:
        return tell_sa(h, p->body);
    case PAYLOAD_KE:
        return tell_ke(h, p->body);
    case PAYLOAD_IDi:
    case PAYLOAD_IDr:
        return tell_id(h, p->type, p->body);
    case PAYLOAD_CERT:
        return tell_cert(h, p->body);
    case PAYLOAD_CERTREQ:
        return tell_certreq(h, p->body);
    case PAYLOAD_AUTH:
        return tell_auth(h, p->body);
    case PAYLOAD_Nonce:
        return tell_nonce(h, p->body);
    case PAYLOAD_N:
        return tell_notify(h, p->body);
    case PAYLOAD_D:
        return tell_delete(h, p->body);
    case PAYLOAD_V:
        return tell_vendor(h, p->body);
    default:
        break;
    }
    if (p->type == PAYLOAD_TSi || p->type == PAYLOAD_TSr) tell_ts(h, p->type, p->body);
    if (p->type == PAYLOAD_CP) tell_cp(h, p->body);
    if (p->type == PAYLOAD_EAP) tell_eap(h, p->body);
}

void tell_payloads(struct hearing *h)
{
    for (unsigned i = 0; i < h->m->n; i++) {
        const struct payload *p = &h->m->payload[i];
        bool sealed = p->type == PAYLOAD_SK || p->type == PAYLOAD_SKF;
        if (!sealed) tell_payload(h, p);
        if (sealed && !h->opened) tell_sealed(h, p);
    }
}
