// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * The module: what it is loaded with, and what it begins and ends.
 *
 * What: lauberhorn.ko owns the memory that processes and a NIC share, says who may
 * map which of it, wakes whom the NIC names, and tells the NIC who is gone. See
 * docs/module.md.
 *
 * Locking: none of its own. Whoever has a node open holds the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/rcupdate.h>

#include "lauberhorn.h"

unsigned int lh_max_processes = 1024;
module_param_named(max_processes, lh_max_processes, uint, 0444);
MODULE_PARM_DESC(max_processes, "processes that a NIC may have (1024)");

unsigned int lh_max_endpoints = 1024;
module_param_named(max_endpoints, lh_max_endpoints, uint, 0444);
MODULE_PARM_DESC(max_endpoints, "endpoints that each of them may have (1024)");

unsigned int lh_max_processes_per_user = 256;
module_param_named(max_processes_per_user, lh_max_processes_per_user, uint,
		   0444);
MODULE_PARM_DESC(max_processes_per_user,
		 "processes of a user that may be attached to a device (256)");

unsigned int lh_max_memory_per_user = 1024;
module_param_named(max_memory_per_user, lh_max_memory_per_user, uint, 0444);
MODULE_PARM_DESC(max_memory_per_user,
		 "MiB that a user may have of all devices (1024)");

static int __init lh_init(void)
{
	int error;

	error = lh_devices_init();
	if (error)
		return error;
	error = lh_soft_init();
	if (error) {
		lh_devices_exit();
		return error;
	}
	if (!LH_HOOKS)
		pr_info("this kernel has no CONFIG_LAUBERHORN_SCHED: the NIC is told what tracepoints tell, and no idle CPU looks at its channel\n");
	return 0;
}

static void __exit lh_exit(void)
{
	lh_soft_exit();
	lh_devices_exit();
	/* Processes are freed behind it. */
	rcu_barrier();
}

module_init(lh_init);
module_exit(lh_exit);

MODULE_DESCRIPTION("A NIC that dispatches RPCs: memory, processes, wakes");
MODULE_LICENSE("GPL");
