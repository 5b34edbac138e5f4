/* SPDX-License-Identifier: GPL-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * What the scheduler offers.
 *
 * With CONFIG_LAUBERHORN_SCHED this is <linux/sched/lauberhorn.h>, the header of
 * the kernel series. On other kernels stock.c and stock_bind.c offer the same as far
 * as the scheduler's tracepoints allow, and LH_HOOKS is 0. So it is if the module is
 * built with LH_WITHOUT_HOOKS, for tests.
 */
#ifndef LAUBERHORN_KMOD_HOOKS_H
#define LAUBERHORN_KMOD_HOOKS_H

#include <linux/kconfig.h>
#include <linux/types.h>

#include "abi/host/cpu.h"

#if IS_ENABLED(CONFIG_LAUBERHORN_SCHED) && !defined(LH_WITHOUT_HOOKS)

#define LH_HOOKS 1

#include <linux/sched/lauberhorn.h>

#else

#define LH_HOOKS 0

#include <linux/ktime.h>

#include "abi/host/endpoint.h"

struct lauberhorn_next {
	const u64 *word;
	u64 empty;
};

struct lauberhorn_provider {
	void *cpu_lines;
	size_t cpu_stride;
	unsigned int cpus;
	void *endpoint_words;
	unsigned int endpoints;
	void *cpu_masks;
	unsigned int cpu_mask_count;
	bool needs_kick;
	void (*commands)(unsigned int cpu, struct lauberhorn_next *next);
};

int lauberhorn_register(const struct lauberhorn_provider *provider);
void lauberhorn_unregister(const struct lauberhorn_provider *provider);

int lauberhorn_bind(unsigned int endpoint, u32 generation);
int lauberhorn_unbind(void);
int lauberhorn_hint(const struct lh_hint *hint);

int lauberhorn_park(const u64 __user *word, u64 parked, ktime_t *until);
unsigned int lauberhorn_run(unsigned int endpoint, u32 generation, int cpu,
			    unsigned int *mask);
unsigned int lauberhorn_preempt(unsigned int endpoint, u32 generation,
				unsigned int cpu, unsigned int *mask);
void lauberhorn_interrupt(unsigned int cpu);

#endif

/* The lines of a CPU, in the provider's memory. */
static inline struct lh_cpu_lines *
lh_cpu_lines(const struct lauberhorn_provider *provider, unsigned int cpu)
{
	return provider->cpu_lines + cpu * provider->cpu_stride;
}

#endif /* LAUBERHORN_KMOD_HOOKS_H */
