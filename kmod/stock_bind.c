// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Bound threads on a kernel without the series: whose they are, how they park, RUN.
 *
 * What: as the series has it (abi/host/endpoint.h), but that RUN wakes a thread where
 * the scheduler wants it, that PREEMPT is RUN, that no hint is read, and that where a
 * thread may run is not told. A binding ends at the tracepoints of exit and exec.
 *
 * Locking: lh_stock_table.lock, raw, for who is bound; readers are under RCU, as the
 * scheduler's tracepoints and RUN are.
 *
 * Ordering: that of park.c: the thread is in the queue and its state is set; it says
 * that it waits, with a full fence; it looks at the word. RUN: the filled word; full
 * fence; does it wait? The endpoint's word says PARKED or BLOCKED after the line of
 * the CPU that the thread left, and RUNNABLE before a line can name it.
 */
#include "stock.h"

#if !LH_HOOKS

#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lauberhorn.h"

#define LH_STOCK_HASH_BITS 8

static struct {
	raw_spinlock_t lock; /* of all that follows */
	struct lh_endpoint_word *words; /* NULL: no NIC is told */
	unsigned int count;
	struct lh_stock_bound __rcu **of_endpoint;
	struct hlist_head of_task[1 << LH_STOCK_HASH_BITS];
	u32 threads; /* that were ever bound */
	atomic_t bound;
} lh_stock_table = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(lh_stock_table.lock),
};

static struct hlist_head *lh_stock_list(const struct task_struct *task)
{
	return &lh_stock_table.of_task[hash_ptr(task, LH_STOCK_HASH_BITS)];
}

/**
 * lh_stock_anybody() - whether any thread is bound
 */
bool lh_stock_anybody(void)
{
	return atomic_read(&lh_stock_table.bound);
}

/**
 * lh_stock_bound_of() - what a thread is bound to
 * @task: which
 *
 * Under RCU, or the table's lock.
 *
 * Return: the binding, or NULL.
 */
struct lh_stock_bound *lh_stock_bound_of(const struct task_struct *task)
{
	struct lh_stock_bound *bound;

	hlist_for_each_entry_rcu(bound, lh_stock_list(task), of_task,
				 lockdep_is_held(&lh_stock_table.lock))
		if (bound->task == task)
			return bound;
	return NULL;
}

static void lh_stock_put(struct lh_stock_bound *bound)
{
	if (refcount_dec_and_test(&bound->holds))
		kfree_rcu(bound, rcu);
}

static void lh_stock_state(struct lh_stock_bound *bound, unsigned int state)
{
	const u64 mask = LH_FIELD_MASK(LH_ENDPOINT_WORD_STATE);
	u64 word;

	guard(raw_spinlock_irqsave)(&bound->lock);
	word = (bound->word & ~mask) | LH_WORD(LH_ENDPOINT_WORD_STATE, state);
	if (!bound->line || word == bound->word)
		return;
	bound->word = word;
	dma_wmb();
	WRITE_ONCE(bound->line->word, word);
}

/**
 * lh_stock_asleep() - the thread has left its CPU, and its run queue
 * @bound: its binding
 */
void lh_stock_asleep(struct lh_stock_bound *bound)
{
	bool parked = atomic_read(&bound->wait) == LH_STOCK_WAITS;

	lh_stock_state(bound,
		       parked ? LH_ENDPOINT_PARKED : LH_ENDPOINT_BLOCKED);
}

/**
 * lh_stock_woken() - a thread is on its run queue again
 * @task: perhaps bound
 */
void lh_stock_woken(struct task_struct *task)
{
	struct lh_stock_bound *bound = lh_stock_bound_of(task);

	if (bound)
		lh_stock_state(bound, LH_ENDPOINT_RUNNABLE);
}

/* Wakes the thread if it is in our wait; else it is remembered, and that is false. */
static bool lh_stock_wake(struct lh_stock_bound *bound)
{
	/* The word was filled before: see above. */
	smp_mb__before_atomic();
	if (atomic_cmpxchg(&bound->wait, LH_STOCK_AWAKE, LH_STOCK_REMEMBERED) !=
	    LH_STOCK_WAITS)
		return false;
	swake_up_one(&bound->queue);
	return true;
}

