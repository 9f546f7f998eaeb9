// strongswan_eap.c - what strongswan.conf says of EAP: charon.plugins.eap-dynamic, and libtls.
#include <string.h>

#include "conf/issue.h"
#include "conf/strongswanx.h"
#include "conf/value.h"

static void take_preferred(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    const struct setting *from;
    const char *list = strongswan_get(t, EAP_PREFERRED, &from);
    while (list && *list) {
        size_t skip = strspn(list, " ,\t"), len = strcspn(list + skip, " ,\t");
        uint8_t type = len ? eap_by_name(list + skip, len) : (uint8_t)EAP_ANY;
        if (len && !type) {
            issue_warn(issues, from->at, from->key, "'%.*s' is no method of EAP here: left out",
                       (int)len, list + skip);
            issue_hint(issues, "tls, ttls, peap, mschapv2, md5, gtc, aka-prime, aka and sim are");
        }
        if (type && s->eap_order_n < EAP_KINDS_MAX) s->eap_order[s->eap_order_n++] = type;
        list += skip + len;
    }
}

static uint8_t inside_of(const struct tree *t, const char *path, struct conf_issues *issues)
{
    const struct setting *from;
    const char *name = strongswan_get(t, path, &from);
    if (!name) return EAP_ANY;
    uint8_t type = eap_by_name(name, strlen(name));
    if (type && !eap_may_be_alone(type)) return type;
    issue_warn(issues, from->at, from->key, "'%s' is no method that goes inside TLS here", name);
    issue_hint(issues, "mschapv2, md5 and gtc are");
    return EAP_ANY;
}

// EAP-SIM and AKA: what charon has plugins for is on or off here.
static void take_sim(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    static const char *const readers[] = {"eap-sim-pcsc", "eap-simaka-sql"};
    bool milenage = strongswan_loads(t, "eap-aka-3gpp");
    bool other = strongswan_loads(t, "eap-aka-3gpp2");
    const struct setting *from;
    s->sim.pseudonyms = strongswan_loads(t, "eap-simaka-pseudonym");
    s->sim.reauth = strongswan_loads(t, "eap-simaka-reauth");
    s->sim.family = milenage == other ? SIM_BY_LENGTH : milenage ? SIM_3GPP : SIM_3GPP2;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        if (!strongswan_loads(t, readers[i]) || !strongswan_get(t, "load", &from)) continue;
        issue_warn(issues, from->at, from->key,
                   "plugin %s: cards in readers and databases of SIMs are not read here",
                   readers[i]);
        issue_hint(issues, "triplets stand in %s, keys of USIMs in secrets.eap", SIM_TRIPLETS_FILE);
    }
}

static uint16_t version_of(const struct setting *set, struct conf_issues *issues)
{
    if (strcmp(set->value.text, "1.2") == 0) return TLS_V12;
    if (strcmp(set->value.text, "1.3") == 0) return TLS_V13;
    issue_warn(issues, set->at, set->key, "TLS %s is not spoken here: left out", set->value.text);
    issue_hint(issues, "1.2 and 1.3 are");
    return 0;
}

void strongswan_eap(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    const struct node *tls = tree_sub(t, t->root, "libtls");
    take_preferred(t, s, issues);
    take_sim(t, s, issues);
    s->eap_in_ttls = inside_of(t, EAP_IN_TTLS, issues);
    s->eap_in_peap = inside_of(t, EAP_IN_PEAP, issues);
    if (!tls) return;
    const struct setting *min = tree_setting(t, tls, "version_min");
    const struct setting *max = tree_setting(t, tls, "version_max");
    const struct setting *suites = tree_setting(t, tls, "suites");
    if (min && min->value.len) s->tls_min = version_of(min, issues);
    if (max && max->value.len) s->tls_max = version_of(max, issues);
    if (!suites || !suites->value.len) return;
    if (suites->value.len < TLS_SUITES_MAX) {
        s->tls_suites = arena_str(&s->arena, suites->value.text, suites->value.len);
        return;
    }
    issue_error(issues, suites->at, suites->key, "this list is too long");
    issue_hint(issues, "write less than %u characters", TLS_SUITES_MAX);
}

err_t strongswan_triplets(const struct strongswan *s, struct why *why)
{
    struct simcards *cards = simcards_new(0);
    unsigned n;
    if (!cards) return why_not(why, ERR_NOMEM, "out of memory");
    err_t e = sim_triplets_load(cards, s->triplets ? s->triplets : SIM_TRIPLETS_FILE, &n, why);
    simcards_free(cards);
    return e == ERR_NOTFOUND && !s->triplets ? ERR_OK : e;
}
