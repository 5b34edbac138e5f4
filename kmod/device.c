// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Devices: their two nodes, and how they come and go.
 *
 * What: a device is added by whoever has the hardware, or plays it. When it is
 * removed its NIC goes down at once, as if it had closed its node. What others
 * have open stays, says ENODEV, and keeps the module until it is closed.
 *
 * Locking: the life of the device for its end. Open files hold the cdev, that
 * holds its node, and the NIC's node that for processes, with which all is freed.
 */

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "lauberhorn.h"

#define LH_MINORS (2 * LH_DEVICES)

static dev_t lh_first;
static DEFINE_IDA(lh_numbers);

/* Services may get theirs by a rule of udev; the NIC's is for root. */
static char *lh_devnode(const struct device *node, umode_t *mode)
{
	if (mode)
		*mode = MINOR(node->devt) % 2 ? 0600 : 0660;
	return NULL;
}

static const struct class lh_class = {
	.name = "lauberhorn",
	.devnode = lh_devnode,
};

static void lh_process_node_release(struct device *node)
{
	struct lh_device *device =
		container_of(node, struct lh_device, process_node);

	mutex_destroy(&device->lock);
	mutex_destroy(&device->life);
	kfree(device);
}

static void lh_nic_node_release(struct device *node)
{
	struct lh_device *device =
		container_of(node, struct lh_device, nic_node);

	put_device(&device->process_node);
}

/* Takes over the caller's interest in @parent only; fails without a trace. */
static int lh_node_init(struct device *node, struct cdev *cdev,
			struct device *parent, unsigned int minor,
			const struct file_operations *operations)
{
	device_initialize(node);
	node->class = &lh_class;
	node->parent = parent;
	node->devt = MKDEV(MAJOR(lh_first), MINOR(lh_first) + minor);
	cdev_init(cdev, operations);
	cdev->owner = THIS_MODULE;
	return dev_set_name(node,
			    minor % 2 ? "lauberhorn%u-nic" : "lauberhorn%u",
			    minor / 2);
}

/**
 * lh_device_add() - a device comes
 * @parent: its hardware
 *
 * Return: the device, for lh_device_remove(); or an error.
 */
struct lh_device *lh_device_add(struct device *parent)
{
	struct lh_device *device;
	int number, error;

	number = ida_alloc_max(&lh_numbers, LH_DEVICES - 1, GFP_KERNEL);
	if (number < 0)
		return ERR_PTR(number);
	device = kzalloc(sizeof(*device), GFP_KERNEL);
	if (!device) {
		error = -ENOMEM;
		goto free_number;
	}
	device->number = number;
	mutex_init(&device->life);
	mutex_init(&device->lock);

	device->process_node.release = lh_process_node_release;
	device->process_node.groups = lh_device_groups;
	error = lh_node_init(&device->process_node, &device->process_cdev,
			     parent, 2 * device->number,
			     &lh_process_operations);
	if (error)
		goto put_process_node;
	device->nic_node.release = lh_nic_node_release;
	get_device(&device->process_node);
	error = lh_node_init(&device->nic_node, &device->nic_cdev, parent,
			     2 * device->number + 1, &lh_nic_operations);
	if (error)
		goto put_nic_node;

	error = cdev_device_add(&device->nic_cdev, &device->nic_node);
	if (error)
		goto put_nic_node;
	error = cdev_device_add(&device->process_cdev, &device->process_node);
	if (error)
		goto del_nic_node;
	lh_debugfs_add(device);
	return device;

del_nic_node:
	cdev_device_del(&device->nic_cdev, &device->nic_node);
put_nic_node:
	put_device(&device->nic_node);
put_process_node:
	put_device(&device->process_node);
free_number:
	ida_free(&lh_numbers, number);
	return ERR_PTR(error);
}

/**
 * lh_device_status() - what a device says of its NIC
 * @device: which
 *
 * Under the device's lock.
 *
 * Return: LH_STATUS_*.
 */
unsigned int lh_device_status(const struct lh_device *device)
{
	if (!device->nic)
		return LH_STATUS_DOWN;
	return device->nic->started ? LH_STATUS_READY : LH_STATUS_RESET;
}

/**
 * lh_device_remove() - a device goes
 * @device: of lh_device_add(), not to be used any more
 *
 * When this returns its NIC is down, and the scheduler tells it nothing.
 */
void lh_device_remove(struct lh_device *device)
{
	lh_debugfs_remove(device);
	cdev_device_del(&device->process_cdev, &device->process_node);
	cdev_device_del(&device->nic_cdev, &device->nic_node);
	/* The next may have the same name: nobody finds this one any more. */
	ida_free(&lh_numbers, device->number);
	scoped_guard(mutex, &device->life) {
		scoped_guard(mutex, &device->lock)
			device->gone = true;
		if (device->nic)
			lh_nic_down(device->nic);
	}
	put_device(&device->nic_node);
	put_device(&device->process_node);
}

int lh_devices_init(void)
{
	int error;

	error = alloc_chrdev_region(&lh_first, 0, LH_MINORS, "lauberhorn");
	if (error)
		return error;
	error = class_register(&lh_class);
	if (error)
		unregister_chrdev_region(lh_first, LH_MINORS);
	return error;
}

void lh_devices_exit(void)
{
	class_unregister(&lh_class);
	unregister_chrdev_region(lh_first, LH_MINORS);
	ida_destroy(&lh_numbers);
}
