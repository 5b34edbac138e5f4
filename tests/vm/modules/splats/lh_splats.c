// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Mistakes on demand, one for each that the guest's kernel is built to notice:
 * loading this with mistake=NAME makes it. What the kernel then writes into its
 * log shows whether tests/vm/kernel_log.py would see a real one.
 *
 * Nothing is left behind that another mistake could stumble over; but lockdep
 * speaks only once, and `bug` ends the loading program in the middle.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kfence.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *mistake = "";
module_param(mistake, charp, 0);
MODULE_PARM_DESC(mistake, "which mistake to make when the module is loaded");

/* Two locks in one order and in the other: nobody has to stand still for it. */
static void circular_locks(void)
{
	static DEFINE_MUTEX(first);
	static DEFINE_MUTEX(second);

	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

/* Right here, but on PREEMPT_RT the inner lock sleeps. */
static void nested_locks(void)
{
	static DEFINE_RAW_SPINLOCK(outer);
	static DEFINE_SPINLOCK(inner);

	raw_spin_lock(&outer);
	spin_lock(&inner);
	spin_unlock(&inner);
	raw_spin_unlock(&outer);
}

static void sleep_in_atomic(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
}

static void unguarded_processor(void)
{
	(void)smp_processor_id();
}

/* KFENCE guards an object now and then; this waits for one that it guards. */
static void use_after_free(void)
{
	unsigned long end = jiffies + 60 * HZ;
	char *object;

	do {
		object = kmalloc(64, GFP_KERNEL);
		if (is_kfence_address(object)) {
			kfree(object);
			(void)READ_ONCE(*object);
			return;
		}
		kfree(object);
		cond_resched();
	} while (time_before(jiffies, end));
	pr_err("KFENCE took none of the objects\n");
}

static void list_corruption(void)
{
	LIST_HEAD(list);
	struct list_head item;

	list_add(&item, &list);
	item.next = &item;
	list_del(&item);
}

static void warning(void)
{
	WARN(1, "as asked for\n");
}

static void bug(void)
{
	BUG();
}

/* Longer than the hung-task watch allows, which the test sets to a second. */
static void hung_task(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(6 * HZ);
}

static const struct {
	const char *name;
	void (*make)(void);
} mistakes[] = {
	{ "circular_locks", circular_locks },
	{ "nested_locks", nested_locks },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "unguarded_processor", unguarded_processor },
	{ "use_after_free", use_after_free },
	{ "list_corruption", list_corruption },
	{ "warning", warning },
	{ "bug", bug },
	{ "hung_task", hung_task },
};

static int __init lh_splats_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (strcmp(mistakes[i].name, mistake))
			continue;
		pr_info("begin %s\n", mistake);
		mistakes[i].make();
		pr_info("end %s\n", mistake);
		return 0;
	}
	pr_err("no mistake '%s'\n", mistake);
	return -EINVAL;
}

static void __exit lh_splats_exit(void)
{
}

module_init(lh_splats_init);
module_exit(lh_splats_exit);
MODULE_DESCRIPTION("Mistakes that the kernel's checks must notice");
MODULE_LICENSE("GPL");
