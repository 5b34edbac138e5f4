/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * cpu.h - what kernel and NIC say to each other about one CPU
 *
 * Per CPU: the state line (published under the lock of the run queue), the kick
 * lines, and the kernel channel. Every word here has a single writer, so none
 * needs compare-and-swap; both lanes of a kernel channel follow the rules of an
 * `out` lane. Never mapped by a process.
 */
#ifndef LH_HOST_CPU_H
#define LH_HOST_CPU_H

#include "lane.h"
#include "types.h"

/*
 * The state word, one aligned 64-bit store:
 *
 *   seq 20 | mode 4 | flags 4 | nr 2 | class 2 | departed 8 | endpoint 24
 *
 * seq counts changes, nr says 0, 1, 2, or more runnable threads, the running one
 * included, departed counts endpoints that left this CPU, endpoint is the index
 * of the bound one that runs, plus one, or 0. class and flags are what they were
 * when the kernel looked last; they are no promise.
 */
#define LH_CPU_SEQ_SHIFT 44
#define LH_CPU_SEQ_BITS 20
#define LH_CPU_MODE_SHIFT 40
#define LH_CPU_MODE_BITS 4
#define LH_CPU_FLAGS_SHIFT 36
#define LH_CPU_FLAGS_BITS 4
#define LH_CPU_NR_SHIFT 34
#define LH_CPU_NR_BITS 2
#define LH_CPU_CLASS_SHIFT 32
#define LH_CPU_CLASS_BITS 2
#define LH_CPU_DEPARTED_SHIFT 24
#define LH_CPU_DEPARTED_BITS 8
#define LH_CPU_ENDPOINT_SHIFT 0
#define LH_CPU_ENDPOINT_BITS 24

enum lh_cpu_mode {
	LH_CPU_OFFLINE = 0,
	LH_CPU_IDLE = 1, /* asleep or about to be */
	LH_CPU_IDLE_WAIT = 2, /* idle, and looks at its kernel channel */
	LH_CPU_KERNEL = 3, /* runs a kernel thread */
	LH_CPU_OTHER = 4, /* runs a thread that is not bound */
	LH_CPU_BOUND = 5 /* runs the endpoint */
};

enum lh_cpu_class {
	LH_CPU_CLASS_IDLE = 0, /* of the idle thread */
	LH_CPU_CLASS_FAIR = 1,
	LH_CPU_CLASS_REALTIME = 2, /* or deadline, or stop: not to be asked */
	LH_CPU_CLASS_OTHER = 3 /* a scheduler that was loaded */
};

#define LH_CPU_FLAG_NEED_RESCHED 0x1 /* somebody asked for another look */
#define LH_CPU_FLAG_FORCED_IDLE 0x2 /* idle for its sibling's sake, nr or not */

#define LH_DEPARTED 8 /* divides the 256 at which `departed` wraps */

/*
 * Who leaves (plus one) is stored into the slot departed % 8, by the new one; then
 * the word; then the count, last. A NIC that sees another count reads word and
 * ring, and then both count and word once more: one slot may be just written,
 * so if more than seven left by then, or the count moved by 255 or more, it
 * looks at every endpoint.
 */
struct lh_cpu_state {
	__u64 word; /* w: kernel; r: NIC; o: release */
	__u64 count; /* w: kernel; r: NIC; o: release, last; all of seq */
	__u32 departed[LH_DEPARTED]; /* w: kernel; r: NIC; o: before word */
	__u64 reserved[10]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_cpu_state, 128);
LH_FIELD(lh_cpu_state, word, 0);
LH_FIELD(lh_cpu_state, count, 8);
LH_FIELD(lh_cpu_state, departed, 16);
LH_FIELD(lh_cpu_state, reserved, 48);

/* Raised by whoever sends this CPU an interrupt while a bound thread runs. */
struct lh_cpu_kick {
	__u64 kick; /* w: any CPU, atomically; r: NIC; o: full fence after */
	__u64 reserved[15]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_cpu_kick, 128);
LH_FIELD(lh_cpu_kick, kick, 0);
LH_FIELD(lh_cpu_kick, reserved, 8);

/* What this CPU says of itself, interrupts off. */
struct lh_cpu_seen {
	__u64 kick_seen; /* w: this CPU; r: NIC; o: release; at schedule() */
	__u64 reserved[15]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_cpu_seen, 128);
LH_FIELD(lh_cpu_seen, kick_seen, 0);
LH_FIELD(lh_cpu_seen, reserved, 8);

/* One per CPU, at the stride that the information page names. */
struct lh_cpu_lines {
	struct lh_cpu_state state; /* w: kernel; r: NIC; o: release */
	struct lh_cpu_kick kick; /* w: kernel; r: NIC; o: full fence after */
	struct lh_cpu_seen seen; /* w: kernel; r: NIC; o: release */
	struct lh_channel_state nic; /* w: NIC; r: kernel; o: bell.h */
	struct lh_channel_layout channel; /* w: NIC; r: kernel; o: handshake */
	__u64 reserved[10]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_cpu_lines, 640);
LH_FIELD(lh_cpu_lines, state, 0);
LH_FIELD(lh_cpu_lines, kick, 128);
LH_FIELD(lh_cpu_lines, seen, 256);
LH_FIELD(lh_cpu_lines, nic, 384);
LH_FIELD(lh_cpu_lines, channel, 512);
LH_FIELD(lh_cpu_lines, reserved, 560);

/*
 * Commands to the kernel are messages of kind LH_KIND_RUN or LH_KIND_PREEMPT:
 * call: number of the command, given back in the answer; code: device epoch;
 * data: lh_handle of the endpoint; aux: preferred CPU plus one, 0: any. They are
 * judged by endpoint and generation, never by seq. Each is answered at once by
 * an LH_KIND_ANSWER with the same call and enum lh_kernel_answer in code.
 *
 * RUN: the endpoint has a message; wake its thread, here if it may run here.
 * PREEMPT: the same, and ask the scheduler to look whether it should run now.
 */
enum lh_kernel_answer {
	LH_ANSWER_DONE = 0, /* woken, or already awake */
	LH_ANSWER_EARLY = 1, /* not asleep yet: remembered */
	LH_ANSWER_STALE = 2, /* another generation or epoch */
	LH_ANSWER_DEAD = 3, /* no such thread any more */
	LH_ANSWER_NOT_ALLOWED = 4, /* not woken: not here; data: its mask */
	LH_ANSWER_OFFLINE = 5 /* not woken: the CPU goes */
};

#endif /* LH_HOST_CPU_H */