/* From here on nothing is told of it. Under the table's lock. */
static void lh_stock_release(struct lh_stock_bound *bound, unsigned int state)
{
	lh_stock_state(bound, state);
	scoped_guard(raw_spinlock_irqsave, &bound->lock)
		bound->line = NULL;
	hlist_del_rcu(&bound->of_task);
	RCU_INIT_POINTER(lh_stock_table.of_endpoint[bound->endpoint], NULL);
	atomic_dec(&lh_stock_table.bound);
	/* Nobody else wakes it any more. */
	lh_stock_wake(bound);
	lh_stock_put(bound);
}

/* The calling thread's binding ends; false if it has none. */
static bool lh_stock_release_caller(unsigned int state)
{
	struct lh_stock_bound *bound;

	guard(raw_spinlock_irqsave)(&lh_stock_table.lock);
	bound = lh_stock_bound_of(current);
	if (!bound)
		return false;
	/* First from the line, which no thread may name that is dead. */
	lh_stock_rebound(NULL);
	lh_stock_release(bound, state);
	return true;
}

/**
 * lh_stock_gone() - a thread ends, or becomes another program
 * @task: the calling thread
 */
void lh_stock_gone(struct task_struct *task)
{
	if (task == current && lh_stock_anybody())
		lh_stock_release_caller(LH_ENDPOINT_DEAD);
}

/**
 * lh_stock_bind_begin() - a NIC comes
 * @provider: its memory
 *
 * Return: 0 or -ENOMEM.
 */
int lh_stock_bind_begin(const struct lauberhorn_provider *provider)
{
	struct lh_stock_bound __rcu **of_endpoint;

	of_endpoint = kvcalloc(provider->endpoints, sizeof(*of_endpoint),
			       GFP_KERNEL_ACCOUNT);
	if (!of_endpoint)
		return -ENOMEM;
	guard(raw_spinlock_irqsave)(&lh_stock_table.lock);
	lh_stock_table.of_endpoint = of_endpoint;
	lh_stock_table.count = provider->endpoints;
	lh_stock_table.words = provider->endpoint_words;
	return 0;
}

/**
 * lh_stock_bind_end() - a NIC goes
 */
void lh_stock_bind_end(void)
{
	struct lh_stock_bound __rcu **of_endpoint = lh_stock_table.of_endpoint;
	struct lh_stock_bound *bound;
	struct hlist_node *next;
	unsigned int at;

	scoped_guard(raw_spinlock_irqsave, &lh_stock_table.lock) {
		for (at = 0; at < ARRAY_SIZE(lh_stock_table.of_task); at++)
			hlist_for_each_entry_safe(bound, next,
						  &lh_stock_table.of_task[at],
						  of_task)
				lh_stock_release(bound, LH_ENDPOINT_UNBOUND);
		lh_stock_table.words = NULL;
		WRITE_ONCE(lh_stock_table.count, 0);
	}
	/* RUN looks there. */
	synchronize_rcu();
	lh_stock_table.of_endpoint = NULL;
	kvfree(of_endpoint);
}

/* What the header says of these stands in the series. */

/* Whether the calling thread may be bound to it. Under the table's lock. */
static int lh_stock_may_bind(unsigned int endpoint)
{
	if (!lh_stock_table.words)
		return -ENODEV;
	if (endpoint >= lh_stock_table.count)
		return -EINVAL;
	if (lh_stock_bound_of(current))
		return -EALREADY;
	return rcu_access_pointer(lh_stock_table.of_endpoint[endpoint]) ?
		       -EBUSY :
		       0;
}

/* From here on it is told of. Under the table's lock. */
static void lh_stock_bind(struct lh_stock_bound *bound)
{
	const u32 last = LH_FIELD_MASK(LH_ENDPOINT_WORD_THREAD) >>
			 LH_ENDPOINT_WORD_THREAD_SHIFT;

	/* Never 0. */
	lh_stock_table.threads = lh_stock_table.threads % last + 1;
	bound->line = lh_stock_table.words + bound->endpoint;
	bound->word =
		LH_WORD(LH_ENDPOINT_WORD_THREAD, lh_stock_table.threads) |
		(LH_WORD(LH_ENDPOINT_WORD_GENERATION, bound->generation) &
		 LH_FIELD_MASK(LH_ENDPOINT_WORD_GENERATION)) |
		LH_WORD(LH_ENDPOINT_WORD_MASK, LH_ENDPOINT_WORD_MASK_UNKNOWN);
	lh_stock_state(bound, LH_ENDPOINT_RUNNABLE);
	hlist_add_head_rcu(&bound->of_task, lh_stock_list(current));
	rcu_assign_pointer(lh_stock_table.of_endpoint[bound->endpoint], bound);
	atomic_inc(&lh_stock_table.bound);
	lh_stock_rebound(bound);
}

