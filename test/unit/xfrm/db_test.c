// A worker walks packets while the control thread changes everything under it. What is to be seen:
// no use after free (sanitizer), no packet in clear although its policy is replaced all the time,
// and traffic that goes on.
#include "test/unit/xfrm/rig.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"
#define ROUNDS 3000
#define SPIS 8

struct traffic {
    struct db *db;
    struct worker w;
    bool stop; // atomic
    unsigned kept;
    struct pkt *loop[BURST_MAX]; // what was sent and is to come in again
    uint64_t sent, delivered, bypassed;
};

static void on_send(void *ctx, struct pkt **p, unsigned n)
{
    struct traffic *t = ctx;
    t->sent += n;
    for (unsigned i = 0; i < n && t->kept < BURST_MAX; i++) {
        struct pkt *k = pool_take(t->w.pool);
        if (!k) return;
        memcpy(k->at, p[i]->at, p[i]->len);
        k->len = p[i]->len;
        k->to = p[i]->to;
        t->loop[t->kept++] = k;
    }
}

static void on_deliver(void *ctx, struct pkt **p, unsigned n)
{
    (void)p;
    ((struct traffic *)ctx)->delivered += n;
}

static void on_bypass(void *ctx, struct pkt **p, unsigned n)
{
    (void)p;
    ((struct traffic *)ctx)->bypassed += n;
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx, (void)ev;
}

static void one_burst(struct traffic *t)
{
    struct burst out = {0}, in = {0};
    for (unsigned i = 0; i < 16; i++) {
        struct pkt *p = pool_take(t->w.pool);
        if (!p) break;
        p->len = rig_udp(p->at, "10.1.0.1", "10.2.0.1", (uint16_t)i, 9, 100);
        out.p[out.n++] = p;
    }
    path_out(&t->w, &out);
    while (t->kept > 0) in.p[in.n++] = t->loop[--t->kept];
    path_in(&t->w, &in);
}

static void *worker_run(void *ctx)
{
    struct traffic *t = ctx;
    uint64_t seen = 0;
    rcu_register_thread();
    while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
        t->w.now += 1000000;
        t->w.wall = 1;
        one_burst(t);
        if (db_generation(t->db) != seen) hold_retry(&t->w);
        seen = db_generation(t->db);
        rcu_quiescent_state();
    }
    rcu_unregister_thread();
    return NULL;
}

static bool look(void *arg, const struct xfrm_sa *sa)
{
    *(uint64_t *)arg += sa->current.packets;
    return true;
}

static void change_something(struct rig *r, struct xfrm_policy *out, struct xfrm_policy *in)
{
    struct xfrm_sa x = rig_sa(MOON, SUN, (uint32_t)(rand() % SPIS) + 1);
    struct xfrm_sa_id id = sad_id(&x);
    uint64_t packets = 0;
    if (rand() % 4 == 0) rig_crypt_auth(&x, "cbc(aes)", 128, "hmac(sha256)", 256, 128);
    if (rand() % 4 == 0) rig_esn(&x, 4096);
    switch (rand() % 8) {
    case 0:
        IGNORE(r->api.ops->sa_del(r->api.ctx, &id)); // may not be there
        break;
    case 1:
        x.limit.soft_packets = (uint64_t)rand() % 1000;
        x.limit.hard_packets = (uint64_t)rand() % 5000;
        IGNORE(r->api.ops->sa_update(r->api.ctx, &x, NULL));
        break;
    case 2:
        out->tmpl[0].spi = (uint32_t)(rand() % 3);
        CHECK_OK(r->api.ops->policy_add(r->api.ctx, out, true, NULL));
        break;
    case 3:
        in->priority = (uint32_t)rand() % 10;
        CHECK_OK(r->api.ops->policy_add(r->api.ctx, in, true, NULL));
        break;
    case 4:
        CHECK_OK(r->api.ops->sa_each(r->api.ctx, look, &packets));
        (void)control_tick(r->control);
        break;
    default:
        IGNORE(r->api.ops->sa_add(r->api.ctx, &x, NULL));
    }
    rig_clear(r);
}

static void a_worker_reads_while_control_writes(void **state)
{
    (void)state;
    static struct traffic t;
    struct rig *r = rig_new();
    const struct exits exits = {on_send, on_deliver, on_bypass, on_event, &t, NULL, NULL};
    struct xfrm_policy out = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    struct xfrm_policy in = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    pthread_t thread;
    rig_add_policy(r, &out);
    rig_add_policy(r, &in);
    t.db = r->db;
    CHECK_OK(worker_init(&t.w, r->db, &exits, 1));
    t.w.now = 1;
    CHECK_EQ(pthread_create(&thread, NULL, worker_run, &t), 0);
    srand(1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        change_something(r, &out, &in);
        rcu_quiescent_state();
        if (i % 64 == 0) sched_yield();
    }
    __atomic_store_n(&t.stop, true, __ATOMIC_RELAXED);
    rcu_thread_offline();
    CHECK_EQ(pthread_join(thread, NULL), 0);
    rcu_thread_online();
    CHECK(t.sent > 0 && t.delivered > 0);
    CHECK_EQ(t.bypassed, 0);
    worker_done(&t.w);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_reads_while_control_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
