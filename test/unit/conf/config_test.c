// What a good configuration means: types, defaults, inheritance, includes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/build.h"
#include "conf/config.h"
#include "conf/schema.h"
#include "test/check.h"

static char good[512]; // the folder of the good files

static struct config *load(const char *name)
{
    char path[700];
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    (void)snprintf(path, sizeof path, "%s/%s", good, name);
    CHECK_OK(config_load(path, &c, &issues));
    return c;
}

static struct config *load_text(const char *text)
{
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    err_t e = config_load_text("test", span_str(text), &c, &issues);
    if (e != ERR_OK && issues.n) print_message("# %s\n", issues.issue[0].what);
    CHECK_OK(e);
    return c;
}

static const struct alg *alg(const char *keyword)
{
    const struct alg *a = alg_by_keyword(keyword);
    CHECK(a != NULL);
    return a;
}

// Does the proposal hold exactly these algorithms, in this order?
static void check_proposal(const struct conf_proposal *p, const char *const *keywords)
{
    unsigned n = 0;
    for (; keywords[n]; n++) {
        CHECK(n < p->n);
        CHECK_STR(p->alg[n]->keyword, alg(keywords[n])->keyword);
    }
    CHECK_EQ(p->n, n);
}
#define PROPOSAL(p, ...) check_proposal(p, (const char *const[]){__VA_ARGS__, NULL})

static void check_range(const ip_t *lo, const ip_t *hi, const char *want)
{
    char a[IP_TEXT_MAX], b[IP_TEXT_MAX], both[2 * IP_TEXT_MAX];
    (void)snprintf(both, sizeof both, "%s-%s", ip_show(lo, a), ip_show(hi, b));
    CHECK_STR(both, want);
}

static void check_id(const struct id *id, const char *want)
{
    char buf[ID_TEXT_MAX];
    CHECK_STR(id_show(id, buf), want);
}

static void real_file_is_typed(void **state)
{
    (void)state;
    struct config *c = load("net-net-psk.conf");
    CHECK_EQ(c->conn_n, 1);
    const struct conf_conn *conn = config_conn(c, "gw-gw");
    CHECK(conn != NULL && config_conn(c, "gw") == NULL);
    CHECK_EQ(conn->local_addr_n, 1);
    check_range(&conn->local_addr[0].lo, &conn->local_addr[0].hi, "192.168.0.1-192.168.0.1");
    check_range(&conn->remote_addr[0].lo, &conn->remote_addr[0].hi, "192.168.0.2-192.168.0.2");
    CHECK_EQ(conn->local.auth, CONF_AUTH_PSK);
    CHECK(conn->local.id_given && conn->remote.id_given);
    check_id(&conn->local.id, "moon.strongswan.org");
    check_id(&conn->remote.id, "sun.strongswan.org");
    CHECK_EQ(conn->ike.n, 1);
    CHECK_STR(conn->ike.text[0], "aes128-sha256-x25519");
    PROPOSAL(&conn->ike.p[0], "aes128", "sha256", "x25519", "prfsha256"); // the PRF is derived
    CHECK_EQ(conn->reauth_s, 10800);
    CHECK_EQ(conn->rekey_s, 0); // reauthentication alone
    CHECK_EQ(conn->over_s, 1080);
    CHECK_EQ(conn->rand_s, 1080);
    CHECK_EQ(conn->child_n, 1);
    const struct conf_child *child = &conn->child[0];
    CHECK_STR(child->name, "net-net");
    check_range(&child->local_ts[0].lo, &child->local_ts[0].hi, "10.1.0.0-10.1.255.255");
    check_range(&child->remote_ts[0].lo, &child->remote_ts[0].hi, "10.2.0.0-10.2.255.255");
    CHECK_EQ(child->rekey_s, 5400);
    CHECK_EQ(child->life_s, 5940);
    CHECK_EQ(child->rand_s, 540);
    CHECK_EQ(child->rekey_bytes, 500000000);
    CHECK_EQ(child->life_bytes, 550000000);
    CHECK_EQ(child->rand_packets, 100000);
    PROPOSAL(&child->esp.p[0], "aes128gcm16", "x25519");
    CHECK(child->esp.p[0].noesn && !child->esp.p[0].esn);
    CHECK_EQ(c->psk_n, 2);
    CHECK_STR(c->psk[1].name, "ike-2");
    CHECK(span_eq(c->psk[1].secret, span_str("This is a strong password")));
    CHECK_EQ(c->psk[0].secret.len, 18); // base64
    CHECK_EQ(c->psk[0].owner_n, 1);
    config_free(c);
}

