/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * The backlog: a NIC with more messages than an `in` lane has room for falls
 * asleep. Nobody tells a NIC that a slot was released, but a host that is about
 * to sleep itself.
 *
 *   NIC   while it has more: backlog = 1. Before it sleeps: asleep = 1, heavy
 *         fence, look at the next slot of the lane. A ring while awake is
 *         remembered.
 *   host  takes and releases all there is; parks on the next slot; only then
 *         reads `backlog` and `asleep`: if both are set, ring; sleeps until it is
 *         woken.
 *
 * Plain stores go through explicit store buffers (TSO), from which they leave at
 * any time; a compare-and-swap empties that of its CPU first.
 * Checked: all messages are taken, however often the NIC fell asleep.
 *
 * Abstracted: a park and the wake that ends it are one step of the word (sleep.pml
 * has what is in between); how often the NIC sleeps is bounded.
 */

#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef SLEEPS
#define SLEEPS 2 /* how often the NIC falls asleep */
#endif

/* Situations for witness runs. */
#define ROOM_AFTER_ASLEEP 1 /* the look after asleep = 1 found room */
#define RUNG_AWAKE 2 /* a ring came before the sleep, and ended it at once */
#define RUNG_ASLEEP 3 /* a ring ended a sleep */
#define WOKEN 4 /* a parked host got one of the backlog */

#include "lane.pml"

bit backlog, asleep; /* as the host sees them */
bit rung; /* the counter behind the ring: it remembers */
bit nic_sleeps; /* ghost */

chan host_buffer = [D] of { byte }; /* slots that become FREE */
#define BACKLOG 0
#define ASLEEP 1
chan nic_buffer = [4] of { bit, bit };

#define HOST_FENCE empty(host_buffer)
#define NIC_FENCE empty(nic_buffer)

active proctype store_buffers() {
	Word seen;
	bool ok;
	byte slot;
	bit flag, value;
end:
	do
	:: atomic { host_buffer?slot -> look(slot, seen); edge_release(word[slot], seen, ok) }
	:: atomic { nic_buffer?flag, value ->
		if
		:: flag == ASLEEP -> asleep = value
		:: else -> backlog = value
		fi
	   }
	od
}

active proctype host() {
	Word seen;
	bool ok;
	bit sees_backlog, sees_asleep;
	byte position, content, taken;

	do
	:: taken == MESSAGES -> break
	:: taken < MESSAGES && word[position].state == FULL ->
#ifdef FLAGS_READ_BEFORE_TAKE
		sees_backlog = backlog;
		sees_asleep = asleep;
#endif
		look(position, seen);
		HOST_FENCE;
		edge_take(word[position], seen, ok);
		read_begin(position, content);
		read_end(position);
		host_buffer!position; /* release */
		d_step {
			taken++;
			MUST(IN_ORDER, content == taken);
			position = NEXT(position)
		}
	:: taken < MESSAGES && word[position].state != FULL -> /* FREE, or soon */
		HOST_FENCE;
		look(position, seen);
		if
		:: seen.state == FREE -> edge_park(word[position], seen, ok)
		:: else -> ok = false
		fi;
		if
		:: ok ->
#ifndef FLAGS_READ_BEFORE_TAKE
			sees_backlog = backlog;
			sees_asleep = asleep;
#endif
#ifdef NO_LOOK_AT_BACKLOG
			sees_backlog = 0;
#endif
			if
			:: sees_backlog && sees_asleep ->
				REACHED(RUNG_ASLEEP, nic_sleeps);
				rung = 1
			:: else -> skip
			fi;
			word[position].state != PARKED; /* woken */
			REACHED(WOKEN, sees_backlog)
		:: else -> skip
		fi
	od
}

inline fall_asleep() {
	sleeps++;
	nic_buffer!BACKLOG, 1;
	nic_buffer!ASLEEP, 1;
#ifndef NIC_SLEEP_FENCE_MISSING
	NIC_FENCE;
#endif
#ifdef NO_LOOK_AFTER_ASLEEP
	found = false;
#else
	found = IS_EMPTY(word[position]);
	REACHED(ROOM_AFTER_ASLEEP, found);
#endif
	if
	:: found -> skip
	:: else ->
		REACHED(RUNG_AWAKE, rung);
		nic_sleeps = 1;
		rung;
		d_step { rung = 0; nic_sleeps = 0 }
	fi;
	nic_buffer!ASLEEP, 0;
	nic_buffer!BACKLOG, 0
}

active proctype nic() {
	Word seen;
	bool ok, found;
	byte position, number, sleeps;

	number = 1;
	do
	:: number > MESSAGES -> break
	:: number <= MESSAGES && IS_EMPTY(word[position]) ->
		look(position, seen);
		write_begin(position, number);
		write_end(position);
		NIC_FENCE;
		edge_deliver(word[position], seen, ok);
		if
		:: ok -> number++; position = NEXT(position)
		:: else -> skip
		fi
	:: number <= MESSAGES && !IS_EMPTY(word[position]) && sleeps < SLEEPS ->
		fall_asleep()
	od
}
