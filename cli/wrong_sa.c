// wrong_sa.c - what is wrong with tunnels, by what pavise-iked says of them.
#include <stdio.h>
#include <string.h>

#include "cli/human.h"
#include "cli/json.h"
#include "cli/wrong_tab.h"

#define SETTLED_S 10 // a younger tunnel may be without traffic in one direction
#define SILENT_S 60  // nothing came in for so long, while
#define BUSY_S 20    // ... something went out not longer ago than this
#define NATT_PORT 4500

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(word, *list) == 0) return true;
    }
    return false;
}

// rfc8247, rfc8221: what they say SHOULD NOT or MUST NOT be used.
static void check_algorithms(json_t *list, const char *about, const json_t *of)
{
    static const char *const weak[] = {
        "3DES_CBC",      "DES_CBC",  "HMAC_MD5_96", "HMAC_SHA1_96", "PRF_HMAC_MD5",
        "PRF_HMAC_SHA1", "MODP_768", "MODP_1024",   "MODP_1536",    NULL};
    static const char *const keys[] = {"encr-alg", "integ-alg", "prf-alg", "dh-group"};
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *alg = json_str(of, keys[i]);
        if (is_one_of(alg, weak)) wrong_add(list, WRONG_WEAK, about, "%s: %s is weak", about, alg);
    }
}

// Has been silent: since when does nothing come in?
static void check_silence(json_t *list, const char *about, const json_t *sa, const json_t *child)
{
    uint64_t in = json_u64(child, "use-in"), out = json_u64(child, "use-out");
    char age[HUMAN_MAX];
    if (in < SILENT_S || out > BUSY_S) return;
    bool lost = json_yes(sa, "nat-remote");
    wrong_add(list, lost ? WRONG_NAT_LOST : WRONG_NO_INBOUND, about,
              "%s: nothing has come in for %s, while packets go out", about,
              human_seconds(in, age));
}

static void check_ways(json_t *list, const char *about, const json_t *sa, const json_t *child)
{
    uint64_t in = json_u64(child, "packets-in"), out = json_u64(child, "packets-out");
    if (json_u64(child, "install-time") < SETTLED_S) return;
    bool bare = !json_yes(child, "encap") && strcmp(json_str(child, "protocol"), "ESP") == 0;
    if (out && !in && bare && json_yes(sa, "natt-missing")) {
        wrong_add(list, WRONG_NATT_MISSING, about,
                  "%s: ESP goes to %s without UDP around it, and none has come back", about,
                  json_str(sa, "remote-host"));
    } else if (out && !in) {
        wrong_add(list, WRONG_NOTHING_BACK, about, "%s: packets go out, but none has come back",
                  about);
    }
    if (in && !out)
        wrong_add(list, WRONG_NOTHING_OUT, about, "%s: packets come in, but none has gone out",
                  about);
    if (in && out) check_silence(list, about, sa, child);
}

static void check_child(json_t *list, const char *name, const json_t *sa, const json_t *child)
{
    char about[256];
    const char *mode = json_str(child, "mode");
    (void)snprintf(about, sizeof about, "%s/%s", name, json_str(child, "name"));
    check_ways(list, about, sa, child);
    check_algorithms(list, about, child);
    if (strncmp(json_str(child, "encr-alg"), "NULL", 4) == 0)
        wrong_add(list, WRONG_READABLE, about, "%s: packets are authenticated, but readable",
                  about);
    bool bare = json_yes(sa, "nat-any") && !json_yes(child, "encap");
    if (bare && *mode && strcmp(json_str(child, "protocol"), "ESP") == 0)
        wrong_add(list, WRONG_NO_ENCAP, about, "%s: a NAT is on the way, and ESP is not in UDP",
                  about);
}

void wrong_sa(json_t *list, const char *name, const json_t *sa)
{
    const char *state = json_str(sa, "state"), *peer = json_str(sa, "remote-host"), *key;
    json_t *child, *children = json_object_get(sa, "child-sas");
    if (strcmp(state, "CONNECTING") == 0) {
        if (json_u64(sa, "remote-port") == NATT_PORT && json_yes(sa, "initiator")) {
            wrong_add(list, WRONG_NATT_BLOCKED, name,
                      "%s: %s has answered on UDP port 500, but not on port 4500", name, peer);
        } else {
            wrong_add(list, WRONG_NEGOTIATING, name, "%s: the negotiation with %s is not finished",
                      name, peer);
        }
        return;
    }
    if (strcmp(state, "ESTABLISHED") == 0 && json_object_size(children) == 0)
        wrong_add(list, WRONG_NO_CHILD, name,
                  "%s: the peers know each other, but nothing is protected", name);
    check_algorithms(list, name, sa);
    json_object_foreach(children, key, child) check_child(list, name, sa, child);
}
