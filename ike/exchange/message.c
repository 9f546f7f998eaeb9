#include "ike/exchange/message.h"

#include "base/words.h"
#include "ike/sa/diplomat.h"

void message_begin(struct ike_sa *sa, struct msgw *m, enum exchange x, bool response, uint32_t id)
{
    struct ike *ike = sa->ike;
    struct ike_header h = {
        .spi_i = sa->spi_i, .spi_r = sa->spi_r, .version = 0x20, .exchange = (uint8_t)x, .id = id};
    if (sa->initiator) h.flags |= IKE_FLAG_INITIATOR;
    if (response) h.flags |= IKE_FLAG_RESPONSE;
    msgw_start(m, response ? ike->reply : ike->out, IKE_MSG_MAX, &h);
    if (x == X_SA_INIT) return;
    struct sealer *seal = ike_sa_seal(sa);
    if (!seal) m->w.bad = true; // nothing goes in clear for want of memory
    if (seal) msgw_begin_sk(m, seal, ++sa->sealed);
}

static void count(struct ike_sa *sa, const struct ike_header *h, bool ours)
{
    enum counter first;
    switch (h->exchange) {
    case X_SA_INIT:
        first = COUNTER_INIT_IN_REQ;
        break;
    case X_AUTH:
        first = COUNTER_AUTH_IN_REQ;
        break;
    case X_CHILD:
        first = COUNTER_CHILD_IN_REQ;
        break;
    case X_INFO:
        first = COUNTER_INFO_IN_REQ;
        break;
    default:
        return;
    }
    unsigned which = (ours ? 2U : 0U) + (h->flags & IKE_FLAG_RESPONSE ? 1U : 0U);
    counters_add(&sa->ike->counters, ike_sa_name(sa), first + which);
}

void message_tell(struct ike_sa *sa, const struct msg *m, bool ours)
{
    count(sa, &m->h, ours);
    char text[MSG_TEXT_MAX];
    tell(sa->ike, sa, LOG_STORY, ours ? SAY_GENERATED : SAY_PARSED, msg_show(m, text, sizeof text));
}

// What is inside SK is told before it is encrypted.
static void tell_generated(struct ike_sa *sa, const struct msgw *w)
{
    struct clear clear;
    struct msg m = {0};
    if (!w->sealer || w->w.bad || !w->sk) return;
    msgw_clear(w, &clear);
    if (ike_header_read(span(clear.head, sizeof clear.head), &m.h) != ERR_OK) return;
    if (msg_inside(&m, w->sk[0], clear.inside) == ERR_OK) message_tell(sa, &m, true);
}

static void tell_pieces(struct ike_sa *sa, const struct msgw *w, span_t out)
{
    if (out.at != sa->ike->pieces) return;
    unsigned n = 0;
    for (span_t left = out; left.len; n++) {
        struct ike_header h;
        if (ike_header_read(left, &h) != ERR_OK || h.length > left.len) break;
        left = span(left.at + h.length, left.len - h.length);
    }
    tell(sa->ike, sa, LOG_STORY, SAY_SPLIT, (size_t)(w->w.at - w->w.start), n);
}

// What is left for IKE of a packet of this size.
static size_t room_in_packet(const struct ike_sa *sa)
{
    size_t ip = sa->remote.ip.family == AF_INET6 ? 40 : 20, udp = 8, marker = 4;
    size_t size = sa->ike->opt.fragment_size;
    return size > ip + udp + marker ? size - ip - udp - marker : 0;
}

err_t message_finish(struct ike_sa *sa, struct msgw *m, span_t *out)
{
    struct ike *ike = sa->ike;
    tell_generated(sa, m);
    // rfc7383 2.5 MUST NOT: IKE_SA_INIT is never sent in pieces.
    if (!m->sealer || !sa->in_pieces || !sa->send_pieces) {
        TRY(msgw_finish(m, out));
        struct msg clear;
        if (!m->sealer && msg_read(*out, &clear) == ERR_OK) message_tell(sa, &clear, true);
        return ERR_OK;
    }
    const struct msgw_pieces to = {.buf = ike->pieces,
                                   .cap = sizeof ike->pieces,
                                   .max = room_in_packet(sa),
                                   .unique = &sa->sealed};
    TRY(msgw_finish_fragments(m, &to, out));
    tell_pieces(sa, m, *out);
    return ERR_OK;
}

void put_sa(struct msgw *m, const struct proposals *ps)
{
    proposals_write(msgw_begin(m, PAYLOAD_SA), ps);
    msgw_end(m);
}

void put_one_sa(struct msgw *m, const struct proposal *chosen)
{
    proposals_write_one(msgw_begin(m, PAYLOAD_SA), chosen);
    msgw_end(m);
}

void put_ke(struct msgw *m, uint16_t method, span_t value)
{
    struct kex k = {method, value};
    kex_write(msgw_begin(m, PAYLOAD_KE), &k);
    msgw_end(m);
}

void put_nonce(struct msgw *m, const struct nonce *n)
{
    msgw_payload(m, PAYLOAD_Nonce, nonce_span(n));
}

void put_id(struct msgw *m, enum payload_type type, const struct id *id)
{
    ident_write(msgw_begin(m, type), id);
    msgw_end(m);
}

void put_ts(struct msgw *m, enum payload_type type, const struct ts_list *ts, span_t label)
{
    ts_write(msgw_begin(m, type), ts, label);
    msgw_end(m);
}

