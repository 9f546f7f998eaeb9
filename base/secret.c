#include "base/secret.h"

#include <string.h>

void wipe(void *p, size_t n)
{
    if (n) explicit_bzero(p, n);
}

bool equal_ct(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < n; i++) diff = (uint8_t)(diff | (x[i] ^ y[i]));
    return diff == 0;
}

err_t secret_set(struct secret *k, span_t s)
{
    if (s.len > sizeof k->at) return ERR_SPACE;
    secret_done(k);
    if (s.len) memcpy(k->at, s.at, s.len);
    k->len = (uint32_t)s.len;
    return ERR_OK;
}

err_t secret_key_set(struct secret_key *k, span_t s)
{
    if (s.len > sizeof k->at) return ERR_SPACE;
    wipe(k, sizeof *k);
    if (s.len) memcpy(k->at, s.at, s.len);
    k->len = (uint8_t)s.len;
    return ERR_OK;
}

void secret_done(struct secret *k)
{
    wipe(k, sizeof *k);
}
