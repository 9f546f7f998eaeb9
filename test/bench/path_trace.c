#include "test/bench/path_trace.h"

#include <stdlib.h>

#include "base/clock.h"
#include "test/bench/gateway.h"
#include "xfrm/path/trace.h"

#define RECORDS 1024

// The same burst goes round all of them, so that what else the machine does
// meets each alike.
enum { NOBODY, IDLE, SAMPLED, WANTS_ALL, FILTERED, WAYS };
static const struct {
    const char *name;
    uint32_t every; // 0: nobody looks
    bool filter;
} ways[WAYS] = {
    [NOBODY] = {"nobody looks", 0, false},
    [IDLE] = {"somebody looks at other packets", 1000000000, false},
    [SAMPLED] = {"at one of 64", 64, false},
    [WANTS_ALL] = {"at all", 1, false},
    [FILTERED] = {"at all, for one that does not come", 1, true},
};

struct eye {
    struct trace_spec spec;
    struct trace *trace;
    struct traces traces;
};

// "udp port 54", about as long as what pcap_compile() makes of it.
static const struct sock_filter filter[] = {
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 0},
    {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xf0},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 5, 0x40},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 9},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 17},
    {BPF_LDX | BPF_B | BPF_MSH, 0, 0, 0},
    {BPF_LD | BPF_H | BPF_IND, 0, 0, 2},
    {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 54},
    {BPF_RET | BPF_K, 0, 0, 0},
    {BPF_RET | BPF_K, 0, 0, 1},
};

static void eye_open(struct eye *e, unsigned way)
{
    e->spec = (struct trace_spec){
        .every = ways[way].every, .snap = TRACE_SNAP_MIN, .out = true, .in = true};
    if (ways[way].filter) {
        e->spec.steps = sizeof filter / sizeof *filter;
        memcpy(e->spec.filter, filter, sizeof filter);
    }
    e->trace = trace_new(&e->spec, RECORDS);
    if (!e->trace) abort();
    e->traces = (struct traces){.of = {e->trace}};
}

// What the control thread does, without telling anybody: its time is not the
// workers'.
static void eye_empty(struct eye *e)
{
    for (struct trace_record *r; (r = trace_take(e->trace));) trace_give(e->trace, r);
}

static void measure(struct samples *seal, struct samples *open, double ticks_per_ns, uint32_t size,
                    unsigned bursts)
{
    static struct eye eyes[WAYS];
    const struct gateway_conf conf = {.alg = bench_algs, .tunnels = 1, .set = SET_DISTINCT};
    struct gateway *g = gateway_new(&conf);
    for (unsigned i = IDLE; i < WAYS; i++) eye_open(&eyes[i], i);
    for (unsigned k = 0; k < bursts * WAYS; k++) {
        const unsigned way = k % WAYS;
        struct traces *look = way == NOBODY ? NULL : &eyes[way].traces;
        g->near.w.traces = g->far.w.traces = look;
        gateway_run(g, size, 1, false);
        samples_add(&seal[way], (double)g->near.spent / ticks_per_ns / BURST_MAX);
        samples_add(&open[way], (double)g->far.spent / ticks_per_ns / BURST_MAX);
        if (look) eye_empty(&eyes[way]);
    }
    g->near.w.traces = g->far.w.traces = NULL;
    for (unsigned i = IDLE; i < WAYS; i++) trace_free(eyes[i].trace);
    gateway_free(g);
}

static void print_cell(const struct samples *s, const struct samples *base)
{
    const double ns = samples_median(s);
    printf(" %.1f | %+.1f %% |", ns, (ns / samples_median(base) - 1) * 100);
}

void path_trace_rows(double ticks_per_ns, unsigned bursts)
{
    static const uint32_t sizes[] = {64, 1400};
    printf("\n| pavise trace, %s, one tunnel | bytes | seal ns | against nobody "
           "| open ns | against "
           "nobody |\n|---|---|---|---|---|---|\n",
           bench_algs[0].name);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        static struct samples seal[WAYS], open[WAYS];
        memset(seal, 0, sizeof seal);
        memset(open, 0, sizeof open);
        measure(seal, open, ticks_per_ns, sizes[i], bursts);
        for (unsigned way = 0; way < WAYS; way++) {
            printf("| %s | %u |", ways[way].name, sizes[i]);
            print_cell(&seal[way], &seal[NOBODY]);
            print_cell(&open[way], &open[NOBODY]);
            printf("\n");
        }
    }
}
