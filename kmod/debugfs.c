// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * What debugfs shows of a device: /sys/kernel/debug/lauberhornN/attachments, a line
 * for each place that somebody has.
 *
 * Locking: the device's lock, so that a line is of one moment but for the numbers of
 * those who wait, each of which has its endpoint's locks.
 */

#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/pid.h>
#include <linux/seq_file.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "lauberhorn.h"

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

static int attachments_show(struct seq_file *file, void *data)
{
	struct lh_device *device = file->private;
	struct lh_nic *nic;
	u32 place;

	seq_puts(
		file,
		"place generation pid uid state bound queued rings remembered\n");
	guard(mutex)(&device->lock);
	nic = device->nic;
	for (place = 0; nic && place < nic->geometry.processes; place++) {
		struct lh_process *process = lh_place_at(nic, place);

		if (process)
			lh_show_process(file, process);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(attachments);

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
