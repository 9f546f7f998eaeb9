// The replay window against tables, against a naive model, and against the kernel's bitmaps.
#include "test/check.h"

#include <stdlib.h>
#include <string.h>

#include "xfrm/db/replay.h"

struct step {
    uint64_t seq;
    err_t want;
};

static struct replay window(uint32_t size)
{
    struct replay w;
    CHECK_OK(replay_init(&w, size));
    return w;
}

static void play(uint32_t size, const struct step *s, size_t n)
{
    struct replay w = window(size);
    for (size_t i = 0; i < n; i++) {
        err_t got = replay_check(&w, s[i].seq);
        CHECK_EQ(got, s[i].want);
        if (got == ERR_OK) replay_commit(&w, s[i].seq);
    }
    replay_done(&w);
}
#define PLAY(size, ...)                            \
    play(size, (const struct step[]){__VA_ARGS__}, \
         sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void in_order_is_taken_a_repeat_is_not(void **state)
{
    (void)state;
    PLAY(64, {1, ERR_OK}, {2, ERR_OK}, {2, ERR_REPLAY}, {1, ERR_REPLAY}, {3, ERR_OK});
    PLAY(1, {1, ERR_OK}, {1, ERR_REPLAY}, {3, ERR_OK}, {2, ERR_REPLAY});
}

static void the_edge_of_the_window_is_exact(void **state)
{
    (void)state;
    PLAY(64, {100, ERR_OK}, {37, ERR_OK}, {36, ERR_REPLAY}, {0, ERR_REPLAY});
    PLAY(33, {100, ERR_OK}, {68, ERR_OK}, {67, ERR_REPLAY});
    PLAY(4096, {5000, ERR_OK}, {905, ERR_OK}, {904, ERR_REPLAY});
}

static void a_jump_forgets_old_marks(void **state)
{
    (void)state;
    PLAY(4096, {5, ERR_OK}, {1000000, ERR_OK}, {999999, ERR_OK}, {999999, ERR_REPLAY},
         {5, ERR_REPLAY});
    PLAY(4096, {4160, ERR_OK}, {4161, ERR_OK}, {8320, ERR_OK}, {8319, ERR_OK});
}

static void size_zero_takes_everything(void **state)
{
    (void)state;
    PLAY(0, {7, ERR_OK}, {7, ERR_OK}, {1, ERR_OK});
}

static void the_first_number_is_one(void **state)
{
    (void)state;
    PLAY(32, {0, ERR_REPLAY}, {1, ERR_OK});
}

static void low_halves_find_their_epoch(void **state)
{
    (void)state;
    struct replay w = window(64);
    w.top = 0xffffffff;
    CHECK_EQ(replay_guess_esn(&w, 0xfffffff0), 0xfffffff0);
    CHECK_EQ(replay_guess_esn(&w, 3), 0x100000003);
    w.top = 0x100000003;
    CHECK_EQ(replay_guess_esn(&w, 0xfffffffe), 0xfffffffe);
    CHECK_EQ(replay_guess_esn(&w, 4), 0x100000004);
    CHECK_EQ(replay_guess_esn(&w, 0x80000000), 0x180000000);
    w.top = 0x10000003f; // the window ends exactly at the epoch: 0x100000000
    CHECK_EQ(replay_guess_esn(&w, 0), 0x100000000);
    CHECK_EQ(replay_guess_esn(&w, 0xffffffff), 0x1ffffffff);
    w.top = 0x10000003e; // ... and here one before it
    CHECK_EQ(replay_guess_esn(&w, 0xffffffff), 0xffffffff);
}

static void the_first_epoch_has_none_before_it(void **state)
{
    (void)state;
    struct replay w = window(64);
    CHECK_EQ(replay_guess_esn(&w, 1), 1);
    CHECK_EQ(replay_guess_esn(&w, 0xffffffff), 0xffffffff);
}

// ---- the naive model: an array of booleans ----

#define MODEL_MAX 60000

static void same_as_a_naive_model(void **state)
{
    (void)state;
    static bool seen[MODEL_MAX];
    srand(4303);
    for (unsigned run = 0; run < 300; run++) {
        uint32_t size = (uint32_t)(rand() % XFRM_REPLAY_MAX) + 1;
        struct replay w = window(run < 260 ? run + 1 : size); // both sides of each word's end
        uint64_t top = 0;
        memset(seen, 0, sizeof seen);
        for (unsigned i = 0; i < 3000 && top < MODEL_MAX - 10000; i++) {
            uint64_t jump = rand() % 50 == 0 ? (uint64_t)rand() % 9000 : (uint64_t)rand() % 8;
            uint64_t back = (uint64_t)rand() % (w.size + 20U);
            uint64_t seq = rand() % 2 ? top + jump : top > back ? top - back : 0;
            bool ok = seq > top || (seq > 0 && seq + w.size > top && !seen[seq]);
            CHECK_EQ(replay_check(&w, seq), ok ? ERR_OK : ERR_REPLAY);
            if (!ok) continue;
            replay_commit(&w, seq);
            seen[seq] = true;
            if (seq > top) top = seq;
            CHECK_EQ(w.top, top);
        }
        replay_done(&w);
    }
}

// A sender counts in 64 bits, the wire carries 32: within half an epoch the guess is right.
static void guessing_follows_a_sender_over_the_epoch(void **state)
{
    (void)state;
    srand(1);
    for (unsigned run = 0; run < 100; run++) {
        struct replay w = window((uint32_t)(rand() % XFRM_REPLAY_MAX) + 1);
        w.top = 0x2ffff0000 + (uint64_t)rand() % 0x10000;
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t seq = w.top - (uint64_t)rand() % w.size + (uint64_t)rand() % 5000;
            CHECK_EQ(replay_guess_esn(&w, (uint32_t)seq), seq);
            if (replay_check(&w, seq) == ERR_OK) replay_commit(&w, seq);
        }
        CHECK(w.top > 0x300000000);
        replay_done(&w);
    }
}

