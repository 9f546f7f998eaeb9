#include "daemon/resolvconf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FROM "# pavise-iked: from here"
#define TO "# pavise-iked: to here"
#define FILE_MAX 65536UL // bytes; a resolver reads much less

// ---- text ----

static span_t take_line(span_t *rest)
{
    const uint8_t *nl = rest->len ? memchr(rest->at, '\n', rest->len) : NULL;
    size_t n = nl ? (size_t)(nl - rest->at) : rest->len;
    span_t line = span(rest->at, n);
    size_t used = nl ? n + 1 : n;
    *rest = span(rest->at + used, rest->len - used);
    return line;
}

static bool line_is(span_t line, const char *word)
{
    return span_eq(line, span_str(word));
}

static bool begins_with(span_t line, const char *word)
{
    size_t n = strlen(word);
    return line.len >= n && memcmp(line.at, word, n) == 0;
}

// Without our blocks. A block whose end somebody has removed goes as far as our own lines do.
static void add_others(span_t old, struct text *out)
{
    bool inside = false;
    while (old.len) {
        span_t line = take_line(&old);
        if (line_is(line, FROM)) {
            inside = true;
            continue;
        }
        bool end = line_is(line, TO);
        bool ours = begins_with(line, "nameserver ") || begins_with(line, "search ");
        if (inside && (end || ours)) {
            inside = !end;
            continue;
        }
        inside = false;
        if (!end) text_add(out, "%.*s\n", (int)line.len, (const char *)line.at);
    }
}

// The words of the last "search" or "domain" line: with ours they go on being tried.
static span_t last_search(span_t text)
{
    span_t found = span(NULL, 0);
    while (text.len) {
        span_t line = take_line(&text);
        if (begins_with(line, "search ")) found = span(line.at + 7, line.len - 7);
        if (begins_with(line, "domain ")) found = span(line.at + 7, line.len - 7);
    }
    return found;
}

static void add_servers(const struct resolvconf *w, struct text *out)
{
    char ip[IP_TEXT_MAX];
    if (!w->dns_n) return;
    text_add(out, FROM "\n");
    for (unsigned i = 0; i < w->dns_n; i++) {
        text_add(out, "nameserver %s\n", ip_show(&w->dns[i], ip));
    }
    text_add(out, TO "\n");
}

static void add_search(const struct resolvconf *w, span_t before, struct text *out)
{
    if (!w->domain_n) return;
    text_add(out, FROM "\nsearch");
    for (unsigned i = 0; i < w->domain_n; i++) text_add(out, " %s", w->domain[i]);
    if (before.len) text_add(out, " %.*s", (int)before.len, (const char *)before.at);
    text_add(out, "\n" TO "\n");
}

void resolvconf_edit(span_t old, const struct resolvconf *wanted, struct text *out)
{
    AUTO(text) struct text others = {0};
    add_others(old, &others);
    span_t rest = span_str(text_str(&others));
    if (wanted) add_servers(wanted, out);
    text_add(out, "%s", text_str(&others));
    if (wanted) add_search(wanted, last_search(rest), out);
}

// ---- file ----

static err_t refused(const char *path, struct why *why)
{
    err_t e = errno == ENOENT                                       ? ERR_NOTFOUND
              : errno == EACCES || errno == EPERM || errno == EROFS ? ERR_PERMISSION
                                                                    : ERR_SYSTEM;
    return why_not(why, e, "%s cannot be changed: %s", path, strerror(errno));
}

static err_t read_whole(int fd, char *buf, size_t *len)
{
    *len = 0;
    while (*len < FILE_MAX) {
        ssize_t n = read(fd, buf + *len, FILE_MAX - *len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ERR_SYSTEM;
        if (n == 0) return ERR_OK;
        *len += (size_t)n;
    }
    return ERR_LIMIT;
}

// The new text first and the cut afterwards: at no moment is the file empty.
static bool write_over(int fd, const struct text *t)
{
    for (size_t at = 0; at < t->len;) {
        ssize_t n = pwrite(fd, t->at + at, t->len - at, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return ftruncate(fd, (off_t)t->len) == 0;
}

static err_t edit_file(int fd, const char *path, const struct resolvconf *wanted, char *buf,
                       struct why *why)
{
    AUTO(text) struct text fresh = {0};
    size_t len;
    err_t e = read_whole(fd, buf, &len);
    if (e == ERR_LIMIT || memchr(buf, 0, len)) {
        return why_not(why, ERR_LIMIT, "%s is no file that a resolver reads: left alone", path);
    }
    if (e != ERR_OK) return refused(path, why);
    if (!wanted && !memmem(buf, len, FROM, strlen(FROM))) return ERR_OK; // nothing of ours
    resolvconf_edit(span(buf, len), wanted, &fresh);
    if (span_eq(span_str(text_str(&fresh)), span(buf, len))) return ERR_OK;
    return write_over(fd, &fresh) ? ERR_OK : refused(path, why);
}

err_t resolvconf_write(const char *path, const struct resolvconf *wanted, struct why *why)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return refused(path, why);
    char *buf = malloc(FILE_MAX);
    err_t e =
        buf ? edit_file(fd, path, wanted, buf, why) : why_not(why, ERR_NOMEM, "out of memory");
    free(buf);
    (void)close(fd);
    return e;
}
