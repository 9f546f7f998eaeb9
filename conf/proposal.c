#include "conf/proposal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "conf/issue.h"
#include "conf/proposal_tab.h"
#include "conf/value.h"

#define KEYWORD_MAX 63 // bytes; longer words name nothing

// One proposal while it is read.
struct proposal_arg {
    const struct arg *a;
    const struct element *e; // NULL: a built-in one
    bool ike, ah;
    struct conf_proposal *p;
};

static unsigned count(const struct conf_proposal *p, enum alg_type type)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->n; i++) n += p->alg[i]->type == type && !p->round[i];
    return n;
}

static bool has(const struct conf_proposal *p, const struct alg *alg, unsigned round)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (p->alg[i] == alg && p->round[i] == round) return true;
    }
    return false;
}

static bool add_round(struct conf_proposal *p, const struct alg *alg, unsigned round)
{
    if (has(p, alg, round)) return true;
    if (p->n == CONF_TRANSFORMS_MAX) return false;
    p->round[p->n] = (uint8_t)round;
    p->alg[p->n++] = alg;
    return true;
}

static bool add(struct conf_proposal *p, const struct alg *alg)
{
    return add_round(p, alg, 0);
}

static void remove_type(struct conf_proposal *p, enum alg_type type)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->n; i++) {
        if (p->alg[i]->type == type) continue;
        p->round[n] = p->round[i];
        p->alg[n++] = p->alg[i];
    }
    p->n = n;
}

static const char *why_unknown(const char *word)
{
    for (const struct proposal_unknown *u = proposal_unknowns; u->keyword; u++) {
        size_t n = strlen(u->keyword);
        bool prefix = u->keyword[n - 1] == '*';
        if (prefix ? strncasecmp(word, u->keyword, n - 1) == 0
                   : strcasecmp(word, u->keyword) == 0) {
            return u->why;
        }
    }
    return NULL;
}

static void unknown_algorithm(const struct proposal_arg *t, const char *word, size_t off)
{
    static const char *const dflt[] = {"default", NULL};
    const char *why = why_unknown(word), *near = nearest(word, dflt);
    if (!near) near = nearest(word, alg_keywords());
    issue_error(t->a->ld->issues, element_place(t->a, t->e, off), word, "'%s' %s", word,
                why ? why : "is not an algorithm");
    if (why) {
        issue_hint(t->a->ld->issues, "'default' is a good choice; aes256gcm16, chacha20poly1305, "
                                     "sha256, x25519 and others are known");
        return;
    }
    if (near) value_hint(t->a, "did you mean '%s'?", near);
    if (!near)
        value_hint(t->a, "algorithms with '-' between them, as in aes256gcm16-prfsha256-x25519");
}

static bool too_many(const struct proposal_arg *t, const char *word, size_t off)
{
    struct conf_issues *issues = t->a->ld->issues;
    issue_error(issues, element_place(t->a, t->e, off), word, "too many algorithms in a proposal");
    issue_hint(issues, "at most %u", CONF_TRANSFORMS_MAX);
    return false;
}

// "ke1_mlkem768", "ke1_none": which additional key exchange; 0 = the word is of another kind.
static unsigned round_of(const char *word)
{
    bool fits = (word[0] == 'k' || word[0] == 'K') && (word[1] == 'e' || word[1] == 'E') &&
                word[2] > '0' && word[2] <= '0' + CONF_ROUNDS_MAX && word[3] == '_';
    return fits ? (unsigned)(word[2] - '0') : 0;
}
#define ROUND_PREFIX 4

static bool round_read(const struct proposal_arg *t, const char *word, unsigned round, size_t off)
{
    const char *method = word + ROUND_PREFIX;
    const struct alg *alg = alg_by_keyword(method);
    if (!strcasecmp(method, "none")) {
        t->p->without |= (uint8_t)(1U << round);
        return true;
    }
    if (alg && alg->type == ALG_KE) return add_round(t->p, alg, round) || too_many(t, word, off);
    issue_error(t->a->ld->issues, element_place(t->a, t->e, off), word,
                "'%s' is no key exchange method", method);
    value_hint(t->a, "as in ke%u_mlkem768, or ke%u_none to do without it", round, round);
    return false;
}

