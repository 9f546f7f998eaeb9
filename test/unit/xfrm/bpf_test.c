// Classic BPF: what is refused before it runs, and what runs gives what libpcap's own would.
#include "test/check.h"

#include "xfrm/path/bpf.h"

#define COUNT(a) ((unsigned)(sizeof(a) / sizeof *(a)))

static const uint8_t packet[] = {0x45, 0, 0,  28, 1, 2, 3, 4, 64, 17, 0xff, 0xfe, 10, 1,
                                 0,    1, 10, 2,  0, 1, 0, 9, 0,  53, 0,    8,    0,  0};

// The result of `body` with the return of A behind it.
static uint32_t value_of(const struct sock_filter *body, unsigned n)
{
    struct sock_filter program[16];
    struct why why = {{0}};
    for (unsigned i = 0; i < n; i++) program[i] = body[i];
    program[n] = (struct sock_filter){BPF_RET | BPF_A, 0, 0, 0};
    CHECK_OK(bpf_check(program, n + 1, &why));
    return bpf_run(program, SPAN(packet), 1400);
}
#define VALUE(...)                                      \
    value_of((const struct sock_filter[]){__VA_ARGS__}, \
             COUNT(((const struct sock_filter[]){__VA_ARGS__})))
#define STEP(code, k)     \
    {                     \
        (code), 0, 0, (k) \
    }

static void loads(void **state)
{
    (void)state;
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_W | BPF_ABS, 12)), 0x0a010001);
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_H | BPF_ABS, 10)), 0xfffe);
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_B | BPF_ABS, 27)), 0);
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_W | BPF_LEN, 0)), 1400);
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_IMM, 7)), 7);
    // the destination port, behind a header of any length
    CHECK_EQ(VALUE(STEP(BPF_LDX | BPF_B | BPF_MSH, 0), STEP(BPF_LD | BPF_H | BPF_IND, 2)), 53);
    CHECK_EQ(VALUE(STEP(BPF_LDX | BPF_IMM, 5), STEP(BPF_STX, 3), STEP(BPF_LD | BPF_MEM, 3)), 5);
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_IMM, 9), STEP(BPF_ST, 15), STEP(BPF_LDX | BPF_MEM, 15),
                   STEP(BPF_MISC | BPF_TXA, 0)),
             9);
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_MEM, 2)), 0); // never written
}

// Who reads behind the packet does not match, whatever would have followed.
static void ends_of_packets(void **state)
{
    (void)state;
    static const struct {
        uint16_t code;
        uint32_t k;
    } beyond[] = {{BPF_LD | BPF_W | BPF_ABS, 25},         {BPF_LD | BPF_H | BPF_ABS, 27},
                  {BPF_LD | BPF_B | BPF_ABS, 28},         {BPF_LDX | BPF_B | BPF_MSH, 28},
                  {BPF_LD | BPF_B | BPF_IND, UINT32_MAX}, {BPF_LD | BPF_W | BPF_IND, 21}};
    for (unsigned i = 0; i < COUNT(beyond); i++) {
        const struct sock_filter program[] = {STEP(BPF_LDX | BPF_IMM, 4),
                                              STEP(beyond[i].code, beyond[i].k),
                                              STEP(BPF_RET | BPF_K, 1)};
        struct why why = {{0}};
        CHECK_OK(bpf_check(program, 3, &why));
        CHECK_EQ(bpf_run(program, SPAN(packet), 28), 0);
    }
}

static void arithmetic(void **state)
{
    (void)state;
    static const struct {
        uint16_t op;
        uint32_t a, b, want;
    } cases[] = {
        {BPF_ADD, 0xffffffff, 2, 1}, {BPF_SUB, 1, 2, 0xffffffff}, {BPF_MUL, 65536, 65537, 65536},
        {BPF_DIV, 17, 5, 3},         {BPF_MOD, 17, 5, 2},         {BPF_AND, 0xff, 0x0f, 0x0f},
        {BPF_OR, 0xf0, 0x0f, 0xff},  {BPF_XOR, 0xff, 0x0f, 0xf0}, {BPF_LSH, 1, 31, 0x80000000},
        {BPF_RSH, 0x80000000, 31, 1}};
    for (unsigned i = 0; i < COUNT(cases); i++) {
        const uint16_t op = (uint16_t)(BPF_ALU | cases[i].op);
        CHECK_EQ(VALUE(STEP(BPF_LD | BPF_IMM, cases[i].a), STEP(op | BPF_K, cases[i].b)),
                 cases[i].want);
        CHECK_EQ(VALUE(STEP(BPF_LDX | BPF_IMM, cases[i].b), STEP(BPF_LD | BPF_IMM, cases[i].a),
                       STEP(op | BPF_X, 0)),
                 cases[i].want);
    }
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_IMM, 1), STEP(BPF_ALU | BPF_NEG, 0)), 0xffffffff);
    // what is not known before it runs: no match, and no fault
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_IMM, 1), STEP(BPF_ALU | BPF_DIV | BPF_X, 0)), 0);
    CHECK_EQ(VALUE(STEP(BPF_LD | BPF_IMM, 1), STEP(BPF_ALU | BPF_MOD | BPF_X, 0)), 0);
    CHECK_EQ(VALUE(STEP(BPF_LDX | BPF_IMM, 32), STEP(BPF_LD | BPF_IMM, 1),
                   STEP(BPF_ALU | BPF_LSH | BPF_X, 0)),
             0);
}

