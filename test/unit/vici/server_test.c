// Server and client over a real socket: the server's loop runs in a thread of its own.
#include "test/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/order.h"
#include "vici/client.h"
#include "vici/server.h"

#define WAIT_MS 20000 // a test that waits longer has failed
#define STREAM_COUNT 3000

struct fixture {
    char dir[64], path[96];
    struct loop *loop;
    struct vici_server *server;
    struct vici_call *later; // the call that "release" answers
    bool stop;
    pthread_t thread;
};

// ---- commands of the server under test ----

static void run_echo(void *ctx, struct vici_call *call, span_t elements)
{
    (void)ctx;
    struct vici_msg m = {0};
    span_t text = span(NULL, 0);
    IGNORE(vici_get(elements, "text", &text)); // no text: an empty answer
    vici_kv(&m, "text", "%.*s", (int)text.len, (const char *)text.at);
    vici_answer(call, &m);
}

// About 3 MB of events: more than a socket takes at once, more than a public event may pile up.
static void run_stream(void *ctx, struct vici_call *call, span_t elements)
{
    (void)ctx, (void)elements;
    for (int i = 0; i < STREAM_COUNT; i++) {
        struct vici_msg m = {0};
        vici_kv(&m, "number", "%d", i);
        vici_kv(&m, "padding", "%01000d", 0);
        vici_call_event(call, "item", &m);
        vici_msg_done(&m);
    }
    struct vici_msg end = {0};
    vici_answer(call, &end);
}

static void run_later(void *ctx, struct vici_call *call, span_t elements)
{
    struct fixture *f = ctx;
    (void)elements;
    f->later = call;
}

static void run_release(void *ctx, struct vici_call *call, span_t elements)
{
    struct fixture *f = ctx;
    (void)elements;
    struct vici_msg m = {0};
    vici_kv(&m, "gone", "%s", f->later && vici_call_gone(f->later) ? "yes" : "no");
    if (f->later) {
        struct vici_msg late = {0};
        vici_kv(&late, "late", "yes");
        vici_answer(f->later, &late);
        f->later = NULL;
    }
    vici_answer(call, &m);
}

static void run_tell_all(void *ctx, struct vici_call *call, span_t elements)
{
    struct fixture *f = ctx;
    (void)elements;
    struct vici_msg news = {0}, m = {0};
    for (int i = 0; i < 5; i++) vici_kv(&news, "padding", "%060000d", 0);
    vici_kv(&m, "wanted", "%s", vici_event_wanted(f->server, "news") ? "yes" : "no");
    vici_event(f->server, "news", &news);
    vici_msg_done(&news);
    vici_answer(call, &m);
}

static void run_too_big(void *ctx, struct vici_call *call, span_t elements)
{
    (void)ctx, (void)elements;
    struct vici_msg m = {0};
    for (int i = 0; i < 10; i++) vici_kv(&m, "padding", "%060000d", 0);
    vici_answer(call, &m);
}

static const struct vici_command commands[] = {
    {"echo", run_echo},
    {"stream", run_stream},
    {"later", run_later},
    {"release", run_release},
    {"tell-all", run_tell_all},
    {"too-big", run_too_big},
    {NULL, NULL},
};
static const char *const events[] = {"item", "news", NULL};

// ---- the thread ----

static void on_wake(void *ctx)
{
    struct fixture *f = ctx;
    loop_stop(f->loop);
}

