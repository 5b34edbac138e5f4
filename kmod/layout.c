// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * What the NIC laid out in the kernel's part, checked.
 *
 * What: the information page says where CPU lines, endpoint words and CPU masks lie,
 * and each CPU's lines where its kernel channel does. All of it is read once, here,
 * and whatever does not lie within the part is refused. Nothing is found by what the
 * NIC writes later.
 *
 * Parts may overlap: then the NIC hurts itself.
 *
 * Locking: the life of the device.
 */

#include <linux/compiler.h>
#include <linux/overflow.h>

#include "kernel_channel.h"

/* More than any device needs. */
#define LH_MOST_SLOTS 1024
#define LH_LONGEST_STRIDE 65536

/* Whether @count things, @stride apart and so long, lie within @size bytes. */
static bool lh_within(u64 offset, u64 count, u64 stride, u64 size)
{
	u64 length, end;

	return IS_ALIGNED(offset, LH_LINE_SIZE) &&
	       !check_mul_overflow(count, stride, &length) &&
	       !check_add_overflow(offset, length, &end) && end <= size;
}

static bool lh_stride_good(u32 stride, size_t least)
{
	return stride >= least && stride <= LH_LONGEST_STRIDE &&
	       IS_ALIGNED(stride, LH_LINE_SIZE);
}

/* What this is: magic, version, features, epoch. */
static bool lh_head_good(const struct lh_nic *nic)
{
	const struct lh_info *info = nic->info;

	if (READ_ONCE(info->magic) != LH_MAGIC)
		return false;
	/* What is before magic is there. */
	smp_rmb();
	return READ_ONCE(info->version_major) == LH_VERSION_MAJOR &&
	       !(READ_ONCE(info->features) & ~LH_FEATURES) &&
	       READ_ONCE(info->status) == LH_STATUS_READY &&
	       READ_ONCE(info->device_epoch) == nic->epoch;
}

/* Fills the provider but for who executes commands. */
static bool lh_tables_good(struct lh_nic *nic)
{
	const struct lh_info *info = nic->info;
	u64 cpu_lines = READ_ONCE(info->cpu_lines);
	u64 words = READ_ONCE(info->endpoint_words);
	u64 masks = READ_ONCE(info->cpu_masks);
	u32 cpu_stride = READ_ONCE(info->cpu_stride);
	u32 endpoints = READ_ONCE(info->endpoints);
	u32 mask_count = READ_ONCE(info->cpu_mask_count);
	u64 size = nic->memory->size;

	if (!lh_stride_good(cpu_stride, sizeof(struct lh_cpu_lines)) ||
	    !lh_within(cpu_lines, nic->cpus, cpu_stride, size) ||
	    endpoints != nic->geometry.processes * nic->geometry.endpoints ||
	    !lh_within(words, endpoints, sizeof(struct lh_endpoint_word),
		       size) ||
	    !lh_within(masks, mask_count, sizeof(struct lh_cpu_mask), size))
		return false;
	nic->provider = (struct lauberhorn_provider){
		.cpu_lines = nic->memory->base + cpu_lines,
		.cpu_stride = cpu_stride,
		.cpus = nic->cpus,
		.endpoint_words = nic->memory->base + words,
		.endpoints = endpoints,
		.cpu_masks = mask_count ? nic->memory->base + masks : NULL,
		.cpu_mask_count = mask_count,
		.needs_kick = READ_ONCE(info->features) & LH_FEATURE_NEEDS_KICK,
	};
	return true;
}

/* The view of a lane whose slots are all empty, if it lies within the part. */
static bool lh_lane_good(struct lh_nic *nic, const __u64 *lines, u32 slots,
			 u32 stride, struct lh_lane *lane)
{
	u64 offset = READ_ONCE(*lines);

	if (!lh_within(offset, slots, stride, nic->memory->size))
		return false;
	*lane = (struct lh_lane){
		.lines = nic->memory->base + offset,
		.line_stride = stride,
		.slots = slots,
	};
	return true;
}

static bool lh_channels_good(struct lh_nic *nic)
{
	u32 slots = READ_ONCE(nic->info->slots);
	u32 stride = READ_ONCE(nic->info->line_stride);
	unsigned int cpu;

	if (slots < 2 || slots > LH_MOST_SLOTS ||
	    !lh_stride_good(stride, LH_LINE_SIZE))
		return false;
	for (cpu = 0; cpu < nic->cpus; cpu++) {
		struct lh_kernel_channel *channel = &nic->channels[cpu];
		struct lh_cpu_lines *lines = lh_cpu_lines(&nic->provider, cpu);

		channel->state = &lines->nic;
		if (!lh_lane_good(nic, &lines->channel.in.lines, slots, stride,
				  &channel->in) ||
		    !lh_lane_good(nic, &lines->channel.out.lines, slots, stride,
				  &channel->out))
			return false;
	}
	return true;
}

/**
 * lh_layout_read() - read what the NIC laid out
 * @nic: that attached and does not serve yet
 *
 * Return: 0, with CPUs, provider and channels filled; -EINVAL if it cannot be used;
 * -ENOMEM.
 */
int lh_layout_read(struct lh_nic *nic)
{
	u32 cpus = READ_ONCE(nic->info->cpus);
	int error;

	if (!lh_head_good(nic))
		return -EINVAL;
	if (!cpus)
		return 0;
	/* Lines of CPUs that can never be are not looked at. */
	error = lh_channels_make(nic, min(cpus, nr_cpu_ids));
	if (error)
		return error;
	if (lh_tables_good(nic) && lh_channels_good(nic))
		return 0;
	lh_channels_free(nic);
	return -EINVAL;
}
