// Which packets an inbound policy takes, for every chain of SAs that a packet can have come through
// and every list of templates: as the kernel decides (__xfrm_policy_check, xfrm_policy_ok), told
// here once more in the words of its rules.
#include <string.h>

#include "test/unit/xfrm/modes.h"
#include "xfrm/path/stages.h"

enum kind { ESP, AH, COMP, ESP_TUNNEL, COMP_TUNNEL, PLAIN, KINDS, ASKABLE = PLAIN };
#define DEPTH 3

static const struct {
    uint8_t proto, mode;
} kinds[ASKABLE] = {{XFRM_PROTO_ESP, XFRM_TRANSPORT},
                    {XFRM_PROTO_AH, XFRM_TRANSPORT},
                    {XFRM_PROTO_COMP, XFRM_TRANSPORT},
                    {XFRM_PROTO_ESP, XFRM_TUNNEL},
                    {XFRM_PROTO_COMP, XFRM_TUNNEL}};

struct wish {
    enum kind kind;
    bool optional;
};

// ---- the rules ----

static bool is_tunnel(enum kind k)
{
    return k == ESP_TUNNEL || k == COMP_TUNNEL || k == PLAIN;
}

static bool serves(enum kind have, const struct wish *w)
{
    // what IPComp did not shrink: for any template that does not insist and is between those ends
    return have == PLAIN ? w->optional : have == w->kind;
}

// From the outermost template on, each looks behind what the one before it has found. It may pass
// over transport SAs, never over a tunnel. An optional one of transport mode does not even look.
static bool kernel_takes(const struct wish *wishes, unsigned n, const enum kind *chain,
                         unsigned len)
{
    unsigned from = 0;
    for (unsigned i = n; i-- > 0;) {
        const struct wish *w = &wishes[i];
        if (w->optional && !is_tunnel(w->kind)) continue;
        unsigned at = from;
        while (at < len && !serves(chain[at], w) && !is_tunnel(chain[at])) at++;
        bool found = at < len && serves(chain[at], w);
        if (!found && !w->optional) return false;
        if (found) from = at + 1;
    }
    for (; from < len; from++) {
        if (is_tunnel(chain[from])) return false;
    }
    return true;
}

// ---- all of them ----

struct bench {
    struct rig *r;
    struct link link[ASKABLE];
    struct sa *sa[KINDS];
};

static struct bench bench_new(void)
{
    struct bench b = {.r = rig_new()};
    for (unsigned i = 0; i < ASKABLE; i++) {
        b.link[i] = link_of(kinds[i].proto, kinds[i].mode, 0, 0x100 * (i + 1));
        const struct xfrm_sa *x = &b.link[i].x;
        rig_add_sa(b.r, x);
        b.sa[i] = sad_find(b.r->db->sad, &x->daddr, x->spi, x->proto, 0);
        b.sa[PLAIN] = sad_find_plain(b.r->db->sad, &x->saddr, &x->daddr, 0);
    }
    return b;
}

static void ask_for(struct bench *b, const struct wish *wishes, unsigned n)
{
    struct xfrm_policy in = rig_policy(XFRM_IN, "0.0.0.0/0", "0.0.0.0/0", NULL, NULL);
    in.tmpl_count = n;
    for (unsigned i = 0; i < n; i++) {
        in.tmpl[i] = b->link[wishes[i].kind].t;
        in.tmpl[i].optional = wishes[i].optional;
    }
    CHECK_OK(b->r->api.ops->policy_add(b->r->api.ctx, &in, true, NULL));
    rig_clear(b->r); // of the events
}

static enum drop verdict(struct bench *b, const enum kind *chain, unsigned len)
{
    struct pkt p = {.sa_count = (uint8_t)len};
    struct burst burst = {.n = 1, .p = {&p}};
    p.flow = (struct flow){
        .src = b->link[0].x.saddr, .dst = b->link[0].x.daddr, .proto = 17, .sport = 1, .dport = 2};
    for (unsigned i = 0; i < len; i++) p.sas[i] = b->sa[chain[i]];
    in_conform(&b->r->w, &burst);
    return p.drop;
}

