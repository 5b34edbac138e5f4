// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Places: where the processes of a NIC are attached.
 *
 * What: a NIC has a fixed number of places. Each has a range of endpoints in the
 * device's table, and a generation, which counts who was there. A process keeps
 * its place until the NIC has forgotten it and none of its threads is bound any
 * more: such threads may live on when the process has let its memory go, and the
 * scheduler reads their hint pages there.
 *
 * Locking: the device's lock. RUN finds a process by its place under RCU.
 */

#include <linux/cred.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>

#include "lauberhorn.h"

/**
 * lh_place_at() - who is at a place
 * @nic: whose
 * @place: less than geometry.processes
 *
 * Under the device's lock.
 *
 * Return: the process, or NULL.
 */
struct lh_process *lh_place_at(struct lh_nic *nic, u32 place)
{
	place = array_index_nospec(place, nic->geometry.processes);
	return rcu_dereference_protected(nic->places[place].process,
					 lockdep_is_held(&nic->device->lock));
}

/**
 * lh_place_find() - the process that the NIC names
 * @nic: the NIC
 * @place: anything
 * @generation: anything
 *
 * Under the device's lock.
 *
 * Return: the process; NULL if there is none of that generation.
 */
struct lh_process *lh_place_find(struct lh_nic *nic, u32 place, u32 generation)
{
	struct lh_process *process;

	if (place >= nic->geometry.processes)
		return NULL;
	process = lh_place_at(nic, place);
	return process && process->generation == generation ? process : NULL;
}

static void lh_place_empty(struct lh_nic *nic, u32 place)
{
	struct lh_process *process = lh_place_at(nic, place);

	RCU_INIT_POINTER(nic->places[place].process, NULL);
	lh_process_put(process);
}

/**
 * lh_place_reap() - empty a place if nobody is there any more
 * @nic: whose
 * @place: which
 *
 * Under the device's lock.
 */
void lh_place_reap(struct lh_nic *nic, u32 place)
{
	struct lh_process *process = lh_place_at(nic, place);

	if (process && process->state == LH_PROCESS_ENDED &&
	    !lh_endpoints_bound(process))
		lh_place_empty(nic, place);
}

/**
 * lh_places_used() - how many processes are attached, or not yet forgotten
 * @nic: to which
 *
 * Under the device's lock.
 */
unsigned int lh_places_used(struct lh_nic *nic)
{
	unsigned int used = 0;
	u32 place;

	for (place = 0; place < nic->geometry.processes; place++) {
		struct lh_process *process = lh_place_at(nic, place);

		used += process && process->state != LH_PROCESS_ENDED;
	}
	return used;
}

/**
 * lh_place_take() - give a process a place
 * @process: that has none
 * @nic: that serves
 *
 * Under the device's lock.
 *
 * Return: 0; -EDQUOT if its user has as many processes as may be; -ENOSPC if all
 * places are taken.
 */
int lh_place_take(struct lh_process *process, struct lh_nic *nic)
{
	u32 place, found = nic->geometry.processes;
	unsigned int own = 0;

	for (place = 0; place < nic->geometry.processes; place++) {
		struct lh_process *other;

		lh_place_reap(nic, place);
		other = lh_place_at(nic, place);
		if (!other)
			found = min(found, place);
		else if (uid_eq(other->cred->euid, process->cred->euid))
			own++;
	}
	if (own >= lh_max_processes_per_user)
		return -EDQUOT;
	if (found == nic->geometry.processes)
		return -ENOSPC;

	lh_nic_get(nic);
	process->nic = nic;
	process->place = found;
	process->generation = ++nic->places[found].generation;
	kref_get(&process->kref);
	rcu_assign_pointer(nic->places[found].process, process);
	return 0;
}

/**
 * lh_places_clear() - nobody has a place any more
 * @nic: that is down, and not registered with the scheduler
 *
 * Under the device's lock.
 */
void lh_places_clear(struct lh_nic *nic)
{
	u32 place;

	for (place = 0; place < nic->geometry.processes; place++)
		if (lh_place_at(nic, place))
			lh_place_empty(nic, place);
}
