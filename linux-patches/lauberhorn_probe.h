/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * /dev/lauberhorn-probe: what a network interface would see, for programs.
 *
 * A device that only has memory (CONFIG_LAUBERHORN_PROBE). It is registered
 * while somebody has it open. Its memory, mapped read-only from offset 0, begins
 * with struct lauberhorn_probe_info; what follows has the layouts of
 * <linux/lauberhorn/cpu.h> and <linux/lauberhorn/endpoint.h>.
 */
#ifndef _LAUBERHORN_PROBE_H
#define _LAUBERHORN_PROBE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Offsets are from the start of the memory, in bytes. */
struct lauberhorn_probe_info {
	__u64 size; /* of all of it; what to map */
	__u64 cpu_lines; /* struct lh_cpu_lines of CPU 0 */
	__u64 endpoint_words; /* struct lh_endpoint_word of endpoint 0 */
	__u64 cpu_masks; /* struct lh_cpu_mask */
	__u32 cpu_stride; /* from the lines of one CPU to those of the next */
	__u32 cpus;
	__u32 endpoints;
	__u32 cpu_mask_count;
};

struct lauberhorn_probe_bind {
	__u32 endpoint;
	__u32 generation;
};

/* Binds the calling thread; errors are those of lauberhorn_bind(). */
#define LAUBERHORN_PROBE_BIND _IOW(0xcc, 0, struct lauberhorn_probe_bind)
/* Ends that. */
#define LAUBERHORN_PROBE_UNBIND _IO(0xcc, 1)

struct lauberhorn_probe_park {
	__u64 word; /* its address */
	__u64 parked; /* what is there */
};

/* Parks the calling thread: lauberhorn_park(). */
#define LAUBERHORN_PROBE_PARK _IOW(0xcc, 2, struct lauberhorn_probe_park)

struct lauberhorn_probe_run {
	__u32 endpoint;
	__u32 generation;
	__s32 cpu; /* that is named, or -1 */
	__u32 answer; /* enum lh_kernel_answer */
	__u32 mask; /* where the thread may run, if it is NOT_ALLOWED */
};

/* As the network interface does: lauberhorn_run(). */
#define LAUBERHORN_PROBE_RUN _IOWR(0xcc, 3, struct lauberhorn_probe_run)

#endif /* _LAUBERHORN_PROBE_H */
