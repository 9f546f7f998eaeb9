#include "xfrm/port/umem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

// ---- frames ----

err_t umem_new(uint32_t frames, struct umem **out, struct why *why)
{
    struct umem *u = calloc(1, sizeof *u);
    if (!u) return why_not(why, ERR_NOMEM, "out of memory");
    u->count = frames;
    u->free = calloc(frames, sizeof *u->free);
    u->state = calloc(frames, sizeof *u->state);
    u->base = mmap(NULL, (size_t)frames * FRAME_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!u->free || !u->state || u->base == MAP_FAILED) {
        umem_free(u);
        return why_not(why, ERR_NOMEM, "out of memory");
    }
    while (u->free_count < frames) {
        u->free[u->free_count] = frames - 1 - u->free_count;
        u->free_count++;
    }
    *out = u;
    return ERR_OK;
}

void umem_free(struct umem *u)
{
    if (!u) return;
    if (u->base && u->base != MAP_FAILED) (void)munmap(u->base, (size_t)u->count * FRAME_BYTES);
    free(u->free);
    free(u->state);
    free(u);
}

uint32_t umem_take(struct umem *u)
{
    return u->free_count ? u->free[--u->free_count] : FRAME_NONE;
}

void umem_give(struct umem *u, uint32_t frame)
{
    u->state[frame] = FRAME_FREE;
    u->free[u->free_count++] = frame;
}

uint32_t umem_frame(const struct umem *u, const uint8_t *at)
{
    if (at < u->base || at >= u->base + (size_t)u->count * FRAME_BYTES) return FRAME_NONE;
    return (uint32_t)((size_t)(at - u->base) / FRAME_BYTES);
}

// ---- rings ----

static bool ring_map(struct xdp_ring *r, int socket, const struct xdp_ring_offset *off,
                     uint64_t where, uint32_t size, size_t entry)
{
    r->size = size;
    r->bytes = (size_t)off->desc + size * entry;
    r->map = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, socket,
                  (off_t)where);
    if (r->map == MAP_FAILED) return false;
    uint8_t *at = r->map;
    r->producer = (uint32_t *)(void *)(at + off->producer);
    r->consumer = (uint32_t *)(void *)(at + off->consumer);
    r->flags = (uint32_t *)(void *)(at + off->flags);
    r->entries = at + off->desc;
    return true;
}

static bool size_set(int socket, int which, uint32_t size)
{
    return setsockopt(socket, SOL_XDP, which, &size, sizeof size) == 0;
}

err_t xdp_rings_new(struct xdp_rings *r, int socket, struct why *why)
{
    struct xdp_mmap_offsets off;
    socklen_t len = sizeof off;
    *r = (struct xdp_rings){.fill = {.size = 0}};
    bool done =
        size_set(socket, XDP_UMEM_FILL_RING, XDP_FILL) && size_set(socket, XDP_RX_RING, XDP_FILL) &&
        size_set(socket, XDP_TX_RING, XDP_SEND) &&
        size_set(socket, XDP_UMEM_COMPLETION_RING, XDP_SEND) &&
        getsockopt(socket, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) == 0 &&
        ring_map(&r->fill, socket, &off.fr, XDP_UMEM_PGOFF_FILL_RING, XDP_FILL, 8) &&
        ring_map(&r->rx, socket, &off.rx, XDP_PGOFF_RX_RING, XDP_FILL, sizeof(struct xdp_desc)) &&
        ring_map(&r->tx, socket, &off.tx, XDP_PGOFF_TX_RING, XDP_SEND, sizeof(struct xdp_desc)) &&
        ring_map(&r->completion, socket, &off.cr, XDP_UMEM_PGOFF_COMPLETION_RING, XDP_SEND, 8);
    if (done) return ERR_OK;
    int e = errno;
    xdp_rings_free(r);
    return why_not(why, ERR_SYSTEM, "--xdp: cannot make the rings of an AF_XDP socket: %s",
                   strerror(e));
}

void xdp_rings_free(struct xdp_rings *r)
{
    struct xdp_ring *const all[] = {&r->fill, &r->rx, &r->tx, &r->completion};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i]->map && all[i]->map != MAP_FAILED) (void)munmap(all[i]->map, all[i]->bytes);
        all[i]->map = NULL;
    }
}
