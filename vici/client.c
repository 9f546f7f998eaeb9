#include "vici/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/order.h"

#define LENGTH_WORD 4
#define PACKET_MS 5000 // a packet that has begun must be whole by then

struct vici_client {
    int fd;
    uint8_t *packet; // the latest one, VICI_PACKET_MAX bytes
};

err_t vici_connect(const char *path, struct vici_client **out, struct why *why)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof addr.sun_path) {
        return why_not(why, ERR_RANGE, "socket path must have 1 to %zu bytes: %s",
                       sizeof addr.sun_path - 1, path);
    }
    memcpy(addr.sun_path, path, n);
    struct vici_client *c = calloc(1, sizeof *c);
    if (!c) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    c->packet = malloc(VICI_PACKET_MAX);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!c->packet || c->fd < 0 ||
        connect(c->fd, (const struct sockaddr *)&addr, sizeof addr) != 0) {
        int error = errno;
        vici_close(c);
        if (error == ENOENT || error == ECONNREFUSED) {
            return why_not(why, ERR_NOTFOUND,
                           "no IKE daemon listens on %s; is pavise-iked running?", path);
        }
        return why_not(why, error == EACCES || error == EPERM ? ERR_PERMISSION : ERR_SYSTEM,
                       "%s: %s", path, strerror(error));
    }
    *out = c;
    return ERR_OK;
}

void vici_close(struct vici_client *c)
{
    if (!c) return;
    if (c->fd >= 0) (void)close(c->fd);
    free(c->packet);
    free(c);
}

// ---- waiting ----

static uint64_t deadline_of(int timeout_ms)
{
    if (timeout_ms < 0) return UINT64_MAX;
    uint64_t ms = (uint64_t)timeout_ms;
    return clock_mono() + ms * NSEC_PER_MSEC;
}

// Milliseconds for poll(), rounded up so that it does not spin at the end.
static int left_ms(uint64_t deadline)
{
    if (deadline == UINT64_MAX) return -1;
    uint64_t now = clock_mono();
    uint64_t ms = now < deadline ? (deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC : 0;
    return ms < 3600000 ? (int)ms : 3600000;
}

static err_t wait_for(int fd, short events, uint64_t deadline)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left_ms(deadline));
        if (n > 0) return ERR_OK;
        if (n < 0 && errno != EINTR) return ERR_SYSTEM;
        if (deadline != UINT64_MAX && clock_mono() >= deadline) return ERR_TIMEOUT;
    }
}

// errno of a failed send() or recv(), as a class.
static err_t io_error(void)
{
    return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM;
}

static bool try_again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static err_t send_all(struct vici_client *c, span_t s, uint64_t deadline)
{
    while (s.len) {
        ssize_t n = send(c->fd, s.at, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && !try_again()) return io_error();
        if (n < 0) {
            TRY(wait_for(c->fd, POLLOUT, deadline));
            continue;
        }
        s = span(s.at + n, s.len - (size_t)n);
    }
    return ERR_OK;
}

static err_t receive_all(struct vici_client *c, uint8_t *to, size_t len, uint64_t deadline)
{
    while (len) {
        ssize_t n = recv(c->fd, to, len, MSG_DONTWAIT);
        if (n == 0) return ERR_CLOSED;
        if (n < 0 && !try_again()) return io_error();
        if (n < 0) {
            TRY(wait_for(c->fd, POLLIN, deadline));
            continue;
        }
        to += n;
        len -= (size_t)n;
    }
    return ERR_OK;
}

static err_t receive_packet(struct vici_client *c, struct vici_head *out, uint64_t deadline)
{
    uint8_t word[LENGTH_WORD];
    TRY(receive_all(c, word, sizeof word, deadline));
    uint32_t len = get32(word);
    if (len > VICI_PACKET_MAX) return ERR_SYNTAX;
    TRY(receive_all(c, c->packet, len, deadline));
    struct vici_head head;
    TRY(vici_head_read(span(c->packet, len), &head));
    TRY(vici_check(head.elements));
    *out = head;
    return ERR_OK;
}

// The next packet that is not an event; events go to on_event on the way.
static err_t receive_reply(struct vici_client *c, struct vici_head *out, uint64_t deadline,
                           vici_event_fn *on_event, void *ctx)
{
    for (;;) {
        struct vici_head head;
        TRY(receive_packet(c, &head, deadline));
        if (head.type != VICI_EVENT) {
            *out = head;
            return ERR_OK;
        }
        if (on_event) on_event(ctx, head.name, head.elements);
    }
}

static err_t say(struct vici_client *c, enum vici_packet type, const char *name, span_t elements,
                 uint64_t deadline)
{
    struct vici_msg packet = {0};
    TRY(vici_packet_write(&packet, type, name, elements));
    err_t e = send_all(c, vici_span(&packet), deadline);
    vici_msg_done(&packet);
    return e;
}

// ---- the conversation ----

err_t vici_ask(struct vici_client *c, const char *command, const struct vici_msg *args,
               int timeout_ms, vici_event_fn *on_event, void *ctx, span_t *answer)
{
    uint64_t deadline = deadline_of(timeout_ms);
    if (args && args->bad) return ERR_SPACE;
    TRY(say(c, VICI_CMD_REQUEST, command, args ? vici_span(args) : span(NULL, 0), deadline));
    struct vici_head head;
    TRY(receive_reply(c, &head, deadline, on_event, ctx));
    if (head.type == VICI_CMD_UNKNOWN) return ERR_UNSUPPORTED;
    if (head.type != VICI_CMD_RESPONSE) return ERR_SYNTAX;
    if (answer) *answer = head.elements;
    return ERR_OK;
}

err_t vici_register(struct vici_client *c, const char *event)
{
    TRY(say(c, VICI_EVENT_REGISTER, event, span(NULL, 0), UINT64_MAX));
    struct vici_head head;
    TRY(receive_reply(c, &head, UINT64_MAX, NULL, NULL));
    if (head.type == VICI_EVENT_UNKNOWN) return ERR_NOTFOUND;
    return head.type == VICI_EVENT_CONFIRM ? ERR_OK : ERR_SYNTAX;
}

err_t vici_wait(struct vici_client *c, int timeout_ms, vici_event_fn *on_event, void *ctx)
{
    // Only the start of a packet is waited for: giving up in its middle would lose the framing.
    TRY(wait_for(c->fd, POLLIN, deadline_of(timeout_ms)));
    struct vici_head head;
    err_t e = receive_packet(c, &head, deadline_of(PACKET_MS));
    if (e != ERR_OK) return e == ERR_TIMEOUT ? ERR_CLOSED : e;
    if (head.type != VICI_EVENT) return ERR_SYNTAX;
    on_event(ctx, head.name, head.elements);
    return ERR_OK;
}
