#include "cred/hash_url.h"

#include <stdlib.h>
#include <string.h>

#include "test/check.h"
#include "test/unit/cred/mint.h"

#define PLACE "http://certs.example.org/moon"

static uint8_t page[8192];
static size_t page_len;
static unsigned asked;

static err_t page_get(void *ctx, const struct fetch *ask, struct fetched *out, struct why *why)
{
    (void)ctx;
    asked++;
    if (strcmp(ask->url, PLACE)) return why_not(why, ERR_NOTFOUND, "fetching failed");
    CHECK(ask->limit <= FETCH_CERT_MAX && !ask->type);
    *out = (struct fetched){malloc(page_len + 1), page_len};
    memcpy(out->at, page, page_len);
    return ERR_OK;
}

static const struct fetcher fetcher = {NULL, page_get};

static void page_hash(uint8_t sha1[KEY_SHA1_LEN])
{
    CHECK(EVP_Digest(page, page_len, sha1, NULL, EVP_sha1(), NULL));
}

static err_t get(const char *url, bool bundle, unsigned room, unsigned *n)
{
    uint8_t sha1[KEY_SHA1_LEN];
    struct cert *out[HASH_URL_CERTS_MAX];
    struct why why = {""};
    page_hash(sha1);
    *n = room;
    err_t e = hash_url_get(&fetcher, url, sha1, bundle, out, n, &why);
    if (e != ERR_OK) CHECK(room == 0 || why.text[0]);
    for (unsigned i = 0; e == ERR_OK && i < *n; i++) cert_free(out[i]);
    return e;
}

static void put(wr_t *w, uint8_t tag, span_t what)
{
    wr_u8(w, tag);
    wr_u8(w, 0x82);
    wr_u16(w, (uint16_t)what.len);
    wr_bytes(w, what);
}

static void one_certificate_comes(void **state)
{
    (void)state;
    struct mint m = MINT(.name = "CN=moon");
    span_t der = cert_der(m.cert);
    unsigned n;
    memcpy(page, der.at, page_len = der.len);
    CHECK_OK(get(PLACE, false, HASH_URL_CERTS_MAX, &n));
    CHECK_EQ(n, 1);
    CHECK_EQ(get("http://other.example.org/", false, 1, &n), ERR_NOTFOUND);
    asked = 0;
    CHECK_EQ(get("https://certs.example.org/moon", false, 1, &n), ERR_UNSUPPORTED);
    CHECK_EQ(get("file:///etc/hostname", false, 1, &n), ERR_UNSUPPORTED);
    CHECK_EQ(get(PLACE, false, 0, &n), ERR_SPACE);
    CHECK_EQ(asked, 0);
    // The hash is the one of the payload, whoever serves the bytes.
    struct cert *out[1];
    struct why why = {""};
    n = 1;
    CHECK_OK(hash_url_get(&fetcher, PLACE, cert_sha1(m.cert), false, out, &n, &why));
    cert_free(out[0]);
    page[page_len / 2] ^= 1;
    CHECK_EQ(hash_url_get(&fetcher, PLACE, cert_sha1(m.cert), false, out, &n, &why), ERR_AUTH);
    CHECK(strstr(why.text, "another hash") != NULL);
    mint_done(&m);
}

static void bundles_are_taken_apart(void **state)
{
    (void)state;
    struct mint ca = MINT(.name = "CN=CA", .ext = {MINT_CA});
    struct mint m = MINT(.name = "CN=moon", .by = &ca);
    X509_CRL *crl = MINT_CRL(.by = &ca);
    uint8_t inside[4096];
    wr_t w = wr_into(inside, sizeof inside), all = wr_into(page, sizeof page);
    unsigned n;
    put(&w, 0xa0, cert_der(m.cert));
    put(&w, 0xa1, mint_crl_der(crl));
    put(&w, 0xa0, cert_der(ca.cert));
    put(&all, 0x30, wr_span(&w));
    page_len = wr_len(&all);
    CHECK_OK(get(PLACE, true, HASH_URL_CERTS_MAX, &n));
    CHECK_EQ(n, 2);
    CHECK_OK(get(PLACE, true, 1, &n));
    CHECK_EQ(n, 1);
    CHECK_EQ(get(PLACE, false, 1, &n), ERR_SYNTAX);
    // No part of it may be missing, and no byte in it may do harm.
    size_t whole = page_len;
    for (page_len = 0; page_len < whole; page_len++)
        CHECK_EQ(get(PLACE, true, HASH_URL_CERTS_MAX, &n), ERR_SYNTAX);
    for (size_t i = 0; i < 40; i++) {
        page[i] ^= 0xff;
        IGNORE(get(PLACE, true, HASH_URL_CERTS_MAX, &n)); // either will do
        page[i] ^= 0xff;
    }
    memcpy(page, "\x30\x00", page_len = 2);
    CHECK_EQ(get(PLACE, true, 1, &n), ERR_SYNTAX);
    X509_CRL_free(crl);
    mint_done(&m);
    mint_done(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_certificate_comes),
        cmocka_unit_test(bundles_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
