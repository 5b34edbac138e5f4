// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Endpoints: whose thread is bound to one, and RUN.
 *
 * What: a thread binds itself to an endpoint of its process, and the scheduler tells
 * the NIC of it. An endpoint without a thread, as that of a completion queue, has
 * a queue of those who park there, threads and commands of rings, of which RUN
 * wakes one.
 *
 * Locking: the device's lock for who is bound. RUN comes in interrupts with a raw
 * lock held: it finds the process under RCU, and wakes by a simple wait queue. A
 * binding ends by itself with its thread, and with exec; then the endpoint still
 * names the thread, and RUN is answered DEAD until another binds.
 */

#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "lauberhorn.h"
#include "trace.h"

/**
 * lh_endpoints_make() - the endpoints of a process
 * @count: how many
 *
 * Return: the endpoints, for kvfree() after lh_endpoints_end(); NULL if there is
 * no memory.
 */
struct lh_endpoint *lh_endpoints_make(unsigned int count)
{
	struct lh_endpoint *endpoints;
	unsigned int number;

	endpoints = kvcalloc(count, sizeof(*endpoints),
			     GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL);
	if (!endpoints)
		return NULL;
	for (number = 0; number < count; number++) {
		init_swait_queue_head(&endpoints[number].queue);
		raw_spin_lock_init(&endpoints[number].lock);
		INIT_LIST_HEAD(&endpoints[number].commands);
	}
	return endpoints;
}

/**
 * lh_endpoints_end() - nobody uses them any more, but RUN
 * @endpoints: of lh_endpoints_make(), or NULL
 * @count: how many
 */
void lh_endpoints_end(struct lh_endpoint *endpoints, unsigned int count)
{
	unsigned int number;

	if (!endpoints)
		return;
	for (number = 0; number < count; number++)
		put_pid(endpoints[number].thread);
}

/**
 * lh_endpoints_bound() - whether threads may still be bound to endpoints
 * @process: whose
 *
 * Whoever binds shares the memory of the process, and a binding ends before its
 * thread leaves that. What the NIC can write is not asked. Under the device's lock.
 */
bool lh_endpoints_bound(const struct lh_process *process)
{
	unsigned int count = process->nic->geometry.endpoints;
	unsigned int number;

	if (!process->endpoints)
		return false;
	guard(rcu)();
	for (number = 0; number < count; number++) {
		struct pid *thread = process->endpoints[number].thread;
		struct task_struct *task = pid_task(thread, PIDTYPE_PID);

		if (task && READ_ONCE(task->mm) == process->mm)
			return true;
	}
	return false;
}

/**
 * lh_endpoints_wake() - wake all who park at endpoints of a process
 * @process: which does not serve any more
 *
 * Bound threads are woken by the scheduler, if the NIC is what ended.
 */
void lh_endpoints_wake(struct lh_process *process)
{
	unsigned int count = process->nic->geometry.endpoints;
	unsigned int number;

	if (!process->endpoints)
		return;
	for (number = 0; number < count; number++) {
		struct lh_endpoint *endpoint = &process->endpoints[number];

		if (endpoint->thread && !process->nic->down) {
			unsigned int mask;

			lauberhorn_run(lh_process_endpoint(process, number),
				       process->generation, -1, &mask);
		}
		swake_up_all(&endpoint->queue);
		lh_uring_end(process->nic, endpoint);
	}
}

/**
 * lh_endpoint_of() - an endpoint by its process's number
 * @process: that was attached
 * @number: anything
 *
 * Return: the endpoint; NULL if there is none.
 */
struct lh_endpoint *lh_endpoint_of(struct lh_process *process, u32 number)
{
	u32 count = process->nic->geometry.endpoints;

	if (number >= count)
		return NULL;
	return &process->endpoints[array_index_nospec(number, count)];
}

/* The hint at this offset of the part, which anybody may have made up. */
static const struct lh_hint *lh_hint_at(const struct lh_process *process,
					u64 offset)
{
	u64 size = process->memory->size;

	if (!IS_ALIGNED(offset, sizeof(struct lh_hint)) || offset >= size)
		return NULL;
	return process->memory->base + array_index_nospec(offset, size);
}

/**
 * lh_bind() - bind the calling thread
 * @process: its
 * @bind: untrusted
 *
 * Return: 0; -ENOTCONN or -ENODEV if the process is not attached; -EINVAL if there
 * is no such endpoint, or no hint page; -EOPNOTSUPP if the scheduler tells the NIC
 * nothing; -EALREADY if the thread is bound; -EBUSY if the endpoint has a thread; -ENOMEM.
 */
