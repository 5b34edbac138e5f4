/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * bell.h - how the host finds a NIC that does not look
 *
 * A NIC looks at the `out` lanes of the channels that it watches, and only while
 * it is awake. It says both: `watched` per channel, `asleep` per NIC, in lines
 * that the host only reads. A host that put a message looks at both; one that is
 * not watched sets its bit in the bell lines, and if the NIC sleeps it rings.
 *
 * Ordering: the host stores the message's word, then loads the flags; the NIC
 * stores a flag, then loads the words. Each needs a fence between its store and
 * its load, or both see the old value and the message lies there for ever:
 *
 *   host: word = FULL;  light fence;  load watched; load asleep
 *   NIC:  watched = 0 or asleep = 1;  heavy fence;  load word, load bits
 *
 * The pair is lh_light_fence() and lh_heavy_fence(). Where the heavy one reaches
 * the host's CPU (LH_FEATURE_ASYMMETRIC_FENCE) the light one costs nothing.
 *
 * The other direction needs a ring as well: a NIC that found no room in an `in`
 * lane is told by nobody when the host has made some. It says so in `backlog`,
 * looks at the lane while it is awake, and once more before it sleeps. A host that
 * has taken all there was looks at `backlog` before it sleeps:
 *
 *   host: word = FREE;  light fence;  load backlog; load asleep
 *   NIC:  backlog = 1;  asleep = 1;  heavy fence;  load word
 */
#ifndef LH_HOST_BELL_H
#define LH_HOST_BELL_H

#include "types.h"

/**
 * struct lh_bell - the host's view of what it needs after a put
 * @watched: of the channel's struct lh_channel_state
 * @asleep: of the information page
 * @backlog: of the channel's struct lh_channel_state
 * @bits: the word of the bell lines that holds the channel's bit
 * @mask: that bit
 * @asymmetric: whether LH_FEATURE_ASYMMETRIC_FENCE is set
 */
struct lh_bell {
	__u64 *watched;
	__u64 *asleep;
	__u64 *backlog;
	__u64 *bits;
	__u64 mask;
	int asymmetric;
};

/**
 * lh_bell_set() - host: mark the channel in the bell lines
 * @bell: the channel's bell
 */
static inline void lh_bell_set(const struct lh_bell *bell)
{
	__u64 bits;

	do {
		bits = lh_load_acquire(bell->bits);
	} while (!lh_cas64(bell->bits, bits, bits | bell->mask));
}

/**
 * lh_bell_after_put() - host: what must follow every put
 * @bell: the channel's bell
 *
 * Return: true if the caller has to ring the NIC.
 */
static inline int lh_bell_after_put(const struct lh_bell *bell)
{
	lh_light_fence(bell->asymmetric);
	if (!lh_load_acquire(bell->watched))
		lh_bell_set(bell);
	return lh_load_acquire(bell->asleep) != 0;
}

/**
 * lh_bell_before_sleep() - host: what must precede every sleep on an `in` lane
 * @bell: the channel's bell
 *
 * Return: true if the caller has to ring the NIC, which has more for this lane.
 */
static inline int lh_bell_before_sleep(const struct lh_bell *bell)
{
	lh_light_fence(bell->asymmetric);
	return lh_load_acquire(bell->backlog) && lh_load_acquire(bell->asleep);
}

/**
 * lh_bell_take() - NIC: the channels that were marked, and mark them no more
 * @bits: a word of the bell lines
 *
 * Look at a channel's lane after its bit was taken, not before.
 */
static inline __u64 lh_bell_take(__u64 *bits)
{
	__u64 taken;

	do {
		taken = lh_load_acquire(bits);
	} while (taken && !lh_cas64(bits, taken, 0));
	return taken;
}

/**
 * lh_bell_leave() - NIC: the flags say that it looks no more: make it so
 * @asymmetric: whether LH_FEATURE_ASYMMETRIC_FENCE is set
 *
 * To be called after `watched` was cleared (of any number of channels) or
 * `asleep` was set. The NIC must then look once more at each of these lanes, or
 * at all watched lanes, all bell lines, and the next slot of each lane with a
 * `backlog`, before it leaves.
 */
static inline void lh_bell_leave(int asymmetric)
{
	lh_heavy_fence(asymmetric);
}

#endif /* LH_HOST_BELL_H */
