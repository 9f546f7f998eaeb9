// What VICI clients load and unload, over a real socket: it comes into force as a whole or not at
// all, takes the place of what has its name, and a mistake is told with its place and remedy.
#include "test/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/creds.h"
#include "conf/parts.h"
#include "daemon/commands.h"
#include "daemon/events.h"
#include "daemon/loaded.h"
#include "daemon/names.h"
#include "daemon/reload.h"
#include "daemon/resolver.h"
#include "test/unit/cred/mint_ac.h"
#include "test/unit/daemon/fake_ike.h"
#include "vici/client.h"

#define WAIT_MS 20000

static const char file_text[] =
    "connections {\n home {\n remote_addrs = 192.0.2.2\n local {\n auth = psk\n }\n"
    "  remote {\n auth = psk\n id = sun\n }\n children {\n net {\n }\n }\n }\n"
    " other {\n remote_addrs = 192.0.2.3\n local {\n auth = psk\n }\n remote {\n auth = psk\n }\n"
    " }\n}\n"
    "secrets {\n ike-1 {\n secret = \"known to the file\"\n }\n"
    " ppk-1 {\n id = monday\n secret = \"quanta of the file\"\n }\n}\n"
    "pools {\n rw {\n addrs = 10.3.0.0/24\n }\n}\n";
#define PSK " local { auth=psk } remote { auth=psk } "

struct fixture {
    struct iked d;
    struct fake_ike ike;
    char dir[64], path[96], conf[96];
    pthread_t thread;
    atomic_bool end;
    struct vici_client *c;
    struct text answer; // the latest errmsg, or list
};

void iked_rearm(struct iked *d)
{
    (void)d;
}

static void on_wake(void *ctx)
{
    struct fixture *f = ctx;
    reload_on_names(&f->d);
    loaded_on_names(&f->d);
    if (atomic_load(&f->end)) loop_stop(f->d.loop);
}

static void on_name(void *ctx)
{
    struct fixture *f = ctx;
    loop_wake(f->d.loop);
}

static void *serve(void *ctx)
{
    struct fixture *f = ctx;
    f->d.thread = pthread_self();
    loop_run(f->d.loop);
    return NULL;
}

