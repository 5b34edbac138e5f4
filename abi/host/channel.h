/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * channel.h - the operations on lanes: put, get, exchange and their parts
 *
 * Used by the library, the kernel and the NIC alike. The includer defines the
 * six macros first (atomic_user.h, atomic_kernel.h, or its own): this header
 * includes neither.
 *
 * Ownership: a struct lh_lane is one side's private view of a lane; it belongs to
 * one thread at a time and is never shared, least of all with the other side. A
 * pointer to a line is good from lh_put_begin() to lh_put_end(), from lh_take()
 * to lh_release(), and so on; nothing here allocates, blocks (but lh_get(), in
 * the caller's sleep()) or makes a system call.
 *
 * Ordering: every change of a word is an edge macro of channel_edges.h. The giver
 * writes the message, then the word (release). The taker reads the word
 * (acquire), moves it to TAKEN, then reads the message. On an `out` lane FULL is
 * already the taker's: the host cannot take a message back.
 */
#ifndef LH_HOST_CHANNEL_H
#define LH_HOST_CHANNEL_H

#include "types.h"

#ifndef __KERNEL__
#include <stddef.h>
#endif

#if !defined(lh_load_acquire) || !defined(lh_store_release) || \
	!defined(lh_cas64) || !defined(lh_light_fence) ||      \
	!defined(lh_heavy_fence) || !defined(lh_write_back)
#error "include atomic_user.h or atomic_kernel.h before channel.h"
#endif

#include "bell.h"
#include "channel_edges.h"
#include "lane.h"
#include "message.h"

/**
 * struct lh_lane - one side's private view of a lane
 * @lines: line of slot 0
 * @overflow: overflow block of slot 0
 * @line_stride: bytes from line to line
 * @overflow_size: bytes from block to block, and in each
 * @slots: D
 * @position: slot that this side fills or takes next
 * @held: slots taken and not yet released (taker of an `in` lane only)
 * @stalls: the NIC may leave a load of a slot unanswered, so that a released one
 *          must not stay in this side's cache (host, `in` lane only)
 */
struct lh_lane {
	__u8 *lines;
	__u8 *overflow;
	__u32 line_stride;
	__u32 overflow_size;
	__u32 slots;
	__u32 position;
	__u32 held;
	__u32 stalls;
};

/*
 * Who lays out a lane, all of its words zero, says so: a log of edges wants to
 * know which memory is a slot of what. Empty unless the includer defines it.
 */
#ifndef LH_ON_LANE
#define LH_ON_LANE(direction, lines, stride, slots) ((void)0)
#endif
/* The same of who maps memory where another party lays lanes out. */
#ifndef LH_ON_VIEW
#define LH_ON_VIEW(view, size, original) ((void)0)
#endif

static inline struct lh_line *lh_lane_line(const struct lh_lane *lane,
					   __u32 slot)
{
	return (struct lh_line *)(lane->lines +
				  (unsigned long)slot * lane->line_stride);
}

static inline __u8 *lh_lane_overflow(const struct lh_lane *lane, __u32 slot)
{
	return lane->overflow + (unsigned long)slot * lane->overflow_size;
}

/* The line at this side's position. */
static inline struct lh_line *lh_lane_next(const struct lh_lane *lane)
{
	return lh_lane_line(lane, lane->position);
}

/*
 * Asks for the half of the line that a hardware line of 64 bytes does not bring
 * with the word: it comes while the word is being moved.
 */
static inline void lh_line_prefetch_rest(const struct lh_line *line)
{
	__builtin_prefetch((const __u8 *)line + LH_LINE_SIZE / 2);
}

static inline void lh_lane_advance(struct lh_lane *lane)
{
	lane->position =
		lane->position + 1 == lane->slots ? 0 : lane->position + 1;
}

static inline __u32 lh_lane_previous(const struct lh_lane *lane)
{
	return (lane->position ? lane->position : lane->slots) - 1;
}

/* Host, `out` lane */

/**
 * lh_put_begin() - the line to write the next message to
 * @out: the host's view of an `out` lane
 *
 * Return: the line, or NULL while the NIC has not collected what is there. It
 * does so in bounded time, whatever the network does.
 */
static inline struct lh_line *lh_put_begin(struct lh_lane *out)
{
	struct lh_line *line = lh_lane_next(out);

	if (lh_state(lh_load_acquire(&line->header.word)) != LH_FREE)
		return NULL;
	return line;
}

/**
 * lh_put_end() - give the NIC the message that was written to @line
 * @out: the host's view of an `out` lane
 * @line: what lh_put_begin() returned
 */
static inline void lh_put_end(struct lh_lane *out, struct lh_line *line)
{
	__u64 word = lh_load_acquire(&line->header.word);

	lh_edge_put(&line->header.word, word);
	lh_lane_advance(out);
}

/* NIC, `out` lane */

/**
 * lh_collect_begin() - the next message of the host
 * @out: the NIC's view of an `out` lane
 *
 * Return: the line, or NULL. All in it is untrusted: read once, check, use.
 */
static inline struct lh_line *lh_collect_begin(struct lh_lane *out)
{
	struct lh_line *line = lh_lane_next(out);

	if (lh_state(lh_load_acquire(&line->header.word)) != LH_FULL)
		return NULL;
	lh_line_prefetch_rest(line);
	return line;
}

/**
 * lh_collect_end() - give the slot back
 * @out: the NIC's view of an `out` lane
 * @line: what lh_collect_begin() returned; not to be touched any more
 */
static inline void lh_collect_end(struct lh_lane *out, struct lh_line *line)
{
	__u64 word = lh_load_acquire(&line->header.word);

	lh_edge_collect(&line->header.word, word);
	lh_lane_advance(out);
}

/* NIC, `in` lane */

/* How often the word may change under a delivery before the NIC gives up. */
#define LH_DELIVER_TRIES 64

enum lh_delivery {
	LH_DELIVERED, /* a thread that is awake will see it */
	LH_DELIVERED_WAKE, /* it was parked: full fence, then wake it */
	LH_NOT_EMPTY, /* no room */
	LH_LANE_CLOSED, /* nobody takes from this lane any more */
	LH_CONTENDED, /* LH_DELIVER_TRIES times: quarantine */
	LH_BAD_WORD /* no state of an `in` lane: quarantine */
};

/**
 * lh_deliver_begin() - the line to write the next message to
 * @in: the NIC's view of an `in` lane
 *
 * Return: the line, or NULL if the lane has no room or is closed.
 */
static inline struct lh_line *lh_deliver_begin(struct lh_lane *in)
{
	struct lh_line *line = lh_lane_next(in);
	unsigned int state = lh_state(lh_load_acquire(&line->header.word));

	return state == LH_FREE || state == LH_PARKED ? line : NULL;
}

/**
 * lh_deliver_end() - give the host the message that was written to @line
 * @in: the NIC's view of an `in` lane
 * @line: what lh_deliver_begin() returned
 *
 * The thread may park, unpark and close meanwhile; only these move the word.
 *
 * Return: what became of it. Unless LH_DELIVERED or LH_DELIVERED_WAKE nothing
 * was given, and the NIC delivers its own copy elsewhere.
 */
static inline enum lh_delivery lh_deliver_end(struct lh_lane *in,
					      struct lh_line *line)
{
	int tries;

	for (tries = 0; tries < LH_DELIVER_TRIES; tries++) {
		__u64 word = lh_load_acquire(&line->header.word);
		unsigned int state = lh_state(word);

		if (state == LH_CLOSED)
			return LH_LANE_CLOSED;
		if (state == LH_FULL || state == LH_TAKEN)
			return LH_NOT_EMPTY;
		if (state != LH_FREE && state != LH_PARKED)
			return LH_BAD_WORD;
		if (lh_edge_deliver(&line->header.word, word)) {
			lh_lane_advance(in);
			return state == LH_PARKED ? LH_DELIVERED_WAKE :
						    LH_DELIVERED;
		}
	}
	return LH_CONTENDED;
}

/**
 * lh_newest_waits() - whether the newest message has not been taken
 * @in: the NIC's view of an `in` lane
 *
 * Messages are taken in order, so if the newest is taken the lane is empty.
 */
static inline int lh_newest_waits(const struct lh_lane *in)
{
	struct lh_line *line = lh_lane_line(in, lh_lane_previous(in));

	return lh_state(lh_load_acquire(&line->header.word)) == LH_FULL;
}

/**
 * lh_revoke() - take back the newest message of the lane
 * @in: the NIC's view of an `in` lane
 *
 * Return: true if it is the NIC's again, false if the host took it first or
 * there is none. The next message fills the same slot.
 */
static inline int lh_revoke(struct lh_lane *in)
{
	__u32 slot = lh_lane_previous(in);
	struct lh_line *line = lh_lane_line(in, slot);
	__u64 word = lh_load_acquire(&line->header.word);

	if (lh_state(word) != LH_FULL)
		return 0;
	if (!lh_edge_revoke(&line->header.word, word))
		return 0;
	in->position = slot;
	return 1;
}

/**
 * lh_reopen() - let the next thread wait on a closed lane
 * @in: the NIC's view of an `in` lane
 *
 * Return: true if the lane was closed. Nobody else writes a closed word.
 */
static inline int lh_reopen(struct lh_lane *in)
{
	struct lh_line *line = lh_lane_next(in);
	__u64 word = lh_load_acquire(&line->header.word);

	if (lh_state(word) != LH_CLOSED)
		return 0;
	lh_edge_reopen(&line->header.word, word);
	return 1;
}

/* Host, `in` lane */

/**
 * lh_take() - the next message of the NIC, if there is one
 * @in: the host's view of an `in` lane
 *
 * Return: its line, which is the host's until lh_release(); NULL if there is
 * none, or if D-1 slots are held already: the NIC needs one to go on.
 */
static inline struct lh_line *lh_take(struct lh_lane *in)
{
	struct lh_line *line = lh_lane_next(in);
	__u64 word = lh_load_acquire(&line->header.word);

	if (lh_state(word) != LH_FULL || in->held + 1 >= in->slots)
		return NULL;
	lh_line_prefetch_rest(line);
	if (!lh_edge_take(&line->header.word, word))
		return NULL;
	in->held++;
	lh_lane_advance(in);
	return line;
}

/**
 * lh_release() - give a taken slot back; any order will do
 * @in: the host's view of an `in` lane
 * @line: what lh_take() returned; not to be touched any more
 */
static inline void lh_release(struct lh_lane *in, struct lh_line *line)
{
	__u64 word = lh_load_acquire(&line->header.word);

	lh_edge_release(&line->header.word, word);
	in->held--;
	if (in->stalls)
		lh_write_back(line);
}

/**
 * lh_park() - say that this thread is about to sleep
 * @in: the host's view of an `in` lane
 *
 * Return: the word that the slot holds now, PARKED: the NIC wakes whoever sleeps
 * on it. 0: a message came, or the lane is closed; look again.
 */
static inline __u64 lh_park(struct lh_lane *in)
{
	struct lh_line *line = lh_lane_next(in);
	__u64 word = lh_load_acquire(&line->header.word);

	if (lh_state(word) != LH_FREE ||
	    !lh_edge_park(&line->header.word, word))
		return 0;
	return lh_word(LH_PARKED, lh_tag(word));
}

/**
 * lh_unpark() - leave the sleep
 * @in: the host's view of an `in` lane
 *
 * Return: true if nothing had come. False: a message came; look again.
 */
static inline int lh_unpark(struct lh_lane *in)
{
	struct lh_line *line = lh_lane_next(in);
	__u64 word = lh_load_acquire(&line->header.word);

	return lh_state(word) == LH_PARKED &&
	       lh_edge_unpark(&line->header.word, word);
}

/**
 * lh_close() - say that nobody takes from this lane any more
 * @in: the host's view of an `in` lane
 *
 * Return: true if the lane is closed now. False: a message came first, or the
 * slot is still held; take it, deal with it, release it, and close again.
 */
static inline int lh_close(struct lh_lane *in)
{
	struct lh_line *line = lh_lane_next(in);
	__u64 word = lh_load_acquire(&line->header.word);

	while (lh_state(word) == LH_FREE || lh_state(word) == LH_PARKED) {
		if (lh_edge_close(&line->header.word, word))
			return 1;
		word = lh_load_acquire(&line->header.word);
	}
	return lh_state(word) == LH_CLOSED;
}

/**
 * lh_is_closed() - whether the lane is closed
 * @in: the host's view of an `in` lane
 */
static inline int lh_is_closed(const struct lh_lane *in)
{
	return lh_state(lh_load_acquire(&lh_lane_next(in)->header.word)) ==
	       LH_CLOSED;
}

/**
 * lh_holds_next() - whether the slot of the next message is still held
 * @in: the host's view of an `in` lane
 *
 * Possible with fewer than D-1 slots held, if a younger one was released before
 * it. Nothing comes until it is released.
 */
static inline int lh_holds_next(const struct lh_lane *in)
{
	return lh_state(lh_load_acquire(&lh_lane_next(in)->header.word)) ==
	       LH_TAKEN;
}

/**
 * lh_may_come() - whether anything may still come, by the slot of the next message
 * @in: the host's view of an `in` lane
 *
 * Return: false if the lane is closed, if the slot is still held, or if its word
 * is in a state that the lane has not: then somebody overwrote it.
 */
static inline int lh_may_come(const struct lh_lane *in)
{
	__u64 state = lh_state(lh_load_acquire(&lh_lane_next(in)->header.word));

	return state == LH_FREE || state == LH_PARKED || state == LH_FULL;
}

/* Host, both lanes */

/**
 * struct lh_waiter - how this includer waits and rings: where devices differ
 * @spin: the slot is empty; return true to look again, false to park
 * @sleep: sleep while the 64-bit @word holds @parked (the low half is the
 *         futex); return true to look again, false to leave without a message.
 *         May return at any time; must not sleep if the word moved on
 * @ring: wake the NIC
 * @context: handed to all
 */
struct lh_waiter {
	int (*spin)(void *context);
	int (*sleep)(void *context, __u64 *word, __u64 parked);
	void (*ring)(void *context);
	void *context;
};

/**
 * struct lh_channel - the host's view of a channel
 * @out: host to NIC
 * @in: NIC to host
 * @bell: what to look at after a put
 */
struct lh_channel {
	struct lh_lane out;
	struct lh_lane in;
	struct lh_bell bell;
};

/**
 * lh_put() - give the NIC the message that was written to @line
 * @channel: the host's view of a channel
 * @line: what lh_put_begin() returned for its `out` lane
 * @waiter: how to ring
 */
static inline void lh_put(struct lh_channel *channel, struct lh_line *line,
			  const struct lh_waiter *waiter)
{
	lh_put_end(&channel->out, line);
	if (lh_bell_after_put(&channel->bell))
		waiter->ring(waiter->context);
}

/**
 * lh_get() - wait for the next message
 * @in: the host's view of an `in` lane
 * @waiter: how to wait
 *
 * Return: its line, to be given back with lh_release(). NULL: the waiter left
 * and, after one more look, there still is none; D-1 slots are held; or nothing
 * may come any more, see lh_may_come().
 */
static inline struct lh_line *lh_get(struct lh_lane *in,
				     const struct lh_waiter *waiter)
{
	for (;;) {
		struct lh_line *line = lh_take(in);
		__u64 parked;
		int stay;

		if (line || in->held + 1 >= in->slots)
			return line;
		if (waiter->spin(waiter->context))
			continue;
		parked = lh_park(in);
		if (!parked) {
			if (!lh_may_come(in))
				return NULL;
			continue;
		}
		stay = waiter->sleep(waiter->context,
				     &lh_lane_next(in)->header.word, parked);
		lh_unpark(in);
		if (!stay)
			return lh_take(in);
	}
}

/**
 * lh_exchange() - put, then get: what a worker, a client and a CPU do
 * @channel: the host's view of a channel
 * @line: what lh_put_begin() returned for its `out` lane, written
 * @waiter: how to wait
 *
 * Return: as lh_get().
 */
static inline struct lh_line *lh_exchange(struct lh_channel *channel,
					  struct lh_line *line,
					  const struct lh_waiter *waiter)
{
	lh_put(channel, line, waiter);
	return lh_get(&channel->in, waiter);
}

#endif /* LH_HOST_CHANNEL_H */
