// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * What sysfs shows of a device: /sys/class/lauberhorn/lauberhornN.
 *
 *   abi        version of the contract
 *   features   LH_DEVICE_* that its NIC got
 *   missing    what the kernel would have to be configured with, or `nothing`
 *   epoch      of its NIC, or of the last that it had
 *   status     ready, reset (a NIC has come and does not serve yet), or down
 *   processes  that are attached, or have left and are not forgotten
 *   counters/  for root: how often RUN and PREEMPT got each answer, and how often a
 *              NIC interrupted a CPU, since the device is there
 *
 * Locking: the lock of the device, for a moment each; counters have none.
 */

#include <linux/device.h>
#include <linux/sysfs.h>

#include "lauberhorn.h"

static struct lh_device *lh_device_of(struct device *node)
{
	return container_of(node, struct lh_device, process_node);
}

static ssize_t abi_show(struct device *node, struct device_attribute *attribute,
			char *text)
{
	return sysfs_emit(text, "%u.%u\n", LH_VERSION_MAJOR, LH_VERSION_MINOR);
}
static DEVICE_ATTR_RO(abi);

static ssize_t features_show(struct device *node,
			     struct device_attribute *attribute, char *text)
{
	struct lh_device *device = lh_device_of(node);
	u64 features = 0;

	scoped_guard(mutex, &device->lock)
		if (device->nic)
			features = device->nic->features;
	return sysfs_emit(text, "0x%llx\n", features);
}
static DEVICE_ATTR_RO(features);

static ssize_t missing_show(struct device *node,
			    struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%s\n",
			  LH_HOOKS ? "nothing" : "CONFIG_LAUBERHORN_SCHED");
}
static DEVICE_ATTR_RO(missing);

static ssize_t epoch_show(struct device *node,
			  struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%llu\n", READ_ONCE(lh_device_of(node)->epoch));
}
static DEVICE_ATTR_RO(epoch);

static ssize_t status_show(struct device *node,
			   struct device_attribute *attribute, char *text)
{
	static const char *const names[] = {
		[LH_STATUS_RESET] = "reset",
		[LH_STATUS_READY] = "ready",
		[LH_STATUS_DOWN] = "down",
	};

	struct lh_device *device = lh_device_of(node);
	unsigned int status;

	scoped_guard(mutex, &device->lock)
		status = lh_device_status(device);
	return sysfs_emit(text, "%s\n", names[status]);
}
static DEVICE_ATTR_RO(status);

static ssize_t processes_show(struct device *node,
			      struct device_attribute *attribute, char *text)
{
	struct lh_device *device = lh_device_of(node);
	unsigned int processes = 0;

	scoped_guard(mutex, &device->lock)
		if (device->nic)
			processes = lh_places_used(device->nic);
	return sysfs_emit(text, "%u\n", processes);
}
static DEVICE_ATTR_RO(processes);

static ssize_t counter_show(struct device *node,
			    struct device_attribute *attribute, char *text)
{
	const struct dev_ext_attribute *counter =
		container_of(attribute, struct dev_ext_attribute, attr);

	return sysfs_emit(
		text, "%llu\n",
		(u64)atomic64_read(
			&lh_device_of(node)
				 ->counters[(uintptr_t)counter->var]));
}

#define LH_COUNTER(name, which)                                 \
	static struct dev_ext_attribute lh_counter_##name = {   \
		.attr = __ATTR(name, 0400, counter_show, NULL), \
		.var = (void *)(uintptr_t)(which),              \
	}

LH_COUNTER(done, LH_ANSWER_DONE);
LH_COUNTER(early, LH_ANSWER_EARLY);
LH_COUNTER(stale, LH_ANSWER_STALE);
LH_COUNTER(dead, LH_ANSWER_DEAD);
LH_COUNTER(not_allowed, LH_ANSWER_NOT_ALLOWED);
LH_COUNTER(offline, LH_ANSWER_OFFLINE);
LH_COUNTER(interrupts, LH_COUNT_INTERRUPTS);

static struct attribute *lh_counter_attributes[] = {
	&lh_counter_done.attr.attr,	   &lh_counter_early.attr.attr,
	&lh_counter_stale.attr.attr,	   &lh_counter_dead.attr.attr,
	&lh_counter_not_allowed.attr.attr, &lh_counter_offline.attr.attr,
	&lh_counter_interrupts.attr.attr,  NULL,
};

/* None is forgotten; trace.h has names for the same. */
static_assert(ARRAY_SIZE(lh_counter_attributes) == LH_COUNTERS + 1);

static const struct attribute_group lh_counter_group = {
	.name = "counters",
	.attrs = lh_counter_attributes,
};

static struct attribute *lh_device_attributes[] = {
	&dev_attr_abi.attr,
	&dev_attr_features.attr,
	&dev_attr_missing.attr,
	&dev_attr_epoch.attr,
	&dev_attr_status.attr,
	&dev_attr_processes.attr,
	NULL,
};

static const struct attribute_group lh_device_group = {
	.attrs = lh_device_attributes,
};

const struct attribute_group *lh_device_groups[] = {
	&lh_device_group,
	&lh_counter_group,
	NULL,
};
