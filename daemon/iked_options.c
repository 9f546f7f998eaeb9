#include "daemon/iked_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/strongswan.h"

const char iked_options_help[] =
    "pavise-iked - negotiates IPsec tunnels with IKEv2\n"
    "\n"
    "  --config FILE           what to negotiate (default " IKED_CONFIG ")\n"
    "  --vici-only             loads no connections and secrets from FILE: they come over VICI, as "
    "with\n"
    "                          'swanctl --load-all'; section pavise of FILE still counts, and so "
    "do "
    "the\n"
    "                          updown scripts that it names\n"
    "  --strongswan-conf FILE  settings of charon that count here, too (default: $STRONGSWAN_CONF, "
    "else\n"
    "                          " STRONGSWAN_CONF " if there is one; no: none)\n"
    "  --vici-socket PATH      control socket for pavise and swanctl (default "
    "/var/run/charon.vici)\n"
    "  --executor WHO          pavise (pavise-xfrmd), kernel, or auto: pavise-xfrmd if it runs, "
    "else\n"
    "                          the kernel if it has ESP (default: what FILE says, else auto)\n"
    "  --socket NAME           of pavise-xfrmd (default @pavise-xfrm)\n"
    "  --port N                UDP port for IKE (default 500)\n"
    "  --port-nat-t N          UDP port for IKE and ESP behind NAT (default 4500)\n"
    "  --fwmark N              mark of our own packets; must equal that of pavise-xfrmd\n"
    "  --legacy                takes proposals with MD5, modp768 and modp1024s160, which RFC 8247 "
    "and\n"
    "                          8221 forbid, for peers that know nothing better\n"
    "  --keylog DIR            DANGER: writes all session keys into files for Wireshark in DIR\n"
    "  --state-dir DIR         leases of virtual addresses and the like (default " STATE_FOLDER
    ")\n"
    "  --log TARGET[,LEVEL]    stderr (the default), syslog[:FACILITY], file:PATH or json:PATH; up "
    "to\n"
    "                          three times, each with a level of its own\n"
    "  --log-level LEVEL       error, warn, story, info or debug (default story)\n"
    "  --help, --version\n"
    "\n"
    "Signals: HUP reloads the configuration (all of it or nothing). TERM and INT end all tunnels "
    "and\n"
    "exit. USR2 exits but leaves the tunnels in the executor, for a restart without loss.\n";

enum option_id {
    OPT_CONFIG = 1,
    OPT_VICI_ONLY,
    OPT_STRONGSWAN_CONF,
    OPT_VICI_SOCKET,
    OPT_EXECUTOR,
    OPT_SOCKET,
    OPT_PORT,
    OPT_PORT_NAT_T,
    OPT_FWMARK,
    OPT_LEGACY,
    OPT_KEYLOG,
    OPT_STATE_DIR,
    OPT_LOG,
    OPT_LOG_LEVEL,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option known[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"vici-only", no_argument, NULL, OPT_VICI_ONLY},
    {"strongswan-conf", required_argument, NULL, OPT_STRONGSWAN_CONF},
    {"vici-socket", required_argument, NULL, OPT_VICI_SOCKET},
    {"executor", required_argument, NULL, OPT_EXECUTOR},
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"port", required_argument, NULL, OPT_PORT},
    {"port-nat-t", required_argument, NULL, OPT_PORT_NAT_T},
    {"fwmark", required_argument, NULL, OPT_FWMARK},
    {"legacy", no_argument, NULL, OPT_LEGACY},
    {"keylog", required_argument, NULL, OPT_KEYLOG},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"log", required_argument, NULL, OPT_LOG},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};
static const char *const known_names[] = {
    "--config",    "--strongswan-conf",
    "--vici-only", "--vici-socket",
    "--executor",  "--socket",
    "--port",      "--port-nat-t",
    "--fwmark",    "--keylog",
    "--state-dir", "--log",
    "--log-level", "--help",
    "--version",   "--legacy",
    NULL,
};

// The place of word in names[], or -1.
static int word_index(const char *word, const char *const *names)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(word, names[i]) == 0) return i;
    }
    return -1;
}

static err_t read_number(const char *option, const char *s, uint32_t max, uint32_t *out,
                         struct why *why)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(s, &end, 0);
    // strtoul() takes signs and blanks, which no number here has.
    if (*s < '0' || *s > '9' || *end || errno || v > max) {
        return why_not(why, ERR_RANGE, "%s takes a number from 0 to %u, not '%s'", option, max, s);
    }
    *out = (uint32_t)v;
    return ERR_OK;
}

