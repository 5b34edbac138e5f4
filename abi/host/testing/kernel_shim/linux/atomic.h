/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * <linux/atomic.h> for a program: cmpxchg64() returns what the word held, fully
 * ordered. User space only, for tests.
 */
#ifndef LH_KERNEL_SHIM_LINUX_ATOMIC_H
#define LH_KERNEL_SHIM_LINUX_ATOMIC_H

#define cmpxchg64(address, old, value) \
  __sync_val_compare_and_swap(address, old, value)

#endif /* LH_KERNEL_SHIM_LINUX_ATOMIC_H */
