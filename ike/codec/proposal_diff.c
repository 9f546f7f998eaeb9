// proposal_diff.c - why two lists of proposals have nothing in common, for people.
#include <stdio.h>

#include "ike/codec/proposal.h"

#define TYPES_LAST ALG_ADDKE7

static const char *type_words(uint8_t type)
{
    static const char *const words[] = {[ALG_ENCR] = "encryption algorithm",
                                        [ALG_PRF] = "pseudo-random function",
                                        [ALG_INTEG] = "integrity algorithm",
                                        [ALG_KE] = "key exchange method",
                                        [ALG_ESN] = "kind of sequence numbers"};
    return type < sizeof words / sizeof *words ? words[type] : "additional key exchange";
}

// "AES_CBC_128 or AES_CBC_256" of one type; "none".
static void show_type(const struct proposal *p, uint8_t type, char *buf, size_t cap)
{
    size_t used = 0;
    (void)snprintf(buf, cap, "none");
    for (unsigned i = 0; i < p->n && used + 1 < cap; i++) {
        char one[256];
        struct proposal single = {.n = 1, .t = {p->t[i]}};
        if (p->t[i].type != type) continue;
        int n = snprintf(buf + used, cap - used, "%s%s", used ? " or " : "",
                         proposal_show(&single, one));
        used += n > 0 ? (size_t)n : 0;
    }
}

static bool have_common(const struct proposal *a, const struct proposal *b, uint8_t type)
{
    bool in_a = false, in_b = false;
    for (unsigned i = 0; i < b->n; i++) in_b |= b->t[i].type == type && b->t[i].id != 0;
    for (unsigned i = 0; i < a->n; i++) {
        const struct transform *t = &a->t[i];
        if (t->type != type) continue;
        in_a |= t->id != 0;
        for (unsigned j = 0; j < b->n; j++) {
            const struct transform *u = &b->t[j];
            if (u->type == type && u->id == t->id && u->key_len == t->key_len) return true;
        }
    }
    return !in_a && !in_b; // neither wants any
}

// The first type without anything in common; 0: there is none.
static uint8_t first_difference(const struct proposal *a, const struct proposal *b)
{
    for (uint8_t type = ALG_ENCR; type <= TYPES_LAST; type++) {
        if (!have_common(a, b, type)) return type;
    }
    return 0;
}

const char *proposals_diff(const struct proposals *theirs, const struct proposals *ours, char *buf,
                           size_t cap)
{
    const struct proposal *a = NULL, *b = NULL;
    uint8_t type = 0;
    (void)snprintf(buf, cap, "one of the two lists is empty or about another protocol");
    for (unsigned i = 0; i < theirs->n; i++) {
        for (unsigned j = 0; j < ours->n; j++) {
            if (theirs->p[i].protocol != ours->p[j].protocol) continue;
            uint8_t differs = first_difference(&theirs->p[i], &ours->p[j]);
            if (differs == 0) { // each type fits, but not all of them together
                (void)snprintf(buf, cap, "each algorithm is on both lists, but no suite is whole");
                return buf;
            }
            if (differs <= type) continue;
            type = differs; // the pair that agrees longest says most
            a = &theirs->p[i];
            b = &ours->p[j];
        }
    }
    if (!type) return buf;
    char offered[200], here[200];
    show_type(a, type, offered, sizeof offered);
    show_type(b, type, here, sizeof here);
    (void)snprintf(buf, cap, "no %s in common: %s on one side, %s on the other", type_words(type),
                   offered, here);
    return buf;
}