static err_t read_port(const char *option, const char *s, uint16_t *out, struct why *why)
{
    uint32_t v = 0;
    TRY(read_number(option, s, UINT16_MAX, &v, why));
    if (v == 0) return why_not(why, ERR_RANGE, "%s takes a port from 1 to 65535, not 0", option);
    *out = (uint16_t)v;
    return ERR_OK;
}

static err_t read_executor(const char *s, struct iked_options *o, struct why *why)
{
    static const char *const names[] = {"auto", "pavise", "kernel", NULL};
    static const enum conf_executor values[] = {CONF_EXEC_AUTO, CONF_EXEC_PAVISE, CONF_EXEC_KERNEL};
    int i = word_index(s, names);
    if (i < 0) {
        return why_not(why, ERR_SYNTAX, "--executor takes pavise, kernel or auto, not '%s'", s);
    }
    o->executor = values[i];
    o->executor_given = true;
    return ERR_OK;
}

static err_t read_log(const char *s, struct iked_options *o, struct why *why)
{
    if (o->log_n == LOG_TARGETS_MAX)
        return why_not(why, ERR_LIMIT, "--log may be given %u times at most", LOG_TARGETS_MAX);
    o->log[o->log_n++] = s;
    return ERR_OK;
}

static err_t refuse(const char *word, int code, struct why *why)
{
    if (code == ':') return why_not(why, ERR_SYNTAX, "%s needs a value; see --help", word);
    if (strncmp(word, "--", 2) == 0 && strchr(word, '=')) {
        return why_not(why, ERR_SYNTAX, "'%s' is not an option, or takes no value; see --help",
                       word);
    }
    const char *close = nearest(word, known_names);
    return why_not(why, ERR_SYNTAX,
                   close ? "unknown option '%s'; did you mean %s?"
                         : "unknown option '%s'; see --help",
                   word, close ? close : "");
}

static err_t take(int id, const char *value, struct iked_options *o, struct why *why)
{
    switch (id) {
    case OPT_CONFIG:
        o->config = value;
        return ERR_OK;
    case OPT_VICI_ONLY:
        o->vici_only = true;
        return ERR_OK;
    case OPT_STRONGSWAN_CONF:
        o->strongswan_conf = strcmp(value, "no") == 0 ? "" : value;
        return ERR_OK;
    case OPT_VICI_SOCKET:
        o->vici_socket = value;
        return ERR_OK;
    case OPT_SOCKET:
        o->socket = value;
        return ERR_OK;
    case OPT_LEGACY:
        o->legacy = true;
        return ERR_OK;
    case OPT_KEYLOG:
        o->keylog = value;
        return ERR_OK;
    case OPT_STATE_DIR:
        o->state_dir = value;
        return ERR_OK;
    case OPT_EXECUTOR:
        return read_executor(value, o, why);
    case OPT_PORT:
        return read_port("--port", value, &o->port, why);
    case OPT_PORT_NAT_T:
        return read_port("--port-nat-t", value, &o->port_nat_t, why);
    case OPT_FWMARK:
        o->fwmark_given = true;
        return read_number("--fwmark", value, UINT32_MAX, &o->fwmark, why);
    case OPT_LOG_LEVEL:
        return log_level_read("--log-level", value, &o->log_level, why);
    case OPT_LOG:
        return read_log(value, o, why);
    case OPT_HELP:
        o->help = true;
        return ERR_OK;
    default:
        o->version = true;
        return ERR_OK;
    }
}

err_t iked_options_read(int argc, char **argv, struct iked_options *out, struct why *why)
{
    struct iked_options o = {
        .config = IKED_CONFIG, .state_dir = STATE_FOLDER, .log_level = LOG_STORY};
    opterr = 0;
    optind = 0; // start afresh: a test reads more than one command line
    for (;;) {
        int at = optind ? optind : 1;
        int id = getopt_long(argc, argv, "+:", known, NULL);
        if (id < 0) break;
        if (id == '?' || id == ':') return refuse(argv[at], id, why);
        TRY(take(id, optarg, &o, why));
    }
    if (optind < argc) {
        return why_not(why, ERR_SYNTAX, "'%s' is not an option; see --help", argv[optind]);
    }
    if (o.port && o.port_nat_t && o.port == o.port_nat_t) {
        return why_not(why, ERR_RANGE, "--port and --port-nat-t must differ");
    }
    *out = o;
    return ERR_OK;
}
