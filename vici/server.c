#include "vici/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/order.h"
#include "vici/listen.h"

#define EVENTS_MAX 32                      // kinds of events; a bit each
#define READ_CHUNK (16 * 1024)             // bytes taken from one client per turn: fairness
#define LENGTH_WORD 4                      // bytes before each packet
#define ACCEPT_PAUSE_NS (NSEC_PER_SEC / 2) // when descriptors have run out

// Bytes in transit in one direction.
struct queue {
    uint8_t *at;
    size_t start, len, cap; // at[start .. start + len)
};

struct client {
    struct client *next, **link;
    struct vici_server *server;
    struct loop_io *io;
    int fd;
    struct queue in, out;
    size_t public_unsent;   // bytes of public events since `out` was last empty
    struct vici_call *call; // in flight; NULL = none
    uint32_t registered;    // bit per entry of server->events
    bool working;           // client_go_on() is up the stack and will go on by itself
    bool dead;              // to be freed from the loop
};

struct vici_call {
    struct client *client; // NULL after it has gone
};

struct vici_server {
    struct loop *loop;
    struct loop_io *io;
    struct loop_timer *accept_again, *reaper;
    struct vici_listener listener;
    const struct vici_command *commands;
    const char *const *events;
    void *ctx;
    struct client *clients;
    unsigned client_count;
};

// ---- queue ----

static bool queue_room(struct queue *q, size_t n)
{
    if (q->start + q->len + n <= q->cap) return true;
    if (q->start) memmove(q->at, q->at + q->start, q->len);
    q->start = 0;
    if (q->len + n <= q->cap) return true;
    size_t cap = q->cap ? q->cap : 1024;
    while (cap < q->len + n) cap *= 2;
    uint8_t *at = realloc(q->at, cap);
    if (!at) return false;
    q->at = at;
    q->cap = cap;
    return true;
}

static void queue_take(struct queue *q, size_t n)
{
    q->start += n;
    q->len -= n;
    if (q->len) return;
    // Empty: an idle client costs no buffer.
    free(q->at);
    *q = (struct queue){0};
}

// ---- clients ----

static void client_free(struct client *c)
{
    if (c->call) c->call->client = NULL;
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    c->server->client_count--;
    loop_io_free(c->io);
    (void)close(c->fd);
    free(c->in.at);
    free(c->out.at);
    free(c);
}

// Functions up the stack may still use it: it is freed from the loop.
static void client_kill(struct client *c)
{
    c->dead = true;
    loop_io_want(c->io, 0);
    loop_timer_at(c->server->reaper, 0);
}

static void on_reap(void *ctx)
{
    struct vici_server *s = ctx;
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        if (c->dead) client_free(c);
    }
}

// Waits for what can be made progress with. A second command waits in the socket until the first
// is answered.
static void client_want(struct client *c, bool read)
{
    loop_io_want(c->io, (read ? LOOP_READ : 0) | (c->out.len ? LOOP_WRITE : 0));
}

