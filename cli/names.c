#include "cli/names.h"

#include <string.h>

#include "base/text.h"
#include "cli/json.h"
#include "cli/say.h"

#define NAMES_MAX 512 // names offered to "did you mean"

// Children of list-sas are called "net-1", and "net" by their key "name".
static const char *child_name(const char *key, const json_t *child)
{
    const char *name = json_str(child, "name");
    return *name ? name : key;
}

bool names_have_conn(const struct names *n, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(n->list, i, item)
    {
        if (json_object_get(item, name)) return true;
    }
    return false;
}

// The connection in one list item that has the child.
static const char *conn_of(json_t *item, const char *children, const char *name)
{
    const char *conn, *key;
    json_t *c, *child;
    json_object_foreach(item, conn, c)
    {
        json_object_foreach(json_object_get(c, children), key, child)
        {
            if (strcmp(child_name(key, child), name) == 0) return conn;
        }
    }
    return NULL;
}

const char *names_conn_of(const struct names *n, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(n->list, i, item)
    {
        const char *conn = conn_of(item, n->children, name);
        if (conn) return conn;
    }
    return NULL;
}

static size_t add_names(json_t *item, const char *children, const char **all, size_t n)
{
    const char *conn, *key;
    json_t *c, *child;
    json_object_foreach(item, conn, c)
    {
        if (n < NAMES_MAX) all[n++] = conn;
        json_object_foreach(json_object_get(c, children), key, child)
        {
            if (n < NAMES_MAX) all[n++] = child_name(key, child);
        }
    }
    return n;
}

void names_unknown(const struct names *n, const char *name, const char *where)
{
    const char *all[NAMES_MAX + 1];
    size_t count = 0, i;
    json_t *item;
    json_array_foreach(n->list, i, item) count = add_names(item, n->children, all, count);
    all[count] = NULL;
    const char *near = nearest(name, all);
    say_error("there is no '%s' %s", name, where);
    if (near) say_hint("did you mean '%s'?", near);
    if (!near && count) say_hint("'pavise conns' and 'pavise status' show the names");
    if (!count) say_hint("there is nothing at all %s", where);
}
