// Fetching over HTTP from a small server on the loopback device that behaves badly on request.
#include "cred/fetch.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/check.h"

#define LIMIT 5000

static int listener;
static unsigned port;
static unsigned redirects;

static void answer(int fd, const char *head, size_t body)
{
    char text[256];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nConnection: close\r\n\r\n", head);
    (void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
    for (size_t i = 0; i < body; i++) {
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1) return;
    }
}

static void serve(int fd)
{
    char ask[1024] = "";
    ssize_t n = recv(fd, ask, sizeof ask - 1, 0);
    ask[n > 0 ? n : 0] = 0;
    if (!strncmp(ask, "GET /good ", 10)) answer(fd, "200 OK", 1000);
    if (!strncmp(ask, "GET /empty ", 11)) answer(fd, "200 OK\r\nContent-Length: 0", 0);
    if (!strncmp(ask, "GET /long ", 10)) answer(fd, "200 OK", LIMIT + 1);
    if (!strncmp(ask, "GET /missing ", 13)) answer(fd, "404 Not Found", 10);
    if (!strncmp(ask, "GET /once ", 10)) answer(fd, "302 Found\r\nLocation: /good", 0);
    if (!strncmp(ask, "GET /file ", 10))
        answer(fd, "302 Found\r\nLocation: file:///etc/hostname", 0);
    if (!strncmp(ask, "GET /circle ", 12)) {
        redirects++;
        answer(fd, "302 Found\r\nLocation: /circle", 0);
    }
    if (!strncmp(ask, "POST /ocsp ", 11) && strstr(ask, "Content-Type: application/ocsp-request"))
        answer(fd, "200 OK", 7);
    if (!strncmp(ask, "GET /silent ", 12)) (void)recv(fd, ask, sizeof ask, 0); // until it gives up
    if (!strncmp(ask, "GET /stop ", 10)) listener = -1;
}

static void *server(void *arg)
{
    int own = listener;
    (void)arg;
    while (listener >= 0) {
        int fd = accept(own, NULL, NULL);
        if (fd < 0) break;
        serve(fd);
        close(fd);
    }
    close(own);
    return NULL;
}

static err_t get(const char *path, size_t limit, size_t *len)
{
    char url[128];
    struct fetched got = {0};
    struct why why = {""};
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    struct fetch ask = {.url = url, .limit = limit, .timeout_ms = 300};
    err_t e = fetch_http(NULL, &ask, &got, &why);
    if (e != ERR_OK) CHECK(strstr(why.text, path) != NULL);
    *len = got.len;
    fetched_done(&got);
    return e;
}

static void pages_come_and_limits_hold(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        err_t error;
        size_t len;
    } want[] = {
        {"/good", ERR_OK, 1000},       {"/empty", ERR_OK, 0},         {"/once", ERR_OK, 1000},
        {"/long", ERR_LIMIT, 0},       {"/missing", ERR_NOTFOUND, 0}, {"/circle", ERR_LIMIT, 0},
        {"/file", ERR_UNSUPPORTED, 0}, {"/silent", ERR_TIMEOUT, 0},   {"/unheard", ERR_NOTFOUND, 0},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        size_t len;
        err_t e = get(want[i].path, LIMIT, &len);
        if (e != want[i].error) print_error("%s: %s\n", want[i].path, err_text(e));
        CHECK_EQ(e, want[i].error);
        CHECK_EQ(len, want[i].len);
    }
    CHECK_EQ(redirects, FETCH_REDIRECTS_MAX + 1);
}

static void questions_are_posted(void **state)
{
    (void)state;
    char url[64];
    struct fetched got = {0};
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/ocsp", port);
    struct fetch ask = {.url = url,
                        .type = "application/ocsp-request",
                        .post = span("\0\1\2", 3),
                        .limit = LIMIT,
                        .timeout_ms = 300};
    CHECK_OK(fetch_http(NULL, &ask, &got, NULL));
    CHECK_EQ(got.len, 7);
    fetched_done(&got);
}

// What is here, and where a cloud keeps its secrets, is not for strangers to point at.
static void strangers_stay_outside(void **state)
{
    static const char *const inside[] = {"127.0.0.1", "127.1.2.3",          "0.0.0.0",  "[::1]",
                                         "[::]",      "[::ffff:127.0.0.1]", "localhost"};
    (void)state;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        char url[64];
        struct fetched got = {0};
        (void)snprintf(url, sizeof url, "http://%s:%u/good", inside[i], port);
        struct fetch ask = {.url = url, .limit = LIMIT, .timeout_ms = 300, .stranger = true};
        CHECK_EQ(fetch_http(NULL, &ask, &got, NULL), ERR_NOTFOUND);
        CHECK(got.at == NULL);
        ask.stranger = false;
        if (i == 0) CHECK_OK(fetch_http(NULL, &ask, &got, NULL));
        fetched_done(&got);
    }
}

// ---- LDAP: just enough of RFC 4511 ----

#define BYTES 300 // of the attribute
static int directory;
static unsigned directory_port;
static bool is_empty; // it has no such entry

static size_t put(uint8_t *at, const char *text)
{
    memcpy(at, text, strlen(text));
    return strlen(text);
}

