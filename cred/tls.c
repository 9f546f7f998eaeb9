#include "cred/tls.h"

#include <stdlib.h>
#include <string.h>

#include "cred/certx.h"
#include "cred/signx.h"

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/ssl.h>
#undef ERR_STATE

struct tls {
    const struct tls_terms *terms;
    struct id who;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;  // the session's
    struct why why; // the judge's
};

void tls_terms_hold(const struct tls_terms *t)
{
    if (t->hold) t->hold(t->holder);
}

void tls_terms_release(const struct tls_terms *t)
{
    if (t->release) t->release(t->holder);
}

// ---- the other side's certificates -------------------------------------------------------------

static err_t chain_read(X509_STORE_CTX *store, struct cert **out, unsigned *n, struct why *why)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    X509 *own = X509_STORE_CTX_get0_cert(store);
    TRY(cert_from_x509(own, &out[(*n)++], why));
    for (int i = 0; i < sk_X509_num(sent) && *n < TLS_PEER_MAX; i++) {
        X509 *x = sk_X509_value(sent, i);
        if (x == own || X509_cmp(x, own) == 0) continue;
        // What is of a kind unknown here may be of use to others.
        if (cert_from_x509(x, &out[*n], NULL) == ERR_OK) (*n)++;
    }
    return ERR_OK;
}

static int on_verify(X509_STORE_CTX *store, void *ctx)
{
    struct tls *t = ctx;
    struct cert *chain[TLS_PEER_MAX];
    unsigned n = 0;
    err_t err = chain_read(store, chain, &n, &t->why);
    if (err != ERR_OK) n = 0;
    if (err == ERR_OK) err = t->terms->judge(t->terms->holder, &t->who, chain, n, &t->why);
    for (unsigned i = 0; i < n; i++) cert_free(chain[i]);
    X509_STORE_CTX_set_error(store, err == ERR_OK ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return err == ERR_OK;
}

// ---- making one --------------------------------------------------------------------------------

// IANA's names as OpenSSL wants them: those of TLS 1.3 apart, others by its own names.
struct suites {
    char old[TLS_SUITES_MAX], new[TLS_SUITES_MAX];
    bool unknown;
};

static void suite_add(char list[TLS_SUITES_MAX], const char *name)
{
    size_t len = strlen(list);
    if (len + strlen(name) + 2 > TLS_SUITES_MAX) return;
    if (len) list[len++] = ':';
    strcpy(list + len, name);
}

static void suite_take(struct suites *s, const char *name)
{
    const char *old = OPENSSL_cipher_name(name);
    bool is_new = strncmp(name, "TLS_AES_", 8) == 0 || strncmp(name, "TLS_CHACHA20_", 13) == 0;
    if (is_new) {
        suite_add(s->new, name);
    } else if (old && strcmp(old, "(NONE)") != 0) {
        suite_add(s->old, old);
    } else {
        s->unknown = true;
    }
}

static void suites_read(const char *list, struct suites *s)
{
    char name[80];
    while (*list) {
        size_t skip = strspn(list, " ,"), len = strcspn(list + skip, " ,");
        if (len && len < sizeof name) {
            memcpy(name, list + skip, len);
            name[len] = 0;
            suite_take(s, name);
        }
        list += skip + len;
    }
}

static bool suites_set(SSL_CTX *ctx, const struct tls_terms *terms, uint16_t *min, uint16_t *max)
{
    struct suites s = {0};
    if (!terms->suites) {
        return SSL_CTX_set_cipher_list(ctx, "HIGH:!aNULL:!PSK:!SRP:!kRSA:!SHA1:!CAMELLIA:!ARIA") ==
               1;
    }
    suites_read(terms->suites, &s);
    if (s.unknown || (!s.old[0] && !s.new[0])) return false;
    // A list of one version's suites means that version.
    if (!s.old[0]) *min = TLS_V13;
    if (!s.new[0]) *max = TLS_V12;
    bool good = !s.old[0] || SSL_CTX_set_cipher_list(ctx, s.old) == 1;
    return good && (!s.new[0] || SSL_CTX_set_ciphersuites(ctx, s.new) == 1);
}

static bool own_set(SSL_CTX *ctx, const struct tls_terms *terms)
{
    if (!terms->key || !terms->cert) return true;
    bool good = SSL_CTX_use_certificate(ctx, cert_x509(terms->cert)) == 1 &&
                SSL_CTX_use_PrivateKey(ctx, signer_pkey(terms->key)) == 1;
    for (unsigned i = 0; i < terms->chain_n && good; i++) {
        good = SSL_CTX_add1_chain_cert(ctx, cert_x509(terms->chain[i])) == 1;
    }
    return good;
}

static bool session_new(struct tls *t, bool server)
{
    t->ssl = SSL_new(t->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        BIO_free(t->in);
        BIO_free(t->out);
        return false;
    }
    BIO_set_mem_eof_return(t->in, -1);
    SSL_set_bio(t->ssl, t->in, t->out); // takes both
    if (server) SSL_set_accept_state(t->ssl);
    if (!server) SSL_set_connect_state(t->ssl);
    return true;
}

static bool context_new(struct tls *t, bool server)
{
    const struct tls_terms *terms = t->terms;
    uint16_t min = terms->min ? terms->min : TLS_V12, max = terms->max ? terms->max : TLS_V13;
    SSL_CTX *ctx = t->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!ctx || !suites_set(ctx, terms, &min, &max) || !own_set(ctx, terms)) return false;
    // rfc9190 2.1.2: nothing is resumed, so no tickets are given.
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET |
                                 SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    // A server that does not know RFC 5746 cannot be told from one whose words somebody stands
    // before; but nobody else gets the key that is exported here, and nothing is renegotiated.
    SSL_CTX_set_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    bool asks = !server || !terms->one_sided;
    SSL_CTX_set_verify(
        ctx, asks ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, on_verify, t);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_dh_auto(ctx, 1) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, min) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, max) == 1;
}

