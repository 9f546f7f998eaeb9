#include "daemon/guard_nft.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MAX 4096 // characters of what nft says that are kept; all our counters fit
#define TABLE "inet " GUARD_NFT_TABLE

extern char **environ;

// Names of counters that count nothing: while there is one, its direction is blocked by default. So
// the next pavise-xfrmd sees it.
static const char *const default_mark[XFRM_DIRS] = {
    [XFRM_IN] = "default_in", [XFRM_OUT] = "default_out", [XFRM_FWD] = "default_fwd"};

static const struct {
    const char *chain, *hook, *dir;
} hooks[XFRM_DIRS] = {[XFRM_IN] = {"input", "input", "in"},
                      [XFRM_OUT] = {"leave", "postrouting", "out"},
                      [XFRM_FWD] = {"forward", "forward", "fwd"}};

// ---- one policy as one rule ----

struct writer {
    const struct guard_nft_conf *conf;
    struct text *out;
    enum xfrm_dir dir;
};

static void write_net(struct text *out, uint16_t family, const char *which, const prefix_t *p)
{
    char text[PREFIX_TEXT_MAX];
    if (p->len == 0) return;
    text_add(out, " %s %s %s", family == AF_INET6 ? "ip6" : "ip", which, prefix_show(p, text));
}

// A selector port is 16 bits at the start of the transport header, or the ICMP type and code.
static void write_port(struct text *out, unsigned bit, unsigned bits, uint16_t value, uint16_t mask)
{
    if (mask == 0) return;
    unsigned most = bits == 8 ? 0xff : 0xffff;
    text_add(out, " @th,%u,%u & 0x%x == 0x%x", bit, bits, mask & most, value & mask & most);
}

static void write_ports(struct text *out, const struct xfrm_selector *s)
{
    bool icmp = s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6;
    unsigned bits = icmp ? 8 : 16;
    write_port(out, 0, bits, s->sport, s->sport_mask);
    write_port(out, bits, bits, s->dport, s->dport_mask);
}

static bool passes(const struct xfrm_policy *p)
{
    return p->action == XFRM_ALLOW && !xfrm_policy_protects(p);
}

// By which meetings with the policy's device a packet belongs to it: a rule each, up to NULL.
struct at_device {
    const char *word[2];
};

static struct at_device at_device(const struct xfrm_policy *p)
{
    const struct at_device any = {{"", NULL}};
    if (p->sel.ifindex == 0) return any;
    if (p->sel.ifindex < 0) return passes(p) ? (struct at_device){{NULL}} : any; // there is none
    if (p->dir == XFRM_OUT) return (struct at_device){{"oif", NULL}};
    if (xfrm_policy_protects(p)) return any; // what it came by proves nothing
    if (p->dir == XFRM_IN) return (struct at_device){{"iif", NULL}};
    return passes(p) ? (struct at_device){{"oif", NULL}} : (struct at_device){{"oif", "iif"}};
}

static void write_rule(struct writer *w, const struct xfrm_policy *p, uint16_t family,
                       const char *device)
{
    const struct xfrm_selector *s = &p->sel;
    bool pass = passes(p);
    text_add(w->out, "  meta nfproto %s", family == AF_INET6 ? "ipv6" : "ipv4");
    if (*device) text_add(w->out, " %s %d", device, s->ifindex);
    const bool marked = p->mark.mask && !(p->flags & XFRM_POLICY_FLOWS);
    if (marked) text_add(w->out, " meta mark & 0x%x == 0x%x", p->mark.mask, p->mark.value);
    write_net(w->out, family, "saddr", &s->src);
    write_net(w->out, family, "daddr", &s->dst);
    if (s->proto) text_add(w->out, " meta l4proto %u", s->proto);
    write_ports(w->out, s);
    text_add(w->out, pass ? " accept\n" : " counter name clear_%s drop\n",
             w->dir == XFRM_OUT ? "out" : "in");
}

static void write_in_family(struct writer *w, const struct xfrm_policy *p, uint16_t family)
{
    const struct at_device at = at_device(p);
    if (p->sel.family != AF_UNSPEC && p->sel.family != family) return;
    for (int i = 0; i < 2 && at.word[i]; i++) write_rule(w, p, family, at.word[i]);
}