static void tell_entry(int fd, uint8_t id)
{
    uint8_t m[1024] = {0x30, 0x82, 0, 0, 2, 1, id, 0x64, 0x82, 0, 0, 4, 4};
    size_t n = 13;
    n += put(m + n, "cn=x");
    size_t attributes = n;
    memcpy(m + n, "\x30\x82\0\0\x30\x82\0\0\x04", 9);
    n += 9;
    m[n++] = 32;
    n += put(m + n, "certificateRevocationList;binary");
    size_t set = n;
    memcpy(m + n, "\x31\x82\0\0\x04\x82\0\0", 8);
    n += 8;
    for (unsigned i = 0; i < BYTES; i++) m[n++] = (uint8_t)i;
    const struct {
        size_t at, from;
    } lengths[] = {{2, 4},
                   {9, 11},
                   {attributes + 2, attributes + 4},
                   {attributes + 6, attributes + 8},
                   {set + 2, set + 4},
                   {set + 6, set + 8}};
    for (unsigned i = 0; i < 6; i++) {
        m[lengths[i].at] = (uint8_t)((n - lengths[i].from) >> 8);
        m[lengths[i].at + 1] = (uint8_t)(n - lengths[i].from);
    }
    (void)send(fd, m, n, MSG_NOSIGNAL);
}

// bindResponse (0x61) or searchResultDone (0x65): success.
static void tell_done(int fd, uint8_t id, uint8_t kind)
{
    const uint8_t m[] = {0x30, 12, 2, 1, id, kind, 7, 10, 1, 0, 4, 0, 4, 0};
    (void)send(fd, m, sizeof m, MSG_NOSIGNAL);
}

static void *directory_server(void *arg)
{
    uint8_t ask[1024];
    (void)arg;
    int fd = accept(directory, NULL, NULL);
    for (ssize_t n; (n = recv(fd, ask, sizeof ask, 0)) > 7;) {
        size_t at = ask[1] & 0x80 ? 2U + (ask[1] & 0x7f) : 2; // messageID is behind the length
        uint8_t id = ask[at + 2], kind = ask[at + 3];
        if (kind == 0x60) tell_done(fd, id, 0x61);
        if (kind != 0x63) continue;
        if (!is_empty) tell_entry(fd, id);
        tell_done(fd, id, 0x65);
    }
    (void)close(fd);
    return NULL;
}

static err_t look_up(bool empty, struct fetched *got)
{
    pthread_t thread;
    char url[128];
    struct why why = {""};
    is_empty = empty;
    CHECK_EQ(pthread_create(&thread, NULL, directory_server, NULL), 0);
    (void)snprintf(url, sizeof url, "ldap://127.0.0.1:%u/cn=A B, c=CH?certificateRevocationList",
                   directory_port);
    struct fetch ask = {.url = url, .limit = LIMIT, .timeout_ms = 5000};
    CHECK(fetch_can(url));
    err_t e = fetch_http(NULL, &ask, got, &why);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return e;
}

static void directories_are_asked(void **state)
{
    (void)state;
    struct fetched got = {0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    directory = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(directory, (const struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(directory, 4), 0);
    CHECK_EQ(getsockname(directory, (struct sockaddr *)&at, &len), 0);
    directory_port = ntohs(at.sin_port);
    CHECK_OK(look_up(false, &got));
    CHECK_EQ(got.len, BYTES);
    for (unsigned i = 0; i < BYTES; i++) CHECK_EQ(got.at[i], (uint8_t)i);
    fetched_done(&got);
    CHECK_EQ(look_up(true, &got), ERR_NOTFOUND);
    (void)close(directory);
}

static void other_urls_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"file:///etc/passwd", "ldapi://example.org/", "", "http:/x",
                                      "gopher://x/",        "http://x/\r\nHost: y"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fetched got = {0};
        struct fetch ask = {.url = bad[i], .limit = LIMIT};
        CHECK(!fetch_can(bad[i]));
        CHECK_EQ(fetch_http(NULL, &ask, &got, NULL), ERR_UNSUPPORTED);
    }
    CHECK(fetch_can("http://crl.example.org/a.crl"));
    CHECK(fetch_can("HTTPS://crl.example.org/a.crl"));
    char url[FETCH_URL_MAX + 2];
    memset(url, 'x', sizeof url);
    memcpy(url, "http://", 7);
    url[FETCH_URL_MAX + 1] = 0;
    CHECK(!fetch_can(url));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_and_limits_hold), cmocka_unit_test(questions_are_posted),
        cmocka_unit_test(strangers_stay_outside),     cmocka_unit_test(directories_are_asked),
        cmocka_unit_test(other_urls_are_refused),
    };
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    pthread_t thread;
    size_t len;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fetch_init() != ERR_OK || bind(listener, (struct sockaddr *)&at, n) < 0 ||
        listen(listener, 8) < 0 || getsockname(listener, (struct sockaddr *)&at, &n) < 0 ||
        pthread_create(&thread, NULL, server, NULL) != 0) {
        return 1;
    }
    port = ntohs(at.sin_port);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    IGNORE(get("/stop", LIMIT, &len)); // it answers nothing
    pthread_join(thread, NULL);
    return failed;
}
