// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Kernel channels: RUN and PREEMPT, executed by the CPU that they are put for.
 *
 * What: the scheduler calls lh_channel_commands() when a CPU is interrupted for its
 * channel, has seen a command while it was idle, or goes offline. Each command is
 * answered at once. A NIC that leaves no room for answers has broken its contract:
 * its channel is not looked at any more.
 *
 * Locking: the scheduler calls for one CPU at a time, with a raw lock held and
 * interrupts off. So what wakes the NIC is an irq_work.
 *
 * Ordering: that of `out` lanes, in both directions (channel.h). What is put while
 * this looks is either found, or its NIC sees that the CPU does not look, and
 * interrupts.
 */

#include <linux/delay.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "kernel_channel.h"
#include "trace.h"

static void lh_interrupted(void *data)
{
	struct lh_kernel_channel *channel = data;
	struct lh_nic *nic = channel->nic;

	/* What is put from here on wants another one. @call is free again. */
	atomic_xchg(&channel->sent, 0);
	lauberhorn_interrupt(channel - nic->channels);
	atomic_dec(&nic->interrupts);
}

/**
 * lh_channels_make() - the channels of a NIC
 * @nic: whose
 * @cpus: how many
 *
 * Return: 0 or -ENOMEM.
 */
int lh_channels_make(struct lh_nic *nic, unsigned int cpus)
{
	unsigned int cpu;

	nic->channels =
		kvcalloc(cpus, sizeof(*nic->channels), GFP_KERNEL_ACCOUNT);
	if (!nic->channels)
		return -ENOMEM;
	nic->cpus = cpus;
	for (cpu = 0; cpu < cpus; cpu++) {
		struct lh_kernel_channel *channel = &nic->channels[cpu];

		channel->nic = nic;
		INIT_CSD(&channel->call, lh_interrupted, channel);
	}
	return 0;
}

/**
 * lh_channels_free() - its channels go
 * @nic: not registered with the scheduler, and settled
 */
void lh_channels_free(struct lh_nic *nic)
{
	kvfree(nic->channels);
	nic->channels = NULL;
	nic->cpus = 0;
}

/* What the kernel says to a command. */
static unsigned int lh_execute(struct lh_nic *nic, unsigned int cpu,
			       const struct lh_message *command,
			       unsigned int *mask)
{
	int preferred = (int)command->aux - 1;
	bool preempt = command->kind == LH_KIND_PREEMPT;

	if (command->kind != LH_KIND_RUN && !preempt)
		return LH_ANSWER_STALE;
	if (command->code != nic->epoch)
		return LH_ANSWER_STALE;
	/* Who is to make room where no CPU is named: who runs here. */
	if (preempt && preferred < 0)
		preferred = cpu;
	return lh_run(nic, lh_handle_index(command->data),
		      lh_handle_generation(command->data), preferred, preempt,
		      mask);
}

static void lh_answer_command(struct lh_kernel_channel *channel,
			      struct lh_line *line, u64 call,
			      unsigned int answer, unsigned int mask)
{
	line->header.call = call;
	line->header.code = answer;
	line->header.data = mask;
	line->header.deadline = 0;
	line->header.length = 0;
	line->header.kind = LH_KIND_ANSWER;
	line->header.flags = 0;
	line->header.aux = 0;
	lh_put_end(&channel->out, line);
}

/* Executes the next command; false if there is none, or no room. */
static bool lh_command(struct lh_kernel_channel *channel, unsigned int cpu)
{
	struct lh_line *line = lh_collect_begin(&channel->in);
	struct lh_message command;
	unsigned int answer, mask = 0;
	struct lh_line *reply;

	if (!line)
		return false;
	reply = lh_put_begin(&channel->out);
	if (!reply) {
		channel->broken = true;
		return false;
	}
	/* Read once: it is the NIC's. */
	command.call = READ_ONCE(line->header.call);
	command.code = READ_ONCE(line->header.code);
	command.data = READ_ONCE(line->header.data);
	command.kind = READ_ONCE(line->header.kind);
	command.aux = READ_ONCE(line->header.aux);
	lh_collect_end(&channel->in, line);
	answer = lh_execute(channel->nic, cpu, &command, &mask);
	lh_answer_command(channel, reply, command.call, answer,
			  answer == LH_ANSWER_NOT_ALLOWED ? mask : 0);
	return true;
}

/**
 * lh_channel_commands() - execute what is in the channel of a CPU
 * @nic: whose
 * @cpu: which
 * @next: where the next command comes
 *
 * No more than the lane has slots: what the NIC puts meanwhile it interrupts for.
 */
void lh_channel_commands(struct lh_nic *nic, unsigned int cpu,
			 struct lauberhorn_next *next)
{
	struct lh_kernel_channel *channel;
	unsigned int done = 0;
	const u64 *word;

	if (cpu >= nic->cpus)
		return;
	channel = &nic->channels[cpu];
	while (!channel->broken && done < channel->in.slots &&
	       lh_command(channel, cpu))
		done++;
	if (done) {
		lh_light_fence(0);
		if (lh_load_acquire(&nic->info->asleep))
			irq_work_queue(&nic->ring);
	}
	word = &lh_lane_next(&channel->in)->header.word;
	next->empty = READ_ONCE(*word);
	WRITE_ONCE(next->word, channel->broken ? NULL : word);
}

/**
 * lh_channel_interrupt() - the NIC interrupts a CPU for its channel
 * @nic: the NIC
 * @cpu: anything
 *
 * Return: 0; -EINVAL if that CPU has no channel; -EOPNOTSUPP if none has.
 */
int lh_channel_interrupt(struct lh_nic *nic, unsigned int cpu)
{
	struct lh_kernel_channel *channel;
	int error;

	if (!(nic->features & LH_DEVICE_KERNEL_CHANNELS))
		return -EOPNOTSUPP;
	if (cpu >= nic->cpus)
		return -EINVAL;
	channel = &nic->channels[array_index_nospec(cpu, nic->cpus)];

	atomic64_inc(&nic->device->counters[LH_COUNT_INTERRUPTS]);
	trace_lauberhorn_interrupt(nic, cpu);
	if (atomic_xchg(&channel->sent, 1))
		return 0;
	atomic_inc(&nic->interrupts);
	error = smp_call_function_single_async(cpu, &channel->call);
	if (!error)
		return 0;
	/* The CPU went. */
	atomic_xchg(&channel->sent, 0);
	scoped_guard(irqsave)
		lauberhorn_interrupt(cpu);
	atomic_dec(&nic->interrupts);
	return 0;
}

/**
 * lh_channels_settle() - wait until no interrupt is under way
 * @nic: that is down; a call that found it up may still send one, so whoever frees it
 *       waits once more when there are no calls
 */
void lh_channels_settle(struct lh_nic *nic)
{
	while (atomic_read(&nic->interrupts))
		usleep_range(100, 1000);
	/* And has left this code. */
	synchronize_rcu();
	irq_work_sync(&nic->ring);
}
