#include "cred/crl.h"

#include "cred/trustx.h"

err_t crl_read(span_t file, X509_CRL **out, struct why *why)
{
    const unsigned char *at = file.at;
    if (file.len > FETCH_CRL_MAX) {
        return why_not(why, ERR_SPACE, "the CRL is longer than %u bytes", FETCH_CRL_MAX);
    }
    X509_CRL *crl = NULL;
    if (file.len > 0 && file.at[0] == 0x30) {
        crl = d2i_X509_CRL(NULL, &at, (long)file.len);
    } else {
        BIO *bio = BIO_new_mem_buf(file.at, (int)file.len);
        crl = bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
    }
    ERR_clear_error();
    if (!crl) return why_not(why, ERR_SYNTAX, "this is no CRL, neither PEM nor DER");
    *out = crl;
    return ERR_OK;
}
