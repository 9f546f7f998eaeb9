// Address pools: who gets which address, and what a file of leases may look like.
#include "ike/sa/pool.h"

#include <stdio.h>
#include <string.h>

#include "test/check.h"

static const uint8_t key[16] = "sixteen bytes..";
static char *const rw[] = {(char[]){"rw"}};

struct fixture {
    struct pools *p;
    struct config *c;
};

static void configure(struct fixture *f, const char *pools)
{
    char text[2048];
    struct conf_issues issues = {0};
    struct config *c = NULL;
    (void)snprintf(text, sizeof text, "pools {\n%s\n}\n", pools);
    CHECK_OK(config_load_text("test", span_str(text), &c, &issues));
    conf_issues_done(&issues);
    CHECK_OK(pools_configure(f->p, c));
    config_free(f->c);
    f->c = c;
}

static struct fixture with(const char *pools)
{
    struct fixture f = {.p = pools_new(key)};
    configure(&f, pools);
    return f;
}

static void done(struct fixture *f)
{
    pools_free(f->p);
    config_free(f->c);
}

static struct id named(const char *name)
{
    struct id id;
    struct why why;
    CHECK_OK(id_parse(name, &id, &why));
    return id;
}

// The address that a client gets from pool rw, as text; "" if none. *held keeps the hold.
static const char *ask(struct fixture *f, const char *who, const char *want, struct lease **held)
{
    static char text[IP_TEXT_MAX];
    struct why why = {0};
    struct id id = named(who);
    struct lease_wish w = {.pools = rw, .pool_n = 1, .who = &id};
    CHECK_OK(ip_parse(want, &w.ip));
    err_t e = pools_acquire(f->p, &w, held, &why);
    if (e == ERR_OK) return ip_show(lease_ip(*held), text);
    CHECK(e == ERR_LIMIT || e == ERR_NOTFOUND);
    CHECK(why.text[0]);
    return "";
}

static void first_and_last_of_a_network_are_left_out(void **state)
{
    (void)state;
    struct lease *l[8];
    struct fixture f = with("rw { \n addrs = 10.3.0.0/29\n }");
    static const char *const want[] = {"10.3.0.1", "10.3.0.2", "10.3.0.3",
                                       "10.3.0.4", "10.3.0.5", "10.3.0.6"};
    for (unsigned i = 0; i < 6; i++) {
        char who[16];
        (void)snprintf(who, sizeof who, "client%u", i);
        CHECK_STR(ask(&f, who, "0.0.0.0", &l[i]), want[i]);
    }
    CHECK_STR(ask(&f, "late", "0.0.0.0", &l[6]), "");
    CHECK_STR(ask(&f, "late", "::", &l[6]), ""); // a family that no pool has
    done(&f);
    f = with("rw { \n addrs = 10.3.0.5/29\n }"); // begins where it says
    CHECK_STR(ask(&f, "a", "0.0.0.0", &l[0]), "10.3.0.5");
    CHECK_STR(ask(&f, "b", "0.0.0.0", &l[1]), "10.3.0.6");
    CHECK_STR(ask(&f, "c", "0.0.0.0", &l[2]), "");
    done(&f);
    f = with("rw { \n addrs = 10.3.0.254 - 10.3.1.0\n }"); // a range has them all
    CHECK_STR(ask(&f, "a", "0.0.0.0", &l[0]), "10.3.0.254");
    CHECK_STR(ask(&f, "b", "0.0.0.0", &l[1]), "10.3.0.255");
    CHECK_STR(ask(&f, "c", "0.0.0.0", &l[2]), "10.3.1.0");
    CHECK_STR(ask(&f, "d", "0.0.0.0", &l[3]), "");
    done(&f);
    f = with("rw { \n addrs = 255.255.255.255/32\n }"); // nothing behind the last one
    CHECK_STR(ask(&f, "a", "0.0.0.0", &l[0]), "255.255.255.255");
    CHECK_STR(ask(&f, "b", "0.0.0.0", &l[1]), "");
    done(&f);
    f = with("rw { \n addrs = 2001:db8::/64\n }");
    CHECK_STR(ask(&f, "a", "::", &l[0]), "2001:db8::1");
    CHECK_STR(ask(&f, "b", "::", &l[1]), "2001:db8::2");
    done(&f);
}

