// ike_load - many IKE handshakes with one daemon, counted: the generator behind `./dev bench ike`,
// of use against any IKE daemon that has a swanctl.conf and VICI, or only the former. See --help.
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ike/ike.h"
#include "netlink/server.h"
#include "test/bench/load_host.h"
#include "vici/client.h"

#define WINDOW 16                    // under way at once: fewer than make a daemon ask for cookies
#define STALL_NS (30 * NSEC_PER_SEC) // nothing has come of anything for so long: give up
#define VICI_WAIT_MS 10000

static const char help[] =
    "ike_load call --config FILE --from ADDRESS [--count N] [--window N]\n"
    "    opens N (1000) IKE SAs with a child SA each, N (16) at a time, by the first connection "
    "of\n"
    "    FILE, whose child is \"net\". Each call comes from an address of its own, counted up "
    "from\n"
    "    ADDRESS; all of them must be local (ip route add local 10.97.0.0/16 dev lo). The daemon\n"
    "    is at remote_addrs, keeps what was opened, and never hears of it again.\n"
    "ike_load answer --config FILE --vici SOCKET [--count N] [--window N]\n"
    "    answers instead, and lets the daemon at SOCKET initiate its connections \"c0\", \"c1\" "
    "...,\n"
    "    of one child \"net\" each, N at a time.\n"
    "ike_load executor [NAME]\n"
    "    what pavise-xfrmd is for a daemon (socket @pavise-xfrm or NAME), but it only says yes.\n"
    "    Stock daemons come to it through libpavise-netlink.so.\n"
    "\n"
    "FILE is a swanctl.conf. --verbose tells the story of every negotiation on stderr. Once a "
    "second\n"
    "and at the end a line of JSON tells how far it is. Exit status: 0 if all were opened, else "
    "1.\n";

struct load {
    struct load_host host;
    struct vici_client *vici; // `answer`
    unsigned count, window;
    unsigned started, done, failed;
    unsigned batch; // calls since the last load_forget()
    uint64_t begun, told, moved;
    struct loop_timer *clock;
    bool ended;
};

static void tell_progress(struct load *l, bool end)
{
    double s = (double)(clock_mono() - l->begun) / (double)NSEC_PER_SEC;
    (void)printf("{\"seconds\": %.3f, \"done\": %u, \"failed\": %u, \"end\": %s}\n", s, l->done,
                 l->failed, end ? "true" : "false");
    (void)fflush(stdout);
}

static void end(struct load *l)
{
    if (l->ended) return;
    l->ended = true;
    tell_progress(l, true);
    loop_stop(l->host.loop);
}

static void on_done(void *ctx, err_t err, const char *sentence)
{
    struct load *l = ctx;
    l->moved = clock_mono();
    if (err == ERR_OK) {
        l->done++;
    } else {
        l->failed++;
        (void)fprintf(stderr, "ike_load: %s\n", sentence ? sentence : err_text(err));
    }
}

static err_t ask_daemon(struct load *l, unsigned n)
{
    struct vici_msg m = {0};
    vici_kv(&m, "child", "net");
    vici_kv(&m, "ike", "c%u", n);
    vici_kv(&m, "timeout", "-1");
    vici_kv(&m, "loglevel", "-1");
    err_t err = vici_ask(l->vici, "initiate", &m, VICI_WAIT_MS, NULL, NULL, NULL);
    vici_msg_done(&m);
    return err;
}

static void start_one(struct load *l)
{
    char name[16];
    unsigned n = l->started++;
    l->batch++;
    if (l->vici) {
        if (ask_daemon(l, n) != ERR_OK) {
            (void)fprintf(stderr, "ike_load: the daemon does not answer on its VICI socket\n");
            l->failed++;
            end(l);
        }
        return;
    }
    (void)snprintf(name, sizeof name, "load%u", l->batch - 1);
    ike_initiate(l->host.ike, name, "net", on_done, l);
    load_settle(&l->host);
}

static void fill(void *ctx)
{
    struct load *l = ctx;
    if (l->vici && l->host.children_up > l->done) {
        l->done = l->host.children_up;
        l->moved = clock_mono();
    }
    unsigned over = l->done + l->failed;
    if (over >= l->count) {
        end(l);
        return;
    }
    if (l->batch == LOAD_BATCH && over == l->started) {
        l->batch = 0;
        if (load_forget(&l->host) != ERR_OK) end(l);
    }
    while (!l->ended && l->started < l->count && l->batch < LOAD_BATCH &&
           l->started - l->done - l->failed < l->window) {
        start_one(l);
    }
}

