#include "ike/sa/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

err_t nonce_take(struct nonce *n, span_t s)
{
    if (s.len < NONCE_MIN || s.len > NONCE_MAX) return ERR_SYNTAX;
    n->len = (uint16_t)s.len;
    memcpy(n->at, s.at, s.len);
    return ERR_OK;
}

const struct nonce *nonce_lower(const struct nonce *a, const struct nonce *b)
{
    uint16_t common = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->at, b->at, common);
    if (order == 0) return a->len <= b->len ? a : b;
    return order < 0 ? a : b;
}

struct task *task_new(enum task_kind kind)
{
    struct task *t = calloc(1, sizeof *t);
    if (t) t->kind = kind;
    return t;
}

void agreement_free(struct agreement *a)
{
    if (!a) return;
    chain_done(&a->chain);
    wipe(a, sizeof *a);
    free(a);
}

void offer_free(struct offer *o)
{
    if (!o) return;
    ke_free(o->ke);
    free(o->proposals);
    free(o->tsi);
    free(o->tsr);
    wipe(o, sizeof *o);
    free(o);
}

void task_free(struct task *t)
{
    if (!t) return;
    agreement_free(t->agreed);
    offer_free(t->offer);
    conn_put(t->conn);
    free(t);
}

void task_set_child(struct task *t, struct conn *conn, const struct conf_child *conf)
{
    t->conn = conn_get(conn);
    t->conf = conf;
}

err_t queue_push(struct queue *q, struct task *t)
{
    if (q->n >= QUEUE_MAX) return ERR_LIMIT;
    struct task **at = &q->first;
    while (*at) at = &(*at)->next;
    *at = t;
    t->next = NULL;
    q->n++;
    return ERR_OK;
}

void queue_push_front(struct queue *q, struct task *t)
{
    t->next = q->first;
    q->first = t;
    q->n++;
}

void queue_drop(struct queue *q, struct task *t)
{
    for (struct task **at = &q->first; *at; at = &(*at)->next) {
        if (*at != t) continue;
        *at = t->next;
        t->next = NULL;
        q->n--;
        return;
    }
}

struct task *queue_take(struct queue *q, uint64_t now, unsigned kinds)
{
    for (struct task *t = q->first; t; t = t->next) {
        if (!(kinds >> t->kind & 1) || t->not_before > now) continue;
        queue_drop(q, t);
        return t;
    }
    return NULL;
}

uint64_t queue_due(const struct queue *q, unsigned kinds)
{
    uint64_t due = UINT64_MAX;
    for (const struct task *t = q->first; t; t = t->next) {
        if (kinds >> t->kind & 1 && t->not_before < due) due = t->not_before;
    }
    return due;
}

struct task *queue_find(const struct queue *q, enum task_kind kind, uint32_t child_id)
{
    for (struct task *t = q->first; t; t = t->next) {
        if (t->kind == kind && t->child_id == child_id) return t;
    }
    return NULL;
}

struct task *queue_find_child(const struct queue *q, const char *child)
{
    for (struct task *t = q->first; t; t = t->next) {
        if (t->kind == TASK_CHILD && strcmp(t->conf->name, child) == 0) return t;
    }
    return NULL;
}
