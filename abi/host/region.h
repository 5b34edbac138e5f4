/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * region.h - the device region: information page and handshake
 *
 * A region begins with its information page; everything else is found through
 * it. Read-only for users.
 *
 * Handshake, in the manner of virtio: the driver's first act is to write
 * LH_REQUEST_RESET and a new driver_epoch. The NIC forgets everything, zeroes
 * all lines, publishes a new device_epoch and sets status to LH_STATUS_READY.
 * Each command and word is valid only in its epoch. A NIC that is lost is
 * LH_STATUS_DOWN (or its magic reads as all ones): whoever waits is answered
 * UNAVAILABLE, and registers again when the epoch changes.
 */
#ifndef LH_HOST_REGION_H
#define LH_HOST_REGION_H

#include "types.h"

#define LH_MAGIC 0x4e524f485242554cULL /* "LUBRHORN" read as bytes */
#define LH_VERSION_MAJOR 1 /* another major is refused */
#define LH_VERSION_MINOR 0 /* a higher minor only adds */

/* Feature bits. Whoever sees one that it does not know refuses the device. */
#define LH_FEATURE_NEEDS_KICK 0x1ULL /* a load may be left unanswered */
#define LH_FEATURE_LOAD_BLOCKS_IRQ 0x2ULL /* ... and blocks interrupts */
#define LH_FEATURE_NEEDS_RING 0x4ULL /* the NIC may sleep: ring it */
#define LH_FEATURE_ASYMMETRIC_FENCE 0x8ULL /* heavy fences reach the host */
#define LH_FEATURE_CHECK_CODE 0x10ULL /* not in this process: check code */
#define LH_FEATURES 0x1fULL

#define LH_STATUS_RESET 0
#define LH_STATUS_READY 1
#define LH_STATUS_DOWN 2

#define LH_REQUEST_NONE 0
#define LH_REQUEST_RESET 1

struct lh_info {
	/* What the device is: constant from the first store of magic. */
	__u64 magic; /* w: NIC; r: all; o: last, release */
	__u32 version_major; /* w: NIC; r: all; o: before magic */
	__u32 version_minor; /* w: NIC; r: all; o: before magic */
	__u64 features; /* w: NIC; r: all; o: before magic */
	__u64 region_size; /* w: NIC; r: all; o: before magic; bytes */
	__u32 slots; /* w: NIC; r: all; o: before magic; D, 2 or more */
	__u32 line_stride; /* w: NIC; r: all; o: before magic; bytes */
	__u32 overflow_size; /* w: NIC; r: all; o: before magic; bytes */
	__u32 cpus; /* w: NIC; r: all; o: before magic; 0: none known */
	__u64 cpu_lines; /* w: NIC; r: kernel; o: before magic; offset */
	__u32 cpu_stride; /* w: NIC; r: kernel; o: before magic; bytes */
	__u32 endpoints; /* w: NIC; r: all; o: before magic; at most */
	__u64 endpoint_words; /* w: NIC; r: kernel; o: before magic; offset */
	__u64 processes; /* w: NIC; r: kernel; o: before magic; offset */
	__u32 process_count; /* w: NIC; r: kernel; o: before magic; at most */
	__u32 t_max_ns; /* w: NIC; r: all; o: before magic; longest load */
	__u32 t_hold_ns; /* w: NIC; r: all; o: before magic; longest refusal */
	__u32 t_dead_ms; /* w: NIC; r: all; o: before magic; of heartbeat */
	/* Device time = ((CLOCK_MONOTONIC - base) * mult) >> shift. */
	__u64 clock_base; /* w: NIC; r: all; o: before magic; ns */
	__u32 clock_mult; /* w: NIC; r: all; o: before magic */
	__u32 clock_shift; /* w: NIC; r: all; o: before magic */
	__u64 cpu_masks; /* w: NIC; r: kernel; o: before magic; offset */
	__u32 cpu_mask_count; /* w: NIC; r: kernel; o: before magic; 0: none */
	__u32 reserved0; /* w: nobody; r: nobody; o: none; zero */

	/* The NIC's half of the handshake: a line of its own. */
	__u64 device_epoch; /* w: NIC; r: all; o: before status */
	__u64 status; /* w: NIC; r: all; o: release; LH_STATUS_* */
	__u64 heartbeat; /* w: NIC; r: kernel; o: none; counts */
	__u64 reserved1[13]; /* w: nobody; r: nobody; o: none; zero */

	/* The driver's half: a line of its own. */
	__u64 driver_epoch; /* w: driver; r: NIC; o: before request */
	__u64 request; /* w: driver; r: NIC; o: release; LH_REQUEST_* */
	__u64 reserved2[14]; /* w: nobody; r: nobody; o: none; zero */

	/* What the NIC does now: a line of its own. */
	__u64 asleep; /* w: NIC; r: all; o: fences of bell.h; 0 or 1 */
	__u64 nic_cpu; /* w: NIC; r: all; o: none; where it runs, plus 1 */
	__u64 reserved3[14]; /* w: nobody; r: nobody; o: none; zero */

	__u64 reserved4[448]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_info, 4096);
LH_FIELD(lh_info, magic, 0);
LH_FIELD(lh_info, version_major, 8);
LH_FIELD(lh_info, version_minor, 12);
LH_FIELD(lh_info, features, 16);
LH_FIELD(lh_info, region_size, 24);
LH_FIELD(lh_info, slots, 32);
LH_FIELD(lh_info, line_stride, 36);
LH_FIELD(lh_info, overflow_size, 40);
LH_FIELD(lh_info, cpus, 44);
LH_FIELD(lh_info, cpu_lines, 48);
LH_FIELD(lh_info, cpu_stride, 56);
LH_FIELD(lh_info, endpoints, 60);
LH_FIELD(lh_info, endpoint_words, 64);
LH_FIELD(lh_info, processes, 72);
LH_FIELD(lh_info, process_count, 80);
LH_FIELD(lh_info, t_max_ns, 84);
LH_FIELD(lh_info, t_hold_ns, 88);
LH_FIELD(lh_info, t_dead_ms, 92);
LH_FIELD(lh_info, clock_base, 96);
LH_FIELD(lh_info, clock_mult, 104);
LH_FIELD(lh_info, clock_shift, 108);
LH_FIELD(lh_info, cpu_masks, 112);
LH_FIELD(lh_info, cpu_mask_count, 120);
LH_FIELD(lh_info, reserved0, 124);
LH_FIELD(lh_info, device_epoch, 128);
LH_FIELD(lh_info, status, 136);
LH_FIELD(lh_info, heartbeat, 144);
LH_FIELD(lh_info, reserved1, 152);
LH_FIELD(lh_info, driver_epoch, 256);
LH_FIELD(lh_info, request, 264);
LH_FIELD(lh_info, reserved2, 272);
LH_FIELD(lh_info, asleep, 384);
LH_FIELD(lh_info, nic_cpu, 392);
LH_FIELD(lh_info, reserved3, 400);
LH_FIELD(lh_info, reserved4, 512);

#endif /* LH_HOST_REGION_H */
