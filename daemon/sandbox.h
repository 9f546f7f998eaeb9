// sandbox.h - what a daemon gives away before it reads its first byte from anybody else, so that
// who takes it over has won as little as possible:
//
//   capabilities   all but those it names, in every set (capabilities(7)); none ever comes back
//   system calls   what no daemon of ours needs: other processes, modules, mounts, namespaces,
//                  tracing, BPF, strange socket families (seccomp(2)); a refused call fails with
//                  EPERM
//   files          nothing may be written or made but below the paths it names (landlock(7))
//   core dumps     none: there are keys in memory
//
// A kernel without one of these has the others. Programs that it starts inherit all of it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SANDBOX_PATHS_MAX 14

struct sandbox_conf {
    uint64_t caps; // bit n: capability n (linux/capability.h)
    bool programs; // may it start programs?
    // What it may write: files, or folders with all that is in them. NULL and what is not there are
    // passed over.
    const char *writable[SANDBOX_PATHS_MAX];
};

#define SANDBOX_CAP(name) (UINT64_C(1) << CAP_##name)

// For the calling thread and all that it starts from now on: call it before there are others.
// Logs what the kernel lacks. Errors: ERR_SYSTEM with a sentence, when what the kernel has could
// not be switched on.
err_t sandbox_enter(const struct sandbox_conf *conf, struct why *why);

// The folder of a file, for `writable`: cuts the path at its last slash. path is changed.
const char *sandbox_folder(char *path);
