/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * atomic_kernel.h - the six macros of channel.h and bell.h, for the kernel
 *
 * The other side may be a device, so ordering is by dma_*() barriers: smp_*()
 * vanish without SMP and are too narrow on arm64. On x86 ordinary loads and
 * stores are ordered already, towards coherent devices too, and only the
 * compiler must be held.
 *
 * A load is followed by dma_rmb(), which orders later loads; later stores are
 * ordered by control dependency, as every caller branches on the word before it
 * stores. A store is preceded by dma_mb(): a release of a slot must also wait
 * for this side's loads of the message. No fence is asymmetric here.
 */
#ifndef LH_HOST_ATOMIC_KERNEL_H
#define LH_HOST_ATOMIC_KERNEL_H

#include <asm/barrier.h>
#include <linux/atomic.h>
#include <linux/compiler.h>

#include "types.h"

#ifdef CONFIG_X86
#define lh_kernel_release_fence() barrier()
#else
#define lh_kernel_release_fence() dma_mb()
#endif

#define lh_load_acquire(address)                          \
	({                                                \
		__u64 __lh_value = READ_ONCE(*(address)); \
		dma_rmb();                                \
		__lh_value;                               \
	})

#define lh_store_release(address, value)         \
	do {                                     \
		lh_kernel_release_fence();       \
		WRITE_ONCE(*(address), (value)); \
	} while (0)

static inline int lh_kernel_cas64(__u64 *address, __u64 old, __u64 value)
{
	return cmpxchg64(address, old, value) == old;
}

#define lh_cas64(address, old, new) lh_kernel_cas64(address, old, new)

#define lh_light_fence(asymmetric)  \
	do {                        \
		(void)(asymmetric); \
		mb();               \
	} while (0)

#define lh_heavy_fence(asymmetric) lh_light_fence(asymmetric)

#ifdef CONFIG_X86
static inline void lh_kernel_write_back(const void *line)
{
	const char *half = (const char *)line;

	for (; half < (const char *)line + LH_LINE_SIZE; half += 64)
		asm volatile("clflush %0" : : "m"(*half) : "memory");
}
#else
#define lh_kernel_write_back(line)                    \
	dcache_clean_inval_poc((unsigned long)(line), \
			       (unsigned long)(line) + LH_LINE_SIZE)
#endif

#ifndef lh_write_back
#define lh_write_back(line) lh_kernel_write_back(line)
#endif

#endif /* LH_HOST_ATOMIC_KERNEL_H */
