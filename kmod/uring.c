// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Parking by io_uring: a command waits where a thread would sleep.
 *
 * What: PARK as a command of a ring waits at its endpoint, beside the threads that
 * sleep in the queue, and is completed by RUN, by its time, by LH_DEVICE_CANCEL,
 * with its process's part or NIC, or with its ring. The submitter never waits.
 *
 * Who takes a command off its endpoint's list, under the raw lock of that, is who
 * completes it, and nobody else looks at it any more. The last step is done in the
 * task that submitted it, or by a worker if its ring ends. RUN comes there by an
 * irq_work of the NIC, as it may have a raw lock.
 *
 * Locking: the endpoint's raw lock for its list. Submission, the last step, and
 * cancellation by the ring have the ring's lock: so what they look at is not freed
 * meanwhile. A request holds its file, and so the process.
 *
 * Ordering: that of park.c, with the list for the queue.
 */

#include <linux/hrtimer.h>
#include <linux/io_uring/cmd.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lauberhorn.h"
#include "trace.h"

/* Those who wait at an endpoint are looked at with interrupts off. */
#define LH_MOST_PARKED 256

/**
 * struct lh_parked - a command that waits
 * @list: of its endpoint; empty: somebody completes it
 * @ready: of its NIC, on the way there
 * @timer: for its time, if it has one
 * @command: the request's
 * @process: whose
 * @endpoint: where
 * @word: that it waits for
 * @result: so far; set by who took it off the list
 */
struct lh_parked {
	struct list_head list;
	struct llist_node ready;
	struct hrtimer timer;
	struct io_uring_cmd *command;
	struct lh_process *process;
	struct lh_endpoint *endpoint;
	u64 word;
	int result;
};

static struct lh_parked **lh_parked_of(struct io_uring_cmd *command)
{
	return io_uring_cmd_to_pdu(command, struct lh_parked *);
}

/* Under the endpoint's lock. */
static void lh_parked_take(struct lh_parked *parked, int result)
{
	list_del_init(&parked->list);
	parked->endpoint->parked--;
	parked->result = result;
}

/* Whether the caller is who took it. */
static bool lh_parked_try_take(struct lh_parked *parked, int result)
{
	guard(raw_spinlock_irqsave)(&parked->endpoint->lock);
	if (list_empty(&parked->list))
		return false;
	lh_parked_take(parked, result);
	return true;
}

/* Puts it at its endpoint, unless too many wait there. */
static bool lh_parked_add(struct lh_parked *parked)
{
	struct lh_endpoint *endpoint = parked->endpoint;

	guard(raw_spinlock_irqsave)(&endpoint->lock);
	if (endpoint->parked >= LH_MOST_PARKED)
		return false;
	endpoint->parked++;
	list_add_tail(&parked->list, &endpoint->commands);
	return true;
}

/* In the task that submitted it, or that ends its ring: the last step. */
static void lh_parked_done(struct io_uring_cmd *command, unsigned int flags)
{
	struct lh_parked *parked = *lh_parked_of(command);
	int result = parked->result;

	hrtimer_cancel(&parked->timer);
	if (!result)
		result = lh_process_serves(parked->process);
	/* Who hears of it looks at the word; a RUN that nobody hears is another's. */
	if (!(flags & IO_URING_F_TASK_DEAD))
		atomic_xchg(&parked->endpoint->remembered, 0);
	else if (!result)
		lh_run_queue(parked->process->nic, parked->endpoint);
	kfree(parked);
	io_uring_cmd_done(command, result, 0, flags);
}

/* Hands on what the caller took. Not with a raw lock held. */
static void lh_parked_complete(struct lh_parked *parked)
{
	io_uring_cmd_complete_in_task(parked->command, lh_parked_done);
}

static enum hrtimer_restart lh_parked_time(struct hrtimer *timer)
{
	struct lh_parked *parked = container_of(timer, struct lh_parked, timer);

	if (lh_parked_try_take(parked, -ETIMEDOUT))
		lh_parked_complete(parked);
	return HRTIMER_NORESTART;
}

/**
 * lh_uring_ready() - complete what was taken where that could not be done
 * @work: of a NIC
 */
void lh_uring_ready(struct irq_work *work)
{
	struct lh_nic *nic = container_of(work, struct lh_nic, completes);
	struct llist_node *ready = llist_del_all(&nic->ready);
	struct lh_parked *parked, *next;

	ready = llist_reverse_order(ready);
	llist_for_each_entry_safe(parked, next, ready, ready)
		lh_parked_complete(parked);
}

/* Takes those at @endpoint that wait for @word, or all if that is 0. */
static unsigned int lh_uring_take(struct lh_nic *nic,
				  struct lh_endpoint *endpoint, u64 word,
				  unsigned int most, int result)
{
	struct lh_parked *parked, *next;
	unsigned int taken = 0;

	scoped_guard(raw_spinlock_irqsave, &endpoint->lock) {
		list_for_each_entry_safe(parked, next, &endpoint->commands,
					 list) {
			if (taken == most)
				break;
			if (word && parked->word != word)
				continue;
			lh_parked_take(parked, result);
			llist_add(&parked->ready, &nic->ready);
			taken++;
		}
	}
	if (taken)
		irq_work_queue(&nic->completes);
	return taken;
}