// Where no algorithm of this kind has a place. false: refused, and said so; *skip: only warned of.
static bool word_fits(const struct proposal_arg *t, const char *word, const struct alg *alg,
                      struct place at, bool *skip)
{
    struct conf_issues *issues = t->a->ld->issues;
    *skip = alg->type == ALG_PRF && !t->ike;
    if (*skip) {
        issue_warn(issues, at, word, "'%s' means nothing to %s", word, t->ah ? "AH" : "ESP");
        issue_hint(issues, "write it in the connection's proposals");
        return true;
    }
    bool hides = t->ah && alg->type == ALG_ENCR, clear = t->ike && alg->clear;
    if (!hides && !clear) return true;
    issue_error(issues, at, word, hides ? "AH encrypts nothing" : "IKE messages must be encrypted");
    issue_hint(issues, "remove '%s', or write it in esp_proposals", word);
    return false;
}

// rfc8247 2 and rfc8221 5, 6 MUST NOT: what is broken is refused, unless somebody has insisted.
static bool strong_enough(const struct proposal_arg *t, const char *word, const struct alg *alg,
                          struct place at)
{
    struct conf_issues *issues = t->a->ld->issues;
    bool executors = !t->ike && alg->type != ALG_KE;
    const char *rfc = executors ? "8221" : "8247";
    if (!alg->legacy) return true;
    if (alg->broken && !issues->legacy) {
        issue_error(issues, at, word, "'%s' is too weak to be used (RFC %s)", word, rfc);
        issue_hint(issues, "'default' is a good choice; aes256gcm16, chacha20poly1305, sha256, "
                           "x25519 and others are known (pavise-iked --legacy takes it for a peer "
                           "that knows nothing better)");
        return false;
    }
    issue_warn(issues, at, word, "'%s' is %s (RFC %s)", word, alg->broken ? "broken" : "weak", rfc);
    issue_hint(issues, "keep it only for a peer that knows nothing better%s",
               executors ? "; pavise-xfrmd takes it when started with --legacy" : "");
    return true;
}

// false: refused, and said so.
static bool word_read(const struct proposal_arg *t, const char *word, size_t off)
{
    const struct alg *alg = alg_by_keyword(word);
    struct conf_issues *issues = t->a->ld->issues;
    struct place at = element_place(t->a, t->e, off);
    bool skip;
    unsigned round = round_of(word);
    if (round) return round_read(t, word, round, off);
    if (!alg) {
        unknown_algorithm(t, word, off);
        return false;
    }
    if (alg->type == ALG_ESN) {
        if (alg->id == ESN_YES) t->p->esn = true;
        if (alg->id == ESN_NO) t->p->noesn = true;
        if (!t->ike) return true;
        issue_warn(issues, at, word, "'%s' means nothing to IKE", word);
        issue_hint(issues, "write it in esp_proposals");
        return true;
    }
    if (!word_fits(t, word, alg, at, &skip)) return false;
    if (skip) return true;
    if (!strong_enough(t, word, alg, at)) return false;
    return add(t->p, alg) || too_many(t, word, off);
}

// rfc7296 2.13: an IKE proposal needs a PRF; strongSwan derives it from the integrity algorithm.
static void derive_prf(struct conf_proposal *p)
{
    static const struct {
        uint16_t integ, prf;
    } pair[] = {{INTEG_HMAC_SHA1_96, PRF_HMAC_SHA1},
                {INTEG_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256},
                {INTEG_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384},
                {INTEG_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512},
                {INTEG_AES_XCBC_96, PRF_AES128_XCBC},
                {INTEG_AES_CMAC_96, PRF_AES128_CMAC},
                {INTEG_HMAC_SHA1_160, PRF_HMAC_SHA1},
                {INTEG_HMAC_SHA2_256_96, PRF_HMAC_SHA2_256},
                {INTEG_HMAC_MD5_96, PRF_HMAC_MD5},
                {INTEG_HMAC_MD5_128, PRF_HMAC_MD5}};
    if (count(p, ALG_PRF)) return;
    for (unsigned i = 0, n = p->n; i < n; i++) {
        for (size_t k = 0; k < sizeof pair / sizeof *pair; k++) {
            if (p->alg[i]->type != ALG_INTEG || p->alg[i]->id != pair[k].integ) continue;
            const struct alg *prf = alg_find(ALG_PRF, pair[k].prf, 0);
            if (prf) (void)add(p, prf);
        }
    }
}

static bool has_rounds(const struct conf_proposal *p)
{
    bool found = p->without != 0;
    for (unsigned i = 0; i < p->n; i++) found |= p->round[i] != 0;
    return found;
}

static const char *lacks_ah(const struct conf_proposal *p, const char **hint)
{
    *hint = "add one, as in sha256 or sha256-x25519";
    if (!count(p, ALG_INTEG)) return "this proposal has no integrity algorithm";
    *hint = "add one that the others come on top of, as in -x25519-ke1_mlkem768";
    if (has_rounds(p) && !count(p, ALG_KE)) return "an additional key exchange needs a first one";
    return NULL;
}

