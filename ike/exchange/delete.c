// delete.c - DELETE (RFC 7296 1.4.1): a child SA's two halves are closed together, each side naming
// the one that it receives on; an IKE SA takes its child SAs with it.
#include "base/words.h"
#include "ike/exchange/close.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/message.h"
#include "ike/exchange/request.h"
#include "ike/sa/diplomat.h"

static void put_delete(struct msgw *m, const struct delete_payload *d)
{
    delete_write(msgw_begin(m, PAYLOAD_D), d);
    msgw_end(m);
}

static const char *protocol_name(uint8_t protocol)
{
    return protocol == PROTO_AH ? "AH" : "ESP";
}

static void tell_deleting(const struct ike_sa *sa)
{
    char us[ID_TEXT_MAX], peer[ID_TEXT_MAX], here[IP_TEXT_MAX], there[IP_TEXT_MAX];
    tell(sa->ike, sa, LOG_STORY, SAY_IKE_DELETING, ike_sa_name(sa), sa->id,
         ip_show(&sa->local.ip, here), id_show(&sa->local_id, us), ip_show(&sa->remote.ip, there),
         id_show(&sa->remote_id, peer));
}

// ---- we close ----------------------------------------------------------------------------------

err_t delete_child_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    struct delete_payload d = {.spi_len = 4, .n = 1};
    struct child_sa *c = t->spi ? NULL : child_sa_by_id(sa, t->child_id);
    bool gone = !t->spi && (!c || c->state == CHILD_LINGER);
    if (gone) return why_not(why, ERR_AGAIN, "closed already");
    d.protocol = t->spi ? t->protocol : c->chosen->protocol;
    d.spi[0] = t->spi ? t->spi : c->spi_in;
    if (c) c->state = CHILD_DELETING;
    tell(sa->ike, sa, LOG_STORY, SAY_CHILD_DELETE_SENT, protocol_name(d.protocol), d.spi[0]);
    put_delete(m, &d);
    return ERR_OK;
}

err_t delete_child_on_response(struct turn *t)
{
    struct child_sa *c = t->task->spi ? NULL : child_sa_by_id(t->sa, t->task->child_id);
    if (!c || c->state != CHILD_DELETING) return ERR_OK;
    if (c->why == CLOSED_REPLACED) {
        close_child_softly(c);
    } else {
        close_child(c, c->why);
    }
    return ERR_OK;
}

err_t delete_ike_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    const struct delete_payload d = {.protocol = PROTO_IKE};
    (void)why;
    tell_deleting(sa);
    tell(sa->ike, sa, LOG_STORY, SAY_DELETE_SENT, ike_sa_name(sa), sa->id);
    if (t->notify) put_notify(m, t->notify, span(NULL, 0));
    put_delete(m, &d);
    return ERR_OK;
}

err_t delete_ike_on_response(struct turn *t)
{
    close_ike(t->sa, t->sa->why, ERR_CLOSED, "closed, and the peer knows it");
    return ERR_OK;
}

// ---- the peer closes ---------------------------------------------------------------------------

// rfc7296 2.25.1: in a collision with our own DELETE or rekeying the answer is as usual, and
// whether there was anything to delete tells what to name in it.
static bool delete_half(struct turn *t, uint8_t protocol, uint32_t spi_out, uint32_t *spi_in)
{
    struct ike_sa *sa = t->sa;
    struct child_sa *c = child_sa_by_spi_out(sa, protocol, spi_out);
    struct task *mine = sa->active;
    bool making = mine && (mine->kind == TASK_CHILD || mine->kind == TASK_REKEY_CHILD);
    // An SA that the peer has made at our wish, and closed again, before its answer is here?
    if (!c && making) mine->deleted_spi = spi_out;
    if (!c) return false;
    tell(t->ike, sa, LOG_STORY, SAY_CHILD_DELETE_RECEIVED, protocol_name(protocol), spi_out);
    *spi_in = c->spi_in;
    bool rekeyed = c->state == CHILD_REKEYED;
    if (mine && mine->kind == TASK_REKEY_CHILD) {
        // By the peer, while we were at it; or this is the peer's new one, and it has lost already.
        bool old = mine->child_id == c->id && mine->rival.id;
        rekeyed = rekeyed || old || mine->rival.id == c->id;
    }
    if (c->redundant) {
        tell_event(CHILD_EV_DOWN, sa, c);
        rekeyed = true;
    }
    if (c->state == CHILD_DELETING) return false; // both at once; our DELETE will be answered, too
    if (rekeyed) {
        close_child_softly(c);
    } else {
        close_child(c, CLOSED_BY_PEER);
    }
    return true;
}

static void delete_children(struct turn *t, const struct delete_payload *d,
                            struct delete_payload *answer)
{
    for (unsigned i = 0; i < d->n && answer->n < DELETE_SPIS_MAX; i++) {
        if (delete_half(t, d->protocol, d->spi[i], &answer->spi[answer->n])) answer->n++;
    }
}

err_t delete_on_request(struct turn *t)
{
    struct delete_payload esp = {.protocol = PROTO_ESP, .spi_len = 4};
    struct delete_payload ah = {.protocol = PROTO_AH, .spi_len = 4};
    const struct payload *p;
    for (unsigned i = 0; (p = msg_nth(t->in, PAYLOAD_D, i)); i++) {
        struct delete_payload d;
        TRY(delete_read(p->body, &d));
        if (d.protocol != PROTO_IKE) {
            delete_children(t, &d, d.protocol == PROTO_AH ? &ah : &esp);
            continue;
        }
        tell(t->ike, t->sa, LOG_STORY, SAY_DELETE_RECEIVED, ike_sa_name(t->sa), t->sa->id);
        tell_deleting(t->sa);
        // rfc7296 1.4.1 MUST: an empty answer; the IKE SA is gone with it.
        t->fatal = true;
        t->why = CLOSED_BY_PEER;
    }
    if (esp.n && !t->fatal) put_delete(&t->out, &esp);
    if (ah.n && !t->fatal) put_delete(&t->out, &ah);
    return ERR_OK;
}
