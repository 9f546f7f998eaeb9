// status.c - pavise status: the tunnels, their traffic and age, and what is wrong.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/human.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/page.h"
#include "cli/paint.h"
#include "cli/status.h"
#include "cli/wrong.h"

#define JOINED_MAX 1024 // bytes of a joined list

// ---- one tunnel ----

static const char *algorithms(const json_t *sa, char *buf, size_t cap)
{
    static const char *const keys[] = {"encr-alg", "encr-keysize", "integ-alg", "prf-alg",
                                       "dh-group", "ake1",         "ake2",      "ake3",
                                       "ake4",     "ake5",         "ake6",      "ake7"};
    size_t at = 0;
    buf[0] = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *v = json_str(sa, keys[i]), *gap = i == 1 ? "-" : " ";
        int n = *v ? snprintf(buf + at, cap - at, "%s%s", at ? gap : "", v) : 0;
        if (n < 0 || (size_t)n >= cap - at) break;
        at += (size_t)n;
    }
    return buf;
}

// Would a quantum computer be kept out? The key exchange of the IKE SA, or of the child itself,
// decides, or a preshared key for this: ciphers of 256 bits stay strong, and those of 128 well
// enough.
static bool is_post_quantum(const json_t *sa)
{
    static const char *const keys[] = {"dh-group", "ake1", "ake2", "ake3",
                                       "ake4",     "ake5", "ake6", "ake7"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *alg = json_str(sa, keys[i]);
        if (strncmp(alg, "ML_KEM", 6) == 0 || strncmp(alg, "MLKEM", 5) == 0) return true;
    }
    return json_yes(sa, "ppk");
}

static void print_ppk(const json_t *sa)
{
    const char *by = json_str(sa, "ppk-by");
    if (!json_yes(sa, "ppk")) return;
    printf("      PPK %s in %s (%s)\n", json_str(sa, "ppk-id"),
           strcmp(by, "RFC 9867") == 0 ? "all keys" : "the keys of all traffic", by);
}

static void print_rate(const json_t *child, const char *way)
{
    char key[32], rate[HUMAN_MAX];
    (void)snprintf(key, sizeof key, "rate-%s", way);
    if (!json_object_get(child, key)) return;
    printf(", %s/s", human_bytes(json_u64(child, key), rate));
}

static void print_way(const json_t *child, const char *way)
{
    char key[32], bytes[HUMAN_MAX], age[HUMAN_MAX];
    (void)snprintf(key, sizeof key, "bytes-%s", way);
    const char *amount = human_bytes(json_u64(child, key), bytes);
    (void)snprintf(key, sizeof key, "packets-%s", way);
    uint64_t packets = json_u64(child, key);
    printf("%s%s %s in %llu packet%s", strcmp(way, "in") == 0 ? "      " : ", ", way, amount,
           (unsigned long long)packets, packets == 1 ? "" : "s");
    (void)snprintf(key, sizeof key, "use-%s", way);
    if (json_object_get(child, key)) {
        printf(" (last %s ago)", human_seconds(json_u64(child, key), age));
    }
    print_rate(child, way);
}

static void print_child(const char *key, const json_t *child)
{
    char local[JOINED_MAX], remote[JOINED_MAX], algs[256], age[HUMAN_MAX];
    const char *name = json_str(child, "name"), *state = json_str(child, "state");
    bool good = strcmp(state, "INSTALLED") == 0;
    printf("  %s%s%s  %s%s%s  %s <-> %s\n", paint(BOLD), *name ? name : key, paint(PLAIN),
           paint(good ? GREEN : YELLOW), state, paint(PLAIN),
           json_words(json_object_get(child, "local-ts"), local, sizeof local),
           json_words(json_object_get(child, "remote-ts"), remote, sizeof remote));
    printf("      %s, %s%s %s\n", json_str(child, "mode"), json_str(child, "protocol"),
           json_yes(child, "encap") ? " in UDP" : "", algorithms(child, algs, sizeof algs));
    print_way(child, "in");
    print_way(child, "out");
    printf("\n      up %s", human_seconds(json_u64(child, "install-time"), age));
    if (json_u64(child, "rekey-time")) {
        printf(", new keys in %s", human_seconds(json_u64(child, "rekey-time"), age));
    }
    if (json_u64(child, "life-time")) {
        printf(", ends in %s", human_seconds(json_u64(child, "life-time"), age));
    }
    printf("%s, SPI in %s out %s, reqid %s%s\n", paint(DIM), json_str(child, "spi-in"),
           json_str(child, "spi-out"), json_str(child, "reqid"), paint(PLAIN));
}

// Who is at an end, if that is known yet, and where.
static void print_end(const json_t *sa, const char *id_key, const char *host_key, const char *after)
{
    const char *id = json_str(sa, id_key), *host = json_str(sa, host_key);
    bool known = *id && strcmp(id, "%any") != 0 && strcmp(id, host) != 0;
    if (known) printf("%s (%s)%s", id, host, after);
    if (!known) printf("%s%s", host, after);
}

static void print_vips(const json_t *sa)
{
    char text[256];
    const json_t *ours = json_object_get(sa, "local-vips"),
                 *theirs = json_object_get(sa, "remote-vips");
    if (ours) printf("      our virtual address: %s\n", json_words(ours, text, sizeof text));
    if (theirs) printf("      has virtual address %s\n", json_words(theirs, text, sizeof text));
}

