// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * /dev/lauberhornN: the node for processes.
 *
 * What: an open file belongs to the process that opened it; others that get it, by
 * fork or through a socket, get EPERM. The process has left when its last mapping
 * is gone or the file is: so exec and every kind of death end it, whoever else
 * has the file. Whose it is, is asked once, when it is opened, as the rights to the
 * node are: user, group, namespaces. Nobody can choose them by what it does later,
 * nor by whom it makes call.
 *
 * Locking: the device's lock for states. Arguments are copied before it is taken
 * and after it was left, as that may fault.
 */

#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io_uring/cmd.h>
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/nsproxy.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>

#include "lauberhorn.h"
#include "trace.h"

/* Interrupts look at endpoints, and the scheduler at hints. */
static void lh_process_free_rcu(struct rcu_head *rcu)
{
	struct lh_process *process = container_of(rcu, struct lh_process, rcu);

	lh_memory_put(process->memory);
	kvfree(process->endpoints);
	kfree(process);
}

static void lh_process_free(struct kref *kref)
{
	struct lh_process *process =
		container_of(kref, struct lh_process, kref);

	if (process->nic) {
		lh_endpoints_end(process->endpoints,
				 process->nic->geometry.endpoints);
		lh_nic_put(process->nic);
	}
	put_pid(process->pid);
	put_cred(process->cred);
	if (process->net)
		put_net(process->net);
	mmdrop(process->mm);
	put_device(&process->device->process_node);
	call_rcu(&process->rcu, lh_process_free_rcu);
}

/**
 * lh_process_put() - drop a hold on a process
 * @process: which
 *
 * May sleep.
 */
void lh_process_put(struct lh_process *process)
{
	kref_put(&process->kref, lh_process_free);
}

/**
 * lh_process_serves() - whether a process may use its part
 * @process: which
 *
 * What it says holds as long as the device's lock is held.
 *
 * Return: 0; -ENOTCONN if it is not attached; -ENODEV if its NIC is down.
 */
int lh_process_serves(const struct lh_process *process)
{
	enum lh_process_state state = lh_process_state(process);

	if (state == LH_PROCESS_OPENED)
		return -ENOTCONN;
	if (READ_ONCE(process->nic->down))
		return -ENODEV;
	return state == LH_PROCESS_ATTACHED ? 0 : -ENOTCONN;
}

/**
 * lh_process_leave() - a process writes nothing any more
 * @process: that is not mapped
 *
 * For the NIC this is also the sign that all its lanes are closed. Under the
 * device's lock.
 */
void lh_process_leave(struct lh_process *process)
{
	if (process->state != LH_PROCESS_ASKS &&
	    process->state != LH_PROCESS_ATTACHED)
		return;
	trace_lauberhorn_left(process);
	if (process->told && !process->nic->down) {
		lh_process_set(process, LH_PROCESS_LEFT);
		lh_news(process->nic, process->place);
	} else {
		lh_process_set(process, LH_PROCESS_ENDED);
		lh_place_reap(process->nic, process->place);
	}
	lh_endpoints_wake(process);
}

static int lh_process_open(struct inode *inode, struct file *file)
{
	struct lh_device *device =
		container_of(inode->i_cdev, struct lh_device, process_cdev);
	struct lh_process *process;

	if (!current->mm)
		return -EPERM;
	process = kzalloc(sizeof(*process), GFP_KERNEL_ACCOUNT);
	if (!process)
		return -ENOMEM;
	kref_init(&process->kref);
	process->device = device;
	get_device(&device->process_node);
	process->mm = current->mm;
	mmgrab(process->mm);
	process->cred = get_cred(file->f_cred);
	/* Held, so that no other network gets its inode meanwhile. */
	if (IS_ENABLED(CONFIG_NET))
		process->net = get_net(current->nsproxy->net_ns);
	process->pid = get_pid(task_tgid(current));
	process->state = LH_PROCESS_OPENED;
	file->private_data = process;
	return nonseekable_open(inode, file);
}

static int lh_process_release(struct inode *inode, struct file *file)
{
	struct lh_process *process = file->private_data;

	scoped_guard(mutex, &process->device->lock)
		lh_process_leave(process);
	lh_process_put(process);
	return 0;
}

static long lh_process_info(struct lh_process *process, void __user *argument)
{
	struct lh_device *device = process->device;
	struct lh_device_info info = {
		.version_major = LH_VERSION_MAJOR,
		.version_minor = LH_VERSION_MINOR,
		.epoch = READ_ONCE(device->epoch),
	};

	scoped_guard(mutex, &device->lock) {
		info.status = lh_device_status(device);
		if (device->nic) {
			info.features = device->nic->features;
			info.processes = lh_places_used(device->nic);
		}
	}
	return copy_to_user(argument, &info, sizeof(info)) ? -EFAULT : 0;
}

