#include "conf/owner.h"

#include <ctype.h>
#include <string.h>

#define INDEX_SIZE 16384u
#define BUDGET 2000000UL // comparisons of patterns; beyond, an owner is believed to exist

struct owner_slot {
    const struct id *id;
    struct owner_slot *next;
};

struct owners {
    struct owner_slot *index[INDEX_SIZE]; // of those without wildcards
    struct owner_slot *patterns;
    bool anybody; // a key without owners
    size_t budget;
};

// Distinguished names have wildcards inside and many spellings: they are compared one by one.
static bool is_pattern(const struct id *id)
{
    return id->type == ID_ANY || id->type == ID_DER_ASN1_DN || memchr(id->data, '*', id->len);
}

// Equal identities have equal sums, whatever their case.
static size_t id_sum(const struct id *id)
{
    uint64_t h = 14695981039346656037ULL ^ id->type;
    for (size_t i = 0; i < id->len; i++) {
        h = (h ^ (uint8_t)tolower(id->data[i])) * 1099511628211ULL;
    }
    return (size_t)(h ^ h >> 32) % INDEX_SIZE;
}

static bool owner_add(struct load *ld, struct owners *o, const struct id *id)
{
    struct owner_slot *s = arena_get(&ld->tree->arena, sizeof *s);
    if (!s) return false;
    struct owner_slot **list = is_pattern(id) ? &o->patterns : &o->index[id_sum(id)];
    *s = (struct owner_slot){id, *list};
    *list = s;
    return true;
}

struct owners *owners_new(struct load *ld)
{
    struct owners *o = arena_get(&ld->tree->arena, sizeof *o);
    if (!o) return NULL;
    o->budget = BUDGET;
    for (unsigned i = 0; i < ld->out->psk_n; i++) {
        const struct conf_psk *psk = &ld->out->psk[i];
        o->anybody |= psk->owner_n == 0;
        for (unsigned k = 0; k < psk->owner_n; k++) {
            if (!owner_add(ld, o, &psk->owner[k])) return NULL;
        }
    }
    return o;
}

static bool any_fits(struct owners *o, const struct owner_slot *s, const struct id *id)
{
    for (; s; s = s->next) {
        if (o->budget == 0) return true;
        o->budget--;
        if (id_match(s->id, id) || id_match(id, s->id)) return true;
    }
    return false;
}

bool owners_fit(struct owners *o, const struct id *id)
{
    if (o->anybody || any_fits(o, o->patterns, id)) return true;
    if (!is_pattern(id)) return any_fits(o, o->index[id_sum(id)], id);
    for (size_t i = 0; i < INDEX_SIZE; i++) {
        if (any_fits(o, o->index[i], id)) return true;
    }
    return false;
}
