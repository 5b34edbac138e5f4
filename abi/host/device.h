/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * device.h - what processes, and a NIC in software, ask of the kernel's module
 *
 * /dev/lauberhornN is for processes. An open file is one attachment, of the
 * process that opened it: nobody else may use it, and once that has left it
 * never comes back. The process maps its part of the region from offset 0: the
 * information page read-only, the rest as it likes. It has left when the last of
 * these mappings is gone, or the file is closed.
 *
 * /dev/lauberhornN-nic is for the NIC, one at a time. It maps the part of the
 * region that the kernel has for itself (information page, CPU lines, endpoint
 * words, CPU masks) from offset 0, and the part of each process where that
 * process's event says. All memory comes zeroed from the kernel, and the NIC lays
 * it out.
 *
 * The life of a NIC is an epoch: from its attach to the close of its file.
 * Whatever was attached in it stays DOWN for ever then.
 *
 * Endpoints: a process has `endpoints` of them, numbered from 0 in its own part;
 * for the kernel endpoint e is `first_endpoint` + e of the device's table. The
 * generation is the process's.
 *
 * Reserved fields must be 0, or the call fails with EINVAL.
 */
#ifndef LH_HOST_DEVICE_H
#define LH_HOST_DEVICE_H

#include <linux/ioctl.h>

#include "types.h"

/* What the module can do with this kernel, and this device. */
#define LH_DEVICE_STATE_WORDS 0x1ULL /* the scheduler publishes; threads bind */
#define LH_DEVICE_KERNEL_CHANNELS 0x2ULL /* CPUs execute RUN and PREEMPT */

/* The answer to LH_DEVICE_INFO; anybody may ask who opened the file. */
struct lh_device_info {
	__u32 version_major; /* w: kernel; r: process; o: call; of the contract */
	__u32 version_minor; /* w: kernel; r: process; o: call */
	__u64 features; /* w: kernel; r: process; o: call; LH_DEVICE_* */
	__u64 epoch; /* w: kernel; r: process; o: call; the last that began */
	__u32 status; /* w: kernel; r: process; o: call; LH_STATUS_* */
	__u32 processes; /* w: kernel; r: process; o: call; attached now */
	__u64 reserved[4]; /* w: kernel; r: process; o: call; zero */
};

LH_SIZE(lh_device_info, 64);
LH_FIELD(lh_device_info, version_major, 0);
LH_FIELD(lh_device_info, version_minor, 4);
LH_FIELD(lh_device_info, features, 8);
LH_FIELD(lh_device_info, epoch, 16);
LH_FIELD(lh_device_info, status, 24);
LH_FIELD(lh_device_info, processes, 28);
LH_FIELD(lh_device_info, reserved, 32);

/*
 * Attaches: waits until the NIC has laid the process's part out. Once it has,
 * the same call tells the same again; after EINTR it goes on waiting.
 */
struct lh_device_attach {
	__u64 flags; /* w: process; r: kernel; o: call; zero */
	__u64 epoch; /* w: kernel; r: process; o: call */
	__u64 features; /* w: kernel; r: process; o: call; LH_DEVICE_* */
	__u64 size; /* w: kernel; r: process; o: call; of its part, to map */
	__u32 process; /* w: kernel; r: process; o: call; its place */
	__u32 generation; /* w: kernel; r: process; o: call; of that place */
	__u32 first_endpoint; /* w: kernel; r: process; o: call */
	__u32 endpoints; /* w: kernel; r: process; o: call; how many it has */
	__u64 reserved[2]; /* w: process; r: kernel; o: call; zero */
};

LH_SIZE(lh_device_attach, 64);
LH_FIELD(lh_device_attach, flags, 0);
LH_FIELD(lh_device_attach, epoch, 8);
LH_FIELD(lh_device_attach, features, 16);
LH_FIELD(lh_device_attach, size, 24);
LH_FIELD(lh_device_attach, process, 32);
LH_FIELD(lh_device_attach, generation, 36);
LH_FIELD(lh_device_attach, first_endpoint, 40);
LH_FIELD(lh_device_attach, endpoints, 44);
LH_FIELD(lh_device_attach, reserved, 48);

/*
 * Binds the calling thread to an endpoint of its process. The scheduler reads what
 * the thread says in its struct lh_hint, if there is one.
 */