static long lh_process_attach(struct lh_process *process, void __user *argument)
{
	static const struct lh_device_attach none;
	struct lh_device_attach attach;
	int error;

	if (copy_from_user(&attach, argument, sizeof(attach)))
		return -EFAULT;
	/* What the kernel writes may hold anything: say, the last answer. */
	if (attach.flags ||
	    memcmp(attach.reserved, none.reserved, sizeof(attach.reserved)))
		return -EINVAL;
	attach = none;
	error = lh_attach(process, &attach);
	if (error)
		return error;
	return copy_to_user(argument, &attach, sizeof(attach)) ? -EFAULT : 0;
}

static long lh_process_bind(struct lh_process *process, void __user *argument)
{
	struct lh_device_bind bind;

	if (copy_from_user(&bind, argument, sizeof(bind)))
		return -EFAULT;
	return lh_bind(process, &bind);
}

static long lh_process_park(struct lh_process *process, void __user *argument)
{
	struct lh_device_park park;

	if (copy_from_user(&park, argument, sizeof(park)))
		return -EFAULT;
	return lh_park_caller(process, &park);
}

static long lh_process_cancel(struct lh_process *process, void __user *argument)
{
	struct lh_device_cancel cancel;

	if (copy_from_user(&cancel, argument, sizeof(cancel)))
		return -EFAULT;
	return lh_uring_cancel(process, &cancel);
}

static long lh_process_ring(struct lh_process *process)
{
	int error = lh_process_serves(process);

	if (!error)
		lh_nic_ring(process->nic);
	return error;
}

static long lh_process_ioctl(struct file *file, unsigned int command,
			     unsigned long argument)
{
	struct lh_process *process = file->private_data;
	void __user *at = (void __user *)argument;

	if (current->mm != process->mm)
		return -EPERM;
	switch (command) {
	case LH_DEVICE_INFO:
		return lh_process_info(process, at);
	case LH_DEVICE_ATTACH:
		return lh_process_attach(process, at);
	case LH_DEVICE_BIND:
		return lh_process_bind(process, at);
	case LH_DEVICE_UNBIND:
		return lh_unbind(process);
	case LH_DEVICE_PARK:
		return lh_process_park(process, at);
	case LH_DEVICE_RING:
		return lh_process_ring(process);
	case LH_DEVICE_CANCEL:
		return lh_process_cancel(process, at);
	default:
		return -ENOTTY;
	}
}

static void lh_process_uring_again(struct io_uring_cmd *command,
				   unsigned int flags);

static int lh_process_uring_park(struct io_uring_cmd *command,
				 void __user *argument, unsigned int flags)
{
	struct lh_device_park park;

	/* By a worker of the ring: once more in the task, with the ring's lock. */
	if (flags & IO_URING_F_UNLOCKED) {
		io_uring_cmd_complete_in_task(command, lh_process_uring_again);
		return -EIOCBQUEUED;
	}
	if (copy_from_user(&park, argument, sizeof(park)))
		return -EFAULT;
	return lh_uring_park(command->file->private_data, command, &park,
			     flags);
}

/* What concerns the calling thread, or waits, is not for rings. */
static int lh_process_uring_command(struct io_uring_cmd *command,
				    unsigned int flags)
{
	const struct lh_device_uring *entry = io_uring_sqe_cmd(command->sqe);
	void __user *at = u64_to_user_ptr(READ_ONCE(entry->argument));
	struct lh_process *process = command->file->private_data;

	if (current->mm != process->mm)
		return -EPERM;
	if (READ_ONCE(entry->reserved))
		return -EINVAL;
	switch (command->cmd_op) {
	case LH_DEVICE_INFO:
		/* Takes a lock. */
		if (flags & IO_URING_F_NONBLOCK)
			return -EAGAIN;
		return lh_process_info(process, at);
	case LH_DEVICE_PARK:
		return lh_process_uring_park(command, at, flags);
	case LH_DEVICE_RING:
		return lh_process_ring(process);
	case LH_DEVICE_CANCEL:
		return lh_process_cancel(process, at);
	default:
		return -EOPNOTSUPP;
	}
}

static void lh_process_uring_again(struct io_uring_cmd *command,
				   unsigned int flags)
{
	int error = -ECANCELED;

	if (!(flags & IO_URING_F_TASK_DEAD))
		error = lh_process_uring_command(command, flags);
	if (error != -EIOCBQUEUED)
		io_uring_cmd_done(command, error, 0, flags);
}

static int lh_process_uring(struct io_uring_cmd *command, unsigned int flags)
{
	if (!(flags & IO_URING_F_CANCEL))
		return lh_process_uring_command(command, flags);
	lh_uring_abandon(command);
	return 0;
}

const struct file_operations lh_process_operations = {
	.owner = THIS_MODULE,
	.open = lh_process_open,
	.release = lh_process_release,
	.unlocked_ioctl = lh_process_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = lh_process_mmap,
	.uring_cmd = lh_process_uring,
};
