/* SPDX-License-Identifier: GPL-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Tracepoints: NICs and processes that come and go, who parks, and what the NIC wakes.
 *
 * They are beside those of the scheduler's part, lauberhorn_cpu and
 * lauberhorn_endpoint, where the kernel has it. Endpoints are those of the device's
 * table, as there.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lauberhorn

#if !defined(LAUBERHORN_KMOD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LAUBERHORN_KMOD_TRACE_H

#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/tracepoint.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "lauberhorn.h"

#ifndef LAUBERHORN_KMOD_TRACE_ONCE
#define LAUBERHORN_KMOD_TRACE_ONCE

/* Where somebody parks. */
enum lh_trace_parks {
	LH_TRACE_SCHEDULER,
	LH_TRACE_QUEUE,
	LH_TRACE_RING,
};

/* How far a NIC is. */
enum lh_trace_life {
	LH_TRACE_ATTACHED,
	LH_TRACE_STARTED,
	LH_TRACE_DOWN,
};

#endif

/* Laid out as the kernel does. */
/* clang-format off */

/* So that programs can read what is symbolic. */
TRACE_DEFINE_ENUM(LH_TRACE_SCHEDULER);
TRACE_DEFINE_ENUM(LH_TRACE_QUEUE);
TRACE_DEFINE_ENUM(LH_TRACE_RING);
TRACE_DEFINE_ENUM(LH_TRACE_ATTACHED);
TRACE_DEFINE_ENUM(LH_TRACE_STARTED);
TRACE_DEFINE_ENUM(LH_TRACE_DOWN);
TRACE_DEFINE_ENUM(LH_ANSWER_DONE);
TRACE_DEFINE_ENUM(LH_ANSWER_EARLY);
TRACE_DEFINE_ENUM(LH_ANSWER_STALE);
TRACE_DEFINE_ENUM(LH_ANSWER_DEAD);
TRACE_DEFINE_ENUM(LH_ANSWER_NOT_ALLOWED);
TRACE_DEFINE_ENUM(LH_ANSWER_OFFLINE);

#define lh_trace_parks_name(where)				\
	__print_symbolic(where,					\
			 { LH_TRACE_SCHEDULER, "SCHEDULER" },	\
			 { LH_TRACE_QUEUE, "QUEUE" },		\
			 { LH_TRACE_RING, "RING" })

#define lh_trace_answer_name(answer)				\
	__print_symbolic(answer,				\
			 { LH_ANSWER_DONE, "DONE" },		\
			 { LH_ANSWER_EARLY, "EARLY" },		\
			 { LH_ANSWER_STALE, "STALE" },		\
			 { LH_ANSWER_DEAD, "DEAD" },		\
			 { LH_ANSWER_NOT_ALLOWED, "NOT_ALLOWED" }, \
			 { LH_ANSWER_OFFLINE, "OFFLINE" })

#define lh_trace_life_name(life)				\
	__print_symbolic(life,					\
			 { LH_TRACE_ATTACHED, "ATTACHED" },	\
			 { LH_TRACE_STARTED, "STARTED" },	\
			 { LH_TRACE_DOWN, "DOWN" })

/* A NIC begins an epoch, serves, and has gone. */
TRACE_EVENT(lauberhorn_nic,

	TP_PROTO(const struct lh_nic *nic, enum lh_trace_life life),

	TP_ARGS(nic, life),

	TP_STRUCT__entry(
		__field(int, device)
		__field(u64, epoch)
		__field(u64, features)
		__field(int, life)
	),

	TP_fast_assign(
		__entry->device = nic->device->number;
		__entry->epoch = nic->epoch;
		__entry->features = nic->features;
		__entry->life = life;
	),

	TP_printk("device=%d epoch=%llu features=0x%llx life=%s",
		  __entry->device, __entry->epoch, __entry->features,
		  lh_trace_life_name(__entry->life))
);

