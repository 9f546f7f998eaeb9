// path_bench - what a packet costs between receiving and sending: `./dev bench path`.
//
// The executor's own path, worker and database, without ports: bursts of inner packets are sealed
// by one executor and opened by another (gateway.h). Each figure is the median of many bursts.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "test/bench/gateway.h"
#include "test/bench/path_trace.h"

#define BURSTS 1000
#define QUICK_BURSTS 200
#define WARM_UP 40 // bursts
#define TRAIN 16   // packets of one flow in a row, as super-packets bring them
#define ROWS_MAX 256
#define GOAL_LONG 150.0 // ns a packet at 1400 bytes
#define GOAL_SHORT 60.0 // at 64 bytes
#define GOAL_SLOWDOWN 1.5

struct options {
    const char *json;
    const char *alg; // a word of its name; NULL: all
    unsigned bursts;
    unsigned most; // tunnels
    int core;
    bool quiet;
};

enum { SEAL, OPEN, SIDES };
static const char *const side_names[SIDES] = {"seal", "open"};

struct row {
    const struct bench_alg *alg;
    enum bench_set set;
    unsigned tunnels, train;
    uint32_t size;
    struct samples ns[SIDES];
    double stage[SIDES][STAGES_MAX]; // ns a packet
    double sa_bytes, policy_bytes;
};

struct report {
    double ticks_per_ns;
    unsigned n;
    struct row row[ROWS_MAX];
};

static const uint32_t sizes[] = {64, 512, 1400};
static const unsigned tunnels[] = {1, 1000, 100000};
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

// ---- measuring ----

static double per_packet(const struct report *r, uint64_t spent)
{
    return (double)spent / r->ticks_per_ns / BURST_MAX;
}

static void measure_stages(struct report *r, struct gateway *g, struct row *row, unsigned bursts)
{
    static struct samples s[SIDES][STAGES_MAX];
    memset(s, 0, sizeof s);
    for (unsigned k = 0; k < bursts; k++) {
        gateway_run(g, row->size, row->train, true);
        for (unsigned i = 0; i < STAGES_MAX; i++) {
            samples_add(&s[SEAL][i], per_packet(r, g->near.stage[i]));
            samples_add(&s[OPEN][i], per_packet(r, g->far.stage[i]));
        }
    }
    for (unsigned i = 0; i < STAGES_MAX; i++) {
        for (unsigned side = 0; side < SIDES; side++)
            row->stage[side][i] = samples_median(&s[side][i]);
    }
}

static void measure(struct report *r, struct gateway *g, struct row *row, unsigned bursts)
{
    for (unsigned k = 0; k < WARM_UP; k++) gateway_run(g, row->size, row->train, false);
    for (unsigned k = 0; k < bursts; k++) {
        gateway_run(g, row->size, row->train, false);
        samples_add(&row->ns[SEAL], per_packet(r, g->near.spent));
        samples_add(&row->ns[OPEN], per_packet(r, g->far.spent));
    }
    measure_stages(r, g, row, bursts / 4);
    row->sa_bytes = g->sa_bytes;
    row->policy_bytes = g->policy_bytes;
}

static void measure_gateway(struct report *r, const struct options *o,
                            const struct gateway_conf *conf)
{
    struct gateway *g = gateway_new(conf);
    for (unsigned i = 0; i < COUNT(sizes); i++) {
        for (unsigned train = 1; train <= TRAIN; train += TRAIN - 1) {
            if (train > 1 && conf->tunnels == 1) continue; // the same thing
            if (r->n == ROWS_MAX) return;
            struct row *row = &r->row[r->n++];
            *row = (struct row){.alg = conf->alg,
                                .set = conf->set,
                                .tunnels = conf->tunnels,
                                .train = train,
                                .size = sizes[i]};
            measure(r, g, row, o->bursts);
        }
    }
    gateway_free(g);
}

static bool is_asked_for(const struct options *o, const struct bench_alg *a)
{
    return !o->alg || strcasestr(a->name, o->alg);
}

static void measure_all(struct report *r, const struct options *o)
{
    for (const struct bench_alg *a = bench_algs; a->name; a++) {
        if (!is_asked_for(o, a)) continue;
        for (unsigned i = 0; i < COUNT(tunnels) && tunnels[i] <= o->most; i++) {
            if (!o->quiet) (void)fprintf(stderr, "  %s, %u tunnels\n", a->name, tunnels[i]);
            struct gateway_conf conf = {.alg = a, .tunnels = tunnels[i], .set = SET_DISTINCT};
            measure_gateway(r, o, &conf);
            conf.set = SET_OVERLAP;
            if (a != bench_algs || tunnels[i] == 1) continue;
            measure_gateway(r, o, &conf);
            conf.set = SET_PAIRS;
            if (tunnels[i] > 33 * 33) measure_gateway(r, o, &conf);
        }
    }
}

