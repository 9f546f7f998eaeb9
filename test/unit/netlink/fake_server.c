// Serves NETLINK_XFRM on a socket name with an executor that only remembers (fake_xfrm.h), so that
// `ip xfrm` over the preload library can be tried without packets and without privileges of a
// data path:  fake_server @name   ends on SIGTERM.
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "netlink/server.h"
#include "test/unit/netlink/fake_xfrm.h"

struct served {
    struct xfrm_server *server;
    struct loop *loop;
};

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    struct served *s = ctx;
    if (s->server) xfrm_server_event(s->server, ev);
}

static void on_term(void *ctx, int sig)
{
    (void)sig;
    struct served *s = ctx;
    loop_stop(s->loop);
}

int main(int argc, char **argv)
{
    struct fake_xfrm fake;
    struct served s = {.loop = loop_new()};
    struct why why = {""};
    if (argc != 2 || !s.loop) return 2;
    log_add_sink(log_to_stderr, NULL);
    fake_init(&fake, on_event, &s);
    fake.now = 0;
    if (xfrm_server_new(s.loop, argv[1], fake_api(&fake), &s.server, &why) != ERR_OK ||
        loop_on_signal(s.loop, SIGTERM, on_term, &s) != ERR_OK) {
        (void)fprintf(stderr, "fake_server: %s\n", why.text);
        return 1;
    }
    (void)puts("ready");
    (void)fflush(stdout);
    loop_run(s.loop);
    xfrm_server_free(s.server);
    fake_done(&fake);
    loop_free(s.loop);
    return 0;
}