static void defaults_are_strongswans(void **state)
{
    (void)state;
    struct config *c = load("minimal.conf");
    const struct conf_conn *a = config_conn(c, "a");
    CHECK_EQ(a->local_addr_n, 1);
    CHECK(a->local_addr[0].any && a->remote_addr[0].any);
    CHECK_EQ(a->local_port, 500);
    CHECK_EQ(a->remote_port, 500);
    CHECK(!a->local.id_given && !a->remote.id_given);
    CHECK_EQ(a->rekey_s, 4 * 3600);
    CHECK_EQ(a->over_s, 1440);
    CHECK_EQ(a->rand_s, 1440);
    CHECK_EQ(a->reauth_s, 0);
    CHECK_EQ(a->dpd_delay_s, 0);
    CHECK_EQ(a->ppk_exchange, CONF_PPK_AUTO);
    CHECK_EQ(a->keyingtries, 1);
    CHECK_EQ(a->unique, CONF_UNIQUE_NO);
    CHECK(!a->encap);
    CHECK_EQ(a->ike.n, 3);
    PROPOSAL(&a->ike.p[0], "aes256gcm16", "aes192gcm16", "aes128gcm16", "chacha20poly1305",
             "prfsha256", "prfsha384", "prfsha512", "x25519", "mlkem768");
    CHECK_EQ(a->ike.p[0].round[7], 0);
    CHECK_EQ(a->ike.p[0].round[8], 1);
    PROPOSAL(&a->ike.p[1], "aes256gcm16", "aes192gcm16", "aes128gcm16", "chacha20poly1305",
             "prfsha256", "prfsha384", "prfsha512", "x25519", "ecp256", "ecp384", "ecp521",
             "modp3072", "modp4096", "modp2048");
    PROPOSAL(&a->ike.p[2], "aes256", "aes192", "aes128", "sha256", "sha384", "sha512", "prfsha256",
             "prfsha384", "prfsha512", "x25519", "ecp256", "ecp384", "ecp521", "modp3072",
             "modp4096", "modp2048");
    CHECK_EQ(c->executor, CONF_EXEC_AUTO);
    CHECK_EQ(c->port, 500);
    CHECK_EQ(c->port_nat_t, 4500);
    CHECK_EQ(c->fwmark, 0);
    CHECK_STR(c->vici_socket, "/var/run/charon.vici");
    config_free(c);
}

static void child_defaults_are_strongswans(void **state)
{
    (void)state;
    struct config *c = load("unsupported-but-harmless.conf");
    const struct conf_child *d = &c->conn[0].child[0];
    CHECK_EQ(d->local_n, 1);
    CHECK(d->local_ts[0].dynamic && d->remote_ts[0].dynamic);
    CHECK_EQ(d->local_ts[0].port_hi, 65535);
    CHECK_EQ(d->rekey_s, 3600);
    CHECK_EQ(d->life_s, 3960);
    CHECK_EQ(d->rand_s, 360);
    CHECK_EQ(d->rekey_bytes, 0);
    CHECK_EQ(d->life_bytes, 0);
    CHECK_EQ(d->mode, CONF_TUNNEL);
    CHECK_EQ(d->start_action, CONF_NONE);
    CHECK_EQ(d->close_action, CONF_NONE);
    CHECK_EQ(d->dpd_action, CONF_CLEAR);
    CHECK_EQ(d->replay_window, 32);
    CHECK(d->policies && d->copy_df && d->copy_ecn && !d->hostaccess && !d->sha256_96);
    CHECK(d->updown == NULL);
    CHECK_EQ(d->esp.n, 2);
    PROPOSAL(&d->esp.p[0], "aes256gcm16", "aes192gcm16", "aes128gcm16", "chacha20poly1305");
    PROPOSAL(&d->esp.p[1], "aes256", "aes192", "aes128", "sha256", "sha384", "sha512");
    config_free(c);
}

