#include "ike/auth/eap_relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/words.h"
#include "eap/relay.h"
#include "ike/auth/eap_round.h"
#include "ike/auth/round.h"
#include "ike/radius.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/granted.h"
#include "radius/access.h"

// What the server wants to hear again.
struct eap_relay {
    int server;
    struct radius_bytes state;
    struct granted *granted; // NULL: not accepted yet
    struct blob groups;      // that the server has named: length and text of each
};

struct relay_ask {
    struct ike_radius r; // first
    void (*then)(struct ike_sa *sa);
};

bool eap_relay_is_on(const struct ike_sa *sa)
{
    const struct conf_side *side = sa->initiator ? NULL : round_theirs(sa);
    return side && side->radius;
}

void eap_relay_done(struct eap_part *part)
{
    if (!part->relay) return;
    granted_free(part->relay->granted);
    blob_done(&part->relay->groups);
    wipe(part->relay, sizeof *part->relay);
    free(part->relay);
    part->relay = NULL;
}

// ---- what the server has answered --------------------------------------------------------------

static void tell_end(struct ike_sa *sa, bool accepted)
{
    char name[ID_TEXT_MAX], method[EAP_NAME_MAX];
    const struct eap *talk = sa->opening->eap.talk;
    uint8_t type = eap_relayed_type(talk);
    tell(sa->ike, sa, LOG_STORY, SAY_RADIUS_END, id_show(eap_peer(talk), name),
         accepted ? "successful" : "failed");
    if (accepted || !type) return;
    tell(sa->ike, sa, LOG_STORY, SAY_EAP_FAILED, eap_name(type, method),
         id_show(&sa->remote_id, name));
}

static void add_group(struct ike_sa *sa, wr_t *w, const struct radius_bytes *b, bool by_class)
{
    char text[ID_TEXT_MAX];
    struct id id = {.type = ID_KEY_ID, .len = b->len};
    memcpy(id.data, b->at, b->len);
    id_show(&id, text);
    if (by_class) tell(sa->ike, sa, LOG_STORY, SAY_RADIUS_GROUP, text);
    if (!by_class) tell(sa->ike, sa, LOG_STORY, SAY_RADIUS_FILTER, text);
    wr_u8(w, b->len);
    wr_bytes(w, span(b->at, b->len));
}

// The server says which groups are the client's, in attributes that the administrator has chosen.
static err_t keep_groups(struct ike_sa *sa, const struct radius_grant *g)
{
    const struct radius_habits *habits = &sa->ike->opt.radius;
    uint8_t all[(RADIUS_CLASSES_MAX + RADIUS_FILTERS_MAX) * (1 + RADIUS_VALUE_MAX)];
    wr_t w = wr_into(all, sizeof all);
    for (unsigned i = 0; i < g->class_n && habits->class_group; i++)
        add_group(sa, &w, &g->class[i], true);
    for (unsigned i = 0; i < g->filter_n && habits->filter_id && g->tunnel_esp; i++)
        add_group(sa, &w, &g->filter[i], false);
    return blob_set(&sa->opening->eap.relay->groups, wr_span(&w));
}

static bool is_one_of(const struct conf_side *side, span_t name)
{
    bool found = false;
    for (unsigned i = 0; i < side->group_n && !found; i++) {
        found = name.len == strlen(side->group[i]) &&
                strncasecmp((const char *)name.at, side->group[i], name.len) == 0;
    }
    return found;
}

bool eap_relay_fits(const struct ike_sa *sa, const struct conf_side *side)
{
    const struct eap_relay *relay = sa->opening->eap.relay;
    if (!side->group_n) return true;
    if (!relay) return false;
    rd_t r = rd_from(blob_span(&relay->groups));
    bool found = false;
    while (rd_left(&r) > 0 && !found) found = is_one_of(side, rd_bytes(&r, rd_u8(&r)));
    return found;
}

static void grant(struct ike_sa *sa, const struct radius_grant *g)
{
    struct eap_part *part = &sa->opening->eap;
    granted_free(part->relay->granted);
    part->relay->granted = granted_new(g);
    if (!part->relay->granted || keep_groups(sa, g) != ERR_OK)
        eap_relay_lose(part->talk, err_text(ERR_NOMEM));
}

void eap_relay_known(struct ike_sa *sa)
{
    struct eap_relay *relay = sa->opening->eap.relay;
    if (!relay) return;
    granted_free(sa->granted);
    sa->granted = relay->granted;
    relay->granted = NULL;
}

static void take_reply(struct ike_sa *sa, const struct radius_reply *r)
{
    struct eap_part *part = &sa->opening->eap;
    span_t packet = span(r->eap, r->eap_len);
    enum eap_state what = r->code == RADIUS_ACCESS_CHALLENGE ? EAP_RUNS
                          : r->code == RADIUS_ACCESS_ACCEPT  ? EAP_SUCCEEDED
                                                             : EAP_FAILED;
    part->relay->state = r->state;
    if (what == EAP_SUCCEEDED) grant(sa, &r->grant);
    if (eap_state(part->talk) == EAP_RUNS)
        eap_relay_give(part->talk, what, packet, span(r->msk, r->msk_len));
    if (what != EAP_RUNS) tell_end(sa, eap_state(part->talk) == EAP_SUCCEEDED);
}