void put_notify(struct msgw *m, uint16_t type, span_t data)
{
    struct notify n = {.type = type, .data = data};
    notify_write(msgw_begin(m, PAYLOAD_N), &n);
    msgw_end(m);
}

void put_notify_spi(struct msgw *m, uint16_t type, uint8_t protocol, uint32_t spi)
{
    struct notify n = {.type = type, .protocol = protocol, .spi_len = 4, .spi = spi};
    notify_write(msgw_begin(m, PAYLOAD_N), &n);
    msgw_end(m);
}

err_t take_sa(const struct msg *in, struct proposals *out)
{
    return proposals_read(msg_body(in, PAYLOAD_SA), out);
}

err_t take_nonce(const struct msg *in, struct nonce *out)
{
    span_t n;
    TRY(nonce_read(msg_body(in, PAYLOAD_Nonce), &n));
    return nonce_take(out, n);
}

err_t take_ke(const struct msg *in, struct kex *out)
{
    return kex_read(msg_body(in, PAYLOAD_KE), out);
}

err_t take_ts(const struct msg *in, enum payload_type type, struct ts_list *out)
{
    return ts_read(msg_body(in, type), out);
}

static void propose_one(const struct conf_proposal *conf, struct proposal *p, bool with_ke)
{
    for (unsigned i = 0; i < conf->n; i++) {
        const struct alg *a = conf->alg[i];
        if (conf->round[i] || (a->type == ALG_KE && (!with_ke || !ke_known(a->id)))) continue;
        IGNORE(proposal_add(p, a)); // conf/ allows fewer than there is room for
    }
}

static void propose_method(struct proposal *p, unsigned round, uint16_t method)
{
    if (p->n == PROPOSAL_TRANSFORMS_MAX) return;
    p->t[p->n++] = (struct transform){.type = (uint8_t)(ALG_ADDKE1 + round - 1), .id = method};
}

static void propose_rounds(const struct conf_proposal *conf, struct proposal *p)
{
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->round[i] && ke_known(conf->alg[i]->id)) {
            propose_method(p, conf->round[i], conf->alg[i]->id);
        }
    }
    for (unsigned round = 1; round <= CONF_ROUNDS_MAX; round++) {
        if (conf->without >> round & 1) propose_method(p, round, KE_NONE);
    }
}

static void propose_esn(const struct conf_proposal *conf, struct proposal *p)
{
    const uint16_t ids[] = {ESN_YES, ESN_NO};
    const bool wanted[] = {conf->esn, conf->noesn || !conf->esn};
    for (unsigned i = 0; i < 2; i++) {
        if (!wanted[i] || p->n == PROPOSAL_TRANSFORMS_MAX) continue;
        p->t[p->n++] = (struct transform){.type = ALG_ESN, .id = ids[i]};
    }
}

void propose_ike(const struct conf_proposals *conf, uint64_t spi, struct proposals *out)
{
    out->n = 0;
    for (unsigned i = 0; i < conf->n && i < PROPOSALS_MAX; i++) {
        struct proposal *p = &out->p[out->n++];
        *p = (struct proposal){.number = (uint8_t)out->n, .protocol = PROTO_IKE, .spi = spi};
        p->spi_len = spi ? 8 : 0;
        propose_one(&conf->p[i], p, true);
        propose_rounds(&conf->p[i], p);
    }
}

err_t propose_choose(const struct ike *ike, struct proposals *ours, const struct proposals *theirs,
                     bool ignore_ke, struct proposal *chosen)
{
    if (!ike->opt.theirs_first) return proposal_choose(ours, theirs, ignore_ke, chosen);
    return proposal_choose_theirs(ours, theirs, ignore_ke, chosen);
}

void propose_child(const struct conf_proposals *conf, uint32_t spi, bool with_ke,
                   struct proposals *out)
{
    uint8_t protocol = conf->ah ? PROTO_AH : PROTO_ESP;
    out->n = 0;
    for (unsigned i = 0; i < conf->n && i < PROPOSALS_MAX; i++) {
        struct proposal *p = &out->p[out->n++];
        *p = (struct proposal){
            .number = (uint8_t)out->n, .protocol = protocol, .spi_len = 4, .spi = spi};
        propose_one(&conf->p[i], p, with_ke);
        if (with_ke) propose_rounds(&conf->p[i], p);
        propose_esn(&conf->p[i], p);
    }
}

uint16_t propose_ke(const struct proposals *ps)
{
    for (unsigned i = 0; i < ps->n; i++) {
        for (unsigned j = 0; j < ps->p[i].n; j++) {
            const struct transform *t = &ps->p[i].t[j];
            if (t->type == ALG_KE && ke_known(t->id)) return t->id;
        }
    }
    return KE_NONE;
}

bool propose_has_extra(const struct proposals *ps)
{
    for (unsigned i = 0; i < ps->n; i++) {
        if (proposal_has_extra(&ps->p[i])) return true;
    }
    return false;
}

bool propose_has_ke(const struct proposals *ps, uint16_t method)
{
    for (unsigned i = 0; i < ps->n; i++) {
        for (unsigned j = 0; j < ps->p[i].n; j++) {
            const struct transform *t = &ps->p[i].t[j];
            if (t->type == ALG_KE && t->id == method) return true;
        }
    }
    return false;
}