static void sections_inherit(void **state)
{
    (void)state;
    struct config *c = load("inheritance.conf");
    const struct conf_conn *one = config_conn(c, "branch-1"), *two = config_conn(c, "branch-2");
    CHECK(one && two);
    CHECK_EQ(one->dpd_delay_s, 30);
    CHECK_EQ(two->dpd_delay_s, 0); // "dpd_delay =" clears
    check_id(&two->local.id, "hub.example.net");
    check_id(&one->remote.id, "branch1.example.net");
    check_id(&two->remote.id, "branch2.example.net");
    CHECK_EQ(one->remote.auth, CONF_AUTH_PSK);
    CHECK_EQ(one->child_n, 1);
    CHECK_EQ(one->child[0].start_action, CONF_TRAP); // the left reference wins
    CHECK_EQ(one->child[0].rekey_s, 1800);
    CHECK_EQ(two->child[0].start_action, CONF_NONE);
    CHECK_EQ(two->child[0].priority, 5);
    check_range(&two->child[0].remote_ts[0].lo, &two->child[0].remote_ts[0].hi,
                "10.2.0.0-10.2.255.255");
    check_range(&two->child[0].local_ts[0].lo, &two->child[0].local_ts[0].hi,
                "10.0.0.0-10.0.255.255");
    config_free(c);
}

static void files_are_included(void **state)
{
    (void)state;
    struct config *c = load("includes.conf");
    const struct conf_conn *two = config_conn(c, "two");
    CHECK(two && two->encap); // 20-second after 10-first
    CHECK_EQ(two->child_n, 1);
    CHECK_STR(two->ike.text[0], "aes256gcm16-prfsha384-ecp384");
    check_range(&two->remote_addr[0].lo, &two->remote_addr[0].hi, "192.0.2.2-192.0.2.2");
    config_free(c);
}

static void hosts_and_selectors(void **state)
{
    (void)state;
    struct config *c = load("selectors.conf");
    const struct conf_conn *s = config_conn(c, "sites");
    CHECK(s->local_addr[0].any && s->local_addr[0].family == AF_INET);
    check_range(&s->local_addr[1].lo, &s->local_addr[1].hi, "10.0.0.0-10.255.255.255");
    check_range(&s->remote_addr[1].lo, &s->remote_addr[1].hi, "192.0.2.10-192.0.2.20");
    CHECK_STR(s->remote_addr[2].name, "gw.example.com");
    CHECK(s->remote_addr[3].any && s->remote_addr[3].family == AF_UNSPEC);
    CHECK_EQ(s->remote_addr_n, 4);
    CHECK_EQ(s->remote_port, 4500);
    CHECK_EQ(s->local.id.type, ID_KEY_ID);
    const struct conf_child *web = &s->child[0], *ping = &s->child[1];
    CHECK_EQ(web->local_ts[0].proto, 6);
    CHECK_EQ(web->local_ts[0].port_lo, 80);
    CHECK_EQ(web->local_ts[0].port_hi, 80);
    CHECK_EQ(web->local_ts[1].port_lo, 8000);
    CHECK_EQ(web->local_ts[1].port_hi, 8080);
    check_range(&web->remote_ts[0].lo, &web->remote_ts[0].hi, "10.2.0.0-10.2.0.255");
    CHECK(ping->local_ts[0].dynamic && ping->local_ts[0].proto == 1);
    CHECK_EQ(ping->local_ts[0].port_hi, 65535);
    CHECK_EQ(ping->remote_ts[0].port_lo, 0x0800); // echo request, any code
    CHECK_EQ(ping->remote_ts[0].port_hi, 0x08ff);
    CHECK_EQ(ping->remote_ts[1].proto, 17);
    CHECK_EQ(ping->remote_ts[1].port_lo, 65535); // OPAQUE
    CHECK_EQ(ping->remote_ts[1].port_hi, 0);
    CHECK_EQ(ping->remote_ts[2].proto, 58);
    CHECK_EQ(ping->mark_in, 42);
    CHECK_EQ(ping->mark_in_mask, 0xffffffff);
    CHECK_EQ(ping->mark_out, 0x10);
    CHECK_EQ(ping->mark_out_mask, 0xff);
    CHECK_EQ(ping->if_id_in, 5);
    CHECK_EQ(ping->if_id_out, 6);
    CHECK_EQ(ping->reqid, 7);
    CHECK(!ping->policies);
    CHECK_EQ(s->child[2].mode, CONF_PASS);
    CHECK_EQ(s->child[3].mode, CONF_DROP);
    CHECK_EQ(s->child[3].priority, 1000);
    config_free(c);
}

