/* SPDX-License-Identifier: GPL-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Kernel channels: the module's own view of them.
 *
 * Apart from lauberhorn.h, as this has the operations of the contract's lanes with
 * it.
 */
#ifndef LAUBERHORN_KMOD_KERNEL_CHANNEL_H
#define LAUBERHORN_KMOD_KERNEL_CHANNEL_H

#include <linux/smp.h>

#include "abi/host/atomic_kernel.h"
#include "abi/host/channel.h"
#include "lauberhorn.h"

/**
 * struct lh_kernel_channel - of one CPU
 * @nic: whose
 * @in: commands
 * @out: answers
 * @state: what the NIC says of it
 * @broken: it had no room for an answer: nothing is taken any more
 * @sent: whether an interrupt is under way that has not looked yet. Who makes it so
 *        sends it, as nothing else keeps two senders of @call apart
 * @call: the interrupt
 */
struct lh_kernel_channel {
	struct lh_nic *nic;
	struct lh_lane in;
	struct lh_lane out;
	struct lh_channel_state *state;
	bool broken;
	atomic_t sent;
	call_single_data_t call;
};

#endif /* LAUBERHORN_KMOD_KERNEL_CHANNEL_H */
