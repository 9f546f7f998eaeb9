// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// xdp_prog.c - what it loads into the kernel asks the routing tables there, by a function that the
// kernel has for programs under the GPL only. So this file alone may be had under either license.
#include "xfrm/port/xdp_prog.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "xfrm/port/xdp_code.h"

#define PROGRAM_LICENSE "GPL"
#define QUEUES_MAX 64 // entries of the map of sockets; other queues are the host's

struct xdp_prog {
    int program, queues, state_map, link;
    struct xdp_state *state; // shared with the program
    uint32_t device;
    uint8_t mac[6];
    bool native;
};

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static err_t failed(const char *device, const char *step, struct why *why)
{
    const int e = errno;
    if (e == EPERM || e == EACCES) {
        return why_not(why, ERR_PERMISSION,
                       "--xdp %s: %s: %s; run as root (CAP_BPF or CAP_SYS_ADMIN, CAP_NET_ADMIN)",
                       device, step, strerror(e));
    }
    if (e == ENOSYS || e == EINVAL || e == EOPNOTSUPP) {
        return why_not(why, ERR_UNSUPPORTED,
                       "--xdp %s: %s: %s; this needs Linux 5.13 with CONFIG_BPF_SYSCALL and "
                       "CONFIG_XDP_SOCKETS, or leave --xdp out",
                       device, step, strerror(e));
    }
    return why_not(why, ERR_SYSTEM, "--xdp %s: %s: %s", device, step, strerror(e));
}

// ---- the interface ----

static err_t read_mac(struct xdp_prog *p, const char *device, struct why *why)
{
    struct ifreq req = {0};
    (void)strncpy(req.ifr_name, device, IFNAMSIZ - 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool done = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &req) == 0;
    if (fd >= 0) (void)close(fd);
    if (!done) return failed(device, "cannot read its address", why);
    if (req.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return why_not(why, ERR_UNSUPPORTED,
                       "--xdp %s: is no Ethernet interface; only such can be named", device);
    memcpy(p->mac, req.ifr_hwaddr.sa_data, sizeof p->mac);
    return ERR_OK;
}

static err_t find_device(struct xdp_prog *p, const char *device, struct why *why)
{
    p->device = strlen(device) < IFNAMSIZ ? if_nametoindex(device) : 0;
    if (p->device == 0)
        return why_not(why, ERR_NOTFOUND,
                       "--xdp %s: there is no such interface; `ip link` lists them", device);
    return read_mac(p, device, why);
}

// ---- maps and program ----

static int map_new(uint32_t type, uint32_t value, uint32_t entries, uint32_t flags)
{
    union bpf_attr attr = {.map_type = type,
                           .key_size = sizeof(uint32_t),
                           .value_size = value,
                           .max_entries = entries,
                           .map_flags = flags};
    return bpf(BPF_MAP_CREATE, &attr);
}

static err_t make_maps(struct xdp_prog *p, const char *device, struct why *why)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    p->queues = map_new(BPF_MAP_TYPE_XSKMAP, sizeof(int), QUEUES_MAX, 0);
    p->state_map = map_new(BPF_MAP_TYPE_ARRAY, sizeof(struct xdp_state), 1, BPF_F_MMAPABLE);
    if (p->queues < 0 || p->state_map < 0) return failed(device, "cannot make a BPF map", why);
    void *at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, p->state_map, 0);
    if (at == MAP_FAILED) return failed(device, "cannot see a BPF map", why);
    p->state = at;
    return ERR_OK;
}

