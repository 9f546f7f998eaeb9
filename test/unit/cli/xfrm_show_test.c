// SAs and policies look as `ip xfrm` of iproute2 6.1 prints them (blanks at line ends aside); the
// wanted texts are what it printed for the same objects.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/xfrm_show.h"
#include "test/check.h"

static ip_t ip(const char *s)
{
    ip_t a = {0};
    CHECK_OK(ip_parse(s, &a));
    return a;
}

static prefix_t prefix(const char *s)
{
    prefix_t p = {0};
    CHECK_OK(prefix_parse(s, &p));
    return p;
}

static struct xfrm_sa some_sa(void)
{
    struct xfrm_sa sa = {
        .saddr = ip("192.0.2.1"),
        .daddr = ip("198.51.100.1"),
        .spi = 0x100,
        .proto = XFRM_PROTO_ESP,
        .mode = XFRM_TUNNEL,
        .family = AF_INET,
        .reqid = 7,
    };
    sa.sel.family = AF_INET;
    sa.limit = (struct xfrm_lifetime){XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0};
    sa.replay.window = 32;
    strcpy(sa.aead.name, "rfc4106(gcm(aes))");
    sa.aead.key_bits = 160;
    sa.aead.icv_bits = 128;
    memset(sa.aead.key, 0x11, 20);
    return sa;
}

static char *printed;

// Runs with stdout in memory.
static void capture_sa(const struct xfrm_sa *sa, bool keys, bool explain)
{
    size_t n = 0;
    FILE *real = stdout;
    free(printed);
    stdout = open_memstream(&printed, &n);
    struct fields f = {.keys = keys, .explain = explain};
    xfrm_show_sa(&f, sa);
    (void)fclose(stdout);
    stdout = real;
}

static void capture_policy(const struct xfrm_policy *p)
{
    size_t n = 0;
    FILE *real = stdout;
    free(printed);
    stdout = open_memstream(&printed, &n);
    struct fields f = {0};
    xfrm_show_policy(&f, p);
    (void)fclose(stdout);
    stdout = real;
}

static void plain_sa(void **state)
{
    (void)state;
    struct xfrm_sa sa = some_sa();
    capture_sa(&sa, true, false);
    CHECK_STR(printed, "src 192.0.2.1 dst 198.51.100.1\n"
                       "\tproto esp spi 0x00000100 reqid 7 mode tunnel\n"
                       "\treplay-window 32\n"
                       "\taead rfc4106(gcm(aes)) 0x1111111111111111111111111111111111111111 128\n"
                       "\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000\n"
                       "\tsel src 0.0.0.0/0 dst 0.0.0.0/0\n");
}

static void keys_are_hidden(void **state)
{
    (void)state;
    struct xfrm_sa sa = some_sa();
    capture_sa(&sa, false, false);
    CHECK(strstr(printed, "\taead rfc4106(gcm(aes)) <<Keys hidden>> 128\n") != NULL);
    CHECK(strstr(printed, "1111") == NULL);
    capture_sa(&sa, false, true);
    CHECK(strstr(printed, "1111") == NULL);
    json_t *j = xfrm_show_sa_json(&sa, false);
    char *text = json_dumps(j, 0);
    CHECK(text && strstr(text, "\"aead\"") && !strstr(text, "1111"));
    free(text);
    json_decref(j);
    j = xfrm_show_sa_json(&sa, true);
    text = json_dumps(j, 0);
    CHECK(text && strstr(text, "1111111111111111111111111111111111111111"));
    free(text);
    json_decref(j);
}

static void esn_sa(void **state)
{
    (void)state;
    struct xfrm_sa sa = some_sa();
    sa.reqid = 0;
    sa.flags = XFRM_STATE_ESN;
    sa.replay.esn_given = true;
    sa.replay.window = 100;
    sa.replay.in_seq = 0x100000005;
    sa.replay.out_seq = 0x200000009;
    capture_sa(&sa, true, false);
    CHECK_STR(printed, "src 192.0.2.1 dst 198.51.100.1\n"
                       "\tproto esp spi 0x00000100 reqid 0 mode tunnel\n"
                       "\treplay-window 0 flag esn\n"
                       "\taead rfc4106(gcm(aes)) 0x1111111111111111111111111111111111111111 128\n"
                       "\tanti-replay esn context:\n"
                       "\t seq-hi 0x1, seq 0x5, oseq-hi 0x2, oseq 0x9\n"
                       "\t replay_window 100, bitmap-length 4\n"
                       "\t 00000000 00000000 00000000 00000000\n"
                       "\tsel src 0.0.0.0/0 dst 0.0.0.0/0\n");
}