static void *serve(void *ctx)
{
    struct fixture *f = ctx;
    loop_run(f->loop);
    return NULL;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    (void)snprintf(f->dir, sizeof f->dir, "%s", "/tmp/vici-test-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    (void)snprintf(f->path, sizeof f->path, "%s/vici", f->dir);
    f->loop = loop_new();
    loop_on_wake(f->loop, on_wake, f);
    struct why why;
    if (vici_server_new(f->loop, f->path, commands, events, f, &f->server, &why) != ERR_OK) {
        return -1;
    }
    *state = f;
    return pthread_create(&f->thread, NULL, serve, f);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    loop_wake(f->loop);
    (void)pthread_join(f->thread, NULL);
    vici_server_free(f->server);
    if (f->later) {
        struct vici_msg none = {0};
        vici_answer(f->later, &none); // fine after the server has gone
    }
    loop_free(f->loop);
    int left = access(f->path, F_OK); // the server removes its socket
    (void)rmdir(f->dir);
    free(f);
    return left == 0 ? -1 : 0;
}

static struct vici_client *dial(struct fixture *f)
{
    struct vici_client *c = NULL;
    struct why why = {0};
    CHECK_OK(vici_connect(f->path, &c, &why));
    return c;
}

static int raw_dial(struct fixture *f)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", f->path);
    CHECK_EQ(connect(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
    struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    return fd;
}

static void expect_echo(struct vici_client *c, const char *text)
{
    struct vici_msg args = {0};
    span_t answer;
    char got[64];
    vici_kv(&args, "text", "%s", text);
    CHECK_OK(vici_ask(c, "echo", &args, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "text", got, sizeof got));
    CHECK_STR(got, text);
    vici_msg_done(&args);
}

// ---- tests ----

static void a_command_is_answered(void **state)
{
    struct vici_client *c = dial(*state);
    expect_echo(c, "hello");
    expect_echo(c, "again");
    CHECK_EQ(vici_ask(c, "no-such", NULL, WAIT_MS, NULL, NULL, NULL), ERR_UNSUPPORTED);
    expect_echo(c, "still there");
    vici_close(c);
}

static void count_item(void *ctx, span_t name, span_t elements)
{
    int *next = ctx;
    char number[16], want[16];
    CHECK(span_eq(name, span_str("item")));
    CHECK_OK(vici_get_str(elements, "number", number, sizeof number));
    (void)snprintf(want, sizeof want, "%d", (*next)++);
    CHECK_STR(number, want);
}

static void a_long_stream_arrives_whole_and_in_order(void **state)
{
    struct vici_client *c = dial(*state);
    int seen = 0;
    CHECK_OK(vici_ask(c, "stream", NULL, WAIT_MS, count_item, &seen, NULL));
    CHECK_EQ(seen, 0); // not registered
    CHECK_OK(vici_register(c, "item"));
    CHECK_EQ(vici_register(c, "bogus"), ERR_NOTFOUND);
    CHECK_OK(vici_ask(c, "stream", NULL, WAIT_MS, count_item, &seen, NULL));
    CHECK_EQ(seen, STREAM_COUNT);
    expect_echo(c, "after");
    vici_close(c);
}

static void many_clients_at_once(void **state)
{
    struct vici_client *c[100];
    for (int i = 0; i < 100; i++) c[i] = dial(*state);
    for (int i = 99; i >= 0; i--) expect_echo(c[i], "x");
    for (int i = 0; i < 100; i++) vici_close(c[i]);
    struct vici_client *last = dial(*state);
    expect_echo(last, "y");
    vici_close(last);
}

// Sends bytes one at a time, then reads what comes back until len bytes are there.
static void raw_talk(int fd, span_t say, uint8_t *hear, size_t len)
{
    for (size_t i = 0; i < say.len; i++) CHECK_EQ(send(fd, say.at + i, 1, MSG_NOSIGNAL), 1);
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, hear + got, len - got, 0);
        CHECK(n > 0);
        got += (size_t)n;
    }
}

static void a_packet_may_come_in_bytes_and_two_in_one(void **state)
{
    int fd = raw_dial(*state);
    struct vici_msg args = {0}, p = {0};
    vici_kv(&args, "text", "ab");
    CHECK_OK(vici_packet_write(&p, VICI_CMD_REQUEST, "echo", vici_span(&args)));
    uint8_t want[] = {0, 0, 0, 11, 1, 3, 4, 't', 'e', 'x', 't', 0, 2, 'a', 'b'},
            got[2 * sizeof want];
    raw_talk(fd, vici_span(&p), got, sizeof want);
    assert_memory_equal(got, want, sizeof want);
    uint8_t twice[256];
    memcpy(twice, p.at, p.len);
    memcpy(twice + p.len, p.at, p.len);
    CHECK_EQ(send(fd, twice, 2 * p.len, MSG_NOSIGNAL), (ssize_t)(2 * p.len));
    raw_talk(fd, span(NULL, 0), got, sizeof got);
    assert_memory_equal(got + sizeof want, want, sizeof want);
    vici_msg_done(&args);
    vici_msg_done(&p);
    (void)close(fd);
}