static void on_clock(void *ctx)
{
    struct load *l = ctx;
    uint64_t now = clock_mono();
    tell_progress(l, false);
    loop_timer_at(l->clock, now + NSEC_PER_SEC);
    fill(l);
    if (now - l->moved > STALL_NS) {
        (void)fprintf(stderr, "ike_load: nothing has moved for %u s\n",
                      (unsigned)(STALL_NS / NSEC_PER_SEC));
        end(l);
    }
}

static int run_load(struct load *l, const char *config, const char *vici)
{
    struct why why = {0};
    l->host.after = fill;
    l->host.ctx = l;
    err_t err = load_open(&l->host, config, &why);
    if (err == ERR_OK && vici) err = vici_connect(vici, &l->vici, &why);
    l->clock = err == ERR_OK ? loop_timer_new(l->host.loop, on_clock, l) : NULL;
    if (!l->clock) {
        (void)fprintf(stderr, "ike_load: %s\n", why.text[0] ? why.text : err_text(err));
        return EXIT_FAILURE;
    }
    l->begun = l->moved = clock_mono();
    loop_timer_at(l->clock, l->begun + NSEC_PER_SEC);
    fill(l);
    loop_run(l->host.loop);
    vici_close(l->vici);
    loop_timer_free(l->clock);
    load_close(&l->host);
    return l->done == l->count ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void on_term(void *ctx, int sig)
{
    (void)sig;
    loop_stop(ctx);
}

static int run_executor(const char *name)
{
    struct null_xfrm null = {0};
    struct why why = {0};
    struct xfrm_server *server = NULL;
    struct loop *loop = loop_new();
    if (!loop) return EXIT_FAILURE;
    log_add_sink(log_to_stderr, NULL);
    if (xfrm_server_new(loop, name, null_xfrm_api(&null), &server, &why) != ERR_OK ||
        loop_on_signal(loop, SIGTERM, on_term, loop) != ERR_OK) {
        (void)fprintf(stderr, "ike_load: %s\n", why.text);
        return EXIT_FAILURE;
    }
    (void)puts("ready");
    (void)fflush(stdout);
    loop_run(loop);
    xfrm_server_free(server);
    loop_free(loop);
    return EXIT_SUCCESS;
}

static unsigned number(const char *text)
{
    char *rest;
    unsigned long n = strtoul(text, &rest, 10);
    if (*rest || n == 0 || n > 1000000) {
        (void)fprintf(stderr, "ike_load: %s is no number from 1 to 1000000\n", text);
        exit(2);
    }
    return (unsigned)n;
}

struct choice {
    const char *config, *vici;
    bool from, help, wrong;
};

static void read_option(struct load *l, struct choice *c, int option)
{
    switch (option) {
    case 'c':
        c->config = optarg;
        break;
    case 'v':
        c->vici = optarg;
        break;
    case 'f':
        c->from = ip_parse(optarg, &l->host.address) == ERR_OK;
        break;
    case 'n':
        l->count = number(optarg);
        break;
    case 'w':
        l->window = number(optarg);
        break;
    case 'V':
        l->host.verbose = true;
        break;
    case 'h':
        c->help = true;
        break;
    default:
        c->wrong = true;
    }
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'}, {"from", required_argument, NULL, 'f'},
        {"count", required_argument, NULL, 'n'},  {"window", required_argument, NULL, 'w'},
        {"vici", required_argument, NULL, 'v'},   {"verbose", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    static struct load l = {.count = 1000, .window = WINDOW};
    struct choice c = {0};
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) read_option(&l, &c, o);
    if (c.help || c.wrong) {
        (void)fputs(help, c.help ? stdout : stderr);
        return c.help ? EXIT_SUCCESS : 2;
    }
    const char *mode = optind < argc ? argv[optind] : "";
    if (strcmp(mode, "executor") == 0) return run_executor(argv[optind + 1]);
    if (strcmp(mode, "call") == 0 && c.config && c.from) return run_load(&l, c.config, NULL);
    if (strcmp(mode, "answer") == 0 && c.config && c.vici) return run_load(&l, c.config, c.vici);
    (void)fputs(help, stderr);
    return 2;
}
