/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * <asm/barrier.h> for a program: the kernel's barriers that atomic_kernel.h
 * uses, as the same instructions or stronger ones. User space only, for tests.
 */
#ifndef LH_KERNEL_SHIM_ASM_BARRIER_H
#define LH_KERNEL_SHIM_ASM_BARRIER_H

#define barrier() __asm__ __volatile__("" ::: "memory")
#define mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define dma_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define dma_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)

#endif /* LH_KERNEL_SHIM_ASM_BARRIER_H */
