// agree.c - what one side offered and the other made of it: proposals and traffic selectors.
#include <stdlib.h>

#include "see/talk.h"

#define TEXT_MAX 600

static enum side asker(const struct hearing *h)
{
    return h->response == (h->side == INITIATOR) ? RESPONDER : INITIATOR;
}

// Some put a PRF into proposals of ESP. Others take no notice of it, and so the comparison does
// not.
static void leave_out_prf(struct proposals *ps)
{
    for (unsigned i = 0; i < ps->n; i++) {
        struct proposal *p = &ps->p[i];
        unsigned n = 0;
        for (unsigned j = 0; j < p->n; j++) {
            if (p->protocol == PROTO_IKE || p->t[j].type != ALG_PRF) p->t[n++] = p->t[j];
        }
        p->n = n;
    }
}

// Keeps what a request offers.
static void keep_offer(struct hearing *h, struct asked *a)
{
    if (!a->offer) a->offer = calloc(1, sizeof *a->offer);
    if (!a->tsi) a->tsi = calloc(1, sizeof *a->tsi);
    if (!a->tsr) a->tsr = calloc(1, sizeof *a->tsr);
    if (!a->offer || !a->tsi || !a->tsr) return;
    if (proposals_read(msg_body(h->m, PAYLOAD_SA), a->offer) != ERR_OK) a->offer->n = 0;
    if (ts_read(msg_body(h->m, PAYLOAD_TSi), a->tsi) != ERR_OK) a->tsi->n = 0;
    if (ts_read(msg_body(h->m, PAYLOAD_TSr), a->tsr) != ERR_OK) a->tsr->n = 0;
}

// Faults of an offer that no answer can mend.
static void judge_offer(struct hearing *h, const struct proposals *ps)
{
    for (unsigned i = 0; i < ps->n; i++) {
        const struct proposal *p = &ps->p[i];
        if (p->protocol != PROTO_IKE && proposal_get(p, ALG_PRF)) {
            note_fault(&h->note, G_WARNING, "RFC 7296 3.3.3", NULL,
                       "proposal %u holds a PRF, which is none of its types: some refuse it",
                       p->number);
        }
        for (unsigned j = 0; j < p->n; j++) {
            const struct transform *t = &p->t[j];
            const struct alg *a = alg_find(t->type, t->id, 0);
            char name[32];
            if (!a) continue;
            if (a->key_attr && t->key_len == 0) {
                note_fault(&h->note, G_ERROR, "RFC 7296 3.3.5", NULL,
                           "proposal %u: %s needs a key length, and has none", p->number,
                           alg_show(t->type, t->id, name));
            }
            if (a->legacy) {
                note_fault(&h->note, G_WARNING,
                           p->protocol == PROTO_IKE ? "RFC 8247 2" : "RFC 8221 5",
                           "leave it out of the proposals", "proposal %u offers %s, which is weak",
                           p->number, a->name);
            }
        }
    }
}

static void side_by_side(struct hearing *h, const char *first, const struct proposals *a,
                         const char *second, const struct proposals *b)
{
    char one[256], why[TEXT_MAX];
    json_t *x = json_array(), *y = json_array();
    json_t *j = note_payload(&h->note, "compare", "%s", proposals_diff(a, b, why, sizeof why));
    for (unsigned i = 0; i < a->n; i++)
        (void)json_array_append_new(x, json_string(proposal_show(&a->p[i], one)));
    for (unsigned i = 0; i < b->n; i++)
        (void)json_array_append_new(y, json_string(proposal_show(&b->p[i], one)));
    if (!j) {
        json_decref(x);
        json_decref(y);
        return;
    }
    (void)json_object_set_new(j, first, x);
    (void)json_object_set_new(j, second, y);
}

// Has the one who refuses offered anything itself, at another time?
static const struct proposals *own_offer(const struct hearing *h, uint8_t protocol)
{
    for (unsigned i = h->see->talks; i-- > 0;) {
        const struct talk *t = h->see->talk[i];
        for (enum side side = INITIATOR; side <= RESPONDER; side++) {
            const struct proposals *o = t->asked[side].offer;
            if (!o || o->n == 0 || o->p[0].protocol != protocol) continue;
            if (t == h->talk && side == asker(h)) continue;
            if (ip_eq(&t->at[side].ip, &h->dug->src)) return o;
        }
    }
    return NULL;
}

