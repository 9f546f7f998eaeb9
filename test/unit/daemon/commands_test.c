// The VICI commands over a real socket: keys, order and formats are those of strongSwan.
#include "test/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "crypto/alg.h"
#include "crypto/ke.h"
#include "daemon/commands.h"
#include "daemon/events.h"
#include "daemon/loaded.h"
#include "daemon/names.h"
#include "daemon/reload.h"
#include "daemon/resolver.h"
#include "ike/auth/whitelist.h"
#include "ike/sa/child_sa.h"
#include "test/unit/daemon/fake_ike.h"
#include "vici/client.h"

#define WAIT_MS 20000

static const char conf_text[] =
    "connections {\n net {\n local_addrs = 192.0.2.1\n remote_addrs = 192.0.2.2\n version = 2\n"
    "  dpd_delay = 30\n"
    "  local {\n auth = psk\n id = moon.example.org\n }\n"
    "  remote {\n auth = psk\n id = sun.example.org\n }\n"
    "  children {\n   home {\n local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16,10.3.0.0/16\n"
    "     start_action = trap\n   }\n"
    "   web {\n remote_ts = 10.4.0.0/16[tcp]\n }\n  }\n }\n"
    " other {\n remote_addrs = %any\n local {\n auth = psk\n }\n remote {\n auth = psk\n }\n"
    "  children {\n   pass {\n mode = pass\n start_action = trap\n remote_ts = 10.9.0.0/16\n }\n  "
    "}\n }\n}\n"
    "secrets {\n ike-1 {\n secret = \"for nobody\"\n }\n ppk-1 {\n id = q\n secret = \"for "
    "nobody\"\n }\n}\n";

struct fixture {
    struct iked d;
    struct fake_ike ike;
    char dir[64], path[96], conf[96];
    pthread_t thread;
    atomic_bool end;
    struct vici_client *c;
    struct text events; // what has come in between, one a line
    atomic_bool waking;
    atomic_uint listed; // when the loop had another turn
};

void iked_rearm(struct iked *d)
{
    (void)d;
}

// ---- fixture ----

