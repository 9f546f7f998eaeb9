#include "daemon/xfrmd_options.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "netlink/client.h"
#include "xfrm/handover.h"
#include "xfrm/path/mss.h"
#include "xfrm/path/path.h"
#include "xfrm/port/port.h"

const char xfrmd_options_help[] =
    "pavise-xfrmd - protects packets with ESP in user space, driven over NETLINK_XFRM\n"
    "\n"
    "  --tun NAME         device that packets are led into (default pavise0)\n"
    "  --mtu N            its MTU (default 1400)\n"
    "  --port N           UDP port of ESP in UDP (default 4500)\n"
    "  --workers N        threads that carry packets, each on a CPU of its own (default 1); auto: "
    "as\n"
    "                     many as there are CPUs\n"
    "  --no-udp           no ESP in UDP\n"
    "  --no-raw           no ESP directly over IP (protocol 50)\n"
    "  --xdp OUTER[,INNER]  interfaces of a gateway between which packets pass by the host's "
    "stack, "
    "and\n"
    "                     by its firewall (AF_XDP)\n"
    "  --fwmark N         mark of our own packets; must equal that of the IKE daemon\n"
    "  --table N          routing table for protected destinations (default 219)\n"
    "  --grace N          seconds that blackhole routes of one that was killed stay (default 60)\n"
    "  --mss-clamp N      TCP through a tunnel offers no larger segments than N bytes, or than fit "
    "into\n"
    "                     what is known of the path (auto); for paths that filter ICMP\n"
    "  --dummy-traffic N  N packets a second that carry nothing, through each tunnel whose SA has "
    "TFC\n"
    "                     padding, at most 1000 (default 0: none)\n"
    "  --guard HOW        who keeps clear text out that policies want protected: xfrm (kernel\n"
    "                     policies, IPv4 only), nft (nftables), off, or auto (the best there is)\n"
    "  --forward-clear HOW  what no policy names, to a protected destination, is forwarded by the "
    "host\n"
    "                     (always, never), or through us where source addresses are translated "
    "(auto)\n"
    "  --clear-mark N     bit of the firewall mark that it has then (default 0x8000000)\n"
    "  --allow-clear-in   packets from a tunnel that no inbound policy names may pass\n"
    "  --legacy           take SAs with 3DES and MD5, for peers that know nothing better\n"
    "  --socket NAME      Unix socket of the service (default @pavise-xfrm; @ means abstract);\n"
    "                     statistics are served on NAME-stat\n"
    "  --log-level LEVEL  error, warn, story, info or debug (default story)\n"
    "  --exit-when-idle N leave after N seconds without SAs, policies and clients\n"
    "  --foreground       stay in the foreground (always so)\n"
    "  --help, --version\n"
    "\n"
    "Signals: TERM and INT remove routes, rules and guards, and exit. USR2 exits and leaves them,\n"
    "so that nothing goes in clear until a new one has its policies.\n";

#define IDLE_SECONDS_MAX (24 * 60 * 60) // a day; longer is for ever

enum option_id {
    OPT_TUN = 1,
    OPT_MTU,
    OPT_PORT,
    OPT_WORKERS,
    OPT_NO_UDP,
    OPT_NO_RAW,
    OPT_FWMARK,
    OPT_TABLE,
    OPT_GRACE,
    OPT_GUARD,
    OPT_FORWARD_CLEAR,
    OPT_CLEAR_MARK,
    OPT_ALLOW_CLEAR_IN,
    OPT_LEGACY,
    OPT_MSS_CLAMP,
    OPT_DUMMY,
    OPT_XDP,
    OPT_SOCKET,
    OPT_LOG_LEVEL,
    OPT_IDLE,
    OPT_FOREGROUND,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option known[] = {
    {"tun", required_argument, NULL, OPT_TUN},
    {"mtu", required_argument, NULL, OPT_MTU},
    {"port", required_argument, NULL, OPT_PORT},
    {"workers", required_argument, NULL, OPT_WORKERS},
    {"no-udp", no_argument, NULL, OPT_NO_UDP},
    {"no-raw", no_argument, NULL, OPT_NO_RAW},
    {"fwmark", required_argument, NULL, OPT_FWMARK},
    {"table", required_argument, NULL, OPT_TABLE},
    {"grace", required_argument, NULL, OPT_GRACE},
    {"guard", required_argument, NULL, OPT_GUARD},
    {"forward-clear", required_argument, NULL, OPT_FORWARD_CLEAR},
    {"clear-mark", required_argument, NULL, OPT_CLEAR_MARK},
    {"allow-clear-in", no_argument, NULL, OPT_ALLOW_CLEAR_IN},
    {"legacy", no_argument, NULL, OPT_LEGACY},
    {"mss-clamp", required_argument, NULL, OPT_MSS_CLAMP},
    {"dummy-traffic", required_argument, NULL, OPT_DUMMY},
    {"xdp", required_argument, NULL, OPT_XDP},
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"exit-when-idle", required_argument, NULL, OPT_IDLE},
    {"foreground", no_argument, NULL, OPT_FOREGROUND},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};