static void identity_gets_its_address_again(void **state)
{
    (void)state;
    struct lease *a, *b, *c;
    struct fixture f = with("rw { \n addrs = 10.3.0.0/24\n }");
    CHECK_STR(ask(&f, "alice", "0.0.0.0", &a), "10.3.0.1");
    CHECK_STR(ask(&f, "bob", "0.0.0.0", &b), "10.3.0.2");
    pools_release(f.p, a);
    CHECK_STR(ask(&f, "carol", "0.0.0.0", &c), "10.3.0.3"); // not alice's: there are others
    CHECK_STR(ask(&f, "alice", "0.0.0.0", &a), "10.3.0.1");
    // A second device of hers gets another one.
    CHECK_STR(ask(&f, "alice", "0.0.0.0", &c), "10.3.0.4");
    done(&f);
}

static void wanted_address_is_honoured_if_it_is_free(void **state)
{
    (void)state;
    struct lease *a, *b, *again;
    struct fixture f = with("rw { \n addrs = 10.3.0.0/24\n }");
    CHECK_STR(ask(&f, "alice", "10.3.0.77", &a), "10.3.0.77");
    CHECK_STR(ask(&f, "bob", "10.3.0.77", &b), "10.3.0.1");        // hers
    CHECK_STR(ask(&f, "alice", "10.3.0.77", &again), "10.3.0.77"); // reauthentication
    pools_release(f.p, a);
    pools_release(f.p, again);
    CHECK_STR(ask(&f, "carol", "10.3.0.77", &a), "10.3.0.2"); // still hers
    CHECK_STR(ask(&f, "dave", "10.9.0.1", &a), "10.3.0.3");   // not of this pool
    done(&f);
}

static void stale_connection_of_the_same_identity_gives_way(void **state)
{
    (void)state;
    struct lease *a, *b = NULL;
    struct why why;
    struct fixture f = with("rw { \n addrs = 10.3.0.0/24\n }");
    struct id alice = named("alice");
    CHECK_STR(ask(&f, "alice", "0.0.0.0", &a), "10.3.0.1");
    struct lease_wish w = {
        .pools = rw, .pool_n = 1, .ip = {.family = AF_INET}, .who = &alice, .replaces = true};
    CHECK_OK(pools_acquire(f.p, &w, &b, &why));
    CHECK(a == b);
    // ... but an IKE SA that has it already and asks for a second one gets a second one.
    const struct lease *has[] = {b};
    w.has = has;
    w.has_n = 1;
    CHECK_OK(pools_acquire(f.p, &w, &b, &why));
    CHECK(a != b);
    done(&f);
}

static void longest_idle_lease_goes_to_others(void **state)
{
    (void)state;
    struct lease *l[3], *x;
    struct fixture f = with("rw { \n addrs = 10.3.0.1-10.3.0.3\n }");
    CHECK_STR(ask(&f, "a", "0.0.0.0", &l[0]), "10.3.0.1");
    CHECK_STR(ask(&f, "b", "0.0.0.0", &l[1]), "10.3.0.2");
    CHECK_STR(ask(&f, "c", "0.0.0.0", &l[2]), "10.3.0.3");
    pools_release(f.p, l[1]);
    pools_release(f.p, l[0]);
    CHECK_STR(ask(&f, "d", "0.0.0.0", &x), "10.3.0.2");
    CHECK_STR(ask(&f, "e", "0.0.0.0", &x), "10.3.0.1");
    CHECK_STR(ask(&f, "a", "0.0.0.0", &x), ""); // its address is somebody else's now
    pools_release(f.p, l[2]);
    CHECK_STR(ask(&f, "a", "0.0.0.0", &x), "10.3.0.3");
    done(&f);
}