static void expect_closed(struct fixture *f, const char *bytes, size_t n)
{
    int fd = raw_dial(f);
    uint8_t got[64];
    CHECK_EQ(send(fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
    ssize_t end = recv(fd, got, sizeof got, 0);
    CHECK(end == 0 || (end < 0 && errno == ECONNRESET)); // the latter when bytes were left unread
    (void)close(fd);
}
#define EXPECT_CLOSED(f, bytes) expect_closed(f, bytes, sizeof bytes - 1)

static void garbage_closes_the_connection(void **state)
{
    struct fixture *f = *state;
    EXPECT_CLOSED(f, "\377\377\377\377");   // longer than a packet may be
    EXPECT_CLOSED(f, "\0\10\0\1");          // by one byte
    EXPECT_CLOSED(f, "\0\0\0\0");           // no type
    EXPECT_CLOSED(f, "\0\0\0\1\10");        // no such type
    EXPECT_CLOSED(f, "\0\0\0\1\1");         // a response from a client
    EXPECT_CLOSED(f, "\0\0\0\2\0\5");       // name cut off
    EXPECT_CLOSED(f, "\0\0\0\7\0\4echo\2"); // elements not balanced
    EXPECT_CLOSED(f, "GET / HTTP/1.0\r\n\r\n");
    struct vici_client *c = dial(f);
    expect_echo(c, "unharmed");
    vici_close(c);
}

static void half_a_packet_stalls_nobody(void **state)
{
    int fd = raw_dial(*state);
    CHECK_EQ(send(fd, "\0\7\377\377\0\4ec", 8, MSG_NOSIGNAL), 8);
    struct vici_client *c = dial(*state);
    expect_echo(c, "quick");
    vici_close(c);
    (void)close(fd);
}

static void a_late_answer_finds_its_client(void **state)
{
    int fd = raw_dial(*state);
    // Two commands at once: the second waits for the answer to the first.
    CHECK_EQ(send(fd, "\0\0\0\7\0\5later\0\0\0\6\0\4echo", 21, MSG_NOSIGNAL), 21);
    struct vici_client *c = dial(*state);
    expect_echo(c, "meanwhile");
    CHECK_OK(vici_ask(c, "release", NULL, WAIT_MS, NULL, NULL, NULL));
    static const uint8_t want[] = {0, 0, 0, 11, 1, 3, 4, 'l', 'a', 't', 'e', 0, 3, 'y', 'e', 's'};
    uint8_t got[16 + 13];
    raw_talk(fd, span(NULL, 0), got, sizeof got);
    assert_memory_equal(got + 4, want + 4, sizeof want - 4);
    CHECK_EQ(got[3], 12);
    CHECK_EQ(got[19], 9); // the echo of nothing
    vici_close(c);
    (void)close(fd);
}

static void a_late_answer_survives_its_client(void **state)
{
    struct vici_client *c = dial(*state), *d = dial(*state);
    CHECK_EQ(vici_ask(c, "later", NULL, 50, NULL, NULL, NULL), ERR_TIMEOUT);
    vici_close(c);
    span_t answer = span(NULL, 0);
    char gone[8] = "";
    expect_echo(d, "the server has seen the end of the other connection");
    CHECK_OK(vici_ask(d, "release", NULL, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "gone", gone, sizeof gone));
    CHECK_STR(gone, "yes");
    expect_echo(d, "alive");
    vici_close(d);
}

static void note_news(void *ctx, span_t name, span_t elements)
{
    unsigned *seen = ctx;
    CHECK(span_eq(name, span_str("news")));
    CHECK(elements.len > 60000);
    ++*seen;
}

static void public_events_reach_those_who_asked(void **state)
{
    struct vici_client *c = dial(*state), *d = dial(*state);
    unsigned seen = 0;
    span_t answer = span(NULL, 0);
    char wanted[8];
    CHECK_OK(vici_ask(d, "tell-all", NULL, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "wanted", wanted, sizeof wanted));
    CHECK_STR(wanted, "no");
    CHECK_OK(vici_register(c, "news"));
    CHECK_OK(vici_ask(d, "tell-all", NULL, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "wanted", wanted, sizeof wanted));
    CHECK_STR(wanted, "yes");
    CHECK_OK(vici_wait(c, WAIT_MS, note_news, &seen));
    CHECK_EQ(vici_wait(c, 20, note_news, &seen), ERR_TIMEOUT);
    CHECK_EQ(seen, 1);
    vici_close(c);
    vici_close(d);
}

static void who_does_not_read_events_is_closed(void **state)
{
    struct vici_client *idle = dial(*state), *d = dial(*state);
    unsigned seen = 0;
    CHECK_OK(vici_register(idle, "news"));
    for (int i = 0; i < 12; i++) CHECK_OK(vici_ask(d, "tell-all", NULL, WAIT_MS, NULL, NULL, NULL));
    err_t e;
    do {
        e = vici_wait(idle, WAIT_MS, note_news, &seen);
    } while (e == ERR_OK);
    CHECK_EQ(e, ERR_CLOSED);
    CHECK(seen < 12);
    expect_echo(d, "unharmed");
    vici_close(idle);
    vici_close(d);
}

static void an_answer_that_is_too_long_is_a_clear_failure(void **state)
{
    struct vici_client *c = dial(*state);
    span_t answer = span(NULL, 0);
    char success[8];
    CHECK_OK(vici_ask(c, "too-big", NULL, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "success", success, sizeof success));
    CHECK_STR(success, "no");
    vici_close(c);
}

static void too_many_clients_are_turned_away(void **state)
{
    struct vici_client *c[VICI_CLIENTS_MAX];
    for (int i = 0; i < VICI_CLIENTS_MAX; i++) c[i] = dial(*state);
    expect_echo(c[VICI_CLIENTS_MAX - 1], "the last one in");
    struct vici_client *extra = dial(*state);
    err_t e = vici_ask(extra, "echo", NULL, WAIT_MS, NULL, NULL, NULL);
    CHECK_EQ(e, ERR_CLOSED);
    vici_close(extra);
    for (int i = 0; i < VICI_CLIENTS_MAX; i++) vici_close(c[i]);
}

static void the_socket_is_for_owner_and_group(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    CHECK_EQ(stat(f->path, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0770);
}

static void a_second_server_is_refused_and_a_stale_socket_replaced(void **state)
{
    struct fixture *f = *state;
    struct vici_server *s = NULL;
    struct why why;
    CHECK_EQ(vici_server_new(f->loop, f->path, commands, events, f, &s, &why), ERR_EXISTS);
    assert_null(s);
    char stale[96];
    (void)snprintf(stale, sizeof stale, "%s/stale", f->dir);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", stale);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
    (void)close(fd); // never listened: the name stays
    struct loop *loop = loop_new();
    CHECK_OK(vici_server_new(loop, stale, commands, events, f, &s, &why));
    vici_server_free(s);
    CHECK_EQ(access(stale, F_OK), -1);
    CHECK_EQ(vici_server_new(loop, f->dir, commands, events, f, &s, &why), ERR_EXISTS);
    CHECK_EQ(vici_server_new(loop, "/no/such/dir/x", commands, events, f, &s, &why), ERR_SYSTEM);
    char longest[120] = {0};
    memset(longest, 'x', sizeof longest - 1);
    CHECK_EQ(vici_server_new(loop, longest, commands, events, f, &s, &why), ERR_RANGE);
    loop_free(loop);
}

static void nobody_there_is_told_apart(void **state)
{
    (void)state;
    struct vici_client *c = NULL;
    struct why why = {0};
    CHECK_EQ(vici_connect("/tmp/no-such-vici-socket", &c, &why), ERR_NOTFOUND);
    CHECK(strstr(why.text, "/tmp/no-such-vici-socket"));
    assert_null(c);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_command_is_answered),
        WITH_SERVER(a_long_stream_arrives_whole_and_in_order),
        WITH_SERVER(many_clients_at_once),
        WITH_SERVER(a_packet_may_come_in_bytes_and_two_in_one),
        WITH_SERVER(garbage_closes_the_connection),
        WITH_SERVER(half_a_packet_stalls_nobody),
        WITH_SERVER(a_late_answer_finds_its_client),
        WITH_SERVER(a_late_answer_survives_its_client),
        WITH_SERVER(public_events_reach_those_who_asked),
        WITH_SERVER(who_does_not_read_events_is_closed),
        WITH_SERVER(an_answer_that_is_too_long_is_a_clear_failure),
        WITH_SERVER(too_many_clients_are_turned_away),
        WITH_SERVER(the_socket_is_for_owner_and_group),
        WITH_SERVER(a_second_server_is_refused_and_a_stale_socket_replaced),
        cmocka_unit_test(nobody_there_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
