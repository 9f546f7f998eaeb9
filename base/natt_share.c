#include "base/natt_share.h"

#include <inttypes.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define LOCAL_MAX 48 // characters of an address in /proc/net/udp6: 32, ':', 4

err_t natt_share_prepare(int fd)
{
    const int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 ? ERR_OK : ERR_SYSTEM;
}

// ---- who is in the group ----

// Address and port as /proc/net/udp writes them: 32-bit words as they lie in memory.
static bool local_show(int fd, char *out, bool *v6)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0) return false;
    *v6 = at.ss_family == AF_INET6;
    uint32_t w[4];
    if (!*v6) {
        struct sockaddr_in s4;
        memcpy(&s4, &at, sizeof s4);
        (void)snprintf(out, LOCAL_MAX, "%08" PRIX32 ":%04X", s4.sin_addr.s_addr,
                       ntohs(s4.sin_port));
        return true;
    }
    struct sockaddr_in6 s6;
    memcpy(&s6, &at, sizeof s6);
    memcpy(w, &s6.sin6_addr, sizeof w);
    (void)snprintf(out, LOCAL_MAX, "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 ":%04X",
                   w[0], w[1], w[2], w[3], ntohs(s6.sin6_port));
    return true;
}

unsigned natt_share_count(int fd)
{
    char local[LOCAL_MAX], line[512], have[LOCAL_MAX];
    bool v6;
    unsigned n = 0;
    if (!local_show(fd, local, &v6)) return 0;
    FILE *f = fopen(v6 ? "/proc/thread-self/net/udp6" : "/proc/thread-self/net/udp", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        n += sscanf(line, " %*[^:]: %47s", have) == 1 && strcmp(have, local) == 0;
    (void)fclose(f);
    return n;
}

// ---- the program ----

struct places {
    unsigned ike, esp, esp_count; // indices: IKE's, the first for ESP, how many
};

static err_t attach(int fd, const struct places *p)
{
    // The kernel shows the program the payload behind the UDP header. A load past its end would
    // end the program with index 0; the length test says the same without leaning on that.
    // clang-format off
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 4, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, p->ike),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, p->esp_count),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, p->esp),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    // clang-format on
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    int e = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
    return e == 0 ? ERR_OK : ERR_SYSTEM;
}

err_t natt_share_attach_esp(int fd, unsigned sockets, bool behind_ike)
{
    const struct places behind = {.ike = 0, .esp = 1, .esp_count = sockets};
    const struct places alone = {.ike = sockets, .esp = 0, .esp_count = sockets};
    return attach(fd, behind_ike ? &behind : &alone);
}

err_t natt_share_attach_ike(int fd, unsigned sockets)
{
    return attach(fd, &(struct places){.ike = sockets, .esp = 0, .esp_count = sockets});
}

err_t natt_share_attach(int fd, bool i_am_ike)
{
    unsigned all = natt_share_count(fd);
    if (!i_am_ike) return natt_share_attach_esp(fd, 1, all != 1);
    return natt_share_attach_ike(fd, all > 1 ? all - 1 : 1);
}