// Chain number `n` of those with `len` members.
static void chain_of(unsigned n, enum kind *chain, unsigned len)
{
    for (unsigned i = 0; i < len; i++, n /= KINDS) chain[i] = (enum kind)(n % KINDS);
}

static unsigned power(unsigned base, unsigned n)
{
    return n == 0 ? 1 : base * power(base, n - 1);
}

static void check_chains(struct bench *b, const struct wish *wishes, unsigned n, unsigned *taken)
{
    for (unsigned len = 0; len <= DEPTH; len++) {
        for (unsigned c = 0; c < power(KINDS, len); c++) {
            enum kind chain[DEPTH];
            chain_of(c, chain, len);
            bool want = kernel_takes(wishes, n, chain, len);
            enum drop got = verdict(b, chain, len);
            *taken += want;
            if (got == (want ? DROP_NONE : DROP_TEMPLATE)) continue;
            fail_msg("%u templates (%d%s %d%s %d%s), chain %u of %u: %s, not %s", n, wishes[0].kind,
                     wishes[0].optional ? "?" : "", wishes[1].kind, wishes[1].optional ? "?" : "",
                     wishes[2].kind, wishes[2].optional ? "?" : "", c, len, drop_word(got),
                     want ? "taken" : "refused");
        }
    }
}

static void every_policy_and_every_chain(void **state)
{
    (void)state;
    struct bench b = bench_new();
    unsigned taken = 0;
    for (unsigned n = 1; n <= DEPTH; n++) {
        for (unsigned i = 0; i < power(2 * ASKABLE, n); i++) {
            struct wish wishes[DEPTH] = {0};
            for (unsigned k = 0, left = i; k < n; k++, left /= 2 * ASKABLE)
                wishes[k] =
                    (struct wish){(enum kind)(left % ASKABLE), left % (2 * ASKABLE) >= ASKABLE};
            ask_for(&b, wishes, n);
            check_chains(&b, wishes, n, &taken);
        }
    }
    CHECK(taken > 1000);
    rig_free(b.r);
}

// Those that matter most, each with its reason.
static void the_usual_ones(void **state)
{
    (void)state;
    struct bench b = bench_new();
    static const struct {
        const char *why;
        struct wish wish[2];
        unsigned wishes;
        enum kind chain[3];
        unsigned len;
        bool taken;
    } rows[] = {
        {"IKE with IPComp", {{COMP_TUNNEL, true}, {ESP, false}}, 2, {ESP, COMP_TUNNEL}, 2, true},
        {"the same, not shrunk", {{COMP_TUNNEL, true}, {ESP, false}}, 2, {ESP, PLAIN}, 2, true},
        {"IPComp insisted on", {{COMP_TUNNEL, false}, {ESP, false}}, 2, {ESP, PLAIN}, 2, false},
        {"no ESP around it", {{COMP_TUNNEL, true}, {ESP, false}}, 2, {COMP_TUNNEL}, 1, false},
        {"in clear", {{COMP_TUNNEL, true}, {ESP, false}}, 2, {ESP}, 0, false},
        {"a tunnel nobody asked for", {{ESP, false}}, 1, {ESP, PLAIN}, 2, false},
        {"the wrong way round", {{AH, false}, {ESP, false}}, 2, {AH, ESP}, 2, false},
        {"AH around ESP", {{ESP, false}, {AH, false}}, 2, {AH, ESP}, 2, true},
        {"AH for the sake of it", {{ESP, false}, {AH, true}}, 2, {ESP}, 1, true},
        {"ESP for the sake of it", {{ESP, true}}, 1, {ESP}, 0, true},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        ask_for(&b, rows[i].wish, rows[i].wishes);
        enum drop want = rows[i].taken ? DROP_NONE : DROP_TEMPLATE;
        if (verdict(&b, rows[i].chain, rows[i].len) != want) fail_msg("%s", rows[i].why);
    }
    rig_free(b.r);
}

