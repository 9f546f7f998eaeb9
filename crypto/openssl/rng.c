#include "crypto/rng.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "crypto/openssl/openssl.h"

#define RNG_STEP (1U << 20) // bytes per call: OpenSSL counts in int

void rng_fill(void *out, size_t n)
{
    uint8_t *to = out;
    while (n > 0) {
        size_t step = n < RNG_STEP ? n : RNG_STEP;
        if (RAND_bytes(to, (int)step) != 1) {
            log_say(LOG_ERROR, "rng", "no random bytes from OpenSSL; stopping");
            abort();
        }
        to += step;
        n -= step;
    }
}
