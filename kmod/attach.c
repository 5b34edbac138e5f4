// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * A process attaches, and is forgotten.
 *
 * What: it gets a place and memory, the NIC is told, lays the memory out, and
 * answers. When the process has left, the NIC is told again, and says END when it
 * has forgotten it.
 *
 * Locking: the device's lock for each step; no step waits under it.
 */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/slab.h>

#include "lauberhorn.h"
#include "trace.h"

/* What a process may be told by the NIC why it is refused. */
#define LH_LAST_ERROR EHWPOISON

/* What its user may have. Under the device's lock. */
static int lh_attach_admit(struct lh_process *process, struct lh_nic *nic,
			   struct lh_user **user)
{
	u64 size = nic->geometry.part_size;
	int error;

	*user = lh_user_charge(process->cred->euid, size);
	if (IS_ERR(*user))
		return PTR_ERR(*user);
	error = lh_place_take(process, nic);
	if (error)
		lh_user_uncharge(*user, size);
	return error;
}

/* Gives @process a place, and what it needs there. */
static int lh_attach_begin(struct lh_process *process)
{
	struct lh_endpoint *endpoints;
	struct lh_memory *memory;
	struct lh_user *user;
	struct lh_nic *nic;
	int error;

	scoped_guard(mutex, &process->device->lock) {
		if (process->state != LH_PROCESS_OPENED)
			return 0;
		nic = process->device->nic;
		if (!nic || !nic->started)
			return -ENODEV;
		error = lh_attach_admit(process, nic, &user);
		if (error)
			return error;
		lh_process_set(process, LH_PROCESS_BEGINS);
	}

	/* Much memory, for which the others do not wait. */
	endpoints = lh_endpoints_make(nic->geometry.endpoints);
	memory = lh_memory_make(nic->geometry.part_size, user);

	guard(mutex)(&process->device->lock);
	process->endpoints = endpoints;
	process->memory = memory;
	if (endpoints && memory) {
		memory->first = (nic->geometry.device_size +
				 process->place * nic->geometry.part_size) >>
				PAGE_SHIFT;
		trace_lauberhorn_ask(process);
		lh_process_set(process, LH_PROCESS_ASKS);
		lh_news(nic, process->place);
	} else {
		process->error = -ENOMEM;
		lh_process_set(process, LH_PROCESS_ENDED);
		lh_place_reap(nic, process->place);
	}
	wake_up_all(&nic->answers);
	return 0;
}

static bool lh_answered(struct lh_process *process)
{
	enum lh_process_state state = READ_ONCE(process->state);

	return (state != LH_PROCESS_BEGINS && state != LH_PROCESS_ASKS) ||
	       READ_ONCE(process->nic->down);
}

/**
 * lh_attach() - attach a process, or say once more to what it is attached
 * @process: which
 * @attach: all zero; filled
 *
 * Waits for the NIC's answer.
 *
 * Return: 0; -ENODEV if there is no NIC, or it went; -EDQUOT; -ENOSPC; -ENOMEM;
 * -EINTR if a signal is pending, and the next call goes on waiting; -ENOTCONN if
 * it had been attached; or what the NIC answered.
 */
int lh_attach(struct lh_process *process, struct lh_device_attach *attach)
{
	struct lh_nic *nic;
	int error;

	error = lh_attach_begin(process);
	if (error)
		return error;
	nic = process->nic;
	if (wait_event_freezable(nic->answers, lh_answered(process)))
		return -EINTR;

	guard(mutex)(&process->device->lock);
	if (process->error)
		return process->error;
	error = lh_process_serves(process);
	if (error)
		return error;
	attach->epoch = nic->epoch;
	attach->features = nic->features;
	attach->size = process->memory->size;
	attach->process = process->place;
	attach->generation = process->generation;
	attach->first_endpoint = lh_process_endpoint(process, 0);
	attach->endpoints = nic->geometry.endpoints;
	return 0;
}

/**
 * lh_answer() - the NIC's answer to the process that asks
 * @nic: the NIC
 * @answer: untrusted
 *
 * Return: 0; -ENOENT if there is no such process, or the NIC was not told of it;
 * -EALREADY if it has its answer; -ENOTCONN if it left meanwhile; -EINVAL if the
 * error is none.
 */
int lh_answer(struct lh_nic *nic, const struct lh_nic_answer *answer)
{
	struct lh_process *process;

	if (answer->reserved || answer->error > LH_LAST_ERROR)
		return -EINVAL;
	guard(mutex)(&nic->device->lock);
	process = lh_place_find(nic, answer->process, answer->generation);
	if (!process || !process->told)
		return -ENOENT;
	if (process->state == LH_PROCESS_ATTACHED ||
	    process->state == LH_PROCESS_ENDED)
		return -EALREADY;
	if (process->state != LH_PROCESS_ASKS)
		return -ENOTCONN;
	process->error = -(int)answer->error;
	trace_lauberhorn_attach(process);
	if (answer->error) {
		lh_process_set(process, LH_PROCESS_ENDED);
		lh_place_reap(nic, answer->process);
	} else {
		lh_process_set(process, LH_PROCESS_ATTACHED);
	}
	wake_up_all(&nic->answers);
	return 0;
}

/**
 * lh_end() - the NIC has forgotten a process that left
 * @nic: the NIC
 * @end: untrusted
 *
 * Return: 0; -ENOENT if there is no such process, or it was forgotten already;
 * -EBUSY if it has not left.
 */
int lh_end(struct lh_nic *nic, const struct lh_nic_end *end)
{
	struct lh_process *process;

	guard(mutex)(&nic->device->lock);
	process = lh_place_find(nic, end->process, end->generation);
	if (!process || process->state == LH_PROCESS_ENDED)
		return -ENOENT;
	if (process->state != LH_PROCESS_LEFT)
		return -EBUSY;
	trace_lauberhorn_end(process);
	lh_process_set(process, LH_PROCESS_ENDED);
	lh_place_reap(nic, end->process);
	return 0;
}
