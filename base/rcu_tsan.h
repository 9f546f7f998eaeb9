// rcu_tsan.h - what ThreadSanitizer has to be told of RCU. It follows atomic operations of the
// compiler and nothing else: not the fences that liburcu writes in assembler, nor what its library,
// which is not compiled with TSan, does until a grace period is over. Part of base/rcu.h, between
// urcu's pointers and its lists, which are made of them.
#pragma once

#undef rcu_dereference
#undef rcu_set_pointer
#undef rcu_xchg_pointer
#undef CMM_STORE_SHARED
#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_set_pointer(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define rcu_xchg_pointer(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define CMM_STORE_SHARED(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)

void __tsan_acquire(void *at);
void __tsan_release(void *at);

// What a reader did before it was quiescent, and a writer before it asked for the free, comes
// before what is done when the grace period is over. The flavour's own counter stands for all.
static inline void rcu_tsan_quiet(void)
{
    __tsan_release(&rcu_gp);
}
static inline void rcu_tsan_over(void)
{
    __tsan_acquire(&rcu_gp);
}
static inline void rcu_tsan_quiescent_state(void)
{
    rcu_tsan_quiet();
    rcu_quiescent_state();
}
static inline void rcu_tsan_thread_offline(void)
{
    rcu_tsan_quiet();
    rcu_thread_offline();
}
static inline void rcu_tsan_unregister_thread(void)
{
    rcu_tsan_quiet();
    rcu_unregister_thread();
}
static inline void rcu_tsan_synchronize(void)
{
    rcu_tsan_quiet();
    synchronize_rcu();
    rcu_tsan_over();
}
static inline void rcu_tsan_call(struct rcu_head *head, void (*run)(struct rcu_head *))
{
    rcu_tsan_quiet();
    call_rcu(head, run);
}

#undef rcu_quiescent_state
#undef rcu_thread_offline
#undef rcu_unregister_thread
#undef synchronize_rcu
#undef call_rcu
#define rcu_quiescent_state rcu_tsan_quiescent_state
#define rcu_thread_offline rcu_tsan_thread_offline
#define rcu_unregister_thread rcu_tsan_unregister_thread
#define synchronize_rcu rcu_tsan_synchronize
#define call_rcu rcu_tsan_call
