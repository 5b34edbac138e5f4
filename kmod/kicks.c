// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * The last kicks of a device, for debugfs.
 *
 * What: a NIC that leaves loads unanswered is kicked when an interrupt is sent to a
 * CPU that runs a bound thread (abi/host/cpu.h). The kick is a counter, and tells
 * neither when nor why. So while such a NIC is registered with the scheduler, the
 * tracepoints of who sends interrupts leave here when it was, to which CPU, for which
 * endpoint, and from where in the kernel.
 *
 * Who writes: whoever sends the interrupt, in its context, several at once: with
 * preemption disabled, mostly interrupts as well, and often under the lock of a run
 * queue. This is just before the interrupt, and so before the kick. The word that says
 * whether a bound thread runs there is the one that the NIC reads; the kernel looks for
 * itself a moment later. So where a thread comes or goes just then, a kick may be
 * missing here, or be here and have been none.
 *
 * Locking: none. Who writes takes a number, and an entry by it. If somebody is writing
 * that one still, 64 kicks later, the kick is left out. Who reads leaves out what is
 * being written.
 *
 * Ordering: the entry is being written, full; what it says; its number, release. Who
 * reads: the number, acquire; what it says; full; the number is still the same.
 */

#include <linux/cpumask.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <trace/events/ipi.h>

#include "lauberhorn.h"

#define LH_KICK_BEING_WRITTEN (-1)

/* Whoever sends interrupts: @callback is NULL where it is for schedule(). */
static void lh_kick(struct lh_nic *nic, unsigned int cpu, unsigned long from,
		    void *callback)
{
	struct lh_kicks *kicks = &nic->device->kicks;
	const struct lh_cpu_lines *lines;
	struct lh_kick *kick;
	u32 endpoint;
	s64 number;

	/* Who sends one to itself waits for no load, and nobody is kicked. */
	if (cpu >= nic->cpus || cpu == raw_smp_processor_id())
		return;
	lines = lh_cpu_lines(&nic->provider, cpu);
	endpoint = lh_get(READ_ONCE(lines->state.word), LH_CPU_ENDPOINT);
	if (!endpoint)
		return;
	number = atomic64_inc_return(&kicks->last);
	kick = &kicks->kicks[number % LH_KICKS];
	if (atomic64_xchg(&kick->number, LH_KICK_BEING_WRITTEN) ==
	    LH_KICK_BEING_WRITTEN)
		return;
	WRITE_ONCE(kick->time, ktime_get_mono_fast_ns());
	WRITE_ONCE(kick->from, from);
	WRITE_ONCE(kick->cpu, cpu);
	WRITE_ONCE(kick->endpoint, endpoint - 1);
	WRITE_ONCE(kick->calls, !!callback);
	atomic64_set_release(&kick->number, number);
}

static void lh_kick_one(void *nic, unsigned int cpu, unsigned long from,
			void *callback)
{
	lh_kick(nic, cpu, from, callback);
}

static void lh_kick_all(void *nic, const struct cpumask *cpus,
			unsigned long from, void *callback)
{
	unsigned int cpu;

	for_each_cpu(cpu, cpus)
		lh_kick(nic, cpu, from, callback);
}

/**
 * lh_kicks_begin() - note the kicks of a NIC, if it needs any
 * @nic: that the scheduler kicks
 *
 * Where that cannot be done they are not noted. Under the life of its device.
 */
void lh_kicks_begin(struct lh_nic *nic)
{
	if (!LH_HOOKS || !nic->provider.needs_kick ||
	    register_trace_ipi_send_cpu(lh_kick_one, nic))
		return;
	nic->notes_kicks = !register_trace_ipi_send_cpumask(lh_kick_all, nic);
	if (nic->notes_kicks)
		return;
	unregister_trace_ipi_send_cpu(lh_kick_one, nic);
	tracepoint_synchronize_unregister();
}

/**
 * lh_kicks_end() - note no more
 * @nic: as above
 *
 * What is there stays. Under the life of its device.
 */
void lh_kicks_end(struct lh_nic *nic)
{
	if (!nic->notes_kicks)
		return;
	nic->notes_kicks = false;
	unregister_trace_ipi_send_cpumask(lh_kick_all, nic);
	unregister_trace_ipi_send_cpu(lh_kick_one, nic);
	tracepoint_synchronize_unregister();
}

/* The kick of that number, if it is there and nobody is at it. */
static bool lh_kick_read(struct lh_kicks *kicks, s64 number,
			 struct lh_kick *copy)
{
	struct lh_kick *kick = &kicks->kicks[number % LH_KICKS];

	if (atomic64_read_acquire(&kick->number) != number)
		return false;
	copy->time = READ_ONCE(kick->time);
	copy->from = READ_ONCE(kick->from);
	copy->cpu = READ_ONCE(kick->cpu);
	copy->endpoint = READ_ONCE(kick->endpoint);
	copy->calls = READ_ONCE(kick->calls);
	/* See above. */
	smp_mb();
	return atomic64_read(&kick->number) == number;
}

/**
 * lh_kicks_show() - a line for each of the last kicks, the newest last
 * @file: of debugfs
 * @device: whose
 */
void lh_kicks_show(struct seq_file *file, struct lh_device *device)
{
	s64 last = atomic64_read(&device->kicks.last);
	s64 number;

	seq_puts(file, "number nanoseconds cpu endpoint for from\n");
	for (number = max(last - LH_KICKS, 0) + 1; number <= last; number++) {
		struct lh_kick kick;

		if (lh_kick_read(&device->kicks, number, &kick))
			seq_printf(file, "%lld %llu %u %u %s %ps\n", number,
				   kick.time, kick.cpu, kick.endpoint,
				   kick.calls ? "call" : "schedule",
				   (void *)kick.from);
	}
}
