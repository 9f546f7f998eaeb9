#include "base/natt_share.h"

#include <linux/filter.h>
#include <stddef.h>
#include <sys/socket.h>

err_t natt_share_prepare(int fd)
{
    const int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 ? ERR_OK : ERR_SYSTEM;
}

err_t natt_share_attach(int fd, bool i_am_ike)
{
    const unsigned ike = i_am_ike ? 1 : 0, esp = i_am_ike ? 0 : 1;
    // The kernel shows the program the payload behind the UDP header. A load past its end would
    // end the program with index 0; the length test says the same without leaning on that.
    // clang-format off
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 4, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, ike),
        BPF_STMT(BPF_RET | BPF_K, esp),
    };
    // clang-format on
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    int e = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
    return e == 0 ? ERR_OK : ERR_SYSTEM;
}