// What the proposal lacks, or NULL. *hint is set with it.
static const char *lacks(const struct conf_proposal *p, bool ike, const char **hint)
{
    unsigned encr = count(p, ALG_ENCR), aead = 0;
    for (unsigned i = 0; i < p->n; i++) aead += p->alg[i]->type == ALG_ENCR && p->alg[i]->aead;
    *hint = "add one, as in aes256gcm16 or aes256-sha256";
    if (encr == 0) return "this proposal has no encryption algorithm";
    *hint = "write two proposals with ',' between them";
    if (aead && aead < encr) {
        return "AEAD and other encryption algorithms cannot stand in one proposal";
    }
    *hint = "add one, as in -sha256, or use an AEAD, as in aes256gcm16";
    if (!aead && !count(p, ALG_INTEG)) return "encryption without integrity protects nobody";
    *hint = "add one, as in -prfsha256";
    if (ike && !count(p, ALG_PRF)) return "this proposal has no PRF";
    *hint = "add one, as in -x25519 or -ecp256";
    if (ike && !count(p, ALG_KE)) return "this proposal has no key exchange (Diffie-Hellman) group";
    *hint = "add one that the others come on top of, as in -x25519-ke1_mlkem768";
    if (has_rounds(p) && !count(p, ALG_KE)) return "an additional key exchange needs a first one";
    return NULL;
}

static bool complete(const struct proposal_arg *t, const char *text)
{
    const char *hint;
    struct conf_proposal *p = t->p;
    if (t->ike) derive_prf(p);
    const char *mistake = t->ah ? lacks_ah(p, &hint) : lacks(p, t->ike, &hint);
    if (mistake) {
        issue_error(t->a->ld->issues, element_place(t->a, t->e, 0), text, "%s", mistake);
        value_hint(t->a, "%s", hint);
        return false;
    }
    bool aead = false;
    for (unsigned i = 0; i < p->n; i++) aead |= p->alg[i]->aead;
    if (aead) remove_type(p, ALG_INTEG); // rfc7296 3.3.3 MUST NOT: AEAD with an integrity algorithm
    if (t->ike) p->esn = p->noesn = false;
    if (!t->ike && !p->esn) p->noesn = true;
    return true;
}

static bool proposal_read(const struct proposal_arg *t, const char *text)
{
    bool ok = true;
    for (size_t from = 0, n; text[from]; from += n + (text[from + n] == '-')) {
        char word[KEYWORD_MAX + 1];
        n = strcspn(text + from, "-");
        (void)snprintf(word, sizeof word, "%.*s", (int)(n > KEYWORD_MAX ? KEYWORD_MAX : n),
                       text + from);
        ok &= word_read(t, word, from);
    }
    return ok && complete(t, text);
}

static bool keep(const struct arg *a, const char *text, size_t len, const struct conf_proposal *p)
{
    struct conf_proposals *all = a->to;
    char *copy = arena_str(&a->ld->out->arena, text, len);
    if (!copy) a->ld->nomem = true;
    if (!copy) return false;
    all->p[all->n] = *p;
    all->text[all->n++] = copy;
    return true;
}

static bool read_one(const struct arg *a, const struct element *e, const char *text, bool ike)
{
    struct conf_proposals *all = a->to;
    struct conf_proposal p = {0};
    struct proposal_arg t = {a, e, ike, all->ah, &p};
    if (all->n == CONF_PROPOSALS_MAX) {
        issue_error(a->ld->issues, element_place(a, e, 0), text, "this list is too long");
        issue_hint(a->ld->issues, "at most %u proposals", CONF_PROPOSALS_MAX);
        return false;
    }
    if (proposal_read(&t, text)) return keep(a, text, strlen(text), &p);
    return !a->ld->nomem;
}

static void set_proposals(const struct arg *a, bool ike, const char *const *dflt)
{
    for (struct element e = {0}; value_next(a, &e);) {
        if (strcasecmp(e.text, "default") != 0) {
            if (!read_one(a, &e, e.text, ike)) return;
            continue;
        }
        for (const char *const *d = dflt; *d; d++) {
            if (!read_one(a, &e, *d, ike)) return;
        }
    }
}

void set_ike_proposals(const struct arg *a)
{
    set_proposals(a, true, proposal_ike_default);
}

void set_esp_proposals(const struct arg *a)
{
    set_proposals(a, false, proposal_esp_default);
}

void set_ah_proposals(const struct arg *a)
{
    struct conf_proposals *all = a->to;
    all->ah = true;
    set_proposals(a, false, proposal_ah_default);
}
