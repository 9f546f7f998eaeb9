// machine.h - intel-ipsec-mb as this CPU can run it. For crypto/ipsecmb/ only.
#pragma once

#include <intel-ipsec-mb.h>

// The library's function table, for calls that keep no state in it. NULL where the CPU lacks what
// makes the library worth its while or the library fails its self-test. Any thread.
const IMB_MGR *machine_table(void);
// The calling thread's own manager, for multi-buffer calls; made at the first call, which takes
// some 20 ms (self-test) and 200 KiB. NULL when out of memory.
IMB_MGR *machine_scratch(void);
// Runs n jobs, which may differ in all but their kind, and sets the status of each. The manager is
// empty before and after.
void machine_run(IMB_MGR *mgr, IMB_JOB *jobs, unsigned n);
