// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Parking: a thread sleeps until RUN, a signal, or some time.
 *
 * What: a bound thread parks in the scheduler, so that RUN wakes it where it is told;
 * any other in the queue of its endpoint. Both look at the slot's word once more
 * before they sleep, and both may end without a message.
 *
 * Locking: none. The queue has a raw lock of its own.
 *
 * Ordering: the thread is in the queue and its state is set; full fence; it looks for
 * a RUN that came before, and at the word. RUN: the filled word; it is remembered;
 * full fence; who is in the queue? So either RUN finds the thread, or that finds
 * the word filled. A RUN is forgotten by who leaves, who looks at the word next.
 */

#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "lauberhorn.h"
#include "trace.h"

/**
 * lh_look() - look at a slot's word where faults must not sleep
 * @at: the word, in memory of the calling thread
 * @parked: what the thread has stored there
 *
 * By get_user(), as whoever makes the page present does after -EFAULT, and so for
 * the same addresses.
 *
 * Return: 1 if the word is @parked; 0 if it is not; -EFAULT.
 */
int lh_look(const u64 __user *at, u64 parked)
{
	u64 word;
	int error;

	pagefault_disable();
	error = get_user(word, at);
	pagefault_enable();
	return error ?: word == parked;
}

/* Sleeps in the queue once. */
static int lh_park_once(struct lh_process *process,
			struct lh_endpoint *endpoint,
			const struct lh_device_park *park)
{
	ktime_t until = ns_to_ktime(park->until);
	DECLARE_SWAITQUEUE(wait);
	int error;

	prepare_to_swait_exclusive(&endpoint->queue, &wait,
				   TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (atomic_read(&endpoint->remembered))
		error = 0;
	else
		error = lh_process_serves(process) ?:
				lh_look(u64_to_user_ptr(park->word),
					park->parked);
	if (error > 0 && signal_pending(current))
		error = -EINTR;
	if (error > 0)
		error = schedule_hrtimeout_range(park->until ? &until : NULL, 0,
						 HRTIMER_MODE_ABS) ?
				0 :
				-ETIMEDOUT;
	finish_swait(&endpoint->queue, &wait);
	atomic_xchg(&endpoint->remembered, 0);
	if (!error && signal_pending(current))
		error = -EINTR;
	return error ?: lh_process_serves(process);
}

/* In the scheduler. -ENODEV: the thread is not bound any more. */
static int lh_park_bound(const struct lh_device_park *park)
{
	ktime_t until = ns_to_ktime(park->until);
	int error;

	error = lauberhorn_park(u64_to_user_ptr(park->word), park->parked,
				park->until ? &until : NULL);
	if (!error && park->until && ktime_compare(ktime_get(), until) >= 0)
		return -ETIMEDOUT;
	return error;
}

/**
 * lh_park_check() - what PARK asks for
 * @process: whose
 * @park: untrusted
 * @endpoint: where it would wait
 *
 * Return: 0, or an error, as lh_park_caller().
 */
int lh_park_check(struct lh_process *process, const struct lh_device_park *park,
		  struct lh_endpoint **endpoint)
{
	int error;

	if (park->reserved || !IS_ALIGNED(park->word, sizeof(u64)) ||
	    park->until > KTIME_MAX)
		return -EINVAL;
	error = lh_process_serves(process);
	if (error)
		return error;
	*endpoint = lh_endpoint_of(process, park->endpoint);
	return *endpoint ? 0 : -EINVAL;
}

/**
 * lh_park_caller() - park the calling thread
 * @process: its
 * @park: untrusted
 *
 * Return: 0 if something may have come; -ETIMEDOUT; -EINTR if a signal is pending;
 * -EFAULT; -EINVAL if there is no such endpoint, or the address is not that of a
 * word; -EBUSY if another thread is bound to it; -ENOTCONN or -ENODEV if the process
 * is not attached, or its NIC went.
 */
int lh_park_caller(struct lh_process *process,
		   const struct lh_device_park *park)
{
	struct lh_endpoint *endpoint;
	struct pid *thread;
	u64 now;
	int error;

	error = lh_park_check(process, park, &endpoint);
	if (error)
		return error;
	thread = READ_ONCE(endpoint->thread);
	if (thread == task_pid(current)) {
		trace_lauberhorn_park(process, park->endpoint,
				      LH_TRACE_SCHEDULER);
		error = lh_park_bound(park);
		/* Dispatch was turned off: it looks, and goes on without. */
		if (error == -ENODEV) {
			lh_unbound(process, endpoint);
			error = 0;
		}
		return error ?: lh_process_serves(process);
	}
	if (thread)
		return -EBUSY;
	trace_lauberhorn_park(process, park->endpoint, LH_TRACE_QUEUE);
	do {
		error = lh_park_once(process, endpoint, park);
		if (error == -EFAULT && signal_pending(current))
			error = -EINTR;
		/* Not where a fault may sleep: here, and then from the start. */
	} while (error == -EFAULT &&
		 !get_user(now, (u64 __user *)u64_to_user_ptr(park->word)));
	return error;
}
