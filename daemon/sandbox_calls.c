#include "daemon/sandbox_calls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifndef SANITIZED
#define SANITIZED 0
#endif

#if !defined(ARCH) || SANITIZED

err_t sandbox_calls_limit(bool programs, struct why *why)
{
    (void)programs, (void)why;
    log_say(LOG_INFO, "sandbox", "this build does not limit its system calls");
    return ERR_OK;
}

#else

// A list of what is refused, not of what is allowed: the latter would follow every release of libc,
// and what is missing in it would show at the worst moment.
static const unsigned refused[] = {
    // other processes
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    // the kernel itself
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_syslog,
    SYS_quotactl,
    SYS_personality,
    SYS_lookup_dcookie,
    // file systems and namespaces
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    // the clock
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    // large attack surfaces that nobody here needs
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_vhangup,
#ifdef __x86_64__
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_kexec_file_load,
#endif
};
#define REFUSED (sizeof refused / sizeof *refused)

static const unsigned programs_only[] = {SYS_execve, SYS_execveat};
static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

#define NEW_NAMESPACES                                                                            \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)
#define X32_BIT 0x40000000U
#define REFUSE(error) (SECCOMP_RET_ERRNO | (error))
#define PROGRAM_MAX 160

struct program {
    unsigned short n;
    struct sock_filter at[PROGRAM_MAX];
};

static void emit(struct program *p, struct sock_filter f)
{
    if (p->n < PROGRAM_MAX) p->at[p->n++] = f;
}

static void load(struct program *p, size_t offset)
{
    emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

// If the value loaded compares like this with k, the verdict is that.
static void rule(struct program *p, unsigned compare, unsigned k, unsigned verdict)
{
    emit(p, (struct sock_filter)BPF_JUMP((unsigned short)(BPF_JMP | BPF_K | compare), k, 0, 1));
    emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

static size_t argument(unsigned i) // its lower half
{
    return offsetof(struct seccomp_data, args) + i * sizeof(uint64_t);
}

static void rule_all(struct program *p, const unsigned *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) rule(p, BPF_JEQ, calls[i], REFUSE(EPERM));
}

// socket(): these families only.
static void rule_socket(struct program *p)
{
    const unsigned n = sizeof families / sizeof *families;
    // past all of the following: the load, a pair for each family, the refusal
    emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0,
                                         (unsigned char)(2 + 2 * n)));
    load(p, argument(0));
    for (unsigned i = 0; i < n; i++) rule(p, BPF_JEQ, families[i], SECCOMP_RET_ALLOW);
    emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, REFUSE(EAFNOSUPPORT)));
}

// clone(): no namespaces. The flags of clone3() cannot be seen from here; libc does without it.
static void rule_clone(struct program *p)
{
    rule(p, BPF_JEQ, SYS_clone3, REFUSE(ENOSYS));
    emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3));
    load(p, argument(0));
    rule(p, BPF_JSET, NEW_NAMESPACES, REFUSE(EPERM));
}

static void build(struct program *p, bool programs)
{
    load(p, offsetof(struct seccomp_data, arch));
    emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
    emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, REFUSE(ENOSYS)));
    load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    rule(p, BPF_JGE, X32_BIT, REFUSE(ENOSYS));
#endif
    rule_all(p, refused, REFUSED);
    if (!programs) rule_all(p, programs_only, 2);
    rule_socket(p); // leaves the number loaded unless it was socket()
    rule_clone(p);
    emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

err_t sandbox_calls_limit(bool programs, struct why *why)
{
    struct program p = {.n = 0};
    build(&p, programs);
    const struct sock_fprog filter = {p.n, p.at};
    if (p.n == PROGRAM_MAX)
        return why_not(why, ERR_SYSTEM, "sandbox: the filter of system calls is too long");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0) return ERR_OK;
    if (errno == EINVAL || errno == ENOSYS) {
        log_say(LOG_INFO, "sandbox", "the kernel cannot limit system calls (seccomp)");
        return ERR_OK;
    }
    return why_not(why, ERR_SYSTEM, "sandbox: seccomp: %s", strerror(errno));
}

#endif
