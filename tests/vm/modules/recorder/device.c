// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * /dev/lh-recorder, by which programs write marks and read the recording.
 *
 * The recording begins when this is loaded, and ends when somebody opens the device
 * for reading; only then do the buffers stand still.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "recorder.h"

unsigned int capacity = 200000;
module_param(capacity, uint, 0444);
MODULE_PARM_DESC(capacity, "records of each CPU");

unsigned long masks;
module_param(masks, ulong, 0444);
MODULE_PARM_DESC(masks,
		 "bytes from the device's endpoint words to its CPU masks");

static int recorder_open(struct inode *inode, struct file *file)
{
	if (file->f_mode & FMODE_READ)
		stop_recording();
	return 0;
}

static ssize_t recorder_write(struct file *file, const char __user *from,
			      size_t size, loff_t *offset)
{
	struct lh_mark mark;

	if (size != sizeof(mark))
		return -EINVAL;
	if (copy_from_user(&mark, from, sizeof(mark)))
		return -EFAULT;
	record_mark(&mark);
	return size;
}

static unsigned int kept(int cpu)
{
	return min(per_cpu(buffers.used, cpu), capacity);
}

static struct lh_recording describe(void)
{
	struct lh_recording recorded = {
		.magic = LH_RECORDING_MAGIC,
		.record_size = sizeof(struct lh_record),
		.cpus = num_possible_cpus(),
		.end = end_seq,
	};
	int cpu;

	for_each_possible_cpu(cpu) {
		recorded.records += kept(cpu);
		recorded.lost += per_cpu(buffers.used, cpu) - kept(cpu);
	}
	return recorded;
}

/* The header and each buffer are read as one file, a piece of one at a time. */
static ssize_t recorder_read(struct file *file, char __user *to, size_t size,
			     loff_t *offset)
{
	const struct lh_recording recorded = describe();
	loff_t begin = *offset - sizeof(recorded);
	int cpu;

	if (begin < 0)
		return simple_read_from_buffer(to, size, offset, &recorded,
					       sizeof(recorded));
	for_each_possible_cpu(cpu) {
		size_t bytes = kept(cpu) * sizeof(struct lh_record);
		ssize_t done;

		if (begin < bytes) {
			done = simple_read_from_buffer(
				to, size, &begin, per_cpu(buffers.records, cpu),
				bytes);
			if (done > 0)
				*offset += done;
			return done;
		}
		begin -= bytes;
	}
	return 0;
}

static const struct file_operations recorder_operations = {
	.owner = THIS_MODULE,
	.open = recorder_open,
	.read = recorder_read,
	.write = recorder_write,
};

static struct miscdevice recorder_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lh-recorder",
	.fops = &recorder_operations,
	.mode = 0600,
};

/* How far it is, in /sys/module/lh_recorder/parameters/progress. */
static int show_progress(char *text, const struct kernel_param *parameter)
{
	unsigned int used = 0, words = 0, delayed = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		used = max(used, per_cpu(buffers.used, cpu));
		words += per_cpu(buffers.words, cpu);
		delayed += per_cpu(buffers.delayed_wakeups, cpu);
	}
	return sysfs_emit(text, "%u %u %u\n", words, delayed, used);
}

static const struct kernel_param_ops progress_operations = {
	.get = show_progress,
};
module_param_cb(progress, &progress_operations, NULL, 0444);
MODULE_PARM_DESC(progress,
		 "words, delayed wake-ups, records of the fullest CPU");

static void free_buffers(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		vfree(per_cpu(buffers.records, cpu));
}

static int __init recorder_init(void)
{
	int cpu, error;

	if (num_online_cpus() != num_possible_cpus())
		return -EBUSY;
	for_each_possible_cpu(cpu) {
		per_cpu(buffers.records, cpu) =
			vcalloc(capacity, sizeof(struct lh_record));
		if (!per_cpu(buffers.records, cpu)) {
			error = -ENOMEM;
			goto free;
		}
	}
	error = misc_register(&recorder_device);
	if (error)
		goto free;
	error = start_recording();
	if (!error)
		return 0;
	misc_deregister(&recorder_device);
free:
	free_buffers();
	return error;
}
module_init(recorder_init);

static void __exit recorder_exit(void)
{
	stop_recording();
	misc_deregister(&recorder_device);
	free_buffers();
}
module_exit(recorder_exit);

MODULE_DESCRIPTION("Writes down what the scheduler does and publishes");
MODULE_LICENSE("GPL");
