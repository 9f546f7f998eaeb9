// Every key that swanctl.conf(5) has for a child, value by value: it is taken, or refused with the
// reason and the remedy at its place. That a value does what it says is shown by test/sim and
// test/net.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"
#include "test/check.h"

static const struct row {
    const char *key, *value;
    const char *refused; // NULL: taken; else part of why not
    const char *with;    // other lines of the child
} rows[] = {
    {"ah_proposals", "sha256-x25519, default", NULL, ""},
    {"ah_proposals", "aes256", "AH encrypts nothing", ""},
    {"esp_proposals", "aes256gcm16-ke1_mlkem768-x25519, aes128-sha256-esn", NULL, ""},
    {"sha256_96", "yes", NULL, ""},
    {"local_ts", "10.1.0.0/16[tcp/1000-2000], 10.3.0.1-10.3.0.9, dynamic[udp/domain]", NULL, ""},
    {"local_ts", "10.1.0.1[icmp], 10.1.0.1[icmp/8], 10.1.0.1[icmp/3-4], fd00::/64[ipv6-icmp/128]",
     NULL, ""},
    {"local_ts", "10.1.0.0/16[17/opaque], 10.1.0.0/16[sctp/7], 10.1.0.0/16[gre], 10.1.0.0/16[132]",
     NULL, ""},
    {"local_ts", "10.1.0.0/40", "longer than an IPv4 address", ""},
    {"local_ts", "10.1.0.0/16[tcp/2000-1000]", "ends before it begins", ""},
    {"local_ts", "10.1.0.0/16[tpc]", "is not a protocol", ""},
    {"local_ts", "10.1.0.0/16[/80]", "is a port without a protocol", ""},
    {"remote_ts", "10.2.0.0/16[tcp/http], 2001:db8::/32", NULL, ""},
    {"rekey_time", "30m", NULL, ""},
    {"life_time", "2h", NULL, ""},
    {"rand_time", "1m", NULL, ""},
    {"rekey_bytes", "500m", NULL, ""},
    {"life_bytes", "1g", NULL, ""},
    {"rand_bytes", "1m", NULL, "rekey_bytes = 500m"},
    {"rekey_packets", "1000000", NULL, ""},
    {"life_packets", "2000000", NULL, ""},
    {"rand_packets", "1000", NULL, "rekey_packets = 1000000"},
    {"updown", "/usr/lib/ipsec/_updown iptables", NULL, ""},
    {"hostaccess", "yes", NULL, ""},
    {"hostaccess", "maybe", "neither yes nor no", ""},
    {"mode", "tunnel", NULL, ""},
    {"mode", "transport", NULL, ""},
    {"mode", "beet", NULL, "local_ts = 10.1.0.1\n remote_ts = 10.2.0.1"},
    {"mode", "pass", NULL, "local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16"},
    {"mode", "drop", NULL, "local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16"},
    {"mode", "transport_proxy", "Mobile IPv6", ""},
    {"mode", "iptfs", NULL, ""},
    {"ipcomp", "yes", "cannot be compressed", "mode = iptfs"},
    {"tfc_padding", "mtu", "pads by itself", "mode = iptfs"},
    {"ah_proposals", "sha256", "is a kind of ESP", "mode = iptfs"},
    {"policies", "no", NULL, ""},
    {"policies_fwd_out", "yes", NULL, ""},
    {"dpd_action", "clear", NULL, ""},
    {"dpd_action", "trap", NULL, ""},
    {"dpd_action", "restart", NULL, ""},
    {"dpd_action", "explode", "explode", ""},
    {"ipcomp", "yes", NULL, ""},
    {"inactivity", "5m", NULL, ""},
    {"reqid", "42", NULL, ""},
    {"priority", "1000", NULL, ""},
    {"priority", "4294967296", "too large", ""},
    {"interface", "eth0", NULL, ""},
    {"mark_in", "42", NULL, ""},
    {"mark_in", "0x10/0xff", NULL, ""},
    {"mark_in", "%unique", NULL, ""},
    {"mark_in", "%unique-dir/0xff", NULL, ""},
    {"mark_in", "%each", "is not a mark", ""},
    {"mark_in_sa", "no", NULL, ""},
    {"mark_in_sa", "yes", NULL, ""},
    {"mark_out", "42/0xff", NULL, ""},
    {"mark_out", "%unique-dir", NULL, ""},
    {"set_mark_in", "0", NULL, ""},
    {"set_mark_in", "7", NULL, ""},
    {"set_mark_in", "%same", NULL, "mark_in = 5"},
    {"set_mark_in", "%unique", "is not a mark", ""},
    {"set_mark_out", "7/0xff", NULL, ""},
    {"set_mark_out", "%same", NULL, "mark_out = 5"},
    {"if_id_in", "42", NULL, ""},
    {"if_id_out", "42", NULL, ""},
    {"if_id_out", "%unique", NULL, ""},
    {"if_id_in", "%unique-dir", NULL, ""},
    {"if_id_in", "%uniq", "is not an interface id", ""},
    {"label", "system_u:object_r:ipsec_spd_t:s0", NULL, ""},
    {"label_mode", "simple", NULL, ""},
    {"label_mode", "system", "labels of packets are the kernel's", ""},
    {"tfc_padding", "512", NULL, ""},
    {"tfc_padding", "mtu", NULL, ""},
    {"tfc_padding", "512", "AH packets are not padded", "ah_proposals = sha256"},
    {"tfc_padding", "512", "cannot be padded", "ipcomp = yes"},
    {"replay_window", "64", NULL, ""},
    {"replay_window", "5000", "too large", ""},
    {"per_cpu_sas", "no", NULL, ""},
    {"per_cpu_sas", "yes", NULL, ""},
    {"per_cpu_sas", "encap", "a UDP port for each CPU", ""},
    {"hw_offload", "no", NULL, ""},
    {"hw_offload", "auto", NULL, ""},
    {"hw_offload", "yes", "asks no device", ""},
    {"hw_offload", "crypto", "asks no device", ""},
    {"hw_offload", "packet", "asks no device", ""},
    {"copy_df", "no", NULL, ""},
    {"copy_ecn", "no", NULL, ""},
    {"copy_dscp", "out", NULL, ""},
    {"copy_dscp", "in", NULL, ""},
    {"copy_dscp", "yes", NULL, ""},
    {"copy_dscp", "no", NULL, ""},
    {"icmp", "no", NULL, ""},
    {"icmp", "yes", NULL, ""},
    {"start_action", "none", NULL, ""},
    {"start_action", "trap", NULL, ""},
    {"start_action", "start", NULL, ""},
    {"start_action", "trap|start", NULL, ""},
    {"start_action", "start", "cannot be started", "mode = drop\n local_ts = 10.1.0.0/16"},
    {"close_action", "none", NULL, ""},
    {"close_action", "trap", NULL, ""},
    {"close_action", "start", NULL, ""},
    {"close_action", "trap|start", NULL, ""},
};
#define ROWS (sizeof rows / sizeof *rows)

