// rng.h - random bytes from the operating system's and OpenSSL's generator. Any thread.
#pragma once

#include <stddef.h>

// Never fails: a machine without randomness is stopped (abort) rather than run unsafely.
void rng_fill(void *out, size_t n);