// ---- the kernel's bitmaps ----

static void a_bitmap_survives_the_journey(void **state)
{
    (void)state;
    srand(6479);
    for (unsigned run = 0; run < 200; run++) {
        struct xfrm_replay r = {.esn_given = run % 4 != 0};
        uint32_t most = r.esn_given ? XFRM_REPLAY_MAX : 32;
        struct replay w = window((uint32_t)rand() % most + 1), back = window(w.size);
        w.top = (uint64_t)rand() % 100;
        for (unsigned i = 0; i < 500; i++) {
            uint64_t seq = w.top + (uint64_t)rand() % 30 - 10;
            if (replay_check(&w, seq) == ERR_OK) replay_commit(&w, seq);
        }
        r.window = w.size;
        replay_export(&w, &r);
        replay_import(&back, &r);
        CHECK_EQ(back.top, w.top);
        for (uint64_t seq = 0; seq < w.top + 5; seq++) {
            CHECK_EQ(replay_check(&back, seq), replay_check(&w, seq));
        }
        replay_done(&w);
        replay_done(&back);
    }
}

// xfrm_replay_check_esn() in the kernel, put as a formula: bit (seq - 1) mod window.
static void the_ring_lies_as_in_the_kernel(void **state)
{
    (void)state;
    struct replay w = window(96);
    struct xfrm_replay r = {.esn_given = true};
    replay_commit(&w, 1);
    replay_commit(&w, 100);
    replay_commit(&w, 98);
    replay_export(&w, &r);
    CHECK_EQ(r.in_seq, 100);
    CHECK_EQ(r.window, 96);
    CHECK_EQ(r.bitmap[(99 % 96) / 32], 1U << 3 | 1U << 1); // 1 has left the window
    CHECK_EQ(r.bitmap[1], 0);
    CHECK_EQ(r.bitmap[2], 0);
}

static void the_old_bitmap_counts_down_from_the_top(void **state)
{
    (void)state;
    struct replay w = window(32);
    struct xfrm_replay r = {0};
    replay_commit(&w, 50);
    replay_commit(&w, 48);
    replay_export(&w, &r);
    CHECK_EQ(r.bitmap[0], 5);

    struct xfrm_replay in = {.window = 32, .in_seq = 10, .bitmap = {0x3}};
    replay_import(&w, &in);
    CHECK_EQ(replay_check(&w, 10), ERR_REPLAY);
    CHECK_EQ(replay_check(&w, 9), ERR_REPLAY);
    CHECK_EQ(replay_check(&w, 8), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_is_taken_a_repeat_is_not),
        cmocka_unit_test(the_edge_of_the_window_is_exact),
        cmocka_unit_test(a_jump_forgets_old_marks),
        cmocka_unit_test(size_zero_takes_everything),
        cmocka_unit_test(the_first_number_is_one),
        cmocka_unit_test(low_halves_find_their_epoch),
        cmocka_unit_test(the_first_epoch_has_none_before_it),
        cmocka_unit_test(same_as_a_naive_model),
        cmocka_unit_test(guessing_follows_a_sender_over_the_epoch),
        cmocka_unit_test(a_bitmap_survives_the_journey),
        cmocka_unit_test(the_ring_lies_as_in_the_kernel),
        cmocka_unit_test(the_old_bitmap_counts_down_from_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