static void write_policy(void *ctx, const struct xfrm_policy *p)
{
    struct writer *w = ctx;
    if (p->dir != w->dir || p->type != 0) return;
    if (w->conf->v4) write_in_family(w, p, AF_INET);
    if (w->conf->v6) write_in_family(w, p, AF_INET6);
}

// ---- the table ----

static const char *counter_of(enum xfrm_dir dir)
{
    return dir == XFRM_OUT ? "clear_out" : "clear_in";
}

static void write_default(const struct guard_nft_conf *c, enum xfrm_dir dir, struct text *out)
{
    const char *family = c->v4 && c->v6 ? "" : c->v6 ? " meta nfproto ipv6" : " meta nfproto ipv4";
    text_add(out, " chain rest_%u_%s {\n", c->slot, hooks[dir].dir);
    if (c->block[dir]) text_add(out, " %s counter name %s drop\n", family, counter_of(dir));
    text_add(out, " }\n");
}

static void write_chain(struct writer *w, const struct policies *ps)
{
    const struct guard_nft_conf *c = w->conf;
    const char *name = hooks[w->dir].chain;
    write_default(c, w->dir, w->out);
    text_add(w->out, " chain %s_%u {\n  type filter hook %s priority filter; policy accept;\n",
             name, c->slot, hooks[w->dir].hook);
    text_add(w->out, "  jump own_%s\n", name);
    policies_each(ps, write_policy, w);
    text_add(w->out, "  jump rest_%u_%s\n }\n", c->slot, hooks[w->dir].dir);
}

static void write_sources(const struct guard_nft_conf *conf, struct text *input, struct text *leave)
{
    for (unsigned i = 0; i < conf->source_count; i++) {
        const char *family = conf->source[i].family == AF_INET6 ? "ipv6" : "ipv4";
        const unsigned number = conf->source[i].number;
        text_add(input, "  meta nfproto %s udp dport %u accept\n", family, number);
        text_add(leave, "  meta nfproto %s meta skuid %u udp sport %u accept\n", family, conf->uid,
                 number);
    }
}

static void write_own_chain(const char *name, const char *rules, struct text *out)
{
    text_add(out, " chain own_%s {\n%s", name, rules);
    // rfc4861 7.1: with hop limit 255 it cannot have crossed a router. A policy for everything
    // would otherwise silence the link it runs over.
    text_add(out, "  icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
                  "nd-neighbor-advert } ip6 hoplimit 255 accept\n }\n");
}

static void write_devices(const struct guard_nft_conf *conf, struct text *out)
{
    text_add(out, "\"%s\"", conf->tun);
    for (unsigned i = 0; i < conf->device_count; i++) text_add(out, ", \"%s\"", conf->device[i]);
}

static void write_own(const struct guard_nft_conf *conf, struct text *out)
{
    AUTO(text) struct text input = {0}, forward = {0}, leave = {0}, devices = {0};
    write_devices(conf, &devices);
    // IPv6 is put together behind this hook. Pieces of ESP in UDP that name no port, and those of
    // AH, which nftables takes for a header before the protocol, may come: without the first one,
    // which is judged here, nothing becomes of them.
    text_add(&input,
             "  iifname { %s, \"lo\" } accept\n"
             "  meta l4proto { esp, ah, comp } accept\n"
             "  udp dport { 500, %u } accept\n"
             "  frag frag-off != 0 meta l4proto udp accept\n"
             "  frag frag-off != 0 frag nexthdr ah accept\n",
             text_str(&devices), conf->udp_port);
    text_add(&forward, "  iifname { %s } accept\n", text_str(&devices));
    // With the mark of an SA they are known by the socket's owner, which what is forwarded has not
    text_add(&leave,
             "  oifname { %s, \"lo\" } accept\n"
             "  meta mark 0x%x accept\n"
             "  meta skuid %u meta l4proto { esp, ah, comp } accept\n"
             "  meta skuid %u frag frag-off != 0 frag nexthdr ah accept\n"
             "  meta skuid %u udp sport %u accept\n",
             text_str(&devices), conf->fwmark, conf->uid, conf->uid, conf->uid, conf->udp_port);
    write_sources(conf, &input, &leave);
    write_own_chain("input", text_str(&input), out);
    write_own_chain("forward", text_str(&forward), out);
    write_own_chain("leave", text_str(&leave), out);
}

