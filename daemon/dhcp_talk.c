#include "daemon/dhcp_talk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/siphash.h"
#include "base/words.h"

#define SUBJECT "dhcp"
#define NEVER UINT64_MAX
#define RENEW_PAUSE_MAX (60 * NSEC_PER_SEC) // rfc2131 4.4.5: renewals are not repeated faster
#define OPTION_MAX 255                      // bytes
#define MAC_TEXT_MAX 18
#define MAC_TRIES 8

// Whom we speak for, and how.
struct client {
    struct id who;
    uint8_t mac[DHCP_MAC_LEN];
    bool by_id; // the address is made of the identity, which the server is told, too
};

enum phase { WAITS_OFFER, WAITS_ACK, IS_OVER };

// A client without an address.
struct talk {
    struct talk *next;
    struct dhcp_ask *ask;
    struct client client;
    enum phase phase;
    uint32_t xid;
    struct dhcp_heard offer;
    unsigned tries, naks;
    uint64_t began, at; // at: when it goes on
};

struct held {
    struct held *next;
    struct dhcp_lease lease;
    struct client client;
    ip_t server;
    unsigned users;
    uint32_t xid;         // of the renewal under way; 0: none
    uint64_t began;       // ... since
    uint64_t at, ends_at; // at: when to renew it
    uint64_t pause;       // the shortest between renewals
};

struct dhcp_talks {
    struct dhcp_port port;
    bool identity_lease, force_server;
    ip_t server;
    struct talk *talks;
    unsigned talk_n;
    struct held *held;
    uint32_t last_id;
};

struct dhcp_talks *dhcp_talks_new(const struct dhcp_port *port, const struct strongswan_dhcp *s)
{
    struct dhcp_talks *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->port = *port;
    t->identity_lease = s->identity_lease;
    t->force_server = s->force_server;
    t->server = s->server;
    return t;
}

static uint64_t now(const struct dhcp_talks *t)
{
    return t->port.now(t->port.ctx);
}

static uint32_t random_below(const struct dhcp_talks *t, uint32_t n)
{
    uint64_t r;
    t->port.random(t->port.ctx, &r, sizeof r);
    return (uint32_t)(r % n);
}

static uint32_t new_xid(const struct dhcp_talks *t)
{
    uint32_t xid;
    t->port.random(t->port.ctx, &xid, sizeof xid);
    return xid ? xid : 1;
}

// ---- leases ----

static struct held *held_find(const struct dhcp_talks *t, uint32_t id)
{
    struct held *h = t->held;
    while (h && h->lease.id != id) h = h->next;
    return h;
}

static struct held *held_at(const struct dhcp_talks *t, const ip_t *ip)
{
    struct held *h = t->held;
    while (h && !ip_eq(&h->lease.ip, ip)) h = h->next;
    return h;
}

static struct held *held_by_mac(const struct dhcp_talks *t, const uint8_t *mac)
{
    struct held *h = t->held;
    while (h && memcmp(h->client.mac, mac, DHCP_MAC_LEN) != 0) h = h->next;
    return h;
}

static void held_free(struct dhcp_talks *t, struct held *h)
{
    struct held **at = &t->held;
    while (*at != h) at = &(*at)->next;
    *at = h->next;
    free(h);
}

// Of the same client?
static bool held_is_of(const struct held *h, const struct client *c)
{
    return id_eq(&h->client.who, &c->who) && memcmp(h->client.mac, c->mac, DHCP_MAC_LEN) == 0;
}

// ---- who speaks ----

// As strongSwan has it, so that the tables of servers stay good: two bytes of its own, which mean
// "locally administered", then a hash of the identity.
static void mac_of_id(const struct id *who, uint8_t mac[DHCP_MAC_LEN])
{
    static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint32_t hash = (uint32_t)siphash(key, who->data, who->len);
    wr_t w = wr_into(mac, DHCP_MAC_LEN);
    wr_u16(&w, DHCP_MAC_PREFIX);
    wr_u32(&w, hash);
}

static void mac_random(const struct dhcp_talks *t, uint8_t mac[DHCP_MAC_LEN])
{
    wr_t w = wr_into(mac, DHCP_MAC_LEN);
    wr_u16(&w, DHCP_MAC_PREFIX);
    for (unsigned i = 0; i < MAC_TRIES; i++) {
        t->port.random(t->port.ctx, mac + 2, DHCP_MAC_LEN - 2);
        if (!held_by_mac(t, mac)) return;
    }
}

