// rules.c - what the RFCs demand of a message by itself: header, payloads that must be there,
// sizes.
#include "see/talk.h"

#define FLAGS_KNOWN (IKE_FLAG_INITIATOR | IKE_FLAG_VERSION | IKE_FLAG_RESPONSE)

static bool has_error(const struct msg *m)
{
    struct notify n;
    return notify_find_error(m, &n) == ERR_OK;
}

static bool has_notify(const struct msg *m, uint16_t type)
{
    struct notify n;
    return notify_find(m, type, &n) == ERR_OK;
}

static void judge_header(struct hearing *h)
{
    const struct ike_header *head = &h->m->h;
    struct note *n = &h->note;
    if (head->spi_i == 0)
        note_fault(n, G_ERROR, "RFC 7296 3.1", NULL, "the initiator's SPI is zero");
    if (head->flags & ~FLAGS_KNOWN)
        note_fault(n, G_NOTE, "RFC 7296 3.1", NULL, "reserved flags are set: 0x%02x", head->flags);
    if (head->exchange == X_SA_INIT && head->id != 0) {
        note_fault(n, G_ERROR, "RFC 7296 2.2", NULL, "IKE_SA_INIT has message ID %u, and not 0",
                   head->id);
    }
    if (head->exchange == X_SA_INIT && !h->response && head->spi_r != 0) {
        note_fault(n, G_ERROR, "RFC 7296 2.6", NULL,
                   "the first request names a responder's SPI: there is none yet");
    }
    if (head->exchange == X_AUTH && head->id == 0) {
        note_fault(n, G_ERROR, "RFC 7296 2.2", NULL,
                   "IKE_AUTH has message ID 0, which is that of IKE_SA_INIT");
    }
    if (head->exchange == X_SA_INIT && h->response == (h->side == INITIATOR)) {
        note_fault(n, G_ERROR, "RFC 7296 3.1", NULL, "the flags I and R contradict each other");
    }
    if (h->m->unknown_critical) {
        note_fault(n, G_ERROR, "RFC 7296 2.5", NULL,
                   "payload %u is not known here and marked critical: it refuses the message",
                   h->m->unknown_critical);
    }
    for (unsigned i = 0; i < h->m->n; i++) {
        if (!h->m->payload[i].critical) continue;
        note_fault(n, G_NOTE, "RFC 7296 3.2", NULL,
                   "a payload of RFC 7296 (%u) is marked critical: it should not be",
                   h->m->payload[i].type);
    }
}

// rfc3948 2.2: IKE on port 4500 begins with four zero bytes.
static void judge_port(struct hearing *h)
{
    const struct dug *d = h->dug;
    bool natt = d->sport == 4500 || d->dport == 4500;
    if (natt && !d->tcp && h->m->h.exchange == X_SA_INIT && !h->response) {
        note_fault(&h->note, G_NOTE, "RFC 7296 2.23", NULL,
                   "it begins on port 4500, as those may who expect a NAT");
    }
}

struct demand {
    uint8_t exchange;
    bool response;
    uint64_t needs;
    const char *rfc, *words;
};

static const struct demand demands[] = {
    {X_SA_INIT, false, P(SA) | P(KE) | P(Nonce), "RFC 7296 1.2", "SA, KE and Nonce"},
    {X_SA_INIT, true, P(SA) | P(KE) | P(Nonce), "RFC 7296 1.2", "SA, KE and Nonce"},
    {X_CHILD, false, P(SA) | P(Nonce), "RFC 7296 1.3", "SA and Nonce"},
    {X_CHILD, true, P(SA) | P(Nonce), "RFC 7296 1.3", "SA and Nonce"},
    {X_INTERMEDIATE, false, 0, "RFC 9242 3.2", ""},
};

static void judge_demand(struct hearing *h)
{
    const struct msg *m = h->m;
    bool excused = has_error(m) || has_notify(m, N_COOKIE) || has_notify(m, N_REDIRECT);
    for (unsigned i = 0; i < sizeof demands / sizeof *demands; i++) {
        const struct demand *d = &demands[i];
        if (d->exchange != m->h.exchange || d->response != h->response) continue;
        if (msg_has(m, d->needs) || (h->response && excused)) continue;
        note_fault(&h->note, G_ERROR, d->rfc, NULL, "%s is missing: this message needs %s",
                   d->needs & P(SA) & ~m->have   ? "SA"
                   : d->needs & P(KE) & ~m->have ? "KE"
                                                 : "Nonce",
                   d->words);
    }
}

// The first IKE_AUTH request: who it is, and AUTH or the wish for EAP.
static void judge_auth(struct hearing *h)
{
    const struct msg *m = h->m;
    if (m->h.exchange != X_AUTH || h->response || !(m->have & P(IDi))) return;
    bool one = (m->have & P(SA)) != 0;
    if (one && !msg_has(m, P(TSi) | P(TSr))) {
        note_fault(&h->note, G_ERROR, "RFC 7296 1.2", NULL,
                   "a child SA is asked for without traffic selectors (TSi, TSr)");
    }
    if (!(m->have & P(AUTH))) {
        note_fault(&h->note, G_NOTE, "RFC 7296 2.16", NULL, "no AUTH: it wants to be asked by EAP");
    }
}

