// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * What debugfs shows of a device, in /sys/kernel/debug/lauberhornN:
 *
 *   attachments  a line for each place that somebody has
 *   endpoints    one for each endpoint where somebody waits, or a thread is bound
 *   cpus         what the NIC is told of each CPU
 *   kicks        the last of them; see kicks.c
 *
 * Words are decoded from where the NIC reads them, and where it may have written what
 * it likes.
 *
 * Locking: the device's lock, so that a line is of one moment but for words, and for
 * the numbers of those who wait, each of which has its endpoint's locks.
 */

#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/pid.h>
#include <linux/seq_file.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "kernel_channel.h"

/**
 * struct lh_waiting - who waits at endpoints of a process
 * @bound: endpoints with a thread, or one that has ended
 * @queued: threads that sleep in queues
 * @rings: commands of rings
 * @remembered: endpoints where RUN came and nobody was
 */
struct lh_waiting {
	unsigned int bound;
	unsigned int queued;
	unsigned int rings;
	unsigned int remembered;
};

static void lh_endpoint_count(struct lh_endpoint *endpoint,
			      struct lh_waiting *waiting)
{
	waiting->bound += !!endpoint->thread;
	scoped_guard(raw_spinlock_irq, &endpoint->queue.lock)
		waiting->queued += list_count_nodes(&endpoint->queue.task_list);
	waiting->rings += READ_ONCE(endpoint->parked);
	waiting->remembered += atomic_read(&endpoint->remembered);
}

static void lh_show_process(struct seq_file *file, struct lh_process *process)
{
	static const char *const states[] = {
		[LH_PROCESS_OPENED] = "opened",
		[LH_PROCESS_BEGINS] = "begins",
		[LH_PROCESS_ASKS] = "asks",
		[LH_PROCESS_ATTACHED] = "attached",
		[LH_PROCESS_LEFT] = "left",
		[LH_PROCESS_ENDED] = "ended",
	};

	u32 number, count = process->nic->geometry.endpoints;
	struct lh_waiting waiting = {};

	for (number = 0; process->endpoints && number < count; number++)
		lh_endpoint_count(&process->endpoints[number], &waiting);
	seq_printf(file, "%u %u %d %u %s %u %u %u %u\n", process->place,
		   process->generation, pid_vnr(process->pid),
		   from_kuid_munged(seq_user_ns(file), process->cred->euid),
		   states[process->state], waiting.bound, waiting.queued,
		   waiting.rings, waiting.remembered);
}

/* Whether the scheduler tells the NIC anything. */
static bool lh_has_words(const struct lh_nic *nic)
{
	return nic->started && nic->features & LH_DEVICE_STATE_WORDS;
}

/* On which CPUs a thread may run. */
static void lh_show_mask(struct seq_file *file, const struct lh_nic *nic,
			 u32 field)
{
	const struct lh_cpu_mask *masks = nic->provider.cpu_masks;

	if (!field)
		seq_puts(file, "any");
	else if (field > nic->provider.cpu_mask_count)
		seq_puts(file, "unknown");
	else
		seq_printf(file, "%*pbl",
			   (int)min(nr_cpu_ids, BITS_PER_TYPE(*masks)),
			   (const unsigned long *)masks[field - 1].bits);
}

/* The state of who is bound there, and where it may run. */
static void lh_show_endpoint_word(struct seq_file *file,
				  const struct lh_process *process, u32 index)
{
	static const char *const states[BIT(LH_ENDPOINT_WORD_STATE_BITS)] = {
		[LH_ENDPOINT_UNBOUND] = "unbound",
		[LH_ENDPOINT_RUNNABLE] = "runnable",
		[LH_ENDPOINT_PARKED] = "parked",
		[LH_ENDPOINT_BLOCKED] = "blocked",
		[LH_ENDPOINT_DEAD] = "dead",
	};

	const struct lh_nic *nic = process->nic;
	const struct lh_endpoint_word *words = nic->provider.endpoint_words;
	u64 word = lh_has_words(nic) ? READ_ONCE(words[index].word) : 0;
	u32 state = lh_get(word, LH_ENDPOINT_WORD_STATE);
	u32 generation = lh_get(word, LH_ENDPOINT_WORD_GENERATION);
	u32 own = process->generation &
		  (BIT(LH_ENDPOINT_WORD_GENERATION_BITS) - 1);

	/* That of a thread of who had this place before stands for nobody. */
	if (generation != own)
		state = LH_ENDPOINT_UNBOUND;
	seq_printf(file, "%s ", states[state] ?: "?");
	if (state == LH_ENDPOINT_UNBOUND)
		seq_puts(file, "-");
	else
		lh_show_mask(file, nic, lh_get(word, LH_ENDPOINT_WORD_MASK));
}

static void lh_show_endpoint(struct seq_file *file, struct lh_process *process,
			     u32 number)
{
	struct lh_endpoint *endpoint = &process->endpoints[number];
	u32 index = lh_process_endpoint(process, number);
	struct lh_waiting waiting = {};

	lh_endpoint_count(endpoint, &waiting);
	if (!waiting.bound && !waiting.queued && !waiting.rings &&
	    !waiting.remembered)
		return;
	seq_printf(file, "%u %u %u %d ", index, process->place,
		   process->generation, pid_vnr(endpoint->thread));
	lh_show_endpoint_word(file, process, index);
	seq_printf(file, " %u %u %u\n", waiting.queued, waiting.rings,
		   waiting.remembered);
}

