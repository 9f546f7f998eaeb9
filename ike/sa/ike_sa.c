#include "ike/sa/ike_sa.h"
#include "ike/sa/granted.h"

#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "ike/auth/eap_round.h"
#include "ike/auth/null.h"
#include "ike/auth/recheck.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/vip.h"

const char *ike_state_name(enum ike_state s)
{
    static const char *const names[] = {
        [IKE_NEW] = "NEW",
        [IKE_INIT_SENT] = "INIT_SENT",
        [IKE_BETWEEN] = "BETWEEN",
        [IKE_INIT_DONE] = "INIT_DONE",
        [IKE_AUTH_MORE] = "AUTH_MORE",
        [IKE_AUTH_SENT] = "AUTH_SENT",
        [IKE_UP] = "UP",
        [IKE_REKEYED] = "REKEYED",
        [IKE_DELETING] = "DELETING",
        [IKE_CLOSED] = "CLOSED",
        [IKE_GONE] = "GONE",
    };
    return names[s];
}

uint64_t ike_sa_random_spi(struct ike *ike)
{
    uint64_t spi = 0;
    // rfc7296 3.1 MUST NOT: an SPI is not zero; ours are also unique here.
    while (spi == 0 || table_find(&ike->table, spi)) {
        ike->env.random(ike->env.ctx, &spi, sizeof spi);
    }
    return spi;
}

static void list_add(struct ike *ike, struct ike_sa *sa)
{
    sa->prev = ike->last;
    if (ike->last) ike->last->next = sa;
    if (!ike->all) ike->all = sa;
    ike->last = sa;
}

static void list_remove(struct ike *ike, struct ike_sa *sa)
{
    *(sa->prev ? &sa->prev->next : &ike->all) = sa->next;
    *(sa->next ? &sa->next->prev : &ike->last) = sa->prev;
}

static uint64_t name_hash(const struct ike *ike, const char *name)
{
    return siphash(ike->table.key, name, strlen(name));
}

static uint64_t host_hash(const struct ike *ike, const ip_t *host)
{
    return siphash(ike->table.key, host->b, sizeof host->b);
}

static uint64_t end_hash(const struct ike *ike, const struct id *peer, const ip_t *host)
{
    return id_hash(peer, ike->table.key) ^ host_hash(ike, host);
}

void ike_sa_placed(struct ike_sa *sa)
{
    struct ike *ike = sa->ike;
    const ip_t *host = &sa->remote.ip;
    index_remove(&ike->by_host, &sa->by_host);
    index_remove(&ike->by_end, &sa->by_end);
    if (sa->remote_id.type == ID_ANY) return;
    index_add(&ike->by_host, &sa->by_host, host_hash(ike, host), sa);
    index_add(&ike->by_end, &sa->by_end, end_hash(ike, ike_sa_whose(sa), host), sa);
}

static void count_nobody(struct ike_sa *sa)
{
    if (sa->nobody || !null_is_peer(sa)) return;
    sa->nobody = true;
    sa->ike->nobodies++;
}

void ike_sa_index(struct ike_sa *sa)
{
    struct ike *ike = sa->ike;
    index_remove(&ike->by_name, &sa->by_name);
    index_remove(&ike->by_peer, &sa->by_peer);
    if (sa->conn) {
        index_add(&ike->by_name, &sa->by_name, name_hash(ike, ike_sa_name(sa)), sa);
    }
    ike_sa_placed(sa);
    if (sa->remote_id.type == ID_ANY) return;
    index_add(&ike->by_peer, &sa->by_peer, id_hash(ike_sa_whose(sa), ike->table.key), sa);
    count_nobody(sa);
}

struct ike_sa *ike_sa_of_peer(const struct ike *ike, const struct id *peer, struct ike_sa *after)
{
    const struct index_place *at = after
                                       ? index_next(&after->by_peer)
                                       : index_first(&ike->by_peer, id_hash(peer, ike->table.key));
    while (at && !id_eq(ike_sa_whose(at->what), peer)) at = index_next(at);
    return at ? at->what : NULL;
}

struct ike_sa *ike_sa_of_host(const struct ike *ike, const ip_t *host, struct ike_sa *after)
{
    const struct index_place *at =
        after ? index_next(&after->by_host) : index_first(&ike->by_host, host_hash(ike, host));
    while (at && !ip_eq(&((struct ike_sa *)at->what)->remote.ip, host)) at = index_next(at);
    return at ? at->what : NULL;
}

