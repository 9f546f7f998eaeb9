// md5.c - MD5-Challenge (RFC 3748 5.4): the peer knows the password. It gives no key, and says
// nothing of the server.
#include "crypto/old.h"
#include "eap/method.h"

static err_t digest(uint8_t id, const struct secret *s, span_t challenge, uint8_t out[MD5_LEN])
{
    const span_t parts[] = {span(&id, 1), secret_span(s), challenge};
    return hash_md5(parts, 3, out);
}

static void put(wr_t *w, span_t value)
{
    wr_u8(w, (uint8_t)value.len);
    wr_bytes(w, value);
}

static err_t begin(struct eap *e, wr_t *out)
{
    eap_random(e, e->own.challenge, sizeof e->own.challenge);
    put(out, SPAN(e->own.challenge));
    return ERR_OK;
}

static err_t serve(struct eap *e, span_t in, wr_t *out)
{
    struct secret s = {0};
    uint8_t want[MD5_LEN];
    char who[ID_TEXT_MAX];
    rd_t r = rd_from(in);
    span_t got = rd_bytes(&r, rd_u8(&r));
    (void)out;
    if (r.bad || got.len != MD5_LEN) return ERR_SYNTAX;
    err_t known = eap_secret(e, &e->peer, &s);
    // Somebody who is unknown takes as long.
    if (known != ERR_OK) eap_random(e, s.at, s.len = EAP_CHALLENGE_LEN);
    err_t err = digest(e->id, &s, SPAN(e->own.challenge), want);
    bool right = equal_ct(want, got.at, MD5_LEN) && known == ERR_OK;
    secret_done(&s);
    wipe(want, sizeof want);
    TRY(err);
    e->done = right;
    if (right) return ERR_OK;
    eap_fail(e,
             known == ERR_OK ? "EAP: the password of %.150s is wrong"
                             : "EAP: there is no secret for %.150s (secrets.eap)",
             id_show(&e->peer, who));
    return ERR_AUTH;
}

static err_t answer(struct eap *e, span_t in, wr_t *out)
{
    struct secret s;
    uint8_t value[MD5_LEN];
    char who[ID_TEXT_MAX];
    rd_t r = rd_from(in);
    span_t challenge = rd_bytes(&r, rd_u8(&r));
    if (r.bad || !challenge.len || rd_left(&r) > EAP_NAME_LEN_MAX) return ERR_SYNTAX;
    if (eap_secret(e, &e->terms.us, &s) != ERR_OK) {
        eap_fail(e, "EAP: there is no secret for %.150s (secrets.eap)", id_show(&e->terms.us, who));
        return ERR_NOTFOUND;
    }
    err_t err = digest(e->id, &s, challenge, value);
    secret_done(&s);
    TRY(err);
    put(out, SPAN(value));
    e->done = true; // the server has nothing to prove
    return ERR_OK;
}

const struct eap_method eap_md5 = {EAP_MD5,        "md5",          "EAP_MD5",
                                   .begin = begin, .serve = serve, .answer = answer};