// rfc7296 1.2: after IKE_SA_INIT everything is encrypted.
static void judge_clear(struct hearing *h)
{
    if (h->m->h.exchange == X_SA_INIT || h->m->have & (P(SK) | P(SKF)) || !h->opened) return;
    if (h->m->sk_first || h->m->inside.len) return; // it was inside SK
    bool orphan = h->m->h.exchange == X_INFO;
    note_fault(&h->note, orphan ? G_NOTE : G_ERROR, orphan ? "RFC 7296 1.5" : "RFC 7296 1.2", NULL,
               orphan ? "outside of any IKE SA: nobody may believe it"
                      : "not encrypted, as everything behind IKE_SA_INIT has to be");
}

static void judge_fragment(struct hearing *h)
{
    const struct payload *p = msg_nth(h->m, PAYLOAD_SKF, 0);
    const struct talk *t = h->talk;
    if (!p || p->body.len < 4) return;
    unsigned number = (unsigned)(p->body.at[0] << 8 | p->body.at[1]);
    unsigned total = (unsigned)(p->body.at[2] << 8 | p->body.at[3]);
    if (number == 0 || number > total) {
        note_fault(&h->note, G_ERROR, "RFC 7383 2.5", NULL, "piece %u of %u cannot be", number,
                   total);
    }
    if (t->from_start && !(t->fragments[INITIATOR] && t->fragments[RESPONDER])) {
        note_fault(&h->note, G_ERROR, "RFC 7383 2.3", NULL,
                   "in pieces, though not both sides have said that they take them");
    }
}

// The sizes of public values (RFC 3526, 5903, 6954, 8031, 9370).
static size_t public_len(uint16_t method, bool response)
{
    static const struct {
        uint16_t method;
        size_t request, response;
    } sizes[] = {{KE_MODP_2048, 256, 256},
                 {KE_MODP_3072, 384, 384},
                 {KE_MODP_4096, 512, 512},
                 {KE_MODP_6144, 768, 768},
                 {KE_MODP_8192, 1024, 1024},
                 {KE_ECP_256, 64, 64},
                 {KE_ECP_384, 96, 96},
                 {KE_ECP_521, 132, 132},
                 {KE_ECP_256_BP, 64, 64},
                 {KE_ECP_384_BP, 96, 96},
                 {KE_ECP_512_BP, 128, 128},
                 {KE_X25519, 32, 32},
                 {KE_X448, 56, 56},
                 {KE_MLKEM_512, 800, 768},
                 {KE_MLKEM_768, 1184, 1088},
                 {KE_MLKEM_1024, 1568, 1568},
                 {1, 96, 96},
                 {2, 128, 128},
                 {5, 192, 192}};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i].method == method) return response ? sizes[i].response : sizes[i].request;
    }
    return 0;
}

static void judge_ke(struct hearing *h)
{
    struct kex k;
    char name[32];
    if (!(h->m->have & P(KE)) || kex_read(msg_body(h->m, PAYLOAD_KE), &k) != ERR_OK) return;
    size_t want = public_len(k.method, h->response);
    (void)alg_show(ALG_KE, k.method, name);
    if (want && k.data.len != want) {
        note_fault(&h->note, G_ERROR, "RFC 7296 3.4", NULL,
                   "the public value of %s has %zu bytes, and not %zu", name, k.data.len, want);
    }
    if (k.method == 1 || k.method == 2 || k.method == 5) {
        note_fault(&h->note, G_WARNING, "RFC 8247 2.4", "use x25519, ecp256 or modp2048 and better",
                   "the key exchange %s is too weak today",
                   k.method == 1   ? "MODP_768"
                   : k.method == 2 ? "MODP_1024"
                                   : "MODP_1536");
    }
}

// What the two have said about themselves.
static void learn(struct hearing *h)
{
    struct talk *t = h->talk;
    const struct msg *m = h->m;
    if (m->h.exchange != X_SA_INIT) return;
    if (has_notify(m, N_IKEV2_FRAGMENTATION_SUPPORTED)) t->fragments[h->side] = true;
    if (!(m->have & P(SA))) return;
    if (h->response) t->spi_r = m->h.spi_r;
    IGNORE(blob_set(&t->first[h->side], m->wire)); // without it AUTH is not recomputed
    IGNORE(blob_set(&t->nonce[h->side], msg_body(m, PAYLOAD_Nonce)));
}

void judge(struct hearing *h)
{
    judge_header(h);
    judge_port(h);
    judge_fragment(h);
    if (!h->opened) return;
    judge_clear(h);
    judge_demand(h);
    judge_auth(h);
    judge_ke(h);
    learn(h);
}