static bool is_end(const struct ike_sa *sa, const struct id *peer, const ip_t *host)
{
    return ip_eq(&sa->remote.ip, host) && id_eq(ike_sa_whose(sa), peer);
}

struct ike_sa *ike_sa_of_end(const struct ike *ike, const struct id *peer, const ip_t *host,
                             struct ike_sa *after)
{
    const struct index_place *at =
        after ? index_next(&after->by_end) : index_first(&ike->by_end, end_hash(ike, peer, host));
    while (at && !is_end(at->what, peer, host)) at = index_next(at);
    return at ? at->what : NULL;
}

struct ike_sa *ike_sa_of_name(const struct ike *ike, const char *name, struct ike_sa *after)
{
    const struct index_place *at =
        after ? index_next(&after->by_name) : index_first(&ike->by_name, name_hash(ike, name));
    while (at && strcmp(ike_sa_name(at->what), name) != 0) at = index_next(at);
    return at ? at->what : NULL;
}

void ike_sa_gone(struct ike_sa *sa)
{
    sa->state = IKE_GONE;
    sa->gone_next = sa->ike->gone;
    sa->ike->gone = sa;
}

struct ike_sa *ike_sa_new(struct ike *ike, struct conn *conn, bool initiator, uint64_t spi)
{
    struct ike_sa *sa = calloc(1, sizeof *sa);
    struct opening *opening = calloc(1, sizeof *opening);
    if (!sa || !opening) goto fail;
    sa->ike = ike;
    sa->initiator = initiator;
    *(initiator ? &sa->spi_i : &sa->spi_r) = spi;
    sa->opening = opening;
    sa->due.at = DUE_NEVER;
    ike_sa_timers_off(sa);
    if (due_add(&ike->due, &sa->due) != ERR_OK) goto fail;
    sa->id = ++ike->last_ike_id;
    sa->born_at = ike_now(ike);
    sa->conn = conn_get(conn);
    table_add(&ike->table, sa);
    list_add(ike, sa);
    index_add(&ike->by_id, &sa->by_id, sa->id, sa);
    ike_sa_index(sa);
    return sa;
fail:
    free(sa);
    free(opening);
    return NULL;
}

err_t ike_sa_choose(struct ike_sa *sa, const struct proposal *chosen)
{
    struct proposal *kept = proposal_keep(chosen);
    if (!kept) return ERR_NOMEM;
    free(sa->chosen);
    sa->chosen = kept;
    return ERR_OK;
}

// Those of thousands of SAs that are at rest would take more memory than all else of them.
static struct sealer *sealer_wake(struct ike_sa *sa, struct sealer **at, bool initiators)
{
    if (*at) return *at;
    if (ike_keys_sealer(&sa->keys, sa->chosen, initiators, at) != ERR_OK) return NULL;
    if (sa->awake_link) return *at;
    sa->awake_next = sa->ike->awake;
    sa->awake_link = &sa->ike->awake;
    if (sa->awake_next) sa->awake_next->awake_link = &sa->awake_next;
    sa->ike->awake = sa;
    return *at;
}

struct sealer *ike_sa_seal(struct ike_sa *sa)
{
    return sealer_wake(sa, &sa->seal, sa->initiator);
}

struct sealer *ike_sa_open(struct ike_sa *sa)
{
    return sealer_wake(sa, &sa->open, !sa->initiator);
}

void ike_sa_rest(struct ike_sa *sa)
{
    sealer_free(sa->seal);
    sealer_free(sa->open);
    sa->seal = sa->open = NULL;
    if (!sa->awake_link) return;
    *sa->awake_link = sa->awake_next;
    if (sa->awake_next) sa->awake_next->awake_link = sa->awake_link;
    sa->awake_next = NULL;
    sa->awake_link = NULL;
}