struct lh_device_bind {
	__u32 endpoint; /* w: process; r: kernel; o: call; own number */
	__u32 reserved; /* w: process; r: kernel; o: call; zero */
	__u64 hint; /* w: process; r: kernel; o: call; offset in its part, or 0 */
};

LH_SIZE(lh_device_bind, 16);
LH_FIELD(lh_device_bind, endpoint, 0);
LH_FIELD(lh_device_bind, reserved, 4);
LH_FIELD(lh_device_bind, hint, 8);

/*
 * Sleeps while the slot's word is what the caller stored there, until the NIC says
 * RUN for the endpoint. It may end without a message: the caller leaves PARKED, and
 * takes what came if that fails.
 */
struct lh_device_park {
	__u64 word; /* w: process; r: kernel; o: call; its address */
	__u64 parked; /* w: process; r: kernel; o: call; what is there */
	__u64 until; /* w: process; r: kernel; o: call; CLOCK_MONOTONIC ns, or 0 */
	__u32 endpoint; /* w: process; r: kernel; o: call; own number */
	__u32 reserved; /* w: process; r: kernel; o: call; zero */
};

LH_SIZE(lh_device_park, 32);
LH_FIELD(lh_device_park, word, 0);
LH_FIELD(lh_device_park, parked, 8);
LH_FIELD(lh_device_park, until, 16);
LH_FIELD(lh_device_park, endpoint, 24);
LH_FIELD(lh_device_park, reserved, 28);

/*
 * Ends PARKs that wait by io_uring: they complete with ECANCELED. One whose RUN,
 * time or NIC came first completes with that.
 */
struct lh_device_cancel {
	__u64 word; /* w: process; r: kernel; o: call; as in PARK, or 0: any */
	__u32 endpoint; /* w: process; r: kernel; o: call; own number */
	__u32 reserved; /* w: process; r: kernel; o: call; zero */
};

LH_SIZE(lh_device_cancel, 16);
LH_FIELD(lh_device_cancel, word, 0);
LH_FIELD(lh_device_cancel, endpoint, 8);
LH_FIELD(lh_device_cancel, reserved, 12);

/*
 * The `cmd` of an entry with IORING_OP_URING_CMD, whose cmd_op is INFO, PARK, RING
 * or CANCEL.
 */
struct lh_device_uring {
	__u64 argument; /* w: process; r: kernel; o: call; the ioctl's, an address */
	__u64 reserved; /* w: process; r: kernel; o: call; zero */
};

LH_SIZE(lh_device_uring, 16);
LH_FIELD(lh_device_uring, argument, 0);
LH_FIELD(lh_device_uring, reserved, 8);

#define LH_DEVICE_IOCTL 0xbc

#define LH_DEVICE_INFO _IOR(LH_DEVICE_IOCTL, 0x00, struct lh_device_info)
#define LH_DEVICE_ATTACH _IOWR(LH_DEVICE_IOCTL, 0x01, struct lh_device_attach)
#define LH_DEVICE_BIND _IOW(LH_DEVICE_IOCTL, 0x02, struct lh_device_bind)
#define LH_DEVICE_UNBIND _IO(LH_DEVICE_IOCTL, 0x03)
#define LH_DEVICE_PARK _IOW(LH_DEVICE_IOCTL, 0x04, struct lh_device_park)
#define LH_DEVICE_RING _IO(LH_DEVICE_IOCTL, 0x05)
#define LH_DEVICE_CANCEL _IOW(LH_DEVICE_IOCTL, 0x06, struct lh_device_cancel)

/*
 * The NIC begins an epoch: the kernel gives memory for its own part, in whose
 * information page it has written driver_epoch and LH_REQUEST_RESET.
 */
struct lh_nic_attach {
	__u64 flags; /* w: NIC; r: kernel; o: call; zero */
	__u64 device_size; /* w: NIC; r: kernel; o: call; of the kernel's part */
	__u64 part_size; /* w: NIC; r: kernel; o: call; of each process's part */
	__u32 processes; /* w: NIC; r: kernel; o: call; at most */
	__u32 endpoints; /* w: NIC; r: kernel; o: call; of each process */
	__u64 epoch; /* w: kernel; r: NIC; o: call; to be the device_epoch */
	__u64 features; /* w: kernel; r: NIC; o: call; LH_DEVICE_* */
	__u32 cpus; /* w: kernel; r: NIC; o: call; highest that is possible, + 1 */
	__u32 cpu_masks; /* w: kernel; r: NIC; o: call; that it would use */
	__u64 reserved; /* w: NIC; r: kernel; o: call; zero */
};

