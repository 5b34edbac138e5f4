// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * The life of a NIC: it attaches, starts, and is down for ever.
 *
 * What: each life is an epoch, with memory and places of its own, so nothing of one
 * NIC reaches the next, and no process has to be driven out between them. Processes
 * that were attached when it ends keep their memory, which says DOWN.
 *
 * Locking: the life of the device for all three; the device's lock where others
 * look.
 */

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "lauberhorn.h"
#include "trace.h"

/* Of the kernel's part, and of each process's. */
#define LH_LARGEST SZ_256M

/* Endpoints have indices of 24 bits, plus one. */
#define LH_MOST_ENDPOINTS ((1U << LH_CPU_ENDPOINT_BITS) - 2)

static bool lh_size_good(u64 size)
{
	return size && size <= LH_LARGEST && PAGE_ALIGNED(size);
}

static bool lh_geometry_good(const struct lh_nic_attach *attach)
{
	return !attach->flags && !attach->reserved &&
	       lh_size_good(attach->device_size) &&
	       lh_size_good(attach->part_size) && attach->processes &&
	       attach->processes <= lh_max_processes && attach->endpoints &&
	       attach->endpoints <= lh_max_endpoints &&
	       (u64)attach->processes * attach->endpoints <= LH_MOST_ENDPOINTS;
}

/* On failure all goes with the NIC's file. */
static int lh_nic_memory(struct lh_nic *nic)
{
	u32 processes = nic->geometry.processes;

	nic->places =
		kvcalloc(processes, sizeof(*nic->places), GFP_KERNEL_ACCOUNT);
	nic->news = bitmap_zalloc(processes, GFP_KERNEL_ACCOUNT);
	nic->memory = lh_memory_make(nic->geometry.device_size, NULL);
	if (!nic->places || !nic->news || !nic->memory)
		return -ENOMEM;
	nic->info = nic->memory->base;
	return 0;
}

/**
 * lh_nic_attach() - a NIC begins an epoch
 * @nic: that has none
 * @attach: untrusted; filled
 *
 * Return: 0; -EALREADY if it has; -ENODEV if the device is gone; -EINVAL; -ENOMEM,
 * after which the file can only be closed.
 */
int lh_nic_attach(struct lh_nic *nic, struct lh_nic_attach *attach)
{
	struct lh_device *device = nic->device;
	int error;

	guard(mutex)(&device->life);
	if (device->gone)
		return -ENODEV;
	if (nic->geometry.processes)
		return -EALREADY;
	if (!lh_geometry_good(attach))
		return -EINVAL;
	nic->geometry = *attach;
	error = lh_nic_memory(nic);
	if (error)
		return error;

	WRITE_ONCE(device->epoch, device->epoch + 1);
	nic->epoch = device->epoch;
	/* The driver's half of the handshake: the memory is new. */
	WRITE_ONCE(nic->info->driver_epoch, nic->epoch);
	/* After the epoch that it is about. */
	smp_store_release(&nic->info->request, LH_REQUEST_RESET);
	attach->epoch = nic->epoch;
	attach->features = lh_kernel_features();
	attach->cpus = nr_cpu_ids;
	attach->cpu_masks = lh_kernel_masks();
	trace_lauberhorn_nic(nic, LH_TRACE_ATTACHED);

	guard(mutex)(&device->lock);
	/* After all that it stands for. */
	smp_store_release(&nic->attached, true);
	device->nic = nic;
	return 0;
}

/**
 * lh_nic_start() - a NIC serves
 * @nic: that attached, and has laid the kernel's part out
 *
 * Return: 0, and @nic->features says what it got; -EINVAL if it has not attached, or
 * what it laid out cannot be used; -EALREADY; -ENODEV if it is down; -ENOMEM.
 */
int lh_nic_start(struct lh_nic *nic)
{
	struct lh_device *device = nic->device;
	int error;

	guard(mutex)(&device->life);
	if (device->gone || nic->down)
		return -ENODEV;
	if (nic->started)
		return -EALREADY;
	if (!nic->attached)
		return -EINVAL;
	error = lh_layout_read(nic);
	if (error)
		return error;
	error = lh_provider_register(nic);
	if (error) {
		lh_channels_free(nic);
		return error;
	}
	trace_lauberhorn_nic(nic, LH_TRACE_STARTED);

	guard(mutex)(&device->lock);
	/* After all that it stands for. */
	smp_store_release(&nic->started, true);
	return 0;
}

/* Says to a process that its NIC is lost, and wakes it. */
static void lh_tell_down(struct lh_process *process)
{
	if (process->memory) {
		struct lh_info *info = process->memory->base;

		WRITE_ONCE(info->status, LH_STATUS_DOWN);
	}
	lh_endpoints_wake(process);
}

/**
 * lh_nic_down() - a NIC's life ends
 * @nic: that attached
 *
 * Under the life of its device. When this returns all who waited are awake, and
 * neither scheduler nor interrupts touch its memory.
 */
void lh_nic_down(struct lh_nic *nic)
{
	struct lh_device *device = nic->device;
	u32 place;

	if (nic->down)
		return;
	scoped_guard(mutex, &device->lock) {
		WRITE_ONCE(nic->down, true);
		device->nic = NULL;
		for (place = 0; place < nic->geometry.processes; place++) {
			struct lh_process *process = lh_place_at(nic, place);

			if (process)
				lh_tell_down(process);
		}
	}
	/* Wakes those who park in the scheduler. */
	lh_provider_unregister(nic);
	lh_channels_settle(nic);
	trace_lauberhorn_nic(nic, LH_TRACE_DOWN);
	wake_up_all(&nic->answers);
	wake_up_all(&nic->wait);
}