static void on_wake(void *ctx)
{
    struct fixture *f = ctx;
    reload_on_names(&f->d);
    loaded_on_names(&f->d);
    if (atomic_exchange(&f->waking, false)) atomic_store(&f->listed, f->ike.ones);
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

static struct ike_sa_view sa_view(const char *name, uint32_t id)
{
    struct ike_sa_view v = {.name = name,
                            .id = id,
                            .state = IKE_VIEW_ESTABLISHED,
                            .initiator = true,
                            .spi_i = 0xc506ecfec51d3db2,
                            .spi_r = 0x03a38d9ec18a5a56,
                            .nat_remote = true,
                            .nat_any = true,
                            .encr = alg_find(ALG_ENCR, ENCR_AES_CBC, 16),
                            .integ = alg_find(ALG_INTEG, INTEG_HMAC_SHA2_256_128, 0),
                            .prf = alg_find(ALG_PRF, PRF_HMAC_SHA2_256, 0),
                            .ke = KE_X25519,
                            .established_s = 0,
                            .rekey_in_s = 14067};
    CHECK_OK(ip_parse("192.0.2.1", &v.local.ip));
    CHECK_OK(ip_parse("2001:db8::2", &v.remote.ip));
    v.local.port = v.remote.port = 4500;
    CHECK_OK(id_parse("moon.example.org", &v.local_id, NULL));
    CHECK_OK(id_parse("sun.example.org", &v.remote_id, NULL));
    return v;
}

static struct child_sa_view child_view(const char *name, uint32_t id)
{
    return (struct child_sa_view){.name = name,
                                  .id = id,
                                  .reqid = 1,
                                  .state = CHILD_VIEW_INSTALLED,
                                  .mode = XFRM_TUNNEL,
                                  .udp = true,
                                  .spi_in = 0x0064e4e,
                                  .spi_out = 0xf9e2ee85,
                                  .encr = alg_find(ALG_ENCR, ENCR_AES_GCM_16, 32),
                                  .ke = KE_ECP_384,
                                  .esn = true,
                                  .bytes_in = 168,
                                  .packets_in = 2,
                                  .use_in_s = 0,
                                  .rekey_in_s = 3349,
                                  .life_in_s = 3960,
                                  .install_s = 5,
                                  .local_ts = "10.1.0.0/16",
                                  .remote_ts = "10.2.0.0/16 10.3.0.0/16"};
}

static void set_up_ike(struct fixture *f)
{
    f->ike.sa_n = 2;
    f->ike.sa[0] = sa_view("net", 1);
    f->ike.child[0] = child_view("home", 7);
    f->ike.sa[1] = (struct ike_sa_view){
        .id = 2, .state = IKE_VIEW_CONNECTING, .tasks_queued = 1, .queued = {"CHILD_CREATE"}};
    f->ike.test = f;
    f->d.ike = (struct ike *)(void *)&f->ike;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct conf_issues issues = {0};
    struct config *c;
    struct why why;
    if (!f) return -1;
    log_set_level(LOG_ERROR);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/commands-test-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    (void)snprintf(f->path, sizeof f->path, "%s/vici", f->dir);
    (void)snprintf(f->conf, sizeof f->conf, "%s/swanctl.conf", f->dir);
    write_conf(f, conf_text);
    f->d.options.config = f->conf;
    f->d.started_ns = clock_mono() - 130 * NSEC_PER_SEC;
    f->d.loop = loop_new();
    f->d.resolver = resolver_new(on_name, f);
    loop_on_wake(f->d.loop, on_wake, f);
    set_up_ike(f);
    CHECK_OK(config_load(f->conf, &c, &issues));
    conf_issues_done(&issues);
    CHECK_OK(loaded_new(&f->d));
    CHECK_OK(loaded_set_file(&f->d, c));
    f->ike.configured = 0;
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
    text_done(&f->events);
    (void)unlink(f->conf);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

// ---- talking ----

// As `swanctl --raw` prints it.
static void render(struct text *t, span_t elements)
{
    struct vici_reader r = vici_reader_from(elements);
    struct vici_item i = {.type = VICI_LIST_START};
    bool first = true;
    do {
        CHECK_OK(vici_next(&r, &i));
        bool end = i.type == VICI_SECTION_END || i.type == VICI_LIST_END || i.type == VICI_END;
        if (!first && !end) text_add(t, " ");
        first = i.type == VICI_SECTION_START || i.type == VICI_LIST_START;
        text_add(t, "%.*s%s%.*s", (int)i.name.len, (const char *)i.name.at,
                 i.type == VICI_SECTION_START ? " {"
                 : i.type == VICI_KEY_VALUE   ? "="
                 : i.type == VICI_LIST_START  ? "=["
                 : i.type == VICI_SECTION_END ? "}"
                 : i.type == VICI_LIST_END    ? "]"
                                              : "",
                 (int)i.value.len, (const char *)i.value.at);
    } while (i.type != VICI_END);
}

static void note_event(void *ctx, span_t name, span_t elements)
{
    struct fixture *f = ctx;
    text_add(&f->events, "%.*s: ", (int)name.len, (const char *)name.at);
    render(&f->events, elements);
    text_add(&f->events, "\n");
}

// Asks and compares the answer. args: "key=value" words.
static void ask(struct fixture *f, const char *command, const char *args, const char *want)
{
    struct vici_msg m = {0};
    struct text got = {0};
    span_t answer = span(NULL, 0);
    char key[64], value[64];
    int used;
    for (; sscanf(args, " %63[^=]=%63s%n", key, value, &used) == 2; args += used) {
        vici_kv(&m, key, "%s", value);
    }
    text_done(&f->events);
    f->events = (struct text){0};
    CHECK_OK(vici_ask(f->c, command, &m, WAIT_MS, note_event, f, &answer));
    render(&got, answer);
    CHECK_STR(text_str(&got), want);
    text_done(&got);
    vici_msg_done(&m);
}

static void want_events(struct fixture *f, const char *want)
{
    CHECK_STR(text_str(&f->events), want);
}

// ---- looking ----

#define IKE_ENDS                                                                  \
    " local-host=192.0.2.1 local-port=4500 "                                      \
    "local-id=moon.example.org remote-host=2001:db8::2 remote-port=4500 "         \
    "remote-id=sun.example.org initiator=yes initiator-spi=c506ecfec51d3db2 "     \
    "responder-spi=03a38d9ec18a5a56 nat-remote=yes nat-any=yes encr-alg=AES_CBC " \
    "encr-keysize=128 integ-alg=HMAC_SHA2_256_128 prf-alg=PRF_HMAC_SHA2_256 "     \
    "dh-group=CURVE_25519"
#define IKE_HEAD "uniqueid=1 version=2 state=ESTABLISHED" IKE_ENDS " established=0 rekey-time=14067"
#define CHILD_KEYS                                                                            \
    "name=home uniqueid=7 reqid=1 state=INSTALLED mode=TUNNEL protocol=ESP encap=yes "        \
    "spi-in=00064e4e spi-out=f9e2ee85 encr-alg=AES_GCM_16 encr-keysize=256 dh-group=ECP_384 " \
    "esn=1 bytes-in=168 packets-in=2 use-in=0 bytes-out=0 packets-out=0 rekey-time=3349 "     \
    "life-time=3960 install-time=5 local-ts=[10.1.0.0/16] remote-ts=[10.2.0.0/16 10.3.0.0/16]"
#define UNNAMED                                                                               \
    "list-sa: (unnamed) {uniqueid=2 version=2 state=CONNECTING local-host=%any local-port=0 " \
    "local-id=%any remote-host=%any remote-port=0 remote-id=%any "                            \
    "initiator-spi=0000000000000000 responder-spi=0000000000000000 "                          \
    "tasks-queued=[CHILD_CREATE] child-sas {}}\n"

static void sas_are_listed_as_strongswan_does(void **state)
{
    struct fixture *f = *state;
    CHECK_OK(vici_register(f->c, "list-sa"));
    ask(f, "list-sas", "", "");
    want_events(f, "list-sa: net {" IKE_HEAD " child-sas {home-7 {" CHILD_KEYS "}}}\n" UNNAMED);
    ask(f, "list-sas", "noblock=yes ike=net child=nope", "");
    want_events(f, "list-sa: net {" IKE_HEAD " child-sas {}}\n");
    ask(f, "list-sas", "ike-id=2", "");
    want_events(f, UNNAMED);
    ask(f, "list-sas", "ike-id=1 child-id=7", "");
    want_events(f, "list-sa: net {" IKE_HEAD " child-sas {home-7 {" CHILD_KEYS "}}}\n");
    ask(f, "list-sas", "ike-id=9", "");
    want_events(f, "");
}

// Scripts read on from an address to what is in the tunnel, so what only Pavise tells stands
// before.
static void virtual_addresses_stand_before_the_children(void **state)
{
    struct fixture *f = *state;
    CHECK_OK(vici_register(f->c, "list-sa"));
    ip_t ip;
    CHECK_OK(ip_parse("10.3.0.1", &ip));
    f->ike.sa[0].vip = &ip;
    f->ike.sa[0].vip_n = 1;
    f->ike.sa[0].vips_ours = true;
    f->ike.sa[0].cert_from = 1;
    f->ike.sa[0].cert_until = 2;
    ask(f, "list-sas", "ike-id=1", "");
    assert_non_null(strstr(text_str(&f->events), " remote-cert-not-after=1970-01-01T00:00:02Z "
                                                 "local-vips=[10.3.0.1] child-sas {"));
}

static void something_happens(struct fake_ike *fake, uint32_t id)
{
    struct fixture *f = fake->test;
    if (id != 1) return;
    fake->sa[30].id = 99; // one ends, another begins
    atomic_store(&f->waking, true);
    loop_wake(f->d.loop);
}

// Others have their turn meanwhile.
static void many_sas_are_listed_in_several_turns(void **state)
{
    struct fixture *f = *state;
    unsigned lines = 0;
    CHECK_OK(vici_register(f->c, "list-sa"));
    for (unsigned i = 0; i < FAKE_SAS; i++) {
        f->ike.sa[i] = (struct ike_sa_view){.id = i + 1, .state = IKE_VIEW_CONNECTING};
        f->ike.child[i] = (struct child_sa_view){0};
    }
    f->ike.sa_n = FAKE_SAS;
    f->ike.before_one = something_happens;
    ask(f, "list-sas", "", "");
    for (const char *at = text_str(&f->events); (at = strstr(at, "uniqueid=")); lines++) {
        unsigned id = (unsigned)strtoul(at + strlen("uniqueid="), NULL, 10);
        CHECK_EQ(id, lines < 30 ? lines + 1 : lines + 2);
        at++;
    }
    CHECK_EQ(lines, FAKE_SAS - 1);
    CHECK(atomic_load(&f->listed) > 0 && atomic_load(&f->listed) < FAKE_SAS);
}

static void connections_are_listed_as_strongswan_does(void **state)
{
    struct fixture *f = *state;
    CHECK_OK(vici_register(f->c, "list-conn"));
    ask(f, "list-conns", "ike=net", "");
    want_events(
        f, "list-conn: net {local_addrs=[192.0.2.1] remote_addrs=[192.0.2.2] local_port=500 "
           "remote_port=500 version=IKEv2 "
           "reauth_time=0 rekey_time=14400 unique=UNIQUE_NO dpd_delay=30 "
           "local-1 {id=moon.example.org class=pre-shared key groups=[] cert_policy=[] certs=[] "
           "cacerts=[]} remote-1 {id=sun.example.org class=pre-shared key groups=[] cert_policy=[] "
           "certs=[] cacerts=[]} children {home {mode=TUNNEL rekey_time=3600 rekey_bytes=0 "
           "rekey_packets=0 dpd_action=none close_action=none local-ts=[10.1.0.0/16] "
           "remote-ts=[10.2.0.0/16 10.3.0.0/16]} web {mode=TUNNEL rekey_time=3600 rekey_bytes=0 "
           "rekey_packets=0 dpd_action=none close_action=none local-ts=[dynamic] "
           "remote-ts=[10.4.0.0/16[tcp]]}}}\n");
    ask(f, "list-conns", "ike=nope", "");
    want_events(f, "");
    ask(f, "get-conns", "", "conns=[net other]");
    ask(f, "get-shared", "", "keys=[ike-1 ppk-1]");
}

static void policies_are_listed_by_kind(void **state)
{
    struct fixture *f = *state;
    static const char trap[] = "list-policy: net/home {child=home reqid=5 ike=net mode=TUNNEL "
                               "local-ts=[10.1.0.0/16] remote-ts=[10.2.0.0/16 10.3.0.0/16]}\n";
    static const char pass[] = "list-policy: other/pass {child=pass ike=other mode=PASS "
                               "local-ts=[dynamic] remote-ts=[10.9.0.0/16]}\n";
    CHECK_OK(vici_register(f->c, "list-policy"));
    ask(f, "list-policies", "trap=yes pass=yes", "");
    want_events(f, "");
    (void)snprintf(f->ike.installed, sizeof f->ike.installed, "home pass ");
    ask(f, "list-policies", "", "");
    want_events(f, "");
    ask(f, "list-policies", "trap=yes", "");
    want_events(f, trap);
    ask(f, "list-policies", "pass=yes drop=yes", "");
    want_events(f, pass);
    ask(f, "list-policies", "trap=yes pass=yes child=pass", "");
    want_events(f, pass);
}

static void counters_are_named_as_strongswan_does(void **state)
{
    struct fixture *f = *state;
    static const char net[] =
        "counters {net {ike-rekey-init=1 ike-rekey-resp=0 child-rekey=0 invalid=0 invalid-spi=0 "
        "ike-init-in-req=0 ike-init-in-resp=0 ike-init-out-req=2 ike-init-out-resp=0 "
        "ike-auth-in-req=0 ike-auth-in-resp=0 ike-auth-out-req=0 ike-auth-out-resp=0 "
        "create-child-in-req=0 create-child-in-resp=0 create-child-out-req=0 "
        "create-child-out-resp=0 info-in-req=0 info-in-resp=0 info-out-req=0 info-out-resp=0}} "
        "success=yes";
    const char *nothing = "success=no errmsg=no counters found for this connection";
    span_t answer = span(NULL, 0);
    char text[16];
    counters_add(&f->ike.counters, "net", COUNTER_IKE_REKEY_INIT);
    counters_add(&f->ike.counters, "net", COUNTER_INIT_OUT_REQ);
    counters_add(&f->ike.counters, "net", COUNTER_INIT_OUT_REQ);
    counters_add(&f->ike.counters, NULL, COUNTER_INVALID);
    ask(f, "get-counters", "name=net", net);
    ask(f, "get-counters", "all=yes", net);
    ask(f, "get-counters", "name=nobody", nothing);
    CHECK_OK(vici_ask(f->c, "get-counters", NULL, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "counters..invalid", text, sizeof text));
    CHECK_STR(text, "1");
    ask(f, "reset-counters", "name=net", "success=yes");
    ask(f, "reset-counters", "name=nobody", nothing);
    CHECK_EQ(counters_of(&f->ike.counters, "net")[COUNTER_INIT_OUT_REQ], 0);
    CHECK_EQ(counters_of(&f->ike.counters, NULL)[COUNTER_INIT_OUT_REQ], 2);
    ask(f, "reset-counters", "", "success=yes");
    CHECK_EQ(counters_of(&f->ike.counters, NULL)[COUNTER_INIT_OUT_REQ], 0);
    counters_done(&f->ike.counters);
}

static void policies_come_and_go_by_command(void **state)
{
    struct fixture *f = *state;
    ask(f, "install", "", "success=no errmsg=missing configuration name");
    ask(f, "install", "child=web", "success=yes");
    CHECK_STR(f->ike.child_name, "web");
    CHECK_STR(f->ike.conn, "-");
    ask(f, "uninstall", "ike=net child=web", "success=yes");
    CHECK_STR(f->ike.conn, "net");
    f->ike.answer = ERR_SYSTEM;
    ask(f, "install", "child=web", "success=no errmsg=the executor said no");
}

static void answers_have_the_keys_that_tools_read(void **state)
{
    struct fixture *f = *state;
    span_t answer = span(NULL, 0);
    char text[64];
    f->ike.stats = (struct ike_stats){.total = 5, .half_open = 2, .sent = 9};
    CHECK_OK(vici_ask(f->c, "stats", NULL, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "uptime.running", text, sizeof text));
    CHECK_STR(text, "2 minutes");
    CHECK_OK(vici_get_str(answer, "ikesas.total", text, sizeof text));
    CHECK_STR(text, "5");
    CHECK_OK(vici_get_str(answer, "ikesas.half-open", text, sizeof text));
    CHECK_STR(text, "2");
    CHECK_OK(vici_get_str(answer, "workers.active.critical", text, sizeof text));
    CHECK_OK(vici_get_str(answer, "messages.sent", text, sizeof text));
    CHECK_OK(vici_ask(f->c, "version", NULL, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "daemon", text, sizeof text));
    CHECK_STR(text, "pavise-iked");
    CHECK_OK(vici_ask(f->c, "get-algorithms", NULL, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "aead.AES_GCM_16", text, sizeof text));
    CHECK_EQ(vici_get_str(answer, "encryption.AES_GCM_16", text, sizeof text), ERR_NOTFOUND);
    CHECK_OK(vici_get_str(answer, "ke.CURVE_25519", text, sizeof text));
    CHECK_STR(text, "openssl");
    CHECK_OK(vici_get_str(answer, "ke.ML_KEM_768", text, sizeof text));
    CHECK_STR(text, ke_provider(KE_MLKEM_768));
    CHECK_OK(vici_get_str(answer, "encryption.CAMELLIA_CBC", text, sizeof text));
    CHECK_STR(text, "openssl");
    ask(f, "get-authorities", "", "authorities=[]");
    struct why why;
    uint8_t key[16] = {0};
    f->ike.pools = pools_new(key);
    ask(f, "get-pools", "", "");
    CHECK_OK(pools_restore(f->ike.pools,
                           span_str("pavise leases 1\n10.3.0.1 2 6361726f6c rw\nend 1\n"), &why));
    ask(f, "get-pools", "", "rw {base=%any size=0 online=0 offline=1}");
    ask(f, "get-pools", "leases=yes",
        "rw {base=%any size=0 online=0 offline=1 "
        "leases {0 {address=10.3.0.1 identity=carol status=offline}}}");
    ask(f, "get-pools", "name=other", "");
    pools_free(f->ike.pools);
    ask(f, "list-certs", "", "");
    CHECK_EQ(vici_ask(f->c, "bogus", NULL, WAIT_MS, NULL, NULL, NULL), ERR_UNSUPPORTED);
}

// Beyond strongSwan's: what its plugin whitelist has a program of its own for.
static void the_whitelist_by_command(void **state)
{
    struct fixture *f = *state;
    const uint8_t key[16] = {0};
    struct whitelist w = {0};
    CHECK_OK(whitelist_init(&w, key));
    f->ike.whitelist = &w;
    CHECK_OK(vici_register(f->c, "list-whitelist"));
    ask(f, "whitelist", "action=add id=alice@example.org", "success=yes enabled=no identities=1");
    ask(f, "whitelist", "action=add id=*.example.org", "success=yes enabled=no identities=2");
    ask(f, "whitelist", "action=enable", "success=yes enabled=yes identities=2");
    ask(f, "whitelist", "action=enable", "success=yes enabled=yes identities=2");
    ask(f, "whitelist", "action=list", "success=yes enabled=yes identities=2");
    want_events(f, "list-whitelist: id=*.example.org\nlist-whitelist: id=alice@example.org\n");
    ask(f, "whitelist", "action=remove id=bob@example.org",
        "success=no errmsg=bob@example.org is not in the list");
    ask(f, "whitelist", "action=remove id=alice@example.org",
        "success=yes enabled=yes identities=1");
    ask(f, "whitelist", "action=flush id=%any", "success=yes enabled=yes identities=0");
    ask(f, "whitelist", "action=add id=*.org", "success=yes enabled=yes identities=1");
    ask(f, "whitelist", "action=flush", "success=yes enabled=yes identities=0");
    ask(f, "whitelist", "action=disable", "success=yes enabled=no identities=0");
    ask(f, "whitelist", "action=add", "success=no errmsg=add takes an id");
    ask(f, "whitelist", "action=list id=a", "success=no errmsg=list takes no id");
    ask(f, "whitelist", "action=open",
        "success=no errmsg=action is none of add, remove, flush, list, enable, disable");
    whitelist_done(&w);
}

// ---- acting ----

static void initiate_tells_the_outcome(void **state)
{
    struct fixture *f = *state;
    f->ike.answer_at_once = true;
    ask(f, "initiate", "child=home timeout=0", "success=yes");
    CHECK_STR(f->ike.conn, "net");
    CHECK_STR(f->ike.child_name, "home");
    ask(f, "initiate", "ike=other", "success=yes");
    CHECK_STR(f->ike.conn, "other");
    CHECK_STR(f->ike.child_name, "-");
    f->ike.answer = ERR_AUTH;
    ask(f, "initiate", "child=home ike=net",
        "success=no errmsg=establishing CHILD_SA 'home' failed: the peer said no");
    ask(f, "initiate", "ike=net",
        "success=no errmsg=establishing IKE_SA 'net' failed: the peer said no");
}

static void initiate_checks_its_names(void **state)
{
    struct fixture *f = *state;
    ask(f, "initiate", "", "success=no errmsg=missing configuration name");
    ask(f, "initiate", "child=nope", "success=no errmsg=CHILD_SA config 'nope' not found");
    ask(f, "initiate", "ike=nope", "success=no errmsg=IKE_SA config 'nope' not found");
    ask(f, "initiate", "ike=other child=home",
        "success=no errmsg=CHILD_SA config 'home' not found");
    ask(f, "initiate", "child=home timeout=soon",
        "success=no errmsg=timeout and loglevel must be numbers");
    CHECK(!f->ike.done);
}

static void initiate_stops_waiting_but_not_the_tunnel(void **state)
{
    struct fixture *f = *state;
    ask(f, "initiate", "child=home timeout=50",
        "success=no errmsg=CHILD_SA 'home' not established after 50ms");
    CHECK(f->ike.done && f->d.acts); // the diplomat is still at it
    ask(f, "initiate", "child=home timeout=-1", "success=yes");
}

// Runs in the server's thread, as the story does.
static void tell_some(struct fake_ike *fake_of)
{
    struct fixture *f = fake_of->test;
    events_tell(&f->d, LOG_STORY, NULL, "before there is an SA");
    events_tell(&f->d, LOG_STORY, fake_sa(fake_of, 0), "of this connection");
    events_tell(&f->d, LOG_STORY, fake_sa(fake_of, 1), "of another");
    events_tell(&f->d, LOG_DEBUG, fake_sa(fake_of, 0), "a detail");
    events_tell(&f->d, LOG_WARN, fake_sa(fake_of, 0), "a warning");
}

static void the_caller_hears_the_story(void **state)
{
    struct fixture *f = *state;
    f->ike.answer_at_once = true;
    f->ike.before_return = tell_some;
    CHECK_OK(vici_register(f->c, "control-log"));
    ask(f, "initiate", "child=home", "success=yes");
    want_events(f, "control-log: group=IKE level=1 msg=before there is an SA\n"
                   "control-log: group=IKE level=1 ikesa-name=net ikesa-uniqueid=1 "
                   "msg=of this connection\n"
                   "control-log: group=IKE level=0 ikesa-name=net ikesa-uniqueid=1 "
                   "msg=a warning\n");
    ask(f, "initiate", "child=home loglevel=3", "success=yes");
    CHECK(strstr(text_str(&f->events), "a detail"));
    ask(f, "initiate", "child=home loglevel=-1", "success=yes");
    want_events(f, "");
    f->ike.matches = 1;
    ask(f, "terminate", "ike-id=1", "success=yes matches=1 terminated=1");
    CHECK(strstr(text_str(&f->events), "of this connection"));
    CHECK(!strstr(text_str(&f->events), "of another"));
}

static void terminate_and_rekey_count_matches(void **state)
{
    struct fixture *f = *state;
    f->ike.answer_at_once = true;
    f->ike.matches = 2;
    ask(f, "terminate", "child=home", "success=yes matches=2 terminated=2");
    CHECK_STR(f->ike.child_name, "home");
    ask(f, "terminate", "child-id=7 force=yes", "success=yes matches=2 terminated=2");
    CHECK(f->ike.choice.child_id == 7 && f->ike.choice.force && !f->ike.choice.ike);
    ask(f, "rekey", "ike=net reauth=yes", "success=yes matches=2");
    CHECK(f->ike.choice.reauth);
    f->ike.matches = 0;
    f->ike.answer = ERR_NOTFOUND;
    ask(f, "terminate", "ike=net",
        "success=no matches=0 terminated=0 errmsg=no matching SAs to terminate found");
    ask(f, "rekey", "ike-id=1", "success=no matches=0 errmsg=no matching SAs to rekey found");
    f->ike.answer_at_once = false; // never told: answered from the count
    ask(f, "terminate", "ike=net",
        "success=no matches=0 terminated=0 errmsg=no matching SAs to terminate found");
    ask(f, "terminate", "", "success=no errmsg=missing terminate selector");
    ask(f, "terminate", "ike-id=abc", "success=no errmsg=missing terminate selector");
    ask(f, "terminate", "ike-id=-1", "success=no errmsg=missing terminate selector");
    ask(f, "rekey", "", "success=no errmsg=missing rekey selector");
}

// ---- reloading ----

static void a_bad_file_changes_nothing(void **state)
{
    struct fixture *f = *state;
    span_t answer = span(NULL, 0);
    char text[64];
    log_set_level(LOG_ERROR);
    write_conf(f, "connections {\n x {\n frobnicate = yes\n }\n}\n");
    CHECK_OK(vici_ask(f->c, "reload-settings", NULL, WAIT_MS, NULL, NULL, &answer));
    CHECK_OK(vici_get_str(answer, "success", text, sizeof text));
    CHECK_STR(text, "no");
    CHECK_EQ(f->ike.configured, 0);
    ask(f, "get-conns", "", "conns=[net other]");
    write_conf(f, "connections {\n new {\n remote_addrs = 192.0.2.9\n local {\n auth = psk\n }\n"
                  " remote {\n auth = psk\n }\n }\n}\n"
                  "secrets {\n ike {\n secret = \"x\"\n }\n}\n");
    ask(f, "reload-settings", "", "success=yes");
    CHECK_EQ(f->ike.configured, 1);
    ask(f, "get-conns", "", "conns=[new]");
}

// Runs in the server's thread: as if an answer of the resolver had come in, twice.
static void answer_names(struct fake_ike *fake_of)
{
    struct fixture *f = fake_of->test;
    names_on_answer(&f->d);
    names_on_answer(&f->d);
}

static void a_name_that_moves_configures_anew(void **state)
{
    struct fixture *f = *state;
    write_conf(f, "connections {\n n {\n remote_addrs = localhost\n local {\n auth = psk\n }\n"
                  " remote {\n auth = psk\n }\n }\n}\n"
                  "secrets {\n ike {\n secret = \"x\"\n }\n}\n");
    ask(f, "reload-settings", "", "success=yes"); // waits for the name
    CHECK_EQ(f->ike.configured, 1);
    f->ike.answer_at_once = true;
    f->ike.before_return = answer_names;
    ask(f, "initiate", "ike=n", "success=yes");
    CHECK_EQ(f->ike.configured, 1); // nothing has changed
    f->d.names_sum ^= 1;            // the server's thread waits for the next command
    ask(f, "initiate", "ike=n", "success=yes");
    CHECK_EQ(f->ike.configured, 2); // once, not twice
}

// ---- events ----

static void raise_events(struct fake_ike *fake_of)
{
    struct fixture *f = fake_of->test;
    struct conf_child conf = {.name = (char[]){"home"}};
    struct child_sa *child = calloc(1, sizeof *child);
    assert_non_null(child);
    child->id = 7;
    child->conf = &conf;
    events_sa(&f->d, IKE_EV_UP, fake_sa(fake_of, 0), NULL);
    events_sa(&f->d, CHILD_EV_UP, fake_sa(fake_of, 0), child);
    events_sa(&f->d, CHILD_EV_DOWN, fake_sa(fake_of, 0), child);
    events_sa(&f->d, IKE_EV_DOWN, fake_sa(fake_of, 0), NULL);
    free(child);
}

static void raise_rekeyed(struct fake_ike *fake_of)
{
    struct fixture *f = fake_of->test;
    struct conf_child conf = {.name = (char[]){"home"}};
    struct child_sa *child = calloc(1, sizeof *child);
    assert_non_null(child);
    child->id = 8;
    child->replaces = 7;
    child->conf = &conf;
    fake_of->sa_n = 2;
    fake_of->sa[1] = fake_of->sa[0];
    fake_of->sa[1].id = 3;
    fake_of->sa[1].parent = fake_of->sa[0].id;
    fake_of->child[1] = child_view("home", 8);
    events_sa(&f->d, CHILD_EV_REKEYED, fake_sa(fake_of, 0), child);
    events_sa(&f->d, IKE_EV_REKEYED, fake_sa(fake_of, 1), NULL);
    free(child);
}

static void rekeying_is_told_with_old_and_new(void **state)
{
    struct fixture *f = *state;
    f->ike.answer_at_once = true;
    f->ike.before_return = raise_rekeyed;
    CHECK_OK(vici_register(f->c, "ike-rekey"));
    CHECK_OK(vici_register(f->c, "child-rekey"));
    ask(f, "initiate", "child=home", "success=yes");
    const char *at = text_str(&f->events);
    CHECK(strstr(at, "child-rekey: net {" IKE_HEAD " child-sas {home {old {" CHILD_KEYS "} new {"
                     "name=home uniqueid=8 reqid=1 ") == at);
    at = strstr(at, "ike-rekey: net {old {uniqueid=1 version=2 state=REKEYING local-host=");
    assert_non_null(at);
    assert_non_null(
        strstr(at, "dh-group=CURVE_25519} new {uniqueid=3 version=2 state=ESTABLISHED"));
}

static void ups_and_downs_are_told(void **state)
{
    struct fixture *f = *state;
    f->ike.answer_at_once = true;
    f->ike.before_return = raise_events;
    CHECK_OK(vici_register(f->c, "ike-updown"));
    CHECK_OK(vici_register(f->c, "child-updown"));
    CHECK_EQ(vici_register(f->c, "bogus"), ERR_NOTFOUND);
    ask(f, "initiate", "child=home", "success=yes");
    want_events(f, "ike-updown: up=yes net {" IKE_HEAD "}\n"
                   "child-updown: up=yes net {" IKE_HEAD " child-sas {home-7 {" CHILD_KEYS "}}}\n"
                   "child-updown: net {" IKE_HEAD " child-sas {home-7 {" CHILD_KEYS "}}}\n"
                   "ike-updown: net {uniqueid=1 version=2 state=DELETING" IKE_ENDS "}\n");
}

static void raise_alerts(struct fake_ike *fake_of)
{
    struct fixture *f = fake_of->test;
    events_alert(&f->d, ALERT_TS_MISMATCH, fake_sa(fake_of, 0));
    events_alert(&f->d, ALERT_INVALID_IKE_SPI, NULL);
}

static void alerts_have_a_type_and_perhaps_an_sa(void **state)
{
    struct fixture *f = *state;
    f->ike.answer_at_once = true;
    f->ike.before_return = raise_alerts;
    CHECK_OK(vici_register(f->c, "alert"));
    ask(f, "initiate", "child=home", "success=yes");
    want_events(f, "alert: type=ts-mismatch ike-sa {net {" IKE_HEAD "}}\n"
                   "alert: type=invalid-ike-spi\n");
}

static void raise_moved(struct fake_ike *fake_of)
{
    struct fixture *f = fake_of->test;
    struct ike_sa_view *v = &fake_of->sa[0];
    v->was_local = v->local;
    v->was_remote = v->remote;
    CHECK_OK(ip_parse("192.0.2.77", &v->local.ip));
    v->local.port = 1234;
    events_sa(&f->d, IKE_EV_MOVED, fake_sa(fake_of, 0), NULL);
}

static void a_move_is_told_with_new_ends_and_old(void **state)
{
    struct fixture *f = *state;
    f->ike.answer_at_once = true;
    f->ike.before_return = raise_moved;
    CHECK_OK(vici_register(f->c, "ike-update"));
    ask(f, "initiate", "child=home", "success=yes");
    want_events(f, "ike-update: local-host=192.0.2.77 local-port=1234 remote-host=2001:db8::2 "
                   "remote-port=4500 net {" IKE_HEAD "}\n");
}

#define WITH_DAEMON(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(sas_are_listed_as_strongswan_does),
        WITH_DAEMON(virtual_addresses_stand_before_the_children),
        WITH_DAEMON(many_sas_are_listed_in_several_turns),
        WITH_DAEMON(connections_are_listed_as_strongswan_does),
        WITH_DAEMON(policies_are_listed_by_kind),
        WITH_DAEMON(counters_are_named_as_strongswan_does),
        WITH_DAEMON(policies_come_and_go_by_command),
        WITH_DAEMON(answers_have_the_keys_that_tools_read),
        WITH_DAEMON(the_whitelist_by_command),
        WITH_DAEMON(initiate_tells_the_outcome),
        WITH_DAEMON(initiate_checks_its_names),
        WITH_DAEMON(initiate_stops_waiting_but_not_the_tunnel),
        WITH_DAEMON(the_caller_hears_the_story),
        WITH_DAEMON(terminate_and_rekey_count_matches),
        WITH_DAEMON(a_bad_file_changes_nothing),
        WITH_DAEMON(a_name_that_moves_configures_anew),
        WITH_DAEMON(ups_and_downs_are_told),
        WITH_DAEMON(rekeying_is_told_with_old_and_new),
        WITH_DAEMON(alerts_have_a_type_and_perhaps_an_sa),
        WITH_DAEMON(a_move_is_told_with_new_ends_and_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