static bool client_flush(struct client *c)
{
    while (c->out.len) {
        ssize_t n = send(c->fd, c->out.at + c->out.start, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
        queue_take(&c->out, (size_t)n);
    }
    c->public_unsent = 0;
    return true;
}

// Is a whole packet, or its too great length, at hand?
static bool packet_ready(const struct queue *in)
{
    if (in->len < LENGTH_WORD) return false;
    uint32_t len = get32(in->at + in->start);
    return len > VICI_PACKET_MAX || in->len - LENGTH_WORD >= len;
}

static void client_send(struct client *c, enum vici_packet type, const char *name, span_t elements)
{
    struct vici_msg packet = {0};
    if (c->dead || vici_packet_write(&packet, type, name, elements) != ERR_OK) return;
    bool fits = c->out.len + packet.len <= VICI_CALL_BACKLOG_MAX && queue_room(&c->out, packet.len);
    if (fits) {
        memcpy(c->out.at + c->out.start + c->out.len, packet.at, packet.len);
        c->out.len += packet.len;
    }
    vici_msg_done(&packet);
    if (!fits || !client_flush(c)) {
        client_kill(c);
        return;
    }
    client_want(c, !packet_ready(&c->in));
}

static void client_reply(struct client *c, enum vici_packet type)
{
    client_send(c, type, NULL, span(NULL, 0));
}

// ---- packets in ----

static unsigned event_index(const struct vici_server *s, span_t name)
{
    for (unsigned i = 0; s->events[i] && i < EVENTS_MAX; i++) {
        if (span_eq(span_str(s->events[i]), name)) return i;
    }
    return EVENTS_MAX;
}

static void on_register(struct client *c, span_t name, bool on)
{
    unsigned i = event_index(c->server, name);
    uint32_t bit = i < EVENTS_MAX ? UINT32_C(1) << i : 0;
    bool known = bit && (on || (c->registered & bit));
    c->registered = on ? c->registered | bit : c->registered & ~bit;
    client_reply(c, known ? VICI_EVENT_CONFIRM : VICI_EVENT_UNKNOWN);
}

static void on_request(struct client *c, const struct vici_head *head)
{
    const struct vici_command *cmd = c->server->commands;
    while (cmd->name && !span_eq(span_str(cmd->name), head->name)) cmd++;
    if (!cmd->name) {
        client_reply(c, VICI_CMD_UNKNOWN);
        return;
    }
    struct vici_call *call = vici_check(head->elements) == ERR_OK ? calloc(1, sizeof *call) : NULL;
    if (!call) {
        client_kill(c); // garbage: its framing cannot be trusted any more
        return;
    }
    call->client = c;
    c->call = call;
    cmd->run(c->server->ctx, call, head->elements);
}

static void on_packet(struct client *c, span_t packet)
{
    struct vici_head head;
    if (vici_head_read(packet, &head) != ERR_OK) {
        client_kill(c);
        return;
    }
    switch (head.type) {
    case VICI_CMD_REQUEST:
        on_request(c, &head);
        return;
    case VICI_EVENT_REGISTER:
    case VICI_EVENT_UNREGISTER:
        on_register(c, head.name, head.type == VICI_EVENT_REGISTER);
        return;
    case VICI_CMD_RESPONSE:
    case VICI_CMD_UNKNOWN:
    case VICI_EVENT_CONFIRM:
    case VICI_EVENT_UNKNOWN:
    case VICI_EVENT:
        break; // only servers say that
    }
    client_kill(c);
}

static bool is_request(const struct queue *in)
{
    return in->len > LENGTH_WORD && in->at[in->start + LENGTH_WORD] == VICI_CMD_REQUEST;
}

// Works on the packets that have come in whole, then waits for more.
static void client_go_on(struct client *c)
{
    c->working = true;
    while (!c->dead && packet_ready(&c->in)) {
        uint32_t len = get32(c->in.at + c->in.start);
        if (len > VICI_PACKET_MAX) {
            client_kill(c);
            break;
        }
        if (c->call && is_request(&c->in)) break;
        on_packet(c, span(c->in.at + c->in.start + LENGTH_WORD, len));
        queue_take(&c->in, LENGTH_WORD + len);
    }
    c->working = false;
    if (!c->dead) client_want(c, !packet_ready(&c->in));
}

static bool client_receive(struct client *c)
{
    if (!queue_room(&c->in, READ_CHUNK)) return false;
    ssize_t n = recv(c->fd, c->in.at + c->in.start + c->in.len, READ_CHUNK, MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    c->in.len += (size_t)n;
    return n > 0;
}

static void on_client(void *ctx, int fd, int events)
{
    struct client *c = ctx;
    (void)fd;
    if (c->dead) return;
    bool alive = !(events & LOOP_WRITE) || client_flush(c);
    if (alive && (events & LOOP_READ)) alive = client_receive(c);
    if (!alive) {
        client_kill(c);
        return;
    }
    client_go_on(c);
}

// ---- the listening socket ----

static void client_new(struct vici_server *s, int fd)
{
    struct client *c = s->client_count < VICI_CLIENTS_MAX ? calloc(1, sizeof *c) : NULL;
    if (c) c->io = loop_io_new(s->loop, fd, LOOP_READ, on_client, c);
    if (!c || !c->io) {
        free(c);
        (void)close(fd);
        return;
    }
    c->server = s;
    c->fd = fd;
    c->next = s->clients;
    c->link = &s->clients;
    if (c->next) c->next->link = &c->next;
    s->clients = c;
    s->client_count++;
}

static void on_accept_again(void *ctx)
{
    struct vici_server *s = ctx;
    loop_io_want(s->io, LOOP_READ);
}

static void on_accept(void *ctx, int fd, int events)
{
    struct vici_server *s = ctx;
    (void)events;
    int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (peer >= 0) {
        client_new(s, peer);
        return;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return;
    // The client stays in the backlog: without a pause the loop would spin on it.
    loop_io_want(s->io, 0);
    loop_timer_at(s->accept_again, clock_mono() + ACCEPT_PAUSE_NS);
}

err_t vici_server_new(struct loop *loop, const char *path, const struct vici_command *commands,
                      const char *const *events, void *ctx, struct vici_server **out,
                      struct why *why)
{
    struct vici_server *s = calloc(1, sizeof *s);
    if (!s) return why_not(why, ERR_NOMEM, "vici: %s", err_text(ERR_NOMEM));
    err_t e = vici_listen(path, &s->listener, why);
    if (e != ERR_OK) {
        free(s);
        return e;
    }
    s->loop = loop;
    s->commands = commands;
    s->events = events;
    s->ctx = ctx;
    s->accept_again = loop_timer_new(loop, on_accept_again, s);
    s->reaper = loop_timer_new(loop, on_reap, s);
    s->io = loop_io_new(loop, s->listener.fd, LOOP_READ, on_accept, s);
    if (!s->accept_again || !s->reaper || !s->io) {
        vici_server_free(s);
        return why_not(why, ERR_NOMEM, "vici: %s", err_text(ERR_NOMEM));
    }
    *out = s;
    return ERR_OK;
}

void vici_server_free(struct vici_server *s)
{
    if (!s) return;
    while (s->clients) client_free(s->clients);
    loop_io_free(s->io);
    loop_timer_free(s->accept_again);
    loop_timer_free(s->reaper);
    vici_listen_end(&s->listener);
    free(s);
}

// ---- out ----

void vici_answer(struct vici_call *call, struct vici_msg *m)
{
    struct client *c = call->client;
    free(call);
    if (c) c->call = NULL;
    if (c && !c->dead) {
        if (m->bad || m->len >= VICI_PACKET_MAX) {
            vici_msg_done(m);
            vici_kv(m, "success", "no");
            vici_kv(m, "errmsg", "the answer does not fit into a VICI packet");
        }
        client_send(c, VICI_CMD_RESPONSE, NULL, vici_span(m));
        if (!c->working) client_go_on(c);
    }
    vici_msg_done(m);
}

void vici_call_event(struct vici_call *call, const char *event, const struct vici_msg *m)
{
    struct client *c = call->client;
    if (!c || m->bad) return;
    unsigned i = event_index(c->server, span_str(event));
    if (i == EVENTS_MAX || !(c->registered & UINT32_C(1) << i)) return;
    client_send(c, VICI_EVENT, event, vici_span(m));
}

bool vici_call_gone(const struct vici_call *call)
{
    return !call->client || call->client->dead;
}

void vici_event(struct vici_server *s, const char *event, const struct vici_msg *m)
{
    unsigned i = event_index(s, span_str(event));
    if (i == EVENTS_MAX || m->bad) return;
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        if (!(c->registered & UINT32_C(1) << i)) continue;
        // Counted apart from what the client asked for: a long list must not make a reader of
        // events look slow.
        c->public_unsent += m->len;
        if (c->public_unsent > VICI_EVENT_BACKLOG_MAX) {
            client_kill(c);
        } else {
            client_send(c, VICI_EVENT, event, vici_span(m));
        }
    }
}

bool vici_event_wanted(const struct vici_server *s, const char *event)
{
    unsigned i = event_index(s, span_str(event));
    for (const struct client *c = s->clients; c && i < EVENTS_MAX; c = c->next) {
        if (c->registered & UINT32_C(1) << i) return true;
    }
    return false;
}