// Adding first makes a flush, and a removal, succeed whether or not it was there.
static void write_empty(const char *chain, const char *more, struct text *out)
{
    text_add(out, "add chain " TABLE " %s%s\nflush chain " TABLE " %s\n", chain, more, chain);
}

static void write_own_frame(struct text *out)
{
    text_add(out, "add table " TABLE "\n");
    for (unsigned d = 0; d < XFRM_DIRS; d++) {
        char name[32];
        (void)snprintf(name, sizeof name, "own_%s", hooks[d].chain);
        write_empty(name, "", out);
    }
}

static void write_slot_frame(const struct guard_nft_conf *conf, enum xfrm_dir dir, struct text *out)
{
    char name[32], more[96];
    for (unsigned slot = 0; slot < GUARD_SLOTS; slot++) {
        if (slot != conf->slot && !(conf->left & 1U << slot)) continue;
        (void)snprintf(name, sizeof name, "rest_%u_%s", slot, hooks[dir].dir);
        write_empty(name, "", out);
    }
    (void)snprintf(name, sizeof name, "%s_%u", hooks[dir].chain, conf->slot);
    (void)snprintf(more, sizeof more, " { type filter hook %s priority filter; policy accept; }",
                   hooks[dir].hook);
    write_empty(name, more, out);
}

// Counters live on.
static void write_frame(const struct guard_nft_conf *conf, struct text *out)
{
    write_own_frame(out);
    text_add(out,
             "add counter " TABLE " clear_in\n"
             "add counter " TABLE " clear_out\n"
             "add counter " TABLE " slot_%u\n",
             conf->slot);
    for (unsigned d = 0; d < XFRM_DIRS; d++) {
        text_add(out, "add counter " TABLE " %s\n", default_mark[d]);
        if (!conf->block[d]) text_add(out, "delete counter " TABLE " %s\n", default_mark[d]);
        write_slot_frame(conf, (enum xfrm_dir)d, out);
    }
}

void guard_nft_script(const struct guard_nft_conf *conf, const struct policies *ps,
                      struct text *out)
{
    write_frame(conf, out);
    text_add(out, "table " TABLE " {\n");
    write_own(conf, out);
    struct writer w = {conf, out, XFRM_IN};
    for (unsigned d = 0; d < XFRM_DIRS; d++) {
        w.dir = (enum xfrm_dir)d;
        write_chain(&w, ps);
    }
    text_add(out, "}\n");
}

void guard_nft_own_script(const struct guard_nft_conf *conf, struct text *out)
{
    write_own_frame(out);
    text_add(out, "table " TABLE " {\n");
    write_own(conf, out);
    text_add(out, "}\n");
}

static void drop_slot(unsigned slot, struct text *out)
{
    char name[32];
    for (unsigned d = 0; d < XFRM_DIRS; d++) {
        (void)snprintf(name, sizeof name, "%s_%u", hooks[d].chain, slot);
        write_empty(name, "", out);
        text_add(out, "delete chain " TABLE " %s\n", name);
        (void)snprintf(name, sizeof name, "rest_%u_%s", slot, hooks[d].dir);
        write_empty(name, "", out);
        text_add(out, "delete chain " TABLE " %s\n", name);
    }
    text_add(out, "add counter " TABLE " slot_%u\ndelete counter " TABLE " slot_%u\n", slot, slot);
}

void guard_nft_drop_script(const struct guard_nft_conf *conf, struct text *out)
{
    for (unsigned slot = 0; slot < GUARD_SLOTS; slot++)
        if (conf->left & 1U << slot) drop_slot(slot, out);
}

// ---- the program ----

// What ends the daemon often goes to all its processes, from systemd or a terminal, and just then
// nft takes away what we have put there: it may finish.
static int spawn_shielded(pid_t *pid, const posix_spawn_file_actions_t *actions, char *const argv[])
{
    sigset_t ends;
    posix_spawnattr_t attributes;
    int e = posix_spawnattr_init(&attributes);
    if (e != 0) return e;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGHUP);
    (void)posix_spawnattr_setsigmask(&attributes, &ends);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    e = posix_spawnp(pid, "nft", actions, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    return e;
}

