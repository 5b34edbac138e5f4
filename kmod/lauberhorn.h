/* SPDX-License-Identifier: GPL-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * What the files of the module share: its objects, and who holds them.
 *
 *   device    a node for processes and one for the NIC; lives while it is bound,
 *             or somebody has a node open
 *   nic       one life of the NIC, an epoch: from LH_NIC_ATTACH until its file
 *             is closed; its table of places says who is attached
 *   process   one open file of the node for processes. Its place holds it as
 *             well, until the NIC has forgotten it
 *   memory    what they map; mappings of the NIC hold that of a process, too
 *
 * A process holds its nic, a nic its device. Memory never changes its owner, so
 * nothing has to be taken away from anybody: what a process maps is its own until
 * it goes, and is freed when the NIC has let it go as well.
 *
 * Locks, in this order:
 *
 *   mmap_lock          the core's, where a mapping comes or goes
 *   device->lock       the table of places, states of processes, bindings
 *
 *   device->life       beginning and end of a nic, registration with the scheduler;
 *                      before device->lock, never under mmap_lock
 *
 * Wakes, RUN and rings take none of these: a nic finds its processes under RCU.
 * They take
 *
 *   endpoint->lock     raw: who waits there
 */
#ifndef LAUBERHORN_KMOD_H
#define LAUBERHORN_KMOD_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/irq_work.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/spinlock_types.h>
#include <linux/swait.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "abi/host/endpoint.h"
#include "abi/host/region.h"
#include "hooks.h"

struct cred;
struct dentry;
struct file;
struct io_uring_cmd;
struct lh_kernel_channel;
struct lh_user;
struct mm_struct;
struct net;
struct seq_file;
struct vm_area_struct;

#define LH_DEVICES 8 /* at most, two minors each */

