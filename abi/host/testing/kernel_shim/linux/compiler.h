/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * <linux/compiler.h> for a program: accesses that the compiler neither splits
 * nor repeats nor moves past one another. User space only, for tests.
 */
#ifndef LH_KERNEL_SHIM_LINUX_COMPILER_H
#define LH_KERNEL_SHIM_LINUX_COMPILER_H

#define READ_ONCE(x) (*(const volatile __typeof__(x)*)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x)*)&(x) = (value))

#endif /* LH_KERNEL_SHIM_LINUX_COMPILER_H */