static void amounts(void **state)
{
    (void)state;
    struct config *c = load("lifetimes.conf");
    const struct conf_child *all = &c->conn[0].child[0], *never = &c->conn[0].child[1];
    CHECK_EQ(c->conn[0].rekey_s, 7200);
    CHECK_EQ(c->conn[0].reauth_s, 86400);
    CHECK_EQ(c->conn[0].over_s, 8640);
    CHECK_EQ(c->conn[0].rand_s, 3600); // never more than half of the shorter one
    CHECK_EQ(all->rekey_s, 600);
    CHECK_EQ(all->life_s, 900);
    CHECK_EQ(all->rand_s, 30);
    CHECK_EQ(all->rekey_bytes, 2ULL << 30);
    CHECK_EQ(all->rand_bytes, 100ULL << 20);
    CHECK_EQ(all->rekey_packets, 4096);
    CHECK_EQ(never->rekey_s, 0);
    CHECK_EQ(never->life_s, 0);
    config_free(c);
}

static void words_and_esn(void **state)
{
    (void)state;
    struct config *c = load("ipv6-transport.conf");
    const struct conf_conn *h = &c->conn[0];
    CHECK_EQ(h->keyingtries, 0);
    CHECK_EQ(h->over_s, 600);
    CHECK_EQ(h->rand_s, 300);
    CHECK_EQ(h->rekey_s, 86400);
    CHECK_EQ(h->local.id.type, ID_IPV6_ADDR);
    CHECK_EQ(h->child[0].mode, CONF_TRANSPORT);
    CHECK_EQ(h->child[0].start_action, CONF_TRAP_START);
    CHECK_EQ(h->child[0].close_action, CONF_START);
    CHECK_EQ(h->child[0].dpd_action, CONF_RESTART);
    CHECK_EQ(h->child[0].replay_window, 1024);
    CHECK(h->child[0].esp.p[0].esn && h->child[0].esp.p[0].noesn);
    PROPOSAL(&h->child[0].esp.p[0], "chacha20poly1305", "x25519");
    config_free(c);
}

static void quotes_and_escapes(void **state)
{
    (void)state;
    struct config *c = load("quoting.conf");
    check_id(&c->conn[0].local.id, "a#b@example.org");
    CHECK_EQ(c->conn[0].child_n, 2);
    CHECK_EQ(c->conn[0].child[0].local_n, 3);
    CHECK(span_eq(c->psk[0].secret, span_str("tab\t, quote\", next line, backslash\\")));
    config_free(c);
}

static void own_section(void **state)
{
    (void)state;
    struct config *c = load("own.conf");
    CHECK_EQ(c->executor, CONF_EXEC_KERNEL);
    CHECK_EQ(c->port, 5500);
    CHECK_EQ(c->port_nat_t, 5501);
    CHECK_EQ(c->fwmark, 0x50);
    CHECK_STR(c->vici_socket, "/tmp/pavise.vici");
    config_free(c);
}

