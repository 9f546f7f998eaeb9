#include "conf/include.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/issue.h"

static err_t errno_class(void)
{
    if (errno == ENOENT || errno == ENOTDIR) return ERR_NOTFOUND;
    return errno == EACCES || errno == EPERM ? ERR_PERMISSION : ERR_SYSTEM;
}

static err_t read_all(int fd, struct tree *t, size_t max, span_t *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return errno_class();
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return ERR_SYSTEM;
    }
    // A pipe has no size and gets the whole allowance.
    size_t cap = S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : max + 1, n = 0;
    if (cap > max + 1) return ERR_LIMIT;
    uint8_t *at = arena_get(&t->arena, cap);
    if (!at) return ERR_NOMEM;
    while (n < cap) {
        ssize_t got = read(fd, at + n, cap - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_class();
        if (got == 0) break;
        n += (size_t)got;
    }
    if (n > max) return ERR_LIMIT;
    *out = span(at, n);
    return ERR_OK;
}

err_t include_read(struct tree *t, const char *path, size_t max, span_t *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return errno_class();
    err_t e = read_all(fd, t, max, out);
    int saved = errno;
    (void)close(fd);
    errno = saved; // the caller's sentence names it
    return e;
}

static bool has_wildcard(const char *s)
{
    return strpbrk(s, "*?[") != NULL;
}

// Relative patterns start in the folder of the including file.
static const char *whole_pattern(struct parser *p, const struct value *pattern)
{
    const char *from = pattern->src->name, *slash = strrchr(from, '/');
    if (pattern->text[0] == '/' || !slash) return pattern->text;
    size_t dir = (size_t)(slash - from) + 1;
    char *path = arena_get(&p->tree->arena, dir + pattern->len + 1);
    if (!path) return NULL;
    memcpy(path, from, dir);
    memcpy(path + dir, pattern->text, pattern->len);
    return path;
}

err_t include_pattern(struct parser *p, struct node *in, const struct value *pattern)
{
    struct place at = value_place(pattern, 0);
    if (pattern->bad) return ERR_OK;
    if (!p->may_include) {
        issue_error(p->issues, at, pattern->text, "files cannot be included here");
        issue_hint(p->issues, "write the settings themselves");
        return ERR_OK;
    }
    const char *path = whole_pattern(p, pattern);
    if (!path) return ERR_NOMEM;
    if (!has_wildcard(path)) return parse_included(p, in, path, at);
    glob_t found = {0};
    int rc = glob(path, 0, NULL, &found); // sorted; no match is no mistake (an empty conf.d)
    err_t e = rc == GLOB_NOSPACE ? ERR_NOMEM : ERR_OK;
    for (size_t i = 0; rc == 0 && e == ERR_OK && i < found.gl_pathc; i++) {
        e = parse_included(p, in, found.gl_pathv[i], at);
    }
    globfree(&found);
    return e;
}