int lh_bind(struct lh_process *process, const struct lh_device_bind *bind)
{
	const struct lh_hint *hint = NULL;
	struct lh_endpoint *endpoint;
	struct pid *before;
	int error;

	guard(mutex)(&process->device->lock);
	error = lh_process_serves(process);
	if (error)
		return error;
	endpoint = lh_endpoint_of(process, bind->endpoint);
	if (bind->hint)
		hint = lh_hint_at(process, bind->hint);
	if (!endpoint || bind->reserved || (bind->hint && !hint))
		return -EINVAL;
	if (!(process->nic->features & LH_DEVICE_STATE_WORDS))
		return -EOPNOTSUPP;
	/* Its NIC is not down, so this is its registration. */
	error = lauberhorn_bind(lh_process_endpoint(process, bind->endpoint),
				process->generation);
	/* Dispatch is turned off. */
	if (error == -ENODEV)
		return -EOPNOTSUPP;
	if (error)
		return error;
	/* The memory stays as long as a thread is bound: see places.c. */
	lauberhorn_hint(hint);
	before = endpoint->thread;
	WRITE_ONCE(endpoint->thread, get_pid(task_pid(current)));
	put_pid(before);
	return 0;
}

/**
 * lh_unbound() - the scheduler has ended the binding of the calling thread
 * @process: its
 * @endpoint: to which it was bound
 */
void lh_unbound(struct lh_process *process, struct lh_endpoint *endpoint)
{
	guard(mutex)(&process->device->lock);
	if (endpoint->thread != task_pid(current))
		return;
	WRITE_ONCE(endpoint->thread, NULL);
	put_pid(task_pid(current));
}

/**
 * lh_unbind() - end the binding of the calling thread
 * @process: its
 *
 * Return: 0; -ENOENT if it is not bound to an endpoint of this process.
 */
int lh_unbind(struct lh_process *process)
{
	unsigned int number;

	guard(mutex)(&process->device->lock);
	/* With its NIC a binding has ended by itself. */
	if (!process->endpoints || process->nic->down)
		return -ENOENT;
	for (number = 0; number < process->nic->geometry.endpoints; number++) {
		struct lh_endpoint *endpoint = &process->endpoints[number];

		if (endpoint->thread != task_pid(current))
			continue;
		WRITE_ONCE(endpoint->thread, NULL);
		put_pid(task_pid(current));
		return lauberhorn_unbind();
	}
	return -ENOENT;
}

/**
 * lh_run_queue() - RUN for those who are not bound
 * @nic: the NIC
 * @endpoint: of a process of it
 *
 * In any context but NMI.
 *
 * Return: whether there was one: LH_ANSWER_DONE or LH_ANSWER_EARLY.
 */
unsigned int lh_run_queue(struct lh_nic *nic, struct lh_endpoint *endpoint)
{
	/* Full: the filled word, this, and then who sleeps. See park.c. */
	atomic_xchg(&endpoint->remembered, 1);
	if (swait_active(&endpoint->queue)) {
		swake_up_one(&endpoint->queue);
		return LH_ANSWER_DONE;
	}
	return lh_uring_run(nic, endpoint) ? LH_ANSWER_DONE : LH_ANSWER_EARLY;
}

/* The same for a thread that is bound. */
static unsigned int lh_run_thread(u32 endpoint, u32 generation, int cpu,
				  bool preempt, unsigned int *mask)
{
	if (preempt)
		return lauberhorn_preempt(endpoint, generation, cpu, mask);
	return lauberhorn_run(endpoint, generation, cpu, mask);
}

static unsigned int lh_run_endpoint(struct lh_nic *nic, u32 endpoint,
				    u32 generation, int cpu, bool preempt,
				    unsigned int *mask)
{
	u32 count = nic->geometry.endpoints;
	struct lh_process *process;
	struct lh_endpoint *own;
	u32 place = endpoint / count;

	if (place >= nic->geometry.processes)
		return LH_ANSWER_DEAD;
	place = array_index_nospec(place, nic->geometry.processes);

	guard(rcu)();
	process = rcu_dereference(nic->places[place].process);
	if (!process)
		return LH_ANSWER_DEAD;
	if (process->generation != generation)
		return LH_ANSWER_STALE;
	if (lh_process_state(process) != LH_PROCESS_ATTACHED)
		return LH_ANSWER_DEAD;
	own = &process->endpoints[endpoint % count];
	if (READ_ONCE(own->thread))
		return lh_run_thread(endpoint, generation, cpu, preempt, mask);
	return lh_run_queue(nic, own);
}

/**
 * lh_run() - execute the NIC's RUN
 * @nic: the NIC
 * @endpoint: in the device's table; anything
 * @generation: of its process; anything
 * @cpu: that is preferred, or -1
 * @preempt: who runs there is to make room, so there must be one
 * @mask: for LH_ANSWER_NOT_ALLOWED; may be written with any answer
 *
 * In any context but NMI.
 *
 * Return: the answer, enum lh_kernel_answer.
 */
unsigned int lh_run(struct lh_nic *nic, u32 endpoint, u32 generation, int cpu,
		    bool preempt, unsigned int *mask)
{
	unsigned int answer =
		lh_run_endpoint(nic, endpoint, generation, cpu, preempt, mask);

	atomic64_inc(&nic->device->counters[answer]);
	trace_lauberhorn_wake(nic, endpoint, generation, cpu, answer);
	return answer;
}
