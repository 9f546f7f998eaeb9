// Certificates and keys beside a configuration: what fits together is found, and what is missing,
// unreadable or strange is said with its place and a remedy.
#include "conf/creds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/config.h"
#include "test/check.h"
#include "test/unit/cred/mint.h"

static char base[64];

static void path_of(char *out, size_t cap, const char *sub, const char *name)
{
    (void)snprintf(out, cap, "%s/%s%s%s", base, sub, *name ? "/" : "", name);
}

static int begin(void **state)
{
    static const char *const subs[] = {"x509", "x509ca", "pubkey", "private", "pkcs12"};
    char path[128];
    (void)state;
    (void)snprintf(base, sizeof base, "/tmp/pavise-creds-XXXXXX");
    CHECK(mkdtemp(base) != NULL);
    for (unsigned i = 0; i < 5; i++) {
        path_of(path, sizeof path, subs[i], "");
        CHECK_EQ(mkdir(path, 0700), 0);
    }
    return 0;
}

static int end(void **state)
{
    char command[100];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", base);
    return system(command);
}

static FILE *file_new(const char *sub, const char *name)
{
    char path[128];
    path_of(path, sizeof path, sub, name);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    return f;
}

static void put_text(const char *sub, const char *name, const char *text)
{
    FILE *f = file_new(sub, name);
    (void)fputs(text, f);
    (void)fclose(f);
}

static void put_cert(const char *sub, const char *name, const struct mint *m)
{
    FILE *f = file_new(sub, name);
    CHECK(PEM_write_X509(f, m->x) == 1);
    (void)fclose(f);
}

static void put_key(const char *name, const struct mint *m, const char *passphrase)
{
    FILE *f = file_new("private", name);
    const EVP_CIPHER *cipher = passphrase ? EVP_aes_256_cbc() : NULL;
    CHECK(PEM_write_PKCS8PrivateKey(f, m->key, cipher, passphrase,
                                    passphrase ? (int)strlen(passphrase) : 0, NULL, NULL) == 1);
    (void)fclose(f);
}

// Loads; *said gets every message. NULL: there was an error.
static struct config *load(const char *local, const char *more, struct text *said)
{
    char conf[1024], path[128];
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    (void)snprintf(
        conf, sizeof conf,
        "connections { site {\n local {\n %s\n }\n remote {\n id = sun.example.org\n }\n "
        "children { net { } } } }\n%s",
        local, more);
    put_text(".", "swanctl.conf", conf);
    path_of(path, sizeof path, "swanctl.conf", "");
    err_t e = config_load(path, &c, &issues);
    for (unsigned i = 0; i < issues.n; i++) {
        text_add(said, "%u:%u %s; %s\n", issues.issue[i].line, issues.issue[i].column,
                 issues.issue[i].what, issues.issue[i].hint ? issues.issue[i].hint : "");
    }
    CHECK((e == ERR_OK) == (c != NULL));
    return c;
}

static void says(const char *local, const char *more, bool good, const char *words)
{
    AUTO(text) struct text said = {0};
    struct config *c = load(local, more, &said);
    if (!strstr(text_str(&said), words)) fail_msg("not said: %s\nbut: %s", words, text_str(&said));
    CHECK_EQ(c != NULL, good);
    config_free(c);
}

static void put_pair(struct mint *ca, struct mint *moon)
{
    *ca = MINT(.name = "CN=Root", .ext = {MINT_CA});
    *moon = MINT(.name = "CN=moon", .by = ca, .ext = {"subjectAltName=DNS:moon.example.org"});
    put_cert("x509ca", "ca.pem", ca);
    put_cert("x509", "moon.pem", moon);
}

