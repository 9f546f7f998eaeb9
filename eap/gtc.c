// gtc.c - Generic Token Card (RFC 3748 5.6): the password as it is, which only a server may see
// that has proved who it is; so it is never the only proof (eap_may()).
#include <string.h>

#include "eap/method.h"

#define PROMPT "password"

static err_t begin(struct eap *e, wr_t *out)
{
    (void)e;
    wr_bytes(out, span_str(PROMPT));
    return ERR_OK;
}

static err_t serve(struct eap *e, span_t in, wr_t *out)
{
    struct secret s = {0};
    char who[ID_TEXT_MAX];
    uint8_t said[SECRET_MAX] = {0};
    (void)out;
    if (in.len > SECRET_MAX) return ERR_SYNTAX;
    err_t known = eap_secret(e, &e->peer, &s);
    if (in.len) memcpy(said, in.at, in.len);
    memset(s.at + s.len, 0, SECRET_MAX - s.len);
    // All of the room is compared: the time tells nothing of lengths.
    bool same = equal_ct(said, s.at, SECRET_MAX);
    e->done = same && in.len == s.len && s.len && known == ERR_OK;
    wipe(said, sizeof said);
    secret_done(&s);
    if (e->done) return ERR_OK;
    eap_fail(e,
             known == ERR_OK ? "EAP: the password of %.150s is wrong"
                             : "EAP: there is no secret for %.150s (secrets.eap)",
             id_show(&e->peer, who));
    return ERR_AUTH;
}

static err_t answer(struct eap *e, span_t in, wr_t *out)
{
    struct secret s;
    char who[ID_TEXT_MAX];
    (void)in; // a prompt, for people
    if (eap_secret(e, &e->terms.us, &s) != ERR_OK) {
        eap_fail(e, "EAP: there is no secret for %.150s (secrets.eap)", id_show(&e->terms.us, who));
        return ERR_NOTFOUND;
    }
    wr_bytes(out, secret_span(&s));
    secret_done(&s);
    e->done = true;
    return ERR_OK;
}

const struct eap_method eap_gtc = {EAP_GTC,        "gtc",          "EAP_GTC",
                                   .begin = begin, .serve = serve, .answer = answer};
