#include "daemon/connmark.h"

// Behind conntrack, and behind the rules of others at the usual priority (mangle).
#define PRIORITY (-149)

enum whose { OURS, TAKEN };

// The marks of one mask that a flow may have before it gets this one, or must not have.
static void write_marks(const struct connmark *all, unsigned n, const struct xfrm_mark *m,
                        enum whose whose, struct text *out)
{
    const char *between = "";
    if (whose == OURS) text_add(out, "0x0, 0x%x", m->value);
    if (whose == OURS) between = ", ";
    for (unsigned i = 0; i < n; i++) {
        const struct connmark *o = &all[i];
        bool other = o->flows && o->mark.mask == m->mask && o->mark.value != m->value;
        if (!other || o->gone == (whose == TAKEN)) continue;
        text_add(out, "%s0x%x", between, o->mark.value);
        between = ", ";
    }
}

static void write_from(const struct connmark *all, unsigned n, const struct connmark *from,
                       const struct xfrm_mark *m, struct text *out)
{
    AUTO(text) struct text ours = {0}, taken = {0};
    write_marks(all, n, m, OURS, &ours);
    write_marks(all, n, m, TAKEN, &taken);
    if (taken.len)
        text_add(out, "  iifname \"%s\" ct mark and 0x%x { %s } drop\n", from->device, m->mask,
                 text_str(&taken));
    text_add(out, "  iifname \"%s\" ct mark and 0x%x { %s } ct mark set ct mark and 0x%x or 0x%x\n",
             from->device, m->mask, text_str(&ours), ~m->mask, m->value);
}

static void write_remember(const struct connmark *all, unsigned n, struct text *out)
{
    text_add(out, " chain remember {\n  type filter hook prerouting priority %d; policy accept;\n",
             PRIORITY);
    for (unsigned i = 0; i < n * n; i++) {
        const struct connmark *from = &all[i / n], *to = &all[i % n];
        const struct xfrm_mark *m = &to->mark;
        bool meant = from->device && to->flows && !to->gone;
        if (meant && (from->mark.value & m->mask) == m->value) write_from(all, n, from, m, out);
    }
    text_add(out, " }\n");
}

static void write_recall(const struct connmark *all, unsigned n, struct text *out)
{
    text_add(out, " chain recall {\n  type route hook output priority %d; policy accept;\n",
             PRIORITY);
    for (unsigned i = 0; i < n; i++) {
        const struct xfrm_mark *m = &all[i].mark;
        if (!all[i].flows || all[i].gone) continue;
        text_add(out,
                 "  meta mark and 0x%x == 0x0 ct mark and 0x%x == 0x%x meta mark set meta mark and "
                 "0x%x or 0x%x\n",
                 m->mask, m->mask, m->value, ~m->mask, m->value);
    }
    text_add(out, " }\n");
}

void connmark_rules(const struct connmark *all, unsigned n, struct text *out)
{
    bool any = false;
    for (unsigned i = 0; i < n; i++) any |= all[i].flows && !all[i].gone;
    if (!any) return;
    write_remember(all, n, out);
    write_recall(all, n, out);
}
