/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * endpoint.h - what one thread needs to talk to the NIC
 *
 * An endpoint is two channels: `serve` brings calls and takes replies, `call`
 * carries the thread's own calls, streams and control. They are apart because
 * the reply to a nested call must never stand behind a request that the thread
 * cannot take yet.
 */
#ifndef LH_HOST_ENDPOINT_H
#define LH_HOST_ENDPOINT_H

#include "lane.h"
#include "types.h"

/* One entry of the process's table of endpoints; read-only for the process. */
struct lh_endpoint_layout {
	struct lh_channel_layout serve; /* w: NIC; r: host; o: attach */
	struct lh_channel_layout call; /* w: NIC; r: host; o: attach */
	__u64 hint; /* w: NIC; r: host; o: attach; a struct lh_hint, or 0 */
	__u32 index; /* w: NIC; r: host; o: attach; in the device's table */
	__u32 generation; /* w: NIC; r: host; o: attach */
	__u64 reserved[2]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_endpoint_layout, 128);
LH_FIELD(lh_endpoint_layout, serve, 0);
LH_FIELD(lh_endpoint_layout, call, 48);
LH_FIELD(lh_endpoint_layout, hint, 96);
LH_FIELD(lh_endpoint_layout, index, 104);
LH_FIELD(lh_endpoint_layout, generation, 108);
LH_FIELD(lh_endpoint_layout, reserved, 112);

/*
 * The endpoint word: what the kernel tells the NIC about the thread that is
 * bound to an endpoint. A line of its own, one aligned 64-bit store, so the NIC
 * never sees half of it; never mapped by a process.
 *
 *   thread 24 | generation 24 | state 4 | CPU mask 12
 *
 * thread names the binding, and is never 0 while there is one; generation is
 * the endpoint's, its low bits; CPU mask is 0 if the thread may run anywhere,
 * else the index of its mask, plus one, or all ones if the table was full.
 */
struct lh_endpoint_word {
	__u64 word; /* w: kernel; r: NIC; o: atomic */
	__u64 reserved[15]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_endpoint_word, 128);
LH_FIELD(lh_endpoint_word, word, 0);
LH_FIELD(lh_endpoint_word, reserved, 8);

#define LH_ENDPOINT_WORD_THREAD_SHIFT 40
#define LH_ENDPOINT_WORD_THREAD_BITS 24
#define LH_ENDPOINT_WORD_GENERATION_SHIFT 16
#define LH_ENDPOINT_WORD_GENERATION_BITS 24
#define LH_ENDPOINT_WORD_STATE_SHIFT 12
#define LH_ENDPOINT_WORD_STATE_BITS 4
#define LH_ENDPOINT_WORD_MASK_SHIFT 0
#define LH_ENDPOINT_WORD_MASK_BITS 12
#define LH_ENDPOINT_WORD_MASK_UNKNOWN 0xfff

enum lh_endpoint_state {
	LH_ENDPOINT_UNBOUND = 0,
	LH_ENDPOINT_RUNNABLE = 1, /* on a run queue, on a CPU or not */
	LH_ENDPOINT_PARKED = 2, /* asleep in a wait of ours: RUN wakes it */
	LH_ENDPOINT_BLOCKED = 3, /* asleep elsewhere: RUN is remembered */
	LH_ENDPOINT_DEAD = 4 /* the thread ended, or its process did exec */
};

/*
 * One of the CPU masks that endpoint words name: bit n % 64 of bits[n / 64] is
 * CPU n. The kernel writes it before the first word that names it, and again
 * when none does; a mask only says where a RUN is likely to be refused.
 */
struct lh_cpu_mask {
	__u64 bits[16]; /* w: kernel; r: NIC; o: before the word */
};

LH_SIZE(lh_cpu_mask, 128);
LH_FIELD(lh_cpu_mask, bits, 0);

/*
 * The hint page of a thread, in ordinary memory. The scheduler reads it where it
 * must not read device memory; a false value harms only this thread.
 */
struct lh_hint {
	__u64 state; /* w: thread; r: kernel, NIC; o: none; LH_HINT_* */
	__u64 cpu; /* w: thread; r: NIC; o: none; where it ran last, plus 1 */
	__u64 reserved[510]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_hint, 4096);
LH_FIELD(lh_hint, state, 0);
LH_FIELD(lh_hint, cpu, 8);
LH_FIELD(lh_hint, reserved, 16);

#define LH_HINT_BUSY 0
#define LH_HINT_WAITING 1 /* does nothing but wait for the NIC */

#endif /* LH_HOST_ENDPOINT_H */
