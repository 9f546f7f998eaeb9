#include "conf/value.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "conf/issue.h"

static bool one_of(const char *s, const char *const *words)
{
    for (; *words; words++) {
        if (strcasecmp(s, *words) == 0) return true;
    }
    return false;
}

bool value_is_yes(const char *s)
{
    static const char *const words[] = {"yes", "true", "enabled", "1", NULL};
    return one_of(s, words);
}

bool value_is_no(const char *s)
{
    static const char *const words[] = {"no", "false", "disabled", "0", NULL};
    return one_of(s, words);
}

static struct place start_of(const struct arg *a)
{
    return value_place(a->v, 0);
}

void value_hint(const struct arg *a, const char *fmt, ...)
{
    const char *equals = a->v->quoted ? NULL : strchr(a->v->text, '=');
    if (equals) {
        const char *from = equals;
        while (from > a->v->text && isspace((unsigned char)from[-1])) from--;
        while (from > a->v->text && !isspace((unsigned char)from[-1])) from--;
        issue_hint(a->ld->issues,
                   "a value goes on to the end of its line: put '%.60s' on a line of "
                   "its own",
                   from);
        return;
    }
    if (a->v->text[a->v->len - 1] == ';') {
        issue_hint(a->ld->issues, "remove the ';': a value ends with its line");
        return;
    }
    AUTO(text) struct text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_addv(&t, fmt, ap);
    va_end(ap);
    issue_hint(a->ld->issues, "%s", text_str(&t));
}

void set_yes_no(const struct arg *a)
{
    if (value_is_yes(a->v->text)) {
        *(bool *)a->to = true;
        return;
    }
    if (value_is_no(a->v->text)) {
        *(bool *)a->to = false;
        return;
    }
    issue_error(a->ld->issues, start_of(a), a->v->text, "'%s' is neither yes nor no", a->key->name);
    value_hint(a, "write yes or no");
}

// ---- numbers ----

struct unit {
    char letter;
    uint64_t factor;
};

// Decimal or 0x..., then at most one unit. ERR_SYNTAX, ERR_RANGE (greater than max).
static err_t number_read(const char *s, const struct unit *units, uint64_t max, uint64_t *out)
{
    if (!isdigit((unsigned char)*s)) return ERR_SYNTAX;
    bool hex = s[0] == '0' && (s[1] | 0x20) == 'x' && isxdigit((unsigned char)s[2]);
    char *end;
    unsigned long long v = strtoull(s, &end, hex ? 16 : 10); // saturates: caught by max
    uint64_t factor = 1;
    while (*end == ' ') end++;
    for (const struct unit *u = units; u && u->letter && *end; u++) {
        if (tolower((unsigned char)*end) != u->letter) continue;
        factor = u->factor;
        end++;
        break;
    }
    if (*end) return ERR_SYNTAX;
    if (v > max / factor) return ERR_RANGE;
    *out = v * factor;
    return ERR_OK;
}

// What a number can be and how it is described.
struct range {
    const struct unit *units;
    uint64_t max;
    const char *what, *how;
};

static bool read_number(const struct arg *a, const struct range *r, uint64_t *out)
{
    err_t e = number_read(a->v->text, r->units, r->max, out);
    if (e == ERR_OK) return true;
    if (e == ERR_RANGE) {
        issue_error(a->ld->issues, start_of(a), a->v->text, "'%s' is too large for %s", a->v->text,
                    a->key->name);
        value_hint(a, "at most %llu", (unsigned long long)r->max);
        return false;
    }
    issue_error(a->ld->issues, start_of(a), a->v->text, "'%s' is not %s", a->v->text, r->what);
    value_hint(a, "%s", r->how);
    return false;
}

void set_time(const struct arg *a)
{
    static const struct unit units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {0}};
    static const struct range range = {units, UINT32_MAX, "a time",
                                       "a number with s, m, h or d, as in 90s, 15m, 4h, 1d"};
    uint64_t v;
    if (read_number(a, &range, &v)) *(uint64_t *)a->to = v;
}

void set_bytes(const struct arg *a)
{
    static const struct unit units[] = {
        {'k', 1ULL << 10}, {'m', 1ULL << 20}, {'g', 1ULL << 30}, {'t', 1ULL << 40}, {0}};
    static const struct range range = {units, UINT64_MAX - 1, "a number of bytes",
                                       "a number with k, m, g or t, as in 500m"};
    uint64_t v;
    if (read_number(a, &range, &v)) *(uint64_t *)a->to = v;
}

static bool read_plain(const struct arg *a, uint64_t max, uint64_t *out)
{
    char how[64];
    (void)snprintf(how, sizeof how, max > UINT32_MAX ? "a whole number" : "a number from 0 to %llu",
                   (unsigned long long)max);
    return read_number(a, &(struct range){NULL, max, "a number", how}, out);
}

void set_count(const struct arg *a)
{
    uint64_t v;
    if (read_plain(a, UINT64_MAX - 1, &v)) *(uint64_t *)a->to = v;
}

void set_number(const struct arg *a)
{
    uint64_t v;
    if (read_plain(a, UINT32_MAX, &v)) *(uint32_t *)a->to = (uint32_t)v;
}

void set_nothing(const struct arg *a)
{
    uint64_t v;
    (void)read_plain(a, UINT32_MAX, &v);
}

void set_port(const struct arg *a)
{
    uint64_t v;
    if (!read_plain(a, UINT16_MAX, &v)) return;
    if (v == 0) {
        issue_error(a->ld->issues, start_of(a), a->v->text, "a random port is not supported");
        value_hint(a, "write a port from 1 to 65535");
        return;
    }
    *(uint16_t *)a->to = (uint16_t)v;
}