#define FIRST_LINE 6 // of the child's settings in what follows
#define AROUND                                                               \
    "connections { net {\n  local { auth = psk }\n  remote { auth = psk }\n" \
    "  children { c {\n\n%s = %s\n%s\n} } } }\n"                             \
    "secrets { ike { secret = \"correct horse battery\" } }\n"

static const struct conf_issue *error_of(const struct conf_issues *all)
{
    for (unsigned i = 0; i < all->n; i++) {
        if (!all->issue[i].warning) return &all->issue[i];
    }
    return NULL;
}

static bool judged(const struct row *r, const struct conf_issues *issues, bool loaded)
{
    const struct conf_issue *e = error_of(issues);
    if (!r->refused) return loaded && !e;
    // Where it stands, why, and what to do.
    return !loaded && e && e->line == FIRST_LINE && strstr(e->what, r->refused) && e->hint &&
           *e->hint;
}

static void every_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        char conf[1024];
        struct config *c = NULL;
        AUTO(conf_issues) struct conf_issues issues = {0};
        (void)snprintf(conf, sizeof conf, AROUND, rows[i].key, rows[i].value, rows[i].with);
        err_t e = config_load_text("child.conf", span_str(conf), &c, &issues);
        bool good = judged(&rows[i], &issues, e == ERR_OK);
        const struct conf_issue *said = error_of(&issues);
        if (!good) {
            print_message("# %s = %s: line %u: %s (%s)\n", rows[i].key, rows[i].value,
                          said ? said->line : 0, said ? said->what : "taken",
                          said && said->hint ? said->hint : "no remedy");
        }
        CHECK(good);
        config_free(c);
    }
}

// What the executor's sockets do not tell: an error where the executor is pavise-xfrmd for sure, a
// warning where it may be, nothing with the kernel.
static void what_only_the_kernel_can(void **state)
{
    static const struct {
        const char *executor;
        unsigned errors, warnings;
    } cases[] = {{"pavise", 1, 0}, {"auto", 0, 1}, {"kernel", 0, 0}};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        char conf[1024];
        struct config *c = NULL;
        AUTO(conf_issues) struct conf_issues issues = {0};
        (void)snprintf(conf, sizeof conf, AROUND "pavise { executor = %s }\n", "mark_in_sa", "yes",
                       "mark_in = 5", cases[i].executor);
        err_t e = config_load_text("child.conf", span_str(conf), &c, &issues);
        CHECK_EQ(e == ERR_OK, cases[i].errors == 0);
        unsigned warnings = 0;
        for (unsigned k = 0; k < issues.n; k++) {
            if (issues.issue[k].line != FIRST_LINE) continue;
            warnings += issues.issue[k].warning;
            CHECK(strstr(issues.issue[k].hint, "executor = kernel"));
        }
        CHECK_EQ(issues.errors, cases[i].errors);
        CHECK_EQ(warnings, cases[i].warnings);
        config_free(c);
    }
}

static bool has_row(const char *key)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].key, key) == 0) return true;
    }
    return false;
}

// None of strongSwan's keys is missing above.
static void every_key(void **state)
{
    static const char prefix[] = "connections.<conn>.children.<child>.";
    char path[512], line[256];
    const char *folder = getenv("VECTORS");
    unsigned n = 0;
    (void)state;
    (void)snprintf(path, sizeof path, "%s/conf/strongswan-keys.txt",
                   folder ? folder : "test/vectors");
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, prefix, sizeof prefix - 1) != 0) continue;
        const char *key = line + sizeof prefix - 1;
        if (!has_row(key)) print_message("# no row for %s\n", key);
        CHECK(has_row(key));
        n++;
    }
    if (f) (void)fclose(f);
    CHECK(n > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_value),
                                       cmocka_unit_test(what_only_the_kernel_can),
                                       cmocka_unit_test(every_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