static void what_fits_is_found(void **state)
{
    struct mint ca, moon;
    AUTO(text) struct text said = {0};
    (void)state;
    put_pair(&ca, &moon);
    put_key("moon.key", &moon, NULL);
    struct config *c = load("id = moon.example.org", "", &said);
    CHECK(c != NULL);
    CHECK_STR(text_str(&said), "");
    const struct cred_own *own = c->conn[0].local.creds->own;
    CHECK(own && !own->next && own->root && own->chain_n == 0);
    CHECK(cert_eq(own->cert, moon.cert));
    CHECK_EQ(c->creds->ca_n, 1);
    CHECK_EQ(c->conn[0].local.auth, CONF_AUTH_PUBKEY); // the default
    config_free(c);
    mint_done(&ca);
    mint_done(&moon);
}

static void what_is_missing_is_named(void **state)
{
    struct mint ca, moon, other = MINT(.name = "CN=other");
    (void)state;
    put_pair(&ca, &moon);
    says("certs = sun.pem", "", false, "3:10 ");
    says("certs = sun.pem", "", false, "/x509/sun.pem cannot be used: No such file or directory");
    says("certs = moon.pem", "", false, "no private key here belongs to the certificate");
    put_key("other.key", &other, NULL);
    says("certs = moon.pem", "", false, "1 private keys were read; put its own into");
    says("id = moon.example.org", "", false,
         "there is no certificate with a private key for moon.example.org");
    put_key("moon.key", &moon, NULL);
    says("certs = moon.pem", "", true, "");
    says("certs = moon.pem\n id = mars.example.org", "", true,
         "does not say that it is mars.example.org; its subject will be said instead");
    mint_done(&ca);
    mint_done(&moon);
    mint_done(&other);
}

static void locked_keys(void **state)
{
    struct mint ca, moon;
    (void)state;
    put_pair(&ca, &moon);
    put_key("moon.key", &moon, "open sesame");
    says("certs = moon.pem", "", false, "private-1 { file = moon.key");
    says("certs = moon.pem",
         "secrets { private-moon {\n file = moon.key\n secret = \"wrong horse\"\n } }\n", false,
         "is its passphrase right?");
    says("certs = moon.pem",
         "secrets { private-moon {\n file = moon.key\n secret = \"open sesame\"\n } }\n", true, "");
    says("certs = moon.pem",
         "secrets { private-moon {\n file = moon.key\n secret = \"open sesame\"\n }\n"
         "private-x {\n file = x.key\n secret = x\n } }\n",
         true, "there is no file x.key in");
    mint_done(&ca);
    mint_done(&moon);
}

static void strange_files(void **state)
{
    struct mint ca, moon;
    (void)state;
    put_pair(&ca, &moon);
    put_key("moon.key", &moon, NULL);
    put_text("x509", "readme", "certificates go here\n");
    put_text("private", "empty", "");
    put_text("pubkey", "half.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n");
    put_cert("x509ca", "host.pem", &moon);
    says("certs = moon.pem", "", true, "/x509/readme is passed over");
    says("certs = moon.pem", "", true, "/private/empty is passed over");
    says("certs = moon.pem", "", true, "/pubkey/half.pem is passed over");
    says("certs = moon.pem", "", true, "it is not the certificate of an authority");
    says("certs = readme", "", false, "/x509/readme cannot be used");
    mint_done(&ca);
    mint_done(&moon);
}

static void nobody_to_believe(void **state)
{
    struct mint moon = MINT(.name = "CN=moon");
    (void)state;
    put_cert("x509", "moon.pem", &moon);
    put_key("moon.key", &moon, NULL);
    says("certs = moon.pem", "", true, "no certificate of an authority is there");
    mint_done(&moon);
}

static void authorities(void **state)
{
    struct mint ca, moon;
    AUTO(text) struct text said = {0};
    (void)state;
    put_pair(&ca, &moon);
    put_key("moon.key", &moon, NULL);
    struct config *c = load("certs = moon.pem",
                            "authorities { root {\n cacert = ca.pem\n crl_uris = http://a/b.crl\n"
                            " ocsp_uris = http://a/, http://b/\n } }\n",
                            &said);
    CHECK(c != NULL);
    const struct cred_authority *a = c->creds->authorities;
    CHECK(a && cert_eq(a->cert, ca.cert) && a->crl_n == 1 && a->ocsp_n == 2);
    CHECK_EQ(c->creds->ca_n, 1); // read once
    config_free(c);
    says("certs = moon.pem",
         "authorities { root {\n cacert = ca.pem\n crl_uris = file:///x\n } }\n", false,
         "'file:///x' cannot be fetched");
    says("certs = moon.pem", "authorities { root {\n crl_uris = http://x/\n } }\n", false,
         "authority 'root' has no certificate");
    mint_done(&ca);
    mint_done(&moon);
}