static void ask_done(struct ike_work *w, struct ike_sa *sa)
{
    struct relay_ask *p = (struct relay_ask *)w;
    struct radius_query *q = &p->r.q;
    struct opening *o = sa->opening;
    if (!o || !o->eap.relay) return;
    o->eap.relay->server = q->server;
    if (q->err == ERR_OK) {
        take_reply(sa, &q->reply);
    } else {
        eap_relay_lose(o->eap.talk, q->why.text);
        if (q->err == ERR_TIMEOUT) tell_alert(sa->ike, sa, ALERT_RADIUS_NOT_RESPONDING);
    }
    o->eap.taken = true;
    o->eap.err = ERR_OK;
    p->then(sa);
}

static void ask_free(struct ike_work *w)
{
    struct relay_ask *p = (struct relay_ask *)w;
    wipe(p, sizeof *p);
    free(p);
}

// ---- what it is asked --------------------------------------------------------------------------

static err_t put_user(const struct ike_sa *sa, wr_t *w)
{
    char name[RADIUS_NAME_MAX + ID_TEXT_MAX], text[ID_TEXT_MAX];
    wr_t n = wr_into(name, sizeof name);
    wr_bytes(&n, span_str(sa->ike->opt.radius.id_prefix));
    wr_bytes(&n, id_name(eap_peer(sa->opening->eap.talk), text));
    TRY(wr_done(&n));
    const struct radius_station s = {.user = wr_span(&n),
                                     .local = sa->local,
                                     .remote = sa->remote,
                                     .with_port = sa->ike->opt.radius.station_port,
                                     .port = sa->id,
                                     .name = ike_sa_name(sa)};
    radius_put_station(w, &s);
    return ERR_OK;
}

// packet: of EAP; empty: the server is to begin (EAP-Start, RFC 3579 2.1).
static err_t put_attrs(const struct ike_sa *sa, span_t packet, struct radius_query *q)
{
    const struct radius_bytes *state = &sa->opening->eap.relay->state;
    wr_t w = wr_into(q->attrs, sizeof q->attrs - RADIUS_NAME_MAX - 2);
    TRY(put_user(sa, &w));
    radius_put_u32(&w, RADIUS_FRAMED_MTU, EAP_SEND_MAX);
    radius_put_long(&w, RADIUS_EAP_MESSAGE, packet);
    if (!packet.len) {
        wr_u8(&w, RADIUS_EAP_MESSAGE);
        wr_u8(&w, 2);
    }
    // rfc2865 5.24 MUST: unchanged, and only in the request that follows.
    radius_put(&w, RADIUS_STATE, span(state->at, state->len));
    q->attrs_len = (uint16_t)wr_len(&w);
    return wr_done(&w);
}

static err_t cannot(struct ike_sa *sa, err_t err)
{
    struct why why;
    IGNORE(why_not(&why, err, "no RADIUS server can be asked: %s", // only the sentence
                   err == ERR_NOTFOUND || err == ERR_UNSUPPORTED
                       ? "there is none in strongswan.conf (charon.plugins.eap-radius)"
                       : err_text(err)));
    eap_relay_lose(sa->opening->eap.talk, why.text);
    return ERR_OK;
}

static err_t ask(struct ike_sa *sa, span_t packet, void (*done)(struct ike_sa *sa))
{
    if (sa->work_id) return ERR_AGAIN;
    struct relay_ask *p = calloc(1, sizeof *p);
    if (!p) return ERR_NOMEM;
    p->r.w = (struct ike_work){.done = ask_done, .free = ask_free};
    p->r.q.server = sa->opening->eap.relay->server;
    p->then = done;
    err_t err = put_attrs(sa, packet, &p->r.q);
    if (err != ERR_OK) {
        ask_free(&p->r.w);
        return cannot(sa, err);
    }
    err = work_ask(sa, &p->r.w);
    if (err == ERR_OK) return ERR_AGAIN;
    return err == ERR_LIMIT ? err : cannot(sa, err);
}

err_t eap_relay_start(struct ike_sa *sa, void (*done)(struct ike_sa *sa))
{
    struct eap_part *part = &sa->opening->eap;
    const struct radius_habits *habits = &sa->ike->opt.radius;
    struct eap_name_is name = {0};
    if (!part->relay) part->relay = calloc(1, sizeof *part->relay);
    if (!part->relay) return ERR_NOMEM;
    *part->relay = (struct eap_relay){.server = RADIUS_ANY_SERVER};
    err_t err = eap_relay_begin(part->talk, habits->id_prefix, &name);
    if (err != ERR_OK) return cannot(sa, err);
    return ask(sa, span(name.packet, habits->eap_start ? 0 : name.len), done);
}

// A server may ask who the peer is, too. It must not become somebody that the section would not
// have, or whose name it has proved nothing of in IKE.
static bool name_holds(const struct ike_sa *sa, const struct id *before)
{
    const struct conf_side *side = round_theirs(sa);
    const struct id *now = eap_peer(sa->opening->eap.talk);
    if (id_eq(before, now)) return true;
    return side->eap_id_given && eap_round_fits(side, now);
}

err_t eap_relay_go_on(struct ike_sa *sa, span_t packet, void (*done)(struct ike_sa *sa))
{
    struct eap *talk = sa->opening->eap.talk;
    struct id before = *eap_peer(talk);
    if (!eap_relay_take(talk, packet)) return ERR_OK;
    if (!name_holds(sa, &before)) {
        eap_relay_lose(talk, "the peer calls itself another in EAP than before (eap_id = %any "
                             "lets it)");
        return ERR_OK;
    }
    return ask(sa, packet, done);
}
