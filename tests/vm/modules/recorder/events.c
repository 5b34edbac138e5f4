// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Writes down what the scheduler does and what it publishes.
 *
 * What: from the moment that this is loaded each tracepoint of `probes` makes a
 * record, with what the event says and with what run queue and device memory held
 * at that moment. Programs write marks to /dev/lh-recorder. Whoever opens that for
 * reading ends the recording, and reads it.
 *
 * Locking: none. Each CPU has its own buffer, and takes a place in it with one
 * instruction, so an interrupt gets another place. The number of a record is taken
 * inside the handler: what happens under one lock has numbers in the order in which
 * it happens. A run queue is looked at under its lock only, which the tracepoint's
 * caller holds.
 *
 * This looks into kernel/sched/sched.h, for the state of the run queue that
 * tracepoints do not tell: the threads whose dequeue is delayed are counted here
 * one by one, not taken from the counts that the hooks use.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cpuhotplug.h>
#include <linux/mmu_context.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>

#include <../kernel/sched/sched.h>
#include <uapi/linux/lauberhorn/cpu.h>
#include <uapi/linux/lauberhorn/endpoint.h>

#include "recorder.h"

DEFINE_PER_CPU(struct buffer, buffers);
static atomic64_t last_seq;
u64 end_seq;
static bool recording;
static DEFINE_MUTEX(stop_mutex);
static int hotplug_state;

/* A new record, or NULL. Preemption is off. */
static struct lh_record *new_record(unsigned int kind)
{
	unsigned int place = this_cpu_inc_return(buffers.used) - 1;
	struct lh_record *record;

	if (place >= capacity)
		return NULL;
	record = this_cpu_read(buffers.records) + place;
	record->seq = atomic64_inc_return(&last_seq);
	record->clock = ktime_get_mono_fast_ns();
	record->kind = kind;
	record->here = smp_processor_id();
	return record;
}

static struct rq *queue_of(const struct task_struct *p)
{
	return p->se.cfs_rq->rq;
}

static bool is_kernel_thread(const struct task_struct *p)
{
	return p->flags & (PF_KTHREAD | PF_USER_WORKER);
}

/* Threads that count in nr_running, but sleep: not those of a throttled group. */
static unsigned int count_delayed(struct rq *rq)
{
	unsigned int count = 0;
	struct task_struct *p;

	list_for_each_entry(p, &rq->cfs_tasks, se.group_node) {
		struct sched_entity *se = &p->se;

		if (!se->sched_delayed)
			continue;
		while (se && se->on_rq)
			se = se->parent;
		count += !se;
	}
	return count;
}

/* For the progress: who wakes so leaves the sleepers, and was in the queue before. */
static void count_wakeup(const struct lh_record *record, struct buffer *buffer)
{
	if (record->kind == LH_RECORD_WAKEUP &&
	    record->nr_running == buffer->nr_running &&
	    record->delayed + 1 == buffer->delayed)
		buffer->delayed_wakeups++;
	buffer->nr_running = record->nr_running;
	buffer->delayed = record->delayed;
}

/* Under the lock of @rq. */
static void see_queue(struct lh_record *record, struct rq *rq)
{
	struct task_struct *curr = rq->curr;
	const struct lh_cpu_state *line = rq->lauberhorn.line;
	unsigned int slot;

	record->cpu = cpu_of(rq);
	record->bits |= LH_RECORD_LOCKED;
	record->nr_running = rq->nr_running;
	record->delayed = count_delayed(rq);
	if (record->kind != LH_RECORD_CPU_WORD)
		count_wakeup(record, per_cpu_ptr(&buffers, record->cpu));
	record->curr = curr->pid;
	record->curr_prio = curr->prio;
	if (test_tsk_need_resched(curr))
		record->bits |= LH_RECORD_NEED_RESCHED;
	if (curr->se.sched_delayed)
		record->bits |= LH_RECORD_CURR_DELAYED;
	if (is_kernel_thread(curr))
		record->bits |= LH_RECORD_CURR_KERNEL;
	if (!line)
		return;
	record->bits |= LH_RECORD_EXPORTED;
	record->word = READ_ONCE(line->word);
	record->count = READ_ONCE(line->count);
	for (slot = 0; slot < LH_DEPARTED; slot++)
		record->departed[slot] = READ_ONCE(line->departed[slot]);
}

/* A binding is freed by RCU; its line is looked at under the lock only. */
static void see_task(struct lh_record *record, unsigned int which,
		     const struct task_struct *p)
{
	struct lh_record_task *task = &record->task[which];
	const struct lauberhorn_binding *binding = READ_ONCE(p->lauberhorn);

	task->pid = p->pid;
	task->prio = p->prio;
	if (is_kernel_thread(p))
		task->bits |= LH_RECORD_TASK_KERNEL;
	if (p->on_rq == TASK_ON_RQ_QUEUED)
		task->bits |= LH_RECORD_TASK_ON_RQ;
	if (p->se.sched_delayed)
		task->bits |= LH_RECORD_TASK_DELAYED;
	task->mask = cpumask_bits(&p->cpus_mask)[0];
	if (!binding)
		return;
	task->endpoint = binding->endpoint + 1;
	if (record->bits & LH_RECORD_LOCKED)
		task->word = READ_ONCE(binding->line->word);
}

static void on_cpu_word(void *data, int cpu, const struct lh_cpu_state *line,
			u64 word, u64 count)
{
	struct lh_record *record = new_record(LH_RECORD_CPU_WORD);

	this_cpu_inc(buffers.words);
	if (!record)
		return;
	record->a = word;
	record->b = count;
	see_queue(record, per_cpu(buffers.queue, cpu));
}

