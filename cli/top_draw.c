// top_draw.c - the screen of pavise top. Pure.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/human.h"
#include "cli/json.h"
#include "cli/top.h"

#define LINE_MAX_BYTES 512
#define AROUND 5U // lines that are no tunnels: three above, the head, the keys below

static const char *const sort_words[] = {"rate", "name", "in", "out"};

// One line, cut to the width.
static void line(struct text *out, const struct top_view *v, const char *s)
{
    text_add(out, "%.*s\n", (int)v->columns, s);
}

static const char *ago(uint64_t s, char buf[HUMAN_MAX])
{
    if (s == UINT64_MAX) return "never";
    (void)human_seconds(s, buf);
    char *space = strchr(buf, ' '); // the larger unit is enough
    if (space) *space = 0;
    return buf;
}

static uint64_t seconds(const json_t *of, const char *key)
{
    return json_is_integer(json_object_get(of, key)) ? json_u64(of, key) : UINT64_MAX;
}

static bool is_shown(const struct top_row *r, const struct top_view *v)
{
    return !*v->filter || strstr(r->name, v->filter) || strstr(r->peer, v->filter);
}

static unsigned rows_read(const json_t *what, const struct top_view *v, struct top_row *rows)
{
    size_t i;
    json_t *t;
    unsigned n = 0;
    json_array_foreach(json_object_get(what, "tunnels"), i, t)
    {
        struct top_row *r = &rows[n];
        if (n == TOP_ROWS_MAX) break;
        (void)snprintf(r->name, sizeof r->name, "%.38s/%.38s", json_str(t, "connection"),
                       json_str(t, "child"));
        (void)snprintf(r->peer, sizeof r->peer, "%.47s", json_str(t, "peer"));
        r->in = json_u64(t, "in");
        r->out = json_u64(t, "out");
        r->packets = json_u64(t, "packets_in") + json_u64(t, "packets_out");
        r->last_in = seconds(t, "last_in");
        r->last_out = seconds(t, "last_out");
        n += is_shown(r, v);
    }
    return n;
}

static int falling(uint64_t a, uint64_t b)
{
    return a < b ? 1 : a > b ? -1 : 0;
}

static int compare(const void *x, const void *y, void *sort)
{
    const struct top_row *a = x, *b = y;
    int c = 0;
    switch (*(const enum top_sort *)sort) {
    case TOP_BY_IN:
        c = falling(a->in, b->in);
        break;
    case TOP_BY_OUT:
        c = falling(a->out, b->out);
        break;
    case TOP_BY_RATE:
        c = falling(a->in + a->out, b->in + b->out);
        break;
    case TOP_BY_NAME:
    case TOP_SORTS:
        break;
    }
    return c ? c : strcmp(a->name, b->name);
}

static void draw_sums(const json_t *what, const struct top_view *v, struct text *out)
{
    size_t i;
    json_t *x;
    uint64_t in = 0, sent = 0;
    char s[LINE_MAX_BYTES], a[HUMAN_MAX], b[HUMAN_MAX];
    const json_t *all = json_object_get(what, "tunnels");
    json_array_foreach(all, i, x)
    {
        in += json_u64(x, "in");
        sent += json_u64(x, "out");
    }
    (void)snprintf(s, sizeof s, "pavise top: %zu tunnel%s, in %s/s, out %s/s, every %.1f s%s",
                   json_array_size(all), json_array_size(all) == 1 ? "" : "s", human_bytes(in, a),
                   human_bytes(sent, b), v->interval, v->paused ? ", paused" : "");
    line(out, v, s);
    AUTO(text) struct text cpu = {0};
    json_array_foreach(json_object_get(what, "workers"), i, x)
    {
        text_add(&cpu, " %zu: %.0f %%", i, json_real_value(json_object_get(x, "cpu_percent")));
    }
    (void)snprintf(s, sizeof s, "CPU of workers:%s", cpu.len ? text_str(&cpu) : " not known");
    line(out, v, s);
    AUTO(text) struct text lost = {0};
    json_array_foreach(json_object_get(what, "drops"), i, x)
    {
        text_add(&lost, " %s %llu (%llu/s)", json_str(x, "word"),
                 (unsigned long long)json_u64(x, "count"),
                 (unsigned long long)json_u64(x, "per_second"));
    }
    (void)snprintf(s, sizeof s, "dropped:%s", lost.len ? text_str(&lost) : " nothing");
    line(out, v, s);
}

static void draw_row(const struct top_row *r, const struct top_view *v, struct text *out)
{
    char s[LINE_MAX_BYTES], in[HUMAN_MAX], sent[HUMAN_MAX], a[HUMAN_MAX], b[HUMAN_MAX];
    int wide = v->columns > 80 ? (int)v->columns - 62 : 18;
    (void)snprintf(s, sizeof s, "%-*.*s %-15.15s %10s %10s %8llu %6s %6s", wide, wide, r->name,
                   r->peer, human_bytes(r->in, in), human_bytes(r->out, sent),
                   (unsigned long long)r->packets, ago(r->last_in, a), ago(r->last_out, b));
    line(out, v, s);
}

void top_draw(const json_t *what, const struct top_view *v, struct text *out)
{
    char s[LINE_MAX_BYTES];
    enum top_sort sort = v->sort;
    struct top_row *rows = calloc(TOP_ROWS_MAX, sizeof *rows);
    int wide = v->columns > 80 ? (int)v->columns - 62 : 18;
    if (!rows) return;
    unsigned n = rows_read(what, v, rows), room = v->rows > AROUND ? v->rows - AROUND : 0;
    qsort_r(rows, n, sizeof *rows, compare, &sort);
    draw_sums(what, v, out);
    (void)snprintf(s, sizeof s, "%-*s %-15s %10s %10s %8s %6s %6s", wide, "TUNNEL", "PEER", "IN/s",
                   "OUT/s", "PACKETS", "LASTIN", "OUT");
    line(out, v, s);
    for (unsigned i = 0; i < n && i < room; i++) draw_row(&rows[i], v, out);
    for (unsigned i = n; i < room; i++) line(out, v, "");
    (void)snprintf(s, sizeof s, "q quit  s sort: %s  p pause  f filter: %s%s", sort_words[v->sort],
                   v->filter, v->asking ? "_" : "");
    text_add(out, "%.*s", (int)v->columns, s);
    free(rows);
}
