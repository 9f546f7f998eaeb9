#include "test/unit/crypto/answer.h"

#include <stdlib.h>
#include <string.h>

#include "test/check.h"

#define BURST 8

static const char *const providers[] = {"openssl", "ipsecmb"};
static unsigned ran[2]; // answers checked with each

span_t answer_join(uint8_t *to, span_t a, span_t b)
{
    if (a.len) memcpy(to, a.at, a.len);
    if (b.len) memcpy(to + a.len, b.at, b.len);
    return span(to, a.len + b.len);
}

// head | IV | text | ICV on the heap, exactly as long as it is.
static uint8_t *message(const struct answer *a, span_t text)
{
    size_t at = 0, len = a->head.len + a->iv.len + text.len + a->icv.len;
    uint8_t *m = malloc(len + 1);
    const span_t parts[] = {a->head, a->iv, text, a->icv};
    for (size_t i = 0; i < 4; i++) {
        if (parts[i].len) memcpy(m + at, parts[i].at, parts[i].len);
        at += parts[i].len;
    }
    return m;
}

static void jobs_fill(const struct answer *a, span_t text, struct seal_job *jobs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        jobs[i] = (struct seal_job){
            .head = message(a, text),
            .head_len = (uint32_t)a->head.len,
            .text_len = (uint32_t)text.len,
            .esn = a->esn,
            .esn_hi = a->esn_hi,
        };
    }
}

// Compares IV, text and ICV with what they should be.
static void jobs_check(const struct answer *a, struct seal_job *jobs, unsigned n, span_t text)
{
    uint8_t *want = message(a, text);
    size_t len = a->head.len + a->iv.len + text.len + a->icv.len;
    for (unsigned i = 0; i < n; i++) {
        CHECK_EQ(jobs[i].bad, !a->good);
        if (a->good) CHECK(!memcmp(jobs[i].head, want, len));
        free(jobs[i].head);
    }
    free(want);
}

static void run(const struct answer *a, struct sealer *s, unsigned n)
{
    struct seal_job jobs[BURST];
    if (a->good) {
        static const uint8_t zeros[64];
        struct answer before = *a;
        before.icv = span(zeros, a->icv.len); // to be written
        jobs_fill(&before, a->clear, jobs, n);
        sealer_seal(s, jobs, n);
        jobs_check(a, jobs, n, a->sealed);
    }
    jobs_fill(a, a->sealed, jobs, n);
    sealer_open(s, jobs, n);
    jobs_check(a, jobs, n, a->clear);
}

void answer_check(struct answer *a)
{
    for (size_t p = 0; p < 2; p++) {
        struct sealer *s = NULL;
        a->spec.provider = providers[p];
        a->spec.icv_len = (uint16_t)a->icv.len;
        err_t e = sealer_new(&a->spec, &s, NULL);
        if (p == 1 && e == ERR_ALGORITHM) continue;
        CHECK_OK(e);
        run(a, s, 1);
        run(a, s, BURST);
        sealer_free(s);
        ran[p]++;
    }
}

void answer_counts(unsigned openssl, unsigned ipsecmb)
{
    print_message("# %u answers from openssl, %u from ipsecmb\n", ran[0], ran[1]);
    CHECK_EQ(ran[0], openssl);
    CHECK(ran[1] == 0 || ran[1] == ipsecmb);
}
