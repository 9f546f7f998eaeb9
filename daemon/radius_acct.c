#include "daemon/radius_acct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "daemon/radius.h"
#include "ike/ids.h"
#include "ike/sa/granted.h"
#include "ike/sa/traffic.h"
#include "radius/access.h"

#define BUCKETS 1024     // of sessions, by the number of their IKE SA
#define INTERIM_MIN_S 60 // RFC 2869 2.1 MUST NOT: less
#define ASKED_MAX 64     // records under way

enum status { ACCT_START = 1, ACCT_STOP = 2, ACCT_INTERIM = 3 };
enum { BY_RADIUS = 1, BY_US = 2 }; // Acct-Authentic

struct session {
    struct session *next;
    uint32_t sa;                         // id of the IKE SA; rekeying changes it
    bool told;                           // its beginning
    bool seen;                           // ... is worth it
    uint64_t since, interim, interim_at; // monotonic ns; 0, UINT64_MAX: none
    char id[32];
    struct blob who; // attributes of every record
};

struct record {
    struct record *next;
    uint32_t sa;
    enum status status;
    size_t len;
    uint8_t attrs[];
};

struct question {
    struct radius_query q; // first
    struct radius_acct *acct;
    struct record *record;
};

struct radius_acct {
    struct iked *d;
    struct loop_timer *timer;
    struct session *bucket[BUCKETS];
    struct record *first, **last; // that wait
    unsigned waiting, asked;
    bool fresh;      // there are sessions whose beginning is to be told
    bool last_words; // the loop ends when all is acknowledged
    bool ending;     // nobody is to be closed any more
};

static void look_again(struct radius_acct *a);

static struct session **place_of(struct radius_acct *a, uint32_t sa)
{
    struct session **at = &a->bucket[sa % BUCKETS];
    while (*at && (*at)->sa != sa) at = &(*at)->next;
    return at;
}

static void session_free(struct session *s)
{
    blob_done(&s->who);
    free(s);
}

// ---- records on their way ----------------------------------------------------------------------

static void send_more(struct radius_acct *a);

static void put_back(struct radius_acct *a, struct record *r)
{
    r->next = a->first;
    if (!a->first) a->last = &r->next;
    a->first = r;
    a->waiting++;
}

// rfc2866 2.1: who is not accounted for is not served, unless our user wants it so, once it was.
static void unheard(struct radius_acct *a, const struct question *p)
{
    static const char *const names[] = {
        [ACCT_START] = "start", [ACCT_STOP] = "stop", [ACCT_INTERIM] = "interim"};
    const struct radius_accounting *conf = &a->d->strongswan.radius.acct;
    const struct record *r = p->record;
    log_say(LOG_WARN, "radius", "the accounting %s record of IKE SA #%u is lost: %s",
            names[r->status], r->sa, p->q.why.text);
    if (p->q.err != ERR_TIMEOUT) return;
    if (r->status == ACCT_INTERIM && !conf->close_on_timeout) return;
    radius_silence(a->d, r->status == ACCT_STOP ? 0 : r->sa);
}

static void on_answer(struct radius_query *q)
{
    struct question *p = (struct question *)q;
    struct radius_acct *a = p->acct;
    err_t err = q->err;
    a->asked--;
    if (err == ERR_CLOSED && !a->ending) { // the servers are others now
        put_back(a, p->record);
        p->record = NULL;
    } else if (err != ERR_OK && !a->ending) {
        unheard(a, p);
    }
    free(p->record);
    wipe(p, sizeof *p);
    free(p);
    if (err != ERR_CLOSED) send_more(a);
    if (a->last_words && !a->asked && !a->first) loop_stop(a->d->loop);
}

static err_t send_one(struct radius_acct *a, struct record *r)
{
    struct why why = {0};
    struct question *p = calloc(1, sizeof *p);
    if (!p) return ERR_NOMEM;
    p->acct = a;
    p->record = r;
    p->q.accounting = true;
    p->q.server = RADIUS_ANY_SERVER;
    p->q.done = on_answer;
    memcpy(p->q.attrs, r->attrs, r->len);
    p->q.attrs_len = (uint16_t)r->len;
    err_t err = radius_send(a->d, &p->q, &why);
    if (err != ERR_OK) free(p);
    if (err == ERR_OK) a->asked++;
    return err;
}

static void send_more(struct radius_acct *a)
{
    while (a->first && a->asked < ASKED_MAX) {
        struct record *r = a->first;
        if (send_one(a, r) != ERR_OK) return; // with the next answer, or the next record
        a->first = r->next;
        if (!a->first) a->last = &a->first;
        a->waiting--;
    }
}

// ---- what a record says ------------------------------------------------------------------------

static void put_amount(wr_t *w, uint8_t low, uint8_t high, uint64_t n)
{
    radius_put_u32(w, low, (uint32_t)n);
    if (high) radius_put_u32(w, high, (uint32_t)(n >> 32));
}

