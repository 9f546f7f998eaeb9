#include "cred/scheme.h"

#include <stdio.h>
#include <string.h>

#include "cred/x509.h"

static const struct {
    int nid; // of the signature algorithm
    uint8_t kind, hash;
} algorithms[] = {
    {NID_sha1WithRSAEncryption, SCHEME_RSA, HASH_SHA1},
    {NID_sha224WithRSAEncryption, SCHEME_RSA, HASH_SHA224},
    {NID_sha256WithRSAEncryption, SCHEME_RSA, HASH_SHA256},
    {NID_sha384WithRSAEncryption, SCHEME_RSA, HASH_SHA384},
    {NID_sha512WithRSAEncryption, SCHEME_RSA, HASH_SHA512},
    {NID_ecdsa_with_SHA1, SCHEME_ECDSA, HASH_SHA1},
    {NID_ecdsa_with_SHA224, SCHEME_ECDSA, HASH_SHA224},
    {NID_ecdsa_with_SHA256, SCHEME_ECDSA, HASH_SHA256},
    {NID_ecdsa_with_SHA384, SCHEME_ECDSA, HASH_SHA384},
    {NID_ecdsa_with_SHA512, SCHEME_ECDSA, HASH_SHA512},
    {NID_RSA_SHA3_256, SCHEME_RSA, HASH_SHA3_256},
    {NID_RSA_SHA3_384, SCHEME_RSA, HASH_SHA3_384},
    {NID_RSA_SHA3_512, SCHEME_RSA, HASH_SHA3_512},
    {NID_ecdsa_with_SHA3_256, SCHEME_ECDSA, HASH_SHA3_256},
    {NID_ecdsa_with_SHA3_384, SCHEME_ECDSA, HASH_SHA3_384},
    {NID_ecdsa_with_SHA3_512, SCHEME_ECDSA, HASH_SHA3_512},
    {NID_ED25519, SCHEME_ED25519, HASH_IDENTITY},
    {NID_ED448, SCHEME_ED448, HASH_IDENTITY},
    {NID_rsassaPss, SCHEME_PSS, HASH_NONE},
};

static const struct {
    int nid;
    unsigned len; // bytes
    const char *name;
} hashes[] = {
    [HASH_NONE] = {NID_undef, 0, "no hash"},
    [HASH_SHA1] = {NID_sha1, 20, "SHA1"},
    [HASH_SHA256] = {NID_sha256, 32, "SHA2-256"},
    [HASH_SHA384] = {NID_sha384, 48, "SHA2-384"},
    [HASH_SHA512] = {NID_sha512, 64, "SHA2-512"},
    [HASH_IDENTITY] = {NID_undef, 0, "identity"},
    [HASH_SHA3_256] = {NID_sha3_256, 32, "SHA3-256"},
    [HASH_SHA3_384] = {NID_sha3_384, 48, "SHA3-384"},
    [HASH_SHA3_512] = {NID_sha3_512, 64, "SHA3-512"},
    [HASH_SHA224] = {NID_sha224, 28, "SHA2-224"},
};
#define HASH_IDS (sizeof hashes / sizeof *hashes)

const char *hash_name(uint8_t id)
{
    return id < HASH_IDS && hashes[id].name ? hashes[id].name : "unknown hash";
}

unsigned hash_len(uint8_t id)
{
    return id < HASH_IDS ? hashes[id].len : 0;
}

// ---- from DER ----

static bool params_are_absent(const X509_ALGOR *a, bool null_too)
{
    int type;
    X509_ALGOR_get0(NULL, &type, NULL, a);
    return type == V_ASN1_UNDEF || (null_too && type == V_ASN1_NULL);
}

// rfc4055 2.1 MUST: hash identifiers are accepted with absent and with NULL parameters
static uint8_t hash_from(const X509_ALGOR *a)
{
    const ASN1_OBJECT *what;
    X509_ALGOR_get0(&what, NULL, NULL, a);
    int nid = OBJ_obj2nid(what);
    for (uint8_t i = HASH_SHA1; i <= HASH_SHA512; i++) {
        if (hashes[i].nid == nid) return params_are_absent(a, true) ? i : HASH_NONE;
    }
    return HASH_NONE;
}

// The hash inside id-mgf1.
static uint8_t mgf_from(const X509_ALGOR *a)
{
    const ASN1_OBJECT *what;
    const void *value;
    int type;
    X509_ALGOR_get0(&what, &type, &value, a);
    if (OBJ_obj2nid(what) != NID_mgf1 || type != V_ASN1_SEQUENCE) return HASH_NONE;
    X509_ALGOR *inner = ASN1_item_unpack(value, ASN1_ITEM_rptr(X509_ALGOR));
    uint8_t hash = inner ? hash_from(inner) : HASH_NONE;
    X509_ALGOR_free(inner);
    return hash;
}

