// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * What a kernel without the series tells a NIC: the lines of its CPUs.
 *
 * What: the module finds the scheduler's tracepoints by their names, and writes from
 * them what the series writes from its hooks (abi/host/cpu.h). Commands are executed
 * when the NIC interrupts for them: no idle CPU looks at its channel.
 *
 * `nr` is counted: who was woken, moved, and left. Where it cannot be known, as
 * when a thread is woken before it slept, it may be too high until the CPU is idle.
 * NEED_RESCHED is never said.
 *
 * Locking: the line of a CPU has a raw lock, which is taken with interrupts off. The
 * scheduler calls mostly with the lock of a run queue held. Registration is the
 * device's, see provider.c.
 *
 * Ordering: ring, word, count, as the series has it. CPUs come and go by callbacks,
 * on the CPU itself: the last word says OFFLINE, full fence, and then its channel
 * is looked at once more.
 */
#include "stock.h"

#if !LH_HOOKS

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <trace/events/sched.h>

#include "lauberhorn.h"

/**
 * struct lh_stock_cpu - what is told of a CPU
 * @lock: of the next four
 * @line: where, or NULL
 * @word: what was told last
 * @count: of changes
 * @nr: threads that are runnable, the running one included
 * @commands: one at a time
 */
struct lh_stock_cpu {
	raw_spinlock_t lock; /* of the line */
	struct lh_cpu_state *line;
	u64 word;
	u64 count;
	unsigned int nr;
	raw_spinlock_t commands; /* of the channel */
};

static DEFINE_PER_CPU(struct lh_stock_cpu, lh_stock_cpus) = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(lh_stock_cpus.lock),
	.commands = __RAW_SPIN_LOCK_UNLOCKED(lh_stock_cpus.commands),
};

/* Written while no tracepoint calls; read under the locks for commands, too. */
static const struct lauberhorn_provider *lh_stock_provider;
static int lh_stock_hotplug;

#define LH_KEPT (LH_FIELD_MASK(LH_CPU_SEQ) | LH_FIELD_MASK(LH_CPU_DEPARTED))

static u64 lh_stock_class(const struct task_struct *task)
{
	if (is_idle_task(task))
		return LH_WORD(LH_CPU_CLASS, LH_CPU_CLASS_IDLE);
	if (task->prio < MAX_RT_PRIO)
		return LH_WORD(LH_CPU_CLASS, LH_CPU_CLASS_REALTIME);
	if (task->policy == SCHED_EXT)
		return LH_WORD(LH_CPU_CLASS, LH_CPU_CLASS_OTHER);
	return LH_WORD(LH_CPU_CLASS, LH_CPU_CLASS_FAIR);
}

/* What the word says if @task runs, which is bound, or not: NULL. */
static u64 lh_stock_runs(const struct task_struct *task,
			 const struct lh_stock_bound *bound)
{
	u64 runs = lh_stock_class(task);

	if (is_idle_task(task))
		return runs | LH_WORD(LH_CPU_MODE, LH_CPU_IDLE);
	if (bound)
		return runs | LH_WORD(LH_CPU_MODE, LH_CPU_BOUND) |
		       (bound->endpoint + 1);
	if (task->flags & (PF_KTHREAD | PF_USER_WORKER))
		return runs | LH_WORD(LH_CPU_MODE, LH_CPU_KERNEL);
	return runs | LH_WORD(LH_CPU_MODE, LH_CPU_OTHER);
}

/* Has the line say @said, besides what is kept. Under its lock. */
static void lh_stock_publish(struct lh_stock_cpu *cpu, u64 said)
{
	const u64 endpoint = LH_FIELD_MASK(LH_CPU_ENDPOINT);
	u64 left = cpu->word & endpoint;
	u64 word = (cpu->word & LH_KEPT) | said;

	if (!cpu->line || word == cpu->word)
		return;
	if (left && left != (said & endpoint)) {
		u8 departed = (word >> LH_CPU_DEPARTED_SHIFT) + 1;

		word &= ~LH_FIELD_MASK(LH_CPU_DEPARTED);
		word |= LH_WORD(LH_CPU_DEPARTED, departed);
		WRITE_ONCE(cpu->line->departed[departed % LH_DEPARTED], left);
		dma_wmb();
	}
	word += LH_WORD(LH_CPU_SEQ, 1);
	cpu->word = word;
	WRITE_ONCE(cpu->line->word, word);
	dma_wmb();
	WRITE_ONCE(cpu->line->count, ++cpu->count);
}