static void write_conf(struct fixture *f, const char *text)
{
    FILE *file = fopen(f->conf, "w");
    assert_non_null(file);
    CHECK(fputs(text, file) >= 0);
    CHECK_EQ(fclose(file), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct why why;
    if (!f) return -1;
    log_set_level(LOG_ERROR);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/load-test-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    (void)snprintf(f->path, sizeof f->path, "%s/vici", f->dir);
    (void)snprintf(f->conf, sizeof f->conf, "%s/swanctl.conf", f->dir);
    write_conf(f, file_text);
    f->d.options.config = f->conf;
    f->d.loop = loop_new();
    f->d.resolver = resolver_new(on_name, f);
    loop_on_wake(f->d.loop, on_wake, f);
    f->d.ike = (struct ike *)(void *)&f->ike;
    CHECK_OK(loaded_new(&f->d));
    CHECK_OK(vici_server_new(f->d.loop, f->path, commands, events_names, &f->d, &f->d.vici, &why));
    CHECK_EQ(pthread_create(&f->thread, NULL, serve, f), 0);
    CHECK_OK(vici_connect(f->path, &f->c, &why));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    vici_close(f->c);
    atomic_store(&f->end, true);
    loop_wake(f->d.loop);
    (void)pthread_join(f->thread, NULL);
    reload_cancel(&f->d);
    names_done(&f->d);
    commands_done(&f->d);
    vici_server_free(f->d.vici);
    resolver_free(f->d.resolver);
    loaded_free(&f->d);
    loop_free(f->d.loop);
    text_done(&f->answer);
    (void)unlink(f->conf);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

// ---- talking ----

static void put(struct vici_msg *m, const char *key, span_t value)
{
    char list[64];
    // The writer takes text; what is binary goes in by hand: type, key, length, bytes.
    (void)snprintf(list, sizeof list, "%s", key);
    uint8_t head[] = {VICI_KEY_VALUE, (uint8_t)strlen(list)};
    uint8_t len[] = {(uint8_t)(value.len >> 8), (uint8_t)value.len};
    uint8_t *at = realloc(m->at, m->len + sizeof head + strlen(list) + sizeof len + value.len);
    assert_non_null(at);
    m->at = at;
    memcpy(at + m->len, head, sizeof head);
    m->len += sizeof head;
    memcpy(at + m->len, list, strlen(list));
    m->len += strlen(list);
    memcpy(at + m->len, len, sizeof len);
    m->len += sizeof len;
    memcpy(at + m->len, value.at, value.len);
    m->len += value.len;
    m->cap = m->len;
}

// "name { key=value list=[ a b ] }", words apart.
static void write_words(struct vici_msg *m, const char *words)
{
    char *copy = strdup(words), *save = NULL;
    char *last = NULL;
    bool list = false;
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(w, '=');
        if (strcmp(w, "{") == 0) {
            vici_section(m, last);
        } else if (strcmp(w, "}") == 0) {
            vici_section_end(m);
        } else if (strcmp(w, "]") == 0) {
            vici_list_end(m);
            list = false;
        } else if (list) {
            vici_item(m, "%s", w);
        } else if (equals) {
            *equals = 0;
            list = strcmp(equals + 1, "[") == 0;
            if (list) vici_list(m, w);
            if (!list) vici_kv(m, w, "%s", equals + 1);
        }
        last = w;
    }
    free(copy);
}

static bool send_msg(struct fixture *f, const char *command, struct vici_msg *m)
{
    span_t answer = span(NULL, 0);
    char text[1024] = "";
    text_done(&f->answer);
    f->answer = (struct text){0};
    CHECK_OK(vici_ask(f->c, command, m, WAIT_MS, NULL, NULL, &answer));
    vici_msg_done(m);
    struct vici_reader r = vici_reader_from(answer);
    struct vici_item i = {.type = VICI_LIST_START};
    while (i.type != VICI_END) {
        CHECK_OK(vici_next(&r, &i));
        if (i.type != VICI_LIST_ITEM) continue;
        text_add(&f->answer, "%s%.*s", f->answer.len ? " " : "", (int)i.value.len,
                 (const char *)i.value.at);
    }
    if (vici_get_str(answer, "errmsg", text, sizeof text) == ERR_OK)
        text_add(&f->answer, "%s", text);
    if (vici_get_str(answer, "id", text, sizeof text) == ERR_OK) text_add(&f->answer, "%s", text);
    return vici_get_str(answer, "success", text, sizeof text) == ERR_OK && strcmp(text, "yes") == 0;
}

static bool ask(struct fixture *f, const char *command, const char *words)
{
    struct vici_msg m = {0};
    write_words(&m, words);
    return send_msg(f, command, &m);
}

static void good(struct fixture *f, const char *command, const char *words)
{
    bool yes = ask(f, command, words);
    CHECK_STR(text_str(&f->answer), "");
    CHECK(yes);
}

// Refused, with these words in the sentence.
static void bad(struct fixture *f, const char *command, const char *words, const char *why)
{
    CHECK(!ask(f, command, words));
    if (!strstr(text_str(&f->answer), why)) print_error("%s\n", text_str(&f->answer));
    CHECK(strstr(text_str(&f->answer), why));
}

static const struct config *in_force(struct fixture *f)
{
    (void)ask(f, "list-conns", ""); // whoever looks sees all that was loaded
    return f->d.config;
}

static void names_are(struct fixture *f, const char *command, const char *want)
{
    (void)ask(f, command, "");
    CHECK_STR(text_str(&f->answer), want);
}

// ---- connections ----

static void a_connection_comes_and_goes(void **state)
{
    struct fixture *f = *state;
    names_are(f, "get-conns", "");
    good(f, "load-conn",
         "home { version=2 local_addrs=[ 192.0.2.1 ] remote_addrs=[ 192.0.2.2 192.0.2.3 ] "
         "proposals=[ aes256-sha256-modp2048 default ] " PSK
         "children { net { local_ts=[ 10.1.0.0/16 10.9.0.0/16[tcp] ] esp_proposals=[ aes128gcm16 ] "
         "life_time=10m rekey_time=5m } } }");
    names_are(f, "get-conns", "home");
    const struct config *c = in_force(f);
    CHECK_EQ(c->conn_n, 1);
    CHECK_EQ(c->conn[0].remote_addr_n, 2);
    CHECK_EQ(c->conn[0].ike.n > 2, 1);
    CHECK_EQ(c->conn[0].child[0].local_n, 2);
    CHECK_EQ(c->conn[0].child[0].life_s, 600);
    CHECK_EQ(c->conn[0].rekey_s, 4 * 3600); // a default
    good(f, "unload-conn", "name=home");
    CHECK_EQ(in_force(f)->conn_n, 0);
    bad(f, "unload-conn", "name=home", "connection 'home' not found for unloading");
    bad(f, "unload-conn", "", "missing connection name");
}

static void a_mistake_names_place_cause_and_remedy(void **state)
{
    struct fixture *f = *state;
    good(f, "load-conn", "home { remote_addrs=[ 192.0.2.2 ]" PSK "}");
    uint64_t before = in_force(f)->conn[0].since;
    static const char *const wrong[][2] = {
        {"home { remote_adrs=192.0.2.2" PSK "}",
         "home.remote_adrs: 'remote_adrs' is not a setting"},
        {"home { remote_adrs=192.0.2.2" PSK "}", "did you mean 'remote_addrs'"},
        {"home {" PSK "children { net { local_ts=[ 10.0.0.0/40 ] } } }",
         "home.children.net.local_ts: "},
        {"home {" PSK "children { net { esp_proposals=[ aes77 ] } } }",
         "home.children.net.esp_proposals: "},
        {"home {" PSK "child { net { } } }", "home.child: "},
        {"home { remote { auth=psk } }", "home: connection 'home' has no local section"},
        {"home {" PSK "vips=[ nonsense ] dpd_delay=soon }", "(and 1 more mistake)"},
        {"home { local { auth=pubkey cert { file=moon.pem } } remote { auth=psk } }",
         "home.local.cert.file: moon.pem cannot be used: it is not clear in which folder"},
        {"", "missing connection"},
        {"stray=setting", "'stray'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        bad(f, "load-conn", wrong[i][0], wrong[i][1]);
    CHECK_EQ(in_force(f)->conn[0].since, before); // it stays as it was
}

static void who_spoke_last_is_right(void **state)
{
    struct fixture *f = *state;
    CHECK(ask(f, "reload-settings", ""));
    names_are(f, "get-conns", "home other");
    good(f, "load-conn", "home { remote_addrs=[ 198.51.100.7 ]" PSK "}");
    good(f, "load-conn", "third { remote_addrs=[ 198.51.100.8 ]" PSK "}");
    good(f, "unload-conn", "name=other");
    const struct config *c = in_force(f);
    CHECK_EQ(c->conn_n, 2);
    CHECK_EQ(config_conn(c, "home")->child_n, 0);
    CHECK_EQ(c->psk_n, 1);
    CHECK(ask(f, "reload-settings", "")); // the file again, and what only clients have said
    names_are(f, "get-conns", "home third other");
    CHECK_EQ(config_conn(in_force(f), "home")->child_n, 1);
    write_conf(f, "connections {\n");
    bad(f, "reload-settings", "", "never closed");
    names_are(f, "get-conns", "home third other");
}

static void only_what_is_new_counts_as_new(void **state)
{
    struct fixture *f = *state;
    good(f, "load-conn", "a { remote_addrs=[ 192.0.2.2 ]" PSK "}");
    uint64_t a = in_force(f)->conn[0].since;
    good(f, "load-conn", "b { remote_addrs=[ 192.0.2.2 ]" PSK "}");
    CHECK_EQ(in_force(f)->conn[0].since, a);
    CHECK(in_force(f)->conn[1].since != a);
    good(f, "load-conn", "a { remote_addrs=[ 192.0.2.2 ]" PSK "}");
    CHECK(in_force(f)->conn[0].since != a);
}

static void many_come_into_force_at_once(void **state)
{
    struct fixture *f = *state;
    char words[256];
    (void)in_force(f);
    f->ike.configured = 0;
    for (int i = 0; i < 300; i++) {
        (void)snprintf(words, sizeof words, "c%d { remote_addrs=[ 192.0.2.2 ]" PSK "}", i);
        good(f, "load-conn", words);
    }
    CHECK_EQ(in_force(f)->conn_n, 300);
    CHECK(f->ike.configured >= 1 && f->ike.configured < 150);
}

static void a_name_in_dns_is_waited_for(void **state)
{
    struct fixture *f = *state;
    good(f, "load-conn", "home { remote_addrs=[ localhost ]" PSK "}");
    ip_t ip = {0};
    CHECK_OK(resolver_find(f->d.resolver, "localhost", AF_INET, &ip));
}

static void scripts_are_those_of_the_file(void **state)
{
    struct fixture *f = *state;
    bad(f, "load-conn", "home {" PSK "children { net { updown=/bin/true } } }",
        "home.children.net.updown: no child in");
}

// ---- secrets ----

static void secrets_come_by_their_ids(void **state)
{
    struct fixture *f = *state;
    struct vici_msg m = {0};
    good(f, "load-shared", "id=ike-moon type=IKE data=0xsecret owners=[ moon sun ]");
    vici_kv(&m, "type", "ike");
    put(&m, "data", span("\0\1raw,bytes", 11));
    vici_list(&m, "owners");
    vici_item(&m, "C=CH, O=Strong, CN=moon");
    vici_list_end(&m);
    CHECK(send_msg(f, "load-shared", &m));
    const struct config *c = in_force(f);
    CHECK_EQ(c->psk_n, 2);
    CHECK_EQ(c->psk[0].owner_n, 2);
    CHECK(span_eq(c->psk[0].secret, span_str("0xsecret"))); // bytes, not what a file would mean
    CHECK(span_eq(c->psk[1].secret, span("\0\1raw,bytes", 11)));
    CHECK_EQ(c->psk[1].owner_n, 1);
    CHECK_EQ(c->psk[1].owner[0].type, ID_DER_ASN1_DN);
    good(f, "load-shared", "id=ike-moon type=IKE data=another-secret");
    c = in_force(f);
    CHECK_EQ(c->psk_n, 2);
    CHECK(span_eq(c->psk[0].secret, span_str("another-secret")));
    good(f, "unload-shared", "id=ike-moon");
    CHECK_EQ(in_force(f)->psk_n, 1);
    bad(f, "load-shared", "type=moon data=x", "invalid shared key type: 'moon'");
    bad(f, "load-shared", "type=IKE", "missing shared key data");
    bad(f, "unload-shared", "", "missing shared key id");
}

static void post_quantum_keys_stand_beside_the_file(void **state)
{
    struct fixture *f = *state;
    // The file's outlives what comes beside it.
    CHECK(ask(f, "reload-settings", ""));
    good(f, "load-conn", "more { remote_addrs=[ 192.0.2.9 ] ppk_id=tuesday" PSK "}");
    CHECK_EQ(in_force(f)->ppk_n, 1);
    CHECK(span_eq(in_force(f)->ppk[0].secret, span_str("quanta of the file")));
    good(f, "load-shared", "id=ppk-2 type=PPK data=later-quanta owners=[ tuesday tuesday-too ]");
    const struct config *c = in_force(f);
    CHECK_EQ(c->ppk_n, 2);
    CHECK(span_eq(c->ppk[1].secret, span_str("later-quanta")));
    CHECK_EQ(c->ppk[1].owner_n, 2);
    names_are(f, "get-shared", "ike-1 ppk-1 ppk-2");
    good(f, "load-shared", "id=ppk-1 type=PPK data=newer-quanta owners=[ monday ]");
    CHECK_EQ(in_force(f)->ppk_n, 2);
    CHECK(span_eq(in_force(f)->ppk[0].secret, span_str("newer-quanta")));
    bad(f, "load-shared", "id=ppk-3 type=PPK data=nameless", "has no id");
    // Reading the file again takes back what has its name, and leaves the rest.
    CHECK(ask(f, "reload-settings", ""));
    c = in_force(f);
    CHECK_EQ(c->ppk_n, 2);
    CHECK(span_eq(c->ppk[0].secret, span_str("quanta of the file")));
    CHECK(span_eq(c->ppk[1].secret, span_str("later-quanta")));
    good(f, "unload-shared", "id=ppk-2");
    names_are(f, "get-shared", "ike-1 ppk-1");
    good(f, "clear-creds", "");
    names_are(f, "get-shared", "");
    CHECK_EQ(in_force(f)->ppk_n, 0);
}

// ---- certificates and keys ----

static span_t key_der(const struct mint *m, uint8_t **out)
{
    *out = NULL;
    int n = i2d_PrivateKey(m->key, out);
    CHECK(n > 0);
    return span(*out, (size_t)n);
}

static bool load_cert(struct fixture *f, const struct mint *m, const char *flag)
{
    struct vici_msg msg = {0};
    vici_kv(&msg, "type", "X509");
    vici_kv(&msg, "flag", "%s", flag);
    put(&msg, "data", cert_der(m->cert));
    return send_msg(f, "load-cert", &msg);
}

static bool load_key(struct fixture *f, const struct mint *m)
{
    struct vici_msg msg = {0};
    uint8_t *der;
    vici_kv(&msg, "type", "any");
    put(&msg, "data", key_der(m, &der));
    bool yes = send_msg(f, "load-key", &msg);
    OPENSSL_free(der);
    return yes;
}

static void load_conn_with(struct fixture *f, const struct mint *m)
{
    struct vici_msg msg = {0};
    vici_section(&msg, "cert");
    vici_section(&msg, "local");
    vici_kv(&msg, "auth", "pubkey");
    put(&msg, "certs", cert_der(m->cert));
    vici_section_end(&msg);
    vici_section(&msg, "remote");
    vici_kv(&msg, "auth", "pubkey");
    vici_section_end(&msg);
    vici_section_end(&msg);
    bool yes = send_msg(f, "load-conn", &msg);
    CHECK_STR(text_str(&f->answer), "");
    CHECK(yes);
}

static const struct cred_own *own_of(struct fixture *f)
{
    return in_force(f)->conn[0].local.creds->own;
}

static void certificates_and_keys_find_each_other(void **state)
{
    struct fixture *f = *state;
    struct mint ca = MINT(.name = "CN=root", .ext = {MINT_CA});
    struct mint moon = MINT(.name = "CN=moon", .by = &ca);
    char id[KEY_NAME_MAX];
    load_conn_with(f, &moon);
    CHECK(!own_of(f)); // the key is not there yet
    CHECK(load_key(f, &moon));
    (void)snprintf(id, sizeof id, "%s", text_str(&f->answer));
    CHECK_EQ(strlen(id), 40);
    CHECK(own_of(f) && !own_of(f)->root);
    CHECK(load_cert(f, &ca, "CA"));
    CHECK(load_cert(f, &ca, "CA")); // the same again
    CHECK_EQ(in_force(f)->creds->ca_n, 1);
    CHECK(own_of(f)->root && cert_eq(own_of(f)->root, ca.cert));
    CHECK(trust_ca_at(in_force(f)->creds->trust, 0));
    CHECK(!load_cert(f, &moon, "CA"));
    CHECK(strstr(text_str(&f->answer), "is not the certificate of an authority"));
    names_are(f, "get-keys", id);
    char words[64];
    (void)snprintf(words, sizeof words, "id=%s", id);
    good(f, "unload-key", words);
    CHECK(!own_of(f));
    CHECK(load_key(f, &moon));
    good(f, "clear-creds", "");
    names_are(f, "get-keys", "");
    CHECK(!own_of(f));
    CHECK_EQ(in_force(f)->creds->ca_n, 0);
    CHECK(!trust_ca_at(in_force(f)->creds->trust, 0));
    bad(f, "load-key", "type=any data=rubbish", "this is no private key");
    bad(f, "load-cert", "type=X509 data=rubbish", "this X509 is refused");
    bad(f, "load-cert", "type=X509_AC data=rubbish", "this X509_AC is refused");
    bad(f, "load-cert", "type=PGP data=rubbish", "X509_CRL and PUBKEY are");
    bad(f, "load-token", "handle=1", "tokens are not supported");
    mint_done(&moon);
    mint_done(&ca);
}

struct seen {
    char text[256]; // type, flag and has_privkey of each
    struct mint *wanted;
};

static void note_cert(void *ctx, span_t name, span_t elements)
{
    struct seen *s = ctx;
    char type[32] = "", flag[32] = "", key[8] = "";
    span_t data;
    CHECK(span_eq(name, span_str("list-cert")));
    IGNORE(vici_get_str(elements, "type", type, sizeof type));
    IGNORE(vici_get_str(elements, "flag", flag, sizeof flag));
    IGNORE(vici_get_str(elements, "has_privkey", key, sizeof key));
    CHECK_OK(vici_get(elements, "data", &data));
    size_t n = strlen(s->text);
    (void)snprintf(s->text + n, sizeof s->text - n, "%s %s %s,", type, flag, key);
    if (s->wanted) CHECK(span_eq(data, cert_der(s->wanted->cert)));
}

static void certs_are(struct fixture *f, const char *words, struct mint *one, const char *want)
{
    struct vici_msg m = {0};
    struct seen s = {.wanted = one};
    span_t answer;
    write_words(&m, words);
    CHECK_OK(vici_ask(f->c, "list-certs", &m, WAIT_MS, note_cert, &s, &answer));
    CHECK_STR(s.text, want);
    vici_msg_done(&m);
}

static void certificates_are_listed(void **state)
{
    struct fixture *f = *state;
    struct mint ca = MINT(.name = "CN=root", .ext = {MINT_CA});
    struct mint moon = MINT(.name = "CN=moon", .by = &ca), sun = MINT(.name = "CN=sun", .by = &ca);
    CHECK_OK(vici_register(f->c, "list-cert"));
    CHECK(load_cert(f, &ca, "CA") && load_cert(f, &moon, "NONE") && load_cert(f, &sun, ""));
    CHECK(load_key(f, &moon));
    certs_are(f, "", NULL, "X509 NONE yes,X509 NONE ,X509 CA ,");
    certs_are(f, "type=x509 flag=CA", &ca, "X509 CA ,");
    certs_are(f, "type=ANY subject=CN=sun", &sun, "X509 NONE ,");
    certs_are(f, "type=X509_CRL", NULL, "");
    mint_done(&sun);
    mint_done(&moon);
    mint_done(&ca);
}

static bool load_bytes(struct fixture *f, const char *type, const char *flag, span_t data)
{
    struct vici_msg msg = {0};
    vici_kv(&msg, "type", "%s", type);
    vici_kv(&msg, "flag", "%s", flag);
    put(&msg, "data", data);
    return send_msg(f, "load-cert", &msg);
}

// Attribute certificates, and who may issue them.
static void groups_are_loaded(void **state)
{
    struct fixture *f = *state;
    struct mint ca = MINT(.name = "CN=root", .ext = {MINT_CA});
    struct mint aa = MINT(.name = "CN=aa", .by = &ca), moon = MINT(.name = "CN=moon", .by = &ca);
    span_t der = MINT_AC_DER(.by = &aa, .holder = &moon, .groups = {"sales"});
    CHECK_OK(vici_register(f->c, "list-cert"));
    CHECK(load_bytes(f, "X509", "AA", cert_der(aa.cert)));
    CHECK(!load_bytes(f, "X509", "AA", cert_der(ca.cert))); // a CA may not be one
    CHECK(load_bytes(f, "X509_AC", "NONE", der) && load_bytes(f, "X509_AC", "NONE", der));
    CHECK(load_cert(f, &moon, "NONE") && load_key(f, &moon));
    certs_are(f, "", NULL, "X509 NONE yes,X509 AA ,X509_AC  ,");
    certs_are(f, "type=x509_ac", NULL, "X509_AC  ,");
    certs_are(f, "flag=AA type=x509", &aa, "X509 AA ,");
    good(f, "load-conn",
         "rw { local { auth=pubkey } remote { auth=pubkey groups=[ sales finance ] } }");
    const struct conf_side *side = &in_force(f)->conn[0].remote;
    CHECK_EQ(side->group_n, 2);
    CHECK_STR(side->group[1], "finance");
    bad(f, "load-conn", "no { local { auth=pubkey } remote { auth=psk groups=[ sales ] } }",
        "groups belong to certificates");
    CHECK_EQ(in_force(f)->creds->own->acert_n, 1); // it goes with ours
    good(f, "clear-creds", "");
    certs_are(f, "", NULL, "");
    mint_done(&moon);
    mint_done(&aa);
    mint_done(&ca);
}

// ---- pools, authorities ----

static void pools_do_not_overlap(void **state)
{
    struct fixture *f = *state;
    good(f, "load-pool", "rw { addrs=10.3.0.0/24 dns=[ 10.0.0.1 10.0.0.2 ] }");
    bad(f, "load-pool", "too { addrs=10.3.0.128/25 }",
        "too.addrs: pool 'rw' has addresses of these");
    good(f, "load-pool", "rw { addrs=10.3.0.0/16 }");
    const struct config *c = in_force(f);
    CHECK_EQ(c->pool_n, 1);
    CHECK_EQ(c->pool[0].attr_n, 0);
    bad(f, "load-pool", "rw { addrs=10.3.0.0/16 dsn=[ 10.0.0.1 ] }", "rw.dsn: ");
    good(f, "unload-pool", "name=rw");
    bad(f, "unload-pool", "name=rw", "pool 'rw' not found");
    CHECK_EQ(in_force(f)->pool_n, 0);
}

static void authorities_bring_their_certificate(void **state)
{
    struct fixture *f = *state;
    struct mint ca = MINT(.name = "CN=root", .ext = {MINT_CA});
    struct vici_msg m = {0};
    vici_section(&m, "strong");
    put(&m, "cacert", cert_der(ca.cert));
    vici_list(&m, "crl_uris");
    vici_item(&m, "http://crl.example.org/a.crl");
    vici_list_end(&m);
    vici_section_end(&m);
    bool yes = send_msg(f, "load-authority", &m);
    CHECK_STR(text_str(&f->answer), "");
    CHECK(yes);
    names_are(f, "get-authorities", "strong");
    CHECK_EQ(in_force(f)->creds->ca_n, 1);
    CHECK_EQ(in_force(f)->creds->authorities->crl_n, 1);
    bad(f, "load-authority", "strong { crl_uris=[ http://x/y ] }", "has no certificate");
    good(f, "unload-authority", "name=strong");
    CHECK_EQ(in_force(f)->creds->ca_n, 0);
    mint_done(&ca);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_connection_comes_and_goes),
        T(a_mistake_names_place_cause_and_remedy),
        T(who_spoke_last_is_right),
        T(only_what_is_new_counts_as_new),
        T(many_come_into_force_at_once),
        T(a_name_in_dns_is_waited_for),
        T(scripts_are_those_of_the_file),
        T(secrets_come_by_their_ids),
        T(post_quantum_keys_stand_beside_the_file),
        T(certificates_and_keys_find_each_other),
        T(certificates_are_listed),
        T(groups_are_loaded),
        T(pools_do_not_overlap),
        T(authorities_bring_their_certificate),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
