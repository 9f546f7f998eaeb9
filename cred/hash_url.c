#include "cred/hash_url.h"

#include <strings.h>

#include "cred/certx.h"

//    CertificateOrCRL  ::= CHOICE { cert [0] Certificate, crl [1] CertificateList }
//    CertificateBundle ::= SEQUENCE OF CertificateOrCRL
#define TAG_SEQUENCE 0x30
#define TAG_CERT 0xa0
#define TAG_CRL 0xa1

// One element of DER: its contents, and *tag.
static span_t element_read(rd_t *r, uint8_t *tag)
{
    *tag = rd_u8(r);
    size_t len = rd_u8(r);
    if (len == 0x81)
        len = rd_u8(r);
    else if (len == 0x82)
        len = rd_u16(r);
    else if (len >= 0x80)
        r->bad = true; // longer than anything that is fetched
    return rd_bytes(r, len);
}

static void certs_free(struct cert **certs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) cert_free(certs[i]);
}

static err_t members_read(rd_t *r, struct cert **out, unsigned *n, struct why *why)
{
    unsigned count = 0;
    err_t e = ERR_OK;
    while (e == ERR_OK && rd_left(r) > 0) {
        uint8_t tag;
        span_t member = element_read(r, &tag);
        if (r->bad || (tag != TAG_CERT && tag != TAG_CRL))
            e = why_not(why, ERR_SYNTAX, "the bundle of certificates is malformed");
        else if (tag == TAG_CERT && count < *n)
            e = cert_read(member, &out[count], why);
        if (e == ERR_OK && tag == TAG_CERT && count < *n) count++;
    }
    if (e == ERR_OK && count == 0)
        e = why_not(why, ERR_SYNTAX, "there is no certificate in the bundle");
    if (e == ERR_OK)
        *n = count;
    else
        certs_free(out, count);
    return e;
}

static err_t bundle_read(span_t in, struct cert **out, unsigned *n, struct why *why)
{
    uint8_t tag;
    rd_t r = rd_from(in);
    rd_t inside = rd_from(element_read(&r, &tag));
    if (rd_done(&r) != ERR_OK || tag != TAG_SEQUENCE)
        return why_not(why, ERR_SYNTAX, "this is no bundle of certificates");
    return members_read(&inside, out, n, why);
}

static err_t bytes_read(span_t in, const uint8_t *sha1, bool bundle, struct cert **out, unsigned *n,
                        struct why *why)
{
    uint8_t digest[KEY_SHA1_LEN];
    if (!EVP_Digest(in.at, in.len, digest, NULL, EVP_sha1(), NULL)) return ERR_CRYPTO;
    if (!span_eq(span(digest, sizeof digest), span(sha1, KEY_SHA1_LEN)))
        return why_not(why, ERR_AUTH, "what came has another hash than the peer has said");
    if (bundle) return bundle_read(in, out, n, why);
    TRY(cert_read(in, out, why));
    *n = 1;
    return ERR_OK;
}

err_t hash_url_get(const struct fetcher *f, const char *url, const uint8_t *sha1, bool bundle,
                   struct cert **out, unsigned *n, struct why *why)
{
    struct fetched got = {0};
    struct fetch ask = {
        .url = url, .limit = FETCH_CERT_MAX, .timeout_ms = HASH_URL_TIMEOUT_MS, .stranger = true};
    // rfc7296 3.6 MUST: the http scheme
    if (!fetch_can(url) || strncasecmp(url, "http://", 7) != 0)
        return why_not(why, ERR_UNSUPPORTED, "\"%.80s\" is no URL with http", url);
    if (*n == 0) return ERR_SPACE;
    TRY(f->get(f->ctx, &ask, &got, why));
    err_t e = bytes_read(span(got.at, got.len), sha1, bundle, out, n, why);
    fetched_done(&got);
    return e;
}
