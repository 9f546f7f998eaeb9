// strongswan.conf: what counts here, what is named as without effect, and what is refused.
#include "conf/strongswan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/check.h"

static err_t load(const char *text, struct strongswan *s, struct conf_issues *issues)
{
    char path[] = "/tmp/pavise-strongswan-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    err_t e = strongswan_load(path, s, issues);
    (void)unlink(path);
    return e;
}

static struct strongswan loaded(const char *text)
{
    struct strongswan s;
    struct conf_issues issues = {0};
    CHECK_OK(load(text, &s, &issues));
    CHECK_EQ(issues.n, 0);
    conf_issues_done(&issues);
    return s;
}

static void values_are_charons(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon {\n retransmit_tries = 2\n retransmit_timeout = 1.5\n"
                                 " keep_alive = 5s\n fragment_size = 1400\n initiator_only = yes\n"
                                 " hash_and_url = yes\n"
                                 " plugins {\n  revocation {\n   enable_ocsp = no\n  }\n"
                                 "  addrblock {\n   strict = no\n   depth = -1\n  }\n"
                                 "  whitelist {\n   enable = yes\n  }\n }\n"
                                 " x509 {\n  enforce_critical = no\n }\n}\n");
    CHECK(!s.enforce_critical && !s.addrblock_strict);
    CHECK_EQ(s.retransmit_tries, 2);
    CHECK(s.retransmit_timeout > 1.49 && s.retransmit_timeout < 1.51);
    CHECK(s.keep_alive > 4.9 && s.keep_alive < 5.1);
    CHECK_EQ(s.fragment_size, 1400);
    CHECK(s.hash_and_url && !s.rsa_pss);
    CHECK(s.whitelist && !strongswan_default().whitelist);
    CHECK(s.initiator_only && !s.ocsp && s.crl && !s.udp_esp);
    CHECK_EQ(s.cookie_threshold, 30); // not said
    CHECK_STR(text_str(&s.unused), "");
    strongswan_done(&s);
}

// EAP-SIM and AKA: settings, and what plugins of charon's stand for.
static void sims(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon {\n load = eap-sim eap-simaka-reauth eap-aka-3gpp2\n"
                                 " plugins {\n  eap-sim {\n   request_identity = no\n  }\n"
                                 "  eap-aka-3gpp2 {\n   seq_check = no\n  }\n"
                                 "  eap-sim-file {\n   triplets = /tmp/x.dat\n  }\n }\n}\n");
    CHECK(!s.sim.sim_asks && s.sim.aka_asks && !s.sim.check_3gpp2 && s.sim.check_3gpp);
    CHECK(s.sim.reauth && !s.sim.pseudonyms);
    CHECK_EQ(s.sim.family, SIM_3GPP2);
    CHECK_STR(s.triplets, "/tmp/x.dat");
    strongswan_done(&s);
    s = loaded("charon {\n load_modular = yes\n plugins {\n eap-aka-3gpp {\n load = yes\n }\n"
               "eap-simaka-pseudonym {\n load = yes\n }\n }\n}\n");
    CHECK(s.sim.pseudonyms && !s.sim.reauth);
    CHECK_EQ(s.sim.family, SIM_3GPP);
    strongswan_done(&s);
    s = loaded("charon {\n load = eap-aka-3gpp eap-aka-3gpp2\n}\n");
    CHECK_EQ(s.sim.family, SIM_BY_LENGTH);
    strongswan_done(&s);
}

static void cards_in_readers(void **state)
{
    struct strongswan s;
    struct conf_issues issues = {0};
    (void)state;
    CHECK_OK(load("charon {\n load = eap-sim eap-sim-pcsc\n}\n", &s, &issues));
    CHECK_EQ(issues.n, 1);
    CHECK(issues.issue[0].warning && strstr(issues.issue[0].what, "eap-sim-pcsc"));
    conf_issues_done(&issues);
    strongswan_done(&s);
    // Nor does such a method go inside TLS.
    CHECK_OK(
        load("charon {\n plugins {\n eap-ttls {\n phase2_method = sim\n }\n }\n}\n", &s, &issues));
    CHECK_EQ(issues.n, 1);
    CHECK_EQ(s.eap_in_ttls, EAP_ANY);
    conf_issues_done(&issues);
    strongswan_done(&s);
}