static const char *const known_names[] = {
    "--tun",
    "--mtu",
    "--port",
    "--no-udp",
    "--no-raw",
    "--fwmark",
    "--table",
    "--guard",
    "--allow-clear-in",
    "--socket",
    "--log-level",
    "--foreground",
    "--help",
    "--version",
    "--legacy",
    "--exit-when-idle",
    "--grace",
    "--mss-clamp",
    "--workers",
    "--dummy-traffic",
    "--xdp",
    "--forward-clear",
    "--clear-mark",
    NULL,
};

static err_t read_number(const char *option, const char *s, uint32_t min, uint32_t max,
                         uint32_t *out, struct why *why)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(s, &end, 0);
    // strtoul() takes signs and blanks, which no number here has.
    if (*s < '0' || *s > '9' || *end || errno || v < min || v > max) {
        return why_not(why, ERR_RANGE, "%s takes a number from %u to %u, not '%s'", option, min,
                       max, s);
    }
    *out = (uint32_t)v;
    return ERR_OK;
}

// The place of word in the NULL-terminated names[], or an error that lists them.
static err_t read_word(const char *option, const char *word, const char *const *names, int *out,
                       struct why *why)
{
    AUTO(text) struct text list = {0};
    for (int i = 0; names[i]; i++) {
        text_add(&list, "%s%s", i ? ", " : "", names[i]);
        if (strcmp(word, names[i]) != 0) continue;
        *out = i;
        return ERR_OK;
    }
    return why_not(why, ERR_SYNTAX, "%s takes one of %s, not '%s'", option, text_str(&list), word);
}

static err_t read_guard(const char *s, struct xfrmd_options *o, struct why *why)
{
    static const char *const names[] = {"auto", "xfrm", "nft", "off", NULL}; // order of the enum
    int i = 0;
    TRY(read_word("--guard", s, names, &i, why));
    o->guard = (enum guard_mode)i;
    return ERR_OK;
}

static err_t read_forward_clear(const char *s, struct xfrmd_options *o, struct why *why)
{
    static const char *const names[] = {"auto", "always", "never", NULL}; // order of the enum
    int i = 0;
    TRY(read_word("--forward-clear", s, names, &i, why));
    o->forward_clear = (enum past_how)i;
    return ERR_OK;
}

// One bit is taken away and given whatever else is in a mark.
static err_t check_clear_mark(const struct xfrmd_options *o, struct why *why)
{
    const uint32_t m = o->clear_mark;
    if ((m & (m - 1)) == 0 && !(m & o->fwmark)) return ERR_OK;
    return why_not(why, ERR_RANGE, "--clear-mark 0x%x must be one bit, and none of --fwmark 0x%x",
                   m, o->fwmark);
}

static err_t read_log_level(const char *s, struct xfrmd_options *o, struct why *why)
{
    static const char *const names[] = {"error", "warn", "story", "info", "debug", NULL};
    int i = 0;
    TRY(read_word("--log-level", s, names, &i, why));
    o->log_level = (enum log_level)i; // the names stand in the order of the enum
    return ERR_OK;
}

static err_t read_port(const char *s, struct xfrmd_options *o, struct why *why)
{
    uint32_t port = 0;
    TRY(read_number("--port", s, 1, UINT16_MAX, &port, why));
    o->port = (uint16_t)port;
    return ERR_OK;
}

static uint32_t cpu_count(void)
{
    cpu_set_t may;
    int n = sched_getaffinity(0, sizeof may, &may) == 0 ? CPU_COUNT(&may) : 1;
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (uint32_t)n;
}

static err_t read_workers(const char *s, struct xfrmd_options *o, struct why *why)
{
    if (strcmp(s, "auto") != 0)
        return read_number("--workers", s, 1, WORKERS_MAX, &o->workers, why);
    o->workers = cpu_count();
    return ERR_OK;
}

// Tables 253 to 255 are the kernel's own: default, main, local.
static err_t read_table(const char *s, struct xfrmd_options *o, struct why *why)
{
    uint32_t table = 0;
    TRY(read_number("--table", s, 1, UINT32_MAX, &table, why));
    if (table >= 253 && table <= 255) {
        return why_not(why, ERR_RANGE,
                       "--table %u is one of the kernel's own tables; choose "
                       "another, such as %d",
                       table, XFRMD_TABLE);
    }
    o->table = table;
    return ERR_OK;
}

static err_t read_mss(const char *s, struct xfrmd_options *o, struct why *why)
{
    uint32_t mss = MSS_AUTO;
    if (strcmp(s, "auto") != 0)
        TRY(read_number("--mss-clamp", s, MSS_MIN, MSS_AUTO - 1, &mss, why));
    o->mss = (uint16_t)mss;
    return ERR_OK;
}