LH_SIZE(lh_nic_attach, 64);
LH_FIELD(lh_nic_attach, flags, 0);
LH_FIELD(lh_nic_attach, device_size, 8);
LH_FIELD(lh_nic_attach, part_size, 16);
LH_FIELD(lh_nic_attach, processes, 24);
LH_FIELD(lh_nic_attach, endpoints, 28);
LH_FIELD(lh_nic_attach, epoch, 32);
LH_FIELD(lh_nic_attach, features, 40);
LH_FIELD(lh_nic_attach, cpus, 48);
LH_FIELD(lh_nic_attach, cpu_masks, 52);
LH_FIELD(lh_nic_attach, reserved, 56);

/*
 * The kernel's part is laid out, and READY in the epoch: the kernel looks at it,
 * once, and processes may attach. The information page names `cpus` 0 if the NIC
 * wants nothing of the scheduler.
 */
struct lh_nic_start {
	__u64 features; /* w: kernel; r: NIC; o: call; what it got of LH_DEVICE_* */
	__u64 reserved; /* w: NIC; r: kernel; o: call; zero */
};

LH_SIZE(lh_nic_start, 16);
LH_FIELD(lh_nic_start, features, 0);
LH_FIELD(lh_nic_start, reserved, 8);

enum lh_nic_event_kind {
	LH_NIC_EVENT_RING = 1, /* somebody rang, once or more */
	LH_NIC_EVENT_ATTACH = 2, /* a process waits for LH_NIC_ANSWER */
	LH_NIC_EVENT_LEFT = 3 /* it writes no more: LH_NIC_END, when done */
};

#define LH_NIC_EVENT_OTHER_USERS 0x1 /* not in the first user namespace */
#define LH_NIC_EVENT_OTHER_NETWORK 0x2 /* not in the first of the network */

/*
 * What read() gives, as many as there are and fit; EAGAIN if there is none and
 * the file is O_NONBLOCK. poll() says POLLIN if there is one. Of a process there
 * is at most one at a time: one that left before its ATTACH was read has none.
 *
 * Whose a process is, is what it was when it opened the node, as for a socket:
 * nothing that it does later changes that, and both namespaces keep their inodes
 * (of /proc/PID/ns/user and net) until END. So a service that it registers over
 * its lanes is its user's, in its network.
 */
struct lh_nic_event {
	__u32 kind; /* w: kernel; r: NIC; o: call; enum lh_nic_event_kind */
	__u32 flags; /* w: kernel; r: NIC; o: call; LH_NIC_EVENT_OTHER_* */
	__u32 process; /* w: kernel; r: NIC; o: call; its place */
	__u32 generation; /* w: kernel; r: NIC; o: call; of that place */
	__u64 offset; /* w: kernel; r: NIC; o: call; of its part, for mmap() */
	__u64 size; /* w: kernel; r: NIC; o: call; of its part */
	__u32 first_endpoint; /* w: kernel; r: NIC; o: call */
	__u32 endpoints; /* w: kernel; r: NIC; o: call; how many it has */
	__u32 pid; /* w: kernel; r: NIC; o: call; as the NIC sees it, or 0 */
	__u32 uid; /* w: kernel; r: NIC; o: call; as the NIC sees it */
	__u32 gid; /* w: kernel; r: NIC; o: call; as the NIC sees it */
	__u32 users; /* w: kernel; r: NIC; o: call; inode of its user namespace */
	__u32 network; /* w: kernel; r: NIC; o: call; inode of its network's, or 0 */
	__u32 reserved; /* w: kernel; r: NIC; o: call; zero */
};

