// trace.c - pavise trace [EXPRESSION]: live packets on their walk through pavise-xfrmd.
#include "cli/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "cli/say.h"
#include "cli/stat.h"
#include "cli/trace_filter.h"
#include "cli/trace_write.h"
#include "netlink/client.h"

#define SAMPLE_MAX 1000000000
#define MESSAGE_MAX (256 << 10) // bytes; a record with two packets of 16 KiB in hex has 70,000

struct tracing {
    const struct args *args;
    struct trace_names names;
    struct trace_file *file; // NULL: packets are shown instead
    int fd;
    bool json;
    bool begun;      // pavise-xfrmd has agreed: from here on it may be silent
    uint64_t wanted; // packets; 0: no end
    uint64_t seen, lost;
};

// Ctrl-C ends it, and what has been seen is summed up.
static volatile sig_atomic_t ended;

static void on_end(int signal)
{
    (void)signal;
    ended = 1;
}

static void end_on_signals(void)
{
    struct sigaction act = {.sa_handler = on_end}; // without SA_RESTART: recv() returns
    (void)sigaction(SIGINT, &act, NULL);
    (void)sigaction(SIGTERM, &act, NULL);
}

// ---- what is wanted ----

static bool number_read(const struct args *a, const char *name, uint64_t max, uint64_t *out)
{
    char *end;
    const char *word = args_get(a, name);
    if (!word) return true;
    errno = 0;
    *out = strtoull(word, &end, 10);
    if (*word >= '0' && *word <= '9' && !*end && !errno && *out >= 1 && *out <= max) return true;
    say_error("%s takes a number from 1 to %llu, not '%s'", name, (unsigned long long)max, word);
    return false;
}

// "1/64" or "64".
static bool sample_read(const struct args *a, json_int_t *every)
{
    char *end;
    const char *word = args_get(a, "--sample");
    if (!word) return true;
    const char *n = strncmp(word, "1/", 2) == 0 ? word + 2 : word;
    errno = 0;
    *every = strtoll(n, &end, 10);
    if (*n >= '0' && *n <= '9' && !*end && !errno && *every >= 1 && *every <= SAMPLE_MAX)
        return true;
    say_error("--sample takes 1/N, which shows one packet of N, not '%s'", word);
    return false;
}

static bool expression_read(const struct args *a, json_t *request)
{
    AUTO(text) struct text expression = {0};
    struct why why = {{0}};
    json_t *filter = NULL;
    for (unsigned i = 0; i < a->words; i++) text_add(&expression, "%s%s", i ? " " : "", a->word[i]);
    if (!a->words) return true;
    if (trace_filter(text_str(&expression), &filter, &why) == ERR_OK)
        return json_object_set_new(request, "filter", filter) == 0;
    say_error("'%s': %s", text_str(&expression), why.text);
    say_hint("pcap-filter(7) has the language: 'host 10.1.0.7 and tcp port 443', 'icmp', 'esp'");
    return false;
}

// NULL: said why.
static json_t *request_read(const struct args *a)
{
    json_int_t every = 1;
    const bool in = args_get(a, "--in"), out = args_get(a, "--out");
    if (!sample_read(a, &every)) return NULL;
    json_t *j = json_pack("{s:s, s:I, s:b}", "way",
                          in == out ? "both"
                          : in      ? "in"
                                    : "out",
                          "every", every, "drops", args_get(a, "--drops") != NULL);
    if (j && args_get(a, "--write"))
        (void)json_object_update_new(
            j, json_pack("{s:b, s:i}", "bytes", 1, "snap", TRACE_FILE_BYTES_MAX));
    if (j && expression_read(a, j)) return j;
    json_decref(j);
    return NULL;
}

// ---- the conversation ----

static json_t *receive(struct tracing *t)
{
    static char message[MESSAGE_MAX];
    ssize_t n;
    while ((n = recv(t->fd, message, sizeof message, 0)) < 0) {
        const bool patient = errno == EINTR || (errno == EAGAIN && t->begun);
        if (ended || !patient) return NULL;
    }
    return n > 0 ? json_loadb(message, (size_t)n, 0, NULL) : NULL;
}