static void proposals_follow_strongswan(void **state)
{
    (void)state;
    struct config *c = load_text("connections { x { proposals = aes128gcm16-sha256-x25519\n"
                                 "local { auth = psk\n } remote { auth = psk\n }\n"
                                 "children { y { esp_proposals = aes256gcm16-sha256-esn, "
                                 "aes128-sha1, null-sha256\n"
                                 "} } } } secrets { ike { secret = 0x0102030405060708\n } }");
    // The integrity algorithm of an AEAD proposal names the PRF and goes.
    PROPOSAL(&c->conn[0].ike.p[0], "aes128gcm16", "x25519", "prfsha256");
    const struct conf_proposals *esp = &c->conn[0].child[0].esp;
    CHECK_EQ(esp->n, 3);
    PROPOSAL(&esp->p[0], "aes256gcm16");
    CHECK(esp->p[0].esn && !esp->p[0].noesn);
    PROPOSAL(&esp->p[1], "aes128", "sha1");
    PROPOSAL(&esp->p[2], "null", "sha256");
    CHECK(span_eq(c->psk[0].secret, SPAN("\1\2\3\4\5\6\7\10") /* with terminator */) == false);
    CHECK_EQ(c->psk[0].secret.len, 8);
    config_free(c);
}

static void ah_takes_the_place_of_esp(void **state)
{
    (void)state;
    struct config *c =
        load_text("connections { x { local { auth = psk\n } remote { auth = psk\n } children {\n"
                  "a { ah_proposals = sha512-x25519-esn, default\n }\n"
                  "b { ah_proposals =\n }\n"
                  "} } } secrets { ike { secret = 0x0102030405060708\n } }");
    const struct conf_proposals *a = &c->conn[0].child[0].esp, *b = &c->conn[0].child[1].esp;
    CHECK(a->ah);
    CHECK_EQ(a->n, 2);
    PROPOSAL(&a->p[0], "sha512", "x25519");
    CHECK(a->p[0].esn && !a->p[0].noesn);
    PROPOSAL(&a->p[1], "sha256", "sha384", "sha512");
    CHECK(!b->ah); // a cleared key was not written
    CHECK_EQ(b->n, 2);
    config_free(c);
}

static void rare_algorithms_are_known(void **state)
{
    (void)state;
    struct config *c = load("algorithms.conf");
    const struct conf_proposals *ike = &c->conn[0].ike, *esp = &c->conn[0].child[0].esp;
    CHECK_EQ(ike->n, 5);
    PROPOSAL(&ike->p[0], "aes256ccm16", "aes128ccm8", "aes192ccm12", "prfsha256", "x25519");
    PROPOSAL(&ike->p[1], "aes128ctr", "aesxcbc", "ecp256", "prfaesxcbc");
    PROPOSAL(&ike->p[2], "camellia256", "aescmac", "modp2048", "prfaescmac");
    PROPOSAL(&ike->p[3], "3des", "sha1", "modp2048", "prfsha1");
    PROPOSAL(&ike->p[4], "aes256gcm16", "prfsha384", "x25519", "mlkem768", "mlkem1024", "x448");
    CHECK(ike->p[4].round[2] == 0 && ike->p[4].round[3] == 1 && ike->p[4].round[4] == 1);
    CHECK_EQ(ike->p[4].round[5], 2);
    CHECK_EQ(ike->p[4].without, 1 << 2);
    CHECK_EQ(esp->n, 7);
    PROPOSAL(&esp->p[0], "aes128gmac");
    PROPOSAL(&esp->p[1], "aes256gmac", "x25519");
    PROPOSAL(&esp->p[2], "aes192ccm8", "aes128ccm12", "aes128ccm16");
    PROPOSAL(&esp->p[3], "aes256ctr", "sha512");
    PROPOSAL(&esp->p[4], "camellia128", "sha256");
    PROPOSAL(&esp->p[5], "null", "aesxcbc");
    PROPOSAL(&esp->p[6], "3des", "aescmac");
    config_free(c);
}