// rfc4055 3.1: what is absent has a default: SHA-1, MGF1 with SHA-1, 20 bytes of salt
static err_t pss_from(const RSA_PSS_PARAMS *p, struct scheme *out)
{
    int64_t salt = 20, trailer = 1;
    out->hash = p->hashAlgorithm ? hash_from(p->hashAlgorithm) : HASH_SHA1;
    out->mgf = p->maskGenAlgorithm ? mgf_from(p->maskGenAlgorithm) : HASH_SHA1;
    if (p->saltLength && !ASN1_INTEGER_get_int64(&salt, p->saltLength)) return ERR_SYNTAX;
    if (p->trailerField && !ASN1_INTEGER_get_int64(&trailer, p->trailerField)) return ERR_SYNTAX;
    if (salt < 0 || salt > UINT16_MAX || trailer != 1) return ERR_UNSUPPORTED;
    out->salt = (uint16_t)salt;
    return out->hash && out->mgf ? ERR_OK : ERR_UNSUPPORTED;
}

static err_t pss_read(const X509_ALGOR *a, struct scheme *out)
{
    const void *value;
    int type;
    X509_ALGOR_get0(NULL, &type, &value, a);
    if (type != V_ASN1_SEQUENCE) return ERR_SYNTAX;
    RSA_PSS_PARAMS *p = ASN1_item_unpack(value, ASN1_ITEM_rptr(RSA_PSS_PARAMS));
    if (!p) return ERR_SYNTAX;
    err_t e = pss_from(p, out);
    RSA_PSS_PARAMS_free(p);
    return e;
}

static err_t algorithm_read(const X509_ALGOR *a, struct scheme *out)
{
    const ASN1_OBJECT *what;
    X509_ALGOR_get0(&what, NULL, NULL, a);
    int nid = OBJ_obj2nid(what);
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (nid == NID_undef || algorithms[i].nid != nid) continue;
        struct scheme s = {.kind = algorithms[i].kind, .hash = algorithms[i].hash};
        if (s.kind == SCHEME_PSS) {
            TRY(pss_read(a, &s));
        } else if (!params_are_absent(a, s.kind == SCHEME_RSA)) {
            return ERR_SYNTAX;
        }
        *out = s;
        return ERR_OK;
    }
    return ERR_UNSUPPORTED;
}

err_t scheme_read(span_t der, struct scheme *out)
{
    const unsigned char *at = der.at;
    X509_ALGOR *a = der.len <= 1024 ? d2i_X509_ALGOR(NULL, &at, (long)der.len) : NULL;
    err_t e = a && at == der.at + der.len ? algorithm_read(a, out) : ERR_SYNTAX;
    X509_ALGOR_free(a);
    ERR_clear_error();
    return e;
}

// ---- to DER ----

static void wr_hash(wr_t *w, uint8_t id)
{
    // SEQUENCE { OID 2.16.840.1.101.3.4.2.x, NULL }
    static const uint8_t head[] = {0x30, 0x0d, 0x06, 0x09, 0x60, 0x86,
                                   0x48, 0x01, 0x65, 0x03, 0x04, 0x02};
    wr_bytes(w, SPAN(head));
    wr_u8(w, id == HASH_SHA256 ? 1 : id == HASH_SHA384 ? 2 : 3);
    wr_u16(w, 0x0500);
}

static err_t pss_write(const struct scheme *s, wr_t *w)
{
    static const uint8_t head[] = {0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                   0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f};
    static const uint8_t mgf[] = {0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86,
                                  0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08};
    // rfc8247 4.1.1 MUST NOT: PSS with empty parameters, which would be SHA-1
    if (s->hash < HASH_SHA256 || s->hash > HASH_SHA512) return ERR_UNSUPPORTED;
    if (s->mgf < HASH_SHA256 || s->mgf > HASH_SHA512 || s->salt > 127) return ERR_UNSUPPORTED;
    wr_bytes(w, SPAN(head));
    wr_hash(w, s->hash);
    wr_bytes(w, SPAN(mgf));
    wr_hash(w, s->mgf);
    wr_u16(w, 0xa203);
    wr_u16(w, 0x0201);
    wr_u8(w, (uint8_t)s->salt);
    return wr_done(w);
}

