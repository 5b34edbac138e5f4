// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Soft devices: the region is the kernel's memory, the NIC a program.
 *
 * They are platform devices, so that they can be unbound and bound like any
 * hardware: /sys/bus/platform/drivers/lauberhorn.
 *
 * Locking: none; the driver core calls probe and remove one at a time.
 */

#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#include "lauberhorn.h"

static unsigned int soft = 1;
module_param(soft, uint, 0444);
MODULE_PARM_DESC(soft, "soft devices (1)");

static struct platform_device *lh_soft_devices[LH_DEVICES];

static int lh_soft_probe(struct platform_device *platform)
{
	struct lh_device *device = lh_device_add(&platform->dev);

	if (IS_ERR(device))
		return PTR_ERR(device);
	platform_set_drvdata(platform, device);
	return 0;
}

static void lh_soft_remove(struct platform_device *platform)
{
	lh_device_remove(platform_get_drvdata(platform));
}

static struct platform_driver lh_soft_driver = {
	.probe = lh_soft_probe,
	.remove = lh_soft_remove,
	.driver = { .name = "lauberhorn" },
};

int lh_soft_init(void)
{
	unsigned int number;
	int error;

	if (soft > LH_DEVICES)
		return -EINVAL;
	error = platform_driver_register(&lh_soft_driver);
	if (error)
		return error;
	for (number = 0; number < soft; number++) {
		struct platform_device *platform =
			platform_device_register_simple("lauberhorn", number,
							NULL, 0);

		if (IS_ERR(platform)) {
			lh_soft_exit();
			return PTR_ERR(platform);
		}
		lh_soft_devices[number] = platform;
	}
	return 0;
}

void lh_soft_exit(void)
{
	unsigned int number;

	/* Nothing happens for those that are not there. */
	for (number = 0; number < LH_DEVICES; number++) {
		platform_device_unregister(lh_soft_devices[number]);
		lh_soft_devices[number] = NULL;
	}
	platform_driver_unregister(&lh_soft_driver);
}