void set_window(const struct arg *a)
{
    uint64_t v;
    if (!read_plain(a, CONF_REPLAY_MAX, &v)) return;
    if (v == 0) {
        issue_warn(a->ld->issues, start_of(a), a->v->text, "replayed packets will be accepted");
        value_hint(a, "leave replay_window out, or write 32 or more");
    }
    *(uint32_t *)a->to = (uint32_t)v;
}

// "%unique", "%unique-dir": 0 if it is neither.
static uint32_t each_read(const char *s, size_t n)
{
    static const char sa[] = "%unique", dir[] = "%unique-dir";
    if (n == strlen(sa) && strncmp(s, sa, n) == 0) return CONF_EACH_SA;
    if (n == strlen(dir) && strncmp(s, dir, n) == 0) return CONF_EACH_DIR;
    return 0;
}

void set_if_id(const struct arg *a)
{
    uint32_t each = each_read(a->v->text, a->v->len);
    if (each) {
        *(uint32_t *)a->to = each;
        return;
    }
    if (a->v->text[0] != '%') {
        set_number(a);
        return;
    }
    issue_error(a->ld->issues, start_of(a), a->v->text, "'%s' is not an interface id", a->v->text);
    value_hint(a, "a number, %%unique or %%unique-dir");
}

static err_t mark_read(const struct arg *a, bool may_be_chosen, uint32_t to[2])
{
    char value[32];
    uint64_t v = 0, mask = UINT32_MAX;
    const char *slash = strchr(a->v->text, '/');
    size_t n = slash ? (size_t)(slash - a->v->text) : a->v->len;
    uint32_t each = may_be_chosen ? each_read(a->v->text, n) : 0;
    (void)snprintf(value, sizeof value, "%.*s", (int)(n < sizeof value ? n : 0), a->v->text);
    if (!each) TRY(number_read(value, NULL, UINT32_MAX, &v));
    if (slash) TRY(number_read(slash + 1, NULL, UINT32_MAX, &mask));
    // As in strongSwan: with bits that the mask does not look at, nothing would ever match.
    to[0] = each ? each : (uint32_t)(v & mask);
    to[1] = (uint32_t)mask;
    return ERR_OK;
}

static void take_mark(const struct arg *a, bool may_be_chosen)
{
    if (mark_read(a, may_be_chosen, a->to) == ERR_OK) return;
    issue_error(a->ld->issues, start_of(a), a->v->text, "'%s' is not a mark", a->v->text);
    value_hint(a, "value or value/mask in 32 bits, as in 42 or 0x10/0xff%s",
               may_be_chosen ? "; %unique or %unique-dir" : "; %same");
}

void set_mark(const struct arg *a)
{
    take_mark(a, true);
}

void set_mark_given(const struct arg *a)
{
    take_mark(a, false);
}

// ---- words and text ----

static void unknown_word(const struct arg *a)
{
    const char *names[32];
    AUTO(text) struct text all = {0};
    size_t n = 0;
    for (const struct word *w = a->key->words; w->word && n < 31; w++) {
        names[n++] = w->word;
        if (w->means >= 0 && !w->remark) text_add(&all, "%s%s", all.len ? ", " : "", w->word);
    }
    names[n] = NULL;
    const char *near = nearest(a->v->text, names);
    issue_error(a->ld->issues, start_of(a), a->v->text, "'%s' is not a value of %s", a->v->text,
                a->key->name);
    if (near) value_hint(a, "did you mean '%s'?", near);
    if (!near) value_hint(a, "one of %s", text_str(&all));
}

static void say_synonym(const struct arg *a, const struct word *w)
{
    const struct word *usual = a->key->words;
    while (usual->means != w->means) usual++;
    issue_warn(a->ld->issues, start_of(a), a->v->text, "%s", w->remark);
    issue_hint(a->ld->issues, "write %s = %s", a->key->name, usual->word);
}

void set_word(const struct arg *a)
{
    const struct word *w = a->key->words;
    while (w->word && strcasecmp(w->word, a->v->text) != 0) w++;
    if (!w->word) {
        unknown_word(a);
        return;
    }
    if (w->means < 0) {
        issue_error(a->ld->issues, start_of(a), a->v->text, "%s", w->remark);
        issue_hint(a->ld->issues, "write %s = %s", a->key->name, a->key->words->word);
        return;
    }
    if (w->remark) say_synonym(a, w);
    memcpy(a->to, &w->means, sizeof w->means);
}

void set_string(const struct arg *a)
{
    char *copy = arena_str(&a->ld->out->arena, a->v->text, a->v->len);
    if (!copy) a->ld->nomem = true;
    *(char **)a->to = copy;
}

// ---- lists ----

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool value_next(const struct arg *a, struct element *e)
{
    const struct value *v = a->v;
    while (e->next <= v->len) {
        size_t from = e->next, to = from + strcspn(v->text + from, ",");
        e->next = to + 1;
        while (from < to && is_space(v->text[from])) from++;
        while (to > from && is_space(v->text[to - 1])) to--;
        if (from == to) {
            issue_error(a->ld->issues, value_place(v, from), ",", "an entry of this list is empty");
            issue_hint(a->ld->issues, "remove one ','");
            continue;
        }
        e->off = from;
        e->len = to - from;
        e->text = arena_str(&a->ld->tree->arena, v->text + from, e->len);
        if (!e->text) a->ld->nomem = true;
        return e->text != NULL;
    }
    return false;
}

struct place element_place(const struct arg *a, const struct element *e, size_t i)
{
    return value_place(a->v, e->off + i);
}