static u64 lh_stock_nr(const struct lh_stock_cpu *cpu)
{
	return LH_WORD(LH_CPU_NR, min(cpu->nr, 3U));
}

static void lh_stock_publish_nr(struct lh_stock_cpu *cpu)
{
	u64 others = LH_KEPT | LH_FIELD_MASK(LH_CPU_NR);

	lh_stock_publish(cpu, (cpu->word & ~others) | lh_stock_nr(cpu));
}

/* One more is runnable on a CPU, or one less. */
static void lh_stock_count(unsigned int number, int change)
{
	struct lh_stock_cpu *cpu = per_cpu_ptr(&lh_stock_cpus, number);

	guard(raw_spinlock_irqsave)(&cpu->lock);
	if (change > 0 || cpu->nr)
		cpu->nr += change;
	lh_stock_publish_nr(cpu);
}

/* Whether a thread that is on a run queue, or nearly, will run. */
static bool lh_stock_runnable(const struct task_struct *task)
{
	return READ_ONCE(task->on_rq) && !task->se.sched_delayed;
}

/* The tracepoints: */

static void lh_stock_switch(void *data, bool preempt, struct task_struct *prev,
			    struct task_struct *next, unsigned int prev_state)
{
	struct lh_stock_cpu *cpu = this_cpu_ptr(&lh_stock_cpus);
	struct lh_stock_bound *left = NULL, *came = NULL;
	bool sleeps = !lh_stock_runnable(prev);

	if (lh_stock_anybody()) {
		left = lh_stock_bound_of(prev);
		came = lh_stock_bound_of(next);
	}
	scoped_guard(raw_spinlock_irqsave, &cpu->lock) {
		if (sleeps && !is_idle_task(prev) && cpu->nr)
			cpu->nr--;
		/* Here it is known. */
		if (is_idle_task(next))
			cpu->nr = 0;
		else
			cpu->nr = max(cpu->nr, 1U);
		lh_stock_publish(cpu,
				 lh_stock_runs(next, came) | lh_stock_nr(cpu));
	}
	/* After the line: the NIC must not think that this is its last stay. */
	if (left && sleeps)
		lh_stock_asleep(left);
}

static void lh_stock_wakeup(void *data, struct task_struct *task)
{
	if (lh_stock_anybody())
		lh_stock_woken(task);
	/* It had set its state, and had not left yet. */
	if (!READ_ONCE(task->on_cpu))
		lh_stock_count(task_cpu(task), 1);
}

/* Before it is on the other CPU. */
static void lh_stock_migrate(void *data, struct task_struct *task, int to)
{
	if (!lh_stock_runnable(task))
		return;
	lh_stock_count(task_cpu(task), -1);
	lh_stock_count(to, 1);
}

static void lh_stock_exit(void *data, struct task_struct *task)
{
	lh_stock_gone(task);
}

static void lh_stock_exec(void *data, struct task_struct *task, pid_t before,
			  struct linux_binprm *program)
{
	lh_stock_gone(task);
}

static struct lh_stock_trace {
	const char *name;
	void *probe;
	struct tracepoint *found;
} lh_stock_traces[] = {
	{ "sched_switch", lh_stock_switch },
	{ "sched_wakeup", lh_stock_wakeup },
	{ "sched_wakeup_new", lh_stock_wakeup },
	{ "sched_migrate_task", lh_stock_migrate },
	{ "sched_process_exit", lh_stock_exit },
	{ "sched_process_exec", lh_stock_exec },
};

static void lh_stock_find(struct tracepoint *trace, void *data)
{
	unsigned int at;

	for (at = 0; at < ARRAY_SIZE(lh_stock_traces); at++)
		if (!strcmp(trace->name, lh_stock_traces[at].name))
			lh_stock_traces[at].found = trace;
}

/* The first @count of them call no more. */
static void lh_stock_trace_end(unsigned int count)
{
	while (count--)
		tracepoint_probe_unregister(lh_stock_traces[count].found,
					    lh_stock_traces[count].probe, NULL);
	tracepoint_synchronize_unregister();
}

