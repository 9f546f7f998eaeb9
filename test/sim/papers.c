#include "test/sim/papers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t mint_wall(void *ctx)
{
    return MINT_NOW + ((struct sim_node *)ctx)->s->now / SECOND;
}

// ---- files -------------------------------------------------------------------------------------

static char base[64];
static char folders[2][80];
static const char *const subfolders[] = {"x509", "x509ca", "pubkey", "private", "x509aa", "x509ac"};

int papers_begin(void **state)
{
    (void)state;
    (void)snprintf(base, sizeof base, "/tmp/pavise-sim-XXXXXX");
    CHECK(mkdtemp(base) != NULL);
    return 0;
}

static void empty(const char *folder)
{
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK_EQ(system(command), 0);
}

int papers_end(void **state)
{
    (void)state;
    empty(base);
    return 0;
}

static FILE *file_new(int node, const char *sub, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s/%s", folders[node], sub, name);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    return f;
}

void put_cert(int node, const char *sub, const char *name, const struct mint *m)
{
    FILE *f = file_new(node, sub, name);
    CHECK(PEM_write_X509(f, m->x) == 1);
    (void)fclose(f);
}

void put_der(int node, const char *sub, const char *name, span_t der)
{
    FILE *f = file_new(node, sub, name);
    CHECK_EQ(fwrite(der.at, 1, der.len, f), der.len);
    (void)fclose(f);
}

void put_key(int node, const char *name, const struct mint *m)
{
    FILE *f = file_new(node, "private", name);
    CHECK(PEM_write_PrivateKey(f, m->key, NULL, NULL, 0, NULL, NULL) == 1);
    (void)fclose(f);
}

void put_pub(int node, const char *name, const struct mint *m)
{
    FILE *f = file_new(node, "pubkey", name);
    CHECK(PEM_write_PUBKEY(f, m->key) == 1);
    (void)fclose(f);
}

// ---- the world ---------------------------------------------------------------------------------

struct sim *papers_world(uint64_t seed)
{
    struct sim *s = sim_new(seed);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(folders[i], sizeof folders[i], "%s/%d", base, i);
        empty(folders[i]);
        CHECK_EQ(mkdir(folders[i], 0700), 0);
        for (unsigned k = 0; k < sizeof subfolders / sizeof *subfolders; k++) {
            char path[128];
            (void)snprintf(path, sizeof path, "%s/%s", folders[i], subfolders[k]);
            CHECK_EQ(mkdir(path, 0700), 0);
        }
        s->node[i].folder = folders[i];
        s->node[i].env.wall = mint_wall;
    }
    return s;
}

struct mint host_cert(const struct mint *ca, int node, const char *key)
{
    return MINT(.name = node == ALICE ? "C=CH, CN=alice" : "C=CH, CN=bob", .by = ca, .key = key,
                .ext = {node == ALICE ? "subjectAltName=DNS:alice.example.org"
                                      : "subjectAltName=DNS:bob.example.org"});
}

void put_host(int node, const struct mint *host, const struct mint *ca)
{
    put_cert(node, "x509", "host.pem", host);
    put_key(node, "host.pem", host);
    put_cert(node, "x509ca", "ca.pem", ca);
}

void put_hosts(const struct mint *ca, const char *key)
{
    for (int i = 0; i < 2; i++) {
        struct mint m = host_cert(ca, i, key);
        put_host(i, &m, ca);
        mint_done(&m);
    }
}

struct sim *papers_hosts(uint64_t seed)
{
    struct sim *s = papers_world(seed);
    struct mint ca = AUTHORITY();
    put_hosts(&ca, "P-256");
    mint_done(&ca);
    return s;
}