int lauberhorn_bind(unsigned int endpoint, u32 generation)
{
	struct lh_stock_bound *bound;
	int error;

	bound = kzalloc(sizeof(*bound), GFP_KERNEL_ACCOUNT);
	if (!bound)
		return -ENOMEM;
	bound->task = current;
	bound->endpoint = endpoint;
	bound->generation = generation;
	raw_spin_lock_init(&bound->lock);
	init_swait_queue_head(&bound->queue);
	refcount_set(&bound->holds, 1);

	scoped_guard(raw_spinlock_irqsave, &lh_stock_table.lock) {
		error = lh_stock_may_bind(endpoint);
		if (!error)
			lh_stock_bind(bound);
	}
	if (error)
		kfree(bound);
	return error;
}

int lauberhorn_unbind(void)
{
	return lh_stock_release_caller(LH_ENDPOINT_UNBOUND) ? 0 : -ENOENT;
}

/* Nobody reads it. */
int lauberhorn_hint(const struct lh_hint *hint)
{
	return 0;
}

/* Sleeps once, if nothing came. */
static int lh_stock_park_once(struct lh_stock_bound *bound,
			      const u64 __user *word, u64 parked,
			      ktime_t *until)
{
	DECLARE_SWAITQUEUE(wait);
	int still = 0;

	prepare_to_swait_exclusive(&bound->queue, &wait,
				   TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (atomic_cmpxchg(&bound->wait, LH_STOCK_AWAKE, LH_STOCK_WAITS) ==
	    LH_STOCK_AWAKE)
		still = lh_look(word, parked);
	if (still > 0 && READ_ONCE(bound->line))
		schedule_hrtimeout(until, HRTIMER_MODE_ABS);
	finish_swait(&bound->queue, &wait);
	/* A RUN is forgotten: the caller looks at the word next. */
	atomic_xchg(&bound->wait, LH_STOCK_AWAKE);
	if (!READ_ONCE(bound->line))
		return -ENODEV;
	if (still < 0)
		return still;
	return still && signal_pending(current) ? -EINTR : 0;
}

int lauberhorn_park(const u64 __user *word, u64 parked, ktime_t *until)
{
	struct lh_stock_bound *bound;
	u64 now;
	int error;

	scoped_guard(rcu) {
		bound = lh_stock_bound_of(current);
		if (!bound || !refcount_inc_not_zero(&bound->holds))
			return -ENODEV;
	}
	do {
		error = lh_stock_park_once(bound, word, parked, until);
		if (error == -EFAULT && signal_pending(current))
			error = -EINTR;
		/* Not where a fault may sleep: here, and then from the start. */
	} while (error == -EFAULT && !get_user(now, word));
	lh_stock_put(bound);
	return error;
}

unsigned int lauberhorn_run(unsigned int endpoint, u32 generation, int cpu,
			    unsigned int *mask)
{
	struct lh_stock_bound *bound;
	unsigned int count;

	guard(rcu)();
	count = READ_ONCE(lh_stock_table.count);
	if (endpoint >= count)
		return LH_ANSWER_DEAD;
	endpoint = array_index_nospec(endpoint, count);
	bound = rcu_dereference(lh_stock_table.of_endpoint[endpoint]);
	if (!bound)
		return LH_ANSWER_DEAD;
	if (bound->generation != generation)
		return LH_ANSWER_STALE;
	if (cpu >= 0 && (cpu >= nr_cpu_ids || !cpu_active(cpu)))
		return LH_ANSWER_OFFLINE;
	return lh_stock_wake(bound) ? LH_ANSWER_DONE : LH_ANSWER_EARLY;
}

/* Nobody can be asked to make room. */
unsigned int lauberhorn_preempt(unsigned int endpoint, u32 generation,
				unsigned int cpu, unsigned int *mask)
{
	return lauberhorn_run(endpoint, generation, cpu, mask);
}

#endif