static bool begin(struct tracing *t, const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    const bool asked = text && send(t->fd, text, strlen(text), MSG_NOSIGNAL) >= 0;
    free(text);
    json_t *answer = asked ? receive(t) : NULL;
    const char *error = json_str(answer, "error");
    if (!answer) {
        say_error("pavise-xfrmd does not answer: it answers root only");
        say_hint("run this command as root");
    } else if (*error) {
        say_error("pavise-xfrmd refuses: %s", error);
    }
    t->begun = answer && !*error;
    if (t->begun)
        (void)fprintf(stderr, "looking at the packets of %llu worker%s of pavise-xfrmd %s\n",
                      (unsigned long long)json_u64(answer, "workers"),
                      json_u64(answer, "workers") == 1 ? "" : "s", json_str(answer, "version"));
    json_decref(answer);
    return t->begun;
}

// False: said why it cannot go on.
static bool take(struct tracing *t, json_t *record)
{
    const uint64_t lost = json_u64(record, "lost");
    t->lost += lost;
    if (!lost) t->seen++;
    trace_name(&t->names, t->args, record);
    if (t->file) return lost || trace_file_add(t->file, record);
    if (t->json) {
        json_print_line(json_incref(record));
    } else if (lost) {
        printf("%s... %llu packets were not shown: they came too fast%s\n", paint(YELLOW),
               (unsigned long long)lost, paint(PLAIN));
    } else {
        trace_print(record);
    }
    return fflush(stdout) == 0; // whoever reads it may have gone
}

static int follow(struct tracing *t)
{
    json_t *record;
    bool good = true;
    while (good && !ended && (!t->wanted || t->seen < t->wanted) && (record = receive(t))) {
        good = take(t, record);
        json_decref(record);
    }
    const bool complete = ended || (t->wanted && t->seen >= t->wanted);
    if (!t->json)
        (void)fprintf(stderr, "%llu packet%s, and %llu that were lost on the way here\n",
                      (unsigned long long)t->seen, t->seen == 1 ? "" : "s",
                      (unsigned long long)t->lost);
    if (good && !complete) say_error("pavise-xfrmd has ended");
    return good && complete ? CLI_OK : CLI_FAILED;
}

static int trace(struct tracing *t, const json_t *request)
{
    char name[128];
    struct why why = {{0}};
    const char *socket = args_get(t->args, "--socket");
    (void)snprintf(name, sizeof name, "%s-trace", socket ? socket : XFRMD_SOCKET);
    const err_t e = stat_connect(name, SOCK_SEQPACKET, &t->fd, &why);
    if (e != ERR_OK) {
        say_error("%s", why.text);
        say_hint(e == ERR_PERMISSION
                     ? "run this command as root"
                     : "start pavise-xfrmd; the kernel's own executor cannot be traced");
        return CLI_FAILED;
    }
    end_on_signals();
    const bool good = trace_file_open(t->args, &t->file) && begin(t, request);
    const int status = good ? follow(t) : CLI_FAILED;
    trace_file_close(t->file);
    (void)close(t->fd);
    return status;
}

static int run(const struct args *a)
{
    struct tracing t = {.args = a, .fd = -1, .json = args_get(a, "--json") != NULL};
    json_t *request = number_read(a, "--count", UINT32_MAX, &t.wanted) ? request_read(a) : NULL;
    if (!request) return CLI_USAGE;
    const int status = trace(&t, request);
    json_decref(t.names.of);
    json_decref(request);
    return status;
}

static const struct args_option options[] = {
    {"--count", "N", "end after N packets"},
    {"--in", NULL, "only packets from tunnels"},
    {"--out", NULL, "only packets on their way into tunnels"},
    {"--drops", NULL, "only packets that are dropped"},
    {"--sample", "1/N", "look at one packet of N, for loaded gateways"},
    {"--write", "FILE", "a pcapng file of packets in clear and protected, instead"},
    {"--keys", "DIR", "DANGER: with --write: the SAs' keys for Wireshark, into DIR/esp_sa"},
    {"--socket", "NAME", "socket of pavise-xfrmd (" XFRMD_SOCKET ")"},
    OPTION_SOCKET,
    {"--json", NULL, "one JSON object per line"},
    {0}};

const struct command command_trace = {
    .name = "trace",
    .words = "[EXPRESSION...]",
    .summary = "live packets through the stages, and why they are dropped",
    .about =
        "Shows packets while pavise-xfrmd carries them: what is inside, the policy, the SA and "
        "the\n"
        "sequence number, the outer header, what each stage took, and if a packet is dropped, by\n"
        "which stage and why. EXPRESSION is that of tcpdump, pcap-filter(7); a packet is shown if\n"
        "it matches in clear or protected. End it with Ctrl-C.",
    .options = options,
    .words_max = ARGS_WORDS_MAX,
    .run = run,
};
