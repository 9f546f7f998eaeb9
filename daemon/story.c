#include "daemon/story.h"

#include <stdlib.h>
#include <string.h>

struct kept {
    struct story_line line; // its texts stand behind it, in the same piece of memory
    size_t bytes;
};

struct story {
    struct kept *ring[STORY_LINES]; // NULL: empty
    uint64_t next;                  // number of the next line
    uint64_t first;                 // number of the oldest one
    size_t bytes;
};

static struct kept **place(struct story *s, uint64_t number)
{
    return &s->ring[number % STORY_LINES];
}

struct story *story_new(void)
{
    struct story *s = calloc(1, sizeof *s);
    if (s) s->next = s->first = 1;
    return s;
}

static void forget(struct story *s)
{
    struct kept **k = place(s, s->first++);
    s->bytes -= (*k)->bytes;
    free(*k);
    *k = NULL;
}

void story_free(struct story *s)
{
    if (!s) return;
    while (s->first < s->next) forget(s);
    free(s);
}

// One piece of memory with a line and its texts.
static struct kept *kept_new(const struct story_line *l)
{
    size_t name = strlen(l->name) + 1, text = strnlen(l->text, STORY_LINE_MAX - 1) + 1;
    struct kept *k = malloc(sizeof *k + name + text);
    if (!k) return NULL;
    char *at = (char *)(k + 1);
    *k = (struct kept){*l, sizeof *k + name + text};
    memcpy(at, l->name, name);
    memcpy(at + name, l->text, text - 1);
    at[name + text - 1] = 0;
    k->line.name = at;
    k->line.text = at + name;
    return k;
}

void story_add(struct story *s, const struct story_line *l)
{
    struct kept *k = kept_new(l);
    if (!k) return;
    k->line.number = s->next;
    while (s->first < s->next &&
           (s->next - s->first == STORY_LINES || s->bytes + k->bytes > STORY_BYTES))
        forget(s);
    *place(s, s->next++) = k;
    s->bytes += k->bytes;
}

static const struct story_line *line_at(const struct story *s, uint64_t number)
{
    return &s->ring[number % STORY_LINES]->line;
}

// Lines among which an IKE SA's name is looked for: its own stand close together.
#define NAMED_WITHIN 512

// The connection that an IKE SA turned out to be of; "" if it never did.
static const char *name_later(const struct story *s, const struct story_line *of)
{
    for (uint64_t n = of->number + 1; n < s->next && n < of->number + NAMED_WITHIN; n++) {
        const struct story_line *l = line_at(s, n);
        if (l->sa == of->sa && l->name[0]) return l->name;
    }
    return "";
}

static bool is_wished(const struct story *s, const struct story_wish *w, const struct story_line *l)
{
    if (!w->name) return true;
    if (l->name[0]) return strcmp(l->name, w->name) == 0;
    if (!l->sa) return false;
    const char *name = name_later(s, l);
    if (name[0]) return strcmp(name, w->name) == 0;
    return w->fits && w->fits(w->ctx, &l->local, &l->remote);
}

void story_each(const struct story *s, const struct story_wish *w,
                bool (*fn)(void *ctx, const struct story_line *l), void *ctx)
{
    if (w->after >= s->next) return;
    uint64_t from = w->after >= s->first ? w->after + 1 : s->first;
    for (uint64_t n = from; n < s->next; n++) {
        const struct story_line *l = line_at(s, n);
        if (is_wished(s, w, l) && !fn(ctx, l)) return;
    }
}