static void text_cannot_include(void **state)
{
    (void)state;
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    CHECK_EQ(config_load_text("t", span_str("include /etc/passwd\n"), &c, &issues), ERR_SYNTAX);
    CHECK(c == NULL);
    CHECK_EQ(issues.n, 1);
    CHECK_STR(issues.issue[0].what, "files cannot be included here");
}

static void missing_file_is_named(void **state)
{
    (void)state;
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    CHECK_EQ(config_load("/nonexistent/swanctl.conf", &c, &issues), ERR_NOTFOUND);
    CHECK(c == NULL);
    CHECK_EQ(issues.n, 1);
    CHECK_STR(issues.issue[0].file, "/nonexistent/swanctl.conf");
    CHECK(strstr(issues.issue[0].what, "No such file") != NULL);
}

// No message, hint, token or quoted line of a broken file shows a secret.
static void secrets_stay_secret(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "secrets { ike { secret = 0xhushhush\n } }",
        "secrets { ike { secret = 0shush!hush\n } }",
        "secrets { ike { secret = hush } oops",
        "secrets { ike { secret hushhush\n } }",
        "secrets { ike { secret = \"hushhush\n } }",
        "secrets {\n ike {\n sceret = hushhush\n secret = x\n } }",
        "secret = hushhush\n",
        "secrets { ike { id = moon secret = hushhush\n } }",
        "secrets { ike { id = moon, secret=hushhush\n } }",
        "secrets {\n ike {\n id = moon sceret = hushhush\n } }",
        "connections { a { secret = hushhush\n } }",
        "secrets { ike { secret = hushhush\n secret = hushhush\n x = \n } }",
        "secrets { ike { secret = hush#hush\n x { } } }",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct config *c = NULL;
        AUTO(conf_issues) struct conf_issues issues = {0};
        CHECK(config_load_text("t", span_str(broken[i]), &c, &issues) != ERR_OK);
        CHECK(issues.n > 0);
        for (unsigned k = 0; k < issues.n; k++) {
            const struct conf_issue *is = &issues.issue[k];
            CHECK(!strstr(is->what, "hush") && !strstr(is->token, "hush"));
            CHECK(!is->hint || !strstr(is->hint, "hush"));
            CHECK(!is->source || !strstr(is->source, "hush"));
        }
    }
}

static void every_strongswan_key_is_known(void **state)
{
    (void)state;
    char path[700], line[256];
    (void)snprintf(path, sizeof path, "%s/../strongswan-keys.txt", good);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    unsigned n = 0;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || line[0] == 0) continue;
        if (!schema_knows(line)) print_message("# unknown: %s\n", line);
        CHECK(schema_knows(line));
        n++;
    }
    (void)fclose(f);
    CHECK(n >= 165);
    CHECK(!schema_knows("connections.<conn>.versoin"));
    CHECK(!schema_knows("connections.<conn>.children.<child>.version"));
    CHECK(!schema_knows("conections"));
}

// The mistake is pointed at: the line is there, and the column is the token's.
static void issues_carry_their_line(void **state)
{
    (void)state;
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    CHECK(config_load_text("t", span_str("connections {\n\tgr\xc3\xbc\xc3\x9f { encap = yep\n} }"),
                           &c, &issues) != ERR_OK);
    unsigned at = 0;
    while (at < issues.n && strcmp(issues.issue[at].token, "yep") != 0) at++;
    CHECK(at < issues.n);
    const struct conf_issue *is = &issues.issue[at];
    CHECK_EQ(is->line, 2);
    CHECK_EQ(is->column, 17); // characters, not bytes
    CHECK_STR(is->source, "\tgr\xc3\xbc\xc3\x9f { encap = yep");
}