// A second host of one identity must not get the first one's address: it comes without a name.
static void client_make(const struct dhcp_talks *t, const struct id *who, bool shares,
                        struct client *c)
{
    c->who = *who;
    c->by_id = t->identity_lease;
    mac_of_id(who, c->mac);
    if (c->by_id && !shares && held_by_mac(t, c->mac)) c->by_id = false;
    if (!c->by_id) mac_random(t, c->mac);
}

static const char *mac_show(const uint8_t *mac, char buf[MAC_TEXT_MAX])
{
    (void)snprintf(buf, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                   mac[3], mac[4], mac[5]);
    return buf;
}

// ---- sending ----

static bool is_host_name(const struct id *who)
{
    if (who->type != ID_FQDN || !isalnum(who->data[0])) return false;
    for (unsigned i = 0; i < who->len; i++) {
        uint8_t c = who->data[i];
        if (!isalnum(c) && c != '-' && c != '.') return false;
    }
    return true;
}

static bool is_broadcast(const ip_t *ip)
{
    return ip_eq(ip, &(ip_t){AF_INET, {255, 255, 255, 255}});
}

// false: there is no way to the server.
static bool say(const struct dhcp_talks *t, const struct client *c, struct dhcp_say *m,
                const ip_t *to)
{
    uint8_t buf[DHCP_OUT_MAX];
    m->broadcast = is_broadcast(&t->server);
    if (!m->broadcast) {
        m->relay = t->port.source_for(t->port.ctx, to);
        if (m->relay.family != AF_INET) return false;
    }
    memcpy(m->mac, c->mac, DHCP_MAC_LEN);
    // A longer one is left out: cut short it could be another's, and servers go by it.
    if (c->by_id && c->who.len <= OPTION_MAX) m->id = span(c->who.data, c->who.len);
    if (is_host_name(&c->who) && c->who.len <= OPTION_MAX) m->name = span(c->who.data, c->who.len);
    t->port.send(t->port.ctx, to, dhcp_write(m, buf));
    return true;
}

static uint16_t secs_since(uint64_t from, uint64_t to)
{
    uint64_t s = (to - from) / NSEC_PER_SEC;
    return s > UINT16_MAX ? UINT16_MAX : (uint16_t)s;
}

static bool say_discover(const struct dhcp_talks *t, const struct talk *k)
{
    char mac[MAC_TEXT_MAX], to[IP_TEXT_MAX];
    struct dhcp_say m = {
        .type = DHCP_DISCOVER, .xid = k->xid, .secs = secs_since(k->began, now(t))};
    if (!ip_is_any(&k->ask->wish)) m.wish = k->ask->wish;
    log_say(LOG_STORY, SUBJECT, SAY_DHCP_DISCOVER, mac_show(k->client.mac, mac),
            ip_show(&t->server, to));
    return say(t, &k->client, &m, &t->server);
}

// rfc2131 4.4.1 MUST: to where DISCOVER went, with the same secs, so that all servers hear it.
static bool say_request(const struct dhcp_talks *t, const struct talk *k)
{
    char ip[IP_TEXT_MAX], to[IP_TEXT_MAX];
    struct dhcp_say m = {.type = DHCP_REQUEST,
                         .xid = k->xid,
                         .secs = secs_since(k->began, now(t)),
                         .wish = k->offer.lease.ip,
                         .server = k->offer.server};
    log_say(LOG_STORY, SUBJECT, SAY_DHCP_REQUEST, ip_show(&k->offer.lease.ip, ip),
            ip_show(&k->offer.server, to));
    return say(t, &k->client, &m, &t->server);
}

// As by a client that has started anew and knows its address (4.3.2, INIT-REBOOT): the answer to a
// renewal proper would go to the address itself, into the tunnel.
static void say_renew(const struct dhcp_talks *t, const struct held *h)
{
    char ip[IP_TEXT_MAX], to[IP_TEXT_MAX];
    struct dhcp_say m = {.type = DHCP_REQUEST,
                         .xid = h->xid,
                         .secs = secs_since(h->began, now(t)),
                         .wish = h->lease.ip};
    log_say(LOG_INFO, SUBJECT, SAY_DHCP_REQUEST, ip_show(&h->lease.ip, ip),
            ip_show(&t->server, to));
    IGNORE(say(t, &h->client, &m, &t->server) ? ERR_OK : ERR_AGAIN); // it is tried again
}