static void put_traffic(wr_t *w, const struct ike_traffic *t)
{
    // In and out as the gateway's port to the client has it (RFC 2866 5.3).
    put_amount(w, RADIUS_ACCT_INPUT_OCTETS, RADIUS_ACCT_INPUT_GIGAWORDS, t->bytes_in);
    put_amount(w, RADIUS_ACCT_OUTPUT_OCTETS, RADIUS_ACCT_OUTPUT_GIGAWORDS, t->bytes_out);
    put_amount(w, RADIUS_ACCT_INPUT_PACKETS, 0, t->packets_in);
    put_amount(w, RADIUS_ACCT_OUTPUT_PACKETS, 0, t->packets_out);
}

static uint32_t cause_of(enum close_why why)
{
    static const uint32_t causes[] = {
        [CLOSED_ASKED] = 6,    // Admin-Reset
        [CLOSED_BY_PEER] = 1,  // User-Request
        [CLOSED_DEAD] = 2,     // Lost-Carrier
        [CLOSED_REPLACED] = 1, // the user has come again
        [CLOSED_EXPIRED] = 5,  // Session-Timeout
        [CLOSED_FAILED] = 9,   // NAS-Error
    };
    return causes[why];
}

static void add(struct radius_acct *a, const struct session *s, enum status status, span_t more)
{
    uint64_t now = clock_mono();
    uint8_t attrs[RADIUS_ATTRS_MAX - RADIUS_NAME_MAX - 2];
    wr_t w = wr_into(attrs, sizeof attrs);
    radius_put_u32(&w, RADIUS_ACCT_STATUS_TYPE, status);
    radius_put(&w, RADIUS_ACCT_SESSION_ID, span_str(s->id));
    wr_bytes(&w, blob_span(&s->who));
    if (status != ACCT_START) {
        radius_put_u32(&w, RADIUS_ACCT_SESSION_TIME, (uint32_t)((now - s->since) / NSEC_PER_SEC));
    }
    wr_bytes(&w, more);
    radius_put_u32(&w, RADIUS_EVENT_TIMESTAMP, (uint32_t)clock_wall());
    struct record *r = malloc(sizeof *r + wr_len(&w));
    if (!r || wr_done(&w) != ERR_OK || a->waiting >= ACCT_WAITING_MAX) {
        log_say(LOG_WARN, "radius", "an accounting record is lost: too many wait already");
        free(r);
        return;
    }
    *r = (struct record){.sa = s->sa, .status = status, .len = wr_len(&w)};
    memcpy(r->attrs, attrs, r->len);
    *a->last = r;
    a->last = &r->next;
    a->waiting++;
    send_more(a);
}

// ---- sessions ----------------------------------------------------------------------------------

static void put_addresses(wr_t *w, const struct ike_sa_view *v)
{
    for (unsigned i = 0; i < v->vip_n && !v->vips_ours; i++) {
        bool v6 = v->vip[i].family == AF_INET6;
        radius_put(w, v6 ? RADIUS_FRAMED_IPV6_ADDRESS : RADIUS_FRAMED_IP_ADDRESS,
                   span(v->vip[i].b, ip_len(v->vip[i].family)));
    }
}

static void put_who(wr_t *w, const struct iked *d, const struct ike_sa_view *v,
                    const struct ike_sa *sa)
{
    char text[ID_TEXT_MAX];
    span_t name = id_name(ike_sa_whose(sa), text);
    if (name.len > RADIUS_VALUE_MAX) name.len = RADIUS_VALUE_MAX;
    const struct radius_station station = {.user = name,
                                           .local = v->local,
                                           .remote = v->remote,
                                           .with_port = d->strongswan.radius.habits.station_port,
                                           .port = v->id,
                                           .name = v->name};
    radius_put_station(w, &station);
    radius_put_u32(w, RADIUS_ACCT_AUTHENTIC, sa->granted ? BY_RADIUS : BY_US);
    put_addresses(w, v);
    bool classes = sa->granted && d->strongswan.radius.acct.send_class;
    if (classes) wr_bytes(w, blob_span(&sa->granted->classes));
}

struct beginning {
    struct radius_acct *a;
    struct session *s;
};

static bool tell_beginning(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    struct beginning *b = ctx;
    const struct radius_accounting *conf = &b->a->d->strongswan.radius.acct;
    uint8_t attrs[RADIUS_ATTRS_MAX / 2];
    wr_t w = wr_into(attrs, sizeof attrs);
    bool addressed = v->vip_n && !v->vips_ours;
    b->s->told = true;
    if (conf->requires_vip && !addressed) return true;
    put_who(&w, b->a->d, v, sa);
    if (wr_done(&w) != ERR_OK || blob_set(&b->s->who, wr_span(&w)) != ERR_OK) return true;
    uint32_t asked = sa->granted ? sa->granted->interim_s : 0;
    uint32_t interim = conf->interval_s;
    if (asked) interim = asked < INTERIM_MIN_S ? INTERIM_MIN_S : asked;
    b->s->interim = interim * NSEC_PER_SEC;
    b->s->interim_at = interim ? clock_mono() + b->s->interim : UINT64_MAX;
    b->s->seen = true;
    add(b->a, b->s, ACCT_START, span(NULL, 0));
    return true;
}

