#include "cli/stat_crypto.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/paint.h"

#define WIDTH 78 // columns of a list

static void count_up(json_t *counts, const char *key)
{
    (void)json_object_set_new(counts, key, json_integer((json_int_t)json_u64(counts, key) + 1));
}

static void print_used(const json_t *algs)
{
    size_t i;
    json_t *a;
    json_array_foreach(algs, i, a)
    {
        const char *integ = json_str(a, "integ");
        uint64_t bits = json_u64(a, "key_bits"), sas = json_u64(a, "sas");
        char key[24] = "";
        if (!sas) continue;
        if (bits) (void)snprintf(key, sizeof key, "-%llu", (unsigned long long)bits);
        printf("  %llu SA%s use%s %s%s%s%s by %s%s%s\n", (unsigned long long)sas,
               sas == 1 ? "" : "s", sas == 1 ? "s" : "", json_str(a, "encr"), key,
               *integ ? " with " : "", integ, paint(BOLD), json_str(a, "provider"), paint(PLAIN));
    }
}

// "ipsecmb does AES_GCM_16 AES_CBC* ...", with a star where another does it with some MACs or keys.
// Returns whether there is a star.
static bool print_one(const char *provider, json_t *of_it, const json_t *all)
{
    const char *name;
    json_t *n;
    int at = printf("  %s does", provider);
    const int indent = at + 1;
    bool stars = false;
    json_object_foreach(of_it, name, n)
    {
        const bool part = (uint64_t)json_integer_value(n) < json_u64(all, name);
        const int len = (int)strlen(name) + part + 1;
        if (at + len > WIDTH) at = printf("\n%*s", indent - 1, "") - 1;
        at += printf(" %s%s", name, part ? "*" : "");
        stars |= part;
    }
    printf("\n");
    return stars;
}

void stat_crypto_print(const json_t *algs)
{
    size_t i;
    json_t *a, *of_it, *all = json_object(), *providers = json_object();
    const char *provider;
    bool stars = false;
    if (json_array_size(algs)) printf("%salgorithms:%s\n", paint(BOLD), paint(PLAIN));
    print_used(algs);
    json_array_foreach(algs, i, a)
    {
        provider = json_str(a, "provider");
        if (!json_object_get(providers, provider))
            (void)json_object_set_new(providers, provider, json_object());
        count_up(all, json_str(a, "encr"));
        count_up(json_object_get(providers, provider), json_str(a, "encr"));
    }
    json_object_foreach(providers, provider, of_it) stars |= print_one(provider, of_it, all);
    if (stars)
        printf("  %s* with some MACs or key lengths; --json says which%s\n", paint(DIM),
               paint(PLAIN));
    json_decref(all);
    json_decref(providers);
}
