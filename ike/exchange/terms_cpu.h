// terms_cpu.h - SAs for single CPUs among the terms of a child SA (RFC 9611). The first child SA
// with its selectors serves every CPU; a CPU that has traffic asks for another one of its own.
#pragma once

#include "ike/exchange/step.h"

#define CPUS_MAX 256 // child SAs of one peer and one child; what an executor has is fewer

void terms_cpu_put(struct msgw *m, bool of_cpu, uint32_t cpu); // SA_RESOURCE_INFO
bool terms_cpu_asked(const struct msg *in);
// Is a request of ours for one more under way?
bool terms_cpu_asks(const struct ike_sa *sa, const struct conf_child *f);
// The peer wants one more for a CPU of its own. Which of ours gets it? ERR_LIMIT: there are enough.
err_t terms_cpu_choose(const struct ike_sa *sa, const struct conf_child *f, uint32_t *cpu);

// We ask. May one be asked for now? There must be one for all CPUs, and a peer that wants more.
bool terms_cpu_due(const struct ike_sa *sa, const struct conf_child *f, uint32_t cpu);
// ... and the peer wants no more, or does not know what this is.
void terms_cpu_refused(struct ike_sa *sa, const struct conf_child *f);
void terms_cpu_unknown(struct ike_sa *sa, const struct conf_child *f);
