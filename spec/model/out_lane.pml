/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * One `out` lane: put and collect, both by plain store.
 *
 * The host puts MESSAGES messages, the NIC reads each and then collects it, each
 * at its own position, up to D at a time. Checked: one owner per message, each
 * taken once and in order, and that a plain store is enough: nobody else moves
 * the word in that state. Both lanes of a kernel channel are of this kind.
 *
 * Abstracted: how the NIC learns of a put (bell.pml, stalling_device.pml).
 */

#ifndef MESSAGES
#define MESSAGES 6
#endif

/* Situations for witness runs. */
#define LANE_WAS_FULL 1 /* the host found no room */
#define LANE_WENT_ROUND 2 /* a slot was filled again while another was read */

#include "lane.pml"

byte collected; /* ghost: the number of the message that was collected last */

#ifdef TWO_PUT
active [2] proctype host() { /* two threads share a lane that belongs to one */
#else
active proctype host() {
#endif
	Word seen;
	bool ok;
	byte position, number;

	for (number : 1 .. MESSAGES) {
		REACHED(LANE_WAS_FULL, word[position].state == FULL);
#ifdef PUT_WITHOUT_LOOK
		look(position, seen);
#else
		d_step { word[position].state == FREE -> look(position, seen) };
#endif
#ifdef PUT_BEFORE_MESSAGE
		edge_put(word[position], seen, ok);
#endif
		write_begin(position, number);
		write_end(position);
#ifndef PUT_BEFORE_MESSAGE
		edge_put(word[position], seen, ok);
#endif
		d_step {
			REACHED(LANE_WENT_ROUND, number > D && taker[NEXT(position)]);
			position = NEXT(position)
		}
	}
}

active proctype nic() {
	Word seen;
	bool ok;
	byte position, number;

	do
	:: collected == MESSAGES -> break
	:: word[position].state == FULL ->
		look(position, seen);
#ifdef COLLECT_BEFORE_LAST_READ
		edge_collect(word[position], seen, ok);
		read_begin(position, number);
		read_end(position);
#else
		read_begin(position, number);
		read_end(position);
		edge_collect(word[position], seen, ok);
#endif
		d_step {
			MUST(IN_ORDER, number == collected + 1);
			collected = number;
			position = NEXT(position)
		}
	od
}
