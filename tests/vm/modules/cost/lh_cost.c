// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Counts the instructions of a wake-up and of a switch.
 *
 * Two threads on one CPU wake each other in turn and sleep. Under QEMU's -icount
 * each instruction moves the time-stamp counter by one, so its difference is a
 * count, the same each time but for interrupts, and for what the scheduler has to
 * do now and then: the smallest one is taken.
 *
 *   wake      from before wake_up_process() of a thread that sleeps on this CPU
 *             until after it
 *   switch    from before schedule() of a thread that blocks until after the
 *             schedule() of the other one, which runs next
 *
 * Loading it does this once and writes "lh_cost: wake=A,B switch=A,B" into the
 * log, A to the first thread and B to the second. Parameters say among whom:
 *
 *   device=none       nobody is told anything
 *   device=elsewhere  a device has a line for another CPU
 *   device=here       ... for this one
 *   rounds=N          as many wake-ups of each
 *   crowd=1           four more threads are runnable here
 *   bind=1            the second thread is bound to an endpoint
 *   realtime=1        the second thread has a real-time policy: it preempts
 *   kick=1            the device needs kicks, and after each of its wake-ups the
 *                     second thread is sent an interrupt while it runs
 *   idle=1            the CPU has a kernel channel, and becomes idle each round
 *   mmio=1            the device's memory is in the registers of QEMU's device
 *                     `edu`, which does not know them, but whose accesses QEMU logs
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>
#ifdef CONFIG_LAUBERHORN_SCHED
#include <linux/sched/lauberhorn.h>
#include <uapi/linux/lauberhorn/cpu.h>
#include <uapi/linux/lauberhorn/endpoint.h>
#endif

#include <uapi/linux/sched/types.h>

#include <asm/msr.h>

#define CPU 1
#define CROWD 4

static char *device = "none";
module_param(device, charp, 0);
MODULE_PARM_DESC(device, "none, elsewhere, or here");

static int rounds = 1000;
module_param(rounds, int, 0);
MODULE_PARM_DESC(rounds, "how often each thread sleeps");

static bool crowd;
module_param(crowd, bool, 0);
MODULE_PARM_DESC(crowd, "whether there are more runnable threads");

static bool bind;
module_param(bind, bool, 0);
MODULE_PARM_DESC(bind, "whether the second thread is bound");

static bool realtime;
module_param(realtime, bool, 0);
MODULE_PARM_DESC(realtime, "whether the second thread preempts the first");

static bool kick;
module_param(kick, bool, 0);
MODULE_PARM_DESC(kick, "whether interrupts are sent to the second thread");

static bool idle;
module_param(idle, bool, 0);
MODULE_PARM_DESC(idle, "whether the CPU becomes idle, with a kernel channel");

static bool mmio;
module_param(mmio, bool, 0);
MODULE_PARM_DESC(mmio, "whether QEMU sees the stores to the device");

#ifdef CONFIG_LAUBERHORN_SCHED

#define ENDPOINT 0
/* In the registers of edu, behind those that it has. */
#define LINES 0x1000
#define ENDPOINT_WORDS 0x2000

static struct lauberhorn_provider provider;

/* The registers of QEMU's edu device. */
static void *edu(void)
{
	struct pci_dev *pci = pci_get_device(0x1234, 0x11e8, NULL);

	if (!pci || pci_enable_device(pci))
		return NULL;
	return (void __force *)pci_ioremap_bar(pci, 0);
}

/* Of a kernel channel in which no command ever comes. */
static void no_commands(unsigned int cpu, struct lauberhorn_next *next)
{
	static const u64 word;

	next->word = &word;
	next->empty = 0;
}

static int begin(void)
{
	static char memory[3 * PAGE_SIZE] __aligned(PAGE_SIZE);
	void *base = mmio ? edu() : memory;

	if (!base)
		return -ENODEV;
	provider.cpu_lines = base + LINES;
	provider.cpu_stride = sizeof(struct lh_cpu_lines);
	provider.cpus = !strcmp(device, "here") ? CPU + 1 : CPU;
	provider.endpoint_words = base + ENDPOINT_WORDS;
	provider.endpoints = 1;
	provider.needs_kick = kick;
	provider.commands = idle ? no_commands : NULL;
	return lauberhorn_register(&provider);
}

static void end(void)
{
	lauberhorn_unregister(&provider);
}

static int bind_to_endpoint(void)
{
	return lauberhorn_bind(ENDPOINT, 1);
}

static void unbind(void)
{
	lauberhorn_unbind();
}

#else

static int begin(void)
{
	return -ENODEV;
}

static void end(void)
{
}

static int bind_to_endpoint(void)
{
	return -ENODEV;
}

static void unbind(void)
{
}