static const char *nat_words(const json_t *sa)
{
    bool local = json_yes(sa, "nat-local"), remote = json_yes(sa, "nat-remote");
    if (local && remote) return ", NAT before both";
    if (local) return ", we are behind a NAT";
    if (remote) return ", the peer is behind a NAT";
    return json_yes(sa, "nat-any") ? ", as if behind a NAT (UDP is wanted)" : ", no NAT";
}

static void print_sa(const char *name, const json_t *sa)
{
    char algs[256], age[HUMAN_MAX];
    const char *state = json_str(sa, "state"), *key;
    json_t *child;
    bool good = strcmp(state, "ESTABLISHED") == 0 || strcmp(state, "REKEYING") == 0;
    printf("%s%s%s[%s]  %s%s%s  ", paint(BOLD), name, paint(PLAIN), json_str(sa, "uniqueid"),
           paint(good ? GREEN : YELLOW), state, paint(PLAIN));
    print_end(sa, "local-id", "local-host", " <-> ");
    print_end(sa, "remote-id", "remote-host", "\n");
    if (*algorithms(sa, algs, sizeof algs)) {
        bool pq = is_post_quantum(sa);
        printf("      IKEv2 %s, %s%s%s\n", algs, paint(pq ? GREEN : PLAIN),
               pq ? "post-quantum" : "not post-quantum", paint(PLAIN));
    }
    print_ppk(sa);
    if (good) {
        printf("      up %s", human_seconds(json_u64(sa, "established"), age));
        if (json_u64(sa, "rekey-time")) {
            printf(", new keys in %s", human_seconds(json_u64(sa, "rekey-time"), age));
        }
        printf(", %s%s\n", json_yes(sa, "initiator") ? "we called" : "the peer called",
               nat_words(sa));
    }
    print_vips(sa);
    json_object_foreach(json_object_get(sa, "child-sas"), key, child) print_child(key, child);
}

// ---- all of it ----

// Connections without an IKE SA.
static void print_down(const struct wrong_facts *facts)
{
    struct names up = {facts->sas, "child-sas"};
    size_t i;
    const char *name;
    json_t *item, *conn;
    json_array_foreach(facts->conns, i, item)
    {
        json_object_foreach(item, name, conn)
        {
            if (names_have_conn(&up, name)) continue;
            printf("%s%s%s  %snot up%s  (pavise up %s)\n", paint(BOLD), name, paint(PLAIN),
                   paint(DIM), paint(PLAIN), name);
        }
    }
}

static void print_problems(const json_t *problems)
{
    size_t i;
    json_t *p;
    if (json_array_size(problems)) printf("\n%sWhat is wrong%s\n", paint(BOLD), paint(PLAIN));
    json_array_foreach(problems, i, p)
    {
        char line[600];
        printf("  %s!%s ", paint(RED), paint(PLAIN));
        (void)snprintf(line, sizeof line, "%s [%s]", json_str(p, "what"), json_str(p, "code"));
        page_print(4, "    ", line);
        if (!*json_str(p, "hint")) continue;
        printf("%s", paint(CYAN));
        (void)snprintf(line, sizeof line, "hint: %s", json_str(p, "hint"));
        page_print(4, "", line);
        printf("%s", paint(PLAIN));
    }
}

static void print_all(const struct wrong_facts *facts, const json_t *problems)
{
    size_t i;
    const char *name, *daemon = json_str(facts->version, "daemon");
    json_t *item, *sa;
    printf("%s has run for %s, executor: %s\n\n", *daemon ? daemon : "the daemon",
           json_str(json_object_get(facts->stats, "uptime"), "running"),
           facts->executor ? "pavise-xfrmd" : wrong_executor(facts));
    json_array_foreach(facts->sas, i, item)
    {
        json_object_foreach(item, name, sa) print_sa(name, sa);
    }
    print_down(facts);
    if (!json_array_size(facts->sas) && !json_array_size(facts->conns)) {
        printf("no connections are configured\n");
    }
    print_problems(problems);
}

static int run(const struct args *a)
{
    struct wrong_facts f = {0};
    bool ok = status_gather(a, &f);
    if (ok && a->words) ok = status_choose(&f, a->word[0]);
    if (ok && (args_get(a, "--rates") || isatty(STDOUT_FILENO))) status_rates(a, &f);
    if (ok) {
        json_t *problems = wrong_find(&f);
        if (args_get(a, "--json")) {
            json_print(json_pack("{s:O, s:O, s:O, s:O, s:O?, s:O}", "version", f.version, "daemon",
                                 f.stats, "sas", f.sas, "conns", f.conns, "executor", f.executor,
                                 "problems", problems));
        } else {
            print_all(&f, problems);
        }
        json_decref(problems);
    }
    status_facts_free(&f);
    return ok ? CLI_OK : CLI_FAILED;
}

static const struct args_option options[] = {
    {"--rates", NULL, "measure half a second long how fast bytes pass"},
    OPTION_JSON,
    OPTION_SOCKET,
    {0}};

const struct command command_status = {
    .name = "status",
    .words = "[NAME]",
    .words_max = 1,
    .summary = "the tunnels: peers, traffic, age, and what is wrong",
    .about = "Shows every tunnel of the running pavise-iked: who is at the other end, how it is\n"
             "protected, what has passed, when it gets new keys; the connections that are not up;\n"
             "and what looks wrong, with what to do about it. On a terminal, or with --rates, it\n"
             "also measures how fast bytes pass.",
    .options = options,
    .run = run,
};
