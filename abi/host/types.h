/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * types.h - base types of the contract, and the checks of its layouts
 *
 * Everything in the region and on the wire is little-endian and naturally
 * aligned. Each field of a layout says in its comment who writes it (w:), who
 * reads it (r:) and what orders the two (o:), and each layout is followed by
 * LH_SIZE() and one LH_FIELD() per field, so that no compiler and no edit can
 * move a byte unnoticed.
 */
#ifndef LH_HOST_TYPES_H
#define LH_HOST_TYPES_H

#include <linux/types.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the contract is little-endian: a futex is the low half of a word"
#endif

/* A declaration that compiles only if @condition holds; also in C90. */
#ifdef __cplusplus
#define LH_ASSERT(name, condition) static_assert(condition, #name)
#else
#define LH_ASSERT(name, condition) \
	extern int lh_assert_##name[(condition) ? 1 : -1]
#endif

#define LH_SIZE(type, size) \
	LH_ASSERT(size_of_##type, sizeof(struct type) == (size))
#define LH_FIELD(type, field, offset)         \
	LH_ASSERT(offset_of_##type##_##field, \
		  __builtin_offsetof(struct type, field) == (offset))

/*
 * The unit of transfer: one slot's line. Two 64-byte lines where those are the
 * hardware's; everything before the take lies in the first 64 bytes.
 */
#define LH_LINE_SIZE 128

/* Names a thing that is used again: index in the low half, generation high. */
#define lh_handle(index, generation) \
	(((__u64)(__u32)(generation) << 32) | (__u32)(index))
#define lh_handle_index(handle) ((__u32)(handle))
#define lh_handle_generation(handle) ((__u32)((handle) >> 32))

#endif /* LH_HOST_TYPES_H */