static void lh_show_endpoints(struct seq_file *file, struct lh_process *process)
{
	u32 number, count = process->nic->geometry.endpoints;

	for (number = 0; process->endpoints && number < count; number++)
		lh_show_endpoint(file, process, number);
}

static const char *lh_channel_name(const struct lh_kernel_channel *channel)
{
	if (READ_ONCE(channel->broken))
		return "broken";
	return atomic_read(&channel->sent) ? "interrupted" : "open";
}

static void lh_show_cpu(struct seq_file *file, const struct lh_nic *nic,
			unsigned int cpu)
{
	static const char *const modes[BIT(LH_CPU_MODE_BITS)] = {
		[LH_CPU_OFFLINE] = "offline",	  [LH_CPU_IDLE] = "idle",
		[LH_CPU_IDLE_WAIT] = "idle_wait", [LH_CPU_KERNEL] = "kernel",
		[LH_CPU_OTHER] = "other",	  [LH_CPU_BOUND] = "bound",
	};
	static const char *const classes[BIT(LH_CPU_CLASS_BITS)] = {
		[LH_CPU_CLASS_IDLE] = "idle",
		[LH_CPU_CLASS_FAIR] = "fair",
		[LH_CPU_CLASS_REALTIME] = "realtime",
		[LH_CPU_CLASS_OTHER] = "other",
	};
	static const char *const flags[BIT(LH_CPU_FLAGS_BITS)] = {
		[0] = "-",
		[LH_CPU_FLAG_NEED_RESCHED] = "need_resched",
		[LH_CPU_FLAG_FORCED_IDLE] = "forced_idle",
		[LH_CPU_FLAG_NEED_RESCHED | LH_CPU_FLAG_FORCED_IDLE] =
			"need_resched,forced_idle",
	};

	const struct lh_cpu_lines *lines = lh_cpu_lines(&nic->provider, cpu);
	u64 word = READ_ONCE(lines->state.word);

	seq_printf(file, "%u %s %d %u %s %s %u %u %llu %llu %s\n", cpu,
		   modes[lh_get(word, LH_CPU_MODE)] ?: "?",
		   (int)lh_get(word, LH_CPU_ENDPOINT) - 1,
		   lh_get(word, LH_CPU_NR),
		   classes[lh_get(word, LH_CPU_CLASS)] ?: "?",
		   flags[lh_get(word, LH_CPU_FLAGS)] ?: "?",
		   lh_get(word, LH_CPU_DEPARTED), lh_get(word, LH_CPU_SEQ),
		   READ_ONCE(lines->kick.kick),
		   READ_ONCE(lines->seen.kick_seen),
		   lh_channel_name(&nic->channels[cpu]));
}

/* For each place that somebody has. */
static void lh_show_places(struct seq_file *file,
			   void (*show)(struct seq_file *file,
					struct lh_process *process))
{
	struct lh_device *device = file->private;
	struct lh_nic *nic;
	u32 place;

	guard(mutex)(&device->lock);
	nic = device->nic;
	for (place = 0; nic && place < nic->geometry.processes; place++) {
		struct lh_process *process = lh_place_at(nic, place);

		if (process)
			show(file, process);
	}
}

static int attachments_show(struct seq_file *file, void *data)
{
	seq_puts(
		file,
		"place generation pid uid state bound queued rings remembered\n");
	lh_show_places(file, lh_show_process);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(attachments);

static int endpoints_show(struct seq_file *file, void *data)
{
	seq_puts(
		file,
		"endpoint place generation thread state cpus queued rings remembered\n");
	lh_show_places(file, lh_show_endpoints);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(endpoints);

static int cpus_show(struct seq_file *file, void *data)
{
	struct lh_device *device = file->private;
	struct lh_nic *nic;
	unsigned int cpu;

	seq_puts(
		file,
		"cpu mode endpoint nr class flags departed seq kick seen channel\n");
	guard(mutex)(&device->lock);
	nic = device->nic;
	if (!nic || !lh_has_words(nic))
		return 0;
	for (cpu = 0; cpu < nic->cpus; cpu++)
		lh_show_cpu(file, nic, cpu);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpus);

static int kicks_show(struct seq_file *file, void *data)
{
	lh_kicks_show(file, file->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(kicks);

/**
 * lh_debugfs_add() - show a device
 * @device: which
 *
 * Where there is no debugfs nothing happens.
 */
void lh_debugfs_add(struct lh_device *device)
{
	device->debugfs =
		debugfs_create_dir(dev_name(&device->process_node), NULL);
	debugfs_create_file("attachments", 0400, device->debugfs, device,
			    &attachments_fops);
	debugfs_create_file("endpoints", 0400, device->debugfs, device,
			    &endpoints_fops);
	debugfs_create_file("cpus", 0400, device->debugfs, device, &cpus_fops);
	debugfs_create_file("kicks", 0400, device->debugfs, device,
			    &kicks_fops);
}

/**
 * lh_debugfs_remove() - show it no more
 * @device: which
 *
 * Waits until nobody reads.
 */
void lh_debugfs_remove(struct lh_device *device)
{
	debugfs_remove(device->debugfs);
}