static void on_endpoint_word(void *data, unsigned int endpoint,
			     const struct lh_endpoint_word *line, u64 word,
			     const struct task_struct *p)
{
	struct lh_record *record = new_record(LH_RECORD_ENDPOINT_WORD);
	unsigned int mask = word & GENMASK(LH_ENDPOINT_WORD_MASK_BITS - 1, 0);
	const struct lh_cpu_mask *table;

	this_cpu_inc(buffers.words);
	if (!record)
		return;
	record->a = word;
	record->b = endpoint;
	record->word = READ_ONCE(line->word);
	see_task(record, 0, p);
	if (masks && mask && mask != LH_ENDPOINT_WORD_MASK_UNKNOWN) {
		table = (const void *)(line - endpoint) + masks;
		record->mask = READ_ONCE(table[mask - 1].bits[0]);
	}
}

static void on_nr_running(void *data, struct rq *rq, int change)
{
	struct lh_record *record = new_record(LH_RECORD_NR_RUNNING);

	if (!record)
		return;
	record->a = change;
	see_queue(record, rq);
}

static void on_switch(void *data, bool preempt, struct task_struct *prev,
		      struct task_struct *next, unsigned int prev_state)
{
	struct lh_record *record = new_record(LH_RECORD_SWITCH);

	if (!record)
		return;
	see_queue(record, this_cpu_read(buffers.queue));
	see_task(record, 0, prev);
	see_task(record, 1, next);
}

/* A thread that wakes itself does so without a lock. */
static void on_wakeup(void *data, struct task_struct *p)
{
	struct lh_record *record = new_record(LH_RECORD_WAKEUP);

	if (!record)
		return;
	if (p != current)
		see_queue(record, queue_of(p));
	see_task(record, 0, p);
}

static void on_wakeup_new(void *data, struct task_struct *p)
{
	struct lh_record *record = new_record(LH_RECORD_WAKEUP_NEW);

	if (!record)
		return;
	see_queue(record, queue_of(p));
	see_task(record, 0, p);
}

/* Of these the caller holds another lock, or none. */
static void record_task(unsigned int kind, const struct task_struct *p, u64 a,
			u64 b)
{
	struct lh_record *record;

	guard(preempt)();
	record = new_record(kind);
	if (!record)
		return;
	record->a = a;
	record->b = b;
	see_task(record, 0, p);
}

static void on_migrate(void *data, struct task_struct *p, int cpu)
{
	record_task(LH_RECORD_MIGRATE, p, cpu, 0);
}

static void on_fork(void *data, struct task_struct *parent,
		    struct task_struct *child)
{
	record_task(LH_RECORD_FORK, child, 0, 0);
}

static void on_exec(void *data, struct task_struct *p, pid_t old,
		    struct linux_binprm *binary)
{
	record_task(LH_RECORD_EXEC, p, 0, 0);
}

static void on_exit(void *data, struct task_struct *p)
{
	record_task(LH_RECORD_EXIT, p, 0, 0);
}

static int on_cpu_up(unsigned int cpu)
{
	record_task(LH_RECORD_CPU_UP, current, cpu, 0);
	return 0;
}

static int on_cpu_down(unsigned int cpu)
{
	record_task(LH_RECORD_CPU_DOWN, current, cpu, 0);
	return 0;
}

static struct {
	const char *name;
	void *function;
	struct tracepoint *tracepoint;
} probes[] = {
	{ "lauberhorn_cpu", on_cpu_word },
	{ "lauberhorn_endpoint", on_endpoint_word },
	{ "sched_update_nr_running_tp", on_nr_running },
	{ "sched_switch", on_switch },
	{ "sched_wakeup", on_wakeup },
	{ "sched_wakeup_new", on_wakeup_new },
	{ "sched_migrate_task", on_migrate },
	{ "sched_process_fork", on_fork },
	{ "sched_process_exec", on_exec },
	{ "sched_process_exit", on_exit },
};

void record_mark(const struct lh_mark *mark)
{
	if (READ_ONCE(recording))
		record_task(LH_RECORD_MARK, current,
			    mark->what | (u64)mark->argument << 32,
			    mark->value);
}

static void find_tracepoint(struct tracepoint *tracepoint, void *data)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(probes[i].name, tracepoint->name))
			probes[i].tracepoint = tracepoint;
}

/* Ends what runs of it; the first caller waits until nothing is written any more. */
void stop_recording(void)
{
	unsigned int i;

	guard(mutex)(&stop_mutex);
	if (!recording)
		return;
	recording = false;
	/* From here on a probe is gone sooner than another. */
	end_seq = atomic64_read(&last_seq);
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (probes[i].tracepoint)
			tracepoint_probe_unregister(probes[i].tracepoint,
						    probes[i].function, NULL);
	tracepoint_synchronize_unregister();
	cpuhp_remove_state_nocalls(hotplug_state);
}

/* An interrupt of the CPU, whose running thread is on its queue. */
static void find_queue(void *data)
{
	this_cpu_write(buffers.queue, queue_of(current));
}

int start_recording(void)
{
	unsigned int i;
	int error;

	on_each_cpu(find_queue, NULL, true);
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	hotplug_state = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN,
						  "lauberhorn/recorder:online",
						  on_cpu_up, on_cpu_down);
	if (hotplug_state < 0)
		return hotplug_state;
	recording = true;
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		error = -ENOENT;
		if (probes[i].tracepoint)
			error = tracepoint_probe_register(
				probes[i].tracepoint, probes[i].function, NULL);
		if (error) {
			pr_err("no tracepoint %s\n", probes[i].name);
			probes[i].tracepoint = NULL;
			stop_recording();
			return error;
		}
	}
	return 0;
}
