// preload_table.c - which descriptors are ours: indexed by number and lock-free, so that calls on
// other descriptors cost one load. An entry remembers its socket's inode, so that a number which
// was closed behind our back (close_range) and used again is recognised. fork copies the table with
// the descriptors; a program started by exec opens sockets of its own.
#include <errno.h>
#include <sys/stat.h>

#include "netlink/preload.h"

#define FDS_MAX 1024 // descriptors that can be ours; a higher number is refused

static struct entry table[FDS_MAX];

unsigned long table_inode(int fd)
{
    struct stat st;
    int before = errno;
    unsigned long inode = fstat(fd, &st) == 0 ? st.st_ino : 0;
    errno = before;
    return inode;
}

struct entry *table_find(int fd)
{
    if (fd < 0 || fd >= FDS_MAX || !atomic_load(&table[fd].ours)) return NULL;
    if (table_inode(fd) == atomic_load(&table[fd].inode)) return &table[fd];
    atomic_store(&table[fd].ours, false);
    return NULL;
}

void table_forget(int fd)
{
    if (fd >= 0 && fd < FDS_MAX) atomic_store(&table[fd].ours, false);
}

bool table_put(int fd, const struct entry *e)
{
    if (fd < 0 || fd >= FDS_MAX) return false;
    struct entry *t = &table[fd];
    atomic_store(&t->used, atomic_load(&e->used));
    atomic_store(&t->inode, table_inode(fd));
    atomic_store(&t->portid, atomic_load(&e->portid));
    atomic_store(&t->groups, atomic_load(&e->groups));
    atomic_store(&t->options, atomic_load(&e->options));
    atomic_store(&t->type, atomic_load(&e->type));
    atomic_store(&t->epoll_fd, 0);
    atomic_store(&t->ours, true);
    return true;
}

void table_share(int from, int to)
{
    const struct entry *e = table_find(from);
    if (to < 0 || to == from) return;
    table_forget(to);
    if (e) (void)table_put(to, e); // too high a number: it works on as the Unix socket it is
}
