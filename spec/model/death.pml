/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * Death of the host thread at any step, and who cleans up after it.
 *
 * One thread takes CALLS calls from its `in` lane, answers each by its `out` lane,
 * and parks when there is none. At any step it may die. Then the kernel, or the
 * library, closes in its name: of each slot of the `in` lane what is TAKEN is
 * released, what is empty closed, what is FULL left; then it tells the NIC. (The
 * thread's position died with it, so all slots are visited.) The NIC, told,
 *   1. collects what is in the `out` lane: a reply that was put is a reply;
 *   2. takes back what is FULL, the newest first: it is delivered elsewhere;
 *   3. answers the other calls that it had given there with an error ("the call
 *      may have run").
 * Checked: every call is answered once; with an error only if it was taken and
 * its reply was not put; nothing stays behind.
 *
 * Abstracted: the message; delivery elsewhere succeeds at once; the next owner
 * gets zeroed lanes, so nothing of this one is left to model.
 */

#ifndef CALLS
#define CALLS 3
#endif
#ifndef REVOKES
#define REVOKES 1
#endif

/* Situations for witness runs: how the thread died. */
#define DIED_TAKEN 1 /* between take and reply */
#define DIED_PARKED 2
#define DIED_BEFORE_PUT 3 /* the reply was written, and not put */
#define DIED_AFTER_PUT 4 /* the reply was put, and the NIC had not seen it */
#define DIED_WITH_FULL 5 /* a message FULL, nobody took it */
#define DIED_WITH_STAGED 6 /* one TAKEN, and one FULL behind it */
#define CLOSER_LOST 7 /* the close in its name lost to a delivery */
#define DELIVERED_TO_DEAD 8 /* a delivery came after the death, before the NIC knew */
#define LIVED 9 /* all calls were answered, and it lives */

#define LANES 2 /* 0: `in`; 1: `out` */
#include "lane.pml"

#define OUT(position) (D + position)

bool dead; /* the thread makes no step any more */
bool told; /* the NIC knows */
bit woken;
byte answered;
bit answered_once[CALLS + 1];
bit taken[CALLS + 1]; /* ghosts: how far the thread came with a call */
bit replied[CALLS + 1];

inline answer(number) {
	MUST(ANSWERED_ONCE, !answered_once[number]);
	answered_once[number] = true;
	answered++
}

/* --- the thread ------------------------------------------------------------ */

active proctype host() {
	Word seen;
	bool ok, parked;
	byte position, out, number;

	{
end:
		do
		:: word[position].state == FULL ->
			look(position, seen);
			if
			:: seen.state == FULL ->
				d_step {
					number = message[position];
					edge_take(word[position], seen, ok);
					taken[number] = taken[number] || ok
				};
				if
				:: ok ->
					read_begin(position, number);
					/* the handler */
					word[OUT(out)].state == FREE;
					write_begin(OUT(out), number);
					write_end(OUT(out));
					look(OUT(out), seen);
					d_step {
						edge_put(word[OUT(out)], seen, ok);
						replied[number] = true
					};
					out = NEXT(out);
					read_end(position);
					look(position, seen);
					edge_release(word[position], seen, ok);
					position = NEXT(position)
				:: else -> skip
				fi
			:: else -> skip
			fi
		:: word[position].state == FREE ->
			look(position, seen);
			if
			:: seen.state == FREE -> edge_park(word[position], seen, parked)
			:: else -> skip
			fi;
			if
			:: parked ->
end_asleep:
				woken;
				d_step { woken = false; parked = false }
			:: else -> skip
			fi
		od
	} unless { dead }
}

/* --- the kernel ------------------------------------------------------------ */

/* Closes one slot in the name of the dead thread. */
inline close_for_it(slot) {
	do
	:: d_step { word[slot].state == TAKEN -> look(slot, seen); taker[slot] = 0 };
		edge_release(word[slot], seen, ok)
	:: d_step { IS_EMPTY(word[slot]) -> look(slot, seen) };
		edge_close(word[slot], seen, ok);
		REACHED(CLOSER_LOST, !ok);
		if
		:: ok -> break
		:: else -> skip /* a message came first */
		fi
	:: word[slot].state == FULL -> break /* the NIC takes it back */
	od
}

active proctype kernel() {
	Word seen;
	bool ok;
	byte slot;

	if
	:: answered == CALLS -> REACHED(LIVED, true)
	:: dead = true;
		REACHED(DIED_TAKEN, word[0].state == TAKEN && !replied[message[0]]);
		REACHED(DIED_PARKED, IS_EMPTY(word[0]) && word[1].state == PARKED);
		REACHED(DIED_BEFORE_PUT, message[OUT(0)] == 1 && !giver[OUT(0)] && word[OUT(0)].tag == 0);
		REACHED(DIED_AFTER_PUT, word[OUT(0)].state == FULL);
		REACHED(DIED_WITH_FULL, word[0].state == FULL && word[0].tag == 1);
		REACHED(DIED_WITH_STAGED, word[0].state == TAKEN && word[1].state == FULL);
		for (slot : 0 .. D - 1) {
			close_for_it(slot)
		}
#ifndef NIC_NOT_TOLD
		told = true
#endif
	fi
}

/* --- the NIC --------------------------------------------------------------- */

inline collect() {
	d_step {
		look(OUT(out), seen);
		number = message[OUT(out)];
		edge_collect(word[OUT(out)], seen, ok);
		out = NEXT(out);
		given[number] = false;
		answer(number)
	}
}

inline find_head() {
	head = 1;
	do
	:: head <= CALLS && !waits[head] -> head++
	:: else -> break
	od;
	ok = true
}

inline revoke_newest() {
	d_step { look(BACK(position), seen); seen.state = FULL };
	edge_revoke(word[BACK(position)], seen, ok);
	if
	:: ok ->
		d_step {
			position = BACK(position);
			given[copy[position]] = false;
			waits[copy[position]] = true;
			find_head()
		}
	:: else -> skip
	fi
}

/* The calls that were given there and not answered end in an error. */
inline answer_errors() {
	d_step {
		for (number : 1 .. CALLS) {
			if
			:: given[number] ->
				MUST(UNTAKEN_IS_RETURNED, taken[number]);
				MUST(REPLY_KEPT, !replied[number]);
				given[number] = false;
				answer(number)
			:: else -> skip
			fi
		}
		number = 0
	}
}

active proctype nic() {
	Word seen;
	bool ok;
	byte position, out, head, number, revokes;
	byte copy[D];
	bit waits[CALLS + 1]; /* its queue */
	bit given[CALLS + 1]; /* its call table: delivered there, no reply yet */

	d_step {
		for (number : 1 .. CALLS) {
			waits[number] = true
		}
		head = 1;
		number = 0
	}
	do
	:: answered == CALLS -> break
	:: told -> break
	:: head <= CALLS && IS_EMPTY(word[position]) -> /* deliver */
		look(position, seen);
		if
		:: IS_EMPTY(seen) ->
			write_begin(position, head);
			write_end(position);
			edge_deliver(word[position], seen, ok);
			REACHED(DELIVERED_TO_DEAD, ok && dead);
			if
			:: ok ->
				d_step {
					copy[position] = head;
					given[head] = true;
					waits[head] = false;
					position = NEXT(position);
					find_head()
				};
				if
				:: seen.state == PARKED -> woken = true
				:: else -> skip
				fi
			:: else -> skip
			fi
		:: else -> skip
		fi
	:: word[OUT(out)].state == FULL -> collect()
	:: revokes < REVOKES && word[BACK(position)].state == FULL ->
		revokes++;
		revoke_newest()
	od;
	if
	:: answered == CALLS -> skip
	:: else -> /* told: the thread is dead */
#ifndef ERRORS_BEFORE_COLLECT
		do
		:: word[OUT(out)].state == FULL -> collect()
		:: else -> break
		od;
#endif
#ifndef DEAD_FULL_NOT_RETURNED
		do
		:: word[BACK(position)].state == FULL -> revoke_newest()
		:: else -> break
		od;
#endif
#ifndef DEAD_TAKEN_NOT_ANSWERED
		answer_errors();
#endif
		do /* the queue goes to other endpoints */
		:: head <= CALLS ->
			d_step {
				answer(head);
				waits[head] = false;
				find_head()
			}
		:: else -> break
		od;
		answered == CALLS /* nothing is left behind */
	fi
}