static void everything_else(void **state)
{
    (void)state;
    struct xfrm_sa sa = some_sa();
    sa.mark = (struct xfrm_mark){5, 0xff};
    sa.output_mark = (struct xfrm_mark){7, 0xffffffff};
    sa.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 40000};
    sa.if_id = 9;
    sa.sel.src = prefix("10.1.0.1/32");
    sa.sel.dst = prefix("10.2.0.1/32");
    sa.sel.proto = 6;
    sa.sel.sport = 80;
    sa.sel.dport = 443;
    sa.sel.sport_mask = sa.sel.dport_mask = 0xffff;
    capture_sa(&sa, true, false);
    CHECK_STR(printed, "src 192.0.2.1 dst 198.51.100.1\n"
                       "\tproto esp spi 0x00000100 reqid 7 mode tunnel\n"
                       "\treplay-window 32\n"
                       "\tmark 0x5/0xff\n"
                       "\toutput-mark 0x7/0xffffffff\n"
                       "\taead rfc4106(gcm(aes)) 0x1111111111111111111111111111111111111111 128\n"
                       "\tencap type espinudp sport 4500 dport 40000 addr 0.0.0.0\n"
                       "\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000\n"
                       "\tif_id 0x9\n"
                       "\tsel src 10.1.0.1/32 dst 10.2.0.1/32 proto tcp sport 80 dport 443\n");
}

static void compressing_sa(void **state)
{
    (void)state;
    struct xfrm_sa sa = some_sa();
    sa.aead = (struct xfrm_alg){0};
    sa.proto = XFRM_PROTO_COMP;
    strcpy(sa.comp, "deflate");
    capture_sa(&sa, false, false);
    CHECK(strstr(printed, "\tproto comp spi 0x00000100 reqid 7 mode tunnel\n") != NULL);
    CHECK(strstr(printed, "\tcomp deflate\n") != NULL);
    sa.comp[0] = 0;
    sa.proto = 4;
    sa.plain = true;
    capture_sa(&sa, false, false);
    CHECK(strstr(printed, "\tproto 4 spi") != NULL);
    CHECK(strstr(printed, "comp") == NULL);
}

static void explained_sa(void **state)
{
    (void)state;
    struct xfrm_sa sa = some_sa();
    capture_sa(&sa, false, true);
    CHECK(strstr(printed, "reqid 7") && strstr(printed, "# ties it to the policies") != NULL);
    unsigned lines = 0;
    for (const char *s = printed; *s; s++) lines += *s == '\n';
    CHECK(lines >= 14);
    CHECK(strstr(printed, "0 B, 0 packets") != NULL);
    unsigned notes = 0;
    for (const char *s = printed; (s = strstr(s, "# ")); s++, notes++) {
        const size_t len = strcspn(s, "\n");
        const char *rfc = strstr(s, "(RFC "), *own = strstr(s, "(Linux only)");
        CHECK((rfc && rfc < s + len) || (own && own < s + len));
    }
    CHECK(notes >= 14);
}

static void policies(void **state)
{
    (void)state;
    struct xfrm_policy p = {.dir = XFRM_FWD, .priority = 1000, .tmpl_count = 1};
    p.sel.family = AF_INET;
    p.sel.src = prefix("10.1.0.0/16");
    p.sel.dst = prefix("10.2.0.0/16");
    p.tmpl[0] = (struct xfrm_tmpl){.saddr = ip("192.0.2.1"),
                                   .daddr = ip("198.51.100.1"),
                                   .proto = XFRM_PROTO_ESP,
                                   .mode = XFRM_TUNNEL,
                                   .family = AF_INET,
                                   .reqid = 1};
    capture_policy(&p);
    CHECK_STR(printed, "src 10.1.0.0/16 dst 10.2.0.0/16\n"
                       "\tdir fwd priority 1000 ptype main\n"
                       "\ttmpl src 192.0.2.1 dst 198.51.100.1\n"
                       "\t\tproto esp reqid 1 mode tunnel\n");
    p.dir = XFRM_OUT;
    p.action = XFRM_BLOCK;
    p.tmpl_count = 0;
    p.priority = 10;
    capture_policy(&p);
    CHECK_STR(printed, "src 10.1.0.0/16 dst 10.2.0.0/16\n"
                       "\tdir out action block priority 10 ptype main\n");
}

static void ipv6_selectors(void **state)
{
    (void)state;
    struct xfrm_sa sa = some_sa();
    sa.sel.family = AF_INET6;
    capture_sa(&sa, false, false);
    CHECK(strstr(printed, "\tsel src ::/0 dst ::/0\n") != NULL);
}

static int free_printed(void **state)
{
    (void)state;
    free(printed);
    printed = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_sa),       cmocka_unit_test(keys_are_hidden),
        cmocka_unit_test(esn_sa),         cmocka_unit_test(everything_else),
        cmocka_unit_test(compressing_sa), cmocka_unit_test(explained_sa),
        cmocka_unit_test(policies),       cmocka_unit_test(ipv6_selectors),
    };
    return cmocka_run_group_tests(tests, NULL, free_printed);
}
