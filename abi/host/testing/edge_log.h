/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * edge_log.h - every edge that a process takes, in a file
 *
 * The build with LAUBERHORN_CONFORMANCE includes this before everything else;
 * in all other builds the three macros are empty. If the environment names a
 * folder (LAUBERHORN_EDGE_LOG), each process writes a file there, for
 * tests/conformance/check_edge_logs; if it names a file instead, all processes
 * write into that one, so a channel between two of them has one log. Without it
 * nothing is written.
 *
 * The file is a mapping that is shared with the children that a process forks,
 * and it is there whatever ends them. A record takes the next place, by one
 * atomic addition, after a compare-and-swap and before a store: so the records
 * of one party are in order, those of two parties only where the one saw what
 * the other did before it wrote its own. When the file is full, what follows is
 * counted and dropped.
 */
#ifndef LH_HOST_TESTING_EDGE_LOG_H
#define LH_HOST_TESTING_EDGE_LOG_H

#include "edge_log_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An edge of channel_edges.h: the word at @address went from @old to @value. */
void lh_log_edge(int edge, const void* address, __u64 old, __u64 value);

/*
 * A lane begins, all of its words zero: LH_LANE_IN or LH_LANE_OUT, @slots lines
 * from @lines on, @stride bytes from one to the next. What was known of lanes
 * in this memory is forgotten.
 */
void lh_log_lane(int direction, const void* lines, __u32 stride, __u32 slots);

/* For lh_log_view(): what happens there is not logged. */
#define LH_LOG_NOWHERE ((const void*)-1L)

/* What all call the part of a process of the kernel's device, by its place. */
#define LH_LOG_PART(process) ((const void*)(((__u64)(process) + 1) << 36))

/*
 * The @size bytes at @view are another mapping of those at @original, which is
 * where the log has their lanes: an address of this process, or what else two
 * processes call the same memory. No bytes: it is no mapping any more.
 */
void lh_log_view(const void* view, __u64 size, const void* original);

#ifdef __cplusplus
}
#endif

#define LH_ON_EDGE(edge, address, old, value) \
  lh_log_edge(edge, address, old, value)
#define LH_ON_LANE(direction, lines, stride, slots) \
  lh_log_lane(direction, lines, stride, slots)
#define LH_ON_VIEW(view, size, original) lh_log_view(view, size, original)

#endif /* LH_HOST_TESTING_EDGE_LOG_H */
