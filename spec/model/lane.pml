/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * A lane for the models: slots, positions, and what giver and taker do at a slot
 * beside the edges of its word.
 *
 * A slot's message is one number, written and read in two steps each, so that a
 * writer and a reader can meet. `giver` and `taker` say who is at the message;
 * they exist only for ONE_OWNER. Loads and stores of words are acquire and
 * release: the two steps of a message stay on their side of them. Where the order
 * of a store and a later load matters, a model has store buffers of its own
 * (sleep.pml, bell.pml, stalling_device.pml).
 */

#ifndef D
#define D 2 /* slots of a lane */
#endif

#ifndef LANES
#define LANES 1 /* lane number n has the slots n * D up to n * D + D - 1 */
#endif
#define SLOTS (LANES * D)

#include "properties.pml"
#include "channel_edges.pml"

Word word[SLOTS];
byte message[SLOTS];
bit giver[SLOTS];
bit taker[SLOTS];

/* Positions within a lane; of lane 0 they are slots as well. */
#define NEXT(position) ((position + 1) % D)
#define BACK(position) ((position + D - 1) % D)
#define IS_EMPTY(w) (w.state == FREE || w.state == PARKED)

/* A load-acquire of the word. */
inline look(slot, seen) {
	d_step {
		seen.state = word[slot].state;
		seen.tag = word[slot].tag
	}
}

/* The giver writes the message: before the edge that makes the slot FULL. */
inline write_begin(slot, content) {
	d_step {
		MUST(ONE_OWNER, !giver[slot] && !taker[slot]);
		giver[slot] = 1;
		message[slot] = content
	}
}

inline write_end(slot) {
	giver[slot] = 0
}

/* The taker reads the message: after the take, until the release. */
inline read_begin(slot, content) {
	d_step {
		MUST(ONE_OWNER, !giver[slot] && !taker[slot]);
		taker[slot] = 1;
		content = message[slot]
	}
}

inline read_end(slot) {
	taker[slot] = 0
}
