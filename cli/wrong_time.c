// wrong_time.c - what is wrong with dates: certificates that end, clocks that differ.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/human.h"
#include "cli/json.h"
#include "cli/wrong_tab.h"

#define DAY_S 86400
#define SOON_S (14 * DAY_S) // how long before its end a certificate is worth a word ...
#define SHARE 8 // ... or this share of its life, where that is less: some live for an hour

// "2026-11-22T08:00:00Z"; 0: it is none.
static int64_t when(const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return end && !*end ? (int64_t)timegm(&tm) : 0;
}

static void ends(json_t *list, const char *whose, int64_t begin, int64_t end, int64_t now)
{
    char span[HUMAN_MAX];
    int64_t soon = begin && (end - begin) / SHARE < SOON_S ? (end - begin) / SHARE : SOON_S;
    if (now > end) {
        wrong_add(list, WRONG_CERT_EXPIRED, whose, "the certificate of %s expired %s ago", whose,
                  human_seconds((uint64_t)(now - end), span));
    } else if (end - now < soon) {
        wrong_add(list, WRONG_CERT_ENDS, whose, "the certificate of %s expires in %s", whose,
                  human_seconds((uint64_t)(end - now), span));
    }
}

// Our own, and the authorities that we believe.
void wrong_certs(json_t *list, const json_t *certs, int64_t now)
{
    size_t i;
    json_t *c;
    char span[HUMAN_MAX];
    json_array_foreach(certs, i, c)
    {
        bool ours = json_yes(c, "has_privkey"), ca = strcmp(json_str(c, "flag"), "CA") == 0;
        int64_t begin = when(json_str(c, "not-before")), end = when(json_str(c, "not-after"));
        const char *whose = json_str(c, "subject");
        if (strcmp(json_str(c, "type"), "X509") != 0 || (!ours && !ca) || !end) continue;
        if (now < begin) {
            wrong_add(list, WRONG_CLOCK, whose,
                      "the certificate of %s begins in %s only, by the clock of this host", whose,
                      human_seconds((uint64_t)(begin - now), span));
        } else {
            ends(list, whose, begin, end, now);
        }
    }
}

// What a peer has shown us.
void wrong_peer_cert(json_t *list, const char *name, const json_t *sa, int64_t now)
{
    char whose[300];
    int64_t begin = when(json_str(sa, "remote-cert-not-before")),
            end = when(json_str(sa, "remote-cert-not-after"));
    if (!end) return;
    (void)snprintf(whose, sizeof whose, "%s, the peer of %s", json_str(sa, "remote-id"), name);
    ends(list, whose, begin, end, now);
}

// A peer was refused because its certificate is not valid yet.
void wrong_clock(json_t *list, const json_t *stats)
{
    const json_t *c = json_object_get(stats, "clock");
    char behind[HUMAN_MAX], ago[HUMAN_MAX];
    if (!*json_str(c, "peer")) return;
    wrong_add(list, WRONG_CLOCK, json_str(c, "peer"),
              "%s was refused %s ago: its certificate began %s later than the clock of this host "
              "said",
              json_str(c, "peer"), human_seconds(json_u64(c, "ago"), ago),
              human_seconds(json_u64(c, "behind"), behind));
}