#endif /* CONFIG_LAUBERHORN_SCHED */

/* All on one CPU, so what the running thread writes the next one reads. */
struct player {
	struct task_struct *task;
	struct player *other;
	bool bound;
	u64 woken; /* the fewest instructions */
	u64 switched;
	struct completion done;
};

static u64 blocked_at;
/* The second thread waits until it was interrupted. */
static bool wants_interrupt;

static void interrupt(void *unused)
{
	WRITE_ONCE(wants_interrupt, false);
}

static void wait_for_interrupt(void)
{
	WRITE_ONCE(wants_interrupt, true);
	while (READ_ONCE(wants_interrupt))
		cpu_relax();
}

/* On another CPU, as long as the threads play. */
static int send_interrupts(void *unused)
{
	while (!kthread_should_stop()) {
		if (READ_ONCE(wants_interrupt))
			smp_call_function_single(CPU, interrupt, NULL, true);
		cond_resched();
	}
	return 0;
}
static bool crowd_leaves;

static int play(void *argument)
{
	struct player *self = argument;
	u64 start;
	int round;

	WARN_ON(self->bound && bind_to_endpoint());
	for (round = 0; round < rounds; round++) {
		set_current_state(TASK_IDLE);
		blocked_at = rdtsc();
		schedule();
		self->switched = min(self->switched, rdtsc() - blocked_at);
		if (kick && self->bound)
			wait_for_interrupt();
		if (idle)
			schedule_timeout_idle(1);

		start = rdtsc();
		wake_up_process(self->other->task);
		/* At the end the other one may have ended. */
		if (round < rounds - 2)
			self->other->woken =
				min(self->other->woken, rdtsc() - start);
	}
	if (self->bound)
		unbind();
	complete(&self->done);
	return 0;
}

/* Is there. */
static int stand_by(void *unused)
{
	while (!READ_ONCE(crowd_leaves)) {
		cpu_relax();
		cond_resched();
	}
	while (!kthread_should_stop())
		schedule_timeout_idle(1);
	return 0;
}

/* A thread that may run on CPU only; it stays ours to put. */
static struct task_struct *start_on_cpu(int (*function)(void *), void *argument,
					int policy)
{
	struct sched_attr attributes = {
		.size = sizeof(attributes),
		.sched_policy = policy,
		.sched_priority = policy == SCHED_FIFO,
	};
	struct task_struct *task =
		kthread_create(function, argument, "lh_cost");

	if (WARN_ON(IS_ERR(task)))
		return NULL;
	get_task_struct(task);
	kthread_bind(task, CPU);
	WARN_ON(sched_setattr_nocheck(task, &attributes));
	wake_up_process(task);
	return task;
}

static void measure(struct player players[2])
{
	struct task_struct *others[CROWD], *sender;
	int count = crowd ? CROWD : 0;
	int i;

	/* Batch threads do not preempt each other, and prefer those of no weight. */
	for (i = 0; i < 2; i++) {
		players[i] = (struct player){
			.other = &players[!i],
			.bound = bind && i == 1,
			.woken = U64_MAX,
			.switched = U64_MAX,
		};
		init_completion(&players[i].done);
		players[i].task = start_on_cpu(
			play, &players[i],
			realtime && i == 1 ? SCHED_FIFO : SCHED_BATCH);
	}
	for (i = 0; i < count; i++)
		others[i] = start_on_cpu(stand_by, NULL, SCHED_IDLE);
	msleep(100);
	sender = kick ? kthread_run_on_cpu(send_interrupts, NULL, !CPU,
					   "lh_cost/%u") :
			NULL;
	if (WARN_ON(IS_ERR(sender)))
		return;
	wake_up_process(players[0].task);
	wait_for_completion(&players[0].done);
	wait_for_completion(&players[1].done);
	if (sender)
		kthread_stop(sender);

	WRITE_ONCE(crowd_leaves, true);
	for (i = 0; i < count; i++) {
		kthread_stop(others[i]);
		put_task_struct(others[i]);
	}
	for (i = 0; i < 2; i++)
		put_task_struct(players[i].task);
}

static int __init lh_cost_init(void)
{
	bool told = strcmp(device, "none");
	struct player players[2];
	int error;

	if (num_online_cpus() <= CPU) {
		pr_err("two processors are needed\n");
		return -ENODEV;
	}
	error = told ? begin() : 0;
	if (error)
		return error;
	measure(players);
	if (told)
		end();
	pr_info("wake=%llu,%llu switch=%llu,%llu\n", players[0].woken,
		players[1].woken, players[0].switched, players[1].switched);
	return 0;
}

static void __exit lh_cost_exit(void)
{
}

module_init(lh_cost_init);
module_exit(lh_cost_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Instructions of a wake-up and of a switch");