/* The NIC has accepted a process, or refused it. */
TRACE_EVENT(lauberhorn_attach,

	TP_PROTO(const struct lh_process *process),

	TP_ARGS(process),

	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, place)
		__field(u32, generation)
		__field(pid_t, pid)
		__field(uid_t, uid)
		__field(int, error)
	),

	TP_fast_assign(
		__entry->device = process->device->number;
		__entry->place = process->place;
		__entry->generation = process->generation;
		__entry->pid = pid_nr(process->pid);
		__entry->uid = from_kuid(&init_user_ns, process->cred->euid);
		__entry->error = process->error;
	),

	TP_printk("device=%d place=%u generation=%u pid=%d uid=%u error=%d",
		  __entry->device, __entry->place, __entry->generation,
		  __entry->pid, __entry->uid, __entry->error)
);

DECLARE_EVENT_CLASS(lauberhorn_place,

	TP_PROTO(const struct lh_process *process),

	TP_ARGS(process),

	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, place)
		__field(u32, generation)
	),

	TP_fast_assign(
		__entry->device = process->device->number;
		__entry->place = process->place;
		__entry->generation = process->generation;
	),

	TP_printk("device=%d place=%u generation=%u", __entry->device,
		  __entry->place, __entry->generation)
);

/* A process has a place and its memory, and waits for the NIC. */
DEFINE_EVENT(lauberhorn_place, lauberhorn_ask,
	TP_PROTO(const struct lh_process *process),
	TP_ARGS(process)
);

/* A process that was attached, or asked, writes nothing any more. */
DEFINE_EVENT(lauberhorn_place, lauberhorn_left,
	TP_PROTO(const struct lh_process *process),
	TP_ARGS(process)
);

/* The NIC has forgotten one that left. */
DEFINE_EVENT(lauberhorn_place, lauberhorn_end,
	TP_PROTO(const struct lh_process *process),
	TP_ARGS(process)
);

/* Somebody is about to wait at an endpoint. */
TRACE_EVENT(lauberhorn_park,

	TP_PROTO(const struct lh_process *process, u32 number,
		 enum lh_trace_parks where),

	TP_ARGS(process, number, where),

	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, endpoint)
		__field(u32, generation)
		__field(int, where)
	),

	TP_fast_assign(
		__entry->device = process->device->number;
		__entry->endpoint = lh_process_endpoint(process, number);
		__entry->generation = process->generation;
		__entry->where = where;
	),

	TP_printk("device=%d endpoint=%u generation=%u where=%s",
		  __entry->device, __entry->endpoint, __entry->generation,
		  lh_trace_parks_name(__entry->where))
);

/* RUN or PREEMPT, whatever way it came, and what it was answered. */
TRACE_EVENT(lauberhorn_wake,

	TP_PROTO(const struct lh_nic *nic, u32 endpoint, u32 generation,
		 int cpu, unsigned int answer),

	TP_ARGS(nic, endpoint, generation, cpu, answer),

	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, endpoint)
		__field(u32, generation)
		__field(int, cpu)
		__field(unsigned int, answer)
	),

	TP_fast_assign(
		__entry->device = nic->device->number;
		__entry->endpoint = endpoint;
		__entry->generation = generation;
		__entry->cpu = cpu;
		__entry->answer = answer;
	),

	TP_printk("device=%d endpoint=%u generation=%u cpu=%d answer=%s",
		  __entry->device, __entry->endpoint, __entry->generation,
		  __entry->cpu, lh_trace_answer_name(__entry->answer))
);

/* The NIC interrupts a CPU for its kernel channel. */
TRACE_EVENT(lauberhorn_interrupt,

	TP_PROTO(const struct lh_nic *nic, unsigned int cpu),

	TP_ARGS(nic, cpu),

	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned int, cpu)
	),

	TP_fast_assign(
		__entry->device = nic->device->number;
		__entry->cpu = cpu;
	),

	TP_printk("device=%d cpu=%u", __entry->device, __entry->cpu)
);

/* clang-format on */

#endif /* LAUBERHORN_KMOD_TRACE_H */

/* This part must be outside protection */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