static err_t spawn_nft(int in, int out, pid_t *pid, struct why *why)
{
    char *const argv[] = {(char[]){"nft"}, (char[]){"-f"}, (char[]){"-"}, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return why_not(why, ERR_NOMEM, "out of memory");
    (void)posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    int failed = spawn_shielded(pid, &actions, argv);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failed == 0) return ERR_OK;
    return why_not(why, failed == ENOENT ? ERR_NOTFOUND : ERR_SYSTEM,
                   "cannot run nft: %s; install the package nftables", strerror(failed));
}

// The script goes through a file in memory: a pipe could fill up while nft waits for us to read
// its complaints.
static err_t script_file(const char *script, int *fd, struct why *why)
{
    size_t n = strlen(script);
    int f = memfd_create("nft-script", MFD_CLOEXEC);
    if (f < 0 || write(f, script, n) != (ssize_t)n || lseek(f, 0, SEEK_SET) != 0) {
        int e = errno;
        if (f >= 0) (void)close(f);
        return why_not(why, ERR_SYSTEM, "cannot write the nft script: %s", strerror(e));
    }
    *fd = f;
    return ERR_OK;
}

// Reads all that nft says, keeps its beginning as one line.
static void read_answer(int fd, char text[ANSWER_MAX])
{
    size_t n = 0;
    char more[512];
    for (ssize_t got; (got = read(fd, more, sizeof more)) > 0;) {
        size_t keep = (size_t)got < ANSWER_MAX - 1 - n ? (size_t)got : ANSWER_MAX - 1 - n;
        memcpy(text + n, more, keep);
        n += keep;
    }
    text[n] = 0;
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\t') *c = ' ';
}

static err_t nft(const char *script, char answer[ANSWER_MAX], struct why *why)
{
    int in = -1, out[2] = {-1, -1}, status = 0;
    pid_t pid = -1;
    TRY(script_file(script, &in, why));
    err_t e = pipe2(out, O_CLOEXEC) == 0
                  ? ERR_OK
                  : why_not(why, ERR_SYSTEM, "cannot run nft: pipe: %s", strerror(errno));
    if (e == ERR_OK) e = spawn_nft(in, out[1], &pid, why);
    (void)close(in);
    if (out[1] >= 0) (void)close(out[1]);
    if (e == ERR_OK) read_answer(out[0], answer);
    if (out[0] >= 0) (void)close(out[0]);
    if (e != ERR_OK) return e;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ERR_OK;
    if (WIFSIGNALED(status))
        return why_not(why, ERR_SYSTEM, "nft was ended by signal %d", WTERMSIG(status));
    return why_not(why, ERR_SYSTEM, "nft: %s", answer);
}

err_t guard_nft_run(const char *script, struct why *why)
{
    char answer[ANSWER_MAX];
    return nft(script, answer, why);
}

// The number behind "packets" after the counter's name.
static uint64_t packets_of(const char *answer, const char *counter)
{
    const char *at = strstr(answer, counter);
    at = at ? strstr(at, "packets ") : NULL;
    return at ? strtoull(at + strlen("packets "), NULL, 10) : 0;
}

#define LIST_COUNTERS "list counters table " TABLE "\n"

err_t guard_nft_counts(struct guard_counts *out)
{
    char answer[ANSWER_MAX];
    TRY(nft(LIST_COUNTERS, answer, NULL));
    out->clear_in = packets_of(answer, "clear_in");
    out->clear_out = packets_of(answer, "clear_out");
    return ERR_OK;
}

err_t guard_nft_left(unsigned *slots, bool block[XFRM_DIRS])
{
    char answer[ANSWER_MAX], mark[16];
    TRY(nft(LIST_COUNTERS, answer, NULL));
    for (unsigned d = 0; d < XFRM_DIRS; d++) block[d] = strstr(answer, default_mark[d]) != NULL;
    *slots = 0;
    for (unsigned slot = 0; slot < GUARD_SLOTS; slot++) {
        (void)snprintf(mark, sizeof mark, "slot_%u ", slot);
        if (strstr(answer, mark)) *slots |= 1U << slot;
    }
    return ERR_OK;
}
