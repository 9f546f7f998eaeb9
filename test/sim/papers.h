// papers.h - certificates and keys for the hosts of a simulated world, in folders beside their
// configurations.
#pragma once

#include "test/sim/sim.h"
#include "test/unit/cred/mint.h"

// cmocka's group setup and teardown: a folder for all worlds of a program.
int papers_begin(void **state);
int papers_end(void **state);
// A world in which ALICE and BOB have empty folders, and everybody MINT_NOW as the time.
struct sim *papers_world(uint64_t seed);

// sub: "x509", "x509ca", "x509aa", "x509ac", "pubkey", "private".
void put_cert(int node, const char *sub, const char *name, const struct mint *m);
void put_der(int node, const char *sub, const char *name, span_t der);
void put_key(int node, const char *name, const struct mint *m);
void put_pub(int node, const char *name, const struct mint *m);

#define AUTHORITY(...) MINT(.name = "C=CH, CN=Root", .ext = {MINT_CA}, ##__VA_ARGS__)

// For alice.example.org or bob.example.org. ca: NULL signs itself; key: NULL is RSA.
struct mint host_cert(const struct mint *ca, int node, const char *key);
// x509/host.pem with its key, and x509ca/ca.pem.
void put_host(int node, const struct mint *host, const struct mint *ca);
// Both, with certificates of one authority.
void put_hosts(const struct mint *ca, const char *key);
struct sim *papers_hosts(uint64_t seed); // papers_world() with them; keys P-256
