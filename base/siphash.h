// siphash.h - SipHash-2-4: keyed hash for tables whose keys a peer can choose.
#pragma once

#include <stddef.h>
#include <stdint.h>

// key: 16 random bytes, made once per table.
uint64_t siphash(const uint8_t key[16], const void *data, size_t n);
