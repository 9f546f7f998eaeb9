// list_sas.c - list-sas, a few IKE SAs each turn of the event loop: the executor is asked for what
// it has counted of every child SA, and no negotiation waits until ten thousand have been.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/commands.h"
#include "daemon/sa_show.h"
#include "ike/ids.h"

#define TURN_MAX 16 // IKE SAs that are told in one turn

struct iked_listing {
    struct iked_listing *next, **link;
    struct iked *d;
    struct vici_call *call;
    struct loop_timer *timer; // NULL: all in one turn
    struct vici_msg m;        // of the IKE SA at hand
    char ike[COMMAND_NAME_MAX], child[COMMAND_NAME_MAX];
    int64_t ike_id, child_id;
    unsigned n, at;
    uint32_t id[];
};

static bool list_child(void *ctx, const struct child_sa_view *v)
{
    struct iked_listing *l = ctx;
    char section[VICI_NAME_MAX + 1];
    if (l->child[0] && strcmp(l->child, v->name) != 0) return true;
    if (l->child_id && l->child_id != v->id) return true;
    (void)snprintf(section, sizeof section, "%s-%u", v->name, v->id);
    vici_section(&l->m, section);
    sa_show_child(&l->m, v);
    vici_section_end(&l->m);
    return true;
}

static bool list_sa(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    struct iked_listing *l = ctx;
    if (l->ike[0] && strcmp(l->ike, sa_show_name(v)) != 0) return true;
    if (l->ike_id && l->ike_id != v->id) return true;
    vici_section(&l->m, sa_show_name(v));
    sa_show_ike(&l->m, v);
    vici_section(&l->m, "child-sas");
    ike_each_child(l->d->ike, sa, list_child, l);
    vici_section_end(&l->m);
    vici_section_end(&l->m);
    vici_call_event(l->call, "list-sa", &l->m);
    vici_msg_done(&l->m);
    return true;
}

static void answer(struct vici_call *call)
{
    struct vici_msg m = {0};
    vici_answer(call, &m);
}

static void listing_end(struct iked_listing *l)
{
    *l->link = l->next;
    if (l->next) l->next->link = l->link;
    loop_timer_free(l->timer);
    answer(l->call);
    free(l);
}

void list_sas_done(struct iked *d)
{
    while (d->listings) listing_end(d->listings);
}

// What has begun since is not listed, what has ended is not either.
static void on_turn(void *ctx)
{
    struct iked_listing *l = ctx;
    unsigned end = l->n - l->at > TURN_MAX ? l->at + TURN_MAX : l->n;
    while (l->at < end) ike_one(l->d->ike, l->id[l->at++], list_sa, l);
    if (l->at < l->n && !vici_call_gone(l->call)) {
        loop_timer_at(l->timer, clock_mono());
    } else {
        listing_end(l);
    }
}

static struct iked_listing *listing_new(struct iked *d, struct vici_call *call)
{
    unsigned n = ike_ids(d->ike, NULL, 0);
    struct iked_listing *l = calloc(1, sizeof *l + n * sizeof l->id[0]);
    if (!l) return NULL;
    l->d = d;
    l->call = call;
    l->n = ike_ids(d->ike, l->id, n);
    if (n > TURN_MAX) l->timer = loop_timer_new(d->loop, on_turn, l);
    if (n > TURN_MAX && !l->timer) {
        free(l);
        return NULL;
    }
    l->next = d->listings;
    l->link = &d->listings;
    if (l->next) l->next->link = &l->next;
    d->listings = l;
    return l;
}

void commands_list_sas(void *ctx, struct vici_call *call, span_t args)
{
    struct iked_listing *l = listing_new(ctx, call);
    if (!l) {
        answer(call);
        return;
    }
    bool ok = commands_str(args, "ike", l->ike) && commands_str(args, "child", l->child) &&
              commands_number(args, "ike-id", &l->ike_id) &&
              commands_number(args, "child-id", &l->child_id);
    if (!ok) l->at = l->n; // nothing fits what cannot be read
    on_turn(l);
}