static err_t load(struct xdp_prog *p, const struct xdp_prog_conf *conf, struct why *why)
{
    struct xdp_code code;
    const struct xdp_code_conf c = {.inner = conf->side == XDP_INNER,
                                    .udp = conf->udp,
                                    .esp = conf->esp,
                                    .udp_port = conf->udp_port,
                                    .mac = p->mac,
                                    .state_map = p->state_map,
                                    .queues = p->queues};
    xdp_code_make(&code, &c);
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP,
                           .insns = (uint64_t)(uintptr_t)code.at,
                           .insn_cnt = code.n,
                           .license = (uint64_t)(uintptr_t)PROGRAM_LICENSE,
                           .expected_attach_type = BPF_XDP};
    (void)strcpy(attr.prog_name, conf->side == XDP_INNER ? "pavise_inner" : "pavise_outer");
    p->program = bpf(BPF_PROG_LOAD, &attr);
    return p->program >= 0 ? ERR_OK : failed(conf->device, "the kernel refuses the program", why);
}

static int attach_as(const struct xdp_prog *p, uint32_t mode)
{
    union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t)p->program,
                                           .target_ifindex = p->device,
                                           .attach_type = BPF_XDP,
                                           .flags = mode}};
    return bpf(BPF_LINK_CREATE, &attr);
}

static err_t attach(struct xdp_prog *p, const char *device, struct why *why)
{
    p->link = attach_as(p, XDP_FLAGS_DRV_MODE);
    p->native = p->link >= 0;
    if (p->link < 0 && errno != EBUSY) p->link = attach_as(p, XDP_FLAGS_SKB_MODE);
    if (p->link >= 0) return ERR_OK;
    if (errno == EBUSY || errno == EEXIST)
        return why_not(why, ERR_SYSTEM,
                       "--xdp %s: another XDP program is attached there (`ip link show %s`); "
                       "`ip link set %s xdp off` removes it",
                       device, device, device);
    return failed(device, "the program cannot be attached", why);
}

static err_t build(struct xdp_prog *p, const struct xdp_prog_conf *conf, struct why *why)
{
    TRY(find_device(p, conf->device, why));
    TRY(make_maps(p, conf->device, why));
    TRY(load(p, conf, why));
    return attach(p, conf->device, why);
}

err_t xdp_prog_open(const struct xdp_prog_conf *conf, struct xdp_prog **out, struct why *why)
{
    struct xdp_prog *p = calloc(1, sizeof *p);
    if (!p) return why_not(why, ERR_NOMEM, "out of memory");
    p->program = p->queues = p->state_map = p->link = -1;
    err_t e = build(p, conf, why);
    if (e != ERR_OK) {
        xdp_prog_free(p);
        return e;
    }
    *out = p;
    return ERR_OK;
}

void xdp_prog_free(struct xdp_prog *p)
{
    if (!p) return;
    const int all[] = {p->link, p->program, p->queues, p->state_map};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i] >= 0) (void)close(all[i]);
    }
    if (p->state) (void)munmap(p->state, (size_t)sysconf(_SC_PAGESIZE));
    free(p);
}

err_t xdp_prog_queue(struct xdp_prog *p, uint32_t queue, int socket, struct why *why)
{
    union bpf_attr attr = {.map_fd = (uint32_t)p->queues,
                           .key = (uint64_t)(uintptr_t)&queue,
                           .value = (uint64_t)(uintptr_t)&socket,
                           .flags = BPF_ANY};
    if (bpf(BPF_MAP_UPDATE_ELEM, &attr) == 0) return ERR_OK;
    return why_not(why, ERR_SYSTEM, "--xdp: queue %u cannot be served: %s", queue, strerror(errno));
}

void xdp_prog_start(struct xdp_prog *p, uint32_t tun)
{
    __atomic_store_n(&p->state->tun, tun, __ATOMIC_RELAXED);
    __atomic_store_n(&p->state->on, 1, __ATOMIC_RELEASE);
}

void xdp_prog_stop(struct xdp_prog *p)
{
    __atomic_store_n(&p->state->on, 0, __ATOMIC_RELEASE);
}

uint32_t xdp_prog_device(const struct xdp_prog *p)
{
    return p->device;
}

const uint8_t *xdp_prog_mac(const struct xdp_prog *p)
{
    return p->mac;
}

bool xdp_prog_native(const struct xdp_prog *p)
{
    return p->native;
}