LH_SIZE(lh_nic_event, 64);
LH_FIELD(lh_nic_event, kind, 0);
LH_FIELD(lh_nic_event, flags, 4);
LH_FIELD(lh_nic_event, process, 8);
LH_FIELD(lh_nic_event, generation, 12);
LH_FIELD(lh_nic_event, offset, 16);
LH_FIELD(lh_nic_event, size, 24);
LH_FIELD(lh_nic_event, first_endpoint, 32);
LH_FIELD(lh_nic_event, endpoints, 36);
LH_FIELD(lh_nic_event, pid, 40);
LH_FIELD(lh_nic_event, uid, 44);
LH_FIELD(lh_nic_event, gid, 48);
LH_FIELD(lh_nic_event, users, 52);
LH_FIELD(lh_nic_event, network, 56);
LH_FIELD(lh_nic_event, reserved, 60);

/* The part is laid out and READY; or the process is refused. */
struct lh_nic_answer {
	__u32 process; /* w: NIC; r: kernel; o: call; its place */
	__u32 generation; /* w: NIC; r: kernel; o: call; of that place */
	__u32 error; /* w: NIC; r: kernel; o: call; 0, or what it gets as errno */
	__u32 reserved; /* w: NIC; r: kernel; o: call; zero */
};

LH_SIZE(lh_nic_answer, 16);
LH_FIELD(lh_nic_answer, process, 0);
LH_FIELD(lh_nic_answer, generation, 4);
LH_FIELD(lh_nic_answer, error, 8);
LH_FIELD(lh_nic_answer, reserved, 12);

/*
 * The NIC has collected what a process that left has put, ended its calls, and
 * forgotten it: the place and its endpoints may go to the next, under the next
 * generation.
 */
struct lh_nic_end {
	__u32 process; /* w: NIC; r: kernel; o: call; its place */
	__u32 generation; /* w: NIC; r: kernel; o: call; of that place */
};

LH_SIZE(lh_nic_end, 8);
LH_FIELD(lh_nic_end, process, 0);
LH_FIELD(lh_nic_end, generation, 4);

/* RUN by a call, for NICs without kernel channels: see cpu.h. */
struct lh_nic_wake {
	__u32 endpoint; /* w: NIC; r: kernel; o: call; in the device's table */
	__u32 generation; /* w: NIC; r: kernel; o: call; of its process */
	__u32 cpu; /* w: NIC; r: kernel; o: call; preferred, plus one; 0: any */
	__u32 answer; /* w: kernel; r: NIC; o: call; enum lh_kernel_answer */
	__u32 mask; /* w: kernel; r: NIC; o: call; with LH_ANSWER_NOT_ALLOWED */
	__u32 reserved; /* w: NIC; r: kernel; o: call; zero */
};

LH_SIZE(lh_nic_wake, 24);
LH_FIELD(lh_nic_wake, endpoint, 0);
LH_FIELD(lh_nic_wake, generation, 4);
LH_FIELD(lh_nic_wake, cpu, 8);
LH_FIELD(lh_nic_wake, answer, 12);
LH_FIELD(lh_nic_wake, mask, 16);
LH_FIELD(lh_nic_wake, reserved, 20);

/* Interrupts a CPU, so that it executes what is in its kernel channel. */
struct lh_nic_interrupt {
	__u32 cpu; /* w: NIC; r: kernel; o: call */
	__u32 reserved; /* w: NIC; r: kernel; o: call; zero */
};

LH_SIZE(lh_nic_interrupt, 8);
LH_FIELD(lh_nic_interrupt, cpu, 0);
LH_FIELD(lh_nic_interrupt, reserved, 4);

#define LH_NIC_ATTACH _IOWR(LH_DEVICE_IOCTL, 0x40, struct lh_nic_attach)
#define LH_NIC_START _IOWR(LH_DEVICE_IOCTL, 0x41, struct lh_nic_start)
#define LH_NIC_ANSWER _IOW(LH_DEVICE_IOCTL, 0x42, struct lh_nic_answer)
#define LH_NIC_END _IOW(LH_DEVICE_IOCTL, 0x43, struct lh_nic_end)
#define LH_NIC_WAKE _IOWR(LH_DEVICE_IOCTL, 0x44, struct lh_nic_wake)
#define LH_NIC_INTERRUPT _IOW(LH_DEVICE_IOCTL, 0x45, struct lh_nic_interrupt)

#endif /* LH_HOST_DEVICE_H */
