// simd.h - one source, several instruction sets: SIMD_VERSIONS(name, params, args) makes the
// static function `name` out of the always-inline `name_body`, which it compiles once for each
// instruction set that pays and calls by what the processor has. Bodies are plain loops that
// compilers turn into vector code.
#pragma once

#define SIMD_BODY static inline __attribute__((always_inline)) void

#ifdef __x86_64__
#define SIMD_VERSIONS(name, params, args)                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl"))) static void name##_avx512 params \
    {                                                                                     \
        name##_body args;                                                                 \
    }                                                                                     \
    __attribute__((target("avx2"))) static void name##_avx2 params                        \
    {                                                                                     \
        name##_body args;                                                                 \
    }                                                                                     \
    static void name params                                                               \
    {                                                                                     \
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {   \
            name##_avx512 args;                                                           \
        } else if (__builtin_cpu_supports("avx2")) {                                      \
            name##_avx2 args;                                                             \
        } else {                                                                          \
            name##_body args;                                                             \
        }                                                                                 \
    }
#else
#define SIMD_VERSIONS(name, params, args) \
    static void name params               \
    {                                     \
        name##_body args;                 \
    }
#endif
