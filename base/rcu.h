// rcu.h - user-space RCU, QSBR flavour: readers (workers) pay nothing per packet and one
// quiescent call per burst; the one writer (control thread) waits or defers frees.
#pragma once

#define _LGPL_SOURCE // inline fast paths; allowed by liburcu for any licence
#define URCU_INLINE_SMALL_FUNCTIONS
#define URCU_API_MAP // rcu_read_lock() and the rest mean this flavour's

#if defined __SANITIZE_THREAD__
#define RCU_TSAN 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define RCU_TSAN 1
#endif
#endif

// The flavour stands first: the others use its names.
// clang-format off
#include <urcu/urcu-qsbr.h>
#ifdef RCU_TSAN
#include "base/rcu_tsan.h"
#endif
#include <urcu/rculist.h>   // lists whose readers take no lock
// clang-format on

// urcu's own casts const away, which clang's -Wcast-qual does not forgive; the lists use it, too.
#undef caa_container_of
#define caa_container_of(ptr, type, member) ((type *)((uintptr_t)(ptr)-offsetof(type, member)))

// In a function given to call_rcu(): the entry whose grace period is over.
#ifdef RCU_TSAN
#define rcu_reclaimed(head, type, member) (rcu_tsan_over(), caa_container_of(head, type, member))
#else
#define rcu_reclaimed(head, type, member) caa_container_of(head, type, member)
#endif