static int lh_stock_trace_begin(void)
{
	unsigned int at;
	int error;

	/* That the probes are what they call. */
	check_trace_callback_type_sched_switch(lh_stock_switch);
	check_trace_callback_type_sched_wakeup(lh_stock_wakeup);
	check_trace_callback_type_sched_wakeup_new(lh_stock_wakeup);
	check_trace_callback_type_sched_migrate_task(lh_stock_migrate);
	check_trace_callback_type_sched_process_exit(lh_stock_exit);
	check_trace_callback_type_sched_process_exec(lh_stock_exec);

	for_each_kernel_tracepoint(lh_stock_find, NULL);
	for (at = 0; at < ARRAY_SIZE(lh_stock_traces); at++) {
		struct lh_stock_trace *trace = &lh_stock_traces[at];

		error = -EOPNOTSUPP;
		if (trace->found)
			error = tracepoint_probe_register(trace->found,
							  trace->probe, NULL);
		if (error) {
			lh_stock_trace_end(at);
			return error;
		}
	}
	return 0;
}

/* The lines: */

/**
 * lh_stock_rebound() - the calling thread was bound, or is no more
 * @bound: to what; NULL: to nothing
 *
 * Interrupts are off.
 */
void lh_stock_rebound(const struct lh_stock_bound *bound)
{
	struct lh_stock_cpu *cpu = this_cpu_ptr(&lh_stock_cpus);

	guard(raw_spinlock)(&cpu->lock);
	lh_stock_publish(cpu, lh_stock_runs(current, bound) | lh_stock_nr(cpu));
}

static void lh_stock_commands(unsigned int number)
{
	struct lh_stock_cpu *cpu = per_cpu_ptr(&lh_stock_cpus, number);
	const struct lauberhorn_provider *provider;
	struct lauberhorn_next next;

	guard(raw_spinlock_irqsave)(&cpu->commands);
	provider = READ_ONCE(lh_stock_provider);
	if (provider && provider->commands)
		provider->commands(number, &next);
}

/* On the CPU, by a thread of the kernel's. */
static int lh_stock_online(unsigned int number)
{
	struct lh_stock_cpu *cpu = per_cpu_ptr(&lh_stock_cpus, number);

	if (number >= lh_stock_provider->cpus)
		return 0;
	guard(raw_spinlock_irqsave)(&cpu->lock);
	cpu->line = &lh_cpu_lines(lh_stock_provider, number)->state;
	cpu->nr = 1;
	lh_stock_publish(cpu, lh_stock_runs(current, NULL) | lh_stock_nr(cpu));
	return 0;
}

static int lh_stock_offline(unsigned int number)
{
	struct lh_stock_cpu *cpu = per_cpu_ptr(&lh_stock_cpus, number);

	scoped_guard(raw_spinlock_irqsave, &cpu->lock) {
		lh_stock_publish(cpu, LH_WORD(LH_CPU_MODE, LH_CPU_OFFLINE));
		cpu->line = NULL;
	}
	/* The NIC puts a command, and then reads the word. */
	smp_mb();
	lh_stock_commands(number);
	return 0;
}

/* What the header says of these stands in the series. */

int lauberhorn_register(const struct lauberhorn_provider *provider)
{
	int cpu, error;

	/* Interrupts are sent without a word to us. */
	if (provider->needs_kick)
		return -EOPNOTSUPP;
	error = lh_stock_bind_begin(provider);
	if (error)
		return error;
	for_each_possible_cpu(cpu) {
		struct lh_stock_cpu *stock = per_cpu_ptr(&lh_stock_cpus, cpu);

		stock->word = 0;
		stock->count = 0;
	}
	WRITE_ONCE(lh_stock_provider, provider);
	error = lh_stock_trace_begin();
	if (error)
		goto no_traces;
	error = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "lauberhorn:online",
				  lh_stock_online, lh_stock_offline);
	if (error < 0)
		goto no_hotplug;
	lh_stock_hotplug = error;
	return 0;

no_hotplug:
	lh_stock_trace_end(ARRAY_SIZE(lh_stock_traces));
no_traces:
	WRITE_ONCE(lh_stock_provider, NULL);
	lh_stock_bind_end();
	return error;
}

void lauberhorn_unregister(const struct lauberhorn_provider *provider)
{
	int cpu;

	cpuhp_remove_state(lh_stock_hotplug);
	lh_stock_bind_end();
	lh_stock_trace_end(ARRAY_SIZE(lh_stock_traces));
	WRITE_ONCE(lh_stock_provider, NULL);
	/* Who executes commands has left. */
	for_each_possible_cpu(cpu) {
		struct lh_stock_cpu *stock = per_cpu_ptr(&lh_stock_cpus, cpu);

		guard(raw_spinlock_irqsave)(&stock->commands);
	}
}

void lauberhorn_interrupt(unsigned int cpu)
{
	lh_stock_commands(cpu);
}

#endif
