/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * atomic_user.h - the six macros of channel.h and bell.h, for user space
 *
 * lh_load_acquire, lh_store_release: order this side's accesses to the message
 * around the access to the word. lh_cas64: true if @address held @old and now
 * holds @new; full ordering. The fences order a store of one side before its
 * later load, against the same on the other side, see bell.h; @asymmetric says
 * whether the device's heavy fence reaches both (LH_FEATURE_ASYMMETRIC_FENCE):
 * then the light one is free.
 *
 * All addresses are of aligned 64-bit words, little-endian.
 */
#ifndef LH_HOST_ATOMIC_USER_H
#define LH_HOST_ATOMIC_USER_H

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "types.h"

#define lh_load_acquire(address) __atomic_load_n(address, __ATOMIC_ACQUIRE)

#define lh_store_release(address, value) \
	__atomic_store_n(address, value, __ATOMIC_RELEASE)

static inline int lh_user_cas64(__u64 *address, __u64 old, __u64 value)
{
	return __atomic_compare_exchange_n(address, &old, value, 0,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

#define lh_cas64(address, old, new) lh_user_cas64(address, old, new)

static inline void lh_user_light_fence(int asymmetric)
{
	if (asymmetric)
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	else
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#define lh_light_fence(asymmetric) lh_user_light_fence(asymmetric)

static inline void lh_user_heavy_fence(int asymmetric)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (asymmetric)
		syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0,
			0);
}

#define lh_heavy_fence(asymmetric) lh_user_heavy_fence(asymmetric)

/* Both hardware lines of a slot go back to the device, and leave the cache. */
static inline void lh_user_write_back(const void *line)
{
	const char *half = (const char *)line;
	const char *end = half + LH_LINE_SIZE;

	for (; half < end; half += 64) {
#if defined(__x86_64__)
		__asm__ __volatile__("clflush %0" : : "m"(*half) : "memory");
#elif defined(__aarch64__)
		__asm__ __volatile__("dc civac, %0" : : "r"(half) : "memory");
#else
#error "how does this architecture write a line back to its owner?"
#endif
	}
}

#ifndef lh_write_back
#define lh_write_back(line) lh_user_write_back(line)
#endif

#endif /* LH_HOST_ATOMIC_USER_H */