// ---- what a human reads ----

static const char *kind(const struct row *row)
{
    if (row->tunnels == 1) return "one";
    if (row->set == SET_OVERLAP) return row->train > 1 ? "overlapping, trains" : "overlapping";
    if (row->set == SET_PAIRS)
        return row->train > 1 ? "33 x 33 lengths, trains" : "33 x 33 lengths";
    return row->train > 1 ? "trains" : "each another";
}

static void print_side(const struct report *r, const struct samples *s)
{
    printf(" %.0f (%.0f-%.0f) | %.0f |", samples_median(s), samples_low(s), samples_high(s),
           samples_median(s) * r->ticks_per_ns);
}

static void print_rows(const struct report *r)
{
    printf("| algorithm | bytes | tunnels | packets' tunnels | seal ns (low-high) | cycles "
           "| open ns (low-high) | cycles |\n|---|---|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < r->n; i++) {
        const struct row *row = &r->row[i];
        printf("| %s | %u | %u | %s |", row->alg->name, row->size, row->tunnels, kind(row));
        print_side(r, &row->ns[SEAL]);
        print_side(r, &row->ns[OPEN]);
        printf("\n");
    }
}

static void print_stages_of(const struct row *row, const struct stage *path, unsigned side)
{
    printf("| %s, %u B, %u %s |", side_names[side], row->size, row->tunnels, kind(row));
    for (unsigned i = 0; path[i].name; i++) printf(" %s %.1f |", path[i].name, row->stage[side][i]);
    printf("\n");
}

static void print_stages(const struct report *r)
{
    printf("\nns a packet by stage, %s:\n", bench_algs[0].name);
    for (unsigned side = 0; side < SIDES; side++) {
        for (unsigned i = 0; i < r->n; i++) {
            if (r->row[i].alg != bench_algs || r->row[i].size == 512) continue;
            print_stages_of(&r->row[i], side == SEAL ? outbound : inbound, side);
        }
    }
}

static const struct row *row_like(const struct report *r, uint32_t size, unsigned n, unsigned train)
{
    for (unsigned i = 0; i < r->n; i++) {
        const struct row *row = &r->row[i];
        if (row->alg == bench_algs && row->set == SET_DISTINCT && row->size == size &&
            row->tunnels == n && row->train == train)
            return row;
    }
    return NULL;
}

static void print_goal(const char *what, double value, double goal, const char *unit)
{
    printf("| %s | %.2f %s | <= %.1f %s | %s |\n", what, value, unit, goal, unit,
           value <= goal ? "reached" : "missed");
}

static void print_goals(const struct report *r)
{
    char what[96];
    printf("\n| %s, tunnel mode | median | goal | |\n|---|---|---|---|\n", bench_algs[0].name);
    for (unsigned side = 0; side < SIDES; side++) {
        for (unsigned i = 0; i < COUNT(sizes); i++) {
            const struct row *one = row_like(r, sizes[i], 1, 1);
            if (!one || sizes[i] == 512) continue;
            double base = samples_median(&one->ns[side]);
            (void)snprintf(what, sizeof what, "%s, %u bytes", side_names[side], sizes[i]);
            print_goal(what, base, sizes[i] == 64 ? GOAL_SHORT : GOAL_LONG, "ns");
            for (unsigned train = 1; train <= TRAIN; train += TRAIN - 1) {
                const struct row *many = row_like(r, sizes[i], 100000, train);
                if (!many) continue;
                (void)snprintf(what, sizeof what, "%s, %u bytes, 100,000 tunnels%s against 1",
                               side_names[side], sizes[i], train > 1 ? " in trains" : "");
                print_goal(what, samples_median(&many->ns[side]) / base, GOAL_SLOWDOWN, "x");
            }
        }
    }
}

static void print_memory(const struct report *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        const struct row *row = &r->row[i];
        bool first = i == 0 || r->row[i - 1].sa_bytes != row->sa_bytes;
        if (!first || row->tunnels < 100000) continue;
        printf("\n%s, %s: %.0f bytes an SA, %.0f bytes a policy", row->alg->name, kind(row),
               row->sa_bytes, row->policy_bytes);
    }
    printf("\n");
}

// ---- what a program reads ----

