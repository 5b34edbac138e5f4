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
 *
 * Locking: the lock of the device, for a moment each.
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
	NULL,
};
