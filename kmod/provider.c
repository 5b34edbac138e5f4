// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * What the module and the scheduler say to each other.
 *
 * What: the first NIC that wants to be told is registered with the scheduler, which
 * writes state words and endpoint words, binds threads, and has commands executed. A
 * second one, or one of a kernel without the scheduler's tracepoints, works without.
 *
 * Locking: the life of the device; lh_registered is taken by compare-and-swap, as
 * devices do not exclude each other. It changes while the scheduler has no provider
 * of ours, so commands find their NIC there.
 */

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/printk.h>

#include "lauberhorn.h"

/* More than the scheduler's table has are never used. */
#define LH_KERNEL_MASKS 32

static struct lh_nic *lh_registered;

static void lh_commands(unsigned int cpu, struct lauberhorn_next *next)
{
	lh_channel_commands(lh_registered, cpu, next);
}

/**
 * lh_kernel_features() - what this kernel could give a NIC
 *
 * Return: LH_DEVICE_*.
 */
u64 lh_kernel_features(void)
{
	if (!LH_HOOKS && !IS_ENABLED(CONFIG_TRACEPOINTS))
		return 0;
	return LH_DEVICE_STATE_WORDS | LH_DEVICE_KERNEL_CHANNELS;
}

/**
 * lh_kernel_masks() - how many CPU masks it would use
 */
unsigned int lh_kernel_masks(void)
{
	return LH_HOOKS ? LH_KERNEL_MASKS : 0;
}

/**
 * lh_provider_register() - have the scheduler tell a NIC
 * @nic: that has laid out its memory
 *
 * Under the life of its device.
 *
 * Return: 0, and @nic->features says what it gets; -ENOMEM.
 */
int lh_provider_register(struct lh_nic *nic)
{
	int error;

	if (!nic->cpus)
		return 0;
	if (cmpxchg(&lh_registered, NULL, nic))
		return 0;
	nic->provider.commands = lh_commands;
	error = lauberhorn_register(&nic->provider);
	if (error) {
		WRITE_ONCE(lh_registered, NULL);
		/* Another device has it, it was switched off, or there is none. */
		return error == -EBUSY || error == -ENODEV ||
				       error == -EOPNOTSUPP ?
			       0 :
			       error;
	}
	nic->registered = true;
	nic->features = lh_kernel_features();
	lh_kicks_begin(nic);
	return 0;
}

/**
 * lh_provider_unregister() - the scheduler tells it nothing any more
 * @nic: registered or not
 *
 * Under the life of its device. When this returns no thread is bound to it, and none
 * of its commands is being executed.
 */
void lh_provider_unregister(struct lh_nic *nic)
{
	if (!nic->registered)
		return;
	lh_kicks_end(nic);
	lauberhorn_unregister(&nic->provider);
	nic->registered = false;
	WRITE_ONCE(lh_registered, NULL);
}
