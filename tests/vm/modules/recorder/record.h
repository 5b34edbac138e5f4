/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * record.h - what the recorder writes down, and who reads it
 *
 * A recording is a struct lh_recording and then records, those of one CPU after
 * those of another. Put in the order of `seq` the records of one run queue, and
 * those of one thread, are in the order in which they happened.
 */
#ifndef LH_RECORD_H
#define LH_RECORD_H

#include <linux/types.h>

enum lh_record_kind {
	LH_RECORD_NONE = 0,
	/* Published: */
	LH_RECORD_CPU_WORD, /* a: word; b: count */
	LH_RECORD_ENDPOINT_WORD, /* a: word; b: endpoint; task[0] */
	/* What the kernel's own tracepoints say: */
	LH_RECORD_NR_RUNNING, /* a: change, signed; `nr_running` is after it */
	LH_RECORD_SWITCH, /* task[0]: previous, task[1]: next */
	LH_RECORD_WAKEUP, /* task[0] */
	LH_RECORD_WAKEUP_NEW, /* task[0] */
	LH_RECORD_MIGRATE, /* task[0]; a: CPU that it goes to */
	LH_RECORD_FORK, /* task[0]: the child */
	LH_RECORD_EXEC, /* task[0] */
	LH_RECORD_EXIT, /* task[0] */
	/* Callbacks of CPU hotplug; a: the CPU */
	LH_RECORD_CPU_UP, /* before it takes threads */
	LH_RECORD_CPU_DOWN, /* after it takes no more */
	/* What a program says that it does; struct lh_mark; task[0] */
	LH_RECORD_MARK, /* a: what, in the low half, `argument` above; b: value */
	LH_RECORD_KINDS
};

/* Bits of struct lh_record. */
#define LH_RECORD_LOCKED \
	0x1U /* made under the lock of the run queue of `cpu` */
/* Of the run queue, if LOCKED: */
#define LH_RECORD_EXPORTED 0x2U /* has a line; memory below is valid */
#define LH_RECORD_NEED_RESCHED 0x4U /* TIF_NEED_RESCHED of the running thread */
#define LH_RECORD_CURR_DELAYED \
	0x8U /* the running thread's dequeue is delayed */
#define LH_RECORD_CURR_KERNEL 0x10U /* the running thread is a kernel thread */

/* Bits of struct lh_record_task. */
#define LH_RECORD_TASK_KERNEL 0x1U /* PF_KTHREAD or PF_USER_WORKER */
#define LH_RECORD_TASK_ON_RQ 0x2U
#define LH_RECORD_TASK_DELAYED 0x4U

/* A thread, as its task_struct has it. */
struct lh_record_task {
	__s32 pid; /* 0: an idle thread */
	__s32 prio; /* the kernel's: below 0 deadline, below 100 real time */
	__u32 bits;
	__u32 endpoint; /* plus one; 0: not bound */
	__u64 word; /* of the endpoint, from the device's memory; if LOCKED */
	__u64 mask; /* CPUs 0 to 63 that it may use */
};

struct lh_record {
	__u64 seq; /* from 1, over all CPUs */
	__u64 clock; /* nanoseconds, monotonic */
	__u16 kind;
	__u8 cpu; /* whose run queue, if LOCKED */
	__u8 here; /* that wrote this */
	__u32 bits;
	__u64 a;
	__u64 b;
	/* The run queue at this moment, if LOCKED. */
	__u32 nr_running;
	__u32 delayed; /* of those, threads whose dequeue is delayed */
	__s32 curr; /* the running thread */
	__s32 curr_prio;
	/* The device's memory at this moment: the CPU's line, or that of an endpoint
	 * and the entry of its mask. */
	__u64 word;
	__u64 count;
	union {
		__u32 departed[8];
		__u64 mask;
	};
	struct lh_record_task task[2];
};

struct lh_recording {
	__u64 magic;
	__u32 record_size;
	__u32 cpus; /* that are possible */
	__u64 records;
	__u64 lost; /* for which there was no room */
	__u64 end; /* number of the last that counts: later ones have gaps */
};

#define LH_RECORDING_MAGIC 0x67726f636572686cULL

/* Marks are written to the recorder by the thread that they are about. */
enum lh_mark_what {
	LH_MARK_NONE = 0,
	LH_MARK_BIND, /* asks for it; argument: endpoint; value: generation */
	LH_MARK_BOUND, /* argument: 0, or why not */
	LH_MARK_UNBIND, /* asks for it */
	LH_MARK_UNBOUND, /* argument: 0, or why not */
	LH_MARK_HOTPLUG, /* argument: CPU; value: 1 to come, 0 to go */
	LH_MARK_HOTPLUGGED /* argument: CPU; value: 1: it is online */
};

struct lh_mark {
	__u32 what;
	__u32 argument;
	__u64 value;
};

#endif /* LH_RECORD_H */