static void rounds_in_their_order(void **state)
{
    struct config *c = load_text(
        "connections { a {\n remote_addrs = 10.0.0.2\n local-x { auth = psk\n id = third\n"
        "round = 3\n }\n local-y { auth = psk\n id = first\n }\n local-z { auth = psk\n"
        "id = second\n }\n remote { auth = psk\n } } }\n secrets { ike { secret = abc\n } }\n");
    const struct conf_side *s = &c->conn[0].local;
    static const char *const names[] = {"first", "second", "third"};
    (void)state;
    for (unsigned i = 0; i < 3; i++, s = s->next) {
        char id[ID_TEXT_MAX];
        CHECK(s != NULL);
        CHECK_STR(id_show(&s->id, id), names[i]);
    }
    CHECK(s == NULL);
    CHECK(c->conn[0].remote.next == NULL);
    config_free(c);
}

// The same settings come from a file, and by swanctl.
static struct config *sent(const char *addrs)
{
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    struct build *b = build_new();
    assert_non_null(b);
    const char *const open[] = {"connections", "c", "children", "k"};
    for (unsigned i = 0; i < 4; i++) build_open(b, span_str(open[i]));
    build_set(b, span_str("start_action"), span_str("start"));
    build_set(b, span_str("local_ts"), span_str("10.1.0.0/16"));
    build_close(b);
    build_close(b);
    for (unsigned i = 0; i < 2; i++) {
        build_open(b, span_str(i ? "local" : "remote"));
        build_set(b, span_str("auth"), span_str("psk"));
        build_close(b);
    }
    build_set(b, span_str("remote_addrs"), span_str(addrs));
    build_set(b, span_str("remote_addrs"), span_str("192.0.2.2"));
    CHECK_OK(build_finish(b, &c, &issues));
    return c;
}

static void prints_are_of_what_is_said(void **state)
{
    (void)state;
#define PRINTS(more, child)                                                       \
    "secrets { ike { secret = s\n }\n }\n"                                        \
    "connections { c {\n local { auth = psk\n }\n remote { auth = psk\n }\n" more \
    " children { k {\n local_ts = 10.1.0.0/16\n" child "start_action = start\n } } } }\n"
    struct config *c[] = {
        load_text(PRINTS("remote_addrs = 192.0.2.1, 192.0.2.2\n", "")),
        sent("192.0.2.1"),
        load_text(PRINTS("remote_addrs = 192.0.2.1,192.0.2.2\n # a word\n", "")),
        load_text(PRINTS("remote_addrs = 192.0.2.1, 192.0.2.2\n", "mode = transport\n")),
        sent("192.0.2.3"),
    };
    static const bool conn[] = {true, true, true, true, false};
    static const bool child[] = {true, true, true, false, true};
    for (unsigned i = 0; i < 5; i++) {
        const struct conf_conn *a = &c[0]->conn[0], *b = &c[i]->conn[0];
        CHECK_EQ(a->print == b->print, conn[i]);
        CHECK_EQ(a->child[0].print == b->child[0].print, child[i]);
    }
    for (unsigned i = 0; i < 5; i++) config_free(c[i]);
}

int main(void)
{
    const char *folder = getenv("VECTORS");
    (void)snprintf(good, sizeof good, "%s/conf/good", folder ? folder : "test/vectors");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_file_is_typed),
        cmocka_unit_test(defaults_are_strongswans),
        cmocka_unit_test(child_defaults_are_strongswans),
        cmocka_unit_test(sections_inherit),
        cmocka_unit_test(files_are_included),
        cmocka_unit_test(hosts_and_selectors),
        cmocka_unit_test(amounts),
        cmocka_unit_test(words_and_esn),
        cmocka_unit_test(quotes_and_escapes),
        cmocka_unit_test(own_section),
        cmocka_unit_test(proposals_follow_strongswan),
        cmocka_unit_test(rare_algorithms_are_known),
        cmocka_unit_test(ah_takes_the_place_of_esp),
        cmocka_unit_test(text_cannot_include),
        cmocka_unit_test(missing_file_is_named),
        cmocka_unit_test(secrets_stay_secret),
        cmocka_unit_test(every_strongswan_key_is_known),
        cmocka_unit_test(issues_carry_their_line),
        cmocka_unit_test(rounds_in_their_order),
        cmocka_unit_test(prints_are_of_what_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