// Nobody has to indent.
static void a_flat_file_counts(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon {\nplugins {\nrevocation {\nenable_crl = no\n}\n}\n"
                                 "retransmit_tries = 7\n}\n");
    CHECK_EQ(s.retransmit_tries, 7);
    CHECK(!s.crl);
    strongswan_done(&s);
}

static void the_systemd_section_goes_before(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon-systemd {\n port = 5000\n}\n"
                                 "charon {\n port = 6000\n port_nat_t = 6500\n}\n");
    CHECK_EQ(s.port, 5000);
    CHECK(s.enforce_critical && s.addrblock_strict);
    CHECK_EQ(s.port_nat_t, 6500);
    strongswan_done(&s);
}

static void user_space_esp_is_in_udp(void **state)
{
    static const struct {
        const char *text;
        bool udp;
    } cases[] = {
        {"load = random kernel-libipsec kernel-netlink", true},
        {"load = kernel-libipsec!", true},
        {"load = kernel-libipsecx", false},
        {"load = random", false},
        {"load = kernel-libipsec\n plugins { kernel-libipsec { raw_esp = yes \n} }", false},
        {"load_modular = yes\n plugins { kernel-libipsec { load = yes \n} }", true},
        {"load_modular = yes\n plugins { kernel-libipsec { load = no \n} }", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        (void)snprintf(text, sizeof text, "charon {\n %s\n}\n", cases[i].text);
        struct strongswan s = loaded(text);
        CHECK_EQ(s.udp_esp, cases[i].udp);
        strongswan_done(&s);
    }
}

static void limits_and_habits(void **state)
{
    (void)state;
    struct strongswan s = loaded(
        "charon {\n retransmit_limit = 1m\n retransmit_jitter = 30\n block_threshold = 5\n"
        " ikesa_limit = 100\n spi_min = 0x1000\n spi_max = 0x1fff\n dos_protection = no\n"
        " inactivity_close_ike = yes\n close_ike_on_child_failure = yes\n reuse_ikesa = no\n"
        " multiple_authentication = no\n signature_authentication = no\n send_vendor_id = yes\n"
        " prefer_configured_proposals = no\n ignore_acquire_ts = yes\n"
        " retry_initiate_interval = 2h\n install_virtual_ip = no\n install_virtual_ip_on = dummy0\n"
        " plugins {\n  vici {\n   socket = unix:///run/x.vici\n  }\n"
        "  resolve {\n   file = /run/resolv.conf\n  }\n"
        "  socket-default {\n   fwmark = 0xfffffff0\n  }\n }\n}\n");
    CHECK(s.retransmit_limit > 59 && s.retransmit_limit < 61);
    CHECK(s.retry_initiate_interval > 7199 && s.retry_initiate_interval < 7201);
    CHECK_EQ(s.retransmit_jitter, 30);
    CHECK_EQ(s.block_threshold, 5);
    CHECK_EQ(s.ikesa_limit, 100);
    CHECK_EQ(s.spi_min, 0x1000);
    CHECK_EQ(s.spi_max, 0x1fff);
    CHECK_EQ(s.fwmark, 0xfffffff0);
    CHECK(s.inactivity_close_ike && s.close_ike_on_child_failure && s.send_vendor_id);
    CHECK(s.ignore_acquire_ts && !s.dos_protection && !s.reuse_ikesa);
    CHECK(!s.multiple_authentication && !s.signature_authentication);
    CHECK(!s.prefer_configured_proposals && !s.install_virtual_ip);
    CHECK_STR(s.install_virtual_ip_on, "dummy0");
    CHECK_STR(s.vici_socket, "/run/x.vici");
    CHECK_STR(s.resolv_conf, "/run/resolv.conf");
    CHECK_STR(text_str(&s.unused), "");
    strongswan_done(&s);
}

// Plugins ipseckey, dnscert and unbound. Without keys to begin with nothing can be proved.
static void keys_from_dns(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon {\n load = unbound ipseckey\n plugins {\n"
                                 "  ipseckey {\n   enable = yes\n  }\n  unbound {\n"
                                 "   resolv_conf = /run/resolv.conf\n"
                                 "   trust_anchors = /dev/null\n  }\n }\n}\n");
    CHECK(s.ipseckey && !s.dnscert);
    CHECK_STR(s.dns_resolv_conf, "/run/resolv.conf");
    CHECK_STR(s.dns_anchors, "/dev/null");
    CHECK_STR(text_str(&s.unused), "");
    strongswan_done(&s);
    s = loaded("charon {\n plugins {\n  unbound {\n   trust_anchors = /nowhere\n  }\n }\n}\n");
    CHECK(!s.ipseckey && !s.dnscert); // nobody reads them
    strongswan_done(&s);
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"dnscert {\n enable = yes\n }\n unbound {\n trust_anchors = /nowhere\n }",
         "the trust anchors in /nowhere cannot be read"},
        {"unbound {\n dlv_anchors = /dev/null\n }", "look-aside validation (DLV) is not done"},
        {"ipseckey {\n enable = perhaps\n }", "'perhaps' is no value"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[300];
        struct conf_issues issues = {0};
        (void)snprintf(text, sizeof text, "charon {\n plugins {\n %s\n }\n}\n", bad[i].text);
        CHECK_EQ(load(text, &s, &issues), ERR_SYNTAX);
        CHECK_EQ(issues.n, 1);
        CHECK(strstr(issues.issue[0].what, bad[i].says) && issues.issue[0].hint);
        conf_issues_done(&issues);
        strongswan_done(&s);
    }
}

// Plugin attr, and the settings of old: what every client is told beside its pool's attributes.
static void attributes_for_everybody(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon {\n dns1 = 10.1.0.1\n dns2 = 2001:db8::1\n plugins {\n"
                                 "  attr {\n   load = yes\n   dns = 10.1.0.2, 10.1.0.3\n"
                                 "   split-include = 10.0.0.0/8\n   25 = corp.example\n  }\n"
                                 " }\n}\n");
    static const struct {
        uint16_t type, len;
    } want[] = {{3, 4}, {10, 16}, {3, 4}, {3, 4}, {28676, 8}, {25, 12}};
    CHECK(s.attributes != NULL);
    const struct conf_pool *p = &s.attributes->pool[0];
    CHECK_EQ(p->lo.family, AF_UNSPEC);
    CHECK_EQ(p->attr_n, 6);
    for (unsigned i = 0; i < 6; i++) {
        bool found = false;
        for (unsigned k = 0; k < p->attr_n; k++)
            found |= p->attr[k].type == want[i].type && p->attr[k].value.len == want[i].len;
        CHECK(found);
    }
    CHECK_STR(text_str(&s.unused), "");
    strongswan_done(&s);
}

static void loggers(void **state)
{
    (void)state;
    struct strongswan s = loaded(
        "charon {\n syslog {\n  identifier = here\n  daemon {\n   default = 0\n   knl = 2\n  }\n"
        "  auth {\n   default = -1\n   ike_name = yes\n  }\n }\n"
        " filelog {\n  one {\n   path = /var/log/one.log\n   time_format = %b %e %T\n"
        "   append = no\n   time_precision = ms\n   enc = 4\n  }\n  stderr {\n   ike = 2\n  }\n "
        "}\n}\n"
        "charon-systemd {\n journal {\n  default = 2\n  cfg = 0\n }\n}\n");
    CHECK_EQ(s.log_n, 3);
    CHECK_STR(s.log[0].path, "/var/log/one.log");
    CHECK_STR(s.log[0].time_format, "%b %e %T");
    CHECK(s.log[0].milliseconds && !s.log[0].append && !s.log[0].names);
    CHECK_EQ(s.log[0].level[SWAN_IKE], 1);
    CHECK_STR(s.log[1].facility, "daemon");
    CHECK_EQ(s.log[1].level[SWAN_KNL], 2);
    CHECK_EQ(s.log[1].level[SWAN_NET], 0);
    CHECK_STR(s.log[2].facility, "authpriv");
    CHECK(s.log[2].names);
    CHECK_EQ(s.log[2].level[SWAN_DMN], -1);
    CHECK_STR(s.syslog_ident, "here");
    CHECK(s.journal_given);
    CHECK_EQ(s.journal.level[SWAN_CFG], 0);
    CHECK_EQ(s.journal.level[SWAN_IKE], 2);
    CHECK_STR(text_str(&s.unused), "");
    strongswan_done(&s);
}

// What charon-systemd says of a log, and what that leaves open: one log, and not two.
static void loggers_of_both(void **state)
{
    (void)state;
    struct strongswan s = loaded(
        "charon {\n syslog {\n  daemon {\n   default = 0\n   ike = 3\n   knl = 3\n  }\n"
        "  auth {\n   default = 0\n  }\n }\n}\n"
        "charon-systemd {\n syslog {\n  daemon {\n   knl = 2\n  }\n  local0 {\n  }\n }\n}\n");
    CHECK_EQ(s.log_n, 3);
    CHECK_STR(s.log[0].facility, "daemon");
    CHECK_EQ(s.log[0].level[SWAN_KNL], 2);
    CHECK_EQ(s.log[0].level[SWAN_IKE], 3);
    CHECK_EQ(s.log[0].level[SWAN_CFG], 0);
    CHECK_STR(s.log[1].facility, "local0");
    CHECK_EQ(s.log[1].level[SWAN_CFG], 1);
    CHECK_STR(s.log[2].facility, "authpriv");
    strongswan_done(&s);
}

static void addresses_from_dhcp(void **state)
{
    (void)state;
    char text[IP_TEXT_MAX];
    struct strongswan s = loaded("charon {\n load = random dhcp farp\n plugins {\n  dhcp {\n"
                                 "   server = 10.1.255.255\n   interface = eth1\n"
                                 "   identity_lease = yes\n   use_server_port = yes\n"
                                 "   force_server_address = yes\n  }\n }\n}\n");
    CHECK(s.dhcp.load && s.dhcp.identity_lease && s.dhcp.use_server_port && s.dhcp.force_server);
    CHECK_STR(ip_show(&s.dhcp.server, text), "10.1.255.255");
    CHECK_STR(s.dhcp.interface, "eth1");
    CHECK_STR(text_str(&s.unused), "");
    strongswan_done(&s);
    s = loaded("charon {\n load = random\n}\n");
    CHECK(!s.dhcp.load && !s.dhcp.identity_lease && !s.dhcp.use_server_port);
    CHECK_STR(ip_show(&s.dhcp.server, text), "255.255.255.255");
    assert_null(s.dhcp.interface);
    strongswan_done(&s);
}

static void iptfs(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon {\n iptfs {\n  drop_time = 2000000\n  reorder_window = 5\n"
                                 "  init_delay = 4294967295\n  max_queue_size = 65536\n"
                                 "  packet_size = 1400\n  accept_fragments = no\n"
                                 "  dont_frag = yes\n }\n}\n");
    CHECK_EQ(s.iptfs.drop_time_us, 2000000);
    CHECK_EQ(s.iptfs.reorder_window, 5);
    CHECK_EQ(s.iptfs.init_delay_us, UINT32_MAX);
    CHECK_EQ(s.iptfs.max_queue, 65536);
    CHECK_EQ(s.iptfs.packet_size, 1400);
    CHECK(!s.iptfs.accept_fragments && s.iptfs.dont_frag);
    CHECK_STR(text_str(&s.unused), "");
    strongswan_done(&s);
    // charon itself looks for this one
    s = loaded("charon {\n iptfs {\n  dont_fragment = yes\n }\n}\n");
    CHECK(s.iptfs.dont_frag && s.iptfs.accept_fragments);
    CHECK_EQ(s.iptfs.drop_time_us, 1000000);
    CHECK_EQ(s.iptfs.reorder_window, 3);
    CHECK_EQ(s.iptfs.max_queue, 1048576);
    strongswan_done(&s);
    s = loaded("charon {\n iptfs {\n  dont_fragment = yes\n  dont_frag = no\n }\n}\n");
    CHECK(!s.iptfs.dont_frag);
    strongswan_done(&s);
}

static void the_rest_is_named(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon {\n threads = 16\n load = a b\n"
                                 " plugins {\n  farp {\n   load = yes\n   x = 1\n  }\n }\n"
                                 " syslog {\n  daemon {\n   knl = 2\n  }\n }\n}\n"
                                 "swanctl {\n load = pem\n}\n");
    CHECK_STR(text_str(&s.unused), "charon.threads, charon.plugins.farp.x");
    CHECK(!s.connmark);
    strongswan_done(&s);
    s = loaded("charon {\n load = random connmark vici\n}\n");
    CHECK(s.connmark);
    strongswan_done(&s);
    s = loaded("charon {\n load_modular = yes\n plugins {\n connmark {\n load = yes\n}\n}\n}\n");
    CHECK(s.connmark);
    strongswan_done(&s);
}

static void nonsense_is_refused(void **state)
{
    static const char *const bad[] = {
        "charon {\n retransmit_tries = many\n}\n",
        "charon {\n retransmit_timeout = -1\n}\n",
        "charon {\n initiator_only = perhaps\n}\n",
        "charon {\n port = 500\n",
        "charon {\n keep_alive = nan\n}\n",
        "charon {\n spi_min = 0x100000000\n}\n",
        "charon {\n spi_min = 10\n}\n",
        "charon {\n filelog {\n x {\n path = /x\n ike = loud\n}\n}\n}\n",
        "charon {\n filelog {\n x {\n default = 1\n}\n}\n}\n",
        "charon {\n syslog {\n lpr {\n default = 1\n}\n}\n}\n",
        "charon {\n spi_max = 0x100\n}\n",
        "charon {\n dns1 = ns.example\n}\n",
        "charon {\n keep_alive = 5w\n}\n",
        "charon {\n plugins {\n vici {\n socket = tcp://127.0.0.1:1\n}\n}\n}\n",
        "charon {\n plugins {\n attr {\n colour = red\n}\n}\n}\n",
        "charon {\n plugins {\n addrblock {\n depth = 1\n}\n}\n}\n",
        "charon {\n plugins {\n addrblock {\n strict = perhaps\n}\n}\n}\n",
        "charon {\n plugins {\n dhcp {\n server = ::1\n}\n}\n}\n",
        "charon {\n plugins {\n dhcp {\n server = 0.0.0.0\n}\n}\n}\n",
        "charon {\n iptfs {\n drop_time = 1s\n}\n}\n",
        "charon {\n iptfs {\n init_delay = 0.5\n}\n}\n",
        "charon {\n iptfs {\n reorder_window = 65536\n}\n}\n",
        "charon {\n iptfs {\n max_queue_size = 1000\n}\n}\n",
        "charon {\n iptfs {\n packet_size = 100\n}\n}\n",
        "charon {\n iptfs {\n dont_frag = perhaps\n}\n}\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct strongswan s;
        struct conf_issues issues = {0};
        CHECK_EQ(load(bad[i], &s, &issues), ERR_SYNTAX);
        CHECK_EQ(issues.errors, 1);
        conf_issues_done(&issues);
        strongswan_done(&s);
    }
    struct strongswan s;
    struct conf_issues issues = {0};
    CHECK_EQ(strongswan_load("/nonexistent/strongswan.conf", &s, &issues), ERR_NOTFOUND);
    conf_issues_done(&issues);
    strongswan_done(&s);
}

#define RADIUS(text) "charon {\n plugins {\n  eap-radius {\n" text "  }\n }\n}\n"

static void radius_servers(void **state)
{
    (void)state;
    struct strongswan s = loaded(RADIUS("   secret = gv6URkSs\n   server = 10.1.0.10\n"));
    const struct radius_server *one = &s.radius.server[0];
    char ip[IP_TEXT_MAX];
    CHECK_EQ(s.radius.server_n, 1);
    CHECK_STR(ip_show(&one->ip, ip), "10.1.0.10");
    CHECK_EQ(one->secret_len, 8);
    assert_memory_equal(one->secret, "gv6URkSs", 8);
    CHECK(one->auth_port == 1812 && one->acct_port == 1813 && one->sockets == 1);
    CHECK(one->tries == 4 && one->timeout_s > 1.9 && one->base > 1.3);
    CHECK(s.radius.habits.station_port && !s.radius.habits.eap_start);
    CHECK_STR(text_str(&s.unused), "");
    strongswan_done(&s);
    s = loaded(RADIUS("   accounting = yes\n   accounting_interval = 5m\n   class_group = yes\n"
                      "   accounting_close_on_timeout = no\n   close_all_on_timeout = yes\n"));
    CHECK(s.radius.acct.close_all && !strongswan_default().radius.acct.close_all);
    CHECK(s.radius.acct.on && !s.radius.acct.close_on_timeout && s.radius.habits.class_group);
    CHECK_EQ(s.radius.acct.interval_s, 300);
    CHECK(!s.radius.dae.on);
    strongswan_done(&s);
    s = loaded(RADIUS("   dae {\n    enable = yes\n    secret = one\n    port = 3000\n   }\n"));
    CHECK(s.radius.dae.on && s.radius.dae.port == 3000 && s.radius.dae.secret_len == 3);
    CHECK(s.radius.dae.listen.family == AF_INET && ip_is_any(&s.radius.dae.listen));
    strongswan_done(&s);
    s = loaded(
        RADIUS("   nas_identifier = moon\n   id_prefix = vpn/\n   station_id_with_port = no\n"
               "   servers {\n    near {\n     address = 10.1.0.10\n     secret = one\n"
               "     preference = 5\n     auth_port = 1645\n     sockets = 4\n    }\n"
               "    far {\n     address = fec0::10\n     secret = two\n"
               "     nas_identifier = sun\n     retransmit_tries = 1\n    }\n   }\n"));
    CHECK_EQ(s.radius.server_n, 2);
    CHECK_STR(s.radius.server[0].nas_identifier, "moon");
    CHECK_STR(s.radius.server[1].nas_identifier, "sun");
    CHECK(s.radius.server[0].preference == 5 && s.radius.server[0].sockets == 4);
    CHECK(s.radius.server[0].auth_port == 1645 && s.radius.server[1].tries == 1);
    CHECK(!s.radius.habits.station_port);
    CHECK_STR(s.radius.habits.id_prefix, "vpn/");
    strongswan_done(&s);
}

// No word of the secret in what is said of it.
static void radius_that_cannot_be(void **state)
{
    static const char *const bad[][2] = {
        {RADIUS("   server = 10.1.0.10\n"), "RADIUS server 'primary' has no secret"},
        {RADIUS("   server = alice\n   secret = tellnobody\n"), "'alice' is no value for server"},
        {RADIUS("   servers {\n    a {\n     secret = tellnobody\n    }\n   }\n"),
         "RADIUS server 'a' has no address"},
        {RADIUS("   dae {\n    enable = yes\n   }\n"), "dae has no secret"},
        {RADIUS("   dae {\n    listen = moon\n    secret = tellnobody\n   }\n"),
         "'moon' is no value for listen"},
        {RADIUS("   forward {\n    ike_to_radius = 1\n   }\n"), "between IKE and RADIUS"},
        {RADIUS("   close_all_on_timeout = perhaps\n"), "close_all_on_timeout"},
        {RADIUS("   accounting = perhaps\n"), "'perhaps' is no value for accounting"},
        {RADIUS("   retransmit_base = -1\n"), "'-1' is no value for retransmit_base"},
        {RADIUS("   sockets = 0\n"), "'0' is no value for sockets"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct strongswan s;
        struct conf_issues issues = {0};
        CHECK_EQ(load(bad[i][0], &s, &issues), ERR_SYNTAX);
        bool said = false;
        for (unsigned k = 0; k < issues.n; k++) {
            said |= strstr(issues.issue[k].what, bad[i][1]) != NULL;
            CHECK(!strstr(issues.issue[k].what, "tellnobody"));
        }
        if (!said) fail_msg("not said: %s", bad[i][1]);
        conf_issues_done(&issues);
        strongswan_done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_charons),
        cmocka_unit_test(a_flat_file_counts),
        cmocka_unit_test(the_systemd_section_goes_before),
        cmocka_unit_test(user_space_esp_is_in_udp),
        cmocka_unit_test(limits_and_habits),
        cmocka_unit_test(keys_from_dns),
        cmocka_unit_test(attributes_for_everybody),
        cmocka_unit_test(loggers),
        cmocka_unit_test(loggers_of_both),
        cmocka_unit_test(addresses_from_dhcp),
        cmocka_unit_test(iptfs),
        cmocka_unit_test(the_rest_is_named),
        cmocka_unit_test(sims),
        cmocka_unit_test(cards_in_readers),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(radius_servers),
        cmocka_unit_test(radius_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
