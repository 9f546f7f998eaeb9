#include "ike/sa/reqid.h"

#include <stdlib.h>
#include <string.h>

struct reqid_entry {
    struct reqid_entry *next;
    char *conn, *child;
    endpoint_t peer; // AF_UNSPEC: a connection with one peer
    uint32_t reqid;
    unsigned holds;
};

static bool entry_is(const struct reqid_entry *e, const struct conn *conn,
                     const struct conf_child *child, const endpoint_t *peer)
{
    return strcmp(e->conn, conn->conf.name) == 0 && strcmp(e->child, child->name) == 0 &&
           endpoint_eq(&e->peer, peer);
}

static bool highest_sa(void *arg, const struct xfrm_sa *sa)
{
    uint32_t *max = arg;
    if (sa->reqid > *max) *max = sa->reqid;
    return true;
}

static bool highest_policy(void *arg, const struct xfrm_policy *p)
{
    uint32_t *max = arg;
    for (unsigned i = 0; i < p->tmpl_count; i++) {
        if (p->tmpl[i].reqid > *max) *max = p->tmpl[i].reqid;
    }
    return true;
}

#define REQID_LAST 0x7fffffff // far from wrapping, even next to odd numbers of others

static uint32_t reqid_next(struct reqids *r)
{
    if (!r->last) {
        IGNORE(r->xfrm->ops->sa_each(r->xfrm->ctx, highest_sa, &r->last));
        IGNORE(r->xfrm->ops->policy_each(r->xfrm->ctx, highest_policy, &r->last));
        if (r->last > REQID_LAST) r->last = 0;
    }
    const char *conn, *child;
    do {
        r->last = r->last < REQID_LAST ? r->last + 1 : 1;
    } while (reqid_owner(r, r->last, &conn, &child) == ERR_OK);
    return r->last;
}

static struct reqid_entry *entry_new(struct reqids *r, const struct conn *conn,
                                     const struct conf_child *child, const endpoint_t *peer,
                                     uint32_t reqid)
{
    struct reqid_entry *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    *e = (struct reqid_entry){.next = r->first,
                              .conn = strdup(conn->conf.name),
                              .child = strdup(child->name),
                              .peer = *peer,
                              .reqid = reqid};
    if (e->conn && e->child) {
        r->first = e;
        return e;
    }
    free(e->conn);
    free(e->child);
    free(e);
    return NULL;
}

uint32_t reqid_get(struct reqids *r, const struct conn *conn, const struct conf_child *child,
                   const endpoint_t *peer)
{
    const endpoint_t nobody = {0};
    if (!peer || child->reqid) peer = &nobody;
    struct reqid_entry *e = r->first;
    while (e && !entry_is(e, conn, child, peer)) e = e->next;
    if (!e) e = entry_new(r, conn, child, peer, child->reqid ? child->reqid : reqid_next(r));
    if (!e) return 0;
    if (child->reqid) e->reqid = child->reqid; // the configuration may have changed
    e->holds++;
    return e->reqid;
}

static struct reqid_entry *entry_of(const struct reqids *r, uint32_t reqid)
{
    struct reqid_entry *e = r->first;
    while (e && e->reqid != reqid) e = e->next;
    return e;
}

void reqid_hold(struct reqids *r, uint32_t reqid)
{
    struct reqid_entry *e = entry_of(r, reqid);
    if (e) e->holds++;
}

void reqid_put(struct reqids *r, uint32_t reqid)
{
    struct reqid_entry *e = reqid ? entry_of(r, reqid) : NULL;
    if (!e) return;
    if (e->holds) e->holds--;
    if (e->holds || e->peer.ip.family == AF_UNSPEC) return;
    struct reqid_entry **at = &r->first;
    while (*at != e) at = &(*at)->next;
    *at = e->next;
    free(e->conn);
    free(e->child);
    free(e);
}

bool reqid_settled(const struct reqids *r, const struct conn *conn, const struct conf_child *child)
{
    const endpoint_t nobody = {0};
    const struct reqid_entry *e = r->first;
    while (e && !entry_is(e, conn, child, &nobody)) e = e->next;
    return e != NULL;
}

err_t reqid_adopt(struct reqids *r, const struct conn *conn, const struct conf_child *child,
                  uint32_t reqid)
{
    const endpoint_t nobody = {0};
    for (const struct reqid_entry *e = r->first; e; e = e->next) {
        if (e->reqid == reqid || entry_is(e, conn, child, &nobody)) return ERR_EXISTS;
    }
    if (child->reqid && child->reqid != reqid) return ERR_EXISTS;
    return entry_new(r, conn, child, &nobody, reqid) ? ERR_OK : ERR_NOMEM;
}

err_t reqid_owner(const struct reqids *r, uint32_t reqid, const char **conn, const char **child)
{
    const struct reqid_entry *e = entry_of(r, reqid);
    if (!e) return ERR_NOTFOUND;
    *conn = e->conn;
    *child = e->child;
    return ERR_OK;
}

void reqids_done(struct reqids *r)
{
    while (r->first) {
        struct reqid_entry *e = r->first;
        r->first = e->next;
        free(e->conn);
        free(e->child);
        free(e);
    }
}
