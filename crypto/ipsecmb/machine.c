#include "crypto/ipsecmb/machine.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// Written once, before anybody reads it: what the CPU can do does not change. The key leads to
// memory of one thread, which the library wants for its lanes and which holds nothing between two
// calls.
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const IMB_MGR *table;
static pthread_key_t scratch;

static void scratch_free(void *mgr)
{
    free_mb_mgr(mgr);
}

static IMB_MGR *manager_make(void)
{
    const uint64_t need = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    IMB_MGR *mgr = alloc_mb_mgr(0);
    if (!mgr) return NULL;
    init_mb_mgr_auto(mgr, NULL);
    bool tested =
        !(mgr->features & IMB_FEATURE_SELF_TEST) || (mgr->features & IMB_FEATURE_SELF_TEST_PASS);
    if (imb_get_errno(mgr) == 0 && (mgr->features & need) == need && tested) return mgr;
    free_mb_mgr(mgr);
    return NULL;
}

static void machine_init(void)
{
    if (pthread_key_create(&scratch, scratch_free) == 0) table = manager_make();
}

const IMB_MGR *machine_table(void)
{
    return pthread_once(&once, machine_init) == 0 ? table : NULL;
}

IMB_MGR *machine_scratch(void)
{
    if (!machine_table()) return NULL;
    IMB_MGR *mgr = pthread_getspecific(scratch);
    if (mgr) return mgr;
    mgr = manager_make();
    if (!mgr || pthread_setspecific(scratch, mgr) == 0) return mgr;
    free_mb_mgr(mgr);
    return NULL;
}

// The library works on copies; each knows whose copy it is.
static void job_done(const IMB_JOB *copy)
{
    IMB_JOB *job = copy->user_data;
    job->status = copy->status;
}

void machine_run(IMB_MGR *mgr, IMB_JOB *jobs, unsigned n)
{
    const IMB_JOB *done;
    for (unsigned i = 0; i < n; i++) {
        IMB_JOB *copy = IMB_GET_NEXT_JOB(mgr);
        *copy = jobs[i];
        copy->user_data = &jobs[i];
        for (done = IMB_SUBMIT_JOB(mgr); done; done = IMB_GET_COMPLETED_JOB(mgr)) job_done(done);
    }
    while ((done = IMB_FLUSH_JOB(mgr))) job_done(done);
}