static void say_release(const struct dhcp_talks *t, const struct held *h)
{
    char ip[IP_TEXT_MAX], text[IP_TEXT_MAX];
    const ip_t *to = t->force_server ? &t->server : &h->server;
    struct dhcp_say m = {.type = DHCP_RELEASE, .xid = new_xid(t), .client = h->lease.ip};
    m.server = h->server;
    log_say(LOG_STORY, SUBJECT, SAY_DHCP_RELEASE, ip_show(&h->lease.ip, ip), ip_show(to, text));
    if (!say(t, &h->client, &m, to))
        log_say(LOG_WARN, SUBJECT, "there is no route to %s: %s stays leased until its end", text,
                ip);
}

// ---- a client gets an address ----

static void hold_until(const struct dhcp_talks *t, struct held *h, const struct dhcp_heard *m)
{
    uint64_t span_ns = m->lease_s * NSEC_PER_SEC, t1 = m->renew_s * NSEC_PER_SEC;
    h->xid = 0;
    h->server = m->server;
    h->at = h->ends_at = NEVER;
    if (m->lease_s == DHCP_FOREVER) return;
    if (!t1 || t1 > span_ns) t1 = span_ns / 2;
    h->ends_at = now(t) + span_ns;
    // rfc2131 4.4.5: some chance in it, so that those who came at once do not come again at once
    h->at = now(t) + t1 - random_below(t, (uint32_t)(t1 / NSEC_PER_SEC / 16) + 1) * NSEC_PER_SEC;
    h->pause = span_ns / 16 < RENEW_PAUSE_MAX ? span_ns / 16 : RENEW_PAUSE_MAX;
    if (h->pause < NSEC_PER_SEC) h->pause = NSEC_PER_SEC;
}

static void share(struct held *h, struct dhcp_ask *ask)
{
    h->users++;
    ask->err = ERR_OK;
    ask->lease = h->lease;
}

static struct held *hold_new(struct dhcp_talks *t, const struct client *c,
                             const struct dhcp_heard *m)
{
    struct held *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    h->client = *c;
    h->lease = m->lease;
    do {
        h->lease.id = ++t->last_id;
    } while (!h->lease.id || held_find(t, h->lease.id));
    hold_until(t, h, m);
    h->next = t->held;
    t->held = h;
    return h;
}

static void talk_end(struct dhcp_talks *t, struct talk *k)
{
    struct talk **at = &t->talks;
    struct dhcp_ask *ask = k->ask;
    while (*at != k) at = &(*at)->next;
    *at = k->next;
    t->talk_n--;
    free(k);
    t->port.answered(t->port.ctx, ask); // it may come back to us
}

static void talk_fail(struct dhcp_talks *t, struct talk *k, err_t err, const char *sentence)
{
    char server[IP_TEXT_MAX];
    k->ask->err =
        why_not(&k->ask->why, err, "%s (DHCP server %s)", sentence, ip_show(&t->server, server));
    talk_end(t, k);
}

static uint64_t pause_after(const struct dhcp_talks *t, unsigned tries)
{
    // rfc2131 4.1 MUST: randomized exponential backoff
    uint64_t jitter = random_below(t, 1000) * NSEC_PER_MSEC;
    return (UINT64_C(2) << tries) * NSEC_PER_SEC - NSEC_PER_SEC / 2 + jitter;
}

static void talk_try(struct dhcp_talks *t, struct talk *k)
{
    bool discovers = k->phase == WAITS_OFFER;
    uint64_t since = now(t) - k->began;
    if (k->tries == DHCP_TRIES || since >= DHCP_PATIENCE_NS) {
        log_say(LOG_WARN, SUBJECT, SAY_DHCP_TIMEOUT, discovers ? "DISCOVER" : "REQUEST");
        talk_fail(t, k, ERR_TIMEOUT,
                  discovers ? "nobody offers an address" : "no answer from whom offered one");
        return;
    }
    bool sent = discovers ? say_discover(t, k) : say_request(t, k);
    if (!sent) {
        talk_fail(t, k, ERR_NOTFOUND, "there is no route");
        return;
    }
    uint64_t pause = pause_after(t, k->tries++);
    k->at = now(t) + pause;
    if (k->at > k->began + DHCP_PATIENCE_NS) k->at = k->began + DHCP_PATIENCE_NS;
}