static err_t oid_write(int nid, bool null, wr_t *w)
{
    const ASN1_OBJECT *what = OBJ_nid2obj(nid);
    size_t n = OBJ_length(what);
    wr_u8(w, 0x30);
    wr_u8(w, (uint8_t)(n + (null ? 4 : 2)));
    wr_u8(w, 0x06);
    wr_u8(w, (uint8_t)n);
    wr_bytes(w, span(OBJ_get0_data(what), n));
    if (null) wr_u16(w, 0x0500);
    return wr_done(w);
}

err_t scheme_write(const struct scheme *s, uint8_t *out, size_t *len)
{
    wr_t w = wr_into(out, *len);
    if (s->kind == SCHEME_PSS) {
        TRY(pss_write(s, &w));
        *len = wr_len(&w);
        return ERR_OK;
    }
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (algorithms[i].kind != s->kind || algorithms[i].hash != s->hash) continue;
        TRY(oid_write(algorithms[i].nid, s->kind == SCHEME_RSA, &w));
        *len = wr_len(&w);
        return ERR_OK;
    }
    return ERR_UNSUPPORTED;
}

// ---- the rest ----

err_t scheme_from_method(uint8_t method, struct scheme *out)
{
    switch (method) {
    case 1: // rfc7296 2.15: SHA-1 is what every implementation of method 1 understands
        *out = (struct scheme){.kind = SCHEME_RSA, .hash = HASH_SHA1};
        return ERR_OK;
    case 9:
    case 10:
    case 11: // rfc4754 1: curve and hash are tied to each other
        *out = (struct scheme){.kind = SCHEME_ECDSA_FIXED,
                               .hash = (uint8_t)(HASH_SHA256 + method - 9)};
        return ERR_OK;
    default:
        return ERR_UNSUPPORTED;
    }
}

struct scheme scheme_pss(enum hash_id hash)
{
    return (struct scheme){.kind = SCHEME_PSS,
                           .hash = (uint8_t)hash,
                           .mgf = (uint8_t)hash,
                           .salt = (uint16_t)hash_len((uint8_t)hash)};
}

bool scheme_eq(const struct scheme *a, const struct scheme *b)
{
    return a->kind == b->kind && a->hash == b->hash && a->mgf == b->mgf && a->salt == b->salt;
}

const char *scheme_show(const struct scheme *s, char buf[SCHEME_TEXT_MAX])
{
    static const char *const hashed[HASH_IDS] = {"NONE",     "SHA1",     "SHA2_256", "SHA2_384",
                                                 "SHA2_512", "NULL",     NULL,       NULL,
                                                 "SHA3_256", "SHA3_384", "SHA3_512", "SHA2_224"};
    static const unsigned curves[HASH_IDS] = {0, 0, 256, 384, 521};
    uint8_t h = s->hash < HASH_IDS && hashed[s->hash] ? s->hash : HASH_NONE;
    switch (s->kind) {
    case SCHEME_RSA:
        (void)snprintf(buf, SCHEME_TEXT_MAX, "RSA_EMSA_PKCS1_%s", hashed[h]);
        break;
    case SCHEME_PSS:
        (void)snprintf(buf, SCHEME_TEXT_MAX, "RSA_EMSA_PSS_%s_SALT_%u", hashed[h], s->salt);
        break;
    case SCHEME_ECDSA:
        (void)snprintf(buf, SCHEME_TEXT_MAX, "ECDSA_WITH_SHA%s%u_DER",
                       h >= HASH_SHA3_256 && h <= HASH_SHA3_512 ? "3_" : "",
                       h == HASH_SHA1 ? 1 : hashes[h].len * 8);
        break;
    case SCHEME_ECDSA_FIXED:
        (void)snprintf(buf, SCHEME_TEXT_MAX, "ECDSA-%u", curves[h]);
        break;
    default:
        (void)snprintf(buf, SCHEME_TEXT_MAX, "%s",
                       s->kind == SCHEME_ED25519 ? "ED25519"
                       : s->kind == SCHEME_ED448 ? "ED448"
                                                 : "unknown scheme");
    }
    return buf;
}

err_t hash_set_read(span_t data, hash_set_t *out)
{
    if (data.len % 2) return ERR_SYNTAX;
    hash_set_t set = 0;
    rd_t r = rd_from(data);
    while (rd_left(&r) > 0) {
        uint16_t id = rd_u16(&r);
        if (id >= HASH_SHA1 && id <= HASH_IDENTITY) set |= HASH_BIT(id);
    }
    *out = set;
    return ERR_OK;
}

void hash_set_write(hash_set_t set, wr_t *w)
{
    for (uint16_t id = HASH_SHA1; id <= HASH_IDENTITY; id++) {
        if (set & HASH_BIT(id)) wr_u16(w, id);
    }
}
