/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Falling asleep on a slot: two steps with one re-check, against fill and wake.
 *
 * The waiter moves the word FREE -> PARKED; the sleeper publishes that it sleeps,
 * full fence, reads the word again, and sleeps only if it is still PARKED. The NIC
 * fills, full fence, then wakes. Two ways to wake, WAKE_LOOKS_FIRST:
 *   1  futex: a wake looks for published sleepers and, if there is none, does
 *      nothing; one who has published but does not sleep yet will not sleep.
 *   0  module: a wake is a command that the kernel keeps, published or not.
 * The sleeper's plain store goes through a store buffer, from which it leaves at
 * any time. The NIC's fill is a compare-and-swap, which alone does not keep later
 * loads behind it (arm64): without the fence its look for sleepers may come first.
 * Checked: a parked waiter with a message is always woken.
 *
 * Abstracted: D (one message at a time, the slots follow each other), revoke.
 */

#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef WAKE_LOOKS_FIRST
#define WAKE_LOOKS_FIRST 1
#endif
#ifndef LEAVES
#define LEAVES 1 /* how often the host leaves its sleep for another reason */
#endif

/* Situations for witness runs. */
#define RECHECK_FOUND_MESSAGE 1
#define WAKE_REMEMBERED 2 /* a wake came after the re-check, before the sleep */
#define WOKEN_FROM_SLEEP 3
#define STALE_WAKE 4 /* a sleep ended at once by the wake for an older message */

#include "lane.pml"

byte taken;
bit published; /* the sleeper is to be found by a wake */
bit publish_buffered; /* ... and that store is still in its store buffer */
bit wake; /* a wake that ends the present sleep, or the next one */
bit sleeps; /* ghost: the sleeper is past its last look */

/* The store buffer of the sleeper's CPU. */
active proctype store_buffer() {
end:
	do
	:: d_step { publish_buffered -> publish_buffered = 0; published = 1 }
	od
}

inline wake_sleeper(found) {
	if
#ifdef EARLY_WAKE_REFUSED
	:: d_step { found && sleeps -> wake = 1 }
	:: d_step { !(found && sleeps) -> skip }
#else
	:: d_step {
		found ->
		REACHED(WAKE_REMEMBERED, !sleeps && published);
		wake = 1
	   }
	:: !found -> skip
#endif
	fi
}

active proctype nic() {
	Word seen;
	bool ok, found;
	byte position, number;

	number = 1;
	do
	:: number > MESSAGES -> break
	:: number <= MESSAGES && IS_EMPTY(word[position]) ->
		look(position, seen);
		found = true;
#ifdef NIC_FENCE_MISSING
		found = !WAKE_LOOKS_FIRST || published;
#endif
		write_begin(position, number);
		write_end(position);
		edge_deliver(word[position], seen, ok);
		if
		:: ok && seen.state == PARKED ->
#ifndef NIC_FENCE_MISSING
			found = !WAKE_LOOKS_FIRST || published;
#endif
			wake_sleeper(found)
		:: else -> skip
		fi;
		if
		:: ok -> number++; position = NEXT(position)
		:: else -> skip
		fi
	od
}

active proctype host() {
	Word seen;
	bool ok;
	byte position, content, leaves;

	do
	:: taken == MESSAGES -> break
	:: else ->
		look(position, seen);
		if
		:: seen.state == FULL ->
			edge_take(word[position], seen, ok);
			read_begin(position, content);
			read_end(position);
			d_step { seen.state = TAKEN };
			edge_release(word[position], seen, ok);
			d_step {
				taken++;
				MUST(IN_ORDER, content == taken);
				position = NEXT(position)
			}
		:: seen.state == FREE ->
			edge_park(word[position], seen, ok)
		:: seen.state == PARKED -> /* the sleeper */
			publish_buffered = 1;
#ifndef SLEEPER_FENCE_MISSING
			!publish_buffered;
#endif
			look(position, seen);
#ifdef NO_RECHECK
			seen.state = PARKED;
#endif
			if
			:: seen.state == PARKED ->
				sleeps = 1;
				if
				:: wake ->
					d_step {
						REACHED(WOKEN_FROM_SLEEP, word[position].state == FULL);
						REACHED(STALE_WAKE, word[position].state == PARKED);
						wake = 0
					}
				:: leaves < LEAVES -> /* a time-out, a signal */
					leaves++;
					d_step { sleeps = 0; publish_buffered = 0; published = 0 };
					edge_unpark(word[position], seen, ok)
				fi
			:: else -> REACHED(RECHECK_FOUND_MESSAGE, true)
			fi;
			d_step { sleeps = 0; publish_buffered = 0; published = 0 }
		fi
	od
}
