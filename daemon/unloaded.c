#include "daemon/unloaded.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/sa_show.h"

struct unloaded {
    const struct conf_conn *conn; // while looking
    struct iked *d;
    unsigned n, cap;
    struct victim {
        bool ike; // else a child SA
        uint32_t id;
    } * at;
    bool others;   // the IKE SA at hand has child SAs that stay
    unsigned from; // victims of this IKE SA begin there
};

static void add(struct unloaded *u, bool ike, uint32_t id)
{
    if (u->n == u->cap) {
        unsigned cap = u->cap ? 2 * u->cap : 16;
        struct victim *at = realloc(u->at, cap * sizeof *at);
        if (!at) return; // it stays until it ends
        u->at = at;
        u->cap = cap;
    }
    u->at[u->n++] = (struct victim){ike, id};
}

static bool was_started(const struct conf_conn *c, const char *child)
{
    for (unsigned i = 0; i < c->child_n; i++) {
        const struct conf_child *k = &c->child[i];
        if (strcmp(k->name, child) != 0) continue;
        return k->start_action == CONF_START || k->start_action == CONF_TRAP_START;
    }
    return false;
}

static bool look_at_child(void *ctx, const struct child_sa_view *v)
{
    struct unloaded *u = ctx;
    if (v->state == CHILD_VIEW_DELETING || v->state == CHILD_VIEW_REKEYED) return true;
    if (was_started(u->conn, v->name)) {
        add(u, false, v->id);
    } else {
        u->others = true;
    }
    return true;
}

static bool look_at(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    struct unloaded *u = ctx;
    if (strcmp(sa_show_name(v), u->conn->name) != 0 || v->state == IKE_VIEW_DELETING) return true;
    u->others = false;
    u->from = u->n;
    ike_each_child(u->d->ike, sa, look_at_child, u);
    if (u->others) return true;
    u->n = u->from; // they go with it
    add(u, true, v->id);
    return true;
}

struct unloaded *unloaded_find(struct iked *d, const char *conn)
{
    const struct conf_conn *c = config_conn(d->config, conn);
    struct unloaded *u = c ? calloc(1, sizeof *u) : NULL;
    if (!u) return NULL;
    u->conn = c;
    u->d = d;
    ike_each(d->ike, look_at, u);
    u->conn = NULL;
    if (u->n) return u;
    unloaded_free(u);
    return NULL;
}

void unloaded_end(struct iked *d, struct unloaded *u)
{
    for (unsigned i = 0; u && i < u->n; i++) {
        const struct victim *v = &u->at[i];
        struct ike_choice what = {.ike_id = v->ike ? v->id : 0, .child_id = v->ike ? 0 : v->id};
        unsigned matches;
        log_say(LOG_INFO, "conf", "closing %s #%u, whose connection was unloaded",
                v->ike ? "IKE SA" : "child SA", v->id);
        ike_terminate(d->ike, &what, &matches, NULL, NULL);
    }
    if (u) iked_rearm(d);
    unloaded_free(u);
}

void unloaded_free(struct unloaded *u)
{
    if (!u) return;
    free(u->at);
    free(u);
}