// What a template says beside protocol and mode. The destination is not compared: by it the SA was
// found.
static void ends_and_numbers(void **state)
{
    (void)state;
    struct bench b = bench_new();
    static const struct {
        bool saddr, daddr;
        uint32_t reqid, spi; // xor
        bool esp, plain;     // taken?
    } rows[] = {
        {.esp = true, .plain = true},
        {.saddr = true},
        {.daddr = true, .esp = true, .plain = true},
        {.reqid = 1, .plain = true},
        {.spi = 1, .plain = true},
    };
    for (unsigned i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        unsigned row = i / 2;
        enum kind have = i % 2 ? PLAIN : ESP_TUNNEL, asked = i % 2 ? COMP_TUNNEL : ESP_TUNNEL;
        struct xfrm_tmpl t = b.link[asked].t;
        struct xfrm_policy in = rig_policy(XFRM_IN, "0.0.0.0/0", "0.0.0.0/0", NULL, NULL);
        t.optional = i % 2;
        t.saddr.b[3] ^= rows[row].saddr;
        t.daddr.b[3] ^= rows[row].daddr;
        t.reqid ^= rows[row].reqid;
        if (rows[row].spi) t.spi = b.link[asked].x.spi ^ rows[row].spi;
        in.tmpl[0] = t;
        in.tmpl_count = 1;
        CHECK_OK(b.r->api.ops->policy_add(b.r->api.ctx, &in, true, NULL));
        bool want = i % 2 ? rows[row].plain : rows[row].esp;
        if (verdict(&b, &have, 1) != (want ? DROP_NONE : DROP_TEMPLATE)) fail_msg("row %u", i);
    }
    rig_free(b.r);
}

// An SA's MAC must be among those that a template names; the kernel asks for no more.
static void algorithms(void **state)
{
    (void)state;
    static const struct {
        const char *auth; // NULL: AEAD
        uint32_t aalgos, ealgos, calgos;
        bool taken;
    } rows[] = {
        {"hmac(sha256)", UINT32_MAX, UINT32_MAX, UINT32_MAX, true},
        {"hmac(sha256)", 1U << 5, UINT32_MAX, UINT32_MAX, true},
        {"hmac(sha256)", 1U << 5, 0, 0, true},
        {"hmac(sha256)", ~(1U << 5), UINT32_MAX, UINT32_MAX, false},
        {"hmac(sha256)", 0, UINT32_MAX, UINT32_MAX, false},
        {"hmac(sha256)", UINT32_MAX, 0, 0, true},
        {"hmac(sha384)", 1U << 6, 0, 0, true},
        {"hmac(sha512)", 1U << 7, 0, 0, true},
        {"hmac(sha1)", 1U << 3, 0, 0, true},
        {"hmac(sha1)", 1U << 5, 0, 0, false},
        {"xcbc(aes)", 1U << 9, 0, 0, true},
        {"cmac(aes)", 1, 0, 0, true},
        {NULL, 1, 0, 0, true},
        {NULL, 1U << 5, UINT32_MAX, UINT32_MAX, false},
        {NULL, UINT32_MAX, UINT32_MAX, 0, true},
    };
    struct bench b = bench_new();
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const enum kind chain = ESP_TUNNEL;
        struct link l = b.link[ESP_TUNNEL];
        l.x.spi = 0x9000 + i;
        bool hmac = rows[i].auth && rows[i].auth[0] == 'h';
        if (rows[i].auth) rig_crypt_auth(&l.x, "cbc(aes)", 128, rows[i].auth, hmac ? 256 : 128, 96);
        rig_add_sa(b.r, &l.x);
        b.sa[ESP_TUNNEL] = sad_find(b.r->db->sad, &l.x.daddr, l.x.spi, l.x.proto, 0);
        struct xfrm_policy in = rig_policy(XFRM_IN, "0.0.0.0/0", "0.0.0.0/0", NULL, NULL);
        in.tmpl[0] = l.t;
        in.tmpl[0].aalgos = rows[i].aalgos;
        in.tmpl[0].ealgos = rows[i].ealgos;
        in.tmpl[0].calgos = rows[i].calgos;
        in.tmpl_count = 1;
        CHECK_OK(b.r->api.ops->policy_add(b.r->api.ctx, &in, true, NULL));
        if (verdict(&b, &chain, 1) != (rows[i].taken ? DROP_NONE : DROP_TEMPLATE))
            fail_msg("row %u", i);
    }
    rig_free(b.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_and_every_chain),
        cmocka_unit_test(the_usual_ones),
        cmocka_unit_test(ends_and_numbers),
        cmocka_unit_test(algorithms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