static void pools_are_tried_in_their_order(void **state)
{
    (void)state;
    char *const both[] = {(char[]){"b"}, (char[]){"a"}};
    struct fixture f = with("a { \n addrs = 10.1.0.1-10.1.0.1\n }\nb { \n addrs = "
                            "10.2.0.1-10.2.0.1\n }");
    struct id id = named("x");
    struct lease *l;
    struct why why;
    char text[IP_TEXT_MAX];
    struct lease_wish w = {.pools = both, .pool_n = 2, .ip = {.family = AF_INET}, .who = &id};
    CHECK_OK(pools_acquire(f.p, &w, &l, &why));
    CHECK_STR(ip_show(lease_ip(l), text), "10.2.0.1");
    CHECK_OK(pools_acquire(f.p, &w, &l, &why));
    CHECK_STR(ip_show(lease_ip(l), text), "10.1.0.1");
    CHECK_EQ(pools_acquire(f.p, &w, &l, &why), ERR_LIMIT);
    CHECK(strstr(why.text, "too small"));
    done(&f);
}

static void smaller_pool_forgets_what_nobody_holds(void **state)
{
    (void)state;
    struct lease *a, *b;
    AUTO(text) struct text saved = {0};
    struct fixture f = with("rw { \n addrs = 10.3.0.1-10.3.0.9\n }");
    CHECK_STR(ask(&f, "a", "10.3.0.8", &a), "10.3.0.8");
    CHECK_STR(ask(&f, "b", "10.3.0.9", &b), "10.3.0.9");
    pools_release(f.p, b);
    configure(&f, "rw { \n addrs = 10.3.0.1-10.3.0.2\n }");
    pools_save(f.p, &saved);
    CHECK(strstr(text_str(&saved), "10.3.0.8 ") && !strstr(text_str(&saved), "10.3.0.9 "));
    configure(&f, "other { \n addrs = 10.4.0.0/24\n }"); // its pool goes; it is held
    pools_release(f.p, a);
    text_done(&saved);
    saved = (struct text){0};
    pools_save(f.p, &saved);
    CHECK_STR(text_str(&saved), "pavise leases 1\nend 0\n");
    done(&f);
}

static void leases_outlive_the_daemon(void **state)
{
    (void)state;
    struct lease *l;
    struct why why;
    AUTO(text) struct text saved = {0};
    struct fixture f = with("rw { \n addrs = 10.3.0.0/24\n }");
    CHECK_STR(ask(&f, "alice@example.org", "0.0.0.0", &l), "10.3.0.1");
    CHECK_STR(ask(&f, "C=CH, CN=bob", "0.0.0.0", &l), "10.3.0.2");
    pools_save(f.p, &saved);
    done(&f);
    f = (struct fixture){.p = pools_new(key)};
    CHECK_OK(pools_restore(f.p, span_str(text_str(&saved)), &why));
    configure(&f, "rw { \n addrs = 10.3.0.0/24\n }");
    CHECK_STR(ask(&f, "carol", "0.0.0.0", &l), "10.3.0.3");
    CHECK_STR(ask(&f, "C=CH, CN=bob", "0.0.0.0", &l), "10.3.0.2");
    CHECK_STR(ask(&f, "alice@example.org", "0.0.0.0", &l), "10.3.0.1");
    done(&f);
}