static void hear_offer(struct dhcp_talks *t, struct talk *k, const struct dhcp_heard *m)
{
    char ip[IP_TEXT_MAX], from[IP_TEXT_MAX];
    const struct held *other = held_at(t, &m->lease.ip);
    log_say(LOG_STORY, SUBJECT, SAY_DHCP_OFFER, ip_show(&m->lease.ip, ip),
            ip_show(&m->server, from));
    if (other && !held_is_of(other, &k->client)) {
        log_say(LOG_WARN, SUBJECT, "%s is another client's: not taken", ip);
        return;
    }
    k->offer = *m;
    k->phase = WAITS_ACK;
    k->tries = 0;
    talk_try(t, k);
}

static void begin_again(struct dhcp_talks *t, struct talk *k)
{
    if (k->naks++ == DHCP_NAKS_MAX) {
        talk_fail(t, k, ERR_CLOSED, "it takes its offer back, again and again");
        return;
    }
    k->phase = WAITS_OFFER;
    k->tries = 0;
    k->xid = new_xid(t);
    talk_try(t, k);
}

static void hear_ack(struct dhcp_talks *t, struct talk *k, const struct dhcp_heard *m)
{
    char ip[IP_TEXT_MAX];
    struct held *h = held_at(t, &m->lease.ip);
    if (!ip_eq(&m->lease.ip, &k->offer.lease.ip)) return;
    log_say(LOG_STORY, SUBJECT, SAY_DHCP_ACK, ip_show(&m->lease.ip, ip));
    if (h && !held_is_of(h, &k->client)) {
        talk_fail(t, k, ERR_EXISTS, "it gives what another client has");
        return;
    }
    if (h) {
        hold_until(t, h, m);
    } else {
        h = hold_new(t, &k->client, m);
    }
    if (!h) {
        talk_fail(t, k, ERR_NOMEM, "out of memory");
        return;
    }
    share(h, k->ask);
    talk_end(t, k);
}

static void talk_hear(struct dhcp_talks *t, struct talk *k, const struct dhcp_heard *m)
{
    if (k->phase == WAITS_OFFER && m->type == DHCP_OFFER) {
        hear_offer(t, k, m);
        return;
    }
    // rfc2131 4.3.1: of several servers the one that was chosen speaks; xid and hardware address
    // are compared already.
    if (k->phase != WAITS_ACK || !ip_eq(&m->server, &k->offer.server)) return;
    if (m->type == DHCP_NAK) begin_again(t, k);
    if (m->type == DHCP_ACK) hear_ack(t, k, m);
}

static unsigned talks_of(const struct dhcp_talks *t, const struct id *who)
{
    unsigned n = 0;
    for (const struct talk *k = t->talks; k; k = k->next) n += id_eq(&k->ask->who, who);
    return n;
}

err_t dhcp_talks_ask(struct dhcp_talks *t, struct dhcp_ask *ask)
{
    if (t->talk_n == DHCP_TALKS_MAX || talks_of(t, &ask->who) == DHCP_TALKS_EACH) return ERR_LIMIT;
    struct talk *k = calloc(1, sizeof *k);
    if (!k) return ERR_NOMEM;
    k->ask = ask;
    k->xid = new_xid(t);
    k->began = k->at = now(t);
    // What the client has by another IKE SA, and asks for again.
    struct held *had = ip_is_any(&ask->wish) ? NULL : held_at(t, &ask->wish);
    if (had && !id_eq(&had->client.who, &ask->who)) had = NULL;
    if (!had) client_make(t, &ask->who, ask->shares, &k->client);
    if (!had && k->client.by_id) had = held_by_mac(t, k->client.mac);
    if (had && !id_eq(&had->client.who, &ask->who)) had = NULL;
    if (had) {
        share(had, ask);
        k->phase = IS_OVER;
    }
    k->next = t->talks;
    t->talks = k;
    t->talk_n++;
    return ERR_OK;
}