static void classes_of_keys_and_hashes(void **state)
{
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    (void)state;
    const char *text =
        "connections { a {\n local {\n auth = ike:rsa/pss-sha512\n }\n remote {\n auth = "
        "rsa-3072-ecdsa-384-sha384, ike:ed25519\n }\n children { a { } } } }\n";
    CHECK_OK(config_load_text("t", span_str(text), &c, &issues));
    const struct conf_side *l = &c->conn[0].local, *r = &c->conn[0].remote;
    CHECK(l->ike_rules.rules.pss && l->ike_rules.rules.hashes == HASH_BIT(HASH_SHA512));
    CHECK(!l->chain_rules.given);
    CHECK_EQ(r->chain_rules.rules.keys, 1U << KEY_RSA | 1U << KEY_ECDSA);
    CHECK_EQ(r->chain_rules.rules.rsa_bits, 3072);
    CHECK_EQ(r->chain_rules.rules.ecdsa_bits, 384);
    CHECK_EQ(r->ike_rules.rules.keys, 1U << KEY_ED25519);
    config_free(c);
    static const char *const bad[] = {
        "rsa-",        "-rsa",        "3072", "rsa-0",       "rsa-99999",
        "pubkey-2048", "rsa--sha256", "ike:", "sha256-3072", "rsa sha256"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        char conf[200];
        (void)snprintf(conf, sizeof conf,
                       "connections { a {\n local {\n auth = %s\n }\n remote { }\n } }\n", bad[i]);
        if (config_load_text("t", span_str(conf), &c, &issues) == ERR_OK) fail_msg("%s", bad[i]);
    }
}

// What the file names is known although a key of it cannot be read.
static void an_outline_is_there_whatever_is_wrong(void **state)
{
    char path[128];
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    (void)state;
    put_text(".", "swanctl.conf",
             "defaults { updown = /bin/one }\n"
             "connections { site {\n local { certs = none.pem }\n proposals = aes\n"
             "children { net : defaults { modus = tunnel }\n more { updown = /bin/two } } } }\n"
             "secrets { private-x { file = none.pem\n secret = x } }\n");
    path_of(path, sizeof path, "swanctl.conf", "");
    CHECK_EQ(config_load(path, &c, &issues), ERR_SYNTAX);
    CHECK_OK(config_load_outline(path, &c));
    CHECK(c->conn_n == 1 && c->conn[0].child_n == 2);
    CHECK_STR(c->conn[0].child[0].updown, "/bin/one");
    CHECK_STR(c->conn[0].child[1].updown, "/bin/two");
    config_free(c);
    put_text(".", "swanctl.conf", "connections { site {\n children { net { updown = /bin/one }\n");
    CHECK_EQ(config_load_outline(path, &c), ERR_SYNTAX);
    CHECK_EQ(config_load_outline("/nonexistent/swanctl.conf", &c), ERR_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_fits_is_found, begin, end),
        cmocka_unit_test_setup_teardown(what_is_missing_is_named, begin, end),
        cmocka_unit_test_setup_teardown(locked_keys, begin, end),
        cmocka_unit_test_setup_teardown(strange_files, begin, end),
        cmocka_unit_test_setup_teardown(nobody_to_believe, begin, end),
        cmocka_unit_test_setup_teardown(authorities, begin, end),
        cmocka_unit_test_setup_teardown(an_outline_is_there_whatever_is_wrong, begin, end),
        cmocka_unit_test(classes_of_keys_and_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
