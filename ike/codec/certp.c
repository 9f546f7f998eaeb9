#include <string.h>

#include "ike/codec/payloads.h"

err_t certp_read(span_t body, struct certp *out)
{
    rd_t r = rd_from(body);
    struct certp c = {.encoding = rd_u8(&r)};
    c.data = rd_rest(&r);
    TRY(rd_done(&r));
    if (c.data.len == 0) return ERR_SYNTAX;
    *out = c;
    return ERR_OK;
}

void certp_write(wr_t *w, const struct certp *c)
{
    wr_u8(w, c->encoding);
    wr_bytes(w, c->data);
}

// Nothing that could end a line of a request, or hide in a log.
static bool is_printable(span_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] <= ' ' || s.at[i] > '~') return false;
    }
    return true;
}

err_t certp_url_read(span_t data, struct certp_url *out)
{
    // rfc7296 3.6 MUST: "http" can be looked up; other schemes are nobody's business here.
    static const char scheme[] = "http://";
    rd_t r = rd_from(data);
    struct certp_url u = {.hash = rd_bytes(&r, KEY_HASH_LEN)};
    u.url = rd_rest(&r);
    TRY(rd_done(&r));
    size_t n = strlen(scheme);
    if (u.url.len > CERT_URL_MAX) return ERR_LIMIT;
    if (u.url.len <= n || memcmp(u.url.at, scheme, n) != 0) return ERR_SYNTAX;
    if (!is_printable(u.url)) return ERR_SYNTAX;
    *out = u;
    return ERR_OK;
}

static bool lists_keys(uint8_t encoding)
{
    return encoding == CERT_X509 || encoding == CERT_HASH_URL || encoding == CERT_HASH_URL_BUNDLE ||
           encoding == CERT_OCSP;
}

err_t certreq_read(span_t body, struct certreq *out)
{
    rd_t r = rd_from(body);
    struct certreq c = {.encoding = rd_u8(&r)};
    c.keys = rd_rest(&r);
    TRY(rd_done(&r));
    if (lists_keys(c.encoding) && c.keys.len % KEY_HASH_LEN) return ERR_SYNTAX;
    if (c.keys.len / KEY_HASH_LEN > CERTREQ_KEYS_MAX) return ERR_LIMIT;
    *out = c;
    return ERR_OK;
}

void certreq_write(wr_t *w, const struct certreq *c)
{
    wr_u8(w, c->encoding);
    wr_bytes(w, c->keys);
}

bool certreq_has(const struct certreq *c, const uint8_t hash[KEY_HASH_LEN])
{
    for (size_t i = 0; i + KEY_HASH_LEN <= c->keys.len; i += KEY_HASH_LEN) {
        if (memcmp(c->keys.at + i, hash, KEY_HASH_LEN) == 0) return true;
    }
    return false;
}