static void json_side(FILE *f, const struct row *row, unsigned side)
{
    const struct samples *s = &row->ns[side];
    const struct stage *path = side == SEAL ? outbound : inbound;
    (void)fprintf(f, "\"%s\": {\"median\": %.1f, \"low\": %.1f, \"high\": %.1f, \"stages\": {",
                  side_names[side], samples_median(s), samples_low(s), samples_high(s));
    for (unsigned i = 0; path[i].name; i++)
        (void)fprintf(f, "%s\"%s\": %.1f", i ? ", " : "", path[i].name, row->stage[side][i]);
    (void)fprintf(f, "}}");
}

static void json_row(FILE *f, const struct row *row)
{
    (void)fprintf(f, "  {");
    json_text(f, "algorithm", row->alg->name);
    (void)fprintf(f, ", ");
    json_text(f, "pattern", kind(row));
    (void)fprintf(f,
                  ", \"bytes\": %u, \"tunnels\": %u, \"sa_bytes\": %.0f, \"policy_bytes\": %.0f, ",
                  row->size, row->tunnels, row->sa_bytes, row->policy_bytes);
    json_side(f, row, SEAL);
    (void)fprintf(f, ", ");
    json_side(f, row, OPEN);
    (void)fprintf(f, "}");
}

static bool json_write(const struct report *r, const char *path)
{
    char cpu[128];
    FILE *f = fopen(path, "w");
    if (!f) return false;
    (void)fprintf(f, "{");
    json_text(f, "cpu", cpu_name(cpu));
    (void)fprintf(f, ", \"ticks_per_ns\": %.3f, \"unit\": \"ns per packet\", \"rows\": [\n",
                  r->ticks_per_ns);
    for (unsigned i = 0; i < r->n; i++) {
        json_row(f, &r->row[i]);
        (void)fprintf(f, i + 1 < r->n ? ",\n" : "\n]}\n");
    }
    return fclose(f) == 0;
}

// ---- the command line ----

static const char usage[] =
    "usage: ./dev bench path [--quick] [--alg WORD] [--core N] [--json FILE]\n"
    "  --quick      fewer rounds and at most 1,000 tunnels: some seconds\n"
    "  --alg WORD   only algorithms whose names contain the word, in any case\n"
    "  --core N     the core to run on (default 0)\n"
    "  --json FILE  where the figures go (default build/bench-path.json)\n";

static void alg_check(const struct options *o)
{
    for (const struct bench_alg *a = bench_algs; a->name; a++) {
        if (is_asked_for(o, a)) return;
    }
    (void)fprintf(stderr, "path_bench: --alg %s: no algorithm's name contains it. There are:\n",
                  o->alg);
    for (const struct bench_alg *a = bench_algs; a->name; a++)
        (void)fprintf(stderr, "  %s\n", a->name);
    exit(2);
}

static void options_read(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {{"quick", no_argument, NULL, 'q'},
                                          {"alg", required_argument, NULL, 'a'},
                                          {"core", required_argument, NULL, 'c'},
                                          {"json", required_argument, NULL, 'j'},
                                          {"silent", no_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *o = (struct options){
        .json = "build/bench-path.json", .bursts = BURSTS, .most = tunnels[COUNT(tunnels) - 1]};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'q') o->bursts = QUICK_BURSTS, o->most = 1000;
        if (c == 'a') o->alg = optarg;
        if (c == 'c') o->core = (int)strtol(optarg, NULL, 10);
        if (c == 'j') o->json = optarg;
        if (c == 's') o->quiet = true;
        if (c == 'h' || c == '?') {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
    }
    alg_check(o);
}

int main(int argc, char **argv)
{
    struct options o;
    char cpu[128];
    options_read(&o, argc, argv);
    if (!pin_to(o.core)) (void)fprintf(stderr, "path_bench: no core %d; running on any\n", o.core);
    rcu_register_thread();
    struct report *r = calloc(1, sizeof *r);
    if (!r) return 1;
    r->ticks_per_ns = ticks_per_ns();
    measure_all(r, &o);
    print_rows(r);
    print_stages(r);
    print_goals(r);
    print_memory(r);
    path_trace_rows(r->ticks_per_ns, o.bursts);
    bool written = json_write(r, o.json);
    printf("\n%s, %.2f ticks a nanosecond, core %d, bursts of %d; raw figures: %s\n", cpu_name(cpu),
           r->ticks_per_ns, o.core, BURST_MAX, written ? o.json : "could not be written");
    free(r);
    rcu_unregister_thread();
    return written ? 0 : 1;
}
