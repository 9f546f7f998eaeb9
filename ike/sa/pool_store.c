// pool_store.c - leases as text, to outlive the daemon:
//
//     pavise leases 1
//     10.3.0.1 2 6361726f6c2e6578616d706c652e6f7267 rw      address, type and bytes of the
//     identity, pool end 1                                                 a file that was cut
//     short lacks this
#include "ike/sa/pool_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "pavise leases 1"
#define LINE_MAX_LEN (IP_TEXT_MAX + 8 + 2 * ID_MAX + 512)

static void save_one(const struct lease *l, struct text *out, unsigned *n)
{
    char ip[IP_TEXT_MAX];
    text_add(out, "%s %u ", ip_show(&l->ip, ip), l->who_type);
    text_hex(out, span(l->who, l->who_len));
    text_add(out, " %s\n", l->pool->name);
    ++*n;
}

void pools_save(const struct pools *p, struct text *out)
{
    unsigned n = 0;
    text_add(out, HEAD "\n");
    // Idle ones first and in their order, so that the next daemon knows who was away longest.
    for (const struct pool *pool = p->first; pool; pool = pool->next) {
        for (const struct lease *l = pool->idle; l; l = l->newer) save_one(l, out, &n);
    }
    for (unsigned b = 0; b < POOL_BUCKETS; b++) {
        for (const struct lease *l = p->by_ip[b]; l; l = l->ip_next) {
            if (l->held) save_one(l, out, &n);
        }
    }
    text_add(out, "end %u\n", n);
}

// Takes the word before the next blank off the line. NULL: there is none.
static char *take_word(char **line)
{
    char *word = *line, *blank = strchr(word, ' ');
    if (!blank || blank == word) return NULL;
    *blank = 0;
    *line = blank + 1;
    return word;
}

static bool read_id(const char *type, const char *hex, struct id *out)
{
    char *end;
    uint8_t bytes[ID_MAX];
    size_t len = sizeof bytes;
    unsigned long t = strtoul(type, &end, 10);
    if (*end || t > UINT8_MAX || hex_read(hex, strlen(hex), bytes, &len) != ERR_OK) return false;
    return id_from_wire((uint8_t)t, span(bytes, len), out) == ERR_OK;
}

static err_t restore_line(struct pools *p, char *line)
{
    ip_t ip;
    struct id who;
    const char *addr = take_word(&line), *type = addr ? take_word(&line) : NULL,
               *hex = type ? take_word(&line) : NULL;
    if (!hex || !*line || ip_parse(addr, &ip) != ERR_OK || !read_id(type, hex, &who)) {
        return ERR_SYNTAX;
    }
    if (lease_at(p, &ip)) return ERR_EXISTS;
    struct pool *pool = pool_make(p, line);
    return pool && lease_make(p, pool, &ip, &who) ? ERR_OK : ERR_NOMEM;
}

struct reader {
    span_t text;
    size_t at;
    unsigned line, leases;
    bool ended;
    char buf[LINE_MAX_LEN];
};

// false: no further line, or one that is too long or not ended.
static bool next_line(struct reader *r)
{
    const uint8_t *from = r->text.at + r->at;
    const uint8_t *nl = r->at < r->text.len ? memchr(from, '\n', r->text.len - r->at) : NULL;
    size_t n = nl ? (size_t)(nl - from) : 0;
    if (!nl || n >= sizeof r->buf || memchr(from, 0, n)) return false;
    memcpy(r->buf, from, n);
    r->buf[n] = 0;
    r->at += n + 1;
    r->line++;
    return true;
}

static err_t restore_all(struct pools *p, struct reader *r, struct why *why)
{
    char want[32];
    if (!next_line(r) || strcmp(r->buf, HEAD) != 0) {
        return why_not(why, ERR_SYNTAX, "line 1: it does not begin with '" HEAD "'");
    }
    while (next_line(r)) {
        (void)snprintf(want, sizeof want, "end %u", r->leases);
        if (strcmp(r->buf, want) == 0) {
            r->ended = true;
            break;
        }
        err_t e = restore_line(p, r->buf);
        if (e == ERR_NOMEM) return why_not(why, e, "out of memory");
        if (e != ERR_OK) {
            return why_not(why, ERR_SYNTAX, "line %u: %s", r->line,
                           e == ERR_EXISTS ? "this address has an owner already"
                                           : "not 'address type identity pool'");
        }
        r->leases++;
    }
    if (r->ended && r->at == r->text.len) return ERR_OK;
    return why_not(why, ERR_SYNTAX, "line %u: it ends here without 'end %u': cut short?",
                   r->line + 1, r->leases);
}

err_t pools_restore(struct pools *p, span_t text, struct why *why)
{
    struct reader *r = calloc(1, sizeof *r);
    struct pools *fresh = pools_new(p->key);
    err_t e = r && fresh ? ERR_OK : why_not(why, ERR_NOMEM, "out of memory");
    if (e == ERR_OK) {
        r->text = text;
        e = restore_all(fresh, r, why);
    }
    if (e == ERR_OK) { // nothing of p is in use yet
        struct pools old = *p;
        *p = *fresh;
        *fresh = old;
    }
    pools_free(fresh);
    free(r);
    return e;
}