/**
 * lh_uring_run() - RUN for who waits at an endpoint
 * @nic: the NIC
 * @endpoint: of a process of it; that RUN came is remembered
 *
 * In any context but NMI.
 *
 * Return: whether there was one.
 */
bool lh_uring_run(struct lh_nic *nic, struct lh_endpoint *endpoint)
{
	/* It is put there before it looks for what is remembered. */
	return !list_empty(&endpoint->commands) &&
	       lh_uring_take(nic, endpoint, 0, 1, 0);
}

/**
 * lh_uring_end() - nobody waits at an endpoint any more
 * @nic: the NIC
 * @endpoint: of a process of it, that does not serve any more
 */
void lh_uring_end(struct lh_nic *nic, struct lh_endpoint *endpoint)
{
	lh_uring_take(nic, endpoint, 0, LH_MOST_PARKED, 0);
}

/**
 * lh_uring_cancel() - the process gives waiting up
 * @process: which
 * @cancel: untrusted
 *
 * Return: 0; -ENOENT if nothing waits there; -EINVAL if there is no such endpoint;
 * -ENOTCONN or -ENODEV if the process is not attached.
 */
int lh_uring_cancel(struct lh_process *process,
		    const struct lh_device_cancel *cancel)
{
	struct lh_endpoint *endpoint;
	int error;

	if (cancel->reserved)
		return -EINVAL;
	error = lh_process_serves(process);
	if (error)
		return error;
	endpoint = lh_endpoint_of(process, cancel->endpoint);
	if (!endpoint)
		return -EINVAL;
	return lh_uring_take(process->nic, endpoint, cancel->word,
			     LH_MOST_PARKED, -ECANCELED) ?
		       0 :
		       -ENOENT;
}

/* 1 if it is to wait; 0 if something may have come; or an error. */
static int lh_uring_look(const struct lh_parked *parked, u64 expected)
{
	u64 word;

	/* It is in the list; then it looks. */
	smp_mb();
	if (atomic_read(&parked->endpoint->remembered))
		return 0;
	if (get_user(word, (u64 __user *)u64_to_user_ptr(parked->word)))
		return -EFAULT;
	return lh_process_serves(parked->process) ?: word == expected;
}

/* Puts @parked at its endpoint, for good unless there is a reason not to. */
static int lh_uring_wait(struct lh_parked *parked,
			 const struct lh_device_park *park, unsigned int flags)
{
	int error;

	if (!lh_parked_add(parked)) {
		kfree(parked);
		return -ENOBUFS;
	}
	error = lh_uring_look(parked, park->parked);
	if (error <= 0 && lh_parked_try_take(parked, error)) {
		atomic_xchg(&parked->endpoint->remembered, 0);
		kfree(parked);
		return error;
	}
	trace_lauberhorn_park(parked->process, park->endpoint, LH_TRACE_RING);
	/* Who has taken it meanwhile cannot complete it before this returns. */
	if (park->until)
		hrtimer_start(&parked->timer, ns_to_ktime(park->until),
			      HRTIMER_MODE_ABS);
	io_uring_cmd_mark_cancelable(parked->command, flags);
	return -EIOCBQUEUED;
}

/**
 * lh_uring_park() - PARK as a command of a ring
 * @process: whose
 * @command: the ring's
 * @park: untrusted
 * @flags: the ring's, whose lock is held
 *
 * Return: -EIOCBQUEUED if it waits; else as lh_park_caller(), and -ENOBUFS if too
 * many wait there; -ENOMEM.
 */
int lh_uring_park(struct lh_process *process, struct io_uring_cmd *command,
		  const struct lh_device_park *park, unsigned int flags)
{
	struct lh_endpoint *endpoint;
	struct lh_parked *parked;
	int error;

	error = lh_park_check(process, park, &endpoint);
	if (error)
		return error;
	/* A thread that is bound sleeps itself. */
	if (READ_ONCE(endpoint->thread))
		return -EBUSY;
	parked = kzalloc(sizeof(*parked), GFP_KERNEL_ACCOUNT);
	if (!parked)
		return -ENOMEM;
	hrtimer_init(&parked->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	parked->timer.function = lh_parked_time;
	parked->command = command;
	parked->process = process;
	parked->endpoint = endpoint;
	parked->word = park->word;
	*lh_parked_of(command) = parked;
	return lh_uring_wait(parked, park, flags);
}

/**
 * lh_uring_abandon() - the ring gives a command up
 * @command: that returned -EIOCBQUEUED, and is not done
 *
 * With the ring's lock. It is not completed here, by whoever closes the ring: one
 * with IORING_SETUP_DEFER_TASKRUN would not allow that.
 */
void lh_uring_abandon(struct io_uring_cmd *command)
{
	struct lh_parked *parked = *lh_parked_of(command);

	/* If it was taken, that one's completion is under way. */
	if (lh_parked_try_take(parked, -ECANCELED))
		lh_parked_complete(parked);
}