/* A field of one of the words that kernel and NIC write. */
#define lh_get(word, field) \
	((u32)((word) >> field##_SHIFT & (BIT_ULL(field##_BITS) - 1)))

/* What a device counts: how often RUN and PREEMPT got each answer, LH_ANSWER_*; and */
enum lh_counter {
	LH_COUNT_INTERRUPTS =
		LH_ANSWER_OFFLINE + 1, /* that its NICs asked for */
	LH_COUNTERS,
};

#define LH_KICKS 64 /* that are remembered */

/**
 * struct lh_kick - a kick of the NIC, because a CPU was sent an interrupt
 * @number: how many there were, this included; 0: none yet; negative: see kicks.c
 * @time: nanoseconds of CLOCK_MONOTONIC
 * @from: who sent it
 * @cpu: to which
 * @endpoint: in the device's table, of the thread that ran there
 * @calls: it has a function called, and is not for schedule()
 */
struct lh_kick {
	atomic64_t number;
	u64 time;
	unsigned long from;
	u32 cpu;
	u32 endpoint;
	bool calls;
};

/**
 * struct lh_kicks - the last kicks of a device
 * @last: the number of the newest
 * @kicks: those, by number
 */
struct lh_kicks {
	atomic64_t last;
	struct lh_kick kicks[LH_KICKS];
};

/**
 * struct lh_device - one device
 * @process_node: /dev/lauberhornN, and what sysfs shows
 * @nic_node: /dev/lauberhornN-nic
 * @process_cdev: of the first
 * @nic_cdev: of the second
 * @number: N
 * @debugfs: its folder there
 * @life: see above
 * @lock: see above
 * @nic: that serves, or NULL; under both to write, either to read
 * @nic_opened: whether somebody has the NIC's node open; under @lock
 * @gone: unbound; under both to write, either to read
 * @epoch: the last that began; under @life to write
 * @counters: of all NICs that it had
 * @kicks: the last of them
 */
struct lh_device {
	struct device process_node;
	struct device nic_node;
	struct cdev process_cdev;
	struct cdev nic_cdev;
	int number;
	struct dentry *debugfs;

	struct mutex life; /* serialises beginning and end of a nic */
	struct mutex lock; /* for tables and states */
	struct lh_nic *nic;
	bool nic_opened;
	bool gone;
	u64 epoch;
	atomic64_t counters[LH_COUNTERS];
	struct lh_kicks kicks;
};

/**
 * struct lh_memory - zeroed pages that are mapped
 * @kref: a mapping of the NIC, and whoever has it
 * @base: where the kernel sees them
 * @size: in bytes, whole pages
 * @user: who is charged with it, or NULL
 * @first: page of the NIC's node at which it maps them
 */
struct lh_memory {
	struct kref kref;
	void *base;
	u64 size;
	struct lh_user *user;
	pgoff_t first;
};

/**
 * struct lh_endpoint - what one thread, or one queue of them, waits at
 * @thread: that is bound, or was until it ended; NULL: nobody; under the device's
 *	lock to write, others only compare it
 * @queue: who parks here without being bound
 * @lock: for @commands and @parked
 * @commands: of rings, that wait here: struct lh_parked
 * @parked: how many
 * @remembered: RUN came while nobody did
 */
struct lh_endpoint {
	struct pid *thread;
	struct swait_queue_head queue;
	raw_spinlock_t lock; /* for commands of rings */
	struct list_head commands;
	unsigned int parked;
	atomic_t remembered;
};

/* In this order, some left out. */
enum lh_process_state {
	LH_PROCESS_OPENED, /* has no place */
	LH_PROCESS_BEGINS, /* gets its memory */
	LH_PROCESS_ASKS, /* waits for the NIC's answer */
	LH_PROCESS_ATTACHED,
	LH_PROCESS_LEFT, /* writes nothing any more; the NIC has to say END */
	LH_PROCESS_ENDED, /* the NIC knows nothing of it */
};

/**
 * struct lh_process - one attachment
 * @kref: its file and its place
 * @rcu: RUN looks at it in interrupts
 * @device: to which
 * @mm: of the process that opened the file: nobody else may use it
 * @cred: of who opened it, with the user namespace
 * @net: in whose network, or NULL
 * @pid: of the process, for the NIC's log
 * @state: under the device's lock to write
 * @error: why it was refused, negative
 * @told: the NIC has read its ATTACH; under the device's lock
 * @mappings: of its part, by itself; under the device's lock
 * @nic: from BEGINS on; does not change
 * @place: in the table of @nic; does not change
 * @generation: of that place; does not change
 * @memory: its part, from ASKS on: as long as anybody may be bound
 * @endpoints: as many as each process of @nic has
 */
struct lh_process {
	struct kref kref;
	struct rcu_head rcu;
	struct lh_device *device;
	struct mm_struct *mm;
	const struct cred *cred;
	struct net *net;
	struct pid *pid;

	enum lh_process_state state;
	int error;
	bool told;
	unsigned int mappings;

	struct lh_nic *nic;
	u32 place;
	u32 generation;
	struct lh_memory *memory;
	struct lh_endpoint *endpoints;
};

/**
 * struct lh_place - where a process is attached
 * @process: who, or was until the NIC forgot it; NULL: nobody; RCU
 * @generation: of who is, or was last
 */
struct lh_place {
	struct lh_process __rcu *process;
	u32 generation;
};

/**
 * struct lh_nic - one life of the NIC
 * @kref: its file, and each process that attached
 * @device: whose
 * @mm: of the process that opened the file
 * @attached: it has memory; under the device's life
 * @started: it serves, or did; under the device's life
 * @down: it does not any more; under both of the device's locks to write
 * @epoch: its number
 * @geometry: what it asked for
 * @features: LH_DEVICE_*, that it got
 * @memory: the kernel's part
 * @places: @geometry.processes of them; under the device's lock
 * @news: of which places it has to be told; under the device's lock
 * @rung: somebody rang
 * @wait: where it reads or polls
 * @answers: where processes wait for its answers
 * @ring: rings where wait queues may not be touched
 * @ready: commands of rings that are to be completed
 * @completes: completes them where it may
 * @provider: its memory, for the scheduler
 * @registered: with the scheduler; under the device's life
 * @notes_kicks: see kicks.c; under the device's life
 * @info: of the kernel's part
 * @cpus: that have kernel channels
 * @channels: one for each of them
 * @interrupts: that are under way
 */
struct lh_nic {
	struct kref kref;
	struct lh_device *device;
	struct mm_struct *mm;
	bool attached;
	bool started;
	bool down;

	u64 epoch;
	struct lh_nic_attach geometry;
	u64 features;
	struct lh_memory *memory;

	struct lh_place *places;
	unsigned long *news;
	atomic_t rung;
	wait_queue_head_t wait;
	wait_queue_head_t answers;
	struct irq_work ring;
	struct llist_head ready;
	struct irq_work completes;

	struct lauberhorn_provider provider;
	bool registered;
	bool notes_kicks;
	struct lh_info *info;
	unsigned int cpus;
	struct lh_kernel_channel *channels;
	atomic_t interrupts;
};

/* main.c: limits, which whoever loads the module sets */
extern unsigned int lh_max_processes;
extern unsigned int lh_max_endpoints;
extern unsigned int lh_max_processes_per_user;
extern unsigned int lh_max_memory_per_user;

/* device.c */
int lh_devices_init(void);
void lh_devices_exit(void);
struct lh_device *lh_device_add(struct device *parent);
void lh_device_remove(struct lh_device *device);
unsigned int lh_device_status(const struct lh_device *device);

/* sysfs.c */
extern const struct attribute_group *lh_device_groups[];

/* debugfs.c */
void lh_debugfs_add(struct lh_device *device);
void lh_debugfs_remove(struct lh_device *device);

/* soft.c */
int lh_soft_init(void);
void lh_soft_exit(void);

/* process.c */
extern const struct file_operations lh_process_operations;
void lh_process_put(struct lh_process *process);
int lh_process_serves(const struct lh_process *process);
void lh_process_leave(struct lh_process *process);

/* Under the device's lock. */
static inline void lh_process_set(struct lh_process *process,
				  enum lh_process_state state)
{
	/* Who sees the state finds all that it stands for. */
	smp_store_release(&process->state, state);
}

static inline enum lh_process_state
lh_process_state(const struct lh_process *process)
{
	/* See lh_process_set(). */
	return smp_load_acquire(&process->state);
}

/* The index of one of its endpoints in the device's table. */
static inline u32 lh_process_endpoint(const struct lh_process *process,
				      u32 number)
{
	return process->place * process->nic->geometry.endpoints + number;
}

/* attach.c */
int lh_attach(struct lh_process *process, struct lh_device_attach *attach);
int lh_answer(struct lh_nic *nic, const struct lh_nic_answer *answer);
int lh_end(struct lh_nic *nic, const struct lh_nic_end *end);

/* places.c */
struct lh_process *lh_place_at(struct lh_nic *nic, u32 place);
struct lh_process *lh_place_find(struct lh_nic *nic, u32 place, u32 generation);
int lh_place_take(struct lh_process *process, struct lh_nic *nic);
void lh_place_reap(struct lh_nic *nic, u32 place);
unsigned int lh_places_used(struct lh_nic *nic);
void lh_places_clear(struct lh_nic *nic);

/* endpoint.c */
struct lh_endpoint *lh_endpoints_make(unsigned int count);
void lh_endpoints_end(struct lh_endpoint *endpoints, unsigned int count);
void lh_endpoints_wake(struct lh_process *process);
bool lh_endpoints_bound(const struct lh_process *process);
struct lh_endpoint *lh_endpoint_of(struct lh_process *process, u32 number);
int lh_bind(struct lh_process *process, const struct lh_device_bind *bind);
void lh_unbound(struct lh_process *process, struct lh_endpoint *endpoint);
int lh_unbind(struct lh_process *process);
unsigned int lh_run_queue(struct lh_nic *nic, struct lh_endpoint *endpoint);
unsigned int lh_run(struct lh_nic *nic, u32 endpoint, u32 generation, int cpu,
		    bool preempt, unsigned int *mask);

/* park.c */
int lh_look(const u64 __user *at, u64 parked);
int lh_park_check(struct lh_process *process, const struct lh_device_park *park,
		  struct lh_endpoint **endpoint);
int lh_park_caller(struct lh_process *process,
		   const struct lh_device_park *park);

/* uring.c */
int lh_uring_park(struct lh_process *process, struct io_uring_cmd *command,
		  const struct lh_device_park *park, unsigned int flags);
void lh_uring_abandon(struct io_uring_cmd *command);
int lh_uring_cancel(struct lh_process *process,
		    const struct lh_device_cancel *cancel);
bool lh_uring_run(struct lh_nic *nic, struct lh_endpoint *endpoint);
void lh_uring_end(struct lh_nic *nic, struct lh_endpoint *endpoint);
void lh_uring_ready(struct irq_work *work);

/* nic.c */
extern const struct file_operations lh_nic_operations;
void lh_nic_get(struct lh_nic *nic);
void lh_nic_put(struct lh_nic *nic);
void lh_nic_ring(struct lh_nic *nic);

/* life.c */
int lh_nic_attach(struct lh_nic *nic, struct lh_nic_attach *attach);
int lh_nic_start(struct lh_nic *nic);
void lh_nic_down(struct lh_nic *nic);

static inline bool lh_nic_attached(const struct lh_nic *nic)
{
	/* See lh_nic_attach(). */
	return smp_load_acquire(&nic->attached);
}

static inline bool lh_nic_started(const struct lh_nic *nic)
{
	/* See lh_nic_start(). */
	return smp_load_acquire(&nic->started);
}

/* layout.c */
int lh_layout_read(struct lh_nic *nic);

/* events.c */
void lh_news(struct lh_nic *nic, u32 place);
ssize_t lh_events_read(struct file *file, char __user *to, size_t size,
		       loff_t *offset);
__poll_t lh_events_poll(struct file *file, struct poll_table_struct *table);

/* user.c */
struct lh_user *lh_user_charge(kuid_t uid, u64 size);
void lh_user_uncharge(struct lh_user *user, u64 size);

/* map.c */
struct lh_memory *lh_memory_make(u64 size, struct lh_user *user);
void lh_memory_put(struct lh_memory *memory);
int lh_process_mmap(struct file *file, struct vm_area_struct *vma);
int lh_nic_mmap(struct file *file, struct vm_area_struct *vma);

/* provider.c */
u64 lh_kernel_features(void);
unsigned int lh_kernel_masks(void);
int lh_provider_register(struct lh_nic *nic);
void lh_provider_unregister(struct lh_nic *nic);

/* kicks.c */
void lh_kicks_begin(struct lh_nic *nic);
void lh_kicks_end(struct lh_nic *nic);
void lh_kicks_show(struct seq_file *file, struct lh_device *device);

/* kernel_channel.c */
int lh_channels_make(struct lh_nic *nic, unsigned int cpus);
void lh_channels_free(struct lh_nic *nic);
void lh_channel_commands(struct lh_nic *nic, unsigned int cpu,
			 struct lauberhorn_next *next);
int lh_channel_interrupt(struct lh_nic *nic, unsigned int cpu);
void lh_channels_settle(struct lh_nic *nic);

#endif /* LAUBERHORN_KMOD_H */