static bool tell_interim(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    struct beginning *b = ctx;
    uint8_t attrs[64];
    wr_t w = wr_into(attrs, sizeof attrs);
    const struct ike_traffic t = traffic_of(sa);
    (void)v;
    put_traffic(&w, &t);
    add(b->a, b->s, ACCT_INTERIM, wr_span(&w));
    return true;
}

// What is due: beginnings at once, the others when their time has come.
static void look(struct radius_acct *a, struct session *s, uint64_t now)
{
    struct beginning b = {a, s};
    if (!s->told) ike_one(a->d->ike, s->sa, tell_beginning, &b);
    if (!s->seen || s->interim_at > now) return;
    s->interim_at = now + s->interim;
    ike_one(a->d->ike, s->sa, tell_interim, &b);
}

static void on_time(void *ctx)
{
    struct radius_acct *a = ctx;
    uint64_t now = clock_mono();
    if (a->last_words) { // nobody waits any longer
        loop_stop(a->d->loop);
        return;
    }
    a->fresh = false;
    for (unsigned i = 0; i < BUCKETS && a->d->ike; i++) {
        for (struct session *s = a->bucket[i]; s; s = s->next) look(a, s, now);
    }
    look_again(a);
}

static void look_again(struct radius_acct *a)
{
    uint64_t next = a->fresh ? 0 : UINT64_MAX;
    for (unsigned i = 0; i < BUCKETS && next; i++) {
        for (const struct session *s = a->bucket[i]; s; s = s->next) {
            if (s->seen && s->interim_at < next) next = s->interim_at;
        }
    }
    if (next == UINT64_MAX) loop_timer_stop(a->timer);
    if (next != UINT64_MAX) loop_timer_at(a->timer, next);
}

// ---- events ------------------------------------------------------------------------------------

static void begin(struct radius_acct *a, const struct ike_sa *sa)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s) {
        log_say(LOG_WARN, "radius", "out of memory: no accounting of IKE SA #%u", sa->id);
        return;
    }
    s->sa = sa->id;
    s->since = clock_mono();
    (void)snprintf(s->id, sizeof s->id, "%llu-%u", (unsigned long long)a->d->started_s, sa->id);
    s->next = a->bucket[sa->id % BUCKETS];
    a->bucket[sa->id % BUCKETS] = s;
    a->fresh = true;
    loop_timer_at(a->timer, 0);
}

static void go_on(struct radius_acct *a, const struct ike_sa *heir)
{
    struct session **at = place_of(a, heir->parent), *s = *at;
    if (!s) return;
    *at = s->next;
    s->sa = heir->id;
    s->next = a->bucket[heir->id % BUCKETS];
    a->bucket[heir->id % BUCKETS] = s;
}

static void end(struct radius_acct *a, const struct ike_sa *sa)
{
    struct session **at = place_of(a, sa->id), *s = *at;
    uint8_t attrs[64];
    wr_t w = wr_into(attrs, sizeof attrs);
    if (!s) return;
    *at = s->next;
    if (s->seen) {
        const struct ike_traffic t = traffic_of(sa);
        put_traffic(&w, &t);
        radius_put_u32(&w, RADIUS_ACCT_TERMINATE_CAUSE, cause_of(sa->why));
        add(a, s, ACCT_STOP, wr_span(&w));
    }
    session_free(s);
}

void acct_end_loop(struct iked *d, uint64_t wait_ns)
{
    struct radius_acct *a = d->acct;
    if (!a || (!a->asked && !a->first)) {
        loop_stop(d->loop);
        return;
    }
    a->last_words = true;
    loop_timer_at(a->timer, clock_mono() + wait_ns);
}

bool acct_is(struct radius_acct *a, uint32_t sa, span_t session)
{
    const struct session *s = a ? *place_of(a, sa) : NULL;
    return s && span_eq(session, span_str(s->id));
}

void acct_go_on(struct radius_acct *a)
{
    if (a) send_more(a);
}

void acct_event(struct iked *d, enum ike_event_kind kind, const struct ike_sa *sa)
{
    struct radius_acct *a = d->acct;
    if (!a) return;
    if (kind == IKE_EV_UP && !sa->initiator && d->strongswan.radius.acct.on) begin(a, sa);
    if (kind == IKE_EV_REKEYED) go_on(a, sa);
    if (kind == IKE_EV_DOWN) end(a, sa);
}

// ---- start and end -----------------------------------------------------------------------------

struct radius_acct *acct_new(struct iked *d)
{
    struct radius_acct *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->d = d;
    a->last = &a->first;
    a->timer = loop_timer_new(d->loop, on_time, a);
    if (a->timer) return a;
    free(a);
    return NULL;
}

void acct_free(struct radius_acct *a)
{
    if (!a) return;
    a->ending = true;
    radius_stop(a->d); // what is under way comes back
    loop_timer_free(a->timer);
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct session *s; (s = a->bucket[i]);) {
            a->bucket[i] = s->next;
            session_free(s);
        }
    }
    for (struct record *r; (r = a->first);) {
        a->first = r->next;
        free(r);
    }
    free(a);
}
