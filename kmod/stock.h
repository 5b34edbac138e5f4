/* SPDX-License-Identifier: GPL-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * What the two halves of the back-end for stock kernels share: CPUs (stock.c) and
 * bound threads (stock_bind.c).
 *
 * Locks, each raw, as the scheduler calls with the lock of a run queue held:
 *
 *   bound->lock        the word of an endpoint
 *   cpu->lock          the line of a CPU; never with the lock of another CPU
 *
 * and lh_stock_table's lock, of who is bound to what, which comes before both.
 */
#ifndef LAUBERHORN_KMOD_STOCK_H
#define LAUBERHORN_KMOD_STOCK_H

#include "hooks.h"

#if !LH_HOOKS

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock_types.h>
#include <linux/swait.h>

struct task_struct;

enum lh_stock_wait {
	LH_STOCK_AWAKE, /* or asleep elsewhere */
	LH_STOCK_WAITS, /* in our wait, and will look at its slot's word */
	LH_STOCK_REMEMBERED, /* awake, and a RUN has come */
};

/**
 * struct lh_stock_bound - a thread that is bound to an endpoint
 * @of_task: in the table of threads; RCU
 * @task: the thread; only compared
 * @endpoint: its index
 * @generation: of the endpoint
 * @lock: of @word and @line
 * @word: what the NIC was told of the endpoint
 * @line: where; NULL when the binding has ended
 * @wait: enum lh_stock_wait
 * @queue: where it parks
 * @holds: the table, and the thread while it parks
 * @rcu: the scheduler looks at it
 */
struct lh_stock_bound {
	struct hlist_node of_task;
	struct task_struct *task;
	unsigned int endpoint;
	u32 generation;
	raw_spinlock_t lock; /* of the endpoint's word */
	u64 word;
	struct lh_endpoint_word *line;
	atomic_t wait;
	struct swait_queue_head queue;
	refcount_t holds;
	struct rcu_head rcu;
};

#define LH_FIELD_MASK(field) \
	GENMASK_ULL(field##_SHIFT + field##_BITS - 1, field##_SHIFT)
#define LH_WORD(field, value) ((u64)(value) << field##_SHIFT)

/* stock.c */
void lh_stock_rebound(const struct lh_stock_bound *bound);

/* stock_bind.c */
int lh_stock_bind_begin(const struct lauberhorn_provider *provider);
void lh_stock_bind_end(void);
bool lh_stock_anybody(void);
struct lh_stock_bound *lh_stock_bound_of(const struct task_struct *task);
void lh_stock_asleep(struct lh_stock_bound *bound);
void lh_stock_woken(struct task_struct *task);
void lh_stock_gone(struct task_struct *task);

#endif

#endif /* LAUBERHORN_KMOD_STOCK_H */