static void refused(struct hearing *h, const struct asked *a)
{
    struct notify n;
    char tsi[TEXT_MAX / 2], tsr[TEXT_MAX / 2];
    if (notify_find(h->m, N_NO_PROPOSAL_CHOSEN, &n) == ERR_OK && a->offer && a->offer->n) {
        const struct proposals *own = own_offer(h, a->offer->p[0].protocol);
        static const struct proposals none;
        side_by_side(h, "offered", a->offer, "refuser", own ? own : &none);
        if (!own) {
            note_fault(&h->note, G_NOTE, NULL,
                       "capture an attempt in the other direction, or read the refuser's log",
                       "what the refuser would take is not in the capture");
        }
    }
    if (notify_find(h->m, N_TS_UNACCEPTABLE, &n) == ERR_OK && a->tsi && a->tsi->n) {
        (void)note_payload(&h->note, "compare", "asked for: %s === %s",
                           ts_show(a->tsi, tsi, sizeof tsi), ts_show(a->tsr, tsr, sizeof tsr));
    }
}

// rfc7296 2.7 MUST: the answer is one of the suites that were offered.
static void judge_choice(struct hearing *h, const struct asked *a)
{
    struct proposals answer;
    struct proposal chosen;
    if (!(h->m->have & P(SA))) return;
    if (proposals_read(msg_body(h->m, PAYLOAD_SA), &answer) != ERR_OK || !a->offer->n) return;
    leave_out_prf(&answer);
    if (proposal_check_answer(a->offer, &answer, &chosen) != ERR_OK) {
        side_by_side(h, "offered", a->offer, "answered", &answer);
        note_fault(&h->note, G_ERROR, "RFC 7296 2.7", NULL,
                   "the answer is not one of the suites that were offered");
        return;
    }
    if (h->m->h.exchange != X_SA_INIT) return;
    h->talk->chosen = chosen;
    h->talk->chosen_known = true;
}

// rfc7296 2.9 MUST: the answer is a subset of what was asked for.
static void judge_selectors(struct hearing *h, const struct asked *a)
{
    struct ts_list tsi, tsr;
    char x[TEXT_MAX / 2], y[TEXT_MAX / 2];
    if (!msg_has(h->m, P(TSi) | P(TSr)) || !a->tsi->n || !a->tsr->n) return;
    if (ts_read(msg_body(h->m, PAYLOAD_TSi), &tsi) != ERR_OK) return;
    if (ts_read(msg_body(h->m, PAYLOAD_TSr), &tsr) != ERR_OK) return;
    bool within = ts_subset(&tsi, a->tsi) && ts_subset(&tsr, a->tsr);
    bool narrowed = !ts_subset(a->tsi, &tsi) || !ts_subset(a->tsr, &tsr);
    if (!within) {
        note_fault(&h->note, G_ERROR, "RFC 7296 2.9", NULL,
                   "the selectors of the answer reach beyond those of the request: %s === %s",
                   ts_show(a->tsi, x, sizeof x), ts_show(a->tsr, y, sizeof y));
    } else if (narrowed) {
        note_fault(&h->note, G_NOTE, "RFC 7296 2.9", NULL, "narrowed: asked for was %s === %s",
                   ts_show(a->tsi, x, sizeof x), ts_show(a->tsr, y, sizeof y));
    }
}

void agree(struct hearing *h)
{
    struct asked *a = &h->talk->asked[asker(h)];
    const struct spoken *q = &h->talk->request[asker(h)];
    if (!h->response) {
        keep_offer(h, a);
        if (!a->offer) return;
        judge_offer(h, a->offer);
        leave_out_prf(a->offer);
        return;
    }
    if (h->m->h.exchange == X_AUTH && h->m->have & P(AUTH)) h->talk->authenticated = true;
    bool answers = q->any && q->id == h->m->h.id && a->offer && a->tsi && a->tsr;
    if (!answers) return;
    refused(h, a);
    judge_choice(h, a);
    judge_selectors(h, a);
}