// ---- leases last, and end ----

static void lose(struct dhcp_talks *t, struct held *h, const char *how)
{
    char ip[IP_TEXT_MAX];
    uint32_t id = h->lease.id;
    log_say(LOG_WARN, SUBJECT, "%s %s: it may be another's from now on", ip_show(&h->lease.ip, ip),
            how);
    held_free(t, h);
    t->port.lost(t->port.ctx, id); // it may come back to us
}

static void renew(struct dhcp_talks *t, struct held *h)
{
    uint64_t at = now(t);
    if (at >= h->ends_at) {
        lose(t, h, "was not renewed by the DHCP server");
        return;
    }
    if (!h->xid) h->began = at;
    if (!h->xid) h->xid = new_xid(t);
    say_renew(t, h);
    uint64_t pause = (h->ends_at - at) / 2;
    if (pause < h->pause) pause = h->pause;
    h->at = at + pause < h->ends_at ? at + pause : h->ends_at;
}

static void held_hear(struct dhcp_talks *t, struct held *h, const struct dhcp_heard *m)
{
    char ip[IP_TEXT_MAX];
    if (m->type == DHCP_NAK) {
        lose(t, h, "was taken back by the DHCP server");
        return;
    }
    if (m->type != DHCP_ACK || !ip_eq(&m->lease.ip, &h->lease.ip)) return;
    log_say(LOG_INFO, SUBJECT, SAY_DHCP_ACK, ip_show(&m->lease.ip, ip));
    hold_until(t, h, m);
}

void dhcp_talks_release(struct dhcp_talks *t, uint32_t lease)
{
    struct held *h = held_find(t, lease);
    if (!h || --h->users) return;
    say_release(t, h);
    held_free(t, h);
}

// ---- what comes in, and the clock ----

void dhcp_talks_hear(struct dhcp_talks *t, span_t message)
{
    struct dhcp_heard m;
    if (dhcp_read(message, &m) != ERR_OK) return;
    for (struct talk *k = t->talks; k; k = k->next) {
        bool ours = k->xid == m.xid && memcmp(k->client.mac, m.mac, DHCP_MAC_LEN) == 0;
        if (!ours || k->phase == IS_OVER) continue;
        talk_hear(t, k, &m);
        return;
    }
    for (struct held *h = t->held; h; h = h->next) {
        bool ours = h->xid == m.xid && memcmp(h->client.mac, m.mac, DHCP_MAC_LEN) == 0;
        if (!ours || !h->xid) continue;
        held_hear(t, h, &m);
        return;
    }
}

// Each of them moves its time on, or goes: the list may be another one then.
static bool run_due_talk(struct dhcp_talks *t, uint64_t until)
{
    struct talk *k = t->talks;
    while (k && k->at > until) k = k->next;
    if (!k) return false;
    if (k->phase != IS_OVER) {
        talk_try(t, k);
    } else if (held_find(t, k->ask->lease.id)) {
        talk_end(t, k);
    } else {
        k->ask->lease.id = 0;
        talk_fail(t, k, ERR_CLOSED, "the lease has just been lost");
    }
    return true;
}

static bool run_due_lease(struct dhcp_talks *t, uint64_t until)
{
    struct held *h = t->held;
    while (h && h->at > until) h = h->next;
    if (h) renew(t, h);
    return h;
}

void dhcp_talks_tick(struct dhcp_talks *t)
{
    uint64_t until = now(t);
    while (run_due_talk(t, until)) continue;
    while (run_due_lease(t, until)) continue;
}

uint64_t dhcp_talks_next(const struct dhcp_talks *t)
{
    uint64_t next = NEVER;
    for (const struct talk *k = t->talks; k; k = k->next) next = k->at < next ? k->at : next;
    for (const struct held *h = t->held; h; h = h->next) next = h->at < next ? h->at : next;
    return next;
}

void dhcp_talks_free(struct dhcp_talks *t, bool release)
{
    if (!t) return;
    for (struct talk *k = t->talks, *next; k; k = next) {
        next = k->next;
        k->ask->lease.id = 0; // whoever has asked may be gone
        k->ask->w.free(&k->ask->w);
        free(k);
    }
    while (t->held) {
        if (release) say_release(t, t->held);
        held_free(t, t->held);
    }
    free(t);
}