void ike_sa_free(struct ike_sa *sa)
{
    struct ike *ike = sa->ike;
    due_remove(&ike->due, &sa->due);
    table_remove_half_open(&ike->table, sa);
    table_remove(&ike->table, sa);
    list_remove(ike, sa);
    index_remove(&ike->by_id, &sa->by_id);
    index_remove(&ike->by_peer, &sa->by_peer);
    index_remove(&ike->by_name, &sa->by_name);
    index_remove(&ike->by_host, &sa->by_host);
    index_remove(&ike->by_end, &sa->by_end);
    ike->nobodies -= sa->nobody;
    vips_forget(sa);
    blob_done(&sa->ppk_name);
    roam_done(&sa->roam);
    if (sa->opening) eap_round_done(sa);
    opening_free(sa->opening);
    ike_keys_done(&sa->keys);
    ike_sa_rest(sa);
    free(sa->chosen);
    window_done(&sa->window);
    held_done(&sa->held);
    blob_done(&sa->redirect.name);
    recheck_drop(sa);
    blocks_free(sa->blocks);
    for (unsigned i = 0; i < 2; i++) reassembly_done(&sa->pieces[i], &ike->reassembling);
    conn_put(sa->conn);
    granted_free(sa->granted);
    free(sa->eap_id);
    free(sa);
}

void opening_free(struct opening *o)
{
    if (!o) return;
    blob_done(&o->ours);
    blob_done(&o->theirs);
    ke_free(o->ke);
    ike_keys_done(&o->next_keys);
    sealer_free(o->open_before);
    blob_done(&o->authorities);
    blob_done(&o->staple);
    ike_keys_done(&o->ppk.plain);
    blob_done(&o->ppk.proof);
    blob_done(&o->ppk.name);
    blob_done(&o->our_proof.data);
    blob_done(&o->their_proof.data);
    held_done(&o->asked);
    blob_done(&o->peer_id);
    free(o->offered);
    free(o);
}

static void due_refresh(struct ike_sa *sa)
{
    uint64_t at = DUE_NEVER;
    for (unsigned i = 0; i < TIMERS; i++) {
        if (sa->timer[i] < at) at = sa->timer[i];
    }
    if (at != sa->due.at) due_change(&sa->ike->due, &sa->due, at);
}

void ike_sa_timer(struct ike_sa *sa, enum ike_timer which, uint64_t at)
{
    sa->timer[which] = at;
    due_refresh(sa);
}

void ike_sa_timers_off(struct ike_sa *sa)
{
    for (unsigned i = 0; i < TIMERS; i++) sa->timer[i] = DUE_NEVER;
    if (sa->due.at != DUE_NEVER) due_refresh(sa);
}

const char *ike_sa_name(const struct ike_sa *sa)
{
    return sa->conn ? sa->conn->conf.name : "(unnamed)";
}

bool ike_sa_live(const struct ike_sa *sa)
{
    return sa->state != IKE_CLOSED && sa->state != IKE_GONE;
}

static void send_over(const struct ike_sa *sa, const endpoint_t *from, const endpoint_t *to,
                      span_t bytes)
{
    struct ike *ike = sa->ike;
    struct ike_header h;
    while (ike_header_read(bytes, &h) == ERR_OK && h.length <= bytes.len) {
        struct datagram d = {.from = *from,
                             .to = *to,
                             .bytes = span(bytes.at, h.length),
                             .dscp = sa->conn ? sa->conn->conf.dscp : 0};
        ike->env.send(ike->env.ctx, &d);
        ike->stats.sent++;
        bytes = span(bytes.at + h.length, bytes.len - h.length);
    }
}

static void was_sent(struct ike_sa *sa)
{
    struct ike *ike = sa->ike;
    sa->said_at = ike_now(ike);
    if (sa->timer[TIMER_KEEPALIVE] != DUE_NEVER) {
        ike_sa_timer(sa, TIMER_KEEPALIVE, sa->said_at + ike->opt.keepalive_ns);
    }
}

void ike_sa_send(struct ike_sa *sa, span_t bytes)
{
    const struct roam *r = &sa->roam;
    if (!r->ways_n) send_over(sa, &sa->local, &sa->remote, bytes);
    for (unsigned i = 0; i < r->ways_n; i++) {
        const endpoint_t from = {r->ways[i].local, sa->local.port};
        const endpoint_t to = {r->ways[i].remote, sa->remote.port};
        send_over(sa, &from, &to, bytes);
    }
    was_sent(sa);
}

void ike_sa_reply(struct ike_sa *sa, const struct datagram *to, span_t bytes)
{
    // rfc7296 2.11 MUST: back to the address and port that it came from, from where it went to.
    send_over(sa, &to->to, &to->from, bytes);
    was_sent(sa);
}