err_t tls_new(const struct tls_terms *terms, bool server, const struct id *who, struct tls **out,
              struct why *why)
{
    char reason[160] = "out of memory";
    struct tls *t = calloc(1, sizeof *t);
    if (t) {
        t->terms = terms;
        t->who = *who;
        if (context_new(t, server) && session_new(t, server)) {
            *out = t;
            return ERR_OK;
        }
    }
    if (ERR_peek_error()) ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    tls_free(t);
    return why_not(why, ERR_CRYPTO,
                   "TLS cannot be begun (%s): are the key, and libtls.suites, fit "
                   "for it?",
                   reason);
}

void tls_free(struct tls *t)
{
    if (!t) return;
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    free(t);
}

// ---- its steps ---------------------------------------------------------------------------------

err_t tls_feed(struct tls *t, span_t bytes)
{
    if (!bytes.len) return ERR_OK;
    return BIO_write(t->in, bytes.at, (int)bytes.len) == (int)bytes.len ? ERR_OK : ERR_NOMEM;
}

err_t tls_step(struct tls *t, struct why *why)
{
    char reason[160] = "it has said so";
    ERR_clear_error();
    int got = SSL_do_handshake(t->ssl);
    int state = got == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, got);
    if (state == SSL_ERROR_NONE || state == SSL_ERROR_WANT_READ) return ERR_OK;
    if (ERR_peek_error()) ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    if (t->why.text[0]) return why_not(why, ERR_AUTH, "TLS: %.240s", t->why.text);
    return why_not(why, ERR_AUTH, "TLS has failed: %s", reason);
}

span_t tls_unsent(const struct tls *t)
{
    char *at = NULL;
    long n = BIO_get_mem_data(t->out, &at);
    return span(at, n > 0 ? (size_t)n : 0);
}

void tls_sent(struct tls *t, size_t n)
{
    uint8_t gone[1024];
    while (n) {
        int got = BIO_read(t->out, gone, n > sizeof gone ? (int)sizeof gone : (int)n);
        if (got <= 0) return;
        n -= (size_t)got;
    }
}

bool tls_is_up(const struct tls *t)
{
    return SSL_is_init_finished(t->ssl) == 1;
}

uint16_t tls_version(const struct tls *t)
{
    return (uint16_t)SSL_version(t->ssl);
}

const char *tls_suite(const struct tls *t)
{
    const SSL_CIPHER *c = SSL_get_current_cipher(t->ssl);
    const char *name = c ? SSL_CIPHER_standard_name(c) : NULL;
    return name ? name : "none";
}

err_t tls_export(const struct tls *t, const char *label, span_t context, uint8_t *out, size_t len)
{
    bool good = SSL_export_keying_material(t->ssl, out, len, label, strlen(label), context.at,
                                           context.len, context.at != NULL) == 1;
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_CRYPTO;
}

err_t tls_write(struct tls *t, span_t bytes)
{
    ERR_clear_error();
    bool good = SSL_write(t->ssl, bytes.at, (int)bytes.len) == (int)bytes.len;
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_CRYPTO;
}

err_t tls_read(struct tls *t, uint8_t *out, size_t *len)
{
    ERR_clear_error();
    int got = SSL_read(t->ssl, out, (int)*len);
    int state = got > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, got);
    ERR_clear_error();
    *len = got > 0 ? (size_t)got : 0;
    if (got > 0) return ERR_OK;
    return state == SSL_ERROR_WANT_READ ? ERR_AGAIN : ERR_CRYPTO;
}
