#include "eap/inside.h"

#include <string.h>

static const uint8_t passwords[] = {EAP_MSCHAPV2, EAP_MD5, EAP_GTC};

err_t inside_new(struct eap *e)
{
    struct eap_terms t = e->terms;
    t.alone = false; // TLS has proved the server
    t.method = EAP_ANY;
    if (t.server) t.method = e->method->type == EAP_PEAP ? t.in_peap : t.in_ttls;
    t.other = e->peer;
    memcpy(t.order, passwords, sizeof passwords);
    t.order_n = sizeof passwords;
    t.tls = (struct tls_terms){0};
    *pieces_inner(e) = eap_new(&t);
    return *pieces_inner(e) ? ERR_OK : ERR_NOMEM;
}

void inside_tell(struct eap *e)
{
    const struct eap *inner = *pieces_inner(e);
    for (unsigned i = 0; i < inner->said_n; i++) eap_say(e, "%s", inner->said[i]);
}

err_t inside_read(struct eap *e, uint8_t *out, size_t *len)
{
    size_t room = *len, n = 0, more = room;
    err_t err;
    while ((err = tls_read(pieces_tls(e), out + n, &more)) == ERR_OK) {
        n += more;
        more = room - n;
        if (!more) return ERR_LIMIT;
    }
    *len = n;
    return err == ERR_AGAIN ? ERR_OK : err;
}

err_t inside_failed(struct eap *e)
{
    e->why = (*pieces_inner(e))->why;
    return ERR_AUTH;
}

err_t inside_begin(struct eap *e)
{
    struct eap *inner = *pieces_inner(e);
    // Who may come was decided by the name outside, which is thus the one to be proved.
    if (!id_eq(&inner->peer, &e->peer)) {
        eap_fail(e, "the peer calls itself one thing, and another inside TLS");
        return ERR_AUTH;
    }
    err_t err = eap_begin(inner);
    inside_tell(e);
    if (err == ERR_OK) return ERR_OK;
    eap_fail(e, "no method of EAP can be used inside TLS");
    return ERR_AUTH;
}

err_t inside_succeeded(struct eap *e)
{
    char name[EAP_NAME_MAX], who[ID_TEXT_MAX];
    eap_say(e, "%s phase2 authentication of '%.120s' with %s successful", e->method->name,
            id_show(&e->peer, who), eap_name(eap_method(*pieces_inner(e)), name));
    return pieces_key(e);
}
