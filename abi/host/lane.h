/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * lane.h - where lanes and channels lie in a region
 *
 * All offsets are bytes from the start of the mapping that the process (or the
 * kernel) was given, and come from here, never from constants. How many slots a
 * lane has and how far its lines and overflow blocks are apart says the
 * information page (region.h): the same for every lane of a device.
 */
#ifndef LH_HOST_LANE_H
#define LH_HOST_LANE_H

#include "types.h"

struct lh_lane_layout {
	__u64 lines; /* w: NIC; r: host; o: attach; line of slot 0 */
	__u64 overflow; /* w: NIC; r: host; o: attach; block of slot 0 */
};

LH_SIZE(lh_lane_layout, 16);
LH_FIELD(lh_lane_layout, lines, 0);
LH_FIELD(lh_lane_layout, overflow, 8);

struct lh_channel_layout {
	struct lh_lane_layout out; /* w: NIC; r: host; o: attach */
	struct lh_lane_layout in; /* w: NIC; r: host; o: attach */
	__u64 state; /* w: NIC; r: host; o: attach; a struct lh_channel_state */
	__u32 bell; /* w: NIC; r: host; o: attach; its bit in the bell lines */
	__u32 reserved; /* w: NIC; r: host; o: attach; zero */
};

LH_SIZE(lh_channel_layout, 48);
LH_FIELD(lh_channel_layout, out, 0);
LH_FIELD(lh_channel_layout, in, 16);
LH_FIELD(lh_channel_layout, state, 32);
LH_FIELD(lh_channel_layout, bell, 40);
LH_FIELD(lh_channel_layout, reserved, 44);

/* What the NIC says about one channel: a line that the host only reads. */
struct lh_channel_state {
	__u64 watched; /* w: NIC; r: host; o: fences of bell.h; 0 or 1 */
	__u64 quarantine; /* w: NIC; r: host; o: release; LH_QUARANTINE_* */
	__u64 backlog; /* w: NIC; r: host; o: fences of bell.h; 0 or 1 */
	__u64 reserved[13]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_channel_state, 128);
LH_FIELD(lh_channel_state, watched, 0);
LH_FIELD(lh_channel_state, quarantine, 8);
LH_FIELD(lh_channel_state, backlog, 16);
LH_FIELD(lh_channel_state, reserved, 24);

/* Why the NIC does not serve this channel any more. */
#define LH_QUARANTINE_NONE 0
#define LH_QUARANTINE_CONTENDED 1 /* a word changed under 64 deliveries */
#define LH_QUARANTINE_BAD_WORD 2 /* a word in a state that its lane has not */
#define LH_QUARANTINE_BAD_MESSAGE 3 /* too many refused messages */

#endif /* LH_HOST_LANE_H */