static void jumps(void **state)
{
    (void)state;
    static const struct {
        uint16_t op;
        uint32_t a, k;
        bool taken;
    } cases[] = {{BPF_JEQ, 5, 5, true},  {BPF_JEQ, 5, 6, false},  {BPF_JGT, 6, 5, true},
                 {BPF_JGT, 5, 5, false}, {BPF_JGE, 5, 5, true},   {BPF_JGE, 4, 5, false},
                 {BPF_JSET, 6, 2, true}, {BPF_JSET, 6, 9, false}, {BPF_JGT, 0x80000000, 1, true}};
    for (unsigned i = 0; i < COUNT(cases) * 2; i++) {
        const bool by_x = i % 2;
        const struct sock_filter program[] = {
            STEP(BPF_LD | BPF_IMM, cases[i / 2].a),
            STEP(BPF_LDX | BPF_IMM, by_x ? cases[i / 2].k : 0),
            STEP(BPF_JMP | BPF_JA, 1),
            STEP(BPF_RET | BPF_K, 99),
            {(uint16_t)(BPF_JMP | cases[i / 2].op | (by_x ? BPF_X : BPF_K)), 0, 1, cases[i / 2].k},
            STEP(BPF_RET | BPF_K, 1),
            STEP(BPF_RET | BPF_K, 2)};
        struct why why = {{0}};
        CHECK_OK(bpf_check(program, COUNT(program), &why));
        CHECK_EQ(bpf_run(program, SPAN(packet), 28), cases[i / 2].taken ? 1 : 2);
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct sock_filter bad[] = {STEP(BPF_ALU | BPF_DIV | BPF_K, 0),
                                             STEP(BPF_ALU | BPF_MOD | BPF_K, 0),
                                             STEP(BPF_ALU | BPF_LSH | BPF_K, 32),
                                             STEP(BPF_ALU | BPF_RSH | BPF_K, 40),
                                             STEP(BPF_ALU | 0xb0, 0),
                                             STEP(BPF_ALU | BPF_NEG | BPF_X, 0),
                                             STEP(BPF_ST, BPF_MEMWORDS),
                                             STEP(BPF_STX, UINT32_MAX),
                                             STEP(BPF_LD | BPF_MEM, BPF_MEMWORDS),
                                             STEP(BPF_LDX | BPF_MEM, 16),
                                             STEP(BPF_LD | BPF_B | BPF_MSH, 0),
                                             STEP(BPF_LDX | BPF_W | BPF_ABS, 0),
                                             STEP(BPF_LDX | BPF_W | BPF_MSH, 0),
                                             STEP(BPF_LD | BPF_W | BPF_ABS, 0xfffff000),
                                             STEP(BPF_LD | 0x18 | BPF_ABS, 0),
                                             STEP(BPF_LD | BPF_H | BPF_IMM, 0),
                                             STEP(BPF_LD | 0xc0, 0),
                                             STEP(BPF_MISC | 0x40, 0),
                                             STEP(BPF_JMP | BPF_JA, 1),
                                             STEP(BPF_JMP | BPF_JA, UINT32_MAX),
                                             {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0},
                                             {BPF_JMP | BPF_JSET | BPF_X, 0, 255, 0},
                                             STEP(BPF_JMP | 0x50, 0),
                                             STEP(BPF_RET | 0x18, 0),
                                             STEP(0x100 | BPF_LD | BPF_IMM, 0),
                                             STEP(BPF_ST | 0x20, 0),
                                             STEP(BPF_JMP | BPF_JA | BPF_X, 0)};
    for (unsigned i = 0; i < COUNT(bad); i++) {
        const struct sock_filter program[] = {bad[i], STEP(BPF_RET | BPF_K, 1)};
        struct why why = {{0}};
        CHECK_EQ(bpf_check(program, 2, &why), ERR_SYNTAX);
        CHECK(why.text[0]);
    }
    static struct sock_filter many[BPF_STEPS_MAX + 1];
    struct why why = {{0}};
    for (unsigned i = 0; i <= BPF_STEPS_MAX; i++)
        many[i] = (struct sock_filter)STEP(BPF_RET | BPF_K, 1);
    CHECK_EQ(bpf_check(many, 0, &why), ERR_RANGE);
    CHECK_OK(bpf_check(many, BPF_STEPS_MAX, &why));
    CHECK_EQ(bpf_check(many, BPF_STEPS_MAX + 1, &why), ERR_RANGE);
    const struct sock_filter endless[] = {STEP(BPF_LD | BPF_IMM, 1)};
    CHECK_EQ(bpf_check(endless, 1, &why), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads), cmocka_unit_test(ends_of_packets), cmocka_unit_test(arithmetic),
        cmocka_unit_test(jumps), cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
