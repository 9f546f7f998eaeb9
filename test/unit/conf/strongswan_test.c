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
                                 " plugins {\n  revocation {\n   enable_ocsp = no\n  }\n }\n}\n");
    CHECK_EQ(s.retransmit_tries, 2);
    CHECK(s.retransmit_timeout > 1.49 && s.retransmit_timeout < 1.51);
    CHECK(s.keep_alive > 4.9 && s.keep_alive < 5.1);
    CHECK_EQ(s.fragment_size, 1400);
    CHECK(s.hash_and_url && !s.rsa_pss);
    CHECK(s.initiator_only && !s.ocsp && s.crl && !s.udp_esp);
    CHECK_EQ(s.cookie_threshold, 30); // not said
    CHECK_STR(text_str(&s.unused), "");
    strongswan_done(&s);
}

static void the_systemd_section_goes_before(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon-systemd {\n port = 5000\n}\n"
                                 "charon {\n port = 6000\n port_nat_t = 6500\n}\n");
    CHECK_EQ(s.port, 5000);
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

static void the_rest_is_named(void **state)
{
    (void)state;
    struct strongswan s = loaded("charon {\n threads = 16\n load = a b\n"
                                 " plugins {\n  farp {\n   load = yes\n   x = 1\n  }\n }\n"
                                 " syslog {\n  daemon {\n   knl = 2\n  }\n }\n}\n"
                                 "swanctl {\n load = pem\n}\n");
    CHECK_STR(text_str(&s.unused), "charon.threads, charon.plugins.farp.x");
    strongswan_done(&s);
}

static void nonsense_is_refused(void **state)
{
    static const char *const bad[] = {
        "charon {\n retransmit_tries = many\n}\n",  "charon {\n retransmit_timeout = -1\n}\n",
        "charon {\n initiator_only = perhaps\n}\n", "charon {\n port = 500\n",
        "charon {\n keep_alive = nan\n}\n",
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_charons),
        cmocka_unit_test(the_systemd_section_goes_before),
        cmocka_unit_test(user_space_esp_is_in_udp),
        cmocka_unit_test(the_rest_is_named),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
