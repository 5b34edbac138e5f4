// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * /dev/lauberhornN-nic: the node for the NIC.
 *
 * What: one opener at a time, with CAP_SYS_ADMIN, and only in the process that
 * opened it. The NIC's life ends with this file, or with the device.
 *
 * Locking: struct lh_device says which; arguments are copied outside.
 */

#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lauberhorn.h"

static void lh_nic_free(struct kref *kref)
{
	struct lh_nic *nic = container_of(kref, struct lh_nic, kref);

	/* The last that it completed may have been the last who held this. */
	irq_work_sync(&nic->completes);
	lh_channels_free(nic);
	lh_memory_put(nic->memory);
	kvfree(nic->places);
	bitmap_free(nic->news);
	mmdrop(nic->mm);
	put_device(&nic->device->process_node);
	kfree(nic);
}

void lh_nic_get(struct lh_nic *nic)
{
	kref_get(&nic->kref);
}

void lh_nic_put(struct lh_nic *nic)
{
	kref_put(&nic->kref, lh_nic_free);
}

/**
 * lh_nic_ring() - wake the NIC
 * @nic: which
 *
 * In any context in which a wait queue may be touched.
 */
void lh_nic_ring(struct lh_nic *nic)
{
	if (!atomic_xchg(&nic->rung, 1))
		wake_up_interruptible_poll(&nic->wait, EPOLLIN | EPOLLRDNORM);
}

static void lh_nic_rings(struct irq_work *work)
{
	lh_nic_ring(container_of(work, struct lh_nic, ring));
}

static struct lh_nic *lh_nic_make(struct lh_device *device)
{
	struct lh_nic *nic = kzalloc(sizeof(*nic), GFP_KERNEL_ACCOUNT);

	if (!nic)
		return NULL;
	kref_init(&nic->kref);
	nic->device = device;
	get_device(&device->process_node);
	nic->mm = current->mm;
	mmgrab(nic->mm);
	init_waitqueue_head(&nic->wait);
	init_waitqueue_head(&nic->answers);
	init_irq_work(&nic->ring, lh_nic_rings);
	init_llist_head(&nic->ready);
	init_irq_work(&nic->completes, lh_uring_ready);
	return nic;
}

static int lh_nic_open(struct inode *inode, struct file *file)
{
	struct lh_device *device =
		container_of(inode->i_cdev, struct lh_device, nic_cdev);
	struct lh_nic *nic;

	if (!capable(CAP_SYS_ADMIN) || !current->mm)
		return -EPERM;
	scoped_guard(mutex, &device->lock) {
		if (device->gone)
			return -ENODEV;
		if (device->nic_opened)
			return -EBUSY;
		device->nic_opened = true;
	}
	nic = lh_nic_make(device);
	if (!nic) {
		guard(mutex)(&device->lock);
		device->nic_opened = false;
		return -ENOMEM;
	}
	file->private_data = nic;
	return nonseekable_open(inode, file);
}

static int lh_nic_release(struct inode *inode, struct file *file)
{
	struct lh_nic *nic = file->private_data;
	struct lh_device *device = nic->device;

	scoped_guard(mutex, &device->life) {
		if (nic->attached)
			lh_nic_down(nic);
		guard(mutex)(&device->lock);
		if (nic->attached)
			lh_places_clear(nic);
		device->nic_opened = false;
	}
	/* What a call sent that came before the NIC went, and took its time. */
	if (nic->attached)
		lh_channels_settle(nic);
	lh_nic_put(nic);
	return 0;
}

static long lh_nic_attach_user(struct lh_nic *nic, void __user *argument)
{
	struct lh_nic_attach attach;
	int error;

	if (copy_from_user(&attach, argument, sizeof(attach)))
		return -EFAULT;
	error = lh_nic_attach(nic, &attach);
	if (error)
		return error;
	return copy_to_user(argument, &attach, sizeof(attach)) ? -EFAULT : 0;
}

static long lh_nic_start_user(struct lh_nic *nic, void __user *argument)
{
	struct lh_nic_start start;
	int error;

	if (copy_from_user(&start, argument, sizeof(start)))
		return -EFAULT;
	if (start.reserved)
		return -EINVAL;
	error = lh_nic_start(nic);
	if (error)
		return error;
	start.features = nic->features;
	return copy_to_user(argument, &start, sizeof(start)) ? -EFAULT : 0;
}

static long lh_nic_answer_user(struct lh_nic *nic, void __user *argument)
{
	struct lh_nic_answer answer;

	if (copy_from_user(&answer, argument, sizeof(answer)))
		return -EFAULT;
	return lh_answer(nic, &answer);
}

static long lh_nic_end_user(struct lh_nic *nic, void __user *argument)
{
	struct lh_nic_end end;

	if (copy_from_user(&end, argument, sizeof(end)))
		return -EFAULT;
	return lh_end(nic, &end);
}

static long lh_nic_wake_user(struct lh_nic *nic, void __user *argument)
{
	struct lh_nic_wake wake;
	unsigned int mask = 0;

	if (copy_from_user(&wake, argument, sizeof(wake)))
		return -EFAULT;
	if (wake.reserved || wake.cpu > INT_MAX)
		return -EINVAL;
	wake.answer = lh_run(nic, wake.endpoint, wake.generation,
			     (int)wake.cpu - 1, false, &mask);
	wake.mask = wake.answer == LH_ANSWER_NOT_ALLOWED ? mask : 0;
	return copy_to_user(argument, &wake, sizeof(wake)) ? -EFAULT : 0;
}

static long lh_nic_interrupt_user(struct lh_nic *nic, void __user *argument)
{
	struct lh_nic_interrupt interrupt;

	if (copy_from_user(&interrupt, argument, sizeof(interrupt)))
		return -EFAULT;
	if (interrupt.reserved)
		return -EINVAL;
	return lh_channel_interrupt(nic, interrupt.cpu);
}

/* What the NIC may ask for only while it serves. */
static long lh_nic_ioctl_started(struct lh_nic *nic, unsigned int command,
				 void __user *at)
{
	if (READ_ONCE(nic->down) || !lh_nic_started(nic))
		return -ENODEV;
	switch (command) {
	case LH_NIC_ANSWER:
		return lh_nic_answer_user(nic, at);
	case LH_NIC_END:
		return lh_nic_end_user(nic, at);
	case LH_NIC_WAKE:
		return lh_nic_wake_user(nic, at);
	case LH_NIC_INTERRUPT:
		return lh_nic_interrupt_user(nic, at);
	default:
		return -ENOTTY;
	}
}

static long lh_nic_ioctl(struct file *file, unsigned int command,
			 unsigned long argument)
{
	struct lh_nic *nic = file->private_data;
	void __user *at = (void __user *)argument;

	if (current->mm != nic->mm)
		return -EPERM;
	switch (command) {
	case LH_NIC_ATTACH:
		return lh_nic_attach_user(nic, at);
	case LH_NIC_START:
		return lh_nic_start_user(nic, at);
	case LH_NIC_ANSWER:
	case LH_NIC_END:
	case LH_NIC_WAKE:
	case LH_NIC_INTERRUPT:
		return lh_nic_ioctl_started(nic, command, at);
	default:
		return -ENOTTY;
	}
}

const struct file_operations lh_nic_operations = {
	.owner = THIS_MODULE,
	.open = lh_nic_open,
	.release = lh_nic_release,
	.read = lh_events_read,
	.poll = lh_events_poll,
	.unlocked_ioctl = lh_nic_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = lh_nic_mmap,
};
