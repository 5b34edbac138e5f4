// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * What the NIC is told: who rang, who wants to attach, who has left.
 *
 * What: there is no queue, and so nothing that could be full. A bit for each place
 * says that there are news; what they are is the state of the process at the time
 * when the NIC reads them.
 *
 * Locking: the device's lock for the bits. The ring is one atomic variable: it is
 * cleared before the NIC looks at any lane.
 */

#include <linux/bitmap.h>
#include <linux/cred.h>
#include <linux/freezer.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "lauberhorn.h"

/**
 * lh_news() - the NIC has to be told of a place
 * @nic: the NIC
 * @place: whose process has another state
 *
 * Under the device's lock.
 */
void lh_news(struct lh_nic *nic, u32 place)
{
	set_bit(place, nic->news);
	wake_up_interruptible_poll(&nic->wait, EPOLLIN | EPOLLRDNORM);
}

/* Without the lock: a bit may stand for nothing by the time that it is read. */
static bool lh_has_news(struct lh_nic *nic)
{
	return atomic_read(&nic->rung) ||
	       !bitmap_empty(nic->news, nic->geometry.processes);
}

/* Whose @process is. */
static void lh_event_identity(const struct lh_process *process,
			      struct lh_nic_event *event)
{
	const struct cred *cred = process->cred;

	event->pid = pid_vnr(process->pid);
	event->uid = from_kuid_munged(current_user_ns(), cred->euid);
	event->gid = from_kgid_munged(current_user_ns(), cred->egid);
	event->users = cred->user_ns->ns.inum;
	if (cred->user_ns != &init_user_ns)
		event->flags |= LH_NIC_EVENT_OTHER_USERS;
	if (!process->net)
		return;
	event->network = process->net->ns.inum;
	if (!net_eq(process->net, &init_net))
		event->flags |= LH_NIC_EVENT_OTHER_NETWORK;
}

/* Fills @event with what there is of @process; false if there is nothing. */
static bool lh_event_of(struct lh_process *process, struct lh_nic_event *event)
{
	const struct lh_nic *nic = process->nic;

	if (process->state == LH_PROCESS_ASKS)
		event->kind = LH_NIC_EVENT_ATTACH;
	else if (process->state == LH_PROCESS_LEFT)
		event->kind = LH_NIC_EVENT_LEFT;
	else
		return false;
	process->told = true;
	event->process = process->place;
	event->generation = process->generation;
	event->offset = (u64)process->memory->first << PAGE_SHIFT;
	event->size = process->memory->size;
	event->first_endpoint = lh_process_endpoint(process, 0);
	event->endpoints = nic->geometry.endpoints;
	lh_event_identity(process, event);
	return true;
}

/*
 * The next event; false if there is none. A read has one ring, as its @first: so who
 * rings without end keeps nobody's news back.
 */
static bool lh_event_take(struct lh_nic *nic, struct lh_nic_event *event,
			  bool first)
{
	u32 place;

	memset(event, 0, sizeof(*event));
	if (first && atomic_xchg(&nic->rung, 0)) {
		event->kind = LH_NIC_EVENT_RING;
		return true;
	}
	guard(mutex)(&nic->device->lock);
	for_each_set_bit(place, nic->news, nic->geometry.processes) {
		struct lh_process *process = lh_place_at(nic, place);

		clear_bit(place, nic->news);
		if (process && lh_event_of(process, event))
			return true;
	}
	return false;
}

static int lh_events_wait(struct lh_nic *nic)
{
	return wait_event_freezable(nic->wait,
				    READ_ONCE(nic->down) || lh_has_news(nic));
}

/**
 * lh_events_read() - read() of the NIC's node
 * @file: the node
 * @to: struct lh_nic_event[]
 * @size: of that
 * @offset: unused
 *
 * An event is taken before it is copied: where that fails it is lost, so who gives
 * bad memory loses one.
 *
 * Return: bytes that were read, whole events; -EAGAIN if there is none and the file
 * does not block; -EINVAL if no event fits; -ENODEV if the NIC has not attached, or
 * is down; -EPERM; -EFAULT; -ERESTARTSYS.
 */
ssize_t lh_events_read(struct file *file, char __user *to, size_t size,
		       loff_t *offset)
{
	struct lh_nic *nic = file->private_data;
	struct lh_nic_event event;
	size_t done = 0;
	int error;

	if (current->mm != nic->mm)
		return -EPERM;
	if (size < sizeof(event))
		return -EINVAL;
	if (!lh_nic_attached(nic))
		return -ENODEV;
	do {
		if (READ_ONCE(nic->down))
			return -ENODEV;
		for (; size - done >= sizeof(event); done += sizeof(event)) {
			if (!lh_event_take(nic, &event, !done))
				break;
			if (copy_to_user(to + done, &event, sizeof(event)))
				return done ?: -EFAULT;
		}
		if (done)
			return done;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		error = lh_events_wait(nic);
	} while (!error);
	return error;
}

/**
 * lh_events_poll() - poll() of the NIC's node
 * @file: the node
 * @table: where who polls waits
 *
 * Return: EPOLLIN if there is an event; EPOLLERR | EPOLLHUP if there never will be.
 */
__poll_t lh_events_poll(struct file *file, struct poll_table_struct *table)
{
	struct lh_nic *nic = file->private_data;

	if (current->mm != nic->mm || !lh_nic_attached(nic))
		return EPOLLERR | EPOLLHUP;
	poll_wait(file, &nic->wait, table);
	if (READ_ONCE(nic->down))
		return EPOLLERR | EPOLLHUP;
	return lh_has_news(nic) ? EPOLLIN | EPOLLRDNORM : 0;
}