static err_t read_xdp(const char *s, struct xfrmd_options *o, struct why *why)
{
    const size_t outer = strcspn(s, ",");
    const char *inner = s[outer] ? s + outer + 1 : "";
    if (outer == 0 || outer >= IFNAMSIZ || strlen(inner) >= IFNAMSIZ || strchr(inner, ',') ||
        (s[outer] && !*inner))
        return why_not(why, ERR_SYNTAX, "--xdp takes the outer interface, or OUTER,INNER, not '%s'",
                       s);
    memset(o->xdp, 0, sizeof o->xdp);
    memcpy(o->xdp[XDP_OUTER], s, outer);
    memcpy(o->xdp[XDP_INNER], inner, strlen(inner));
    if (strcmp(o->xdp[XDP_OUTER], o->xdp[XDP_INNER]) != 0) return ERR_OK;
    return why_not(why, ERR_SYNTAX, "--xdp: outer and inner interface must differ, both are %s",
                   inner);
}

static err_t refuse(const char *word, int code, struct why *why)
{
    if (code == ':') return why_not(why, ERR_SYNTAX, "%s needs a value; see --help", word);
    if (strncmp(word, "--", 2) == 0 && strchr(word, '='))
        return why_not(why, ERR_SYNTAX, "'%s' is not an option, or takes no value; see --help",
                       word);
    const char *close = nearest(word, known_names);
    if (!close) return why_not(why, ERR_SYNTAX, "unknown option '%s'; see --help", word);
    return why_not(why, ERR_SYNTAX, "unknown option '%s'; did you mean %s?", word, close);
}

static err_t take_flag(int id, struct xfrmd_options *o)
{
    o->no_udp |= id == OPT_NO_UDP;
    o->no_raw |= id == OPT_NO_RAW;
    o->allow_clear_in |= id == OPT_ALLOW_CLEAR_IN;
    o->legacy |= id == OPT_LEGACY;
    o->help |= id == OPT_HELP;
    o->version |= id == OPT_VERSION;
    return ERR_OK;
}

static err_t take(int id, const char *value, struct xfrmd_options *o, struct why *why)
{
    switch (id) {
    case OPT_TUN:
        o->tun = value;
        return ERR_OK;
    case OPT_SOCKET:
        o->socket = value;
        return ERR_OK;
    case OPT_MTU:
        return read_number("--mtu", value, TUN_MTU_MIN, TUN_MTU_MAX, &o->mtu, why);
    case OPT_PORT:
        return read_port(value, o, why);
    case OPT_WORKERS:
        return read_workers(value, o, why);
    case OPT_FWMARK: // without a mark our own packets would go round in circles
        return read_number("--fwmark", value, 1, UINT32_MAX, &o->fwmark, why);
    case OPT_TABLE:
        return read_table(value, o, why);
    case OPT_GRACE:
        return read_number("--grace", value, 0, XFRMD_GRACE_MAX, &o->grace, why);
    case OPT_MSS_CLAMP:
        return read_mss(value, o, why);
    case OPT_DUMMY:
        return read_number("--dummy-traffic", value, 0, DUMMY_RATE_MAX, &o->dummy_rate, why);
    case OPT_XDP:
        return read_xdp(value, o, why);
    case OPT_GUARD:
        return read_guard(value, o, why);
    case OPT_FORWARD_CLEAR:
        return read_forward_clear(value, o, why);
    case OPT_CLEAR_MARK:
        return read_number("--clear-mark", value, 1, UINT32_MAX, &o->clear_mark, why);
    case OPT_IDLE:
        return read_number("--exit-when-idle", value, 1, IDLE_SECONDS_MAX, &o->idle_seconds, why);
    case OPT_LOG_LEVEL:
        return read_log_level(value, o, why);
    default:
        return take_flag(id, o);
    }
}

err_t xfrmd_options_read(int argc, char **argv, struct xfrmd_options *out, struct why *why)
{
    struct xfrmd_options o = {.tun = XFRMD_TUN,
                              .socket = XFRMD_SOCKET,
                              .mtu = XFRMD_MTU,
                              .fwmark = XFRMD_FWMARK,
                              .clear_mark = XFRMD_CLEAR_MARK,
                              .table = XFRMD_TABLE,
                              .grace = XFRMD_GRACE,
                              .port = XFRMD_PORT,
                              .workers = 1,
                              .log_level = LOG_STORY};
    opterr = 0;
    optind = 0; // start afresh: a test reads more than one command line
    for (;;) {
        int at = optind ? optind : 1;
        int id = getopt_long(argc, argv, "+:", known, NULL);
        if (id == -1) break;
        if (id == '?' || id == ':') return refuse(argv[at], id, why);
        TRY(take(id, optarg, &o, why));
    }
    if (optind < argc)
        return why_not(why, ERR_SYNTAX, "'%s' is not an option; see --help", argv[optind]);
    if (o.no_udp && o.no_raw)
        return why_not(why, ERR_SYNTAX, "--no-udp and --no-raw together leave no way out");
    TRY(check_clear_mark(&o, why));
    *out = o;
    return ERR_OK;
}