static void bad_file_is_refused_as_a_whole(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "something else\n",
        "pavise leases 1\n",                                            // cut short
        "pavise leases 1\n10.3.0.1 2 616c696365 rw\nend 2\n",           // a line is missing
        "pavise leases 1\n10.3.0.1 2 616c696365 rw",                    // ... half of one
        "pavise leases 1\n10.3.0 2 616c696365 rw\nend 1\n",             // no address
        "pavise leases 1\n10.3.0.1 99 616c696365 rw\nend 1\n",          // no type of identity
        "pavise leases 1\n10.3.0.1 2 616c69636 rw\nend 1\n",            // odd hex
        "pavise leases 1\n10.3.0.1 2  rw\nend 1\n",                     // no identity
        "pavise leases 1\n10.3.0.1 2 616c696365 \nend 1\n",             // no pool
        "pavise leases 1\n10.3.0.1 2 61 rw\n10.3.0.1 2 62 rw\nend 2\n", // two owners
        "pavise leases 1\nend 0\nmore\n",
        "pavise leases 1\n\nend 0\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pools *p = pools_new(key);
        struct why why = {0};
        CHECK_EQ(pools_restore(p, span_str(bad[i]), &why), ERR_SYNTAX);
        CHECK(strncmp(why.text, "line ", 5) == 0);
        AUTO(text) struct text saved = {0};
        pools_save(p, &saved);
        CHECK_STR(text_str(&saved), "pavise leases 1\nend 0\n");
        pools_free(p);
    }
    struct pools *p = pools_new(key);
    struct why why;
    CHECK_EQ(pools_restore(p, SPAN("pavise leases 1\n10.3.0.1 2 61 r\0w\nend 1\n"), &why),
             ERR_SYNTAX);
    pools_free(p);
}

// Who asks for one address after another does not fill the memory, or the pool for others.
static void greedy_identity_keeps_a_few(void **state)
{
    (void)state;
    struct lease *l;
    char want[IP_TEXT_MAX];
    AUTO(text) struct text saved = {0};
    struct fixture f = with("rw { \n addrs = 10.3.0.0/24\n }");
    for (unsigned i = 1; i <= 254; i++) {
        (void)snprintf(want, sizeof want, "10.3.0.%u", i);
        CHECK_STR(ask(&f, "greedy", want, &l), want);
        pools_release(f.p, l);
    }
    pools_save(f.p, &saved);
    CHECK(strstr(text_str(&saved), "end 16\n"));
    CHECK(strstr(text_str(&saved), "10.3.0.254 ") && strstr(text_str(&saved), "10.3.0.239 "));
    for (unsigned i = 0; i < 254; i++) { // all the others are free, and the idle ones can be had
        (void)snprintf(want, sizeof want, "client%u", i);
        CHECK(*ask(&f, want, "0.0.0.0", &l));
    }
    CHECK_STR(ask(&f, "late", "0.0.0.0", &l), "");
    done(&f);
}

static void many_names_keep_so_many(void **state)
{
    (void)state;
    struct lease *l;
    char who[32];
    unsigned n = 0;
    AUTO(text) struct text saved = {0};
    struct fixture f = with("rw { \n addrs = 2001:db8::/64\n }");
    for (unsigned i = 0; i < 66000; i++) {
        (void)snprintf(who, sizeof who, "client%u", i);
        CHECK(*ask(&f, who, "::", &l));
        pools_release(f.p, l);
    }
    pools_save(f.p, &saved);
    for (const char *c = text_str(&saved); *c; c++) n += *c == '\n';
    CHECK_EQ(n, 65536 + 2);
    CHECK_STR(ask(&f, "client65999", "::", &l), "2001:db8::1:1d0");
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_and_last_of_a_network_are_left_out),
        cmocka_unit_test(identity_gets_its_address_again),
        cmocka_unit_test(wanted_address_is_honoured_if_it_is_free),
        cmocka_unit_test(stale_connection_of_the_same_identity_gives_way),
        cmocka_unit_test(longest_idle_lease_goes_to_others),
        cmocka_unit_test(pools_are_tried_in_their_order),
        cmocka_unit_test(smaller_pool_forgets_what_nobody_holds),
        cmocka_unit_test(greedy_identity_keeps_a_few),
        cmocka_unit_test(many_names_keep_so_many),
        cmocka_unit_test(leases_outlive_the_daemon),
        cmocka_unit_test(bad_file_is_refused_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
