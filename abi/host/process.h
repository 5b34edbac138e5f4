/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * process.h - what a process shares with the NIC beside its endpoints
 *
 * Call words, bell and arena. All offsets are from the start of the process's
 * own mapping; it sees nothing of any other.
 */
#ifndef LH_HOST_PROCESS_H
#define LH_HOST_PROCESS_H

#include "types.h"

/* The answer to `attach`: where everything of this process lies. */
struct lh_process_layout {
	__u64 epoch; /* w: NIC; r: host; o: attach; device_epoch at attach */
	__u64 endpoints; /* w: NIC; r: host; o: attach; lh_endpoint_layout[] */
	__u64 call_words; /* w: NIC; r: host; o: attach; __u64[] */
	__u64 bell; /* w: NIC; r: host; o: attach; lh_bell_line[] */
	__u64 arena; /* w: NIC; r: host; o: attach; bulk memory */
	__u64 arena_size; /* w: NIC; r: host; o: attach; bytes */
	__u32 endpoint_count; /* w: NIC; r: host; o: attach */
	__u32 bell_lines; /* w: NIC; r: host; o: attach */
	__u32 call_first; /* w: NIC; r: host; o: attach; own calls: first */
	__u32 call_count; /* w: NIC; r: host; o: attach; how many */
	__u32 process; /* w: NIC; r: host; o: attach; index of the process */
	__u32 control_endpoint; /* w: NIC; r: host; o: attach; open at once */
	__u64 reserved[7]; /* w: nobody; r: nobody; o: none; zero */
};

LH_SIZE(lh_process_layout, 128);
LH_FIELD(lh_process_layout, epoch, 0);
LH_FIELD(lh_process_layout, endpoints, 8);
LH_FIELD(lh_process_layout, call_words, 16);
LH_FIELD(lh_process_layout, bell, 24);
LH_FIELD(lh_process_layout, arena, 32);
LH_FIELD(lh_process_layout, arena_size, 40);
LH_FIELD(lh_process_layout, endpoint_count, 48);
LH_FIELD(lh_process_layout, bell_lines, 52);
LH_FIELD(lh_process_layout, call_first, 56);
LH_FIELD(lh_process_layout, call_count, 60);
LH_FIELD(lh_process_layout, process, 64);
LH_FIELD(lh_process_layout, control_endpoint, 68);
LH_FIELD(lh_process_layout, reserved, 72);

/*
 * A call is {index, generation} (lh_handle). The NIC mints the handles of calls
 * that arrive; for its own calls the process takes an index of its range
 * (call_first, call_count) and counts the generation itself.
 *
 * There is one call word per index, {generation high, flags low}. A running
 * handler learns from it that nobody waits any more; flags of another
 * generation mean nothing.
 */
struct lh_call_word {
	__u64 word; /* w: NIC; r: host; o: atomic */
};

LH_SIZE(lh_call_word, 8);
LH_FIELD(lh_call_word, word, 0);

#define LH_CALL_CANCELLED 0x1
#define LH_CALL_EXPIRED 0x2
#define LH_CALL_PEER_DEAD 0x4

#define LH_BELL_WORDS 16
#define LH_BELL_BITS (LH_BELL_WORDS * 64)

/* One bit per channel: "look here". Set by compare-and-swap, cleared whole. */
struct lh_bell_line {
	__u64 bits[LH_BELL_WORDS]; /* w: both; r: NIC; o: atomic */
};

LH_SIZE(lh_bell_line, 128);
LH_FIELD(lh_bell_line, bits, 0);

#endif /* LH_HOST_PROCESS_H */
