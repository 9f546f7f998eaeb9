#include "crypto/ke.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/ke_kind.h"

static const struct ke_kind *const kinds[] = {&ke_openssl, &ke_openssl_kem, &ke_mlkem};

static const struct ke_kind *kind_find(uint16_t method)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i]->can(method)) return kinds[i];
    }
    return NULL;
}

bool ke_known(uint16_t method)
{
    return kind_find(method) != NULL;
}

const char *ke_provider(uint16_t method)
{
    const struct ke_kind *kind = kind_find(method);
    return kind ? kind->name : NULL;
}

err_t ke_new(uint16_t method, struct ke **out)
{
    const struct ke_kind *kind = kind_find(method);
    if (!kind) return ERR_ALGORITHM;
    struct ke *ke = calloc(1, sizeof *ke);
    if (!ke) return ERR_NOMEM;
    ke->kind = kind;
    ke->method = method;
    err_t e = kind->make(ke);
    if (e != ERR_OK) {
        ke_free(ke);
        return e;
    }
    *out = ke;
    return ERR_OK;
}

uint16_t ke_method(const struct ke *ke)
{
    return ke->method;
}

span_t ke_public(const struct ke *ke)
{
    return span(ke->public, ke->public_len);
}

err_t ke_finish(struct ke *ke, span_t peer, struct secret *shared)
{
    return ke->kind->finish(ke, peer, shared);
}

void ke_free(struct ke *ke)
{
    if (!ke) return;
    ke->kind->drop(ke);
    free(ke);
}

err_t ke_answer(uint16_t method, span_t peer, uint8_t *answer, size_t *answer_len,
                struct secret *shared)
{
    const struct ke_kind *kind = kind_find(method);
    struct ke *ke;
    if (!kind) return ERR_ALGORITHM;
    if (kind->answer) return kind->answer(method, peer, answer, answer_len, shared);
    TRY(ke_new(method, &ke));
    err_t e = ke_finish(ke, peer, shared);
    if (e == ERR_OK) {
        *answer_len = ke->public_len;
        memcpy(answer, ke->public, ke->public_len);
    }
    ke_free(ke);
    return e;
}
